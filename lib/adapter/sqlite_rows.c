#include "sqlite_rows.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "sqlite_reason.h"
#include "sqlite_samples.h"

/* Every column of a job, once: the statements, the binding and the reading are made from this list, in this order.
 * X(column, kind, field): kinds are TEXT (a char array), STRING (an owned char *), NUMBER, REAL and FLAG of the record, or an
 * ENUM with its two functions. The first ones come before these: id, name, target and the documents. */
#define FIELDS(X)                                             \
    X(reason_text, TEXT, reason.text)                         \
    X(reason_since, NUMBER, reason.since)                     \
    X(reason_until, NUMBER, reason.until)                     \
    X(reason_signal, TEXT, reason.signal)                     \
    X(reason_measured, FLAG, reason.measured)                 \
    X(reason_value, REAL, reason.value)                       \
    X(reason_limit, REAL, reason.limit)                       \
    X(rows_scanned, NUMBER, progress.rows_scanned)            \
    X(rows_changed, NUMBER, progress.rows_changed)            \
    X(rows_estimated, NUMBER, progress.rows_estimated)        \
    X(batches, NUMBER, progress.batches)                      \
    X(batch_rows, NUMBER, progress.batch_rows)                \
    X(pass, NUMBER, progress.pass)                            \
    X(resumed, NUMBER, progress.resumed)                      \
    X(rows_set_aside, NUMBER, progress.rows_set_aside)        \
    X(yields, NUMBER, progress.yields)                        \
    X(range_after, STRING, progress.after)                    \
    X(range_through, STRING, progress.through)                \
    X(position, STRING, progress.position)                    \
    X(done, FLAG, progress.done)                              \
    X(plan, STRING, plan)                                     \
    X(submitter, STRING, submitter)                           \
    X(approver, STRING, approver)                             \
    X(created_at, NUMBER, created_at)                         \
    X(updated_at, NUMBER, updated_at)                         \
    X(started_at, NUMBER, started_at)                         \
    X(ended_at, NUMBER, ended_at)                             \
    X(epoch, NUMBER, epoch)                                   \
    X(started, FLAG, started)                                 \
    X(version, NUMBER, version)                               \
    X(idempotency_key, STRING, idempotency_key)               \
    X(ledger, STRING, progress.ledger)                        \
    X(slices, STRING, progress.slices)                        \
    X(approved_plan, STRING, approved_plan)                   \
    X(approved_risk, STRING, approved_risk)                   \
    X(approved_bounds, STRING, approved_bounds)                 \
    X(break_glass, STRING, break_glass)                       \
    X(back_wanted, FLAG, back.wanted)                         \
    X(undo_dropped, FLAG, back.dropped)                       \
    X(undo_rows, NUMBER, back.rows)                           \
    X(undo_bytes, NUMBER, back.bytes)                         \
    X(back_seen, NUMBER, back.seen)                           \
    X(back_conflicts, NUMBER, back.conflicts)                 \
    X(back_batches, NUMBER, back.batches)                     \
    X(rows_bad, NUMBER, progress.rows_bad)                    \
    X(retry_bad, FLAG, retry_bad)                             \
    X(logged_bytes, NUMBER, progress.logged.bytes)            \
    X(logged_rows, NUMBER, progress.logged.rows)              \
    X(dead_rows, NUMBER, progress.dead)

#define COLUMN(column, kind, field) ", " #column
#define PLACE(column, kind, field) ", ?"
#define COLUMNS "id, name, target, document, state, direction, reason_code, current_document" FIELDS(COLUMN)
#define PLACES "?, ?, ?, ?, ?, ?, ?, ?" FIELDS(PLACE)
#define EVENT_COLUMNS "id, job, at, type, from_state, to_state, actor, text"

void bf_saved_job_copy(struct bf_saved_job *saved, const struct bf_record *record)
{
    saved->record = *record;
    saved->record.document = NULL;
#define COPY_STRING(field) saved->record.field = bf_copy_string(record->field);
#define COPY_NUMBER(field)
#define COPY_FLAG(field)
#define COPY_REAL(field)
#define COPY_TEXT(field)
#define X(column, kind, field) COPY_##kind(field)
    FIELDS(X)
#undef X
    saved->name = bf_copy_string(record->document->name);
    saved->target = bf_copy_string(record->document->target);
    saved->document = bf_copy_string(record->document->canonical);
    saved->current = bf_copy_string(record->document->current);
}

