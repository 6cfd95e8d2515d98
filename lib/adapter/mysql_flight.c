/* A flight on its thread: consecutive steps leave as one text of many statements, of which the server stops at the
 * first that fails. So a batch with its fence, its COMMIT and the next boundary is one round trip; where something
 * failed, the groups behind it leave in a text of their own: the next one alone, for it is likely refused, too, and a text of
 * all that is left would be sent anew for each row of a cluster; and behind one that went well all of them. On MariaDB those
 * that are tries leave as a block (mysql_block.c).
 *
 * A failed statement leaves the transaction open here (also a lock wait timeout does), and a BEGIN would commit it: so a
 * group that began one is taken back before anything else is sent, and a session that cannot do that is lost. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "mysql_dialect.h"
#include "mysql_run.h"

void bf_mysql_drain(MYSQL *connection)
{
    while (mysql_next_result(connection) == 0)
        mysql_free_result(mysql_store_result(connection));
}

/* In front of each text: a pooler may hand it to another session than the last one, with other settings and without our
 * transaction. Not DO, which takes no error seriously; and a number that is too large where BF_MYSQL_RAISE would have the server
 * prepare a query. A text that begins with BACK_TO needs none, for no other session has our savepoint, and there it would show:
 * many of these are short (run.h). */
#define GUARD "SET @backfilld_own = 18446744073709551615 + (CONNECTION_ID() & 4294967295 <> %lu); "
enum { OUT_OF_RANGE = 1690 };

void bf_mysql_guard(struct bf_buffer *buffer, const struct bf_session *session)
{
    bf_buffer_format(buffer, GUARD, session->thread & 0xffffffffU);
}

bool bf_mysql_guarded(struct bf_session *session, size_t first, int failed)
{
    MYSQL *connection = session->connection;
    if (!failed)
        return true;
    session->run->between = mysql_errno(connection) == OUT_OF_RANGE;
    if (session->run->between)
        bf_mysql_take_error(session, first, 0, 2013, "HY000", BF_MYSQL_BETWEEN);
    else
        bf_mysql_take_error(session, first, 0, mysql_errno(connection), mysql_sqlstate(connection), mysql_error(connection));
    return false;
}

/* Steps first to last as one text. Returns the number of the step that failed; last + 1 when none did. */
static size_t send_text(struct bf_session *session, size_t first, size_t last)
{
    struct bf_mysql_run *run = session->run;
    MYSQL *connection = session->connection;
    struct bf_buffer buffer = {.ceiling = BF_MYSQL_TEXT_MAX};
    bool ours = run->steps[first].statement == BF_STATEMENT_BACK_TO;

    if (!ours)
        bf_mysql_guard(&buffer, session);
    for (size_t i = first; i <= last; i++)
        bf_buffer_format(&buffer, "%s%s", i > first ? "; " : "", run->steps[i].text);
    int failed = mysql_real_query(connection, buffer.text, (unsigned long)buffer.length);
    bf_buffer_clear(&buffer);
    if (!ours && !bf_mysql_guarded(session, first, failed))
        return first;
    for (size_t i = first; i <= last; i++) {
        bool counted = false;
        for (size_t statement = 0; statement < run->steps[i].statements; statement++) {
            bool here = ours && i == first && statement == 0; /* the first answer: no guard's stands before it */
            failed = here ? failed != 0 : mysql_next_result(connection);
            if (failed < 0) {
                /* fewer answers than statements: what became of the rest is unknown */
                bf_mysql_take_error(session, i, statement, 2014, "HY000", "the server left statements unanswered");
                return i;
            }
            if (failed > 0) {
                bf_mysql_take_error(session, i, statement, mysql_errno(connection), mysql_sqlstate(connection),
                           mysql_error(connection));
                return i;
            }
            if (!bf_mysql_take_result(session, i, statement, &counted)) {
                bf_mysql_drain(connection);
                return i;
            }
        }
    }
    return last + 1;
}

/* A CHECK that is only prepared. What the server runs and does not prepare is seen when it runs. */
static bool prepare(struct bf_session *session, size_t index)
{
    enum { NOT_PREPARED = 1295 /* ER_UNSUPPORTED_PS */ };
    struct bf_answer *answer = &session->run->answers[index];
    const char *text = session->run->steps[index].text;
    MYSQL_STMT *statement = mysql_stmt_init(session->connection);
    bool good = statement && (!mysql_stmt_prepare(statement, text, (unsigned long)strlen(text)) ||
                              mysql_stmt_errno(statement) == NOT_PREPARED);

    if (good) {
        answer->outcome = BF_OUTCOME_OK;
        answer->error_class = BF_CLASS_NONE;
    } else {
        bf_mysql_take_error(session, index, 0, statement ? mysql_stmt_errno(statement) : 2008,
                   statement ? mysql_stmt_sqlstate(statement) : "HY000",
                   statement ? mysql_stmt_error(statement) : "out of memory");
    }
    if (statement)
        mysql_stmt_close(statement);
    return good;
}

