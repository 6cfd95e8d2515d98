/* What may change about a job after it was submitted: pace and limits merged into the document, and the entity tag; and
 * whom a latch covers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "allocate.h"
#include "latch.h"
#include "record.h"
#include "rules.h"

static const char DOCUMENT[] =
    "{\"name\":\"orders\",\"target\":\"shop\",\"table\":\"orders\",\"set\":{\"a\":\"1\"},\"undo\":\"none\","
    "\"pace\":{\"nice\":0.5,\"batch_rows\":{\"max\":1000}},\"labels\":{\"team\":\"orders\",\"a=b\":\"c\"}}";

static struct bf_document *parse(const char *json)
{
    struct bf_complaints complaints = {0};
    struct bf_error error = {0};
    struct bf_document *document = NULL;
    if (bf_document_parse(json, strlen(json), NULL, &document, &complaints, &error) != BF_OK)
        fail_msg("%s", error.text);
    return document;
}

/* The change that has to be good. */
static struct bf_document *merge(const struct bf_document *document, const char *change)
{
    struct bf_complaints complaints = {0};
    struct bf_error error = {0};
    struct bf_document *changed = NULL;
    if (bf_document_merge(document, change, strlen(change), NULL, NULL, &changed, &complaints, &error) != BF_OK)
        fail_msg("%s: %s %s", change, complaints.count ? complaints.list[0].detail : "", error.text);
    return changed;
}

static void a_change_is_merged_and_the_submission_stays(void **state)
{
    (void)state;
    struct bf_document *document = parse(DOCUMENT), *before = parse(DOCUMENT);
    struct bf_document *changed = merge(document, "{\"pace\":{\"nice\":0.2,\"batch_rows\":{\"min\":5}},"
                                                  "\"limits\":{\"lock_timeout\":\"3s\"}}");
    BF_AUTO_STRING char *difference = bf_document_difference(document, changed);
    assert_string_equal(difference, "pace.nice 0.5 -> 0.2, pace.batch_rows.min 10 -> 5, limits.lock_timeout \"1s\" -> \"3s\"");
    bf_document_take(document, changed);
    assert_true(document->pace.nice == 0.2);
    assert_int_equal(document->pace.batch_rows_min, 5);
    assert_int_equal(document->pace.batch_rows_max, 1000);
    assert_int_equal(document->limits.lock_timeout, 3000);
    assert_string_equal(document->canonical, before->canonical);
    assert_string_equal(document->hash, before->hash);
    assert_non_null(strstr(bf_document_current(document), "\"lock_timeout\":\"3s\""));

    /* What was stored gives the same again. */
    struct bf_complaints complaints = {0};
    struct bf_error error;
    assert_int_equal(bf_document_restore(before, bf_document_current(document), &complaints, &error), BF_OK);
    assert_true(before->pace.nice == 0.2);
    assert_string_equal(before->current, document->current);
    assert_null(bf_document_difference(before, document));

    /* And the way back: null brings the default, an object that says nothing goes. */
    changed = merge(document, "{\"pace\":{\"nice\":0.5,\"batch_rows\":{\"min\":null}},\"limits\":{\"lock_timeout\":null}}");
    bf_document_take(document, changed);
    assert_null(document->current);
    assert_string_equal(bf_document_current(document), document->canonical);
    assert_int_equal(document->limits.lock_timeout, 1000);
    changed = merge(document, "{\"pace\":null}");
    assert_null(strstr(bf_document_current(changed), "pace"));
    assert_int_equal(changed->pace.batch_rows_max, 50000);
    bf_document_free(changed);
    bf_document_free(document);
    bf_document_free(before);
}

static const struct bf_rules *rules_of(void *argument, const char *target)
{
    assert_string_equal(target, "shop");
    return argument;
}

