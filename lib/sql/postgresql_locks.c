/* Rows that others hold. Nobody may wait for us in vain: a batch that waits for a row lock while it holds others is what
 * deadlocks are made of, and their victim is the application (P6). So rows are locked first, without waiting; the keys of
 * those that others hold are written down in the same transaction (backfilld.aside) and done later.
 *
 * Locking and changing are two statements: the second one has a snapshot of its own, which shows every row that the first
 * one locked as it is. Within one statement a row that was changed just before it was locked would be passed over. */
#include "postgresql_dialect.h"

#include "allocate.h"

/* (k1, k2) of the table, or of a key that was written down as JSON. */
static void columns(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, "(");
    bf_postgresql_key_list(buffer, table, 0, "", "");
    bf_buffer_text(buffer, ")");
}

static void written_column(struct bf_buffer *buffer, const struct bf_table *table, size_t column, const char *alias)
{
    bf_buffer_format(buffer, "(%s.key::json->>%zu)::%s", alias, column, table->key[column].type);
}

static void written_columns(struct bf_buffer *buffer, const struct bf_table *table, const char *alias)
{
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, i ? ", " : "");
        written_column(buffer, table, i, alias);
    }
}

/* <picked> p JOIN table t on the key */
static void join(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_format(buffer, "backfilld_picked p JOIN %s t ON ", table->reference);
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, i ? " AND t." : "t.");
        bf_postgresql_quote(buffer, table->key[i].name);
        bf_buffer_text(buffer, " = ");
        written_column(buffer, table, i, "p");
    }
}

/* A row that somebody has locked has an xmax; so has one that somebody had locked, and that is locked here for nothing. Most
 * rows have none, and to lock them would be half of what it costs to change them. */
char *bf_postgresql_set_aside(const char *job, const struct bf_document *document, const struct bf_table *table,
                              size_t split, size_t leg)
{
    struct bf_buffer buffer = {0}, rows = {0};
    size_t n = table->key_count;
    struct bf_range range = {table, split, 1, n + 1};

    bf_buffer_text(&rows, "SELECT ");
    bf_postgresql_key_list(&rows, table, 0, "", "");
    bf_buffer_format(&rows, " FROM %s WHERE ", table->reference);
    bf_range_leg(&rows, &bf_postgresql_grammar, &range, leg);
    bf_postgresql_where(&rows, document);
    bf_buffer_format(&rows, " AND ($%zu::text::boolean OR xmax <> '0'::xid)", 2 * n + 4);
    BF_AUTO_STRING char *all = bf_buffer_take(&rows);

    bf_buffer_format(&buffer,
                     "/* backfilld %s */ WITH backfilld_held AS (%s EXCEPT SELECT * FROM (%s FOR NO KEY UPDATE SKIP LOCKED) "
                     "backfilld_free) INSERT INTO backfilld.aside (job, slice, seq, key) SELECT $%zu, $%zu::text::int, "
                     "$%zu::text::bigint, json_build_array(", job, all, all, 2 * n + 1, 2 * n + 2, 2 * n + 3);
    for (size_t i = 0; i < n; i++) {
        bf_buffer_text(&buffer, i ? ", " : "");
        bf_postgresql_quote(&buffer, table->key[i].name);
        bf_buffer_text(&buffer, "::text");
    }
    bf_buffer_text(&buffer, ")::text FROM backfilld_held");
    return bf_buffer_take(&buffer);
}

/* The UPDATE of a leg, but for the rows that this batch has set aside: they may be free by now, and are done later. */
void bf_postgresql_not_aside(struct bf_buffer *buffer, const struct bf_table *table)
{
    size_t n = table->key_count;

    bf_buffer_text(buffer, " AND NOT (");
    columns(buffer, table);
    bf_buffer_text(buffer, " IN (SELECT ");
    written_columns(buffer, table, "backfilld_aside");
    bf_buffer_format(buffer, " FROM backfilld.aside backfilld_aside WHERE backfilld_aside.job = $%zu AND "
                     "backfilld_aside.slice = $%zu::text::int AND backfilld_aside.seq = $%zu::text::bigint))",
                     2 * n + 1, 2 * n + 2, 2 * n + 3);
}

