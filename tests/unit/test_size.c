#include "unit.h"

#include <math.h>
#include <string.h>

#include "size.h"
#include "size_model.h"

static struct bf_size sizer(int64_t start, int64_t min, int64_t max)
{
    struct bf_size size;
    memset(&size, 0xAA, sizeof size); /* what was there before must not matter */
    bf_size_start(&size, 250, start, min, max);
    return size;
}

/* A batch of the wanted size at so many microseconds a row, every row changed. */
static int64_t dense_batch(struct bf_size *size, double row_time)
{
    return bf_size_batch(size, size->rows, size->rows, (int64_t)(row_time * (double)size->rows));
}

static void starts_with_what_the_job_says(void **state)
{
    (void)state;
    struct bf_size size = sizer(500, 10, 50000);
    assert_int_equal(size.rows, 500);
    assert_int_equal(size.target_time, 250000);
    assert_int_equal(size.history, 0);
    assert_int_equal(sizer(5, 10, 50000).rows, 10);
    assert_int_equal(sizer(90000, 10, 50000).rows, 50000);
    assert_int_equal(sizer(0, 0, 50000).rows, 1);
}

static void grows_by_half_at_most(void **state)
{
    (void)state;
    struct bf_size size = sizer(500, 10, 50000);
    int64_t before = size.rows;
    for (int i = 0; i < 20; i++) {
        int64_t rows = dense_batch(&size, 0.001);
        assert_true(rows * 2 <= before * 3);
        before = rows;
    }
    assert_int_equal(size.rows, 50000);
    /* From one row half as much again would be one row for ever. */
    size = sizer(1, 1, 100);
    assert_int_equal(dense_batch(&size, 1), 2);
    assert_int_equal(dense_batch(&size, 1), 3);
}

static void fits_the_target_by_the_ninth_of_ten(void **state)
{
    (void)state;
    struct bf_size size = sizer(1000, 10, 50000);
    for (int i = 0; i < 40; i++)
        dense_batch(&size, 100);
    assert_int_equal(size.rows, 2500);
    /* One slow batch in ten (under 5 x the target) changes nothing, two do, at once and whole. */
    dense_batch(&size, 400);
    assert_int_equal(size.rows, 2500);
    dense_batch(&size, 400);
    assert_int_equal(size.rows, 625);
    /* As long as two of the last ten were slow it stays; then it grows again. */
    for (int i = 0; i < 8; i++) {
        dense_batch(&size, 100);
        assert_int_equal(size.rows, 625);
    }
    dense_batch(&size, 100);
    assert_int_equal(size.rows, 937);
}

static void shrinks_at_once_as_far_as_needed(void **state)
{
    (void)state;
    struct bf_size size = sizer(10000, 10, 50000);
    assert_int_equal(dense_batch(&size, 100), 2500);
}

static void far_over_the_target_is_a_tenth_at_once(void **state)
{
    (void)state;
    struct bf_size size = sizer(2500, 10, 50000);
    for (int i = 0; i < 10; i++)
        dense_batch(&size, 100);
    assert_int_equal(size.rows, 2500);
    struct bf_size five = size;
    assert_int_equal(bf_size_batch(&five, 2500, 2500, 1250000), 2500); /* 5 x is not over 5 x */
    assert_int_equal(bf_size_batch(&size, 2500, 2500, 1250001), 250);
    /* of the rows that batch scanned, where it was cut short */
    size = sizer(2500, 10, 50000);
    assert_true(bf_size_batch(&size, 800, 800, 1300000) <= 80);
    size = sizer(50, 10, 50000);
    assert_int_equal(bf_size_batch(&size, 50, 50, INT64_MAX), 10);
}

static void a_conflict_halves_and_holds_for_ten_batches(void **state)
{
    (void)state;
    struct bf_size size = sizer(2500, 10, 50000);
    for (int i = 0; i < 12; i++)
        dense_batch(&size, 10);
    int64_t before = size.rows;
    assert_int_equal(bf_size_conflict(&size), before / 2);
    for (int i = 0; i < 10; i++)
        assert_int_equal(dense_batch(&size, 10), before / 2);
    assert_true(dense_batch(&size, 10) > before / 2);
    /* Shrinking is not held. */
    bf_size_conflict(&size);
    dense_batch(&size, 100);
    assert_true(dense_batch(&size, 100) <= 2500);
    for (int i = 0; i < 64; i++)
        assert_true(bf_size_conflict(&size) >= 10);
    assert_int_equal(size.rows, 10);
}

