#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "pace_model.h"
#include "regression.h"

static struct bf_signal lag(double value, int64_t at)
{
    return (struct bf_signal){.kind = BF_SIGNAL_REPLICATION_LAG, .name = "lag:replica-2", .value = value, .limit = 1.5,
                              .sampled_at = at};
}

static void closes_at_the_limit_and_opens_low_for_two_seconds(void **state)
{
    (void)state;
    struct bf_gates gates = {0};
    struct bf_signal signal = lag(1.49, 1000);
    assert_int_equal(bf_gate_pass(&gates, &signal, 1000), BF_GATE_OPEN);
    signal = lag(1.5, 1500);
    assert_int_equal(bf_gate_pass(&gates, &signal, 1500), BF_GATE_OVER);
    signal = lag(0.8, 2000); /* under the limit, and not under half of it */
    assert_int_equal(bf_gate_pass(&gates, &signal, 2000), BF_GATE_OVER);
    for (int64_t at = 2500; at < 4500; at += 500) {
        signal = lag(0.7, at);
        assert_int_equal(bf_gate_pass(&gates, &signal, at), BF_GATE_OVER);
    }
    signal = lag(0.7, 4500);
    assert_int_equal(bf_gate_pass(&gates, &signal, 4500), BF_GATE_OPEN);
}

static void one_high_value_begins_the_two_seconds_anew(void **state)
{
    (void)state;
    struct bf_gates gates = {0};
    static const double values[] = {2, 0.1, 0.1, 0.1, 0.76, 0.1, 0.1, 0.1, 0.1, 0.1};
    static const enum bf_gate_state expected[] = {BF_GATE_OVER, BF_GATE_OVER, BF_GATE_OVER, BF_GATE_OVER, BF_GATE_OVER,
                                                  BF_GATE_OVER, BF_GATE_OVER, BF_GATE_OVER, BF_GATE_OVER, BF_GATE_OPEN};
    for (int i = 0; i < 10; i++) {
        struct bf_signal signal = lag(values[i], 500 * i);
        assert_int_equal(bf_gate_pass(&gates, &signal, 500 * i), expected[i]);
    }
}

static void a_value_that_nobody_looked_at_again_opens_nothing(void **state)
{
    (void)state;
    struct bf_gates gates = {0};
    struct bf_signal signal = lag(2, 0);
    bf_gate_pass(&gates, &signal, 0);
    signal = lag(0.1, 500);
    for (int64_t now = 500; now <= 500 + BF_SIGNAL_STALE_AFTER; now += 100)
        assert_int_equal(bf_gate_pass(&gates, &signal, now), BF_GATE_OVER);
    assert_int_equal(bf_gate_pass(&gates, &signal, 501 + BF_SIGNAL_STALE_AFTER), BF_GATE_STALE);
}

static void counts_open_at_85_percent(void **state)
{
    (void)state;
    struct bf_gates gates = {0};
    struct bf_signal signal = {.kind = BF_SIGNAL_ACTIVE_SESSIONS, .name = "active_sessions", .value = 50, .limit = 50};
    assert_int_equal(bf_gate_pass(&gates, &signal, 0), BF_GATE_OVER);
    for (int64_t at = 500; at <= 5000; at += 500) {
        signal.value = 43;
        signal.sampled_at = at;
        assert_int_equal(bf_gate_pass(&gates, &signal, at), BF_GATE_OVER);
    }
    for (int64_t at = 5500; at <= 7500; at += 500) {
        signal.value = 42;
        signal.sampled_at = at;
        assert_int_equal(bf_gate_pass(&gates, &signal, at), at < 7500 ? BF_GATE_OVER : BF_GATE_OPEN);
    }
}

static void fails_closed(void **state)
{
    (void)state;
    struct bf_gates gates = {0};
    struct bf_signal signal = lag(0, BF_SIGNAL_NEVER);
    assert_int_equal(bf_gate_pass(&gates, &signal, 0), BF_GATE_UNKNOWN);
    signal = lag(0, 100); /* the first good value is enough: it was never over */
    assert_int_equal(bf_gate_pass(&gates, &signal, 100), BF_GATE_OPEN);
    assert_int_equal(bf_gate_pass(&gates, &signal, 100 + BF_SIGNAL_STALE_AFTER), BF_GATE_OPEN);
    assert_int_equal(bf_gate_pass(&gates, &signal, 101 + BF_SIGNAL_STALE_AFTER), BF_GATE_STALE);
    signal.sampled_at = 6000; /* it can be read again, and has to stay low for two seconds */
    assert_int_equal(bf_gate_pass(&gates, &signal, 6000), BF_GATE_OVER);
    signal.sampled_at = 8000;
    assert_int_equal(bf_gate_pass(&gates, &signal, 8000), BF_GATE_OPEN);
    signal.value = NAN;
    assert_int_equal(bf_gate_pass(&gates, &signal, 8000), BF_GATE_OVER);
    struct bf_gates full = {0};
    for (int i = 0; i < BF_SIGNALS_MAX; i++) {
        snprintf(signal.name, sizeof signal.name, "signal %d", i);
        signal.value = 0;
        assert_int_equal(bf_gate_pass(&full, &signal, 8000), BF_GATE_OPEN);
    }
    snprintf(signal.name, sizeof signal.name, "one too many");
    assert_int_equal(bf_gate_pass(&full, &signal, 8000), BF_GATE_STALE);
}