/* The first warning of a CHECK is its error: it would be one of each batch. */
static bool without_warning(struct bf_session *session, size_t index)
{
    MYSQL *connection = session->connection;
    bool good = true;

    if (mysql_warning_count(connection) == 0 || mysql_real_query(connection, "SHOW WARNINGS", 13))
        return true;
    MYSQL_RES *result = mysql_store_result(connection);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    if (row) {
        bf_mysql_take_error(session, index, 0, (unsigned)strtoul(row[1], NULL, 10), "22000", row[2]);
        good = false;
    }
    mysql_free_result(result);
    return good;
}

/* MariaDB leaves a table whose definition is being changed out of the catalogue, or tells half of it, and warns. */
static bool not_skipped(struct bf_session *session, size_t index)
{
    enum { SKIPPED = 1684 };
    MYSQL *connection = session->connection;
    const char *surveyed = session->run->steps[index].surveyed;
    MYSQL_ROW row;
    bool good = true;

    if (!surveyed || mysql_warning_count(connection) == 0 || mysql_real_query(connection, "SHOW WARNINGS", 13))
        return true;
    MYSQL_RES *result = mysql_store_result(connection);
    while (good && result && (row = mysql_fetch_row(result)))
        if (strtoul(row[1], NULL, 10) == SKIPPED && strstr(row[2], surveyed)) {
            bf_mysql_take_error(session, index, 0, SKIPPED, "HY000", row[2]);
            session->run->answers[index].error_class = BF_CLASS_SERIALIZATION; /* it will be there again */
            good = false;
        }
    mysql_free_result(result);
    return good;
}

/* Ends the sessions that hold a lock of the job's, except this one. The answer becomes how many. */
static void end_sessions(struct bf_session *session, size_t index)
{
    struct bf_answer *answer = &session->run->answers[index];
    long ended = 0;

    for (size_t row = 0; row < answer->rows; row++) {
        const char *value = bf_answer_value(answer, row, 0);
        unsigned long long thread = value ? strtoull(value, NULL, 10) : 0;
        char text[64];
        if (!thread || thread == session->thread)
            continue;
        int length = snprintf(text, sizeof text, "KILL CONNECTION %llu", thread);
        ended += !mysql_real_query(session->connection, text, (unsigned long)length);
    }
    bf_answer_clear(answer);
    answer->rows = answer->columns = 1;
    answer->values = bf_allocate(sizeof *answer->values);
    answer->values[0] = bf_format("%ld", ended);
}

static bool limit_time(const struct bf_session *session, int64_t milliseconds)
{
    MYSQL *connection = session->connection;
    long long time = (long long)milliseconds;
    char text[96];
    int length = session->mariadb ? snprintf(text, sizeof text, "SET SESSION max_statement_time = %lld.%03lld", time / 1000,
                                             time % 1000)
                                  : snprintf(text, sizeof text, "SET SESSION max_execution_time = %lld", time);
    /* a KILL QUERY that came late hits once */
    return !mysql_real_query(connection, text, (unsigned long)length) ||
           (mysql_errno(connection) == 1317 && !mysql_real_query(connection, text, (unsigned long)length));
}

/* An operator's query, in its own time. A server that ends SLEEP() in mid-time gives its row as if all were well, so the
 * clock and a KILL of ours are looked at too. */
static bool run_query(struct bf_session *session, size_t index)
{
    struct bf_mysql_run *run = session->run;
    struct bf_answer *answer = &run->answers[index];
    int64_t limit = run->steps[index].time_limit;

    if (limit && !limit_time(session, limit)) {
        bf_mysql_take_error(session, index, 0, mysql_errno(session->connection), mysql_sqlstate(session->connection),
                   mysql_error(session->connection));
        return false;
    }
    uint64_t begun = bf_mysql_clock();
    send_text(session, index, index);
    if (run->lost)
        return false;
    bool cancelled = atomic_load(&session->kill) == BF_MYSQL_KILL_CANCEL;
    bool late = atomic_load(&session->kill) == BF_MYSQL_KILL_TIMEOUT ||
                (limit && bf_mysql_clock() - begun >= (uint64_t)limit) || !strcmp(answer->sqlstate, "1969") ||
                !strcmp(answer->sqlstate, "3024"); /* what each server says when it ends it */
    if (cancelled || late) {
        bf_answer_clear(answer);
        answer->outcome = BF_OUTCOME_ERROR;
        answer->error_class = BF_CLASS_CANCELLED;
        answer->message = bf_copy_string(cancelled ? "it was cancelled" : "the statement timeout is over");
    }
    if (limit && !limit_time(session, session->options.statement_timeout))
        run->lost = true;
    return answer->outcome == BF_OUTCOME_OK;
}

