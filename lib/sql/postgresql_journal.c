/* The undo journal: a table of its own for each job, in the control schema. One row of it is what one statement of one
 * batch changed, as arrays side by side: the keys, and of each column in `set` the value before and the value that the row
 * held afterwards. It is written by the very statement that changes the rows.
 *
 * Why so: with 10,000 rows a batch and one column set, a row of the journal for each changed row costs 1.27 times the log and a
 * third of the pace, and to lock the rows first another fifth. So the old values are read by the same statement, without a
 * lock; a row that somebody changed between that look and the UPDATE is another version (xmin), and then the server itself
 * takes the statement back, and the batch is run in its sifted form, which sets such rows aside (lib/engine/locks.h). That form
 * has to look at the old rows once more: 0.75 of the pace without a journal against 0.85. Where the predicate is cheap, old rows and
 * new ones are not even joined (postgresql_journal_apart.c). Compression of keys and numbers would be another tenth of the pace for
 * three hundredths of the log, so what has a fixed length is not compressed. tests/bench/undo prints what comes of it.
 *
 * The order of a slice's changes is that of its checkpoint's seq, over all passes: newest first is seq descending. */
#include "postgresql_dialect.h"

#include <string.h>

#include "allocate.h"

enum { NAME_MAX_BYTES = 56 /* of PostgreSQL's 63, behind "before_" */, SAMPLED_BATCHES = 20, SAMPLED_ROWS = 200 };

void bf_postgresql_journal_name(struct bf_buffer *buffer, const char *job)
{
    bf_buffer_text(buffer, "backfilld.undo_");
    for (const char *p = job; *p; p++) {
        char lower = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
        bf_buffer_append(buffer, &lower, 1);
    }
}

/* "before_status": a name that is too long has the column's number instead. */
static void quoted(struct bf_buffer *buffer, const char *what, const char *name, size_t number)
{
    BF_AUTO_STRING char *text = strlen(name) <= NAME_MAX_BYTES ? bf_format("%s_%s", what, name)
                                                               : bf_format("%s#%zu", what, number + 1);
    bf_postgresql_quote(buffer, text);
}

/* Of a fixed length, so that its array is not much longer than what the UPDATE writes to the log anyway. */
static bool is_short(const struct bf_column *column)
{
    static const char *const types[] = {"bigint", "integer", "smallint", "boolean", "real", "double precision", "date", "uuid",
                                        "oid", "money", "interval", "timestamp with time zone",
                                        "timestamp without time zone", "time without time zone", "time with time zone"};
    for (size_t i = 0; i < BF_COUNT(types); i++)
        if (strcmp(column->type, types[i]) == 0)
            return true;
    return false;
}

static void stored_plain(struct bf_buffer *buffer, const char *what, const struct bf_column *column, const char *name, size_t number)
{
    if (!is_short(column))
        return;
    bf_buffer_text(buffer, ", ALTER ");
    quoted(buffer, what, name, number);
    bf_buffer_text(buffer, " SET STORAGE EXTERNAL");
}

/* A statement of its own: CREATE TABLE takes no STORAGE before version 16. */
char *bf_postgresql_store_journal(const char *job, const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    bf_buffer_format(&buffer, "/* backfilld %s */ ALTER TABLE ", job);
    bf_postgresql_journal_name(&buffer, job);
    bf_buffer_text(&buffer, " ALTER rows SET STORAGE PLAIN"); /* as it is: so that the list is never empty */
    for (size_t i = 0; i < table->key_count; i++)
        stored_plain(&buffer, "key", &table->key[i], table->key[i].name, i);
    for (size_t i = 0; i < document->set_count; i++) {
        stored_plain(&buffer, "before", &table->set[i], document->set[i].name, i);
        stored_plain(&buffer, "after", &table->set[i], document->set[i].name, i);
    }
    return bf_buffer_take(&buffer);
}

