/* The rows in quarantine: how many there may be, what is said of them, and how they are tried once more. */
#include <stdio.h>

#include "allocate.h"
#include "internal.h"
#include "share.h"

/* What `limits.bad_rows` says: a number, or a share of the rows that the job has to look at. */
static int64_t allowed_rows(const struct bf_job *job)
{
    const struct bf_progress *progress = &job->record.progress;
    int64_t rows = progress->rows_estimated > progress->rows_scanned ? progress->rows_estimated : progress->rows_scanned;
    return bf_count_or_share(job->record.document->limits.bad_rows, rows);
}

/* In the quarantine, with those of transactions that are under way. */
static int64_t rows_now(const struct bf_job *job)
{
    int64_t rows = job->record.progress.rows_bad;
    for (size_t i = 0; i < bf_job_walks(job); i++)
        rows += bf_job_walk(job, i)->bisect.bad;
    return rows;
}

int64_t bf_bad_rows_room(const struct bf_walk *walk)
{
    return bf_walk_inverts(walk) ? 0 : allowed_rows(walk->job) - rows_now(walk->job);
}

bool bf_bad_rows_too_many(const struct bf_walk *walk, int64_t fresh)
{
    return bf_walk_inverts(walk) || (fresh > 0 && fresh > bf_bad_rows_room(walk));
}

void bf_bad_rows_count(struct bf_walk *walk, int64_t rows)
{
    walk->part.rows_bad += rows;
    walk->job->record.progress.rows_bad += rows;
}

void bf_bad_rows_say(struct bf_walk *walk, int64_t rows, const char *key, const char *error, const char *sqlstate)
{
    char name[BF_SLICE_NAME];
    bf_job_note(walk->job, "bad_row", "%s%lld row%s refused and put into quarantine, the last one is %.200s: %.300s (%s)",
                bf_walk_name(walk, name), (long long)rows, rows == 1 ? " was" : "s were", key, error, sqlstate);
}

void bf_bad_rows_end(struct bf_walk *walk, const char *key, const char *error, const char *sqlstate)
{
    int64_t allowed = allowed_rows(walk->job);
    char why[96] = "put right what is in its way, then roll back again: it goes on from there";
    if (!bf_walk_inverts(walk))
        snprintf(why, sizeof why, "limits.bad_rows allows %lld such row%s", (long long)allowed, allowed == 1 ? "" : "s");
    bf_walk_end(walk, BF_STATE_FAILED, BF_DATA_ERROR, "row %.200s of %s cannot be %s: %.250s (%s); %s", key, walk->table->display,
                bf_walk_inverts(walk) ? "changed back" : "changed", error, sqlstate, why);
}

/* ---- once more ---- */

/* A row that is tried once more goes on the list of those that others held: they are done before the job is verified, and
 * struck off by the transaction that changes them, or, where they are refused again, puts them back into the quarantine. */
void bf_bad_rows_add_counts(struct bf_walk *walk, int64_t epoch)
{
    const struct bf_job *job = walk->job;
    char *const *text = walk->statements->text;
    if (job->record.retry_bad && job->record.direction == BF_DIRECTION_FORWARD && text[BF_STATEMENT_RETRY_BAD]) {
        struct bf_step *step = bf_walk_add_for_slice(walk, BF_STATEMENT_RETRY_BAD);
        bf_step_number(step, epoch);
        bf_step_text(step, job->engine->world->owner);
    }
    bf_walk_add_for_slice(walk, BF_STATEMENT_COUNT_ASIDE);
    if (text[BF_STATEMENT_COUNT_BAD])
        bf_walk_add_for_slice(walk, BF_STATEMENT_COUNT_BAD);
}

void bf_bad_rows_counted(struct bf_walk *walk)
{
    const struct bf_answer *aside = bf_walk_answer_to(walk, BF_STATEMENT_COUNT_ASIDE);
    const struct bf_answer *bad = bf_walk_answer_to(walk, BF_STATEMENT_COUNT_BAD);
    if (aside)
        bf_walk_count(walk, 0, 0, 0, bf_answer_number(aside, 0, 0) - walk->part.rows_set_aside);
    if (bad && walk->job->record.direction == BF_DIRECTION_FORWARD) /* back: what was counted stays as it was seen last */
        bf_bad_rows_count(walk, bf_answer_number(bad, 0, 0) - walk->part.rows_bad);
    walk->retried = bf_walk_answer_to(walk, BF_STATEMENT_RETRY_BAD) != NULL;
}

bool bf_bad_rows_retry(struct bf_walk *walk)
{
    if (!walk->job->record.retry_bad || walk->retried || !walk->statements->text[BF_STATEMENT_RETRY_BAD])
        return false;
    walk->owner = walk->have_next = false;
    bf_walk_send_peek(walk);
    return true;
}

void bf_bad_rows_want_retry(struct bf_job *job)
{
    job->record.retry_bad = true;
    for (size_t i = 0; i < bf_job_walks(job); i++)
        bf_job_walk(job, i)->retried = false;
    for (size_t i = 0; i < job->crew_count && job->record.state == BF_STATE_RUNNING; i++)
        if (job->crew[i].phase == BF_PHASE_OVER)
            bf_walk_reset_one(&job->crew[i], false);
}
