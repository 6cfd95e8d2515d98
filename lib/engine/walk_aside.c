/* Rows that others held when their batch was run. They are done before the job is verified: in sweeps over all of them, a
 * few in a transaction, each time those that nobody holds any more; when a whole sweep found none, the first one is waited
 * for, by a transaction that holds nothing else. What is done is struck off the list in the same transaction. */
#include <stdio.h>
#include <stdlib.h>

#include "allocate.h"
#include "internal.h"

enum { ROWS = 200 /* at most, in one transaction */ };

/* Those that nobody holds any more, or (patient) the first of them, whoever holds it. One alone stands behind a savepoint: when
 * it is refused it is known which one that is. */
static void send_aside(struct bf_walk *walk, bool patient, int64_t rows)
{
    struct bf_mark_at at = bf_walk_mark_here(walk);
    bf_flight_clear(&walk->flight);
    bf_walk_add(walk, BF_STATEMENT_BEGIN);
    bf_walk_add_fence(walk, &at, patient ? walk->lock_timeout : bf_walk_lock_wait(walk, BF_FORM_CAREFUL));
    struct bf_step *step = bf_walk_add_for_slice(walk, patient ? BF_STATEMENT_WAIT_ASIDE : BF_STATEMENT_TAKE_ASIDE);
    if (patient) {
        bf_step_number(step, bf_walk_lock_wait(walk, BF_FORM_CAREFUL));
    } else {
        bf_step_number(step, walk->locks.sweep_seq);
        bf_step_text(step, walk->locks.sweep_key ? walk->locks.sweep_key : "");
        bf_step_number(step, rows);
    }
    walk->locks.alone = (patient || rows == 1) && walk->statements->text[BF_STATEMENT_SAVEPOINT];
    if (walk->locks.alone) {
        walk->flight.steps[1].new_group = true; /* where a group that begins a transaction fails, all of it is taken back */
        bf_walk_add(walk, BF_STATEMENT_SAVEPOINT);
    }
    bf_walk_add_for_slice(walk, BF_STATEMENT_REDO_ASIDE);
    if (walk->locks.alone && walk->statements->text[BF_STATEMENT_CONSTRAINTS])
        bf_walk_add(walk, BF_STATEMENT_CONSTRAINTS);
    bf_walk_add(walk, BF_STATEMENT_COMMIT);
    walk->unsettled = true; /* until the answer says what became of it */
    bf_walk_send(walk, patient ? BF_PHASE_WAITING_ASIDE : BF_PHASE_TAKING_ASIDE);
}

static void first_again(struct bf_locks *locks)
{
    free(locks->sweep_key);
    locks->sweep_key = NULL;
    locks->sweep_seq = 0;
    locks->swept = 0;
}

bool bf_walk_aside_due(const struct bf_walk *walk)
{
    return walk->done && walk->part.rows_set_aside > 0;
}

void bf_walk_redo_aside(struct bf_walk *walk)
{
    struct bf_locks *locks = &walk->locks;
    int64_t rows = walk->size.rows < ROWS ? walk->size.rows : ROWS;
    if (locks->singly > 0) {
        locks->singly--;
        rows = 1;
    }
    send_aside(walk, locks->patient, rows);
}

static void committed(struct bf_walk *walk, int64_t changed, int64_t struck)
{
    struct bf_job *job = walk->job;
    walk->unsettled = false;
    walk->seq++;
    walk->touched_at = bf_job_now(job);
    bf_walk_count(walk, 0, changed, 0, struck < walk->part.rows_set_aside ? -struck : -walk->part.rows_set_aside);
    walk->locks.swept += struck;
    if (struck) {
        walk->attempts = walk->definition_errors = 0;
        walk->reason = (struct bf_reason){0};
        walk->locks.holder[0] = '\0';
    }
    walk->batch_ended = bf_job_now(job);
    walk->batch = (struct bf_batch){.time = (walk->batch_ended - walk->flight_sent) * 1000, .scanned = struck,
                                    .changed = changed, .log_bytes = -1};
    walk->sleep_until = walk->batch_ended + bf_walk_sleep(walk);
}

/* The one that was taken alone was refused: it goes from this list into the quarantine, in the same transaction. */
static void send_refused(struct bf_walk *walk, const struct bf_answer *answer)
{
    struct bf_locks *locks = &walk->locks;
    struct bf_bisect *bisect = &walk->bisect;
    bf_bisect_remember(bisect, answer);
    locks->refused = bisect->open = true;
    bf_flight_clear(&walk->flight);
    bf_walk_add(walk, BF_STATEMENT_BACK_TO);
    struct bf_step *step = bf_walk_add_for_slice(walk, BF_STATEMENT_QUARANTINE_ASIDE);
    bf_step_text(step, bisect->error);
    bf_step_text(step, bisect->sqlstate);
    bf_walk_send(walk, BF_PHASE_TAKING_ASIDE);
}