char *bf_postgresql_make_journal(const char *job, const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    bf_buffer_format(&buffer, "/* backfilld %s */ CREATE TABLE IF NOT EXISTS ", job);
    bf_postgresql_journal_name(&buffer, job);
    bf_buffer_text(&buffer, " (slice integer NOT NULL, seq bigint NOT NULL, part integer NOT NULL, rows bigint NOT NULL");
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(&buffer, ", ");
        quoted(&buffer, "key", table->key[i].name, i);
        bf_buffer_format(&buffer, " %s[]", table->key[i].type);
        if (table->key[i].collation)
            bf_buffer_format(&buffer, " COLLATE %s", table->key[i].collation);
        bf_buffer_text(&buffer, " NOT NULL");
    }
    for (size_t i = 0; i < document->set_count; i++) {
        static const char *const images[] = {"before", "after"};
        for (size_t image = 0; image < BF_COUNT(images); image++) {
            bf_buffer_text(&buffer, ", ");
            quoted(&buffer, images[image], document->set[i].name, i);
            bf_buffer_format(&buffer, " %s[] NOT NULL", table->set[i].as_text ? "text" : table->set[i].type);
        }
    }
    bf_buffer_text(&buffer, ", PRIMARY KEY (slice, seq, part))");
    return bf_buffer_take(&buffer);
}

/* ---- forward ---- */

void bf_postgresql_same_key(struct bf_buffer *buffer, const struct bf_table *table)
{
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, i ? " AND " : "");
        bf_postgresql_quote(buffer, table->key[i].name);
        bf_buffer_format(buffer, " = backfilld_k%zu", i);
        if (table->key[i].collation)
            bf_buffer_format(buffer, " COLLATE %s", table->key[i].collation);
    }
}

/* The rows as they are, under names that no expression of the author's can mean. */
static void old_rows(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table)
{
    bf_buffer_text(buffer, "(SELECT xmin AS backfilld_version");
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, ", ");
        bf_postgresql_quote(buffer, table->key[i].name);
        bf_buffer_format(buffer, " AS backfilld_k%zu", i);
    }
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_text(buffer, ", ");
        bf_postgresql_quote(buffer, document->set[i].name);
        bf_buffer_format(buffer, "%s AS backfilld_b%zu", table->set[i].as_text ? "::text" : "", i);
    }
    bf_buffer_format(buffer, " FROM %s WHERE ", table->reference);
}

/* What stands in them when triggers are through. */
static void new_rows(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table)
{
    bf_buffer_text(buffer, " RETURNING ");
    for (size_t i = 0; i < table->key_count; i++)
        bf_buffer_format(buffer, "%sbackfilld_k%zu", i ? ", " : "", i);
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_format(buffer, ", backfilld_b%zu, ", i);
        bf_postgresql_quote(buffer, document->set[i].name);
        bf_buffer_format(buffer, "%s AS backfilld_a%zu", table->set[i].as_text ? "::text" : "", i);
    }
}

static void journal_columns(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table)
{
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, ", ");
        quoted(buffer, "key", table->key[i].name, i);
    }
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_text(buffer, ", ");
        quoted(buffer, "before", document->set[i].name, i);
        bf_buffer_text(buffer, ", ");
        quoted(buffer, "after", document->set[i].name, i);
    }
}

void bf_postgresql_journal_insert(struct bf_buffer *buffer, const char *job, const struct bf_document *document,
                                  const struct bf_table *table, const char *address)
{
    bf_buffer_text(buffer, "backfilld_kept AS (INSERT INTO ");
    bf_postgresql_journal_name(buffer, job);
    bf_buffer_text(buffer, " (slice, seq, part, rows");
    journal_columns(buffer, document, table);
    bf_buffer_format(buffer, ") SELECT %s, ", address);
}

