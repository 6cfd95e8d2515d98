/* Replicas that a person had ignored: over restarts, whether they are to be seen or not, and until their time is over. */
#include "engine_world.h"

#include <string.h>

#include "allocate.h"

enum { HOUR = 3600000 };

static const struct bf_seen_replica *shown(struct test_world *world, const char *target)
{
    static struct bf_seen_replica list[BF_WATCHED_MAX];
    size_t count = bf_engine_replicas(world->engine, target, list, BF_COUNT(list));
    assert_true(count <= 1);
    return count ? &list[0] : NULL;
}

static struct test_world *world_with_one(void)
{
    struct test_world *world = world_new();
    for (int i = 0; i < TARGETS; i++)
        world->targets[i].watch_replicas = true;
    world->ignored[0] = (struct bf_ignored){.target = "shop", .replica = "replica-2", .why = "ann: it is being rebuilt",
                                            .until = world->unix_time + HOUR};
    world->ignored_count = 1;
    world_start(world);
    world_run(world);
    return world;
}

static void it_stays_so_until_its_time_is_over(void **state)
{
    (void)state;
    struct test_world *world = world_with_one();
    const struct bf_seen_replica *replica = shown(world, "shop");
    assert_non_null(replica);
    assert_string_equal(replica->replica->name, "replica-2");
    assert_string_equal(replica->state, "ignored");
    assert_string_equal(replica->reason, "ann: it is being rebuilt");
    assert_int_equal(replica->until, world->unix_time + HOUR);
    assert_true(replica->age < 0);
    assert_null(shown(world, "legacy"));
    world_crash(world);
    world_start(world);
    world_run(world);
    world_pass(world, HOUR - 1);
    assert_non_null(shown(world, "shop"));
    world_pass(world, 1);
    assert_null(shown(world, "shop"));
    assert_int_equal(world->ignored_count, 1);
    world_crash(world); /* what is over is thrown away by the next start */
    world_start(world);
    world_run(world);
    assert_null(shown(world, "shop"));
    assert_int_equal(world->ignored_count, 0);
    world_free(world);
}

static void it_is_prolonged_and_heeded_again(void **state)
{
    (void)state;
    struct test_world *world = world_with_one();
    struct bf_error error;
    assert_int_equal(bf_engine_ignore_replica(world->engine, "legacy", "replica-2", HOUR, "bob", NULL, &error), BF_NOT_FOUND);
    assert_int_equal(bf_engine_heed_replica(world->engine, "shop", "replica-1", "bob", NULL, &error), BF_NOT_FOUND);
    assert_int_equal(bf_engine_ignore_replica(world->engine, "shop", "replica-2", 2 * HOUR, "bob", "longer", &error), BF_OK);
    assert_string_equal(shown(world, "shop")->reason, "bob: longer"); /* before it is stored */
    world_run(world);
    assert_int_equal(world->ignored_count, 1);
    assert_int_equal(world->ignored[0].until, world->unix_time + 2 * HOUR);
    assert_int_equal(bf_engine_heed_replica(world->engine, "shop", "replica-2", "bob", NULL, &error), BF_OK);
    assert_null(shown(world, "shop"));
    world_run(world);
    assert_int_equal(world->ignored_count, 0);
    assert_int_equal(bf_engine_heed_replica(world->engine, "shop", "replica-2", "bob", NULL, &error), BF_NOT_FOUND);
    world_free(world);
}

static void what_could_not_be_stored_is_stored_later(void **state)
{
    (void)state;
    struct test_world *world = world_with_one();
    struct bf_error error;
    world->store_fails = true;
    assert_int_equal(bf_engine_heed_replica(world->engine, "shop", "replica-2", "bob", NULL, &error), BF_OK);
    world_run(world);
    assert_int_equal(world->ignored_count, 1);
    assert_non_null(bf_engine_store_trouble(world->engine));
    world->store_fails = false;
    world_pass(world, 2000);
    assert_int_equal(world->ignored_count, 0);
    assert_null(bf_engine_store_trouble(world->engine));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_stays_so_until_its_time_is_over),
                                       cmocka_unit_test(it_is_prolonged_and_heeded_again),
                                       cmocka_unit_test(what_could_not_be_stored_is_stored_later)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
