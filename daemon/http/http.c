/* libmicrohttpd on the loop: one uv_poll on its epoll descriptor, one uv_timer for its timeouts. MHD_run is only called
 * from these two, so a handler, the engine and the server never run inside each other. */
#include "http.h"

#include <string.h>

#include "allocate.h"
#include "server.h"
#include "stream.h"

enum { ACCEPT_AGAIN = 100 }; /* milliseconds until a client is accepted for whom there was no descriptor */

static void on_timer(uv_timer_t *timer);
static void rearm(struct bf_http *http);

/* When it had no descriptor for a client the server does not listen until a connection has ended, and then only once it runs
 * again. */
static void run(struct bf_http *http)
{
    http->ended = false;
    MHD_run(http->server);
    rearm(http);
    if (http->ended) bf_http_run_soon(http);
}

/* Where there is no descriptor for its only client the server goes on listening, and would be woken without end: woken for
 * nothing, with no connection before or behind, it is left alone for a while. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct bf_http *http = poll->data;
    (void)status;
    (void)events;
    bool idle = !http->connections;
    run(http);
    if (!idle || http->connections || http->ended) return;
    uv_poll_stop(poll);
    uv_timer_start(&http->timer, on_timer, ACCEPT_AGAIN, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct bf_http *http = timer->data;
    if (!uv_is_active((uv_handle_t *)&http->poll)) uv_poll_start(&http->poll, UV_READABLE, on_poll);
    run(http);
}

static void rearm(struct bf_http *http)
{
    MHD_UNSIGNED_LONG_LONG milliseconds;
    if (MHD_get_timeout(http->server, &milliseconds) == MHD_YES)
        uv_timer_start(&http->timer, on_timer, milliseconds, 0);
    else
        uv_timer_stop(&http->timer);
}

static void suspend(struct bf_http_request *request)
{
    struct bf_http *http = request->http;
    request->suspended = true;
    request->previous = NULL;
    request->next = http->suspended;
    if (request->next) request->next->previous = request;
    http->suspended = request;
    MHD_suspend_connection(request->connection);
}

/* Not at once: it must not be run from inside the engine. */
void bf_http_run_soon(struct bf_http *http)
{
    if (!http->stopping) uv_timer_start(&http->timer, on_timer, 0, 0);
}

void bf_http_resume(struct bf_http_request *request)
{
    struct bf_http *http = request->http;
    if (!request->suspended) return;
    request->suspended = false;
    if (request->next) request->next->previous = request->previous;
    if (request->previous)
        request->previous->next = request->next;
    else
        http->suspended = request->next;
    MHD_resume_connection(request->connection);
    bf_http_run_soon(http);
}

static struct bf_http_connection *connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

struct bf_http_connection *bf_http_connection_of(const struct bf_http_request *request)
{
    return connection_of(request->connection);
}

/* The first that is heard of a request: its undecoded target. */
static void *on_target(void *argument, const char *text, struct MHD_Connection *connection)
{
    struct bf_http_request *request = BF_NEW(struct bf_http_request);
    request->http = argument;
    request->connection = connection;
    request->body.ceiling = BF_HTTP_BODY_MAX;
    request->target_length = strlen(text);
    request->target_end = (uintptr_t)text + request->target_length;
    bf_http_connection_is(connection_of(connection), BF_HTTP_HEADERS);
    bf_uri_parse(text, &request->uri, &request->uri_error);
    /* The server would parse the parameters too, and where there are hundreds it runs out of memory and never answers.
     * `text` is its own buffer, which is not constant, and it reads them after this call: it shall find none. */
    char *query = strchr((char *)(uintptr_t)text, '?');
    if (query && query[1] != '\0') query[1] = '\0';
    return request;
}

static enum MHD_Result queue(struct bf_http_request *request)
{
    bf_http_connection_is(connection_of(request->connection), request->streams ? BF_HTTP_STREAM : BF_HTTP_ANSWER);
    return MHD_queue_response(request->connection, (unsigned)request->status, request->response);
}

