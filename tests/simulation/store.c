/* A store that is durable a little later, and forgets at a crash what was not. */
#include <string.h>

#include "allocate.h"
#include "sim.h"

struct stored {
    char id[BF_ULID_TEXT];
    char *json, *plan;
    enum bf_state state;
    struct bf_reason reason;
    struct bf_progress progress; /* of its strings that of the slices is kept */
    int64_t epoch, started_at;
    bool started;
    enum bf_direction direction;
    bool retry_bad;
    struct bf_way_back back;
};

struct write {
    struct write *next;
    struct sim_disk *disk;
    struct stored stored;
    bf_stored *done;
    void *argument;
    bool fails;
};

enum { JOBS = 4 };

struct sim_disk {
    struct sim *sim;
    struct bf_store store;
    struct stored jobs[JOBS];
    int count;
    struct write *first, *last;
    struct sim_event *next_write;
};

static void apply(struct sim_disk *disk, struct stored *stored)
{
    int at = 0;
    while (at < disk->count && strcmp(disk->jobs[at].id, stored->id) != 0)
        at++;
    if (at == disk->count)
        disk->count++;
    else {
        free(disk->jobs[at].json);
        free(disk->jobs[at].plan);
        free(disk->jobs[at].progress.slices);
    }
    disk->jobs[at] = *stored;
    *stored = (struct stored){0};
}

static void write_one(void *argument);

static void arm(struct sim_disk *disk)
{
    if (disk->first && !disk->next_write)
        disk->next_write = sim_at(disk->sim, sim_between(disk->sim, 200, 8000), write_one, disk);
}

static void write_one(void *argument)
{
    struct sim_disk *disk = argument;
    struct write *write = disk->first;
    disk->next_write = NULL;
    disk->first = write->next;
    if (!disk->first)
        disk->last = NULL;
    struct bf_error error = {.code = BF_OK};
    if (write->fails)
        bf_fail(&error, BF_STORE_FAILED, "the simulated disk is full");
    else
        apply(disk, &write->stored);
    arm(disk);
    if (write->done)
        write->done(write->argument, &error);
    free(write->stored.json);
    free(write->stored.plan);
    free(write->stored.progress.slices);
    free(write);
}

static void save(void *context, const struct bf_record *record, const struct bf_event *events, size_t count,
                 bf_stored *stored, void *argument)
{
    struct sim_disk *disk = context;
    struct write *write = BF_NEW(struct write);
    for (size_t i = 0; i < count; i++)
        sim_trace(disk->sim, "event: %s %s -> %s: %s", events[i].type, events[i].from, events[i].to, events[i].text);
    *write = (struct write){.disk = disk, .done = stored, .argument = argument,
                            .fails = disk->sim->faults && sim_chance(disk->sim, 1)};
    memcpy(write->stored.id, record->id, sizeof write->stored.id);
    write->stored.json = bf_copy_string(record->document->canonical);
    write->stored.plan = bf_copy_string(record->plan);
    write->stored.state = record->state;
    write->stored.reason = record->reason;
    write->stored.progress = record->progress;
    write->stored.progress.after = write->stored.progress.through = write->stored.progress.position =
        write->stored.progress.ledger = NULL;
    write->stored.progress.slices = bf_copy_string(record->progress.slices);
    write->stored.epoch = record->epoch;
    write->stored.started = record->started;
    write->stored.started_at = record->started_at;
    write->stored.direction = record->direction;
    write->stored.back = record->back;
    write->stored.retry_bad = record->retry_bad;
    if (disk->last)
        disk->last->next = write;
    else
        disk->first = write;
    disk->last = write;
    arm(disk);
}

