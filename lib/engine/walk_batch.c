/* Batch after batch: where the next one ends, the one transaction, and the end of the range. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

enum {
    EMPTY_CHECKPOINT = 1000 /* milliseconds: empty ranges share one checkpoint a second */
};

void bf_walk_range_text(const struct bf_walk *walk, char *text, size_t size)
{
    BF_AUTO_STRING char *low = bf_key_json(&walk->low, walk->table->key_count);
    BF_AUTO_STRING char *high = bf_key_json(&walk->next.high, walk->table->key_count);
    snprintf(text, size, "keys after %s through %s of %s", low ? low : "the start", high ? high : "the end",
             walk->table->display);
}

void bf_walk_take_sample(struct bf_walk *walk, int64_t rows)
{
    bf_rate_see(&walk->job->rate, bf_job_now(walk->job), rows);
}

/* A sparse `where` lets batches scan more rows than they may change: then look first how many would change. */
static bool is_sparse(const struct bf_walk *walk)
{
    return bf_document_selects(bf_walk_document(walk)) && walk->next.rows > walk->size.max;
}

/* The range is committed to its end, and no row of it is set aside any more. */
static void range_over(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    if (walk->slice > 0) {
        walk->ending = BF_STATE_COMPLETED; /* the stop sets that down and lets go of the checkpoint */
        return;
    }
    if (!bf_crew_done(job)) {
        walk->phase = BF_PHASE_WAITING_SLICES;
        return;
    }
    if (job->record.state == BF_STATE_RUNNING)
        bf_job_move(job, BF_STATE_VERIFYING, NULL, "daemon", NULL);
    bf_walk_send_flush(walk, true, false, BF_PHASE_FLUSHING);
}

bool bf_walk_touches_or_sleeps(struct bf_walk *walk)
{
    int64_t now = bf_job_now(walk->job);
    if (now - walk->touched_at > BF_TOUCH_EVERY)
        bf_walk_send_one(walk, BF_STATEMENT_TOUCH, BF_PHASE_TOUCHING);
    else if (now < walk->sleep_until)
        walk->phase = BF_PHASE_SLEEPING;
    else
        return false;
    return true;
}

/* Rows, on the way on which the job is. */
static int64_t looked_at(const struct bf_job *job)
{
    return job->record.direction == BF_DIRECTION_BACK ? job->record.back.seen : job->record.progress.rows_scanned;
}

void bf_walk_next_batch(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    if (walk->done) { /* and rows are set aside */
        bf_walk_redo_aside(walk);
        return;
    }
    bf_walk_take_sample(walk, looked_at(job));
    if (walk->bisect.on)
        bf_bisect_go(walk);
    else if (!walk->have_next)
        bf_walk_send_boundary(walk);
    else if (!walk->next.probed && is_sparse(walk))
        bf_walk_send_probe(walk);
    else if (walk->bisect.follows) {
        bf_bisect_follow(walk);
        bf_bisect_go(walk);
    } else {
        walk->batch_started = bf_job_now(job);
        bf_walk_send_batch(walk);
    }
}

void bf_walk_ready(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    if (job->record.direction == BF_DIRECTION_BACK) {
        bf_back_ready(walk);
        return;
    }
    if (walk->changed && bf_walk_take_changes(walk))
        return;
    if (bf_bad_rows_retry(walk) || bf_walk_touches_or_sleeps(walk))
        return;
    if (walk->slice == 0 && !walk->checked_before && job->record.progress.batches == 0 &&
        job->record.document->check_count[BF_CHECK_BEFORE]) {
        bf_walk_run_checks(walk, BF_CHECK_BEFORE);
        return;
    }
    if (bf_walk_canary_due(walk)) {
        bf_walk_run_checks(walk, BF_CHECK_CANARY);
        return;
    }
    if (!bf_walk_aside_due(walk) && (walk->done || !walk->through_known)) {
        walk->done = true;
        range_over(walk);
        return;
    }
    if (job->record.state == BF_STATE_VERIFYING) /* a fail-over took back what was done */
        bf_job_move(job, BF_STATE_RUNNING, NULL, "daemon", NULL);
    if (bf_walk_hold(walk))
        return;
    bf_walk_next_batch(walk);
}

/* Takes a boundary's answer as the next range; false when the range ends at `through` (split not known yet). */
static bool read_boundary(struct bf_walk *walk, const struct bf_answer *answer, int64_t rows)
{
    size_t keys = walk->table->key_count;
    walk->have_next = false;
    bf_key_clear(&walk->next.high);
    walk->next = (struct bf_range){.rows = rows};
    if (answer->rows == 0 || bf_answer_true(answer, 0, keys + 1))
        return false;
    for (size_t i = 0; i < keys; i++)
        walk->next.high.text[i] = bf_copy_string(bf_answer_value(answer, 0, i));
    walk->next.split = (int)bf_answer_number(answer, 0, keys);
    walk->have_next = true;
    return true;
}

