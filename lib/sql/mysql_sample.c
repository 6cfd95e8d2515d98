/* The server's load in one statement (BF_SAMPLE_ROWS), twice a second. Replicas are not among it: a primary of MySQL or
 * MariaDB does not know how far they are (mysql_replica.c). Nor is what it wrote to its log, which an account may not see,
 * nor information_schema.innodb_trx, of which HORIZON wants an own picture. */
#include "mysql_dialect.h"

#define SEES BF_MYSQL_SEES

/* A session of ours is known by the comment at the head of what it runs. */
#define ACTIVE                                                                                                        \
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND IN ('Query', 'Execute') AND "                  \
    "ID <> CONNECTION_ID() AND COALESCE(INFO, '') NOT LIKE '/* backfilld%'"

const char bf_mysql_sample[] =
    "/* backfilld */ SELECT 'server' AS what, CURRENT_USER() AS name, NULL AS number, NULL AS position, NULL AS seconds, "
    BF_MYSQL_SERVER_IDENTITY " AS text, NULL AS reply, IF(" SEES ", 't', 'f') AS flag "
    "UNION ALL SELECT 'active', NULL, IF(" SEES ", (" ACTIVE "), NULL), NULL, NULL, NULL, NULL, NULL "
    "UNION ALL SELECT 'history', NULL, IF(" SEES ", (SELECT COUNT FROM information_schema.INNODB_METRICS "
    "WHERE NAME = 'trx_rseg_history_len'), NULL), NULL, NULL, NULL, NULL, NULL";
