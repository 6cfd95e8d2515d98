/* The heartbeat, and what a replica says of itself: a primary of MySQL or MariaDB does not know how far its replicas are.
 *
 * The row carries a number and the position of the primary's log, never a time that is compared: clocks of several servers
 * are not one. One row for each daemon that watches, so that two of them do not take each other's for their own. */
#include "mysql_dialect.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"

const char bf_mysql_beat[] =
    "/* backfilld */ SELECT IF(" BF_MYSQL_WRITABLE ", 1, " BF_MYSQL_RAISE ")?; "
    "INSERT INTO backfilld.heartbeat (writer, number, position, written_at) VALUES (?1, ?#2, ?#3, NOW(6)) "
    "ON DUPLICATE KEY UPDATE number = ?#2, position = ?#3, written_at = NOW(6)?; "
    "DELETE FROM backfilld.heartbeat WHERE ?4 = 't' AND written_at < NOW(6) - INTERVAL 1 DAY AND writer <> 'check'";

/* How far the log is written, for a check on a replica: one more of a count that never falls, and needs no GTID. What was
 * committed before it is there where it is. */
const char bf_mysql_log_end[] =
    "SELECT IF(" BF_MYSQL_WRITABLE ", 1, " BF_MYSQL_RAISE ")?; "
    "INSERT INTO backfilld.heartbeat (writer, number, position, written_at) VALUES ('check', 1, 0, NOW(6)) "
    "ON DUPLICATE KEY UPDATE number = number + 1, written_at = NOW(6)?; "
    "SELECT number FROM backfilld.heartbeat WHERE writer = 'check'";

const char bf_mysql_replayed[] =
    "/* backfilld */ SELECT IF(COALESCE((SELECT number FROM backfilld.heartbeat WHERE writer = 'check'), 0) >= ?#1, 't', 'f')";

const char bf_mysql_read_beat[] = "/* backfilld */ SELECT number, position FROM backfilld.heartbeat WHERE writer = ?1";

/* Several workers of MySQL may commit a heartbeat before what was committed before it on the primary. */
#define OUT_OF_ORDER                                                                                                  \
    "/*!80000 (SELECT COUNT(*) FROM performance_schema.global_variables WHERE "                                       \
    "VARIABLE_NAME IN ('replica_preserve_commit_order', 'slave_preserve_commit_order') AND VARIABLE_VALUE = 'OFF') AND " \
    "(SELECT COUNT(*) FROM performance_schema.global_variables WHERE "                                                \
    "VARIABLE_NAME IN ('replica_parallel_workers', 'slave_parallel_workers') AND VARIABLE_VALUE > 1) *//*M! FALSE */"

const char bf_mysql_replica_hosts[] = "/* backfilld */ SHOW /*!80022 REPLICAS *//*M! SLAVE HOSTS */";

const char bf_mysql_log_readers[] =
    "/* backfilld */ SELECT IF(" BF_MYSQL_SEES ", (SELECT COUNT(*) FROM information_schema.PROCESSLIST "
    "WHERE COMMAND LIKE 'Binlog Dump%'), NULL) AS readers";

const char bf_mysql_replica_server[] =
    "/* backfilld */ SELECT " BF_MYSQL_SERVER_IDENTITY " AS server, IF(" BF_MYSQL_WRITABLE ", 't', 'f') AS writable, "
    "IF(" OUT_OF_ORDER ", 'f', 't') AS in_order";

/* Each server reads its own comment. MySQL before 8.0.22 reads SHOW STATUS: no error, and nothing is learnt from it. */
const char bf_mysql_replica_status[] = "/* backfilld */ SHOW /*!80022 REPLICA *//*M! ALL SLAVES */STATUS";

/* Bytes of binlog since the server began. MySQL has no counter of its own for them, but counts what goes into its files. */
const char bf_mysql_log_written[] =
    "/* backfilld */ SELECT IF(@@global.log_bin, (SELECT "
    "/*!80000 SUM_NUMBER_OF_BYTES_WRITE FROM performance_schema.file_summary_by_event_name "
    "WHERE EVENT_NAME = 'wait/io/file/sql/binlog' *//*M! VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
    "WHERE VARIABLE_NAME = 'BINLOG_BYTES_WRITTEN' */), NULL) AS log";

