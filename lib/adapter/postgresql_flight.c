/* A flight: all its groups leave in one write, each ended by a Sync; the answers come back in the same order.
 *
 * A statement is prepared in the group that first uses it, right before that use, so it costs no round trip. When the
 * group fails before it, the Prepare is skipped like everything else; so a name counts as prepared only after the
 * server said so, and a later group of the same flight that needs the statement prepares it under a name of its own. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "dialect.h"
#include "postgresql_session.h"

enum { TEXT_OID = 25 };

static struct bf_expected *expect(struct bf_session *session, size_t step)
{
    struct bf_expected *expected = &session->expected[session->expected_count++];
    *expected = (struct bf_expected){.kind = BF_EXPECT_ANSWER, .step = step};
    return expected;
}

/* The number under which the statement is known on the server, or will be when this group gets there; 0: none. */
static unsigned find_prepared(const struct bf_session *session, const char *sql)
{
    for (size_t i = 0; i < session->prepared_count; i++)
        if (!strcmp(session->prepared[i].sql, sql))
            return session->prepared[i].number;
    for (size_t i = session->expected_count; i-- > 0 && session->expected[i].kind != BF_EXPECT_SYNC;)
        if (session->expected[i].kind == BF_EXPECT_PREPARED &&
            !strcmp(session->flight->steps[session->expected[i].step].sql, sql))
            return session->expected[i].number;
    return 0;
}

static void remember_prepared(struct bf_session *session, const char *sql, unsigned number)
{
    for (size_t i = 0; i < session->prepared_count; i++)
        if (!strcmp(session->prepared[i].sql, sql))
            return; /* by an earlier group of the same flight */
    if (session->prepared_count == session->prepared_size) {
        session->prepared_size = session->prepared_size ? 2 * session->prepared_size : 32;
        session->prepared = bf_reallocate(session->prepared, session->prepared_size * sizeof *session->prepared);
    }
    session->prepared[session->prepared_count++] = (struct bf_prepared){bf_copy_string(sql), number};
}

static bool send_step(struct bf_session *session, size_t index)
{
    const struct bf_step *step = &session->flight->steps[index];
    const char *values[BF_PARAMETERS_MAX];
    Oid types[BF_PARAMETERS_MAX];
    int count = (int)step->parameter_count;
    char name[24];

    for (int i = 0; i < count; i++) {
        values[i] = step->parameters[i];
        types[i] = TEXT_OID;
    }
    if (step->statement == BF_STATEMENT_CHECK && !count) {
        expect(session, index);
        return PQsendPrepare(session->connection, "", step->sql, 0, NULL);
    }
    if (step->statement == BF_STATEMENT_SURVEY || step->statement == BF_STATEMENT_CHECK ||
        step->statement == BF_STATEMENT_SCHEMA || step->statement == BF_STATEMENT_QUERY) {
        expect(session, index);
        return PQsendQueryParams(session->connection, step->sql, count, types, values, NULL, NULL, 0);
    }
    unsigned number = find_prepared(session, step->sql);
    if (!number) {
        number = ++session->prepared_last;
        struct bf_expected *expected = expect(session, index);
        expected->kind = BF_EXPECT_PREPARED;
        expected->number = number;
        snprintf(name, sizeof name, "s%u", number);
        if (!PQsendPrepare(session->connection, name, step->sql, count, types))
            return false;
    }
    snprintf(name, sizeof name, "s%u", number);
    expect(session, index);
    return PQsendQueryPrepared(session->connection, name, count, values, NULL, NULL, 0);
}

static bool send_sync(struct bf_session *session, size_t index)
{
    expect(session, index)->kind = BF_EXPECT_SYNC;
    return PQpipelineSync(session->connection);
}

/* A cancel came while the flight still waited to leave. */
static void answer_cancelled(struct bf_session *session)
{
    for (size_t i = 0; i < session->flight->count; i++) {
        struct bf_answer *answer = &session->answers[i];
        bool first = i == 0 || session->flight->steps[i].new_group;
        answer->outcome = first ? BF_OUTCOME_ERROR : BF_OUTCOME_SKIPPED;
        answer->error_class = first ? BF_CLASS_CANCELLED : BF_CLASS_NONE;
        if (first) {
            memcpy(answer->sqlstate, "57014", sizeof answer->sqlstate);
            answer->message = bf_copy_string("cancelled before it was sent");
        }
    }
}

