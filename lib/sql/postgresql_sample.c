/* The server's load in one statement (BF_SAMPLE_ROWS), twice a second. What an account without pg_read_all_stats cannot see
 * is NULL: not measured, and never zero. */
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

#define SNAPSHOT                                                                                                       \
    "SELECT 'snapshot', NULL, CASE WHEN me.sees THEN coalesce(o.seconds, 0) END, NULL, NULL, o.who, NULL, NULL "       \
    "FROM me LEFT JOIN LATERAL (SELECT extract(epoch FROM clock_timestamp() - a.xact_start) AS seconds, "              \
    "'pid ' || a.pid || coalesce(' (' || a.usename || ')', '') AS who FROM activity a "                                \
    "WHERE a.backend_xmin IS NOT NULL AND " NOT_OURS " ORDER BY a.xact_start LIMIT 1) o ON true"

#define VACUUM                                                                                                         \
    "SELECT 'vacuum', n.nspname || '.' || c.relname, NULL, NULL, NULL, NULL, NULL, NULL "                              \
    "FROM pg_stat_progress_vacuum v JOIN activity a ON a.pid = v.pid AND a.backend_type = 'autovacuum worker' "        \
    "JOIN pg_class c ON c.oid = v.relid JOIN pg_namespace n ON n.oid = c.relnamespace "                                \
    "WHERE v.datname = current_database()"

const char bf_postgresql_sample[] =
    "/* backfilld */ WITH me AS MATERIALIZED (SELECT pg_has_role('pg_read_all_stats', 'USAGE') AS sees, "
    "pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS position), "
    "activity AS MATERIALIZED (SELECT pid, usename, application_name, state, backend_type, backend_xmin, xact_start, "
    "query_start, wait_event_type FROM pg_stat_activity WHERE pid <> pg_backend_pid()) "
    "SELECT 'server' AS what, session_user::text AS name, NULL::numeric AS number, position, NULL::numeric AS seconds, "
    "NULL::text AS text, NULL::text AS reply, sees AS flag FROM me "
    "UNION ALL " REPLICAS " UNION ALL " ACTIVE " UNION ALL " BLOCKED " UNION ALL " SLOTS " UNION ALL " SNAPSHOT
    " UNION ALL " VACUUM;

/* A replica says where it is when it has written something down, so it is given something. The commit must not wait for
 * the very replica that is asked: with synchronous_commit = remote_apply it would, as long as replay is paused. */
const char bf_postgresql_beat[] =
    "/* backfilld */ SELECT pg_logical_emit_message(true, 'backfilld', 'beat') "
    "FROM (SELECT set_config('synchronous_commit', 'local', true) OFFSET 0) AS local";
