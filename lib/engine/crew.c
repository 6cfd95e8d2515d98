/* The walks of a job with several slices. The first one leads: it registers the job and its slices, looks at the checks and
 * the canary, waits for the others when its own range is done, verifies all of them, and begins the next pass for all of
 * them at once. The others each walk their range, under a checkpoint and an epoch of their own, set down that it is done,
 * let go, and are over. What goes wrong in one of them is the job's trouble; what ends one of them otherwise ends all. */
#include "crew.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

size_t bf_job_walks(const struct bf_job *job)
{
    return 1 + job->crew_count;
}

struct bf_walk *bf_job_walk(const struct bf_job *job, size_t index)
{
    return index == 0 ? (struct bf_walk *)&job->walk : &job->crew[index - 1];
}

/* ---- who they are ---- */

static void engage(struct bf_job *job, size_t slices)
{
    job->crew_count = slices - 1;
    job->crew = bf_allocate(job->crew_count * sizeof *job->crew);
    for (size_t i = 0; i < job->crew_count; i++)
        job->crew[i] = (struct bf_walk){.job = job, .slice = (int)i + 1, .peeked_seq = -1};
}

void bf_crew_load(struct bf_job *job)
{
    struct bf_slice slices[BF_SLICES_MAX];
    const struct bf_progress *progress = &job->record.progress;
    if (job->record.direction == BF_DIRECTION_BACK) {
        bf_back_prepare(job);
        return;
    }
    size_t count = bf_slices_read(progress->slices, slices);
    if (count > 1)
        engage(job, count);
    for (size_t i = 0; i < count; i++)
        bf_job_walk(job, i)->part = slices[i];
    if (count == 0)
        job->walk.part = (struct bf_slice){.rows_scanned = progress->rows_scanned,
                                           .rows_changed = progress->rows_changed,
                                           .rows_set_aside = progress->rows_set_aside,
                                           .rows_bad = progress->rows_bad,
                                           .batches = progress->batches};
}

bool bf_crew_engage(struct bf_job *job, size_t slices)
{
    if (job->crew_count == 0 && slices > 1 && slices <= BF_SLICES_MAX && !job->record.started) {
        engage(job, slices);
        for (size_t i = 0; i < job->crew_count; i++)
            bf_walk_reset_one(&job->crew[i], false);
        job->walk.changed = true; /* a rate is shared from now on: its batches may have to be smaller */
    }
    return slices == bf_job_walks(job);
}

void bf_crew_free(struct bf_job *job)
{
    bf_slice_clear(&job->walk.part);
    for (size_t i = 0; i < job->crew_count; i++)
        bf_slice_clear(&job->crew[i].part);
    free(job->crew);
    job->crew = NULL;
    job->crew_count = 0;
}

void bf_crew_forget_epochs(struct bf_job *job)
{
    for (size_t i = 0; i < job->crew_count; i++)
        job->crew[i].part.epoch = 0;
}

int64_t *bf_walk_known_epoch(struct bf_walk *walk)
{
    return bf_walk_leads(walk) ? &walk->job->record.epoch : &walk->part.epoch;
}

/* ---- how far they are ---- */

void bf_crew_write(struct bf_job *job)
{
    const struct bf_slice *slices[BF_SLICES_MAX];
    if (job->crew_count == 0)
        return;
    for (size_t i = 0; i < bf_job_walks(job); i++)
        slices[i] = &bf_job_walk(job, i)->part;
    free(job->record.progress.slices);
    job->record.progress.slices = bf_slices_json(slices, bf_job_walks(job));
}

void bf_walk_count(struct bf_walk *walk, int64_t scanned, int64_t changed, int64_t batches, int64_t set_aside)
{
    struct bf_progress *progress = &walk->job->record.progress;
    struct bf_slice *part = &walk->part;
    if (bf_walk_goes_back(walk)) {
        bf_inverse_count(walk, scanned, changed, batches, set_aside);
        return;
    }
    part->rows_scanned += scanned;
    part->rows_changed += changed;
    part->batches += batches;
    part->rows_set_aside += set_aside;
    progress->rows_scanned += scanned;
    progress->rows_changed += changed;
    progress->batches += batches;
    progress->rows_set_aside += set_aside;
}

static void show(char **to, const char *text)
{
    free(*to);
    *to = bf_copy_string(text);
}

/* Of a job with one slice its place is that of the slice. */
void bf_walk_show_place(struct bf_walk *walk)
{
    struct bf_progress *progress = &walk->job->record.progress;
    if (walk->job->crew_count || bf_walk_goes_back(walk)) /* back: where the way forward came to stays to be seen */
        return;
    show(&progress->after, walk->part.after);
    show(&progress->position, walk->part.position);
    show(&progress->through, walk->part.through);
}

bool bf_crew_done(const struct bf_job *job)
{
    for (size_t i = 0; i < job->crew_count; i++)
        if (job->crew[i].phase != BF_PHASE_OVER || job->crew[i].ending != BF_STATE_COMPLETED)
            return false;
    return true;
}

int64_t bf_crew_sum_found(const struct bf_job *job, int64_t *ret_before)
{
    int64_t found = 0;
    *ret_before = 0;
    for (size_t i = 0; i < bf_job_walks(job); i++) {
        const struct bf_walk *walk = bf_job_walk(job, i);
        found += walk->part.rows_changed - walk->pass_rows_changed;
        *ret_before += walk->pass_found_before > 0 ? walk->pass_found_before : 0;
    }
    if (job->walk.pass_found_before < 0)
        *ret_before = -1;
    return found;
}

/* ---- whose turn it is ---- */

