/* The way out: let the running batch end or cancel it, settle what a lost session may still do, release the checkpoint. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

enum {
    RAISE_GRACE = 100,   /* milliseconds: a raise that the stop needs comes at once, but where a lost session is in its way */
    PAUSE_GRACE = 500,   /* milliseconds: a pause lets the running batch end for so long, then cancels it */
    HOLD_LOOK = 1000,    /* milliseconds between looks at what a job holds for */
    CANCEL_AGAIN = 300,  /* a cancel may come between two statements: say it again */
    STOP_WATCHDOG = 5000 /* a server that does not answer a stop: give the session up, settle with a new one */
};

/* A stop has to find out first whether a lost session of ours is still at work on the target. */
bool bf_walk_has_to_settle(const struct bf_walk *walk)
{
    const struct bf_job *job = walk->job;
    return (walk->unsettled || walk->courtesy) && !walk->owner && !walk->without_release && !job->engine->draining &&
           bf_job_may_settle(job);
}

void bf_walk_backed_off(struct bf_walk *walk)
{
    if (!walk->session)
        bf_walk_connect(walk);
    else if (!walk->recognised)
        bf_walk_send_recognise(walk);
    else if (walk->owner)
        walk->phase = BF_PHASE_READY;
    else
        bf_walk_send_peek(walk);
}

static bool stop_wanted(const struct bf_walk *walk)
{
    const struct bf_job *job = walk->job;
    return walk->ending != BF_STATE_PLANNING || bf_crew_ending(job)->ending == BF_STATE_FAILED ||
           job->record.state == BF_STATE_PAUSING || job->record.state == BF_STATE_ABORTING || job->engine->draining ||
           job->leaving;
}

void bf_walk_leave(struct bf_walk *walk)
{
    bf_walk_close_session(walk);
    if (walk->timer)
        walk->job->engine->world->timer_stop(walk->timer);
    walk->phase = BF_PHASE_OVER;
}

/* Nothing is under way: release what is ours, settle what may still be at work, or be over. */
void bf_walk_stop_here(struct bf_walk *walk)
{
    if (walk->session && walk->owner && !walk->without_release)
        bf_walk_send_flush(walk, walk->done && walk->ending == BF_STATE_COMPLETED, true, BF_PHASE_RELEASING);
    else if (bf_walk_has_to_settle(walk))
        bf_walk_backed_off(walk);
    else
        bf_walk_leave(walk);
}

/* How long the running flight may still go on before it is cancelled; milliseconds since the stop. What a person ordered
 * goes before the daemon's own reasons to stop, which let a batch end. */
static int64_t grace(const struct bf_walk *walk)
{
    const struct bf_job *job = walk->job;
    bool own_reasons = (job->engine->draining || job->leaving) && bf_crew_ending(job)->ending != BF_STATE_FAILED;
    if (job->record.state == BF_STATE_ABORTING || (job->engine->draining && job->engine->drain_cancel))
        return 0;
    if (job->record.state != BF_STATE_PAUSING && walk->ending == BF_STATE_PLANNING && own_reasons)
        return INT32_MAX;
    /* What waits for a lock or only reads is no work that a pause would lose; the count of a lost batch is. */
    return walk->phase == BF_PHASE_BATCHING || walk->phase == BF_PHASE_BISECTING || walk->phase == BF_PHASE_TAKING_ASIDE ||
                   walk->phase == BF_PHASE_RESTORING || walk->phase == BF_PHASE_RECOUNTING
               ? PAUSE_GRACE
               : 0;
}

/* Is what is under way in the way of the stop? Giving back and settling are what the stop needs; only a raise that may
 * wait for a lost session is in its way. */
static bool in_the_way(const struct bf_walk *walk)
{
    if (walk->phase == BF_PHASE_RELEASING || walk->phase == BF_PHASE_TAKING_BACK)
        return false;
    return !bf_walk_has_to_settle(walk) || (walk->phase == BF_PHASE_RAISING && !walk->lost_ended);
}

/* When what is in the way is cancelled for the first time, or the next; monotonic milliseconds. */
static int64_t cancel_at(const struct bf_walk *walk)
{
    if (walk->cancelled_at)
        return walk->cancelled_at + CANCEL_AGAIN;
    if (walk->phase == BF_PHASE_RAISING && bf_walk_has_to_settle(walk))
        return walk->flight_sent + RAISE_GRACE;
    return walk->stop_since + grace(walk);
}

/* Of a check its own time, else the session's; milliseconds. */
static int64_t time_allowed(const struct bf_walk *walk)
{
    return walk->phase == BF_PHASE_CHECKING ? walk->job->record.document->checks[walk->checking][walk->check_index].timeout
                                            : walk->statement_timeout;
}

