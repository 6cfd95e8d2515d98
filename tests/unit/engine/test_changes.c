/* Pace and limits of a job that is there already; and clones. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "engine_world.h"

static struct test_world *with_job(enum bf_state state)
{
    struct test_world *world = world_new();
    world_job(world, "job", "shop", state, ",\"pace\":{\"nice\":0.5}");
    world->server_silent = true;
    world_start(world);
    return world;
}

static const struct bf_document *document(struct test_world *world)
{
    return bf_job_record(world_find(world, "job"))->document;
}

static void a_change_counts_is_told_and_stays(void **state)
{
    (void)state;
    struct test_world *world = with_job(BF_STATE_RUNNING);
    char before[BF_ETAG_TEXT], after[BF_ETAG_TEXT], hash[BF_HASH_TEXT];
    world_run(world);
    bf_record_etag(bf_job_record(world_find(world, "job")), before);
    memcpy(hash, document(world)->hash, sizeof hash);
    struct heard heard = tune(world, "job", "{\"pace\":{\"nice\":0.2},\"limits\":{\"lock_timeout\":\"3s\"}}", before);
    assert_true(heard.code == BF_OK && heard.durable && !heard.already);
    assert_true(document(world)->pace.nice == 0.2);
    const struct bf_event *event = world_event(world, "job", "tune");
    assert_string_equal(event->text, "pace.nice 0.5 -> 0.2, limits.lock_timeout \"1s\" -> \"3s\"");
    assert_string_equal(event->actor, "bob");
    bf_record_etag(bf_job_record(world_find(world, "job")), after);
    assert_string_not_equal(before, after);
    assert_string_equal(document(world)->hash, hash);
    /* Nothing is changed by saying it again; another tag, and nothing is changed at all. */
    assert_true(tune(world, "job", "{\"pace\":{\"nice\":0.2}}", "*").already);
    assert_true(bf_etag_matches(after, bf_record_etag(bf_job_record(world_find(world, "job")), before)));
    heard = tune(world, "job", "{\"pace\":{\"nice\":9}}", "\"0-0\"");
    assert_int_equal(heard.code, BF_PRECONDITION_FAILED);
    assert_non_null(strstr(heard.text, after));
    assert_true(document(world)->pace.nice == 0.2);
    world_crash(world);
    world_start(world);
    assert_true(document(world)->pace.nice == 0.2);
    assert_int_equal(document(world)->limits.lock_timeout, 3000);
    assert_string_equal(document(world)->hash, hash);
    world_free(world);
}

static void every_move_changes_the_tag(void **state)
{
    (void)state;
    struct test_world *world = with_job(BF_STATE_RUNNING);
    char tags[4][BF_ETAG_TEXT];
    world_run(world);
    static const enum bf_order orders[] = {BF_ORDER_PAUSE, BF_ORDER_RESUME, BF_ORDER_ABORT};
    bf_record_etag(bf_job_record(world_find(world, "job")), tags[0]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(order(world, "job", orders[i]).code, BF_OK);
        const struct bf_record *record = bf_job_record(world_find(world, "job"));
        bf_record_etag(record, tags[i + 1]);
        for (int k = 0; k <= i; k++)
            assert_string_not_equal(tags[k], tags[i + 1]);
        assert_int_equal(record->version, world_stored(world, "job")->version);
        assert_int_equal(record->updated_at, world_stored(world, "job")->updated_at);
        assert_int_equal(record->ended_at, world_stored(world, "job")->ended_at);
    }
    world_free(world);
}

static void a_failed_job_that_goes_on_has_no_end(void **state)
{
    (void)state;
    struct test_world *world = with_job(BF_STATE_FAILED);
    assert_true(bf_job_record(world_find(world, "job"))->ended_at != 0);
    assert_int_equal(order(world, "job", BF_ORDER_RESUME).code, BF_OK);
    assert_int_equal(bf_job_record(world_find(world, "job"))->ended_at, 0);
    world_free(world);
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    struct test_world *world = with_job(BF_STATE_PAUSED);
    struct bf_rules rules = {0};
    assert_null(bf_rules_add_ceiling(&rules, "lock_timeout", "5s", 1));
    world->targets[0].rules = &rules;
    world_run(world);
    struct heard heard = tune(world, "job", "{\"pace\":{\"nice\":-1}}", NULL);
    assert_int_equal(heard.code, BF_INVALID);
    assert_string_equal(heard.pointer, "/pace/nice");
    heard = tune(world, "job", "{\"limits\":{\"lock_timeout\":\"6s\"}}", NULL);
    assert_int_equal(heard.code, BF_INVALID);
    assert_string_equal(heard.pointer, "/limits/lock_timeout");
    assert_int_equal(tune(world, "job", "{\"limits\":{\"lock_timeout\":\"5s\"}}", NULL).code, BF_OK);
    assert_int_equal(tune(world, "job", "{\"where\":\"true\"}", NULL).code, BF_INVALID);
    assert_int_equal(tune(world, "job", "{", NULL).code, BF_NOT_JSON);
    bf_rules_clear(&rules);
    world->targets[0].rules = NULL;
    world_free(world);
}

static void a_change_takes_effect_without_the_store(void **state)
{
    (void)state;
    struct test_world *world = with_job(BF_STATE_RUNNING);
    world_run(world);
    world->store_fails = true;
    struct heard heard = tune(world, "job", "{\"pace\":{\"nice\":90}}", NULL);
    assert_true(heard.code == BF_OK && !heard.durable);
    assert_true(document(world)->pace.nice == 90);
    world->store_fails = false;
    world_pass(world, 5000);
    assert_true(world_stored(world, "job")->document->pace.nice == 90);
    world_free(world);
}

