#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "replica.h"
#include "pressure.h"

/* A target whose log grows as the tests say; every sample has another reply unless told otherwise. */
struct story {
    struct bf_watched_list replicas;
    int64_t now;
    int replies;
};

static const struct bf_watched *sample(struct story *story, double position, double replayed, double view_lag, bool replied)
{
    char reply[24];
    story->replies += replied;
    snprintf(reply, sizeof reply, "reply %d", story->replies);
    struct bf_watched_view view = {.name = "replica-1", .address = "10.0.0.2", .position = replayed, .lag = view_lag,
                                   .reply = reply};
    bf_watched_sample(&story->replicas, story->now, position, &view, 1);
    story->now += 500;
    return bf_watched_find(&story->replicas, "replica-1");
}

static void busy_and_idle_replicas_do_not_lag(void **state)
{
    (void)state;
    struct story story = {.now = 1000};
    assert_true(sample(&story, 1000, 1000, -1, true)->lag == 0); /* idle: the view has no lag */
    assert_true(sample(&story, 1064, 1000, -1, true)->lag == 0); /* what was written just now */
    assert_true(sample(&story, 1128, 1064, -1, true)->lag == 0);
    const struct bf_watched *replica = sample(&story, 900000, 890000, 0.02, true);
    assert_true(replica->lag == 0.02); /* busy: the view's own lag */
    assert_true(replica->bytes == 10000);
    assert_int_equal(replica->lag_at, 2500);
    assert_false(replica->from_start);
}

static void a_high_lag_that_is_stale_is_not_believed(void **state)
{
    (void)state;
    struct story story = {.now = 0};
    sample(&story, 1000, 1000, -1, true);
    for (int i = 1; i <= 10; i++)
        sample(&story, 1000 + 100 * i, 1000, 0.5 * i, true);
    /* Just caught up: all that was there at the last sample is replayed, so it cannot be more than half a second. */
    assert_true(sample(&story, 2100, 2050, 5, true)->lag == 0.5);
    assert_true(sample(&story, 2100, 2100, 5, true)->lag == 0);
}

static void a_stalled_network_looks_healthy_and_is_not(void **state)
{
    (void)state;
    struct story story = {.now = 0};
    sample(&story, 1000, 1000, -1, true);
    sample(&story, 2000, 2000, -1, true);
    const struct bf_watched *replica = NULL;
    for (int i = 1; i <= 12; i++)
        replica = sample(&story, 2000 + 100 * i, 2000, -1, false);
    assert_true(replica->lag == 5.5);       /* since the first position that it has not replayed */
    assert_int_equal(replica->lag_at, 500); /* nobody has heard of it since: stale */
}

/* 10 MB a second are written and 2 MB a second replayed: the age of what it shows grows by 0.4 s in each half second only,
 * what it has yet to do by 2 s. */
static void a_slow_replica_is_behind_by_what_it_has_yet_to_do(void **state)
{
    (void)state;
    const double mb = 1024 * 1024;
    struct story story = {.now = 0};
    const struct bf_watched *replica = sample(&story, 0, 0, -1, true);
    for (int i = 1; i <= 4; i++)
        replica = sample(&story, 5 * mb * i, mb * i, 0.4 * i, true);
    assert_true(replica->speed == 2 * mb);
    assert_true(replica->lag == 8); /* 16 MB */
    replica = sample(&story, 20 * mb, 4 * mb, 2, false); /* no reply: what is known stays */
    assert_true(replica->speed == 2 * mb);
    replica = sample(&story, 20 * mb, 19.5 * mb, 0.5, true);
    assert_true(replica->lag <= 1); /* nearly there: as old as the newest log that it lacks */
}

static void little_to_do_teaches_no_speed(void **state)
{
    (void)state;
    struct story story = {.now = 0};
    const struct bf_watched *replica = NULL;
    for (int i = 1; i <= 10; i++)
        replica = sample(&story, 10000.0 * i, 10000.0 * (i - 1) + 1, 0.01, true);
    assert_true(replica->speed == 0);
    assert_true(replica->lag < 0.6);
}

/* So much more is written, and replayed at once. */
static const struct bf_watched *after(struct story *story, double *log, double bytes)
{
    *log += bytes;
    return sample(story, *log, *log, -1, true);
}

