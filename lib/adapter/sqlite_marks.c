/* What has to be remembered of alerts and webhooks, as rows of the store. */
#include <stdio.h>

#include "allocate.h"
#include "sqlite_reason.h"
#include "sqlite_rows.h"

bool bf_rows_mark(struct bf_rows *rows, const struct bf_mark *mark)
{
    if (mark->kind == BF_MARK_WEBHOOK) {
        sqlite3_bind_text(rows->mark_webhook, 1, mark->name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(rows->mark_webhook, 2, mark->number);
        return bf_rows_run(rows->mark_webhook);
    }
    sqlite3_bind_text(rows->mark_alert, 1, mark->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(rows->mark_alert, 2, mark->more, -1, SQLITE_STATIC);
    sqlite3_bind_int64(rows->mark_alert, 3, mark->number);
    sqlite3_bind_int64(rows->trim_alerts, 1, mark->number - BF_ALERTS_KEPT);
    return bf_rows_run(rows->mark_alert) && bf_rows_run(rows->trim_alerts);
}

static void read_text(sqlite3_stmt *statement, int column, char *text, size_t size)
{
    snprintf(text, size, "%s", (const char *)sqlite3_column_text(statement, column));
}

enum bf_code bf_rows_load_marks(struct bf_rows *rows, bf_store_loaded_mark *loaded, void *argument, struct bf_error *error)
{
    static const char sql[] = "SELECT 0, fingerprint, starts_at, seen_at FROM alert UNION ALL SELECT 1, target, '', event FROM webhook";
    sqlite3_stmt *statement = NULL;
    int step = SQLITE_ERROR;

    if (sqlite3_prepare_v2(rows->connection, sql, -1, &statement, NULL) == SQLITE_OK)
        while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
            struct bf_mark mark = {.kind = sqlite3_column_int(statement, 0) ? BF_MARK_WEBHOOK : BF_MARK_ALERT,
                                   .number = sqlite3_column_int64(statement, 3)};
            read_text(statement, 1, mark.name, sizeof mark.name);
            read_text(statement, 2, mark.more, sizeof mark.more);
            loaded(argument, &mark);
        }
    BF_AUTO_STRING char *reason = step == SQLITE_DONE ? NULL : bf_sqlite_reason(rows->connection, 0);
    sqlite3_finalize(statement);
    return reason ? bf_fail(error, BF_STORE_FAILED, "%s", reason) : BF_OK;
}
