/* What has to be remembered of alerts, webhooks and the audit log, as rows of the store. */
#include "sqlite_rows.h"

bool bf_rows_mark(struct bf_rows *rows, const struct bf_mark *mark)
{
    if (mark->kind == BF_MARK_WEBHOOK) {
        sqlite3_bind_text(rows->mark_webhook, 1, mark->name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(rows->mark_webhook, 2, mark->number);
        return bf_rows_run(rows->mark_webhook);
    }
    if (mark->kind == BF_MARK_AUDIT) {
        sqlite3_bind_int64(rows->mark_audit, 1, mark->number);
        sqlite3_bind_text(rows->mark_audit, 2, mark->name, -1, SQLITE_STATIC);
        return bf_rows_run(rows->mark_audit);
    }
    sqlite3_bind_text(rows->mark_alert, 1, mark->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(rows->mark_alert, 2, mark->more, -1, SQLITE_STATIC);
    sqlite3_bind_int64(rows->mark_alert, 3, mark->number);
    sqlite3_bind_int64(rows->trim_alerts, 1, mark->number - BF_ALERTS_KEPT);
    return bf_rows_run(rows->mark_alert) && bf_rows_run(rows->trim_alerts);
}

struct marks {
    bf_store_loaded_mark *loaded;
    void *argument;
};

static void take_mark(void *argument, sqlite3_stmt *row)
{
    const struct marks *marks = argument;
    struct bf_mark mark = {.kind = (enum bf_mark_kind)sqlite3_column_int(row, 0), .number = sqlite3_column_int64(row, 3)};
    bf_rows_text(row, 1, mark.name, sizeof mark.name);
    bf_rows_text(row, 2, mark.more, sizeof mark.more);
    marks->loaded(marks->argument, &mark);
}

enum bf_code bf_rows_load_marks(struct bf_rows *rows, bf_store_loaded_mark *loaded, void *argument, struct bf_error *error)
{
    struct marks marks = {loaded, argument};
    _Static_assert(BF_MARK_ALERT == 0 && BF_MARK_WEBHOOK == 1 && BF_MARK_AUDIT == 2, "the numbers of the statement below");
    return bf_rows_each(rows,
                        "SELECT 0, fingerprint, starts_at, seen_at FROM alert UNION ALL SELECT 1, target, '', event FROM webhook"
                        " UNION ALL SELECT 2, hash, '', number FROM audit_head",
                        take_mark, &marks, error);
}
