/* A new job of an old one's document. Where the old one stands, its target knows best (P4): what our record says may be
 * from before a fail-over, and rows would be left out. So the target is asked where it can be, and a clone from a position
 * is made only of a job that stands still. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

enum { CONNECT_TIMEOUT = 4000, POSITION_TIMEOUT = 10000 /* milliseconds */ };

struct bf_clone {
    struct bf_clone *previous, *next;
    struct bf_engine *engine;
    const struct bf_target *target;
    char id[BF_ULID_TEXT]; /* of the old job */
    char *name, *actor, *key; /* owned; the key may be NULL */
    struct bf_session *session;
    struct bf_flight flight;
    struct bf_timer *deadline;
    bf_ordered *done;
    void *argument;
};

static void free_clone(struct bf_clone *clone)
{
    struct bf_engine *engine = clone->engine;
    if (clone->previous)
        clone->previous->next = clone->next;
    else
        engine->clones = clone->next;
    if (clone->next)
        clone->next->previous = clone->previous;
    if (clone->session)
        clone->target->database->close(clone->session);
    engine->world->timer_free(clone->deadline);
    bf_flight_clear(&clone->flight);
    free(clone->name);
    free(clone->actor);
    free(clone->key);
    free(clone);
}

static void refuse(enum bf_code code, const struct bf_job *job, const char *text, bf_ordered *done, void *argument)
{
    struct bf_outcome_of_order outcome = {.code = code, .durable = true, .job = job, .text = text};
    done(argument, &outcome);
}

static void give_up(struct bf_clone *clone, enum bf_code code, const char *text)
{
    bf_ordered *done = clone->done;
    void *argument = clone->argument;
    free_clone(clone);
    refuse(code, NULL, text, done, argument);
}

void bf_clones_drop(struct bf_engine *engine)
{
    while (engine->clones)
        give_up(engine->clones, BF_STOPPING, "the daemon is stopping; try again when it is back");
}

void bf_clones_leave(struct bf_engine *engine)
{
    for (struct bf_clone *clone = engine->clones, *next; clone; clone = next) {
        next = clone->next;
        if (clone->target != bf_engine_target_by_name(engine, clone->target->name))
            give_up(clone, BF_TARGET_DOWN, "the target's configuration changed meanwhile; try again");
    }
}

/* position NULL: from the document's own begin. */
static void submit(struct bf_engine *engine, const struct bf_job *job, const char *name, const char *position,
                   const char *actor, const char *key, bf_ordered *done, void *argument)
{
    BF_AUTO_STRING char *json = bf_document_clone(job->record.document, name, position);
    if (key)
        bf_engine_submit_once(engine, json, strlen(json), actor, key, done, argument);
    else
        bf_engine_submit(engine, json, strlen(json), NULL, actor, false, done, argument);
}

static void located(void *argument, struct bf_session *session, struct bf_flight *flight,
                    const struct bf_answer *answers, bool lost)
{
    (void)session, (void)flight;
    struct bf_clone *clone = argument;
    const struct bf_answer *checkpoint = &answers[0];
    char text[BF_ERROR_TEXT_MAX];
    if (lost || checkpoint->outcome != BF_OUTCOME_OK || checkpoint->rows == 0) {
        snprintf(text, sizeof text, "target %s did not say how far the job is: %.500s", clone->target->name,
                 lost                ? "the connection was lost"
                 : checkpoint->message ? checkpoint->message
                                       : "its row in backfilld.checkpoint is gone");
        give_up(clone, lost ? BF_TARGET_DOWN : BF_CHECKPOINT_LOST, text);
        return;
    }
    const struct bf_job *job = bf_engine_by_id(clone->engine, clone->id);
    if (!job) {
        give_up(clone, BF_NOT_FOUND, "the job was forgotten meanwhile");
        return;
    }
    BF_AUTO_STRING char *position = bf_copy_string(bf_answer_value(checkpoint, 0, BF_CHECKPOINT_POSITION));
    struct bf_clone taken = *clone;
    clone->name = clone->actor = clone->key = NULL;
    free_clone(clone);
    submit(taken.engine, job, taken.name, position, taken.actor, taken.key, taken.done, taken.argument);
    free(taken.name);
    free(taken.actor);
    free(taken.key);
}

