/* The store of the engine's tests: it remembers over restarts, can fail, and can make everybody wait. */
#include "engine_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"

struct write {
    struct write *next;
    enum { SAVE, LATCH_ON, LATCH_OFF, IGNORED, MARK, FORGET } kind;
    struct bf_record record;
    struct bf_latch latch;
    struct bf_ignored ignored;
    struct bf_mark mark;
    char id[BF_ULID_TEXT];
    struct bf_event events[4];
    size_t count;
    bf_stored *stored;
    void *argument;
};

static char *copy(const char *text)
{
    return bf_copy_string(text);
}

static struct bf_record copy_record(const struct bf_record *record)
{
    struct bf_complaints complaints = {0};
    struct bf_error error;
    struct bf_record made = *record;
    const char *canonical = record->document->canonical;
    assert_int_equal(bf_document_parse(canonical, strlen(canonical), NULL, &made.document, &complaints, &error), BF_OK);
    if (record->document->current)
        assert_int_equal(bf_document_restore(made.document, record->document->current, &complaints, &error), BF_OK);
    made.progress.after = copy(record->progress.after);
    made.progress.through = copy(record->progress.through);
    made.progress.position = copy(record->progress.position);
    made.progress.ledger = copy(record->progress.ledger);
    made.progress.slices = copy(record->progress.slices);
    made.plan = copy(record->plan);
    made.submitter = copy(record->submitter);
    made.approver = copy(record->approver);
    made.approved_plan = copy(record->approved_plan);
    made.approved_risk = copy(record->approved_risk);
    made.break_glass = copy(record->break_glass);
    made.approved_bounds = copy(record->approved_bounds);
    made.idempotency_key = copy(record->idempotency_key);
    return made;
}

static void append(struct test_world *world, struct write *write, const struct bf_event *events, size_t count,
                   bf_stored *stored, void *argument)
{
    assert_true(count <= BF_COUNT(write->events));
    if (count)
        memcpy(write->events, events, count * sizeof *events);
    write->count = count;
    write->stored = stored;
    write->argument = argument;
    if (world->last)
        world->last->next = write;
    else
        world->first = write;
    world->last = write;
}

static void save(void *context, const struct bf_record *record, const struct bf_event *events, size_t count,
                 bf_stored *stored, void *argument)
{
    struct write *write = BF_NEW(struct write);
    write->kind = SAVE;
    write->record = copy_record(record);
    append(context, write, events, count, stored, argument);
}

static void save_latch(void *context, const struct bf_latch *latch, bool on, const struct bf_event *events, size_t count,
                       bf_stored *stored, void *argument)
{
    struct write *write = BF_NEW(struct write);
    write->kind = on ? LATCH_ON : LATCH_OFF;
    bf_latch_copy(&write->latch, latch);
    append(context, write, events, count, stored, argument);
}

static void save_ignored(void *context, const struct bf_ignored *ignored, bf_stored *stored, void *argument)
{
    struct write *write = BF_NEW(struct write);
    write->kind = IGNORED;
    write->ignored = *ignored;
    append(context, write, NULL, 0, stored, argument);
}

static enum bf_code load_ignored(void *context, bf_store_loaded_ignored *loaded, void *argument, struct bf_error *error)
{
    const struct test_world *world = context;
    (void)error;
    for (int i = 0; i < world->ignored_count; i++)
        loaded(argument, &world->ignored[i]);
    return BF_OK;
}

static void save_mark(void *context, const struct bf_mark *mark, bf_stored *stored, void *argument)
{
    struct write *write = BF_NEW(struct write);
    write->kind = MARK;
    write->mark = *mark;
    append(context, write, NULL, 0, stored, argument);
}

static enum bf_code load_marks(void *context, bf_store_loaded_mark *loaded, void *argument, struct bf_error *error)
{
    const struct test_world *world = context;
    (void)error;
    for (int i = 0; i < world->mark_count; i++)
        loaded(argument, &world->marks[i]);
    return BF_OK;
}

static void forget(void *context, const char *job, bf_stored *stored, void *argument)
{
    struct write *write = BF_NEW(struct write);
    write->kind = FORGET;
    snprintf(write->id, sizeof write->id, "%s", job);
    append(context, write, NULL, 0, stored, argument);
}

