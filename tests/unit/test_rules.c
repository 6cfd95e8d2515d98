/* Defaults and ceilings of a target: what a document says comes first, and over its ceiling nothing goes. */
#include "document_case.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "rules.h"

static struct bf_rules rules;
static char asked[64];

static void rule(char *(*add)(struct bf_rules *, const char *, const char *, int), const char *name, const char *value)
{
    char *fault = add(&rules, name, value, 1);
    if (fault)
        fail_msg("%s = %s: %s", name, value, fault);
}

static const struct bf_rules *rules_of(void *argument, const char *target)
{
    assert_ptr_equal(argument, &rules);
    snprintf(asked, sizeof asked, "%s", target);
    return strcmp(target, "shop") == 0 ? &rules : NULL;
}

static struct bf_document *parse_under(const char *json, const char *target)
{
    struct bf_document *document = NULL;
    bf_complaints_clear(&complaints);
    enum bf_code code = bf_document_parse_for(json, strlen(json), target, rules_of, &rules, &document, &complaints, &error);
    if (code != BF_OK)
        fail_msg("%s: %s", json, error.text);
    return document;
}

/* "POINTER: TEXT" of every field over its ceiling. */
static void assert_over(const struct bf_document *document, const char *expected)
{
    struct bf_complaints found = {0};
    char text[512] = "";
    bf_rules_check(&rules, "shop", document, &found);
    for (size_t i = 0; i < found.count; i++) {
        assert_int_equal(found.list[i].code, BF_INVALID);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s: %s\n", found.list[i].pointer, found.list[i].detail);
    }
    assert_string_equal(text, expected);
    bf_complaints_clear(&found);
}

static void defaults_stand_where_the_document_is_silent(void **state)
{
    (void)state;
    rule(bf_rules_add_default, "pace.batch_time", "100ms");
    rule(bf_rules_add_default, "pace.nice", "2");
    rule(bf_rules_add_default, "pace.batch_rows.max", "300");
    rule(bf_rules_add_default, "limits.lock_timeout", "2s");
    struct bf_document *silent = parse_under("{" SMALLEST "}", NULL);
    assert_string_equal(asked, "shop");
    assert_int_equal(silent->pace.batch_time, 100);
    assert_true(silent->pace.nice > 1.9 && silent->pace.nice < 2.1);
    assert_int_equal(silent->pace.batch_rows_max, 300);
    assert_int_equal(silent->pace.batch_rows_start, 300); /* the tables' 500 gives way */
    assert_int_equal(silent->pace.batch_rows_min, 10);
    assert_int_equal(silent->limits.lock_timeout, 2000);
    assert_int_equal(silent->limits.statement_timeout, 10000);
    struct bf_document *plain = parse_good("{" SMALLEST "}");
    assert_string_equal(silent->canonical, plain->canonical);
    assert_string_equal(silent->hash, plain->hash);
    assert_int_equal(plain->pace.batch_time, 250);
    struct bf_document *other = parse_under("{" SMALLEST "}", "elsewhere");
    assert_string_equal(asked, "elsewhere");
    assert_int_equal(other->pace.batch_time, 250);
    struct bf_document *said = parse_under(
        "{" SMALLEST ",\"pace\":{\"batch_time\":\"50ms\",\"batch_rows\":{\"max\":40}},\"limits\":{\"lock_timeout\":\"1s\"}}", NULL);
    assert_int_equal(said->pace.batch_time, 50);
    assert_int_equal(said->pace.batch_rows_start, 40);
    assert_int_equal(said->limits.lock_timeout, 1000);
    bf_document_free(silent);
    bf_document_free(plain);
    bf_document_free(other);
    bf_document_free(said);
    bf_rules_clear(&rules);
}

static void ceilings_hold_the_author_not_the_silent(void **state)
{
    (void)state;
    rule(bf_rules_add_ceiling, "statement_timeout", "5s");
    rule(bf_rules_add_ceiling, "pace.batch_time", "200ms");
    rule(bf_rules_add_ceiling, "batch_rows.max", "100");
    rule(bf_rules_add_ceiling, "limits.lock_timeout", "1s");
    int line = 0;
    assert_null(bf_rules_fault(&rules, &line));
    struct bf_document *silent = parse_under("{" SMALLEST "}", NULL);
    assert_over(silent, "");
    assert_int_equal(silent->limits.statement_timeout, 5000);
    assert_int_equal(silent->pace.batch_time, 200);
    assert_int_equal(silent->pace.batch_rows_max, 100);
    assert_int_equal(silent->pace.batch_rows_start, 100);
    struct bf_document *at = parse_under(
        "{" SMALLEST ",\"pace\":{\"batch_time\":\"200ms\",\"batch_rows\":{\"max\":100}},\"limits\":{\"lock_timeout\":\"1s\"}}", NULL);
    assert_over(at, "");
    struct bf_document *over = parse_under(
        "{" SMALLEST ",\"pace\":{\"batch_time\":\"201ms\",\"batch_rows\":{\"max\":101}},\"limits\":{\"statement_timeout\":\"1m\"}}", NULL);
    assert_over(over, "/limits/statement_timeout: 1 min 00 s is over the ceiling of target shop, 5.0 s\n"
                      "/pace/batch_time: 201 ms is over the ceiling of target shop, 200 ms\n"
                      "/pace/batch_rows/max: 101 is over the ceiling of target shop, 100\n");
    bf_document_free(silent);
    bf_document_free(at);
    bf_document_free(over);
    bf_rules_clear(&rules);
}

/* What is no limit by the tables gives way to a ceiling, too; a share is a number with a fraction. */
static void ceilings_of_limits_that_are_none(void **state)
{
    (void)state;
    rule(bf_rules_add_ceiling, "flow_control", "0.25");
    rule(bf_rules_add_ceiling, "limits.slot_retained", "1GiB");
    rule(bf_rules_add_default, "limits.dead_tuples", "1000");
    int line = 0;
    assert_null(bf_rules_fault(&rules, &line));
    struct bf_document *silent = parse_under("{" SMALLEST "}", NULL);
    assert_over(silent, "");
    assert_true(silent->limits.flow_control < 0.26);
    assert_int_equal(silent->limits.slot_retained, 1 << 30);
    assert_int_equal(silent->limits.dead_tuples, 1000);
    bf_document_settle(silent);
    assert_non_null(strstr(bf_document_current(silent), "\"flow_control\":0.25"));
    struct bf_document *over = parse_under("{" SMALLEST ",\"limits\":{\"flow_control\":null}}", NULL);
    assert_over(over, "/limits/flow_control: no limit is over the ceiling of target shop, 0.25\n");
    bf_document_free(silent);
    bf_document_free(over);
    bf_rules_clear(&rules);
}

/* A key of the configuration may hold any bytes. */
static void what_is_no_field_is_a_fault(void **state)
{
    (void)state;
    static const char *const names[] = {"pace.\xff", "pace.ni\xc3", "\xff.nice", "pace.nothing", "nothing.nice"};
    for (size_t i = 0; i < BF_COUNT(names); i++) {
        BF_AUTO_STRING char *fault = bf_rules_add_default(&rules, names[i], "1", 1);
        assert_non_null(fault);
    }
    BF_AUTO_STRING char *value = bf_rules_add_default(&rules, "pace.batch_time", "\xff", 1);
    assert_non_null(value);
    bf_rules_clear(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_stand_where_the_document_is_silent),
        cmocka_unit_test(ceilings_hold_the_author_not_the_silent),
        cmocka_unit_test(ceilings_of_limits_that_are_none),
        cmocka_unit_test(what_is_no_field_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
