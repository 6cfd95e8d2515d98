/* What costs more than the sample of mysql_sample.c, every few seconds. information_schema.innodb_trx is among it: who asks
 * for HORIZON at the same moment sees an old picture, notices, and asks again. */
#include "mysql_dialect.h"

/* Its times are those of the server's machine, ours are UTC. What is prepared and waits for XA COMMIT has no connection. */
#define STARTED "CONVERT_TZ(t.trx_started, 'SYSTEM', '+00:00')"
#define OLDEST                                                                                                        \
    "FROM information_schema.innodb_trx t LEFT JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id "    \
    "WHERE t.trx_mysql_thread_id <> CONNECTION_ID() AND COALESCE(p.INFO, '') NOT LIKE '/* backfilld%' "               \
    "ORDER BY t.trx_started LIMIT 1"

const char bf_mysql_sample_slow[] =
    "/* backfilld */ SELECT 'snapshot' AS what, NULL AS name, IF(" BF_MYSQL_SEES ", COALESCE((SELECT GREATEST(0, "
    "TIMESTAMPDIFF(MICROSECOND, " STARTED ", NOW(6)) / 1000000) " OLDEST "), 0), NULL) AS number, NULL AS position, "
    "NULL AS seconds, IF(" BF_MYSQL_SEES ", (SELECT IF(t.trx_mysql_thread_id = 0, 'a prepared XA transaction', "
    "CONCAT('connection ', t.trx_mysql_thread_id, COALESCE(CONCAT(' of ', p.USER), ''))) " OLDEST "), NULL) AS text, "
    "NULL AS reply, NULL AS flag";

/* Galera counts for how long it stopped writes, group replication shows its members' queues. Each text is a comment to the
 * other server. */
const char bf_mysql_sample_flow[] =
    "/* backfilld */ SELECT 'paused' AS what, NULL AS name, NULL AS number, NULL AS position, 0 AS seconds, NULL AS text, "
    "NULL AS reply, NULL AS flag FROM (SELECT 1 AS one) none WHERE FALSE "
    "/*M! UNION ALL SELECT 'paused', NULL, NULL, NULL, VARIABLE_VALUE / 1000000000, NULL, NULL, NULL "
    "FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_FLOW_CONTROL_PAUSED_NS' AND EXISTS "
    "(SELECT 1 FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_READY' AND VARIABLE_VALUE = 'ON') */ "
    "/*!80000 UNION ALL SELECT 'flow', NULL, MAX(GREATEST(COUNT_TRANSACTIONS_IN_QUEUE / (SELECT VARIABLE_VALUE "
    "FROM performance_schema.global_variables WHERE VARIABLE_NAME = 'group_replication_flow_control_certifier_threshold'), "
    "COUNT_TRANSACTIONS_REMOTE_IN_APPLIER_QUEUE / (SELECT VARIABLE_VALUE FROM performance_schema.global_variables "
    "WHERE VARIABLE_NAME = 'group_replication_flow_control_applier_threshold'))), NULL, NULL, NULL, NULL, NULL "
    "FROM performance_schema.replication_group_member_stats HAVING COUNT(*) > 0 AND (SELECT VARIABLE_VALUE "
    "FROM performance_schema.global_variables WHERE VARIABLE_NAME = 'group_replication_flow_control_mode') = 'QUOTA' */";
