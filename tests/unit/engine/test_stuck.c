/* A job that does not move says so after limits.stuck_after, once, and again when it is over. */
#include <string.h>

#include "allocate.h"
#include "engine_world.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };

static int events_of(struct test_world *world, const char *type)
{
    int count = 0;
    for (int i = 0; i < world->event_count; i++)
        count += strcmp(world->events[i].type, type) == 0;
    return count;
}

static struct test_world *backing_off(const char *more)
{
    struct test_world *world = world_new();
    world->server_refuses = true;
    world_job(world, "job", "shop", BF_STATE_RUNNING, more);
    world_start(world);
    world_run(world);
    return world;
}

static void it_says_so_once(void **state)
{
    (void)state;
    struct test_world *world = backing_off(",\"limits\":{\"stuck_after\":\"2m\"}");
    const struct bf_job *job = world_find(world, "job");
    world_pass(world, 100 * SECOND);
    assert_int_equal(events_of(world, "stuck"), 0);
    assert_false(bf_job_stuck(job));
    world_pass(world, 40 * SECOND);
    assert_int_equal(events_of(world, "stuck"), 1);
    assert_non_null(strstr(world_event(world, "job", "stuck")->text, "stuck for 2 min"));
    assert_true(bf_job_stuck(job));
    assert_non_null(strstr(bf_job_reason(job).text, "; stuck for 2 min"));
    assert_int_equal(bf_job_record(job)->state, BF_STATE_RUNNING); /* it fails nobody */
    world_pass(world, 30 * MINUTE);
    assert_int_equal(events_of(world, "stuck"), 1);
    assert_non_null(strstr(bf_job_reason(job).text, "; stuck for 32 min"));

    /* Another state is a move. */
    order(world, "job", BF_ORDER_PAUSE);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    assert_false(bf_job_stuck(job));
    world_pass(world, 30 * MINUTE);
    assert_int_equal(events_of(world, "stuck"), 1);
    order(world, "job", BF_ORDER_RESUME);
    world_pass(world, 150 * SECOND);
    assert_int_equal(events_of(world, "stuck"), 2);
    world_free(world);
}

static void ten_minutes_where_nothing_is_said(void **state)
{
    (void)state;
    struct test_world *world = backing_off("");
    world_pass(world, 9 * MINUTE + 50 * SECOND);
    assert_int_equal(events_of(world, "stuck"), 0);
    world_pass(world, 30 * SECOND);
    assert_int_equal(events_of(world, "stuck"), 1);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_says_so_once), cmocka_unit_test(ten_minutes_where_nothing_is_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
