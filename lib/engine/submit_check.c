/* What is looked at before a document becomes a job: its texts, by the dialect, then the table and the texts by the target
 * itself. Nothing is written to the target: a trial of `remaining` is taken back. */
#include <stdio.h>

#include "allocate.h"
#include "monitor.h"
#include "submission.h"

enum { CONNECT_TIMEOUT = 4000, SURVEY_TIMEOUT = 10000 /* milliseconds */ };

/* A check on a replica needs one that can be connected to. */
static void check_place(const struct bf_target *target, const char *check, struct bf_complaints *complaints)
{
    BF_AUTO_STRING char *pointer = bf_format("%s/on", check);
    const struct bf_dialect *dialect = target->database->dialect;
    if (!dialect->common(BF_STATEMENT_REPLAYED))
        bf_complain(complaints, BF_UNSUPPORTED, pointer, "checks on a replica are not built yet for %s", dialect->name);
    else if (target->replica_count == 0 || target->replica_at)
        bf_complain(complaints, BF_INVALID, pointer,
                    "no replica of target %s can be connected to: `replicas` in its configuration has to name their URLs",
                    target->name);
}

void bf_submission_check_texts(const struct bf_target *target, const struct bf_document *document,
                               struct bf_complaints *complaints)
{
    const struct bf_dialect *dialect = target->database->dialect;
    dialect->check_expressions(document, complaints);
    if (document->inverse) {
        struct bf_complaints inverse = {0};
        dialect->check_expressions(document->inverse, &inverse);
        bf_complaints_take(complaints, "/undo", &inverse);
    }
    if (document->undo == BF_UNDO_JOURNAL && !dialect->journal)
        bf_complain(complaints, BF_UNSUPPORTED, "/undo",
                    "the undo journal is not built yet for %s; \"none\" says that the job cannot be undone", dialect->name);
    if (document->undo == BF_UNDO_INVERSE && !dialect->journal)
        bf_complain(complaints, BF_UNSUPPORTED, "/undo",
                    "an inverse is not built yet for %s; \"none\" says that the job cannot be undone", dialect->name);
    if (document->remaining && !dialect->trial)
        bf_complain(complaints, BF_UNSUPPORTED, "/remaining", "`remaining` is not built yet for %s", dialect->name);
    for (enum bf_check_kind kind = 0; kind < BF_CHECK_KINDS; kind++)
        for (size_t i = 0; i < document->check_count[kind]; i++) {
            const struct bf_check *check = &document->checks[kind][i];
            BF_AUTO_STRING char *at = bf_format("/checks/%s/%zu", bf_check_kind_name(kind), i),
                            *pointer = bf_format("%s/sql", at);
            if (check->on_replica)
                check_place(target, at, complaints);
            if (dialect->check_query && check->sql)
                dialect->check_query(check->sql, pointer, complaints);
            else if (!dialect->check_query)
                bf_complain(complaints, BF_UNSUPPORTED, pointer, "checks are not built yet for %s", dialect->name);
        }
}

/* ---- on the target ---- */

void bf_submission_target_down(struct bf_submission *submission, const char *text)
{
    char detail[BF_ERROR_TEXT_MAX];
    snprintf(detail, sizeof detail, "target %s: %.500s", submission->target->name, text);
    bf_submission_refuse(submission, BF_TARGET_DOWN, NULL, detail);
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
        bf_submission_target_down(submission, "the connection was lost while `remaining` was tried");
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
        bf_submission_refuse(submission, complaints.list[0].code, &complaints, "the trial on the target failed");
        bf_complaints_clear(&complaints);
        return;
    }
    bf_submission_agreed(submission);
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
        bf_submission_target_down(submission, "the connection was lost while the document was checked");
        return;
    }
    size_t count = flight->count;
    const struct bf_answer *found = NULL;
    if (submission->schema_there)
        found = &answers[--count];
    /* What could not be asked is not known: neither that the document is wrong nor that it never ran. */
    for (size_t i = 0; i < flight->count; i++)
        if (answers[i].outcome != BF_OUTCOME_OK && (i == count || bf_error_passes(answers[i].error_class))) {
            bf_submission_target_down(submission, answers[i].message ? answers[i].message : "it did not answer a check");
            return;
        }
    struct bf_complaints complaints = {0}, inverse = {0};
    const struct bf_dialect *dialect = submission->target->database->dialect;
    size_t own = count - submission->inverse_checks;
    bf_check_read(dialect, submission->document, answers, own, &complaints);
    if (submission->document->inverse)
        bf_check_read(dialect, submission->document->inverse, answers + own, submission->inverse_checks, &inverse);
    bf_complaints_take(&complaints, "/undo", &inverse);
    if (complaints.count) {
        bf_submission_refuse(submission, bf_complaints_code(&complaints), &complaints, "the target refuses the document");
        bf_complaints_clear(&complaints);
        return;
    }
    if (found && found->rows && !submission->document->again && submission->aim != BF_AIM_CONFIRM) {
        char text[512];
        snprintf(text, sizeof text, "job %s (%s, %s) already changed rows with this very document; say \"again\": true to run "
                 "it once more", bf_answer_value(found, 0, 0), bf_answer_value(found, 0, 1), bf_answer_value(found, 0, 2));
        bf_submission_refuse(submission, BF_ALREADY_DONE, NULL, text);
        return;
    }
    if (submission->document->remaining && submission->aim != BF_AIM_CONFIRM)
        try_remaining(submission);
    else
        bf_submission_agreed(submission);
}

