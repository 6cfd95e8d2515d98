/* Streams of events and progress: who comes back, who missed too much, who does not read, who left, and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "allocate.h"
#include "client.h"
#include "fake_engine.h"

enum { LOG = 6000, STALLED = 1500 };

static struct server server;
static struct bf_event *event_log;
static char *requests[4]; /* they are being sent as long as their exchange is there */
static size_t request_count;
static size_t text_length; /* of the next events */

/* Events 1 to `count`, every third of the completed job, the others of the running one. */
static void fill_log(size_t count)
{
    for (size_t i = fake.log_count; i < count; i++) {
        event_log[i] = (struct bf_event){.id = (int64_t)i + 1, .at = 1790000000000, .type = "note", .actor = "daemon"};
        memcpy(event_log[i].job, i % 3 == 2 ? FAKE_COMPLETED : FAKE_RUNNING, BF_ULID_TEXT);
        memset(event_log[i].text, 'x', text_length);
    }
    fake.log_count = count;
}

static int begin(void **state)
{
    (void)state;
    fake_begin();
    fake.log = event_log = bf_allocate(LOG * sizeof *event_log);
    fake.stalled = STALLED;
    text_length = 1;
    fill_log(3);
    server_start(&server, "127.0.0.1:0");
    return 0;
}

static int end(void **state)
{
    (void)state;
    server_stop(&server);
    fake_end();
    free(event_log);
    while (request_count > 0) free(requests[--request_count]);
    return 0;
}

static struct exchange *watch(const char *path, const char *headers)
{
    char *request = requests[request_count++] =
        bf_format("GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n%s\r\n", path, server.host, headers);
    return exchange_begin(&server, request, strlen(request));
}

struct expected {
    struct exchange *exchange;
    const char *text;
    size_t looked; /* bytes of what came, in which it is not */
};

static bool has_come(void *argument)
{
    struct expected *expected = argument;
    const struct exchange *exchange = expected->exchange;
    if (!exchange->text) return false;
    if (strstr(exchange->text + expected->looked, expected->text)) return true;
    size_t length = strlen(expected->text);
    expected->looked = exchange->length > length ? exchange->length - length : 0;
    return false;
}

static void await(struct exchange *exchange, const char *text)
{
    struct expected expected = {exchange, text, 0};
    server_run_until(&server, has_come, &expected);
}

static void test_from_now_on(void **state)
{
    (void)state;
    fake.jobs[0].activity = BF_ACTIVITY_IDLE; /* of one that is at work it is told every BF_STREAM_BEAT by the clock, too */
    struct exchange *all = watch("/v1/events", "");
    await(all, "retry: 2000\n\n");
    struct exchange *one = watch("/v1/jobs/users/events", "");
    await(one, "retry: 2000\n\n");
    assert_non_null(strstr(all->text, "Content-Type: text/event-stream\r\n"));
    fake.jobs[0].record.progress.rows_changed = 4711;
    await(all, "\"rows_changed\":4711");
    fill_log(6);
    await(all, "id: 6\nevent: event\ndata: {\"id\":6,\"job\":\"" FAKE_COMPLETED "\"");
    await(one, "id: 6\n");
    assert_int_equal(count_of(all->text, "\nevent: event\n"), 3);
    assert_int_equal(count_of(one->text, "\nevent: event\n"), 1);
    assert_null(strstr(one->text, "event: progress"));
    assert_int_equal(count_of(all->text, "event: progress\n"), 1);
    fake.jobs[2].record.updated_at = 1790000009000;
    fake.jobs[2].record.version++;
    await(one, "event: progress\ndata: {\"id\":\"" FAKE_COMPLETED "\"");
    exchange_leave(all);
    exchange_leave(one);
}

static void test_who_comes_back_misses_nothing(void **state)
{
    (void)state;
    fill_log(300);
    struct exchange *all = watch("/v1/events", "Last-Event-ID: 2\r\n");
    struct exchange *one = watch("/v1/jobs/users/events?after=2", "");
    await(all, "id: 300\n");
    await(one, "id: 300\n");
    fill_log(303);
    await(all, "id: 303\n");
    await(one, "id: 303\n");
    assert_int_equal(count_of(all->text, "\nevent: event\n"), 301);
    assert_int_equal(count_of(one->text, "\nevent: event\n"), 101);
    assert_null(strstr(all->text, "event: reset"));
    exchange_leave(all);
    exchange_leave(one);
}

