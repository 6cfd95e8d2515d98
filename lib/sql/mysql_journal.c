/* The undo journal on InnoDB: two tables of each job in the control schema. undo_<job> has what stood in a row before a batch
 * changed it, undo_<job>_after what the row held when the UPDATE and its triggers were through; a row of one belongs to that row
 * of the other which has the same key. Both are written in the batch's transaction:
 *
 *   before   the rows that match are locked as they are read and written down. It waits for none (NOWAIT)
 *   UPDATE   of these rows and no others: somebody may have inserted one meanwhile, or the clock made one match
 *   after    what these rows hold now is written down
 *
 * That the UPDATE is of these rows alone can be had in two ways. Either each row of the range is looked up among those that are
 * kept, which costs a fifth of it; the predicate is not asked again, for it might say something else this time. Or, where a row
 * that matched does so for as long as nobody changes it (there is no predicate, or one that asks for nothing but the row), they
 * are counted: the rows that were kept are locked, so the UPDATE finds every one of them, and when it found no more than so many
 * it found no other. If it did, the whole is taken back, and done again in the first way; as if somebody had held a row of the
 * batch (lib/engine/locks.h).
 *
 * Why two tables: no statement here gives both images. One table with a row for both would be written twice, and both writes
 * of it go to the binary log; a temporary table that holds the old values until then is written to the log as statements
 * where binlog_format is MIXED, and replicas that work in parallel stop doing so for it. Rows are appended in the order of the
 * key, so each write fills pages from left to right. tests/bench/undo prints what comes of it.
 *
 * The order of a slice's changes is that of its checkpoint's seq, over all passes: newest first is seq descending. The fence
 * leaves slice and seq in variables (@backfilld_slice, @backfilld_batch); an UPDATE that brings a number of its own, for there are
 * several behind one fence (lib/engine/run.h), leaves that one there. */
#include "mysql_dialect.h"

#include "allocate.h"

/* As a part of a name in quotes. */
static void lower(struct bf_buffer *buffer, const char *job)
{
    for (const char *p = job; *p; p++) {
        char letter = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
        bf_buffer_append(buffer, &letter, 1);
    }
}

void bf_mysql_journal_name(struct bf_buffer *buffer, const char *job, enum bf_mysql_image image)
{
    bf_buffer_text(buffer, "backfilld.`undo_");
    lower(buffer, job);
    bf_buffer_text(buffer, image == BF_MYSQL_AFTER ? "_after`" : "`");
}