/* What a target says for its jobs belongs to the job from then on. */
static void defaults_of_the_target_stay_with_the_job(void **state)
{
    (void)state;
    struct bf_rules rules = {0};
    struct bf_complaints complaints = {0};
    struct bf_error error;
    struct bf_document *document = NULL, *changed = NULL, *plain = parse(DOCUMENT);
    assert_null(bf_rules_add_default(&rules, "limits.lock_timeout", "700ms", 1));
    assert_null(bf_rules_add_default(&rules, "pace.nice", "3", 2));
    assert_null(bf_rules_add_default(&rules, "pace.batch_rows.start", "40", 3));
    assert_int_equal(bf_document_parse_for(DOCUMENT, strlen(DOCUMENT), NULL, rules_of, &rules, &document, &complaints, &error), BF_OK);
    assert_string_equal(document->hash, plain->hash);
    assert_string_equal(document->canonical, plain->canonical);
    BF_AUTO_STRING char *difference = bf_document_difference(plain, document);
    assert_string_equal(difference, "pace.batch_rows.start 500 -> 40, limits.lock_timeout \"1s\" -> \"700ms\"");
    /* The store knows no target. */
    assert_int_equal(bf_document_restore(plain, bf_document_current(document), &complaints, &error), BF_OK);
    assert_int_equal(plain->limits.lock_timeout, 700);
    assert_int_equal(plain->pace.batch_rows_start, 40);
    /* Taken out, a field has its target's default again. */
    static const char change[] = "{\"pace\":{\"nice\":null},\"limits\":{\"lock_timeout\":null}}";
    assert_int_equal(bf_document_merge(document, change, strlen(change), rules_of, &rules, &changed, &complaints, &error),
                     BF_OK);
    assert_true(changed->pace.nice == 3);
    assert_int_equal(changed->limits.lock_timeout, 700);
    bf_document_take(document, changed);
    assert_string_equal(document->canonical, plain->canonical);
    bf_rules_clear(&rules);
    bf_document_free(document);
    bf_document_free(plain);
}

static void a_bad_change_is_refused_where_it_is_wrong(void **state)
{
    static const struct {
        const char *change, *pointer;
        enum bf_code code;
    } cases[] = {
        {"{\"set\":{\"a\":\"2\"}}", "/set", BF_INVALID},
        {"{\"name\":\"x\",\"pace\":{\"nice\":1}}", "/name", BF_INVALID},
        {"{}", "", BF_INVALID},
        {"[]", "", BF_INVALID},
        {"7", "", BF_INVALID},
        {"{\"pace\":5}", "/pace", BF_INVALID},
        {"{\"pace\":{\"nice\":-1}}", "/pace/nice", BF_INVALID},
        {"{\"pace\":{\"nise\":1}}", "/pace/nise", BF_INVALID},
        {"{\"pace\":{\"nise\":null}}", "/pace/nise", BF_INVALID},
        {"{\"pace\":{\"batch_rows\":{\"min\":2000}}}", "/pace/batch_rows", BF_INVALID},
        {"{\"limits\":{\"statement_timeout\":\"100ms\"}}", "/limits/statement_timeout", BF_INVALID},
        {"{\"limits\":{\"bad_rows\":\"2\"}}", "/limits/bad_rows", BF_INVALID},
        {"{\"pace\":{\"slices\":0}}", "/pace/slices", BF_INVALID},
        {"{\"pace\":{\"nice\":1,\"nice\":2}}", NULL, BF_NOT_JSON},
        {"", NULL, BF_NOT_JSON},
    };
    (void)state;
    struct bf_document *document = parse(DOCUMENT);
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_complaints complaints = {0};
        struct bf_error error = {0};
        struct bf_document *changed = NULL;
        enum bf_code code = bf_document_merge(document, cases[i].change, strlen(cases[i].change), NULL, NULL, &changed,
                                              &complaints, &error);
        if (code != cases[i].code)
            fail_msg("%s: %s", cases[i].change, bf_code_name(code));
        assert_null(changed);
        if (cases[i].pointer)
            assert_string_equal(complaints.list[0].pointer, cases[i].pointer);
        bf_complaints_clear(&complaints);
    }
    bf_document_free(document);
}

