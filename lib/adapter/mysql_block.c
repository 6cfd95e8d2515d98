/* Tries of rows that are likely refused (lib/engine/run.h), in one statement: MariaDB takes a block with handlers outside of a
 * procedure, which MySQL does not. Each refused row would end a text of many statements, and so be a round trip, which is as much
 * as its try itself.
 *
 *   SET STATEMENT innodb_lock_wait_timeout = 0, max_statement_time = ... FOR BEGIN NOT ATOMIC
 *     BEGIN DECLARE EXIT HANDLER: SHOW ERRORS; BACK_TO; the change of a row; RELEASE; SAVEPOINT; END;     a group
 *     ...
 *   END
 *
 * Only what a server says of a row itself stays within the block, and the next group goes back behind the error as it would in a
 * text of its own. Anything else ends the block, a KILL without a handler; the groups behind it leave as texts again. Its own does
 * so, too, where the row may be refused all the same: which of its statements failed says what it means (bf_mysql_raised).
 *
 * A handler is called for a warning of such a number as well, and then there is no error to show: the run is taken back, and its
 * rows are tried one by one. To ask within the block would cost each refused row half as much again.
 *
 * Its time is that of all its rows; that of each one is watched from here (mysql.c), for answers come one by one. When it is over
 * nobody knows whether the SAVEPOINT behind the last answer was reached, and with it what BACK_TO would take back: all of the run
 * is taken back then. */
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "mysql_dialect.h"
#include "mysql_run.h"

/* SHOW ERRORS takes half the time of GET DIAGNOSTICS and a SELECT, but does not tell the SQLSTATE. */
static const struct {
    unsigned number;
    const char *state;
} refusals[] = {
    {1048, "23000"}, {1062, "23000"}, {1451, "23000"}, {1452, "23000"}, {4025, "23000"}, /* constraints */
    {1264, "22003"}, {1690, "22003"}, {1406, "22001"}, {1365, "22012"},                  /* values */
};
enum {
    REFUSED_COLUMNS = 3, /* Level, Code, Message; the answer of a try has fewer */
    WARNED = 1020        /* of BF_CLASS_SERIALIZATION */
};

static const char *state_of(unsigned number)
{
    for (size_t i = 0; i < BF_COUNT(refusals); i++)
        if (refusals[i].number == number)
            return refusals[i].state;
    return "HY000";
}

/* The caller frees it. */
static char *handler(void)
{
    struct bf_buffer buffer = {0};
    bf_buffer_text(&buffer, "BEGIN DECLARE EXIT HANDLER FOR ");
    for (size_t i = 0; i < BF_COUNT(refusals); i++)
        bf_buffer_format(&buffer, "%s%u", i ? ", " : "", refusals[i].number);
    bf_buffer_text(&buffer, " SHOW ERRORS LIMIT 1; ");
    return bf_buffer_take(&buffer);
}

static bool begins(const struct bf_mysql_run *run, size_t step)
{
    return step < run->count && run->steps[step].new_group && run->steps[step].statement == BF_STATEMENT_BACK_TO;
}

/* A step that gives one result; any other of a try gives none. */
static bool answers(const struct bf_mysql_planned *step)
{
    return step->statement == BF_STATEMENT_TRY || step->statement == BF_STATEMENT_LOCK;
}

static bool belongs(const struct bf_mysql_planned *step)
{
    return answers(step) || step->statement == BF_STATEMENT_BACK_TO || step->statement == BF_STATEMENT_RELEASE ||
           step->statement == BF_STATEMENT_SAVEPOINT;
}

size_t bf_mysql_block_end(const struct bf_session *session, size_t first)
{
    const struct bf_mysql_run *run = session->run;
    size_t end = first, groups = 0;
    if (!session->mariadb)
        return first;
    for (size_t i = first; i <= run->count; i++) {
        if (i == run->count || run->steps[i].new_group) {
            groups += i > first;
            end = i;
            if (!begins(run, i))
                break;
        }
        if (!belongs(&run->steps[i]))
            break;
    }
    return groups > 1 ? end : first;
}

/* The text of a try without its lock timeout, which the block has for all of them. */
static const char *without_timeout(const char *text)
{
    static const char comment_end[] = "*/ ";
    size_t length = strlen(BF_MYSQL_NO_WAIT);
    const char *own = strstr(text, comment_end);
    own = own ? own + strlen(comment_end) : text;
    return strncmp(own, BF_MYSQL_NO_WAIT, length) ? text : own + length;
}

