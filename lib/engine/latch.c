/* pause-all and resume-all: latches that stay on over restarts. A latch takes effect first and is stored second, as every
 * stop; it is taken off in the store first, as everything that starts something. Which jobs a latch paused stands in
 * their own reason (pause_all), so that a person's order takes a job out of it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "duration.h"
#include "internal.h"

const struct bf_latch *bf_engine_latch(const struct bf_engine *engine, size_t index)
{
    return index < engine->latch_count ? &engine->latches[index].latch : NULL;
}

const struct bf_latch *bf_job_latched(const struct bf_job *job, char *text, size_t size)
{
    const struct bf_engine *engine = job->engine;
    for (size_t i = 0; i < engine->latch_count; i++) {
        const struct bf_latch *latch = &engine->latches[i].latch;
        if (!bf_latch_covers(latch, job->record.document))
            continue;
        if (text) {
            char since[BF_TIME_TEXT];
            BF_AUTO_STRING char *scope = bf_latch_scope(latch);
            snprintf(text, size, "pause-all for %.140s by %.40s since %s is on%s%.200s", scope, latch->actor,
                     bf_time_format(latch->since, since), latch->reason ? ": " : "", latch->reason ? latch->reason : "");
        }
        return latch;
    }
    return NULL;
}

static struct bf_held_latch *find(struct bf_engine *engine, const struct bf_latch *scope)
{
    for (size_t i = 0; i < engine->latch_count; i++)
        if (bf_latch_same_scope(&engine->latches[i].latch, scope))
            return &engine->latches[i];
    return NULL;
}

/* Does the latch hold this job: paused by it, or waiting for its turn behind it? */
static bool holds(const struct bf_latch *latch, const struct bf_job *job)
{
    enum bf_state state = job->record.state;
    bool paused = (state == BF_STATE_PAUSING || state == BF_STATE_PAUSED) && job->record.reason.code == BF_PAUSE_ALL;
    return (paused || state == BF_STATE_QUEUED) && bf_latch_covers(latch, job->record.document);
}

static bool held_by_another(const struct bf_latch *latch, const struct bf_job *job)
{
    for (size_t i = 0; i < job->engine->latch_count; i++) {
        const struct bf_latch *other = &job->engine->latches[i].latch;
        if (!bf_latch_same_scope(latch, other) && bf_latch_covers(other, job->record.document))
            return true;
    }
    return false;
}

/* With the jobs that `latch` holds; NULL: none. */
static void answer(struct bf_engine *engine, const struct bf_latch *latch, enum bf_code code, bool durable, const char *text,
                   bf_latched *done, void *argument)
{
    size_t count = 0, capacity = 16;
    const struct bf_job **jobs = bf_allocate(capacity * sizeof *jobs);
    for (const struct bf_job *job = engine->oldest; latch && job; job = job->newer) {
        if (!holds(latch, job))
            continue;
        if (count == capacity)
            jobs = bf_reallocate(jobs, (capacity *= 2) * sizeof *jobs);
        jobs[count++] = job;
        durable = durable && !job->unsaved;
    }
    struct bf_outcome_of_latch outcome = {.code = code, .durable = durable, .jobs = jobs, .count = count, .text = text};
    done(argument, &outcome);
    free(jobs);
}

/* What was held by this latch alone, for the answer that comes when it is out of its pause: who has it may wait for the jobs. */
static void let_go(struct bf_engine *engine, const struct bf_latch *latch, bf_latched *done, void *argument)
{
    struct bf_letting_go *going = BF_NEW(struct bf_letting_go);
    *going = (struct bf_letting_go){.next = engine->letting_go, .done = done, .argument = argument};
    engine->letting_go = going;
    for (const struct bf_job *job = engine->oldest; job; job = job->newer) {
        if (!holds(latch, job) || held_by_another(latch, job))
            continue;
        going->jobs = bf_reallocate(going->jobs, (going->count + 1) * sizeof *going->jobs);
        memcpy(going->jobs[going->count++], job->record.id, sizeof *going->jobs);
    }
}

/* Paused still, and about to go on. One that the store could not take is not waited for. */
static bool is_leaving(const struct bf_job *job)
{
    return job && bf_job_may_release(job, BF_BY_RESUME_ALL) && bf_job_now(job) >= job->release_after;
}