static void never_leaves_its_bounds(void **state)
{
    (void)state;
    uint64_t seed = 7;
    struct bf_size size = sizer(500, 25, 4000);
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 100000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t dice = seed >> 33;
        int64_t scanned = (int64_t)(dice % 5) == 0 ? (int64_t)(dice % 1000) : size.rows;
        uint64_t longest = i / 1000 % 2 ? 400000 : 20000; /* microseconds: hard times and easy ones */
        int64_t rows = dice % 97 == 0 ? bf_size_conflict(&size)
                                      : bf_size_batch(&size, scanned, (int64_t)(dice % 3) * scanned / 200,
                                                      (int64_t)(dice % longest));
        assert_in_range(rows, 25, 4000 * BF_SIZE_SPARSE);
        least = rows < least ? rows : least;
        most = rows > most ? rows : most;
    }
    assert_int_equal(least, 25); /* both bounds were put to the test */
    assert_true(most > 4000);
}

static void a_sparse_where_scans_as_far_as_density_allows(void **state)
{
    (void)state;
    struct bf_size size = sizer(500, 10, 1000);
    for (int i = 0; i < 30; i++)
        bf_size_batch(&size, size.rows, 0, 10);
    assert_int_equal(size.rows, 10000); /* ten times max, and not more */
    for (int i = 0; i < 10; i++)
        bf_size_batch(&size, size.rows, size.rows / 14, 10); /* one in 14 would allow 14 times max */
    assert_int_equal(size.rows, 10000);
    /* A denser stretch counts at once: a quarter matched, so that 4,000 scanned are 1,000 changed ... */
    assert_int_equal(bf_size_batch(&size, size.rows, size.rows / 4, 10), 4000);
    /* ... for as long as it is one of the last ten. */
    for (int i = 0; i < 9; i++)
        assert_int_equal(bf_size_batch(&size, size.rows, 0, 10), 4000);
    assert_int_equal(bf_size_batch(&size, size.rows, 0, 10), 6000);
    assert_int_equal(bf_size_batch(&size, 6000, 6000, 10), 1000);
}

static void odd_numbers_do_no_harm(void **state)
{
    (void)state;
    struct bf_size size = sizer(500, 10, 50000);
    assert_int_equal(bf_size_batch(&size, 0, 0, 1000), 500); /* an empty range teaches nothing */
    assert_int_equal(size.history, 0);
    assert_int_equal(bf_size_batch(&size, 500, 500, 0), 750); /* the clock did not move */
    assert_int_equal(bf_size_batch(&size, 750, 750, -5), 1125);
    assert_int_equal(bf_size_batch(&size, 1125, 5000, 0), 1687); /* more changed than scanned */
    assert_int_equal(bf_size_batch(&size, -3, 0, 0), 1687);
    assert_true(bf_size_batch(&size, INT64_MAX, INT64_MAX, INT64_MAX) >= 10);
}

/* The scar: load of which nothing is left must leave nothing in the sizer. */
static void comes_back_from_the_floor(void **state)
{
    (void)state;
    struct bf_size size = sizer(500, 10, 50000);
    for (int i = 0; i < 50; i++)
        dense_batch(&size, 20);
    assert_int_equal(size.rows, 12500);
    for (int i = 0; i < 100; i++)
        dense_batch(&size, 1e6);
    assert_int_equal(size.rows, 10);
    int batches = 0;
    while (size.rows < 10000 && batches < 1000) {
        dense_batch(&size, 20);
        batches++;
    }
    assert_in_range(batches, 20, 40);
}

