/* A job and its plan: stored before it is measured, planned again when that was cut off, approved for what was seen, and
 * measured once more before it starts. */
#include <string.h>

#include "allocate.h"
#include "engine_world.h"
#include "plan_text.h"

static const char DOCUMENT[] =
    "{\"name\":\"job\",\"target\":\"shop\",\"table\":\"t\",\"set\":{\"n\":\"1\"},\"undo\":\"none\",\"pace\":{\"nice\":2}}";

/* Submits, and stops time when the job is in the store and nothing of it is measured yet. */
static struct test_world *in_planning(struct heard *heard)
{
    struct test_world *world = world_new();
    *heard = (struct heard){0};
    world_start(world);
    world->store_waits = true;
    bf_engine_submit(world->engine, DOCUMENT, strlen(DOCUMENT), NULL, "ann", false, on_answer, heard);
    world_run(world);
    world->server_silent = true;
    world->store_waits = false;
    world_run(world);
    assert_int_equal(heard->times, 0);
    assert_int_equal(world_stored(world, "job")->state, BF_STATE_PLANNING);
    return world;
}

static void a_job_is_there_before_its_plan(void **state)
{
    (void)state;
    struct heard heard;
    struct test_world *world = in_planning(&heard);
    struct bf_reason reason = bf_job_reason(world_find(world, "job"));
    assert_int_equal(reason.code, BF_MEASURING);
    assert_non_null(strstr(reason.text, "measuring the table"));
    assert_null(bf_job_plan(world_find(world, "job")));
    world->server_silent = false;
    world_run(world);
    assert_true(heard.times == 1 && heard.code == BF_OK);
    assert_non_null(world_stored(world, "job")->plan);
    BF_AUTO_STRING char *plan = bf_job_plan(world_find(world, "job"));
    assert_non_null(strstr(plan, "\"hash\":\""));
    assert_non_null(strstr(plan, "MIGRATION"));
    assert_string_equal(world->events[0].to, "planning");
    assert_string_equal(world->events[1].from, "planning");
    world_free(world);
}

static void a_restart_plans_again(void **state)
{
    (void)state;
    struct heard heard;
    struct test_world *world = in_planning(&heard);
    world_crash(world);
    assert_true(heard.times == 1 && heard.code == BF_OK); /* the job is there */
    world->server_silent = false;
    world->targets[0].require_approval = BF_APPROVAL_ALL;
    world_start(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_PLANNING);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_AWAITING_APPROVAL);
    world_free(world);
}

static void planning_can_be_aborted(void **state)
{
    (void)state;
    struct heard heard;
    struct test_world *world = in_planning(&heard);
    assert_int_equal(order(world, "job", BF_ORDER_ABORT).code, BF_OK);
    assert_true(heard.times == 1 && heard.code == BF_OK);
    assert_int_equal(world_state(world, "job"), BF_STATE_ABORTED);
    assert_null(world->sessions); /* nothing of it is asked any more */
    world_free(world);
}

static void a_target_that_is_away_is_asked_again(void **state)
{
    (void)state;
    struct heard heard;
    struct test_world *world = in_planning(&heard);
    world_pass(world, 11000);
    assert_true(heard.times == 1 && heard.code == BF_OK);
    assert_int_equal(world_state(world, "job"), BF_STATE_PLANNING);
    assert_int_equal(bf_job_reason(world_find(world, "job")).code, BF_SERVER_UNREACHABLE);
    world->server_silent = false;
    world_pass(world, 4000);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    world_free(world);
}

static void a_target_that_leaves_is_waited_for(void **state)
{
    (void)state;
    struct heard heard;
    struct test_world *world = in_planning(&heard);
    const struct bf_target *target = &world->targets[0];
    bf_engine_set_targets(world->engine, NULL, 0);
    world_run(world);
    assert_true(heard.times == 1 && heard.code == BF_OK);
    assert_null(world->sessions);
    assert_int_equal(world_state(world, "job"), BF_STATE_PLANNING);
    assert_int_equal(bf_job_reason(world_find(world, "job")).code, BF_TARGET_GONE);
    world->server_silent = false;
    bf_engine_set_targets(world->engine, &target, 1);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    world_free(world);
}

static void replicas_that_are_away_for_a_moment_refuse_no_job(void **state)
{
    (void)state;
    struct heard heard;
    struct test_world *world = in_planning(&heard);
    world_crash(world);
    world->server_silent = false;
    world->targets[0].watch_replicas = true; /* and none streams */
    world_start(world);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_PLANNING);
    assert_int_equal(bf_job_reason(world_find(world, "job")).code, BF_NO_REPLICAS);
    world->targets[0].watch_replicas = false;
    world_pass(world, 3000);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    world_free(world);
}