static void what_it_may_be_given_is_found_as_a_sender_of_tcp_finds_it(void **state)
{
    (void)state;
    struct story story = {.now = 1000};
    double log = 1e9, growth = 1;
    const struct bf_watched *replica = sample(&story, log, log, -1, true);
    assert_true(replica->rate == BF_RATE_FIRST);
    for (int i = 1; i <= 4; i++) { /* it has replayed all that there is, each time */
        replica = after(&story, &log, replica->rate / 2);
        growth *= 2;
        assert_true(fabs(replica->rate - BF_RATE_FIRST * growth) < 1);
    }
    double rate = replica->rate;
    replica = after(&story, &log, rate / 20); /* so little is no proof */
    assert_true(replica->rate == rate);
    replica = sample(&story, log, log, -1, true); /* idle */
    assert_true(replica->rate == rate);
    double replayed = log;
    replica = sample(&story, log += rate, replayed += 15e6, 0.4, true); /* it falls behind: it is given what it replays */
    assert_true(fabs(replica->rate - 30e6) < 1);
    replica = sample(&story, log += rate, replayed += 5e6, 0.8, true); /* from then on step by step */
    assert_true(fabs(replica->rate - 21e6) < 1);
    for (int i = 0; i < 4; i++)
        replica = sample(&story, log += rate, replayed += 5e6, 1.2 + 0.4 * i, true);
    assert_true(fabs(replica->rate - 10e6) < 1);
    for (int i = 0; i < 10; i++)
        replica = sample(&story, log, replayed, 4 + 0.5 * i, true); /* it stands still: nothing is known of how fast it is */
    replica = sample(&story, log, replayed += 1000, 9, true); /* nor when it moves again */
    assert_true(replica->rate >= 9e6);
    replica = sample(&story, log, log, -1, true); /* all at once: it can do that */
    assert_true(replica->rate > 100e6);
    rate = replica->rate;
    for (int i = 0; i < 2; i++)
        replica = after(&story, &log, rate / 2);
    assert_true(replica->rate > rate * 1.2 && replica->rate < rate * 1.22); /* from here on by small steps */
    replica = sample(&story, log, 1e6, 0.1, true); /* another one of that name */
    assert_true(replica->rate == BF_RATE_FIRST);
    bf_watched_forget_positions(&story.replicas);
    assert_true(sample(&story, 1, 1, -1, true)->rate == BF_RATE_FIRST);
}

/* What is far away and fast shows the log of a constant time ago: it is given more and more, whatever it is behind by. */
static void latency_is_no_slowness(void **state)
{
    (void)state;
    static const double latencies[] = {0.05, 0.2, 0.3, 0.45};
    for (size_t i = 0; i < sizeof latencies / sizeof latencies[0]; i++) {
        struct story story = {.now = 1000};
        double log = 1e9, given = 1e6;
        const struct bf_watched *replica = sample(&story, log, log, -1, true);
        for (int step = 0; step < 120; step++) {
            log += given / 2;
            replica = sample(&story, log, log - given * latencies[i], latencies[i], true);
            given = replica->rate * 0.15 / latencies[i]; /* as the controller would */
            given = given > 50e6 ? 50e6 : given;
        }
        assert_true(given == 50e6);
        assert_true(bf_watched_is_rated(replica));
    }
}

/* It replies to each second sample only: what is told by a reply is of the time since the one before. */
static void who_replies_seldom_is_rated_by_its_replies(void **state)
{
    (void)state;
    struct story story = {.now = 1000};
    const double log = 1e9;
    const struct bf_watched *replica = NULL;
    for (int i = 0; i < 20; i++)
        replica = sample(&story, log + 25e6 * i, log + 25e6 * (i - i % 2) - 1e6, 0.02, i % 2 == 0);
    assert_true(replica->rate >= 50e6);
}

/* The application writes 100 MB a second, and the replica follows. */
static void a_busy_primary_is_no_slow_replica(void **state)
{
    (void)state;
    struct story story = {.now = 1000};
    const double log = 1e9;
    const struct bf_watched *replica = NULL;
    for (int i = 0; i < 10; i++)
        replica = sample(&story, log + 50e6 * i, log + 50e6 * i - 0.008 * 100e6, 0.008, true);
    assert_true(replica->rate >= 100e6);
}

