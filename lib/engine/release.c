/* Who comes out of a pause without a new order: a pause with an end, and what pause-all had paused once no latch holds it.
 * Each goes on as if somebody had said resume: stored first, in the job's own queue of orders. */
#include "internal.h"

enum { LOOK_AGAIN = 60000 /* milliseconds at most: the clock of the wall may be set */ };

/* Looked at when the order is made and again when its turn comes. */
bool bf_job_may_release(const struct bf_job *job, enum bf_cause cause)
{
    const struct bf_world *world = job->engine->world;
    const struct bf_reason *reason = &job->record.reason;
    if (cause == BF_BY_ROLLBACK)
        return job->record.back.wanted && bf_state_final(job->record.state);
    if (job->record.state != BF_STATE_PAUSED || bf_job_latched(job, NULL, 0))
        return false;
    if (cause == BF_BY_RESUME_ALL)
        return reason->code == BF_PAUSE_ALL;
    return reason->code == BF_OPERATOR && reason->until != 0 && reason->until <= world->unix_time(world->context);
}

/* True while it is on its way out. */
static bool release(struct bf_job *job)
{
    const char *by = job->engine->released_by ? job->engine->released_by : "daemon";
    bool latched = bf_job_may_release(job, BF_BY_RESUME_ALL);
    if ((!latched && !bf_job_may_release(job, BF_BY_TIMER)) || bf_job_now(job) < job->release_after)
        return false;
    if (job->moving || job->requests) {
        /* A move ends with another look at all this; an order of a person's may change nothing. */
        job->engine->schedule |= !job->moving;
        return true;
    }
    if (latched)
        bf_job_order(job, BF_ORDER_RESUME, BF_BY_RESUME_ALL, by, "pause-all is over");
    else
        bf_job_order(job, BF_ORDER_RESUME, BF_BY_TIMER, "timer", "the pause had an end");
    return true;
}

/* A rollback was ordered while the job ran, and now it has stopped. */
static void go_back(struct bf_job *job)
{
    if (!bf_job_may_release(job, BF_BY_ROLLBACK) || bf_job_now(job) < job->release_after || job->moving || job->requests)
        return;
    bf_job_order(job, BF_ORDER_ROLLBACK, BF_BY_ROLLBACK, job->wanted_by[0] ? job->wanted_by : "daemon",
                 "it was ordered, and the job has stopped");
}

bool bf_engine_release(struct bf_engine *engine)
{
    int64_t now = engine->world->unix_time(engine->world->context), next = INT64_MAX;
    bool under_way = false;
    for (struct bf_job *job = engine->oldest; job; job = job->newer) {
        if (job->record.back.wanted)
            go_back(job);
        if (job->record.state != BF_STATE_PAUSED)
            continue;
        under_way |= release(job);
        if (job->record.reason.until > now && job->record.reason.until < next)
            next = job->record.reason.until;
    }
    if (next != INT64_MAX)
        engine->world->timer_start(engine->release_timer, next - now < LOOK_AGAIN ? next - now : LOOK_AGAIN);
    else
        engine->world->timer_stop(engine->release_timer);
    return under_way;
}
