#include "run.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

enum { FIRST = 4 /* rows */, LONG = 50 /* milliseconds: a flight that is to be shorter: a stop waits for its end */ };

#define DOING "try the rows behind one that is refused"

void bf_run_forget(struct bf_run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        bf_key_clear(&run->tried[i].key);
        free(run->tried[i].error);
    }
    free(run->tried);
    bf_key_clear(&run->before);
    run->tried = NULL;
    run->count = run->refused = 0;
}

/* ---- how many ---- */

/* Are the rows of a run locked together, where the server needs that at all? Where a predicate of the author's says which ones
 * they are it may stumble over one of them, and that one has to be known. */
static bool locks_together(const struct bf_walk *walk)
{
    return walk->statements->lock[1][0] && !bf_document_selects(walk->job->record.document);
}

/* Rows whose tries, and whose way into the quarantine, fit into a flight. */
static int64_t fitting(const struct bf_walk *walk)
{
    enum {
        STEPS = 500, /* of a flight (BF_STEPS_MAX) */
        AROUND = 6,  /* BACK_TO, RELEASE, BEGIN, FENCE, KEYS, SAVEPOINT */
        BETWEEN = 3  /* BACK_TO, RELEASE, SAVEPOINT */
    };
    const struct bf_statements *statements = walk->statements;
    size_t legs = bf_leg_count(1, walk->table->key_count);
    bool together = locks_together(walk);
    size_t around = AROUND + (together ? legs : 0);
    size_t steps = legs * (statements->lock[1][0] && !together ? 3 : 2) + (statements->text[BF_STATEMENT_CONSTRAINTS] ? 1 : 0) + BETWEEN;
    return (int64_t)((STEPS - around) / steps);
}

/* Of the next run, when so many rows may be on their way into the quarantine by then; 0: there is none. */
static int64_t wanted(const struct bf_walk *walk, int64_t most, size_t pending)
{
    const struct bf_bisect *bisect = &walk->bisect;
    if (!bisect->follows || bisect->careful || bisect->run.off || !walk->statements->text[BF_STATEMENT_KEYS])
        return 0;
    const int64_t limits[] = {most, fitting(walk), bf_bad_rows_room(walk) - (int64_t)pending, walk->size.rows, walk->rows_allowed,
                              BF_BISECT_TRIES - bisect->tries};
    int64_t rows = BF_RUN_MOST;
    for (size_t i = 0; i < BF_COUNT(limits); i++)
        rows = limits[i] < rows ? limits[i] : rows;
    return rows > 0 ? rows : 0;
}

static int64_t grown(int64_t most)
{
    return most == 0 ? FIRST : 2 * most < BF_RUN_MOST ? 2 * most : BF_RUN_MOST;
}

static int64_t halved(int64_t most)
{
    return most > 1 ? most / 2 : 1;
}

/* ---- what is said ---- */

static bool add_keys(struct bf_walk *walk, const struct bf_key *low, int64_t rows)
{
    char *const text[] = {walk->statements->text[BF_STATEMENT_KEYS]};
    if (rows == 0)
        return false;
    bf_walk_add_legs(walk, BF_STATEMENT_KEYS, text,
                     &(struct bf_legs){.low = low, .high = &walk->bisect.end, .split = (int)walk->table->key_count});
    bf_step_number(&walk->flight.steps[walk->flight.count - 1], rows);
    return true;
}

bool bf_run_add_keys(struct bf_walk *walk, const struct bf_key *low)
{
    struct bf_run *run = &walk->bisect.run;
    if (run->most == 0)
        run->most = FIRST;
    return add_keys(walk, low, wanted(walk, run->most, 0));
}

static const struct bf_key *before(const struct bf_run *run, size_t row)
{
    return row ? &run->tried[row - 1].key : &run->before;
}

/* What was refused in the last run: neighbours that were refused with the same words go together. */
static void add_quarantine(struct bf_walk *walk)
{
    struct bf_run *run = &walk->bisect.run;
    run->quarantined = (int64_t)run->refused;
    for (size_t first = 0, next; first < run->count; first = next) {
        const struct bf_run_row *row = &run->tried[first];
        next = first + 1;
        if (!row->error)
            continue;
        while (next < run->count && run->tried[next].error && run->tried[next].split == (int)walk->table->key_count &&
               strcmp(run->tried[next].error, row->error) == 0 && strcmp(run->tried[next].sqlstate, row->sqlstate) == 0)
            next++;
        bf_bisect_add_quarantine(walk, &(struct bf_legs){.low = before(run, first), .high = &run->tried[next - 1].key,
                                                         .split = row->split, .seq = row->number}, row->error, row->sqlstate);
    }
}

