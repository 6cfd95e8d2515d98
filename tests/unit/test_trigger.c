/* Triggers reading by reading: each test is a rule and a table of what was read when, and what has to come of it. */
#include "unit.h"

#include <math.h>

#include "trigger.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, DONE = -1 };

/* Instead of a value. */
#define FAILED INFINITY
#define NOTHING NAN

struct row {
    int64_t at; /* seconds; DONE: the end */
    double value;
    enum bf_trigger_verdict verdict;
    bool idle;
};

static enum bf_trigger_verdict feed(const struct bf_trigger_rule *rule, struct bf_trigger *trigger, int64_t now, double value,
                                    bool idle)
{
    struct bf_trigger_reading reading = {.now = now, .idle = idle};
    reading.kind = isinf(value) ? BF_READING_FAILED : isnan(value) ? BF_READING_NOTHING : BF_READING_VALUE;
    if (reading.kind == BF_READING_VALUE)
        reading.value = value;
    return bf_trigger_read(rule, &reading, trigger);
}

static void play(const struct bf_trigger_rule *rule, struct bf_trigger *trigger, const struct row *rows)
{
    for (const struct row *row = rows; row->at != DONE; row++) {
        enum bf_trigger_verdict verdict = feed(rule, trigger, row->at * SECOND, row->value, row->idle);
        if (verdict != row->verdict)
            fail_msg("second %lld: %d instead of %d", (long long)row->at, (int)verdict, (int)row->verdict);
    }
}

static void fires_when_it_was_true_for_long_enough(void **state)
{
    (void)state;
    static const struct bf_trigger_rule rule = {.factor = 0.01, .hold = 30 * SECOND};
    static const struct row rows[] = {
        {1, 0.01, BF_TRIGGER_QUIET, false},   /* at the limit is not above it */
        {5, 0.02, BF_TRIGGER_QUIET, false},
        {34, 0.02, BF_TRIGGER_QUIET, false},  /* 29 s */
        {34, 0.01, BF_TRIGGER_QUIET, false},  /* once not: it begins anew */
        {35, 0.03, BF_TRIGGER_QUIET, false},
        {64, 0.03, BF_TRIGGER_QUIET, false},
        {65, 0.034, BF_TRIGGER_FIRES, false},
        {66, 0.034, BF_TRIGGER_QUIET, false}, /* and not at every reading behind it */
        {96, 0.034, BF_TRIGGER_FIRES, false},
        {DONE, 0, BF_TRIGGER_QUIET, false},
    };
    struct bf_trigger trigger = {0};
    play(&rule, &trigger, rows);
    assert_float_equal(trigger.value, 0.034, 0);
    assert_float_equal(trigger.limit, 0.01, 0);
}

static void without_for_one_reading_is_enough(void **state)
{
    (void)state;
    static const struct bf_trigger_rule rule = {.below = true, .factor = 200};
    static const struct row rows[] = {
        {1, 200, BF_TRIGGER_QUIET, false},
        {2, NOTHING, BF_TRIGGER_QUIET, false},
        {3, 199.9, BF_TRIGGER_FIRES, false},
        {DONE, 0, BF_TRIGGER_QUIET, false},
    };
    struct bf_trigger trigger = {0};
    play(&rule, &trigger, rows);
}

