/* Every cell: what each order does in each state, with one job in a world where nothing else happens. The table here is
 * written out by hand, from docs/interface.md section 3. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "engine_world.h"

/* What an order gives: 200 it was so, 202 it takes effect, 409; `to` is where the job then goes at once. */
struct cell {
    int status;
    enum bf_state to;
};
#define SAME {200, BF_STATE_COUNT}
#define NO {409, BF_STATE_COUNT}
#define TO(state) {202, BF_STATE_##state}
#define CHANGED {200, BF_STATE_COUNT}
#define WANTED {202, BF_STATE_COUNT} /* it takes effect later */

static const struct {
    enum bf_state state;
    struct cell cells[BF_ORDER_COUNT]; /* in the order of BF_ORDERS: approve, resume, pause, abort, rollback (of a job that has a way back),
                                         * tune, retry_bad_rows (of one that has some) */
} table[] = {
    {BF_STATE_PLANNING, {NO, NO, NO, TO(ABORTED), NO, NO, NO}},
    {BF_STATE_AWAITING_APPROVAL, {TO(QUEUED), NO, NO, TO(ABORTED), NO, NO, NO}},
    {BF_STATE_QUEUED, {SAME, SAME, TO(PAUSED), TO(ABORTED), TO(ABORTED), CHANGED, WANTED}},
    {BF_STATE_RUNNING, {SAME, SAME, TO(PAUSING), TO(ABORTING), TO(ABORTING), CHANGED, WANTED}},
    {BF_STATE_VERIFYING, {SAME, SAME, TO(PAUSING), TO(ABORTING), TO(ABORTING), CHANGED, NO}},
    {BF_STATE_PAUSING, {NO, NO, SAME, TO(ABORTING), TO(ABORTING), CHANGED, NO}},
    {BF_STATE_PAUSED, {NO, TO(QUEUED), SAME, TO(ABORTING), TO(ABORTING), CHANGED, WANTED}},
    {BF_STATE_ABORTING, {NO, NO, NO, SAME, WANTED, NO, NO}},
    {BF_STATE_ABORTED, {NO, NO, NO, SAME, TO(QUEUED), NO, NO}},
    {BF_STATE_COMPLETED, {NO, NO, NO, NO, TO(QUEUED), NO, TO(QUEUED)}},
    {BF_STATE_FAILED, {NO, TO(QUEUED), NO, NO, TO(QUEUED), NO, TO(QUEUED)}},
    {BF_STATE_REFUSED, {NO, NO, NO, NO, NO, NO, NO}},
    {BF_STATE_ROLLING_BACK, {NO, SAME, TO(PAUSING), TO(ABORTING), SAME, CHANGED, NO}},
    {BF_STATE_ROLLED_BACK, {NO, NO, NO, NO, SAME, NO, NO}},
};

static int status_of(const struct heard *heard, enum bf_order what)
{
    if (heard->code == BF_WRONG_STATE)
        return 409;
    assert_int_equal(heard->code, BF_OK);
    return heard->already || what == BF_ORDER_TUNE ? 200 : 202;
}

/* Every event of a state goes on from the one before, as the table of moves has it. */
static void check_events(struct test_world *world, enum bf_state from)
{
    for (int i = 0; i < world->event_count; i++) {
        const struct bf_event *event = &world->events[i];
        if (strcmp(event->type, "state") != 0)
            continue;
        assert_string_equal(event->from, bf_state_name(from));
        enum bf_state to = bf_state_by_name(event->to);
        if (!bf_move_sentence(from, to))
            fail_msg("moved from %s to %s", event->from, event->to);
        from = to;
    }
    assert_int_equal(world_state(world, "job"), from);
}

static void try_cell(enum bf_state state, enum bf_order what, const struct cell *cell, bool store_fails)
{
    struct test_world *world = world_new();
    struct heard heard = {0};
    world->journal = what == BF_ORDER_ROLLBACK;
    world->rows_bad = what == BF_ORDER_RETRY;
    world_job(world, "job", "shop", state, "");
    world->server_silent = true;
    world_start(world);
    world->store_fails = store_fails;
    const char *id = bf_job_record(world_find(world, "job"))->id;
    static const char change[] = "{\"pace\":{\"nice\":7}}";
    /* Before the engine's first step: the job is in this very state. */
    if (what == BF_ORDER_TUNE)
        bf_engine_tune(world->engine, id, change, strlen(change), NULL, "ann", true, on_answer, &heard);
    else
        bf_engine_order(world->engine, id, what, "ann", NULL, NULL, on_answer, &heard);
    world_run(world);
    assert_int_equal(heard.times, 1);
    bool starts = cell->to == BF_STATE_QUEUED;
    if (store_fails && cell->status == 202 && starts) {
        assert_int_equal(heard.code, BF_STORE_FAILED); /* what starts something is stored first */
        assert_int_equal(world_state(world, "job"), state);
    } else {
        if (status_of(&heard, what) != cell->status)
            fail_msg("%s while %s gives %d, not %d: %s", bf_order_name(what), bf_state_name(state), status_of(&heard, what),
                     cell->status, heard.text);
        bool stored = cell->status == 202 || (what == BF_ORDER_TUNE && cell->status == 200);
        if (stored) /* what stops something, or changes it, is in effect all the same */
            assert_int_equal(heard.durable, !store_fails);
    }
    if (!store_fails) {
        check_events(world, state);
        if (cell->status == 202 && cell->to != BF_STATE_COUNT) {
            bool found = false;
            for (int i = 0; i < world->event_count; i++)
                found = found || (strcmp(world->events[i].to, bf_state_name(cell->to)) == 0 &&
                                  strcmp(world->events[i].from, bf_state_name(state)) == 0 &&
                                  strcmp(world->events[i].actor, "ann") == 0);
            if (!found)
                fail_msg("%s while %s: no event says who", bf_order_name(what), bf_state_name(state));
        }
    }
    world_free(world);
}