void bf_saved_job_clear(struct bf_saved_job *saved)
{
    bf_record_clear(&saved->record);
    free(saved->name);
    free(saved->target);
    free(saved->document);
    free(saved->current);
}

static enum bf_code fail(sqlite3 *connection, struct bf_error *error)
{
    BF_AUTO_STRING char *reason = bf_sqlite_reason(connection, 0);

    return bf_fail(error, BF_STORE_FAILED, "%s", reason);
}

/* No name of a target has a comma. */
#define ON_TARGETS "job IN (SELECT id FROM job WHERE instr(',' || ?3 || ',', ',' || target || ',') > 0)"

enum bf_code bf_rows_prepare(struct bf_rows *rows, sqlite3 *connection, struct bf_error *error)
{
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } list[] = {
        {&rows->save, "INSERT OR REPLACE INTO job (" COLUMNS ") VALUES (" PLACES ")"},
        {&rows->append,
         "INSERT INTO event (job, at, type, from_state, to_state, actor, text) VALUES (?, ?, ?, ?, ?, ?, ?)"},
        {&rows->first_of_all, "SELECT " EVENT_COLUMNS " FROM event WHERE id > ?1 ORDER BY id LIMIT ?2"},
        {&rows->first_of_job,
         "SELECT " EVENT_COLUMNS " FROM event WHERE id > ?1 AND job = ?3 ORDER BY id LIMIT ?2"},
        {&rows->last_of_all, "SELECT " EVENT_COLUMNS " FROM event WHERE id > ?1 ORDER BY id DESC LIMIT ?2"},
        {&rows->last_of_job,
         "SELECT " EVENT_COLUMNS " FROM event WHERE id > ?1 AND job = ?3 ORDER BY id DESC LIMIT ?2"},
        {&rows->first_on, "SELECT " EVENT_COLUMNS " FROM event WHERE id > ?1 AND " ON_TARGETS " ORDER BY id LIMIT ?2"},
        {&rows->last_on, "SELECT " EVENT_COLUMNS " FROM event WHERE id > ?1 AND " ON_TARGETS " ORDER BY id DESC LIMIT ?2"},
        {&rows->latch_on,
         "INSERT OR REPLACE INTO latch (kind, name, value, reason, actor, since) VALUES (?, ?, ?, ?, ?, ?)"},
        {&rows->latch_off, "DELETE FROM latch WHERE kind = ? AND name = ? AND value = ?"},
        {&rows->ignore, "INSERT OR REPLACE INTO ignored_replica (target, replica, why, until) VALUES (?, ?, ?, ?)"},
        {&rows->heed, "DELETE FROM ignored_replica WHERE target = ? AND replica = ?"},
        {&rows->mark_alert, "INSERT OR REPLACE INTO alert (fingerprint, starts_at, seen_at) VALUES (?, ?, ?)"},
        {&rows->trim_alerts, "DELETE FROM alert WHERE seen_at < ?"},
        {&rows->mark_webhook, "INSERT OR REPLACE INTO webhook (target, event) VALUES (?, ?)"},
        {&rows->mark_audit, "INSERT OR REPLACE INTO audit_head (one, number, hash) VALUES (1, ?, ?)"},
        {&rows->forget_job, "DELETE FROM job WHERE id = ?"},
        {&rows->forget_events, "DELETE FROM event WHERE job = ?"},
        {&rows->add_sample, BF_SAMPLE_ADD},
        {&rows->trim_samples, "DELETE FROM sample WHERE job = ? AND step = ? AND at < ?"},
        {&rows->first_samples, "SELECT " BF_SAMPLE_COLUMNS " FROM sample WHERE job = ? AND step = ? AND at >= ? ORDER BY at LIMIT ?"},
        {&rows->last_samples,
         "SELECT " BF_SAMPLE_COLUMNS " FROM sample WHERE job = ? AND step = ? AND at >= ? ORDER BY at DESC LIMIT ?"},
        {&rows->forget_samples, "DELETE FROM sample WHERE job = ?"},
    };

    memset(rows, 0, sizeof *rows);
    rows->connection = connection;
    for (size_t i = 0; i < BF_COUNT(list); i++)
        if (sqlite3_prepare_v3(connection, list[i].sql, -1, SQLITE_PREPARE_PERSISTENT, list[i].statement, NULL) !=
            SQLITE_OK) {
            fail(connection, error);
            bf_rows_clear(rows);
            return BF_STORE_FAILED;
        }
    return BF_OK;
}