static struct bf_control_input input_of(const struct bf_signal *signals, size_t count, const struct bf_size *size)
{
    return (struct bf_control_input){.now = 1000, .signals = signals, .signal_count = count, .size = size, .nice = 0.5,
                                     .batch = {.time = 250000, .scanned = 1000, .changed = 1000, .log_bytes = 1000000},
                                     .max_rows_per_second = BF_NO_LIMIT, .max_log_bytes_per_second = BF_NO_LIMIT,
                                     .window_open = true};
}

static void sleeps_longer_from_half_of_a_limit(void **state)
{
    (void)state;
    static const struct {
        double value, times;
    } cases[] = {{0, 0.5}, {0.75, 0.5}, {0.8, 0.5 + 1.0 / 30}, {0.9, 1.6}, {1.2, 4.8}, {1.499, 7.99}};
    struct bf_size size;
    bf_size_start(&size, 250, 500, 10, 50000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bf_control_memory memory = {0};
        struct bf_signal signals[] = {lag(cases[i].value, 900), {.kind = BF_SIGNAL_LOG_RATE, .value = 1e12}};
        struct bf_control_input input = input_of(signals, 2, &size);
        struct bf_control control = bf_control_decide(&input, &memory);
        assert_int_equal(control.cause, BF_GO);
        assert_int_equal(control.rows, 500);
        assert_true(fabs((double)control.sleep - cases[i].times * 250000) < 3000);
    }
    /* Nothing was changed: nothing to sleep off. */
    struct bf_control_memory memory = {0};
    struct bf_signal signals[] = {lag(1.4, 900)};
    struct bf_control_input input = input_of(signals, 1, &size);
    input.batch.changed = 0;
    assert_int_equal(bf_control_decide(&input, &memory).sleep, 0);
}

/* A replica that cannot be read is infinitely far behind, for all that is known; a batch that ends just then, or one of a way
 * back, which does not hold, must not be slept off for a day. */
static void who_cannot_see_holds_at_once(void **state)
{
    (void)state;
    struct bf_size size;
    struct bf_control_memory memory = {0};
    bf_size_start(&size, 250, 500, 10, 50000);
    struct bf_signal signals[] = {lag(INFINITY, 900)};
    struct bf_control_input input = input_of(signals, 1, &size);
    input.now = 900 + 20000;
    struct bf_control control = bf_control_decide(&input, &memory);
    assert_int_equal(control.cause, BF_HOLD_STALE);
    assert_int_equal(control.sleep, 0);
}

static void who_is_over_a_limit_holds_at_once(void **state)
{
    (void)state;
    struct bf_size size;
    struct bf_control_memory memory = {0};
    struct bf_signal signals[] = {lag(1.5, 900)};
    struct bf_control_input input = input_of(signals, 1, &size);
    bf_size_start(&size, 250, 500, 10, 50000);
    input.batch.time = 20000000; /* it took long: eight times that would be minutes without a reason */
    struct bf_control control = bf_control_decide(&input, &memory);
    assert_int_equal(control.cause, BF_HOLD_OVER);
    assert_int_equal(control.sleep, 0);
    input.max_rows_per_second = 10; /* a cap is a cap */
    assert_int_equal(bf_control_decide(&input, &memory).sleep, 80000000);
}

static void the_worst_signal_holds_and_is_named(void **state)
{
    (void)state;
    struct bf_size size;
    bf_size_start(&size, 250, 500, 10, 50000);
    struct bf_signal signals[] = {lag(1.6, 900),
                                  {.kind = BF_SIGNAL_QUERY, .name = "query:queue", .value = 300, .limit = 100,
                                   .sampled_at = 900},
                                  {.kind = BF_SIGNAL_ACTIVE_SESSIONS, .name = "active_sessions", .value = 1, .limit = 50,
                                   .sampled_at = BF_SIGNAL_NEVER}};
    struct bf_control_memory memory = {0};
    struct bf_control_input input = input_of(signals, 3, &size);
    struct bf_control control = bf_control_decide(&input, &memory);
    assert_int_equal(control.cause, BF_HOLD_OVER);
    assert_int_equal(control.signal, 1);
    assert_int_equal(control.holding, 7);
    assert_true(control.pressure == 3);
    input.signals = signals + 2;
    input.signal_count = 1;
    assert_int_equal(bf_control_decide(&input, &memory).cause, BF_HOLD_UNKNOWN);
    signals[2].sampled_at = 900;
    assert_int_equal(bf_control_decide(&input, &memory).cause, BF_GO);
    input.window_open = false;
    assert_int_equal(bf_control_decide(&input, &memory).cause, BF_HOLD_WINDOW);
    input.window_open = true;
    input.now = 900 + BF_SIGNAL_STALE_AFTER + 1;
    assert_int_equal(bf_control_decide(&input, &memory).cause, BF_HOLD_STALE);
}