static void sleep_is_a_multiple_of_the_batch(void **state)
{
    (void)state;
    assert_int_equal(bf_sleep(0.5, 200000, 100), 100000);
    assert_int_equal(bf_sleep(0, 200000, 100), 0);
    assert_int_equal(bf_sleep(100, 1000, 1), 100000);
    assert_int_equal(bf_sleep(0.5, 200000, 0), 0); /* nothing changed, nothing to rest from */
    assert_int_equal(bf_sleep(0.5, 0, 10), 0);
    assert_int_equal(bf_sleep(0.5, -5, 10), 0);
    assert_int_equal(bf_sleep(-1, 1000, 10), 0);
    assert_int_equal(bf_sleep((double)NAN, 1000, 10), 0);
    assert_int_equal(bf_sleep(100, INT64_MAX, 10), INT64_C(86400000000));
}

static void tries_wait_longer_and_longer(void **state)
{
    (void)state;
    static const int64_t full[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};
    for (int i = 0; i < 9; i++) {
        assert_int_equal(bf_retry_delay(i + 1, 0), full[i] / 2);
        assert_in_range(bf_retry_delay(i + 1, 0.999999), full[i] * 99 / 100, full[i]);
    }
    assert_int_equal(bf_retry_delay(INT32_MAX, 0), 5000);
    assert_int_equal(bf_retry_delay(0, 0), 50);
    assert_int_equal(bf_retry_delay(INT32_MIN, 0), 50);
}

/* ---- the models of tests/bench/size_model.c, each with many seeds ---- */

enum { SEEDS = 200, SETTLED = 20 /* batches in a row */ };

static void run(const char *name, uint64_t seed, struct size_run *ret)
{
    const struct size_scenario *scenario = size_scenario_by_name(name);
    if (!scenario)
        fail_msg("no scenario %s", name);
    size_model_run(scenario, seed, ret);
}

/* Within 25 % of the target after at most `batches`; from batch `calm` on for good, in a narrow band of rows, without
 * swinging (noise alone may turn it by 10 % now and then; an oscillation would do it every few batches). */
static void assert_settles(const char *name, int batches, int calm)
{
    struct size_run of;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        run(name, seed, &of);
        int settled = size_model_settled(&of, 0, SETTLED);
        if (settled < 0 || settled > batches)
            fail_msg("%s, seed %d: settled after %d batches, at most %d are wanted", name, (int)seed, settled, batches);
        struct size_view view = size_model_view(&of, calm, SIZE_MODEL_BATCHES);
        if (view.outside > 0 || view.turns > SIZE_MODEL_BATCHES / 25 || view.most_rows > view.least_rows * 13 / 10)
            fail_msg("%s, seed %d: %d batches outside, %d turns, rows %d to %d", name, (int)seed, view.outside,
                     view.turns, (int)view.least_rows, (int)view.most_rows);
    }
}

static void settles_on_a_steady_server(void **state)
{
    (void)state;
    assert_settles("steady", 12, 20);
    assert_settles("wide rows", 12, 20);
    assert_settles("sparse where", 20, 30);
    assert_settles("slow round trips", 40, 60);
}

static void very_cheap_rows_go_to_the_ceiling(void **state)
{
    (void)state;
    struct size_run of;
    run("very cheap rows", 1, &of);
    struct size_view view = size_model_view(&of, 15, SIZE_MODEL_BATCHES);
    assert_int_equal(view.least_rows, 50000);
    assert_int_equal(view.most_rows, 50000);
}

static void assert_follows(const char *name, int down, int up)
{
    struct size_run of;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        run(name, seed, &of);
        int dearer = size_model_settled(&of, 100, SETTLED);
        int cheaper = size_model_settled(&of, 200, SETTLED);
        if (dearer < 100 || dearer > 100 + down || cheaper < 200 || cheaper > 200 + up)
            fail_msg("%s, seed %d: settled again in batch %d and %d", name, (int)seed, dearer, cheaper);
        struct size_view view = size_model_view(&of, cheaper, SIZE_MODEL_BATCHES);
        assert_int_equal(view.outside, 0);
    }
}

static void follows_a_step_in_the_cost_of_rows(void **state)
{
    (void)state;
    assert_follows("rows 3 x dearer, then not", 2, 20);
    assert_follows("rows 10 x dearer, then not", 2, 20);
}

