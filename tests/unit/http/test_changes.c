/* The change of pace and limits, clones, timed pauses, pause-all and resume-all, Idempotency-Key and ETag: what is passed on,
 * what is answered, what is refused. */
#include "http_case.h"

static void expect_header(const struct reply *reply, const char *name, const char *value)
{
    char *found BF_AUTO_STRING = reply_header(reply, name);
    if (!found) fail_msg("no %s in %s", name, reply->text);
    assert_string_equal(found, value);
}

static void test_tag_of_a_job(void **state)
{
    static const struct {
        const char *method, *target, *body;
        int status;
    } cases[] = {{"GET", "/v1/jobs/orders", NULL, 200},           {"POST", "/v1/jobs/orders/pause", "{}", 202},
                 {"POST", "/v1/jobs/orders/approve", "{}", 200},  {"POST", "/v1/jobs", "{}", 201},
                 {"PATCH", "/v1/jobs/orders", "{\"pace\":{}}", 200}, {"POST", "/v1/jobs/orders/clone", "{\"name\":\"x\"}", 201}};
    (void)state;
    fake.jobs[0].record.version = 7;
    fake.jobs[0].record.updated_at = 0xabc;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct reply reply = ask(&server, cases[i].method, cases[i].target, cases[i].body ? JSON_BODY : "", cases[i].body);
        if (reply.status != cases[i].status) fail_msg("%s %s: %s", cases[i].method, cases[i].target, reply.text);
        expect_header(&reply, "ETag", "\"7-abc\"");
        char *location BF_AUTO_STRING = reply_header(&reply, "Location");
        if (reply.status == 201)
            assert_string_equal(location, "/v1/jobs/" FAKE_RUNNING);
        else
            assert_null(location);
        reply_clear(&reply);
    }
}

static void test_change(void **state)
{
    (void)state;
    const char *body = "{\"pace\": {\"nice\": 0.2}, \"limits\": null}";
    struct reply reply = ask(&server, "PATCH", "/v1/jobs/orders", JSON_BODY "If-Match: \"7-abc\"\r\n", body);
    assert_int_equal(reply.status, 200);
    assert_string_equal(fake.body, body);
    assert_string_equal(fake.if_match, "\"7-abc\"");
    assert_string_equal(fake.job, FAKE_RUNNING);
    assert_int_equal(fake.order, BF_ORDER_TUNE);
    assert_true(fake.changing);
    reply_clear(&reply);
    fake.outcome.code = BF_PRECONDITION_FAILED;
    reply = ask(&server, "PATCH", "/v1/jobs/orders", JSON_BODY, "{\"limits\": {}}");
    assert_int_equal(reply.status, 412);
    assert_string_equal(reply_code(&reply), "precondition_failed");
    assert_null(fake.if_match);
    reply_clear(&reply);
    fake.outcome.code = BF_PAUSE_ALL;
    reply = ask(&server, "POST", "/v1/jobs/orders/resume", "", NULL);
    assert_int_equal(reply.status, 409);
    assert_string_equal(reply_code(&reply), "pause_all");
    reply_clear(&reply);
}

static void test_pause_for_a_while(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "POST", "/v1/jobs/orders/pause", JSON_BODY, "{\"for\": \"1.5h\", \"reason\": \"peak\"}");
    assert_int_equal(reply.status, 202);
    assert_int_equal(fake.order, BF_ORDER_PAUSE);
    assert_int_equal(fake.pause_for, 5400000);
    assert_string_equal(fake.words, "peak");
    reply_clear(&reply);
    reply = ask(&server, "POST", "/v1/jobs/orders/pause", "", NULL);
    assert_int_equal(fake.pause_for, 0);
    reply_clear(&reply);
}

