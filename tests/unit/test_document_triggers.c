/* The document's triggers: what they take, and what their fields say about one another. */
#include "document_case.h"

#include <stdio.h>

#define TRIGGER(fields) "\"triggers\":[{\"name\":\"a\"" fields "}]"
#define SIGNAL ",\"signal\":\"error_rate\",\"above\":0.01"
#define SOURCE ",\"source\":\"prometheus\",\"query\":\"up\",\"above\":1"
#define RELATIVE ",\"sql\":\"SELECT 1\",\"above\":\"2x baseline\""

static struct bf_document *document_of(const char *field)
{
    char json[4096];
    snprintf(json, sizeof json, "{" SMALLEST ",%s}", field);
    return parse_good(json);
}

static void every_form(void **state)
{
    (void)state;
    struct bf_document *document = document_of(
        "\"triggers\":[{\"name\":\"errors\",\"signal\":\"error_rate\",\"above\":0.01,\"for\":\"30s\",\"then\":\"pause\"},"
        "{\"name\":\"checkout\",\"sql\":\"SELECT 1\",\"above\":\"2.5x baseline\",\"baseline\":\"5m\",\"every\":\"5s\","
        "\"for\":\"30s\",\"settle\":\"1m\",\"then\":\"abort\"},"
        "{\"name\":\"p99\",\"source\":\"prometheus\",\"query\":\"up\",\"below\":-4}]");
    const struct bf_document_trigger *triggers = document->triggers;
    assert_int_equal(document->trigger_count, 3);
    assert_string_equal(triggers[0].signal, "error_rate");
    assert_true(!triggers[0].below && !triggers[0].relative && triggers[0].limit == 0.01 && triggers[0].hold == 30000);
    assert_true(triggers[0].every == 1000 && triggers[0].settle == 0 && triggers[0].then == BF_ORDER_PAUSE);
    assert_string_equal(triggers[1].sql, "SELECT 1");
    assert_true(triggers[1].relative && triggers[1].limit == 2.5 && triggers[1].baseline == 300000);
    assert_true(triggers[1].every == 5000 && triggers[1].settle == 60000 && triggers[1].then == BF_ORDER_ABORT);
    assert_string_equal(triggers[2].source, "prometheus");
    assert_string_equal(triggers[2].query, "up");
    assert_true(triggers[2].below && triggers[2].limit == -4 && triggers[2].hold == 0 && triggers[2].baseline == 600000);
    bf_document_free(document);
}

static void each_looks_at_one_thing_with_one_limit(void **state)
{
    (void)state;
    good(TRIGGER(SIGNAL));
    invalid("\"triggers\":[]", "/triggers", "must not be empty");
    invalid("\"triggers\":{}", "/triggers", "must be a list of triggers");
    invalid("\"triggers\":[{\"signal\":\"error_rate\",\"above\":1}]", "/triggers/0", "`name` is required");
    invalid("\"triggers\":[{\"name\":\"A b\",\"signal\":\"error_rate\",\"above\":1}]", "/triggers/0/name", "1 to 40");
    invalid(TRIGGER(",\"above\":1"), "/triggers/0", "one of `signal`, `sql`, `source`");
    invalid(TRIGGER(SIGNAL ",\"sql\":\"SELECT 1\""), "/triggers/0", "one of `signal`, `sql`, `source`");
    invalid(TRIGGER(",\"signal\":\"error_rate\""), "/triggers/0", "needs `above` or `below`");
    invalid(TRIGGER(SIGNAL ",\"below\":1"), "/triggers/0/below", "one limit");
    invalid(TRIGGER(SIGNAL ",\"query\":\"up\""), "/triggers/0/query", "is what a `source` is asked");
    invalid(TRIGGER(",\"signal\":\"error_rate\",\"above\":true"), "/triggers/0/above", "must be a number");
    static const char *const wrong[] = {"2", "x baseline", "2x", "2xbaseline", "-2x baseline", "0x baseline", "2x baseline ", "nanx baseline"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char field[200];
        snprintf(field, sizeof field, TRIGGER(",\"signal\":\"error_rate\",\"above\":\"%s\""), wrong[i]);
        invalid(field, "/triggers/0/above", "\"2x baseline\"");
    }
    invalid("\"triggers\":[{\"name\":\"a\"" SIGNAL "},{\"name\":\"a\"" SIGNAL "}]", "/triggers/1/name", "already");
    invalid(TRIGGER(SIGNAL ",\"url\":\"http://x\""), "/triggers/0/url", "unknown field");
}

static void what_would_mean_nothing_is_refused(void **state)
{
    (void)state;
    invalid(TRIGGER(SIGNAL ",\"baseline\":\"5m\""), "/triggers/0/baseline", "only a limit such as");
    invalid(TRIGGER(SOURCE ",\"settle\":\"5m\""), "/triggers/0/settle", "is paused already");
    invalid(TRIGGER(SIGNAL ",\"settle\":\"5m\",\"then\":\"abort\""), "/triggers/0/settle", "cannot outlive");
    invalid(TRIGGER(SOURCE ",\"every\":\"100ms\""), "/triggers/0/every", "must be from");
    invalid(TRIGGER(SOURCE ",\"for\":\"5\""), "/triggers/0/for", "is not a duration");
    invalid(TRIGGER(SOURCE ",\"then\":\"resume\""), "/triggers/0/then", "\"pause\", \"abort\" or \"rollback\"");
    good(TRIGGER(RELATIVE ",\"then\":\"abort\",\"settle\":\"1m\""));
}

static void what_rolls_back_needs_a_way_back(void **state)
{
    (void)state;
    static const char back[] = "\"name\":\"a\",\"target\":\"shop\",\"table\":\"orders\",\"set\":{\"n\":\"1\"}";
    char json[1000];
    snprintf(json, sizeof json, "{%s," TRIGGER(SOURCE ",\"then\":\"rollback\",\"settle\":\"1m\"") ",\"alerts\":\"rollback\"}", back);
    struct bf_document *document = parse_good(json);
    assert_int_equal(document->triggers[0].then, BF_ORDER_ROLLBACK);
    assert_int_equal(document->alerts, BF_ORDER_ROLLBACK);
    bf_document_free(document);
    snprintf(json, sizeof json, "{%s," TRIGGER(RELATIVE ",\"then\":\"rollback\"") "}", back);
    assert_complaint(json, BF_INVALID, "/triggers/0/then", "may pause or abort");
    invalid(TRIGGER(SOURCE ",\"then\":\"rollback\""), "/triggers/0/then", "no way back");
    invalid("\"alerts\":\"rollback\"", "/alerts", "no way back");
}

static void alerts_of_others(void **state)
{
    (void)state;
    struct bf_document *document = document_of("\"alerts\":\"abort\"");
    assert_true(document->takes_alerts && document->alerts == BF_ORDER_ABORT);
    bf_document_free(document);
    document = document_of("\"again\":true");
    assert_false(document->takes_alerts);
    bf_document_free(document);
    invalid("\"alerts\":\"stop\"", "/alerts", "\"pause\", \"abort\" or \"rollback\"");
    invalid("\"alerts\":[\"pause\"]", "/alerts", "must be");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form),
        cmocka_unit_test(each_looks_at_one_thing_with_one_limit),
        cmocka_unit_test(what_would_mean_nothing_is_refused),
        cmocka_unit_test(alerts_of_others),
        cmocka_unit_test(what_rolls_back_needs_a_way_back),
    };
    return cmocka_run_group_tests_name("document_triggers", tests, NULL, clean_up);
}
