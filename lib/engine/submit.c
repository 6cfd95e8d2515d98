/* Submissions: a document is checked here, then on the target, and becomes a durable job only when both agree.
 * Nothing is written to the target. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "submission.h"

enum { CONNECT_TIMEOUT = 4000, SURVEY_TIMEOUT = 10000 /* milliseconds */ };

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

static void refuse(struct bf_submission *submission, enum bf_code code, const struct bf_complaints *complaints,
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
            refuse(submission, BF_STOPPING, NULL, "the daemon is stopping; submit again when it is back");
    }
}

void bf_submissions_leave(struct bf_engine *engine)
{
    for (struct bf_submission *submission = engine->submissions, *next; submission; submission = next) {
        next = submission->next;
        if (!submission->target || submission->target == bf_engine_target_by_name(engine, submission->target->name))
            continue;
        if (!submission->stored) {
            refuse(submission, BF_TARGET_DOWN, NULL,
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
            refuse(submission, BF_STORE_FAILED, NULL, error->text);
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

static void accept(struct bf_submission *submission)
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
    enum bf_state to = submission->target->require_approval ? BF_STATE_AWAITING_APPROVAL : BF_STATE_QUEUED;
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
    snprintf(events[1].text, sizeof events[1].text, "%s", bf_move_sentence(BF_STATE_PLANNING, to));
    stored->record.state = to;
    engine->world->timer_stop(submission->deadline);
    engine->store->save(engine->store->context, &stored->record, events, 2, job_stored, stored);
}

/* ---- on the target ---- */

static void target_down(struct bf_submission *submission, const char *text)
{
    char detail[BF_ERROR_TEXT_MAX];
    snprintf(detail, sizeof detail, "target %s: %.500s", submission->target->name, text);
    refuse(submission, BF_TARGET_DOWN, NULL, detail);
}

static const struct bf_answer *server_error(const struct bf_answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (answers[i].outcome != BF_OUTCOME_OK)
            return &answers[i];
    return NULL;
}

/* A few rows were changed and taken back: does a changed row still match `remaining`? What could not be tried (a lock, the
 * time) says nothing. */
static void tried(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers,
                  bool lost)
{
    (void)session, (void)flight;
    struct bf_submission *submission = argument;
    const struct bf_answer *trial = &answers[1];
    struct bf_complaints complaints = {0};
    if (lost) {
        target_down(submission, "the connection was lost while `remaining` was tried");
        return;
    }
    if (trial->outcome == BF_OUTCOME_ERROR && trial->error_class == BF_CLASS_DATA)
        bf_complain(&complaints, BF_INVALID, "/set", "a trial of a few rows failed: %s", trial->message);
    int64_t still = bf_answer_number(trial, 0, 1);
    if (still > 0)
        bf_complain(&complaints, BF_REMAINING_NOT_CLEARED, "/remaining",
                    "%lld of %lld rows that a trial changed (and took back) still match it: the job would never end",
                    (long long)still, (long long)bf_answer_number(trial, 0, 0));
    if (complaints.count) {
        refuse(submission, complaints.list[0].code, &complaints, "the trial on the target failed");
        bf_complaints_clear(&complaints);
        return;
    }
    accept(submission);
}

static void try_remaining(struct bf_submission *submission)
{
    const struct bf_dialect *dialect = submission->target->database->dialect;
    submission->trial = dialect->trial(submission->document, submission->table);
    bf_flight_clear(&submission->flight);
    bf_flight_add(&submission->flight, BF_STATEMENT_BEGIN, dialect->common(BF_STATEMENT_BEGIN));
    bf_flight_add(&submission->flight, BF_STATEMENT_SURVEY, submission->trial);
    bf_flight_add(&submission->flight, BF_STATEMENT_ROLLBACK, dialect->common(BF_STATEMENT_ROLLBACK))->new_group = true;
    submission->target->database->execute(submission->session, &submission->flight, tried, submission);
}

static void checked(void *argument, struct bf_session *session, struct bf_flight *flight,
                    const struct bf_answer *answers, bool lost)
{
    (void)session;
    struct bf_submission *submission = argument;
    if (lost) {
        target_down(submission, "the connection was lost while the document was checked");
        return;
    }
    size_t count = flight->count;
    const struct bf_answer *found = NULL;
    if (submission->schema_there)
        found = &answers[--count];
    /* What could not be asked is not known: neither that the document is wrong nor that it never ran. */
    for (size_t i = 0; i < flight->count; i++)
        if (answers[i].outcome != BF_OUTCOME_OK && (i == count || bf_error_passes(answers[i].error_class))) {
            target_down(submission, answers[i].message ? answers[i].message : "it did not answer a check");
            return;
        }
    struct bf_complaints complaints = {0};
    submission->target->database->dialect->read_checks(submission->document, answers, count, &complaints);
    if (complaints.count) {
        refuse(submission, bf_complaints_code(&complaints), &complaints, "the target refuses the document");
        bf_complaints_clear(&complaints);
        return;
    }
    if (found && found->rows && !submission->document->again) {
        char text[512];
        snprintf(text, sizeof text, "job %s (%s, %s) already changed rows with this very document; say \"again\": true to run it "
                 "once more", bf_answer_value(found, 0, 0), bf_answer_value(found, 0, 1), bf_answer_value(found, 0, 2));
        refuse(submission, BF_ALREADY_DONE, NULL, text);
        return;
    }
    if (submission->document->remaining)
        try_remaining(submission);
    else
        accept(submission);
}

/* "There are no replicas" is a measured fact that a person takes on. What cannot be measured now holds the job later. */
static bool refuse_without_replicas(struct bf_submission *submission, const struct bf_answer *sample)
{
    const struct bf_document *document = submission->document;
    struct bf_complaints complaints = {0};
    size_t walsenders = 0;
    submission->replicas = json_array();
    for (size_t row = 0; row < sample->rows; row++) {
        if (bf_sample_row_by_name(bf_answer_value(sample, row, BF_SAMPLE_WHAT)) != BF_SAMPLE_ROW_REPLICA)
            continue;
        bool hidden = !bf_answer_true(sample, 0, BF_SAMPLE_FLAG);
        bool replica = bf_answer_real(sample, row, BF_SAMPLE_POSITION, -1) >= 0;
        const char *name = bf_answer_value(sample, row, BF_SAMPLE_NAME);
        walsenders += hidden || replica;
        if (replica && name)
            json_array_append_new(submission->replicas, json_string(name));
    }
    if (sample->outcome != BF_OUTCOME_OK || walsenders || document->accept_no_replicas)
        return false;
    bf_complain(&complaints, BF_NO_REPLICAS, "/accept",
                "no replica streams from target %s: say \"accept\": [\"no_replicas\"] when that is so, or replicas = none in "
                "the daemon's configuration", submission->target->name);
    refuse(submission, BF_NO_REPLICAS, &complaints, "the target has no replicas");
    bf_complaints_clear(&complaints);
    return true;
}

static void described(void *argument, struct bf_session *session, struct bf_flight *flight,
                      const struct bf_answer *answers, bool lost)
{
    struct bf_submission *submission = argument;
    const struct bf_dialect *dialect = submission->target->database->dialect;
    bool watches = submission->target->watch_replicas;
    size_t count = flight->count - (watches ? 1 : 0); /* the sample is the last one */
    const struct bf_answer *trouble = server_error(answers, count);
    if (lost || trouble) {
        target_down(submission, trouble && trouble->message ? trouble->message : "the connection was lost");
        return;
    }
    struct bf_complaints complaints = {0};
    submission->table = dialect->read_survey(submission->document, &answers[0], answers + 1, count - 1, &complaints);
    if (!submission->table) {
        refuse(submission, bf_complaints_code(&complaints), &complaints, "the target's table does not fit the document");
        bf_complaints_clear(&complaints);
        return;
    }
    if (watches && refuse_without_replicas(submission, &answers[count]))
        return;
    submission->server_version = bf_copy_string(bf_answer_value(&answers[0], 0, BF_SERVER_VERSION));
    submission->schema_there = bf_answer_value(&answers[0], 0, BF_SERVER_SCHEMA) != NULL;
    const char *no_schema = bf_answer_value(&answers[0], 0, BF_SERVER_NO_SCHEMA);
    if (no_schema) { /* found before anything is made */
        bf_complain(&complaints, BF_INVALID, "/target", "%s", no_schema);
        refuse(submission, BF_INVALID, &complaints, "the control schema cannot be made on the target");
        bf_complaints_clear(&complaints);
        return;
    }
    bf_flight_clear(&submission->flight);
    dialect->check(submission->document, submission->table, &submission->flight, &submission->texts,
                   &submission->text_count);
    if (submission->schema_there) {
        struct bf_step *step =
            bf_flight_add(&submission->flight, BF_STATEMENT_FIND_DONE, dialect->common(BF_STATEMENT_FIND_DONE));
        step->new_group = true;
        bf_step_text(step, submission->document->hash);
    }
    submission->phase = CHECKING;
    submission->target->database->execute(session, &submission->flight, checked, submission);
}

static void connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    struct bf_submission *submission = argument;
    if (error_class != BF_CLASS_NONE) {
        target_down(submission, text ? text : "it does not answer");
        return;
    }
    const struct bf_dialect *dialect = submission->target->database->dialect;
    bf_flight_add(&submission->flight, BF_STATEMENT_SERVER, dialect->common(BF_STATEMENT_SERVER));
    dialect->survey(submission->document, &submission->flight);
    submission->flight.steps[1].new_group = true;
    if (submission->target->watch_replicas)
        bf_flight_add(&submission->flight, BF_STATEMENT_SAMPLE, dialect->common(BF_STATEMENT_SAMPLE))->new_group = true;
    submission->phase = DESCRIBING;
    submission->target->database->execute(session, &submission->flight, described, submission);
}

static void too_late(void *argument)
{
    struct bf_submission *submission = argument;
    static const char *const doing[] = {"connecting", "describing the table", "checking the expressions"};
    char text[128];
    snprintf(text, sizeof text, "it did not answer within %d s while %s", SURVEY_TIMEOUT / 1000, doing[submission->phase]);
    target_down(submission, text);
}

static void refuse_at_once(bf_ordered *done, void *argument, enum bf_code code, const struct bf_complaints *complaints,
                           const char *text)
{
    struct bf_outcome_of_order outcome = {.code = code, .durable = true, .complaints = complaints, .text = text};
    done(argument, &outcome);
}

/* A check on a replica needs one that can be connected to. */
static void check_place(const struct bf_target *target, const char *check, struct bf_complaints *complaints)
{
    BF_AUTO_STRING char *pointer = bf_format("%s/on", check);
    const struct bf_dialect *dialect = target->database->dialect;
    if (!dialect->common(BF_STATEMENT_REPLAYED))
        bf_complain(complaints, BF_UNSUPPORTED, pointer, "checks on a replica are not built yet for %s", dialect->name);
    else if (target->replica_count == 0)
        bf_complain(complaints, BF_INVALID, pointer,
                    "no replica of target %s can be connected to: `replicas` in its configuration has to name their URLs",
                    target->name);
}

/* What the engine's dialect says of the author's texts, before any server sees them. */
static void check_dialect(const struct bf_target *target, const struct bf_document *document,
                          struct bf_complaints *complaints)
{
    const struct bf_dialect *dialect = target->database->dialect;
    static const char *const moments[] = {
        [BF_CHECK_BEFORE] = "before", [BF_CHECK_CANARY] = "canary", [BF_CHECK_AFTER] = "after"};
    dialect->check_expressions(document, complaints);
    if (document->remaining && !dialect->trial)
        bf_complain(complaints, BF_UNSUPPORTED, "/remaining", "`remaining` is not built yet for %s", dialect->name);
    for (enum bf_check_kind kind = 0; kind < BF_CHECK_KINDS; kind++)
        for (size_t i = 0; i < document->check_count[kind]; i++) {
            const struct bf_check *check = &document->checks[kind][i];
            BF_AUTO_STRING char *at = bf_format("/checks/%s/%zu", moments[kind], i), *pointer = bf_format("%s/sql", at);
            if (check->on_replica)
                check_place(target, at, complaints);
            if (dialect->check_query)
                dialect->check_query(check->sql, pointer, complaints);
            else
                bf_complain(complaints, BF_UNSUPPORTED, pointer, "checks are not built yet for %s", dialect->name);
        }
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
    submission->deadline = engine->world->timer_new(engine->world->context, too_late, submission);
    engine->world->timer_start(submission->deadline, SURVEY_TIMEOUT);
    struct bf_session_options options = {.application_name = "backfilld plan",
                                         .lock_timeout = 1000,
                                         .statement_timeout = 5000,
                                         .connect_timeout = CONNECT_TIMEOUT};
    submission->session = target->database->connect(target->database->context, &options, connected, submission);
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
            check_dialect(target, document, &complaints);
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