static void caps_are_kept(void **state)
{
    (void)state;
    struct bf_size size;
    bf_size_start(&size, 250, 500, 10, 50000);
    struct bf_control_memory memory = {0};
    struct bf_control_input input = input_of(NULL, 0, &size);
    input.max_rows_per_second = 500; /* 1,000 rows are two seconds' worth */
    assert_int_equal(bf_control_decide(&input, &memory).sleep, 2000000 - 250000);
    input.max_rows_per_second = 100000;
    assert_int_equal(bf_control_decide(&input, &memory).sleep, 125000);
    input.max_log_bytes_per_second = 250000; /* and 1 MB four seconds' worth */
    assert_int_equal(bf_control_decide(&input, &memory).sleep, 4000000 - 250000);
    assert_int_equal(bf_control_decide(&input, &memory).rows, 250);
    input.batch.log_bytes = -1; /* not known: no cap can be kept by it */
    assert_int_equal(bf_control_decide(&input, &memory).sleep, 125000);
    assert_int_equal(bf_control_decide(&input, &memory).rows, 500);
    input.batch.log_bytes = INT64_C(1) << 50;
    assert_int_equal(bf_control_decide(&input, &memory).rows, 1);
    assert_int_equal(bf_control_decide(&input, &memory).sleep, 86400000000); /* a day at most */
}

static void holds_make_patient_and_time_makes_bold(void **state)
{
    (void)state;
    struct bf_size size;
    bf_size_start(&size, 250, 500, 10, 50000);
    struct bf_control_memory memory = {0};
    struct bf_signal signal = lag(2, 900);
    struct bf_control_input input = input_of(&signal, 1, &size);
    bf_control_decide(&input, &memory);
    bf_control_decide(&input, &memory); /* one hold, however often it is looked at */
    for (signal.value = 0, input.now = 1500; input.now <= 3500; input.now += 500) {
        signal.sampled_at = input.now;
        bf_control_decide(&input, &memory);
    }
    struct bf_control control = bf_control_decide(&input, &memory);
    assert_int_equal(control.cause, BF_GO);
    assert_true(control.sleep > 230000 && control.sleep <= 250000);
    input.now = signal.sampled_at = 60000;
    assert_int_equal(bf_control_decide(&input, &memory).sleep, 125000);
}

/* 4 MB a second are what the replica may be given; a batch of 1,000 rows wrote 1 MB. */
static void a_replica_is_given_what_it_replays(void **state)
{
    (void)state;
    struct bf_size size;
    struct bf_control_memory memory = {0};
    struct bf_replay replays[] = {{.name = "fast", .position = 9e6, .at = 900, .rate = 1e9, .limit = 1.5},
                                  {.name = "slow", .position = 8e6, .at = 900, .rate = 4e6, .limit = 1.5}};
    struct bf_control_input input = input_of(NULL, 0, &size);
    bf_size_start(&size, 250, 500, 10, 50000);
    input.replays = replays;
    input.replay_count = 2;
    input.batch.log_end = 9.2e6;
    struct bf_control control = bf_control_decide(&input, &memory);
    assert_int_equal(control.sleep, 125000); /* 0.3 s are left, 0.1 s are over: there will be less than 0.15 s when it wakes */
    assert_null(control.slept_for);
    assert_int_equal(control.rows, 500);
    size.rows = 5000;
    assert_int_equal(bf_control_decide(&input, &memory).rows, 600); /* 0.15 s of its time, not 0.25 s as on the primary */
    input.batch.log_end = 10e6;
    control = bf_control_decide(&input, &memory);
    assert_int_equal(control.sleep, 250000); /* 0.5 s were left, 0.1 s are over, 0.15 s may be */
    assert_string_equal(control.slept_for, "slow");
    input.batch.log_end = 30e6;
    assert_int_equal(bf_control_decide(&input, &memory).sleep, 1000000); /* by then there is another sample */
    input.batch.log_bytes = -1; /* not known of this batch: as of the last one */
    assert_int_equal(bf_control_decide(&input, &memory).rows, 600);
    input.batch.changed = 0;
    assert_int_equal(bf_control_decide(&input, &memory).sleep, 0);
}

