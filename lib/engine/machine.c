/* The job machine: one setter, one tick, one function for each state in which something is done. The table of moves is
 * include/backfilld/states.h. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "bounds.h"
#include "internal.h"
#include "plan_text.h"
#include "triggers.h"

int64_t bf_job_now(const struct bf_job *job)
{
    return job->engine->world->monotonic(job->engine->world->context);
}

struct bf_reason bf_reason_make(const struct bf_job *job, enum bf_code code, const char *text)
{
    struct bf_reason reason = {.code = code, .since = job->engine->world->unix_time(job->engine->world->context)};
    snprintf(reason.text, sizeof reason.text, "%s", text);
    return reason;
}

/* ---- the store ---- */

static void announce(struct bf_job *job, const struct bf_event *event)
{
    if (job->engine->options.event)
        job->engine->options.event(job->engine->options.argument, &job->record, event);
}

static void apply(struct bf_job *job, enum bf_state from, enum bf_state to)
{
    job->record.state = to;
    if (job->planner)
        bf_planning_drop(job->planner);
    bf_count_stop(job);
    bf_engine_place(job);
    for (size_t i = 0; i < bf_job_walks(job); i++)
        bf_job_walk(job, i)->reason = (struct bf_reason){0};
    if (bf_state_active(to) && !bf_state_active(from))
        bf_walk_reset(job, false);
    job->walk.courtesy = from == BF_STATE_PAUSED && to == BF_STATE_ABORTING && job->record.started;
    bf_rate_forget(&job->rate);
    job->engine->schedule = true;
    bf_engine_mark(job);
}

static void answer_stored(struct bf_save *save, const struct bf_error *error)
{
    struct bf_outcome_of_order outcome = {.code = BF_OK, .durable = error->code == BF_OK, .job = save->job, .text = "",
                                          .already = save->request && save->request->already};
    if (error->code != BF_OK) {
        outcome.text = error->text;
        if (save->applies)
            outcome.code = BF_STORE_FAILED;
    }
    bf_request_answer(save->request, &outcome);
    save->request = NULL;
}

static bool approves(const struct bf_request *request)
{
    return request && request->order == BF_ORDER_APPROVE;
}

/* What the person saw is what counts, until the job starts. What the record had before stays whose it was. */
static void set_approval(struct bf_record *record, const struct bf_request *request)
{
    record->approver = bf_copy_string(request->actor);
    record->break_glass = request->break_glass ? bf_copy_string(request->reason) : NULL;
    record->approved_plan = bf_plan_text(record->plan, "hash");
    record->approved_risk = bf_plan_text(record->plan, "risk");
    record->approved_bounds = bf_bounds_make(record->document);
}

/* A person's word that this daemon shall work on the job, whoever held it before. */
static bool takes_over(const struct bf_request *request)
{
    return request && ((request->order == BF_ORDER_RESUME && request->cause == BF_BY_PERSON) ||
                       request->order == BF_ORDER_ROLLBACK || request->order == BF_ORDER_RETRY);
}

/* From here on the job goes back, and never forward again. */
static void turn(struct bf_record *record)
{
    record->direction = BF_DIRECTION_BACK;
    record->back.wanted = false;
}

/* Beside the move, whose text has the reason, too: an event of a kind of its own, for those who watch for it. */
static void tell_break_glass(struct bf_job *job)
{
    const struct bf_record *record = &job->record;
    BF_AUTO_STRING char *text = bf_format("BREAK GLASS: %s approved it alone, and %s had submitted it: %s", record->approver,
                                          record->submitter ? record->submitter : "nobody known", record->break_glass);
    bf_job_record_event(job, "break_glass", record->approver, text, NULL);
}

