/* What a rollback would do, which changes one left alone, and dropping the way back. */
#include "http_case.h"

static void a_dry_run_orders_nothing(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "POST", "/v1/jobs/" FAKE_COMPLETED "/rollback?dry_run=true", JSON_BODY, "{}");
    assert_int_equal(reply.status, 200);
    assert_string_equal(fake_undo, "look back " FAKE_COMPLETED);
    assert_int_equal(json_integer_value(json_object_get(reply.json, "rows")), 400);
    assert_int_equal(json_integer_value(json_object_get(reply.json, "sampled_changed")), 3);
    assert_true(json_is_null(json_object_get(reply.json, "seconds")));
    assert_int_equal(fake.calls, 0);
    reply_clear(&reply);
    fake.outcome.code = BF_TARGET_DOWN;
    reply = ask(&server, "POST", "/v1/jobs/" FAKE_COMPLETED "/rollback?dry_run=true", JSON_BODY, "{}");
    assert_int_equal(reply.status, 503);
    reply_clear(&reply);
}

static void conflicts_are_paged(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "GET", "/v1/jobs/" FAKE_COMPLETED "/conflicts?limit=2", "", NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(fake_undo, "conflicts " FAKE_COMPLETED " limit 2");
    assert_string_equal(json_string_value(json_object_get(reply.json, "next")), "2.18.1.1");
    const json_t *first = json_array_get(json_object_get(reply.json, "conflicts"), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "key"), 1)), "b");
    assert_string_equal(json_string_value(json_object_get(first, "kind")), "changed");
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/jobs/" FAKE_COMPLETED "/conflicts?after=2.18.1.1", "", NULL);
    assert_string_equal(fake_undo, "conflicts " FAKE_COMPLETED " limit 100 after 2 18 1 1");
    assert_true(json_is_null(json_object_get(reply.json, "next")));
    reply_clear(&reply);
    static const char *const bad[] = {"x", "1.2.3", "1.2.3.4.5", "1.2.3.4x", "1.2.3.", "1..3.4", "-1.2.3.4", "1.2.3.99999999999999999999"};
    for (size_t i = 0; i < BF_COUNT(bad); i++) {
        BF_AUTO_STRING char *path = bf_format("/v1/jobs/" FAKE_COMPLETED "/conflicts?after=%s", bad[i]);
        reply = ask(&server, "GET", path, "", NULL);
        assert_int_equal(reply.status, 400);
        reply_clear(&reply);
    }
}

static void bad_rows_are_paged(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "GET", "/v1/jobs/" FAKE_COMPLETED "/bad-rows?limit=2", "", NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(fake_undo, "bad rows " FAKE_COMPLETED " limit 2");
    const json_t *row = json_array_get(json_object_get(reply.json, "bad_rows"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "error")), "value too long");
    assert_string_equal(json_string_value(json_object_get(row, "sqlstate")), "22001");
    assert_string_equal(json_string_value(json_array_get(json_object_get(row, "key"), 1)), "b");
    assert_string_equal(json_string_value(json_object_get(reply.json, "next")), "2.3");
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/jobs/" FAKE_COMPLETED "/bad-rows?after=2.3", "", NULL);
    assert_string_equal(fake_undo, "bad rows " FAKE_COMPLETED " limit 100 after 2 3");
    assert_true(json_is_null(json_object_get(reply.json, "next")));
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/jobs/" FAKE_COMPLETED "/bad-rows?after=2.x", "", NULL);
    assert_int_equal(reply.status, 400);
    reply_clear(&reply);
}

static void forget_passes_the_confirmation_on(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "POST", "/v1/jobs/" FAKE_COMPLETED "/forget", JSON_BODY, "{\"confirm\":\"orders\"}");
    assert_int_equal(reply.status, 202);
    assert_string_equal(fake_undo, "forget " FAKE_COMPLETED " orders");
    reply_clear(&reply);
    reply = ask(&server, "POST", "/v1/jobs/" FAKE_COMPLETED "/forget", JSON_BODY, "{\"confirm\":7}");
    assert_int_equal(reply.status, 422);
    reply_clear(&reply);
}

static void adoption_passes_on_what_was_said(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "POST", "/v1/targets/shop/adopt", JSON_BODY,
                             "{\"job\":\"" FAKE_COMPLETED "\",\"confirm\":\"orders\",\"reason\":\"the host is gone\"}");
    assert_int_equal(reply.status, 201);
    assert_string_equal(fake_undo, "adopt " FAKE_COMPLETED " from shop, orders, the host is gone");
    reply_clear(&reply);
    fake.outcome.code = BF_OWNED_ELSEWHERE;
    reply = ask(&server, "POST", "/v1/targets/shop/adopt", JSON_BODY, "{\"job\":\"" FAKE_COMPLETED "\"}");
    assert_int_equal(reply.status, 409);
    assert_string_equal(json_string_value(json_object_get(reply.json, "code")), "owned_elsewhere");
    reply_clear(&reply);
    reply = ask(&server, "POST", "/v1/targets/shop/adopt", JSON_BODY, "{\"confirm\":\"orders\"}");
    assert_int_equal(reply.status, 422);
    reply_clear(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_dry_run_orders_nothing, begin, end),
        cmocka_unit_test_setup_teardown(conflicts_are_paged, begin, end),
        cmocka_unit_test_setup_teardown(bad_rows_are_paged, begin, end),
        cmocka_unit_test_setup_teardown(forget_passes_the_confirmation_on, begin, end),
        cmocka_unit_test_setup_teardown(adoption_passes_on_what_was_said, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