void bf_walk_touched(struct bf_walk *walk)
{
    if (!bf_walk_fine(walk, "touch the checkpoint"))
        return;
    if (walk->answers[0].affected != 1) { /* not our epoch any more */
        bf_walk_send_ask(walk);
        return;
    }
    walk->touched_at = bf_job_now(walk->job);
    walk->phase = BF_PHASE_READY;
}

void bf_walk_bounded(struct bf_walk *walk)
{
    if (!bf_walk_fine(walk, "find the end of the next batch") ||
        bf_walk_plan_regressed(walk, &walk->answers[0], walk->asked_rows))
        return;
    if (read_boundary(walk, &walk->answers[0], walk->asked_rows))
        walk->phase = BF_PHASE_READY;
    else
        bf_walk_send_split(walk);
}

void bf_walk_split_known(struct bf_walk *walk)
{
    if (!bf_walk_fine(walk, "compare the position with the end"))
        return;
    if (bf_answer_true(&walk->answers[0], 0, 1)) {
        walk->done = true; /* the position has reached the end, or the range is empty */
        walk->phase = BF_PHASE_READY;
        return;
    }
    bf_key_set(&walk->next.high, &walk->through);
    walk->next.split = (int)bf_answer_number(&walk->answers[0], 0, 0);
    walk->next.last = true;
    bf_walk_send_count(walk);
}

void bf_walk_counted(struct bf_walk *walk)
{
    if (!bf_walk_fine(walk, "count the rows of the next batch"))
        return;
    walk->next.rows = bf_answer_number(&walk->answers[0], 0, 0);
    walk->have_next = true;
    walk->phase = BF_PHASE_READY;
}

void bf_walk_probed(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    if (!bf_walk_fine(walk, "look for rows to change"))
        return;
    int64_t matches = bf_answer_number(&walk->answers[0], 0, 0);
    walk->next.probed = true;
    if (matches > walk->size.max) {
        bf_walk_send_cap(walk);
        return;
    }
    walk->phase = BF_PHASE_READY;
    if (matches > 0 || walk->next.last || bf_job_now(job) - walk->touched_at > EMPTY_CHECKPOINT)
        return;
    /* Nothing to change here: go on, the next checkpoint covers it. */
    bf_key_set(&walk->low, &walk->next.high);
    bf_walk_count(walk, walk->next.rows, 0, 0, 0);
    bf_size_batch(&walk->size, walk->next.rows, 0, (bf_job_now(job) - walk->flight_sent + 1) * 1000);
    job->record.progress.batch_rows = walk->size.rows;
    walk->have_next = false;
}

void bf_walk_capped(struct bf_walk *walk)
{
    size_t keys = walk->table->key_count;
    if (!bf_walk_fine(walk, "cap the next batch"))
        return;
    const struct bf_answer *cap = &walk->answers[0];
    if (cap->rows == 0) { /* they were changed meanwhile */
        walk->phase = BF_PHASE_READY;
        return;
    }
    bf_key_clear(&walk->next.high);
    for (size_t i = 0; i < keys; i++)
        walk->next.high.text[i] = bf_copy_string(bf_answer_value(cap, 0, i));
    walk->next.split = (int)bf_answer_number(cap, 0, keys);
    walk->next.last = false;
    bf_walk_send_count(walk);
}

/* Microseconds that the batch took on the server: from the fence's clock to the boundary's; by our own clock where
 * there was no boundary behind it. */
static int64_t batch_time(const struct bf_walk *walk, const struct bf_answer *fence, const struct bf_answer *boundary)
{
    if (boundary && boundary->outcome == BF_OUTCOME_OK && boundary->rows) {
        const char *from = bf_answer_value(fence, 0, 0);
        const char *to = bf_answer_value(boundary, 0, walk->table->key_count + 2);
        if (from && to) {
            double time = (strtod(to, NULL) - strtod(from, NULL)) * 1e6;
            if (time > 0)
                return (int64_t)time;
        }
    }
    return (bf_job_now(walk->job) - walk->batch_started) * 1000;
}

void bf_walk_committed(struct bf_walk *walk, const struct bf_key *position, bool done, const struct bf_batch *batch)
{
    struct bf_job *job = walk->job;
    walk->unsettled = false;
    walk->attempts = walk->definition_errors = 0;
    if (!walk->held) /* a way back goes on, slowly, with the reason why */
        walk->reason = (struct bf_reason){0};
    bf_key_set(&walk->low, position);
    walk->done = done;
    walk->touched_at = bf_job_now(job);
    bf_walk_count(walk, batch->scanned, batch->changed, 1, 0);
    free(walk->part.position);
    walk->part.position = bf_walk_place_json(walk, &walk->low);
    bf_walk_show_place(walk);
    walk->batch = *batch;
    walk->batch_ended = bf_job_now(job);
    walk->sleep_until = walk->batch_ended + (walk->done ? 0 : bf_walk_sleep(walk));
    bf_walk_take_sample(walk, looked_at(job));
    if (bf_job_now(job) - job->saved_at > BF_PROGRESS_SAVE)
        bf_job_save(job, NULL);
}