static void a_daemon_that_stops_leaves_the_plan_for_the_next(void **state)
{
    (void)state;
    struct heard heard;
    struct test_world *world = in_planning(&heard);
    bf_engine_drain(world->engine, false, NULL, NULL);
    assert_true(heard.times == 1 && heard.code == BF_OK);
    world_run(world);
    assert_int_equal(world_stored(world, "job")->state, BF_STATE_PLANNING);
    assert_null(world->sessions);
    world_free(world);
}

static void what_cannot_be_stored_is_planned_again(void **state)
{
    (void)state;
    struct heard heard;
    struct test_world *world = in_planning(&heard);
    world->store_fails = true;
    world->server_silent = false;
    world_run(world);
    assert_true(heard.times == 1 && heard.code == BF_OK && !heard.durable);
    assert_int_equal(world_state(world, "job"), BF_STATE_PLANNING); /* what starts is stored first */
    world->store_fails = false;
    world_pass(world, 5000);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    world_free(world);
}

/* A job that was approved for `risk`, and is RED: it has no way back. */
static struct test_world *approved(enum bf_state state, const char *risk, const char *more)
{
    struct test_world *world = world_new();
    for (int i = 0; i < TARGETS; i++)
        world->targets[i].require_approval = BF_APPROVAL_ALL;
    world_job(world, "job", "shop", state, more);
    struct bf_record *record = world_stored(world, "job");
    free(record->plan);
    record->plan = bf_format("{\"table\":\"job\",\"risk\":\"%s\",\"hash\":\"h\"}", risk);
    record->approver = bf_copy_string("eve");
    record->approved_plan = bf_copy_string("h");
    record->approved_risk = bf_copy_string(risk);
    world_start(world);
    return world;
}

static struct heard approve(struct test_world *world, const char *plan)
{
    struct heard heard = {0};
    const char *id = bf_job_record(world_find(world, "job"))->id;
    bf_engine_approve(world->engine, id, "bob", &(struct bf_approving){.comment = "seen", .confirm = "job", .plan = plan}, on_answer,
                      &heard);
    world_run(world);
    assert_int_equal(heard.times, 1);
    return heard;
}

static void what_was_approved_starts(void **state)
{
    (void)state;
    struct test_world *world = approved(BF_STATE_QUEUED, "RED", "");
    int connects = world->connects;
    world->server_silent = true;
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_QUEUED);
    assert_int_equal(world->connects, connects + 1); /* it is measured once more */
    assert_int_equal(bf_job_reason(world_find(world, "job")).code, BF_MEASURING);
    world->server_silent = false;
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    assert_string_equal(bf_job_record(world_find(world, "job"))->approver, "eve");
    world_free(world);
}

static void only_a_worse_class_asks_again(void **state)
{
    (void)state;
    struct test_world *world = approved(BF_STATE_QUEUED, "YELLOW", "");
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_AWAITING_APPROVAL);
    const struct bf_record *record = bf_job_record(world_find(world, "job"));
    assert_int_equal(record->reason.code, BF_APPROVAL_LOST);
    assert_non_null(strstr(record->reason.text, "the risk was YELLOW and is RED now: no_undo"));
    assert_null(record->approver);
    assert_null(record->approved_plan);
    const struct bf_event *event = world_event(world, "job", "state");
    assert_string_equal(event->to, "awaiting_approval");
    assert_non_null(strstr(event->text, "is RED now"));
    /* Approved is the plan that was looked at. */
    struct heard heard = approve(world, "h");
    assert_int_equal(heard.code, BF_PRECONDITION_FAILED);
    assert_int_equal(world_state(world, "job"), BF_STATE_AWAITING_APPROVAL);
    BF_AUTO_STRING char *plan = bf_copy_string(bf_job_record(world_find(world, "job"))->plan);
    const char *found = strstr(plan, "\"hash\":\"");
    assert_non_null(found);
    BF_AUTO_STRING char *hash = bf_copy_bytes(found + 8, 64);
    assert_int_equal(approve(world, hash).code, BF_OK);
    record = world_stored(world, "job");
    assert_int_equal(record->state, BF_STATE_RUNNING);
    assert_string_equal(record->approver, "bob");
    assert_string_equal(record->approved_plan, hash);
    assert_string_equal(record->approved_risk, "RED");
    world_free(world);
}

