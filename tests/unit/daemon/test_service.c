/* What a service manager hears, over a socket of the test's own. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "allocate.h"
#include "service.h"

enum { WATCHDOG = 100 /* milliseconds */ };

struct manager {
    char directory[40];
    struct sockaddr_un address;
    int socket;
    uv_loop_t loop;
    uv_timer_t work; /* what a daemon has: the service keeps no loop alive */
    struct bf_service *service;
    int works; /* what the status says */
};

static char *status(void *argument)
{
    return bf_format("%d jobs", ((struct manager *)argument)->works);
}

static void no_work(uv_timer_t *timer)
{
    (void)timer;
}

static int set_up(void **state)
{
    struct manager *manager = BF_NEW(struct manager);

    snprintf(manager->directory, sizeof manager->directory, "/tmp/backfilld-notify-XXXXXX");
    assert_non_null(mkdtemp(manager->directory));
    manager->address.sun_family = AF_UNIX;
    snprintf(manager->address.sun_path, sizeof manager->address.sun_path, "%s/socket", manager->directory);
    manager->socket = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(manager->socket, (struct sockaddr *)&manager->address, sizeof manager->address), 0);
    /* What comes at all comes at once; a test that waits for nothing waits so long. */
    setsockopt(manager->socket, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_usec = 3 * WATCHDOG * 1000},
               sizeof(struct timeval));
    uv_loop_init(&manager->loop);
    uv_timer_init(&manager->loop, &manager->work);
    uv_timer_start(&manager->work, no_work, 10, 10);
    setenv("NOTIFY_SOCKET", manager->address.sun_path, 1);
    setenv("WATCHDOG_USEC", "100000", 1);
    unsetenv("WATCHDOG_PID");
    manager->service = bf_service_new(&(struct bf_service_options){.loop = &manager->loop, .status = status, .argument = manager});
    *state = manager;
    return 0;
}

static int tear_down(void **state)
{
    struct manager *manager = *state;

    bf_service_free(manager->service);
    uv_close((uv_handle_t *)&manager->work, NULL);
    uv_run(&manager->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&manager->loop), 0);
    close(manager->socket);
    unlink(manager->address.sun_path);
    rmdir(manager->directory);
    unsetenv("NOTIFY_SOCKET");
    free(manager);
    return 0;
}

/* The next message, or "" when none comes. */
static const char *hear(struct manager *manager, int flags)
{
    static char heard[256];
    ssize_t length = recv(manager->socket, heard, sizeof heard - 1, flags);

    heard[length > 0 ? length : 0] = '\0';
    return heard;
}

/* Lets the loop turn until that is heard; whatever else comes is of no matter. */
static void turn_until(struct manager *manager, const char *expected)
{
    for (int turns = 0; turns < 1000; turns++) {
        for (const char *heard = hear(manager, MSG_DONTWAIT); *heard; heard = hear(manager, MSG_DONTWAIT))
            if (strcmp(heard, expected) == 0)
                return;
        uv_run(&manager->loop, UV_RUN_ONCE);
    }
    fail_msg("nobody said %s", expected);
}

static void ready_with_a_status_and_then_fed(void **state)
{
    struct manager *manager = *state;

    assert_string_equal(hear(manager, MSG_DONTWAIT), ""); /* nothing before it is ready */
    bf_service_ready(manager->service);
    assert_string_equal(hear(manager, 0), "READY=1");
    assert_string_equal(hear(manager, 0), "STATUS=0 jobs");
    turn_until(manager, "WATCHDOG=1");
    turn_until(manager, "WATCHDOG=1"); /* and again */
}

static void a_loop_that_hangs_feeds_nothing(void **state)
{
    struct manager *manager = *state;

    bf_service_ready(manager->service);
    turn_until(manager, "WATCHDOG=1");
    while (*hear(manager, MSG_DONTWAIT))
        ;
    assert_string_equal(hear(manager, 0), ""); /* three times its time, in which the loop does not turn */
    turn_until(manager, "WATCHDOG=1");
}

static void the_watchdog_of_another_process_is_not_fed(void **state)
{
    struct manager *manager = *state;

    setenv("WATCHDOG_PID", "1", 1);
    bf_service_ready(manager->service);
    unsetenv("WATCHDOG_PID");
    assert_string_equal(hear(manager, 0), "READY=1");
    assert_string_equal(hear(manager, 0), "STATUS=0 jobs");
    manager->works = 1;
    const char *heard = "";
    for (int turns = 0; turns < 1000 && strcmp(heard, "STATUS=1 jobs") != 0; turns++) { /* ten times its time */
        uv_run(&manager->loop, UV_RUN_ONCE);
        heard = hear(manager, MSG_DONTWAIT);
        assert_string_not_equal(heard, "WATCHDOG=1");
    }
    assert_string_equal(heard, "STATUS=1 jobs");
}

static void a_status_is_told_when_it_is_another_one(void **state)
{
    struct manager *manager = *state;

    bf_service_ready(manager->service);
    manager->works = 2;
    turn_until(manager, "STATUS=2 jobs");
    bf_service_stopping(manager->service, "stopping");
    turn_until(manager, "STOPPING=1");
    assert_string_equal(hear(manager, 0), "STATUS=stopping");
    manager->works = 3;
    turn_until(manager, "WATCHDOG=1"); /* who drains is still alive */
    for (int fed = 0; fed < 30;) { /* a second and a half: nobody asks for the status any more */
        const char *text = hear(manager, MSG_DONTWAIT);
        assert_string_not_equal(text, "STATUS=3 jobs");
        fed += strcmp(text, "WATCHDOG=1") == 0;
        uv_run(&manager->loop, UV_RUN_ONCE);
    }
}

static void the_time_of_a_reload_is_told(void **state)
{
    struct manager *manager = *state;
    unsigned long long before = uv_hrtime() / 1000, said = 0;
    char rest;

    bf_service_reloading(manager->service);
    assert_int_equal(sscanf(hear(manager, 0), "RELOADING=1\nMONOTONIC_USEC=%llu%c", &said, &rest), 1);
    assert_in_range(said, before, uv_hrtime() / 1000);
    bf_service_reloaded(manager->service);
    assert_string_equal(hear(manager, 0), "READY=1");
}

static void without_a_manager_nothing_is_said(void **state)
{
    struct manager *manager = *state;

    unsetenv("NOTIFY_SOCKET");
    bf_service_ready(manager->service);
    bf_service_reloading(manager->service);
    bf_service_stopping(manager->service, "stopping");
    uv_timer_stop(&manager->work);
    assert_int_equal(uv_run(&manager->loop, UV_RUN_NOWAIT), 0); /* and nothing keeps it awake */
    assert_string_equal(hear(manager, MSG_DONTWAIT), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ready_with_a_status_and_then_fed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_loop_that_hangs_feeds_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_watchdog_of_another_process_is_not_fed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_status_is_told_when_it_is_another_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_time_of_a_reload_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_manager_nothing_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
