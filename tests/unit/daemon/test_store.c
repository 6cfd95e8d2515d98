/* The SQLite store: what comes back is what went in, callbacks in order, one bad row alone fails, schema versions, locks. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "allocate.h"
#include "sqlite_schema.h"
#include "sqlite_store.h"

#define ULID(end) "01JD0000000000000000000" end

static const char DOCUMENT[] = "{\"name\":\"orders\",\"target\":\"shop\",\"table\":\"public.orders\","
                               "\"set\":{\"status\":\"'archived'\"},\"where\":\"note <> '\\u00e4\\n\\\"'\","
                               "\"undo\":\"none\",\"labels\":{\"a\":\"b\"}}";

struct fixture {
    char directory[64];
    char *path;
    uv_loop_t loop;
    struct bf_store *store;
};

static void open_store(struct fixture *fixture)
{
    struct bf_error error = {0};

    if (bf_sqlite_store_open(&fixture->loop, fixture->path, &fixture->store, &error) != BF_OK)
        fail_msg("%s", error.text);
}

static void close_store(struct fixture *fixture)
{
    bf_sqlite_store_close(fixture->store);
    fixture->store = NULL;
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
}

static int set_up(void **state)
{
    struct fixture *fixture = BF_NEW(struct fixture);

    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/backfilld-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->path = bf_format("%s/state.db", fixture->directory);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
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

static struct bf_record make_record(const char *id)
{
    struct bf_record record = {.state = BF_STATE_PLANNING, .progress.rows_estimated = -1};
    struct bf_complaints complaints = {0};
    struct bf_error error = {0};

    snprintf(record.id, sizeof record.id, "%s", id);
    if (bf_document_parse(DOCUMENT, strlen(DOCUMENT), NULL, &record.document, &complaints, &error) != BF_OK)
        fail_msg("%s %s", complaints.count ? complaints.list[0].detail : "", error.text);
    return record;
}

static void execute(const char *path, const char *sql)
{
    sqlite3 *connection = NULL;
    char *message = NULL;

    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    if (sqlite3_exec(connection, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(connection);
}

static char *read_file(const char *path, size_t *ret_length)
{
    FILE *file = fopen(path, "r");
    char *bytes = bf_allocate(1024 * 1024);

    assert_non_null(file);
    *ret_length = fread(bytes, 1, 1024 * 1024, file);
    assert_true(*ret_length < 1024 * 1024);
    fclose(file);
    return bytes;
}

static void copy_file(const char *from, const char *to)
{
    size_t length;
    BF_AUTO_STRING char *bytes = read_file(from, &length);
    FILE *file = fopen(to, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

/* ---- what is heard back ---- */

struct heard {
    int order[16];
    enum bf_code code[16];
    char text[BF_ERROR_TEXT_MAX];
    size_t count;
    bool inside; /* a call into the store is under way */
};

struct call {
    struct heard *heard;
    int number;
};

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

static void save(struct fixture *fixture, const struct bf_record *record, const struct bf_event *events, size_t count,
                 struct call *call)
{
    if (call)
        call->heard->inside = true;
    fixture->store->save(fixture->store->context, record, events, count, call ? on_stored : NULL, call);
    if (call)
        call->heard->inside = false;
}

struct loaded {
    struct bf_record list[16];
    size_t count;
};

static void on_loaded(void *argument, struct bf_record *record)
{
    struct loaded *loaded = argument;

    assert_true(loaded->count < BF_COUNT(loaded->list));
    loaded->list[loaded->count++] = *record;
}

static void load(struct fixture *fixture, struct loaded *loaded)
{
    struct bf_error error = {0};

    memset(loaded, 0, sizeof *loaded);
    if (fixture->store->load(fixture->store->context, on_loaded, loaded, &error) != BF_OK)
        fail_msg("%s", error.text);
}

static void forget(struct loaded *loaded)
{
    for (size_t i = 0; i < loaded->count; i++)
        bf_record_clear(&loaded->list[i]);
}

struct found {
    struct bf_event list[BF_STORE_EVENTS_MAX];
    size_t count;
    int calls;
    enum bf_code code;
};

