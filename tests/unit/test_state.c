#include "unit.h"

#include <string.h>

#include "state.h"

static void names_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < BF_STATE_COUNT; i++)
        assert_int_equal(bf_state_by_name(bf_state_name((enum bf_state)i)), i);
    assert_string_equal(bf_state_name(BF_STATE_AWAITING_APPROVAL), "awaiting_approval");
    assert_int_equal(bf_state_by_name("nowhere"), BF_STATE_COUNT);
    assert_int_equal(bf_state_by_name(NULL), BF_STATE_COUNT);
    assert_string_equal(bf_state_name(BF_STATE_COUNT), "unknown");
    for (int i = 0; i < BF_DIRECTION_COUNT; i++)
        assert_int_equal(bf_direction_by_name(bf_direction_name((enum bf_direction)i)), i);
    assert_int_equal(bf_direction_by_name("sideways"), BF_DIRECTION_COUNT);
    for (int i = 0; i < BF_ACTIVITY_COUNT; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(bf_activity_name((enum bf_activity)i), bf_activity_name((enum bf_activity)k));
    assert_string_equal(bf_activity_name(BF_ACTIVITY_BACKING_OFF), "backing_off");
    assert_string_equal(bf_activity_name(BF_ACTIVITY_COUNT), "unknown");
}

/* Fills reached[] with every state that can be reached from `from`, itself included. */
static void reach(enum bf_state from, bool reached[BF_STATE_COUNT])
{
    if (reached[from])
        return;
    reached[from] = true;
    for (int to = 0; to < BF_STATE_COUNT; to++)
        if (bf_move_sentence(from, (enum bf_state)to))
            reach((enum bf_state)to, reached);
}

static void every_state_is_reached_from_planning(void **state)
{
    (void)state;
    bool reached[BF_STATE_COUNT] = {false};
    reach(BF_STATE_PLANNING, reached);
    for (int i = 0; i < BF_STATE_COUNT; i++)
        if (!reached[i])
            fail_msg("%s cannot be reached", bf_state_name((enum bf_state)i));
}

static void every_state_has_a_way_to_an_end(void **state)
{
    (void)state;
    for (int i = 0; i < BF_STATE_COUNT; i++) {
        bool reached[BF_STATE_COUNT] = {false}, ends = false;
        reach((enum bf_state)i, reached);
        for (int k = 0; k < BF_STATE_COUNT; k++)
            ends = ends || (reached[k] && bf_state_final((enum bf_state)k));
        if (!ends)
            fail_msg("%s never ends", bf_state_name((enum bf_state)i));
    }
}

static void refused_and_rolled_back_are_for_ever(void **state)
{
    (void)state;
    for (int to = 0; to < BF_STATE_COUNT; to++) {
        assert_null(bf_move_sentence(BF_STATE_REFUSED, (enum bf_state)to));
        assert_null(bf_move_sentence(BF_STATE_ROLLED_BACK, (enum bf_state)to));
        assert_null(bf_move_sentence((enum bf_state)to, (enum bf_state)to));
        /* Out of the other ends there is one way, through the queue. */
        if (to != BF_STATE_QUEUED) {
            assert_null(bf_move_sentence(BF_STATE_COMPLETED, (enum bf_state)to));
            assert_null(bf_move_sentence(BF_STATE_ABORTED, (enum bf_state)to));
            assert_null(bf_move_sentence(BF_STATE_FAILED, (enum bf_state)to));
        }
    }
    assert_null(bf_move_sentence(BF_STATE_COUNT, BF_STATE_QUEUED));
    assert_null(bf_move_sentence(BF_STATE_QUEUED, BF_STATE_COUNT));
}

/* The table of docs/interface.md section 3, word for word. */
static void moves_are_those_of_the_interface(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"planning", "awaiting_approval queued refused aborted"},
        {"awaiting_approval", "queued planning aborted"},
        {"queued", "running rolling_back paused planning aborted"},
        {"running", "pausing verifying aborting failed"},
        {"verifying", "running completed pausing aborting failed"},
        {"pausing", "paused aborting failed"},
        {"paused", "queued aborting"},
        {"aborting", "aborted failed"},
        {"rolling_back", "rolled_back pausing aborting failed"},
        {"completed", "queued"},
        {"aborted", "queued"},
        {"failed", "queued"},
        {"refused", ""},
        {"rolled_back", ""},
    };
    assert_int_equal(sizeof rows / sizeof rows[0], BF_STATE_COUNT);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool wanted[BF_STATE_COUNT] = {false};
        char to[128];
        strcpy(to, rows[i].to);
        for (char *word = strtok(to, " "); word; word = strtok(NULL, " ")) {
            assert_int_not_equal(bf_state_by_name(word), BF_STATE_COUNT);
            wanted[bf_state_by_name(word)] = true;
        }
        for (int k = 0; k < BF_STATE_COUNT; k++) {
            const char *sentence = bf_move_sentence(bf_state_by_name(rows[i].from), (enum bf_state)k);
            if ((sentence != NULL) != wanted[k])
                fail_msg("%s to %s: %s", rows[i].from, bf_state_name((enum bf_state)k), wanted[k] ? "missing" : "extra");
            if (sentence)
                assert_true(strlen(sentence) > 10);
        }
    }
}

static void ends_are_final(void **state)
{
    (void)state;
    static const enum bf_state finals[] = {BF_STATE_ABORTED, BF_STATE_COMPLETED, BF_STATE_FAILED, BF_STATE_REFUSED,
                                           BF_STATE_ROLLED_BACK};
    int count = 0;
    for (int i = 0; i < BF_STATE_COUNT; i++)
        count += bf_state_final((enum bf_state)i);
    assert_int_equal(count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(bf_state_final(finals[i]));
}

static void stops_have_their_strength(void **state)
{
    (void)state;
    assert_true(bf_order_strength(BF_ORDER_PAUSE) < bf_order_strength(BF_ORDER_ABORT));
    assert_true(bf_order_strength(BF_ORDER_ABORT) < bf_order_strength(BF_ORDER_ROLLBACK));
    assert_true(bf_order_strength(BF_ORDER_RESUME) < bf_order_strength(BF_ORDER_PAUSE));
    assert_string_equal(bf_order_name(BF_ORDER_ROLLBACK), "rollback");
    assert_string_equal(bf_order_name(BF_ORDER_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(every_state_is_reached_from_planning),
        cmocka_unit_test(every_state_has_a_way_to_an_end),
        cmocka_unit_test(refused_and_rolled_back_are_for_ever),
        cmocka_unit_test(moves_are_those_of_the_interface),
        cmocka_unit_test(ends_are_final),
        cmocka_unit_test(stops_have_their_strength),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
