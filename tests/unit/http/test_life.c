/* Answers that come later, clients that leave meanwhile, a stop with requests in flight, and where we listen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "allocate.h"
#include "client.h"
#include "fake_engine.h"
#include "listen.h"

enum { MANY = 40 };

static struct server server;

static int begin(void **state)
{
    (void)state;
    fake_begin();
    fake.mode = FAKE_LATER;
    server_start(&server, "127.0.0.1:0");
    return 0;
}

static int end(void **state)
{
    (void)state;
    fake_end();
    return 0;
}

static bool are_waiting(void *argument)
{
    return fake_waiting() == *(size_t *)argument;
}

/* Begins `count` requests (an order, then a look at the events, in turn) and waits until all are with the engine or the
 * store. */
static void begin_many(struct exchange *exchanges[], size_t count, char *texts[2])
{
    texts[0] = bf_format("POST /v1/jobs/orders/pause HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", server.host);
    texts[1] = bf_format("GET /v1/events HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", server.host);
    size_t expected = fake_waiting() + count;
    for (size_t i = 0; i < count; i++) exchanges[i] = exchange_begin(&server, texts[i % 2], strlen(texts[i % 2]));
    server_run_until(&server, are_waiting, &expected);
}

static void end_many(struct exchange *exchanges[], size_t count, char *texts[2], int order, int events)
{
    for (size_t i = 0; i < count; i++) {
        struct reply reply = exchange_end(exchanges[i]);
        assert_int_equal(reply.status, i % 2 ? events : order);
        reply_clear(&reply);
    }
    free(texts[0]);
    free(texts[1]);
}

static void test_answered_later(void **state)
{
    struct exchange *exchanges[MANY];
    char *texts[2];
    (void)state;
    begin_many(exchanges, MANY, texts);
    for (size_t i = 0; i < MANY; i++) assert_int_equal(exchanges[i]->length, 0);
    /* others are served while these wait */
    struct reply reply = ask(&server, "GET", "/v1/jobs", "", NULL);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    fake_finish();
    end_many(exchanges, MANY, texts, 202, 200);
    server_stop(&server);
}

static void test_clients_left(void **state)
{
    struct exchange *exchanges[MANY];
    char *texts[2];
    (void)state;
    begin_many(exchanges, MANY, texts);
    for (size_t i = 0; i < MANY; i++) exchange_leave(exchanges[i]);
    free(texts[0]);
    free(texts[1]);
    fake_finish();
    struct reply reply = ask(&server, "GET", "/healthz", "", NULL);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    server_stop(&server);
}

static void test_stopped_in_flight(void **state)
{
    struct exchange *exchanges[MANY];
    char *texts[2];
    (void)state;
    begin_many(exchanges, MANY, texts);
    bf_http_stop(server.http);
    end_many(exchanges, MANY, texts, 503, 503);
    fake_finish(); /* finds nobody, touches nothing */
    server_close(&server);
}

/* Probes of the targets that never end, and a client of /readyz that waits for them. */
static bool has_connects(void *argument)
{
    (void)argument;
    return fake.connects > 0;
}

static void test_stopped_while_probing(void **state)
{
    (void)state;
    fake.mode = FAKE_INSIDE;
    fake.connect_never = true;
    char *text BF_AUTO_STRING = bf_format("GET /readyz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", server.host);
    struct exchange *stays = exchange_begin(&server, text, strlen(text));
    struct exchange *leaves = exchange_begin(&server, text, strlen(text));
    server_run_until(&server, has_connects, NULL);
    exchange_leave(leaves);
    bf_http_stop(server.http);
    struct reply reply = exchange_end(stays);
    assert_int_equal(reply.status, 503);
    assert_string_equal(reply_code(&reply), "stopping");
    reply_clear(&reply);
    server_close(&server);
}

