#include "walk_back.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

bool bf_walk_goes_back(const struct bf_walk *walk)
{
    return walk->slice == BF_SLICE_BACK;
}

bool bf_walk_leads(const struct bf_walk *walk)
{
    return walk->slice <= 0;
}

size_t bf_walk_index(const struct bf_walk *walk)
{
    return walk->slice > 0 ? (size_t)walk->slice : 0;
}

void bf_back_prepare(struct bf_job *job)
{
    const struct bf_way_back *back = &job->record.back;
    bf_crew_write(job); /* where the slices are stays to be seen */
    bf_crew_free(job);
    job->walk.slice = BF_SLICE_BACK;
    job->walk.part = (struct bf_slice){
        .rows_scanned = back->seen, .rows_changed = back->seen - back->conflicts, .batches = back->batches,
        .rows_set_aside = job->record.progress.rows_set_aside};
}

/* ---- where it is ---- */

char *bf_back_json(const struct bf_walk *walk)
{
    const struct bf_back *back = &walk->back;
    return back->begun ? bf_format("[\"%" PRId64 "\",\"%" PRId64 "\",\"%" PRId64 "\",\"%" PRId64 "\"]", back->slice, back->seq,
                                   back->part, back->left)
                       : NULL;
}

static bool read_position(struct bf_back *back, const char *text)
{
    int64_t *const places[] = {&back->slice, &back->seq, &back->part, &back->left};
    *back = (struct bf_back){0};
    if (!text)
        return true;
    json_t *json = json_loads(text, 0, NULL);
    bool good = json_array_size(json) == BF_COUNT(places);
    for (size_t i = 0; good && i < BF_COUNT(places); i++) {
        const char *number = json_string_value(json_array_get(json, i));
        char *end = NULL;
        *places[i] = number ? strtoll(number, &end, 10) : 0;
        good = end && *number && !*end;
    }
    json_decref(json);
    back->begun = good;
    return good;
}

static void show_position(struct bf_walk *walk)
{
    free(walk->part.position);
    walk->part.position = bf_walk_place_json(walk, &walk->low);
}

bool bf_back_take_over(struct bf_walk *walk, const struct bf_answer *checkpoint)
{
    struct bf_job *job = walk->job;
    struct bf_way_back *back = &job->record.back;
    const struct bf_answer *conflicts = bf_walk_answer_to(walk, BF_STATEMENT_COUNT_CONFLICTS);
    bf_walk_take_epoch(walk, checkpoint);
    walk->done = bf_answer_true(checkpoint, 0, BF_CHECKPOINT_DONE);
    walk->through_known = true;
    walk->touched_at = bf_job_now(job);
    walk->reason = (struct bf_reason){0};
    /* Each change that was looked at was taken back, or is on the list of conflicts: both are what the target says. */
    back->seen = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_ROWS_SCANNED);
    back->batches = bf_answer_number(checkpoint, 0, BF_CHECKPOINT_BATCHES);
    back->conflicts = conflicts ? bf_answer_number(conflicts, 0, 0) : back->conflicts;
    if (!(bf_walk_inverts(walk) ? bf_inverse_take_position(walk, checkpoint)
                                : read_position(&walk->back, bf_answer_value(checkpoint, 0, BF_CHECKPOINT_POSITION))))
        return false;
    walk->part.rows_scanned = back->seen;
    walk->part.rows_changed = back->seen - back->conflicts;
    walk->part.batches = back->batches;
    show_position(walk);
    bf_rate_forget(&job->rate);
    *bf_walk_known_epoch(walk) = walk->epoch;
    return true;
}

/* ---- what is said ---- */

static struct bf_step *add(struct bf_walk *walk, enum bf_statement statement)
{
    return bf_flight_add(&walk->flight, statement, walk->statements->text[statement]);
}

static void add_look(struct bf_walk *walk, const struct bf_back *before)
{
    struct bf_step *step = add(walk, BF_STATEMENT_LOOK_BACK);
    step->new_group = true;
    bf_step_number(step, before->begun ? before->slice : INT32_MAX);
    bf_step_number(step, before->begun ? before->seq : INT64_MAX);
    bf_step_number(step, before->begun ? before->part : INT32_MAX);
}

static void send_look(struct bf_walk *walk)
{
    bf_flight_clear(&walk->flight);
    add_look(walk, &walk->back);
    bf_walk_send(walk, BF_PHASE_LOOKING_BACK);
}

static void send_turn(struct bf_walk *walk)
{
    bf_flight_clear(&walk->flight);
    add(walk, BF_STATEMENT_BEGIN); /* it is several statements on MySQL */
    struct bf_step *step = add(walk, BF_STATEMENT_TURN_BACK);
    bf_step_text(step, walk->job->record.id);
    bf_step_number(step, walk->epoch);
    bf_step_number(step, walk->size.rows);
    bf_step_text(step, bf_job_inverts(walk->job) ? "t" : "f");
    add(walk, BF_STATEMENT_COMMIT);
    bf_walk_send(walk, BF_PHASE_TURNING);
}

