/* pause-all and resume-all: what is held, what is not, what goes on afterwards, and what a restart or a store that fails
 * makes of it. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "engine_world.h"

struct held {
    int paused; /* of the jobs in the answer, when it came */
    int times;
    enum bf_code code;
    bool durable;
    char names[256]; /* of the jobs, oldest first, each with a blank behind it */
};

static void on_latched(void *argument, const struct bf_outcome_of_latch *outcome)
{
    struct held *held = argument;
    held->times++;
    held->code = outcome->code;
    held->durable = outcome->durable;
    held->names[0] = '\0';
    for (size_t i = 0; i < outcome->count; i++) {
        size_t length = strlen(held->names);
        snprintf(held->names + length, sizeof held->names - length, "%s ", bf_job_record(outcome->jobs[i])->document->name);
        held->paused += bf_job_record(outcome->jobs[i])->state == BF_STATE_PAUSED;
    }
}

static struct bf_latch all(void)
{
    return (struct bf_latch){.kind = BF_LATCH_ALL, .name = "", .value = "", .reason = "fire"};
}

static struct bf_latch target(char *name)
{
    return (struct bf_latch){.kind = BF_LATCH_TARGET, .name = name, .value = ""};
}

static struct bf_latch label(char *name, char *value)
{
    return (struct bf_latch){.kind = BF_LATCH_LABEL, .name = name, .value = value};
}

static struct held latch(struct test_world *world, struct bf_latch scope, bool on)
{
    struct held held = {0};
    (on ? bf_engine_pause_all : bf_engine_resume_all)(world->engine, &scope, on ? "ann" : "bob", on_latched, &held);
    world_run(world);
    assert_int_equal(held.times, 1);
    return held;
}

static enum bf_code reason_of(struct test_world *world, const char *name)
{
    return bf_job_reason(world_find(world, name)).code;
}

/* shop: one runs, one is queued, one waits for approval, one is paused by a person; legacy: one runs, one is done. */
static struct test_world *make(void)
{
    struct test_world *world = world_new();
    world_job(world, "runs", "shop", BF_STATE_RUNNING, ",\"labels\":{\"team\":\"orders\"}");
    world_job(world, "queued", "shop", BF_STATE_AWAITING_APPROVAL, "");
    world_job(world, "waits", "shop", BF_STATE_AWAITING_APPROVAL, "");
    world_job(world, "paused", "shop", BF_STATE_PAUSED, "");
    world_job(world, "elsewhere", "legacy", BF_STATE_RUNNING, ",\"labels\":{\"team\":\"users\"}");
    world_job(world, "done", "legacy", BF_STATE_COMPLETED, "");
    world->server_silent = true;
    world->targets[0].max_jobs = 1;
    world_start(world);
    world_run(world);
    assert_int_equal(order(world, "queued", BF_ORDER_APPROVE).code, BF_OK);
    assert_int_equal(reason_of(world, "queued"), BF_MAX_JOBS);
    return world;
}

