/* What an error number of MySQL or MariaDB means for a job (protocol P10). Numbers first, because many share a SQLSTATE;
 * then its class. */
#include "dialect.h"

#include <string.h>

#include "allocate.h"

static const struct {
    unsigned number;
    enum bf_error_class error_class;
} numbers[] = {
    {1205, BF_CLASS_LOCK},          /* lock wait timeout: only the statement was rolled back */
    {1213, BF_CLASS_LOCK},          /* deadlock */
    {3572, BF_CLASS_LOCK},          /* NOWAIT */
    {1020, BF_CLASS_SERIALIZATION}, /* MariaDB: the record changed since it was read */
    {1180, BF_CLASS_SERIALIZATION}, /* certification failed at COMMIT (Galera) */
    {3101, BF_CLASS_SERIALIZATION}, /* certification failed at COMMIT (group replication) */
    {1047, BF_CLASS_RESOURCES},     /* Galera: the node is not ready */
    {1317, BF_CLASS_CANCELLED},     /* KILL QUERY */
    {1969, BF_CLASS_CANCELLED},     /* max_statement_time */
    {3024, BF_CLASS_CANCELLED},     /* max_execution_time */
    {1053, BF_CLASS_ENDED},         /* KILL CONNECTION on MySQL, or a server that stops */
    {3169, BF_CLASS_ENDED},         /* the same, where it comes between two statements */
    {1927, BF_CLASS_ENDED},         /* KILL CONNECTION on MariaDB */
    {1152, BF_CLASS_LOST},          {1153, BF_CLASS_TERMINAL}, /* a packet over max_allowed_packet */
    {1158, BF_CLASS_LOST},          {1159, BF_CLASS_LOST},
    {1160, BF_CLASS_LOST},          {1161, BF_CLASS_LOST},
    {1184, BF_CLASS_LOST},          {4031, BF_CLASS_LOST},
    {1290, BF_CLASS_NOT_PRIMARY},   /* --read-only */
    {1792, BF_CLASS_NOT_PRIMARY},   /* a read-only transaction */
    {1836, BF_CLASS_NOT_PRIMARY},   /* read-only mode */
    {1036, BF_CLASS_NOT_PRIMARY},   /* a table that is read-only: all of InnoDB with innodb_read_only, on MariaDB */
    {1015, BF_CLASS_NOT_PRIMARY},   /* the same on MySQL */
    {3100, BF_CLASS_NOT_PRIMARY},   /* a group member that may not write */
    {1021, BF_CLASS_RESOURCES},     {1028, BF_CLASS_RESOURCES}, /* disk full, sort aborted */
    {1030, BF_CLASS_RESOURCES},     {1026, BF_CLASS_RESOURCES}, /* an error of the storage engine */
    {1037, BF_CLASS_RESOURCES},     {1038, BF_CLASS_RESOURCES}, /* memory */
    {1040, BF_CLASS_RESOURCES},     {1041, BF_CLASS_RESOURCES}, /* too many connections */
    {1114, BF_CLASS_RESOURCES},     {1135, BF_CLASS_RESOURCES}, /* table full, no thread */
    {1197, BF_CLASS_RESOURCES},     {1203, BF_CLASS_RESOURCES}, /* binlog cache, too many connections */
    {1206, BF_CLASS_RESOURCES},     {1226, BF_CLASS_RESOURCES}, /* lock table full, the account's limit */
    {1260, BF_CLASS_RESOURCES},     /* GROUP_CONCAT cut short in what writes: a list of too many keys */
    {1637, BF_CLASS_RESOURCES},     {1878, BF_CLASS_RESOURCES}, /* too many transactions, temporary file */
    {1044, BF_CLASS_DEFINITION},    {1142, BF_CLASS_DEFINITION}, /* rights */
    {1143, BF_CLASS_DEFINITION},    {1227, BF_CLASS_DEFINITION},
    {1049, BF_CLASS_DEFINITION},    {1054, BF_CLASS_DEFINITION}, /* database, column */
    {1146, BF_CLASS_DEFINITION},    {1176, BF_CLASS_DEFINITION}, /* table, index */
    {1305, BF_CLASS_DEFINITION},    {1370, BF_CLASS_DEFINITION}, /* function */
    {1412, BF_CLASS_DEFINITION},    {1356, BF_CLASS_DEFINITION}, /* the definition changed under our feet */
    {3098, BF_CLASS_DEFINITION},    /* no table for group replication */
    {1630, BF_CLASS_DEFINITION},    {1665, BF_CLASS_DEFINITION}, /* binlog_format = STATEMENT */
    {1242, BF_CLASS_DATA},          {1365, BF_CLASS_DATA}, /* several rows in one value, division by zero */
    {1048, BF_CLASS_DATA},          {1062, BF_CLASS_DATA},
    {1264, BF_CLASS_DATA},          {1265, BF_CLASS_DATA},
    {1292, BF_CLASS_DATA},          {1364, BF_CLASS_DATA},
    {1366, BF_CLASS_DATA},          {1406, BF_CLASS_DATA},
    {1411, BF_CLASS_DATA},          {1451, BF_CLASS_DATA},
    {1452, BF_CLASS_DATA},          {1644, BF_CLASS_DATA}, /* SIGNAL in a trigger */
    {1690, BF_CLASS_DATA},          {3140, BF_CLASS_DATA},
    {3819, BF_CLASS_DATA},          {4025, BF_CLASS_DATA}, /* CHECK */
};

static const struct {
    const char *prefix;
    enum bf_error_class error_class;
} states[] = {
    {"08", BF_CLASS_LOST}, {"21", BF_CLASS_DATA},       {"22", BF_CLASS_DATA},         {"23", BF_CLASS_DATA},
    {"28", BF_CLASS_LOGIN}, {"40", BF_CLASS_SERIALIZATION}, {"42", BF_CLASS_DEFINITION}, {"45", BF_CLASS_DATA},
    {"70", BF_CLASS_CANCELLED},
};

enum bf_error_class bf_mysql_classify(unsigned number, const char *sqlstate)
{
    if (number >= 2000 && number < 3000)
        return BF_CLASS_LOST; /* said by the client library: nothing more can come on this connection */
    for (size_t i = 0; i < BF_COUNT(numbers); i++)
        if (numbers[i].number == number)
            return numbers[i].error_class;
    for (size_t i = 0; i < BF_COUNT(states); i++)
        if (!strncmp(sqlstate, states[i].prefix, 2))
            return states[i].error_class;
    return BF_CLASS_TERMINAL;
}
