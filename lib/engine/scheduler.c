/* Who may run: max_jobs a target, one job a table, the rest in the order in which they were made. Whose turn has come is
 * measured once more, if need be, and keeps its turn meanwhile. */
#include <stdio.h>
#include <string.h>

#include "submission.h"

bool bf_state_active(enum bf_state state)
{
    switch (state) {
    case BF_STATE_RUNNING:
    case BF_STATE_VERIFYING:
    case BF_STATE_PAUSING:
    case BF_STATE_ABORTING:
    case BF_STATE_ROLLING_BACK:
        return true;
    default:
        return false;
    }
}

static void wait_for(struct bf_job *job, enum bf_code code, const char *text)
{
    if (job->walk.reason.code == code && strcmp(job->walk.reason.text, text) == 0)
        return;
    job->walk.reason = bf_reason_make(job, code, text);
}

static void count_in(const struct bf_job *job, const struct bf_job *other, int *active, const struct bf_job **same_table)
{
    ++*active;
    if (other->table && job->table && strcmp(other->table, job->table) == 0)
        *same_table = other;
}

/* Why `job` has to wait; false when it may run. */
static bool has_to_wait(struct bf_job *job)
{
    char text[256];
    int active = 0;
    const struct bf_job *same_table = NULL;
    if (bf_job_latched(job, text, sizeof text)) {
        wait_for(job, BF_PAUSE_ALL, text);
        return true;
    }
    /* Who is measured for its start has its turn already. */
    for (const struct bf_submission *before = job->engine->submissions; before; before = before->next)
        if (before->aim == BF_AIM_CONFIRM && before->job != job && before->target == job->target)
            count_in(job, before->job, &active, &same_table);
    for (const struct bf_job *other = job->engine->working; other; other = other->next_working) {
        /* By name: one that still ends its batch on the target's former connection takes its place, too. */
        if (other == job || strcmp(other->record.document->target, job->record.document->target) != 0)
            continue;
        count_in(job, other, &active, &same_table);
    }
    if (same_table) {
        snprintf(text, sizeof text, "waits for job %s, which works on the same table", same_table->record.document->name);
        wait_for(job, BF_TABLE_BUSY, text);
        return true;
    }
    if (active >= job->target->max_jobs) {
        snprintf(text, sizeof text, "waits for its turn: %d of at most %d jobs run on target %s", active,
                 job->target->max_jobs, job->target->name);
        wait_for(job, BF_MAX_JOBS, text);
        return true;
    }
    return false;
}

void bf_engine_schedule(struct bf_engine *engine)
{
    for (struct bf_job *job = engine->oldest; job; job = job->newer) {
        if (job->record.state == BF_STATE_PLANNING)
            bf_planning_take_up(job);
        if (job->record.state != BF_STATE_QUEUED || job->planner || job->moving || job->requests)
            continue;
        if (!job->target) {
            bf_job_show_target(job);
            continue;
        }
        if (has_to_wait(job)) {
            job->measured_at = 0; /* who knows for how long */
            continue;
        }
        if (bf_planning_unconfirmed(job)) {
            bf_planning_confirm(job);
            continue;
        }
        if (job->record.started_at == 0)
            job->record.started_at = engine->world->unix_time(engine->world->context);
        bool back = job->record.direction == BF_DIRECTION_BACK;
        bf_job_move(job, back ? BF_STATE_ROLLING_BACK : BF_STATE_RUNNING, NULL, "daemon", NULL);
    }
}
