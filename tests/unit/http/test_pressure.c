/* Replicas, signals and the time ledger as they are shown, and orders about a replica. */
#include "http_case.h"

static double real(const json_t *object, const char *name)
{
    assert_true(json_is_number(json_object_get(object, name)));
    return json_number_value(json_object_get(object, name));
}

static void test_view(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "GET", "/v1/targets/shop", "", NULL);
    const json_t *replica = json_array_get(json_object_get(reply.json, "replicas"), 0);
    const json_t *lag = json_array_get(json_object_get(reply.json, "signals"), 0);
    const json_t *queue = json_array_get(json_object_get(reply.json, "signals"), 1);
    assert_int_equal(reply.status, 200);
    assert_true(json_is_true(json_object_get(reply.json, "watching")));
    assert_string_equal(json_string_value(json_object_get(replica, "state")), "heeded");
    assert_true(real(replica, "lag_seconds") == 0.25 && real(replica, "bytes_behind") == 300);
    assert_true(json_is_null(json_object_get(replica, "until")) && json_is_null(json_object_get(replica, "reason")));
    assert_string_equal(json_string_value(json_object_get(lag, "kind")), "replication_lag");
    assert_string_equal(json_string_value(json_object_get(lag, "unit")), "s");
    assert_true(real(lag, "value") == 0.25 && real(lag, "limit") == 1.5 && real(lag, "age_seconds") == 0.5);
    assert_true(json_is_null(json_object_get(queue, "value")) && json_is_null(json_object_get(queue, "age_seconds")));
    assert_true(json_is_false(json_object_get(lag, "stale")) && json_is_true(json_object_get(queue, "stale")));
    assert_true(real(queue, "limit") == 10);
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/jobs?state=running", "", NULL);
    const json_t *job = json_array_get(json_object_get(reply.json, "jobs"), 0);
    const json_t *seconds = json_object_get(json_object_get(job, "progress"), "seconds");
    assert_true(real(seconds, "batching") == 1.5 && real(seconds, "holding/lag:replica-2") == 0.25);
    reply_clear(&reply);
}

static void test_orders(void **state)
{
    static const struct {
        const char *path, *body;
        int status;
        const char *order; /* "": none came through */
    } cases[] = {
        {"/v1/targets/shop/replicas/replica-2/ignore", "{\"for\": \"4h\", \"reason\": \"rebuilt\"}", 200,
         "ignore replica-2 14400000 rebuilt"},
        {"/v1/targets/shop/replicas/replica-2/ignore", NULL, 200, "ignore replica-2 0 -"},
        {"/v1/targets/shop/replicas/replica%2D2/heed", "{\"reason\": \"back\"}", 200, "heed replica-2 0 back"},
        {"/v1/targets/shop/replicas/replica-3/ignore", NULL, 404, ""},
        {"/v1/targets/none/replicas/replica-2/ignore", NULL, 404, ""},
        {"/v1/targets/shop/replicas//ignore", NULL, 404, ""},
        {"/v1/targets/shop/replicas/replica-2/heed", "{\"for\": \"4h\"}", 422, ""},
        {"/v1/targets/shop/replicas/replica-2/ignore", "{\"for\": \"4\"}", 422, ""},
        {"/v1/targets/shop/replicas/replica-2/ignore", "{\"until\": \"4h\"}", 422, ""},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        fake_replica_order[0] = '\0';
        struct reply reply = ask(&server, "POST", cases[i].path, cases[i].body ? JSON_BODY : "", cases[i].body);
        if (reply.status != cases[i].status) fail_msg("%s answers %d: %s", cases[i].path, reply.status, reply.body);
        assert_string_equal(fake_replica_order, cases[i].order);
        if (reply.status == 200) assert_true(json_is_array(json_object_get(reply.json, "replicas")));
        reply_clear(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_view, begin, end),
        cmocka_unit_test_setup_teardown(test_orders, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