/* INSERT INTO the journal ... of backfilld_new. */
static void keep(struct bf_buffer *buffer, const char *job, const struct bf_document *document, const struct bf_table *table,
                 const char *address)
{
    bf_postgresql_journal_insert(buffer, job, document, table, address);
    bf_buffer_text(buffer, "count(*)");
    for (size_t i = 0; i < table->key_count; i++)
        bf_buffer_format(buffer, ", array_agg(backfilld_k%zu)", i);
    for (size_t i = 0; i < document->set_count; i++)
        bf_buffer_format(buffer, ", array_agg(backfilld_b%zu), array_agg(backfilld_a%zu)", i, i);
    bf_buffer_text(buffer, " FROM backfilld_new HAVING count(*) > 0 RETURNING rows)");
}

static void update(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table)
{
    bf_buffer_format(buffer, "backfilld_new AS (UPDATE %s SET ", table->reference);
    bf_postgresql_set(buffer, document);
    bf_buffer_text(buffer, " FROM ");
}

/* The range stands in it twice, so that both looks at the table are one walk over the index. The condition is no plain one, for
 * the server would look rows up by it, and many have the same xmin. */
static void joined(struct bf_buffer *buffer, const char *job, const struct bf_document *document, const struct bf_range *range,
                   size_t leg, const char *address)
{
    update(buffer, document, range->table);
    old_rows(buffer, document, range->table);
    bf_range_leg(buffer, &bf_postgresql_grammar, range, leg);
    bf_postgresql_where(buffer, document);
    bf_buffer_text(buffer, ") backfilld_old WHERE ");
    bf_range_leg(buffer, &bf_postgresql_grammar, range, leg);
    bf_buffer_text(buffer, " AND ");
    bf_postgresql_same_key(buffer, range->table);
    bf_buffer_text(buffer, " AND CASE WHEN xmin = backfilld_version THEN true ELSE backfilld.changed_meanwhile() END");
    new_rows(buffer, document, range->table);
    bf_buffer_text(buffer, "), ");
    keep(buffer, job, document, range->table, address);
}

/* A predicate that may call something or look elsewhere is asked only once for each row: it may be dear, or say something else when
 * it is asked again. Of partitions each look by a key would be planned for all. Where a trigger moves a row to the key of another one
 * only the join knows which was which. */
static bool has_to_join(const struct bf_document *document, const struct bf_table *table)
{
    return (document->where && strchr(document->where, '(')) || (document->remaining && strchr(document->remaining, '(')) ||
           document->unless || document->spared || table->partitioned || table->triggers_before;
}

/* The UPDATE of one leg. */
char *bf_postgresql_journal_update(const char *job, const struct bf_document *document, const struct bf_table *table,
                                   size_t split, size_t leg)
{
    struct bf_buffer buffer = {0};
    size_t n = table->key_count;
    struct bf_range range = {table, split, 1, n + 1};
    BF_AUTO_STRING char *address = bf_format("$%zu::text::int, $%zu::text::bigint, %zu", 2 * n + 2, 2 * n + 3, leg);

    bf_buffer_format(&buffer, "/* backfilld %s */ WITH ", job);
    if (has_to_join(document, table))
        joined(&buffer, job, document, &range, leg, address);
    else
        bf_postgresql_journal_apart(&buffer, job, document, &range, leg, address);
    bf_buffer_text(&buffer, " SELECT coalesce(sum(rows), 0) AS changed, 0 AS set_aside FROM backfilld_kept");
    return bf_buffer_take(&buffer);
}

/* (backfilld_k0, ...) */
static void key_names(struct bf_buffer *buffer, const struct bf_table *table, const char *suffix)
{
    for (size_t i = 0; i < table->key_count; i++)
        bf_buffer_format(buffer, "%sbackfilld_k%zu%s", i ? ", " : "", i, suffix);
}

