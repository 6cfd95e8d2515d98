/* A retryable condition never fails a job, so that somebody has to hear of one that does not end: after `limits.stuck_after`
 * without a row the job says so in an event, in its reason and in a metric, and again when it goes on. */
#include <stdio.h>
#include <string.h>

#include "duration.h"
#include "internal.h"

/* What it does is what it is there for, or what it was told to wait for. */
static bool is_fine(const struct bf_job *job, const struct bf_reason *reason)
{
    enum bf_activity activity = bf_job_activity(job);
    if (!bf_state_active(job->record.state) || reason->code == BF_WINDOW)
        return true;
    if (job->record.state == BF_STATE_PAUSING || job->record.state == BF_STATE_ABORTING)
        return false; /* a stop that is not in effect */
    return activity == BF_ACTIVITY_SLEEPING || activity == BF_ACTIVITY_VERIFYING ||
           (activity == BF_ACTIVITY_IDLE && reason->code == BF_OK);
}

static bool has_moved(struct bf_job *job)
{
    const struct bf_progress *progress = &job->record.progress;
    struct bf_stuck now = {.state = job->record.state, .batches = progress->batches, .scanned = progress->rows_scanned,
                           .changed = progress->rows_changed,
                           .back = job->record.back.seen + job->record.back.batches};
    struct bf_stuck *seen = &job->stuck;
    if (now.state == seen->state && now.batches == seen->batches && now.scanned == seen->scanned && now.changed == seen->changed &&
        now.back == seen->back)
        return false;
    now.since = seen->since;
    now.said = seen->said;
    *seen = now;
    return true;
}

void bf_stuck_look(struct bf_job *job)
{
    struct bf_reason reason = bf_job_reason(job);
    int64_t now = bf_job_now(job);
    char text[BF_DURATION_TEXT];
    bool moved = has_moved(job);
    if (moved || is_fine(job, &reason) || job->stuck.since == 0) {
        if (job->stuck.said && bf_state_active(job->record.state))
            bf_job_note(job, "note", "goes on after it was stuck for %s", bf_duration_format(now - job->stuck.since, text));
        job->stuck.said = false;
        job->stuck.since = now;
        return;
    }
    if (job->stuck.said || now - job->stuck.since < job->record.document->limits.stuck_after)
        return;
    bf_job_note(job, "stuck", "stuck for %s: %s", bf_duration_format(now - job->stuck.since, text),
                reason.text[0] ? reason.text : bf_activity_name(bf_job_activity(job)));
    job->stuck.said = true;
}

bool bf_job_stuck(const struct bf_job *job)
{
    return job->stuck.said;
}

void bf_stuck_add(const struct bf_job *job, struct bf_reason *reason)
{
    char since[BF_DURATION_TEXT];
    size_t length = strlen(reason->text);
    if (job->stuck.said && length < sizeof reason->text - 1)
        snprintf(reason->text + length, sizeof reason->text - length, "%sstuck for %s", length ? "; " : "",
                 bf_duration_format(bf_job_now(job) - job->stuck.since, since));
}