/* Does it have a range to walk, or would it have one? */
static bool unfinished(const struct bf_walk *walk)
{
    return bf_walk_leads(walk) ? walk->phase != BF_PHASE_WAITING_SLICES
                            : walk->phase != BF_PHASE_OVER || walk->ending != BF_STATE_COMPLETED;
}

int bf_crew_unfinished(const struct bf_job *job)
{
    int count = 0, most = (int)job->record.document->pace.slices;
    for (size_t i = 0; i < bf_job_walks(job); i++)
        count += unfinished(bf_job_walk(job, i));
    return count < most ? count : most;
}

/* The first slices that are not finished have it. */
bool bf_walk_has_turn(const struct bf_walk *walk, int running)
{
    int before = 0;
    for (int i = 0; i < walk->slice; i++)
        before += unfinished(bf_job_walk(walk->job, (size_t)i));
    return before < running;
}

bool bf_walk_may_begin(const struct bf_walk *walk)
{
    const struct bf_walk *lead = &walk->job->walk;
    const struct bf_document *document = walk->job->record.document;
    bool checked = lead->checked_before || document->check_count[BF_CHECK_BEFORE] == 0 ||
                   walk->job->record.progress.batches > 0;
    return walk == lead || (lead->owner && checked && (document->canary_rows == 0 || lead->canary_done));
}

/* ---- what people see ---- */

bool bf_walk_over(const struct bf_job *job)
{
    for (size_t i = 0; i < bf_job_walks(job); i++) {
        enum bf_phase phase = bf_job_walk(job, i)->phase;
        if (phase != BF_PHASE_OFF && phase != BF_PHASE_OVER)
            return false;
    }
    return true;
}

bool bf_crew_left(const struct bf_job *job)
{
    for (size_t i = 0; i < bf_job_walks(job); i++)
        if (bf_job_walk(job, i)->phase != BF_PHASE_OVER)
            return false;
    return true;
}

bool bf_crew_unsettled(const struct bf_job *job)
{
    for (size_t i = 0; i < bf_job_walks(job); i++)
        if (bf_job_walk(job, i)->unsettled)
            return true;
    return false;
}

/* One that failed says so for all of them. */
const struct bf_walk *bf_crew_ending(const struct bf_job *job)
{
    for (size_t i = 0; i < bf_job_walks(job); i++)
        if (bf_job_walk(job, i)->ending == BF_STATE_FAILED)
            return bf_job_walk(job, i);
    return &job->walk;
}

/* What the job does is what the busiest of them does. */
enum bf_activity bf_job_activity(const struct bf_job *job)
{
    static const int rank[BF_ACTIVITY_COUNT] = {
        [BF_ACTIVITY_BATCHING] = 6, [BF_ACTIVITY_VERIFYING] = 5,   [BF_ACTIVITY_SLEEPING] = 4, [BF_ACTIVITY_HOLDING] = 3,
        [BF_ACTIVITY_CONNECTING] = 2, [BF_ACTIVITY_BACKING_OFF] = 1, [BF_ACTIVITY_IDLE] = 0};
    enum bf_activity busiest = BF_ACTIVITY_IDLE;
    for (size_t i = 0; i < bf_job_walks(job); i++) {
        enum bf_activity activity = bf_walk_activity(bf_job_walk(job, i));
        if (rank[activity] > rank[busiest])
            busiest = activity;
    }
    return busiest;
}

/* A hold is of all of them; what one of them has of its own says more. */
static struct bf_reason reason_of(const struct bf_job *job)
{
    const struct bf_walk *found = NULL, *ending = bf_crew_ending(job);
    if (job->crew_count && ending->ending == BF_STATE_FAILED && !bf_state_final(job->record.state))
        return ending->ending_reason; /* the others are about to stop */
    for (size_t i = 0; i < bf_job_walks(job); i++) {
        const struct bf_walk *walk = bf_job_walk(job, i);
        if (walk->reason.code != BF_OK &&
            (!found || (found->phase == BF_PHASE_HOLDING && walk->phase != BF_PHASE_HOLDING)))
            found = walk;
    }
    if (!found)
        return job->record.reason;
    struct bf_reason reason = found->reason;
    char name[BF_SLICE_NAME];
    if (found->phase != BF_PHASE_HOLDING && bf_walk_name(found, name)[0])
        snprintf(reason.text, sizeof reason.text, "%s%.*s", name, (int)(sizeof reason.text - sizeof name),
                 found->reason.text);
    return reason;
}

struct bf_reason bf_job_reason(const struct bf_job *job)
{
    struct bf_reason reason = reason_of(job);
    bf_stuck_add(job, &reason);
    return reason;
}

const char *bf_walk_name(const struct bf_walk *walk, char text[BF_SLICE_NAME])
{
    text[0] = '\0';
    if (walk->job->crew_count)
        snprintf(text, BF_SLICE_NAME, "slice %d of %zu: ", walk->slice + 1, bf_job_walks(walk->job));
    return text;
}

const char *bf_walk_session(const struct bf_walk *walk, char text[BF_SESSION_NAME])
{
    if (bf_walk_leads(walk))
        snprintf(text, BF_SESSION_NAME, "%s", walk->job->record.id);
    else
        snprintf(text, BF_SESSION_NAME, "%s/%d", walk->job->record.id, walk->slice);
    return text;
}

int64_t bf_job_flights(const struct bf_job *job)
{
    int64_t flights = 0;
    for (size_t i = 0; i < bf_job_walks(job); i++)
        flights += bf_job_walk(job, i)->flights;
    return flights;
}

size_t bf_job_slices(const struct bf_job *job)
{
    return bf_job_walks(job);
}

const struct bf_slice *bf_job_slice(const struct bf_job *job, size_t index)
{
    return &bf_job_walk(job, index)->part;
}
