/* The walk's step: one place that says where it waits and what comes next. See walk.h for the drawing. */
#include "walk.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

enum bf_activity bf_walk_activity(const struct bf_walk *walk)
{
    static const enum bf_activity activities[] = {
#define X(constant, activity) BF_ACTIVITY_##activity,
        BF_PHASES(X)
#undef X
    };
    return activities[walk->phase];
}

/* ---- life ---- */

void bf_walk_close_session(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    bf_walk_close_replica(walk);
    if (walk->session) {
        job->target->database->close(walk->session);
        walk->session = NULL;
        bf_watcher_left(job->engine, job->target);
    }
    walk->flight_under_way = false;
    walk->owner = walk->recognised = walk->lost_ended = false;
    walk->have_next = walk->locks.refused = false;
    bf_bisect_taken_back(walk);
    bf_inverse_forget(walk);
    bf_sample_forget(walk);
}

static void rest(struct bf_walk *walk)
{
    bf_flight_clear(&walk->flight);
    for (size_t i = 0; i < walk->answer_count; i++)
        bf_answer_clear(&walk->answers[i]);
    free(walk->answers);
    bf_answer_clear(&walk->trouble);
    bf_table_free(walk->table);
    bf_statements_free(walk->statements);
    walk->answers = NULL;
    walk->answer_count = 0;
    walk->table = NULL;
    walk->statements = NULL;
}

void bf_walk_rest(struct bf_job *job)
{
    for (size_t i = 0; i < bf_job_walks(job); i++)
        rest(bf_job_walk(job, i));
}

static void drop(struct bf_walk *walk)
{
    bf_walk_close_session(walk);
    walk->job->engine->world->timer_free(walk->timer);
    rest(walk);
    bf_key_clear(&walk->low);
    bf_key_clear(&walk->through);
    bf_key_clear(&walk->next.high);
    bf_key_clear(&walk->batch_low);
    free(walk->owner_seen);
    free(walk->locks.sweep_key);
    bf_bisect_clear(&walk->bisect);
    *walk = (struct bf_walk){.job = walk->job, .slice = walk->slice, .part = walk->part};
}

void bf_walk_drop(struct bf_job *job)
{
    for (size_t i = 0; i < bf_job_walks(job); i++)
        drop(bf_job_walk(job, i));
}

void bf_walk_reset_one(struct bf_walk *walk, bool unsettled)
{
    struct bf_pace pace = bf_walk_pace(walk->job);
    int64_t flights = walk->flights;
    drop(walk);
    walk->unsettled = unsettled;
    walk->peeked_seq = -1;
    walk->peeked_moves = 0;
    walk->flights = flights;
    walk->rows_allowed = BF_NO_LIMIT;
    bf_size_start(&walk->size, pace.batch_time, pace.batch_rows_start, pace.batch_rows_min, pace.batch_rows_max);
}

void bf_walk_reset(struct bf_job *job, bool unsettled)
{
    job->walk.job = job;
    if (job->record.direction == BF_DIRECTION_BACK) {
        for (size_t i = 0; i < bf_job_walks(job); i++)
            drop(bf_job_walk(job, i));
        bf_back_prepare(job);
    }
    for (size_t i = 0; i < bf_job_walks(job); i++)
        bf_walk_reset_one(bf_job_walk(job, i), unsettled);
    if (job->hold) { /* what it held for before it stopped is over, what was measured is old */
        job->hold->held_at = -1;
        for (size_t i = 0; i < BF_QUERIES_MAX; i++)
            job->hold->measured[i].at = BF_SIGNAL_NEVER;
    }
}

struct bf_pace bf_walk_pace(const struct bf_job *job)
{
    struct bf_pace pace = job->record.document->pace;
    int64_t walks = (int64_t)bf_job_walks(job), most = pace.max_rows_per_second; /* of all of them */
    if (most < BF_NO_LIMIT)
        most = most > walks ? most / walks : 1;
    if (pace.batch_rows_max > most)
        pace.batch_rows_max = most;
    if (pace.batch_rows_start > most)
        pace.batch_rows_start = most;
    if (pace.batch_rows_min > most)
        pace.batch_rows_min = most;
    return pace;
}

