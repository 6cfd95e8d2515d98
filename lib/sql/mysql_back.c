/* The way back on InnoDB. RESTORE takes changes of one entry of the journal back, in one fenced transaction:
 *
 *   their rows are locked (b: what stood there, t: the row). Of more than one row none is waited for
 *   those that do not hold what the job left in them (a) are written down as conflicts: changed, or deleted
 *   the others get their old values. A stamp (ON UPDATE) is put back where it still is the one that the job's change made
 *   those that do not hold them afterwards are conflicts, too: a trigger altered them */
#include "mysql_dialect.h"

#include "allocate.h"

enum { SAMPLED_BATCHES = 20, SAMPLED_ROWS = 200 };

#define PLACES "b.slice = ?#2 AND b.seq = ?#3 AND b.part = ?#4 AND b.place BETWEEN ?#5 AND ?#6"
#define LISTED "c.job = ?1 AND c.slice = ?#2 AND c.seq = ?#3 AND c.part = ?#4 AND c.place "

void bf_mysql_same_entry(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, "a.slice = b.slice AND a.seq = b.seq AND a.part = b.part");
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, " AND a.");
        bf_mysql_image_name(buffer, "key", &table->key[i], i);
        bf_buffer_text(buffer, " = b.");
        bf_mysql_image_name(buffer, "key", &table->key[i], i);
    }
}

/* `undo_x` b, with what the row held afterwards (a) and the row itself (t); `how`: STRAIGHT or LEFT. */
static void joined(struct bf_buffer *buffer, const char *job, const struct bf_table *table, const char *how)
{
    BF_AUTO_STRING char *row = bf_mysql_aliased(table->reference);
    bf_mysql_journal_name(buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_format(buffer, " b %s ", how);
    bf_mysql_journal_name(buffer, job, BF_MYSQL_AFTER);
    bf_buffer_text(buffer, " a ON ");
    bf_mysql_same_entry(buffer, table);
    bf_buffer_format(buffer, " %s %s ON ", how, row);
    bf_mysql_image_join(buffer, table, "t.", "b.");
}

/* t is no row: its key cannot be NULL else. Of a date that is NOT NULL MariaDB says that 0000-00-00 IS NULL. */
static void missing(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, "(t.");
    bf_mysql_quote(buffer, table->key[0].name);
    bf_buffer_text(buffer, " = b.");
    bf_mysql_image_name(buffer, "key", &table->key[0], 0);
    bf_buffer_text(buffer, ") IS NULL");
}

static void lock(struct bf_buffer *buffer, const char *job, const struct bf_table *table)
{
    BF_AUTO_STRING char *row = bf_mysql_aliased(table->reference);
    bf_buffer_format(buffer, "SET @backfilld_sql = CONCAT(?{/* backfilld %s */ SELECT COUNT(*) INTO @backfilld_held FROM ", job);
    bf_mysql_journal_name(buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_format(buffer, " b STRAIGHT_JOIN %s ON ", row);
    bf_mysql_image_join(buffer, table, "t.", "b.");
    bf_buffer_text(buffer, " WHERE " PLACES " FOR UPDATE?}, IF(?#5 < ?#6, ' NOWAIT', ''))?; PREPARE backfilld_keyed FROM "
                           "@backfilld_sql?; EXECUTE backfilld_keyed?; DEALLOCATE PREPARE backfilld_keyed?; ");
}

/* INSERT INTO backfilld.conflict ..., up to the expression of the kind. */
static void leave(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, "INSERT INTO backfilld.conflict (job, slice, seq, part, place, `key`, found_at, kind) SELECT ?1, b.slice, "
                           "b.seq, b.part, b.place, CAST(JSON_ARRAY(");
    for (size_t i = 0; i < table->key_count; i++) {
        bool binary = bf_mysql_key_kind(table->key[i].type) == BF_MYSQL_KEY_BINARY;
        bf_buffer_format(buffer, "%s%sb.", i ? ", " : "", binary ? "HEX(" : "CAST(");
        bf_mysql_image_name(buffer, "key", &table->key[i], i);
        bf_buffer_text(buffer, binary ? ")" : " AS CHAR)");
    }
    bf_buffer_text(buffer, ") AS CHAR), NOW(6), ");
}