/* The same without the rows that SET_ASIDE has written down; what is another version by then is written down, too. */
char *bf_postgresql_journal_rest(const char *job, const struct bf_document *document, const struct bf_table *table,
                                 size_t split, size_t leg)
{
    struct bf_buffer buffer = {0};
    size_t n = table->key_count, id = 2 * n + 1;
    struct bf_range range = {table, split, 1, n + 1};
    BF_AUTO_STRING char *address = bf_format("$%zu::text::int, $%zu::text::bigint, %zu", id + 1, id + 2, leg);

    bf_buffer_format(&buffer, "/* backfilld %s */ WITH backfilld_old AS MATERIALIZED ", job);
    old_rows(&buffer, document, table);
    bf_range_leg(&buffer, &bf_postgresql_grammar, &range, leg);
    bf_postgresql_where(&buffer, document);
    bf_postgresql_not_aside(&buffer, table);
    bf_buffer_text(&buffer, "), ");
    update(&buffer, document, table);
    bf_buffer_text(&buffer, "backfilld_old WHERE ");
    bf_range_leg(&buffer, &bf_postgresql_grammar, &range, leg);
    bf_buffer_text(&buffer, " AND ");
    bf_postgresql_same_key(&buffer, table);
    bf_buffer_text(&buffer, " AND (xmin = backfilld_version) IS TRUE");
    new_rows(&buffer, document, table);
    bf_buffer_text(&buffer, "), ");
    keep(&buffer, job, document, table, address);
    bf_buffer_format(&buffer, ", backfilld_missed AS (INSERT INTO backfilld.aside (job, slice, seq, key) SELECT $%zu, "
                     "$%zu::text::int, $%zu::text::bigint, json_build_array(", id, id + 1, id + 2);
    key_names(&buffer, table, "::text");
    bf_buffer_text(&buffer, ")::text FROM backfilld_old WHERE (SELECT count(*) FROM backfilld_old) <> "
                            "(SELECT count(*) FROM backfilld_new) AND NOT (");
    key_names(&buffer, table, "");
    bf_buffer_text(&buffer, ") IN (SELECT ");
    key_names(&buffer, table, "");
    bf_buffer_text(&buffer, " FROM backfilld_new) RETURNING 1) SELECT (SELECT count(*) FROM backfilld_new) AS changed, "
                            "(SELECT count(*) FROM backfilld_missed) AS set_aside");
    return bf_buffer_take(&buffer);
}

/* As bf_postgresql_redo_aside. Here the rows are locked as they are read: what is struck off is done, whatever others do. */
char *bf_postgresql_journal_redo(const char *job, const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};

    bf_buffer_format(&buffer, "/* backfilld %s */ WITH backfilld_taken AS MATERIALIZED (SELECT key FROM backfilld.aside "
                     "WHERE job = $1 AND slice = $2::text::int AND taken), backfilld_old AS MATERIALIZED ", job);
    old_rows(&buffer, document, table);
    bf_postgresql_is_taken(&buffer, table);
    bf_postgresql_where(&buffer, document);
    bf_buffer_text(&buffer, " FOR NO KEY UPDATE), ");
    update(&buffer, document, table);
    bf_buffer_text(&buffer, "backfilld_old WHERE ");
    bf_postgresql_same_key(&buffer, table);
    new_rows(&buffer, document, table);
    bf_buffer_text(&buffer, "), ");
    keep(&buffer, job, document, table, "$2::text::int, (SELECT seq FROM backfilld.checkpoint WHERE job = $1 AND "
                                        "slice = $2::text::int), 0");
    bf_buffer_text(&buffer,
                   ", backfilld_struck AS (DELETE FROM backfilld.aside WHERE job = $1 AND slice = $2::text::int AND taken "
                   "RETURNING 1) UPDATE backfilld.checkpoint SET rows_changed_counted = true, "
                   "rows_changed = rows_changed + (SELECT count(*) FROM backfilld_new) WHERE job = $1 AND slice = $2::text::int "
                   "RETURNING (SELECT count(*) FROM backfilld_new) AS changed, (SELECT count(*) FROM backfilld_struck) AS struck");
    return bf_buffer_take(&buffer);
}

/* ---- back ---- */

