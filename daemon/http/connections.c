/* Every connection and where it is, so that none can be held for nothing: a request has to arrive in time, an answer has
 * to be taken in time, and when there are too many, the one that has waited longest for a request gives way. */
#include "server.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "allocate.h"

enum {
    TICK = 500, /* milliseconds between two looks at the deadlines */
    OTHER_DESCRIPTORS = 256 /* of targets, store, loop */
};

/* How long a connection may be where it is, in milliseconds; 0: for ever. */
static uint64_t time_allowed(enum bf_http_phase phase)
{
    switch (phase) {
    case BF_HTTP_IDLE:
    case BF_HTTP_HEADERS:
        return BF_HTTP_TIMEOUT * UINT64_C(1000);
    case BF_HTTP_BODY:
        return BF_HTTP_BODY_TIMEOUT * UINT64_C(1000);
    case BF_HTTP_ANSWER:
        return BF_HTTP_ANSWER_TIMEOUT * UINT64_C(1000);
    case BF_HTTP_WORK:
    case BF_HTTP_STREAM:
        break;
    }
    return 0;
}

/* A request that is only half there gets its answer past the server, which has not said anything to it yet. MHD sees the
 * end of the connection and drops it. */
static void end(struct bf_http_connection *connection, enum bf_code code, const char *detail)
{
    struct bf_http *http = connection->http;
    connection->ending = true;
    http->connection_count--;
    if (connection->phase == BF_HTTP_HEADERS || connection->phase == BF_HTTP_BODY) {
        char *text BF_AUTO_STRING = bf_http_problem_text(code, detail);
        bf_http_say_past(connection, text, strlen(text));
    }
    shutdown(connection->socket, SHUT_RDWR);
}

/* Its client has said that it sends no more, and everything it sent was read. */
static bool is_cut_short(int socket)
{
    char byte;
    return recv(socket, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void on_tick(uv_timer_t *timer)
{
    struct bf_http *http = timer->data;
    uint64_t now = uv_now(http->loop);
    for (struct bf_http_connection *each = http->connections; each; each = each->next) {
        uint64_t allowed = time_allowed(each->phase);
        if (each->ending) continue;
        if (allowed != 0 && now - each->since >= allowed)
            end(each, BF_TOO_SLOW, "the request did not arrive in time: 10 s for its headers, 30 s for all of it");
        else if ((each->phase == BF_HTTP_HEADERS || each->phase == BF_HTTP_BODY) && is_cut_short(each->socket))
            end(each, BF_BAD_REQUEST, "the request ended before it was complete");
    }
    if (!http->connections) uv_timer_stop(timer);
}

/* Among those whose request is not here yet; one without any goes first. */
static struct bf_http_connection *longest_waiting(struct bf_http *http, const struct bf_http_connection *newest)
{
    struct bf_http_connection *found = NULL;
    for (struct bf_http_connection *each = http->connections; each; each = each->next) {
        if (each->ending || each == newest || each->phase > BF_HTTP_BODY) continue;
        bool body = each->phase == BF_HTTP_BODY, found_body = found && found->phase == BF_HTTP_BODY;
        if (!found || (body == found_body ? each->since < found->since : found_body)) found = each;
    }
    return found;
}

struct bf_http_connection *bf_http_connection_new(struct bf_http *http, struct MHD_Connection *server_connection)
{
    struct bf_http_connection *connection = BF_NEW(struct bf_http_connection);
    connection->http = http;
    connection->connection = server_connection;
    connection->socket = MHD_get_connection_info(server_connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->since = uv_now(http->loop);
    struct bf_peer peer;
    if (bf_peer_of(connection->socket, &peer)) {
        connection->peer = BF_NEW(struct bf_peer);
        *connection->peer = peer;
    }
    connection->next = http->connections;
    if (connection->next) connection->next->previous = connection;
    http->connections = connection;
    http->connection_count++;
    if (!uv_is_active((uv_handle_t *)&http->tick)) uv_timer_start(&http->tick, on_tick, TICK, TICK);
    if (http->connection_count > http->connections_max) {
        struct bf_http_connection *victim = longest_waiting(http, connection);
        if (victim) end(victim, BF_BUSY, "too many connections are open, and this request was not complete");
    }
    return connection;
}

void bf_http_connection_free(struct bf_http_connection *connection)
{
    struct bf_http *http = connection->http;
    if (!connection->ending) http->connection_count--;
    if (connection->next) connection->next->previous = connection->previous;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        http->connections = connection->next;
    if (connection->peer) bf_peer_clear(connection->peer);
    free(connection->peer);
    free(connection);
}

void bf_http_connection_is(struct bf_http_connection *connection, enum bf_http_phase phase)
{
    /* A body's time began with its request. */
    if (phase != BF_HTTP_BODY) connection->since = uv_now(connection->http->loop);
    connection->phase = phase;
}

int bf_http_connections_possible(void)
{
    struct rlimit limit;
    const rlim_t wanted = BF_HTTP_CONNECTIONS_MAX + BF_HTTP_CONNECTIONS_ENDING + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return BF_HTTP_CONNECTIONS_MAX;
    if (limit.rlim_cur < wanted && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= wanted) return BF_HTTP_CONNECTIONS_MAX;
    /* With few descriptors half of them are for clients. */
    rlim_t possible = limit.rlim_cur / 2;
    return possible > BF_HTTP_CONNECTIONS_ENDING ? (int)(possible - BF_HTTP_CONNECTIONS_ENDING) : 1;
}