void bf_session_send(struct bf_session *session)
{
    const struct bf_flight *flight = session->flight;
    bool sent = true;

    if (session->cancel_wanted || !flight->count) {
        answer_cancelled(session);
        bf_session_finish(session);
        return;
    }
    /* A Prepare and an answer for each step, and a Sync behind each group. */
    session->expected = bf_allocate(3 * flight->count * sizeof *session->expected);
    session->expected_count = session->expected_next = 0;
    session->state = BF_SESSION_FLYING;
    for (size_t i = 0; i < flight->count && sent; i++) {
        if (i && flight->steps[i].new_group)
            sent = send_sync(session, i - 1);
        sent = sent && send_step(session, i);
    }
    sent = sent && send_sync(session, flight->count - 1);
    int flushed = sent ? PQflush(session->connection) : -1;
    if (flushed < 0) {
        /* Part of it may have left: unknown, every step of it. What the server said before it went is still read. */
        bf_session_unwatch_and_lose(session);
        bf_session_soon(session);
        return;
    }
    bf_session_watch(session, UV_READABLE | (flushed ? UV_WRITABLE : 0));
}

char *bf_session_message(const PGresult *result)
{
    struct bf_buffer buffer = {0};
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    if (!primary)
        return bf_copy_string("the connection is gone");
    bf_buffer_text(&buffer, primary);
    /* The details of data errors hold whole rows. */
    if (detail && sqlstate && strncmp(sqlstate, "22", 2) && strncmp(sqlstate, "23", 2) &&
        strncmp(sqlstate, "44", 2) && strncmp(sqlstate, "P0", 2))
        bf_buffer_format(&buffer, ": %s", detail);
    if (hint)
        bf_buffer_format(&buffer, " (%s)", hint);
    return bf_buffer_take(&buffer);
}

static void take_error(struct bf_session *session, size_t index, const PGresult *result)
{
    struct bf_answer *answer = &session->answers[index];
    enum bf_statement statement = session->flight->steps[index].statement;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    bool fatal = severity && strcmp(severity, "ERROR");

    answer->outcome = BF_OUTCOME_ERROR;
    answer->error_class = bf_postgresql_classify(sqlstate);
    if (statement == BF_STATEMENT_FENCE && !strcmp(sqlstate, "22012"))
        answer->error_class = BF_CLASS_FENCE;
    /* A session that dies in its COMMIT may have committed. */
    if (fatal && statement == BF_STATEMENT_COMMIT)
        answer->outcome = BF_OUTCOME_UNKNOWN;
    snprintf(answer->sqlstate, sizeof answer->sqlstate, "%s", sqlstate);
    answer->message = bf_session_message(result);
}

static void take_rows(struct bf_answer *answer, enum bf_statement statement, PGresult *result)
{
    answer->outcome = BF_OUTCOME_OK;
    answer->error_class = BF_CLASS_NONE;
    answer->affected = strtoll(PQcmdTuples(result), NULL, 10);
    answer->rolled_back = statement == BF_STATEMENT_COMMIT && !strcmp(PQcmdStatus(result), "ROLLBACK");
    answer->rows = (size_t)PQntuples(result);
    answer->columns = (size_t)PQnfields(result);
    if (!answer->rows || !answer->columns)
        return;
    answer->values = bf_allocate(answer->rows * answer->columns * sizeof *answer->values);
    for (size_t row = 0; row < answer->rows; row++)
        for (size_t column = 0; column < answer->columns; column++)
            if (!PQgetisnull(result, (int)row, (int)column))
                answer->values[row * answer->columns + column] =
                    bf_copy_bytes(PQgetvalue(result, (int)row, (int)column),
                                  (size_t)PQgetlength(result, (int)row, (int)column));
}

/* The error came at Sync: the group's implicit transaction could not be committed, whatever its steps were answered. */
static void fail_group(struct bf_session *session, size_t last, const PGresult *result)
{
    for (size_t i = last;; i--) {
        bf_answer_clear(&session->answers[i]);
        take_error(session, i, result);
        if (i == 0 || session->flight->steps[i].new_group)
            return;
    }
}

