/* Submissions: a document is checked here, then on the target (submit_check.c), and becomes a durable job only when both
 * agree. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "submission.h"

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
        if (!other->dry_run && strcmp(other->document->name, name) == 0)
            return "a submission that is being checked";
    return NULL;
}

static void free_submission(struct bf_submission *submission)
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
    if (submission->session)
        submission->target->database->close(submission->session);
    engine->world->timer_free(submission->deadline);
    bf_measuring_free(engine, submission->measuring);
    bf_flight_clear(&submission->flight);
    for (size_t i = 0; i < submission->text_count; i++)
        free(submission->texts[i]);
    free(submission->texts);
    bf_table_free(submission->table);
    bf_document_free(submission->document);
    free(submission->server_version);
    json_decref(submission->replicas);
    free(submission->trial);
    free(submission->actor);
    free(submission->key);
    free(submission->canonical);
    free(submission);
}

/* Ends the submission and answers everybody who waits for it. */
static void answer(struct bf_submission *submission, const struct bf_outcome_of_order *outcome)
{
    bf_ordered *done = submission->done;
    void *argument = submission->argument;
    struct bf_follower *follower = submission->followers;
    free_submission(submission);
    done(argument, outcome);
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
    answer(submission, &outcome);
}

void bf_submissions_drop(struct bf_engine *engine, bool everything)
{
    for (struct bf_submission *submission = engine->submissions, *next; submission; submission = next) {
        next = submission->next;
        if (!submission->stored || everything)
            bf_submission_refuse(submission, BF_STOPPING, NULL, "the daemon is stopping; submit again when it is back");
    }
}

void bf_submissions_leave(struct bf_engine *engine)
{
    for (struct bf_submission *submission = engine->submissions, *next; submission; submission = next) {
        next = submission->next;
        if (!submission->target || submission->target == bf_engine_target_by_name(engine, submission->target->name))
            continue;
        if (!submission->stored) {
            bf_submission_refuse(submission, BF_TARGET_DOWN, NULL,
                   "the target's configuration changed while the document was checked; submit it again");
            continue;
        }
        if (submission->session)
            submission->target->database->close(submission->session);
        submission->session = NULL;
        submission->target = NULL;
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
            bf_submission_refuse(submission, BF_STORE_FAILED, NULL, error->text);
        }
        return;
    }
    struct bf_engine *engine = submission->engine;
    struct bf_job *job = bf_engine_add(engine, &stored->record);
    submission->stored = NULL;
    free(stored);
    struct bf_event event;
    bf_job_event(job, &event, "state", submission->actor, bf_move_sentence(BF_STATE_PLANNING, job->record.state));
    snprintf(event.from, sizeof event.from, "planning");
    snprintf(event.to, sizeof event.to, "%s", bf_state_name(job->record.state));
    if (engine->options.event)
        engine->options.event(engine->options.argument, &job->record, &event);
    engine->schedule = true;
    bf_engine_wake(engine);
    struct bf_outcome_of_order outcome = {.code = BF_OK, .durable = true, .job = job, .text = ""};
    answer(submission, &outcome);
}