static void a_dense_stretch_never_changes_more_than_once_too_many(void **state)
{
    (void)state;
    struct size_run of;
    run("sparse, then dense", 1, &of);
    assert_true(of.rows[199] > of.max);
    /* The batch that meets the dense rows could not know (the engine caps it); the next one does. */
    for (int i = 201; i < SIZE_MODEL_BATCHES; i++)
        assert_int_equal(of.rows[i], of.max);
}

/* An outlier of 20 x is over 5 x and costs its tenth; what matters is that it is a dent and no slide. */
static void outliers_leave_dents_only(void **state)
{
    (void)state;
    struct size_run of;
    int64_t rows = 0, steady = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        run("5 % outliers of 20 x", seed, &of);
        struct size_view view = size_model_view(&of, 40, SIZE_MODEL_BATCHES);
        if (view.least_rows < of.min * 5)
            fail_msg("seed %d: down to %d rows", (int)seed, (int)view.least_rows);
        rows += view.median_rows;
        /* Wherever ten batches passed without one, the twenty after them are back on the target, but for more of them. */
        int calm = 0;
        for (int i = 20; i < SIZE_MODEL_BATCHES; i++) {
            calm = of.outlier[i] ? 0 : calm + 1;
            if (calm > 20 && (of.time[i] < of.target * 3 / 4 || of.time[i] > of.target * 5 / 4))
                fail_msg("seed %d: batch %d took %d us", (int)seed, i, (int)of.time[i]);
        }
        run("steady", seed, &of);
        steady += size_model_view(&of, 40, SIZE_MODEL_BATCHES).median_rows;
    }
    assert_true(rows > steady / 2);
}

static void conflicts_leave_dents_only(void **state)
{
    (void)state;
    struct size_run of;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        run("lock conflicts, 2 %", seed, &of);
        int calm = 0;
        for (int i = 20; i < SIZE_MODEL_BATCHES; i++) {
            calm = of.conflict[i] ? 0 : calm + 1;
            if (calm > 25 && (of.time[i] < of.target * 3 / 4 || of.time[i] > of.target * 5 / 4))
                fail_msg("seed %d: batch %d took %d us, %d after the last conflict", (int)seed, i, (int)of.time[i], calm);
        }
    }
}

/* Rows get dearer by the load that the batches themselves make: it has to find the place where both agree. */
static void load_of_its_own_making_is_no_slide(void **state)
{
    (void)state;
    assert_settles("load of its own making", 25, 40);
    struct size_run of;
    run("load of its own making", 1, &of);
    assert_in_range(size_model_view(&of, 50, SIZE_MODEL_BATCHES).least_rows, 2000, 2600);
}

static void other_bounds_keep_what_was_learnt(void **state)
{
    (void)state;
    struct bf_size size = sizer(1000, 10, 50000);
    for (int i = 0; i < 40; i++)
        dense_batch(&size, 100);
    assert_int_equal(size.rows, 2500);
    /* A smaller aim counts at once, a larger one step by step. */
    assert_int_equal(bf_size_change(&size, 25, 1000, 10, 50000), 250);
    assert_int_equal(bf_size_change(&size, 500, 1000, 10, 50000), 250);
    assert_int_equal(dense_batch(&size, 100), 375);
    for (int i = 0; i < 20; i++)
        dense_batch(&size, 100);
    assert_int_equal(size.rows, 5000);
    /* The bounds count at once. */
    assert_int_equal(bf_size_change(&size, 500, 1000, 10, 700), 700);
    assert_int_equal(bf_size_change(&size, 1, 1000, 60, 700), 60);
    assert_int_equal(bf_size_change(&size, 500, 4000, 4000, 9000), 4000);
    /* Before the first batch the start is all there is to say; what a checkpoint said is something learnt. */
    size = sizer(500, 10, 50000);
    assert_int_equal(bf_size_change(&size, 250, 80, 10, 50000), 80);
    size.rows = 900;
    assert_int_equal(bf_size_change(&size, 250, 70, 10, 50000), 900);
    /* Rows that match seldom may still be scanned by the thousand. */
    size = sizer(100, 10, 100);
    for (int i = 0; i < 30; i++)
        bf_size_batch(&size, size.rows, 0, 100);
    assert_int_equal(size.rows, 1000);
    assert_int_equal(bf_size_change(&size, 250, 100, 10, 50), 500);
}

