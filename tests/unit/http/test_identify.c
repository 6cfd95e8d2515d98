/* Who asks, and what the role allows: each role at each route of the table, targets, wrong tokens, cookies. */
#include "http_case.h"

#include <unistd.h>

#include "access.h"
#include "backfilld/api.h"
#include "identify.h"

static const struct {
    const char *method, *path;
    enum bf_route_name name;
    enum bf_role role;
} routes[] = {
#define X(constant, method, path, role, handler, summary) {#method, path, BF_ROUTE_##constant, BF_ROLE_##role},
    BF_ROUTES(X)
#undef X
};

enum { ROLES = BF_ROLE_ADMIN, LIMITED = ROLES /* one more token: an admin of shop alone */ };

static char secrets[ROLES + 1][BF_TOKEN_TEXT_MAX], hashes[ROLES + 1][BF_TOKEN_HASH_MAX];
static struct bf_token tokens[ROLES + 1];
static struct bf_access access_of_all;
static char refused[256];

static const char *const names[] = {"am", "viewer", "ci", "approver", "admin", "shopkeeper"};

static void make_tokens(void)
{
    for (int i = 0; i <= ROLES; i++) {
        bf_token_make(names[i], secrets[i]);
        assert_true(bf_token_hash(secrets[i], hashes[i]));
        tokens[i] = (struct bf_token){.name = (char *)(uintptr_t)names[i], .hash = hashes[i],
                                      .role = i == LIMITED ? BF_ROLE_ADMIN : (enum bf_role)(BF_ROLE_ALERTS + i),
                                      .targets = i == LIMITED ? (char *)(uintptr_t)"shop" : NULL};
    }
    access_of_all = (struct bf_access){.tokens_file = (char *)(uintptr_t)"/etc/tokens", .tokens = {tokens, ROLES + 1}};
}

static int begin_with_tokens(void **state)
{
    (void)state;
    fake_begin();
    fake.access = &access_of_all;
    access_of_all.metrics_need_viewer = false;
    refused[0] = '\0';
    server_start(&server, "127.0.0.1:0");
    return 0;
}

static char *headers_of(const char *token, const char *more)
{
    return bf_format("Authorization: Bearer %s\r\n%s", token, more);
}

static struct reply ask_as(int who, const char *method, const char *path, const char *body)
{
    char *headers BF_AUTO_STRING = headers_of(secrets[who], body ? JSON_BODY : "");
    return ask(&server, method, path, headers, body);
}

/* Said once more, on purpose: the roles are a ladder, and alerts is a room of its own. */
static bool may(int who, enum bf_role needed)
{
    enum bf_role role = tokens[who].role;
    switch (needed) {
    case BF_ROLE_ANYONE: return true;
    case BF_ROLE_ALERTS: return role != BF_ROLE_VIEWER;
    case BF_ROLE_VIEWER: return role != BF_ROLE_ALERTS;
    case BF_ROLE_OPERATOR: return role == BF_ROLE_OPERATOR || role == BF_ROLE_APPROVER || role == BF_ROLE_ADMIN;
    case BF_ROLE_APPROVER: return role == BF_ROLE_APPROVER || role == BF_ROLE_ADMIN;
    case BF_ROLE_ADMIN: return role == BF_ROLE_ADMIN;
    }
    return false;
}

static void test_each_role_at_each_route(void **state)
{
    int allowed = 0, forbidden = 0;
    (void)state;
    for (int who = 0; who < ROLES; who++)
        for (size_t i = 0; i < BF_COUNT(routes); i++) {
            char *path BF_AUTO_STRING = path_of(routes[i].path);
            struct reply reply = ask_as(who, routes[i].method, path, strcmp(routes[i].method, "GET") == 0 ? NULL : "{}");
            bool is_forbidden = reply.status == 403 && strcmp(reply_code(&reply), "forbidden") == 0;
            if (reply.status == 401 || is_forbidden == may(who, routes[i].role))
                fail_msg("%s at %s %s: %d %s", names[who], routes[i].method, path, reply.status, reply.body);
            if (is_forbidden && !strstr(reply_text(&reply, "detail"), "needs the role"))
                fail_msg("%s at %s %s: the role is not named: %s", names[who], routes[i].method, path, reply.body);
            forbidden += is_forbidden;
            allowed += !is_forbidden;
            reply_clear(&reply);
        }
    assert_true(allowed > 100 && forbidden > 30);
}