void bf_submission_accept(struct bf_submission *submission)
{
    struct bf_engine *engine = submission->engine;
    if (submission->dry_run) {
        struct bf_job passing = {.engine = engine, .target = submission->target};
        bf_submission_record(submission, &passing.record);
        struct bf_outcome_of_order outcome = {.code = BF_OK, .durable = true, .job = &passing, .text = ""};
        answer(submission, &outcome);
        bf_record_clear(&passing.record);
        return;
    }
    struct bf_stored_job *stored = BF_NEW(struct bf_stored_job);
    stored->submission = submission;
    submission->stored = stored;
    struct bf_document *document = submission->document;
    bf_submission_record(submission, &stored->record);
    submission->document = BF_NEW(struct bf_document); /* keeps the name reserved until the job is stored */
    submission->document->name = bf_copy_string(document->name);
    enum bf_state to = stored->record.state;
    struct bf_event events[2] = {{.at = stored->record.created_at}, {.at = stored->record.created_at}};
    for (int i = 0; i < 2; i++) {
        memcpy(events[i].job, stored->record.id, sizeof events[i].job);
        snprintf(events[i].type, sizeof events[i].type, "state");
        snprintf(events[i].actor, sizeof events[i].actor, "%.*s", (int)sizeof events[i].actor - 1, submission->actor);
    }
    snprintf(events[0].to, sizeof events[0].to, "planning");
    snprintf(events[0].text, sizeof events[0].text, "submitted for table %s on target %s", submission->table->display,
             submission->target->name);
    snprintf(events[1].from, sizeof events[1].from, "planning");
    snprintf(events[1].to, sizeof events[1].to, "%s", bf_state_name(to));
    snprintf(events[1].text, sizeof events[1].text, "%s%s%s", bf_move_sentence(BF_STATE_PLANNING, to),
             stored->record.reason.text[0] ? ": " : "", stored->record.reason.text);
    engine->world->timer_stop(submission->deadline);
    engine->store->save(engine->store->context, &stored->record, events, 2, job_stored, stored);
}

static void refuse_at_once(bf_ordered *done, void *argument, enum bf_code code, const struct bf_complaints *complaints,
                           const char *text)
{
    struct bf_outcome_of_order outcome = {.code = code, .durable = true, .complaints = complaints, .text = text};
    done(argument, &outcome);
}

static void begin(struct bf_engine *engine, struct bf_document *document, const struct bf_target *target,
                  const char *actor, const char *key, bool dry_run, bf_ordered *done, void *argument)
{
    struct bf_submission *submission = BF_NEW(struct bf_submission);
    *submission = (struct bf_submission){.engine = engine,
                                         .document = document,
                                         .target = target,
                                         .actor = bf_copy_string(actor),
                                         .key = bf_copy_string(key),
                                         .canonical = key ? bf_copy_string(document->canonical) : NULL,
                                         .dry_run = dry_run,
                                         .done = done,
                                         .argument = argument};
    submission->next = engine->submissions;
    if (engine->submissions)
        engine->submissions->previous = submission;
    engine->submissions = submission;
    bf_submission_ask(submission);
}

static void submit(struct bf_engine *engine, const char *json, size_t length, const char *target_override,
                   const char *actor, const char *key, bool dry_run, bf_ordered *done, void *argument)
{
    struct bf_complaints complaints = {0};
    struct bf_error error = {0};
    struct bf_document *document = NULL;
    const struct bf_target *target = NULL;
    if (engine->draining) {
        refuse_at_once(done, argument, BF_STOPPING, NULL, "the daemon is stopping; submit again when it is back");
        return;
    }
    enum bf_code code = bf_document_parse_for(json, length, target_override, bf_engine_rules_of, engine, &document,
                                              &complaints, &error);
    if (code == BF_OK && key && bf_key_used(engine, key, actor, document, done, argument)) {
        bf_document_free(document);
        return;
    }
    if (code == BF_OK) {
        target = bf_engine_target_by_name(engine, document->target);
        if (!target)
            bf_complain(&complaints, BF_INVALID, "/target", "there is no target %s in the daemon's configuration",
                        document->target);
        else
            bf_submission_check_texts(target, document, &complaints);
        if (target) {
            bf_target_check_ceilings(target, document, &complaints);
            bf_target_check_pace(engine, target, document, &complaints);
        }
        code = bf_complaints_code(&complaints);
    }
    const char *user = code == BF_OK && !dry_run ? bf_engine_name_user(engine, document->name) : NULL;
    if (user) {
        code = bf_fail(&error, BF_NAME_IN_USE, "the name %s is in use by %s until that job is over", document->name, user);
    }
    if (code != BF_OK) {
        refuse_at_once(done, argument, code, complaints.count ? &complaints : NULL,
                       complaints.count ? "the document is not valid" : error.text);
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
