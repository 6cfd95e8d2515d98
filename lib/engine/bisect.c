#include "bisect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

enum { GROWTH = 4 /* of a try behind one that went well, while nobody knows of a row that is refused */ };

void bf_bisect_clear(struct bf_bisect *bisect)
{
    bf_key_clear(&bisect->end);
    bf_key_clear(&bisect->low);
    bf_key_clear(&bisect->high);
    free(bisect->key);
    bf_run_forget(&bisect->run);
    *bisect = (struct bf_bisect){0};
}

void bf_bisect_taken_back(struct bf_walk *walk)
{
    struct bf_bisect *bisect = &walk->bisect;
    bisect->open = bisect->saved = bisect->failed = bisect->full = bisect->over = false;
    bisect->tries = 0;
    bisect->scanned = bisect->changed = bisect->set_aside = bisect->bad = 0;
    bisect->run.quarantined = 0;
    bf_run_forget(&bisect->run);
}

/* ---- how many rows next ---- */

static void set_range(struct bf_walk *walk)
{
    struct bf_bisect *bisect = &walk->bisect;
    bisect->on = true;
    bisect->follows = bisect->careful = bisect->run.off = false;
    bisect->last = walk->next.last;
    bisect->left = walk->next.rows > 0 ? walk->next.rows : 1;
    bf_key_set(&bisect->end, &walk->next.high);
}

bool bf_bisect_begin(struct bf_walk *walk, const struct bf_answer *answer)
{
    struct bf_bisect *bisect = &walk->bisect;
    char range[300], text[BF_ERROR_TEXT_MAX];
    if (bisect->on || !walk->have_next || !walk->statements->quarantine[0][0])
        return false;
    set_range(walk);
    bisect->suspects = bisect->left;
    bisect->want = bisect->left > 1 ? bisect->left / 2 : 1;
    bf_walk_range_text(walk, range, sizeof range);
    snprintf(text, sizeof text, "a row among the %s is refused: %.300s", range,
             answer->message ? answer->message : "");
    walk->reason = bf_reason_make(walk->job, BF_DATA_ERROR, text);
    walk->attempts++; /* a batch was taken back */
    walk->phase = BF_PHASE_READY;
    return true;
}

void bf_bisect_follow(struct bf_walk *walk)
{
    set_range(walk);
    walk->bisect.follows = true;
    walk->bisect.suspects = 0;
    walk->bisect.want = 1;
}

/* Behind a try of so many rows that went well. */
static int64_t want_behind(const struct bf_walk *walk, int64_t rows)
{
    const struct bf_bisect *bisect = &walk->bisect;
    int64_t suspects = bisect->suspects - rows, most = walk->size.rows < walk->rows_allowed ? walk->size.rows : walk->rows_allowed;
    int64_t want = suspects > 0 ? suspects / 2 : GROWTH * rows;
    want = want < most ? want : most;
    return want > 0 ? want : 1;
}

void bf_bisect_leave_run(struct bf_walk *walk, int64_t rows)
{
    walk->bisect.follows = false;
    walk->bisect.suspects = 0;
    walk->bisect.want = want_behind(walk, rows);
}

bool bf_bisect_enough(const struct bf_walk *walk)
{
    const struct bf_bisect *bisect = &walk->bisect;
    int64_t time = bf_job_now(walk->job) - bisect->began, numbers = bisect->seq - walk->seq + BF_RUN_MOST + 1 /* FLUSH */;
    return bisect->tries >= BF_BISECT_TRIES || numbers > BF_BISECT_NUMBERS || walk->stopping ||
           time >= walk->job->record.document->limits.yield_after / 2;
}

/* ---- what is said ---- */

void bf_bisect_send(struct bf_walk *walk, enum bf_bisect_step step)
{
    walk->bisect.step = step;
    walk->unsettled = true; /* until every answer is here */
    bf_walk_send(walk, BF_PHASE_BISECTING);
}

