/* Undo journals that were kept for long enough are dropped. Jobs that ended long ago are forgotten, with their events. The
 * store goes first: what it still has is still there. */
#include "internal.h"

enum { SECOND = 1000, HOUR = 3600 * SECOND };

static bool may_go(const struct bf_job *job, int64_t now)
{
    const struct bf_record *record = &job->record;
    if (!bf_state_final(record->state) || record->ended_at == 0 || now - record->ended_at <= job->engine->options.keep_jobs)
        return false;
    if (record->document->undo == BF_UNDO_JOURNAL && record->started && !record->back.dropped)
        return false; /* there is a way back, and its rows are found through the job */
    if (record->idempotency_key && now - record->created_at <= BF_KEY_KEPT)
        return false;
    if (job->engine->options.keep && job->engine->options.keep(job->engine->options.argument, record))
        return false;
    return !job->moving && !job->unsaved && !job->dirty && !job->requests && bf_walk_over(job);
}

static void on_forgotten(struct bf_call *call, const struct bf_error *error)
{
    struct bf_job *job = call->job;
    job->moving = false;
    if (error->code == BF_OK && !job->requests && !job->dirty)
        bf_engine_remove(job);
    else
        bf_engine_mark(job); /* the orders that came meanwhile */
}

void bf_engine_retain(struct bf_engine *engine)
{
    int64_t now = engine->world->unix_time(engine->world->context), again = HOUR;
    if (engine->options.keep_undo <= 0 && engine->options.keep_jobs <= 0)
        return;
    int64_t due = bf_undo_retain(engine, now);
    again = due < again ? due : again;
    if (engine->options.keep_jobs > 0 && engine->options.keep_jobs < again)
        again = engine->options.keep_jobs;
    engine->world->timer_start(engine->retention_timer, again < SECOND ? SECOND : again);
    if (engine->options.keep_jobs <= 0)
        return;
    for (struct bf_job *job = engine->oldest; job && !engine->draining; job = job->newer) {
        bool saving = false;
        for (const struct bf_save *save = engine->saves; save && !saving; save = save->next)
            saving = save->job == job;
        if (saving || !may_go(job, now))
            continue;
        job->moving = true;
        struct bf_call *call = bf_call_new(engine, on_forgotten);
        call->job = job;
        engine->store->forget(engine->store->context, job->record.id, bf_call_stored, call);
    }
}

void bf_engine_set_keep_undo(struct bf_engine *engine, int64_t keep_undo)
{
    engine->options.keep_undo = keep_undo;
    bf_engine_retain(engine);
}

void bf_engine_set_keep_jobs(struct bf_engine *engine, int64_t keep_jobs)
{
    engine->options.keep_jobs = keep_jobs;
    bf_engine_retain(engine);
}