static void test_a_gap_is_said(void **state)
{
    (void)state;
    struct exchange *unknown = watch("/v1/events", "Last-Event-ID: 99\r\n");
    await(unknown, "id: 3\nevent: reset\n");
    fill_log(4);
    await(unknown, "id: 4\nevent: event\n");
    exchange_leave(unknown);
}

static void test_too_large_a_gap_is_not_filled(void **state)
{
    (void)state;
    fill_log(LOG); /* before anybody listens: the hub must not be on its way there */
    struct exchange *late = watch("/v1/events", "Last-Event-ID: 1\r\n");
    await(late, "id: 6000\nevent: reset\n");
    assert_null(strstr(late->text, "id: 5999\nevent: event\n"));
    exchange_leave(late);
}

/* The server's own timeouts, and how it asks for more, do not end or spin a stream that has nothing to say. */
static bool has_passed(void *argument)
{
    return uv_now(&server.loop) >= *(uint64_t *)argument;
}

static bool is_ended(void *argument)
{
    return ((struct exchange *)argument)->ended;
}

struct drained {
    int socket;
    ssize_t bytes;
};

static bool is_drained(void *argument)
{
    struct drained *drained = argument;
    char part[65536];
    ssize_t got;
    while ((got = recv(drained->socket, part, sizeof part, MSG_DONTWAIT)) > 0) drained->bytes += got;
    return got == 0;
}

static void test_who_does_not_read_is_dropped(void **state)
{
    (void)state;
    struct exchange *reads = watch("/v1/events", ""), *stands;
    await(reads, "retry: 2000\n\n");
    stands = watch("/v1/events", "");
    await(stands, "retry: 2000\n\n");
    uv_poll_stop(&stands->poll);
    int size = 4096;
    setsockopt(stands->socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    text_length = 900;
    fill_log(1500); /* more than the kernel takes */
    await(reads, "id: 1500\n");
    uint64_t until = uv_now(&server.loop) + 2 * STALLED;
    server_run_until(&server, has_passed, &until);
    /* What was on its way can still be read, then the connection is at its end. */
    size = 1024 * 1024; /* so that the rest comes at once */
    setsockopt(stands->socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    struct drained drained = {.socket = stands->socket};
    server_run_until(&server, is_drained, &drained);
    assert_in_range(drained.bytes, 0, 999999); /* says what it was */
    assert_false(is_ended(reads));
    fill_log(1501);
    await(reads, "id: 1501\n");
    assert_int_equal(count_of(reads->text, "\nevent: event\n"), 1498);
    exchange_leave(stands);
    exchange_leave(reads);
}

static void test_the_end_of_the_server(void **state)
{
    (void)state;
    struct exchange *quiet = watch("/v1/events", ""), *other = watch("/v1/jobs/orders/events", "");
    await(quiet, "retry: 2000\n\n");
    await(other, "retry: 2000\n\n");
    bf_http_stop(server.http);
    server_run_until(&server, is_ended, quiet);
    server_run_until(&server, is_ended, other);
    assert_non_null(strstr(quiet->text, "\r\n0\r\n\r\n")); /* an end in order */
    exchange_leave(quiet);
    exchange_leave(other);
    server_close(&server);
    server_start(&server, "127.0.0.1:0"); /* for `end` */
}

static void test_what_is_refused(void **state)
{
    (void)state;
    const char *const accept = "Accept: text/event-stream\r\n";
    struct reply reply = ask(&server, "GET", "/v1/jobs/none/events", accept, NULL);
    assert_int_equal(reply.status, 404);
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/events?limit=5", accept, NULL);
    assert_int_equal(reply.status, 400);
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/events", "Accept: text/event-stream\r\nLast-Event-ID: x\r\n", NULL);
    assert_int_equal(reply.status, 400);
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/events", "Last-Event-ID: 1\r\n", NULL);
    assert_int_equal(reply.status, 400);
    reply_clear(&reply);
    reply = ask(&server, "HEAD", "/v1/events", accept, NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "");
    reply_clear(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_from_now_on, begin, end),
        cmocka_unit_test_setup_teardown(test_who_comes_back_misses_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_a_gap_is_said, begin, end),
        cmocka_unit_test_setup_teardown(test_too_large_a_gap_is_not_filled, begin, end),
        cmocka_unit_test_setup_teardown(test_who_does_not_read_is_dropped, begin, end),
        cmocka_unit_test_setup_teardown(test_the_end_of_the_server, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_refused, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
