/* How much log a job wrote, from the batches that told. */
#include "unit.h"

#include "logged.h"

static void batches_that_tell_are_added_up(void **state)
{
    (void)state;
    struct bf_logged logged = {0};
    double seen = 0;
    assert_true(bf_logged_total(&logged, 10) < 0);
    bf_logged_add(&logged, &seen, 1000, 1500, 10);
    bf_logged_add(&logged, &seen, 1700, 2000, 6); /* what others wrote in between is not counted */
    bf_logged_add(&logged, &seen, -1, 9000, 10);
    bf_logged_add(&logged, &seen, 9000, -1, 10);
    bf_logged_add(&logged, &seen, 9000, 8000, 10); /* nonsense */
    assert_int_equal(logged.bytes, 800);
    assert_int_equal(logged.rows, 16);
    assert_true(bf_logged_total(&logged, 16) == 800);
    assert_true(bf_logged_share(&logged, 16) == 1);
    assert_true(bf_logged_total(&logged, 64) == 3200); /* of four rows one is known: the others are like it */
    assert_true(bf_logged_share(&logged, 64) == 0.25);
    assert_true(bf_logged_share(&logged, 8) == 1); /* a fail-over took some back */
}

static void what_slices_share_counts_once(void **state)
{
    (void)state;
    struct bf_logged logged = {0};
    double seen = 0;
    bf_logged_add(&logged, &seen, 1000, 2000, 10);
    bf_logged_add(&logged, &seen, 1500, 2600, 10); /* began before the other one ended */
    bf_logged_add(&logged, &seen, 1200, 1800, 10); /* lies within */
    assert_int_equal(logged.bytes, 1600);
    assert_int_equal(logged.rows, 30);
}

static void a_job_that_changes_nothing_writes_little(void **state)
{
    (void)state;
    struct bf_logged logged = {0};
    double seen = 0;
    bf_logged_add(&logged, &seen, 1000, 1100, 0);
    assert_true(bf_logged_total(&logged, 0) == 100);
    assert_true(bf_logged_total(&logged, 5) < 0); /* and of rows that were changed elsewhere it says nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_that_tell_are_added_up),
        cmocka_unit_test(what_slices_share_counts_once),
        cmocka_unit_test(a_job_that_changes_nothing_writes_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
