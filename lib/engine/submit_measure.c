/* What a plan measures before it is made (docs/architecture.md, "The plan"):
 *
 *   WRITES, MEASURE ... -> a while later WRITES again -> up to three times, with more rows each time:
 *     BOUNDARY -> BEGIN MARK UPDATE MARK ROLLBACK BEAT MARK
 *     -> the last of them once more, for pages that were touched before cost less
 *     -> where there is to be a way back: BEGIN MARK PROVE UPDATE PROVE (or the inverse, and PROVE) ROLLBACK, on the first of
 *        these batches that changes something
 *
 * The tried batches are rolled back, wait for no lock, give way to who waits for them (watcher.c), and stand one behind the other at the begin of the range. What is rolled
 * back need not reach the disk; where a heartbeat is nothing but a record of the log, its commit takes there what was written. What
 * cannot be measured is not known, and the plan says so; nothing of it ends the submission but a lost connection. */
#include <math.h>
#include <stdio.h>

#include "allocate.h"
#include "count.h"
#include "measuring.h"
#include "plan_text.h"

enum {
    GROWTH = 8,        /* times the rows of the one before, so that what a batch costs is told from what its rows cost ... */
    BATCH_TIME = 100,  /* milliseconds: ... but none is meant to take longer */
    ROWS_LEAST = 8,    /* a table that does not have so many is not tried */
    SHRINK = 8,        /* to so many parts, when the table does not have the rows */
    PART = 50,         /* of the table at most, all batches together: what is rolled back stays behind as dead rows */
    TRY_TIME = 1000,   /* milliseconds, all batches together: none begins later */
    MEASURE_TIMEOUT = 10000 /* milliseconds, all of it */
};

void bf_measuring_free(struct bf_engine *engine, struct bf_measuring *measuring)
{
    if (!measuring)
        return;
    bf_facts_clear(&measuring->facts);
    bf_statements_free(measuring->statements);
    for (size_t i = 0; i < measuring->text_count; i++)
        free(measuring->texts[i]);
    free(measuring->texts);
    if (measuring->window)
        engine->world->timer_free(measuring->window);
    bf_key_clear(&measuring->low);
    bf_key_clear(&measuring->high);
    bf_key_clear(&measuring->last_low);
    bf_key_clear(&measuring->last_high);
    bf_key_clear(&measuring->proof_low);
    bf_key_clear(&measuring->proof_high);
    free(measuring->kept_document);
    if (measuring->kept_table)
        free(measuring->kept_table->set);
    free(measuring->kept_table);
    free(measuring);
}

int64_t bf_submission_rows(const struct bf_submission *submission)
{
    const struct bf_fact *range = &submission->measuring->facts.of[BF_FACT_RANGE_ROWS];
    return range->known ? (int64_t)range->value : submission->table->rows_estimated;
}

const struct bf_facts *bf_measuring_facts(const struct bf_measuring *measuring)
{
    return &measuring->facts;
}

static void landed(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers,
                   bool lost)
{
    (void)session;
    struct bf_submission *submission = argument;
    submission->measuring->trying = false;
    if (lost)
        bf_submission_target_down(submission, "the connection was lost while the table was measured");
    else
        submission->measuring->answered(submission, flight, answers);
}

void bf_measuring_execute(struct bf_submission *submission, bf_measuring_answered *answered)
{
    submission->measuring->answered = answered;
    submission->target->database->execute(submission->session, &submission->flight, landed, submission);
}

static int64_t now(const struct bf_submission *submission)
{
    const struct bf_world *world = submission->engine->world;
    return world->monotonic(world->context);
}

void bf_measuring_try(struct bf_submission *submission, bf_measuring_answered *answered)
{
    struct bf_measuring *measuring = submission->measuring;
    measuring->trying = true;
    measuring->yielding = false;
    measuring->sent_at = now(submission);
    bf_watcher_batch_sent(submission->engine, submission->target);
    bf_measuring_execute(submission, answered);
}

bool bf_measuring_holds(const struct bf_submission *submission)
{
    const struct bf_measuring *measuring = submission->measuring;
    return measuring && measuring->trying && !measuring->yielding;
}

