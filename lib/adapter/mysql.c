/* The database port on MySQL and MariaDB: sessions, their work on threads, their timers, closing. */
#include "mysql_database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allocate.h"
#include "dialect.h"
#include "mysql_session.h"

/* Milliseconds. The server makes its list of transactions anew only when nobody read it for 100. */
enum { WATCH_EVERY = 100, WATCH_LEAST = 20, LOOK_LEAST = 120 };

uint64_t bf_mysql_clock(void)
{
    return uv_hrtime() / 1000000;
}

static void free_session(struct bf_session *session)
{
    bf_mysql_url_free(session->url);
    free(session->password_file);
    free(session->application_name);
    free(session->instance);
    free(session);
}

void bf_mysql_release(struct bf_session *session)
{
    if (--session->references == 0)
        free_session(session);
}

/* ---- the end of a session ---- */

static void close_work(struct bf_mysql_work *work)
{
    bf_mysql_close_connection(work->data);
}

static void connection_closed(struct bf_mysql_work *work)
{
    struct bf_session *session = work->data;
    session->working = false;
    bf_mysql_release(session);
}

/* Nothing uses the connection: a word of farewell to the server is a write, so it has a thread too. */
static void close_connection(struct bf_session *session)
{
    if (!session->connection) {
        if (session->socket >= 0)
            close(session->socket);
        session->socket = -1;
        return;
    }
    session->working = true;
    session->references++;
    bf_mysql_work(session->loop, &session->work, close_work, connection_closed);
}

static void handle_closed(uv_handle_t *handle)
{
    bf_mysql_release(handle->data);
}

static void session_close(struct bf_session *session)
{
    if (session->closed)
        return;
    session->closed = true;
    session->flight = NULL;
    /* What waits for the server ends at once. The server may still carry it out. */
    if (session->working && session->state == BF_MYSQL_FLYING)
        shutdown(session->socket, SHUT_RDWR);
    if (!session->working) {
        bf_mysql_run_free(session->run); /* it waited for a KILL to arrive */
        session->run = NULL;
        close_connection(session);
    }
    uv_close((uv_handle_t *)&session->timer, handle_closed);
    uv_close((uv_handle_t *)&session->soon, handle_closed);
}

/* ---- connecting ---- */

static void conclude(struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    bf_connected *connected = session->connected;
    session->connected = NULL;
    uv_timer_stop(&session->timer);
    session->state = error_class == BF_CLASS_NONE ? BF_MYSQL_IDLE : BF_MYSQL_LOST;
    connected(session->connected_argument, session, error_class, text);
}

/* The server counts its connections from its start. */
static void note_number(const struct bf_session *session)
{
    struct bf_mysql *mysql = session->mysql;
    bool restarted = session->thread <= session->newest_before;
    mysql->restarts += restarted;
    if (restarted || session->thread > mysql->newest)
        mysql->newest = session->thread;
}

static void connect_done(struct bf_mysql_work *work)
{
    struct bf_session *session = work->data;
    session->working = false;
    if (session->closed) {
        close_connection(session);
    } else if (session->connected) {
        if (session->connect_class == BF_CLASS_NONE)
            note_number(session);
        conclude(session, session->connect_class, session->connect_text);
    }
    bf_mysql_release(session);
}

static void begin_connecting(struct bf_session *session)
{
    session->working = true;
    session->references++;
    bf_mysql_work(session->loop, &session->work, bf_mysql_connect_work, connect_done);
}

/* ---- flights ---- */

static void finish(struct bf_session *session)
{
    struct bf_flight *flight = session->flight;
    struct bf_mysql_run *run = session->run;
    bool lost = session->state == BF_MYSQL_LOST;

    if (!lost)
        session->state = BF_MYSQL_IDLE;
    session->flight = NULL;
    session->run = NULL;
    session->cancel_wanted = false;
    session->waiting_since = 0;
    uv_timer_stop(&session->timer);
    session->references++;
    session->done(session->done_argument, session, flight, bf_mysql_run_answers(run), lost);
    bf_mysql_run_free(run); /* the session may be closed by now, the flight may be gone */
    bf_mysql_release(session);
}