static void committed(struct bf_walk *walk, const struct bf_batch *batch)
{
    walk->seq++;
    bf_key_set(&walk->batch_low, &walk->low);
    walk->batch_split = walk->next.split;
    walk->job->record.progress.batch_rows = bf_size_batch(&walk->size, batch->scanned, batch->changed, batch->time);
    bf_walk_committed(walk, &walk->next.high, walk->next.last, batch);
}

/* How many rows were set aside: a number, or the count of the statement itself. */
static int64_t aside_of(const struct bf_answer *answer)
{
    return answer->rows ? bf_answer_number(answer, 0, 0) : answer->affected;
}

void bf_walk_add_changed(const struct bf_walk *walk, size_t step, int64_t *changed, int64_t *aside)
{
    const struct bf_answer *answer = &walk->answers[step];
    if (walk->flight.steps[step].statement == BF_STATEMENT_SET_ASIDE) {
        *aside += aside_of(answer);
        *changed += answer->columns >= 2 ? bf_answer_number(answer, 0, 1) : 0;
    }
    if (walk->flight.steps[step].statement != BF_STATEMENT_UPDATE && walk->flight.steps[step].statement != BF_STATEMENT_TRY)
        return;
    bool journal = answer->columns >= 2; /* InnoDB answers with a row of its own, of one column */
    *changed += journal ? bf_answer_number(answer, 0, 0) : answer->affected;
    *aside += journal ? bf_answer_number(answer, 0, 1) : 0;
}

void bf_walk_sum_change(const struct bf_walk *walk, int64_t *ret_changed, int64_t *ret_aside)
{
    *ret_changed = *ret_aside = 0;
    for (size_t i = 0; i < walk->answer_count; i++) /* one for each leg */
        bf_walk_add_changed(walk, i, ret_changed, ret_aside);
}

void bf_walk_batch_answered(struct bf_walk *walk)
{
    const struct bf_answer *fence = bf_walk_answer_to(walk, BF_STATEMENT_FENCE);
    const struct bf_answer *commit = bf_walk_answer_to(walk, BF_STATEMENT_COMMIT);
    const struct bf_answer *boundary = bf_walk_answer_to(walk, BF_STATEMENT_BOUNDARY);
    /* The tag of COMMIT is what counts: a failed transaction answers it with ROLLBACK. */
    if (walk->lost || commit->outcome != BF_OUTCOME_OK || commit->rolled_back) {
        bf_walk_fine(walk, "run a batch");
        return;
    }
    int64_t rows = walk->asked_rows, changed, aside;
    bf_walk_sum_change(walk, &changed, &aside);
    struct bf_batch batch = {.time = batch_time(walk, fence, boundary), .scanned = walk->next.rows, .changed = changed};
    bf_walk_read_log(walk, fence, boundary, &batch);
    committed(walk, &batch);
    bf_walk_set_aside(walk, aside);
    walk->have_next = false;
    if (boundary && boundary->outcome == BF_OUTCOME_OK) {
        if (bf_walk_plan_regressed(walk, boundary, rows))
            return;
        bool found = read_boundary(walk, boundary, rows);
        if (!found && !walk->stopping && bf_job_now(walk->job) >= walk->sleep_until) {
            bf_walk_send_split(walk);
            return;
        }
        /* Far more rows than the size now allows: a smaller range is worth a round trip. */
        if (found && rows > 2 * walk->size.rows)
            walk->have_next = false;
    }
    walk->phase = BF_PHASE_READY;
}