static void test_nobody_at_each_route(void **state)
{
    (void)state;
    for (size_t i = 0; i < BF_COUNT(routes); i++) {
        char *path BF_AUTO_STRING = path_of(routes[i].path);
        bool get = strcmp(routes[i].method, "GET") == 0;
        struct reply reply = ask(&server, routes[i].method, path, get ? "" : JSON_BODY, get ? NULL : "{}");
        char *asks BF_AUTO_STRING = reply_header(&reply, "WWW-Authenticate");
        if ((reply.status == 401) != (routes[i].role != BF_ROLE_ANYONE))
            fail_msg("%s %s answers nobody %d", routes[i].method, path, reply.status);
        if (reply.status == 401) {
            assert_string_equal(asks, "Bearer realm=\"backfilld\"");
            assert_string_equal(reply_code(&reply), "unauthenticated");
        }
        reply_clear(&reply);
    }
    assert_int_equal(fake.calls, 1); /* readyz reads */
}

static void test_the_actor(void **state)
{
    (void)state;
    struct reply reply = ask_as(2, "POST", "/v1/jobs/" FAKE_RUNNING "/pause", "{}");
    assert_int_equal(reply.status, 202);
    assert_string_equal(fake.actor, "ci");
    reply_clear(&reply);
    reply = ask_as(3, "POST", "/v1/jobs/" FAKE_RUNNING "/approve", "{}");
    assert_string_equal(fake.actor, "approver");
    reply_clear(&reply);
}

/* An answer to a wrong token takes its time; nothing that is right waits for it, and nothing is asked of the engine. */
static void test_wrong_tokens(void **state)
{
    char *other BF_AUTO_STRING = bf_copy_string(secrets[4]);
    other[strlen(other) - 3] ^= 1;
    const char *const wrong[] = {other, "bft_admin.", "bft_nobody.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", hashes[4], "x"};
    (void)state;
    struct reply right = ask_as(4, "GET", "/v1/jobs", NULL);
    assert_int_equal(right.status, 200);
    reply_clear(&right);
    for (size_t i = 0; i < 3; i++) {
        char *headers BF_AUTO_STRING = headers_of(wrong[i], "");
        uint64_t before = uv_hrtime();
        struct reply reply = ask(&server, "GET", "/v1/jobs", headers, NULL);
        char *asks BF_AUTO_STRING = reply_header(&reply, "WWW-Authenticate");
        assert_int_equal(reply.status, 401);
        assert_string_equal(asks, "Bearer realm=\"backfilld\", error=\"invalid_token\"");
        assert_null(strstr(reply.text, wrong[i]));
        /* one less: the loop counts whole milliseconds */
        assert_true(uv_hrtime() - before >= (((uint64_t)BF_THROTTLE_FIRST << i) - 1) * 1000000);
        reply_clear(&reply);
    }
    /* Two that are wrong, one after the other, and one that is known already, which waits for neither. */
    char *third BF_AUTO_STRING = headers_of(wrong[3], ""), *fourth BF_AUTO_STRING = headers_of(wrong[4], "");
    char *text BF_AUTO_STRING = bf_format("GET /v1/jobs HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", server.host, third);
    char *more BF_AUTO_STRING = bf_format("GET /v1/jobs HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", server.host, fourth);
    struct exchange *slow = exchange_begin(&server, text, strlen(text)), *slower = exchange_begin(&server, more, strlen(more));
    uv_run(&server.loop, UV_RUN_ONCE);
    right = ask_as(4, "GET", "/v1/jobs", NULL);
    assert_int_equal(right.status, 200);
    reply_clear(&right);
    assert_int_equal(slow->length, 0);
    exchange_leave(slow); /* they do not wait for it */
    exchange_leave(slower);
}

static void test_no_bearer(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "GET", "/v1/jobs", "Authorization: Basic YTpi\r\n", NULL);
    assert_int_equal(reply.status, 401);
    reply_clear(&reply);
    char *twice BF_AUTO_STRING = bf_format("Authorization: Bearer %s\r\nAuthorization: Bearer x\r\n", secrets[4]);
    reply = ask(&server, "GET", "/v1/jobs", twice, NULL);
    assert_int_equal(reply.status, 403);
    reply_clear(&reply);
}