void bf_rows_clear(struct bf_rows *rows)
{
    sqlite3_finalize(rows->save);
    sqlite3_finalize(rows->append);
    sqlite3_finalize(rows->first_of_all);
    sqlite3_finalize(rows->first_of_job);
    sqlite3_finalize(rows->last_of_all);
    sqlite3_finalize(rows->last_of_job);
    sqlite3_finalize(rows->first_on);
    sqlite3_finalize(rows->last_on);
    sqlite3_finalize(rows->latch_on);
    sqlite3_finalize(rows->latch_off);
    sqlite3_finalize(rows->ignore);
    sqlite3_finalize(rows->heed);
    sqlite3_finalize(rows->mark_alert);
    sqlite3_finalize(rows->trim_alerts);
    sqlite3_finalize(rows->mark_webhook);
    sqlite3_finalize(rows->mark_audit);
    sqlite3_finalize(rows->forget_job);
    sqlite3_finalize(rows->forget_events);
    sqlite3_finalize(rows->add_sample);
    sqlite3_finalize(rows->trim_samples);
    sqlite3_finalize(rows->first_samples);
    sqlite3_finalize(rows->last_samples);
    sqlite3_finalize(rows->forget_samples);
    memset(rows, 0, sizeof *rows);
}

static void bind_text(sqlite3_stmt *statement, int place, const char *text)
{
    /* Static: what is bound lives until the statement was stepped and reset. NULL binds NULL. */
    sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC);
}

/* Runs a statement without result. The reset keeps the error of the step, and that of a binding shows up in the step. */
bool bf_rows_run(sqlite3_stmt *statement)
{
    bool done = sqlite3_step(statement) == SQLITE_DONE;

    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return done;
}

bool bf_rows_save(struct bf_rows *rows, const struct bf_saved_job *saved)
{
    const struct bf_record *record = &saved->record;
    sqlite3_stmt *statement = rows->save;
    int place = 0;

    bind_text(statement, ++place, record->id);
    bind_text(statement, ++place, saved->name);
    bind_text(statement, ++place, saved->target);
    bind_text(statement, ++place, saved->document);
    bind_text(statement, ++place, bf_state_name(record->state));
    bind_text(statement, ++place, bf_direction_name(record->direction));
    bind_text(statement, ++place, bf_code_name(record->reason.code));
    bind_text(statement, ++place, saved->current);
#define BIND_STRING(field) bind_text(statement, ++place, record->field);
#define BIND_TEXT(field) bind_text(statement, ++place, record->field);
#define BIND_NUMBER(field) sqlite3_bind_int64(statement, ++place, record->field);
#define BIND_REAL(field) sqlite3_bind_double(statement, ++place, record->field);
#define BIND_FLAG(field) sqlite3_bind_int64(statement, ++place, record->field);
#define X(column, kind, field) BIND_##kind(field)
    FIELDS(X)
#undef X
    return bf_rows_run(statement);
}

bool bf_rows_append(struct bf_rows *rows, const struct bf_event *event)
{
    sqlite3_stmt *statement = rows->append;

    bind_text(statement, 1, event->job);
    sqlite3_bind_int64(statement, 2, event->at);
    bind_text(statement, 3, event->type);
    bind_text(statement, 4, event->from);
    bind_text(statement, 5, event->to);
    bind_text(statement, 6, event->actor);
    bind_text(statement, 7, event->text);
    return bf_rows_run(statement);
}