static void a_changed_plan_is_noticed(void **state)
{
    (void)state;
    struct bf_regression regression = {0};
    for (int i = 0; i < 4; i++)
        assert_false(bf_regression_seen(&regression, 1000, 5000));
    assert_false(bf_regression_seen(&regression, 1000, 900000)); /* of four no median is made */
    for (int i = 0; i < 10; i++)
        assert_false(bf_regression_seen(&regression, 1000, 5000));
    assert_false(bf_regression_seen(&regression, 1000, 100000)); /* 20 x, and harmless */
    assert_false(bf_regression_seen(&regression, 1000, 900000)); /* once may be the disk */
    assert_false(bf_regression_seen(&regression, 1000, 5000));
    assert_false(bf_regression_seen(&regression, 1000, 900000));
    assert_true(bf_regression_seen(&regression, 1000, 900000));
    assert_true(fabs(regression.median - 5) < 0.001);
    /* More rows take more time: that is no other plan. */
    assert_false(bf_regression_seen(&regression, 200000, 1000000));
    assert_false(bf_regression_seen(&regression, 200000, 1000000));
}

static struct pace_run run_of(const char *name, bool paced)
{
    struct pace_run run;
    pace_model_run(pace_scenario_by_name(name), paced, &run);
    return run;
}

static void no_scenario_leaks(void **state)
{
    (void)state;
    for (int i = 0; i < pace_scenario_count; i++) {
        struct pace_run run;
        pace_model_run(&pace_scenarios[i], true, &run);
        assert_int_equal(run.leaks, 0);
        assert_true(run.batches > 50);
    }
}

static void a_slow_replica_is_used_and_not_drowned(void **state)
{
    (void)state;
    struct pace_run run = run_of("slow replica", true), loop = run_of("slow replica", false);
    assert_true(loop.lag_most > 100);
    assert_true(run.lag_most < 0.75);
    assert_true(run.lag_p99 < 0.6);
    /* 7.4 MB/s of 200 bytes a row are what it can follow beside the application. */
    assert_true(run.rows_per_second > 0.98 * 37000);
    assert_true(run.holding == 0);
}

/* What it is behind by is not for want of speed, and says nothing about what it may be given. */
static void a_replica_that_is_late_or_far_away_is_no_slow_one(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double share; /* of a loop without a brake, which with nice 0.5 is two thirds */
    } cases[] = {{"late on purpose", 0.4}, {"late on purpose, no load", 0.25}, {"far away", 0.6}, {"busy primary", 0.6}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pace_run run = run_of(cases[i].name, true), loop = run_of(cases[i].name, false);
        assert_true(run.rows_per_second > cases[i].share * loop.rows_per_second);
        assert_true(run.holding < 0.1);
    }
}

static void goes_on_after_a_stop_and_without_one_far_behind(void **state)
{
    (void)state;
    struct pace_run run = run_of("replica stops for 30 s", true);
    assert_true(run.gone_on >= 2 && run.gone_on <= 5);
    assert_true(run.holding > 0.15);
    run = run_of("replica an hour behind", true);
    assert_int_equal(run.set_aside, 1);
    assert_true(run.holding < 0.02);
    run = run_of("1,000 rows/s at most", true);
    assert_true(run.rows_per_second < 1010 && run.rows_per_second > 950);
    run = run_of("1 MB/s of log at most", true);
    assert_true(run.log_bytes_per_second < 1010000 && run.log_bytes_per_second > 700000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closes_at_the_limit_and_opens_low_for_two_seconds),
        cmocka_unit_test(one_high_value_begins_the_two_seconds_anew),
        cmocka_unit_test(a_value_that_nobody_looked_at_again_opens_nothing),
        cmocka_unit_test(counts_open_at_85_percent),
        cmocka_unit_test(fails_closed),
        cmocka_unit_test(sleeps_longer_from_half_of_a_limit),
        cmocka_unit_test(who_is_over_a_limit_holds_at_once),
        cmocka_unit_test(who_cannot_see_holds_at_once),
        cmocka_unit_test(the_worst_signal_holds_and_is_named),
        cmocka_unit_test(caps_are_kept),
        cmocka_unit_test(holds_make_patient_and_time_makes_bold),
        cmocka_unit_test(a_replica_is_given_what_it_replays),
        cmocka_unit_test(a_changed_plan_is_noticed),
        cmocka_unit_test(no_scenario_leaks),
        cmocka_unit_test(a_slow_replica_is_used_and_not_drowned),
        cmocka_unit_test(a_replica_that_is_late_or_far_away_is_no_slow_one),
        cmocka_unit_test(goes_on_after_a_stop_and_without_one_far_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
