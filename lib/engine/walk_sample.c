#include "walk_sample.h"

#include "allocate.h"
#include "internal.h"

#define DOING "recompute a sample of the changed rows"

static size_t columns_of(const struct bf_walk *walk)
{
    return walk->job->record.document->set_count;
}

void bf_sample_forget(struct bf_walk *walk)
{
    struct bf_walk_sample *sample = &walk->sample;
    for (size_t i = 0; sample->columns && i < columns_of(walk); i++) {
        free(sample->columns[i].sql);
        free(sample->columns[i].untold);
    }
    free(sample->columns);
    bf_buffer_clear(&sample->wrong);
    *sample = (struct bf_walk_sample){.held = sample->held};
}

void bf_sample_verify(struct bf_walk *walk)
{
    const struct bf_document *document = walk->job->record.document;
    if (walk->sample.held || document->verify_sample == 0 || walk->job->record.progress.rows_changed == 0 ||
        !walk->job->target->database->dialect->recompute) {
        bf_walk_run_checks(walk, BF_CHECK_AFTER);
        return;
    }
    bf_flight_clear(&walk->flight);
    bf_step_text(bf_walk_add(walk, BF_STATEMENT_RECOMPUTE_FACTS), document->table);
    bf_walk_send(walk, BF_PHASE_ASKING_FACTS);
}

/* It says nothing of the rows: a session that is lost, a stop. True: it has decided what comes next. */
static bool passes(struct bf_walk *walk, const struct bf_answer *answer)
{
    bool late = answer->error_class == BF_CLASS_CANCELLED && !walk->stopping; /* a statement timeout: it takes too long here */
    if (!walk->lost && (answer->outcome == BF_OUTCOME_OK || !bf_error_passes(answer->error_class) || late))
        return false;
    bf_sample_forget(walk);
    bf_walk_fine(walk, DOING);
    return true;
}

static const char *said(const struct bf_answer *answer)
{
    return answer->message ? answer->message : "no word from the server";
}

static void untold(struct bf_walk *walk, size_t column, const char *why)
{
    bf_job_note(walk->job, "verify", "column %.80s cannot be recomputed: its expression %.300s",
                walk->job->record.document->set[column].name, why);
}

/* All columns are through. */
static void conclude(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    struct bf_walk_sample *sample = &walk->sample;
    long long rows = sample->looked_at - sample->since;
    BF_AUTO_STRING char *wrong = bf_buffer_take(&sample->wrong);
    if (sample->told && !*wrong)
        bf_job_note(job, "verify", "%lld changed rows were recomputed from their old values%s%s", rows,
                    sample->doubted ? "" : " and hold what `set` gives",
                    sample->since ? "; those that others have changed since were left out" : "");
    sample->held = !*wrong;
    bf_sample_forget(walk);
    if (*wrong)
        bf_walk_end(walk, BF_STATE_FAILED, BF_SAMPLE_DIFFERS, "of %lld changed rows that were recomputed from their old values some do "
                    "not hold what `set` gives: %.600s. All of the change stays as it is; see what made the difference, or roll back",
                    rows, wrong);
    else
        bf_walk_run_checks(walk, BF_CHECK_AFTER);
}

/* Each column is a statement by itself: what the server has against one says nothing of the others. It may take a while for all
 * of them, so the owner shows that it lives. */
static void recompute_from(struct bf_walk *walk, size_t column)
{
    struct bf_walk_sample *sample = &walk->sample;
    while (column < columns_of(walk) && !sample->columns[column].sql)
        column++;
    if (column == columns_of(walk)) {
        conclude(walk);
        return;
    }
    sample->column = column;
    bf_flight_clear(&walk->flight);
    bf_step_number(bf_walk_add_for_slice(walk, BF_STATEMENT_TOUCH), walk->epoch);
    struct bf_step *step = bf_flight_add(&walk->flight, BF_STATEMENT_RECOMPUTE, sample->columns[column].sql);
    bf_step_number(step, walk->job->record.document->verify_sample);
    step->new_group = true;
    bf_walk_send(walk, BF_PHASE_RECOMPUTING);
}

void bf_sample_facts_known(struct bf_walk *walk)
{
    const struct bf_job *job = walk->job;
    const struct bf_answer *facts = &walk->answers[0];
    if (passes(walk, facts))
        return;
    bf_sample_forget(walk);
    walk->sample.columns = bf_allocate(columns_of(walk) * sizeof *walk->sample.columns);
    if (facts->outcome != BF_OUTCOME_OK)
        bf_job_note(walk->job, "verify", "no row was recomputed: %.300s", said(facts));
    for (size_t i = 0; i < columns_of(walk) && facts->outcome == BF_OUTCOME_OK; i++) {
        struct bf_recompute *one = &walk->sample.columns[i];
        job->target->database->dialect->recompute(job->record.id, job->record.document, walk->table, facts, i, one);
        if (!one->sql)
            untold(walk, i, one->untold);
    }
    recompute_from(walk, 0);
}

static void judge(struct bf_walk *walk, const struct bf_answer *answer)
{
    struct bf_walk_sample *sample = &walk->sample;
    const char *name = walk->job->record.document->set[sample->column].name, *doubt = sample->columns[sample->column].doubt;
    const char *keys = bf_answer_value(answer, 0, 3);
    int64_t looked_at = bf_answer_number(answer, 0, 0), since = bf_answer_number(answer, 0, 1), differ = bf_answer_number(answer, 0, 2);
    if (answer->outcome != BF_OUTCOME_OK) {
        BF_AUTO_STRING char *why = bf_format("was refused: %s", said(answer));
        untold(walk, sample->column, why);
        return;
    }
    sample->told = true;
    sample->doubted |= differ > 0 && doubt;
    sample->looked_at = looked_at > sample->looked_at ? looked_at : sample->looked_at;
    sample->since = since > sample->since ? since : sample->since;
    if (differ > 0 && doubt)
        bf_job_note(walk->job, "verify", "in column %.80s %lld of %lld rows do not hold what its expression gives, such as %.200s; that "
                    "says nothing: %s", name, (long long)differ, (long long)(looked_at - since), keys ? keys : "", doubt);
    else if (differ > 0)
        bf_buffer_format(&sample->wrong, "%s%lld in column %.80s, such as %.200s", sample->wrong.length ? "; " : "",
                         (long long)differ, name, keys ? keys : "");
}

void bf_sample_recomputed(struct bf_walk *walk)
{
    const struct bf_answer *touch = &walk->answers[0], *answer = &walk->answers[1];
    if (walk->lost || touch->outcome != BF_OUTCOME_OK) {
        bf_sample_forget(walk);
        bf_walk_fine(walk, DOING);
    } else if (touch->affected != 1) { /* not our epoch any more */
        bf_sample_forget(walk);
        bf_walk_send_ask(walk);
    } else if (!passes(walk, answer)) {
        walk->touched_at = bf_job_now(walk->job);
        judge(walk, answer);
        recompute_from(walk, walk->sample.column + 1);
    }
}