/* What the plan knew is not known for all time: who waits for locks, or that nobody does, has to be seen again. */
static void what_is_mandatory_is_measured_again(void **state)
{
    (void)state;
    struct test_world *world = approved(BF_STATE_QUEUED, "RED", "");
    world_crash(world);
    struct bf_record *record = world_stored(world, "job");
    free(record->plan);
    record->plan = bf_copy_string("{\"table\":\"job\",\"risk\":\"RED\",\"hash\":\"h\",\"measured\":{\"rows\":{\"value\":100},"
                                  "\"write_rate\":{\"value\":0},\"lock_contention\":{\"value\":0},\"replicas\":{\"value\":0}}}");
    world->unmeasured = true;
    world_start(world);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_REFUSED);
    assert_int_equal(bf_job_reason(world_find(world, "job")).code, BF_UNMEASURED);
    assert_non_null(strstr(bf_job_reason(world_find(world, "job")).text, "lock_contention"));
    world_free(world);
}

static void a_pooler_is_said_before_the_start(void **state)
{
    (void)state;
    struct test_world *world = approved(BF_STATE_QUEUED, "RED", "");
    world->pooled = true;
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    assert_int_equal(bf_job_reason(world_find(world, "job")).code, BF_PROXY_BETWEEN_US);
    world->pooled = false;
    assert_int_equal(order(world, "job", BF_ORDER_RESUME).code, BF_OK);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    world_free(world);
}

static void a_pooler_is_said_while_the_plan_is_made(void **state)
{
    (void)state;
    struct heard heard;
    struct test_world *world = in_planning(&heard);
    world_crash(world);
    world->server_silent = false;
    world->pooled = true;
    world_start(world);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_PLANNING);
    assert_int_equal(bf_job_reason(world_find(world, "job")).code, BF_PROXY_BETWEEN_US);
    world->pooled = false;
    world_pass(world, 3000);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    world_free(world);
}

static void a_started_job_never_asks_again(void **state)
{
    (void)state;
    struct test_world *world = approved(BF_STATE_PAUSED, "YELLOW", "");
    world_crash(world);
    world_stored(world, "job")->started_at = 1;
    world_start(world);
    int connects = world->connects;
    world->server_silent = true;
    assert_int_equal(order(world, "job", BF_ORDER_RESUME).code, BF_OK);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    assert_true(world->connects > connects);
    world_free(world);
}

static void a_plan_without_a_risk_is_of_a_former_release(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    world->targets[0].require_approval = BF_APPROVAL_ALL;
    world_job(world, "job", "shop", BF_STATE_QUEUED, "");
    world->server_silent = true;
    world_start(world);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    world_free(world);
}

static void give_bounds(struct test_world *world)
{
    world_crash(world);
    world_stored(world, "job")->approved_bounds = bf_copy_string("{\"pace.nice\":2}");
    world_start(world);
}

static void a_change_past_what_was_approved_asks(void **state)
{
    (void)state;
    struct test_world *world = approved(BF_STATE_QUEUED, "RED", ",\"pace\":{\"nice\":2}");
    give_bounds(world);
    world->targets[0].max_jobs = 0; /* nobody's turn comes */
    assert_int_equal(tune(world, "job", "{\"pace\":{\"nice\":3}}", NULL).code, BF_OK);
    assert_int_equal(tune(world, "job", "{\"pace\":{\"nice\":2}}", NULL).code, BF_OK);
    assert_int_equal(world_state(world, "job"), BF_STATE_QUEUED);
    assert_int_equal(tune(world, "job", "{\"pace\":{\"nice\":1}}", NULL).code, BF_OK);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_AWAITING_APPROVAL);
    const struct bf_record *record = bf_job_record(world_find(world, "job"));
    assert_string_equal(record->reason.text, "pace.nice is past what eve approved");
    assert_null(record->approver);
    world_free(world);
}

static void a_change_in_a_pause_is_looked_at_in_the_queue(void **state)
{
    (void)state;
    struct test_world *world = approved(BF_STATE_PAUSED, "RED", ",\"pace\":{\"nice\":2}");
    give_bounds(world);
    assert_int_equal(tune(world, "job", "{\"pace\":{\"nice\":0}}", NULL).code, BF_OK);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    order(world, "job", BF_ORDER_RESUME);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_AWAITING_APPROVAL);
    world_free(world);
}

static void a_change_of_a_started_job_is_the_word_of_who_makes_it(void **state)
{
    (void)state;
    struct test_world *world = approved(BF_STATE_PAUSED, "RED", ",\"pace\":{\"nice\":2}");
    give_bounds(world);
    world_crash(world);
    world_stored(world, "job")->started_at = 1;
    world_start(world);
    assert_int_equal(tune(world, "job", "{\"pace\":{\"nice\":1}}", NULL).code, BF_OK);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    const struct bf_record *record = world_stored(world, "job");
    assert_string_equal(record->approver, "bob");
    assert_string_equal(world_event(world, "job", "tune")->text, "pace.nice is past what eve approved");
    /* From now on that is what was approved. */
    assert_int_equal(tune(world, "job", "{\"pace\":{\"nice\":1.5}}", NULL).code, BF_OK);
    assert_null(strstr(world_event(world, "job", "tune")->text, "past"));
    world_free(world);
}

