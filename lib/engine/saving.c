/* What becomes of a write to the store that fails. What took effect stays in effect, and record and events are written as
 * soon as the store takes them again; the trouble is said once, and once that it is over. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "ignored_list.h"

/* Of one job; a store that fails for days does not fill the memory. The oldest go first. */
enum { LATE_EVENTS_MAX = 500 };

static void keep_late(struct bf_job *job, const struct bf_event *events, size_t count)
{
    job->late = bf_reallocate(job->late, (job->late_count + count) * sizeof *events + 1);
    memcpy(job->late + job->late_count, events, count * sizeof *events);
    job->late_count += count;
    if (job->late_count <= LATE_EVENTS_MAX)
        return;
    memmove(job->late, job->late + job->late_count - LATE_EVENTS_MAX, LATE_EVENTS_MAX * sizeof *job->late);
    job->late_count = LATE_EVENTS_MAX;
}

void bf_save_write(struct bf_save *save, const struct bf_record *record, bf_stored *stored)
{
    struct bf_job *job = save->job;
    const struct bf_store *store = job->engine->store;
    bool own = save->event.type[0] != '\0';
    /* What is late goes first, so that the events of a job keep their order. */
    save->late_count = job->late_count;
    save->late = bf_reallocate(job->late, (job->late_count + own) * sizeof *job->late + 1);
    job->late = NULL;
    job->late_count = 0;
    if (own)
        save->late[save->late_count] = save->event;
    store->save(store->context, record, save->late, save->late_count + own, stored, save);
}

void bf_save_later(struct bf_job *job, const struct bf_event *event)
{
    keep_late(job, event, 1);
    job->unsaved = true;
}

void bf_save_failed(struct bf_save *save)
{
    /* The event of a move that is stored first has not happened. */
    bool own = save->event.type[0] != '\0' && !save->applies;
    keep_late(save->job, save->late, save->late_count + own);
    save->job->unsaved = save->job->unsaved || save->job->late_count > 0 || !save->applies;
}

void bf_engine_store_said(struct bf_engine *engine, const struct bf_error *error)
{
    bool good = error->code == BF_OK;
    bool same = good ? !engine->store_trouble : engine->store_trouble && strcmp(engine->store_trouble, error->text) == 0;
    if (!good)
        engine->world->timer_start(engine->store_timer, BF_STORE_RETRY);
    if (same)
        return;
    free(engine->store_trouble);
    engine->store_trouble = good ? NULL : bf_copy_string(error->text);
    if (engine->options.store_trouble)
        engine->options.store_trouble(engine->options.argument, engine->store_trouble);
}

void bf_engine_store_retry(struct bf_engine *engine)
{
    bool tried = false;
    for (struct bf_job *job = engine->oldest; job; job = job->newer)
        if (job->unsaved) {
            bf_job_save(job, NULL);
            tried = true;
        }
    bf_latches_save(engine);
    bf_ignored_save(engine);
    if (!engine->store_trouble || tried)
        return;
    /* Nothing is missing: any write shows whether the store takes one again. Without a job the next one will show. */
    static const struct bf_error fine = {.code = BF_OK};
    if (engine->oldest)
        bf_job_save(engine->oldest, NULL);
    else
        bf_engine_store_said(engine, &fine);
}

const char *bf_engine_store_trouble(const struct bf_engine *engine)
{
    return engine->store_trouble;
}