static void on_events(void *argument, const struct bf_event *events, size_t count, const struct bf_error *error)
{
    struct found *found = argument;

    found->calls++;
    found->code = error->code;
    found->count = count;
    if (count > 0)
        memcpy(found->list, events, count * sizeof *events);
}

static void read_events(struct fixture *fixture, const char *job, int64_t after, size_t limit, struct found *found)
{
    memset(found, 0, sizeof *found);
    fixture->store->read_events(fixture->store->context, job, after, limit, on_events, found);
    assert_int_equal(found->calls, 0);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(found->calls, 1);
    assert_int_equal(found->code, BF_OK);
}

static void add_event(struct fixture *fixture, struct bf_record *record, const char *text)
{
    struct bf_event event = {.at = 5, .type = "note", .actor = "daemon"};

    snprintf(event.job, sizeof event.job, "%s", record->id);
    snprintf(event.text, sizeof event.text, "%s", text);
    save(fixture, record, &event, 1, NULL);
}

/* ---- tests ---- */

static void check_equal(const struct bf_record *got, const struct bf_record *put)
{
    assert_string_equal(got->id, put->id);
    assert_string_equal(got->document->canonical, put->document->canonical);
    assert_string_equal(got->document->hash, put->document->hash);
    assert_int_equal(got->state, put->state);
    assert_int_equal(got->direction, put->direction);
    assert_int_equal(got->reason.code, put->reason.code);
    assert_string_equal(got->reason.text, put->reason.text);
    assert_int_equal(got->reason.since, put->reason.since);
    assert_int_equal(got->reason.until, put->reason.until);
    assert_int_equal(got->progress.rows_scanned, put->progress.rows_scanned);
    assert_int_equal(got->progress.rows_changed, put->progress.rows_changed);
    assert_int_equal(got->progress.rows_estimated, put->progress.rows_estimated);
    assert_int_equal(got->progress.batches, put->progress.batches);
    assert_int_equal(got->progress.batch_rows, put->progress.batch_rows);
    assert_int_equal(got->progress.pass, put->progress.pass);
    assert_int_equal(got->progress.resumed, put->progress.resumed);
    assert_string_equal(got->progress.after, put->progress.after);
    assert_string_equal(got->progress.through, put->progress.through);
    assert_string_equal(got->progress.position, put->progress.position);
    assert_int_equal(got->progress.done, put->progress.done);
    assert_string_equal(got->plan, put->plan);
    assert_string_equal(got->submitter, put->submitter);
    assert_string_equal(got->approver, put->approver);
    assert_int_equal(got->created_at, put->created_at);
    assert_int_equal(got->updated_at, put->updated_at);
    assert_int_equal(got->started_at, put->started_at);
    assert_int_equal(got->ended_at, put->ended_at);
    assert_int_equal(got->epoch, put->epoch);
    assert_int_equal(got->started, put->started);
}

static struct bf_record full_record(void)
{
    struct bf_record record = make_record(ULID("FVQ"));

    record.state = BF_STATE_RUNNING;
    record.direction = BF_DIRECTION_BACK;
    record.reason = (struct bf_reason){.code = BF_LOCK_CONFLICT, .text = "\xc3\xa4 'quoted' \"text\"", .since = 11, .until = 12};
    record.progress = (struct bf_progress){.rows_scanned = INT64_MAX, .rows_changed = 14, .rows_estimated = 15,
                                           .batches = 16, .batch_rows = 17, .pass = 18, .resumed = 19,
                                           .after = bf_copy_string("[\"0\"]"), .through = bf_copy_string("[\"9\",\"z\"]"),
                                           .position = bf_copy_string("[\"-5\"]"), .done = true};
    record.plan = bf_copy_string("{\"rows\":5}");
    record.submitter = bf_copy_string("ann");
    record.approver = bf_copy_string("bob");
    record.created_at = 20;
    record.updated_at = 21;
    record.started_at = 22;
    record.ended_at = 23;
    record.epoch = 24;
    record.started = true;
    return record;
}