/* Where a try of so many rows ends; where that is not before the end of the range, this is asked about by itself. */
static void add_next(struct bf_walk *walk, const struct bf_key *low, int64_t rows)
{
    walk->bisect.asked = rows;
    bf_walk_add_boundary(walk, low, &walk->bisect.end, rows);
}

/* What became of the try before: it is taken back, or stays. */
void bf_bisect_begin_flight(struct bf_walk *walk)
{
    struct bf_bisect *bisect = &walk->bisect;
    bf_flight_clear(&walk->flight);
    if (bisect->failed)
        bf_walk_add(walk, BF_STATEMENT_BACK_TO);
    else if (bisect->saved)
        bf_walk_add(walk, BF_STATEMENT_RELEASE);
    bisect->saved = bisect->failed; /* taking back leaves the savepoint */
    bisect->failed = false;
}

struct bf_mark_at bf_bisect_mark(const struct bf_walk *walk, int64_t rows)
{
    const struct bf_bisect *bisect = &walk->bisect;
    return (struct bf_mark_at){.position = rows ? &bisect->high : &bisect->low,
                               .low = rows ? &bisect->low : &walk->batch_low,
                               .split = rows ? bisect->split : walk->batch_split,
                               .seq = bisect->seq,
                               .scanned = walk->part.rows_scanned + bisect->scanned + rows,
                               .changed = walk->part.rows_changed + bisect->changed,
                               .batches = walk->part.batches + 1};
}

static void send_ask(struct bf_walk *walk)
{
    bf_bisect_begin_flight(walk);
    add_next(walk, &walk->bisect.low, walk->bisect.want);
    bf_bisect_send(walk, BF_BISECT_ASKED);
}

static void send_ask_end(struct bf_walk *walk)
{
    bf_bisect_begin_flight(walk);
    bf_walk_add_split(walk, &walk->bisect.low, &walk->bisect.end);
    bf_bisect_send(walk, BF_BISECT_ASKED);
}

static int64_t half(int64_t rows)
{
    return rows > 1 ? rows / 2 : 1;
}

/* In front of a try that is likely refused: where the next one ends then. No boundary is a group of its own here, for behind a try
 * that failed nobody waits for what would come behind it. */
static void add_half(struct bf_walk *walk)
{
    bf_walk_add_boundary(walk, &walk->bisect.low, &walk->bisect.end, half(walk->bisect.rows));
    walk->flight.steps[walk->flight.count - 1].new_group = false;
}

/* Of one row alone the fence stands before the savepoint: the row is passed, whether it is changed or put into quarantine. */
static void add_try(struct bf_walk *walk)
{
    struct bf_bisect *bisect = &walk->bisect;
    enum bf_form form = bisect->careful ? BF_FORM_CAREFUL : BF_FORM_QUICK;
    struct bf_mark_at at = bf_bisect_mark(walk, bisect->rows);
    bool alone = bisect->want == 1;
    size_t first = walk->flight.count;
    if (alone)
        bf_walk_add_fence(walk, &at, bf_walk_lock_wait(walk, form));
    bf_walk_add(walk, BF_STATEMENT_SAVEPOINT);
    if (!alone)
        bf_walk_add_fence(walk, &at, bf_walk_lock_wait(walk, form));
    walk->flight.steps[first].new_group = !bisect->open; /* where a group that begins a transaction fails, all of it is taken back */
    bisect->halved = bisect->suspects > 0 && !alone;
    if (bisect->halved)
        add_half(walk);
    bf_walk_add_change(walk, &(struct bf_legs){.low = &bisect->low, .high = &bisect->high, .split = bisect->split,
                                               .seq = bisect->seq + 1}, form);
    if (walk->statements->text[BF_STATEMENT_CONSTRAINTS])
        bf_walk_add(walk, BF_STATEMENT_CONSTRAINTS);
    bf_walk_add(walk, BF_STATEMENT_RELEASE);
    if (!bisect->whole) {
        add_next(walk, &bisect->high, want_behind(walk, bisect->rows));
        walk->flight.steps[walk->flight.count - 1].new_group = false;
    }
    bisect->open = bisect->saved = true;
}

