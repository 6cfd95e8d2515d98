/* Adoption: a job that only its target knows becomes one of this daemon's. The target is asked in a session of its own, the
 * record is stored, and then the job is there. Nothing is written on the target but a control schema of a former release, which
 * is brought up to this one. Two daemons that adopt the same job both have it, and P3 says who works on it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adopt_record.h"
#include "allocate.h"

enum { CONNECT_TIMEOUT = 4000, ANSWER_TIMEOUT = 15000 /* milliseconds */ };

struct bf_adoption {
    struct bf_adoption *previous, *next;
    struct bf_engine *engine; /* NULL: it is gone, and this is on its way into the store */
    const struct bf_target *target;
    char id[BF_ULID_TEXT];
    char *confirm, *actor, *reason; /* owned; the first and the last may be NULL */
    struct bf_session *session;
    struct bf_flight flight;
    struct bf_timer *deadline;
    struct bf_answer server; /* owned copy of what is needed of it: its identity */
    bool storing;
    struct bf_record record;
    struct bf_event event;
    bf_ordered *done;
    void *argument;
};

static void answer(bf_ordered *done, void *argument, enum bf_code code, const struct bf_job *job,
                   const struct bf_complaints *complaints, const char *text)
{
    struct bf_outcome_of_order outcome = {.code = code, .durable = true, .job = job, .complaints = complaints, .text = text};
    if (done)
        done(argument, &outcome);
}

/* What was asked of the target, and the session. */
static void hang_up(struct bf_adoption *adoption)
{
    const struct bf_world *world = adoption->engine->world;
    if (adoption->session)
        adoption->target->database->close(adoption->session);
    adoption->session = NULL;
    world->timer_free(adoption->deadline);
    adoption->deadline = NULL;
    bf_flight_clear(&adoption->flight);
    bf_answer_clear(&adoption->server);
}

static void free_adoption(struct bf_adoption *adoption)
{
    struct bf_engine *engine = adoption->engine;
    if (engine) {
        hang_up(adoption);
        if (adoption->previous)
            adoption->previous->next = adoption->next;
        else
            engine->adoptions = adoption->next;
        if (adoption->next)
            adoption->next->previous = adoption->previous;
    }
    bf_record_clear(&adoption->record);
    free(adoption->confirm);
    free(adoption->actor);
    free(adoption->reason);
    free(adoption);
}

static void give_up(struct bf_adoption *adoption, enum bf_code code, const struct bf_complaints *complaints, const char *text)
{
    bf_ordered *done = adoption->done;
    void *argument = adoption->argument;
    free_adoption(adoption);
    answer(done, argument, code, NULL, complaints, text);
}

void bf_adoptions_drop(struct bf_engine *engine, bool everything)
{
    for (struct bf_adoption *adoption = engine->adoptions, *next; adoption; adoption = next) {
        next = adoption->next;
        if (!adoption->storing) {
            give_up(adoption, BF_STOPPING, NULL, "the daemon is stopping; try again when it is back");
        } else if (everything) { /* it is there at the next start; what it waits for frees it */
            answer(adoption->done, adoption->argument, BF_STOPPING, NULL, NULL, "the daemon is stopping");
            adoption->engine = NULL;
        }
    }
    if (everything)
        engine->adoptions = NULL;
}

void bf_adoptions_leave(struct bf_engine *engine)
{
    for (struct bf_adoption *adoption = engine->adoptions, *next; adoption; adoption = next) {
        next = adoption->next;
        if (!adoption->storing && adoption->target != bf_engine_target_by_name(engine, adoption->target->name))
            give_up(adoption, BF_TARGET_DOWN, NULL, "the target's configuration changed meanwhile; try again");
    }
}

/* ---- from the target to the store ---- */

static void stored(void *argument, const struct bf_error *error)
{
    struct bf_adoption *adoption = argument;
    struct bf_engine *engine = adoption->engine;
    if (!engine) {
        free_adoption(adoption);
        return;
    }
    bf_engine_store_said(engine, error);
    if (error->code != BF_OK) {
        give_up(adoption, BF_STORE_FAILED, NULL, error->text);
        return;
    }
    struct bf_job *job = bf_engine_add(engine, &adoption->record);
    if (engine->options.event)
        engine->options.event(engine->options.argument, &job->record, &adoption->event);
    engine->schedule = true; /* its target may be gone, its journal due */
    bf_engine_wake(engine);
    bf_ordered *done = adoption->done;
    void *waiting = adoption->argument;
    free_adoption(adoption);
    answer(done, waiting, BF_OK, job, NULL, "");
}