/* Behind what writes: is this still the primary, and what came of it? */
static void counted(struct bf_buffer *buffer, const char *job)
{
    bf_buffer_text(buffer, "?; SELECT IF(" BF_MYSQL_WRITABLE ", 1, " BF_MYSQL_RAISE ")?; SELECT (SELECT COUNT(*) FROM ");
    bf_mysql_journal_name(buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_text(buffer, " b WHERE " PLACES ") AS looked_at, COUNT(*) AS conflicts, COUNT(IF(c.kind = 'changed', 1, NULL)) AS "
                           "changed, COUNT(IF(c.kind = 'deleted', 1, NULL)) AS deleted, COUNT(IF(c.kind = 'altered', 1, NULL)) AS "
                           "altered FROM backfilld.conflict c WHERE " LISTED "BETWEEN ?#5 AND ?#6");
}

char *bf_mysql_leave(const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    bf_buffer_format(&buffer, "/* backfilld %s */ ", job);
    leave(&buffer, table);
    bf_buffer_text(&buffer, "'refused' FROM ");
    bf_mysql_journal_name(&buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_text(&buffer, " b WHERE " PLACES);
    counted(&buffer, job);
    return bf_buffer_take(&buffer);
}

static void assign(struct bf_buffer *buffer, const struct bf_table *table)
{
    for (size_t i = 0; i < bf_mysql_image_count(table); i++) {
        bool stamp = i >= table->set_count;
        bf_buffer_text(buffer, i ? ", t." : " SET t.");
        bf_mysql_quote(buffer, table->set[i].name);
        bf_buffer_text(buffer, stamp ? " = IF(" : " = b.");
        if (stamp) {
            bf_mysql_image_same(buffer, table, i, "t.", "after", "a.");
            bf_buffer_text(buffer, ", b.");
        }
        bf_mysql_image_name(buffer, "before", &table->set[i], i);
        if (!stamp)
            continue;
        bf_buffer_text(buffer, ", t.");
        bf_mysql_quote(buffer, table->set[i].name);
        bf_buffer_text(buffer, ")");
    }
}

char *bf_mysql_restore(const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    static const char unlisted[] = " WHERE " PLACES " AND NOT EXISTS (SELECT 1 FROM backfilld.conflict c WHERE " LISTED "= b.place)";

    bf_buffer_format(&buffer, "/* backfilld %s */ ", job);
    lock(&buffer, job, table);
    leave(&buffer, table);
    bf_buffer_text(&buffer, "IF(");
    missing(&buffer, table);
    bf_buffer_text(&buffer, ", 'deleted', 'changed') FROM ");
    joined(&buffer, job, table, "LEFT JOIN");
    bf_buffer_text(&buffer, " WHERE " PLACES " AND (");
    missing(&buffer, table);
    bf_buffer_text(&buffer, " OR a.slice IS NULL OR NOT (");
    bf_mysql_image_all_same(&buffer, table, "after", "a.");
    bf_buffer_text(&buffer, "))?; " BF_MYSQL_NO_WAIT "UPDATE ");
    joined(&buffer, job, table, "STRAIGHT_JOIN");
    assign(&buffer, table);
    bf_buffer_text(&buffer, unlisted);
    bf_buffer_text(&buffer, " AND ");
    bf_mysql_image_all_same(&buffer, table, "after", "a.");
    bf_buffer_text(&buffer, "?; " BF_MYSQL_NO_WARNING);
    leave(&buffer, table);
    bf_buffer_text(&buffer, "'altered' FROM ");
    joined(&buffer, job, table, "LEFT JOIN");
    bf_buffer_text(&buffer, unlisted);
    bf_buffer_text(&buffer, " AND (");
    missing(&buffer, table);
    bf_buffer_text(&buffer, " OR NOT (");
    bf_mysql_image_all_same(&buffer, table, "before", "b.");
    bf_buffer_text(&buffer, "))");
    counted(&buffer, job);
    return bf_buffer_take(&buffer);
}

/* A sample of the journal against the rows as they are, for a dry run: rows, changed by others since, deleted since. */
char *bf_mysql_compare_journal(const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};

    bf_buffer_format(&buffer, "/* backfilld %s */ SELECT COUNT(*), COALESCE(SUM(NOT (", job);
    missing(&buffer, table);
    bf_buffer_text(&buffer, ") AND (a.slice IS NULL OR NOT (");
    bf_mysql_image_all_same(&buffer, table, "after", "a.");
    bf_buffer_text(&buffer, "))), 0), COALESCE(SUM(");
    missing(&buffer, table);
    bf_buffer_text(&buffer, "), 0) FROM (SELECT slice, seq, part FROM ");
    bf_mysql_journal_name(&buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_format(&buffer, " GROUP BY slice, seq, part ORDER BY CRC32(seq), part LIMIT %d) e STRAIGHT_JOIN ", SAMPLED_BATCHES);
    joined(&buffer, job, table, "LEFT JOIN");
    bf_buffer_format(&buffer, " WHERE b.slice = e.slice AND b.seq = e.seq AND b.part = e.part AND b.place <= %d", SAMPLED_ROWS);
    return bf_buffer_take(&buffer);
}