static void every_order_in_every_state(void **state)
{
    (void)state;
    assert_int_equal(BF_COUNT(table), BF_STATE_COUNT);
    for (size_t i = 0; i < BF_COUNT(table); i++)
        for (enum bf_order what = 0; what < BF_ORDER_COUNT; what++) {
            try_cell(table[i].state, what, &table[i].cells[what], false);
            try_cell(table[i].state, what, &table[i].cells[what], true);
        }
}

/* The same cells one after the other, by whoever comes first: the second of two orders meets the first one's state. */
static void two_orders_at_once_are_a_sequence(void **state)
{
    (void)state;
    for (size_t i = 0; i < BF_COUNT(table); i++)
        for (enum bf_order one = 0; one < BF_ORDER_TUNE; one++)
            for (enum bf_order two = 0; two < BF_ORDER_TUNE; two++) {
                struct test_world *world = world_new();
                struct heard heard[2] = {{0}};
                world->journal = one == BF_ORDER_ROLLBACK || two == BF_ORDER_ROLLBACK;
                const char *id = world_job(world, "job", "shop", table[i].state, "");
                world->server_silent = true;
                world_start(world);
                bf_engine_order(world->engine, id, one, "ann", NULL, NULL, on_answer, &heard[0]);
                bf_engine_order(world->engine, id, two, "bob", NULL, NULL, on_answer, &heard[1]);
                world_run(world);
                for (int k = 0; k < 2; k++) {
                    assert_int_equal(heard[k].times, 1);
                    assert_true(heard[k].code == BF_OK || heard[k].code == BF_WRONG_STATE);
                }
                if (one == two && heard[0].code == BF_OK && !heard[0].already)
                    assert_true(heard[1].already);
                check_events(world, table[i].state);
                world_free(world);
            }
}

static void there_has_to_be_a_way_back(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct test_world *world = world_new();
        struct heard heard = {0};
        world->journal = round > 0;
        const char *id = world_job(world, "job", "shop", BF_STATE_ABORTED, "");
        if (round == 1)
            world_stored(world, "job")->started = false;
        else if (round == 2)
            world_stored(world, "job")->back.dropped = true;
        world_start(world);
        bf_engine_order(world->engine, id, BF_ORDER_ROLLBACK, "ann", NULL, NULL, on_answer, &heard);
        world_run(world);
        assert_int_equal(heard.code, BF_WRONG_STATE);
        assert_non_null(strstr(heard.text, ((const char *[]){"\"none\"", "not changed anything", "dropped"})[round]));
        assert_int_equal(world_state(world, "job"), BF_STATE_ABORTED);
        world_free(world);
    }
}

/* A job that runs stops first, then it goes back, also when the daemon has died in between; and nothing weaker comes between. */
static void a_rollback_that_was_ordered_is_kept(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    struct heard heard[2] = {{0}};
    world->journal = true;
    const char *id = world_job(world, "job", "shop", BF_STATE_ABORTING, "");
    world->server_silent = true;
    world_start(world);
    bf_engine_order(world->engine, id, BF_ORDER_ROLLBACK, "ann", "wrong", NULL, on_answer, &heard[0]);
    bf_engine_order(world->engine, id, BF_ORDER_ABORT, "bob", NULL, NULL, on_answer, &heard[1]);
    world_run(world);
    assert_int_equal(heard[0].code, BF_OK);
    assert_int_equal(heard[1].code, BF_WRONG_STATE);
    assert_true(world_stored(world, "job")->back.wanted);
    world_crash(world);
    world_stored(world, "job")->state = BF_STATE_ABORTED; /* as its last life left it */
    world_start(world);
    world_run(world);
    assert_int_equal(world_state(world, "job"), BF_STATE_ROLLING_BACK);
    assert_int_equal(world_stored(world, "job")->direction, BF_DIRECTION_BACK);
    assert_false(world_stored(world, "job")->back.wanted);
    world_free(world);
}

static void what_starts_waits_while_the_daemon_stops(void **state)
{
    (void)state;
    struct test_world *world = world_new();
    world_job(world, "job", "shop", BF_STATE_PAUSED, "");
    world_start(world);
    world_run(world);
    bf_engine_drain(world->engine, false, NULL, NULL);
    struct heard heard = order(world, "job", BF_ORDER_RESUME);
    assert_int_equal(heard.code, BF_STOPPING);
    assert_int_equal(order(world, "job", BF_ORDER_ABORT).code, BF_OK);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_in_every_state),
        cmocka_unit_test(two_orders_at_once_are_a_sequence),
        cmocka_unit_test(there_has_to_be_a_way_back),
        cmocka_unit_test(a_rollback_that_was_ordered_is_kept),
        cmocka_unit_test(what_starts_waits_while_the_daemon_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