static void on_saved(void *argument, const struct bf_error *error)
{
    struct bf_save *save = argument;
    struct bf_engine *engine = save->engine;
    if (engine) {
        struct bf_job *job = save->job;
        if (save->previous)
            save->previous->next = save->next;
        else
            engine->saves = save->next;
        if (save->next)
            save->next->previous = save->previous;
        bool good = error->code == BF_OK;
        bf_engine_store_said(engine, error);
        if (!good)
            bf_save_failed(save);
        if (save->applies) {
            job->moving = false;
            if (good) {
                job->record.reason = (struct bf_reason){0};
                job->record.version++;
                job->record.updated_at = save->event.at;
                job->record.ended_at = 0; /* what starts has no end */
                if (approves(save->request)) {
                    bf_record_forget_approval(&job->record);
                    set_approval(&job->record, save->request);
                    job->measured_at = 0; /* what it approved was some time ago */
                }
                if (takes_over(save->request))
                    job->record.epoch = 0;
                if (save->request && save->request->order == BF_ORDER_ROLLBACK)
                    turn(&job->record);
                if (save->request && save->request->order == BF_ORDER_RETRY)
                    bf_bad_rows_want_retry(job);
                announce(job, &save->event);
                apply(job, job->record.state, save->to);
                if (approves(save->request) && save->request->break_glass)
                    tell_break_glass(job);
                if (job->unsaved)
                    bf_job_save(job, NULL); /* what came meanwhile */
            } else {
                job->release_after = bf_job_now(job) + BF_STORE_RETRY;
                engine->schedule = true;
            }
        } else if (good) {
            job->unsaved = job->late_count > 0; /* what took effect stays in effect; it is stored when the store is back */
        }
        if (save->walk) {
            save->walk->stored = good;
            save->walk->store_failed = !good;
            save->walk->arrived = true;
        }
        answer_stored(save, error);
        bf_engine_mark(job);
    }
    free(save->late);
    free(save);
}

static struct bf_save *new_save(struct bf_job *job, struct bf_request *request)
{
    struct bf_engine *engine = job->engine;
    struct bf_save *save = BF_NEW(struct bf_save);
    save->engine = engine;
    save->job = job;
    save->request = request;
    save->next = engine->saves;
    if (engine->saves)
        engine->saves->previous = save;
    engine->saves = save;
    bf_job_write_ledger(job);
    bf_crew_write(job);
    job->saved_at = engine->world->monotonic(engine->world->context);
    return save;
}

/* While a move is on its way into the store, which takes effect only then, the record here is the one from before: written
 * behind that move it would undo it. So it waits. */
void bf_job_save(struct bf_job *job, struct bf_walk *walk)
{
    if (job->moving && !walk) {
        job->unsaved = true;
        return;
    }
    struct bf_save *save = new_save(job, NULL);
    save->walk = walk;
    bf_save_write(save, &job->record, on_saved);
}

void bf_job_event(struct bf_job *job, struct bf_event *event, const char *type, const char *actor, const char *text)
{
    *event = (struct bf_event){.at = job->engine->world->unix_time(job->engine->world->context)};
    memcpy(event->job, job->record.id, sizeof event->job);
    snprintf(event->type, sizeof event->type, "%s", type);
    snprintf(event->actor, sizeof event->actor, "%.*s", (int)sizeof event->actor - 1, actor);
    snprintf(event->text, sizeof event->text, "%.*s", (int)sizeof event->text - 1, text);
}

void bf_job_record_event(struct bf_job *job, const char *type, const char *actor, const char *text,
                         struct bf_request *request)
{
    struct bf_event event;
    bf_job_event(job, &event, type, actor, text);
    announce(job, &event);
    if (job->moving && !request) {
        bf_save_later(job, &event);
        return;
    }
    struct bf_save *save = new_save(job, request);
    save->event = event;
    bf_save_write(save, &job->record, on_saved);
}

