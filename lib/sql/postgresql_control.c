/* The statements on the control schema, which hold the protocol: fence, epoch, checkpoint. */
#include "postgresql_dialect.h"

#include <stddef.h>

#include "backfilld/states.h"

/* ", 'completed', 'failed'" ...: the names of the final states, as the list of states has them. */
#define IF_true(text) text
#define IF_false(text)
#define X(constant, name, final) IF_##final(", '" #name "'")
#define FINAL_STATES BF_STATES(X)

/* What an order on the target itself says (protocol P11): '*' is the row for all jobs. */
#define STOPPED_BY_CONTROL \
    "SELECT FROM backfilld.control o WHERE o.job IN ($1::text, '*') AND o.goal <> 'run'"

/* $12 is how long what follows in the transaction may wait for a lock: it holds others. $13 is by how many numbers seq moves. Zero rows must be an error that
 * the server itself raises, or a COMMIT behind it in the same flight would commit (P1). The subquery has to be computed
 * because the outer WHERE looks at it; OFFSET 0 keeps it in one piece.
 * Nobody waits for the disk at the COMMIT behind it: a server that dies takes back the last batches, rows and checkpoint together,
 * as a fail-over may (P4), and they are done again. So rows are held for less long, by what a flush takes. What others act
 * upon (epochs, passes, the end, the state) commits as the session does, and with it all that was committed before.
 * Nothing is compiled, either: a plan that is kept goes by how long the table is, not the batch, and it would be done anew for each.
 * rows_changed is that of the batches before this one: how many rows this one changes is not known yet. */
#define FENCE                                                                                                        \
    "WITH c AS (UPDATE backfilld.checkpoint SET seq = seq + $13::text::bigint, position = $5, low = $6, "           \
    "split = $7::text::int, rows_scanned = $8::text::bigint, rows_changed = $9::text::bigint, rows_changed_counted = false, "               \
    "batches = $10::text::bigint, batch_rows = $11::text::bigint, transaction = txid_current(), "                    \
    "updated_at = clock_timestamp() WHERE job = $1 AND slice = $2::text::int AND epoch = $3::text::bigint "          \
    "AND seq = $4::text::bigint AND NOT EXISTS (" STOPPED_BY_CONTROL ") RETURNING 1) "                               \
    "SELECT extract(epoch FROM clock_timestamp()) AS clock, "                                                        \
    "pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS log, set_config('lock_timeout', $12, true), "            \
    "set_config('synchronous_commit', 'off', true), set_config('jit', 'off', true) "                                 \
    "FROM (SELECT 1 / count(*)::int AS ok FROM c OFFSET 0) fence WHERE fence.ok = 1"

/* No look at control: a job that was stopped there still has to set down what it knows and let go. */
#define FLUSH                                                                                                        \
    "UPDATE backfilld.checkpoint SET seq = seq + 1, position = $5, low = $6, split = $7::text::int, "                \
    "rows_scanned = $8::text::bigint, rows_changed = $9::text::bigint, rows_changed_counted = true, "                \
    "batches = $10::text::bigint, batch_rows = $11::text::bigint, done = $12::text::boolean, "                       \
    "owner = CASE WHEN $13::text::boolean THEN '' ELSE owner END, updated_at = clock_timestamp() "                   \
    "WHERE job = $1 AND slice = $2::text::int AND epoch = $3::text::bigint AND seq = $4::text::bigint"

#define NEXT_PASS                                                                                                    \
    "UPDATE backfilld.checkpoint SET seq = seq + 1, pass = pass + 1, position = NULL, low = NULL, split = 0, "       \
    "through = $5, done = false, pass_found_before = rows_changed - pass_rows_changed, "                             \
    "pass_rows_changed = rows_changed, updated_at = clock_timestamp() "                                              \
    "WHERE job = $1 AND slice = $2::text::int AND epoch = $3::text::bigint AND seq = $4::text::bigint"

/* The update waits for the checkpoint row's lock, which a lost session of ours may still hold; what it then finds is
 * the truth (P2). It does not look at the position: that is read by a statement of its own, after it. */
/* All slices at once, whoever holds one of them: what is said of them by a former owner finds another epoch. Rows that were
 * set aside are not going to be changed any more. */
#define TURN_BACK                                                                                                    \
    "WITH ours AS MATERIALIZED (SELECT identity, definition FROM backfilld.checkpoint WHERE job = $1 AND slice = 0 " \
    "AND epoch = $2::text::bigint FOR UPDATE), "                                                                     \
    "closed AS (UPDATE backfilld.checkpoint SET epoch = epoch + 1, owner = '', updated_at = clock_timestamp() "      \
    "WHERE job = $1 AND slice >= 0 AND EXISTS (SELECT FROM ours) RETURNING 1), "                                     \
    "struck AS (DELETE FROM backfilld.aside WHERE job = $1 AND NOT $4::text::boolean AND EXISTS (SELECT FROM ours) " \
    "RETURNING 1), "                                                                                                 \
    "made AS (INSERT INTO backfilld.checkpoint (job, slice, identity, definition, batch_rows) "                      \
    "SELECT $1, -1, identity, definition, $3::text::bigint FROM ours ON CONFLICT DO NOTHING RETURNING 1) "           \
    "SELECT (SELECT count(*) FROM closed) AS taken"