static void everything_stops_and_what_it_stopped_goes_on(void **state)
{
    (void)state;
    struct test_world *world = make();
    struct held held = latch(world, all(), true);
    assert_true(held.code == BF_OK && held.durable);
    assert_string_equal(held.names, "runs queued elsewhere ");
    assert_int_equal(world_state(world, "runs"), BF_STATE_PAUSED);
    assert_int_equal(world_state(world, "elsewhere"), BF_STATE_PAUSED);
    assert_int_equal(reason_of(world, "runs"), BF_PAUSE_ALL);
    assert_non_null(strstr(bf_job_reason(world_find(world, "runs")).text, "fire"));
    assert_int_equal(world_state(world, "queued"), BF_STATE_QUEUED);
    assert_int_equal(reason_of(world, "queued"), BF_PAUSE_ALL);
    assert_int_equal(world_state(world, "waits"), BF_STATE_AWAITING_APPROVAL);
    assert_int_equal(reason_of(world, "paused"), BF_OPERATOR);
    const struct bf_event *event = world_event(world, NULL, "pause_all");
    assert_string_equal(event->actor, "ann");
    assert_string_equal(event->text, "all jobs: fire");

    /* Nothing starts or resumes; who approves lets a job wait, who aborts is heard. */
    struct heard heard = order(world, "runs", BF_ORDER_RESUME);
    assert_int_equal(heard.code, BF_PAUSE_ALL);
    assert_non_null(strstr(heard.text, "ann"));
    assert_int_equal(order(world, "paused", BF_ORDER_RESUME).code, BF_PAUSE_ALL);
    assert_true(order(world, "queued", BF_ORDER_RESUME).already);
    assert_int_equal(order(world, "waits", BF_ORDER_APPROVE).code, BF_OK);
    assert_int_equal(world_state(world, "waits"), BF_STATE_QUEUED);
    assert_int_equal(reason_of(world, "waits"), BF_PAUSE_ALL);
    assert_int_equal(order(world, "elsewhere", BF_ORDER_ABORT).code, BF_OK);
    assert_int_equal(world_state(world, "elsewhere"), BF_STATE_ABORTED);

    /* Said again it stays as it is. */
    held = latch(world, all(), true);
    assert_string_equal(held.names, "runs queued waits ");
    assert_null(bf_engine_latch(world->engine, 1));

    /* Over a restart. */
    world_crash(world);
    world_start(world);
    world_pass(world, 60000);
    assert_int_equal(world_state(world, "runs"), BF_STATE_PAUSED);
    assert_int_equal(world_state(world, "queued"), BF_STATE_QUEUED);
    assert_int_equal(reason_of(world, "queued"), BF_PAUSE_ALL);
    assert_int_equal(order(world, "runs", BF_ORDER_RESUME).code, BF_PAUSE_ALL);
    assert_string_equal(bf_engine_latch(world->engine, 0)->actor, "ann");

    held = latch(world, all(), false);
    assert_string_equal(held.names, "runs queued waits ");
    assert_int_equal(held.paused, 0); /* who hears of it may wait for them */
    assert_null(bf_engine_latch(world->engine, 0));
    assert_int_equal(world->latch_count, 0);
    assert_int_equal(world_state(world, "runs"), BF_STATE_RUNNING);
    assert_int_equal(world_state(world, "paused"), BF_STATE_PAUSED);
    assert_int_equal(world_state(world, "elsewhere"), BF_STATE_ABORTED);
    assert_int_equal(reason_of(world, "queued"), BF_MAX_JOBS);
    bool found = false;
    for (int i = 0; i < world->event_count; i++)
        found = found || (strcmp(world->events[i].to, "queued") == 0 && strcmp(world->events[i].actor, "bob") == 0);
    assert_true(found);
    assert_string_equal(world_event(world, NULL, "resume_all")->actor, "bob");
    assert_string_equal(latch(world, all(), false).names, "");
    world_free(world);
}

static void a_scope_leaves_the_others_alone(void **state)
{
    (void)state;
    struct test_world *world = make();
    assert_string_equal(latch(world, target("legacy"), true).names, "elsewhere ");
    assert_int_equal(world_state(world, "runs"), BF_STATE_RUNNING);
    assert_int_equal(world_state(world, "elsewhere"), BF_STATE_PAUSED);
    assert_string_equal(latch(world, label("team", "orders"), true).names, "runs ");
    assert_int_equal(world_state(world, "queued"), BF_STATE_RUNNING); /* its place came free */
    assert_string_equal(latch(world, all(), false).names, ""); /* that one is not on */
    assert_int_equal(world_state(world, "runs"), BF_STATE_PAUSED);
    assert_string_equal(latch(world, label("team", "users"), false).names, "");
    assert_string_equal(latch(world, target("legacy"), false).names, "elsewhere ");
    assert_int_equal(world_state(world, "elsewhere"), BF_STATE_RUNNING);
    assert_int_equal(world_state(world, "runs"), BF_STATE_PAUSED);
    world_free(world);
}

