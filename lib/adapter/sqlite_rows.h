/* Records and events as rows of the store. Blocking; for this floor only. */
#ifndef BF_ADAPTER_SQLITE_ROWS_H
#define BF_ADAPTER_SQLITE_ROWS_H

#include <sqlite3.h>
#include <stddef.h>

#include "record.h"
#include "store.h"

/* What a write takes along: the record with owned copies of its strings, the document as text. */
struct bf_saved_job {
    struct bf_record record; /* `document` is NULL */
    char *name, *target, *document;
    char *current; /* NULL: the document was never changed */
};

void bf_saved_job_copy(struct bf_saved_job *saved, const struct bf_record *record);
void bf_saved_job_clear(struct bf_saved_job *saved);

/* The prepared statements of one connection. */
struct bf_rows {
    sqlite3 *connection;
    sqlite3_stmt *save, *append, *first_of_all, *first_of_job, *first_on, *last_of_all, *last_of_job, *last_on;
    sqlite3_stmt *latch_on, *latch_off, *ignore, *heed, *mark_alert, *trim_alerts, *mark_webhook, *mark_audit, *forget_job, *forget_events;
    sqlite3_stmt *add_sample, *trim_samples, *first_samples, *last_samples, *forget_samples;
};

enum bf_code bf_rows_prepare(struct bf_rows *rows, sqlite3 *connection, struct bf_error *error);
void bf_rows_clear(struct bf_rows *rows); /* leaves the connection open */
bool bf_rows_run(sqlite3_stmt *statement); /* a statement without result; false: sqlite3_errmsg says why */

/* Calls `take` for each row of the answer, which has no parameters. */
typedef void bf_rows_take(void *argument, sqlite3_stmt *row);
enum bf_code bf_rows_each(struct bf_rows *rows, const char *sql, bf_rows_take *take, void *argument, struct bf_error *error);
void bf_rows_text(sqlite3_stmt *row, int column, char *text, size_t size); /* of a column that is NOT NULL */

/* All return false on failure; sqlite3_errmsg says why. */
bool bf_rows_save(struct bf_rows *rows, const struct bf_saved_job *saved);
bool bf_rows_append(struct bf_rows *rows, const struct bf_event *event);
bool bf_rows_latch(struct bf_rows *rows, const struct bf_latch *latch, bool on);
bool bf_rows_forget(struct bf_rows *rows, const char *job); /* and its events and samples */
/* *ret_events is the caller's to free. */
bool bf_rows_events(struct bf_rows *rows, const char *job, const char *targets, int64_t after, size_t limit,
                    struct bf_event **ret_events, size_t *ret_count);

/* sqlite_samples.c; as in store.h. *ret_samples is the caller's to free, with what it owns. */
void bf_samples_free(struct bf_sample *samples, size_t count);
bool bf_rows_add_samples(struct bf_rows *rows, const char *job, int step, const struct bf_sample *samples, size_t count,
                         int keep);
bool bf_rows_samples(struct bf_rows *rows, const char *job, int step, int64_t since, size_t limit,
                     struct bf_sample **ret_samples, size_t *ret_count);

/* sqlite_ignored.c */
bool bf_rows_ignored(struct bf_rows *rows, const struct bf_ignored *ignored);
enum bf_code bf_rows_load_ignored(struct bf_rows *rows, bf_store_loaded_ignored *loaded, void *argument,
                                  struct bf_error *error);

/* sqlite_marks.c */
bool bf_rows_mark(struct bf_rows *rows, const struct bf_mark *mark);
enum bf_code bf_rows_load_marks(struct bf_rows *rows, bf_store_loaded_mark *loaded, void *argument, struct bf_error *error);

/* Every job, oldest first. */
enum bf_code bf_rows_load(struct bf_rows *rows, bf_store_loaded *loaded, void *argument, struct bf_error *error);
enum bf_code bf_rows_load_latches(struct bf_rows *rows, bf_store_loaded_latch *loaded, void *argument,
                                  struct bf_error *error);

#endif
