/* The engine's life, its jobs, and the dirty queue: whatever happens only marks a job, the ticker looks at it. */
#include "engine.h"

#include <assert.h>
#include <string.h>

#include "allocate.h"
#include "ignored_list.h"
#include "plan_text.h"
#include "triggers.h"

static void on_ticker(void *argument);

static void on_store_timer(void *argument)
{
    struct bf_engine *engine = argument;
    bf_engine_store_retry(engine);
    engine->schedule = true;
    bf_engine_wake(engine);
}

static void on_release_timer(void *argument)
{
    struct bf_engine *engine = argument;
    engine->schedule = true;
    bf_engine_wake(engine);
}

static void on_retention_timer(void *argument)
{
    bf_engine_retain(argument);
}

struct bf_call *bf_call_new(struct bf_engine *engine, void (*done)(struct bf_call *, const struct bf_error *))
{
    struct bf_call *call = BF_NEW(struct bf_call);
    call->engine = engine;
    call->done = done;
    call->next = engine->calls;
    if (engine->calls)
        engine->calls->previous = call;
    engine->calls = call;
    return call;
}

void bf_call_stored(void *argument, const struct bf_error *error)
{
    struct bf_call *call = argument;
    if (call->engine) {
        if (call->previous)
            call->previous->next = call->next;
        else
            call->engine->calls = call->next;
        if (call->next)
            call->next->previous = call->previous;
        bf_engine_store_said(call->engine, error);
        call->done(call, error);
    }
    bf_latch_clear(&call->latch);
    free(call->text);
    free(call);
}

struct bf_engine *bf_engine_new(const struct bf_engine_options *options)
{
    struct bf_engine *engine = BF_NEW(struct bf_engine);
    engine->options = *options;
    engine->world = options->world;
    engine->store = options->store;
    engine->ticker = engine->world->timer_new(engine->world->context, on_ticker, engine);
    engine->store_timer = engine->world->timer_new(engine->world->context, on_store_timer, engine);
    engine->target_count = options->target_count;
    engine->targets = bf_allocate(options->target_count * sizeof *engine->targets + 1);
    for (size_t i = 0; i < options->target_count; i++)
        engine->targets[i] = &options->targets[i];
    engine->release_timer = engine->world->timer_new(engine->world->context, on_release_timer, engine);
    engine->retention_timer = engine->world->timer_new(engine->world->context, on_retention_timer, engine);
    return engine;
}

void bf_engine_wake(struct bf_engine *engine)
{
    engine->world->timer_start(engine->ticker, 0);
}

void bf_engine_mark(struct bf_job *job)
{
    struct bf_engine *engine = job->engine;
    if (job->dirty)
        return;
    job->dirty = true;
    job->next_dirty = NULL;
    if (engine->dirty_last)
        engine->dirty_last->next_dirty = job;
    else
        engine->dirty_first = job;
    engine->dirty_last = job;
    bf_engine_wake(engine);
}

void bf_engine_place(struct bf_job *job)
{
    struct bf_job **at = &job->engine->working;
    while (*at && *at != job)
        at = &(*at)->next_working;
    if (*at && !bf_state_active(job->record.state)) {
        *at = job->next_working;
        job->next_working = NULL;
    } else if (!*at && bf_state_active(job->record.state)) {
        *at = job;
    }
}

static void take_out(struct bf_job *job)
{
    for (struct bf_job **at = &job->engine->working; *at; at = &(*at)->next_working)
        if (*at == job) {
            *at = job->next_working;
            return;
        }
}

static bool nothing_runs(const struct bf_engine *engine)
{
    for (const struct bf_job *job = engine->working; job; job = job->next_working)
        if (!bf_walk_over(job))
            return false;
    return true;
}

static void on_ticker(void *argument)
{
    struct bf_engine *engine = argument;
    /* Only what is dirty now: a job that marks itself again has its turn after the loop has seen to everything else. */
    struct bf_job *last = engine->dirty_last;
    for (struct bf_job *job; (job = engine->dirty_first) != NULL;) {
        engine->dirty_first = job->next_dirty;
        if (!engine->dirty_first)
            engine->dirty_last = NULL;
        job->dirty = false;
        bf_job_tick(job);
        if (job == last)
            break;
    }
    if (engine->schedule && !engine->draining) {
        engine->schedule = false;
        if (!bf_engine_release(engine))
            bf_engine_schedule(engine);
    }
    bf_latches_let_go(engine);
    if (engine->dirty_first)
        bf_engine_wake(engine);
    if (engine->draining && engine->drained && nothing_runs(engine)) {
        void (*drained)(void *) = engine->drained;
        engine->drained = NULL;
        drained(engine->drained_argument);
    }
}

