/* Triggers in the engine: what they saw becomes orders, in a world whose clock is the test's own. They look at a source whose
 * answers the test gives. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "engine_world.h"
#include "source.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };

/* What the source answers; NAN: it does not. Each inquiry is answered when the world has a look, as by the loop. */
static double answer;
static struct bf_inquiry {
    bf_inquired *done;
    void *argument;
} inquiries[8];
static int asked, cancelled;

static char *check(void *context, const char *source, const char *query, bool *ret_found)
{
    (void)context, (void)query;
    *ret_found = strcmp(source, "app") == 0;
    return NULL;
}

static void fire(void *argument)
{
    struct bf_inquiry *inquiry = argument, now = *inquiry;
    if (!now.done)
        return;
    inquiry->done = NULL;
    if (isnan(answer))
        now.done(now.argument, false, 0, "connection refused");
    else
        now.done(now.argument, true, answer, "");
}

static struct bf_inquiry *ask(void *context, const char *source, const char *query, bf_inquired *done, void *argument)
{
    (void)context, (void)source, (void)query;
    struct bf_inquiry *inquiry = inquiries;
    while (inquiry->done)
        inquiry++;
    assert_true(inquiry < inquiries + BF_COUNT(inquiries));
    *inquiry = (struct bf_inquiry){.done = done, .argument = argument};
    asked++;
    return inquiry;
}

static void cancel(struct bf_inquiry *inquiry)
{
    assert_non_null(inquiry->done);
    inquiry->done = NULL;
    cancelled++;
}

static const struct bf_sources sources = {.check = check, .ask = ask, .cancel = cancel};

/* Time passes in steps of 100 ms, and what is asked is answered in each. */
static void pass(struct test_world *world, int64_t milliseconds)
{
    for (int64_t left = milliseconds; left > 0; left -= 100) {
        world_pass(world, 100);
        for (size_t i = 0; i < BF_COUNT(inquiries); i++)
            fire(&inquiries[i]);
        world_run(world);
    }
}

#define TRIGGER(fields) ",\"triggers\":[{\"name\":\"p99\",\"source\":\"app\",\"above\":0.4" fields "}]"

static struct test_world *running(const char *more)
{
    struct test_world *world = world_new();
    memset(inquiries, 0, sizeof inquiries);
    answer = 0.1;
    asked = cancelled = 0;
    world->sources = &sources;
    world->server_silent = true;
    world_job(world, "job", "shop", BF_STATE_RUNNING, more);
    world_start(world);
    world_run(world);
    return world;
}

static const struct bf_reason *reason_of(struct test_world *world)
{
    return &bf_job_record(world_find(world, "job"))->reason;
}

static void it_pauses_and_says_why(void **state)
{
    (void)state;
    struct test_world *world = running(TRIGGER(",\"for\":\"5s\""));
    pass(world, 10 * SECOND);
    assert_in_range(asked, 9, 11);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    answer = 0.52;
    pass(world, 5 * SECOND);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    pass(world, 2 * SECOND);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    const struct bf_event *event = world_event(world, "job", "trigger");
    assert_string_equal(event->actor, "trigger:p99");
    assert_string_equal(event->text, "trigger p99: source app gives 0.52, above 0.4 for 5.0 s");
    const struct bf_reason *reason = reason_of(world);
    assert_int_equal(reason->code, BF_TRIGGER);
    assert_string_equal(reason->signal, "trigger:p99");
    assert_true(reason->measured && reason->value > 0.51 && reason->value < 0.53 && reason->limit > 0.39 && reason->limit < 0.41);
    assert_int_equal(reason->until, 0);
    assert_int_equal(world_stored(world, "job")->reason.code, BF_TRIGGER);
    int before = asked;
    pass(world, 10 * SECOND);
    assert_int_equal(asked, before); /* a pause is not watched */

    /* A person resumes it: the condition counts anew. */
    order(world, "job", BF_ORDER_RESUME);
    pass(world, 4 * SECOND);
    assert_int_equal(world_state(world, "job"), BF_STATE_RUNNING);
    pass(world, 3 * SECOND);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    world_free(world);
}