void bf_postgresql_journal_rows(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table,
                                const char *slice_of_array)
{
    size_t columns = 0;
    bf_buffer_text(buffer, "unnest(");
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, columns++ ? ", x." : "x.");
        quoted(buffer, "key", table->key[i].name, i);
        bf_buffer_text(buffer, slice_of_array);
    }
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_text(buffer, ", x.");
        quoted(buffer, "before", document->set[i].name, i);
        bf_buffer_format(buffer, "%s, x.", slice_of_array);
        quoted(buffer, "after", document->set[i].name, i);
        bf_buffer_text(buffer, slice_of_array);
    }
    bf_buffer_text(buffer, ") WITH ORDINALITY AS u(");
    for (size_t i = 0; i < table->key_count; i++)
        bf_buffer_format(buffer, "backfilld_k%zu, ", i);
    for (size_t i = 0; i < document->set_count; i++)
        bf_buffer_format(buffer, "backfilld_b%zu, backfilld_a%zu, ", i, i);
    bf_buffer_text(buffer, "backfilld_place)");
}

/* *= looks at the values' own bytes, whatever their type's equality, its collation or NULL say. The types have to be the
 * columns' own, domains and all; without ::record the server would compare column by column, by their own operators. */
void bf_postgresql_same_image(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table, char image)
{
    bf_buffer_text(buffer, "ROW(");
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_text(buffer, i ? ", " : "");
        bf_postgresql_quote(buffer, document->set[i].name);
    }
    bf_buffer_text(buffer, ")::record OPERATOR(pg_catalog.*=) ROW(");
    for (size_t i = 0; i < document->set_count; i++)
        bf_buffer_format(buffer, "%sbackfilld_%c%zu::%s", i ? ", " : "", image, i, table->set[i].declared);
    bf_buffer_text(buffer, ")::record");
}

static const char taken_back[] = "[($5::text::int):($6::text::int)]";

/* WITH backfilld_undo AS (the changes that RESTORE or LEAVE is about) */
static void with_undo(struct bf_buffer *buffer, const char *job, const struct bf_document *document, const struct bf_table *table)
{
    bf_buffer_format(buffer, "/* backfilld %s */ WITH backfilld_undo AS MATERIALIZED (SELECT u.* FROM ", job);
    bf_postgresql_journal_name(buffer, job);
    bf_buffer_text(buffer, " x, ");
    bf_postgresql_journal_rows(buffer, document, table, taken_back);
    bf_buffer_text(buffer, " WHERE x.slice = $2::text::int AND x.seq = $3::text::bigint AND x.part = $4::text::int), ");
}

/* The INSERT into backfilld.conflict, up to where the kind is said. */
static void leave(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, "backfilld_left AS (INSERT INTO backfilld.conflict (job, slice, seq, part, place, key, kind) "
                   "SELECT $1, $2::text::int, $3::text::bigint, $4::text::int, l.backfilld_place + $5::text::int - 1, "
                   "json_build_array(");
    key_names(buffer, table, "::text");
    bf_buffer_text(buffer, ")::text, ");
}

static void counted(struct bf_buffer *buffer)
{
    bf_buffer_text(buffer, " RETURNING kind) SELECT (SELECT count(*) FROM backfilld_undo) AS looked_at, count(*) AS conflicts, "
                           "count(*) FILTER (WHERE kind = 'changed') AS changed, count(*) FILTER (WHERE kind = 'deleted') "
                           "AS deleted, count(*) FILTER (WHERE kind = 'altered') AS altered FROM backfilld_left");
}

char *bf_postgresql_leave(const char *job, const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    with_undo(&buffer, job, document, table);
    leave(&buffer, table);
    bf_buffer_text(&buffer, "'refused' FROM backfilld_undo l");
    counted(&buffer);
    return bf_buffer_take(&buffer);
}

