/* What Alertmanager sends, as the engine gets it; and what is refused as a whole. */
#include "http_case.h"

#define ALERT(more) "{\"status\":\"firing\",\"fingerprint\":\"f1\",\"startsAt\":\"2026-11-21T02:40:00Z\"" more "}"
#define WEBHOOK(alerts) "{\"version\":\"4\",\"status\":\"firing\",\"receiver\":\"backfilld\",\"truncatedAlerts\":0,\"alerts\":[" alerts "]}"

static void what_is_sent_is_passed_on(void **state)
{
    (void)state;
    static const char body[] = WEBHOOK(
        ALERT(",\"labels\":{\"alertname\":\"Errors\",\"backfill\":\"orders\",\"backfill_action\":\"pause\"},"
              "\"annotations\":{\"summary\":\"3_percent\",\"description\":\"long\"},"
              "\"generatorURL\":\"http://p\",\"endsAt\":\"0001-01-01T00:00:00Z\"")
        ",{\"status\":\"resolved\",\"fingerprint\":\"f2\",\"startsAt\":\"x\",\"labels\":{},\"annotations\":{\"description\":\"only\"}}");
    struct reply reply = ask(&server, "POST", "/v1/alerts", JSON_BODY, body);
    assert_int_equal(reply.status, 200);
    assert_string_equal(fake_alerts, "f1 2026-11-21T02:40:00Z firing Errors orders pause 3_percent\nf2 x resolved - - - only\n");
    const json_t *alerts = json_object_get(reply.json, "alerts"), *first = json_array_get(alerts, 0), *second = json_array_get(alerts, 1);
    assert_int_equal(json_array_size(alerts), 2);
    assert_string_equal(json_string_value(json_object_get(first, "did")), "pause");
    assert_string_equal(json_string_value(json_object_get(first, "job")), FAKE_RUNNING);
    assert_null(json_object_get(first, "durable"));
    assert_true(json_is_null(json_object_get(second, "did")) && json_is_null(json_object_get(second, "job")));
    assert_true(json_is_false(json_object_get(second, "durable")));
    reply_clear(&reply);
}

static void what_is_not_alertmanagers_is_refused_as_a_whole(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
        const char *pointer;
    } cases[] = {
        {"{", 400, NULL},
        {"", 400, NULL},
        {"[]", 422, ""},
        {"{\"version\":\"3\",\"alerts\":[]}", 422, "/version"},
        {"{\"version\":4,\"alerts\":[]}", 422, "/version"},
        {"{\"alerts\":[]}", 422, "/version"},
        {"{\"version\":\"4\"}", 422, "/alerts"},
        {"{\"version\":\"4\",\"alerts\":{}}", 422, "/alerts"},
        {WEBHOOK("7"), 422, "/alerts/0/status"},
        {WEBHOOK(ALERT("") ",{\"status\":\"firing\",\"startsAt\":\"x\"}"), 422, "/alerts/1/fingerprint"},
        {WEBHOOK("{\"status\":\"firing\",\"fingerprint\":\"f\",\"startsAt\":\"2026-11-21T02:40:00.000000000000000000000000000Z\"}"), 422,
         "/alerts/0/startsAt"},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        fake_alerts[0] = '\0';
        struct reply reply = ask(&server, "POST", "/v1/alerts", JSON_BODY, cases[i].body);
        if (reply.status != cases[i].status) fail_msg("%s: %s", cases[i].body, reply.text);
        const json_t *error = json_array_get(json_object_get(reply.json, "errors"), 0);
        if (cases[i].pointer) assert_string_equal(json_string_value(json_object_get(error, "pointer")), cases[i].pointer);
        assert_string_equal(fake_alerts, "");
        reply_clear(&reply);
    }
    struct reply reply = ask(&server, "POST", "/v1/alerts", JSON_BODY, WEBHOOK(""));
    assert_int_equal(reply.status, 200); /* none is fine */
    reply_clear(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_sent_is_passed_on, begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_alertmanagers_is_refused_as_a_whole, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