static void send_try(struct bf_walk *walk)
{
    bf_bisect_begin_flight(walk);
    if (!walk->bisect.open)
        bf_walk_add(walk, BF_STATEMENT_BEGIN);
    add_try(walk);
    bf_bisect_send(walk, BF_BISECT_TRIED);
}

void bf_bisect_add_quarantine(struct bf_walk *walk, const struct bf_legs *range, const char *error, const char *sqlstate)
{
    struct bf_bisect *bisect = &walk->bisect;
    size_t first = walk->flight.count;
    bf_walk_add_legs(walk, BF_STATEMENT_QUARANTINE, walk->statements->quarantine[range->split], range);
    for (size_t i = first; i < walk->flight.count; i++) {
        bf_step_text(&walk->flight.steps[i], error);
        bf_step_text(&walk->flight.steps[i], sqlstate);
    }
    free(bisect->key);
    bisect->key = bf_key_json(range->high, walk->table->key_count);
    if (error == bisect->error)
        return;
    snprintf(bisect->error, sizeof bisect->error, "%s", error);
    snprintf(bisect->sqlstate, sizeof bisect->sqlstate, "%s", sqlstate);
}

static void send_keep(struct bf_walk *walk)
{
    struct bf_bisect *bisect = &walk->bisect;
    const char *error = bisect->error, *sqlstate = bisect->sqlstate;
    bf_bisect_begin_flight(walk);
    bf_bisect_add_quarantine(walk, &(struct bf_legs){.low = &bisect->low, .high = &bisect->high, .split = bisect->split,
                                                     .seq = bisect->seq + 1}, error, sqlstate);
    bisect->follows = true; /* neighbours of a bad row are often bad, too */
    if (!bisect->whole && !bf_run_add_keys(walk, &bisect->high))
        add_next(walk, &bisect->high, 1);
    bf_bisect_send(walk, BF_BISECT_QUARANTINED);
}

/* The rows are counted here: their newest versions may be those of subtransactions, which no RECOUNT would find. */
static void send_settle(struct bf_walk *walk)
{
    struct bf_mark_at at = bf_bisect_mark(walk, 0);
    bf_bisect_begin_flight(walk);
    bf_walk_add_flush(walk, &at, false, false);
    bf_walk_add(walk, BF_STATEMENT_COMMIT);
    bf_bisect_send(walk, BF_BISECT_SETTLED);
}

void bf_bisect_go(struct bf_walk *walk)
{
    struct bf_bisect *bisect = &walk->bisect;
    bf_bisect_taken_back(walk);
    bf_key_set(&bisect->low, &walk->low);
    bisect->seq = walk->seq;
    bisect->began = bf_job_now(walk->job);
    if (!bisect->follows || !bf_run_next(walk))
        send_ask(walk);
}

/* ---- what comes back ---- */

/* The last one of its kind, which the flight has. */
static const struct bf_answer *last_answer(const struct bf_walk *walk, enum bf_statement statement)
{
    size_t i = walk->flight.count;
    while (i > 0 && walk->flight.steps[--i].statement != statement)
        ;
    return &walk->answers[i];
}

/* The range is over, or the next transaction goes on from here. */
static void rest(struct bf_walk *walk, bool over)
{
    struct bf_bisect *bisect = &walk->bisect;
    if (over) {
        bisect->on = false;
        walk->have_next = false;
    }
    walk->phase = BF_PHASE_READY;
}

static void take_high(struct bf_walk *walk, const struct bf_answer *boundary)
{
    struct bf_bisect *bisect = &walk->bisect;
    size_t keys = walk->table->key_count;
    for (size_t i = 0; i < keys; i++) {
        free(bisect->high.text[i]);
        bisect->high.text[i] = bf_copy_string(bf_answer_value(boundary, 0, i));
    }
    bisect->split = (int)bf_answer_number(boundary, 0, keys);
}

