/* What stands in the state store, as somebody may have written it: "@table", and a row of it, a field a line in the order of its
 * columns, of which the last ones may be left out; then all of it is read as at a start. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "bounds.h"
#include "fuzz.h"
#include "ledger.h"
#include "slices.h"
#include "sqlite_rows.h"
#include "sqlite_schema.h"

static const char *const tables[] = {"job", "event", "latch", "ignored_replica", "alert", "webhook", "sample", "audit_head"};

struct opened {
    sqlite3 *connection;
    struct bf_rows rows;
    sqlite3_stmt *inserts[BF_COUNT(tables)], *deletes[BF_COUNT(tables)];
};

static sqlite3_stmt *prepare(sqlite3 *connection, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v3(connection, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
        abort();
    return statement;
}

static sqlite3_stmt *insert_into(sqlite3 *connection, const char *table)
{
    BF_AUTO_STRING char *about = bf_format("SELECT count(*) FROM pragma_table_info('%s')", table);
    sqlite3_stmt *count = prepare(connection, about);
    sqlite3_step(count);
    int columns = sqlite3_column_int(count, 0);
    sqlite3_finalize(count);
    char *sql = bf_format("INSERT INTO %s VALUES (?", table);
    for (int i = 1; i < columns; i++) {
        char *longer = bf_format("%s, ?", sql);
        free(sql);
        sql = longer;
    }
    BF_AUTO_STRING char *whole = bf_format("%s)", sql);
    free(sql);
    return prepare(connection, whole);
}

static struct opened *opened(void)
{
    static struct opened only;
    struct bf_error error;
    if (only.connection)
        return &only;
    if (sqlite3_open(":memory:", &only.connection) != SQLITE_OK)
        abort();
    for (int i = 0; i < bf_store_steps.count; i++)
        if (sqlite3_exec(only.connection, bf_store_steps.sql[i], NULL, NULL, NULL) != SQLITE_OK)
            abort();
    if (bf_rows_prepare(&only.rows, only.connection, &error) != BF_OK)
        abort();
    for (size_t i = 0; i < BF_COUNT(tables); i++) {
        BF_AUTO_STRING char *empty = bf_format("DELETE FROM %s", tables[i]);
        only.inserts[i] = insert_into(only.connection, tables[i]);
        only.deletes[i] = prepare(only.connection, empty);
    }
    return &only;
}

/* A number as one, as STRICT tables want it of most columns; those that hold texts take it all the same. */
static void insert(sqlite3_stmt *statement, struct fuzz_fields *fields)
{
    char *values[80] = {NULL};
    int count = sqlite3_bind_parameter_count(statement);
    for (int i = 0; i < count; i++) {
        char *end = NULL;
        if (!fields->at || fields->at == fields->end || *fields->at == '@') {
            sqlite3_bind_int(statement, i + 1, 0);
            continue;
        }
        values[i] = fuzz_next(fields);
        long long number = values[i] ? strtoll(values[i], &end, 10) : 0;
        if (values[i] && *values[i] && !*end)
            sqlite3_bind_int64(statement, i + 1, number);
        else
            sqlite3_bind_text(statement, i + 1, values[i], -1, SQLITE_STATIC);
    }
    sqlite3_step(statement);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    for (int i = 0; i < count; i++)
        free(values[i]);
}

static void loaded(void *argument, struct bf_record *record)
{
    struct bf_slice slices[BF_SLICES_MAX];
    struct bf_ledger ledger;
    char tag[BF_ETAG_TEXT];
    (void)argument;
    size_t count = bf_slices_read(record->progress.slices, slices);
    for (size_t i = 0; i < count; i++)
        bf_slice_clear(&slices[i]);
    bf_ledger_read(&ledger, record->progress.ledger);
    free(bf_bounds_passed(record->approved_bounds, record->document));
    bf_record_etag(record, tag);
    bf_record_fraction(record);
    bf_record_clear(record);
}

static void loaded_latch(void *argument, struct bf_latch *latch)
{
    (void)argument;
    free(bf_latch_scope(latch));
    bf_latch_clear(latch);
}

static void loaded_ignored(void *argument, const struct bf_ignored *ignored)
{
    *(size_t *)argument += strlen(ignored->target);
}

static void loaded_mark(void *argument, const struct bf_mark *mark)
{
    *(size_t *)argument += strlen(mark->name) + strlen(mark->more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct opened *store = opened();
    struct fuzz_fields fields = fuzz_fields(data, size);
    struct bf_error error = {0};
    struct bf_event *events = NULL;
    struct bf_sample *samples = NULL;
    size_t event_count = 0, sample_count = 0, length = 0;
    for (char *line = fuzz_next(&fields); line || fields.at; line = fuzz_next(&fields)) {
        for (size_t i = 0; line && i < BF_COUNT(tables); i++)
            if (line[0] == '@' && strcmp(line + 1, tables[i]) == 0)
                insert(store->inserts[i], &fields);
        free(line);
    }
    bf_rows_load(&store->rows, loaded, NULL, &error);
    bf_rows_load_latches(&store->rows, loaded_latch, NULL, &error);
    bf_rows_load_ignored(&store->rows, loaded_ignored, &length, &error);
    bf_rows_load_marks(&store->rows, loaded_mark, &length, &error);
    bf_rows_events(&store->rows, NULL, NULL, 0, 10, &events, &event_count);
    free(events);
    if (bf_rows_samples(&store->rows, "01JD5Z0000000000000000000A", 1000, 0, 10, &samples, &sample_count))
        bf_samples_free(samples, sample_count);
    for (size_t i = 0; i < BF_COUNT(tables); i++) {
        sqlite3_step(store->deletes[i]);
        sqlite3_reset(store->deletes[i]);
    }
    return 0;
}
