/* The words of MySQL and MariaDB for what every dialect says in the same order. */
#include "mysql_dialect.h"

/* A pass waits for older transactions, so the account has to see those of others; and it sees those of this server only.
 * MySQL reads the one comment, MariaDB the other. */
#define OTHERS                                                                                                        \
    "SELECT (SELECT 0 * COUNT(*) FROM information_schema.innodb_trx) + "                                      \
    "/*!80000 (SELECT COUNT(*) FROM performance_schema.global_variables g JOIN information_schema.PLUGINS p "         \
    "ON p.PLUGIN_NAME = 'group_replication' AND p.PLUGIN_STATUS = 'ACTIVE' "                                          \
    "WHERE g.VARIABLE_NAME = 'group_replication_single_primary_mode' AND g.VARIABLE_VALUE = 'OFF') */"                \
    "/*M!100600 (SELECT COUNT(*) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'wsrep_cluster_size' "   \
    "AND CAST(VARIABLE_VALUE AS UNSIGNED) > 1) */"

static void number(struct bf_buffer *buffer, size_t parameter)
{
    bf_buffer_format(buffer, "?#%zu", parameter);
}

const struct bf_grammar bf_mysql_grammar = {
    .quote = bf_mysql_quote,
    .key_parameter = bf_mysql_key_parameter,
    .key_collated = bf_mysql_key_collated,
    .key_output = bf_mysql_key_output,
    .number = number,
    .predicate = bf_mysql_author_predicate,
    .value = bf_mysql_author,
    .others = OTHERS,
    .others_hint = "GRANT PROCESS ON *.* to it",
};