#define RAISE_EPOCH                                                                                                  \
    "UPDATE backfilld.checkpoint SET epoch = epoch + 1, owner = $3, updated_at = clock_timestamp() "                 \
    "WHERE job = $1 AND slice = $2::text::int AND (owner = $4 OR owner = '' "                                        \
    "OR clock_timestamp() - updated_at > interval '30 seconds') "                             \
    "AND epoch = $5::text::bigint AND seq = coalesce($6::text::bigint, seq) "                                        \
    "AND (slice < 0 OR NOT EXISTS (SELECT FROM backfilld.checkpoint b WHERE b.job = $1 AND b.slice < 0))"

#define READ_CHECKPOINT                                                                                              \
    "SELECT epoch, seq, pass, after, position, low, split, through, rows_scanned, rows_changed, "                    \
    "rows_changed_counted, batches, batch_rows, done, identity, definition, transaction, pass_rows_changed, "        \
    "pass_found_before, canary, (SELECT CASE WHEN min(s.slice) < 0 AND $2::text::int >= 0 THEN 0 ELSE count(*) END " \
    "FROM backfilld.checkpoint s WHERE s.job = $1) AS slices "                                                       \
    "FROM backfilld.checkpoint WHERE job = $1 AND slice = $2::text::int"

/* A table may be missing, and a function forbidden, when these are asked for; a plain statement would then fail as a
 * whole. query_to_xml runs a text, and only the one that fits. */
#define SCALAR(query) "substring(query_to_xml(" query ", true, true, '')::text FROM '<v>([^<]*)</v>')"

#define SERVER                                                                                                       \
    "SELECT " SCALAR(                                                                                                \
        "CASE WHEN has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') "                             \
        "THEN 'SELECT system_identifier AS v FROM pg_catalog.pg_control_system()' "                                  \
        "ELSE 'SELECT datname AS v FROM pg_catalog.pg_database WHERE datname = current_database()' END")             \
    " || '/' || (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) AS identity, "           \
    "pg_postmaster_start_time() AS started_at, "                                                                     \
    "NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable, "                     \
    "current_setting('server_version') AS version, "                                                                 \
    SCALAR("CASE WHEN to_regclass('backfilld.meta') IS NULL THEN 'SELECT NULL AS v' "                                \
           "ELSE 'SELECT value AS v FROM backfilld.meta WHERE key = ''schema_version''' END")                        \
    " AS schema_version, "                                                                                           \
    "CASE WHEN to_regclass('backfilld.meta') IS NULL THEN (SELECT format(" BF_POSTGRESQL_PUBLICATION                 \
    ", string_agg(quote_ident(pubname), ', ' ORDER BY pubname)) FROM pg_catalog.pg_publication "                     \
    "WHERE puballtables HAVING count(*) > 0) END AS publication, pg_is_in_recovery() AS replica"

/* A replica gets no more than what is flushed; what the job committed is, by the TOUCH before. */
#define LOG_END "SELECT pg_current_wal_flush_lsn()"
#define REPLAYED "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn"

/* The condition on the session must have been looked at before a session is ended: OFFSET 0 holds it back. */
#define END_LOST_SESSIONS                                                                                            \
    "SELECT count(*) FILTER (WHERE ended) FROM (SELECT pg_terminate_backend(pid) AS ended FROM ("                    \
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'backfilld ' || $1 AND usename = session_user "       \
    "AND datname = current_database() AND pid <> pg_backend_pid() OFFSET 0) lost OFFSET 0) ends"

/* Every job of this document that committed batches and did not take them back. */
#define FIND_DONE                                                                                                    \
    "SELECT j.id, j.name, j.state FROM backfilld.job j WHERE j.hash = $1 AND j.state <> 'rolled_back' "              \
    "AND EXISTS (SELECT FROM backfilld.checkpoint c WHERE c.job = j.id AND c.seq > 0 "                               \
    "AND (c.rows_scanned > 0 OR c.rows_changed > 0)) ORDER BY j.created_at DESC"

/* The stronger of the two rows; always one row, also when someone deleted both. */
#define READ_CONTROL                                                                                                 \
    "SELECT goal, CASE WHEN job = '*' THEN 'all' ELSE 'job' END AS scope FROM ("                                     \
    "SELECT job, goal FROM backfilld.control WHERE job IN ($1, '*') UNION ALL SELECT $1, 'run') orders "             \
    "ORDER BY CASE goal WHEN 'abort' THEN 0 WHEN 'pause' THEN 1 ELSE 2 END, job = '*' LIMIT 1"