/* When the server started is its time of day less its age, both in whole seconds: it wavers, but is compared as a text. */
static void steady_start(struct bf_session *session)
{
    struct bf_mysql *mysql = session->mysql;
    for (size_t i = 0; i < session->flight->count; i++) {
        struct bf_answer *answer = &bf_mysql_run_answers(session->run)[i];
        if (session->flight->steps[i].statement != BF_STATEMENT_SERVER || !bf_answer_value(answer, 0, 1))
            continue;
        int64_t started_at = bf_answer_number(answer, 0, 1);
        if (started_at < mysql->started_at - 1 || started_at > mysql->started_at + 1)
            mysql->started_at = started_at;
        free(answer->values[1]);
        answer->values[1] = bf_format("%lld/%u", (long long)mysql->started_at, mysql->restarts);
    }
}

static void flight_done(struct bf_mysql_work *work)
{
    struct bf_session *session = work->data;
    session->working = false;
    if (session->closed) {
        bf_mysql_run_free(session->run);
        session->run = NULL;
        close_connection(session);
    } else {
        session->mysql->between |= bf_mysql_run_between(session->run);
        if (bf_mysql_run_lost(session->run))
            session->state = BF_MYSQL_LOST;
        steady_start(session);
        finish(session);
    }
    bf_mysql_release(session);
}

/* While a flight is under way: what the server's own timeouts do not do. */
static void watch(struct bf_session *session)
{
    uint64_t waited = bf_mysql_clock() - atomic_load(&session->progressed);
    int64_t longest = bf_mysql_run_longest(session->run);
    if (longest < session->options.statement_timeout)
        longest = session->options.statement_timeout;
    if (session->errand)
        return;
    if (session->cancel_wanted)
        bf_mysql_kill_query(session, BF_MYSQL_KILL_CANCEL);
    else if (waited >= (uint64_t)longest)
        bf_mysql_kill_query(session, BF_MYSQL_KILL_TIMEOUT);
    else if (session->options.lock_timeout % 1000 && !session->no_look &&
             waited * 4 >= (uint64_t)session->options.lock_timeout && bf_mysql_clock() - session->looked_at >= LOOK_LEAST)
        bf_mysql_look(session);
}

static void on_timer(uv_timer_t *timer)
{
    struct bf_session *session = timer->data;
    char text[128];

    if (session->closed)
        return;
    if (session->connected) {
        snprintf(text, sizeof text, "the server did not complete the connection within %lld ms",
                 (long long)session->options.connect_timeout);
        conclude(session, BF_CLASS_UNREACHABLE, text);
    } else if (session->state == BF_MYSQL_FLYING) {
        watch(session);
    }
}

static void send_flight(struct bf_session *session)
{
    uint64_t every = WATCH_EVERY;

    if (session->cancel_wanted || !session->flight->count) {
        bf_mysql_run_cancelled(session->run, session->flight);
        finish(session);
        return;
    }
    if (session->options.lock_timeout % 1000 && (uint64_t)session->options.lock_timeout / 5 < every)
        every = (uint64_t)session->options.lock_timeout / 5;
    if (session->absorb)
        bf_mysql_run_absorb(session->run);
    session->absorb = false;
    session->state = BF_MYSQL_FLYING;
    atomic_store(&session->kill, BF_MYSQL_KILL_NONE);
    atomic_store(&session->progressed, bf_mysql_clock());
    uv_timer_start(&session->timer, on_timer, every < WATCH_LEAST ? WATCH_LEAST : every,
                   every < WATCH_LEAST ? WATCH_LEAST : every);
    session->working = true;
    session->references++;
    bf_mysql_work(session->loop, &session->work, bf_mysql_flight_work, flight_done);
}

