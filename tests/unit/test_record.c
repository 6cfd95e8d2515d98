#include "unit.h"

#include <math.h>
#include <string.h>

#include "allocate.h"
#include "record.h"

static struct bf_progress progress(int64_t scanned, int64_t estimated, bool done)
{
    return (struct bf_progress){.rows_scanned = scanned, .rows_estimated = estimated, .done = done};
}

static double fraction(int64_t scanned, int64_t estimated, bool done, enum bf_state state)
{
    struct bf_progress of = progress(scanned, estimated, done);
    return bf_progress_fraction(&of, state);
}

static int64_t eta(int64_t scanned, int64_t estimated, bool done, enum bf_state state, double rate)
{
    struct bf_progress of = progress(scanned, estimated, done);
    return bf_progress_eta(&of, state, rate);
}

#define assert_fraction(value, wanted) assert_true(fabs((value) - (wanted)) < 1e-12)

static void fraction_is_the_scanned_share(void **state)
{
    (void)state;
    assert_fraction(fraction(0, 1000, false, BF_STATE_RUNNING), 0);
    assert_fraction(fraction(250, 1000, false, BF_STATE_RUNNING), 0.25);
    assert_fraction(fraction(250, 1000, false, BF_STATE_PAUSED), 0.25);
    assert_fraction(fraction(998, 1000, false, BF_STATE_RUNNING), 0.998);
    assert_fraction(fraction(INT64_MAX / 4, INT64_MAX / 2, false, BF_STATE_RUNNING), 0.5);
}

/* 205 % and 348 % were shown elsewhere; here nothing but the end is the end. */
static void fraction_is_one_only_when_completed(void **state)
{
    (void)state;
    for (int i = 0; i < BF_STATE_COUNT; i++) {
        enum bf_state of = (enum bf_state)i;
        double end = of == BF_STATE_COMPLETED ? 1 : 0.999;
        assert_fraction(fraction(1000, 1000, false, of), end);
        assert_fraction(fraction(3480, 1000, false, of), end);
        assert_fraction(fraction(5, 0, false, of), end);
        assert_fraction(fraction(0, 0, true, of), end);
        assert_fraction(fraction(10, 1000, true, of), end);
        assert_fraction(fraction(10, -1, true, of), end);
    }
    assert_fraction(fraction(0, -1, false, BF_STATE_COMPLETED), 1);
}

static void fraction_is_unknown_without_an_estimate(void **state)
{
    (void)state;
    assert_fraction(fraction(0, -1, false, BF_STATE_RUNNING), -1);
    assert_fraction(fraction(5000, -1, false, BF_STATE_PAUSED), -1);
    assert_fraction(fraction(0, 0, false, BF_STATE_RUNNING), 0);
}

static void eta_is_what_is_left_by_the_rate(void **state)
{
    (void)state;
    assert_in_range(eta(0, 1000, false, BF_STATE_RUNNING, 10), 100, 101);
    assert_in_range(eta(400, 1000, false, BF_STATE_RUNNING, 100), 6, 7);
    assert_in_range(eta(999, 1000, false, BF_STATE_RUNNING, 1e9), 0, 1);
    assert_in_range(eta(0, 1000, false, BF_STATE_ROLLING_BACK, 10), 100, 101);
    assert_int_equal(eta(10, 1000, true, BF_STATE_RUNNING, 0), 0);
    assert_int_equal(eta(10, 1000, true, BF_STATE_VERIFYING, 0), 0);
    assert_int_equal(eta(10, 1000, true, BF_STATE_COMPLETED, 0), 0);
}

static void eta_is_unknown_while_nothing_moves(void **state)
{
    (void)state;
    for (int i = 0; i < BF_STATE_COUNT; i++) {
        enum bf_state of = (enum bf_state)i;
        if (of != BF_STATE_RUNNING && of != BF_STATE_VERIFYING && of != BF_STATE_ROLLING_BACK &&
            of != BF_STATE_COMPLETED) {
            assert_int_equal(eta(0, 1000, false, of, 10), -1);
            assert_int_equal(eta(0, 1000, true, of, 10), -1);
        }
    }
    assert_int_equal(eta(0, 1000, false, BF_STATE_RUNNING, 0), -1);
    assert_int_equal(eta(0, 1000, false, BF_STATE_RUNNING, -5), -1);
    assert_int_equal(eta(0, 1000, false, BF_STATE_RUNNING, (double)NAN), -1);
    assert_int_equal(eta(0, -1, false, BF_STATE_RUNNING, 10), -1);
    assert_int_equal(eta(1000, 1000, false, BF_STATE_RUNNING, 10), -1); /* past the estimate, not at the end */
    assert_int_equal(eta(5000, 1000, false, BF_STATE_RUNNING, 10), -1);
    assert_int_equal(eta(0, INT64_MAX, false, BF_STATE_RUNNING, 1e-300), -1); /* too far off for any number */
}

static void the_way_back_has_a_share_of_its_own(void **state)
{
    (void)state;
    struct bf_record record = {.state = BF_STATE_ROLLING_BACK, .direction = BF_DIRECTION_BACK,
                               .progress = {.rows_scanned = 500, .rows_estimated = 500, .done = true}, .back = {.rows = 400, .seen = 100}};
    assert_true(bf_record_fraction(&record) == 0.25);
    assert_int_equal(bf_record_eta(&record, 10), 31);
    record.back.rows = -1;
    assert_true(bf_record_fraction(&record) < 0);
    assert_int_equal(bf_record_eta(&record, 10), -1);
    record.state = BF_STATE_ROLLED_BACK;
    assert_true(bf_record_fraction(&record) == 1);
    record = (struct bf_record){.state = BF_STATE_RUNNING, .progress = {.rows_scanned = 100, .rows_estimated = 400}};
    assert_true(bf_record_fraction(&record) == 0.25);
}

/* What it owns is seen by valgrind and the address sanitizer. */
static void clearing_frees_and_empties(void **state)
{
    (void)state;
    static const char json[] = "{\"name\":\"a\",\"target\":\"t\",\"table\":\"x\",\"set\":{\"b\":\"1\"},\"undo\":\"none\"}";
    struct bf_record record = {0};
    struct bf_complaints complaints = {0};
    assert_int_equal(bf_document_parse(json, strlen(json), NULL, &record.document, &complaints, NULL), BF_OK);
    record.progress.after = bf_copy_string("[\"1\"]");
    record.progress.through = bf_copy_string("[\"9\"]");
    record.progress.position = bf_copy_string("[\"5\"]");
    record.plan = bf_copy_string("{}");
    record.submitter = bf_copy_string("ann");
    record.approver = bf_copy_string("bob");
    record.state = BF_STATE_RUNNING;
    bf_record_clear(&record);
    assert_null(record.document);
    assert_null(record.plan);
    assert_null(record.progress.position);
    bf_record_clear(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fraction_is_the_scanned_share),
        cmocka_unit_test(fraction_is_one_only_when_completed),
        cmocka_unit_test(fraction_is_unknown_without_an_estimate),
        cmocka_unit_test(eta_is_what_is_left_by_the_rate),
        cmocka_unit_test(eta_is_unknown_while_nothing_moves),
        cmocka_unit_test(the_way_back_has_a_share_of_its_own),
        cmocka_unit_test(clearing_frees_and_empties),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
