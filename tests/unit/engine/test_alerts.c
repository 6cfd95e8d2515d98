/* Alerts of others: what they may do to which job, that each acts once, and that a restart does not change that. */
#include <stdio.h>
#include <string.h>

#include "alerts.h"
#include "allocate.h"
#include "engine_world.h"

static const int64_t day = INT64_C(86400000);
static struct bf_alert_outcome got[4];
static size_t got_count;

static void on_alerted(void *argument, const struct bf_alert_outcome *outcomes, size_t count)
{
    (void)argument;
    assert_true(count <= BF_COUNT(got));
    got_count = count;
    memcpy(got, outcomes, count * sizeof *outcomes);
}

static struct bf_alert alert_for(const char *job, const char *fingerprint)
{
    return (struct bf_alert){.fingerprint = fingerprint, .starts_at = "2026-11-21T02:40:00Z", .firing = true, .name = "Errors",
                             .job = job, .summary = "3 %\nof all fail"};
}

static const struct bf_alert_outcome *send_alert(struct test_world *world, struct bf_alert alert)
{
    got_count = 0;
    bf_engine_take_alerts(world->engine, &alert, 1, on_alerted, NULL);
    world_run(world);
    assert_int_equal(got_count, 1);
    return &got[0];
}

static struct test_world *running(const char *more)
{
    struct test_world *world = world_new();
    world->server_silent = true;
    world_job(world, "job", "shop", BF_STATE_RUNNING, more);
    world_start(world);
    world_run(world);
    return world;
}

static void it_does_what_the_document_allows(void **state)
{
    (void)state;
    static const struct {
        const char *more, *action;
        bool acts;
        enum bf_state then;
    } rows[] = {
        {"", NULL, false, BF_STATE_RUNNING},
        {",\"alerts\":\"pause\"", NULL, true, BF_STATE_PAUSED},
        {",\"alerts\":\"pause\"", "abort", true, BF_STATE_PAUSED}, /* at most */
        {",\"alerts\":\"abort\"", NULL, true, BF_STATE_ABORTED},
        {",\"alerts\":\"abort\"", "pause", true, BF_STATE_PAUSED}, /* it may ask for less */
        {",\"alerts\":\"abort\"", "resume", true, BF_STATE_ABORTED},
    };
    for (size_t i = 0; i < BF_COUNT(rows); i++) {
        struct test_world *world = running(rows[i].more);
        struct bf_alert alert = alert_for("job", "f");
        alert.action = rows[i].action;
        const struct bf_alert_outcome *outcome = send_alert(world, alert);
        world_pass(world, 1000);
        if (outcome->acted != rows[i].acts || world_state(world, "job") != rows[i].then)
            fail_msg("row %zu: %s: %s", i, bf_state_name(world_state(world, "job")), outcome->text);
        assert_true(outcome->durable);
        if (rows[i].acts) {
            const struct bf_event *event = world_event(world, "job", "alert");
            assert_string_equal(event->actor, "alert:Errors");
            assert_non_null(strstr(event->text, "alert Errors fires: the job is "));
            assert_non_null(strstr(event->text, ": 3 % of all fail")); /* one line */
            assert_int_equal(bf_job_record(world_find(world, "job"))->reason.code, BF_ALERT);
        }
        world_free(world);
    }
}

static void what_does_nothing_says_why(void **state)
{
    (void)state;
    struct test_world *world = running(",\"alerts\":\"pause\"");
    struct bf_alert alert = alert_for("job", "f");
    alert.firing = false;
    assert_non_null(strstr(send_alert(world, alert)->text, "resolved"));
    alert = alert_for(NULL, "f");
    assert_non_null(strstr(send_alert(world, alert)->text, "no label backfill"));
    alert = alert_for("other", "f");
    assert_non_null(strstr(send_alert(world, alert)->text, "no such job"));
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    order(world, "job", BF_ORDER_PAUSE);
    assert_non_null(strstr(send_alert(world, alert_for("job", "f"))->text, "so already"));
    order(world, "job", BF_ORDER_RESUME); /* what did nothing may act later */
    assert_true(send_alert(world, alert_for("job", "f"))->acted);
    order(world, "job", BF_ORDER_ABORT);
    assert_non_null(strstr(send_alert(world, alert_for("job", "g"))->text, "the job has ended"));
    world_free(world);
}

static void each_acts_once(void **state)
{
    (void)state;
    struct test_world *world = running(",\"alerts\":\"pause\"");
    assert_true(send_alert(world, alert_for("job", "f"))->acted);
    order(world, "job", BF_ORDER_RESUME);
    assert_non_null(strstr(send_alert(world, alert_for("job", "f"))->text, "acted already"));
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    world_crash(world);
    world_start(world);
    world_run(world);
    assert_false(send_alert(world, alert_for("job", "f"))->acted);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    /* The same alert, fired anew, is another one. */
    struct bf_alert again = alert_for("job", "f");
    again.starts_at = "2026-11-21T05:00:00Z";
    assert_true(send_alert(world, again)->acted);
    world_free(world);
}

static void two_in_one_message_act_once(void **state)
{
    (void)state;
    struct test_world *world = running(",\"alerts\":\"pause\"");
    struct bf_alert both[] = {alert_for("job", "f"), alert_for("job", "f"), alert_for("nobody", "g")};
    bf_engine_take_alerts(world->engine, both, 3, on_alerted, NULL);
    world_run(world);
    assert_int_equal(got_count, 3);
    assert_true(got[0].acted && !got[1].acted && !got[2].acted);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    world_free(world);
}

static void one_that_lasts_is_not_forgotten(void **state)
{
    (void)state;
    struct test_world *world = running(",\"alerts\":\"pause\"");
    send_alert(world, alert_for("job", "f"));
    order(world, "job", BF_ORDER_RESUME);
    for (int i = 0; i < 4; i++) { /* it fires on, and Alertmanager repeats it */
        world->unix_time += 60 * day;
        assert_false(send_alert(world, alert_for("job", "f"))->acted);
    }
    world->unix_time += 91 * day;
    assert_true(send_alert(world, alert_for("job", "f"))->acted);
    world_free(world);
}

static void without_a_store_it_acts_and_says_so(void **state)
{
    (void)state;
    struct test_world *world = running(",\"alerts\":\"pause\"");
    world->store_fails = true;
    const struct bf_alert_outcome *outcome = send_alert(world, alert_for("job", "f"));
    assert_true(outcome->acted && !outcome->durable);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    world->store_fails = false;
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_does_what_the_document_allows), cmocka_unit_test(what_does_nothing_says_why),
        cmocka_unit_test(each_acts_once),                   cmocka_unit_test(two_in_one_message_act_once),
        cmocka_unit_test(one_that_lasts_is_not_forgotten),  cmocka_unit_test(without_a_store_it_acts_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