static void goes_on_only_if_it_outlives_the_pause(void **state)
{
    (void)state;
    static const struct bf_trigger_rule rule = {.factor = 0.4, .hold = 10 * SECOND, .settle = 60 * SECOND};
    static const struct row outlives[] = {
        {0, 0.5, BF_TRIGGER_QUIET, false},
        {10, 0.5, BF_TRIGGER_FIRES, false},
        {11, 0.5, BF_TRIGGER_QUIET, true},
        {69, 0.6, BF_TRIGGER_QUIET, true},
        {70, 0.7, BF_TRIGGER_GOES_ON, true},
        {71, 0.7, BF_TRIGGER_QUIET, true},
        {DONE, 0, BF_TRIGGER_QUIET, false},
    };
    static const struct row ends[] = {
        {0, 0.5, BF_TRIGGER_QUIET, false},
        {10, 0.5, BF_TRIGGER_FIRES, false},
        {40, 0.3, BF_TRIGGER_SETTLED, true},
        {70, 0.5, BF_TRIGGER_QUIET, true},  /* it is over, whatever comes */
        {80, 0.5, BF_TRIGGER_FIRES, true},
        {DONE, 0, BF_TRIGGER_QUIET, false},
    };
    static const struct row blind[] = {
        {10, 0.5, BF_TRIGGER_QUIET, false},
        {20, 0.5, BF_TRIGGER_FIRES, false},
        {81, FAILED, BF_TRIGGER_QUIET, true}, /* at its end nobody can say: it does not go on */
        {82, FAILED, BF_TRIGGER_QUIET, true},
        {83, FAILED, BF_TRIGGER_QUIET, true},
        {84, FAILED, BF_TRIGGER_QUIET, true},
        {85, FAILED, BF_TRIGGER_BLIND, true},
        {DONE, 0, BF_TRIGGER_QUIET, false},
    };
    static const struct row late[] = {
        {10, 0.5, BF_TRIGGER_QUIET, false},
        {20, 0.5, BF_TRIGGER_FIRES, false},
        {81, FAILED, BF_TRIGGER_QUIET, true},
        {82, 0.5, BF_TRIGGER_GOES_ON, true}, /* but it may be able to a little later */
        {DONE, 0, BF_TRIGGER_QUIET, false},
    };
    static const struct row *const tables[] = {outlives, ends, blind, late};
    for (size_t i = 0; i < 4; i++) {
        struct bf_trigger trigger = {0};
        play(&rule, &trigger, tables[i]);
    }
}

static void five_failed_readings_in_a_row_are_enough(void **state)
{
    (void)state;
    static const struct bf_trigger_rule rule = {.factor = 1, .hold = 20 * SECOND};
    static const struct row rows[] = {
        {1, FAILED, BF_TRIGGER_QUIET, false}, {2, FAILED, BF_TRIGGER_QUIET, false}, {3, FAILED, BF_TRIGGER_QUIET, false},
        {4, FAILED, BF_TRIGGER_QUIET, false}, {5, 0, BF_TRIGGER_QUIET, false},
        {6, 2, BF_TRIGGER_QUIET, false},      /* a failure in between does not end the condition */
        {7, FAILED, BF_TRIGGER_QUIET, false}, {26, 2, BF_TRIGGER_FIRES, false},
        {30, FAILED, BF_TRIGGER_QUIET, false}, {31, FAILED, BF_TRIGGER_QUIET, false},
        {32, FAILED, BF_TRIGGER_QUIET, true}, /* nothing is written: nothing has to be watched */
        {33, FAILED, BF_TRIGGER_QUIET, true}, {34, FAILED, BF_TRIGGER_QUIET, false}, {35, FAILED, BF_TRIGGER_QUIET, false},
        {36, FAILED, BF_TRIGGER_BLIND, false},
        {37, FAILED, BF_TRIGGER_QUIET, false}, /* the next five begin */
        {DONE, 0, BF_TRIGGER_QUIET, false},
    };
    struct bf_trigger trigger = {0};
    play(&rule, &trigger, rows);
}

/* Values 10 (with outliers) for the window of a minute. */
static void learn(const struct bf_trigger_rule *rule, struct bf_trigger *trigger, int64_t from)
{
    for (int64_t second = 0; second < 60; second++)
        assert_int_equal(feed(rule, trigger, (from + second) * SECOND, second % 7 == 3 ? 900 : 10, false), BF_TRIGGER_QUIET);
}

static void a_relative_limit_is_the_median_of_its_window(void **state)
{
    (void)state;
    static const struct bf_trigger_rule rule = {.relative = true, .factor = 2, .baseline = MINUTE};
    static const struct row rows[] = {
        {160, 20, BF_TRIGGER_QUIET, false}, {161, 20.1, BF_TRIGGER_FIRES, false}, {DONE, 0, BF_TRIGGER_QUIET, false}};
    struct bf_trigger trigger = {0};
    learn(&rule, &trigger, 100);
    play(&rule, &trigger, rows);
    assert_float_equal(trigger.limit, 20, 0);
}

