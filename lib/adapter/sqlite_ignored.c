/* The replicas that a person had ignored, as rows of the store. */
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

struct replicas {
    bf_store_loaded_ignored *loaded;
    void *argument;
};

static void take_replica(void *argument, sqlite3_stmt *row)
{
    const struct replicas *replicas = argument;
    struct bf_ignored ignored = {.until = sqlite3_column_int64(row, 3)};
    bf_rows_text(row, 0, ignored.target, sizeof ignored.target);
    bf_rows_text(row, 1, ignored.replica, sizeof ignored.replica);
    bf_rows_text(row, 2, ignored.why, sizeof ignored.why);
    replicas->loaded(replicas->argument, &ignored);
}

enum bf_code bf_rows_load_ignored(struct bf_rows *rows, bf_store_loaded_ignored *loaded, void *argument,
                                  struct bf_error *error)
{
    struct replicas replicas = {loaded, argument};
    return bf_rows_each(rows, "SELECT target, replica, why, until FROM ignored_replica", take_replica, &replicas, error);
}
