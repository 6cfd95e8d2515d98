/* Rows that the server refuses to change: the quarantine. A row is found by trying ever fewer of them, each try behind a
 * savepoint (lib/engine/bisect.h), so its key is written down by the transaction that passes it, or not at all. */
#include "postgresql_dialect.h"

#include "allocate.h"

/* INSERT INTO the quarantine ... of backfilld_bad (key); `values`: the expressions of job, slice, seq, error and sqlstate. A
 * pass may meet a row again that is there already: then the newest error is what counts. */
static void add_rows(struct bf_buffer *buffer, const char *values[5])
{
    bf_buffer_format(buffer, "backfilld_added AS (INSERT INTO backfilld.bad_row AS b (job, slice, seq, key, error, sqlstate) "
                     "SELECT %s, %s, %s, key, %s, %s FROM backfilld_bad ON CONFLICT (job, key) DO UPDATE SET "
                     "slice = excluded.slice, seq = excluded.seq, error = excluded.error, sqlstate = excluded.sqlstate, "
                     "found_at = excluded.found_at RETURNING b.xmax = 0 AS fresh)", values[0], values[1], values[2], values[3],
                     values[4]);
}

#define COUNTED                                                                                    \
    "SELECT (SELECT count(*) FROM backfilld_bad) AS rows, "                                        \
    "(SELECT count(*) FROM backfilld_added WHERE fresh) AS new"

char *bf_postgresql_quarantine(const char *job, const struct bf_table *table, size_t split, size_t leg)
{
    struct bf_buffer buffer = {0};
    size_t n = table->key_count;
    struct bf_range range = {table, split, 1, n + 1};
    BF_AUTO_STRING char *id = bf_format("$%zu", 2 * n + 1), *slice = bf_format("$%zu::text::int", 2 * n + 2);
    BF_AUTO_STRING char *seq = bf_format("$%zu::text::bigint + number", 2 * n + 3), *error = bf_format("$%zu", 2 * n + 4);
    BF_AUTO_STRING char *sqlstate = bf_format("$%zu", 2 * n + 5);

    bf_buffer_format(&buffer, "/* backfilld %s */ WITH backfilld_bad AS MATERIALIZED (SELECT json_build_array(", job);
    for (size_t i = 0; i < n; i++) {
        bf_buffer_text(&buffer, i ? ", " : "");
        bf_postgresql_quote(&buffer, table->key[i].name);
        bf_buffer_text(&buffer, "::text");
    }
    bf_buffer_text(&buffer, ")::text AS key, row_number() OVER (ORDER BY ");
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_format(&buffer, ") - 1 AS number FROM %s WHERE ", table->reference);
    bf_range_leg(&buffer, &bf_postgresql_grammar, &range, leg);
    bf_buffer_text(&buffer, "), ");
    add_rows(&buffer, (const char *[]){id, slice, seq, error, sqlstate});
    bf_buffer_text(&buffer, " " COUNTED);
    return bf_buffer_take(&buffer);
}

#define OF_SLICE "job = $1 AND slice = $2::text::int"
#define SEQ "(SELECT seq FROM backfilld.checkpoint WHERE " OF_SLICE ")"

char *bf_postgresql_quarantine_aside(const char *job)
{
    struct bf_buffer buffer = {0};

    bf_buffer_format(&buffer, "/* backfilld %s */ WITH backfilld_bad AS (DELETE FROM backfilld.aside WHERE " OF_SLICE " AND taken "
                     "RETURNING key), ", job);
    add_rows(&buffer, (const char *[]){"$1", "$2::text::int", SEQ, "$3", "$4"});
    bf_buffer_text(&buffer, " " COUNTED ", (SELECT max(key) FROM backfilld_bad) AS key");
    return bf_buffer_take(&buffer);
}

const char bf_postgresql_count_bad[] = "SELECT count(*) FROM backfilld.bad_row WHERE " OF_SLICE;

/* Who is set aside is done once more, as every row that others held: struck off by the transaction that changes it. */
const char bf_postgresql_retry_bad[] =
    "WITH again AS (DELETE FROM backfilld.bad_row WHERE " OF_SLICE " AND EXISTS (SELECT FROM backfilld.checkpoint WHERE "
    OF_SLICE " AND epoch = $3::text::bigint AND owner = $4) RETURNING key) "
    "INSERT INTO backfilld.aside (job, slice, seq, key) SELECT $1, $2::text::int, " SEQ ", key FROM again ON CONFLICT DO NOTHING";

const char bf_postgresql_bad_rows[] =
    "/* backfilld */ SELECT slice, seq, key, error, sqlstate, to_char(found_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') "
    "FROM backfilld.bad_row WHERE job = $1 AND (slice, seq) > ($2::text::int, $3::text::bigint) ORDER BY slice, seq "
    "LIMIT $4::text::bigint";

const char bf_postgresql_drop_bad[] = "/* backfilld */ DELETE FROM backfilld.bad_row WHERE job = $1";