/* The rows that KEYS told are those of the run. */
static void take_keys(struct bf_walk *walk, const struct bf_answer *keys, size_t count)
{
    struct bf_bisect *bisect = &walk->bisect;
    struct bf_run *run = &bisect->run;
    size_t columns = walk->table->key_count;
    bf_run_forget(run);
    bf_key_set(&run->before, &bisect->low);
    run->tried = bf_allocate(count * sizeof *run->tried);
    run->count = count;
    bisect->split = (int)columns;
    for (size_t i = 0; i < count; i++) {
        struct bf_run_row *row = &run->tried[i];
        *row = (struct bf_run_row){.split = (int)bf_answer_number(keys, i, columns), .number = bisect->seq + 1 + (int64_t)i};
        for (size_t column = 0; column < columns; column++)
            row->key.text[column] = bf_copy_string(bf_answer_value(keys, i, column));
        bisect->split = row->split < bisect->split ? row->split : bisect->split; /* of the first and the last one */
    }
    bf_key_set(&bisect->high, &run->tried[count - 1].key);
}

static void add_tries(struct bf_walk *walk)
{
    const struct bf_run *run = &walk->bisect.run;
    for (size_t i = 0; i < run->count; i++) {
        const struct bf_run_row *row = &run->tried[i];
        if (i)
            bf_walk_add(walk, BF_STATEMENT_BACK_TO)->new_group = true;
        const struct bf_legs alone = {.low = before(run, i), .high = &row->key, .split = row->split, .seq = row->number};
        if (!locks_together(walk))
            bf_walk_add_lock(walk, &alone);
        bf_walk_add_try(walk, &alone);
        if (walk->statements->text[BF_STATEMENT_CONSTRAINTS])
            bf_walk_add(walk, BF_STATEMENT_CONSTRAINTS);
        bf_walk_add(walk, BF_STATEMENT_RELEASE);
        bf_walk_add(walk, BF_STATEMENT_SAVEPOINT);
    }
}

static void send_run(struct bf_walk *walk, const struct bf_answer *keys, size_t count)
{
    struct bf_bisect *bisect = &walk->bisect;
    struct bf_run *run = &bisect->run;
    bf_bisect_begin_flight(walk);
    add_quarantine(walk);
    if (bisect->saved)
        bf_walk_add(walk, BF_STATEMENT_RELEASE);
    if (!bisect->open)
        bf_walk_add(walk, BF_STATEMENT_BEGIN);
    take_keys(walk, keys, count);
    struct bf_mark_at at = bf_bisect_mark(walk, (int64_t)count);
    at.more = (int64_t)count - 1;
    size_t fence = walk->flight.count;
    bf_walk_add_fence(walk, &at, bf_walk_lock_wait(walk, BF_FORM_QUICK));
    walk->flight.steps[fence].new_group = !bisect->open; /* where a group that begins a transaction fails, all of it is taken back */
    add_keys(walk, &bisect->high, wanted(walk, grown(run->most), (size_t)run->quarantined + count));
    if (locks_together(walk))
        bf_walk_add_lock(walk, &(struct bf_legs){.low = &run->before, .high = &bisect->high, .split = bisect->split});
    bf_walk_add(walk, BF_STATEMENT_SAVEPOINT);
    add_tries(walk);
    bisect->open = bisect->saved = bisect->failed = true; /* the last try may have been refused; BACK_TO does no harm to another */
    bf_bisect_send(walk, BF_BISECT_RUN);
}

static void send_quarantine(struct bf_walk *walk)
{
    struct bf_bisect *bisect = &walk->bisect;
    bf_bisect_begin_flight(walk);
    add_quarantine(walk);
    bf_run_forget(&bisect->run);
    if (!bf_bisect_enough(walk)) {
        bisect->want = bisect->asked = 1;
        bf_walk_add_boundary(walk, &bisect->low, &bisect->end, 1);
    }
    bf_bisect_send(walk, BF_BISECT_RUN_QUARANTINED);
}

bool bf_run_next(struct bf_walk *walk)
{
    struct bf_run *run = &walk->bisect.run;
    const struct bf_answer *keys = bf_walk_answer_to(walk, BF_STATEMENT_KEYS);
    size_t most = bf_bisect_enough(walk) ? 0 : (size_t)wanted(walk, run->most ? run->most : FIRST, run->refused), count = 0;
    while (keys && count < most && count < keys->rows && !bf_answer_true(keys, count, walk->table->key_count + 1))
        count++; /* the last row of the range is tried with what belongs to its end */
    if (count) {
        send_run(walk, keys, count);
    } else if (run->refused) {
        send_quarantine(walk);
    } else if (!keys && most) {
        bf_bisect_begin_flight(walk);
        bf_run_add_keys(walk, &walk->bisect.low);
        bf_bisect_send(walk, BF_BISECT_ASKED);
    } else {
        return false;
    }
    return true;
}

