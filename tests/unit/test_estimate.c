/* Estimates: how long a job takes, and what it leaves behind. */
#include "unit.h"

#include <math.h>

#include "plan_case.h"

/* Of a job that is so long that how its batches grow does not count. */
static double middle(const struct bf_estimate *estimate)
{
    return sqrt(estimate->low * estimate->high);
}

static void test_estimate(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    harmless.document.remaining = NULL;
    bf_facts_set(&harmless.facts, BF_FACT_ROWS, 2e8, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING, 1e8, NULL);
    struct bf_estimate estimate = bf_estimate(&harmless.document, &harmless.facts, &costs);
    /* 10 us a row and 5 ms a batch, both a quarter more for the journal; a batch of 250 ms has 19,500 rows; nice is 0.5 */
    double expected = 1 / (1.25 * (1e-5 + 0.005 / 19500)) / 1.5;
    assert_true(estimate.known);
    assert_near(estimate.rate, expected, expected / 1000);
    assert_near(middle(&estimate), 2e8 / expected, 2e8 / expected / 1000);
    assert_near(estimate.high / estimate.low, BF_ESTIMATE_SPREAD, 1e-9);
    assert_near(estimate.changed, 1e8, 1e-3);
    assert_near(estimate.log_bytes, 200 * 2e8 * 1.1, 1);
    assert_true(estimate.journal_bytes > 0);
    bf_facts_set(&harmless.facts, BF_FACT_JOURNAL_ROW, 90, NULL);
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).journal_bytes, 90 * 1e8, 1e-3);
    harmless.document.undo = BF_UNDO_NONE;
    /* where the batches tell both apart: 2 us a row and 15 ms a batch, of which the half have to be changed: 100,000 rows */
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_ROW_TIME, 2, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_BATCH_TIME, 0.015, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_ROW_LOG, 3e8, NULL);
    estimate = bf_estimate(&harmless.document, &harmless.facts, &costs);
    expected = 1 / (2e-6 + 0.02 / 100000) / 1.5;
    assert_near(estimate.rate, expected, expected / 1000);
    assert_near(estimate.log_bytes, 300 * 2e8, 1);
    bf_facts_set(&harmless.facts, BF_FACT_RANGE_ROWS, 2e7, NULL); /* a tenth of the table, in which the tenth matches */
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING, 1e7, NULL);
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).log_bytes, estimate.log_bytes / 10, 1);
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).changed, 1e7, 1e-3);
    bf_facts_unknown(&harmless.facts, BF_FACT_RANGE_ROWS, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING, 1e8, NULL);
    /* and where they do not, as in a plan of a former release: what all of them took */
    bf_facts_unknown(&harmless.facts, BF_FACT_TRIAL_ROW_TIME, NULL);
    bf_facts_unknown(&harmless.facts, BF_FACT_TRIAL_BATCH_TIME, NULL);
    bf_facts_unknown(&harmless.facts, BF_FACT_TRIAL_ROW_LOG, NULL);
    expected = 1 / (1e-5 + 0.005 / 24500) / 1.5;
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).rate, expected, expected / 1000);
    bf_facts_clear(&harmless.facts);
}

/* What the server's statistics say of the table may be old; who has counted knows better. */
static void test_more_rows_may_be_counted_than_the_server_knows_of(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    double rate = bf_estimate(&harmless.document, &harmless.facts, &costs).rate;
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING_EXACT, 4e6, NULL);
    struct bf_estimate estimate = bf_estimate(&harmless.document, &harmless.facts, &costs);
    assert_near(estimate.changed, 4e6, 1e-3);
    assert_true(middle(&estimate) > 3.9e6 / rate);
    bf_facts_clear(&harmless.facts);
}

/* A server that asks nobody how many rows match says that all do; the trial has seen some of them. */
static void test_a_server_that_says_all_is_not_believed(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING, 2e6, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_CHANGED, 30, NULL); /* of 3,000 */
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).changed, 2e4, 1e-3);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_CHANGED, 0, NULL); /* which says nothing of those behind them */
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).changed, 2e6, 1e-3);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_CHANGED, 30, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING_EXACT, 2e6, NULL); /* and who has counted knows */
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).changed, 2e6, 1e-3);
    bf_facts_clear(&harmless.facts);
}

/* Nor one that says how few, without an index or a histogram that would tell. */
static void test_a_guess_of_the_server_gives_way_to_what_was_seen(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING, 2e4, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_CHANGED, 3000, NULL); /* of 3,000 */
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).changed, 2e4, 1e-3);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING_GUESSED, 1, NULL);
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).changed, 2e6, 1e-3);
    bf_facts_set(&harmless.facts, BF_FACT_NEWEST, 5, "of 50");
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).changed, 0.55 * 2e6, 1e-3);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_CHANGED, 0, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_NEWEST, 0, "of 50"); /* which says nothing of those between them */
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).changed, 2e4, 1e-3);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_CHANGED, 1500, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_RANGE_ROWS, 1e6, NULL); /* in which the newest ones may not be */
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).changed, 5e5, 1e-3);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING_EXACT, 7, NULL);
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).changed, 7, 1e-3);
    bf_facts_clear(&harmless.facts);
}