static void a_clone_has_another_name_and_may_run_again(void **state)
{
    (void)state;
    struct bf_document *document = parse(DOCUMENT);
    bf_document_take(document, merge(document, "{\"pace\":{\"nice\":7}}"));
    BF_AUTO_STRING char *text = bf_document_clone(document, "second", "[\"41\"]");
    struct bf_document *clone = parse(text);
    assert_string_equal(clone->name, "second");
    assert_true(clone->again);
    assert_true(clone->pace.nice == 7);
    assert_int_equal(clone->after_count, 1);
    assert_string_equal(clone->after[0], "41");
    assert_null(clone->current);
    BF_AUTO_STRING char *whole = bf_document_clone(document, "third", NULL);
    struct bf_document *third = parse(whole);
    assert_int_equal(third->after_count, 0);
    bf_document_free(third);
    bf_document_free(clone);
    bf_document_free(document);
}

static void the_tag_follows_the_version(void **state)
{
    char one[BF_ETAG_TEXT], other[BF_ETAG_TEXT];
    (void)state;
    struct bf_record record = {.version = 3, .updated_at = 255};
    assert_string_equal(bf_record_etag(&record, one), "\"3-ff\"");
    record.version++;
    assert_string_not_equal(bf_record_etag(&record, other), one);
    static const struct {
        const char *if_match;
        bool matches;
    } cases[] = {
        {"*", true},          {" * ", true},           {"\"3-ff\"", true},          {"\"x\", \"3-ff\"", true},
        {"\"x\",\"3-ff\",", true}, {"W/\"3-ff\"", false}, {"W/\"3-ff\", \"3-ff\"", true}, {"\"3-f\"", false},
        {"\"3-ff", false},    {"3-ff", false},         {"", false},                 {"\"a,\"3-ff\"", false},
        {"*, \"x\"", false},  {"\"a, b\", \"3-ff\"", true},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++)
        if (bf_etag_matches(cases[i].if_match, one) != cases[i].matches)
            fail_msg("%s", cases[i].if_match);
}

static void a_latch_covers_its_scope(void **state)
{
    (void)state;
    struct bf_document *document = parse(DOCUMENT);
    struct bf_latch latches[] = {
        {.kind = BF_LATCH_ALL, .name = "", .value = ""},
        {.kind = BF_LATCH_TARGET, .name = "shop", .value = ""},
        {.kind = BF_LATCH_LABEL, .name = "team", .value = "orders"},
        {.kind = BF_LATCH_LABEL, .name = "a=b", .value = "c"},
        {.kind = BF_LATCH_TARGET, .name = "orders", .value = ""},
        {.kind = BF_LATCH_LABEL, .name = "team", .value = "shop"},
        {.kind = BF_LATCH_LABEL, .name = "shop", .value = "orders"},
    };
    for (size_t i = 0; i < BF_COUNT(latches); i++) {
        assert_int_equal(bf_latch_covers(&latches[i], document), i < 4);
        struct bf_latch copy;
        bf_latch_copy(&copy, &latches[i]);
        for (size_t k = 0; k < BF_COUNT(latches); k++)
            assert_int_equal(bf_latch_same_scope(&copy, &latches[k]), i == k);
        bf_latch_clear(&copy);
    }
    BF_AUTO_STRING char *scope = bf_latch_scope(&latches[2]);
    assert_string_equal(scope, "label team=orders");
    bf_document_free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_merged_and_the_submission_stays),
        cmocka_unit_test(defaults_of_the_target_stay_with_the_job),
        cmocka_unit_test(a_bad_change_is_refused_where_it_is_wrong),
        cmocka_unit_test(a_clone_has_another_name_and_may_run_again),
        cmocka_unit_test(the_tag_follows_the_version),
        cmocka_unit_test(a_latch_covers_its_scope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
