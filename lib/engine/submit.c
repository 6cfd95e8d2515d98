/* Submissions: a document is checked here, then on the target (submit_check.c), and becomes a durable job when both agree;
 * who sent it hears of it when the job has its plan (planning.c). */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "measuring.h"
#include "submission.h"
#include "triggers.h"

const char *bf_engine_name_user(const struct bf_engine *engine, const char *name)
{
    for (const struct bf_job *job = engine->newest; job; job = job->older) {
        enum bf_state state = job->record.state;
        bool free_again = state == BF_STATE_COMPLETED || state == BF_STATE_REFUSED || state == BF_STATE_ABORTED ||
                          state == BF_STATE_ROLLED_BACK;
        if (!free_again && strcmp(job->record.document->name, name) == 0)
            return job->record.id;
    }
    for (const struct bf_submission *other = engine->submissions; other; other = other->next)
        if (other->aim == BF_AIM_JOB && !other->job && strcmp(other->document->name, name) == 0)
            return "a submission that is being checked";
    return NULL;
}

struct bf_submission *bf_submission_new(struct bf_engine *engine, enum bf_aim aim, struct bf_document *document,
                                        const struct bf_target *target)
{
    struct bf_submission *submission = BF_NEW(struct bf_submission);
    *submission = (struct bf_submission){.engine = engine, .aim = aim, .document = document, .target = target};
    submission->next = engine->submissions;
    if (engine->submissions)
        engine->submissions->previous = submission;
    engine->submissions = submission;
    return submission;
}

static void free_texts(char **texts[], size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        free((*texts)[i]);
    free(*texts);
    *texts = NULL;
    *count = 0;
}

void bf_submission_forget(struct bf_submission *submission)
{
    if (submission->session) {
        if (bf_measuring_holds(submission)) /* else the server runs it to its end, whoever waits */
            bf_measuring_yield(submission);
        submission->target->database->close(submission->session);
        submission->session = NULL;
        bf_watcher_left(submission->engine, submission->target);
    }
    bf_measuring_free(submission->engine, submission->measuring);
    submission->measuring = NULL;
    bf_flight_clear(&submission->flight);
    free_texts(&submission->texts, &submission->text_count);
    free_texts(&submission->inverse_texts, &submission->inverse_text_count);
    submission->inverse_checks = 0;
    bf_table_free(submission->table);
    bf_table_free(submission->inverse_table);
    submission->table = submission->inverse_table = NULL;
    free(submission->server_version);
    submission->server_version = NULL;
    bf_asking_free(submission);
    bf_submission_forget_replicas(submission);
    free(submission->trial);
    submission->trial = NULL;
}

void bf_submission_free(struct bf_submission *submission)
{
    struct bf_engine *engine = submission->engine;
    if (submission->previous)
        submission->previous->next = submission->next;
    else
        engine->submissions = submission->next;
    if (submission->next)
        submission->next->previous = submission->previous;
    if (submission->stored)
        submission->stored->submission = NULL;
    if (submission->job && submission->job->planner == submission)
        submission->job->planner = NULL;
    bf_submission_forget(submission);
    engine->world->timer_free(submission->deadline);
    if (!submission->document_lent)
        bf_document_free(submission->document);
    free(submission->actor);
    free(submission->key);
    free(submission->canonical);
    free(submission);
}

void bf_submission_tell(struct bf_submission *submission, const struct bf_outcome_of_order *outcome)
{
    bf_ordered *done = submission->done;
    struct bf_follower *follower = submission->followers;
    submission->done = NULL;
    submission->followers = NULL;
    if (done)
        done(submission->argument, outcome);
    while (follower) {
        struct bf_follower *next = follower->next;
        follower->done(follower->argument, outcome);
        free(follower);
        follower = next;
    }
}

void bf_submission_refuse(struct bf_submission *submission, enum bf_code code, const struct bf_complaints *complaints,
                          const char *text)
{
    struct bf_outcome_of_order outcome = {.code = code, .durable = true, .complaints = complaints, .text = text};
    if (submission->job) {
        bf_planning_failed(submission, code, complaints, text);
        return;
    }
    bf_submission_tell(submission, &outcome);
    bf_submission_free(submission);
}

void bf_submissions_drop(struct bf_engine *engine, bool everything)
{
    for (struct bf_submission *submission = engine->submissions, *next; submission; submission = next) {
        next = submission->next;
        if ((submission->stored || submission->phase == BF_SUBMISSION_DECIDED) && !everything)
            continue;
        if (submission->job)
            bf_planning_drop(submission);
        else
            bf_submission_refuse(submission, BF_STOPPING, NULL, "the daemon is stopping; submit again when it is back");
    }
}

void bf_submissions_leave(struct bf_engine *engine)
{
    for (struct bf_submission *submission = engine->submissions, *next; submission; submission = next) {
        next = submission->next;
        if (!submission->target || submission->target == bf_engine_target_by_name(engine, submission->target->name))
            continue;
        if (submission->phase == BF_SUBMISSION_STORING || submission->phase == BF_SUBMISSION_DECIDED) {
            bf_submission_forget(submission);
            submission->target = NULL;
        } else if (submission->job) {
            bf_planning_drop(submission);
        } else {
            bf_submission_refuse(submission, BF_TARGET_DOWN, NULL,
                                 "the target's configuration changed while the document was checked; submit it again");
        }
    }
}

/* ---- from document to job ---- */

