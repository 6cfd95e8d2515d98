/* What the control schema knows of jobs, for a daemon whose store does not know them (any more): the list of them, and all that
 * it takes to go on with one of them. */
#include "mysql_dialect.h"

#include "backfilld/states.h"

#define IF_true(text) text
#define IF_false(text)
#define X(constant, name, final) IF_##final(", '" #name "'")
#define FINAL_STATES "(''" BF_STATES(X) ")"

#define TIME(column) "CONCAT(SUBSTRING(DATE_FORMAT(" column ", '%Y-%m-%dT%H:%i:%s.%f'), 1, 23), 'Z')"
#define MILLISECONDS(column) "FLOOR(UNIX_TIMESTAMP(" column ") * 1000)"
#define SILENT(column) "TIMESTAMPDIFF(SECOND, " column ", NOW(6))"
#define JOURNAL \
    "((SELECT COUNT(*) FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = 'backfilld' AND t.TABLE_NAME IN " \
    "(CONCAT('undo_', LOWER(j.id)), CONCAT('undo_', LOWER(j.id), '_after'))) = 2)"
/* A text that is no JSON would be an error of the whole statement's. */
#define OF_DOCUMENT(path) "IF(JSON_VALID(j.document), JSON_EXTRACT(j.document, '" path "'), NULL)"
#define UNDO \
    "CASE COALESCE(JSON_TYPE(" OF_DOCUMENT("$.undo") "), '') WHEN 'OBJECT' THEN 'inverse' WHEN '' THEN 'journal' " \
    "ELSE JSON_UNQUOTE(" OF_DOCUMENT("$.undo") ") END"
#define ENDED "j.state IN " FINAL_STATES
#define RECENT "(?#2 = 0 OR COALESCE(j.ended_at, j.updated_at) > NOW(6) - INTERVAL ?#2 * 1000 MICROSECOND)"
#define WAY_BACK "(j.state NOT IN ('refused', 'rolled_back') AND (" UNDO " = 'inverse' OR " JOURNAL "))"

const char bf_mysql_foreign_jobs[] =
    "/* backfilld */ SELECT j.id, j.name, JSON_UNQUOTE(" OF_DOCUMENT("$.table") "), j.state, c.owner, " SILENT("c.seen") ", "
    "c.slices, c.scanned, c.changed, c.back, " UNDO ", " JOURNAL ", " TIME("j.created_at") ", " TIME("c.seen")
    " FROM backfilld.job j JOIN (SELECT job, SUBSTRING_INDEX(GROUP_CONCAT(NULLIF(owner, '') ORDER BY updated_at DESC "
    "SEPARATOR ' '), ' ', 1) AS owner, SUM(slice >= 0) AS slices, SUM(IF(slice >= 0, rows_scanned, 0)) AS scanned, "
    "SUM(IF(slice >= 0, rows_changed, 0)) AS changed, MIN(slice) < 0 AS back, MAX(updated_at) AS seen, MIN(identity) AS identity "
    "FROM backfilld.checkpoint GROUP BY job) c ON c.job = j.id "
    "WHERE c.slices > 0 AND c.identity = ?1 AND (NOT " ENDED " OR (" RECENT " AND " WAY_BACK ")) "
    "ORDER BY " ENDED ", j.created_at DESC LIMIT ?#3";

const char bf_mysql_foreign_job[] =
    "/* backfilld */ SELECT j.name, j.document, j.hash, j.plan, j.approver, j.state, " MILLISECONDS("j.created_at") ", "
    MILLISECONDS("j.started_at") ", " MILLISECONDS("j.ended_at") ", " JOURNAL ", "
    "(SELECT COUNT(*) FROM backfilld.conflict WHERE job = j.id), (SELECT record FROM backfilld.job_record WHERE job = j.id) "
    "FROM backfilld.job j WHERE j.id = ?1";

const char bf_mysql_foreign_slices[] =
    "/* backfilld */ SELECT c.slice, c.after, c.position, c.through, c.rows_scanned, c.rows_changed, c.batches, c.batch_rows, "
    "c.pass, c.done, c.identity, c.owner, " SILENT("c.updated_at") ", "
    "(SELECT COUNT(*) FROM backfilld.aside a WHERE a.job = c.job AND a.slice = c.slice), "
    "(SELECT COUNT(*) FROM backfilld.bad_row b WHERE b.job = c.job AND b.slice = c.slice) "
    "FROM backfilld.checkpoint c WHERE c.job = ?1 ORDER BY c.slice";

/* Behind the raise of an epoch or the release of a checkpoint; whose it is not says nothing. */
const char bf_mysql_keep_record[] =
    BF_MYSQL_ASK_FIRST "INSERT INTO backfilld.job_record (job, record, written_at) SELECT ?1, ?4, NOW(6) FROM backfilld.checkpoint "
    "WHERE job = ?1 AND epoch = ?#2 AND owner = ?3 AND slice = (SELECT MIN(m.slice) FROM backfilld.checkpoint m WHERE m.job = ?1) "
    "ON DUPLICATE KEY UPDATE record = ?4, written_at = NOW(6)";