static void on_over(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Its only client waits for a descriptor: the loop does not turn for it without end, and the client is served in time. */
static void test_no_descriptor_for_the_only_client(void **state)
{
    enum { WHILE = 300 /* milliseconds */, TURNS_MAX = 100 };
    struct rlimit before, limit;
    uv_timer_t timer;
    bool over = false;
    int turns = 0;
    (void)state;
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded && strstr(preloaded, "vgpreload")) {
        print_message("valgrind keeps the limit itself: it lets the kernel accept the client, and closes it at once\n");
        server_stop(&server);
        skip();
    }
    char *text BF_AUTO_STRING = bf_format("GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", server.host);
    uv_timer_init(&server.loop, &timer);
    timer.data = &over;
    struct exchange *exchange = exchange_begin(&server, text, strlen(text));
    int next = dup(exchange->socket);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (uv_timer_start(&timer, on_over, WHILE, 0); !over; turns++) uv_run(&server.loop, UV_RUN_ONCE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    uv_close((uv_handle_t *)&timer, NULL);
    if (turns > TURNS_MAX) fail_msg("%d turns of the loop in %d ms", turns, WHILE);
    struct reply reply = exchange_end(exchange);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    server_stop(&server);
}

/* Half a request, and connections that say nothing. */
static void test_stopped_half_way(void **state)
{
    char *text BF_AUTO_STRING = bf_format("POST /v1/jobs HTTP/1.1\r\nHost: %s\r\n" JSON_BODY
                                          "Content-Length: 9\r\n\r\n{", server.host);
    struct exchange *half = exchange_begin(&server, text, strlen(text)), *silent = exchange_begin(&server, "", 0);
    (void)state;
    struct reply reply = ask(&server, "GET", "/healthz", "", NULL);
    reply_clear(&reply);
    bf_http_stop(server.http);
    reply = exchange_end(half);
    assert_int_equal(reply.status, 0);
    reply_clear(&reply);
    reply = exchange_end(silent);
    assert_int_equal(reply.status, 0);
    reply_clear(&reply);
    server_close(&server);
}

static bool has_three_answers(void *argument)
{
    const struct exchange *exchange = argument;
    const char *first = exchange->text ? strstr(exchange->text, "HTTP/1.1 404") : NULL;
    const char *second = first ? strstr(first, "HTTP/1.1 200") : NULL;
    return second && strstr(second, "HTTP/1.1 405");
}

/* Three requests in one packet on a kept connection: refused ones without a body do not end it; the second waits. */
static void test_pipelined(void **state)
{
    char *text BF_AUTO_STRING = bf_format("GET /none HTTP/1.1\r\nHost: %s\r\n\r\n"
                                          "GET /v1/events HTTP/1.1\r\nHost: %s\r\n\r\n"
                                          "POST /v1/events HTTP/1.1\r\nHost: %s\r\n\r\n",
                                          server.host, server.host, server.host);
    size_t one = 1;
    (void)state;
    struct exchange *exchange = exchange_begin(&server, text, strlen(text));
    server_run_until(&server, are_waiting, &one);
    fake_finish();
    server_run_until(&server, has_three_answers, exchange);
    exchange_leave(exchange);
    server_stop(&server);
}

static void check_refused(const char *text, enum bf_code code)
{
    struct bf_listen made;
    struct bf_error error = {0};
    assert_int_equal(bf_listen_open(text, false, &made, &error), code);
    if (code != BF_OK) assert_non_null(strstr(error.text, "listen = "));
    if (code == BF_OK) close(made.socket);
    bf_listen_clear(&made);
}

static void test_where_we_listen(void **state)
{
    static const char *const refused[] = {
        "",          "8420",          ":8420",         "127.0.0.1",    "127.0.0.1:",    "127.0.0.1:x",
        "0.0.0.0:0", "192.0.2.1:0",   "[::]:0",        "[2001:db8::1]:0", "localhost:99999", "example.org:80",
        "unix:",     "unix:relative", "127.0.0.1:-1",
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(refused); i++) check_refused(refused[i], BF_BAD_REQUEST);
    check_refused("localhost:0", BF_OK);
    check_refused("127.0.0.2:0", BF_OK);
    char *too_long BF_AUTO_STRING = bf_format("unix:/%0200d", 0);
    check_refused(too_long, BF_BAD_REQUEST);

    struct bf_listen first;
    struct bf_error error = {0};
    assert_int_equal(bf_listen_open("127.0.0.1:0", false, &first, &error), BF_OK);
    check_refused(first.address + strlen("http://"), BF_BUSY);
    close(first.socket);
    bf_listen_clear(&first);
}

static void test_why_we_do_not_listen(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {{"unix:/nowhere/at/all.sock", "its directory does not exist"}, {"192.0.2.1:0", "this machine has no such address"}};
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_listen made;
        struct bf_error error = {0};
        assert_int_equal(bf_listen_open(cases[i].text, true, &made, &error), BF_INTERNAL);
        if (!strstr(error.text, cases[i].why)) fail_msg("%s: %s", cases[i].text, error.text);
        bf_listen_clear(&made);
    }
}

static void test_socket_files(void **state)
{
    struct bf_listen made, second;
    struct bf_error error = {0};
    struct stat status;
    (void)state;
    char directory[] = "/tmp/backfilld-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    char *path BF_AUTO_STRING = bf_format("%s/api.sock", directory), *text BF_AUTO_STRING = bf_format("unix:%s", path);
    /* somebody's file stays */
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(file);
    check_refused(text, BF_BAD_REQUEST);
    assert_int_equal(unlink(path), 0);
    /* a living daemon's socket stays, a dead one's is replaced; whatever the umask is, the group may use it */
    mode_t before = umask(0077);
    assert_int_equal(bf_listen_open(text, false, &made, &error), BF_OK);
    umask(before);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0660);
    check_refused(text, BF_BUSY);
    assert_int_equal(stat(path, &status), 0);
    close(made.socket);
    assert_int_equal(bf_listen_open(text, false, &second, &error), BF_OK);
    close(second.socket);
    bf_listen_clear(&second);
    bf_listen_clear(&made);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answered_later, begin, end),
        cmocka_unit_test_setup_teardown(test_clients_left, begin, end),
        cmocka_unit_test_setup_teardown(test_stopped_in_flight, begin, end),
        cmocka_unit_test_setup_teardown(test_stopped_half_way, begin, end),
        cmocka_unit_test_setup_teardown(test_stopped_while_probing, begin, end),
        cmocka_unit_test_setup_teardown(test_pipelined, begin, end),
        cmocka_unit_test_setup_teardown(test_no_descriptor_for_the_only_client, begin, end),
        cmocka_unit_test(test_where_we_listen),
        cmocka_unit_test(test_why_we_do_not_listen),
        cmocka_unit_test(test_socket_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