/* When an answer that does not come is given up; monotonic milliseconds. */
static int64_t given_up_at(const struct bf_walk *walk)
{
    int64_t limit = walk->flight_sent + 2 * time_allowed(walk) + 5000;
    if (!walk->stopping)
        return limit;
    if (walk->phase == BF_PHASE_RELEASING || walk->phase == BF_PHASE_TAKING_BACK)
        return walk->flight_sent + STOP_WATCHDOG;
    int64_t stop = walk->stop_since + grace(walk) + STOP_WATCHDOG;
    return walk->cancelled_at && stop < limit ? stop : limit;
}

/* A stop is wanted and something is under way. Returns true when the walk went on. */
bool bf_walk_stop_waiting(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    int64_t time = bf_job_now(job);
    switch (walk->phase) {
    case BF_PHASE_SLEEPING:
    case BF_PHASE_HOLDING:
    case BF_PHASE_RESTING:
    case BF_PHASE_WAITING_SLICES:
    case BF_PHASE_WAITING_HORIZON:
        bf_walk_stop_here(walk);
        return true;
    case BF_PHASE_CONNECTING_REPLICA:
    case BF_PHASE_WAITING_REPLICA:
        bf_walk_close_replica(walk);
        bf_walk_stop_here(walk);
        return true;
    case BF_PHASE_BACKING_OFF:
        if (bf_walk_has_to_settle(walk))
            return false;
        bf_walk_stop_here(walk);
        return true;
    case BF_PHASE_CONNECTING:
        if (bf_walk_has_to_settle(walk))
            return false;
        bf_walk_leave(walk);
        return true;
    case BF_PHASE_STORING:
        return false;
    default:
        break;
    }
    if (!in_the_way(walk))
        return false;
    if (time >= cancel_at(walk)) {
        walk->cancelled_at = time;
        if (walk->on_replica)
            job->target->replicas[walk->replica_index].database->cancel(walk->replica);
        else
            job->target->database->cancel(walk->session);
    }
    return false;
}

/* An answer that never comes: the session is given up, what it did is found out by taking up anew (P2). */
bool bf_walk_watchdog(struct bf_walk *walk)
{
    if (!walk->flight_under_way)
        return false;
    if (bf_job_now(walk->job) < given_up_at(walk))
        return false;
    if (walk->on_replica) {
        bf_walk_close_replica(walk);
        bf_walk_back_off(walk, BF_REPLICA_UNREACHABLE, "the replica does not answer", false);
    } else {
        bf_walk_back_off(walk, BF_SERVER_UNREACHABLE,
                         walk->job->engine->draining ? "the daemon ends, and what is under way does not in time: what became of it "
                                                       "is asked when the job is taken up"
                                                     : "the server does not answer", true);
    }
    return true;
}

static void on_timer(void *argument)
{
    const struct bf_walk *walk = argument;
    bf_engine_mark(walk->job);
}

/* Wakes the job when the next thing is due that is not an answer. */
void bf_walk_arm(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    const struct bf_world *world = job->engine->world;
    int64_t due = INT64_MAX, time = bf_job_now(job);
    if (walk->phase == BF_PHASE_SLEEPING || walk->phase == BF_PHASE_WAITING_HORIZON ||
        walk->phase == BF_PHASE_WAITING_REPLICA || walk->phase == BF_PHASE_BACKING_OFF) {
        due = walk->sleep_until;
        /* The owner of a long sleep shows that it lives. */
        if (walk->phase == BF_PHASE_SLEEPING && walk->touched_at + BF_TOUCH_EVERY + 1 < due)
            due = walk->touched_at + BF_TOUCH_EVERY + 1;
    } else if (walk->phase == BF_PHASE_RESTING) {
        due = walk->sleep_until;
    } else if (walk->phase == BF_PHASE_WAITING_SLICES) {
        due = walk->touched_at + BF_TOUCH_EVERY + 1;
    } else if (walk->phase == BF_PHASE_HOLDING) { /* samples come by themselves; that none comes has to be noticed */
        due = time + HOLD_LOOK;
    } else if (walk->flight_under_way) {
        due = given_up_at(walk);
        if (walk->stopping && in_the_way(walk)) {
            int64_t cancel = cancel_at(walk);
            due = cancel < due ? cancel : due;
        }
    }
    if (due == INT64_MAX)
        return;
    if (!walk->timer)
        walk->timer = world->timer_new(world->context, on_timer, walk);
    world->timer_start(walk->timer, due > time ? due - time : 1);
}

void bf_walk_notice_stop(struct bf_walk *walk)
{
    if (!walk->stopping && stop_wanted(walk)) {
        walk->stopping = true;
        walk->stop_since = bf_job_now(walk->job);
        if (walk->phase == BF_PHASE_BACKING_OFF)
            walk->sleep_until = walk->stop_since; /* a stop does not sit out the back-off */
    }
}

