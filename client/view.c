#include "view.h"

#include <string.h>

#include "allocate.h"
#include "text.h"

char *bf_member_text(const json_t *object, const char *name)
{
    return bf_text_safe(json_string_value(json_object_get(object, name)));
}

int64_t bf_member_integer(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (json_is_integer(value))
        return json_integer_value(value);
    if (json_is_real(value) && json_real_value(value) >= 0 && json_real_value(value) < 9e18)
        return (int64_t)json_real_value(value);
    return -1;
}

static double member_number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : -1;
}

void bf_view_read(struct bf_view *ret_view, const json_t *job)
{
    const json_t *progress = json_object_get(job, "progress"), *reason = json_object_get(job, "reason");
    bf_view_clear(ret_view);
    *ret_view = (struct bf_view){
        .id = bf_member_text(job, "id"),
        .name = bf_member_text(job, "name"),
        .target = bf_member_text(job, "target"),
        .table = bf_member_text(job, "table"),
        .state = bf_member_text(job, "state"),
        .activity = bf_member_text(job, "activity"),
        .direction = bf_member_text(job, "direction"),
        .reason = bf_member_text(reason, "text"),
        .reason_since = bf_member_text(reason, "since"),
        .created_at = bf_member_text(job, "created_at"),
        .updated_at = bf_member_text(job, "updated_at"),
        .started_at = bf_member_text(job, "started_at"),
        .ended_at = bf_member_text(job, "ended_at"),
        .rows_scanned = bf_member_integer(progress, "rows_scanned"),
        .rows_changed = bf_member_integer(progress, "rows_changed"),
        .rows_estimated = bf_member_integer(progress, "rows_estimated"),
        .batches = bf_member_integer(progress, "batches"),
        .batch_rows = bf_member_integer(progress, "batch_rows"),
        .eta_seconds = bf_member_integer(progress, "eta_seconds"),
        .fraction = member_number(progress, "fraction"),
        .rate = member_number(progress, "rate"),
        .durable = !json_is_false(json_object_get(job, "durable")),
    };
    if (ret_view->reason[0] == '\0' && json_is_object(reason)) {
        free(ret_view->reason);
        ret_view->reason = bf_member_text(reason, "code");
    }
}

void bf_view_clear(struct bf_view *view)
{
    char *owned[] = {view->id,        view->name,         view->target,     view->table,      view->state,
                     view->activity,  view->direction,    view->reason,     view->reason_since, view->created_at,
                     view->updated_at, view->started_at,  view->ended_at};
    for (size_t i = 0; i < BF_COUNT(owned); i++)
        free(owned[i]);
    *view = (struct bf_view){0};
}

char *bf_view_state(const struct bf_view *view)
{
    bool says_more = view->activity[0] != '\0' && strcmp(view->activity, "idle") != 0 &&
                     strcmp(view->activity, view->state) != 0;
    return bf_format("%s%s%s", view->state, says_more ? ", " : "", says_more ? view->activity : "");
}