static void drop_body(struct bf_http_request *request)
{
    request->http->body_bytes -= request->body.length;
    bf_buffer_clear(&request->body);
}

/* A part of the body. No answer can be given here, so what is too large is read and thrown away, up to a limit. */
static enum MHD_Result take(struct bf_http_request *request, const char *bytes, size_t *length)
{
    struct bf_http *http = request->http;
    request->received += *length;
    if (request->received > BF_HTTP_DISCARD_MAX) return MHD_NO;
    if (request->received > BF_HTTP_BODY_MAX || http->body_bytes + *length > BF_HTTP_BODIES_MAX) {
        drop_body(request);
        if (!request->response && request->received > BF_HTTP_BODY_MAX)
            bf_http_problem(request, BF_TOO_LARGE, "a body has at most %d bytes", BF_HTTP_BODY_MAX);
        else if (!request->response)
            bf_http_problem(request, BF_BUSY, "too many large bodies are being received; try again");
    } else if (!request->response) {
        bf_buffer_append(&request->body, bytes, *length);
        http->body_bytes += *length;
    }
    *length = 0;
    return MHD_YES;
}

static void on_connection(void *argument, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct bf_http *http = argument;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = bf_http_connection_new(http, connection);
        return;
    }
    struct bf_http_connection *ours = *context;
    if (ours->unread && !ours->ending && !http->stopping) bf_http_linger_begin(http, ours->socket);
    bf_http_connection_free(ours);
    http->ended = true;
}

static enum MHD_Result wait_for(struct bf_http_request *request)
{
    suspend(request);
    return MHD_YES;
}

/* Called with the headers, with every part of the body, at its end, and once more after a suspension. */
static enum MHD_Result on_request(void *argument, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes, size_t *length,
                                  void **context)
{
    struct bf_http_request *request = *context;
    (void)argument;
    (void)url;
    if (!request->begun) {
        request->begun = true;
        request->head = strcmp(method, "HEAD") == 0;
        bf_http_connection_is(connection_of(connection), BF_HTTP_BODY);
        /* Answering now ends the connection after it, which is right only where a body would have to be read. */
        if (bf_http_check(request, method, version) || !bf_http_has_body(request)) return MHD_YES;
        connection_of(connection)->unread = true;
        return queue(request);
    }
    if (*length > 0) return take(request, bytes, length);
    if (request->response) return queue(request);
    bf_http_connection_is(connection_of(connection), BF_HTTP_WORK);
    if (request->http->stopping)
        bf_http_problem(request, BF_STOPPING, "the daemon is stopping");
    else if (!bf_http_identified(request) && !request->response)
        return wait_for(request);
    else if (!request->response && bf_http_check_query(request)) {
        if (!bf_http_audit_begin(request)) return wait_for(request);
        request->route->handle(request);
    }
    drop_body(request);
    /* What waits although it is answered is being recorded. */
    return request->response && !request->wait ? queue(request) : wait_for(request);
}

static void on_completed(void *argument, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct bf_http_request *request = *context;
    (void)argument;
    (void)how;
    if (!request) return;
    bf_http_connection_is(connection_of(connection), BF_HTTP_IDLE);
    *context = NULL;
    if (request->wait) bf_http_wait_forget(request);
    drop_body(request);
    bf_uri_clear(&request->uri);
    bf_identity_clear(&request->identity);
    json_decref(request->audited.said);
    if (request->response) MHD_destroy_response(request->response);
    free(request);
}

/* The daemon writes the log, and what a client did wrong on the wire is not worth a line. */
static void no_log(void *argument, const char *format, va_list arguments)
{
    (void)argument;
    (void)format;
    (void)arguments;
}

