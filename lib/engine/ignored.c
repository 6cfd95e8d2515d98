/* The replicas that a person had ignored: until a time, over restarts, whether they are to be seen or not. An order takes
 * effect at once and is stored behind that. */
#include "ignored_list.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"

static int64_t unix_now(const struct bf_engine *engine)
{
    return engine->world->unix_time(engine->world->context);
}

static bool is_on(const struct bf_engine *engine, const struct bf_ignored_replica *entry)
{
    return entry->ignored.until > unix_now(engine);
}

static struct bf_ignored_replica *find(const struct bf_engine *engine, const char *target, const char *replica)
{
    for (size_t i = 0; i < engine->ignored_count; i++) {
        struct bf_ignored_replica *entry = &engine->ignored[i];
        if (strcmp(entry->ignored.target, target) == 0 && strcmp(entry->ignored.replica, replica) == 0)
            return entry;
    }
    return NULL;
}

const struct bf_ignored_replica *bf_ignored_find(const struct bf_engine *engine, const char *target, const char *replica)
{
    const struct bf_ignored_replica *entry = find(engine, target, replica);
    return entry && is_on(engine, entry) ? entry : NULL;
}

const struct bf_ignored_replica *bf_ignored_next(const struct bf_engine *engine, const char *target, size_t *index)
{
    while (*index < engine->ignored_count) {
        const struct bf_ignored_replica *entry = &engine->ignored[(*index)++];
        if (strcmp(entry->ignored.target, target) == 0 && is_on(engine, entry))
            return entry;
    }
    return NULL;
}

static struct bf_ignored_replica *add(struct bf_engine *engine, const struct bf_ignored *ignored)
{
    engine->ignored = bf_reallocate(engine->ignored, (engine->ignored_count + 1) * sizeof *engine->ignored);
    struct bf_ignored_replica *entry = &engine->ignored[engine->ignored_count++];
    *entry = (struct bf_ignored_replica){.ignored = *ignored,
                                         .unseen = {.lag_at = BF_SIGNAL_NEVER, .seen_at = BF_SIGNAL_NEVER}};
    memcpy(entry->unseen.name, ignored->replica, sizeof entry->unseen.name);
    return entry;
}

/* ---- the store ---- */

static void on_saved(struct bf_call *call, const struct bf_error *error)
{
    struct bf_ignored_replica *entry = find(call->engine, call->ignored.target, call->ignored.replica);
    if (error->code != BF_OK && entry && entry->ignored.until == call->ignored.until)
        entry->unsaved = true; /* tried again together with what else is missing */
}

static void save(struct bf_engine *engine, struct bf_ignored_replica *entry)
{
    struct bf_call *call = bf_call_new(engine, on_saved);
    call->ignored = entry->ignored;
    entry->unsaved = false;
    engine->store->save_ignored(engine->store->context, &entry->ignored, bf_call_stored, call);
}

void bf_ignored_save(struct bf_engine *engine)
{
    for (size_t i = 0; i < engine->ignored_count; i++)
        if (engine->ignored[i].unsaved)
            save(engine, &engine->ignored[i]);
}

void bf_ignored_loaded(void *argument, const struct bf_ignored *ignored)
{
    struct bf_engine *engine = argument;
    struct bf_ignored_replica *entry = add(engine, ignored);
    if (!is_on(engine, entry)) { /* its time was over while nobody looked */
        entry->ignored.until = 0;
        entry->unsaved = true;
    }
}

void bf_ignored_set(struct bf_engine *engine, const struct bf_ignored *ignored)
{
    struct bf_ignored_replica *entry = find(engine, ignored->target, ignored->replica);
    if (entry)
        entry->ignored = *ignored;
    else
        entry = add(engine, ignored);
    save(engine, entry);
}