/* Its questions go without the guard: nothing is written, and where nobody is sure whose session it is nothing is believed
 * behind it either. */
static bool run_cut(struct bf_session *session, size_t index)
{
    struct bf_answer *answer = &session->run->answers[index];
    if (bf_mysql_cut_run(session, session->run->steps[index].cut, answer))
        return true;
    bool cancelled = atomic_load(&session->kill) != BF_MYSQL_KILL_NONE && !mysql_errno(session->connection);
    bf_mysql_take_error(session, index, 0, cancelled ? 1317 : mysql_errno(session->connection),
               cancelled ? "70100" : mysql_sqlstate(session->connection),
               cancelled ? "Query execution was interrupted" : mysql_error(session->connection));
    return false;
}

static bool run_alone(struct bf_session *session, size_t index)
{
    const struct bf_mysql_planned *step = &session->run->steps[index];
    if (step->prepare)
        return prepare(session, index);
    if (step->statement == BF_STATEMENT_QUERY)
        return run_query(session, index);
    if (step->cut)
        return run_cut(session, index);
    if (send_text(session, index, index) == index)
        return false;
    if (step->statement == BF_STATEMENT_CHECK)
        return without_warning(session, index);
    if (step->statement == BF_STATEMENT_SURVEY)
        return not_skipped(session, index);
    end_sessions(session, index);
    return true;
}

static bool turns(enum bf_statement statement)
{
    return statement == BF_STATEMENT_BEGIN || statement == BF_STATEMENT_ROLLBACK;
}

/* What comes after a failed step: the rest of its group is skipped, and its transaction taken back. Returns the first
 * step of the next group. Where BEGIN failed each statement would be a transaction of its own, and where there is no savepoint to
 * go back to what led to it has failed: that is the next group that is no part of this transaction. */
static size_t skip_group(struct bf_session *session, size_t failed)
{
    struct bf_mysql_run *run = session->run;
    size_t begin = failed, next = failed + 1;

    while (!run->steps[begin].new_group)
        begin--;
    bool nowhere = run->steps[failed].statement == BF_STATEMENT_BEGIN || run->steps[failed].statement == BF_STATEMENT_BACK_TO;
    for (; next < run->count && (!run->steps[next].new_group || (nowhere && !turns(run->steps[next].statement))); next++) {
        run->answers[next].outcome = BF_OUTCOME_SKIPPED;
        run->answers[next].error_class = BF_CLASS_NONE;
    }
    if (run->steps[begin].statement == BF_STATEMENT_BEGIN &&
        mysql_real_query(session->connection, "ROLLBACK", 8) &&
        (mysql_errno(session->connection) != 1317 || mysql_real_query(session->connection, "ROLLBACK", 8)))
        run->lost = true;
    return next;
}

void bf_mysql_flight_work(struct bf_mysql_work *work)
{
    struct bf_session *session = work->data;
    struct bf_mysql_run *run = session->run;

    if (run->absorb) {
        if (mysql_real_query(session->connection, "DO 0", 4) && mysql_errno(session->connection) != 1317) {
            bf_mysql_take_error(session, 0, 0, mysql_errno(session->connection), mysql_sqlstate(session->connection),
                       mysql_error(session->connection));
            run->lost = true;
            return;
        }
    }
    bool refused = false, again, blocks = true;
    for (size_t i = 0; i < run->count && !run->lost;) {
        size_t last = i, failed, end = refused && blocks ? bf_mysql_block_end(session, i) : i;
        if (run->steps[i].alone) {
            failed = run_alone(session, i) ? i + 1 : i;
        } else if (end > i) {
            last = end - 1;
            failed = bf_mysql_send_block(session, i, end, &again);
            blocks = failed == end; /* or the next ones end early, too, each with the text of all that is left */
            if (again) {
                i = failed;
                continue;
            }
        } else {
            while (last + 1 < run->count && !run->steps[last + 1].alone && !(refused && run->steps[last + 1].new_group))
                last++;
            failed = send_text(session, i, last);
        }
        if (run->lost)
            return;
        refused = failed <= last;
        i = refused ? skip_group(session, failed) : last + 1;
    }
}