void bf_measuring_yield(struct bf_submission *submission)
{
    submission->measuring->yielding = true;
    submission->target->database->cancel(submission->session);
}

/* ---- batches that are rolled back ---- */

static void try_next(struct bf_submission *submission);
static void all_tried(struct bf_submission *submission);

/* What a batch costs besides its rows, by the last two: the first one also warms the server up. A small one that others disturbed
 * must not make rows look cheap, so that is no more than half of the last one's time, and no more than any of them took in all. */
static double own_time(const struct bf_measuring *measuring)
{
    const struct bf_tried *last = &measuring->tried[measuring->batches - 1];
    if (measuring->batches < 2 || last->rows <= last[-1].rows)
        return 0;
    double slope = (last->seconds - last[-1].seconds) / (last->rows - last[-1].rows);
    double own = fmin(last->seconds - slope * last->rows, last->seconds / 2);
    for (int i = 0; i < measuring->batches; i++)
        own = fmin(own, measuring->tried[i].seconds);
    return fmax(own, 0);
}

static void take_costs(const struct bf_measuring *measuring, struct bf_facts *facts)
{
    const struct bf_tried *last = &measuring->tried[measuring->batches - 1];
    double own = own_time(measuring), row = (last->seconds - own) / last->rows;
    for (int i = 0; i < measuring->batches; i++) /* who was disturbed took longer, never shorter */
        row = fmin(row, measuring->tried[i].seconds / measuring->tried[i].rows);
    bf_facts_set(facts, BF_FACT_TRIAL_BATCH_TIME, own, NULL);
    bf_facts_set(facts, BF_FACT_TRIAL_ROW_TIME, row * BF_FACT_MILLION, NULL);
    if (last->log_bytes >= 0)
        bf_facts_set(facts, BF_FACT_TRIAL_ROW_LOG, last->log_bytes / last->rows * BF_FACT_MILLION, NULL);
    const struct bf_tried *again = &measuring->again;
    if (again->rows <= 0)
        return;
    double warm = (again->seconds - own) / again->rows; /* what touching a page first costs is no less than nothing */
    bf_facts_set(facts, BF_FACT_TRIAL_WARM_TIME, fmax(0, fmin(warm, row)) * BF_FACT_MILLION, NULL);
    if (again->log_bytes >= 0)
        bf_facts_set(facts, BF_FACT_TRIAL_WARM_LOG, fmin(again->log_bytes, last->log_bytes) / again->rows * BF_FACT_MILLION, NULL);
}

static void sum_up(struct bf_submission *submission)
{
    struct bf_measuring *measuring = submission->measuring;
    struct bf_facts *facts = &measuring->facts;
    struct bf_tried sum = {0};
    for (int i = 0; i < measuring->batches; i++) {
        const struct bf_tried *each = &measuring->tried[i];
        sum.rows += each->rows;
        sum.changed += each->changed;
        sum.seconds += each->seconds;
        sum.log_bytes = sum.log_bytes < 0 || each->log_bytes < 0 ? -1 : sum.log_bytes + each->log_bytes;
    }
    bf_facts_set(facts, BF_FACT_TRIAL_BATCHES, measuring->batches, NULL);
    bf_facts_set(facts, BF_FACT_TRIAL_ROWS, sum.rows, NULL);
    bf_facts_set(facts, BF_FACT_TRIAL_CHANGED, sum.changed, NULL);
    bf_facts_set(facts, BF_FACT_TRIAL_SECONDS, sum.seconds, NULL);
    bf_facts_set(facts, BF_FACT_TRIAL_CONFLICTS, measuring->conflicts, NULL);
    if (measuring->batches > 0 && sum.log_bytes >= 0)
        bf_facts_set(facts, BF_FACT_TRIAL_LOG, sum.log_bytes, NULL);
    if (measuring->batches > 0)
        take_costs(measuring, facts);
    if (!bf_measuring_prove(submission))
        bf_submission_measured(submission);
}

