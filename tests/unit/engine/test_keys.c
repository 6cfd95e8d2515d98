/* Idempotency-Key: one job, whoever repeats the request and whenever it comes. */
#include <string.h>

#include "allocate.h"
#include "engine_world.h"

static const char DOCUMENT[] =
    "{\"name\":\"job\",\"target\":\"shop\",\"table\":\"t\",\"set\":{\"n\":\"1\"},\"undo\":\"none\"}";
/* The same as JSON, written otherwise. */
static const char SAME[] =
    "{ \"undo\": \"none\", \"target\": \"shop\", \"set\": {\"n\": \"\\u0031\"}, \"table\": \"t\", \"name\": \"job\" }";
static const char OTHER[] =
    "{\"name\":\"other\",\"target\":\"shop\",\"table\":\"t\",\"set\":{\"n\":\"2\"},\"undo\":\"none\"}";

static const int64_t DAY = INT64_C(86400000);

static void send(struct test_world *world, const char *json, const char *actor, const char *key, struct heard *heard)
{
    *heard = (struct heard){0};
    bf_engine_submit_once(world->engine, json, strlen(json), actor, key, on_answer, heard);
}

static struct heard submit(struct test_world *world, const char *json, const char *actor, const char *key)
{
    struct heard heard;
    send(world, json, actor, key, &heard);
    world_run(world);
    assert_int_equal(heard.times, 1);
    return heard;
}

static void a_repeat_means_the_same_job(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    world_start(world);
    struct heard first = submit(world, DOCUMENT, "ann", "k");
    assert_int_equal(first.code, BF_OK);
    assert_false(first.already);
    int connects = world->connects;
    struct heard second = submit(world, SAME, "ann", "k");
    assert_true(second.code == BF_OK && second.already);
    assert_string_equal(second.id, first.id);
    assert_int_equal(world->connects, connects); /* the target is not asked */
    assert_int_equal(submit(world, OTHER, "ann", "k").code, BF_IDEMPOTENCY_MISMATCH);
    /* Another key, another person: another request. */
    assert_int_equal(submit(world, DOCUMENT, "ann", "K").code, BF_NAME_IN_USE);
    assert_int_equal(submit(world, DOCUMENT, "bob", "k").code, BF_NAME_IN_USE);
    assert_int_equal(world->job_count, 1);
    /* Whatever became of the job, and over a restart. */
    order(world, "job", BF_ORDER_ABORT);
    world_pass(world, 60000);
    assert_int_equal(world_state(world, "job"), BF_STATE_ABORTED);
    world_crash(world);
    world_start(world);
    assert_string_equal(submit(world, DOCUMENT, "ann", "k").id, first.id);
    /* The target may be gone from the configuration: the answer is the same. */
    world->targets[0].name = (char *)(uintptr_t)"renamed";
    assert_string_equal(submit(world, DOCUMENT, "ann", "k").id, first.id);
    world->targets[0].name = (char *)(uintptr_t)"shop";
    /* For 7 days. */
    world->unix_time += 7 * DAY - 10 * 60000;
    assert_string_equal(submit(world, DOCUMENT, "ann", "k").id, first.id);
    world->unix_time += 60 * 60000;
    struct heard anew = submit(world, DOCUMENT, "ann", "k");
    assert_int_equal(anew.code, BF_OK);
    assert_string_not_equal(anew.id, first.id);
    world_free(world);
}

static void requests_at_once_make_one_job(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    struct heard heard[5];
    world_start(world);
    send(world, DOCUMENT, "ann", "k", &heard[0]);
    send(world, SAME, "ann", "k", &heard[1]);
    send(world, OTHER, "ann", "k", &heard[2]);
    assert_int_equal(heard[2].code, BF_IDEMPOTENCY_MISMATCH);
    world->store_waits = true; /* the document is checked, the job on its way into the store */
    world_run(world);
    assert_int_equal(heard[0].times, 0);
    send(world, DOCUMENT, "ann", "k", &heard[3]);
    send(world, OTHER, "ann", "k", &heard[4]);
    assert_int_equal(heard[4].code, BF_IDEMPOTENCY_MISMATCH);
    world->store_waits = false;
    world_run(world);
    for (int i = 0; i < 5; i++)
        assert_int_equal(heard[i].times, 1);
    assert_true(heard[0].code == BF_OK && heard[1].code == BF_OK && heard[3].code == BF_OK);
    assert_string_equal(heard[1].id, heard[0].id);
    assert_string_equal(heard[3].id, heard[0].id);
    assert_int_equal(world->job_count, 1);
    world_free(world);
}

