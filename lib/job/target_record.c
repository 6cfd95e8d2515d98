#include "target_record.h"

#include <jansson.h>
#include <stdlib.h>

#include "allocate.h"

/* X(name, field): texts and numbers of the record, by the names that they have on the target. */
#define TEXTS(X)                        \
    X(submitted_by, submitter)          \
    X(approved_by, approver)            \
    X(break_glass, break_glass)         \
    X(approved_plan, approved_plan)     \
    X(approved_risk, approved_risk)     \
    X(approved_bounds, approved_bounds) \
    X(break_glass, break_glass)
#define NUMBERS(X)                                \
    X(created_at, created_at)                     \
    X(started_at, started_at)                     \
    X(rows_estimated, progress.rows_estimated)    \
    X(resumed, progress.resumed)                  \
    X(yields, progress.yields)

char *bf_record_on_target(const struct bf_record *record)
{
    json_t *json = json_object();
#define X(name, field) json_object_set_new(json, #name, record->field ? json_string(record->field) : json_null());
    TEXTS(X)
#undef X
#define X(name, field) json_object_set_new(json, #name, json_integer((json_int_t)record->field));
    NUMBERS(X)
#undef X
    json_object_set_new(json, "document", record->document->current ? json_string(record->document->current) : json_null());
    char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(json);
    return text;
}

static void take_text(char **to, const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    if (!value)
        return;
    free(*to);
    *to = bf_copy_string(json_string_value(value));
}

/* Times and counts are not negative, but for an estimate that is not known. */
static void take_number(int64_t *to, const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    if (json_is_integer(value) && json_integer_value(value) >= -1)
        *to = json_integer_value(value);
}

bool bf_record_from_target(const char *text, struct bf_record *record, char **ret_document)
{
    json_t *json = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    *ret_document = NULL;
    if (!json_is_object(json)) {
        json_decref(json);
        return false;
    }
#define X(name, field) take_text(&record->field, json, #name);
    TEXTS(X)
#undef X
#define X(name, field) take_number(&record->field, json, #name);
    NUMBERS(X)
#undef X
    *ret_document = bf_copy_string(json_string_value(json_object_get(json, "document")));
    json_decref(json);
    return true;
}
