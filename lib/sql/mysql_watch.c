/* Who waits for our batches, and for whom they wait, on InnoDB: what the watcher asks (engine/watcher.c). */
#include "mysql_dialect.h"

/* Without PROCESS an account sees its own connections alone; on MySQL it has to be let into performance_schema too. WHERE
 * FALSE asks for the right and no more. Cheap: asked ten times a second while batches run. */
#define WATCH                                                                                                         \
    "SELECT IF(" BF_MYSQL_SEES ", (SELECT VARIABLE_VALUE FROM /*M! information_schema.*//*!80000 performance_schema.*/" \
    "global_status WHERE VARIABLE_NAME = 'Innodb_row_lock_current_waits') + "                                         \
    "(SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'Waiting for table metadata lock')"           \
    "/*!80000 + (SELECT COUNT(*) FROM performance_schema.data_lock_waits, performance_schema.metadata_locks, "        \
    "performance_schema.events_statements_current, performance_schema.threads WHERE FALSE) */, " BF_MYSQL_RAISE        \
    ") AS waiting"

#define US "(SELECT IS_USED_LOCK(CONCAT('backfilld ', ?1, ' ', number)) AS id FROM " BF_MYSQL_LOCK_NUMBERS ")"

/* MariaDB does not say what a session in that state waits for, so what it runs has to name our table; and it waits for us
 * only if we are not in its place. */
#define SEEN_MARIADB                                                                                                  \
    "SELECT 1 AS waits, r.trx_mysql_thread_id AS id FROM information_schema.INNODB_LOCK_WAITS w "                     \
    "JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id JOIN us ON us.id = b.trx_mysql_thread_id "  \
    "JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id "                                         \
    "UNION SELECT 0, b.trx_mysql_thread_id FROM information_schema.INNODB_LOCK_WAITS w "                              \
    "JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id JOIN us ON us.id = r.trx_mysql_thread_id " \
    "JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id "                                           \
    "UNION SELECT 1, p.ID FROM information_schema.PROCESSLIST p WHERE p.STATE = 'Waiting for table metadata lock' "   \
    "AND LOCATE(TRIM(BOTH '`' FROM SUBSTRING_INDEX(?2, '.', -1)), p.INFO) > 0 "                                       \
    "AND NOT EXISTS (SELECT 1 FROM information_schema.PROCESSLIST q JOIN us ON us.id = q.ID WHERE q.STATE = p.STATE)"

/* The transaction's number is that of a picture up to 0.1 s old, and the thread is not always who made the lock: either will
 * do, to give way and to learn. */
#define SEEN_MYSQL                                                                                                    \
    "SELECT 1 AS waits, r.PROCESSLIST_ID AS id FROM performance_schema.data_lock_waits w "                            \
    "JOIN performance_schema.threads r ON r.THREAD_ID = w.REQUESTING_THREAD_ID "                                      \
    "WHERE w.BLOCKING_THREAD_ID IN (SELECT THREAD_ID FROM performance_schema.threads JOIN us ON us.id = PROCESSLIST_ID) " \
    "OR w.BLOCKING_ENGINE_TRANSACTION_ID IN (SELECT trx_id FROM information_schema.INNODB_TRX JOIN us ON us.id = "    \
    "trx_mysql_thread_id) "                                                                                           \
    "UNION SELECT 0, COALESCE(b.trx_mysql_thread_id, h.PROCESSLIST_ID) FROM performance_schema.data_lock_waits w "    \
    "JOIN performance_schema.threads r ON r.THREAD_ID = w.REQUESTING_THREAD_ID JOIN us ON us.id = r.PROCESSLIST_ID "  \
    "LEFT JOIN information_schema.INNODB_TRX b ON b.trx_id = w.BLOCKING_ENGINE_TRANSACTION_ID "                       \
    "LEFT JOIN performance_schema.threads h ON h.THREAD_ID = w.BLOCKING_THREAD_ID "                                   \
    "UNION SELECT 1, r.PROCESSLIST_ID FROM performance_schema.metadata_locks w "                                      \
    "JOIN performance_schema.threads r ON r.THREAD_ID = w.OWNER_THREAD_ID "                                           \
    "JOIN performance_schema.metadata_locks h ON h.OBJECT_TYPE = w.OBJECT_TYPE AND h.OBJECT_SCHEMA <=> w.OBJECT_SCHEMA " \
    "AND h.OBJECT_NAME <=> w.OBJECT_NAME AND h.LOCK_STATUS = 'GRANTED' "                                              \
    "JOIN performance_schema.threads o ON o.THREAD_ID = h.OWNER_THREAD_ID JOIN us ON us.id = o.PROCESSLIST_ID "       \
    "WHERE w.LOCK_STATUS = 'PENDING' AND h.OBJECT_TYPE = 'TABLE'"

/* For how long: the servers know it in whole seconds alone. In milliseconds they know how long its statement has run, which
 * is no less; and nobody has waited for longer than our batch has run (watcher.c). */
#define AGE_MARIADB "CAST(p.TIME_MS AS SIGNED)"
#define AGE_MYSQL                                                                                                     \
    "COALESCE((SELECT CAST(MAX(e.TIMER_WAIT) / 1000000000 AS SIGNED) FROM performance_schema.events_statements_current e " \
    "JOIN performance_schema.threads t ON t.THREAD_ID = e.THREAD_ID WHERE t.PROCESSLIST_ID = seen.id AND "            \
    "e.END_EVENT_ID IS NULL), 1000 * p.TIME)"

#define WATCHED                                                                                                       \
    "WITH us AS " US " SELECT seen.waits, COALESCE(/*M! " AGE_MARIADB " *//*!80000 " AGE_MYSQL " */, 0) AS milliseconds, " \
    "IF(seen.id = 0, 'a prepared XA transaction', CONCAT('connection ', seen.id, "                                    \
    "COALESCE(CONCAT(' of ', p.USER, '@', SUBSTRING_INDEX(p.HOST, ':', 1), ' (', p.COMMAND, ')'), ''), "              \
    "COALESCE(CONCAT(', its transaction ', TIMESTAMPDIFF(SECOND, x.trx_started, CONVERT_TZ(NOW(), '+00:00', 'SYSTEM')), " \
    "' s old'), ''))) AS who FROM (/*M! " SEEN_MARIADB " *//*!80000 " SEEN_MYSQL " */) seen "                         \
    "LEFT JOIN information_schema.PROCESSLIST p ON p.ID = seen.id "                                                   \
    "LEFT JOIN information_schema.INNODB_TRX x ON x.trx_mysql_thread_id = seen.id AND seen.id <> 0 "                  \
    "WHERE NOT EXISTS (SELECT 1 FROM us WHERE us.id = seen.id) ORDER BY waits DESC, milliseconds DESC LIMIT 10"

const char bf_mysql_watch[] = "/* backfilld */ " WATCH, bf_mysql_watched[] = "/* backfilld */ " WATCHED;