static void every_field_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record full = full_record(), bare = make_record(ULID("FVR"));
    struct loaded loaded;

    bare.created_at = 10; /* older than the other, with the greater id */
    open_store(fixture);
    save(fixture, &full, NULL, 0, NULL);
    save(fixture, &bare, NULL, 0, NULL);
    close_store(fixture);
    open_store(fixture);
    load(fixture, &loaded);
    assert_int_equal(loaded.count, 2);
    check_equal(&loaded.list[1], &full);
    const struct bf_record *got = &loaded.list[0];
    assert_string_equal(got->id, bare.id);
    assert_null(got->progress.after);
    assert_null(got->progress.through);
    assert_null(got->progress.position);
    assert_null(got->plan);
    assert_null(got->submitter);
    assert_null(got->approver);
    assert_int_equal(got->progress.rows_estimated, -1);
    assert_int_equal(got->reason.code, BF_OK);
    assert_string_equal(got->reason.text, "");
    assert_false(got->started);
    assert_false(got->progress.done);
    forget(&loaded);
    bf_record_clear(&full);
    bf_record_clear(&bare);
}

static void a_save_replaces_and_copies(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record record = make_record(ULID("FVQ"));
    struct loaded loaded;

    open_store(fixture);
    save(fixture, &record, NULL, 0, NULL);
    record.state = BF_STATE_QUEUED;
    record.plan = bf_copy_string("{}");
    save(fixture, &record, NULL, 0, NULL);
    bf_record_clear(&record); /* before anything was written */
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    load(fixture, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_int_equal(loaded.list[0].state, BF_STATE_QUEUED);
    assert_string_equal(loaded.list[0].plan, "{}");
    forget(&loaded);
}

static void one_bad_row_fails_alone_and_callbacks_keep_their_order(void **state)
{
    struct fixture *fixture = *state;
    static const char *const ids[] = {ULID("FV0"), ULID("FV1"), "too short", ULID("FV3"), ULID("FV4")};
    struct bf_record records[BF_COUNT(ids)];
    struct call calls[BF_COUNT(ids)];
    struct heard heard = {0};
    struct loaded loaded;

    open_store(fixture);
    for (size_t i = 0; i < BF_COUNT(ids); i++) {
        records[i] = make_record(ids[i]);
        records[i].created_at = (int64_t)i;
        calls[i] = (struct call){.heard = &heard, .number = (int)i};
        save(fixture, &records[i], NULL, 0, &calls[i]);
    }
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(heard.count, BF_COUNT(ids));
    for (size_t i = 0; i < BF_COUNT(ids); i++) {
        assert_int_equal(heard.order[i], (int)i);
        assert_int_equal(heard.code[i], i == 2 ? BF_STORE_FAILED : BF_OK);
    }
    assert_non_null(strstr(heard.text, fixture->path));
    assert_non_null(strstr(heard.text, "CHECK"));
    load(fixture, &loaded);
    assert_int_equal(loaded.count, 4);
    assert_string_equal(loaded.list[2].id, ids[3]);
    forget(&loaded);
    for (size_t i = 0; i < BF_COUNT(ids); i++)
        bf_record_clear(&records[i]);
}

/* The event of a write that fails must not stay behind. */
static void record_and_events_are_one_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record bad = make_record("bad");
    struct found *found = BF_NEW(struct found);

    open_store(fixture);
    add_event(fixture, &bad, "never happened");
    read_events(fixture, NULL, 0, 10, found);
    assert_int_equal(found->count, 0);
    free(found);
    bf_record_clear(&bad);
}

static void many_writes_share_a_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record record = make_record(ULID("FVQ"));
    struct stat before, after;
    BF_AUTO_STRING char *log = bf_format("%s-wal", fixture->path);

    open_store(fixture);
    save(fixture, &record, NULL, 0, NULL);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(stat(log, &before), 0);
    /* The first goes alone, the other 199 wait for it. Each transaction writes at least one page to the log. */
    for (int i = 0; i < 200; i++)
        save(fixture, &record, NULL, 0, NULL);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(stat(log, &after), 0);
    assert_true(after.st_size - before.st_size < 20 * 4096);
    bf_record_clear(&record);
}

