/* approve, pause, resume, abort: what is passed on, what is answered, what is refused. */
#include "http_case.h"

static struct reply give(const char *order, const char *body)
{
    char *target BF_AUTO_STRING = bf_format("/v1/jobs/orders/%s", order);
    return ask(&server, "POST", target, body ? JSON_BODY : "", body);
}

static void test_given(void **state)
{
    static const struct {
        const char *order, *body, *words, *confirm;
        enum bf_order given;
        int status;
    } cases[] = {
        {"pause", NULL, NULL, NULL, BF_ORDER_PAUSE, 202},
        {"pause", "{}", NULL, NULL, BF_ORDER_PAUSE, 202},
        {"pause", "{\"reason\": \"too \\u00e4 slow\"}", "too \xc3\xa4 slow", NULL, BF_ORDER_PAUSE, 202},
        {"resume", "{\"reason\": \"go on\"}", "go on", NULL, BF_ORDER_RESUME, 202},
        {"abort", "{\"reason\": \"wrong\"}", "wrong", NULL, BF_ORDER_ABORT, 202},
        {"approve", "{\"confirm\": \"orders\", \"comment\": \"seen\"}", "seen", "orders", BF_ORDER_APPROVE, 200},
        {"approve", NULL, NULL, NULL, BF_ORDER_APPROVE, 200},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct reply reply = give(cases[i].order, cases[i].body);
        assert_int_equal(reply.status, cases[i].status);
        assert_string_equal(reply_text(&reply, "id"), FAKE_RUNNING);
        assert_null(json_object_get(reply.json, "durable"));
        assert_int_equal(fake.order, cases[i].given);
        assert_string_equal(fake.job, FAKE_RUNNING);
        assert_string_equal(fake.actor, "operator");
        assert_true(fake.changing);
        if (cases[i].words)
            assert_string_equal(fake.words, cases[i].words);
        else
            assert_null(fake.words);
        if (cases[i].confirm)
            assert_string_equal(fake.confirm, cases[i].confirm);
        else
            assert_null(fake.confirm);
        reply_clear(&reply);
    }
}

static void test_what_was_looked_at_is_approved(void **state)
{
    (void)state;
    struct reply reply = give("approve", "{\"plan\": \"3f2a\"}");
    assert_int_equal(reply.status, 200);
    assert_string_equal(fake.plan, "3f2a");
    reply_clear(&reply);
    fake.outcome.code = BF_PRECONDITION_FAILED;
    fake.outcome.text = "job orders has another plan by now";
    reply = give("approve", "{\"plan\": \"3f2b\"}");
    assert_int_equal(reply.status, 412);
    assert_string_equal(reply_text(&reply, "code"), "precondition_failed");
    reply_clear(&reply);
}

static void test_already_and_not_durable(void **state)
{
    (void)state;
    fake.outcome.already = true;
    struct reply reply = give("pause", NULL);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    fake.outcome.already = false;
    fake.outcome.durable = false;
    reply = give("abort", NULL);
    assert_int_equal(reply.status, 202);
    assert_true(json_is_false(json_object_get(reply.json, "durable")));
    reply_clear(&reply);
}

static void test_conflicts(void **state)
{
    (void)state;
    fake.outcome.code = BF_WRONG_STATE;
    fake.outcome.text = "job orders is completed: pause does not apply";
    struct reply reply = give("pause", NULL);
    assert_int_equal(reply.status, 409);
    assert_string_equal(reply_code(&reply), "wrong_state");
    assert_string_equal(reply_text(&reply, "state"), "running");
    assert_string_equal(reply_text(&reply, "job"), FAKE_RUNNING);
    reply_clear(&reply);
    fake.calls = 0;
    fake.find = BF_AMBIGUOUS;
    reply = give("pause", NULL);
    assert_int_equal(reply.status, 409);
    assert_string_equal(reply_code(&reply), "ambiguous");
    assert_int_equal(fake.calls, 0);
    reply_clear(&reply);
    fake.find = BF_OK;
    reply = ask(&server, "POST", "/v1/jobs/none/abort", "", NULL);
    assert_int_equal(reply.status, 404);
    reply_clear(&reply);
}

static char *deep(size_t depth)
{
    char *text = bf_allocate(2 * depth + 1);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return text;
}

static void test_refused_bodies(void **state)
{
    char *too_deep BF_AUTO_STRING = deep(100000), *nested BF_AUTO_STRING = deep(1000);
    char long_reason[600] = "";
    memset(long_reason, 'x', sizeof long_reason - 1);
    char *too_long BF_AUTO_STRING = bf_format("{\"reason\": \"%s\"}", long_reason);
    const struct {
        const char *order, *body;
        int status;
        const char *code, *pointer;
    } cases[] = {
        {"pause", "{\"for\": \"2 h\"}", 422, "invalid", "/for"},
        {"pause", "{\"for\": \"999ms\"}", 422, "invalid", "/for"},
        {"pause", "{\"for\": \"367d\"}", 422, "invalid", "/for"},
        {"pause", "{\"for\": 7200}", 422, "invalid", "/for"},
        {"resume", "{\"for\": \"2h\"}", 422, "invalid", "/for"},
        {"approve", "{\"break_glass\": true}", 422, "invalid", "/comment"},
        {"approve", "{\"break_glass\": \"yes\", \"comment\": \"x\"}", 422, "invalid", "/break_glass"},
        {"approve", "{\"reason\": \"x\"}", 422, "invalid", "/reason"},
        {"pause", "{\"confirm\": \"x\"}", 422, "invalid", "/confirm"},
        {"pause", "{\"a/b~\": 1}", 422, "invalid", "/a~1b~0"},
        {"pause", "{\"reason\": 1}", 422, "invalid", "/reason"},
        {"pause", "{\"reason\": \"\"}", 422, "invalid", "/reason"},
        {"pause", "{\"reason\": \"a\\nb\"}", 422, "invalid", "/reason"},
        {"pause", too_long, 422, "invalid", "/reason"},
        {"pause", "[]", 422, "invalid", ""},
        {"pause", "null", 422, "invalid", ""},
        {"pause", nested, 422, "invalid", ""},
        {"pause", too_deep, 400, "not_json", NULL},
        {"pause", "{", 400, "not_json", NULL},
        {"pause", "{\"reason\": \"a\\u0000b\"}", 400, "not_json", NULL},
        {"pause", "{\"reason\": \"\xff\"}", 400, "not_json", NULL},
        {"pause", "{\"reason\": \"a\", \"reason\": \"b\"}", 400, "not_json", NULL},
        {"pause", "{} {}", 400, "not_json", NULL},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct reply reply = give(cases[i].order, cases[i].body);
        if (reply.status != cases[i].status || strcmp(reply_code(&reply), cases[i].code) != 0)
            fail_msg("%s %.60s answers %d: %s", cases[i].order, cases[i].body, reply.status, reply.body);
        const json_t *error = json_array_get(json_object_get(reply.json, "errors"), 0);
        if (cases[i].pointer)
            assert_string_equal(json_string_value(json_object_get(error, "pointer")), cases[i].pointer);
        reply_clear(&reply);
    }
    assert_int_equal(fake.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_given, begin, end),
        cmocka_unit_test_setup_teardown(test_what_was_looked_at_is_approved, begin, end),
        cmocka_unit_test_setup_teardown(test_already_and_not_durable, begin, end),
        cmocka_unit_test_setup_teardown(test_conflicts, begin, end),
        cmocka_unit_test_setup_teardown(test_refused_bodies, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