char *bf_postgresql_update_rest(const char *update, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};

    bf_buffer_text(&buffer, update);
    bf_postgresql_not_aside(&buffer, table);
    return bf_buffer_take(&buffer);
}

char *bf_postgresql_spared(const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};

    columns(&buffer, table);
    bf_buffer_text(&buffer, " IN (SELECT ");
    written_columns(&buffer, table, "backfilld_aside");
    bf_buffer_format(&buffer, " FROM (SELECT key FROM backfilld.aside WHERE job = '%s' AND slice >= 0 UNION ALL "
                     "SELECT key FROM backfilld.bad_row WHERE job = '%s') backfilld_aside)", job, job);
    return bf_buffer_take(&buffer);
}

void bf_postgresql_is_taken(struct bf_buffer *buffer, const struct bf_table *table)
{
    columns(buffer, table);
    bf_buffer_text(buffer, " IN (SELECT ");
    written_columns(buffer, table, "backfilld_taken");
    bf_buffer_text(buffer, " FROM backfilld_taken)");
}

#define OF_JOB "job = $1 AND slice = $2::text::int"

/* Marked is what nobody holds any more, and what is not there any more. The list is found by its rows' places, for nobody
 * else changes them (the fence), and a join by key may read all of it for each row. */
char *bf_postgresql_take_aside(const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};

    bf_buffer_format(&buffer, "/* backfilld %s */ WITH backfilld_picked AS MATERIALIZED (SELECT ctid, seq, key FROM "
                     "backfilld.aside WHERE " OF_JOB " AND (seq, key) > ($3::text::bigint, $4::text) ORDER BY seq, key "
                     "LIMIT $5::text::bigint), backfilld_free AS MATERIALIZED (SELECT p.key FROM ", job);
    join(&buffer, table);
    bf_buffer_text(&buffer, " FOR NO KEY UPDATE OF t SKIP LOCKED), backfilld_there AS MATERIALIZED (SELECT p.key FROM ");
    join(&buffer, table);
    bf_buffer_text(&buffer,
                   "), backfilld_marked AS (UPDATE backfilld.aside SET taken = true WHERE ctid = ANY (ARRAY("
                   "SELECT p.ctid FROM backfilld_picked p WHERE p.key IN (SELECT key FROM backfilld_free) "
                   "OR NOT p.key IN (SELECT key FROM backfilld_there))) RETURNING 1) "
                   "SELECT (SELECT count(*) FROM backfilld_marked) AS marked, last.seq, last.key "
                   "FROM (SELECT seq, key FROM backfilld_picked ORDER BY seq DESC, key DESC LIMIT 1) last");
    return bf_buffer_take(&buffer);
}

/* The first one is waited for: that may take as long as the session's lock_timeout, for nothing else is held. */
char *bf_postgresql_wait_aside(const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};

    bf_buffer_format(&buffer, "/* backfilld %s */ WITH backfilld_picked AS MATERIALIZED (SELECT ctid, key FROM backfilld.aside "
                     "WHERE " OF_JOB " ORDER BY seq, key LIMIT 1), backfilld_locked AS MATERIALIZED (SELECT 1 FROM ", job);
    join(&buffer, table);
    bf_buffer_text(&buffer,
                   " FOR NO KEY UPDATE OF t), backfilld_marked AS (UPDATE backfilld.aside SET taken = true WHERE ctid = ANY (ARRAY("
                   "SELECT ctid FROM backfilld_picked)) AND (SELECT count(*) FROM backfilld_locked) >= 0 RETURNING 1) "
                   "SELECT m.marked, set_config('lock_timeout', $3, true) "
                   "FROM (SELECT count(*) AS marked FROM backfilld_marked OFFSET 0) m");
    return bf_buffer_take(&buffer);
}