/* One result for what is expected next. False when it only says that the connection is gone. */
static bool take_result(struct bf_session *session, struct bf_expected *expected, PGresult *result)
{
    const struct bf_step *step = &session->flight->steps[expected->step];
    struct bf_answer *answer = &session->answers[expected->step];

    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_ABORTED:
        if (answer->outcome != BF_OUTCOME_ERROR) {
            answer->outcome = BF_OUTCOME_SKIPPED;
            answer->error_class = BF_CLASS_NONE;
        }
        break;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        if (expected->kind == BF_EXPECT_PREPARED)
            remember_prepared(session, step->sql, expected->number);
        else
            take_rows(answer, step->statement, result);
        break;
    default:
        if (!PQresultErrorField(result, PG_DIAG_SQLSTATE))
            return false;
        if (expected->kind == BF_EXPECT_SYNC)
            fail_group(session, expected->step, result);
        else
            take_error(session, expected->step, result);
    }
    expected->seen = true;
    return true;
}

/* Reads what has come. True when nothing more is to come: everything is there, or the connection is gone. */
static bool read_answers(struct bf_session *session, bool gone)
{
    bool nothing_before = false;

    while (session->expected_next < session->expected_count) {
        struct bf_expected *expected = &session->expected[session->expected_next];
        if (!gone && PQisBusy(session->connection))
            return false;
        PGresult *result = PQgetResult(session->connection);
        if (!result) {
            /* NULL ends the results of one statement; two in a row mean that libpq has nothing for us any more. */
            if (!expected->seen && nothing_before)
                return true;
            nothing_before = !expected->seen;
            if (expected->kind == BF_EXPECT_SYNC)
                expected->seen = false; /* an error came in its place: it is still to come */
            else
                session->expected_next += expected->seen;
            continue;
        }
        nothing_before = false;
        bool taken = true;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
            session->expected_next++;
        else
            taken = take_result(session, expected, result);
        PQclear(result);
        if (!taken)
            return true;
    }
    return true;
}

void bf_session_receive(struct bf_session *session, bool readable)
{
    bool gone = readable && !PQconsumeInput(session->connection);
    int flushed = gone ? 0 : PQflush(session->connection);

    if (session->state == BF_SESSION_IDLE) {
        /* A word of farewell goes to the notice receiver. */
        PQisBusy(session->connection);
        if (gone || PQstatus(session->connection) == CONNECTION_BAD) {
            bf_session_unwatch_and_lose(session);
            bf_session_soon(session); /* a flight may wait for a cancel to arrive */
        } else {
            bf_session_watch(session, UV_READABLE);
        }
        return;
    }
    gone = gone || flushed < 0;
    if (!read_answers(session, gone)) {
        bf_session_watch(session, UV_READABLE | (flushed ? UV_WRITABLE : 0));
        return;
    }
    if (session->expected_next < session->expected_count || gone ||
        PQstatus(session->connection) == CONNECTION_BAD)
        bf_session_unwatch_and_lose(session);
    else
        bf_session_watch(session, UV_READABLE);
    bf_session_finish(session);
}

/* The connection went while nothing ran, and the server had said why. */
static void tell_why(struct bf_session *session)
{
    struct bf_answer *answer = &session->answers[0];
    if (!session->fatal_sqlstate[0] || !session->flight->count || answer->outcome != BF_OUTCOME_UNKNOWN)
        return;
    memcpy(answer->sqlstate, session->fatal_sqlstate, sizeof answer->sqlstate);
    answer->error_class = bf_postgresql_classify(session->fatal_sqlstate);
    free(answer->message);
    answer->message = bf_copy_string(session->fatal_message);
}

void bf_session_finish(struct bf_session *session)
{
    struct bf_flight *flight = session->flight;
    struct bf_answer *answers = session->answers;
    size_t count = flight->count;
    bool lost = session->state == BF_SESSION_LOST;

    if (lost) {
        if (session->expected_next < session->expected_count)
            read_answers(session, true);
        tell_why(session);
    } else {
        session->state = BF_SESSION_IDLE;
    }
    session->flight = NULL;
    session->answers = NULL;
    free(session->expected);
    session->expected = NULL;
    session->expected_count = session->expected_next = 0;
    session->cancel_wanted = false;
    uv_timer_stop(&session->timer);
    session->done(session->done_argument, session, flight, answers, lost);
    /* The session may be closed by now, the flight may be gone. */
    for (size_t i = 0; i < count; i++)
        bf_answer_clear(&answers[i]);
    free(answers);
}

void bf_session_drop_flight(struct bf_session *session)
{
    if (!session->flight)
        return;
    for (size_t i = 0; i < session->flight->count; i++)
        bf_answer_clear(&session->answers[i]);
    free(session->answers);
    free(session->expected);
    session->flight = NULL;
    session->answers = NULL;
    session->expected = NULL;
}
