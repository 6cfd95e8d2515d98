#include "sqlite_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocate.h"
#include "sqlite_reason.h"
#include "sqlite_rows.h"
#include "sqlite_schema.h"

enum kind { WRITE, WRITE_LATCH, WRITE_IGNORED, WRITE_MARK, WRITE_SAMPLES, FORGET, READ, READ_SAMPLES };

/* One call, in the order of the calls. */
struct item {
    struct item *next;
    enum kind kind;
    struct bf_error error;
    void *argument;
    bf_stored *stored; /* of those that write */
    /* WRITE */
    struct bf_saved_job saved;
    /* WRITE_LATCH */
    struct bf_latch latch;
    bool on;
    /* WRITE_IGNORED */
    struct bf_ignored ignored;
    /* WRITE_MARK */
    struct bf_mark mark;
    /* FORGET, READ, and those of samples */
    char *job, *targets;
    /* WRITE_SAMPLES, READ_SAMPLES */
    int step, keep;
    struct bf_sample *samples;
    bf_store_samples *read_samples;
    /* READ */
    int64_t after;
    size_t limit;
    bf_store_events *read;
    /* WRITE, WRITE_LATCH: what is appended. READ: what was found. */
    struct bf_event *events;
    size_t count;
};

struct list {
    struct item *first, **last;
};

/* The loop's thread collects in `waiting`; one piece of work at a time is with the thread pool and carries out `working`.
 * Nobody else touches `working` and the connection meanwhile, except `close`, which takes the mutex: it waits for work
 * that has begun, and does itself what the pool has not begun. */
struct store {
    struct bf_store store; /* first: freed through it */
    uv_loop_t *loop;
    uv_work_t work;
    bool busy; /* the work is with the pool, or its end is not yet told to the loop */
    bool closed;
    struct list waiting;
    uv_mutex_t mutex; /* guards what follows */
    struct list working;
    bool done; /* `working` is carried out */
    sqlite3 *connection;
    struct bf_rows rows;
    char *path;
    int lock;
};