static struct stored *place_of(struct test_world *world, const char *id)
{
    for (int i = 0; i < world->job_count; i++)
        if (world->jobs[i].there && strcmp(world->jobs[i].record.id, id) == 0)
            return &world->jobs[i];
    return NULL;
}

void world_put(struct test_world *world, struct bf_record *record)
{
    struct stored *at = place_of(world, record->id);
    if (!at) {
        assert_true(world->job_count < JOBS_MAX);
        at = &world->jobs[world->job_count++];
    } else {
        bf_record_clear(&at->record);
    }
    *at = (struct stored){.record = *record, .there = true};
    *record = (struct bf_record){0};
}

static void put_latch(struct test_world *world, const struct bf_latch *latch, bool on)
{
    for (int i = 0; i < world->latch_count; i++)
        if (bf_latch_same_scope(&world->latches[i], latch)) {
            bf_latch_clear(&world->latches[i]);
            world->latches[i] = world->latches[--world->latch_count];
            break;
        }
    if (on) {
        assert_true((size_t)world->latch_count < BF_COUNT(world->latches));
        bf_latch_copy(&world->latches[world->latch_count++], latch);
    }
}

static void put_ignored(struct test_world *world, const struct bf_ignored *ignored)
{
    for (int i = 0; i < world->ignored_count; i++)
        if (strcmp(world->ignored[i].target, ignored->target) == 0 && strcmp(world->ignored[i].replica, ignored->replica) == 0) {
            world->ignored[i] = world->ignored[--world->ignored_count];
            break;
        }
    assert_true((size_t)world->ignored_count < BF_COUNT(world->ignored));
    if (ignored->until)
        world->ignored[world->ignored_count++] = *ignored;
}

static void carry_out(struct test_world *world, struct write *write)
{
    struct stored *at;
    switch (write->kind) {
    case SAVE:
        world_put(world, &write->record);
        break;
    case LATCH_ON:
    case LATCH_OFF:
        put_latch(world, &write->latch, write->kind == LATCH_ON);
        break;
    case IGNORED:
        put_ignored(world, &write->ignored);
        break;
    case MARK:
        assert_true((size_t)world->mark_count < BF_COUNT(world->marks));
        world->marks[world->mark_count++] = write->mark;
        break;
    case FORGET:
        at = place_of(world, write->id);
        if (at) {
            bf_record_clear(&at->record);
            at->there = false;
        }
        break;
    }
    assert_true((size_t)world->event_count + write->count <= EVENTS_MAX);
    for (size_t i = 0; i < write->count; i++)
        world->events[world->event_count++] = write->events[i];
}

bool world_write_one(struct test_world *world, bool fails)
{
    struct write *write = world->first;
    struct bf_error error = {.code = BF_OK};
    if (!write)
        return false;
    world->first = write->next;
    if (!world->first)
        world->last = NULL;
    if (fails)
        bf_fail(&error, BF_STORE_FAILED, "the disk is full");
    else
        carry_out(world, write);
    if (write->stored)
        write->stored(write->argument, &error);
    bf_record_clear(&write->record);
    bf_latch_clear(&write->latch);
    free(write);
    return true;
}

static enum bf_code load(void *context, bf_store_loaded *loaded, void *argument, struct bf_error *error)
{
    struct test_world *world = context;
    (void)error;
    for (int i = 0; i < world->job_count; i++)
        if (world->jobs[i].there) {
            struct bf_record record = copy_record(&world->jobs[i].record);
            loaded(argument, &record);
        }
    return BF_OK;
}

static enum bf_code load_latches(void *context, bf_store_loaded_latch *loaded, void *argument, struct bf_error *error)
{
    struct test_world *world = context;
    (void)error;
    for (int i = 0; i < world->latch_count; i++) {
        struct bf_latch latch;
        bf_latch_copy(&latch, &world->latches[i]);
        loaded(argument, &latch);
    }
    return BF_OK;
}

void world_open_store(struct test_world *world)
{
    world->store = (struct bf_store){.context = world, .load = load, .save = save, .load_latches = load_latches,
                                     .save_latch = save_latch, .load_ignored = load_ignored, .save_ignored = save_ignored,
                                     .forget = forget, .load_marks = load_marks, .save_mark = save_mark};
}