char *bf_postgresql_restore(const char *job, const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};

    with_undo(&buffer, job, document, table);
    bf_buffer_format(&buffer, "backfilld_back AS (UPDATE %s SET ", table->reference);
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_text(&buffer, i ? ", " : "");
        bf_postgresql_quote(&buffer, document->set[i].name);
        bf_buffer_format(&buffer, " = backfilld_b%zu::%s", i, table->set[i].declared);
    }
    bf_buffer_text(&buffer, " FROM backfilld_undo WHERE ");
    bf_postgresql_same_key(&buffer, table);
    bf_buffer_text(&buffer, " AND ");
    bf_postgresql_same_image(&buffer, document, table, 'a');
    bf_buffer_text(&buffer, " RETURNING backfilld_place, ");
    bf_postgresql_same_image(&buffer, document, table, 'b');
    bf_buffer_text(&buffer, " AS backfilld_good), ");
    leave(&buffer, table);
    bf_buffer_format(&buffer, "CASE WHEN l.backfilld_place IN (SELECT backfilld_place FROM backfilld_back) THEN 'altered' "
                     "WHEN EXISTS (SELECT FROM %s WHERE ", table->reference);
    bf_postgresql_same_key(&buffer, table);
    bf_buffer_text(&buffer, ") THEN 'changed' ELSE 'deleted' END FROM backfilld_undo l WHERE l.backfilld_place NOT IN "
                            "(SELECT backfilld_place FROM backfilld_back WHERE backfilld_good)");
    counted(&buffer);
    return bf_buffer_take(&buffer);
}

/* A sample of the journal against the rows as they are, for a dry run: rows, changed by others since, deleted since. */
char *bf_postgresql_compare_journal(const char *job, const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    BF_AUTO_STRING char *slice = bf_format("[1:%d]", SAMPLED_ROWS);

    bf_buffer_format(&buffer, "/* backfilld %s */ SELECT count(*) AS rows, count(*) FILTER (WHERE backfilld_state = 1) AS changed, "
                     "count(*) FILTER (WHERE backfilld_state = 0) AS deleted FROM (SELECT coalesce((SELECT CASE WHEN ", job);
    bf_postgresql_same_image(&buffer, document, table, 'a');
    bf_buffer_format(&buffer, " THEN 2 ELSE 1 END FROM %s WHERE ", table->reference);
    bf_postgresql_same_key(&buffer, table);
    bf_buffer_text(&buffer, "), 0) AS backfilld_state FROM (SELECT * FROM ");
    bf_postgresql_journal_name(&buffer, job);
    bf_buffer_format(&buffer, " ORDER BY md5(seq::text) LIMIT %d) x, ", SAMPLED_BATCHES);
    bf_postgresql_journal_rows(&buffer, document, table, slice);
    bf_buffer_text(&buffer, ") looked");
    return bf_buffer_take(&buffer);
}

char *bf_postgresql_journal(enum bf_statement statement, const char *job)
{
    struct bf_buffer buffer = {0};
    bf_buffer_format(&buffer, "/* backfilld %s */ ", job);
    switch (statement) {
    case BF_STATEMENT_LOOK_BACK:
        bf_buffer_text(&buffer, "SELECT slice, seq, part, rows FROM ");
        bf_postgresql_journal_name(&buffer, job);
        bf_buffer_text(&buffer, " WHERE (slice, seq, part) < ($1::text::int, $2::text::bigint, $3::text::int) "
                                "ORDER BY slice DESC, seq DESC, part DESC LIMIT 1");
        break;
    case BF_STATEMENT_JOURNAL_SIZE:
        bf_buffer_text(&buffer, "SELECT coalesce(sum(rows), 0), pg_total_relation_size('");
        bf_postgresql_journal_name(&buffer, job);
        bf_buffer_text(&buffer, "') FROM ");
        bf_postgresql_journal_name(&buffer, job);
        break;
    case BF_STATEMENT_DROP_JOURNAL:
        bf_buffer_text(&buffer, "DROP TABLE IF EXISTS ");
        bf_postgresql_journal_name(&buffer, job);
        break;
    default:
        bf_buffer_clear(&buffer);
        return NULL;
    }
    return bf_buffer_take(&buffer);
}