static void store(struct bf_adoption *adoption)
{
    const struct bf_store *port = adoption->engine->store;
    hang_up(adoption);
    adoption->storing = true;
    port->save(port->context, &adoption->record, &adoption->event, 1, stored, adoption);
}

/* False: it was given up. */
static bool fine(struct bf_adoption *adoption, const struct bf_answer *answers, bool lost, const char *doing)
{
    const struct bf_answer *error = NULL;
    char text[BF_ERROR_TEXT_MAX];
    for (size_t i = 0; !error && i < adoption->flight.count; i++)
        if (answers[i].outcome != BF_OUTCOME_OK)
            error = &answers[i];
    if (!lost && !error)
        return true;
    snprintf(text, sizeof text, "target %s: could not %s: %.400s", adoption->target->name, doing,
             error && error->message ? error->message : "the connection was lost");
    give_up(adoption, lost || bf_error_passes(error->error_class) ? BF_TARGET_DOWN : BF_STATEMENT_FAILED, NULL, text);
    return false;
}

static void looked(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers, bool lost)
{
    (void)session, (void)flight;
    struct bf_adoption *adoption = argument;
    struct bf_complaints complaints = {0};
    struct bf_error error = {0};
    if (!fine(adoption, answers, lost, "read what it knows of the job"))
        return;
    const struct bf_adopted adopted = {.engine = adoption->engine, .target = adoption->target, .id = adoption->id,
                                       .confirm = adoption->confirm, .actor = adoption->actor, .reason = adoption->reason,
                                       .server = &adoption->server, .job = &answers[0], .slices = &answers[1]};
    enum bf_code code = bf_adopted_check(&adopted, &error);
    if (code == BF_OK)
        code = bf_adopted_record(&adopted, &adoption->record, &adoption->event, &complaints, &error);
    if (code == BF_OK && bf_engine_knows(adoption->engine, adoption->id))
        code = bf_fail(&error, BF_WRONG_STATE, "this daemon knows job %s by now", adoption->id);
    if (code == BF_OK)
        store(adoption);
    else
        give_up(adoption, code, complaints.count ? &complaints : NULL,
                complaints.count ? "what the target knows of the job's document is not valid for this backfilld" : error.text);
    bf_complaints_clear(&complaints);
}

static void look(struct bf_adoption *adoption)
{
    const struct bf_dialect *dialect = adoption->target->database->dialect;
    static const enum bf_statement asked[] = {BF_STATEMENT_FOREIGN_JOB, BF_STATEMENT_FOREIGN_SLICES};
    bf_flight_clear(&adoption->flight);
    for (size_t i = 0; i < BF_COUNT(asked); i++)
        bf_step_text(bf_flight_add(&adoption->flight, asked[i], dialect->common(asked[i])), adoption->id);
    adoption->target->database->execute(adoption->session, &adoption->flight, looked, adoption);
}

static void schema_made(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers, bool lost)
{
    (void)session, (void)flight;
    if (fine(argument, answers, lost, "bring its control schema up to this release (see --print-schema)"))
        look(argument);
}

static void make_schema(struct bf_adoption *adoption)
{
    const struct bf_dialect *dialect = adoption->target->database->dialect;
    bf_flight_clear(&adoption->flight);
    bf_flight_add(&adoption->flight, BF_STATEMENT_BEGIN, dialect->common(BF_STATEMENT_BEGIN));
    for (const char *const *ddl = dialect->schema_ddl; *ddl; ddl++)
        bf_flight_add(&adoption->flight, BF_STATEMENT_SCHEMA, *ddl);
    bf_flight_add(&adoption->flight, BF_STATEMENT_COMMIT, dialect->common(BF_STATEMENT_COMMIT));
    adoption->target->database->execute(adoption->session, &adoption->flight, schema_made, adoption);
}

/* The identity is all that is looked at later, and the answers go with the call. */
static void keep_server(struct bf_adoption *adoption, const struct bf_answer *server)
{
    struct bf_answer *kept = &adoption->server;
    kept->rows = kept->columns = 1;
    kept->values = bf_allocate(sizeof *kept->values);
    kept->values[BF_SERVER_IDENTITY] = bf_copy_string(bf_answer_value(server, 0, BF_SERVER_IDENTITY));
}