static void a_window_of_many_readings_is_all_looked_at(void **state)
{
    (void)state;
    static const struct bf_trigger_rule rule = {.relative = true, .factor = 1, .baseline = 10 * MINUTE};
    struct bf_trigger trigger = {0};
    /* 10 a second; the first third is lower than the rest. */
    for (int64_t at = 1; at <= 10 * MINUTE + 1; at += 100)
        assert_int_equal(feed(&rule, &trigger, at, at < 200 * SECOND ? 5 : 9, false), BF_TRIGGER_QUIET);
    assert_true(trigger.learnt);
    assert_int_equal(trigger.sample_count, BF_BASELINE_SAMPLES);
    assert_float_equal(trigger.limit, 9, 0);
}

static void a_long_hold_makes_it_measure_anew(void **state)
{
    (void)state;
    static const struct bf_trigger_rule rule = {.relative = true, .factor = 2, .baseline = MINUTE};
    struct bf_trigger trigger = {0};
    learn(&rule, &trigger, 100);
    static const struct row shorter[] = {
        {160, 10, BF_TRIGGER_QUIET, false}, {218, 10, BF_TRIGGER_QUIET, true}, {219, 25, BF_TRIGGER_FIRES, false},
        {DONE, 0, BF_TRIGGER_QUIET, false}};
    play(&rule, &trigger, shorter);
    static const struct row longer[] = {
        {220, 10, BF_TRIGGER_QUIET, false}, {250, 25, BF_TRIGGER_FIRES, true}, {281, 25, BF_TRIGGER_QUIET, true},
        {300, 25, BF_TRIGGER_QUIET, false}, {330, 25, BF_TRIGGER_QUIET, false}, {360, 25, BF_TRIGGER_QUIET, false},
        {361, 51, BF_TRIGGER_FIRES, false}, {DONE, 0, BF_TRIGGER_QUIET, false}};
    play(&rule, &trigger, longer);
    assert_float_equal(trigger.limit, 50, 0);
}

static void a_pause_settles_on_the_limit_that_fired(void **state)
{
    (void)state;
    static const struct bf_trigger_rule rule = {.relative = true, .factor = 2, .baseline = MINUTE, .settle = 5 * MINUTE};
    struct bf_trigger trigger = {0};
    learn(&rule, &trigger, 100);
    static const struct row rows[] = {
        {161, 21, BF_TRIGGER_FIRES, false}, {300, 21, BF_TRIGGER_QUIET, true}, {461, 21, BF_TRIGGER_GOES_ON, true},
        {DONE, 0, BF_TRIGGER_QUIET, false}};
    play(&rule, &trigger, rows);
    /* The same behind a restart, of which only its end and its limit are left. */
    struct bf_trigger restarted = {0};
    bf_trigger_settle(&restarted, 461 * SECOND, 20);
    play(&rule, &restarted, rows + 1);
}

static void it_is_looked_at_in_time(void **state)
{
    (void)state;
    static const struct bf_trigger_rule rule = {.factor = 1, .hold = 1500, .settle = 2500};
    struct bf_trigger trigger = {0};
    assert_int_equal(bf_trigger_due(&rule, &trigger, 1000, 1000), 2000);
    feed(&rule, &trigger, 2000, 2, false);
    assert_int_equal(bf_trigger_due(&rule, &trigger, 2000, 1000), 3000);
    feed(&rule, &trigger, 3000, 2, false);
    assert_int_equal(bf_trigger_due(&rule, &trigger, 3000, 1000), 3500); /* not at 4000: then `for` is over by 500 ms */
    assert_int_equal(feed(&rule, &trigger, 3500, 2, false), BF_TRIGGER_FIRES);
    assert_int_equal(bf_trigger_due(&rule, &trigger, 3500, 1000), 4500);
    assert_int_equal(bf_trigger_due(&rule, &trigger, 5500, 1000), 6000);
    bf_trigger_rest(&trigger);
    assert_int_equal(bf_trigger_due(&rule, &trigger, 5500, 1000), 6500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_when_it_was_true_for_long_enough),
        cmocka_unit_test(without_for_one_reading_is_enough),
        cmocka_unit_test(goes_on_only_if_it_outlives_the_pause),
        cmocka_unit_test(five_failed_readings_in_a_row_are_enough),
        cmocka_unit_test(a_relative_limit_is_the_median_of_its_window),
        cmocka_unit_test(a_window_of_many_readings_is_all_looked_at),
        cmocka_unit_test(a_long_hold_makes_it_measure_anew),
        cmocka_unit_test(a_pause_settles_on_the_limit_that_fired),
        cmocka_unit_test(it_is_looked_at_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