static void on_soon(uv_timer_t *timer)
{
    struct bf_session *session = timer->data;
    if (session->closed || !session->flight || session->working)
        return;
    if (session->state == BF_MYSQL_LOST)
        finish(session);
    else if (session->state == BF_MYSQL_IDLE && !session->errand)
        send_flight(session);
}

void bf_mysql_soon(struct bf_session *session)
{
    if (!session->closed)
        uv_timer_start(&session->soon, on_soon, 0, 0);
}

static void session_execute(struct bf_session *session, struct bf_flight *flight, bf_flight_done *done, void *argument)
{
    session->flight = flight;
    session->done = done;
    session->done_argument = argument;
    session->run = bf_mysql_run_new(flight);
    /* A KILL that is still on its way was meant for what ran before: it must not hit this flight. */
    if (session->state == BF_MYSQL_IDLE && session->errand)
        return;
    if (session->state == BF_MYSQL_IDLE && flight->count)
        send_flight(session);
    else
        bf_mysql_soon(session);
}

static void session_cancel(struct bf_session *session)
{
    if (!session->flight || session->closed)
        return;
    session->cancel_wanted = true;
    if (session->state == BF_MYSQL_FLYING && !session->errand)
        bf_mysql_kill_query(session, BF_MYSQL_KILL_CANCEL);
}

/* ---- the port ---- */

static struct bf_session *session_connect(void *context, const struct bf_session_options *options,
                                          bf_connected *connected, void *argument)
{
    struct bf_mysql *mysql = context;
    struct bf_session *session = BF_NEW(struct bf_session);
    const char *fault;
    uint64_t random = 0;

    session->mysql = mysql;
    session->newest_before = mysql->newest;
    session->between = mysql->between;
    mysql->between = false;
    session->loop = mysql->loop;
    session->url = bf_mysql_url_parse(mysql->url, &fault);
    session->password_file = bf_copy_string(mysql->password_file);
    session->options = *options;
    session->application_name = bf_copy_string(options->application_name);
    session->options.application_name = session->application_name;
    session->connected = connected;
    session->connected_argument = argument;
    session->socket = -1;
    session->work.data = session;
    uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
    snprintf(session->lock, sizeof session->lock, "backfilld-%016llx", (unsigned long long)random);
    uv_timer_init(session->loop, &session->timer);
    uv_timer_init(session->loop, &session->soon);
    session->timer.data = session->soon.data = session;
    session->references = 2;
    if (options->connect_timeout > 0)
        uv_timer_start(&session->timer, on_timer, (uint64_t)options->connect_timeout, 0);
    begin_connecting(session);
    return session;
}

/* For each connection with TLS that names no authority the client libraries have OpenSSL read all those of the system, which takes
 * 25 ms of a processor and 3 MiB. Nobody asks them: who has certificates verified names the authority (mysql_url.c). Where they
 * are can only be said in the environment, where libcurl does not look. */
void bf_mysql_spare_authorities(void)
{
    setenv("SSL_CERT_FILE", "/dev/null", 1);
    setenv("SSL_CERT_DIR", "/dev/null", 1);
}

struct bf_database *bf_mysql_new(uv_loop_t *loop, const char *url, const char *password_file)
{
    struct bf_mysql *mysql = BF_NEW(struct bf_mysql);

    mysql_library_init(0, NULL, NULL); /* not safe from several threads at once; repeating it is fine */
    mysql->loop = loop;
    mysql->url = bf_copy_string(url);
    mysql->password_file = bf_copy_string(password_file);
    mysql->database = (struct bf_database){.context = mysql,
                                           .dialect = &bf_dialect_mysql,
                                           .connect = session_connect,
                                           .execute = session_execute,
                                           .cancel = session_cancel,
                                           .close = session_close};
    return &mysql->database;
}

void bf_mysql_free(struct bf_database *database)
{
    if (!database)
        return;
    struct bf_mysql *mysql = database->context;
    free(mysql->url);
    free(mysql->password_file);
    free(mysql);
}