static void recognised(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers, bool lost)
{
    (void)session, (void)flight;
    struct bf_adoption *adoption = argument;
    char text[BF_ERROR_TEXT_MAX];
    if (!fine(adoption, answers, lost, "recognise the server"))
        return;
    int known = adoption->target->database->dialect->schema_version;
    int64_t version = bf_answer_number(&answers[0], 0, BF_SERVER_SCHEMA);
    if (!bf_answer_value(&answers[0], 0, BF_SERVER_SCHEMA)) {
        snprintf(text, sizeof text, "target %s knows no job %s: it has no control schema", adoption->target->name, adoption->id);
        give_up(adoption, BF_NOT_FOUND, NULL, text);
        return;
    }
    if (version > known) {
        snprintf(text, sizeof text, "the schema backfilld on target %s is version %lld, this daemon knows %d: use the newer release",
                 adoption->target->name, (long long)version, known);
        give_up(adoption, BF_SCHEMA_NEWER, NULL, text);
        return;
    }
    keep_server(adoption, &answers[0]);
    if (version < known)
        make_schema(adoption);
    else
        look(adoption);
}

static void connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    struct bf_adoption *adoption = argument;
    const struct bf_database *database = adoption->target->database;
    char detail[BF_ERROR_TEXT_MAX];
    if (error_class != BF_CLASS_NONE) {
        snprintf(detail, sizeof detail, "target %s: %.500s", adoption->target->name, text ? text : "it does not answer");
        give_up(adoption, BF_TARGET_DOWN, NULL, detail);
        return;
    }
    bf_flight_add(&adoption->flight, BF_STATEMENT_SERVER, database->dialect->common(BF_STATEMENT_SERVER));
    database->execute(session, &adoption->flight, recognised, adoption);
}

static void too_late(void *argument)
{
    struct bf_adoption *adoption = argument;
    char text[128];
    snprintf(text, sizeof text, "target %.63s: it did not answer within %d s", adoption->target->name, ANSWER_TIMEOUT / 1000);
    give_up(adoption, BF_TARGET_DOWN, NULL, text);
}

/* Why it is not even asked for. */
static enum bf_code not_now(const struct bf_engine *engine, const struct bf_target *target, const char *job_id, struct bf_error *error)
{
    if (engine->draining)
        return bf_fail(error, BF_STOPPING, "the daemon is stopping; try again when it is back");
    if (!target)
        return bf_fail(error, BF_NOT_FOUND, "there is no such target in the daemon's configuration");
    if (!target->database->dialect->common(BF_STATEMENT_FOREIGN_JOB))
        return bf_fail(error, BF_UNSUPPORTED, "adoption is not built yet for %s", target->database->dialect->name);
    if (!bf_ulid_valid(job_id))
        return bf_fail(error, BF_NOT_FOUND, "%.100s is not the id of a job: `foreign_jobs` of the target lists them", job_id);
    for (const struct bf_adoption *other = engine->adoptions; other; other = other->next)
        if (strcmp(other->id, job_id) == 0)
            return bf_fail(error, BF_WRONG_STATE, "job %s is being adopted just now", job_id);
    return BF_OK;
}

void bf_engine_adopt(struct bf_engine *engine, const char *target_name, const char *job_id, const char *confirm, const char *actor,
                     const char *reason, bf_ordered *done, void *argument)
{
    const struct bf_target *target = bf_engine_target_by_name(engine, target_name);
    struct bf_error error = {0};
    enum bf_code code = not_now(engine, target, job_id, &error);
    const struct bf_job *known = code == BF_OK ? bf_engine_by_id(engine, job_id) : NULL;
    if (known)
        code = bf_fail(&error, BF_WRONG_STATE, "job %s is one of this daemon's already, and %s", known->record.document->name,
                       bf_state_name(known->record.state));
    if (code != BF_OK) {
        answer(done, argument, code, known, NULL, error.text);
        return;
    }
    struct bf_adoption *adoption = BF_NEW(struct bf_adoption);
    *adoption = (struct bf_adoption){.engine = engine, .target = target, .confirm = bf_copy_string(confirm),
                                     .actor = bf_copy_string(actor), .reason = bf_copy_string(reason), .done = done,
                                     .argument = argument, .next = engine->adoptions};
    snprintf(adoption->id, sizeof adoption->id, "%s", job_id);
    if (engine->adoptions)
        engine->adoptions->previous = adoption;
    engine->adoptions = adoption;
    const struct bf_world *world = engine->world;
    struct bf_session_options options = {.application_name = "backfilld adopt",
                                         .lock_timeout = 1000,
                                         .statement_timeout = ANSWER_TIMEOUT,
                                         .connect_timeout = CONNECT_TIMEOUT};
    adoption->deadline = world->timer_new(world->context, too_late, adoption);
    world->timer_start(adoption->deadline, ANSWER_TIMEOUT);
    adoption->session = target->database->connect(target->database->context, &options, connected, adoption);
}