static void test_no_token_in_an_address(void **state)
{
    static const char *const places[] = {"/v1/jobs?token=", "/v1/jobs?name=", "/v1/jobs?", "/v1/jobs/", "/v1/targets/", "/nowhere/",
                                         "/?Access_Token="};
    (void)state;
    for (size_t i = 0; i < BF_COUNT(places); i++) {
        char *path BF_AUTO_STRING = bf_format("%s%s", places[i], secrets[4]);
        struct reply reply = ask(&server, "GET", path, "", NULL);
        assert_int_equal(reply.status, 400);
        assert_null(strstr(reply.text, secrets[4]));
        assert_non_null(strstr(reply.text, "replace this one"));
        reply_clear(&reply);
    }
}

/* ---- targets ---- */

static void test_a_role_for_some_targets(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
    } cases[] = {
        {"GET", "/v1/jobs/" FAKE_RUNNING, NULL, 200},
        {"GET", "/v1/jobs/" FAKE_COMPLETED, NULL, 404},
        {"GET", "/v1/jobs/users", NULL, 404},
        {"GET", "/v1/jobs/" FAKE_COMPLETED "/plan", NULL, 404},
        {"GET", "/v1/jobs/" FAKE_COMPLETED "/events", NULL, 404},
        {"GET", "/v1/jobs/" FAKE_COMPLETED "/samples", NULL, 404},
        {"GET", "/v1/jobs/" FAKE_COMPLETED "/conflicts", NULL, 404},
        {"POST", "/v1/jobs/" FAKE_COMPLETED "/pause", "{}", 404},
        {"POST", "/v1/jobs/" FAKE_COMPLETED "/approve", "{}", 404},
        {"POST", "/v1/jobs/" FAKE_COMPLETED "/rollback?dry_run=true", "{}", 404},
        {"POST", "/v1/jobs/" FAKE_COMPLETED "/forget", "{\"confirm\": \"users\"}", 404},
        {"POST", "/v1/jobs/users/clone", "{\"name\": \"second\"}", 404},
        {"PATCH", "/v1/jobs/" FAKE_COMPLETED, "{\"pace\": {}}", 404},
        {"GET", "/v1/targets/shop", NULL, 200},
        {"GET", "/v1/targets/legacy", NULL, 404},
        {"POST", "/v1/targets/legacy/replicas/r1/ignore", "{}", 404},
        {"POST", "/v1/targets/legacy/adopt", "{\"job\": \"" FAKE_RUNNING "\"}", 404},
        {"POST", "/v1/pause-all", "{}", 403},
        {"POST", "/v1/pause-all", "{\"target\": \"legacy\"}", 403},
        {"POST", "/v1/pause-all", "{\"target\": \"nowhere\"}", 403},
        {"POST", "/v1/pause-all", "{\"label\": \"a=b\"}", 403},
        {"POST", "/v1/pause-all", "{\"target\": \"shop\"}", 200},
        {"POST", "/v1/resume-all", "{}", 403},
        {"POST", "/v1/jobs", "{\"name\": \"x\", \"target\": \"legacy\"}", 403},
        {"POST", "/v1/jobs", "{\"name\": \"x\", \"target\": \"nowhere\"}", 403},
        {"POST", "/v1/jobs?dry_run=true", "{\"name\": \"x\", \"target\": \"legacy\"}", 403},
        {"POST", "/v1/jobs", "{\"name\": \"x\", \"target\": \"shop\"}", 201},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct reply reply = ask_as(LIMITED, cases[i].method, cases[i].path, cases[i].body);
        if (reply.status != cases[i].status)
            fail_msg("%s %s %s: %d %s", cases[i].method, cases[i].path, cases[i].body ? cases[i].body : "", reply.status, reply.body);
        reply_clear(&reply);
    }
    struct reply reply = ask_as(LIMITED, "GET", "/v1/jobs", NULL);
    assert_int_equal(json_array_size(json_object_get(reply.json, "jobs")), 2);
    assert_null(strstr(reply.body, "legacy"));
    reply_clear(&reply);
    reply = ask_as(LIMITED, "GET", "/v1/targets", NULL);
    assert_int_equal(json_array_size(json_object_get(reply.json, "targets")), 1);
    assert_null(strstr(reply.body, "legacy"));
    reply_clear(&reply);
}

static const struct bf_event log_of_both[] = {
    {.id = 1, .job = FAKE_RUNNING, .type = "note", .actor = "daemon", .text = "one of shop"},
    {.id = 2, .job = FAKE_COMPLETED, .type = "note", .actor = "daemon", .text = "one of legacy"},
    {.id = 3, .job = "", .type = "pause_all", .actor = "ann", .text = "one of legacy's latches"},
    {.id = 4, .job = FAKE_QUEUED, .type = "note", .actor = "daemon", .text = "another of shop"},
};

