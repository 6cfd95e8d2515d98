/* Rows that others held when their batch was run. They are done before the job is verified: in sweeps over all of them, a
 * few in a transaction, each time those that nobody holds any more; when a whole sweep found none, the first one is waited
 * for, by a transaction that holds nothing else. What is done is struck off the list in the same transaction. */
#include <stdlib.h>

#include "allocate.h"
#include "internal.h"

enum { ROWS = 200 /* at most, in one transaction */ };

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
    int64_t rows = walk->size.rows;
    bf_walk_send_aside(walk, locks->patient, rows < ROWS ? rows : ROWS);
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

void bf_walk_aside_redone(struct bf_walk *walk)
{
    struct bf_locks *locks = &walk->locks;
    const struct bf_answer *waited = bf_walk_answer_to(walk, BF_STATEMENT_WAIT_ASIDE);
    const struct bf_answer *take = waited ? waited : bf_walk_answer_to(walk, BF_STATEMENT_TAKE_ASIDE);
    const struct bf_answer *redo = bf_walk_answer_to(walk, BF_STATEMENT_REDO_ASIDE);
    const struct bf_answer *commit = bf_walk_answer_to(walk, BF_STATEMENT_COMMIT);
    bool patient = waited != NULL;
    if (patient)
        locks->patient = false; /* whatever came of it: others may be free by now */
    if (walk->lost || commit->outcome != BF_OUTCOME_OK || commit->rolled_back) {
        bf_walk_fine(walk, "change rows that others had locked");
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
