/* A flight while it is carried out: what there is to send, and what the server said to it. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "allocate.h"
#include "buffer.h"
#include "mysql_dialect.h"
#include "mysql_run.h"

struct bf_mysql_run *bf_mysql_run_new(const struct bf_flight *flight)
{
    struct bf_mysql_run *run = BF_NEW(struct bf_mysql_run);
    size_t size = flight->count ? flight->count : 1;

    run->count = flight->count;
    run->steps = bf_allocate(size * sizeof *run->steps);
    run->answers = bf_allocate(size * sizeof *run->answers);
    for (size_t i = 0; i < flight->count; i++) {
        const struct bf_step *step = &flight->steps[i];
        struct bf_buffer buffer = {.ceiling = BF_MYSQL_TEXT_MAX};
        bool cuts = step->statement == BF_STATEMENT_QUANTILES;
        size_t statements = cuts ? 0 : bf_mysql_expand(&buffer, step);
        run->steps[i] = (struct bf_mysql_planned){
            .statement = step->statement,
            .new_group = i == 0 || step->new_group,
            .alone = step->statement == BF_STATEMENT_CHECK || step->statement == BF_STATEMENT_END_LOST_SESSIONS ||
                     step->statement == BF_STATEMENT_QUERY || step->statement == BF_STATEMENT_SURVEY || cuts,
            .cut = cuts ? bf_mysql_cut_new(step) : NULL,
            .time_limit = step->time_limit,
            .surveyed = step->statement == BF_STATEMENT_SURVEY && step->parameter_count == 2
                            ? bf_format(".'%s'", step->parameters[1])
                            : NULL,
            .prepare = step->statement == BF_STATEMENT_CHECK && step->parameter_count == 0,
            .text = bf_buffer_take(&buffer),
            .statements = statements,
        };
        run->answers[i].outcome = BF_OUTCOME_UNKNOWN;
        run->answers[i].error_class = BF_CLASS_LOST;
        if (step->time_limit > run->longest)
            run->longest = step->time_limit;
    }
    return run;
}

void bf_mysql_run_free(struct bf_mysql_run *run)
{
    if (!run)
        return;
    for (size_t i = 0; i < run->count; i++) {
        free(run->steps[i].text);
        free(run->steps[i].surveyed);
        bf_mysql_cut_free(run->steps[i].cut);
        bf_answer_clear(&run->answers[i]);
    }
    free(run->steps);
    free(run->answers);
    free(run);
}

struct bf_answer *bf_mysql_run_answers(struct bf_mysql_run *run)
{
    return run->answers;
}

void bf_mysql_run_absorb(struct bf_mysql_run *run)
{
    run->absorb = true;
}

int64_t bf_mysql_run_longest(const struct bf_mysql_run *run)
{
    return run->longest;
}

bool bf_mysql_run_lost(const struct bf_mysql_run *run)
{
    return run->lost;
}

bool bf_mysql_run_between(const struct bf_mysql_run *run)
{
    return run->between;
}

void bf_mysql_run_cancelled(struct bf_mysql_run *run, const struct bf_flight *flight)
{
    for (size_t i = 0; i < flight->count; i++) {
        struct bf_answer *answer = &run->answers[i];
        bool first = run->steps[i].new_group;
        answer->outcome = first ? BF_OUTCOME_ERROR : BF_OUTCOME_SKIPPED;
        answer->error_class = first ? BF_CLASS_CANCELLED : BF_CLASS_NONE;
        if (first)
            answer->message = bf_copy_string("cancelled before it was sent");
    }
}

/* The server's words without the value of a row that data errors quote first. The caller frees it. */
static char *message_of(const char *text, enum bf_error_class error_class)
{
    static const char *const behind[] = {"' for key", "' for column", "' at row"};
    const char *quote = error_class == BF_CLASS_DATA ? strchr(text, '\'') : NULL, *end = NULL;

    if (!quote || (strncmp(text, "Duplicate entry", 15) && strncasecmp(text, "Incorrect", 9) &&
                   strncasecmp(text, "Truncated incorrect", 19)))
        return bf_copy_string(text);
    for (size_t i = 0; i < BF_COUNT(behind) && !end; i++)
        end = strstr(quote, behind[i]);
    return bf_format("%.*s'...%s", (int)(quote - text), text, end ? end : "'");
}

/* Did the server close the connection in order? A KILL CONNECTION often says no more than that; a cut network and a
 * server that does not answer end otherwise, and a server that stopped has another start time afterwards.
 *
 * In TLS the client library says farewell in its turn, and who has closed already answers that with a reset: then the socket
 * has an error that nobody has read. One that ended the connection the library has read, or it would not know. */