static int query(struct bf_session *session, size_t first, size_t end)
{
    const struct bf_mysql_run *run = session->run;
    struct bf_buffer buffer = {.ceiling = BF_MYSQL_TEXT_MAX};
    BF_AUTO_STRING char *begin = handler();
    long long time = 0;

    for (size_t i = first; i < end; i++)
        time += begins(run, i) ? (long long)session->options.statement_timeout : 0;
    bf_mysql_guard(&buffer, session);
    bf_buffer_format(&buffer, "SET STATEMENT innodb_lock_wait_timeout = 0, max_statement_time = %lld.%03lld FOR BEGIN NOT ATOMIC ",
                     time / 1000, time % 1000);
    for (size_t i = first; i < end; i++)
        bf_buffer_format(&buffer, "%s%s; %s", begins(run, i) ? begin : "", without_timeout(run->steps[i].text),
                         i + 1 == end || begins(run, i + 1) ? "END; " : "");
    bf_buffer_text(&buffer, "END");
    int failed = mysql_real_query(session->connection, buffer.text, (unsigned long)buffer.length);
    bf_buffer_clear(&buffer);
    return failed;
}

static void set(struct bf_mysql_run *run, size_t from, size_t end, enum bf_outcome outcome)
{
    for (size_t i = from; i < end; i++) {
        run->answers[i].outcome = outcome;
        run->answers[i].error_class = BF_CLASS_NONE;
    }
}

static size_t group_end(const struct bf_mysql_run *run, size_t step, size_t end)
{
    do
        step++;
    while (step < end && !begins(run, step));
    return step;
}

/* The error of a row that is refused came as a result. */
static void refuse(struct bf_session *session, size_t step, size_t end)
{
    struct bf_answer *answer = &session->run->answers[step];
    BF_AUTO_STRING char *text = bf_copy_string(bf_answer_value(answer, 0, 2));
    unsigned number = (unsigned)bf_answer_number(answer, 0, 1);

    bf_mysql_take_error(session, step, 0, number, state_of(number), text ? text : "");
    set(session->run, step + 1, end, BF_OUTCOME_SKIPPED);
}

/* The block ended with an error before the step answered, or when all had answered: then it is the last one. Returns which one
 * failed, or from which on it has to be run once more. */
static size_t ended(struct bf_session *session, size_t step, bool answered, bool *ret_again)
{
    MYSQL *connection = session->connection;
    unsigned number = mysql_errno(connection);
    enum bf_error_class error_class = bf_mysql_classify(number, mysql_sqlstate(connection));

    *ret_again = !answered && (error_class == BF_CLASS_DATA || error_class == BF_CLASS_DEFINITION);
    while (*ret_again && !begins(session->run, step))
        step--;
    if (!*ret_again)
        bf_mysql_take_error(session, step, 0, number, mysql_sqlstate(connection), mysql_error(connection));
    return step;
}

size_t bf_mysql_send_block(struct bf_session *session, size_t first, size_t end, bool *ret_again)
{
    MYSQL *connection = session->connection;
    struct bf_mysql_run *run = session->run;

    *ret_again = false;
    if (!bf_mysql_guarded(session, first, query(session, first, end)))
        return first;
    for (size_t step = first;;) {
        size_t next = step; /* that answers; what stands between, of this group and the one behind it, is not refused */
        bool counted = false;
        while (next < end && !answers(&run->steps[next]))
            next++;
        bool answered = next == end;
        size_t at = answered ? end - 1 : next; /* whose an error is */
        int failed = mysql_next_result(connection);
        unsigned columns = failed ? 0 : mysql_field_count(connection);
        set(run, step, at, BF_OUTCOME_OK);
        if (failed > 0)
            return ended(session, at, answered, ret_again);
        if (!failed && !columns && answered) {
            set(run, step, end, BF_OUTCOME_OK);
            return end;
        }
        /* the groups behind it were run all the same and must not be sent again: the session is given up */
        if (failed < 0 || !columns || answered || !bf_mysql_take_result(session, next, 0, &counted)) {
            bf_mysql_take_error(session, at, 0, 2014, "HY000", "the server's answers are not those of the block");
            return at;
        }
        step = next + 1;
        if (columns != REFUSED_COLUMNS)
            continue;
        if (run->answers[next].rows == 0) {
            bf_mysql_drain(connection);
            bf_mysql_take_error(session, next, 0, WARNED, "HY000", "the server warned of a row that was tried among others");
            return next;
        }
        refuse(session, next, group_end(run, next, end));
        step = group_end(run, next, end);
    }
}