/* Waits for approval, with a count under way. */
static struct test_world *counting(void)
{
    struct test_world *world = world_new();
    struct heard heard = {0};
    world->targets[0].require_approval = BF_APPROVAL_ALL;
    world->store_waits = true;
    world_start(world);
    bf_engine_submit(world->engine, DOCUMENT, strlen(DOCUMENT), NULL, "ann", false, on_answer, &heard);
    world_run(world);
    world->store_waits = false;
    for (int i = 0; i < 200 && !world->counting; i++)
        world_step(world);
    assert_true(world->counting);
    assert_int_equal(world_state(world, "job"), BF_STATE_AWAITING_APPROVAL);
    return world;
}

static void rows_are_counted_while_it_waits(void **state)
{
    (void)state;
    struct test_world *world = counting();
    BF_AUTO_STRING char *hash = bf_plan_text(bf_job_record(world_find(world, "job"))->plan, "hash");
    world_run(world);
    assert_null(world->sessions);
    assert_string_equal(world_event(world, "job", "note")->text, "counted: 77 rows are asked for");
    BF_AUTO_STRING char *plan = bf_job_plan(world_find(world, "job"));
    assert_non_null(strstr(plan, "\"rows_matching_exact\":{\"value\":77.0"));
    assert_non_null(strstr(plan, "rows to change: 77 (counted)"));
    assert_non_null(strstr(plan, hash)); /* what is known better is no other plan */
    world_free(world);
}

/* The count ends while the approval is on its way into the store: what it says must not bring the former state back. */
static void a_count_does_not_undo_an_approval(void **state)
{
    (void)state;
    struct test_world *world = counting();
    struct heard heard = {0};
    const char *id = bf_job_record(world_find(world, "job"))->id;
    world->targets[0].max_jobs = 0; /* it stays in the queue */
    world->store_waits = true;
    bf_engine_approve(world->engine, id, "bob", &(struct bf_approving){.confirm = "job"}, on_answer, &heard);
    world_run(world);
    assert_int_equal(heard.times, 0);
    world->store_waits = false;
    world_run(world);
    assert_true(heard.times == 1 && heard.code == BF_OK);
    assert_int_equal(world_stored(world, "job")->state, BF_STATE_QUEUED);
    assert_string_equal(world_stored(world, "job")->approver, "bob");
    assert_string_equal(world_event(world, "job", "note")->text, "counted: 77 rows are asked for");
    world_free(world);
}

static void a_count_ends_with_the_wait(void **state)
{
    (void)state;
    struct test_world *world = counting();
    world->server_silent = true;
    assert_int_equal(order(world, "job", BF_ORDER_ABORT).code, BF_OK);
    assert_true(world->cancels > 0);
    world->server_silent = false;
    world_run(world);
    assert_null(world->sessions);
    assert_null(world_event(world, "job", "note"));
    world_free(world);
    world = counting(); /* whatever is under way when the daemon goes */
    world_free(world);
    world = counting();
    bf_engine_set_targets(world->engine, NULL, 0);
    assert_null(world->sessions);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_there_before_its_plan),
        cmocka_unit_test(a_restart_plans_again),
        cmocka_unit_test(planning_can_be_aborted),
        cmocka_unit_test(a_target_that_is_away_is_asked_again),
        cmocka_unit_test(a_target_that_leaves_is_waited_for),
        cmocka_unit_test(replicas_that_are_away_for_a_moment_refuse_no_job),
        cmocka_unit_test(a_daemon_that_stops_leaves_the_plan_for_the_next),
        cmocka_unit_test(what_cannot_be_stored_is_planned_again),
        cmocka_unit_test(what_was_approved_starts),
        cmocka_unit_test(only_a_worse_class_asks_again),
        cmocka_unit_test(what_is_mandatory_is_measured_again),
        cmocka_unit_test(a_pooler_is_said_before_the_start),
        cmocka_unit_test(a_pooler_is_said_while_the_plan_is_made),
        cmocka_unit_test(a_started_job_never_asks_again),
        cmocka_unit_test(a_plan_without_a_risk_is_of_a_former_release),
        cmocka_unit_test(a_change_past_what_was_approved_asks),
        cmocka_unit_test(a_change_in_a_pause_is_looked_at_in_the_queue),
        cmocka_unit_test(rows_are_counted_while_it_waits),
        cmocka_unit_test(a_count_does_not_undo_an_approval),
        cmocka_unit_test(a_count_ends_with_the_wait),
        cmocka_unit_test(a_change_of_a_started_job_is_the_word_of_who_makes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
