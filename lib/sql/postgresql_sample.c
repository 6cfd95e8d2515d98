/* The server's load in one statement (BF_SAMPLE_ROWS), twice a second, and what costs more in others, every few seconds.
 * What an account without pg_read_all_stats cannot see is NULL: not measured, and never zero. */
#include "postgresql_dialect.h"

/* Sessions of the daemon's own: jobs, plans, this one. */
#define NOT_OURS "a.application_name NOT LIKE 'backfilld %'"

/* walreceiver is what a replica without a name of its own says; its slot is what people gave it. */
#define REPLICA_NAME                                                                                                   \
    "CASE WHEN coalesce(r.application_name, '') NOT IN ('', 'walreceiver') THEN r.application_name "                   \
    "ELSE coalesce(s.slot_name::text, r.client_hostname, host(r.client_addr), 'walreceiver') END"

#define REPLICAS                                                                                                       \
    "SELECT 'replica', " REPLICA_NAME ", NULL, pg_wal_lsn_diff(r.replay_lsn, '0/0'), extract(epoch FROM r.replay_lag), " \
    "coalesce(host(r.client_addr), 'unix socket'), r.reply_time::text, r.sync_state IN ('sync', 'quorum') "            \
    "FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid "                             \
    "WHERE coalesce(s.slot_type, 'physical') = 'physical' AND r.state IS DISTINCT FROM 'backup'"

#define ACTIVE                                                                                                         \
    "SELECT 'active', NULL, CASE WHEN me.sees THEN (SELECT count(*) FROM activity a WHERE a.state = 'active' "         \
    "AND a.backend_type = 'client backend' AND " NOT_OURS ") END, NULL, NULL, NULL, NULL, NULL FROM me"

/* Who waits for a lock is looked at first, which is cheap; by whom only for those. */
#define BLOCKED                                                                                                        \
    "SELECT 'blocked', NULL, CASE WHEN me.sees THEN b.sessions END, NULL, b.seconds, b.who, NULL, NULL FROM me, ("     \
    "SELECT count(*) AS sessions, extract(epoch FROM max(clock_timestamp() - a.query_start)) AS seconds, "             \
    "string_agg('pid ' || a.pid || ' (' || a.usename || ')', ', ' ORDER BY a.query_start) AS who "                     \
    "FROM activity a WHERE a.wait_event_type = 'Lock' AND " NOT_OURS " AND EXISTS (SELECT FROM activity o "            \
    "WHERE o.application_name LIKE 'backfilld %' AND o.pid = ANY (pg_blocking_pids(a.pid)))) b"

#define SLOTS                                                                                                          \
    "SELECT 'slot', s.slot_name, me.position - pg_wal_lsn_diff(s.restart_lsn, '0/0'), NULL, NULL, NULL, NULL, s.active " \
    "FROM me, pg_replication_slots s WHERE s.restart_lsn IS NOT NULL"

/* What keeps dead rows of this database from being vacuumed: snapshots, and transactions that wait for COMMIT PREPARED. */
#define SNAPSHOT                                                                                                       \
    "SELECT 'snapshot', NULL, CASE WHEN me.sees THEN coalesce(o.seconds, 0) END, NULL, NULL, o.who, NULL, NULL "       \
    "FROM me LEFT JOIN LATERAL (SELECT extract(epoch FROM clock_timestamp() - h.since) AS seconds, h.who FROM ("       \
    "SELECT a.xact_start AS since, 'pid ' || a.pid || coalesce(' (' || a.usename || ')', '') AS who FROM activity a "  \
    "WHERE a.backend_xmin IS NOT NULL AND a.here AND " NOT_OURS " UNION ALL "                                          \
    "SELECT p.prepared, 'the prepared transaction ' || p.gid FROM pg_prepared_xacts p "                                \
    "WHERE p.database = current_database()) h WHERE h.since IS NOT NULL ORDER BY h.since LIMIT 1) o ON true"

