#include "store_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocate.h"

static const char DOCUMENT[] = "{\"name\":\"orders\",\"target\":\"shop\",\"table\":\"public.orders\","
                               "\"set\":{\"status\":\"'archived'\"},\"where\":\"note <> '\\u00e4\\n\\\"'\","
                               "\"undo\":\"none\",\"labels\":{\"a\":\"b\"}}";

void open_store(struct fixture *fixture)
{
    struct bf_error error = {0};

    if (bf_sqlite_store_open(&fixture->loop, fixture->path, &fixture->store, &error) != BF_OK)
        fail_msg("%s", error.text);
}

void close_store(struct fixture *fixture)
{
    bf_sqlite_store_close(fixture->store);
    fixture->store = NULL;
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
}

int set_up(void **state)
{
    struct fixture *fixture = BF_NEW(struct fixture);

    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/backfilld-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->path = bf_format("%s/state.db", fixture->directory);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    *state = fixture;
    return 0;
}

int tear_down(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock", ".copy", ".copy-wal", ".copy-shm", ".copy.lock", ".link"};
    struct fixture *fixture = *state;

    if (fixture->store)
        close_store(fixture);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    for (size_t i = 0; i < BF_COUNT(ends); i++) {
        BF_AUTO_STRING char *file = bf_format("%s%s", fixture->path, ends[i]);
        unlink(file);
    }
    assert_int_equal(rmdir(fixture->directory), 0);
    free(fixture->path);
    free(fixture);
    return 0;
}

struct bf_record make_record(const char *id)
{
    struct bf_record record = {.state = BF_STATE_PLANNING, .progress.rows_estimated = -1};
    struct bf_complaints complaints = {0};
    struct bf_error error = {0};

    snprintf(record.id, sizeof record.id, "%s", id);
    if (bf_document_parse(DOCUMENT, strlen(DOCUMENT), NULL, &record.document, &complaints, &error) != BF_OK)
        fail_msg("%s %s", complaints.count ? complaints.list[0].detail : "", error.text);
    return record;
}

char *read_file(const char *path, size_t *ret_length)
{
    FILE *file = fopen(path, "r");
    char *bytes = bf_allocate(1024 * 1024);

    assert_non_null(file);
    *ret_length = fread(bytes, 1, 1024 * 1024, file);
    assert_true(*ret_length < 1024 * 1024);
    fclose(file);
    return bytes;
}

void copy_file(const char *from, const char *to)
{
    size_t length;
    BF_AUTO_STRING char *bytes = read_file(from, &length);
    FILE *file = fopen(to, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static void on_stored(void *argument, const struct bf_error *error)
{
    struct call *call = argument;
    struct heard *heard = call->heard;

    assert_false(heard->inside);
    assert_true(heard->count < BF_COUNT(heard->order));
    heard->order[heard->count] = call->number;
    heard->code[heard->count++] = error->code;
    if (error->code != BF_OK)
        snprintf(heard->text, sizeof heard->text, "%s", error->text);
}

void save(struct fixture *fixture, const struct bf_record *record, const struct bf_event *events, size_t count,
                 struct call *call)
{
    if (call)
        call->heard->inside = true;
    fixture->store->save(fixture->store->context, record, events, count, call ? on_stored : NULL, call);
    if (call)
        call->heard->inside = false;
}

void on_loaded(void *argument, struct bf_record *record)
{
    struct loaded *loaded = argument;

    assert_true(loaded->count < BF_COUNT(loaded->list));
    loaded->list[loaded->count++] = *record;
}

void load(struct fixture *fixture, struct loaded *loaded)
{
    struct bf_error error = {0};

    memset(loaded, 0, sizeof *loaded);
    if (fixture->store->load(fixture->store->context, on_loaded, loaded, &error) != BF_OK)
        fail_msg("%s", error.text);
}

void forget(struct loaded *loaded)
{
    for (size_t i = 0; i < loaded->count; i++)
        bf_record_clear(&loaded->list[i]);
}

void on_events(void *argument, const struct bf_event *events, size_t count, const struct bf_error *error)
{
    struct found *found = argument;

    found->calls++;
    found->code = error->code;
    found->count = count;
    if (count > 0)
        memcpy(found->list, events, count * sizeof *events);
}

void read_events(struct fixture *fixture, const char *job, int64_t after, size_t limit, struct found *found)
{
    memset(found, 0, sizeof *found);
    fixture->store->read_events(fixture->store->context, job, after, limit, on_events, found);
    assert_int_equal(found->calls, 0);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(found->calls, 1);
    assert_int_equal(found->code, BF_OK);
}

void add_event(struct fixture *fixture, struct bf_record *record, const char *text)
{
    struct bf_event event = {.at = 5, .type = "note", .actor = "daemon"};

    snprintf(event.job, sizeof event.job, "%s", record->id);
    snprintf(event.text, sizeof event.text, "%s", text);
    save(fixture, record, &event, 1, NULL);
}