/* What came of a batch of so many rows. */
static struct bf_tried read_batch(const struct bf_measuring *measuring, double rows, const struct bf_flight *flight,
                                  const struct bf_answer *answers)
{
    const struct bf_answer *marks[3] = {NULL}; /* before the change, behind it, and when all of it is on the disk, where there is one */
    struct bf_tried tried = {.rows = rows};
    for (size_t i = 0, mark = 0; i < flight->count; i++) {
        if (flight->steps[i].statement == BF_STATEMENT_UPDATE)
            tried.changed += (double)answers[i].affected;
        if (flight->steps[i].statement == BF_STATEMENT_MARK)
            marks[mark++] = &answers[i];
    }
    double began = bf_answer_real(marks[0], 0, 0, 0), ended = bf_answer_real(marks[1], 0, 0, 0);
    double from = bf_answer_real(marks[0], 0, 1, -1), to = bf_answer_real(marks[1], 0, 1, -1);
    if (marks[2])
        ended = bf_answer_real(marks[2], 0, 0, ended);
    tried.seconds = (ended > began ? ended - began : 0) + measuring->boundary_time;
    tried.log_bytes = from < 0 || to < from ? -1 : to - from;
    return tried;
}

/* `most`: rows of a batch, as the author's pace has it; `table`: rows of the table, negative where the server does not say */
static void take_batch(struct bf_measuring *measuring, double most, double table, const struct bf_flight *flight,
                       const struct bf_answer *answers)
{
    struct bf_tried *tried = &measuring->tried[measuring->batches];
    *tried = read_batch(measuring, (double)measuring->rows, flight, answers);
    bf_key_set(&measuring->last_low, &measuring->low);
    bf_key_set(&measuring->last_high, &measuring->high);
    measuring->last_split = measuring->split;
    if (measuring->batches == 0 || (measuring->proof.changed <= 0 && tried->changed > 0)) {
        measuring->proof = *tried;
        bf_key_set(&measuring->proof_low, &measuring->low);
        bf_key_set(&measuring->proof_high, &measuring->high);
        measuring->proof_split = measuring->split;
    }
    measuring->batches++;
    double left = table < 0 ? most : table / PART;
    for (int i = 0; i < measuring->batches; i++)
        left -= measuring->tried[i].rows;
    double rows = fmin(tried->rows * GROWTH, left);
    if (tried->seconds > 0)
        rows = fmin(rows, tried->rows * BATCH_TIME / 1000 / tried->seconds);
    rows = fmin(rows, most);
    measuring->rows = rows > ROWS_LEAST ? (int64_t)rows : ROWS_LEAST;
}

static void tried(struct bf_submission *submission, const struct bf_flight *flight, const struct bf_answer *answers)
{
    struct bf_measuring *measuring = submission->measuring;
    const struct bf_answer *trouble = NULL;
    for (size_t i = 0; flight->steps[i].statement != BF_STATEMENT_ROLLBACK && !trouble; i++)
        if (answers[i].outcome == BF_OUTCOME_ERROR)
            trouble = &answers[i];
    if (measuring->once_more) {
        if (!trouble)
            measuring->again = read_batch(measuring, measuring->tried[measuring->batches - 1].rows, flight, answers);
        sum_up(submission);
        return;
    }
    if (!trouble) {
        take_batch(measuring, (double)submission->document->pace.batch_rows_max, (double)submission->table->rows_estimated, flight,
                   answers);
    } else if (trouble->error_class == BF_CLASS_LOCK || measuring->yielding) {
        measuring->conflicts++;
    } else if (bf_error_passes(trouble->error_class)) { /* it took too long: that is enough of it */
        all_tried(submission);
        return;
    } else {
        bf_facts_set(&measuring->facts, BF_FACT_TRIAL_ERRORS, 1, trouble->message);
        all_tried(submission);
        return;
    }
    bf_key_set(&measuring->low, &measuring->high);
    if (measuring->batches + measuring->conflicts >= BF_TRIED_BATCHES || now(submission) - measuring->trying_since > TRY_TIME)
        all_tried(submission);
    else
        try_next(submission);
}