static void try_next(struct bf_walk *walk)
{
    struct bf_bisect *bisect = &walk->bisect;
    const struct bf_answer *boundary = bf_walk_answer_to(walk, BF_STATEMENT_BOUNDARY); /* of a try that was refused, its half */
    const struct bf_answer *split = bf_walk_answer_to(walk, BF_STATEMENT_SPLIT);
    size_t keys = walk->table->key_count;
    if (boundary && !bisect->failed)
        boundary = last_answer(walk, BF_STATEMENT_BOUNDARY);
    if (!split && (!boundary || bisect->asked != bisect->want)) {
        if (!bisect->follows || !bf_run_next(walk))
            send_ask(walk);
        return;
    }
    bisect->whole = split || boundary->rows == 0 || bf_answer_true(boundary, 0, keys + 1);
    if (bisect->whole && !split) {
        send_ask_end(walk);
        return;
    }
    if (split && bf_answer_true(split, 0, 1)) { /* what is to be done was done: a lost session of ours came that far */
        if (bisect->open)
            send_settle(walk);
        else
            rest(walk, true);
        return;
    }
    bisect->rows = !bisect->whole || bisect->want < bisect->left ? bisect->want : bisect->left > 0 ? bisect->left : 1;
    if (bisect->whole) {
        bf_key_set(&bisect->high, &bisect->end);
        bisect->split = (int)bf_answer_number(split, 0, 0);
    } else {
        take_high(walk, boundary);
    }
    send_try(walk);
}

static void asked(struct bf_walk *walk)
{
    if (!bf_walk_fine(walk, "find the end of the next try"))
        return;
    if (walk->stopping && !walk->bisect.open)
        rest(walk, false);
    else
        try_next(walk);
}

void bf_bisect_advance(struct bf_bisect *bisect, int64_t rows, int64_t numbers, int tries)
{
    bisect->seq += numbers;
    bisect->tries += tries;
    bisect->scanned += rows;
    bisect->left -= rows;
    bf_key_set(&bisect->low, &bisect->high);
}

void bf_bisect_go_on(struct bf_walk *walk)
{
    if (!walk->bisect.over && !bf_bisect_enough(walk))
        try_next(walk);
    else if (!bf_run_next(walk))
        send_settle(walk);
}

/* The try stays: on behind it. */
static void passed(struct bf_walk *walk, int64_t rows)
{
    walk->bisect.over = walk->bisect.whole;
    bf_bisect_advance(&walk->bisect, rows, 1, 1);
    bf_bisect_go_on(walk);
}

void bf_bisect_remember(struct bf_bisect *bisect, const struct bf_answer *answer)
{
    struct bf_error error; /* which is cut between two characters: the server is given the text back */
    bf_fail(&error, BF_DATA_ERROR, "%s", answer->message ? answer->message : "");
    memcpy(bisect->error, error.text, sizeof bisect->error);
    snprintf(bisect->sqlstate, sizeof bisect->sqlstate, "%s", answer->state[0] ? answer->state : answer->sqlstate);
}

/* The server refused the try; what stands behind the savepoint is to be taken back. */
static void refused(struct bf_walk *walk, const struct bf_answer *answer)
{
    struct bf_bisect *bisect = &walk->bisect;
    bisect->failed = true;
    if (bisect->want == 1) {
        bf_bisect_remember(bisect, answer);
        send_keep(walk);
        return;
    }
    bisect->suspects = bisect->rows;
    bisect->want = half(bisect->rows);
    if (bf_bisect_enough(walk) && bisect->seq > walk->seq) {
        send_settle(walk);
    } else if (bisect->halved && bf_walk_answer_to(walk, BF_STATEMENT_BOUNDARY)->outcome == BF_OUTCOME_OK) {
        bisect->asked = bisect->want;
        try_next(walk);
    } else {
        send_ask(walk);
    }
}

void bf_bisect_read_quarantined(const struct bf_walk *walk, int64_t *ret_rows, int64_t *ret_fresh)
{
    *ret_rows = *ret_fresh = 0;
    for (size_t i = 0; i < walk->answer_count; i++)
        if (walk->flight.steps[i].statement == BF_STATEMENT_QUARANTINE) {
            *ret_rows += bf_answer_number(&walk->answers[i], 0, 0);
            *ret_fresh += bf_answer_number(&walk->answers[i], 0, 1);
        }
}