/* P11, P3: the fence found no row. Does a person say stop, or does somebody else own the job? */
void bf_walk_asked(struct bf_walk *walk)
{
    if (!bf_walk_fine(walk, "ask why the fence failed"))
        return;
    const char *goal = bf_answer_value(&walk->answers[0], 0, 0), *scope = bf_answer_value(&walk->answers[0], 0, 1);
    if (goal && strcmp(goal, "run") != 0) {
        bool abort_it = strcmp(goal, "abort") == 0;
        bf_walk_end(walk, abort_it ? BF_STATE_ABORTED : BF_STATE_PAUSED, BF_CONTROL,
                    "backfilld.control on the target says %s for %s; before resuming: UPDATE backfilld.control SET goal = "
                    "'run'", goal, scope && strcmp(scope, "all") == 0 ? "all jobs" : "this job");
        return;
    }
    const struct bf_answer *peek = &walk->answers[1];
    const char *owner = bf_answer_value(peek, 0, 0);
    /* A raise of our own that was taken for lost may have come late: that is no other daemon. */
    bool ours = owner && strcmp(owner, walk->job->engine->world->owner) == 0;
    if (peek->rows && !ours && bf_answer_number(peek, 0, 1) != walk->epoch) {
        walk->owner = false;
        walk->without_release = true;
        bf_walk_end(walk, BF_STATE_PAUSED, BF_FENCED,
                    "another daemon (%.100s) took the job; resume it here only when that one is stopped",
                    owner && *owner ? owner : "not known");
        return;
    }
    /* Our own epoch, another seq: a batch of ours was committed that we took for lost. Take up anew. */
    walk->owner = false;
    walk->have_next = false;
    bf_walk_send_peek(walk);
}

void bf_walk_flushed(struct bf_walk *walk)
{
    const struct bf_answer *flush = &walk->answers[0];
    bool flushed = flush->outcome == BF_OUTCOME_OK && flush->affected == 1;
    if (flushed) /* whatever became of what stands behind it: a stop may have cancelled that */
        walk->seq++;
    if (!bf_walk_fine(walk, "write the end to the checkpoint"))
        return;
    if (flushed)
        bf_walk_verified(walk);
    else
        bf_walk_send_ask(walk);
}

/* Do the others' checkpoints say that theirs are done, each from where the one before it ends? One that is not done (a
 * fail-over took that back) has to go on. False: it was decided what comes next. */
static bool crew_verified(struct bf_walk *lead)
{
    struct bf_job *job = lead->job;
    const char *reached = bf_answer_value(&lead->answers[1], 0, BF_CHECKPOINT_THROUGH);
    bool good = true;
    for (size_t i = 0; i < job->crew_count; i++) {
        struct bf_walk *walk = &job->crew[i];
        const struct bf_answer *checkpoint = &lead->answers[2 + i];
        const char *after = bf_answer_value(checkpoint, 0, BF_CHECKPOINT_AFTER);
        if (checkpoint->rows == 1 && (!after || !reached || strcmp(after, reached) != 0)) {
            bf_walk_end(lead, BF_STATE_FAILED, BF_CHECKPOINT_LOST,
                        "in backfilld.checkpoint on target %s slice %d begins after %.100s and the one before it ends at %.100s: "
                        "somebody changed them, and what lies between was done by nobody", job->target->name, walk->slice,
                        after ? after : "the start", reached ? reached : "the end");
            return false;
        }
        reached = bf_answer_value(checkpoint, 0, BF_CHECKPOINT_THROUGH);
        if (checkpoint->rows == 1 && bf_answer_true(checkpoint, 0, BF_CHECKPOINT_DONE)) {
            walk->epoch = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_EPOCH);
            walk->seq = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_SEQ);
            continue;
        }
        bf_walk_reset_one(walk, false);
        good = false;
    }
    if (!good)
        lead->phase = BF_PHASE_READY;
    return good;
}

static bool at_position(const struct bf_walk *walk, const char *text)
{
    if (bf_walk_goes_back(walk)) {
        BF_AUTO_STRING char *known = bf_walk_place_json(walk, &walk->low);
        return known && text ? strcmp(known, text) == 0 : !known && !text;
    }
    struct bf_key position = {0};
    bool good = bf_key_read(text, walk->table->key_count, &position) &&
                bf_key_equal_text(&position, &walk->low, walk->table->key_count);
    bf_key_clear(&position);
    return good;
}

/* P8: completed is what the target says, not what we think. */
void bf_walk_verified(struct bf_walk *walk)
{
    const struct bf_answer *checkpoint = &walk->answers[1];
    bool good = bf_answer_true(checkpoint, 0, BF_CHECKPOINT_DONE) &&
                bf_answer_number(checkpoint, 0, BF_CHECKPOINT_EPOCH) == walk->epoch &&
                bf_answer_number(checkpoint, 0, BF_CHECKPOINT_SEQ) == walk->seq &&
                at_position(walk, bf_answer_value(checkpoint, 0, BF_CHECKPOINT_POSITION));
    if (!good) {
        walk->owner = false;
        bf_walk_back_off(walk, BF_SERIALIZATION, "the target does not say yet that the end is written", false);
        return;
    }
    if (!crew_verified(walk))
        return;
    if (bf_walk_goes_back(walk)) {
        bf_back_over(walk);
        return;
    }
    if (walk->job->record.document->remaining) {
        bf_walk_pass_over(walk);
        return;
    }
    walk->job->record.retry_bad = false; /* stored with what comes next */
    bf_sample_verify(walk);
}