void bf_latches_let_go(struct bf_engine *engine)
{
    for (struct bf_letting_go **at = &engine->letting_go, *going; (going = *at);) {
        size_t count = 0;
        bool waits = false;
        const struct bf_job **jobs = bf_allocate((going->count + 1) * sizeof *jobs);
        for (size_t i = 0; i < going->count; i++) {
            const struct bf_job *job = bf_engine_by_id(engine, going->jobs[i]);
            waits = waits || is_leaving(job);
            if (job)
                jobs[count++] = job;
        }
        if (waits && !engine->draining) {
            at = &going->next;
        } else {
            struct bf_outcome_of_latch outcome = {.code = BF_OK, .durable = true, .jobs = jobs, .count = count, .text = ""};
            *at = going->next;
            going->done(going->argument, &outcome);
            free(going->jobs);
            free(going);
        }
        free(jobs);
    }
}

/* The event of the latch itself: it belongs to no job. */
static struct bf_event event_of(const struct bf_engine *engine, const struct bf_latch *latch, const char *type,
                                const char *actor, const char *reason)
{
    struct bf_event event = {.at = engine->world->unix_time(engine->world->context)};
    BF_AUTO_STRING char *scope = bf_latch_scope(latch);
    snprintf(event.type, sizeof event.type, "%s", type);
    snprintf(event.actor, sizeof event.actor, "%.*s", (int)sizeof event.actor - 1, actor);
    snprintf(event.text, sizeof event.text, "%.300s%s%.600s", scope, reason ? ": " : "", reason ? reason : "");
    return event;
}

static void announce(const struct bf_engine *engine, const struct bf_event *event)
{
    if (engine->options.event)
        engine->options.event(engine->options.argument, NULL, event);
}

static void keep_late(struct bf_call *call)
{
    if (!call->event.type[0])
        return;
    struct bf_late_latch **end = &call->engine->late_latches;
    while (*end)
        end = &(*end)->next;
    *end = BF_NEW(struct bf_late_latch);
    (*end)->event = call->event;
    bf_latch_copy(&(*end)->latch, &call->latch);
}

static void on_latched(struct bf_call *call, const struct bf_error *error)
{
    struct bf_engine *engine = call->engine;
    struct bf_held_latch *held = find(engine, &call->latch);
    bool good = error->code == BF_OK;
    if (!good) {
        if (held)
            held->unsaved = true;
        keep_late(call);
        engine->world->timer_start(engine->store_timer, BF_STORE_RETRY);
    }
    if (call->latched)
        answer(engine, &call->latch, BF_OK, good, good ? "" : error->text, call->latched, call->argument);
}

/* Tells the store whether the latch is on. */
static void save(struct bf_engine *engine, const struct bf_latch *latch, const struct bf_event *event, bf_latched *done,
                 void *argument)
{
    struct bf_held_latch *held = find(engine, latch);
    struct bf_call *call = bf_call_new(engine, on_latched);
    bf_latch_copy(&call->latch, latch);
    call->latched = done;
    call->argument = argument;
    if (event)
        call->event = *event;
    if (held)
        held->unsaved = false;
    engine->store->save_latch(engine->store->context, held ? &held->latch : latch, held != NULL, event, event ? 1 : 0,
                              bf_call_stored, call);
}

/* While the store is told that a latch is off, nobody knows yet whether it is: its events wait. */
static void save_late(struct bf_engine *engine)
{
    struct bf_late_latch *late = engine->late_latches, **kept = &engine->late_latches;
    *kept = NULL;
    while (late) {
        struct bf_late_latch *next = late->next;
        const struct bf_held_latch *held = find(engine, &late->latch);
        late->next = NULL;
        if (held && held->leaving) {
            *kept = late;
            kept = &late->next;
        } else {
            save(engine, &late->latch, &late->event, NULL, NULL);
            bf_latch_clear(&late->latch);
            free(late);
        }
        late = next;
    }
}

void bf_latches_free(struct bf_engine *engine)
{
    for (size_t i = 0; i < engine->latch_count; i++)
        bf_latch_clear(&engine->latches[i].latch);
    free(engine->latches);
    for (struct bf_letting_go *going = engine->letting_go, *next; going; going = next) {
        next = going->next;
        free(going->jobs);
        free(going);
    }
    for (struct bf_late_latch *late = engine->late_latches, *next; late; late = next) {
        next = late->next;
        bf_latch_clear(&late->latch);
        free(late);
    }
}

