/* Two persons: who approves is not who submitted, unless an admin breaks the glass; and who may change what was approved. */
#include <string.h>

#include "allocate.h"
#include "bounds.h"
#include "engine_world.h"
#include "persons.h"

static void who_is_the_same_person(void **state)
{
    (void)state;
    assert_true(bf_same_person("ann", "ann"));
    assert_true(bf_same_person("uid:1000 (ann)", "ann"));
    assert_true(bf_same_person("ann", "uid:1000 (ann)"));
    assert_true(bf_same_person("uid:1000", "uid:1000"));
    assert_false(bf_same_person("ann", "bob"));
    assert_false(bf_same_person("uid:1000 (ann)", "uid:1001 (bob)"));
    assert_false(bf_same_person("ann (bob)", "bob")); /* a name of which nothing is taken off */
    assert_false(bf_same_person("operator", "operator")); /* who can be told from nobody */
}

/* A job that ann submitted and that waits, RED or YELLOW. */
static struct test_world *submitted(const char *risk, enum bf_approval two_person)
{
    struct test_world *world = world_new();
    world->targets[0].require_approval = BF_APPROVAL_ALL;
    world->targets[0].two_person = two_person;
    world_job(world, "job", "shop", BF_STATE_AWAITING_APPROVAL, "");
    struct bf_record *record = world_stored(world, "job");
    free(record->plan);
    free(record->submitter);
    record->plan = bf_format("{\"table\":\"job\",\"risk\":\"%s\",\"hash\":\"h\"}", risk);
    record->submitter = bf_copy_string("ann");
    world->server_silent = true; /* what is approved stays in the queue */
    world_start(world);
    world_run(world);
    return world;
}

static struct heard approve(struct test_world *world, const char *who, bool break_glass)
{
    struct heard heard = {0};
    const char *id = bf_job_record(world_find(world, "job"))->id;
    bf_engine_approve(world->engine, id, who,
                      &(struct bf_approving){.comment = "nobody else is awake", .confirm = "job", .break_glass = break_glass},
                      on_answer, &heard);
    world_run(world);
    assert_int_equal(heard.times, 1);
    return heard;
}

static void the_rule_is_for_the_class_of_risk(void **state)
{
    static const struct {
        const char *risk;
        enum bf_approval two_person;
        const char *who;
        enum bf_code code;
    } cases[] = {
        {"RED", BF_APPROVAL_NONE, "ann", BF_OK},           {"RED", BF_APPROVAL_RED, "ann", BF_TWO_PERSON},
        {"RED", BF_APPROVAL_RED, "bob", BF_OK},            {"YELLOW", BF_APPROVAL_RED, "ann", BF_OK},
        {"YELLOW", BF_APPROVAL_ALL, "ann", BF_TWO_PERSON}, {"GREEN", BF_APPROVAL_ALL, "uid:7 (ann)", BF_TWO_PERSON},
        {"GREEN", BF_APPROVAL_ALL, "uid:7 (bob)", BF_OK},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct test_world *world = submitted(cases[i].risk, cases[i].two_person);
        struct heard heard = approve(world, cases[i].who, false);
        if (heard.code != cases[i].code)
            fail_msg("%s, %d, %s: %s %s", cases[i].risk, (int)cases[i].two_person, cases[i].who, bf_code_name(heard.code), heard.text);
        bool waits = world_state(world, "job") == BF_STATE_AWAITING_APPROVAL;
        assert_true(waits == (cases[i].code != BF_OK));
        assert_null(world_stored(world, "job")->break_glass);
        world_free(world);
    }
}

static void breaking_the_glass_is_loud_and_kept(void **state)
{
    (void)state;
    struct test_world *world = submitted("RED", BF_APPROVAL_ALL);
    assert_int_equal(approve(world, "ann", true).code, BF_OK);
    const struct bf_record *record = world_stored(world, "job");
    assert_int_equal(record->state, BF_STATE_QUEUED);
    assert_string_equal(record->approver, "ann");
    assert_string_equal(record->break_glass, "nobody else is awake");
    const struct bf_event *event = world_event(world, "job", "break_glass");
    assert_non_null(event);
    assert_string_equal(event->actor, "ann");
    assert_non_null(strstr(event->text, "BREAK GLASS: ann approved it alone, and ann had submitted it: nobody else is awake"));
    world_crash(world);
    world_start(world);
    world_run(world);
    assert_string_equal(bf_job_record(world_find(world, "job"))->break_glass, "nobody else is awake");
    world_free(world);
}

static void nothing_is_broken_that_is_not_in_the_way(void **state)
{
    (void)state;
    struct test_world *world = submitted("RED", BF_APPROVAL_ALL);
    assert_int_equal(approve(world, "bob", true).code, BF_OK);
    assert_string_equal(world_stored(world, "job")->approver, "bob");
    assert_null(world_stored(world, "job")->break_glass);
    assert_null(world_event(world, "job", "break_glass"));
    world_free(world);
}

/* A running job that eve approved as it is. */
static struct test_world *running(enum bf_approval two_person)
{
    struct test_world *world = world_new();
    world->targets[0].two_person = two_person;
    world_job(world, "job", "shop", BF_STATE_RUNNING, ",\"pace\":{\"nice\":2}");
    struct bf_record *record = world_stored(world, "job");
    free(record->submitter);
    record->submitter = bf_copy_string("ann");
    record->approver = bf_copy_string("eve");
    record->approved_risk = bf_copy_string("RED");
    record->approved_bounds = bf_bounds_make(record->document);
    record->started_at = 1;
    world->server_silent = true;
    world_start(world);
    world_run(world);
    return world;
}

static enum bf_code change(struct test_world *world, const char *who, bool approver, const char *nice)
{
    struct heard heard = {0};
    BF_AUTO_STRING char *body = bf_format("{\"pace\":{\"nice\":%s}}", nice);
    bf_engine_tune(world->engine, bf_job_record(world_find(world, "job"))->id, body, strlen(body), NULL, who, approver, on_answer,
                   &heard);
    world_run(world);
    assert_int_equal(heard.times, 1);
    return heard.code;
}

static void past_what_was_approved(void **state)
{
    (void)state;
    struct test_world *world = running(BF_APPROVAL_ALL);
    assert_int_equal(change(world, "joe", false, "3"), BF_OK); /* gentler */
    assert_int_equal(change(world, "joe", false, "1"), BF_FORBIDDEN);
    assert_int_equal(change(world, "ann", true, "1"), BF_TWO_PERSON);
    assert_string_equal(world_stored(world, "job")->approver, "eve");
    assert_true(world_stored(world, "job")->document->pace.nice > 2.5);
    assert_int_equal(change(world, "bob", true, "1"), BF_OK);
    assert_string_equal(world_stored(world, "job")->approver, "bob");
    assert_int_equal(change(world, "joe", false, "1.5"), BF_OK); /* within what bob said */
    world_free(world);
    world = running(BF_APPROVAL_NONE);
    assert_int_equal(change(world, "ann", true, "1"), BF_OK);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_the_same_person),
        cmocka_unit_test(the_rule_is_for_the_class_of_risk),
        cmocka_unit_test(breaking_the_glass_is_loud_and_kept),
        cmocka_unit_test(nothing_is_broken_that_is_not_in_the_way),
        cmocka_unit_test(past_what_was_approved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