#define VACUUM                                                                                                         \
    "SELECT 'vacuum', n.nspname || '.' || c.relname, count(*), NULL, NULL, NULL, NULL, NULL "                          \
    "FROM pg_stat_progress_vacuum v JOIN activity a ON a.pid = v.pid AND a.backend_type = 'autovacuum worker' "        \
    "JOIN pg_class c ON c.oid = coalesce(pg_partition_root(v.relid), v.relid) "                                        \
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE v.datname = current_database() GROUP BY n.nspname, c.relname"

const char bf_postgresql_sample[] =
    "/* backfilld */ WITH me AS MATERIALIZED (SELECT pg_has_role('pg_read_all_stats', 'USAGE') AS sees, "
    "pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS position), "
    "activity AS MATERIALIZED (SELECT pid, usename, application_name, state, backend_type, backend_xmin, xact_start, "
    "query_start, wait_event_type, datname = current_database() AS here FROM pg_stat_activity WHERE pid <> pg_backend_pid()) "
    "SELECT 'server' AS what, session_user::text AS name, NULL::numeric AS number, position, NULL::numeric AS seconds, "
    "NULL::text AS text, NULL::text AS reply, sees AS flag FROM me "
    "UNION ALL " REPLICAS " UNION ALL " ACTIVE " UNION ALL " BLOCKED " UNION ALL " SLOTS " UNION ALL " SNAPSHOT
    " UNION ALL " VACUUM;

/* The files between the last one that the archiver has put away and the one that is being written. Whoever may not list
 * the archiver's own notes gets this estimate; where it has put nothing away yet there is none. */
#define SEGMENT "pg_size_bytes(current_setting('wal_segment_size'))"
#define ARCHIVED "('x' || substr(a.last_archived_wal, 9, 8))::bit(32)::bigint * (4294967296 / s.bytes) + "                  \
                 "('x' || substr(a.last_archived_wal, 17, 8))::bit(32)::bigint"

const char bf_postgresql_sample_slow[] =
    "/* backfilld */ SELECT 'archive' AS what, NULL::text AS name, "
    "CASE WHEN a.last_archived_wal ~ '^[0-9A-F]{24}' THEN greatest(0, (floor(s.position / s.bytes) - 1 - (" ARCHIVED ")) "
    "* s.bytes) END AS number, NULL::numeric AS position, NULL::numeric AS seconds, NULL::text AS text, NULL::text AS reply, "
    "has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE') AS flag FROM pg_stat_archiver a, "
    "(SELECT " SEGMENT " AS bytes, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS position) s "
    "WHERE current_setting('archive_mode') <> 'off'";

const char bf_postgresql_sample_archive[] =
    "/* backfilld */ SELECT 'archive' AS what, NULL::text AS name, count(*) * " SEGMENT " AS number, NULL::numeric AS position, "
    "NULL::numeric AS seconds, NULL::text AS text, NULL::text AS reply, true AS flag FROM pg_ls_archive_statusdir() "
    "WHERE name ~ '^[0-9A-F]{24}[.]ready$'";

/* With all of its partitions, by the catalogue: pg_partition_tree() would wait for whoever alters one of them. ONLY stands
 * before the name of a table that has none. */
const char bf_postgresql_sample_table[] =
    "/* backfilld */ WITH RECURSIVE tree (id) AS (SELECT to_regclass(regexp_replace($1, '^ONLY ', ''))::oid UNION ALL "
    "SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.id) "
    "SELECT 'dead' AS what, NULL::text AS name, sum(pg_stat_get_dead_tuples(t.id)) AS number, NULL::numeric AS position, "
    "NULL::numeric AS seconds, NULL::text AS text, NULL::text AS reply, NULL::boolean AS flag "
    "FROM tree t WHERE t.id IS NOT NULL HAVING count(*) > 0";

/* A replica says where it is when it has written something down, so it is given something. The commit must not wait for
 * the very replica that is asked: with synchronous_commit = remote_apply it would, as long as replay is paused. */
const char bf_postgresql_beat[] =
    "/* backfilld */ SELECT pg_logical_emit_message(true, 'backfilld', 'beat') "
    "FROM (SELECT set_config('synchronous_commit', 'local', true) OFFSET 0) AS local";
