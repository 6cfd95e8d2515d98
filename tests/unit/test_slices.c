/* What is kept of a job's slices, and how many of them run under pressure. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "control.h"
#include "crew.h"
#include "slices.h"

static void what_is_kept_comes_back(void **state)
{
    (void)state;
    struct bf_slice first = {.through = (char[]){"[\"a\\\"\",\"7\"]"}, .rows_scanned = 1, .rows_changed = 2,
                             .rows_set_aside = 3, .rows_bad = 8, .batches = INT64_C(1) << 60, .epoch = 5, .done = true};
    struct bf_slice second = {.after = first.through, .position = (char[]){"[\"b\",\"8\"]"}, .epoch = 6};
    const struct bf_slice *const slices[] = {&first, &second};
    struct bf_slice got[BF_SLICES_MAX] = {0};
    BF_AUTO_STRING char *json = bf_slices_json(slices, 2);
    assert_int_equal(bf_slices_read(json, got), 2);
    assert_null(got[0].after);
    assert_null(got[0].position);
    assert_string_equal(got[0].through, first.through);
    assert_string_equal(got[1].after, first.through);
    assert_string_equal(got[1].position, second.position);
    assert_null(got[1].through);
    assert_int_equal(got[0].rows_scanned, 1);
    assert_int_equal(got[0].rows_changed, 2);
    assert_int_equal(got[0].rows_set_aside, 3);
    assert_int_equal(got[0].rows_bad, 8);
    assert_true(got[0].batches == first.batches);
    assert_int_equal(got[0].epoch, 5);
    assert_int_equal(got[1].epoch, 6);
    assert_true(got[0].done);
    assert_false(got[1].done);
    for (size_t i = 0; i < 2; i++)
        bf_slice_clear(&got[i]);
}

static void what_is_none_is_none(void **state)
{
    (void)state;
    struct bf_slice got[BF_SLICES_MAX];
    char many[4 * BF_SLICES_MAX + 16] = "[{}";
    assert_int_equal(bf_slices_read(NULL, got), 0);
    assert_int_equal(bf_slices_read("", got), 0);
    assert_int_equal(bf_slices_read("{}", got), 0);
    assert_int_equal(bf_slices_read("[{},7]", got), 2);
    assert_null(got[1].position);
    for (int i = 0; i < BF_SLICES_MAX; i++)
        strcat(many, ",{}");
    assert_int_equal(bf_slices_read(strcat(many, "]"), got), BF_SLICES_MAX);
}

static void fewer_run_from_half_of_a_limit_on(void **state)
{
    (void)state;
    static const struct {
        double pressure;
        int slices, running;
    } cases[] = {{0, 4, 4}, {0.5, 4, 4}, {0.51, 4, 3}, {0.7, 4, 2}, {0.9, 4, 1}, {1, 4, 1}, {9, 4, 1}, {0.51, 2, 1},
                 {0.51, 1, 1}, {3, 1, 1}, {0.75, 16, 8}};
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_crew crew = {0};
        assert_int_equal(bf_crew_size(&crew, cases[i].slices, cases[i].pressure, 1000), cases[i].running);
    }
}

static void they_come_back_one_at_a_time(void **state)
{
    (void)state;
    struct bf_crew crew = {0};
    assert_int_equal(bf_crew_size(&crew, 4, 0, 0), 4);
    assert_int_equal(bf_crew_size(&crew, 4, 1.2, 100), 1); /* at once */
    assert_int_equal(bf_crew_size(&crew, 4, 0, 200), 1);
    assert_int_equal(bf_crew_size(&crew, 4, 0, 2099), 1);
    assert_int_equal(bf_crew_size(&crew, 4, 0, 2100), 2);
    assert_int_equal(bf_crew_size(&crew, 4, 0, 2101), 2);
    assert_int_equal(bf_crew_size(&crew, 4, 0, 4100), 3);
    assert_int_equal(bf_crew_size(&crew, 4, 0.7, 4200), 2); /* it was too much */
    assert_int_equal(bf_crew_size(&crew, 4, 0.7, 90000), 2);
    assert_int_equal(bf_crew_size(&crew, 4, 0, 90001), 2);
    assert_int_equal(bf_crew_size(&crew, 4, 0, 92000), 3);
    assert_int_equal(bf_crew_size(&crew, 4, 0, 93999), 3);
    assert_int_equal(bf_crew_size(&crew, 4, 0, 94000), 4);
    assert_int_equal(bf_crew_size(&crew, 4, 0, 99999), 4);
    assert_int_equal(bf_crew_size(&crew, 2, 0, 99999), 2); /* the others are done */
}

static void none_comes_back_while_the_job_holds(void **state)
{
    (void)state;
    struct bf_size size = {.rows = 1000};
    struct bf_control_memory memory = {0};
    struct bf_signal signal = {.kind = BF_SIGNAL_QUERY, .name = "signal:p", .limit = 10};
    struct bf_control_input input = {.signals = &signal, .signal_count = 1, .size = &size, .slices = 3, .window_open = true,
                                     .max_rows_per_second = BF_NO_LIMIT, .max_log_bytes_per_second = BF_NO_LIMIT};
    int running[8] = {0}; /* at each second */
    for (int i = 0; i < 8; i++) {
        signal.value = i == 0 ? 11 : 1;
        signal.sampled_at = input.now = 1000 * (i + 1);
        running[i] = bf_control_decide(&input, &memory).slices;
    }
    static const int expected[8] = {1, 1, 1, 1, 2, 2, 3, 3}; /* it holds until the fourth second */
    assert_memory_equal(running, expected, sizeof running);
}

/* So many rows and bytes a second are the job's, however many write them. */
static void a_rate_is_shared(void **state)
{
    (void)state;
    for (int slices = 0; slices <= 4; slices++) {
        struct bf_size size = {.rows = 1000};
        struct bf_control_memory memory = {0};
        int64_t parts = slices ? slices : 1;
        struct bf_control_input input = {.now = 1, .size = &size, .slices = slices, .window_open = true,
                                         .batch = {.time = 1000, .scanned = 100, .changed = 120, .log_bytes = 10000},
                                         .max_rows_per_second = 1200, .max_log_bytes_per_second = BF_NO_LIMIT};
        assert_int_equal(bf_control_decide(&input, &memory).sleep, 100000 * parts - 1000);
        input.max_rows_per_second = BF_NO_LIMIT;
        input.max_log_bytes_per_second = 12000;
        struct bf_control control = bf_control_decide(&input, &memory);
        assert_int_equal(control.rows, 120 / parts);
        assert_true(control.sleep >= 10000 * INT64_C(1000000) / (12000 / parts) - 1001);
        input.max_rows_per_second = 1;
        assert_true(bf_control_decide(&input, &memory).sleep > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_comes_back),
        cmocka_unit_test(what_is_none_is_none),
        cmocka_unit_test(fewer_run_from_half_of_a_limit_on),
        cmocka_unit_test(they_come_back_one_at_a_time),
        cmocka_unit_test(none_comes_back_while_the_job_holds),
        cmocka_unit_test(a_rate_is_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