struct bf_step *bf_measuring_add(struct bf_submission *submission, enum bf_statement statement)
{
    return bf_flight_add(&submission->flight, statement, submission->target->database->dialect->common(statement));
}

void bf_measuring_add_keys(struct bf_submission *submission, struct bf_step *step, const struct bf_key *key)
{
    for (size_t i = 0; i < submission->table->key_count; i++)
        bf_step_text(step, key->text[i]);
}

const char *bf_measuring_keep(struct bf_measuring *measuring, char *sql)
{
    measuring->texts = bf_reallocate(measuring->texts, (measuring->text_count + 1) * sizeof *measuring->texts);
    return measuring->texts[measuring->text_count++] = sql;
}

static void add_leg(struct bf_submission *submission, enum bf_statement statement, char *sql, int split, size_t leg,
                    const struct bf_key *low, const struct bf_key *high)
{
    struct bf_step *step = bf_flight_add(&submission->flight, statement, bf_measuring_keep(submission->measuring, sql));
    step->split = split;
    step->leg = (int)leg;
    bf_measuring_add_keys(submission, step, low);
    bf_measuring_add_keys(submission, step, high);
}

/* As in a batch, every row is locked before one is written where an UPDATE cannot be told not to wait (P6): else a session that
 * waits for a row of the trial, and holds the next one, would be a deadlock's victim. */
void bf_measuring_add_change(struct bf_submission *submission, const struct bf_document *document, const struct bf_table *table, int split,
                       const struct bf_key *low, const struct bf_key *high)
{
    const struct bf_dialect *dialect = submission->target->database->dialect;
    struct bf_statements *statements = dialect->render("plan", document, table);
    size_t legs = bf_leg_count((size_t)split, table->key_count);
    for (size_t leg = 0; leg < legs; leg++)
        if (statements->lock[split][leg])
            add_leg(submission, BF_STATEMENT_LOCK, bf_copy_string(statements->lock[split][leg]), split, leg, low, high);
    for (size_t leg = 0; leg < legs; leg++)
        add_leg(submission, BF_STATEMENT_UPDATE, dialect->tried(document, table, (size_t)split, leg), split, leg, low, high);
    bf_statements_free(statements);
}

static void try_batch(struct bf_submission *submission)
{
    struct bf_measuring *measuring = submission->measuring;
    bf_flight_clear(&submission->flight);
    bf_measuring_add(submission, BF_STATEMENT_BEGIN);
    bf_step_number(bf_measuring_add(submission, BF_STATEMENT_MARK), BF_TRIED_LOCK_WAIT);
    bf_measuring_add_change(submission, submission->document, submission->table, measuring->split, &measuring->low, &measuring->high);
    bf_step_number(bf_measuring_add(submission, BF_STATEMENT_MARK), BF_TRIED_LOCK_WAIT);
    bf_measuring_add(submission, BF_STATEMENT_ROLLBACK)->new_group = true;
    if (!submission->target->database->dialect->read_beat) { /* else it is a row of a table that may not be there */
        bf_measuring_add(submission, BF_STATEMENT_BEAT)->new_group = true;
        struct bf_step *mark = bf_measuring_add(submission, BF_STATEMENT_MARK);
        mark->new_group = true;
        bf_step_number(mark, BF_TRIED_LOCK_WAIT);
    }
    bf_measuring_try(submission, tried);
}

/* The last one once more: what its rows cost less now, in time and in log, was the price of touching their pages for the first
 * time. */
static void all_tried(struct bf_submission *submission)
{
    struct bf_measuring *measuring = submission->measuring;
    if (measuring->batches == 0 || measuring->facts.of[BF_FACT_TRIAL_ERRORS].known) {
        sum_up(submission);
        return;
    }
    measuring->once_more = true;
    bf_key_set(&measuring->low, &measuring->last_low);
    bf_key_set(&measuring->high, &measuring->last_high);
    measuring->split = measuring->last_split;
    try_batch(submission);
}

/* Seconds that the server took to find the end of the batch, as it says itself, or by our own clock. */
static double boundary_time(const struct bf_submission *submission, const struct bf_answer *answer)
{
    double waited = (double)(now(submission) - submission->measuring->asked_at) / 1000;
    return bf_answer_real(answer, 0, submission->table->key_count + 4, waited);
}