static bool has_one(void *argument)
{
    const struct exchange *exchange = argument;
    return exchange->text && strstr(exchange->text, "one of shop");
}

static bool has_ended(void *argument)
{
    return ((const struct exchange *)argument)->ended;
}

static bool has_both(void *argument)
{
    const struct exchange *exchange = argument;
    return exchange->text && strstr(exchange->text, "another of shop");
}

static void test_events_of_some_targets(void **state)
{
    (void)state;
    fake.log = log_of_both;
    fake.log_count = BF_COUNT(log_of_both);
    struct reply reply = ask_as(LIMITED, "GET", "/v1/events", NULL);
    assert_int_equal(reply.status, 200);
    assert_int_equal(json_array_size(json_object_get(reply.json, "events")), 2);
    assert_null(strstr(reply.body, "legacy"));
    reply_clear(&reply);
    reply = ask_as(1, "GET", "/v1/events", NULL);
    assert_int_equal(json_array_size(json_object_get(reply.json, "events")), 4);
    reply_clear(&reply);
    /* What comes again on a stream, and then what is new. */
    fake.log_count = 2;
    char *text BF_AUTO_STRING = bf_format("GET /v1/events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
                                          "Accept: text/event-stream\r\nLast-Event-ID: 0\r\n\r\n", server.host, secrets[LIMITED]);
    struct exchange *stream = exchange_begin(&server, text, strlen(text));
    server_run_until(&server, has_one, stream);
    fake.log_count = 4;
    server_run_until(&server, has_both, stream);
    assert_null(strstr(stream->text, "legacy"));
    /* A file of tokens without that one ends the stream. */
    static struct bf_access fewer;
    fewer = access_of_all;
    fewer.tokens.count = LIMITED;
    bf_http_set_access(server.http, &fewer);
    server_run_until(&server, has_ended, stream);
    exchange_leave(stream);
    reply = ask_as(LIMITED, "GET", "/v1/jobs", NULL);
    assert_int_equal(reply.status, 401);
    reply_clear(&reply);
}

/* ---- browsers ---- */

static char *session_of(int who, const char *origin, struct reply *ret_reply)
{
    char *body BF_AUTO_STRING = bf_format("{\"token\": \"%s\"}", secrets[who]);
    char *headers BF_AUTO_STRING = bf_format(JSON_BODY "Origin: %s\r\n", origin);
    *ret_reply = ask(&server, "POST", "/v1/sign-in", headers, body);
    char *set BF_AUTO_STRING = reply_header(ret_reply, "Set-Cookie");
    return set ? bf_copy_bytes(set, strcspn(set, ";")) : NULL;
}

static void test_signing_in_and_out(void **state)
{
    struct reply reply;
    (void)state;
    char *ours BF_AUTO_STRING = bf_format("http://%s", server.host);
    char *cookie BF_AUTO_STRING = session_of(2, ours, &reply);
    char *set BF_AUTO_STRING = reply_header(&reply, "Set-Cookie");
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply_text(&reply, "name"), "ci");
    assert_string_equal(reply_text(&reply, "role"), "operator");
    assert_non_null(strstr(set, "; HttpOnly; SameSite=Strict"));
    assert_non_null(strstr(set, "; Path=/; Max-Age=43200;"));
    assert_null(strstr(set, "Secure"));
    assert_null(strstr(reply.text, secrets[2]));
    reply_clear(&reply);

    char *with BF_AUTO_STRING = bf_format("Cookie: other=1; %s\r\n", cookie);
    reply = ask(&server, "GET", "/v1/identity", with, NULL);
    assert_string_equal(reply_text(&reply, "name"), "ci");
    assert_true(json_integer_value(json_object_get(reply.json, "session_seconds")) > 43000);
    reply_clear(&reply);
    /* A change needs the page's own Origin, and JSON. */
    reply = ask(&server, "POST", "/v1/pause-all", with, NULL);
    assert_int_equal(reply.status, 403);
    reply_clear(&reply);
    char *foreign BF_AUTO_STRING = bf_format("%sOrigin: http://evil.example\r\n", with);
    reply = ask(&server, "POST", "/v1/pause-all", foreign, NULL);
    assert_int_equal(reply.status, 403);
    reply_clear(&reply);
    assert_int_equal(fake.calls, 0);
    char *whole BF_AUTO_STRING = bf_format("%sOrigin: %s\r\n" JSON_BODY, with, ours);
    reply = ask(&server, "POST", "/v1/pause-all", whole, "{}");
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    reply = ask(&server, "POST", "/v1/jobs/" FAKE_RUNNING "/approve", whole, "{}");
    assert_int_equal(reply.status, 403);
    assert_string_equal(reply_code(&reply), "forbidden");
    reply_clear(&reply);

    reply = ask(&server, "POST", "/v1/sign-out", whole, "{}");
    assert_int_equal(reply.status, 200);
    bf_free_string(&set);
    set = reply_header(&reply, "Set-Cookie");
    assert_non_null(strstr(set, "Max-Age=0"));
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/jobs", with, NULL);
    assert_int_equal(reply.status, 401);
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/identity", with, NULL);
    assert_true(json_is_null(json_object_get(reply.json, "role")));
    assert_true(json_is_true(json_object_get(reply.json, "tokens")));
    reply_clear(&reply);
}