bool bf_rows_latch(struct bf_rows *rows, const struct bf_latch *latch, bool on)
{
    sqlite3_stmt *statement = on ? rows->latch_on : rows->latch_off;

    sqlite3_bind_int64(statement, 1, latch->kind);
    bind_text(statement, 2, latch->name);
    bind_text(statement, 3, latch->value);
    if (on) {
        bind_text(statement, 4, latch->reason);
        bind_text(statement, 5, latch->actor);
        sqlite3_bind_int64(statement, 6, latch->since);
    }
    return bf_rows_run(statement);
}

bool bf_rows_forget(struct bf_rows *rows, const char *job)
{
    bind_text(rows->forget_events, 1, job);
    bind_text(rows->forget_job, 1, job);
    bind_text(rows->forget_samples, 1, job);
    return bf_rows_run(rows->forget_samples) && bf_rows_run(rows->forget_events) && bf_rows_run(rows->forget_job);
}

static const char *column_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    return text ? (const char *)text : "";
}

static void read_event(sqlite3_stmt *statement, struct bf_event *event)
{
    event->id = sqlite3_column_int64(statement, 0);
    snprintf(event->job, sizeof event->job, "%s", column_text(statement, 1));
    event->at = sqlite3_column_int64(statement, 2);
    snprintf(event->type, sizeof event->type, "%s", column_text(statement, 3));
    snprintf(event->from, sizeof event->from, "%s", column_text(statement, 4));
    snprintf(event->to, sizeof event->to, "%s", column_text(statement, 5));
    snprintf(event->actor, sizeof event->actor, "%s", column_text(statement, 6));
    snprintf(event->text, sizeof event->text, "%s", column_text(statement, 7));
}

static void reverse(struct bf_event *events, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct bf_event event = events[i];
        events[i] = events[count - 1 - i];
        events[count - 1 - i] = event;
    }
}

bool bf_rows_events(struct bf_rows *rows, const char *job, const char *targets, int64_t after, size_t limit,
                    struct bf_event **ret_events, size_t *ret_count)
{
    bool newest = after == 0;
    sqlite3_stmt *statement = newest ? (job ? rows->last_of_job : targets ? rows->last_on : rows->last_of_all)
                                     : (job ? rows->first_of_job : targets ? rows->first_on : rows->first_of_all);
    struct bf_event *events = NULL;
    size_t count = 0, capacity = 0;
    int step;

    sqlite3_bind_int64(statement, 1, after);
    sqlite3_bind_int64(statement, 2, (int64_t)limit);
    if (job || targets)
        bind_text(statement, 3, job ? job : targets);
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            events = bf_reallocate(events, capacity * sizeof *events);
        }
        read_event(statement, &events[count++]);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (step != SQLITE_DONE) {
        free(events);
        return false;
    }
    if (newest)
        reverse(events, count);
    *ret_events = events;
    *ret_count = count;
    return true;
}

/* The first thing that is wrong with a stored document. */
static const char *first_complaint(const struct bf_complaints *complaints, const struct bf_error *error)
{
    return complaints->count > 0 ? complaints->list[0].detail : error->text;
}

static enum bf_code read_document(sqlite3_stmt *statement, struct bf_record *record, struct bf_error *error)
{
    struct bf_complaints complaints = {0};
    struct bf_error parse_error = {0};
    const char *document = column_text(statement, 3);
    enum bf_code code =
        bf_document_parse(document, strlen(document), NULL, &record->document, &complaints, &parse_error);

    if (code == BF_OK && sqlite3_column_type(statement, 7) != SQLITE_NULL)
        code = bf_document_restore(record->document, column_text(statement, 7), &complaints, &parse_error);
    if (code != BF_OK)
        bf_fail(error, BF_STORE_FAILED, "job %s (%s): its stored document is not valid for this backfilld: %s%s%s",
                column_text(statement, 1), column_text(statement, 0),
                complaints.count > 0 ? complaints.list[0].pointer : "", complaints.count > 0 ? ": " : "",
                first_complaint(&complaints, &parse_error));
    bf_complaints_clear(&complaints);
    return code == BF_OK ? BF_OK : BF_STORE_FAILED;
}