/* 2 MB a second, each shown 5 s later. */
static void of_a_replica_that_is_late_on_purpose_no_rate_is_known(void **state)
{
    (void)state;
    struct story story = {.now = 1000};
    const struct bf_watched *replica = sample(&story, 1e9, 1e9, -1, true);
    for (int i = 1; i <= 10; i++)
        replica = sample(&story, 1e9 + 1e6 * i, 1e9 + i, 5, true);
    assert_true(bf_watched_is_rated(replica)); /* it may be busy for a while */
    for (int i = 11; i <= 60; i++)
        replica = sample(&story, 1e9 + 1e6 * i, 1e9 + 1e6 * (i - 10), 5, true);
    assert_true(fabs(replica->base - 5) < 0.1);
    assert_false(bf_watched_is_rated(replica));
    assert_true(bf_watched_is_rated(sample(&story, 1e9 + 61e6, 1e9 + 61e6, -1, true))); /* it can do better */
}

static void a_paused_replica_on_a_quiet_primary_grows(void **state)
{
    (void)state;
    struct story story = {.now = 0};
    sample(&story, 1000, 1000, -1, true);
    sample(&story, 5000, 3000, 0.1, true);
    /* Nothing more is written, the view's lag is frozen. */
    for (int i = 0; i < 6; i++)
        sample(&story, 5000, 3000, 0.1, true);
    assert_true(bf_watched_find(&story.replicas, "replica-1")->lag == 3);
}

static void who_is_behind_from_the_start_is_known_by_it(void **state)
{
    (void)state;
    struct story story = {.now = 10000};
    const struct bf_watched *replica = sample(&story, 1000000, 10, -1, true);
    assert_true(replica->from_start);
    assert_int_equal(replica->lag_at, BF_SIGNAL_NEVER); /* by how much cannot be told yet */
    for (int i = 0; i < 5; i++)
        assert_int_equal(sample(&story, 1000000 + i, 20, -1, true)->lag_at, BF_SIGNAL_NEVER);
    replica = sample(&story, 1000010, 20, -1, true);
    assert_true(replica->lag == 3);
    assert_true(replica->from_start);
    replica = sample(&story, 1000020, 1000010, 0.2, true);
    assert_false(replica->from_start);
    assert_true(sample(&story, 2000000, 1000010, 0.9, true)->lag == 0.9);
    assert_false(replica->from_start); /* it caught up once: what comes now is our own doing */
}

static void thinned_out_positions_still_bound(void **state)
{
    (void)state;
    struct story story = {.now = 0};
    sample(&story, 1000, 1000, -1, true);
    for (int i = 1; i < 2000; i++)
        sample(&story, 1000 + 10 * i, 1000, -1, true);
    const struct bf_watched *replica = bf_watched_find(&story.replicas, "replica-1");
    assert_true(story.replicas.position_count <= BF_POSITIONS_MAX);
    assert_true(replica->lag > 980 && replica->lag < 1000);
}

static void only_who_reported_a_position_is_a_replica(void **state)
{
    (void)state;
    struct bf_watched_list replicas = {0};
    struct bf_watched_view views[] = {{.name = "pg_receivewal", .position = -1, .lag = -1, .reply = "1"},
                                      {.name = "replica-1", .position = 100, .lag = -1, .reply = "1"}};
    bf_watched_sample(&replicas, 0, 100, views, 2);
    assert_int_equal(replicas.count, 1);
    assert_string_equal(replicas.list[0].name, "replica-1");
    /* It is gone: expected for ten minutes, and its last word grows old. */
    bf_watched_sample(&replicas, 500, 100, views, 1);
    assert_int_equal(replicas.count, 1);
    assert_false(replicas.list[0].present);
    assert_int_equal(replicas.list[0].lag_at, 0);
    /* Back, and has not said where it is. */
    views[1].position = -1;
    bf_watched_sample(&replicas, 599000, 100, views, 2);
    assert_false(replicas.list[0].present);
    bf_watched_sample(&replicas, 599000 + BF_REPLICA_EXPECTED, 100, NULL, 0);
    assert_int_equal(replicas.count, 1);
    bf_watched_sample(&replicas, 599001 + BF_REPLICA_EXPECTED, 100, NULL, 0);
    assert_int_equal(replicas.count, 0);
}

static void another_server_has_other_positions(void **state)
{
    (void)state;
    struct story story = {.now = 0};
    sample(&story, 9000, 9000, -1, true);
    sample(&story, 9500, 9400, 0.1, true);
    bf_watched_forget_positions(&story.replicas);
    assert_int_equal(story.replicas.list[0].lag_at, BF_SIGNAL_NEVER); /* not known, which is not the same as stale */
    assert_false(story.replicas.list[0].present);
    const struct bf_watched *replica = sample(&story, 500, 500, -1, true);
    assert_true(replica->lag == 0);
    assert_false(replica->from_start);
    struct bf_watched_list full = {0};
    struct bf_watched_view views[BF_WATCHED_MAX + 2];
    char names[BF_WATCHED_MAX + 2][16];
    for (int i = 0; i < BF_WATCHED_MAX + 2; i++) {
        snprintf(names[i], sizeof names[i], "replica-%d", i);
        views[i] = (struct bf_watched_view){.name = names[i], .position = 1};
    }
    assert_int_equal(bf_watched_sample(&full, 0, 1, views, BF_WATCHED_MAX + 2), 2);
}