/* Where rows leave room for each other the later ones are cheaper than any that was tried. */
static void test_updates_that_may_be_hot_are_cheaper_behind_the_first(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    harmless.document.undo = BF_UNDO_NONE;
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_WARM_TIME, 5, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_WARM_LOG, 1e8, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_TABLE_BYTES, 2e7, NULL); /* touched by a tenth of the rows */
    double indexed = bf_estimate(&harmless.document, &harmless.facts, &costs).log_bytes;
    assert_near(indexed, 2e6 * (100 + 0.1 * 100), 1);
    bf_facts_set(&harmless.facts, BF_FACT_HOT, 1, NULL);
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).log_bytes, 2e6 * (40 + 0.1 * 160), 1);
    bf_facts_set(&harmless.facts, BF_FACT_TABLE_BYTES, 2e8, NULL); /* in the order of the table there is no room yet */
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).log_bytes, 2e6 * 200, 1);
    bf_facts_clear(&harmless.facts);
}

static void test_log_takes_longer_than_in_a_trial(void **state)
{
    (void)state;
    struct harmless harmless;
    struct bf_costs slower = costs;
    begin(&harmless);
    harmless.document.undo = BF_UNDO_NONE;
    harmless.document.remaining = NULL;
    harmless.document.pace.nice = 0;
    slower.log_rate = 1e8; /* 400 MB of log */
    struct bf_estimate once = bf_estimate(&harmless.document, &harmless.facts, &costs);
    struct bf_estimate slow = bf_estimate(&harmless.document, &harmless.facts, &slower);
    assert_true(middle(&slow) > middle(&once) + 3.9 && middle(&slow) < middle(&once) + 4.5);
    bf_facts_clear(&harmless.facts);
}

static void test_slices_are_worth_less_than_they_are_many(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    double one = bf_estimate(&harmless.document, &harmless.facts, &costs).rate;
    harmless.document.pace.slices = 4;
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).rate, 2 * one, one / 1000);
    harmless.document.pace.max_rows_per_second = 1000; /* of all of them */
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).rate, 2000, 1e-9);
    bf_facts_clear(&harmless.facts);
}

/* Of rows that are changed, and of log; both are the job's, however few of the rows that are looked at match. */
static void test_an_estimate_keeps_the_caps(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    harmless.document.undo = BF_UNDO_NONE;
    harmless.document.pace.max_rows_per_second = 1000;
    struct bf_estimate estimate = bf_estimate(&harmless.document, &harmless.facts, &costs);
    assert_near(estimate.rate, 2000, 1e-9);
    assert_near(estimate.journal_bytes, 0, 0);
    harmless.document.pace.max_log_bytes_per_second = 20000;
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).rate, 100, 1e-9);
    bf_facts_clear(&harmless.facts);
}

/* A short job is over before its batches are as large as they would be, so it is slower than a long one. */
static void test_a_short_job_is_estimated_with_the_batches_that_it_has(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    harmless.document.remaining = NULL;
    harmless.document.undo = BF_UNDO_NONE;
    bf_facts_set(&harmless.facts, BF_FACT_ROWS, 2000, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING, 2000, NULL);
    /* 500, 750 and 750 rows of 10 us, each with 5 ms of its own, and half of it again for nice */
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).rate, 2000 / ((3 * 0.005 + 0.02) * 1.5), 1e-6);
    harmless.document.remaining = "n IS NULL";
    struct bf_estimate twice = bf_estimate(&harmless.document, &harmless.facts, &costs);
    harmless.document.remaining = NULL;
    struct bf_estimate once = bf_estimate(&harmless.document, &harmless.facts, &costs);
    assert_near(middle(&twice) - middle(&once), 2000 * 1e-5 / 8, 1e-6); /* the last pass only reads */
    bf_facts_clear(&harmless.facts);
}