/* The writer ends. What is under way is written to its end, or lost at some point. */
static void end_writes(struct sim_disk *disk, bool crash)
{
    bool lost = false;
    sim_cancel(disk->next_write);
    disk->next_write = NULL;
    for (struct write *write = disk->first, *next; write; write = next) {
        next = write->next;
        lost = lost || (crash && sim_chance(disk->sim, 40));
        if (!lost && !write->fails)
            apply(disk, &write->stored);
        /* The writer is gone: it frees what it holds, it hears nothing that matters. */
        struct bf_error error = {.code = BF_STORE_FAILED};
        if (write->done)
            write->done(write->argument, &error);
        free(write->stored.json);
        free(write->stored.plan);
        free(write->stored.progress.slices);
        free(write);
    }
    disk->first = disk->last = NULL;
}

void sim_disk_crash(struct sim_disk *disk)
{
    end_writes(disk, true);
}

void sim_disk_close(struct sim_disk *disk)
{
    end_writes(disk, false);
}

static enum bf_code load(void *context, bf_store_loaded *loaded, void *argument, struct bf_error *error)
{
    struct sim_disk *disk = context;
    for (int i = 0; i < disk->count; i++) {
        const struct stored *stored = &disk->jobs[i];
        struct bf_complaints complaints = {0};
        struct bf_record record = {.state = stored->state, .reason = stored->reason, .progress = stored->progress,
                                   .epoch = stored->epoch, .started = stored->started,
                                   .direction = stored->direction, .back = stored->back, .retry_bad = stored->retry_bad,
                                   .plan = bf_copy_string(stored->plan), .created_at = 1, .started_at = stored->started_at};
        record.progress.slices = bf_copy_string(stored->progress.slices);
        memcpy(record.id, stored->id, sizeof record.id);
        enum bf_code code =
            bf_document_parse(stored->json, strlen(stored->json), NULL, &record.document, &complaints, error);
        if (code != BF_OK)
            return bf_fail(error, code, "the simulated store holds a bad document");
        loaded(argument, &record);
    }
    return BF_OK;
}

static void read_events(void *context, const char *job, int64_t after, size_t limit, bf_store_events *read, void *argument)
{
    (void)context, (void)job, (void)after, (void)limit;
    struct bf_error error = {.code = BF_OK};
    read(argument, NULL, 0, &error);
}

/* Nobody says pause-all here; the crowd does. */
static enum bf_code load_ignored(void *context, bf_store_loaded_ignored *loaded, void *argument, struct bf_error *error)
{
    (void)context, (void)loaded, (void)argument, (void)error;
    return BF_OK;
}

static enum bf_code load_marks(void *context, bf_store_loaded_mark *loaded, void *argument, struct bf_error *error)
{
    (void)context, (void)loaded, (void)argument, (void)error;
    return BF_OK;
}

static enum bf_code load_latches(void *context, bf_store_loaded_latch *loaded, void *argument, struct bf_error *error)
{
    (void)context, (void)loaded, (void)argument, (void)error;
    return BF_OK;
}

struct sim_disk *sim_disk_new(struct sim *sim)
{
    struct sim_disk *disk = BF_NEW(struct sim_disk);
    disk->sim = sim;
    disk->store = (struct bf_store){.context = disk, .load = load, .save = save, .load_latches = load_latches,
                                    .load_ignored = load_ignored, .load_marks = load_marks, .read_events = read_events};
    return disk;
}

struct sim_disk *sim_disk_copy(const struct sim_disk *disk)
{
    struct sim_disk *copy = sim_disk_new(disk->sim);
    copy->count = disk->count;
    for (int i = 0; i < disk->count; i++) {
        copy->jobs[i] = disk->jobs[i];
        copy->jobs[i].json = bf_copy_string(disk->jobs[i].json);
        copy->jobs[i].plan = bf_copy_string(disk->jobs[i].plan);
        copy->jobs[i].progress.slices = bf_copy_string(disk->jobs[i].progress.slices);
    }
    return copy;
}

void sim_disk_free(struct sim_disk *disk)
{
    if (!disk)
        return;
    sim_disk_crash(disk);
    for (int i = 0; i < disk->count; i++) {
        free(disk->jobs[i].json);
        free(disk->jobs[i].plan);
        free(disk->jobs[i].progress.slices);
    }
    free(disk);
}

const struct bf_store *sim_disk_store(struct sim_disk *disk)
{
    return &disk->store;
}
