/* The meter: time belongs to what the job did meanwhile, tries are counted by their reason, and what does not work is not
 * measured. Batches are counted in tests/integration/test_metrics.py, on a real server. */
#include "engine_world.h"

static struct bf_meter meter_of(struct test_world *world)
{
    struct bf_meter meter;
    bf_job_meter(world_find(world, "job"), &meter);
    return meter;
}

static int64_t sum(const int64_t *numbers, int count)
{
    int64_t total = 0;
    for (int i = 0; i < count; i++)
        total += numbers[i];
    return total;
}

static void time_belongs_to_what_is_done(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    world_job(world, "job", "shop", BF_STATE_RUNNING, "");
    world->server_silent = true;
    world_start(world);
    world_run(world);
    world_pass(world, 3000);
    struct bf_meter meter = meter_of(world);
    assert_int_equal(meter.spent[BF_ACTIVITY_CONNECTING], 3000);
    assert_int_equal(sum(meter.spent, BF_ACTIVITY_COUNT), 3000);
    assert_int_equal(sum(meter.waited, BF_CODE_COUNT), 0);
    assert_int_equal(meter.checkpoint_age, -1);
    world_free(world);
}

static void tries_and_back_offs_have_their_reason(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    world_job(world, "job", "shop", BF_STATE_RUNNING, "");
    world->server_refuses = true;
    world_start(world);
    world_run(world);
    world_pass(world, 60000);
    struct bf_meter meter = meter_of(world);
    assert_true(meter.retries[BF_SERVER_UNREACHABLE] >= 3);
    assert_int_equal(sum(meter.retries, BF_CODE_COUNT), meter.retries[BF_SERVER_UNREACHABLE]);
    assert_int_equal(meter.waited[BF_SERVER_UNREACHABLE], meter.spent[BF_ACTIVITY_BACKING_OFF]);
    assert_int_equal(sum(meter.spent, BF_ACTIVITY_COUNT), 60000);
    assert_true(meter.spent[BF_ACTIVITY_BACKING_OFF] > 50000);
    world_free(world);
}

static void what_rests_is_not_measured(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    world_job(world, "job", "shop", BF_STATE_PAUSED, "");
    world->server_silent = true;
    world_start(world);
    world_run(world);
    world_pass(world, 5000);
    struct bf_meter meter = meter_of(world);
    assert_int_equal(sum(meter.spent, BF_ACTIVITY_COUNT), 0);
    order(world, "job", BF_ORDER_RESUME);
    world_pass(world, 1000);
    order(world, "job", BF_ORDER_PAUSE);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    int64_t worked = sum(meter_of(world).spent, BF_ACTIVITY_COUNT);
    assert_in_range(worked, 1000, 2000);
    world_pass(world, 5000);
    meter = meter_of(world);
    assert_int_equal(sum(meter.spent, BF_ACTIVITY_COUNT), worked);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_belongs_to_what_is_done),
        cmocka_unit_test(tries_and_back_offs_have_their_reason),
        cmocka_unit_test(what_rests_is_not_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