static void bounded(struct bf_submission *submission, const struct bf_flight *flight, const struct bf_answer *answers)
{
    (void)flight;
    struct bf_measuring *measuring = submission->measuring;
    size_t keys = submission->table->key_count;
    if (answers[0].outcome != BF_OUTCOME_OK) {
        bf_facts_set(&measuring->facts, BF_FACT_TRIAL_ERRORS, 1, answers[0].message);
        all_tried(submission);
    } else if (answers[0].rows == 0) { /* it has fewer rows */
        measuring->rows /= SHRINK;
        if (measuring->rows < ROWS_LEAST)
            all_tried(submission);
        else
            try_next(submission);
    } else {
        measuring->boundary_time = boundary_time(submission, &answers[0]);
        bf_key_clear(&measuring->high);
        for (size_t i = 0; i < keys; i++)
            measuring->high.text[i] = bf_copy_string(bf_answer_value(&answers[0], 0, i));
        measuring->split = (int)bf_answer_number(&answers[0], 0, keys);
        if (bf_answer_true(&answers[0], 0, keys + 1)) /* beyond the range */
            all_tried(submission);
        else
            try_batch(submission);
    }
}

static void try_next(struct bf_submission *submission)
{
    struct bf_measuring *measuring = submission->measuring;
    const struct bf_document *document = submission->document;
    struct bf_key through = {0};
    int shape = bf_key_known(&measuring->low) ? 1 : 0;
    for (size_t i = 0; i < document->through_count; i++)
        through.text[i] = document->through[i];
    bf_flight_clear(&submission->flight);
    struct bf_step *step = bf_flight_add(&submission->flight, BF_STATEMENT_BOUNDARY, measuring->statements->boundary[shape]);
    step->split = shape;
    bf_measuring_add_keys(submission, step, &measuring->low);
    bf_measuring_add_keys(submission, step, &through);
    bf_step_number(step, measuring->rows - 1);
    measuring->asked_at = now(submission);
    bf_measuring_execute(submission, bounded);
}

/* ---- how much others write ---- */

static void counted_again(struct bf_submission *submission, const struct bf_flight *flight, const struct bf_answer *answers)
{
    (void)flight;
    struct bf_measuring *measuring = submission->measuring;
    int64_t passed = now(submission) - measuring->writes_at;
    double seconds = (double)(passed > 0 ? passed : 1) / 1000;
    double written = bf_answer_real(&answers[0], 0, 0, -1) - measuring->writes;
    if (measuring->writes < 0 || written < 0)
        bf_facts_unknown(&measuring->facts, BF_FACT_WRITE_RATE,
                         answers[0].outcome == BF_OUTCOME_OK ? bf_answer_value(&answers[0], 0, 1) : answers[0].message);
    else
        bf_facts_set(&measuring->facts, BF_FACT_WRITE_RATE, written / seconds, bf_answer_value(&answers[0], 0, 1));
    if (submission->aim == BF_AIM_CONFIRM) { /* what was tried before counts: nothing is changed a second time */
        bf_submission_measured(submission);
        return;
    }
    measuring->trying_since = now(submission);
    try_next(submission);
}

static void add_writes(struct bf_submission *submission)
{
    struct bf_step *step = bf_measuring_add(submission, BF_STATEMENT_WRITES);
    step->new_group = true;
    bf_step_text(step, submission->document->table);
}

static void window_over(void *argument)
{
    struct bf_submission *submission = argument;
    bf_flight_clear(&submission->flight);
    add_writes(submission);
    bf_measuring_execute(submission, counted_again);
}

static void measured(struct bf_submission *submission, const struct bf_flight *flight, const struct bf_answer *answers)
{
    struct bf_measuring *measuring = submission->measuring;
    measuring->writes = answers[0].outcome == BF_OUTCOME_OK ? bf_answer_real(&answers[0], 0, 0, -1) : -1;
    submission->target->database->dialect->read_measure(submission->document, answers + 1, flight->count - 1, &measuring->facts);
    bf_submission_enter(submission, BF_SUBMISSION_TRYING);
    submission->engine->world->timer_start(measuring->window, submission->target->plan_window);
}

