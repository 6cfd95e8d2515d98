/* Does a change come back? The plan shows it on the first of the tried batches that changes something, and takes that back:
 * what the rows hold is kept in a temporary table, they are changed, taken back as a rollback does it, and compared. */
#include <string.h>

#include "allocate.h"
#include "measuring.h"

enum { PROOFS_MAX = 3 }; /* somebody may have to be given way to */

static void set_not_proven(struct bf_submission *submission, const struct bf_answer *compare)
{
    struct bf_measuring *measuring = submission->measuring;
    const char *columns = bf_answer_value(compare, 0, 1);
    const char *why = submission->document->inverse ? "the inverse does not put the old values" : "a trigger changes what is written back";
    BF_AUTO_STRING char *text = bf_format("%lld of %lld, %s%s%.300s", (long long)bf_answer_number(compare, 0, 0),
                                          (long long)measuring->proof.rows, why, columns && *columns ? " into " : "",
                                          columns ? columns : "");
    bf_facts_set(&measuring->facts, BF_FACT_PROVEN, 0, text);
}

static void send_proof(struct bf_submission *submission);

static void proven(struct bf_submission *submission, const struct bf_flight *flight, const struct bf_answer *answers)
{
    struct bf_measuring *measuring = submission->measuring;
    struct bf_facts *facts = &measuring->facts;
    const struct bf_answer *trouble = NULL, *compare = &answers[flight->count - 2]; /* before ROLLBACK */
    size_t legs = bf_leg_count((size_t)measuring->proof_split, submission->table->key_count);
    size_t back = flight->count - 2 - (submission->document->inverse ? legs : 1); /* the first statement of the way back */
    bool restoring = false; /* what came before says nothing of it */
    for (size_t i = 0; i + 1 < flight->count && !trouble; i++) {
        restoring = i >= back;
        if (answers[i].outcome == BF_OUTCOME_ERROR)
            trouble = &answers[i];
    }
    if (trouble && measuring->yielding && ++measuring->proofs < PROOFS_MAX) {
        send_proof(submission);
        return;
    }
    double journal_row = submission->document->inverse ? -1 : bf_answer_real(&answers[back], 0, 0, -1);
    if (journal_row > 0)
        bf_facts_set(facts, BF_FACT_JOURNAL_ROW, journal_row, NULL);
    if (trouble && (!restoring || bf_error_passes(trouble->error_class)))
        bf_facts_unknown(facts, BF_FACT_PROVEN, trouble->message);
    else if (trouble)
        bf_facts_set(facts, BF_FACT_PROVEN, 0, trouble->message);
    else if (bf_answer_number(compare, 0, 0) > 0)
        set_not_proven(submission, compare);
    else
        bf_facts_set(facts, BF_FACT_PROVEN, 1, NULL);
    bf_submission_measured(submission);
}

static void add_proof(struct bf_submission *submission, enum bf_proof part)
{
    struct bf_measuring *measuring = submission->measuring;
    const struct bf_dialect *dialect = submission->target->database->dialect;
    size_t split = (size_t)measuring->proof_split, legs = bf_leg_count(split, submission->table->key_count);
    for (size_t leg = 0; leg < (part == BF_PROOF_KEEP ? legs : 1); leg++) {
        char *sql = dialect->prove(measuring->kept_document, measuring->kept_table, part, split, leg);
        struct bf_step *step = bf_flight_add(&submission->flight, BF_STATEMENT_PROVE, bf_measuring_keep(measuring, sql));
        if (part != BF_PROOF_KEEP)
            continue;
        bf_measuring_add_keys(submission, step, &measuring->proof_low);
        bf_measuring_add_keys(submission, step, &measuring->proof_high);
    }
}

static bool is_among(const struct bf_column *columns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(columns[i].name, name) == 0)
            return true;
    return false;
}

/* Every column that the inverse writes besides those of the job; and those that the server itself writes, for an inverse does
 * not put them back. False: they are more than can be looked at. */
static bool keep_columns(struct bf_document *kept, struct bf_table *table, const struct bf_document *inverse,
                         const struct bf_table *inverse_table)
{
    table->set_count += table->stamp_count;
    table->stamp_count = 0;
    for (size_t i = 0; i < inverse->set_count; i++) {
        bool there = false;
        for (size_t k = 0; k < kept->set_count; k++)
            there |= strcmp(kept->set[k].name, inverse->set[i].name) == 0;
        if (there)
            continue;
        if (kept->set_count == BF_SET_COLUMNS_MAX)
            return false;
        kept->set[kept->set_count++] = inverse->set[i];
        if (!is_among(table->set, table->set_count, inverse->set[i].name))
            table->set[table->set_count++] = inverse_table->set[i];
    }
    return true;
}

/* What is kept of the tried rows, to be compared behind the way back: what the job changes. An inverse may touch rows and
 * columns that the job does not, so of its way back it is all rows of the range, and the columns of both. */
static bool choose_kept(struct bf_submission *submission)
{
    struct bf_measuring *measuring = submission->measuring;
    const struct bf_document *document = submission->document;
    const struct bf_table *table = submission->table;
    measuring->kept_document = BF_NEW(struct bf_document);
    measuring->kept_table = BF_NEW(struct bf_table);
    *measuring->kept_document = *document;
    *measuring->kept_table = *table;
    size_t count = table->set_count + table->stamp_count;
    measuring->kept_table->set = bf_allocate((count + BF_SET_COLUMNS_MAX) * sizeof *table->set);
    memcpy(measuring->kept_table->set, table->set, count * sizeof *table->set);
    if (!document->inverse)
        return true;
    measuring->kept_document->where = measuring->kept_document->remaining = NULL;
    return keep_columns(measuring->kept_document, measuring->kept_table, document->inverse, submission->inverse_table);
}

static void send_proof(struct bf_submission *submission)
{
    const struct bf_measuring *measuring = submission->measuring;
    const struct bf_document *document = submission->document;
    bf_flight_clear(&submission->flight);
    bf_measuring_add(submission, BF_STATEMENT_BEGIN);
    bf_step_number(bf_measuring_add(submission, BF_STATEMENT_MARK), BF_TRIED_LOCK_WAIT);
    add_proof(submission, BF_PROOF_TABLE);
    add_proof(submission, BF_PROOF_KEEP);
    bf_measuring_add_change(submission, document, submission->table, measuring->proof_split, &measuring->proof_low, &measuring->proof_high);
    if (document->inverse)
        bf_measuring_add_change(submission, document->inverse, submission->inverse_table, measuring->proof_split, &measuring->proof_low,
                   &measuring->proof_high);
    else
        add_proof(submission, BF_PROOF_RESTORE);
    add_proof(submission, BF_PROOF_COMPARE);
    bf_measuring_add(submission, BF_STATEMENT_ROLLBACK)->new_group = true;
    bf_measuring_try(submission, proven);
}

bool bf_measuring_prove(struct bf_submission *submission)
{
    struct bf_measuring *measuring = submission->measuring;
    if (submission->document->undo == BF_UNDO_NONE || !submission->target->database->dialect->prove)
        return false;
    const char *why = measuring->batches == 0          ? "no batch could be tried"
                      : measuring->proof.changed <= 0  ? "the rows that were tried are not to be changed"
                      : !choose_kept(submission)       ? "it changes too many columns"
                                                       : NULL;
    if (why)
        bf_facts_unknown(&measuring->facts, BF_FACT_PROVEN, why);
    else
        send_proof(submission);
    return !why;
}