static void who_is_waited_for_becomes_short(void **state)
{
    (void)state;
    struct bf_size size = sizer(1000, 10, 50000);
    for (int i = 0; i < 20; i++)
        dense_batch(&size, 100);
    assert_int_equal(size.rows, 2500);
    bf_size_looked(&size, false);
    assert_int_equal(size.aim, 250000);
    bf_size_looked(&size, true);
    assert_int_equal(size.aim, 125000);
    dense_batch(&size, 100);
    assert_int_equal(size.rows, 1250);
    for (int i = 0; i < 80; i++)
        bf_size_looked(&size, false);
    assert_true(size.aim < 250000);
    for (int i = 0; i < 20; i++)
        bf_size_looked(&size, false);
    assert_int_equal(size.aim, 250000);
    for (int i = 0; i < 20; i++)
        bf_size_looked(&size, true);
    assert_int_equal(size.aim, 10000);
    /* One look in a hundred changes nothing for good, one in ten does. */
    for (int i = 0; i < 10000; i++)
        bf_size_looked(&size, i % 200 == 0);
    assert_true(size.aim > 100000);
    for (int i = 0; i < 10000; i++)
        bf_size_looked(&size, i % 10 == 0);
    assert_true(size.aim < 25000);
    /* Of a batch that is nearly all commit a smaller one is no shorter. */
    struct bf_size slow_commit = sizer(500, 10, 50000);
    for (int i = 0; i < 200; i++) {
        bf_size_batch(&slow_commit, slow_commit.rows, slow_commit.rows, 15000 + 5 * slow_commit.rows);
        bf_size_looked(&slow_commit, true);
    }
    assert_true(slow_commit.rows > 2000 && slow_commit.rows < 4000);
    assert_true(slow_commit.aim >= 30000 && slow_commit.aim < 31000);
    /* Another target: what was learnt stays, and less than the least is asked for where the document does. */
    bf_size_change(&size, 5, 1000, 10, 50000);
    assert_int_equal(size.aim, 5000);
    bf_size_looked(&size, true);
    assert_int_equal(size.aim, 5000);
    bf_size_change(&size, 1000, 1000, 10, 50000);
    assert_int_equal(size.aim, 1000000);
    bf_size_looked(&size, true);
    bf_size_change(&size, 2000, 1000, 10, 50000);
    assert_int_equal(size.aim, 500000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_with_what_the_job_says),
        cmocka_unit_test(grows_by_half_at_most),
        cmocka_unit_test(fits_the_target_by_the_ninth_of_ten),
        cmocka_unit_test(shrinks_at_once_as_far_as_needed),
        cmocka_unit_test(far_over_the_target_is_a_tenth_at_once),
        cmocka_unit_test(a_conflict_halves_and_holds_for_ten_batches),
        cmocka_unit_test(never_leaves_its_bounds),
        cmocka_unit_test(a_sparse_where_scans_as_far_as_density_allows),
        cmocka_unit_test(odd_numbers_do_no_harm),
        cmocka_unit_test(comes_back_from_the_floor),
        cmocka_unit_test(sleep_is_a_multiple_of_the_batch),
        cmocka_unit_test(tries_wait_longer_and_longer),
        cmocka_unit_test(settles_on_a_steady_server),
        cmocka_unit_test(very_cheap_rows_go_to_the_ceiling),
        cmocka_unit_test(follows_a_step_in_the_cost_of_rows),
        cmocka_unit_test(a_dense_stretch_never_changes_more_than_once_too_many),
        cmocka_unit_test(outliers_leave_dents_only),
        cmocka_unit_test(conflicts_leave_dents_only),
        cmocka_unit_test(load_of_its_own_making_is_no_slide),
        cmocka_unit_test(other_bounds_keep_what_was_learnt),
        cmocka_unit_test(who_is_waited_for_becomes_short),
    };
    return cmocka_run_group_tests_name("size", tests, NULL, NULL);
}