/* A page is touched first but once, however many rows come to it: what that costs ends when all have been seen. */
static void test_rows_from_everywhere_have_soon_touched_all_pages(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    harmless.document.remaining = NULL;
    harmless.document.undo = BF_UNDO_NONE;
    struct bf_estimate before = bf_estimate(&harmless.document, &harmless.facts, &costs);
    /* 200 bytes of log for a row, 100 of them for its page: two million rows touch 200 MB, as much as the table has */
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_WARM_TIME, 4, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_WARM_LOG, 1e8, NULL);
    struct bf_estimate in_order = bf_estimate(&harmless.document, &harmless.facts, &costs);
    assert_near(in_order.log_bytes, before.log_bytes, 1);
    assert_near(in_order.low, before.low, 1e-9);
    /* a tenth of the pages: after a tenth of the rows they have all been touched */
    bf_facts_set(&harmless.facts, BF_FACT_TABLE_BYTES, 1.5e7, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_INDEX_BYTES, 5e6, NULL);
    struct bf_estimate scattered = bf_estimate(&harmless.document, &harmless.facts, &costs);
    assert_near(scattered.log_bytes, 2e6 * 100 + 2e7, 1);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_ROW_TIME, 4.6, NULL);
    bf_facts_unknown(&harmless.facts, BF_FACT_TRIAL_WARM_TIME, NULL);
    bf_facts_unknown(&harmless.facts, BF_FACT_TRIAL_WARM_LOG, NULL);
    assert_near(scattered.low, bf_estimate(&harmless.document, &harmless.facts, &costs).low, 1e-9);
    bf_facts_clear(&harmless.facts);
}

/* A table whose first part is done already: its rows were tried, and none of them was to be changed. */
static void test_where_the_trial_changed_nothing_a_change_is_not_free(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    harmless.document.remaining = NULL;
    harmless.document.undo = BF_UNDO_NONE;
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_CHANGED, 0, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_ROW_TIME, 1, NULL); /* to read one; half of them match */
    struct bf_estimate guessed = bf_estimate(&harmless.document, &harmless.facts, &costs);
    assert_true(bf_estimate_is_by_reading(&harmless.facts, &guessed));
    assert_near(guessed.log_bytes, -1, 0);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_CHANGED, 1500, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_ROW_TIME, 5, NULL);
    struct bf_estimate tried = bf_estimate(&harmless.document, &harmless.facts, &costs);
    assert_false(bf_estimate_is_by_reading(&harmless.facts, &tried));
    assert_near(guessed.low, tried.low, 1e-9);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_CHANGED, 0, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING, 0, NULL); /* and where nothing is to be changed that is no guess */
    struct bf_estimate nothing = bf_estimate(&harmless.document, &harmless.facts, &costs);
    assert_false(bf_estimate_is_by_reading(&harmless.facts, &nothing));
    bf_facts_clear(&harmless.facts);
}

/* The binary log holds rows, whose length is known; what a trial left in another log says nothing of it. */
static void test_a_binary_log_is_estimated_by_the_length_of_rows(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    bf_facts_set(&harmless.facts, BF_FACT_BINLOG_ROW, 210, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_JOURNAL_ROW, 90, NULL);
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).log_bytes, 300 * 1e6, 1e-3);
    harmless.document.undo = BF_UNDO_NONE;
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).log_bytes, 210 * 1e6, 1e-3);
    bf_facts_set(&harmless.facts, BF_FACT_BINLOG_ROW, 0, "log_bin = OFF");
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).log_bytes, 0, 0);
    bf_facts_unknown(&harmless.facts, BF_FACT_BINLOG_ROW, "how long a row is, is not known");
    assert_near(bf_estimate(&harmless.document, &harmless.facts, &costs).log_bytes, -1, 0);
    bf_facts_clear(&harmless.facts);
}

static void test_windows_are_a_share_of_the_week(void **state)
{
    (void)state;
    const struct bf_window windows[] = {{.days = 1, .from = 22 * 60, .to = 6 * 60}, {.days = 2, .from = 5 * 60, .to = 7 * 60}};
    assert_near(bf_windows_share(windows, 0), 1, 0);
    assert_near(bf_windows_share(windows, 1), 8.0 / 168, 1e-9);
    assert_near(bf_windows_share(windows, 2), 9.0 / 168, 1e-9); /* they share an hour */
    assert_near(bf_windows_share(&(struct bf_window){.days = BF_EVERY_DAY, .to = 1440}, 1), 1, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_estimate),
        cmocka_unit_test(test_more_rows_may_be_counted_than_the_server_knows_of),
        cmocka_unit_test(test_a_server_that_says_all_is_not_believed),
        cmocka_unit_test(test_a_guess_of_the_server_gives_way_to_what_was_seen),
        cmocka_unit_test(test_updates_that_may_be_hot_are_cheaper_behind_the_first),
        cmocka_unit_test(test_log_takes_longer_than_in_a_trial),
        cmocka_unit_test(test_slices_are_worth_less_than_they_are_many),
        cmocka_unit_test(test_an_estimate_keeps_the_caps),
        cmocka_unit_test(test_a_short_job_is_estimated_with_the_batches_that_it_has),
        cmocka_unit_test(test_rows_from_everywhere_have_soon_touched_all_pages),
        cmocka_unit_test(test_where_the_trial_changed_nothing_a_change_is_not_free),
        cmocka_unit_test(test_a_binary_log_is_estimated_by_the_length_of_rows),
        cmocka_unit_test(test_windows_are_a_share_of_the_week),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