static void without_settle_it_goes_further_at_once(void **state)
{
    (void)state;
    struct test_world *world = running(TRIGGER(",\"then\":\"abort\""));
    answer = 1;
    pass(world, 2 * SECOND);
    assert_int_equal(world_state(world, "job"), BF_STATE_ABORTED);
    bool paused_first = false;
    for (int i = 0; i < world->event_count; i++)
        paused_first |= strcmp(world->events[i].to, "pausing") == 0 && strcmp(world->events[i].actor, "trigger:p99") == 0;
    assert_true(paused_first);
    world_free(world);
}

static void with_settle_it_goes_further_if_it_outlives_the_pause(void **state)
{
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        struct test_world *world = running(TRIGGER(",\"settle\":\"1m\",\"then\":\"abort\""));
        answer = 1;
        pass(world, 2 * SECOND);
        assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
        assert_in_range(reason_of(world)->until - world->unix_time, 50 * SECOND, MINUTE);
        pass(world, 56 * SECOND);
        assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
        if (ends)
            answer = 0.2;
        pass(world, 6 * SECOND);
        assert_int_equal(world_state(world, "job"), ends ? BF_STATE_PAUSED : BF_STATE_ABORTED);
        assert_int_equal(reason_of(world)->until, 0);
        assert_non_null(strstr(reason_of(world)->text, ends ? "ended in the pause" : " of pause: aborted"));
        world_free(world);
    }
}

static void the_pause_of_one_that_settles_outlives_the_daemon(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct test_world *world = running(TRIGGER(",\"settle\":\"1m\",\"then\":\"abort\""));
        answer = 1;
        pass(world, 2 * SECOND);
        world_crash(world);
        memset(inquiries, 0, sizeof inquiries);
        if (late)
            world->unix_time += 3 * MINUTE; /* nobody knows how it was meanwhile: it has to be so for a minute once more */
        world_start(world);
        pass(world, 55 * SECOND);
        assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
        assert_in_range(reason_of(world)->until - world->unix_time, 1, 10 * SECOND);
        pass(world, 7 * SECOND);
        assert_int_equal(world_state(world, "job"), BF_STATE_ABORTED);
        world_free(world);
    }
}

static void a_persons_word_ends_the_settling(void **state)
{
    (void)state;
    static const enum bf_order words[] = {BF_ORDER_PAUSE, BF_ORDER_RESUME};
    for (size_t i = 0; i < BF_COUNT(words); i++) {
        struct test_world *world = running(TRIGGER(",\"settle\":\"1m\",\"then\":\"abort\""));
        answer = 1;
        pass(world, 2 * SECOND);
        answer = i == 0 ? 1 : 0.1;
        order(world, "job", words[i]);
        pass(world, 2 * MINUTE);
        assert_int_equal(world_state(world, "job"), i == 0 ? BF_STATE_PAUSED : BF_STATE_RUNNING);
        assert_int_equal(reason_of(world)->code, i == 0 ? BF_OPERATOR : BF_OK);
        world_free(world);
    }
}

static void what_cannot_be_looked_at_in_a_pause_ends_it_there(void **state)
{
    (void)state;
    struct test_world *world = running(TRIGGER(",\"settle\":\"1m\",\"then\":\"abort\""));
    answer = 1;
    pass(world, 2 * SECOND);
    answer = NAN;
    pass(world, 2 * MINUTE);
    assert_int_equal(world_state(world, "job"), BF_STATE_PAUSED);
    assert_int_equal(reason_of(world)->code, BF_TRIGGER_FAILED);
    assert_non_null(strstr(reason_of(world)->text, "5 times in a row: connection refused; the job stays paused"));
    assert_int_equal(reason_of(world)->until, 0);
    world_free(world);
}

static void nothing_is_asked_for_a_job_that_ended(void **state)
{
    (void)state;
    struct test_world *world = running(TRIGGER(""));
    world_pass(world, 2 * SECOND); /* asked, not answered */
    order(world, "job", BF_ORDER_ABORT);
    assert_int_equal(cancelled, 1);
    int before = asked;
    pass(world, 10 * SECOND);
    assert_int_equal(asked, before);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_pauses_and_says_why),
        cmocka_unit_test(without_settle_it_goes_further_at_once),
        cmocka_unit_test(with_settle_it_goes_further_if_it_outlives_the_pause),
        cmocka_unit_test(the_pause_of_one_that_settles_outlives_the_daemon),
        cmocka_unit_test(a_persons_word_ends_the_settling),
        cmocka_unit_test(what_cannot_be_looked_at_in_a_pause_ends_it_there),
        cmocka_unit_test(nothing_is_asked_for_a_job_that_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