static void job_stored(void *argument, const struct bf_error *error)
{
    struct bf_stored_job *stored = argument;
    struct bf_submission *submission = stored->submission;
    if (submission)
        bf_engine_store_said(submission->engine, error);
    if (!submission || error->code != BF_OK) {
        /* without a submission the engine was dropped meanwhile; the job is there at the next start */
        bf_record_clear(&stored->record);
        free(stored);
        if (submission) {
            submission->stored = NULL;
            submission->document = NULL;
            bf_submission_refuse(submission, BF_STORE_FAILED, NULL, error->text);
        }
        return;
    }
    struct bf_engine *engine = submission->engine;
    struct bf_job *job = submission->job = bf_engine_add(engine, &stored->record);
    submission->stored = NULL;
    free(stored);
    job->planner = submission;
    if (engine->draining || !submission->target) { /* planned when the daemon, or the target, is there again */
        engine->schedule = true;
        bf_engine_wake(engine);
        bf_planning_drop(submission);
        return;
    }
    bf_submission_measure(submission);
}

static void store(struct bf_submission *submission)
{
    const struct bf_engine *engine = submission->engine;
    struct bf_stored_job *stored = BF_NEW(struct bf_stored_job);
    stored->submission = submission;
    submission->stored = stored;
    bf_submission_record(submission, &stored->record);
    struct bf_event event = {.at = stored->record.created_at};
    memcpy(event.job, stored->record.id, sizeof event.job);
    snprintf(event.type, sizeof event.type, "state");
    snprintf(event.actor, sizeof event.actor, "%.*s", (int)sizeof event.actor - 1, submission->actor);
    snprintf(event.to, sizeof event.to, "planning");
    snprintf(event.text, sizeof event.text, "submitted for table %s on target %s", submission->table->display,
             submission->target->name);
    engine->world->timer_stop(submission->deadline);
    submission->phase = BF_SUBMISSION_STORING;
    engine->store->save(engine->store->context, &stored->record, &event, 1, job_stored, stored);
}

void bf_submission_agreed(struct bf_submission *submission)
{
    if (submission->job || submission->aim == BF_AIM_DRY_RUN)
        bf_submission_measure(submission);
    else
        store(submission);
}

static void begin(struct bf_engine *engine, struct bf_document *document, const struct bf_target *target,
                  const char *actor, const char *key, bool dry_run, bf_ordered *done, void *argument)
{
    struct bf_submission *submission = bf_submission_new(engine, dry_run ? BF_AIM_DRY_RUN : BF_AIM_JOB, document, target);
    submission->actor = bf_copy_string(actor);
    submission->key = bf_copy_string(key);
    submission->canonical = key ? bf_copy_string(document->canonical) : NULL;
    submission->done = done;
    submission->argument = argument;
    bf_submission_ask(submission);
}

/* What the document's target says of it, also where something else is wrong: all complaints come at once. NULL: no target. */
static const struct bf_target *check_with_target(struct bf_engine *engine, const struct bf_document *document,
                                                 struct bf_complaints *complaints)
{
    const struct bf_target *target = document->target ? bf_engine_target_by_name(engine, document->target) : NULL;
    if (document->target && !target)
        bf_complain(complaints, BF_INVALID, "/target", "there is no target %s in the daemon's configuration", document->target);
    if (!target)
        return NULL;
    bool signals = !bf_complaints_under(complaints, "/signals"); /* a trigger may name one of them */
    bf_submission_check_texts(target, document, complaints);
    bf_target_check_ceilings(target, document, complaints);
    bf_target_check_pace(engine, target, document, complaints);
    if (signals)
        bf_target_check_triggers(engine, target, document, complaints); /* not where pace changes: a source may be gone by then */
    return target;
}

static void submit(struct bf_engine *engine, const char *json, size_t length, const char *target_override,
                   const char *actor, const char *key, bool dry_run, bf_ordered *done, void *argument)
{
    struct bf_complaints complaints = {0};
    struct bf_error error = {0};
    struct bf_document *document = NULL;
    const struct bf_target *target = NULL;
    if (engine->draining) {
        done(argument, &(struct bf_outcome_of_order){.code = BF_STOPPING, .durable = true,
                                                     .text = "the daemon is stopping; submit again when it is back"});
        return;
    }
    enum bf_code code = bf_document_parse_far(json, length, target_override, bf_engine_rules_of, engine, &document,
                                              &complaints, &error);
    if (code == BF_OK && key && bf_key_used(engine, key, actor, document, done, argument)) {
        bf_document_free(document);
        return;
    }
    if (document) {
        target = check_with_target(engine, document, &complaints);
        code = bf_complaints_code(&complaints);
    }
    const char *user = code == BF_OK && !dry_run ? bf_engine_name_user(engine, document->name) : NULL;
    if (user)
        code = bf_fail(&error, BF_NAME_IN_USE, "the name %s is in use by %s until that job is over", document->name, user);
    if (code != BF_OK) {
        struct bf_outcome_of_order outcome = {.code = code, .durable = true, .complaints = complaints.count ? &complaints : NULL,
                                              .text = complaints.count ? "the document is not valid" : error.text,
                                              .job = user ? bf_engine_by_id(engine, user) : NULL};
        done(argument, &outcome);
        bf_complaints_clear(&complaints);
        bf_document_free(document);
        return;
    }
    begin(engine, document, target, actor, key, dry_run, done, argument);
}

void bf_engine_submit(struct bf_engine *engine, const char *json, size_t length, const char *target_override,
                      const char *actor, bool dry_run, bf_ordered *done, void *argument)
{
    submit(engine, json, length, target_override, actor, NULL, dry_run, done, argument);
}

void bf_engine_submit_once(struct bf_engine *engine, const char *json, size_t length, const char *actor, const char *key,
                           bf_ordered *done, void *argument)
{
    submit(engine, json, length, NULL, actor, key, false, done, argument);
}
