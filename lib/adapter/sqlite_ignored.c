/* The replicas that a person had ignored, as rows of the store. */
#include <stdio.h>

#include "allocate.h"
#include "sqlite_reason.h"
#include "sqlite_rows.h"

bool bf_rows_ignored(struct bf_rows *rows, const struct bf_ignored *ignored)
{
    sqlite3_stmt *statement = ignored->until ? rows->ignore : rows->heed;

    sqlite3_bind_text(statement, 1, ignored->target, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, ignored->replica, -1, SQLITE_STATIC);
    if (ignored->until) {
        sqlite3_bind_text(statement, 3, ignored->why, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 4, ignored->until);
    }
    return bf_rows_run(statement);
}

static void read_text(sqlite3_stmt *statement, int column, char *text, size_t size)
{
    snprintf(text, size, "%s", (const char *)sqlite3_column_text(statement, column));
}

enum bf_code bf_rows_load_ignored(struct bf_rows *rows, bf_store_loaded_ignored *loaded, void *argument,
                                  struct bf_error *error)
{
    sqlite3_stmt *statement = NULL;
    int step = SQLITE_ERROR;

    if (sqlite3_prepare_v2(rows->connection, "SELECT target, replica, why, until FROM ignored_replica", -1, &statement,
                           NULL) == SQLITE_OK)
        while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
            struct bf_ignored ignored = {.until = sqlite3_column_int64(statement, 3)};
            read_text(statement, 0, ignored.target, sizeof ignored.target);
            read_text(statement, 1, ignored.replica, sizeof ignored.replica);
            read_text(statement, 2, ignored.why, sizeof ignored.why);
            loaded(argument, &ignored);
        }
    BF_AUTO_STRING char *reason = step == SQLITE_DONE ? NULL : bf_sqlite_reason(rows->connection, 0);
    sqlite3_finalize(statement);
    return reason ? bf_fail(error, BF_STORE_FAILED, "%s", reason) : BF_OK;
}