/* ---- asked themselves ---- */

/* Two heartbeats a second, 1000 bytes apart; the replica is read when the test says so. */
static struct bf_watched *asked(struct bf_watched_list *replicas)
{
    static const char *const names[] = {"db8:3306"};
    bf_watched_name(replicas, names, 1);
    return &replicas->list[0];
}

static const struct bf_watched *answers(struct bf_watched_list *replicas, int64_t now, double position, double lag, bool first_seen)
{
    struct bf_watched_view view = {.name = "db8:3306", .position = position, .lag = lag, .first_seen = first_seen};
    bf_watched_read(replicas, &replicas->list[0], now, &view);
    return &replicas->list[0];
}

static void a_heartbeat_gives_the_lag(void **state)
{
    (void)state;
    struct bf_watched_list replicas = {0};
    const struct bf_watched *replica = asked(&replicas);
    assert_int_equal(replica->lag_at, BF_SIGNAL_NEVER); /* named, and nothing is known: never zero */
    assert_false(replica->present);
    bf_watched_beat(&replicas, 1000, 1000);
    answers(&replicas, 1020, 999, -1, false);           /* it has not come to it */
    assert_int_equal(replica->lag_at, BF_SIGNAL_NEVER);
    assert_true(bf_watched_age(&replicas, 1000, 1040) == 0.04);
    answers(&replicas, 1040, 1000, 0.04, true);
    assert_true(replica->lag == 0.04 && replica->lag_at == 1040 && replica->present && !replica->from_start);
    /* An idle replica: the age of a heartbeat that nothing follows yet is no lag. */
    answers(&replicas, 1480, 1000, 0.04, true);
    assert_true(replica->lag == 0.04);
    /* The next one does not come: from when it is later than the one before. */
    bf_watched_beat(&replicas, 1500, 2000);
    assert_true(answers(&replicas, 1520, 1000, 0.04, true)->lag == 0.04);
    assert_true(answers(&replicas, 2700, 1000, 0.04, true)->lag == 1.2);
    assert_true(replica->bytes == 1000);
    bf_watched_beat(&replicas, 2750, 3000);
    assert_true(answers(&replicas, 3500, 1000, 0.04, true)->lag == 2);
    /* It has come to the newest one, which is 0.8 s old. */
    assert_true(bf_watched_age(&replicas, 3000, 3550) == 0.8);
    assert_true(answers(&replicas, 3550, 3000, 0.8, true)->lag == 0.8);
    assert_true(bf_watched_age(&replicas, 500, 3550) == INFINITY);
}

static void a_replica_that_never_shows_it_is_behind_by_all_the_time_there_was(void **state)
{
    (void)state;
    struct bf_watched_list replicas = {0};
    const struct bf_watched *replica = asked(&replicas);
    for (int64_t now = 0; now <= 4000; now += 500) {
        bf_watched_beat(&replicas, now, (double)(1000 + now));
        answers(&replicas, now + 10, 999, -1, false);
        assert_int_equal(replica->lag_at, now < 3000 ? BF_SIGNAL_NEVER : now + 10);
    }
    assert_true(replica->lag == 4.01 && replica->from_start && replica->unseen); /* or far more than that */
    answers(&replicas, 4020, 5000, 0.02, true);
    assert_true(replica->lag == 0.02 && !replica->from_start && !replica->unseen);
}

static void who_is_named_is_expected_for_as_long_as_it_is(void **state)
{
    (void)state;
    struct bf_watched_list replicas = {0};
    static const char *const names[] = {"db8:3306", "db9:3306"}, *const others[] = {"db9:3306", "db10:3306"};
    bf_watched_name(&replicas, names, 2);
    bf_watched_beat(&replicas, 0, 1000);
    replicas.list[1].lag = 7;
    bf_watched_sample(&replicas, 2 * BF_REPLICA_EXPECTED, 2000, NULL, 0);
    assert_int_equal(replicas.count, 2);
    bf_watched_name(&replicas, others, 2);
    assert_int_equal(replicas.count, 2);
    assert_string_equal(replicas.list[0].name, "db9:3306");
    assert_true(replicas.list[0].lag == 7); /* what is known of it stays */
    assert_int_equal(replicas.list[1].lag_at, BF_SIGNAL_NEVER);
    assert_int_equal(bf_watched_promoted(&replicas), 0);
    replicas.list[0].promoted = true;
    assert_int_equal(bf_watched_promoted(&replicas), 1);
    bf_watched_name(&replicas, NULL, 0);
    assert_int_equal(replicas.count, 0);
}

