/* What is refused before a handler sees it: every route, method, host, origin, type, size, target. */
#include "http_case.h"

#include "backfilld/api.h"
#include "buffer.h"

static const struct {
    const char *method, *path;
    bool built;
} routes[] = {
#define X(constant, method, path, role, handler, summary) {#method, path, strcmp(#handler, "not_built") != 0},
    BF_ROUTES(X)
#undef X
};

/* The least that a route takes. */
static const char *body_for(const char *method, const char *path)
{
    if (strcmp(method, "GET") == 0) return NULL;
    if (strcmp(method, "PATCH") == 0) return "{\"pace\": {}}";
    if (strcmp(path, "/v1/alerts") == 0) return "{\"version\": \"4\", \"alerts\": []}";
    if (strstr(path, "/adopt")) return "{\"job\": \"" FAKE_RUNNING "\"}";
    if (strcmp(path, "/v1/sign-in") == 0) return "{\"token\": \"x\"}";
    return strstr(path, "/clone") ? "{\"name\": \"second\"}" : "{}";
}

static void test_every_route(void **state)
{
    (void)state;
    for (size_t i = 0; i < BF_COUNT(routes); i++) {
        char *path BF_AUTO_STRING = path_of(routes[i].path);
        const char *body = body_for(routes[i].method, path);
        struct reply reply = ask(&server, routes[i].method, path, body ? JSON_BODY : "", body);
        if (!routes[i].built && (reply.status != 501 || strcmp(reply_code(&reply), "not_built") != 0))
            fail_msg("%s %s is not built and answers %d", routes[i].method, path, reply.status);
        /* Without tokens nobody signs in, and this server keeps no audit log. */
        bool refused = (strcmp(path, "/v1/sign-in") == 0 || strcmp(path, "/v1/audit") == 0) && reply.status == 404;
        if (routes[i].built && reply.status / 100 != 2 && !refused)
            fail_msg("%s %s answers %d: %s", routes[i].method, path, reply.status, reply.body);
        bool is_text = strcmp(path, "/metrics") == 0, is_page = strncmp(path, "/dashboard", 10) == 0 || strcmp(path, "/") == 0;
        char *nosniff BF_AUTO_STRING = reply_header(&reply, "X-Content-Type-Options");
        char *cache BF_AUTO_STRING = reply_header(&reply, "Cache-Control");
        char *by BF_AUTO_STRING = reply_header(&reply, "Server");
        char *type BF_AUTO_STRING = reply_header(&reply, "Content-Type");
        assert_string_equal(nosniff, "nosniff");
        assert_string_equal(cache, is_page ? "no-cache" : "no-store");
        assert_null(by);
        const char *page_type = is_page ? "text/html; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8";
        assert_string_equal(type, !routes[i].built || refused ? BF_API_PROBLEM : is_page || is_text ? page_type : BF_API_JSON);
        reply_clear(&reply);
    }
}

static bool has_route(const char *path, const char *method)
{
    for (size_t i = 0; i < BF_COUNT(routes); i++)
        if (strcmp(routes[i].path, path) == 0 && strcmp(routes[i].method, method) == 0) return true;
    return false;
}

static void test_other_methods(void **state)
{
    static const char *const methods[] = {"GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"};
    (void)state;
    for (size_t i = 0; i < BF_COUNT(routes); i++) {
        char *path BF_AUTO_STRING = path_of(routes[i].path);
        for (size_t m = 0; m < BF_COUNT(methods); m++) {
            if (has_route(routes[i].path, methods[m])) continue;
            struct reply reply = ask(&server, methods[m], path, "", NULL);
            if (reply.status != 405) fail_msg("%s %s answers %d", methods[m], path, reply.status);
            char *allow BF_AUTO_STRING = reply_header(&reply, "Allow");
            assert_non_null(allow);
            assert_non_null(strstr(allow, routes[i].method));
            assert_null(strstr(allow, methods[m]));
            assert_true(!strstr(allow, "GET") == !strstr(allow, "HEAD"));
            reply_clear(&reply);
        }
    }
    assert_int_equal(fake.calls, 0);
}