static void test_clone(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "POST", "/v1/jobs/orders/clone", JSON_BODY "Idempotency-Key: k-1\r\n",
                             "{\"name\": \"second\", \"from\": \"position\"}");
    assert_int_equal(reply.status, 201);
    assert_string_equal(fake.name, "second");
    assert_string_equal(fake.key, "k-1");
    assert_true(fake.from_position);
    assert_false(fake.changing); /* the old job stays as it is */
    reply_clear(&reply);
    reply = ask(&server, "POST", "/v1/jobs/orders/clone", JSON_BODY, "{\"name\": \"third\", \"from\": \"start\"}");
    assert_false(fake.from_position);
    assert_null(fake.key);
    reply_clear(&reply);
}

static void test_key(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "POST", "/v1/jobs", JSON_BODY "Idempotency-Key: \"8e03978e\"\r\n", "{\"a\": 1}");
    assert_int_equal(reply.status, 201);
    assert_string_equal(fake.key, "\"8e03978e\"");
    assert_string_equal(fake.body, "{\"a\": 1}");
    reply_clear(&reply);
    fake.outcome.code = BF_IDEMPOTENCY_MISMATCH;
    reply = ask(&server, "POST", "/v1/jobs", JSON_BODY "Idempotency-Key: b\r\n", "{\"a\": 2}");
    assert_int_equal(reply.status, 422);
    assert_string_equal(reply_code(&reply), "idempotency_mismatch");
    reply_clear(&reply);
}

static void test_pause_all(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "POST", "/v1/pause-all", "", NULL);
    assert_int_equal(reply.status, 200);
    assert_int_equal(fake.scope.kind, BF_LATCH_ALL);
    assert_null(fake.scope.reason);
    assert_string_equal(fake.actor, "operator");
    const json_t *jobs = json_object_get(reply.json, "jobs");
    assert_int_equal(json_array_size(jobs), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(jobs, 0), "id")), FAKE_QUEUED);
    assert_string_equal(json_string_value(json_object_get(json_array_get(jobs, 1), "state")), "running");
    assert_int_equal(json_array_size(json_object_get(reply.json, "latches")), 0);
    assert_null(json_object_get(reply.json, "durable"));
    reply_clear(&reply);

    fake.latches[0] = (struct bf_latch){.kind = BF_LATCH_TARGET, .name = "shop", .value = "", .actor = "ann", .since = 5};
    fake.latches[1] = (struct bf_latch){.kind = BF_LATCH_LABEL, .name = "a", .value = "b=c", .actor = "bob", .reason = "why"};
    fake.latch_count = 2;
    fake.outcome.durable = false;
    reply = ask(&server, "POST", "/v1/pause-all", JSON_BODY, "{\"target\": \"shop\", \"reason\": \"fire\"}");
    assert_int_equal(fake.scope.kind, BF_LATCH_TARGET);
    assert_string_equal(fake.scope.name, "shop");
    assert_string_equal(fake.scope.reason, "fire");
    assert_false(fake.resumed);
    assert_true(json_is_false(json_object_get(reply.json, "durable")));
    const json_t *latches = json_object_get(reply.json, "latches");
    assert_int_equal(json_array_size(latches), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(latches, 0), "target")), "shop");
    assert_string_equal(json_string_value(json_object_get(json_array_get(latches, 1), "label")), "a=b=c");
    reply_clear(&reply);

    reply = ask(&server, "POST", "/v1/resume-all", JSON_BODY, "{\"label\": \"a=b=c\"}");
    assert_int_equal(reply.status, 200);
    assert_int_equal(fake.scope.kind, BF_LATCH_LABEL);
    assert_string_equal(fake.scope.name, "a");
    assert_string_equal(fake.scope.value, "b=c");
    assert_true(fake.resumed);
    reply_clear(&reply);

    /* as GET /v1/jobs has it */
    reply = ask(&server, "POST", "/v1/pause-all", JSON_BODY, "{\"label\": \"campaign:gdpr:2026\"}");
    assert_int_equal(reply.status, 200);
    assert_string_equal(fake.scope.name, "campaign");
    assert_string_equal(fake.scope.value, "gdpr:2026");
    reply_clear(&reply);

    reply = ask(&server, "GET", "/v1/targets/shop", "", NULL);
    latches = json_object_get(reply.json, "latches");
    assert_int_equal(json_array_size(latches), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(latches, 0), "by")), "ann");
    reply_clear(&reply);

    fake.latch_code = BF_STORE_FAILED;
    reply = ask(&server, "POST", "/v1/resume-all", "", NULL);
    assert_int_equal(reply.status, 503);
    reply_clear(&reply);
}

