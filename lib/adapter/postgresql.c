/* The database port on PostgreSQL: sessions, their handles on the loop, closing. */
#include "postgresql.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "dialect.h"
#include "postgresql_session.h"

static void poll_closed(uv_handle_t *handle)
{
    free(handle);
}

void bf_session_unwatch(struct bf_session *session)
{
    if (!session->poll)
        return;
    session->poll->data = NULL;
    uv_close((uv_handle_t *)session->poll, poll_closed);
    session->poll = NULL;
    session->events = 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct bf_session *session = poll->data;
    if (!session)
        return;
    if (status < 0)
        session->events = 0; /* libuv has stopped the handle; there may still be bytes before the error */
    switch (session->state) {
    case BF_SESSION_CONNECTING:
        bf_session_connect_step(session);
        break;
    case BF_SESSION_PROVING:
        bf_session_prove_step(session);
        break;
    case BF_SESSION_IDLE:
    case BF_SESSION_FLYING:
        bf_session_receive(session, status < 0 || (events & UV_READABLE));
        break;
    case BF_SESSION_RESOLVING:
    case BF_SESSION_LOST:
        break;
    }
}

void bf_session_watch(struct bf_session *session, int events)
{
    /* libpq may close its socket and get the same number back for another while it connects: a new handle each time. */
    if (session->state == BF_SESSION_CONNECTING)
        bf_session_unwatch(session);
    if (!session->poll) {
        session->poll = BF_NEW(uv_poll_t);
        session->poll->data = session;
        if (uv_poll_init(session->loop, session->poll, PQsocket(session->connection))) {
            free(session->poll);
            session->poll = NULL;
            bf_session_unwatch_and_lose(session);
            bf_session_soon(session);
            return;
        }
    }
    if (session->events != events)
        uv_poll_start(session->poll, events, on_poll);
    session->events = events;
}

void bf_session_unwatch_and_lose(struct bf_session *session)
{
    bf_session_unwatch(session);
    session->state = BF_SESSION_LOST;
}

static void on_soon(uv_timer_t *timer)
{
    struct bf_session *session = timer->data;
    if (session->closed)
        return;
    if (session->state == BF_SESSION_RESOLVING && !session->resolver)
        bf_session_begin(session);
    else if (session->connected)
        bf_session_connect_timeout(session); /* the socket could not be watched */
    else if (session->flight && !session->expected_count && session->state == BF_SESSION_IDLE)
        bf_session_send(session);
    else if (session->flight && session->state == BF_SESSION_LOST)
        bf_session_finish(session);
}

void bf_session_soon(struct bf_session *session)
{
    if (!session->closed)
        uv_timer_start(&session->soon, on_soon, 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct bf_session *session = timer->data;
    if (session->closed)
        return;
    if (session->connected)
        bf_session_connect_timeout(session);
}

static struct bf_session *session_connect(void *context, const struct bf_session_options *options,
                                          bf_connected *connected, void *argument)
{
    struct bf_postgresql *postgresql = context;
    struct bf_session *session = BF_NEW(struct bf_session);

    session->loop = postgresql->loop;
    session->conninfo = bf_copy_string(postgresql->conninfo);
    session->password_file = bf_copy_string(postgresql->password_file);
    session->options = *options;
    session->application_name = bf_copy_string(options->application_name);
    session->options.application_name = session->application_name;
    session->connected = connected;
    session->connected_argument = argument;
    uv_timer_init(session->loop, &session->timer);
    uv_timer_init(session->loop, &session->soon);
    session->timer.data = session->soon.data = session;
    session->handles = 2;
    if (options->connect_timeout > 0)
        uv_timer_start(&session->timer, on_timer, (uint64_t)options->connect_timeout, 0);
    bf_session_soon(session);
    return session;
}

static void session_execute(struct bf_session *session, struct bf_flight *flight, bf_flight_done *done, void *argument)
{
    session->flight = flight;
    session->done = done;
    session->done_argument = argument;
    session->answers = bf_allocate((flight->count ? flight->count : 1) * sizeof *session->answers);
    for (size_t i = 0; i < flight->count; i++) {
        session->answers[i].outcome = BF_OUTCOME_UNKNOWN;
        session->answers[i].error_class = BF_CLASS_LOST;
    }
    /* A cancel that is still on its way was meant for what ran before: it must not hit this flight. */
    if (session->state == BF_SESSION_IDLE && session->cancel)
        return;
    if (session->state == BF_SESSION_IDLE && flight->count)
        bf_session_send(session);
    else
        bf_session_soon(session);
}

static void handle_closed(uv_handle_t *handle)
{
    struct bf_session *session = handle->data;
    if (--session->handles)
        return;
    free(session->conninfo);
    free(session->password_file);
    free(session->application_name);
    for (size_t i = 0; i < session->prepared_count; i++)
        free(session->prepared[i].sql);
    free(session->prepared);
    free(session->fatal_message);
    free(session);
}

static void session_close(struct bf_session *session)
{
    if (session->closed)
        return;
    session->closed = true;
    bf_session_forget_resolver(session);
    bf_session_forget_cancel(session);
    bf_session_unwatch(session);
    PQclear(session->proof);
    session->proof = NULL;
    PQfinish(session->connection);
    session->connection = NULL;
    bf_session_drop_flight(session);
    uv_close((uv_handle_t *)&session->timer, handle_closed);
    uv_close((uv_handle_t *)&session->soon, handle_closed);
}

struct bf_database *bf_postgresql_new(uv_loop_t *loop, const char *conninfo, const char *password_file)
{
    struct bf_postgresql *postgresql = BF_NEW(struct bf_postgresql);
    postgresql->loop = loop;
    postgresql->conninfo = bf_copy_string(conninfo);
    postgresql->password_file = bf_copy_string(password_file);
    postgresql->database = (struct bf_database){.context = postgresql,
                                                .dialect = &bf_dialect_postgresql,
                                                .connect = session_connect,
                                                .execute = session_execute,
                                                .cancel = bf_session_cancel,
                                                .close = session_close};
    return &postgresql->database;
}

void bf_postgresql_free(struct bf_database *database)
{
    if (!database)
        return;
    struct bf_postgresql *postgresql = database->context;
    free(postgresql->conninfo);
    free(postgresql->password_file);
    free(postgresql);
}

bool bf_postgresql_asks_system(void)
{
    return PQlibVersion() >= 160000;
}