static void list_clear(struct list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void list_append(struct list *list, struct item *item)
{
    *list->last = item;
    list->last = &item->next;
}

static void list_move(struct list *from, struct list *to)
{
    list_clear(to);
    if (from->first)
        *to = *from;
    list_clear(from);
}

static void item_free(struct item *item)
{
    bf_saved_job_clear(&item->saved);
    bf_latch_clear(&item->latch);
    free(item->job);
    free(item->targets);
    free(item->events);
    if (item->samples)
        bf_samples_free(item->samples, item->count);
    free(item);
}

static void list_free(struct list *list)
{
    for (struct item *item = list->first, *next; item; item = next) {
        next = item->next;
        item_free(item);
    }
    list_clear(list);
}

/* ---- on the thread pool, under the mutex ---- */

static bool execute(struct store *store, const char *sql)
{
    return sqlite3_exec(store->connection, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool write_item(struct store *store, const struct item *item)
{
    if (item->kind == FORGET)
        return bf_rows_forget(&store->rows, item->job);
    if (item->kind == WRITE_IGNORED)
        return bf_rows_ignored(&store->rows, &item->ignored);
    if (item->kind == WRITE_MARK)
        return bf_rows_mark(&store->rows, &item->mark);
    if (item->kind == WRITE_SAMPLES)
        return bf_rows_add_samples(&store->rows, item->job, item->step, item->samples, item->count, item->keep);
    bool written = item->kind == WRITE_LATCH ? bf_rows_latch(&store->rows, &item->latch, item->on)
                                             : bf_rows_save(&store->rows, &item->saved);
    if (!written)
        return false;
    for (size_t i = 0; i < item->count; i++)
        if (!bf_rows_append(&store->rows, &item->events[i]))
            return false;
    return true;
}

/* The writes from `first` up to `end` as one transaction: all or none. */
static bool write_together(struct store *store, const struct item *first, const struct item *end,
                           struct bf_error *error)
{
    errno = 0;
    if (execute(store, "BEGIN IMMEDIATE")) {
        const struct item *item = first;
        while (item != end && write_item(store, item))
            item = item->next;
        if (item == end && execute(store, "COMMIT"))
            return true;
    }
    BF_AUTO_STRING char *reason = bf_sqlite_reason(store->connection, errno);
    bf_fail(error, BF_STORE_FAILED, "state store %s: %s", store->path, reason);
    /* Some errors (a full disk) end the transaction by themselves. */
    if (!sqlite3_get_autocommit(store->connection))
        execute(store, "ROLLBACK");
    return false;
}

static void write_group(struct store *store, struct item *first, const struct item *end)
{
    struct bf_error error;

    if (write_together(store, first, end, &error))
        return;
    if (first->next == end) {
        first->error = error;
        return;
    }
    for (struct item *item = first; item != end; item = item->next)
        write_together(store, item, item->next, &item->error);
}

static void read_item(struct store *store, struct item *item)
{
    bool read = item->kind == READ ? bf_rows_events(&store->rows, item->job, item->targets, item->after, item->limit, &item->events,
                                                    &item->count)
                                   : bf_rows_samples(&store->rows, item->job, item->step, item->after, item->limit,
                                                     &item->samples, &item->count);
    if (read)
        return;
    BF_AUTO_STRING char *reason = bf_sqlite_reason(store->connection, 0);
    bf_fail(&item->error, BF_STORE_FAILED, "state store %s: %s", store->path, reason);
}

static bool reads(const struct item *item)
{
    return item->kind == READ || item->kind == READ_SAMPLES;
}

/* Reads stay in order too: one sees what was written by the calls before it, and only what was committed. */
static void carry_out(struct store *store, struct list *list)
{
    for (struct item *item = list->first; item;) {
        if (reads(item)) {
            read_item(store, item);
            item = item->next;
            continue;
        }
        struct item *end = item;
        while (end && !reads(end))
            end = end->next;
        write_group(store, item, end);
        item = end;
    }
}

static void on_work(uv_work_t *work)
{
    struct store *store = work->data;

    uv_mutex_lock(&store->mutex);
    if (!store->done)
        carry_out(store, &store->working);
    store->done = true;
    uv_mutex_unlock(&store->mutex);
}

/* ---- on the loop's thread ---- */

static void begin_work(struct store *store);

static void store_free(struct store *store)
{
    uv_mutex_destroy(&store->mutex);
    free(store->path);
    free(store);
}

static void tell(const struct item *item)
{
    if (item->kind == READ)
        item->read(item->argument, item->events, item->count, &item->error);
    else if (item->kind == READ_SAMPLES)
        item->read_samples(item->argument, item->samples, item->count, &item->error);
    else if (item->stored)
        item->stored(item->argument, &item->error);
}

static void tell_all(struct list *list)
{
    for (const struct item *item = list->first; item; item = item->next)
        tell(item);
    list_free(list);
}

static void on_worked(uv_work_t *work, int status)
{
    struct store *store = work->data;
    struct list told;

    (void)status; /* it is never cancelled */
    store->busy = false;
    if (store->closed) {
        store_free(store);
        return;
    }
    list_move(&store->working, &told);
    begin_work(store); /* the disk works while the callbacks do */
    tell_all(&told);
}

static void begin_work(struct store *store)
{
    if (store->busy || store->closed || !store->waiting.first)
        return;
    list_move(&store->waiting, &store->working);
    store->done = false;
    store->busy = true;
    store->work.data = store;
    if (uv_queue_work(store->loop, &store->work, on_work, on_worked) != 0)
        abort(); /* only for a work function that is NULL */
}

static void write_later(struct store *store, struct item *item, const struct bf_event *events, size_t count,
                        bf_stored *stored, void *argument)
{
    if (count > 0) {
        item->events = bf_allocate(count * sizeof *events);
        memcpy(item->events, events, count * sizeof *events);
    }
    item->count = count;
    item->stored = stored;
    item->argument = argument;
    list_append(&store->waiting, item);
    begin_work(store);
}

static void save(void *context, const struct bf_record *record, const struct bf_event *events, size_t count,
                 bf_stored *stored, void *argument)
{
    struct item *item = BF_NEW(struct item);

    item->kind = WRITE;
    bf_saved_job_copy(&item->saved, record);
    write_later(context, item, events, count, stored, argument);
}

static void save_latch(void *context, const struct bf_latch *latch, bool on, const struct bf_event *events, size_t count,
                       bf_stored *stored, void *argument)
{
    struct item *item = BF_NEW(struct item);

    item->kind = WRITE_LATCH;
    bf_latch_copy(&item->latch, latch);
    item->on = on;
    write_later(context, item, events, count, stored, argument);
}

static void save_ignored(void *context, const struct bf_ignored *ignored, bf_stored *stored, void *argument)
{
    struct item *item = BF_NEW(struct item);

    item->kind = WRITE_IGNORED;
    item->ignored = *ignored;
    write_later(context, item, NULL, 0, stored, argument);
}

static void save_mark(void *context, const struct bf_mark *mark, bf_stored *stored, void *argument)
{
    struct item *item = BF_NEW(struct item);

    item->kind = WRITE_MARK;
    item->mark = *mark;
    write_later(context, item, NULL, 0, stored, argument);
}

static void forget(void *context, const char *job, bf_stored *stored, void *argument)
{
    struct item *item = BF_NEW(struct item);

    item->kind = FORGET;
    item->job = bf_copy_string(job);
    write_later(context, item, NULL, 0, stored, argument);
}

static void read_some_events(struct store *store, const char *job, const char *targets, int64_t after, size_t limit,
                             bf_store_events *read, void *argument)
{
    struct item *item = BF_NEW(struct item);

    item->kind = READ;
    item->job = bf_copy_string(job);
    item->targets = bf_copy_string(targets);
    item->after = after;
    item->limit = limit < BF_STORE_EVENTS_MAX ? limit : BF_STORE_EVENTS_MAX;
    item->read = read;
    item->argument = argument;
    list_append(&store->waiting, item);
    begin_work(store);
}

static void read_events(void *context, const char *job, int64_t after, size_t limit, bf_store_events *read, void *argument)
{
    read_some_events(context, job, NULL, after, limit, read, argument);
}

static void read_events_on(void *context, const char *targets, int64_t after, size_t limit, bf_store_events *read, void *argument)
{
    read_some_events(context, NULL, targets, after, limit, read, argument);
}

static void save_samples(void *context, const char *job, int step, const struct bf_sample *samples, size_t count, int keep)
{
    struct store *store = context;
    struct item *item = BF_NEW(struct item);

    item->kind = WRITE_SAMPLES;
    item->job = bf_copy_string(job);
    item->step = step;
    item->keep = keep;
    item->samples = bf_allocate(count * sizeof *samples + 1);
    memcpy(item->samples, samples, count * sizeof *samples);
    for (size_t i = 0; i < count; i++)
        item->samples[i].signals = bf_copy_string(samples[i].signals);
    item->count = count;
    list_append(&store->waiting, item);
    begin_work(store);
}

static void read_samples(void *context, const char *job, int step, int64_t since, size_t limit, bf_store_samples *read,
                         void *argument)
{
    struct store *store = context;
    struct item *item = BF_NEW(struct item);

    item->kind = READ_SAMPLES;
    item->job = bf_copy_string(job);
    item->step = step;
    item->after = since;
    item->limit = limit;
    item->read_samples = read;
    item->argument = argument;
    list_append(&store->waiting, item);
    begin_work(store);
}

#define LOADER(name, type, read)                                                                            \
    static enum bf_code name(void *context, type *loaded, void *argument, struct bf_error *error)            \
    {                                                                                                        \
        struct store *store = context;                                                                       \
        BF_AUTO_STRING char *prefix = bf_format("state store %s", store->path);                              \
                                                                                                             \
        uv_mutex_lock(&store->mutex);                                                                        \
        enum bf_code code = read(&store->rows, loaded, argument, error);                                     \
        uv_mutex_unlock(&store->mutex);                                                                      \
        return code == BF_OK ? BF_OK : bf_prefix(error, prefix);                                             \
    }
LOADER(load, bf_store_loaded, bf_rows_load)
LOADER(load_latches, bf_store_loaded_latch, bf_rows_load_latches)
LOADER(load_ignored, bf_store_loaded_ignored, bf_rows_load_ignored)
LOADER(load_marks, bf_store_loaded_mark, bf_rows_load_marks)
#undef LOADER

enum bf_code bf_sqlite_store_open(uv_loop_t *loop, const char *path, struct bf_store **ret_store,
                                  struct bf_error *error)
{
    sqlite3 *connection = NULL;
    struct bf_rows rows;
    int lock = -1;
    enum bf_code code = bf_schema_lock(path, &lock, error);

    if (code != BF_OK)
        return code;
    code = bf_schema_open(path, &bf_store_steps, &connection, error);
    if (code != BF_OK)
        goto unlock;
    code = bf_rows_prepare(&rows, connection, error);
    if (code != BF_OK)
        goto disconnect;

    struct store *store = BF_NEW(struct store);
    store->store = (struct bf_store){.context = store,
                                     .load = load,
                                     .save = save,
                                     .load_latches = load_latches,
                                     .save_latch = save_latch,
                                     .load_ignored = load_ignored,
                                     .save_ignored = save_ignored,
                                     .load_marks = load_marks,
                                     .save_mark = save_mark,
                                     .forget = forget,
                                     .read_events = read_events,
                                     .read_events_on = read_events_on,
                                     .save_samples = save_samples,
                                     .read_samples = read_samples};
    store->loop = loop;
    store->connection = connection;
    store->rows = rows;
    store->path = bf_copy_string(path);
    store->lock = lock;
    list_clear(&store->waiting);
    list_clear(&store->working);
    if (uv_mutex_init(&store->mutex) != 0)
        abort(); /* out of memory */
    *ret_store = &store->store;
    return BF_OK;
disconnect:
    sqlite3_close(connection);
unlock:
    close(lock);
    return code;
}

void bf_sqlite_store_close(struct bf_store *closing)
{
    if (!closing)
        return;
    struct store *store = closing->context;

    struct list told;

    store->closed = true; /* nothing goes to the thread pool any more */
    uv_mutex_lock(&store->mutex);
    if (store->busy && !store->done)
        carry_out(store, &store->working);
    store->done = true;
    list_move(&store->working, &told);
    tell_all(&told);
    while (store->waiting.first) { /* a callback may have saved something, too */
        list_move(&store->waiting, &told);
        carry_out(store, &told);
        tell_all(&told);
    }
    bf_rows_clear(&store->rows);
    sqlite3_close(store->connection);
    uv_mutex_unlock(&store->mutex);
    close(store->lock);
    if (!store->busy)
        store_free(store);
}