static void two_latches_hold_until_both_are_off(void **state)
{
    (void)state;
    struct test_world *world = make();
    latch(world, target("shop"), true);
    latch(world, all(), true);
    assert_string_equal(latch(world, target("shop"), false).names, ""); /* nobody goes on by this */
    assert_int_equal(world_state(world, "runs"), BF_STATE_PAUSED);
    assert_int_equal(reason_of(world, "runs"), BF_PAUSE_ALL);
    assert_string_equal(latch(world, all(), false).names, "runs queued elsewhere ");
    assert_int_equal(world_state(world, "runs"), BF_STATE_RUNNING);
    world_free(world);
}

static void a_person_s_word_takes_a_job_out(void **state)
{
    (void)state;
    struct test_world *world = make();
    latch(world, all(), true);
    assert_true(order(world, "runs", BF_ORDER_PAUSE).already);
    assert_int_equal(reason_of(world, "runs"), BF_OPERATOR);
    assert_true(pause_for(world, "elsewhere", 1000).already);
    world_pass(world, 60000);
    assert_int_equal(world_state(world, "elsewhere"), BF_STATE_PAUSED); /* its pause is over, the latch is not */
    latch(world, all(), false);
    assert_int_equal(world_state(world, "runs"), BF_STATE_PAUSED);
    assert_int_equal(world_state(world, "elsewhere"), BF_STATE_RUNNING);
    world_free(world);
}

static void what_is_still_on_its_way_to_the_pause_goes_on_from_there(void **state)
{
    (void)state;
    struct test_world *world = make();
    struct held on = {0}, off = {0};
    struct bf_latch scope = all();
    /* Both before a single step: the job has not even begun to stop. */
    bf_engine_pause_all(world->engine, &scope, "ann", on_latched, &on);
    assert_int_equal(world_state(world, "runs"), BF_STATE_PAUSING);
    bf_engine_resume_all(world->engine, &scope, "bob", on_latched, &off);
    world_run(world);
    assert_true(on.times == 1 && off.times == 1);
    assert_int_equal(world_state(world, "runs"), BF_STATE_RUNNING);
    assert_int_equal(world->latch_count, 0);
    /* The other way round: the last word counts. */
    latch(world, all(), true);
    on = off = (struct held){0};
    bf_engine_resume_all(world->engine, &scope, "bob", on_latched, &off);
    bf_engine_pause_all(world->engine, &scope, "ann", on_latched, &on);
    world_run(world);
    assert_true(on.times == 1 && off.times == 1);
    assert_int_equal(world_state(world, "runs"), BF_STATE_PAUSED);
    assert_int_equal(world->latch_count, 1);
    assert_non_null(bf_engine_latch(world->engine, 0));
    world_free(world);
}

static void a_restart_in_the_middle_of_resume_all(void **state)
{
    (void)state;
    struct test_world *world = make();
    latch(world, all(), true);
    struct held off = {0};
    struct bf_latch scope = all();
    /* The store has it, nobody was told: the next start finds jobs that no latch holds. */
    bf_engine_resume_all(world->engine, &scope, "bob", on_latched, &off);
    bf_latch_clear(&world->latches[0]);
    world->latch_count = 0;
    world_crash(world);
    world_start(world);
    world_run(world);
    assert_int_equal(world_state(world, "runs"), BF_STATE_RUNNING);
    assert_int_equal(world_state(world, "paused"), BF_STATE_PAUSED);
    world_free(world);
}