static void quarantined(struct bf_walk *walk, int64_t struck, int64_t fresh)
{
    struct bf_bisect *bisect = &walk->bisect;
    bf_bisect_taken_back(walk);
    bf_bad_rows_count(walk, fresh);
    committed(walk, 0, struck);
    bf_bad_rows_say(walk, struck, bisect->key, bisect->error, bisect->sqlstate);
    first_again(&walk->locks);
    walk->phase = BF_PHASE_READY;
}

/* First of the quarantine, then of the COMMIT. */
static void refused_answered(struct bf_walk *walk)
{
    struct bf_locks *locks = &walk->locks;
    struct bf_bisect *bisect = &walk->bisect;
    const struct bf_answer *moved = bf_walk_answer_to(walk, BF_STATEMENT_QUARANTINE_ASIDE);
    const struct bf_answer *commit = bf_walk_answer_to(walk, BF_STATEMENT_COMMIT);
    bool last = commit != NULL;
    locks->refused = false;
    if (walk->lost || (last && (commit->outcome != BF_OUTCOME_OK || commit->rolled_back))) {
        bf_walk_fine(walk, BF_DOING_ASIDE);
        return;
    }
    if (last) {
        quarantined(walk, locks->struck, bisect->bad);
        return;
    }
    if (!bf_walk_fine(walk, BF_DOING_ASIDE))
        return;
    free(bisect->key);
    bisect->key = bf_copy_string(bf_answer_value(moved, 0, 2) ? bf_answer_value(moved, 0, 2) : "");
    locks->struck = bf_answer_number(moved, 0, 0);
    if (bf_bad_rows_too_many(walk, bf_answer_number(moved, 0, 1))) {
        static const struct bf_answer too_many = {.outcome = BF_OUTCOME_ERROR, .error_class = BF_CLASS_DATA};
        bf_walk_take_back(walk, &too_many, BF_DOING_OVER_FILL);
        return;
    }
    bisect->bad = bf_answer_number(moved, 0, 1);
    locks->refused = true;
    bf_flight_clear(&walk->flight);
    bf_walk_add(walk, BF_STATEMENT_COMMIT);
    walk->unsettled = true; /* until the answer says what became of it */
    bf_walk_send(walk, BF_PHASE_TAKING_ASIDE);
}

bool bf_walk_aside_singly(struct bf_walk *walk)
{
    struct bf_locks *locks = &walk->locks;
    if (!walk->done || locks->alone || !walk->statements->text[BF_STATEMENT_SAVEPOINT])
        return false;
    locks->singly = ROWS;
    first_again(locks);
    walk->phase = BF_PHASE_READY;
    return true;
}

void bf_walk_aside_redone(struct bf_walk *walk)
{
    struct bf_locks *locks = &walk->locks;
    const struct bf_answer *waited = bf_walk_answer_to(walk, BF_STATEMENT_WAIT_ASIDE);
    const struct bf_answer *take = waited ? waited : bf_walk_answer_to(walk, BF_STATEMENT_TAKE_ASIDE);
    const struct bf_answer *redo = bf_walk_answer_to(walk, BF_STATEMENT_REDO_ASIDE);
    const struct bf_answer *commit = bf_walk_answer_to(walk, BF_STATEMENT_COMMIT);
    bool patient = waited != NULL;
    if (locks->refused) {
        refused_answered(walk);
        return;
    }
    if (patient)
        locks->patient = false; /* whatever came of it: others may be free by now */
    const struct bf_answer *error = bf_walk_first_error(walk);
    if (!walk->lost && locks->alone && error && error != commit && error->error_class == BF_CLASS_DATA) {
        send_refused(walk, error);
        return;
    }
    if (walk->lost || commit->outcome != BF_OUTCOME_OK || commit->rolled_back) {
        bf_walk_fine(walk, BF_DOING_ASIDE);
        return;
    }
    committed(walk, bf_answer_number(redo, 0, 0), bf_answer_number(redo, 0, 1));
    walk->phase = BF_PHASE_READY;
    if (patient) {
        if (bf_answer_number(take, 0, 0) == 0)
            bf_walk_count(walk, 0, 0, 0, -walk->part.rows_set_aside); /* the list itself says so */
        first_again(locks);
        return;
    }
    if (take->rows) {
        free(locks->sweep_key);
        locks->sweep_seq = bf_answer_number(take, 0, 1);
        locks->sweep_key = bf_copy_string(bf_answer_value(take, 0, 2));
        return;
    }
    locks->patient = locks->swept == 0;
    first_again(locks);
}