static void test_refused_bodies(void **state)
{
    static const struct {
        const char *method, *target, *body;
        int status;
        const char *code, *pointer;
    } cases[] = {
        {"PATCH", "/v1/jobs/orders", NULL, 422, "invalid", NULL},
        {"PATCH", "/v1/jobs/orders", "{}", 422, "invalid", NULL},
        {"PATCH", "/v1/jobs/orders", "[]", 422, "invalid", ""},
        {"PATCH", "/v1/jobs/orders", "{\"pace\": 5}", 422, "invalid", "/pace"},
        {"PATCH", "/v1/jobs/orders", "{\"pace\": 99999999999999999999}", 422, "invalid", "/pace"},
        {"PATCH", "/v1/jobs/orders", "{\"name\": \"x\"}", 422, "invalid", "/name"},
        {"PATCH", "/v1/jobs/orders", "{\"pace\": {}, \"pace\": {}}", 400, "not_json", NULL},
        {"PATCH", "/v1/jobs/none", "{\"pace\": {}}", 404, "not_found", NULL},
        {"POST", "/v1/jobs/orders/clone", NULL, 422, "invalid", "/name"},
        {"POST", "/v1/jobs/orders/clone", "{\"name\": \"x\", \"from\": \"here\"}", 422, "invalid", "/from"},
        {"POST", "/v1/jobs/orders/clone", "{\"name\": \"x\", \"from\": \"start|position\"}", 422, "invalid", "/from"},
        {"POST", "/v1/jobs/orders/clone", "{\"name\": 1}", 422, "invalid", "/name"},
        {"POST", "/v1/jobs/none/clone", "{\"name\": \"x\"}", 404, "not_found", NULL},
        {"POST", "/v1/pause-all", "{\"target\": \"shop\", \"label\": \"a=b\"}", 422, "invalid", "/label"},
        {"POST", "/v1/pause-all", "{\"target\": \"none\"}", 422, "invalid", "/target"},
        {"POST", "/v1/resume-all", "{\"label\": \"a\"}", 422, "invalid", "/label"},
        {"POST", "/v1/resume-all", "{\"label\": \"=b\"}", 422, "invalid", "/label"},
        {"POST", "/v1/resume-all", "{\"label\": \":b\"}", 422, "invalid", "/label"},
        {"POST", "/v1/resume-all", "{\"for\": \"2h\"}", 422, "invalid", "/for"},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct reply reply = ask(&server, cases[i].method, cases[i].target, cases[i].body ? JSON_BODY : "", cases[i].body);
        if (reply.status != cases[i].status || strcmp(reply_code(&reply), cases[i].code) != 0)
            fail_msg("%s %s %.60s answers %d: %s", cases[i].method, cases[i].target, cases[i].body ? cases[i].body : "",
                     reply.status, reply.body);
        const json_t *error = json_array_get(json_object_get(reply.json, "errors"), 0);
        if (cases[i].pointer) assert_string_equal(json_string_value(json_object_get(error, "pointer")), cases[i].pointer);
        reply_clear(&reply);
    }
    assert_int_equal(fake.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tag_of_a_job, begin, end),
        cmocka_unit_test_setup_teardown(test_change, begin, end),
        cmocka_unit_test_setup_teardown(test_pause_for_a_while, begin, end),
        cmocka_unit_test_setup_teardown(test_clone, begin, end),
        cmocka_unit_test_setup_teardown(test_key, begin, end),
        cmocka_unit_test_setup_teardown(test_pause_all, begin, end),
        cmocka_unit_test_setup_teardown(test_refused_bodies, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
