/* The applications' transactions: each locks a few rows one after the other, in any order, waits for whom it has to, holds
 * them for a while, and lets go. None may wait for the backfill for long, and none may be in a deadlock with it. */
#include "server.h"

#include "allocate.h"

enum {
    ROWS = 2,
    DEADLOCK = 1000000, /* microseconds of waiting, then the server looks for one */
    YIELD_LIMIT = 350000 /* microseconds: limits.yield_after and a look, while nothing is wrong */
};

struct sim_application {
    struct sim_application *next;
    struct sim *sim;
    struct sim_server_session identity; /* who holds the row */
    int rows[ROWS], count, have;
    int64_t hold;       /* microseconds */
    int64_t our_since;  /* microseconds: since when a session of the backfill is in its way; 0: it is not */
    int64_t since;      /* microseconds: since when anybody is; 0: nobody */
    struct sim_event *event, *give_up;
};

static void unlink_application(struct sim_application *application)
{
    struct sim_application **at = &application->sim->server.applications;
    while (*at != application)
        at = &(*at)->next;
    *at = application->next;
}

static bool is_application(const struct sim *sim, const struct sim_server_session *session)
{
    for (const struct sim_application *it = sim->server.applications; it; it = it->next)
        if (&it->identity == session)
            return true;
    return false;
}

static void let_go(void *argument)
{
    struct sim_application *application = argument;
    application->event = NULL;
    struct sim *sim = application->sim;
    bool writes = sim->has_journal && application->have == application->count && sim_chance(sim, 40);
    for (int i = 0; i < sim->server.row_count; i++)
        if (sim->server.rows[i].locked_by == &application->identity) {
            sim->server.rows[i].touched += writes;
            sim->server.rows[i].locked_by = NULL;
        }
    unlink_application(application);
    sim_cancel(application->event);
    sim_cancel(application->give_up);
    free(application);
    sim_wake_waiters(sim);
}

static void look_at_wait(struct sim_application *application, bool blocked_by_us)
{
    struct sim *sim = application->sim;
    if (application->our_since && sim->calm && sim->now - application->our_since > YIELD_LIMIT)
        sim_violation(sim, "an application waited %lld ms for the backfill",
                      (long long)(sim->now - application->our_since) / 1000);
    if (!blocked_by_us)
        application->our_since = 0;
    else if (!application->our_since)
        application->our_since = sim->now;
}

/* In each other's way, or in that of a backfill that does not yield: the server ends one. */
static void deadlock(void *argument)
{
    struct sim_application *application = argument;
    application->give_up = NULL;
    sim_cancel(application->event);
    look_at_wait(application, false);
    let_go(application);
}

static void go_on(void *argument)
{
    struct sim_application *application = argument;
    struct sim *sim = application->sim;
    application->event = NULL;
    sim_cancel(application->give_up);
    application->give_up = NULL;
    for (; application->have < application->count; application->have++) {
        struct sim_row *row = &sim->server.rows[application->rows[application->have]];
        if (row->locked_by && row->locked_by != &application->identity) {
            look_at_wait(application, !is_application(sim, row->locked_by));
            application->since = application->since ? application->since : sim->now;
            application->give_up = sim_at(sim, application->since + DEADLOCK - sim->now, deadlock, application);
            return; /* until somebody lets go */
        }
        look_at_wait(application, false);
        application->since = 0;
        row->locked_by = &application->identity;
    }
    application->event = sim_at(sim, application->hold, let_go, application);
}

void sim_server_lock_rows(struct sim *sim, int first, int second, int64_t microseconds)
{
    struct sim_application *application = BF_NEW(struct sim_application);
    *application = (struct sim_application){.sim = sim, .rows = {first, second}, .count = second < 0 ? 1 : 2,
                                            .hold = microseconds, .next = sim->server.applications};
    sim->server.applications = application;
    go_on(application);
}

void sim_applications_wake(struct sim *sim)
{
    for (struct sim_application *it = sim->server.applications; it; it = it->next)
        if (it->since && !it->event)
            it->event = sim_at(sim, 1, go_on, it);
}

int sim_applications_waiting(const struct sim *sim)
{
    int count = 0;
    for (const struct sim_application *it = sim->server.applications; it; it = it->next)
        count += it->since != 0;
    return count;
}

int64_t sim_application_waits(const struct sim *sim, const char *application)
{
    int64_t longest = -1;
    for (const struct sim_application *it = sim->server.applications; it; it = it->next) {
        const struct sim_server_session *holder = it->since ? sim->server.rows[it->rows[it->have]].locked_by : NULL;
        if (holder && !is_application(sim, holder) && strcmp(holder->application, application) == 0 &&
            sim->now - it->our_since > longest)
            longest = sim->now - it->our_since;
    }
    return longest;
}

void sim_applications_end(struct sim *sim)
{
    while (sim->server.applications) {
        struct sim_application *application = sim->server.applications;
        sim_cancel(application->event);
        sim_cancel(application->give_up);
        sim->server.applications = application->next;
        free(application);
    }
}
