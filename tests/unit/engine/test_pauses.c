/* Pauses with an end: the job resumes by itself, after restarts too, and an order in between takes that back. */
#include <string.h>

#include "allocate.h"
#include "engine_world.h"

enum { HOUR = 3600 * 1000 };

static struct test_world *running(void)
{
    struct test_world *world = world_new();
    world_job(world, "job", "shop", BF_STATE_RUNNING, "");
    world->server_silent = true;
    world_start(world);
    return world;
}

static const struct bf_reason *reason_of(struct test_world *world)
{
    return &bf_job_record(world_find(world, "job"))->reason;
}

static void a_pause_ends_by_itself(void **state)
{
    (void)state;
    struct test_world *world = running();
    int64_t end = world->unix_time + 2 * HOUR;
    struct heard heard = pause_for(world, "job", 2 * HOUR);
    assert_int_equal(heard.code, BF_OK);
    assert_false(heard.already);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    assert_int_equal(reason_of(world)->until, end);
    assert_int_equal(world_stored(world, "job")->reason.until, end);
    assert_non_null(strstr(reason_of(world)->text, "until 20"));
    world_pass(world, 2 * HOUR - 1);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    world_pass(world, 1);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    bool found = false;
    for (int i = 0; i < world->event_count; i++)
        found = found || (strcmp(world->events[i].actor, "timer") == 0 && strcmp(world->events[i].to, "queued") == 0);
    assert_true(found);
    assert_int_equal(reason_of(world)->code, BF_OK);
    world_free(world);
}

static void it_ends_after_restarts_too(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct test_world *world = running();
        pause_for(world, "job", HOUR);
        world_crash(world);
        world->unix_time += late ? 3 * HOUR : HOUR / 2;
        world_start(world);
        world_run(world);
        assert_int_equal(world_state(world, "job"), late ? BF_STATE_RUNNING : BF_STATE_PAUSED);
        world_pass(world, HOUR / 2);
        assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
        world_free(world);
    }
}

static void an_order_in_between_takes_it_back(void **state)
{
    (void)state;
    /* Paused for good. */
    struct test_world *world = running();
    pause_for(world, "job", HOUR);
    struct heard heard = order(world, "job", BF_ORDER_PAUSE);
    assert_true(heard.code == BF_OK && heard.already && heard.durable);
    assert_int_equal(reason_of(world)->until, 0);
    assert_int_equal(world_stored(world, "job")->reason.until, 0);
    assert_string_equal(world_event(world, "job", "pause")->actor, "ann");
    world_pass(world, 3 * HOUR);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    /* And from now on for a while again, shorter, then longer. */
    pause_for(world, "job", HOUR / 2);
    heard = pause_for(world, "job", HOUR);
    assert_true(heard.code == BF_OK && heard.already);
    world_pass(world, HOUR - 1);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    world_pass(world, 1);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    world_free(world);

    /* Resumed, and paused for good later: the old end means nothing. */
    world = running();
    pause_for(world, "job", HOUR);
    order(world, "job", BF_ORDER_RESUME);
    order(world, "job", BF_ORDER_PAUSE);
    world_pass(world, 3 * HOUR);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    world_free(world);

    /* Aborted. */
    world = running();
    pause_for(world, "job", HOUR);
    order(world, "job", BF_ORDER_ABORT);
    world_pass(world, 3 * HOUR);
    assert_int_equal(world_state(world, "job"), BF_STATE_ABORTED);
    world_free(world);

    /* In the very moment in which it ends: whoever came first. */
    world = running();
    pause_for(world, "job", HOUR);
    world->monotonic += HOUR;
    world->unix_time += HOUR;
    struct heard first = {0};
    bf_engine_order(world->engine, bf_job_record(world_find(world, "job"))->id, BF_ORDER_PAUSE, "ann", NULL, NULL, on_answer,
                    &first);
    world_run(world);
    assert_int_equal(first.times, 1);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    world_pass(world, HOUR);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    world_free(world);
}

static void what_the_job_found_out_itself_does_not_end(void **state)
{
    static const enum bf_code codes[] = {BF_FENCED, BF_ENDED_BY_DBA, BF_CONTROL, BF_TABLE_CHANGED, BF_CANARY};
    (void)state;
    for (size_t i = 0; i < BF_COUNT(codes); i++) {
        struct test_world *world = world_new();
        world_job(world, "job", "shop", BF_STATE_PAUSED, "");
        world_stored(world, "job")->reason.code = codes[i];
        world_start(world);
        world_run(world);
        assert_int_equal(pause_for(world, "job", HOUR).code, BF_WRONG_STATE);
        assert_true(order(world, "job", BF_ORDER_PAUSE).already);
        assert_int_equal(reason_of(world)->code, codes[i]);
        world_pass(world, 3 * HOUR);
        assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
        world_free(world);
    }
}

static void it_is_tried_again_while_the_store_fails(void **state)
{
    (void)state;
    struct test_world *world = running();
    pause_for(world, "job", HOUR);
    world->store_fails = true;
    world_pass(world, HOUR + 60000);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED); /* what starts something is stored first */
    world->store_fails = false;
    world_pass(world, 5000);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    world_free(world);
}

static void a_clock_that_is_set_does_not_matter(void **state)
{
    (void)state;
    struct test_world *world = running();
    pause_for(world, "job", 5 * HOUR);
    world->unix_time += 5 * HOUR; /* the clock of the wall, set forward: that is the one that people read */
    world_pass(world, 2 * 60 * 1000);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    pause_for(world, "job", HOUR);
    world->unix_time -= 2 * HOUR;
    world_pass(world, 2 * HOUR);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    world_pass(world, HOUR);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    world_free(world);
}

static void it_takes_no_job_from_another_daemon(void **state)
{
    (void)state;
    struct test_world *world = running();
    pause_for(world, "job", HOUR);
    world_crash(world);
    world_stored(world, "job")->epoch = 7;
    world_start(world);
    world_pass(world, HOUR);
    /* A person's resume would forget the epoch and take the job from whoever has it; the timer does not. */
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    assert_int_equal(bf_job_record(world_find(world, "job"))->epoch, 7);
    order(world, "job", BF_ORDER_PAUSE);
    order(world, "job", BF_ORDER_RESUME);
    assert_int_equal(bf_job_record(world_find(world, "job"))->epoch, 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_ends_by_itself),
        cmocka_unit_test(it_ends_after_restarts_too),
        cmocka_unit_test(an_order_in_between_takes_it_back),
        cmocka_unit_test(what_the_job_found_out_itself_does_not_end),
        cmocka_unit_test(it_is_tried_again_while_the_store_fails),
        cmocka_unit_test(a_clock_that_is_set_does_not_matter),
        cmocka_unit_test(it_takes_no_job_from_another_daemon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
