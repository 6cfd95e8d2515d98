/* Changing pace and limits of a job that is there already. What was changed takes effect at once in what people see, and
 * in the walk before its next batch; it is stored second, because slowing down has to work when the store does not. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "bounds.h"
#include "internal.h"
#include "persons.h"

/* The sleep behind the last batch, as long as it now would be. */
static void sleep_anew(struct bf_walk *walk)
{
    if (walk->phase == BF_PHASE_SLEEPING)
        walk->sleep_until = walk->batch_ended + bf_walk_sleep(walk);
}

/* Past what was approved. Before the start it is planned anew, and asks. A job that has begun is never asked for again: there
 * only who may approve gets here, so that the change is an approver's word; it is recorded as that. */
static void past_approval(struct bf_job *job, const char *actor, const char *passed)
{
    struct bf_record *record = &job->record;
    BF_AUTO_STRING char *why = bf_bounds_sentence(passed, record->approver);
    if (record->started_at == 0) {
        if (record->state == BF_STATE_QUEUED)
            bf_planning_anew(job, actor, why);
        job->measured_at = 0; /* looked at when its turn comes */
        return;
    }
    free(record->approved_bounds);
    record->approved_bounds = bf_bounds_make(record->document);
    free(record->approver);
    record->approver = bf_copy_string(actor);
    bf_job_record_event(job, "tune", actor, why, NULL);
}

static void take(struct bf_job *job, struct bf_request *request, struct bf_document *changed, const char *difference)
{
    struct bf_record *record = &job->record;
    BF_AUTO_STRING char *actor = bf_copy_string(request->actor);
    bf_document_take(record->document, changed);
    record->version++;
    record->updated_at = job->engine->world->unix_time(job->engine->world->context);
    for (size_t i = 0; i < bf_job_walks(job); i++)
        bf_job_walk(job, i)->changed = true;
    if (bf_walk_over(job))
        record->progress.batch_rows = record->progress.batches > 0 ? record->progress.batch_rows
                                                                    : record->document->pace.batch_rows_start;
    else
        for (size_t i = 0; i < bf_job_walks(job); i++)
            sleep_anew(bf_job_walk(job, i));
    bf_job_record_event(job, "tune", actor, difference, request);
    BF_AUTO_STRING char *passed = record->approver ? bf_bounds_passed(record->approved_bounds, record->document) : NULL;
    if (passed)
        past_approval(job, actor, passed);
    bf_engine_mark(job);
}

/* May that actor change a job that has begun so? True when it is refused. */
static bool is_past_the_actor(struct bf_job *job, const struct bf_request *request, const struct bf_document *changed,
                              struct bf_error *error)
{
    const struct bf_record *record = &job->record;
    char text[320];
    if (record->started_at == 0 || !record->approver)
        return false;
    BF_AUTO_STRING char *passed = bf_bounds_passed(record->approved_bounds, changed);
    if (!passed)
        return false;
    BF_AUTO_STRING char *what = bf_bounds_sentence(passed, record->approver);
    if (!request->approver)
        bf_fail(error, BF_FORBIDDEN, "%s, which needs the role approver", what);
    else if (bf_job_takes_another(job, request->actor, "change it so", text, sizeof text))
        bf_fail(error, BF_TWO_PERSON, "%s, and %s", what, text);
    return error->code != BF_OK;
}

static void refuse(struct bf_job *job, struct bf_request *request, enum bf_code code, struct bf_complaints *complaints,
                   const char *text)
{
    struct bf_outcome_of_order outcome = {.code = code,
                                          .durable = !job->unsaved,
                                          .job = job,
                                          .complaints = complaints->count ? complaints : NULL,
                                          .text = complaints->count ? "the change is not valid" : text};
    bf_request_answer(request, &outcome);
    bf_complaints_clear(complaints);
}

/* The range was cut when the job began, and stays so. */
static void check_slices(const struct bf_job *job, const struct bf_document *changed, struct bf_complaints *complaints)
{
    int64_t slices = (int64_t)bf_job_walks(job), wanted = changed->pace.slices;
    if (job->record.started && wanted > slices && wanted > job->record.document->pace.slices)
        bf_complain(complaints, BF_INVALID, "/pace/slices", "the job began with %lld slice%s: no more than that can run at once",
                    (long long)slices, slices == 1 ? "" : "s");
}

void bf_job_tune(struct bf_job *job, struct bf_request *request)
{
    char etag[BF_ETAG_TEXT];
    struct bf_complaints complaints = {0};
    struct bf_error error = {0};
    struct bf_document *changed = NULL;
    if (request->if_match && !bf_etag_matches(request->if_match, bf_record_etag(&job->record, etag))) {
        bf_fail(&error, BF_PRECONDITION_FAILED, "job %s was changed meanwhile: its ETag is %s", job->record.document->name,
                etag);
        refuse(job, request, BF_PRECONDITION_FAILED, &complaints, error.text);
        return;
    }
    enum bf_code code = bf_document_merge(job->record.document, request->change, strlen(request->change),
                                          bf_engine_rules_of, job->engine, &changed, &complaints, &error);
    if (code == BF_OK && job->target) {
        bf_target_check_ceilings(job->target, changed, &complaints);
        bf_target_check_pace(job->engine, job->target, changed, &complaints);
    }
    if (code == BF_OK) {
        check_slices(job, changed, &complaints);
        code = bf_complaints_code(&complaints);
    }
    if (code != BF_OK) {
        bf_document_free(changed);
        refuse(job, request, code, &complaints, error.text);
        return;
    }
    BF_AUTO_STRING char *difference = bf_document_difference(job->record.document, changed);
    if (!difference) {
        bf_document_free(changed);
        bf_job_answer(job, request, BF_OK, true, "");
        return;
    }
    if (is_past_the_actor(job, request, changed, &error)) {
        bf_document_free(changed);
        bf_job_answer(job, request, error.code, false, error.text);
        return;
    }
    take(job, request, changed, difference);
}

/* What was learnt of the rows stays; the bounds, the aim and the session's timeouts are the new ones. */
bool bf_walk_take_changes(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    const struct bf_document *document = job->record.document;
    struct bf_pace pace = bf_walk_pace(job);
    walk->changed = walk->record_told = false;
    job->record.progress.batch_rows = bf_size_change(&walk->size, pace.batch_time, pace.batch_rows_start,
                                                     pace.batch_rows_min, pace.batch_rows_max);
    walk->have_next = false; /* it was measured out for the old size */
    if (walk->lock_timeout == document->limits.lock_timeout && walk->statement_timeout == document->limits.statement_timeout)
        return false;
    bf_walk_close_session(walk);
    walk->phase = BF_PHASE_OFF;
    return true;
}

void bf_engine_tune(struct bf_engine *engine, const char *job_id, const char *change, size_t length, const char *if_match,
                    const char *actor, bool approver, bf_ordered *done, void *argument)
{
    bf_engine_enqueue(engine, job_id,
                      (struct bf_request){.order = BF_ORDER_TUNE,
                                          .actor = bf_copy_string(actor),
                                          .approver = approver,
                                          .change = bf_copy_bytes(change, length),
                                          .if_match = bf_copy_string(if_match),
                                          .done = done,
                                          .argument = argument});
}