static void test_who_may_not_sign_in(void **state)
{
    struct reply reply;
    (void)state;
    char *ours BF_AUTO_STRING = bf_format("http://%s", server.host);
    char *none BF_AUTO_STRING = session_of(0, ours, &reply); /* alerts */
    assert_int_equal(reply.status, 403);
    assert_null(none);
    reply_clear(&reply);
    char *headers BF_AUTO_STRING = bf_format(JSON_BODY "Origin: %s\r\n", ours);
    reply = ask(&server, "POST", "/v1/sign-in", headers, "{\"token\": \"bft_ci.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
    assert_int_equal(reply.status, 401);
    assert_null(reply_header(&reply, "Set-Cookie"));
    reply_clear(&reply);
    reply = ask(&server, "POST", "/v1/sign-in", headers, "{}");
    assert_int_equal(reply.status, 422);
    reply_clear(&reply);
}

static void test_metrics(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "GET", "/metrics", "", NULL);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    access_of_all.metrics_need_viewer = true;
    reply = ask(&server, "GET", "/metrics", "", NULL);
    assert_int_equal(reply.status, 401);
    reply_clear(&reply);
    reply = ask_as(0, "GET", "/metrics", NULL);
    assert_int_equal(reply.status, 403);
    reply_clear(&reply);
    reply = ask_as(1, "GET", "/metrics", NULL);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
}

/* The other end of a unix socket is this very process, and that is admin by its user. */
static void test_a_unix_socket(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "unix:/tmp/bf-identify-%ld.sock", (long)getpid());
    server_stop(&server);
    server_start(&server, path);
    struct reply reply = ask(&server, "POST", "/v1/jobs/" FAKE_RUNNING "/pause", JSON_BODY, "{}");
    assert_int_equal(reply.status, 202);
    char *expected BF_AUTO_STRING = bf_format("uid:%u", (unsigned)getuid());
    assert_memory_equal(fake.actor, expected, strlen(expected));
    reply_clear(&reply);
    reply = ask_as(1, "POST", "/v1/jobs/" FAKE_RUNNING "/pause", "{}"); /* who shows a token is that one */
    assert_int_equal(reply.status, 403);
    reply_clear(&reply);
}

static void test_without_tokens(void **state)
{
    (void)state;
    server_stop(&server);
    fake.access = NULL;
    server_start(&server, "127.0.0.1:0");
    struct reply reply = ask_as(1, "POST", "/v1/jobs/" FAKE_RUNNING "/pause", "{}"); /* nobody looks at it */
    assert_int_equal(reply.status, 202);
    assert_string_equal(fake.actor, "operator");
    reply_clear(&reply);
    reply = ask(&server, "POST", "/v1/sign-in", JSON_BODY, "{\"token\": \"x\"}");
    assert_int_equal(reply.status, 404);
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/identity", "", NULL);
    assert_string_equal(reply_text(&reply, "role"), "admin");
    assert_true(json_is_false(json_object_get(reply.json, "tokens")));
    reply_clear(&reply);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, begin_with_tokens, end)
    const struct CMUnitTest tests[] = {
        CASE(test_each_role_at_each_route), CASE(test_nobody_at_each_route), CASE(test_the_actor), CASE(test_wrong_tokens),
        CASE(test_no_bearer), CASE(test_no_token_in_an_address), CASE(test_a_role_for_some_targets), CASE(test_events_of_some_targets), CASE(test_signing_in_and_out),
        CASE(test_who_may_not_sign_in), CASE(test_metrics), CASE(test_a_unix_socket), CASE(test_without_tokens),
    };
    if (!bf_token_begin()) return 1;
    make_tokens();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