/* ---- clones ---- */

static struct heard clone(struct test_world *world, const char *name, bool from_position, const char *key)
{
    struct heard heard = {0};
    bf_engine_clone(world->engine, bf_job_record(world_find(world, "job"))->id, name, from_position, "bob", key, on_answer,
                    &heard);
    world_run(world);
    assert_int_equal(heard.times, 1);
    return heard;
}

static void a_clone_from_the_start(void **state)
{
    (void)state;
    struct test_world *world = with_job(BF_STATE_COMPLETED);
    world->server_silent = false;
    world->targets[0].require_approval = BF_APPROVAL_ALL;
    assert_int_equal(clone(world, "second", false, "k").code, BF_OK);
    assert_int_equal(world_state(world, "second"), BF_STATE_AWAITING_APPROVAL); /* as any job */
    const struct bf_record *record = bf_job_record(world_find(world, "second"));
    assert_true(record->document->again);
    assert_true(record->document->pace.nice == 0.5);
    assert_int_equal(record->document->after_count, 0);
    assert_string_equal(record->submitter, "bob");
    assert_true(clone(world, "second", false, "k").already);
    assert_int_equal(clone(world, "second", false, NULL).code, BF_NAME_IN_USE);
    struct heard heard = clone(world, "Not A Name", false, NULL);
    assert_int_equal(heard.code, BF_INVALID);
    assert_string_equal(heard.pointer, "/name");
    world_free(world);
}

static void a_clone_from_where_the_target_says_it_is(void **state)
{
    (void)state;
    struct test_world *world = with_job(BF_STATE_PAUSED);
    world_crash(world);
    /* Our record is from before a fail-over: behind it rows were taken back. */
    struct bf_record *record = world_stored(world, "job");
    record->started = true;
    record->progress.position = bf_copy_string("[\"900\"]");
    world->server_silent = false;
    world->position = "[\"700\"]";
    world_start(world);
    assert_int_equal(clone(world, "second", true, NULL).code, BF_OK);
    const struct bf_document *made = bf_job_record(world_find(world, "second"))->document;
    assert_int_equal(made->after_count, 1);
    assert_string_equal(made->after[0], "700");
    /* Without its word there is no clone from there. */
    world->position = NULL;
    assert_int_equal(clone(world, "third", true, NULL).code, BF_CHECKPOINT_LOST);
    world->server_refuses = true;
    assert_int_equal(clone(world, "third", true, NULL).code, BF_TARGET_DOWN);
    assert_null(world_find(world, "third"));
    /* One that has not begun begins where its document says. */
    world_free(world);
    world = with_job(BF_STATE_AWAITING_APPROVAL);
    world->server_silent = false;
    assert_int_equal(clone(world, "second", true, NULL).code, BF_OK);
    assert_int_equal(bf_job_record(world_find(world, "second"))->document->after_count, 0);
    world_free(world);
}

static void only_of_a_job_that_stands_still(void **state)
{
    static const enum bf_state moving[] = {BF_STATE_QUEUED, BF_STATE_RUNNING, BF_STATE_VERIFYING, BF_STATE_PAUSING, BF_STATE_ABORTING};
    (void)state;
    for (size_t i = 0; i < BF_COUNT(moving); i++) {
        struct test_world *world = with_job(moving[i]);
        struct heard heard = {0};
        const char *id = bf_job_record(world_find(world, "job"))->id;
        bf_engine_clone(world->engine, id, "second", true, "bob", NULL, on_answer, &heard);
        assert_int_equal(heard.code, BF_WRONG_STATE);
        world->server_silent = false;
        bf_engine_clone(world->engine, id, "second", false, "bob", NULL, on_answer, &heard);
        world_run(world);
        assert_int_equal(heard.code, BF_OK);
        world_free(world);
    }
}

static void a_clone_under_way_is_answered_when_the_daemon_stops(void **state)
{
    (void)state;
    for (int drain = 0; drain < 2; drain++) {
        struct test_world *world = with_job(BF_STATE_PAUSED);
        world_crash(world);
        world_stored(world, "job")->started = true;
        world_start(world);
        struct heard heard = {0};
        bf_engine_clone(world->engine, bf_job_record(world_find(world, "job"))->id, "second", true, "bob", NULL, on_answer,
                        &heard);
        world_run(world);
        assert_int_equal(heard.times, 0);
        if (drain)
            bf_engine_drain(world->engine, false, NULL, NULL);
        else
            world_pass(world, 20000); /* or when the server says nothing */
        assert_int_equal(heard.times, 1);
        assert_int_equal(heard.code, drain ? BF_STOPPING : BF_TARGET_DOWN);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_counts_is_told_and_stays),
        cmocka_unit_test(every_move_changes_the_tag),
        cmocka_unit_test(a_failed_job_that_goes_on_has_no_end),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(a_change_takes_effect_without_the_store),
        cmocka_unit_test(a_clone_from_the_start),
        cmocka_unit_test(a_clone_from_where_the_target_says_it_is),
        cmocka_unit_test(only_of_a_job_that_stands_still),
        cmocka_unit_test(a_clone_under_way_is_answered_when_the_daemon_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
