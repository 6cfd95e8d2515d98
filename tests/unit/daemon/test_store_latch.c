/* The store beyond records and events: latches that stay on, jobs that are forgotten, and an older store that is brought
 * forward. */
#include "store_case.h"

#include <sqlite3.h>
#include <string.h>

#include "allocate.h"
#include "sqlite_schema.h"

struct latches {
    struct bf_latch list[8];
    size_t count;
};

static void on_latch(void *argument, struct bf_latch *latch)
{
    struct latches *latches = argument;
    assert_true(latches->count < BF_COUNT(latches->list));
    latches->list[latches->count++] = *latch;
}

static void load_latches(struct fixture *fixture, struct latches *latches)
{
    struct bf_error error;
    *latches = (struct latches){0};
    if (fixture->store->load_latches(fixture->store->context, on_latch, latches, &error) != BF_OK)
        fail_msg("%s", error.text);
}

static void clear_latches(struct latches *latches)
{
    for (size_t i = 0; i < latches->count; i++)
        bf_latch_clear(&latches->list[i]);
}

static void on_stored(void *argument, const struct bf_error *error)
{
    assert_int_equal(error->code, BF_OK);
    ++*(int *)argument;
}

static void set_latch(struct fixture *fixture, const struct bf_latch *latch, bool on)
{
    struct bf_event event = {.at = 9, .type = "pause_all", .actor = "ann", .text = "all jobs"};
    int stored = 0;
    fixture->store->save_latch(fixture->store->context, latch, on, &event, 1, on_stored, &stored);
    assert_int_equal(stored, 0);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(stored, 1);
}

static void latches_stay_on_until_they_are_taken_off(void **state)
{
    struct fixture *fixture = *state;
    struct bf_latch all = {.kind = BF_LATCH_ALL, .name = "", .value = "", .actor = "ann", .since = 5};
    struct bf_latch label = {.kind = BF_LATCH_LABEL, .name = "team", .value = "\xc3\xa4", .reason = "why", .actor = "bob"};
    struct latches latches;
    struct found found;

    open_store(fixture);
    set_latch(fixture, &all, true);
    set_latch(fixture, &label, true);
    label.reason = "another";
    set_latch(fixture, &label, true);
    close_store(fixture);
    open_store(fixture);
    load_latches(fixture, &latches);
    assert_int_equal(latches.count, 2);
    const struct bf_latch *got = &latches.list[0];
    assert_true(bf_latch_same_scope(got, &all));
    assert_null(got->reason);
    assert_string_equal(got->actor, "ann");
    assert_int_equal(got->since, 5);
    got = &latches.list[1];
    assert_true(bf_latch_same_scope(got, &label));
    assert_string_equal(got->reason, "another");
    clear_latches(&latches);
    set_latch(fixture, &label, false);
    load_latches(fixture, &latches);
    assert_int_equal(latches.count, 1);
    clear_latches(&latches);
    read_events(fixture, NULL, 0, 10, &found);
    assert_int_equal(found.count, 4);
    assert_string_equal(found.list[3].job, "");
    assert_string_equal(found.list[3].type, "pause_all");
}

struct ignored {
    struct bf_ignored list[4];
    size_t count;
};

static void on_ignored(void *argument, const struct bf_ignored *ignored)
{
    struct ignored *found = argument;
    assert_true(found->count < BF_COUNT(found->list));
    found->list[found->count++] = *ignored;
}

static void set_ignored(struct fixture *fixture, const struct bf_ignored *ignored)
{
    int stored = 0;
    fixture->store->save_ignored(fixture->store->context, ignored, on_stored, &stored);
    assert_int_equal(stored, 0);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(stored, 1);
}

static void load_ignored(struct fixture *fixture, struct ignored *found)
{
    struct bf_error error;
    *found = (struct ignored){0};
    if (fixture->store->load_ignored(fixture->store->context, on_ignored, found, &error) != BF_OK)
        fail_msg("%s", error.text);
}

static void a_replica_stays_ignored_until_it_is_heeded(void **state)
{
    struct fixture *fixture = *state;
    struct bf_ignored one = {.target = "shop", .replica = "replica-2", .why = "ann: it's being rebuilt \xc3\xa4", .until = 77};
    struct bf_ignored other = {.target = "legacy", .replica = "replica-2", .why = "ann", .until = 5};
    struct ignored found;

    open_store(fixture);
    set_ignored(fixture, &one);
    set_ignored(fixture, &other);
    one.until = 78;
    set_ignored(fixture, &one);
    close_store(fixture);
    open_store(fixture);
    load_ignored(fixture, &found);
    assert_int_equal(found.count, 2);
    assert_string_equal(found.list[0].target, "legacy");
    assert_string_equal(found.list[1].target, "shop");
    assert_string_equal(found.list[1].replica, "replica-2");
    assert_string_equal(found.list[1].why, one.why);
    assert_int_equal(found.list[1].until, 78);
    one.until = 0;
    set_ignored(fixture, &one);
    set_ignored(fixture, &one);
    load_ignored(fixture, &found);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.list[0].until, 5);
}

static void a_forgotten_job_takes_its_events_along(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record one = make_record(ULID("FVQ")), other = make_record(ULID("FVR"));
    struct loaded loaded;
    struct found found;
    int stored = 0;

    open_store(fixture);
    add_event(fixture, &one, "goes");
    add_event(fixture, &other, "stays");
    fixture->store->forget(fixture->store->context, one.id, on_stored, &stored);
    fixture->store->forget(fixture->store->context, one.id, NULL, NULL); /* it is not there any more: nothing to say */
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(stored, 1);
    load(fixture, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_string_equal(loaded.list[0].id, other.id);
    forget(&loaded);
    read_events(fixture, NULL, 0, 10, &found);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.list[0].text, "stays");
    bf_record_clear(&one);
    bf_record_clear(&other);
}

/* A store as the first release left it. */
static void a_store_of_version_1_is_brought_forward(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *connection = NULL;
    struct bf_error error = {0};
    struct loaded loaded;
    struct latches latches;
    struct bf_record record = make_record(ULID("FVQ"));
    static const char insert[] =
        "INSERT INTO job (id, name, target, document, state, direction, reason_code, reason_text, reason_since,"
        " reason_until, rows_scanned, rows_changed, rows_estimated, batches, batch_rows, pass, resumed, done,"
        " created_at, updated_at, started_at, ended_at, epoch, started) VALUES ('%s', 'orders', 'shop', '%q', 'paused',"
        " 'forward', 'operator', 'why', 1, 0, 10, 10, -1, 1, 500, 1, 0, 0, 1, 1, 1, 0, 4, 1)";

    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){bf_store_steps.sql, 1}, &connection, &error),
                     BF_OK);
    char *sql = sqlite3_mprintf(insert, record.id, record.document->canonical);
    assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_free(sql);
    sqlite3_close(connection);
    open_store(fixture);
    load(fixture, &loaded);
    assert_int_equal(loaded.count, 1);
    const struct bf_record *got = &loaded.list[0];
    assert_int_equal(got->state, BF_STATE_PAUSED);
    assert_int_equal(got->version, 0);
    assert_null(got->idempotency_key);
    assert_null(got->document->current);
    assert_int_equal(got->epoch, 4);
    forget(&loaded);
    load_latches(fixture, &latches);
    assert_int_equal(latches.count, 0);
    bf_record_clear(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(latches_stay_on_until_they_are_taken_off),
        TEST(a_replica_stays_ignored_until_it_is_heeded),
        TEST(a_forgotten_job_takes_its_events_along),
        TEST(a_store_of_version_1_is_brought_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