void bf_latches_save(struct bf_engine *engine)
{
    save_late(engine);
    for (size_t i = 0; i < engine->latch_count; i++)
        if (engine->latches[i].unsaved && !engine->latches[i].leaving)
            save(engine, &engine->latches[i].latch, NULL, NULL, NULL);
}

/* What runs in the latch's scope is paused at once. */
static void pause_all(struct bf_engine *engine, const struct bf_latch *latch, const char *actor)
{
    char text[512];
    for (struct bf_job *job = engine->oldest; job; job = job->newer) {
        enum bf_state to;
        if (job->record.state == BF_STATE_QUEUED || job->moving || !bf_latch_covers(latch, job->record.document) ||
            bf_order_effect(BF_ORDER_PAUSE, job->record.state, &to) != BF_EFFECT_MOVE)
            continue;
        BF_AUTO_STRING char *scope = bf_latch_scope(latch);
        snprintf(text, sizeof text, "paused with %.150s by %.60s%s%.200s", scope, actor, latch->reason ? ": " : "",
                 latch->reason ? latch->reason : "");
        struct bf_reason reason = bf_reason_make(job, BF_PAUSE_ALL, text);
        bf_job_move(job, to, &reason, actor, NULL);
    }
}

void bf_engine_pause_all(struct bf_engine *engine, const struct bf_latch *scope, const char *actor, bf_latched *done,
                         void *argument)
{
    struct bf_held_latch *held = find(engine, scope);
    if (held && !held->leaving) {
        answer(engine, &held->latch, BF_OK, !held->unsaved, "", done, argument);
        return;
    }
    if (!held) {
        if (engine->latch_count == BF_LATCHES_MAX) {
            answer(engine, NULL, BF_BUSY, true, "too many latches are on at once; resume-all takes one off",
                   done, argument);
            return;
        }
        engine->latches = bf_reallocate(engine->latches, (engine->latch_count + 1) * sizeof *engine->latches);
        held = &engine->latches[engine->latch_count++];
        *held = (struct bf_held_latch){0};
        bf_latch_copy(&held->latch, scope);
        free(held->latch.actor);
        held->latch.actor = bf_copy_string(actor);
        held->latch.since = engine->world->unix_time(engine->world->context);
    }
    held->leaving = false; /* the store hears "on" behind the "off" that is under way */
    struct bf_event event = event_of(engine, &held->latch, "pause_all", actor, scope->reason);
    announce(engine, &event);
    pause_all(engine, &held->latch, actor);
    save(engine, &held->latch, &event, done, argument); /* behind the jobs' own saves: its answer speaks for all of them */
    engine->schedule = true;
    bf_engine_wake(engine);
}

static void on_released(struct bf_call *call, const struct bf_error *error)
{
    struct bf_engine *engine = call->engine;
    struct bf_held_latch *held = find(engine, &call->latch);
    if (error->code != BF_OK) {
        if (held)
            held->leaving = false;
        answer(engine, NULL, BF_STORE_FAILED, false, error->text, call->latched, call->argument);
        return;
    }
    if (!held || !held->leaving) { /* somebody said pause-all again */
        answer(engine, NULL, BF_OK, true, "", call->latched, call->argument);
        return;
    }
    struct bf_event event = event_of(engine, &call->latch, "resume_all", call->text, call->latch.reason);
    announce(engine, &event);
    free(engine->released_by);
    engine->released_by = bf_copy_string(call->text);
    bf_latch_clear(&held->latch);
    *held = engine->latches[--engine->latch_count];
    let_go(engine, &call->latch, call->latched, call->argument);
    engine->schedule = true;
    bf_engine_wake(engine);
}

void bf_engine_resume_all(struct bf_engine *engine, const struct bf_latch *scope, const char *actor, bf_latched *done,
                          void *argument)
{
    struct bf_held_latch *held = find(engine, scope);
    if (engine->draining) {
        answer(engine, NULL, BF_STOPPING, true, "the daemon is stopping; try again when it is back", done, argument);
        return;
    }
    if (!held) {
        answer(engine, NULL, BF_OK, true, "", done, argument);
        return;
    }
    struct bf_event event = event_of(engine, scope, "resume_all", actor, scope->reason);
    held->leaving = true;
    struct bf_call *call = bf_call_new(engine, on_released);
    bf_latch_copy(&call->latch, scope);
    call->text = bf_copy_string(actor);
    call->latched = done;
    call->argument = argument;
    engine->store->save_latch(engine->store->context, scope, false, &event, 1, bf_call_stored, call);
}
