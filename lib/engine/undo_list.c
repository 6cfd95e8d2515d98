/* What stands in a list on the target, page by page: the changes that a way back left alone, and the rows in quarantine. */
#include "undo_errand.h"

#include <stdlib.h>

#include "allocate.h"

static void listed(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers, bool lost)
{
    (void)session, (void)flight;
    struct bf_undo_errand *errand = argument;
    bool bad = errand->what == BF_UNDO_LIST_BAD;
    if (!bf_undo_fine(errand, answers, lost, bad ? "list the rows in quarantine" : "list the conflicts"))
        return;
    const struct bf_answer *found = &answers[0];
    size_t count = found->rows > (size_t)errand->limit ? (size_t)errand->limit : found->rows, key = bad ? 2 : 4;
    struct bf_conflict *list = bf_allocate((count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = (struct bf_conflict){.place = {.slice = bf_answer_number(found, i, 0),
                                                 .seq = bf_answer_number(found, i, 1),
                                                 .part = bad ? 0 : bf_answer_number(found, i, 2),
                                                 .place = bad ? 0 : bf_answer_number(found, i, 3)},
                                       .key = bf_answer_value(found, i, key),
                                       .kind = bad ? NULL : bf_answer_value(found, i, key + 1),
                                       .error = bad ? bf_answer_value(found, i, key + 1) : NULL,
                                       .sqlstate = bad ? bf_answer_value(found, i, key + 2) : NULL,
                                       .found_at = bf_answer_value(found, i, found->columns - 1)};
    errand->answered(errand->argument, &(struct bf_undo_answer){
                                           .code = BF_OK, .text = "", .list = list, .count = count, .more = found->rows > count});
    free(list);
    bf_undo_free_errand(errand);
}

void bf_undo_list(struct bf_undo_errand *errand)
{
    const struct bf_dialect *dialect = errand->target->database->dialect;
    enum bf_statement statement = errand->what == BF_UNDO_LIST_BAD ? BF_STATEMENT_BAD_ROWS : BF_STATEMENT_CONFLICTS;
    struct bf_step *step = bf_flight_add(&errand->flight, statement, dialect->common(statement));
    bf_step_text(step, errand->id);
    bf_step_number(step, errand->after.slice);
    bf_step_number(step, errand->after.seq);
    if (errand->what == BF_UNDO_LIST) {
        bf_step_number(step, errand->after.part);
        bf_step_number(step, errand->after.place);
    }
    bf_step_number(step, errand->limit + 1);
    errand->target->database->execute(errand->session, &errand->flight, listed, errand);
}

/* `none`: the list is empty, as far as is known here. */
static void send_list(struct bf_engine *engine, const struct bf_job *job, enum bf_undo_errand_kind what, bool none,
                      const struct bf_conflict_place *after, int64_t limit, bf_undo_answered *answered, void *argument)
{
    if (!job || none || !job->target || engine->draining) {
        enum bf_code code = !job ? BF_NOT_FOUND : none ? BF_OK : engine->draining ? BF_STOPPING : BF_TARGET_DOWN;
        bf_undo_refuse(code, code == BF_TARGET_DOWN ? "the job's target is not in the configuration any more" : "", answered, argument);
        return;
    }
    struct bf_undo_errand *errand = bf_undo_new_errand(job, what);
    errand->after = after ? *after : (struct bf_conflict_place){.slice = INT32_MIN};
    errand->limit = limit;
    errand->answered = answered;
    errand->argument = argument;
    bf_undo_send(errand);
}

void bf_engine_conflicts(struct bf_engine *engine, const char *job_id, const struct bf_conflict_place *after, int64_t limit,
                         bf_undo_answered *answered, void *argument)
{
    const struct bf_job *job = bf_engine_by_id(engine, job_id);
    bool none = job && job->record.direction != BF_DIRECTION_BACK; /* it never went back: nothing was left alone */
    send_list(engine, job, BF_UNDO_LIST, none, after, limit, answered, argument);
}

void bf_engine_bad_rows(struct bf_engine *engine, const char *job_id, const struct bf_conflict_place *after, int64_t limit,
                        bf_undo_answered *answered, void *argument)
{
    const struct bf_job *job = bf_engine_by_id(engine, job_id);
    send_list(engine, job, BF_UNDO_LIST_BAD, job && job->record.progress.rows_bad == 0, after, limit, answered, argument);
}