static void test_head(void **state)
{
    (void)state;
    struct reply get = ask(&server, "GET", "/v1/jobs", "", NULL), head = ask(&server, "HEAD", "/v1/jobs", "", NULL);
    char *of_get BF_AUTO_STRING = reply_header(&get, "Content-Length");
    char *of_head BF_AUTO_STRING = reply_header(&head, "Content-Length");
    assert_int_equal(head.status, 200);
    assert_string_equal(head.body, "");
    assert_string_equal(of_get, of_head);
    reply_clear(&get);
    reply_clear(&head);
    head = ask(&server, "HEAD", "/v1/jobs/none", "", NULL);
    assert_int_equal(head.status, 404);
    assert_string_equal(head.body, "");
    reply_clear(&head);
}

/* `PORT` in headers becomes the server's port. */
static void test_hosts_and_origins(void **state)
{
    static const struct {
        const char *headers;
        int status;
    } cases[] = {
        {"Host: 127.0.0.1:PORT\r\n", 200},
        {"Host: localhost:PORT\r\n", 200},
        {"Host: LocalHost:PORT\r\n", 200},
        {"Host: [::1]:PORT\r\n", 200},
        {"", 403},
        {"Host:\r\n", 403},
        {"Host: 127.0.0.1\r\n", 403},
        {"Host: 127.0.0.1:\r\n", 403},
        {"Host: 127.0.0.1:1\r\n", 403},
        {"Host: 127.0.0.1:PORTx\r\n", 403},
        {"Host: evil.example:PORT\r\n", 403},
        {"Host: localhost.evil.example:PORT\r\n", 403},
        {"Host: localhost:PORT@evil.example\r\n", 403},
        {"Host: [::2]:PORT\r\n", 403},
        {"Host: 127.0.0.1:PORT\r\nHost: evil.example\r\n", 403},
        {"Host: localhost:PORT\r\nOrigin: http://localhost:PORT\r\n", 200},
        {"Host: localhost:PORT\r\nOrigin: http://127.0.0.1:PORT\r\n", 200},
        {"Host: localhost:PORT\r\nOrigin: null\r\n", 403},
        {"Host: localhost:PORT\r\nOrigin:\r\n", 403},
        {"Host: localhost:PORT\r\nOrigin: https://localhost:PORT\r\n", 403},
        {"Host: localhost:PORT\r\nOrigin: http://localhost\r\n", 403},
        {"Host: localhost:PORT\r\nOrigin: http://evil.example:PORT\r\n", 403},
        {"Host: localhost:PORT\r\nOrigin: http://localhost:PORT\r\nOrigin: http://evil.example\r\n", 403},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_buffer text = {0};
        bf_buffer_text(&text, "GET /healthz HTTP/1.1\r\nConnection: close\r\n");
        for (const char *part = cases[i].headers; *part; part++) {
            if (strncmp(part, "PORT", 4) == 0) {
                bf_buffer_text(&text, strchr(server.host, ':') + 1);
                part += 3;
            } else {
                bf_buffer_append(&text, part, 1);
            }
        }
        bf_buffer_text(&text, "\r\n");
        struct reply reply = ask_raw(&server, text.text, text.length);
        if (reply.status != cases[i].status) fail_msg("%s answers %d", text.text, reply.status);
        if (reply.status == 403) assert_string_equal(reply_code(&reply), "not_allowed");
        reply_clear(&reply);
        bf_buffer_clear(&text);
    }
}