/* What is marked is changed, as far as it still is to be, struck off, and counted, in one statement. */
char *bf_postgresql_redo_aside(const char *job, const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};

    bf_buffer_format(&buffer, "/* backfilld %s */ WITH backfilld_taken AS MATERIALIZED (SELECT key FROM backfilld.aside "
                     "WHERE " OF_JOB " AND taken), backfilld_changed AS (UPDATE %s SET ", job, table->reference);
    bf_postgresql_set(&buffer, document);
    bf_buffer_text(&buffer, " WHERE ");
    bf_postgresql_is_taken(&buffer, table);
    bf_postgresql_where(&buffer, document);
    bf_buffer_text(&buffer,
                   " RETURNING 1), backfilld_struck AS (DELETE FROM backfilld.aside WHERE " OF_JOB " AND taken RETURNING 1) "
                   "UPDATE backfilld.checkpoint SET rows_changed_counted = true, "
                   "rows_changed = rows_changed + (SELECT count(*) FROM backfilld_changed) WHERE " OF_JOB
                   " RETURNING (SELECT count(*) FROM backfilld_changed) AS changed, "
                   "(SELECT count(*) FROM backfilld_struck) AS struck");
    return bf_buffer_take(&buffer);
}

/* Cheap: asked ten times a second while batches run. */
#define WATCH "SELECT count(*) FROM pg_locks WHERE NOT granted"

/* Who waits for that session, and whom it waits for itself; by which table need not be known here. waitstart is there from 14 on and NULL for a moment;
 * before, the statement's own age stands for it. */
#define WATCHED                                                                                                       \
    "WITH us AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE application_name = 'backfilld ' || $1 AND $2 <> '' " \
    "AND usename = session_user AND datname = current_database()), "                                                  \
    "waiting AS MATERIALIZED (SELECT l.pid, min(CASE WHEN current_setting('server_version_num')::int < 140000 "       \
    "THEN a.query_start ELSE (to_jsonb(l)->>'waitstart')::timestamptz END) AS since FROM pg_locks l "                 \
    "JOIN pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted GROUP BY l.pid), "                                  \
    "seen AS (SELECT true AS waits, w.pid, w.since FROM waiting w WHERE w.pid NOT IN (SELECT pid FROM us) "           \
    "AND EXISTS (SELECT FROM us WHERE us.pid = ANY (pg_blocking_pids(w.pid))) "                                       \
    "UNION ALL SELECT false, b.pid, w.since FROM waiting w JOIN us ON us.pid = w.pid, "                               \
    "unnest(pg_blocking_pids(w.pid)) AS b(pid)) "                                                                     \
    "SELECT CASE WHEN s.waits THEN 't' ELSE 'f' END AS waits, "                                                       \
    "coalesce(extract(epoch FROM clock_timestamp() - s.since) * 1000, 0)::bigint AS milliseconds, "                   \
    "'process ' || s.pid || coalesce(' of ' || a.usename, '') || coalesce(' (' || nullif(a.application_name, '') "    \
    "|| ')', '') || CASE WHEN s.pid = 0 THEN ', a prepared transaction' ELSE coalesce(', ' || a.state || CASE WHEN "  \
    "a.xact_start IS NULL THEN '' ELSE ', its transaction ' || extract(epoch FROM clock_timestamp() - a.xact_start)"  \
    "::bigint || ' s old' END, '') END AS who "                                                                       \
    "FROM seen s LEFT JOIN pg_stat_activity a ON a.pid = s.pid ORDER BY s.waits DESC, s.since NULLS LAST LIMIT 10"

const char bf_postgresql_watch[] = "/* backfilld */ " WATCH, bf_postgresql_watched[] = "/* backfilld */ " WATCHED;
