#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "allocate.h"
#include "fake_engine.h"
#include "sampler.h"

enum { PATIENCE = 20000 /* milliseconds, for a machine under valgrind */ };

void server_start(struct server *server, const char *listen)
{
    struct bf_error error = {0};
    signal(SIGPIPE, SIG_IGN);
    *server = (struct server){0};
    uv_loop_init(&server->loop);
    server->sampler = bf_sampler_new(&server->loop, NULL, &fake_store);
    struct bf_http_options options = {
        .store = &fake_store, .sampler = server->sampler, .listen = listen, .stalled = fake.stalled,
        .access = fake.access};
    fake.loop = &server->loop;
    server->http = bf_http_start(&server->loop, &options, &error);
    if (!server->http) fail_msg("%s", error.text);
    const char *address = bf_http_address(server->http);
    if (strncmp(address, "http://", 7) == 0)
        server->host = bf_copy_string(address + 7);
    else
        server->path = address + 5;
}

void server_stop(struct server *server)
{
    bf_http_stop(server->http);
    server_close(server);
}

void server_close(struct server *server)
{
    bf_sampler_free(server->sampler);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&server->loop), 0);
    bf_free_string(&server->host);
}

static int connect_to(const struct server *server)
{
    struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int made = socket(server->path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(made >= 0);
    int result;
    if (server->path) {
        snprintf(unix_address.sun_path, sizeof unix_address.sun_path, "%s", server->path);
        result = connect(made, (struct sockaddr *)&unix_address, sizeof unix_address);
    } else {
        address.sin_port = htons((uint16_t)atoi(strchr(server->host, ':') + 1));
        result = connect(made, (struct sockaddr *)&address, sizeof address);
    }
    assert_int_equal(result, 0);
    return made;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct exchange *exchange = poll->data;
    if (status != 0) events = UV_READABLE; /* the connection broke: what came before can still be read */
    if (events & UV_WRITABLE) {
        ssize_t sent = send(exchange->socket, exchange->out + exchange->sent, exchange->out_length - exchange->sent,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) exchange->sent += (size_t)sent;
        /* When it broke, an answer may still be there to read. */
        if (sent < 0 && errno != EAGAIN) exchange->sent = exchange->out_length;
        if (exchange->sent == exchange->out_length) uv_poll_start(poll, UV_READABLE, on_ready);
    }
    if (events & UV_READABLE) {
        char part[4096];
        ssize_t received = recv(exchange->socket, part, sizeof part, MSG_DONTWAIT);
        if (received > 0) {
            exchange->text = bf_reallocate(exchange->text, exchange->length + (size_t)received + 1);
            memcpy(exchange->text + exchange->length, part, (size_t)received);
            exchange->length += (size_t)received;
            exchange->text[exchange->length] = '\0';
            if (status != 0) uv_poll_start(poll, UV_READABLE, on_ready);
        } else if (received == 0 || errno != EAGAIN || status != 0) {
            exchange->ended = true;
            uv_poll_stop(poll);
        }
    }
}

struct exchange *exchange_begin(struct server *server, const char *bytes, size_t length)
{
    struct exchange *exchange = BF_NEW(struct exchange);
    exchange->server = server;
    exchange->socket = connect_to(server);
    exchange->out = bytes;
    exchange->out_length = length;
    exchange->poll.data = exchange;
    assert_int_equal(uv_poll_init(&server->loop, &exchange->poll, exchange->socket), 0);
    uv_poll_start(&exchange->poll, UV_READABLE | (length ? UV_WRITABLE : 0), on_ready);
    return exchange;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct exchange *)handle->data)->closed = true;
}

static bool is_closed(void *argument)
{
    return ((struct exchange *)argument)->closed;
}

static bool is_ended(void *argument)
{
    return ((struct exchange *)argument)->ended;
}

void exchange_leave(struct exchange *exchange)
{
    uv_close((uv_handle_t *)&exchange->poll, on_closed);
    close(exchange->socket);
    server_run_until(exchange->server, is_closed, exchange);
    free(exchange->text);
    free(exchange);
}

static void on_impatient(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void server_run_until(struct server *server, bool (*condition)(void *argument), void *argument)
{
    bool too_late = false;
    uv_timer_t *timer = BF_NEW(uv_timer_t);
    uv_timer_init(&server->loop, timer);
    timer->data = &too_late;
    uv_timer_start(timer, on_impatient, PATIENCE, 0);
    while (!condition(argument) && !too_late) uv_run(&server->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)timer, on_timer_closed);
    if (too_late) fail_msg("nothing happened for %d ms", PATIENCE);
}

struct reply exchange_end(struct exchange *exchange)
{
    server_run_until(exchange->server, is_ended, exchange);
    struct reply reply = {.text = bf_copy_string(exchange->text ? exchange->text : "")};
    exchange_leave(exchange);
    if (strncmp(reply.text, "HTTP/1.1 100", 12) == 0) memmove(reply.text, reply.text + 25, strlen(reply.text + 25) + 1);
    if (strncmp(reply.text, "HTTP/1.1 ", 9) == 0) reply.status = atoi(reply.text + 9);
    char *blank = strstr(reply.text, "\r\n\r\n");
    reply.body = blank ? blank + 4 : reply.text + strlen(reply.text);
    reply.json = json_loads(reply.body, JSON_REJECT_DUPLICATES, NULL);
    return reply;
}

struct reply ask_raw(struct server *server, const char *bytes, size_t length)
{
    return exchange_end(exchange_begin(server, bytes, length));
}

struct reply ask(struct server *server, const char *method, const char *target, const char *headers, const char *body)
{
    char *length BF_AUTO_STRING = body ? bf_format("Content-Length: %zu\r\n", strlen(body)) : bf_copy_string("");
    char *text BF_AUTO_STRING =
        bf_format("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s%s\r\n%s", method, target,
                  server->host ? server->host : "localhost", headers, length, body ? body : "");
    return ask_raw(server, text, strlen(text));
}

void reply_clear(struct reply *reply)
{
    free(reply->text);
    json_decref(reply->json);
    *reply = (struct reply){0};
}

char *reply_header(const struct reply *reply, const char *name)
{
    char *start BF_AUTO_STRING = bf_format("\r\n%s: ", name);
    const char *found = strcasestr(reply->text, start);
    if (!found || found >= reply->body) return NULL;
    found += strlen(start);
    return bf_copy_bytes(found, strcspn(found, "\r"));
}

const char *reply_text(const struct reply *reply, const char *name)
{
    return json_string_value(json_object_get(reply->json, name));
}

const char *reply_code(const struct reply *reply)
{
    const char *code = reply_text(reply, "code");
    return code ? code : "";
}

int count_of(const char *text, const char *part)
{
    int found = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) found++;
    return found;
}
