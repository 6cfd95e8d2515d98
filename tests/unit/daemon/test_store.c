/* The SQLite store: what comes back is what went in, callbacks keep their order, one bad row fails alone. */
#include "store_case.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "allocate.h"

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
    assert_string_equal(got->reason.signal, put->reason.signal);
    assert_int_equal(got->reason.measured, put->reason.measured);
    assert_float_equal(got->reason.value, put->reason.value, 0);
    assert_float_equal(got->reason.limit, put->reason.limit, 0);
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
    assert_string_equal(got->progress.slices, put->progress.slices);
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
    assert_int_equal(got->version, put->version);
    assert_string_equal(got->idempotency_key, put->idempotency_key);
    assert_string_equal(got->document->current, put->document->current);
    assert_true(got->document->pace.nice == put->document->pace.nice);
}

static struct bf_record full_record(void)
{
    struct bf_record record = make_record(ULID("FVQ"));

    record.state = BF_STATE_RUNNING;
    record.direction = BF_DIRECTION_BACK;
    record.reason = (struct bf_reason){.code = BF_LOCK_CONFLICT, .text = "\xc3\xa4 'quoted' \"text\"", .since = 11, .until = 12,
                                       .signal = "trigger:errors", .measured = true, .value = 0.034, .limit = 0.01};
    record.progress = (struct bf_progress){.rows_scanned = INT64_MAX, .rows_changed = 14, .rows_estimated = 15,
                                           .batches = 16, .batch_rows = 17, .pass = 18, .resumed = 19,
                                           .after = bf_copy_string("[\"0\"]"), .through = bf_copy_string("[\"9\",\"z\"]"),
                                           .position = bf_copy_string("[\"-5\"]"), .done = true,
                                           .slices = bf_copy_string("[{\"done\":true},{\"done\":false}]")};
    record.plan = bf_copy_string("{\"rows\":5}");
    record.submitter = bf_copy_string("ann");
    record.approver = bf_copy_string("bob");
    record.created_at = 20;
    record.updated_at = 21;
    record.started_at = 22;
    record.ended_at = 23;
    record.epoch = 24;
    record.started = true;
    record.version = 25;
    record.idempotency_key = bf_copy_string("\"8e03978e\"");
    struct bf_document *changed = NULL;
    struct bf_complaints complaints = {0};
    struct bf_error error;
    static const char change[] = "{\"pace\":{\"nice\":0.2}}";
    assert_int_equal(bf_document_merge(record.document, change, strlen(change), NULL, NULL, &changed, &complaints, &error), BF_OK);
    bf_document_take(record.document, changed);
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
    assert_null(got->progress.slices);
    assert_null(got->plan);
    assert_null(got->submitter);
    assert_null(got->approver);
    assert_null(got->idempotency_key);
    assert_null(got->document->current);
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

/* Also what the thread pool has not even begun. */
static void close_writes_what_waits_and_answers_every_call(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record record = make_record(ULID("FVQ"));
    struct heard heard = {0};
    struct call calls[12];
    struct found *found = BF_NEW(struct found);
    struct loaded loaded;

    open_store(fixture);
    for (int i = 0; i < (int)BF_COUNT(calls); i++) {
        record.epoch = i;
        calls[i] = (struct call){.heard = &heard, .number = i};
        save(fixture, &record, NULL, 0, &calls[i]);
    }
    fixture->store->read_events(fixture->store->context, NULL, 0, 1, on_events, found);
    bf_sqlite_store_close(fixture->store); /* the loop has not run yet */
    fixture->store = NULL;
    assert_int_equal(found->calls, 1);
    assert_int_equal(heard.count, BF_COUNT(calls));
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(heard.count, BF_COUNT(calls));
    for (int i = 0; i < (int)BF_COUNT(calls); i++) {
        assert_int_equal(heard.order[i], i);
        assert_int_equal(heard.code[i], BF_OK);
    }
    open_store(fixture);
    load(fixture, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_int_equal(loaded.list[0].epoch, 11);
    forget(&loaded);
    free(found);
    bf_record_clear(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_field_comes_back),
        TEST(a_save_replaces_and_copies),
        TEST(one_bad_row_fails_alone_and_callbacks_keep_their_order),
        TEST(record_and_events_are_one_transaction),
        TEST(many_writes_share_a_transaction),
        TEST(events_by_job_and_place),
        TEST(event_fields_come_back_and_a_read_sees_earlier_writes),
        TEST(close_writes_what_waits_and_answers_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