/* ---- what comes back ---- */

static bool changes(enum bf_statement statement)
{
    return statement == BF_STATEMENT_LOCK || statement == BF_STATEMENT_UPDATE || statement == BF_STATEMENT_TRY ||
           statement == BF_STATEMENT_CONSTRAINTS;
}

static void refuse(struct bf_bisect *bisect, size_t row, const struct bf_answer *answer)
{
    struct bf_run *run = &bisect->run;
    bf_bisect_remember(bisect, answer);
    run->tried[row].error = bf_copy_string(bisect->error);
    memcpy(run->tried[row].sqlstate, bisect->sqlstate, sizeof bisect->sqlstate);
    run->refused++;
}

/* Which rows were refused, and what the others did. Returns what else went wrong, NULL: nothing. */
static const struct bf_answer *sort(struct bf_walk *walk, int64_t *ret_changed, int64_t *ret_aside)
{
    const struct bf_flight *flight = &walk->flight;
    size_t savepoints = 0; /* the first one stands before the first row, each other one behind a row */
    bool refused = false;
    int64_t changed = 0, aside = 0; /* of the row */
    *ret_changed = *ret_aside = 0;
    for (size_t i = 0; i < flight->count; i++) {
        const struct bf_answer *answer = &walk->answers[i];
        enum bf_statement statement = flight->steps[i].statement;
        if (savepoints && !refused && answer->outcome == BF_OUTCOME_ERROR && answer->error_class == BF_CLASS_DATA && changes(statement)) {
            refused = true;
            refuse(&walk->bisect, savepoints - 1, answer);
        } else if (answer->outcome != BF_OUTCOME_OK && !(refused && answer->outcome == BF_OUTCOME_SKIPPED)) {
            return answer;
        }
        if (!refused)
            bf_walk_add_changed(walk, i, &changed, &aside);
        if (statement != BF_STATEMENT_SAVEPOINT)
            continue;
        savepoints++;
        *ret_changed += refused ? 0 : changed;
        *ret_aside += refused ? 0 : aside;
        changed = aside = 0;
        refused = false;
    }
    return NULL;
}

/* The rows of the run before are in quarantine; false: it has decided what comes next. */
static bool took_in(struct bf_walk *walk)
{
    static const struct bf_answer inserted = {.outcome = BF_OUTCOME_ERROR, .error_class = BF_CLASS_SERIALIZATION,
                                              .message = (char *)"a row was inserted beside one that is refused"};
    static const struct bf_answer full = {.outcome = BF_OUTCOME_ERROR, .error_class = BF_CLASS_SERIALIZATION,
                                          .message = (char *)"another slice has filled the quarantine meanwhile"};
    struct bf_bisect *bisect = &walk->bisect;
    int64_t rows, fresh, expected = bisect->run.quarantined;
    bf_bisect_read_quarantined(walk, &rows, &fresh);
    bisect->run.quarantined = 0;
    if (rows > expected || bf_bad_rows_too_many(walk, fresh)) { /* one by one, then: so it is known which row is what */
        bisect->run.off = true;
        bf_walk_take_back(walk, rows > expected ? &inserted : &full, BF_DOING_QUARANTINE);
        return false;
    }
    bisect->scanned += rows - expected; /* somebody deleted some meanwhile */
    bisect->bad += fresh;
    return true;
}

void bf_run_tried(struct bf_walk *walk)
{
    struct bf_bisect *bisect = &walk->bisect;
    struct bf_run *run = &bisect->run;
    int64_t changed, aside;
    if (walk->lost) {
        run->most = halved(run->most); /* its rows may be so slow that it was given up for its length */
        bf_walk_fine(walk, DOING);
        return;
    }
    const struct bf_answer *trouble = sort(walk, &changed, &aside);
    if (trouble) {
        run->most = halved(run->most);
        run->off = run->off || trouble->error_class == BF_CLASS_SERIALIZATION; /* rows that cannot be tried together */
        bf_walk_take_back(walk, trouble, DOING);
        return;
    }
    if (!took_in(walk))
        return;
    int64_t rows = (int64_t)run->count, took = bf_job_now(walk->job) - walk->flight_sent;
    bisect->changed += changed;
    bisect->set_aside += aside;
    bf_bisect_advance(bisect, rows, rows, (int)(run->count - run->refused));
    if (run->refused) {
        run->most = took <= LONG ? grown(run->most) : halved(run->most);
    } else {
        run->most = 0;
        bf_run_forget(run);
        bf_bisect_leave_run(walk, rows);
    }
    bf_bisect_go_on(walk);
}

void bf_run_quarantined(struct bf_walk *walk)
{
    if (bf_walk_fine(walk, BF_DOING_QUARANTINE) && took_in(walk))
        bf_bisect_go_on(walk);
}