/* In the order in which they were made, as the store loads them: one that is adopted is older than others. */
static void insert(struct bf_engine *engine, struct bf_job *job)
{
    struct bf_job *before = engine->newest;
    while (before && before->record.created_at > job->record.created_at)
        before = before->older;
    job->older = before;
    job->newer = before ? before->newer : engine->oldest;
    *(job->older ? &job->older->newer : &engine->oldest) = job;
    *(job->newer ? &job->newer->older : &engine->newest) = job;
}

struct bf_job *bf_engine_add(struct bf_engine *engine, struct bf_record *record)
{
    struct bf_job *job = BF_NEW(struct bf_job);
    job->engine = engine;
    job->record = *record;
    *record = (struct bf_record){0};
    job->target = bf_engine_target_by_name(engine, job->record.document->target);
    job->target_gone = !job->target;
    job->table = bf_plan_text(job->record.plan, "table");
    job->identity = bf_plan_text(job->record.plan, "identity");
    insert(engine, job);
    bf_engine_place(job);
    bf_ledger_read(&job->ledger, job->record.progress.ledger);
    job->walk.job = job;
    bf_crew_load(job);
    bf_walk_reset(job, false);
    bf_job_show_target(job);
    return job;
}

static void on_loaded(void *argument, struct bf_record *record)
{
    struct bf_engine *engine = argument;
    struct bf_job *job = bf_engine_add(engine, record);
    enum bf_state state = job->record.state;
    if (bf_state_active(state)) {
        /* Our former life may have left a session behind that still commits. */
        bf_walk_reset(job, job->record.started);
        bf_job_show_target(job);
        bf_engine_mark(job);
    } else if (bf_triggers_settle(job)) {
        bf_engine_mark(job);
    }
}

static void on_latch(void *argument, struct bf_latch *latch)
{
    struct bf_engine *engine = argument;
    engine->latches = bf_reallocate(engine->latches, (engine->latch_count + 1) * sizeof *engine->latches);
    engine->latches[engine->latch_count++] = (struct bf_held_latch){.latch = *latch};
}

enum bf_code bf_engine_start(struct bf_engine *engine, struct bf_error *error)
{
    enum bf_code code = engine->store->load_latches(engine->store->context, on_latch, engine, error);
    if (code == BF_OK)
        code = engine->store->load_ignored(engine->store->context, bf_ignored_loaded, engine, error);
    if (code == BF_OK)
        code = engine->store->load_marks(engine->store->context, bf_alerts_loaded, engine, error);
    if (code == BF_OK)
        code = engine->store->load(engine->store->context, on_loaded, engine, error);
    if (code != BF_OK)
        return code;
    engine->schedule = true;
    bf_engine_wake(engine);
    bf_engine_retain(engine);
    bf_ignored_save(engine);
    return BF_OK;
}

void bf_engine_drain(struct bf_engine *engine, bool cancel, void (*drained)(void *argument), void *argument)
{
    engine->draining = true;
    engine->drain_cancel = cancel;
    engine->drained = drained;
    engine->drained_argument = argument;
    bf_clones_drop(engine);
    bf_undo_drop_errands(engine);
    bf_adoptions_drop(engine, false);
    bf_submissions_drop(engine, false);
    bf_counts_drop(engine);
    bf_engine_store_retry(engine); /* the last chance for what is still missing */
    for (struct bf_job *job = engine->oldest; job; job = job->newer)
        bf_engine_mark(job);
    bf_engine_wake(engine);
}

static void free_request(struct bf_request *request)
{
    free(request->actor);
    free(request->reason);
    free(request->confirm);
    free(request->plan);
    free(request->change);
    free(request->if_match);
    free(request->because);
    free(request);
}

void bf_request_answer(struct bf_request *request, const struct bf_outcome_of_order *outcome)
{
    if (!request)
        return;
    if (request->done)
        request->done(request->argument, outcome);
    free_request(request);
}