static void both_names(struct bf_buffer *buffer, const char *job)
{
    bf_mysql_journal_name(buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_text(buffer, ", ");
    bf_mysql_journal_name(buffer, job, BF_MYSQL_AFTER);
}

static void make(struct bf_buffer *buffer, const char *job, const struct bf_table *table, enum bf_mysql_image image)
{
    bf_buffer_text(buffer, "CREATE TABLE IF NOT EXISTS ");
    bf_mysql_journal_name(buffer, job, image);
    bf_buffer_text(buffer, " (slice SMALLINT NOT NULL, seq BIGINT NOT NULL, part TINYINT UNSIGNED NOT NULL, ");
    if (image == BF_MYSQL_BEFORE)
        bf_buffer_text(buffer, "place INT UNSIGNED NOT NULL, ");
    bf_mysql_image_columns(buffer, table, image == BF_MYSQL_BEFORE ? "before" : "after");
    bf_buffer_text(buffer, "PRIMARY KEY (slice, seq, part");
    bf_mysql_image_key(buffer, table, "");
    bf_buffer_text(buffer, ")) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
}

/* DDL ends a transaction here, so it comes first, and a new one is begun behind it. */
char *bf_mysql_make_journal(const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    bf_buffer_format(&buffer, "/* backfilld %s */ " BF_MYSQL_ASK_FIRST, job);
    make(&buffer, job, table, BF_MYSQL_BEFORE);
    bf_buffer_text(&buffer, "?; ");
    make(&buffer, job, table, BF_MYSQL_AFTER);
    bf_buffer_text(&buffer, "?; BEGIN");
    return bf_buffer_take(&buffer);
}

/* ---- forward ---- */

static void insert(struct bf_buffer *buffer, const char *job, const struct bf_table *table, enum bf_mysql_image image)
{
    bool before = image == BF_MYSQL_BEFORE;
    bf_buffer_text(buffer, "INSERT INTO ");
    bf_mysql_journal_name(buffer, job, image);
    bf_buffer_text(buffer, before ? " (slice, seq, part, place" : " (slice, seq, part");
    bf_mysql_image_key(buffer, table, "");
    bf_mysql_image_list(buffer, table, before ? "before" : "after", "");
    bf_buffer_text(buffer, ") SELECT ");
}

/* Behind what says which entry it is of; a predicate follows. */
static void of_rows(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, ", ");
    bf_mysql_key_list(buffer, table, 0, "", "");
    bf_mysql_image_values(buffer, table, "");
    bf_buffer_format(buffer, " FROM %s WHERE ", table->reference);
}

void bf_mysql_keep_before(struct bf_buffer *buffer, const char *job, const struct bf_table *table, size_t part, const char *number,
                          const char *behind)
{
    insert(buffer, job, table, BF_MYSQL_BEFORE);
    /* MariaDB sorts for a window function, MySQL takes an assignment in an expression for an old fashion */
    bf_buffer_format(buffer, "@backfilld_slice, %s, %zu, /*M! %s%s(@backfilld_place := @backfilld_place + 1) */"
                     "/*!80000 ROW_NUMBER() OVER () */", number, part, behind ? behind : "", behind ? " + " : "");
    of_rows(buffer, table);
}

/* What the fence, or the UPDATE, left of its own number. */
static void of_batch(struct bf_buffer *buffer, size_t part)
{
    bf_buffer_format(buffer, "b.slice = @backfilld_slice AND b.seq = @backfilld_batch AND b.part = %zu", part);
}

/* The LIMIT, which no batch reaches, keeps it an UPDATE of one table: of a semi-join the servers make one of several, which
 * assigns its columns in another way. */
void bf_mysql_kept_only(struct bf_buffer *buffer, const char *job, const struct bf_table *table, size_t part)
{
    BF_AUTO_STRING char *name = bf_mysql_without_index(table->reference), *row = bf_format("%s.", name);
    bf_buffer_text(buffer, " AND EXISTS (SELECT 1 FROM ");
    bf_mysql_journal_name(buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_text(buffer, " b WHERE ");
    of_batch(buffer, part);
    bf_buffer_text(buffer, " AND ");
    bf_mysql_image_join(buffer, table, row, "b.");
    bf_buffer_text(buffer, ") LIMIT 18446744073709551615");
}

void bf_mysql_keep_after(struct bf_buffer *buffer, const char *job, const struct bf_table *table, size_t part)
{
    BF_AUTO_STRING char *row = bf_mysql_aliased(table->reference);
    insert(buffer, job, table, BF_MYSQL_AFTER);
    bf_buffer_text(buffer, "b.slice, b.seq, b.part");
    bf_mysql_image_key(buffer, table, "b.");
    bf_mysql_image_values(buffer, table, "t.");
    bf_buffer_text(buffer, " FROM ");
    bf_mysql_journal_name(buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_format(buffer, " b STRAIGHT_JOIN %s ON ", row);
    bf_mysql_image_join(buffer, table, "t.", "b.");
    bf_buffer_text(buffer, " WHERE ");
    of_batch(buffer, part);
}

bool bf_mysql_keeps_all(const struct bf_document *document)
{
    return bf_mysql_is_steady(document->where) && bf_mysql_is_steady(document->remaining) && bf_mysql_is_steady(document->unless) &&
           !document->spared;
}

const char bf_mysql_found_kept[] = "SET @backfilld_found = ROW_COUNT() + IF(@@warning_count = 0, 0, " BF_MYSQL_RAISE ")?; "
                                   "SET @backfilld_warned = IF(@backfilld_found = @backfilld_kept, 0, " BF_MYSQL_RAISE ")?; ";

/* What is between them and was inserted meanwhile stands here too, and there is no row of `before` that it belongs to. */
void bf_mysql_keep_range(struct bf_buffer *buffer, const char *job, const struct bf_table *table, size_t part, const char *number)
{
    insert(buffer, job, table, BF_MYSQL_AFTER);
    bf_buffer_format(buffer, "@backfilld_slice, %s, %zu", number, part);
    of_rows(buffer, table);
}

/* ---- without the table ---- */

/* The entry that comes before a place, of those that have the first columns of the place and a smaller next one: each is one
 * step down the index. */
static void look(struct bf_buffer *buffer, const char *job, const char *where, const char *order)
{
    bf_buffer_text(buffer, "(SELECT slice, seq, part FROM ");
    bf_mysql_journal_name(buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_format(buffer, " WHERE %s ORDER BY %s LIMIT 1)", where, order);
}

static void look_back(struct bf_buffer *buffer, const char *job)
{
    bf_buffer_text(buffer, "SELECT e.slice, e.seq, e.part, (SELECT MAX(b.place) FROM ");
    bf_mysql_journal_name(buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_text(buffer, " b WHERE b.slice = e.slice AND b.seq = e.seq AND b.part = e.part) AS changes FROM (");
    look(buffer, job, "slice = ?#1 AND seq = ?#2 AND part < ?#3", "part DESC");
    bf_buffer_text(buffer, " UNION ALL ");
    look(buffer, job, "slice = ?#1 AND seq < ?#2", "seq DESC, part DESC");
    bf_buffer_text(buffer, " UNION ALL ");
    look(buffer, job, "slice < ?#1", "slice DESC, seq DESC, part DESC");
    bf_buffer_text(buffer, ") e ORDER BY e.slice DESC, e.seq DESC, e.part DESC LIMIT 1");
}

/* Every changed row is counted in its slice's checkpoint, in the same transaction, so the journal need not be read for it. How
 * large it is the server would not know before it looks at it by itself, some time later; a look is at a few pages. */
static void journal_size(struct bf_buffer *buffer, const char *job)
{
    bf_buffer_text(buffer, "ANALYZE NO_WRITE_TO_BINLOG TABLE ");
    both_names(buffer, job);
    bf_buffer_format(buffer, "?; SELECT (SELECT COALESCE(SUM(rows_changed), 0) FROM backfilld.checkpoint WHERE job = '%s' AND "
                     "slice >= 0), (SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES "
                     "WHERE TABLE_SCHEMA = 'backfilld' AND TABLE_NAME IN ('undo_", job);
    lower(buffer, job);
    bf_buffer_text(buffer, "', 'undo_");
    lower(buffer, job);
    bf_buffer_text(buffer, "_after'))");
}

char *bf_mysql_journal(enum bf_statement statement, const char *job)
{
    struct bf_buffer buffer = {0};
    bf_buffer_format(&buffer, "/* backfilld %s */ ", job);
    switch (statement) {
    case BF_STATEMENT_LOOK_BACK:
        look_back(&buffer, job);
        break;
    case BF_STATEMENT_JOURNAL_SIZE:
        journal_size(&buffer, job);
        break;
    case BF_STATEMENT_DROP_JOURNAL: /* nobody else uses the tables, and a server lets go of their pages by and by */
        bf_buffer_text(&buffer, BF_MYSQL_ASK_FIRST "DROP TABLE IF EXISTS ");
        both_names(&buffer, job);
        break;
    default:
        bf_buffer_clear(&buffer);
        return NULL;
    }
    return bf_buffer_take(&buffer);
}