static void events_by_job_and_place(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record one = make_record(ULID("FVA")), other = make_record(ULID("FVB"));
    struct found *found = BF_NEW(struct found);

    open_store(fixture);
    for (int i = 1; i <= 6; i++) {
        BF_AUTO_STRING char *text = bf_format("event %d", i);
        add_event(fixture, i % 2 ? &one : &other, text);
    }
    read_events(fixture, NULL, 0, 100, found);
    assert_int_equal(found->count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(found->list[i].id, (int)i + 1);
    read_events(fixture, NULL, 0, 2, found); /* the newest two, rising */
    assert_int_equal(found->count, 2);
    assert_int_equal(found->list[0].id, 5);
    assert_int_equal(found->list[1].id, 6);
    assert_string_equal(found->list[1].text, "event 6");
    assert_string_equal(found->list[1].job, other.id);
    assert_string_equal(found->list[1].type, "note");
    assert_string_equal(found->list[1].actor, "daemon");
    assert_int_equal(found->list[1].at, 5);
    read_events(fixture, NULL, 2, 2, found); /* what follows, so that a reader misses none */
    assert_int_equal(found->count, 2);
    assert_int_equal(found->list[0].id, 3);
    assert_int_equal(found->list[1].id, 4);
    read_events(fixture, one.id, 0, 2, found);
    assert_int_equal(found->count, 2);
    assert_int_equal(found->list[0].id, 3);
    assert_int_equal(found->list[1].id, 5);
    read_events(fixture, other.id, 2, 10, found);
    assert_int_equal(found->count, 2);
    assert_int_equal(found->list[0].id, 4);
    read_events(fixture, NULL, 6, 10, found);
    assert_int_equal(found->count, 0);
    free(found);
    bf_record_clear(&one);
    bf_record_clear(&other);
}

static void event_fields_come_back_and_a_read_sees_earlier_writes(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record record = make_record(ULID("FVQ"));
    struct bf_event event = {.id = 99, .job = ULID("FVQ"), .at = INT64_C(1795228800123), .type = "state", .from = "running",
                             .to = "paused", .actor = "operator", .text = "line\nbreak \xe2\x82\xac"};
    struct found *found = BF_NEW(struct found);

    open_store(fixture);
    save(fixture, &record, &event, 1, NULL); /* still under way when the read is asked for */
    read_events(fixture, record.id, 0, 10, found);
    assert_int_equal(found->count, 1);
    assert_int_equal(found->list[0].id, 1); /* the store's own */
    assert_int_equal(found->list[0].at, event.at);
    assert_string_equal(found->list[0].type, event.type);
    assert_string_equal(found->list[0].from, event.from);
    assert_string_equal(found->list[0].to, event.to);
    assert_string_equal(found->list[0].actor, event.actor);
    assert_string_equal(found->list[0].text, event.text);
    free(found);
    bf_record_clear(&record);
}

/* Also when the thread pool has not even begun, and without a callback. */
static void close_writes_what_waits(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record record = make_record(ULID("FVQ"));
    struct heard heard = {0};
    struct call call = {.heard = &heard};
    struct loaded loaded;

    open_store(fixture);
    for (int64_t i = 1; i <= 50; i++) {
        record.epoch = i;
        save(fixture, &record, NULL, 0, &call);
    }
    close_store(fixture);
    assert_int_equal(heard.count, 0);
    open_store(fixture);
    load(fixture, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_int_equal(loaded.list[0].epoch, 50);
    forget(&loaded);
    bf_record_clear(&record);
}

static void expect_refusal(struct fixture *fixture, const char *path, const char *part)
{
    struct bf_store *store = NULL;
    struct bf_error error = {0};

    assert_int_equal(bf_sqlite_store_open(&fixture->loop, path, &store, &error), BF_STORE_FAILED);
    assert_null(store);
    if (!strstr(error.text, path) || !strstr(error.text, part))
        fail_msg("the text is: %s", error.text);
}

static void a_newer_store_is_refused_and_not_touched(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record record = make_record(ULID("FVQ"));
    BF_AUTO_STRING char *log = bf_format("%s-wal", fixture->path);
    BF_AUTO_STRING char *copy = bf_format("%s.copy", fixture->path);
    BF_AUTO_STRING char *copied_log = bf_format("%s.copy-wal", fixture->path);
    size_t length, log_length, length_after, log_length_after;
    sqlite3 *connection = NULL;

    open_store(fixture);
    save(fixture, &record, NULL, 0, NULL);
    close_store(fixture);
    /* A copy taken while the newer version runs: its last transaction is in the log only. */
    assert_int_equal(sqlite3_open(fixture->path, &connection), SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, "PRAGMA user_version = 9999", NULL, NULL, NULL), SQLITE_OK);
    copy_file(fixture->path, copy);
    copy_file(log, copied_log);
    sqlite3_close(connection);

    BF_AUTO_STRING char *bytes = read_file(copy, &length);
    BF_AUTO_STRING char *log_bytes = read_file(copied_log, &log_length);
    assert_true(log_length > 0);
    expect_refusal(fixture, copy, "9999");
    BF_AUTO_STRING char *bytes_after = read_file(copy, &length_after);
    BF_AUTO_STRING char *log_bytes_after = read_file(copied_log, &log_length_after);
    assert_int_equal(length, length_after);
    assert_memory_equal(bytes, bytes_after, length);
    assert_int_equal(log_length, log_length_after);
    assert_memory_equal(log_bytes, log_bytes_after, log_length);
    expect_refusal(fixture, fixture->path, "newer backfilld");
    bf_record_clear(&record);
}

static int64_t ask(sqlite3 *connection, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* With steps of the test's own, which begin like the real ones. */
static void migrations_go_forward_all_or_none(void **state)
{
    struct fixture *fixture = *state;
    const char *sql[] = {bf_store_steps.sql[0], "CREATE TABLE second (n INTEGER) STRICT; INSERT INTO second VALUES (2)",
                         "UPDATE second SET n = n + 1; CREATE TABLE third (n INTEGER) STRICT", "UPDATE nowhere SET n = 1"};
    sqlite3 *connection = NULL;
    struct bf_error error = {0};

    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 1}, &connection, &error), BF_OK);
    assert_int_equal(ask(connection, "PRAGMA user_version"), 1);
    assert_int_equal(sqlite3_exec(connection, "INSERT INTO event (job, at, type, from_state, to_state, actor, text)"
                                              " VALUES ('j', 1, 't', '', '', 'a', 'kept')", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(connection);
    /* Step 4 fails: 2 and 3 did not happen either. */
    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 4}, &connection, &error), BF_STORE_FAILED);
    assert_non_null(strstr(error.text, "nowhere"));
    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 1}, &connection, &error), BF_OK);
    assert_int_equal(ask(connection, "SELECT count(*) FROM sqlite_schema WHERE name IN ('second', 'third')"), 0);
    sqlite3_close(connection);
    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 3}, &connection, &error), BF_OK);
    assert_int_equal(ask(connection, "PRAGMA user_version"), 3);
    assert_int_equal(ask(connection, "SELECT n FROM second"), 3);
    assert_int_equal(ask(connection, "SELECT count(*) FROM event WHERE text = 'kept'"), 1);
    sqlite3_close(connection);
    /* And again: nothing is left to do. */
    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 3}, &connection, &error), BF_OK);
    assert_int_equal(ask(connection, "SELECT n FROM second"), 3);
    sqlite3_close(connection);
    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 2}, &connection, &error), BF_STORE_FAILED);
}

