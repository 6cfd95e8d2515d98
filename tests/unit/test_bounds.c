/* What was approved, and what goes past it. */
#include "unit.h"

#include <string.h>

#include "allocate.h"
#include "bounds.h"

static struct bf_document *parse(const char *pace_and_limits)
{
    struct bf_document *document = NULL;
    struct bf_complaints complaints = {0};
    struct bf_error error = {0};
    BF_AUTO_STRING char *json = bf_format("{\"name\":\"job\",\"target\":\"shop\",\"table\":\"t\",\"set\":{\"n\":\"1\"},\"undo\":\"none\"%s%s}",
                                          *pace_and_limits ? "," : "", pace_and_limits);
    if (bf_document_parse(json, strlen(json), NULL, &document, &complaints, &error) != BF_OK)
        fail_msg("%s: %s", json, complaints.count ? complaints.list[0].detail : error.text);
    return document;
}

static void test_past(void **state)
{
    (void)state;
    static const struct {
        const char *approved, *changed, *past;
    } cases[] = {
        {"", "", NULL},
        {"", "\"pace\":{\"nice\":5}", NULL}, /* gentler */
        {"", "\"pace\":{\"nice\":0.1}", "pace.nice"},
        {"", "\"pace\":{\"batch_time\":\"100ms\"}", NULL},
        {"", "\"pace\":{\"batch_time\":\"400ms\",\"batch_rows\":{\"max\":90000}}", "pace.batch_time, pace.batch_rows.max"},
        {"\"pace\":{\"max_rows_per_second\":100}", "\"pace\":{\"max_rows_per_second\":null}", "pace.max_rows_per_second"},
        {"", "\"pace\":{\"max_rows_per_second\":100}", NULL},
        {"", "\"limits\":{\"replication_lag\":\"9s\"}", "limits.replication_lag"},
        {"\"limits\":{\"flow_control\":0.1}", "\"limits\":{\"flow_control\":0.2}", "limits.flow_control"},
        {"", "\"pace\":{\"window\":[{\"from\":\"22:00\",\"to\":\"23:00\"}]}", NULL},
        {"\"pace\":{\"window\":[{\"from\":\"22:00\",\"to\":\"23:00\"}]}", "", "pace.window"},
        {"\"pace\":{\"window\":[{\"from\":\"22:00\",\"to\":\"23:00\"}]}", "\"pace\":{\"window\":[{\"from\":\"08:00\",\"to\":\"23:00\"}]}",
         "pace.window"},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_document *approved = parse(cases[i].approved), *changed = parse(cases[i].changed);
        BF_AUTO_STRING char *bounds = bf_bounds_make(approved), *past = bf_bounds_passed(bounds, changed);
        if (!past != !cases[i].past || (past && strcmp(past, cases[i].past) != 0))
            fail_msg("{%s} after {%s} is past in %s, not %s", cases[i].changed, cases[i].approved, past ? past : "nothing",
                     cases[i].past ? cases[i].past : "nothing");
        BF_AUTO_STRING char *sentence = past ? bf_bounds_sentence(past, "eve") : NULL;
        BF_AUTO_STRING char *wanted = past ? bf_format("%s %s past what eve approved", past, strchr(past, ' ') ? "are" : "is") : NULL;
        if (past)
            assert_string_equal(sentence, wanted);
        assert_null(bf_bounds_passed(NULL, changed));
        assert_null(bf_bounds_passed("no JSON", changed));
        bf_document_free(approved);
        bf_document_free(changed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_past)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