static void a_store_that_fails(void **state)
{
    (void)state;
    struct test_world *world = make();
    world->store_fails = true;
    struct held held = latch(world, all(), true);
    assert_true(held.code == BF_OK && !held.durable); /* stops take effect all the same */
    assert_int_equal(world_state(world, "runs"), BF_STATE_PAUSED);
    assert_int_equal(order(world, "paused", BF_ORDER_RESUME).code, BF_PAUSE_ALL);
    assert_int_equal(world->latch_count, 0);
    world->store_fails = false;
    world_pass(world, 5000);
    assert_int_equal(world->latch_count, 1);
    assert_int_equal(world_stored(world, "runs")->state, BF_STATE_PAUSED);
    assert_true(latch(world, all(), true).durable);
    int said = 0; /* the event is not lost with the write that failed, and comes once */
    for (int i = 0; i < world->event_count; i++)
        said += strcmp(world->events[i].type, "pause_all") == 0;
    assert_int_equal(said, 1);
    assert_string_equal(world_event(world, NULL, "pause_all")->text, "all jobs: fire");
    assert_string_equal(world_event(world, NULL, "pause_all")->actor, "ann");
    /* What starts something is stored first. */
    world->store_fails = true;
    held = latch(world, all(), false);
    assert_int_equal(held.code, BF_STORE_FAILED);
    world_pass(world, 10000);
    assert_int_equal(world_state(world, "runs"), BF_STATE_PAUSED);
    assert_non_null(bf_engine_latch(world->engine, 0));
    world->store_fails = false;
    assert_int_equal(latch(world, all(), false).code, BF_OK);
    assert_int_equal(world_state(world, "runs"), BF_STATE_RUNNING);
    world_free(world);
}

static void an_event_of_a_latch_that_is_off_again_is_not_lost(void **state)
{
    (void)state;
    struct test_world *world = make();
    struct held on = {0}, off = {0};
    struct bf_latch scope = all();
    bf_engine_pause_all(world->engine, &scope, "ann", on_latched, &on);
    bf_engine_resume_all(world->engine, &scope, "bob", on_latched, &off);
    while (on.times == 0) /* the jobs' own saves come before the latch's */
        assert_true(world_write_one(world, true));
    assert_false(on.durable);
    world_pass(world, 5000);
    assert_int_equal(off.code, BF_OK);
    assert_int_equal(world->latch_count, 0);
    assert_string_equal(world_event(world, NULL, "pause_all")->actor, "ann");
    assert_string_equal(world_event(world, NULL, "resume_all")->actor, "bob");
    assert_int_equal(world_state(world, "runs"), BF_STATE_RUNNING);
    world_free(world);
}

static void what_comes_later_is_held_too(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    world_start(world);
    latch(world, target("shop"), true);
    static const char json[] =
        "{\"name\":\"late\",\"target\":\"shop\",\"table\":\"t\",\"set\":{\"n\":\"1\"},\"undo\":\"none\"}";
    struct heard heard = {0};
    bf_engine_submit(world->engine, json, strlen(json), NULL, "ann", false, on_answer, &heard);
    world_pass(world, 60000);
    assert_int_equal(heard.code, BF_OK);
    assert_int_equal(world_state(world, "late"), BF_STATE_QUEUED);
    assert_int_equal(reason_of(world, "late"), BF_PAUSE_ALL);
    assert_string_equal(latch(world, target("shop"), false).names, "late ");
    assert_int_equal(world_state(world, "late"), BF_STATE_RUNNING);
    world_free(world);
}

static void latches_have_a_limit(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    world->store_waits = true;
    world_start(world);
    struct held held[BF_LATCHES_MAX + 1] = {{0}};
    char name[16];
    for (int i = 0; i <= BF_LATCHES_MAX; i++) {
        snprintf(name, sizeof name, "l%d", i);
        struct bf_latch scope = label(name, "x");
        bf_engine_pause_all(world->engine, &scope, "ann", on_latched, &held[i]);
    }
    assert_int_equal(held[BF_LATCHES_MAX].times, 1);
    assert_int_equal(held[BF_LATCHES_MAX].code, BF_BUSY);
    assert_int_equal(held[0].times, 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_stops_and_what_it_stopped_goes_on),
        cmocka_unit_test(a_scope_leaves_the_others_alone),
        cmocka_unit_test(two_latches_hold_until_both_are_off),
        cmocka_unit_test(a_person_s_word_takes_a_job_out),
        cmocka_unit_test(what_is_still_on_its_way_to_the_pause_goes_on_from_there),
        cmocka_unit_test(a_restart_in_the_middle_of_resume_all),
        cmocka_unit_test(a_store_that_fails),
        cmocka_unit_test(an_event_of_a_latch_that_is_off_again_is_not_lost),
        cmocka_unit_test(what_comes_later_is_held_too),
        cmocka_unit_test(latches_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