static void connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    struct bf_clone *clone = argument;
    char detail[BF_ERROR_TEXT_MAX];
    if (error_class != BF_CLASS_NONE) {
        snprintf(detail, sizeof detail, "target %s: %.500s", clone->target->name, text ? text : "it does not answer");
        give_up(clone, BF_TARGET_DOWN, detail);
        return;
    }
    const struct bf_dialect *dialect = clone->target->database->dialect;
    struct bf_step *step =
        bf_flight_add(&clone->flight, BF_STATEMENT_READ_CHECKPOINT, dialect->common(BF_STATEMENT_READ_CHECKPOINT));
    bf_step_text(step, clone->id);
    bf_step_number(step, 0);
    clone->target->database->execute(session, &clone->flight, located, clone);
}

static void too_late(void *argument)
{
    struct bf_clone *clone = argument;
    char text[128];
    snprintf(text, sizeof text, "target %.63s: it did not say within %d s how far the job is", clone->target->name,
             POSITION_TIMEOUT / 1000);
    give_up(clone, BF_TARGET_DOWN, text);
}

void bf_engine_clone(struct bf_engine *engine, const char *job_id, const char *name, bool from_position,
                     const char *actor, const char *key, bf_ordered *done, void *argument)
{
    const struct bf_job *job = bf_engine_by_id(engine, job_id);
    char text[256];
    if (!job) {
        refuse(BF_NOT_FOUND, NULL, "there is no such job", done, argument);
        return;
    }
    enum bf_state state = job->record.state;
    if (from_position && (bf_state_active(state) || state == BF_STATE_QUEUED)) {
        snprintf(text, sizeof text, "job %s is %s: its position moves on; pause or abort it first, or clone it from the start",
                 job->record.document->name, bf_state_name(state));
        refuse(BF_WRONG_STATE, job, text, done, argument);
        return;
    }
    if (from_position && job->crew_count) {
        snprintf(text, sizeof text, "job %s has %zu slices, and each its own position; resume it, or clone it from the start",
                 job->record.document->name, bf_job_walks(job));
        refuse(BF_WRONG_STATE, job, text, done, argument);
        return;
    }
    if (from_position && job->record.progress.rows_set_aside) {
        snprintf(text, sizeof text, "%lld rows behind the position of job %s are set aside, because others held them; resume it, "
                 "or clone it from the start", (long long)job->record.progress.rows_set_aside, job->record.document->name);
        refuse(BF_WRONG_STATE, job, text, done, argument);
        return;
    }
    if (!from_position || !job->record.started || !job->target) {
        submit(engine, job, name, NULL, actor, key, done, argument);
        return;
    }
    if (!job->target->database->dialect->common(BF_STATEMENT_READ_CHECKPOINT)) {
        snprintf(text, sizeof text, "a clone from a position is not built yet for %s",
                 job->target->database->dialect->name);
        refuse(BF_UNSUPPORTED, job, text, done, argument);
        return;
    }
    if (engine->draining) {
        refuse(BF_STOPPING, NULL, "the daemon is stopping; try again when it is back", done, argument);
        return;
    }
    struct bf_clone *clone = BF_NEW(struct bf_clone);
    *clone = (struct bf_clone){.engine = engine,
                               .target = job->target,
                               .name = bf_copy_string(name),
                               .actor = bf_copy_string(actor),
                               .key = bf_copy_string(key),
                               .done = done,
                               .argument = argument,
                               .next = engine->clones};
    memcpy(clone->id, job->record.id, sizeof clone->id);
    if (engine->clones)
        engine->clones->previous = clone;
    engine->clones = clone;
    clone->deadline = engine->world->timer_new(engine->world->context, too_late, clone);
    engine->world->timer_start(clone->deadline, POSITION_TIMEOUT);
    struct bf_session_options options = {.application_name = "backfilld plan",
                                         .lock_timeout = 1000,
                                         .statement_timeout = 5000,
                                         .connect_timeout = CONNECT_TIMEOUT};
    clone->session = clone->target->database->connect(clone->target->database->context, &options, connected, clone);
}