/* What was found out on the way here. */
static void take_known(struct bf_submission *submission)
{
    const char *why;
    struct bf_facts *facts = &submission->measuring->facts;
    const struct bf_table *table = submission->table;
    if (table->rows_estimated >= 0)
        bf_facts_set(facts, BF_FACT_ROWS, (double)table->rows_estimated, NULL);
    if (table->bytes >= 0)
        bf_facts_set(facts, BF_FACT_TABLE_BYTES, (double)table->bytes, NULL);
    if (submission->aim != BF_AIM_CONFIRM && !bf_count_is_cheap(table, &why))
        bf_facts_unknown(facts, BF_FACT_MATCHING_EXACT, why);
    bf_submission_replica_facts(submission, facts);
}

/* What is not measured once more is what was tried and counted. All else has to be known anew: what was known for the plan
 * and is not now must not look as if it were. */
static void keep_trial(struct bf_submission *submission)
{
    static const enum bf_fact_name tried[] = {BF_FACT_MATCHING_EXACT, BF_FACT_TRIAL_BATCHES, BF_FACT_TRIAL_ROWS, BF_FACT_TRIAL_CHANGED,
                                              BF_FACT_TRIAL_SECONDS, BF_FACT_TRIAL_BATCH_TIME, BF_FACT_TRIAL_ROW_TIME, BF_FACT_TRIAL_WARM_TIME,
                                              BF_FACT_TRIAL_WARM_LOG, BF_FACT_TRIAL_LOG,
                                              BF_FACT_TRIAL_ROW_LOG, BF_FACT_TRIAL_CONFLICTS, BF_FACT_TRIAL_ERRORS, BF_FACT_PROVEN,
                                              BF_FACT_JOURNAL_ROW};
    struct bf_facts planned = {0}, *facts = &submission->measuring->facts;
    bf_plan_read_facts(submission->job->record.plan, &planned);
    for (size_t i = 0; i < BF_COUNT(tried); i++) {
        const struct bf_fact *fact = &planned.of[tried[i]];
        if (fact->known)
            bf_facts_set(facts, tried[i], fact->value, fact->detail);
        else
            bf_facts_unknown(facts, tried[i], fact->detail);
    }
    bf_facts_clear(&planned);
}

void bf_submission_replicas_asked(struct bf_submission *submission)
{
    const struct bf_engine *engine = submission->engine;
    const struct bf_dialect *dialect = submission->target->database->dialect;
    const struct bf_document *document = submission->document;
    struct bf_measuring *measuring = submission->measuring = BF_NEW(struct bf_measuring);
    measuring->statements = dialect->render("plan", document, submission->table);
    measuring->window = engine->world->timer_new(engine->world->context, window_over, submission);
    int64_t most = submission->table->rows_estimated / (PART * (1 + GROWTH + GROWTH * GROWTH));
    measuring->rows = document->pace.batch_rows_start;
    if (submission->table->rows_estimated >= 0 && most < measuring->rows)
        measuring->rows = most > ROWS_LEAST ? most : ROWS_LEAST;
    for (size_t i = 0; i < document->after_count; i++)
        measuring->low.text[i] = bf_copy_string(document->after[i]);
    if (submission->aim == BF_AIM_CONFIRM)
        keep_trial(submission);
    take_known(submission);
    bf_flight_clear(&submission->flight);
    add_writes(submission);
    dialect->measure(document, submission->table, &submission->flight, &measuring->texts, &measuring->text_count);
    measuring->writes_at = now(submission);
    bf_measuring_execute(submission, measured);
}

void bf_submission_measure(struct bf_submission *submission)
{
    submission->engine->world->timer_start(submission->deadline, MEASURE_TIMEOUT);
    bf_submission_enter(submission, BF_SUBMISSION_MEASURING);
    if (!bf_submission_ask_replicas(submission))
        bf_submission_replicas_asked(submission);
}