/* A stop is a stop, whatever became of the release. But completed is only what the target was seen to keep. */
static void released(struct bf_walk *walk)
{
    bool good = !walk->lost && walk->answers[0].outcome == BF_OUTCOME_OK && walk->answers[0].affected == 1;
    const struct bf_answer *journal = bf_walk_answer_to(walk, BF_STATEMENT_JOURNAL_SIZE);
    if (journal && journal->rows) {
        walk->job->record.back.rows = bf_answer_number(journal, 0, 0);
        walk->job->record.back.bytes = bf_answer_number(journal, 0, 1);
    }
    const struct bf_answer *table = bf_walk_answer_to(walk, BF_STATEMENT_SAMPLE_TABLE);
    if (table && table->rows)
        walk->job->record.progress.dead = (int64_t)bf_answer_real(table, 0, BF_SAMPLE_NUMBER, -1);
    if (walk->ending != BF_STATE_COMPLETED || good) {
        walk->part.done = walk->ending == BF_STATE_COMPLETED;
        bf_walk_leave(walk);
        return;
    }
    bf_walk_back_off(walk, BF_LOST_SESSION, "the end was not confirmed by the target: verifying again", true);
}

/* Something came: one function for what comes next. */
static void arrived(struct bf_walk *walk)
{
    switch (walk->phase) {
    case BF_PHASE_CONNECTING: bf_walk_connected(walk); break;
    case BF_PHASE_RECOGNISING: bf_walk_recognised(walk); break;
    case BF_PHASE_MAKING_SCHEMA:
        if (bf_walk_fine(walk, BF_DOING_SCHEMA))
            bf_walk_send_peek(walk);
        break;
    case BF_PHASE_ENDING_LOST:
        if (bf_walk_fine(walk, "end the job's lost sessions")) {
            walk->lost_ended = true;
            bf_walk_send_peek(walk);
        }
        break;
    case BF_PHASE_PEEKING: bf_walk_peeked(walk); break;
    case BF_PHASE_FINDING_END: bf_walk_end_found(walk); break;
    case BF_PHASE_FINDING_LIMITS: bf_walk_limits_found(walk); break;
    case BF_PHASE_REGISTERING:
        if (bf_walk_fine(walk, "register the job on the target"))
            bf_walk_send_peek(walk);
        break;
    case BF_PHASE_STORING: bf_walk_stored(walk); break;
    case BF_PHASE_RAISING: bf_walk_raised(walk); break;
    case BF_PHASE_RECOUNTING: bf_walk_recounted(walk); break;
    case BF_PHASE_TURNING: bf_back_turned(walk); break;
    case BF_PHASE_MEASURING_JOURNAL: bf_back_measured(walk); break;
    case BF_PHASE_LOOKING_BACK: bf_back_looked(walk); break;
    case BF_PHASE_READING_PASSED: bf_inverse_passed_read(walk); break;
    case BF_PHASE_RESTORING: bf_back_restored(walk); break;
    case BF_PHASE_BOUNDING: bf_walk_bounded(walk); break;
    case BF_PHASE_SPLITTING: bf_walk_split_known(walk); break;
    case BF_PHASE_COUNTING: bf_walk_counted(walk); break;
    case BF_PHASE_PROBING: bf_walk_probed(walk); break;
    case BF_PHASE_CAPPING: bf_walk_capped(walk); break;
    case BF_PHASE_BATCHING: bf_walk_batch_answered(walk); break;
    case BF_PHASE_BISECTING: bf_bisect_answered(walk); break;
    case BF_PHASE_TAKING_ASIDE:
    case BF_PHASE_WAITING_ASIDE: bf_walk_aside_redone(walk); break;
    case BF_PHASE_TAKING_BACK: bf_walk_taken_back(walk); break;
    case BF_PHASE_ASKING: bf_walk_asked(walk); break;
    case BF_PHASE_TOUCHING: bf_walk_touched(walk); break;
    case BF_PHASE_CHECKING: bf_walk_checked(walk); break;
    case BF_PHASE_ASKING_FACTS: bf_sample_facts_known(walk); break;
    case BF_PHASE_RECOMPUTING: bf_sample_recomputed(walk); break;
    case BF_PHASE_FINDING_LOG_END: bf_walk_log_end_found(walk); break;
    case BF_PHASE_CONNECTING_REPLICA: bf_walk_replica_connected(walk); break;
    case BF_PHASE_RECOGNISING_REPLICA: bf_walk_replica_recognised(walk); break;
    case BF_PHASE_TOUCHING_MEANWHILE: bf_walk_replica_touched(walk); break;
    case BF_PHASE_TAKING_BACK_CHECK: bf_walk_check_taken_back(walk); break;
    case BF_PHASE_ENDING_CANARY: bf_walk_canary_ended(walk); break;
    case BF_PHASE_WAITING_OLD: bf_walk_horizon_seen(walk); break;
    case BF_PHASE_FINDING_NEXT_END: bf_walk_next_end_found(walk); break;
    case BF_PHASE_BEGINNING_PASS: bf_walk_pass_begun(walk); break;
    case BF_PHASE_COMMITTING_PASS: bf_walk_pass_committed(walk); break;
    case BF_PHASE_FLUSHING: bf_walk_flushed(walk); break;
    case BF_PHASE_VERIFYING: bf_walk_verified(walk); break;
    case BF_PHASE_RELEASING: released(walk); break;
    default: break;
    }
}