/* Of those that stream from the primary, by its sample. True: there are some, or whether there are cannot be seen. */
static bool take_streaming(struct bf_submission *submission, const struct bf_answer *sample)
{
    size_t walsenders = 0;
    for (size_t row = 0; row < sample->rows; row++) {
        if (bf_sample_row_by_name(bf_answer_value(sample, row, BF_SAMPLE_WHAT)) != BF_SAMPLE_ROW_REPLICA)
            continue;
        bool hidden = !bf_answer_true(sample, 0, BF_SAMPLE_FLAG);
        bool replica = bf_answer_real(sample, row, BF_SAMPLE_POSITION, -1) >= 0;
        const char *name = bf_answer_value(sample, row, BF_SAMPLE_NAME);
        walsenders += hidden || replica;
        bf_submission_take_lag(submission, name ? name : "", bf_answer_real(sample, row, BF_SAMPLE_SECONDS, replica ? 0 : -1));
        if (replica && name)
            json_array_append_new(submission->replicas, json_string(name));
    }
    return sample->outcome != BF_OUTCOME_OK || walsenders > 0;
}

/* The same of those that the configuration names, or the primary lists. */
static bool take_listed(struct bf_submission *submission, const struct bf_answer *hosts, const struct bf_answer *readers)
{
    const struct bf_target *target = submission->target;
    char address[BF_REPLICA_NAME];
    int unnamed;
    for (size_t i = 0; !target->replica_at && i < target->replica_count; i++)
        json_array_append_new(submission->replicas, json_string(target->replicas[i].name));
    if (!target->replica_at)
        return true;
    for (size_t row = 0; row < hosts->rows; row++)
        if (bf_hosts_address(hosts, row, address))
            json_array_append_new(submission->replicas, json_string(address));
    return bf_hosts_count(hosts, readers, &unnamed) > 0 || unnamed != 0;
}

/* "There are no replicas" is a measured fact that a person takes on. What cannot be measured now holds the job later. */
static bool refuse_without_replicas(struct bf_submission *submission, const struct bf_answer *answers)
{
    struct bf_complaints complaints = {0};
    bf_submission_forget_replicas(submission);
    submission->replicas = json_array();
    bool some = bf_target_asks_replicas(submission->target) ? take_listed(submission, &answers[0], &answers[1])
                                                            : take_streaming(submission, &answers[0]);
    submission->replicas_hidden = some && json_array_size(submission->replicas) == 0;
    if (some || submission->document->accept[BF_ACCEPT_NO_REPLICAS])
        return false;
    bf_complain(&complaints, BF_NO_REPLICAS, "/accept",
                "no replica streams from target %s: say \"accept\": [\"no_replicas\"] when that is so, or replicas = none in "
                "the daemon's configuration", submission->target->name);
    bf_submission_refuse(submission, BF_NO_REPLICAS, &complaints, "the target has no replicas");
    bf_complaints_clear(&complaints);
    return true;
}

/* The job's table with the columns that its inverse writes; NULL: it has none, or complaints. */
static struct bf_table *describe_inverse(const struct bf_submission *submission, const struct bf_answer *answers, size_t count,
                                         struct bf_complaints *complaints)
{
    struct bf_complaints own = {0};
    struct bf_document *inverse = submission->document->inverse;
    if (!inverse)
        return NULL;
    inverse->started_at = submission->document->started_at;
    struct bf_table *table =
        submission->target->database->dialect->read_survey(inverse, &answers[0], answers + 1, count - 1, &own);
    bf_complaints_take(complaints, "/undo", &own);
    return table;
}

static void add_checks(struct bf_submission *submission)
{
    const struct bf_dialect *dialect = submission->target->database->dialect;
    struct bf_flight *flight = &submission->flight;
    bf_check_add(dialect, submission->document, submission->table, flight, &submission->texts, &submission->text_count);
    size_t own = flight->count;
    if (submission->inverse_table)
        bf_check_add(dialect, submission->document->inverse, submission->inverse_table, flight, &submission->inverse_texts,
                     &submission->inverse_text_count);
    submission->inverse_checks = flight->count - own;
}