static char *read_string(sqlite3_stmt *statement, int column)
{
    return bf_copy_string((const char *)sqlite3_column_text(statement, column));
}

static enum bf_code read_record(sqlite3_stmt *statement, struct bf_record *record, struct bf_error *error)
{
    int place = 7;

    snprintf(record->id, sizeof record->id, "%s", column_text(statement, 0));
    record->state = bf_state_by_name(column_text(statement, 4));
    record->direction = bf_direction_by_name(column_text(statement, 5));
    record->reason.code = bf_code_by_name(column_text(statement, 6));
    if (record->state == BF_STATE_COUNT || record->direction == BF_DIRECTION_COUNT ||
        record->reason.code == BF_CODE_COUNT)
        return bf_fail(error, BF_STORE_FAILED, "job %s (%s): state \"%s\", direction \"%s\" or reason \"%s\" is not known",
                       column_text(statement, 1), column_text(statement, 0), column_text(statement, 4),
                       column_text(statement, 5), column_text(statement, 6));
#define READ_STRING(field) record->field = read_string(statement, ++place);
#define READ_TEXT(field) snprintf(record->field, sizeof record->field, "%s", column_text(statement, ++place));
#define READ_NUMBER(field) record->field = sqlite3_column_int64(statement, ++place);
#define READ_REAL(field) record->field = sqlite3_column_double(statement, ++place);
#define READ_FLAG(field) record->field = sqlite3_column_int64(statement, ++place) != 0;
#define X(column, kind, field) READ_##kind(field)
    FIELDS(X)
#undef X
    return read_document(statement, record, error);
}

enum bf_code bf_rows_load(struct bf_rows *rows, bf_store_loaded *loaded, void *argument, struct bf_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum bf_code code = BF_OK;
    int step = SQLITE_DONE;

    if (sqlite3_prepare_v2(rows->connection, "SELECT " COLUMNS " FROM job ORDER BY created_at, id", -1, &statement,
                           NULL) != SQLITE_OK)
        return fail(rows->connection, error);
    while (code == BF_OK && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        struct bf_record record = {0};
        code = read_record(statement, &record, error);
        if (code == BF_OK)
            loaded(argument, &record);
        else
            bf_record_clear(&record);
    }
    if (code == BF_OK && step != SQLITE_DONE)
        code = fail(rows->connection, error);
    sqlite3_finalize(statement);
    return code;
}

enum bf_code bf_rows_each(struct bf_rows *rows, const char *sql, bf_rows_take *take, void *argument, struct bf_error *error)
{
    sqlite3_stmt *statement = NULL;
    int step = SQLITE_ERROR;

    if (sqlite3_prepare_v2(rows->connection, sql, -1, &statement, NULL) == SQLITE_OK)
        while ((step = sqlite3_step(statement)) == SQLITE_ROW)
            take(argument, statement);
    enum bf_code code = step == SQLITE_DONE ? BF_OK : fail(rows->connection, error);
    sqlite3_finalize(statement);
    return code;
}

void bf_rows_text(sqlite3_stmt *row, int column, char *text, size_t size)
{
    snprintf(text, size, "%s", (const char *)sqlite3_column_text(row, column));
}

struct latches {
    bf_store_loaded_latch *loaded;
    void *argument;
};

static void take_latch(void *argument, sqlite3_stmt *row)
{
    const struct latches *latches = argument;
    /* A kind of a newer version cannot be: such a store is refused whole. */
    struct bf_latch latch = {.kind = (enum bf_latch_kind)sqlite3_column_int(row, 0),
                             .name = read_string(row, 1),
                             .value = read_string(row, 2),
                             .reason = read_string(row, 3),
                             .actor = read_string(row, 4),
                             .since = sqlite3_column_int64(row, 5)};
    latches->loaded(latches->argument, &latch);
}

enum bf_code bf_rows_load_latches(struct bf_rows *rows, bf_store_loaded_latch *loaded, void *argument,
                                  struct bf_error *error)
{
    struct latches latches = {loaded, argument};
    return bf_rows_each(rows, "SELECT kind, name, value, reason, actor, since FROM latch", take_latch, &latches, error);
}