static void free_job(struct bf_job *job)
{
    bf_record_clear(&job->record);
    free(job->table);
    free(job->identity);
    free(job->hold);
    free(job->late);
    bf_crew_free(job);
    bf_meter_free(job);
    free(job);
}

void bf_engine_remove(struct bf_job *job)
{
    struct bf_engine *engine = job->engine;
    if (job->older)
        job->older->newer = job->newer;
    else
        engine->oldest = job->newer;
    if (job->newer)
        job->newer->older = job->older;
    else
        engine->newest = job->older;
    take_out(job);
    bf_triggers_free(job);
    bf_monitor_forget(job);
    bf_walk_drop(job);
    free_job(job);
}

void bf_engine_free(struct bf_engine *engine)
{
    if (!engine)
        return;
    bf_clones_drop(engine);
    bf_undo_drop_errands(engine);
    bf_adoptions_drop(engine, true);
    bf_watchers_drop(engine);
    bf_submissions_drop(engine, true);
    bf_counts_drop(engine);
    for (struct bf_job *job = engine->oldest; job; job = job->newer)
        bf_triggers_free(job);
    bf_monitors_drop(engine);
    for (struct bf_save *save = engine->saves; save; save = save->next) {
        save->engine = NULL;
        if (save->request)
            free_request(save->request);
        save->request = NULL;
    }
    for (struct bf_job *job = engine->oldest, *newer; job; job = newer) {
        newer = job->newer;
        bf_walk_drop(job);
        for (struct bf_request *request = job->requests, *next; request; request = next) {
            next = request->next;
            free_request(request);
        }
        free_job(job);
    }
    for (struct bf_call *call = engine->calls; call; call = call->next)
        call->engine = NULL;
    bf_alerts_drop(engine);
    bf_latches_free(engine);
    free(engine->ignored);
    free(engine->released_by);
    engine->world->timer_free(engine->ticker);
    engine->world->timer_free(engine->store_timer);
    free(engine->targets);
    free(engine->store_trouble);
    engine->world->timer_free(engine->release_timer);
    engine->world->timer_free(engine->retention_timer);
    free(engine);
}

const struct bf_job *bf_engine_next_job(const struct bf_engine *engine, const struct bf_job *job)
{
    return job ? job->older : engine->newest;
}

struct bf_job *bf_engine_by_id(const struct bf_engine *engine, const char *id)
{
    for (struct bf_job *job = engine->newest; job; job = job->older)
        if (strcmp(job->record.id, id) == 0)
            return job;
    return NULL;
}

/* Can this job still run, or be rolled back? Then its name alone does not say which job a change means. */
static bool still_counts(const struct bf_job *job)
{
    bool way_back = job->record.document->undo != BF_UNDO_NONE && job->record.started && !job->record.back.dropped;
    if (way_back && job->record.state != BF_STATE_ROLLED_BACK)
        return true;
    return job->record.state != BF_STATE_COMPLETED && job->record.state != BF_STATE_REFUSED &&
           job->record.state != BF_STATE_ABORTED && job->record.state != BF_STATE_ROLLED_BACK;
}

enum bf_code bf_engine_find(const struct bf_engine *engine, const char *id_or_name, bool changing,
                            const struct bf_job **ret_job, struct bf_error *error)
{
    const struct bf_job *found = bf_engine_by_id(engine, id_or_name);
    if (!found) {
        for (const struct bf_job *job = engine->newest; job; job = job->older) {
            if (strcmp(job->record.document->name, id_or_name) != 0)
                continue;
            if (!found)
                found = job;
            else if (changing && still_counts(job))
                return bf_fail(error, BF_AMBIGUOUS, "the name %s means %s and the older %s, which is %s; use the id",
                               id_or_name, found->record.id, job->record.id, bf_state_name(job->record.state));
        }
    }
    if (!found)
        return bf_fail(error, BF_NOT_FOUND, "there is no job with the id or name %.100s", id_or_name);
    *ret_job = found;
    return BF_OK;
}

const struct bf_record *bf_job_record(const struct bf_job *job)
{
    return &job->record;
}

double bf_job_rate(const struct bf_job *job)
{
    return bf_state_active(job->record.state) ? bf_rate_per_second(&job->rate, bf_job_now(job)) : -1;
}