void bf_job_note(struct bf_job *job, const char *type, const char *format, ...)
{
    char text[BF_EVENT_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bf_job_record_event(job, type, "daemon", text, NULL);
}

/* ---- moves ---- */

/* Fills in the event of a move and the record's fields that follow from it. */
static bool prepare_move(struct bf_job *job, struct bf_record *record, enum bf_state to, const struct bf_reason *reason,
                         const char *actor, struct bf_event *event)
{
    const char *sentence = bf_move_sentence(record->state, to);
    if (!sentence) {
        /* A move outside the table is our own mistake: a debug build stops here, a release fails this one job. */
        assert(!"a move outside the table of states");
        return false;
    }
    char text[BF_EVENT_TEXT_MAX];
    snprintf(text, sizeof text, "%s%s%s", sentence, reason ? ": " : "", reason ? reason->text : "");
    bf_job_event(job, event, "state", actor, text);
    snprintf(event->from, sizeof event->from, "%s", bf_state_name(record->state));
    snprintf(event->to, sizeof event->to, "%s", bf_state_name(to));
    record->state = to;
    record->version++;
    record->reason = reason ? *reason : (struct bf_reason){0};
    record->updated_at = event->at;
    record->ended_at = bf_state_final(to) ? event->at : 0;
    return true;
}

void bf_job_move(struct bf_job *job, enum bf_state to, const struct bf_reason *reason, const char *actor,
                 struct bf_request *request)
{
    struct bf_reason internal;
    enum bf_state from = job->record.state;
    struct bf_save *save = new_save(job, request);
    if (!prepare_move(job, &job->record, to, reason, actor, &save->event)) {
        internal = bf_reason_make(job, BF_INTERNAL, "the job's machine was asked for a move that it does not have");
        job->record.state = BF_STATE_FAILED;
        job->record.reason = internal;
        bf_job_event(job, &save->event, "state", "daemon", internal.text);
    }
    announce(job, &save->event);
    apply(job, from, job->record.state);
    bf_save_write(save, &job->record, on_saved);
}

void bf_job_move_stored_first(struct bf_job *job, enum bf_state to, const char *actor, struct bf_request *request)
{
    if (takes_over(request))
        bf_crew_forget_epochs(job);
    struct bf_save *save = new_save(job, request);
    struct bf_record copy = job->record; /* borrowed strings; the store copies what it needs */
    if (approves(request))
        set_approval(&copy, request);
    if (takes_over(request))
        copy.epoch = 0;
    if (request && request->order == BF_ORDER_ROLLBACK)
        turn(&copy);
    copy.retry_bad |= request && request->order == BF_ORDER_RETRY;
    struct bf_reason why = {0};
    if (request && request->reason)
        snprintf(why.text, sizeof why.text, "%s", request->reason);
    prepare_move(job, &copy, to, why.text[0] ? &why : NULL, actor, &save->event);
    copy.reason = (struct bf_reason){0};
    save->applies = true;
    save->to = to;
    job->moving = true;
    bf_save_write(save, &copy, on_saved);
    if (approves(request))
        bf_record_forget_approval(&copy);
}

/* ---- the tick ---- */

/* The walk came to its end: what does that mean for the state? */
static void walk_is_over(struct bf_job *job)
{
    const struct bf_walk *walk = bf_crew_ending(job);
    const struct bf_reason *reason = walk->ending_reason.code != BF_OK ? &walk->ending_reason : NULL;
    struct bf_reason kept = job->record.reason;
    if ((job->engine->draining || job->leaving) && bf_crew_unsettled(job) && job->target) {
        /* The daemon stops before it is known that nothing runs: the next start settles that. */
        bf_job_save(job, NULL);
        return;
    }
    switch (job->record.state) {
    case BF_STATE_RUNNING:
    case BF_STATE_VERIFYING:
        if (walk->ending == BF_STATE_COMPLETED || walk->ending == BF_STATE_FAILED)
            bf_job_move(job, walk->ending, reason, "daemon", NULL);
        else
            bf_job_save(job, NULL); /* drained: the next start takes it up */
        break;
    case BF_STATE_ROLLING_BACK:
        if (walk->ending == BF_STATE_COMPLETED || walk->ending == BF_STATE_FAILED)
            bf_job_move(job, walk->ending == BF_STATE_COMPLETED ? BF_STATE_ROLLED_BACK : BF_STATE_FAILED, reason, "daemon", NULL);
        else
            bf_job_save(job, NULL); /* drained: the next start takes it up */
        break;
    case BF_STATE_PAUSING:
        bf_job_move(job, walk->ending == BF_STATE_FAILED ? BF_STATE_FAILED : BF_STATE_PAUSED,
                    walk->ending == BF_STATE_FAILED ? reason : &kept, "daemon", NULL);
        break;
    case BF_STATE_ABORTING:
        bf_job_move(job, BF_STATE_ABORTED, &kept, "daemon", NULL);
        break;
    default:
        break;
    }
}

/* What one walk does may be what another waits for. */
static void step(struct bf_job *job)
{
    bool waited = !bf_crew_done(job), failed = bf_crew_ending(job)->ending == BF_STATE_FAILED;
    for (size_t i = 0; i < bf_job_walks(job); i++)
        bf_walk_step(bf_job_walk(job, i));
    if ((waited && bf_crew_done(job)) || (!failed && bf_crew_ending(job)->ending == BF_STATE_FAILED))
        bf_engine_mark(job);
}

static void tick(struct bf_job *job)
{
    bf_job_carry_out(job);
    if (!bf_state_active(job->record.state) || job->moving)
        return;
    if (bf_job_waits_for_target(job)) {
        bf_job_show_target(job);
        return;
    }
    if (!job->target) { /* it stops, and there is nothing to stop */
        walk_is_over(job);
        return;
    }
    bool was_over = bf_crew_left(job);
    step(job);
    if (bf_crew_left(job) && !was_over) {
        bf_monitor_review(bf_monitor_of(job->engine, job->target->name));
        walk_is_over(job);
        bf_walk_rest(job);
        if (job->leaving)
            bf_job_change_target(job);
        bf_engine_wake(job->engine);
    }
}

void bf_job_tick(struct bf_job *job)
{
    tick(job);
    bf_meter_look(job);
    bf_triggers_look(job);
    bf_stuck_look(job);
}