static void test_hostile_requests(void **state)
{
    static const struct {
        const char *method, *target, *headers, *body;
        int status;
        const char *code;
    } cases[] = {
        {"POST", "/v1/jobs", "", "{}", 415, "wrong_media_type"},
        {"POST", "/v1/jobs", "Content-Type: text/plain\r\n", "{}", 415, "wrong_media_type"},
        {"POST", "/v1/jobs", "Content-Type: application/jsonx\r\n", "{}", 415, "wrong_media_type"},
        {"POST", "/v1/jobs", "Content-Type: application/x-www-form-urlencoded\r\n", "a=b", 415, "wrong_media_type"},
        {"POST", "/v1/jobs", "Content-Type: Application/JSON; charset=utf-8\r\n", "{}", 201, ""},
        {"POST", "/v1/jobs", JSON_BODY "Content-Encoding: gzip\r\n", "{}", 415, "wrong_media_type"},
        {"POST", "/v1/jobs/orders/pause", "Idempotency-Key: a\r\n", NULL, 400, "bad_request"},
        {"POST", "/v1/jobs", JSON_BODY "Idempotency-Key: a b\r\n", "{}", 400, "bad_request"},
        {"POST", "/v1/jobs", JSON_BODY "Idempotency-Key:\r\n", "{}", 400, "bad_request"},
        {"POST", "/v1/jobs", JSON_BODY "Idempotency-Key: a\r\nIdempotency-Key: a\r\n", "{}", 400, "bad_request"},
        {"POST", "/v1/jobs?dry_run=true", JSON_BODY "Idempotency-Key: a\r\n", "{}", 400, "bad_request"},
        {"POST", "/v1/jobs/orders/pause", "If-Match: \"a\"\r\n", NULL, 400, "bad_request"},
        {"GET", "/v1/jobs/orders", "If-Match: \"a\"\r\n", NULL, 400, "bad_request"},
        {"POST", "/v1/jobs", JSON_BODY, NULL, 400, "not_json"},
        {"POST", "/v1/jobs?dry_run=yes", JSON_BODY, "{}", 400, "bad_request"},
        {"POST", "/v1/jobs?dry-run=true", JSON_BODY, "{}", 400, "bad_request"},
        {"POST", "/v1/jobs?dry_run=true&dry_run=false", JSON_BODY, "{}", 400, "bad_request"},
        {"GET", "/v1/jobs", JSON_BODY, "{}", 400, "bad_request"},
        {"GET", "/v1/jobs/../jobs", "", NULL, 404, "not_found"},
        {"GET", "/v1/jobs/..%2f..%2fetc%2fpasswd", "", NULL, 404, "not_found"},
        {"GET", "/v1/jobs/", "", NULL, 404, "not_found"},
        {"GET", "/v1//jobs", "", NULL, 404, "not_found"},
        {"GET", "//v1/jobs", "", NULL, 404, "not_found"},
        {"GET", "/V1/jobs", "", NULL, 404, "not_found"},
        {"GET", "/v1/jobs/orders/pauses", "", NULL, 404, "not_found"},
        {"GET", "/v1/jobs/orders%00", "", NULL, 400, "bad_request"},
        {"GET", "/v1/jobs/orders%0d%0aX-Evil:%201", "", NULL, 400, "bad_request"},
        {"GET", "/v1/jobs/%ff", "", NULL, 400, "bad_request"},
        {"GET", "/v1/jobs/%", "", NULL, 400, "bad_request"},
        {"GET", "/v1/jobs/%E2%80%AEorders", "", NULL, 404, "not_found"},
        {"GET", "/v1/jobs?colour=red", "", NULL, 400, "bad_request"},
        {"GET", "/v1/jobs?state", "", NULL, 400, "bad_request"},
        {"GET", "/v1/targets/none", "", NULL, 404, "not_found"},
        {"GET", "/v1/targets/shop?x=", "", NULL, 400, "bad_request"},
        {"GET", "/healthz?x", "", NULL, 400, "bad_request"},
        {"GET", "*", "", NULL, 400, "bad_request"},
        {"GET", "/index.html", "", NULL, 404, "not_found"},
        {"TRACE", "/v1/jobs", "", NULL, 405, "method_not_allowed"},
        {"get", "/v1/jobs", "", NULL, 405, "method_not_allowed"},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct reply reply = ask(&server, cases[i].method, cases[i].target, cases[i].headers, cases[i].body);
        if (reply.status != cases[i].status || strcmp(reply_code(&reply), cases[i].code) != 0)
            fail_msg("%s %s %s answers %d: %s", cases[i].method, cases[i].target, cases[i].headers, reply.status,
                     reply.body);
        char *evil BF_AUTO_STRING = reply_header(&reply, "X-Evil");
        assert_null(evil);
        if (reply.status >= 400) {
            assert_int_equal(json_integer_value(json_object_get(reply.json, "status")), reply.status);
            assert_true(strncmp(reply_text(&reply, "type"), "urn:backfilld:", 14) == 0);
            assert_true(strlen(reply_text(&reply, "title")) > 0 && strlen(reply_text(&reply, "detail")) > 0);
        }
        reply_clear(&reply);
    }
}

static void test_huge_target(void **state)
{
    struct bf_buffer target = {0};
    (void)state;
    bf_buffer_text(&target, "/v1/jobs?name=");
    for (int i = 0; i < 4096; i++) bf_buffer_text(&target, "%C3%A4");
    struct reply reply = ask(&server, "GET", target.text, "", NULL);
    assert_true(reply.status == 414 || reply.status == 431);
    reply_clear(&reply);
    bf_buffer_clear(&target);
}