/* Its own timeout closes without a word, so ours, which tells a request that is half there, has to come first. */
static struct MHD_Daemon *start_server(struct bf_http *http)
{
    struct MHD_OptionItem secure[BF_HTTP_SECURE_OPTIONS];
    bf_http_secure_options(http, secure);
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (http->listen.tls ? MHD_USE_TLS : 0);
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, http,
                            MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL,
                            MHD_OPTION_LISTEN_SOCKET, http->listen.socket,
                            MHD_OPTION_URI_LOG_CALLBACK, on_target, http,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)(http->connections_max + BF_HTTP_CONNECTIONS_ENDING),
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)BF_HTTP_TIMEOUT + 1,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)BF_HTTP_CONNECTION_MEMORY,
                            MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, secure, MHD_OPTION_END);
}

struct bf_http *bf_http_start(uv_loop_t *loop, const struct bf_http_options *options, struct bf_error *error)
{
    struct bf_listen made;
    bool anywhere = options->access && options->access->tokens_file;
    if (bf_listen_open(options->listen, anywhere, &made, error) != BF_OK) {
        bf_tls_free(options->tls);
        return NULL;
    }
    bf_listen_secure(&made, options->tls);
    struct bf_http *http = BF_NEW(struct bf_http);
    http->engine = options->engine;
    http->store = options->store;
    http->job_files = options->job_files;
    http->sampler = options->sampler;
    http->audit = options->audit;
    http->token_refused = options->token_refused;
    http->argument = options->argument;
    http->doors = bf_http_doors_new();
    bf_http_set_access(http, options->access);
    http->loop = loop;
    http->stalled = options->stalled ? (uint64_t)options->stalled : BF_STREAM_STALLED;
    http->listen = made;
    http->connections_max = bf_http_connections_possible();
    http->server = start_server(http);
    const union MHD_DaemonInfo *info =
        http->server ? MHD_get_daemon_info(http->server, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info || uv_poll_init(loop, &http->poll, info->epoll_fd) != 0) {
        if (http->server) MHD_stop_daemon(http->server);
        bf_listen_clear(&http->listen);
        bf_http_doors_free(http->doors);
        free(http);
        bf_fail(error, BF_INTERNAL, "listen = %s: the HTTP server cannot be started", options->listen);
        return NULL;
    }
    uv_timer_init(loop, &http->timer);
    uv_timer_init(loop, &http->tick);
    bf_loop_lag_start(loop, &http->lag);
    http->open_handles = 4;
    http->poll.data = http->timer.data = http->tick.data = http->lag.timer.data = http;
    uv_poll_start(&http->poll, UV_READABLE, on_poll);
    rearm(http);
    return http;
}

const char *bf_http_address(const struct bf_http *http)
{
    return http->listen.address;
}

bool bf_http_is_public(const struct bf_http *http)
{
    return http->listen.is_public;
}

static void on_closed(uv_handle_t *handle)
{
    struct bf_http *http = handle->data;
    if (--http->open_handles > 0) return;
    bf_http_doors_free(http->doors);
    free(http);
}

void bf_http_stop(struct bf_http *http)
{
    if (!http) return;
    http->stopping = true;
    while (http->suspended) {
        struct bf_http_request *request = http->suspended;
        bf_http_wait_forget(request);
        if (!request->response) bf_http_problem(request, BF_STOPPING, "the daemon is stopping; what was ordered may still take effect");
        bf_http_resume(request);
    }
    bf_http_audit_stop(http);
    bf_hub_stop(http);
    /* A suspended connection would make MHD_stop_daemon panic: the first run resumes, the others let answers go out. */
    enum { RUNS = 4 };
    for (int i = 0; i < RUNS; i++) MHD_run(http->server);
    bf_http_probe_end(http);
    bf_http_proofs_drop(http);
    bf_http_linger_end_all(http);
    uv_poll_stop(&http->poll);
    uv_timer_stop(&http->timer);
    uv_timer_stop(&http->tick);
    MHD_stop_daemon(http->server); /* closes the listening socket too */
    bf_listen_clear(&http->listen);
    uv_close((uv_handle_t *)&http->poll, on_closed);
    uv_close((uv_handle_t *)&http->timer, on_closed);
    uv_close((uv_handle_t *)&http->tick, on_closed);
    uv_close((uv_handle_t *)&http->lag.timer, on_closed);
}
