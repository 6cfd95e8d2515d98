/* The real world behind lib/port/world.h: timers that fire once and late enough, and who is provably gone. */
#include "unit.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocate.h"
#include "uv_world.h"

struct fixture {
    uv_loop_t loop;
    struct bf_world *world;
};

static int set_up(void **state)
{
    struct fixture *fixture = BF_NEW(struct fixture);

    uv_loop_init(&fixture->loop);
    fixture->world = bf_uv_world_new(&fixture->loop);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    bf_uv_world_free(fixture->world);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    free(fixture);
    return 0;
}

struct shot {
    struct bf_world *world;
    struct bf_timer *timer;
    int64_t at;
    int count;
    bool free_inside;
};

static void on_fired(void *argument)
{
    struct shot *shot = argument;

    shot->count++;
    shot->at = shot->world->monotonic(shot->world->context);
    if (shot->free_inside)
        shot->world->timer_free(shot->timer);
}

static void timers_fire_once_and_not_early(void **state)
{
    struct fixture *fixture = *state;
    struct bf_world *world = fixture->world;
    struct shot shot = {.world = world};
    int64_t begin;

    shot.timer = world->timer_new(world->context, on_fired, &shot);
    /* A loop that has not looked at the clock for a while, as after a long callback. */
    begin = world->monotonic(world->context);
    while (world->monotonic(world->context) < begin + 40)
        ;
    begin = world->monotonic(world->context);
    world->timer_start(shot.timer, 500);
    world->timer_start(shot.timer, 30); /* replaces */
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(shot.count, 1);
    assert_true(shot.at >= begin + 29);
    assert_true(shot.at < begin + 400);
    world->timer_start(shot.timer, 1);
    world->timer_stop(shot.timer);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(shot.count, 1);
    shot.free_inside = true;
    world->timer_start(shot.timer, 0);
    assert_int_equal(shot.count, 1); /* never from inside the call */
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(shot.count, 2);
    world->timer_free(NULL);
}

static void a_freed_timer_does_not_fire(void **state)
{
    struct fixture *fixture = *state;
    struct bf_world *world = fixture->world;
    struct shot shot = {.world = world};

    shot.timer = world->timer_new(world->context, on_fired, &shot);
    world->timer_start(shot.timer, 0);
    world->timer_free(shot.timer);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(shot.count, 0);
}

static void chance_fills_every_byte(void **state)
{
    struct fixture *fixture = *state;
    unsigned char sum[300] = {0}, bytes[300];

    for (int i = 0; i < 20; i++) {
        fixture->world->random(fixture->world->context, bytes, sizeof bytes);
        for (size_t j = 0; j < sizeof bytes; j++)
            sum[j] |= bytes[j];
    }
    for (size_t j = 0; j < sizeof sum; j++)
        assert_int_not_equal(sum[j], 0);
}

static bool gone(struct fixture *fixture, const char *owner)
{
    return fixture->world->owner_gone(fixture->world->context, owner);
}

/* The owner text of another process of this machine: that of a world made in it. */
static pid_t make_owner(char *ret_owner)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a check of the test fails */
        uv_loop_t loop;
        uv_loop_init(&loop);
        const char *owner = bf_uv_world_new(&loop)->owner;
        if (write(ends[1], owner, strlen(owner) + 1) > 0)
            pause();
        _exit(0);
    }
    close(ends[1]);
    assert_true(read(ends[0], ret_owner, BF_OWNER_TEXT) > 0);
    close(ends[0]);
    return child;
}

static void owners_that_live_and_that_are_gone(void **state)
{
    struct fixture *fixture = *state;
    char owner[BF_OWNER_TEXT];
    siginfo_t ended;

    assert_true(strlen(fixture->world->owner) < BF_OWNER_TEXT - 1);
    assert_false(gone(fixture, fixture->world->owner));
    pid_t child = make_owner(owner);
    assert_string_not_equal(owner, fixture->world->owner);
    assert_false(gone(fixture, owner));
    kill(child, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
    assert_true(gone(fixture, owner)); /* a zombie */
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(gone(fixture, owner));
}

static void the_process_id_alone_is_not_the_process(void **state)
{
    struct fixture *fixture = *state;
    BF_AUTO_STRING char *other = bf_copy_string(fixture->world->owner);

    /* Our own process id with another start time: that process is gone, its number is ours now. */
    char *last = other + strlen(other) - 1;
    *last = *last == '1' ? '2' : '1';
    assert_true(gone(fixture, other));
}

static void elsewhere_is_not_gone(void **state)
{
    struct fixture *fixture = *state;
    const char *owner = fixture->world->owner;
    const char *boot = strchr(owner, '/') + 1, *space = strchr(boot, '/') + 1, *process = strchr(space, '/') + 1;
    BF_AUTO_STRING char *machine = bf_format("0000/%s1", boot);
    BF_AUTO_STRING char *another_boot = bf_format("%.*s0000/%s1", (int)(boot - owner), owner, space);
    BF_AUTO_STRING char *another_space = bf_format("%.*s4/%s1", (int)(space - owner), owner, process);
    BF_AUTO_STRING char *cut = bf_format("%.*s", (int)(process - owner), owner);
    BF_AUTO_STRING char *junk = bf_format("%s junk", owner);
    BF_AUTO_STRING char *none = bf_format("%.*s0/1", (int)(process - owner), owner);

    assert_false(gone(fixture, machine));
    assert_false(gone(fixture, another_boot));
    assert_false(gone(fixture, another_space));
    assert_false(gone(fixture, cut));
    assert_false(gone(fixture, junk));
    assert_false(gone(fixture, none));
    assert_false(gone(fixture, ""));
    assert_false(gone(fixture, "unknown/unknown/unknown/1/1"));
}

static bool offset_of(struct fixture *fixture, const char *zone, int32_t *ret_offset)
{
    return fixture->world->zone_offset(fixture->world->context, zone, 1720000000, ret_offset); /* in July */
}

static void zones_by_name(void **state)
{
    struct fixture *fixture = *state;
    static const char *const none[] = {"", "/", "Europe", "Europe/", "/Europe/Berlin", "Europe//Berlin", "Europe/Berlin/",
                                       "../zoneinfo/Europe/Berlin", "Europe/Nowhere", "zone.tab", "Europe/Berlin\n"};
    int32_t offset = -1;
    for (int again = 0; again < 2; again++) { /* from the file, and from memory */
        assert_true(offset_of(fixture, "Europe/Berlin", &offset));
        assert_int_equal(offset, 7200);
        assert_true(offset_of(fixture, "UTC", &offset));
        assert_int_equal(offset, 0);
        for (size_t i = 0; i < BF_COUNT(none); i++)
            assert_false(offset_of(fixture, none[i], &offset));
    }
}

/* Whoever submits documents may name what he likes. */
static void zones_that_are_none_are_not_kept(void **state)
{
    struct fixture *fixture = *state;
    char name[64];
    int32_t offset;
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "Europe/Nowhere%d", i);
        assert_false(offset_of(fixture, name, &offset));
    }
    assert_true(mallinfo2().uordblks < before.uordblks + 10000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_once_and_not_early),
        TEST(a_freed_timer_does_not_fire),
        TEST(chance_fills_every_byte),
        TEST(owners_that_live_and_that_are_gone),
        TEST(the_process_id_alone_is_not_the_process),
        TEST(elsewhere_is_not_gone),
        TEST(zones_by_name),
        TEST(zones_that_are_none_are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