static void durable_settings_and_private_file(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *connection = NULL;
    struct bf_error error = {0};
    struct stat status;
    BF_AUTO_STRING char *log = bf_format("%s-wal", fixture->path);
    mode_t mask = umask(0);

    assert_int_equal(bf_schema_open(fixture->path, &bf_store_steps, &connection, &error), BF_OK);
    umask(mask);
    assert_int_equal(ask(connection, "PRAGMA synchronous"), 2);
    assert_int_equal(ask(connection, "PRAGMA journal_mode = wal; "), 0); /* text, read as a number */
    assert_int_equal(ask(connection, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(stat(log, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    sqlite3_close(connection);
}

static void what_cannot_be_a_store_is_refused_by_name(void **state)
{
    struct fixture *fixture = *state;
    BF_AUTO_STRING char *nowhere = bf_format("%s/none/state.db", fixture->directory);
    BF_AUTO_STRING char *missing = bf_format("the directory %s/none does not exist", fixture->directory);

    expect_refusal(fixture, nowhere, missing);
    expect_refusal(fixture, fixture->directory, "directory");
    execute(fixture->path, "CREATE TABLE theirs (n)");
    expect_refusal(fixture, fixture->path, "something else");
    unlink(fixture->path);
    FILE *file = fopen(fixture->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 100; i++)
        fputs("this is no database at all, but a text of some length\n", file);
    fclose(file);
    expect_refusal(fixture, fixture->path, "not a database");
}

static void a_document_that_does_not_parse_names_its_job(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record record = make_record(ULID("FVQ"));
    struct loaded loaded = {0};
    struct bf_error error = {0};

    open_store(fixture);
    save(fixture, &record, NULL, 0, NULL);
    close_store(fixture);
    execute(fixture->path, "UPDATE job SET document = json_set(document, '$.sett', 1)");
    open_store(fixture);
    assert_int_equal(fixture->store->load(fixture->store->context, on_loaded, &loaded, &error), BF_STORE_FAILED);
    if (!strstr(error.text, "orders") || !strstr(error.text, record.id) || !strstr(error.text, "/sett"))
        fail_msg("the text is: %s", error.text);
    assert_int_equal(loaded.count, 0);
    close_store(fixture);
    execute(fixture->path, "UPDATE job SET state = 'dancing'");
    open_store(fixture);
    assert_int_equal(fixture->store->load(fixture->store->context, on_loaded, &loaded, &error), BF_STORE_FAILED);
    assert_non_null(strstr(error.text, "dancing"));
    bf_record_clear(&record);
}

/* Opens the store in a process of its own, which tells by a byte whether it could, and holds it until it is killed. */
static pid_t open_elsewhere(const char *path, bool *ret_opened)
{
    int ends[2];
    char answer = '?';

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int descriptor = -1;
        struct bf_error error;
        answer = bf_schema_lock(path, &descriptor, &error) == BF_OK ? 'y' : 'n';
        if (write(ends[1], &answer, 1) == 1)
            pause();
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &answer, 1), 1);
    close(ends[0]);
    *ret_opened = answer == 'y';
    return child;
}

static void end_process(pid_t child)
{
    int status;

    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void two_daemons_cannot_share_a_file(void **state)
{
    struct fixture *fixture = *state;
    BF_AUTO_STRING char *link = bf_format("%s.link", fixture->path);
    BF_AUTO_STRING char *copy = bf_format("%s.copy", fixture->path);
    bool opened;
    pid_t child = open_elsewhere(fixture->path, &opened);
    BF_AUTO_STRING char *holder = bf_format("process %ld", (long)child);

    assert_true(opened);
    expect_refusal(fixture, fixture->path, holder);
    assert_int_equal(symlink(fixture->path, link), 0);
    expect_refusal(fixture, link, "another backfilld");
    /* A copy is a store of its own. */
    copy_file(fixture->path, copy);
    struct bf_store *store = NULL;
    struct bf_error error = {0};
    assert_int_equal(bf_sqlite_store_open(&fixture->loop, copy, &store, &error), BF_OK);
    bf_sqlite_store_close(store);
    /* And kill -9 leaves no lock. */
    end_process(child);
    open_store(fixture);
    child = open_elsewhere(fixture->path, &opened);
    end_process(child);
    assert_false(opened);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_field_comes_back),
        TEST(a_save_replaces_and_copies),
        TEST(one_bad_row_fails_alone_and_callbacks_keep_their_order),
        TEST(record_and_events_are_one_transaction),
        TEST(many_writes_share_a_transaction),
        TEST(events_by_job_and_place),
        TEST(event_fields_come_back_and_a_read_sees_earlier_writes),
        TEST(close_writes_what_waits),
        TEST(a_newer_store_is_refused_and_not_touched),
        TEST(migrations_go_forward_all_or_none),
        TEST(durable_settings_and_private_file),
        TEST(what_cannot_be_a_store_is_refused_by_name),
        TEST(a_document_that_does_not_parse_names_its_job),
        TEST(two_daemons_cannot_share_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