/* Who is not the owner (any more) says nothing of the job. The row of the checkpoint is held, so that nobody takes it over
 * between the look at it and the update: his own word comes behind this one. */
#define JOB_STATE                                                                                                    \
    "WITH ours AS (SELECT FROM backfilld.checkpoint WHERE job = $1 AND epoch = $3::text::bigint AND slice = "        \
    "(SELECT min(slice) FROM backfilld.checkpoint WHERE job = $1) "                                                  \
    "AND owner = $4 FOR SHARE) "                                                                                     \
    "UPDATE backfilld.job SET state = $2, updated_at = clock_timestamp(), "                                          \
    "started_at = CASE WHEN $2 = 'running' THEN coalesce(started_at, clock_timestamp()) ELSE started_at END, "       \
    "ended_at = CASE WHEN $2 IN (''" FINAL_STATES ") THEN clock_timestamp() END "                                    \
    "WHERE id = $1 AND EXISTS (SELECT FROM ours)"

/* xmin is that of the snapshot: the lowest number under way, or the one behind the highest that ended; this transaction has
 * a number too, by then. Sessions of others are seen by who may. */
#define HORIZON                                                                                                      \
    "SELECT pg_current_xact_id(), pg_snapshot_xmin(pg_current_snapshot()), coalesce("                                \
    "(SELECT format('session %s of %s', pid, usename) FROM pg_stat_activity WHERE backend_xid IS NOT NULL "          \
    "AND pid <> pg_backend_pid() ORDER BY age(backend_xid) DESC LIMIT 1), "                                          \
    "(SELECT format('prepared transaction %s of %s', gid, owner) FROM pg_prepared_xacts "                            \
    "ORDER BY age(transaction) DESC LIMIT 1))"

#define CONFLICTS                                                                                                    \
    "SELECT slice, seq, part, place, key, kind, to_char(found_at AT TIME ZONE 'UTC', "                               \
    "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM backfilld.conflict WHERE job = $1 AND (slice, seq, part, place) > "   \
    "($2::text::int, $3::text::bigint, $4::text::int, $5::text::int) ORDER BY slice, seq, part, place "              \
    "LIMIT $6::text::bigint"

/* What the target does not know of was never begun, or is none of its jobs: that is no reason to drop anything. */
#define JOURNAL_DUE                                                                                                  \
    "SELECT coalesce((SELECT coalesce(ended_at, updated_at) < clock_timestamp() - $2::text::bigint * "               \
    "interval '1 millisecond' "                                                                                      \
    "FROM backfilld.job WHERE id = $1), false)"