static void described(void *argument, struct bf_session *session, struct bf_flight *flight,
                      const struct bf_answer *answers, bool lost)
{
    struct bf_submission *submission = argument;
    const struct bf_dialect *dialect = submission->target->database->dialect;
    bool watches = submission->target->watch_replicas;
    size_t count = flight->count - (watches ? 2 : 0); /* about replicas are the last ones */
    const struct bf_answer *trouble = server_error(answers, count);
    if (lost || trouble) {
        bool right = trouble && trouble->error_class == BF_CLASS_DEFINITION; /* what is asked is there, for who may see it */
        BF_AUTO_STRING char *text = bf_format("%s%s", trouble && trouble->message ? trouble->message : "the connection was lost",
                                              right ? "; what the role needs is in docs/rights.md" : "");
        bf_submission_target_down(submission, text);
        return;
    }
    struct bf_complaints complaints = {0};
    submission->table = dialect->read_survey(submission->document, &answers[0], answers + 1, count - 1, &complaints);
    if (submission->table)
        submission->inverse_table = describe_inverse(submission, answers, count, &complaints);
    if (complaints.count > 0) {
        bf_submission_refuse(submission, bf_complaints_code(&complaints), &complaints,
                             "the target's table does not fit the document");
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
        bf_submission_refuse(submission, BF_INVALID, &complaints, "the control schema cannot be made on the target");
        bf_complaints_clear(&complaints);
        return;
    }
    bf_flight_clear(&submission->flight);
    add_checks(submission);
    if (submission->schema_there) {
        struct bf_step *step =
            bf_flight_add(&submission->flight, BF_STATEMENT_FIND_DONE, dialect->common(BF_STATEMENT_FIND_DONE));
        step->new_group = true;
        bf_step_text(step, submission->document->hash);
    }
    bf_submission_enter(submission, BF_SUBMISSION_CHECKING);
    submission->target->database->execute(session, &submission->flight, checked, submission);
}

/* Two steps, so that their answers are found. */
static void ask_replicas(const struct bf_target *target, struct bf_flight *flight)
{
    const struct bf_dialect *dialect = target->database->dialect;
    bool listed = bf_target_asks_replicas(target) && target->replica_at;
    const enum bf_statement statements[] = {listed ? BF_STATEMENT_REPLICA_HOSTS : BF_STATEMENT_SAMPLE,
                                            listed ? BF_STATEMENT_LOG_READERS : BF_STATEMENT_ROLLBACK};
    for (size_t i = 0; i < BF_COUNT(statements); i++)
        bf_flight_add(flight, statements[i], dialect->common(statements[i]))->new_group = true;
}

static void connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    struct bf_submission *submission = argument;
    if (error_class == BF_CLASS_PROXY && submission->job) { /* it is found when a session changed, too: asking again helps nothing */
        bf_submission_refuse(submission, BF_PROXY_BETWEEN_US, NULL, text);
        return;
    }
    if (error_class != BF_CLASS_NONE) {
        bf_submission_target_down(submission, text ? text : "it does not answer");
        return;
    }
    const struct bf_dialect *dialect = submission->target->database->dialect;
    bf_flight_add(&submission->flight, BF_STATEMENT_SERVER, dialect->common(BF_STATEMENT_SERVER));
    dialect->survey(submission->document, &submission->flight);
    submission->flight.steps[1].new_group = true;
    if (submission->target->watch_replicas)
        ask_replicas(submission->target, &submission->flight);
    bf_submission_enter(submission, BF_SUBMISSION_DESCRIBING);
    submission->target->database->execute(session, &submission->flight, described, submission);
}

static void too_late(void *argument)
{
    struct bf_submission *submission = argument;
    char text[128];
    if (submission->phase == BF_SUBMISSION_RESTING) {
        bf_submission_ask(submission);
        return;
    }
    snprintf(text, sizeof text, "it did not answer within %d s while %s", SURVEY_TIMEOUT / 1000,
             bf_submission_doing(submission->phase));
    bf_submission_target_down(submission, text);
}

void bf_submission_ask(struct bf_submission *submission)
{
    const struct bf_world *world = submission->engine->world;
    const struct bf_database *database = submission->target->database;
    if (!submission->deadline)
        submission->deadline = world->timer_new(world->context, too_late, submission);
    submission->document->started_at = world->unix_time(world->context); /* else :started_at would ask for other rows than the job will */
    world->timer_start(submission->deadline, SURVEY_TIMEOUT);
    bf_submission_enter(submission, BF_SUBMISSION_CONNECTING);
    struct bf_session_options options = {.application_name = "backfilld plan",
                                         .lock_timeout = 1000,
                                         .statement_timeout = 5000,
                                         .connect_timeout = CONNECT_TIMEOUT,
                                         .counts_found = submission->document->undo == BF_UNDO_JOURNAL};
    submission->session = database->connect(database->context, &options, connected, submission);
}
