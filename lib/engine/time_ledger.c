/* Where the time of a job goes, from its first start on, restarts included: every step of the walk says what it does from
 * then on. Kept in the record; what is counted since the daemon began is in meter.c. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

/* Is everything that it writes in ranges with rows that the server refuses? */
static bool bisects(const struct bf_job *job)
{
    bool some = false;
    for (size_t i = 0; i < bf_job_walks(job); i++) {
        const struct bf_walk *walk = bf_job_walk(job, i);
        if (bf_walk_activity(walk) != BF_ACTIVITY_BATCHING)
            continue;
        if (!walk->bisect.on)
            return false;
        some = true;
    }
    return some;
}

/* Why it does not work, where it does not, or not at its pace. */
static const char *why(const struct bf_job *job, enum bf_activity activity)
{
    if (activity == BF_ACTIVITY_BATCHING && bisects(job))
        return "bad_rows";
    for (size_t i = 0; i < bf_job_walks(job); i++) {
        const struct bf_walk *walk = bf_job_walk(job, i);
        if ((activity == BF_ACTIVITY_HOLDING || activity == BF_ACTIVITY_BACKING_OFF) && walk->reason.code != BF_OK &&
            bf_walk_activity(walk) == activity)
            return walk->reason.signal[0] ? walk->reason.signal : bf_code_name(walk->reason.code);
        if (activity == BF_ACTIVITY_SLEEPING && walk->phase == BF_PHASE_SLEEPING && walk->slept_for[0])
            return walk->slept_for;
    }
    return "";
}

void bf_job_turn(struct bf_job *job)
{
    int64_t now = bf_job_now(job);
    if (job->doing && now > job->doing_at)
        bf_ledger_add(&job->ledger, job->doing, job->doing_why[0] ? job->doing_why : NULL, now - job->doing_at);
    enum bf_activity activity = bf_job_activity(job);
    job->doing = bf_walk_over(job) ? NULL : bf_activity_name(activity);
    job->doing_at = now;
    snprintf(job->doing_why, sizeof job->doing_why, "%s", why(job, activity));
}

void bf_job_write_ledger(struct bf_job *job)
{
    if (job->doing)
        bf_job_turn(job);
    free(job->record.progress.ledger);
    job->record.progress.ledger = job->ledger.count ? bf_ledger_json(&job->ledger) : NULL;
}

void bf_job_seconds(const struct bf_job *job, struct bf_ledger *ret_ledger)
{
    int64_t now = bf_job_now(job);
    *ret_ledger = job->ledger;
    if (job->doing && now > job->doing_at)
        bf_ledger_add(ret_ledger, job->doing, job->doing_why[0] ? job->doing_why : NULL, now - job->doing_at);
}