const char *bf_postgresql_control_statement(enum bf_statement statement)
{
    static const char *const texts[BF_STATEMENT_KINDS] = {
        [BF_STATEMENT_BEGIN] = "BEGIN ISOLATION LEVEL READ COMMITTED",
        [BF_STATEMENT_COMMIT] = "COMMIT",
        [BF_STATEMENT_ROLLBACK] = "ROLLBACK",
        [BF_STATEMENT_SAVEPOINT] = "SAVEPOINT backfilld_try",
        [BF_STATEMENT_BACK_TO] = "ROLLBACK TO SAVEPOINT backfilld_try",
        [BF_STATEMENT_RELEASE] = "RELEASE SAVEPOINT backfilld_try",
        [BF_STATEMENT_CONSTRAINTS] = "SET CONSTRAINTS ALL IMMEDIATE",
        [BF_STATEMENT_COUNT_BAD] = bf_postgresql_count_bad,
        [BF_STATEMENT_RETRY_BAD] = bf_postgresql_retry_bad,
        [BF_STATEMENT_SERVER] = SERVER,
        [BF_STATEMENT_FIND_DONE] = FIND_DONE,
        [BF_STATEMENT_REGISTER_JOB] =
            "INSERT INTO backfilld.job (id, name, document, hash, plan, approver, state) "
            "VALUES ($1, $2, $3::json, $4, $5::json, $6, $7) ON CONFLICT DO NOTHING",
        [BF_STATEMENT_REGISTER_CONTROL] =
            "INSERT INTO backfilld.control (job, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        [BF_STATEMENT_REGISTER_CHECKPOINT] =
            "INSERT INTO backfilld.checkpoint (job, slice, after, through, identity, definition, batch_rows) "
            "SELECT $1::text, $2::text::int, $3::text, $4::text, $5::text, $6::text, $7::text::bigint "
            "WHERE $2::text::int = 0 OR EXISTS (SELECT FROM backfilld.checkpoint b WHERE b.job = $1 "
            "AND b.slice = $2::text::int - 1 AND b.through = $3) ON CONFLICT DO NOTHING",
        [BF_STATEMENT_TURN_BACK] = TURN_BACK,
        [BF_STATEMENT_COUNT_CONFLICTS] = "SELECT count(*) FROM backfilld.conflict WHERE job = $1",
        [BF_STATEMENT_PEEK_OWNER] =
            "SELECT owner, epoch, seq, extract(epoch FROM clock_timestamp() - updated_at) AS silent "
            "FROM backfilld.checkpoint WHERE job = $1 AND slice = $2::text::int",
        [BF_STATEMENT_RAISE_EPOCH] = RAISE_EPOCH,
        [BF_STATEMENT_READ_CHECKPOINT] = READ_CHECKPOINT,
        [BF_STATEMENT_READ_CONTROL] = READ_CONTROL,
        [BF_STATEMENT_HORIZON] = HORIZON,
        [BF_STATEMENT_LOG_END] = LOG_END,
        [BF_STATEMENT_REPLAYED] = REPLAYED,
        [BF_STATEMENT_NEXT_PASS] = NEXT_PASS,
        [BF_STATEMENT_COUNT_ASIDE] = "SELECT count(*) FROM backfilld.aside WHERE job = $1 AND slice = $2::text::int",
        [BF_STATEMENT_CANARY_DONE] =
            "UPDATE backfilld.checkpoint SET canary = true, updated_at = clock_timestamp() "
            "WHERE job = $1 AND slice = $2::text::int AND epoch = $3::text::bigint",
        [BF_STATEMENT_FENCE] = FENCE,
        [BF_STATEMENT_FLUSH] = FLUSH,
        [BF_STATEMENT_TOUCH] =
            "UPDATE backfilld.checkpoint SET updated_at = clock_timestamp() "
            "WHERE job = $1 AND slice = $2::text::int AND epoch = $3::text::bigint",
        [BF_STATEMENT_JOB_STATE] = JOB_STATE,
        [BF_STATEMENT_KEEP_RECORD] = bf_postgresql_keep_record,
        [BF_STATEMENT_END_LOST_SESSIONS] = END_LOST_SESSIONS,
    };
    return texts[statement];
}

const char *bf_postgresql_common(enum bf_statement statement)
{
    switch (statement) {
    case BF_STATEMENT_BEGIN:
        return "/* backfilld */ BEGIN ISOLATION LEVEL READ COMMITTED";
    case BF_STATEMENT_COMMIT:
        return "/* backfilld */ COMMIT";
    case BF_STATEMENT_ROLLBACK:
        return "/* backfilld */ ROLLBACK";
    case BF_STATEMENT_SERVER:
        return "/* backfilld */ " SERVER;
    case BF_STATEMENT_READ_CHECKPOINT:
        return "/* backfilld */ " READ_CHECKPOINT;
    case BF_STATEMENT_FIND_DONE:
        return "/* backfilld */ " FIND_DONE;
    case BF_STATEMENT_CONFLICTS:
        return "/* backfilld */ " CONFLICTS;
    case BF_STATEMENT_BAD_ROWS:
        return bf_postgresql_bad_rows;
    case BF_STATEMENT_FOREIGN_JOBS:
        return bf_postgresql_foreign_jobs;
    case BF_STATEMENT_FOREIGN_JOB:
        return bf_postgresql_foreign_job;
    case BF_STATEMENT_FOREIGN_SLICES:
        return bf_postgresql_foreign_slices;
    case BF_STATEMENT_JOURNAL_DUE:
        return "/* backfilld */ " JOURNAL_DUE;
    case BF_STATEMENT_DROP_BAD:
        return bf_postgresql_drop_bad;
    case BF_STATEMENT_LOG_END:
        return "/* backfilld */ " LOG_END;
    case BF_STATEMENT_REPLAYED:
        return "/* backfilld */ " REPLAYED;
    case BF_STATEMENT_SAMPLE:
        return bf_postgresql_sample;
    case BF_STATEMENT_SAMPLE_SLOW:
        return bf_postgresql_sample_slow;
    case BF_STATEMENT_SAMPLE_ARCHIVE:
        return bf_postgresql_sample_archive;
    case BF_STATEMENT_SAMPLE_TABLE:
        return bf_postgresql_sample_table;
    case BF_STATEMENT_BEAT:
        return bf_postgresql_beat;
    case BF_STATEMENT_WRITES:
        return bf_postgresql_writes;
    case BF_STATEMENT_MARK:
        return bf_postgresql_mark;
    case BF_STATEMENT_WATCH:
        return bf_postgresql_watch;
    case BF_STATEMENT_WATCHED:
        return bf_postgresql_watched;
    default:
        return NULL;
    }
}