bool bf_mysql_read_beat_answer(const struct bf_answer *answer, struct bf_beat_seen *ret_seen)
{
    *ret_seen = (struct bf_beat_seen){0};
    if (answer->outcome == BF_OUTCOME_ERROR) /* no such database, no such table: they have yet to come to it */
        return strcmp(answer->sqlstate, "1049") == 0 || strcmp(answer->sqlstate, "1146") == 0;
    if (answer->outcome != BF_OUTCOME_OK)
        return false;
    if (answer->rows == 0)
        return true;
    *ret_seen = (struct bf_beat_seen){
        .there = true, .number = bf_answer_number(answer, 0, 0), .position = bf_answer_real(answer, 0, 1, 0)};
    return true;
}

/* ---- SHOW REPLICA STATUS ---- */

/* Columns that have had the same places since MySQL 5.7; MariaDB's SHOW ALL SLAVES STATUS has two more in front. */
enum column { IO_RUNNING = 10, SQL_RUNNING = 11, BEHIND = 32, IO_ERROR = 35, SQL_ERROR = 37, COLUMNS = 38, IN_FRONT = 2 };

struct status {
    const struct bf_answer *answer;
    size_t row, shift;
};

static const char *cell(const struct status *status, enum column column)
{
    const char *value = bf_answer_value(status->answer, status->row, column + status->shift);
    return value ? value : "";
}

static bool says(const struct status *status, enum column column, const char *word)
{
    return strcmp(cell(status, column), word) == 0;
}

static bool runs(const struct status *status)
{
    return says(status, IO_RUNNING, "Yes") && says(status, SQL_RUNNING, "Yes");
}

/* The server's words without the value of a row, and without the statement, which has values, too. */
static char *without_value(const char *text)
{
    static const char entry[] = "Duplicate entry '", query[] = ". Query: '";
    const char *statement = strstr(text, query);
    int length = (int)(statement ? statement - text : (ptrdiff_t)strlen(text));
    const char *begin = strstr(text, entry), *end = begin ? strstr(begin, "' for key") : NULL;
    if (!end || (statement && end > statement))
        return bf_copy_bytes(text, (size_t)length);
    begin += strlen(entry);
    return bf_format("%.*s...%.*s", (int)(begin - text), text, length - (int)(end - text), end);
}

static void describe(const struct status *status, char *words, size_t size)
{
    bool sql_stands = !says(status, SQL_RUNNING, "Yes");
    BF_AUTO_STRING char *error = without_value(cell(status, sql_stands ? SQL_ERROR : IO_ERROR));
    const char *what = sql_stands                              ? "its SQL thread is stopped"
                       : says(status, IO_RUNNING, "Connecting") ? "its IO thread has no connection to its source"
                                                                : "its IO thread is stopped";
    snprintf(words, size, "%s%s%.150s", what, *error ? ": " : "", error);
}

void bf_mysql_read_replication(const struct bf_answer *answer, struct bf_replication *ret_replication, char *words, size_t size)
{
    struct status status = {.answer = answer};
    snprintf(words, size, "%s", "");
    *ret_replication = (struct bf_replication){.follows = true, .behind = -1};
    if (answer->outcome != BF_OUTCOME_OK) {
        snprintf(words, size, "why cannot be told: %.180s", answer->message ? answer->message : "no answer");
        return;
    }
    if (answer->rows == 0) {
        ret_replication->follows = false;
        snprintf(words, size, "it replicates from nobody");
        return;
    }
    if (answer->columns < COLUMNS)
        return;
    static const char *const states[] = {"Yes", "No", "Connecting", "Preparing"};
    status.shift = IN_FRONT;
    for (size_t i = 0; i < BF_COUNT(states); i++)
        if (says(&(struct status){answer, 0, 0}, IO_RUNNING, states[i]))
            status.shift = 0;
    /* Of several sources the one that has trouble. */
    while (runs(&status) && status.row + 1 < answer->rows)
        status.row++;
    ret_replication->runs = runs(&status);
    if (ret_replication->runs)
        ret_replication->behind = bf_answer_real(answer, status.row, BEHIND + status.shift, -1);
    else
        describe(&status, words, size);
}