/* One transaction, the fence first; and behind it, when the entry is done with it, which one comes next. */
static void send_restore(struct bf_walk *walk)
{
    struct bf_back *back = &walk->back, after = *back;
    int64_t rows = walk->size.rows < walk->rows_allowed ? walk->size.rows : walk->rows_allowed;
    if (back->most && back->most < rows)
        rows = back->most;
    if (rows > back->left)
        rows = back->left;
    back->to = back->left;
    back->from = back->left - rows + 1;
    after.left -= rows;
    bf_flight_clear(&walk->flight);
    add(walk, BF_STATEMENT_BEGIN)->new_group = true;
    walk->back.left = after.left; /* the fence writes down where the batch will have come to */
    bf_walk_add_back_fence(walk, rows, rows > 1 ? bf_walk_lock_wait(walk, BF_FORM_QUICK) : walk->lock_timeout);
    walk->back.left = back->to;
    struct bf_step *step = add(walk, back->leave ? BF_STATEMENT_LEAVE : BF_STATEMENT_RESTORE);
    bf_step_text(step, walk->job->record.id);
    bf_step_number(step, back->slice);
    bf_step_number(step, back->seq);
    bf_step_number(step, back->part);
    bf_step_number(step, back->from);
    bf_step_number(step, back->to);
    add(walk, BF_STATEMENT_COMMIT);
    if (after.left == 0)
        add_look(walk, &after);
    walk->batch_started = bf_job_now(walk->job);
    walk->unsettled = true; /* until the answer says what became of it */
    bf_walk_send(walk, BF_PHASE_RESTORING);
}

/* ---- what comes next ---- */

void bf_back_ready(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    if (walk->changed && bf_walk_take_changes(walk))
        return;
    if (!bf_walk_goes_back(walk)) {
        send_turn(walk);
        return;
    }
    if (bf_walk_touches_or_sleeps(walk))
        return;
    if (bf_walk_inverts(walk)) {
        bf_inverse_ready(walk);
        return;
    }
    if (walk->done) {
        bf_walk_send_flush(walk, true, false, BF_PHASE_FLUSHING);
        return;
    }
    if (job->record.back.rows < 0 && walk->statements->text[BF_STATEMENT_JOURNAL_SIZE]) {
        bf_flight_clear(&walk->flight);
        add(walk, BF_STATEMENT_JOURNAL_SIZE);
        bf_walk_send(walk, BF_PHASE_MEASURING_JOURNAL);
        return;
    }
    if (walk->back.left == 0)
        send_look(walk);
    else if (!bf_walk_slow_down(walk))
        send_restore(walk);
}

void bf_back_measured(struct bf_walk *walk)
{
    if (!bf_walk_fine(walk, "measure the undo journal"))
        return;
    walk->job->record.back.rows = bf_answer_number(&walk->answers[0], 0, 0);
    walk->job->record.back.bytes = bf_answer_number(&walk->answers[0], 0, 1);
    walk->phase = BF_PHASE_READY;
}

void bf_back_turned(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    if (!bf_walk_fine(walk, BF_DOING_TURN))
        return;
    if (bf_answer_number(bf_walk_answer_to(walk, BF_STATEMENT_TURN_BACK), 0, 0) == 0) { /* not our epoch any more */
        bf_walk_send_ask(walk);
        return;
    }
    bf_job_note(job, "back", "the way forward is closed: from here on what the job changed is taken back%s",
                bf_job_inverts(job) ? ", by the author's inverse" : ", the newest change first");
    walk->owner = false;
    job->record.epoch = 0; /* of another checkpoint */
    job->record.progress.rows_set_aside = 0;
    job->record.back.rows = -1; /* counted anew: another slice may have gone on when the first one looked */
    bf_back_prepare(job);
    bf_walk_send_peek(walk);
}

/* The next entry; false: there is none. */
static bool read_entry(struct bf_walk *walk, const struct bf_answer *look)
{
    if (look->rows == 0)
        return false;
    walk->back = (struct bf_back){.begun = true,
                                  .slice = bf_answer_number(look, 0, 0),
                                  .seq = bf_answer_number(look, 0, 1),
                                  .part = bf_answer_number(look, 0, 2),
                                  .left = bf_answer_number(look, 0, 3),
                                  .most = walk->back.most};
    return true;
}

void bf_back_looked(struct bf_walk *walk)
{
    if (!bf_walk_fine(walk, "find what is to be taken back next"))
        return;
    walk->done = !read_entry(walk, &walk->answers[0]);
    walk->phase = BF_PHASE_READY;
}

