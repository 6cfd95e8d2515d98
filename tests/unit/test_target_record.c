#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "target_record.h"

static struct bf_record a_record(const char *current)
{
    struct bf_record record = {.created_at = 1700000000123, .started_at = 1700000001456, .submitter = bf_copy_string("ann"),
                               .approver = bf_copy_string("bob"), .approved_plan = bf_copy_string("abc"),
                               .approved_risk = bf_copy_string("red"), .approved_bounds = bf_copy_string("{\"pace.nice\":1}"),
                               .break_glass = bf_copy_string("nobody else is awake")};
    record.document = BF_NEW(struct bf_document);
    record.document->current = bf_copy_string(current);
    record.progress = (struct bf_progress){.rows_estimated = 5000, .resumed = 2, .yields = 7};
    return record;
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    const char *const currents[] = {NULL, "{\"name\":\"j\"}"};
    for (size_t i = 0; i < BF_COUNT(currents); i++) {
        struct bf_record record = a_record(currents[i]), read = {.approver = bf_copy_string("someone else")};
        BF_AUTO_STRING char *text = bf_record_on_target(&record), *current = NULL;
        assert_true(bf_record_from_target(text, &read, &current));
        assert_true(read.created_at == record.created_at && read.started_at == record.started_at);
        assert_true(read.progress.rows_estimated == 5000 && read.progress.resumed == 2 && read.progress.yields == 7);
        assert_string_equal(read.submitter, "ann");
        assert_string_equal(read.approver, "bob");
        assert_string_equal(read.approved_plan, "abc");
        assert_string_equal(read.approved_risk, "red");
        assert_string_equal(read.approved_bounds, "{\"pace.nice\":1}");
        assert_string_equal(read.break_glass, "nobody else is awake");
        assert_true(bf_same_string(current, currents[i]));
        bf_record_clear(&record);
        bf_record_clear(&read);
    }
}

static void nobody_approved_stays_nobody(void **state)
{
    (void)state;
    struct bf_record read = {.approver = bf_copy_string("of an older registration")};
    BF_AUTO_STRING char *current = NULL;
    assert_true(bf_record_from_target("{\"approved_by\":null}", &read, &current));
    assert_null(read.approver);
    bf_record_clear(&read);
}

static void what_is_no_record_changes_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {NULL, "", "[]", "7", "{", "{\"started_at\":1,\"started_at\":2}"};
    for (size_t i = 0; i < BF_COUNT(texts); i++) {
        struct bf_record read = {.started_at = 5};
        BF_AUTO_STRING char *current = NULL;
        assert_false(bf_record_from_target(texts[i], &read, &current));
        assert_true(read.started_at == 5 && !current);
    }
    struct bf_record read = {.started_at = 5, .created_at = 6};
    BF_AUTO_STRING char *current = NULL;
    assert_true(bf_record_from_target("{\"started_at\":\"soon\",\"created_at\":-7,\"submitted_by\":3,\"document\":[]}", &read, &current));
    assert_true(read.started_at == 5 && read.created_at == 6 && !read.submitter && !current);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(nobody_approved_stays_nobody),
        cmocka_unit_test(what_is_no_record_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
