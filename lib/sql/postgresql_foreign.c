/* What the control schema knows of jobs, for a daemon whose store does not know them (any more): the list of them, and all that
 * it takes to go on with one of them. */
#include "postgresql_dialect.h"

#include "backfilld/states.h"

#define IF_true(text) text
#define IF_false(text)
#define X(constant, name, final) IF_##final(", '" #name "'")
#define FINAL_STATES "(''" BF_STATES(X) ")"

#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
#define MILLISECONDS(column) "(extract(epoch FROM " column ") * 1000)::bigint"
#define SILENT "extract(epoch FROM clock_timestamp() - max(updated_at))"
#define JOURNAL \
    "EXISTS (SELECT FROM pg_catalog.pg_class t WHERE t.relname = 'undo_' || lower(j.id) AND t.relnamespace = " \
    "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'backfilld'))"
#define UNDO \
    "coalesce(CASE json_typeof(j.document -> 'undo') WHEN 'object' THEN 'inverse' ELSE j.document ->> 'undo' END, 'journal')"
#define ENDED "j.state IN " FINAL_STATES
#define RECENT \
    "($2::text::bigint = 0 OR coalesce(j.ended_at, j.updated_at) > clock_timestamp() - $2::text::bigint * interval '1 millisecond')"
#define WAY_BACK "(j.state NOT IN ('refused', 'rolled_back') AND (" UNDO " = 'inverse' OR " JOURNAL "))"

const char bf_postgresql_foreign_jobs[] =
    "/* backfilld */ SELECT j.id, j.name, j.document ->> 'table', j.state, c.owner, c.silent, c.slices, c.scanned, c.changed, "
    "c.back, " UNDO ", " JOURNAL ", " TIME("j.created_at") ", " TIME("c.seen")
    " FROM backfilld.job j CROSS JOIN LATERAL (SELECT (array_agg(owner ORDER BY owner <> '' DESC, updated_at DESC))[1] AS owner, "
    SILENT " AS silent, count(*) FILTER (WHERE slice >= 0) AS slices, "
    "coalesce(sum(rows_scanned) FILTER (WHERE slice >= 0), 0) AS scanned, "
    "coalesce(sum(rows_changed) FILTER (WHERE slice >= 0), 0) AS changed, min(slice) < 0 AS back, max(updated_at) AS seen, min(identity) AS identity "
    "FROM backfilld.checkpoint WHERE job = j.id) c "
    "WHERE c.slices > 0 AND c.identity = $1 AND (NOT " ENDED " OR (" RECENT " AND " WAY_BACK ")) "
    "ORDER BY " ENDED ", j.created_at DESC LIMIT $3::text::bigint";

const char bf_postgresql_foreign_job[] =
    "/* backfilld */ SELECT j.name, j.document, j.hash, j.plan, j.approver, j.state, " MILLISECONDS("j.created_at") ", "
    MILLISECONDS("j.started_at") ", " MILLISECONDS("j.ended_at") ", " JOURNAL ", "
    "(SELECT count(*) FROM backfilld.conflict WHERE job = j.id), (SELECT record FROM backfilld.job_record WHERE job = j.id) "
    "FROM backfilld.job j WHERE j.id = $1";

const char bf_postgresql_foreign_slices[] =
    "/* backfilld */ SELECT c.slice, c.after, c.position, c.through, c.rows_scanned, c.rows_changed, c.batches, c.batch_rows, "
    "c.pass, c.done, c.identity, c.owner, extract(epoch FROM clock_timestamp() - c.updated_at), "
    "(SELECT count(*) FROM backfilld.aside a WHERE a.job = c.job AND a.slice = c.slice), "
    "(SELECT count(*) FROM backfilld.bad_row b WHERE b.job = c.job AND b.slice = c.slice) "
    "FROM backfilld.checkpoint c WHERE c.job = $1 ORDER BY c.slice";

/* Behind the raise of an epoch or the release of a checkpoint; whose it is not says nothing. */
const char bf_postgresql_keep_record[] =
    "INSERT INTO backfilld.job_record (job, record) SELECT $1, $4::json FROM backfilld.checkpoint WHERE job = $1 "
    "AND epoch = $2::text::bigint AND owner = $3 AND slice = (SELECT min(slice) FROM backfilld.checkpoint WHERE job = $1) "
    "ON CONFLICT (job) DO UPDATE SET record = excluded.record, written_at = clock_timestamp()";