/* As RESTORE, or LEAVE, tells them. */
static void count_conflicts(struct bf_walk *walk, const struct bf_answer *restore)
{
    for (enum bf_conflict_kind kind = 0; kind < BF_CONFLICT_REFUSED; kind++)
        if (!walk->back.leave)
            bf_meter_conflicts(walk->job, kind, bf_answer_number(restore, 0, 2 + (size_t)kind));
    if (walk->back.leave)
        bf_meter_conflicts(walk->job, BF_CONFLICT_REFUSED, bf_answer_number(restore, 0, 1));
    walk->job->record.back.conflicts += bf_answer_number(restore, 0, 1);
}

static void committed(struct bf_walk *walk, const struct bf_answer *restore)
{
    struct bf_job *job = walk->job;
    struct bf_back *back = &walk->back;
    int64_t rows = back->to - back->from + 1, conflicts = bf_answer_number(restore, 0, 1), time = bf_job_now(job) - walk->batch_started;
    walk->unsettled = false;
    walk->seq++;
    walk->attempts = walk->definition_errors = 0;
    if (!walk->held)
        walk->reason = (struct bf_reason){0};
    walk->touched_at = walk->batch_ended = bf_job_now(job);
    back->left -= rows;
    count_conflicts(walk, restore);
    back->leave = false;
    back->most = back->most && 2 * rows < walk->size.rows ? 2 * rows : 0;
    walk->part.rows_scanned = job->record.back.seen += rows;
    walk->part.rows_changed = job->record.back.seen - job->record.back.conflicts;
    walk->part.batches = ++job->record.back.batches;
    show_position(walk);
    job->record.progress.batch_rows = bf_size_batch(&walk->size, rows, rows - conflicts, time * 1000);
    walk->batch = (struct bf_batch){.time = time * 1000, .scanned = rows, .changed = rows, .log_bytes = -1};
    walk->sleep_until = walk->batch_ended + bf_walk_sleep(walk);
    bf_walk_take_sample(walk, job->record.back.seen);
    if (bf_job_now(job) - job->saved_at > BF_PROGRESS_SAVE)
        bf_job_save(job, NULL);
}

void bf_back_restored(struct bf_walk *walk)
{
    const struct bf_answer *commit = bf_walk_answer_to(walk, BF_STATEMENT_COMMIT);
    const struct bf_answer *look = bf_walk_answer_to(walk, BF_STATEMENT_LOOK_BACK);
    const struct bf_answer *restore = &walk->answers[2]; /* behind BEGIN and FENCE */
    int64_t rows = walk->back.to - walk->back.from + 1;
    /* The tag of COMMIT is what counts: a failed transaction answers it with ROLLBACK. */
    if (walk->lost || commit->outcome != BF_OUTCOME_OK || commit->rolled_back) {
        bf_walk_fine(walk, BF_DOING_BACK);
        return;
    }
    bool whole = bf_answer_number(restore, 0, 0) == rows;
    committed(walk, restore);
    walk->phase = BF_PHASE_READY;
    if (!whole)
        bf_walk_end(walk, BF_STATE_FAILED, BF_CHECKPOINT_LOST,
                    "the undo journal on target %s lacks changes of batch %lld of slice %lld: somebody changed it, and what "
                    "was there is not known", walk->job->target->name, (long long)walk->back.seq, (long long)walk->back.slice);
    else if (look && look->outcome == BF_OUTCOME_OK)
        walk->done = !read_entry(walk, look);
}

void bf_back_over(struct bf_walk *walk)
{
    const struct bf_way_back *back = &walk->job->record.back;
    if (bf_walk_inverts(walk))
        bf_job_note(walk->job, "back", "the author's inverse went over %lld rows and changed %lld of them",
                    (long long)back->seen, (long long)(back->seen - back->conflicts));
    else
        bf_job_note(walk->job, "back", "%lld changes were taken back, %lld were left alone: their rows do not hold what the job left "
                    "in them", (long long)(back->seen - back->conflicts), (long long)back->conflicts);
    walk->ending = BF_STATE_COMPLETED;
    walk->phase = BF_PHASE_READY; /* the stop releases the checkpoint */
}

bool bf_back_again(struct bf_walk *walk, enum bf_error_class error_class, const char *doing)
{
    struct bf_back *back = &walk->back;
    int64_t rows = back->to - back->from + 1;
    if (!bf_walk_goes_back(walk) || !walk->owner || rows <= 0 || strcmp(doing, BF_DOING_BACK) != 0)
        return false;
    if (rows == 1 && (error_class != BF_CLASS_DATA || back->leave))
        return false;
    if (rows == 1)
        back->leave = true;
    back->most = rows == 1 ? 1 : rows / 2; /* whatever the size of a batch may be by then */
    walk->phase = BF_PHASE_READY;
    return true;
}