static void tried(struct bf_walk *walk)
{
    struct bf_bisect *bisect = &walk->bisect;
    const struct bf_answer *error = bf_walk_first_error(walk);
    bool stays = last_answer(walk, BF_STATEMENT_RELEASE)->outcome == BF_OUTCOME_OK;
    if (!walk->lost && !stays && error && error->error_class == BF_CLASS_DATA) {
        refused(walk, error);
    } else if (bf_walk_fine(walk, "try a part of a batch")) {
        int64_t changed, aside;
        bf_walk_sum_change(walk, &changed, &aside);
        bisect->saved = bisect->follows = false;
        bisect->changed += changed;
        bisect->set_aside += aside;
        int64_t want = want_behind(walk, bisect->rows), suspects = bisect->suspects - bisect->rows;
        bisect->want = want;
        bisect->suspects = suspects > 0 ? suspects : 0;
        passed(walk, bisect->rows);
    }
}

/* The row is in quarantine, if one more may be. A range that has more than one row by now is looked at anew. */
static void quarantined(struct bf_walk *walk)
{
    struct bf_bisect *bisect = &walk->bisect;
    int64_t rows, fresh;
    if (!bf_walk_fine(walk, BF_DOING_QUARANTINE))
        return;
    bf_bisect_read_quarantined(walk, &rows, &fresh);
    if (rows > 1) {
        bisect->failed = true;
        bisect->seq++; /* its fence stays */
        send_ask(walk);
        return;
    }
    if (rows > 0 && bf_bad_rows_too_many(walk, fresh)) { /* none: somebody deleted it meanwhile */
        bisect->failed = bisect->full = true;
        bisect->seq++; /* its fence stays, but for the place */
        send_settle(walk);
        return;
    }
    bisect->bad += fresh;
    bisect->suspects = 0;
    passed(walk, rows);
}

static void settled(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    struct bf_bisect *bisect = &walk->bisect;
    const struct bf_answer *flush = bf_walk_answer_to(walk, BF_STATEMENT_FLUSH);
    const struct bf_answer *commit = bf_walk_answer_to(walk, BF_STATEMENT_COMMIT);
    bool over = bisect->over, full = bisect->full;
    if (walk->lost || commit->outcome != BF_OUTCOME_OK || commit->rolled_back) {
        bf_walk_fine(walk, "commit a part of a batch");
        return;
    }
    if (flush->affected != 1) { /* nothing stayed, and the checkpoint is not ours any more */
        bf_bisect_taken_back(walk);
        bf_walk_send_ask(walk);
        return;
    }
    walk->seq = bisect->seq + 1;
    bf_bad_rows_count(walk, bisect->bad);
    struct bf_batch batch = {.time = (bf_job_now(job) - bisect->began) * 1000, .scanned = bisect->scanned,
                             .changed = bisect->changed, .log_bytes = -1};
    int64_t bad = bisect->bad, aside = bisect->set_aside;
    bf_bisect_taken_back(walk);
    bf_walk_committed(walk, &bisect->low, over && bisect->last, &batch);
    bf_walk_set_aside(walk, aside);
    if (bad)
        bf_bad_rows_say(walk, bad, bisect->key, bisect->error, bisect->sqlstate);
    rest(walk, over);
    if (full)
        bf_bad_rows_end(walk, bisect->key, bisect->error, bisect->sqlstate);
}

void bf_bisect_answered(struct bf_walk *walk)
{
    walk->unsettled = walk->lost;
    switch (walk->bisect.step) {
    case BF_BISECT_ASKED: asked(walk); break;
    case BF_BISECT_TRIED: tried(walk); break;
    case BF_BISECT_QUARANTINED: quarantined(walk); break;
    case BF_BISECT_RUN: bf_run_tried(walk); break;
    case BF_BISECT_RUN_QUARANTINED: bf_run_quarantined(walk); break;
    case BF_BISECT_SETTLED: settled(walk); break;
    }
}