/* ---- set aside ---- */

static void far_behind_from_the_start_is_set_aside_beside_a_good_one(void **state)
{
    (void)state;
    struct bf_asides asides = {0};
    struct bf_heeded heeded[] = {{.name = "a"}, {.name = "b", .holds = true, .alone = true, .from_start = true}};
    assert_int_equal(bf_aside_judge(&asides, heeded, 2, 1000), 1);
    assert_true(bf_aside_is(&asides, "b", 1000 + BF_ASIDE_FOR - 1));
    assert_false(bf_aside_is(&asides, "b", 1000 + BF_ASIDE_FOR)); /* judged again */
    assert_false(bf_aside_is(&asides, "a", 1000));
    assert_int_equal(bf_aside_judge(&asides, heeded, 1, 2000), -1);
    /* Not the last one, not a synchronous one, not beside others that hold. */
    struct bf_heeded last = heeded[1];
    assert_int_equal(bf_aside_judge(&asides, &last, 1, 2000), -1);
    heeded[1].synchronous = true;
    assert_int_equal(bf_aside_judge(&asides, heeded, 2, 2000), -1);
    heeded[1].synchronous = false;
    heeded[0].holds = true;
    heeded[1].alone = false;
    assert_int_equal(bf_aside_judge(&asides, heeded, 2, 2000), -1);
}

static void five_minutes_alone_are_enough(void **state)
{
    (void)state;
    struct bf_asides asides = {0};
    struct bf_heeded heeded[] = {{.name = "a"}, {.name = "b", .holds = true, .alone = true}};
    int64_t now = 0;
    for (; now < BF_ASIDE_AFTER; now += 500)
        assert_int_equal(bf_aside_judge(&asides, heeded, 2, now), -1);
    heeded[1].alone = false; /* another signal holds, too: it begins anew */
    assert_int_equal(bf_aside_judge(&asides, heeded, 2, now), -1);
    heeded[1].alone = true;
    assert_int_equal(bf_aside_judge(&asides, heeded, 2, now), -1);
    assert_int_equal(bf_aside_judge(&asides, heeded, 2, now + BF_ASIDE_AFTER - 1), -1);
    assert_int_equal(bf_aside_judge(&asides, heeded, 2, now + BF_ASIDE_AFTER), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(busy_and_idle_replicas_do_not_lag),
        cmocka_unit_test(a_high_lag_that_is_stale_is_not_believed),
        cmocka_unit_test(a_stalled_network_looks_healthy_and_is_not),
        cmocka_unit_test(a_slow_replica_is_behind_by_what_it_has_yet_to_do),
        cmocka_unit_test(little_to_do_teaches_no_speed),
        cmocka_unit_test(what_it_may_be_given_is_found_as_a_sender_of_tcp_finds_it),
        cmocka_unit_test(latency_is_no_slowness),
        cmocka_unit_test(who_replies_seldom_is_rated_by_its_replies),
        cmocka_unit_test(a_busy_primary_is_no_slow_replica),
        cmocka_unit_test(of_a_replica_that_is_late_on_purpose_no_rate_is_known),
        cmocka_unit_test(a_paused_replica_on_a_quiet_primary_grows),
        cmocka_unit_test(who_is_behind_from_the_start_is_known_by_it),
        cmocka_unit_test(thinned_out_positions_still_bound),
        cmocka_unit_test(only_who_reported_a_position_is_a_replica),
        cmocka_unit_test(another_server_has_other_positions),
        cmocka_unit_test(a_heartbeat_gives_the_lag),
        cmocka_unit_test(a_replica_that_never_shows_it_is_behind_by_all_the_time_there_was),
        cmocka_unit_test(who_is_named_is_expected_for_as_long_as_it_is),
        cmocka_unit_test(far_behind_from_the_start_is_set_aside_beside_a_good_one),
        cmocka_unit_test(five_minutes_alone_are_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