static void a_failure_leaves_nothing_behind(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    struct heard heard[2];
    world_start(world);
    world->server_refuses = true;
    send(world, DOCUMENT, "ann", "k", &heard[0]);
    send(world, DOCUMENT, "ann", "k", &heard[1]);
    world_run(world);
    assert_true(heard[0].code == BF_TARGET_DOWN && heard[1].code == BF_TARGET_DOWN);
    world->server_refuses = false;
    world->store_fails = true;
    assert_int_equal(submit(world, DOCUMENT, "ann", "k").code, BF_STORE_FAILED);
    world->store_fails = false;
    assert_int_equal(submit(world, OTHER, "ann", "k").code, BF_OK); /* nothing was made of it before */
    /* A daemon that stops answers everybody. */
    send(world, DOCUMENT, "ann", "l", &heard[0]);
    send(world, DOCUMENT, "ann", "l", &heard[1]);
    bf_engine_drain(world->engine, false, NULL, NULL);
    assert_true(heard[0].code == BF_STOPPING && heard[1].code == BF_STOPPING);
    assert_int_equal(submit(world, DOCUMENT, "ann", "l").code, BF_STOPPING);
    world_free(world);
}

static void the_key_keeps_its_job(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    world_start(world);
    bf_engine_set_keep_jobs(world->engine, DAY);
    world_job(world, "old", "shop", BF_STATE_COMPLETED, "");
    world_job(world, "fresh", "shop", BF_STATE_FAILED, "");
    world_job(world, "works", "legacy", BF_STATE_PAUSED, "");
    world_stored(world, "old")->ended_at -= 2 * DAY;
    world_stored(world, "works")->created_at -= 300 * DAY;
    world_crash(world);
    world_start(world);
    submit(world, DOCUMENT, "ann", "k");
    order(world, "job", BF_ORDER_ABORT);
    bf_engine_set_keep_jobs(world->engine, DAY);
    assert_non_null(world_find(world, "old")); /* the store goes first */
    world_run(world);
    assert_null(world_find(world, "old"));
    assert_null(world_stored(world, "old"));
    assert_non_null(world_find(world, "fresh"));
    world_pass(world, DAY + 3600 * 1000);
    assert_null(world_find(world, "fresh"));
    assert_non_null(world_find(world, "works")); /* only what has ended */
    assert_non_null(world_find(world, "job"));   /* its key still means it */
    world_pass(world, 6 * DAY);
    assert_null(world_find(world, "job"));
    assert_null(world_stored(world, "job"));
    world_free(world);
}

static void nothing_is_forgotten_that_the_store_still_has(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    world_job(world, "old", "shop", BF_STATE_FAILED, "");
    world_stored(world, "old")->ended_at -= 2 * DAY;
    world->store_fails = true;
    world_start(world);
    bf_engine_set_keep_jobs(world->engine, DAY);
    world_run(world);
    assert_non_null(world_find(world, "old"));
    world->store_fails = false;
    /* An order that came while it was on its way out finds it there. */
    world->store_waits = true;
    bf_engine_set_keep_jobs(world->engine, DAY);
    struct heard heard = {0};
    bf_engine_order(world->engine, bf_job_record(world_find(world, "old"))->id, BF_ORDER_RESUME, "ann", NULL, NULL, on_answer,
                    &heard);
    world_run(world);
    assert_int_equal(heard.times, 0);
    world->store_waits = false;
    world_run(world);
    assert_int_equal(heard.times, 1);
    assert_int_equal(heard.code, BF_OK);
    assert_int_equal(world_stored(world, "old")->state, BF_STATE_RUNNING);
    world_free(world);
}

/* Until its job is completed, refused, aborted or rolled back; a failed one can be resumed. */
static void a_name_is_in_use(void **state)
{
    (void)state;
    for (enum bf_state of = 0; of < BF_STATE_COUNT; of++) {
        struct test_world *world = world_new();
        struct heard heard = {0};
        world->server_silent = true; /* a job that is taken up gets nowhere */
        world_job(world, "job", "legacy", of, "");
        world_start(world);
        world_run(world);
        enum bf_state now = world_state(world, "job"); /* one that aborts has done so: it had not begun */
        bool is_free = now == BF_STATE_COMPLETED || now == BF_STATE_REFUSED || now == BF_STATE_ABORTED ||
                       now == BF_STATE_ROLLED_BACK;
        if (is_free)
            world->server_silent = false;
        bf_engine_submit(world->engine, DOCUMENT, strlen(DOCUMENT), NULL, "ann", false, on_answer, &heard);
        world_run(world);
        if (heard.code != (is_free ? BF_OK : BF_NAME_IN_USE) || heard.times != 1)
            fail_msg("%s: %s", bf_state_name(of), heard.text);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeat_means_the_same_job),
        cmocka_unit_test(requests_at_once_make_one_job),
        cmocka_unit_test(a_failure_leaves_nothing_behind),
        cmocka_unit_test(the_key_keeps_its_job),
        cmocka_unit_test(nothing_is_forgotten_that_the_store_still_has),
        cmocka_unit_test(a_name_is_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