static bool closed_by_server(const struct bf_session *session)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    char byte;

    if (session->socket < 0)
        return false;
    if (!getsockopt(session->socket, IPPROTO_TCP, TCP_INFO, &info, &length)) {
        int unread = 0;
        socklen_t size = sizeof unread;
        if (info.tcpi_state == TCP_CLOSE)
            return !getsockopt(session->socket, SOL_SOCKET, SO_ERROR, &unread, &size) && unread != 0;
        return info.tcpi_state == TCP_CLOSE_WAIT || info.tcpi_state == TCP_LAST_ACK;
    }
    return recv(session->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void bf_mysql_take_error(struct bf_session *session, size_t index, size_t statement, unsigned number, const char *state,
                       const char *text)
{
    struct bf_mysql_run *run = session->run;
    struct bf_answer *answer = &run->answers[index];
    enum bf_statement kind = run->steps[index].statement;

    bf_answer_clear(answer);
    answer->outcome = BF_OUTCOME_ERROR;
    answer->error_class = bf_mysql_classify(number, state);
    bool warned = number == BF_MYSQL_RAISED && bf_mysql_warned(kind, statement, run->steps[index].statements);
    snprintf(answer->sqlstate, sizeof answer->sqlstate, "%u", number % 100000);
    snprintf(answer->state, sizeof answer->state, "%s", warned ? "01000" : state);
    if (number == BF_MYSQL_RAISED)
        answer->error_class = bf_mysql_raised(kind, statement, run->steps[index].statements);
    if (answer->error_class == BF_CLASS_CANCELLED && atomic_load(&session->kill) == BF_MYSQL_KILL_LOCK)
        answer->error_class = BF_CLASS_LOCK;
    if (answer->error_class == BF_CLASS_NOT_PRIMARY && number == BF_MYSQL_RAISED)
        answer->message = bf_copy_string("the server is read-only now (@@global.read_only)");
    else if (number == BF_MYSQL_RAISED && bf_mysql_warned(kind, statement, run->steps[index].statements))
        answer->message = bf_copy_string("the server warned while it changed rows (a value was cut or was not what it "
                                         "seems), and warnings count as errors; run the statement by hand in a "
                                         "transaction and SHOW WARNINGS");
    else if (answer->error_class == BF_CLASS_LOCK && number == BF_MYSQL_RAISED)
        answer->message = bf_copy_string("a row came into the range of the batch meanwhile; the batch is done again");
    else if (answer->error_class == BF_CLASS_LOCK && atomic_load(&session->kill) == BF_MYSQL_KILL_LOCK)
        answer->message = bf_copy_string("the lock timeout is over");
    else if (atomic_load(&session->kill) == BF_MYSQL_KILL_TIMEOUT)
        answer->message = bf_copy_string("the statement timeout is over");
    else
        answer->message = message_of(text, answer->error_class);
    if (answer->error_class == BF_CLASS_LOST && closed_by_server(session))
        answer->error_class = BF_CLASS_ENDED;
    if (answer->error_class == BF_CLASS_LOST || answer->error_class == BF_CLASS_ENDED) {
        answer->outcome = BF_OUTCOME_UNKNOWN;
        run->lost = true;
    }
}

/* False: a value has a NUL byte inside and cannot travel as the text that keys are. */
static bool take_rows(struct bf_answer *answer, MYSQL_RES *result)
{
    for (size_t i = 0; i < answer->rows * answer->columns; i++)
        free(answer->values[i]);
    free(answer->values);
    answer->rows = (size_t)mysql_num_rows(result);
    answer->columns = mysql_num_fields(result);
    size_t values = answer->rows * answer->columns;
    bool whole = true;
    answer->values = values ? bf_allocate(values * sizeof *answer->values) : NULL;
    for (size_t r = 0; r < answer->rows; r++) {
        MYSQL_ROW row = mysql_fetch_row(result);
        unsigned long *lengths = mysql_fetch_lengths(result);
        for (size_t c = 0; c < answer->columns; c++) {
            whole = whole && (!row[c] || strlen(row[c]) == lengths[c]);
            answer->values[r * answer->columns + c] = bf_copy_string(row[c]);
        }
    }
    return whole;
}

bool bf_mysql_take_result(struct bf_session *session, size_t index, size_t statement, bool *ret_counted)
{
    MYSQL *connection = session->connection;
    struct bf_answer *answer = &session->run->answers[index];
    MYSQL_RES *result = mysql_store_result(connection);

    atomic_store(&session->progressed, bf_mysql_clock());
    if (!result && mysql_field_count(connection)) {
        bf_mysql_take_error(session, index, statement, mysql_errno(connection), mysql_sqlstate(connection),
                   mysql_error(connection));
        return false;
    }
    answer->outcome = BF_OUTCOME_OK;
    answer->error_class = BF_CLASS_NONE;
    if (!result) {
        if (!*ret_counted)
            answer->affected = (int64_t)mysql_affected_rows(connection);
        *ret_counted = true;
        return true;
    }
    /* a boundary looks in two places, and is found in one */
    bool boundary = session->run->steps[index].statement == BF_STATEMENT_BOUNDARY;
    bool again = boundary && answer->rows > 0 && !mysql_num_rows(result);
    bool good = again || take_rows(answer, result);
    mysql_free_result(result);
    if (!good && session->run->steps[index].statement == BF_STATEMENT_CHECK)
        return true; /* a binary bound: only that there is a value counts */
    if (!good)
        bf_mysql_take_error(session, index, statement, 1366, "HY000",
                   "a text in the key holds a NUL byte, by which no backfill walks; use another key");
    return good;
}