/* One step; false when the walk waits. */
static bool advance(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    bf_walk_notice_stop(walk);
    switch (walk->phase) {
    case BF_PHASE_OVER:
        return false;
    case BF_PHASE_OFF:
        if (walk->stopping)
            bf_walk_stop_here(walk);
        else if (!bf_walk_may_begin(walk))
            return false;
        else
            bf_walk_connect(walk);
        return true;
    case BF_PHASE_READY:
        if (walk->stopping)
            bf_walk_stop_here(walk);
        else
            bf_walk_ready(walk);
        return true;
    case BF_PHASE_SLEEPING:
        if (walk->stopping)
            return bf_walk_stop_waiting(walk);
        if (bf_job_now(job) < walk->sleep_until && bf_job_now(job) - walk->touched_at <= BF_TOUCH_EVERY)
            return false;
        walk->phase = BF_PHASE_READY;
        return true;
    case BF_PHASE_HOLDING:
        if (walk->stopping)
            return bf_walk_stop_waiting(walk);
        if (bf_job_now(job) - walk->touched_at <= BF_TOUCH_EVERY)
            return bf_walk_held(walk);
        walk->phase = BF_PHASE_READY;
        return true;
    case BF_PHASE_RESTING:
        if (walk->stopping)
            return bf_walk_stop_waiting(walk);
        if (bf_job_now(walk->job) < walk->sleep_until)
            return false;
        walk->phase = BF_PHASE_READY;
        return true;
    case BF_PHASE_WAITING_SLICES:
        if (walk->stopping)
            return bf_walk_stop_waiting(walk);
        if (!bf_crew_done(walk->job) && bf_job_now(walk->job) - walk->touched_at <= BF_TOUCH_EVERY)
            return false;
        walk->phase = BF_PHASE_READY;
        return true;
    case BF_PHASE_WAITING_HORIZON:
        if (walk->stopping)
            return bf_walk_stop_waiting(walk);
        if (bf_job_now(job) < walk->sleep_until)
            return false;
        bf_walk_horizon_again(walk);
        return true;
    case BF_PHASE_WAITING_REPLICA:
        if (walk->stopping)
            return bf_walk_stop_waiting(walk);
        if (bf_job_now(job) < walk->sleep_until)
            return false;
        bf_walk_replica_again(walk);
        return true;
    case BF_PHASE_BACKING_OFF:
        if (walk->stopping && bf_walk_stop_waiting(walk))
            return true;
        if (bf_job_now(job) < walk->sleep_until)
            return false;
        bf_walk_backed_off(walk);
        return true;
    default:
        break;
    }
    if (walk->arrived) {
        walk->arrived = false;
        arrived(walk);
        return true;
    }
    if (walk->stopping && bf_walk_stop_waiting(walk))
        return true;
    return bf_walk_watchdog(walk);
}

void bf_walk_step(struct bf_walk *walk)
{
    while (advance(walk))
        ;
    bf_walk_arm(walk);
    bf_job_turn(walk->job);
}