/* A request with a body of `bytes` times "x", in quotes; `chunked` in chunks of 64 KiB. */
static struct reply send_body(size_t bytes, bool chunked)
{
    struct bf_buffer text = {0};
    char *part BF_AUTO_STRING = bf_allocate(65536);
    memset(part, 'x', 65536);
    bf_buffer_format(&text, "POST /v1/jobs HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n" JSON_BODY, server.host);
    if (chunked)
        bf_buffer_text(&text, "Transfer-Encoding: chunked\r\n\r\n");
    else
        bf_buffer_format(&text, "Content-Length: %zu\r\n\r\n", bytes);
    for (size_t left = bytes; left > 0;) {
        size_t length = left < 65536 ? left : 65536;
        if (chunked) bf_buffer_format(&text, "%zx\r\n", length);
        bf_buffer_append(&text, part, length);
        if (chunked) bf_buffer_text(&text, "\r\n");
        left -= length;
    }
    if (chunked) bf_buffer_text(&text, "0\r\n\r\n");
    assert_false(text.overflow);
    struct reply reply = ask_raw(&server, text.text, text.length);
    bf_buffer_clear(&text);
    return reply;
}

static void test_body_sizes(void **state)
{
    enum { MIB = 1024 * 1024 };
    static const struct {
        size_t bytes;
        bool chunked;
        int status;
    } cases[] = {
        {MIB, false, 201},     {MIB, true, 201},     {MIB + 1, false, 413}, {MIB + 1, true, 413},
        {2 * MIB, false, 413}, {2 * MIB, true, 413}, {9 * MIB, false, 413}, {9 * MIB, true, 0},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        fake.body_length = 0;
        struct reply reply = send_body(cases[i].bytes, cases[i].chunked);
        if (reply.status != cases[i].status)
            fail_msg("%zu bytes%s answer %d", cases[i].bytes, cases[i].chunked ? " in chunks" : "", reply.status);
        if (reply.status == 413) assert_string_equal(reply_code(&reply), "too_large");
        assert_int_equal(fake.body_length, reply.status == 201 ? cases[i].bytes : 0);
        reply_clear(&reply);
    }
}

/* The answer comes before any byte of the body was sent. */
static void test_too_large_up_front(void **state)
{
    static const char *const lengths[] = {"1048577", "2147483648", "18446744073709551614"};
    (void)state;
    for (size_t i = 0; i < BF_COUNT(lengths); i++) {
        char *headers BF_AUTO_STRING = bf_format(JSON_BODY "Content-Length: %s\r\n", lengths[i]);
        struct reply reply = ask(&server, "POST", "/v1/jobs", headers, NULL);
        assert_int_equal(reply.status, 413);
        reply_clear(&reply);
    }
}

static void test_unix_socket(void **state)
{
    struct server by_file;
    (void)state;
    char *listen BF_AUTO_STRING = bf_format("unix:/tmp/backfilld-test-%d.sock", (int)getpid());
    /* twice: the second finds no file in its way */
    for (int i = 0; i < 2; i++) {
        server_start(&by_file, listen);
        assert_string_equal(bf_http_address(by_file.http), listen);
        struct reply reply = ask(&by_file, "GET", "/healthz", "", NULL);
        assert_int_equal(reply.status, 200);
        reply_clear(&reply);
        reply = ask(&by_file, "GET", "/healthz", "Origin: http://localhost\r\n", NULL);
        assert_int_equal(reply.status, 403);
        reply_clear(&reply);
        server_stop(&by_file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_route, begin, end),
        cmocka_unit_test_setup_teardown(test_other_methods, begin, end),
        cmocka_unit_test_setup_teardown(test_head, begin, end),
        cmocka_unit_test_setup_teardown(test_hosts_and_origins, begin, end),
        cmocka_unit_test_setup_teardown(test_hostile_requests, begin, end),
        cmocka_unit_test_setup_teardown(test_huge_target, begin, end),
        cmocka_unit_test_setup_teardown(test_body_sizes, begin, end),
        cmocka_unit_test_setup_teardown(test_too_large_up_front, begin, end),
        cmocka_unit_test_setup_teardown(test_unix_socket, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
