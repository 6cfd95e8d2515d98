#include "bounds.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "document_table.h"

#define WINDOWS "pace.window"

/* The field of that number among those that have a bound; NULL: there are no more. *ret_name is owned: "pace.batch_rows.max" */
static const struct bf_field *bounded(size_t number, char **ret_name)
{
    const struct bf_section *section;
    for (size_t i = 0; (section = bf_document_section(i)) != NULL; i++)
        for (size_t k = 0; k < section->count; k++) {
            if (!section->fields[k].place || number-- > 0)
                continue;
            *ret_name = bf_format("%s.%s", section->pointer + 1, section->fields[k].name);
            for (char *slash = *ret_name; (slash = strchr(slash, '/')) != NULL;)
                *slash = '.';
            return &section->fields[k];
        }
    return NULL;
}

static char *windows_text(const struct bf_document *document)
{
    struct bf_buffer text = {0};
    for (size_t i = 0; i < document->pace.window_count; i++) {
        const struct bf_window *window = &document->pace.windows[i];
        bf_buffer_format(&text, "%x %d %d %s;", window->days, window->from, window->to, window->zone);
    }
    return text.length ? bf_buffer_take(&text) : bf_copy_string("");
}

/* The more of it, the gentler the job. */
static bool is_gentle(const struct bf_field *field)
{
    return field->kind == BF_FIELD_NUMBER && !field->nullable;
}

char *bf_bounds_make(const struct bf_document *document)
{
    json_t *bounds = json_object();
    const struct bf_field *field;
    char *name;
    for (size_t i = 0; (field = bounded(i, &name)) != NULL; i++) {
        json_object_set_new(bounds, name, json_real(bf_field_value(field, document)));
        free(name);
    }
    BF_AUTO_STRING char *windows = windows_text(document);
    json_object_set_new(bounds, WINDOWS, json_string(windows));
    char *text = json_dumps(bounds, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(bounds);
    return text;
}

char *bf_bounds_passed(const char *bounds, const struct bf_document *document)
{
    struct bf_buffer passed = {0};
    json_t *approved = bounds ? json_loads(bounds, 0, NULL) : NULL;
    const struct bf_field *field;
    char *name;
    for (size_t i = 0; (field = bounded(i, &name)) != NULL; i++) {
        const json_t *bound = json_object_get(approved, name);
        double value = bf_field_value(field, document), limit = json_number_value(bound);
        if (bound && (is_gentle(field) ? value < limit : value > limit))
            bf_buffer_format(&passed, "%s%s", passed.length ? ", " : "", name);
        free(name);
    }
    const char *windows = json_string_value(json_object_get(approved, WINDOWS));
    BF_AUTO_STRING char *now = windows_text(document);
    if (windows && *windows && strcmp(windows, now) != 0)
        bf_buffer_format(&passed, "%s" WINDOWS, passed.length ? ", " : "");
    json_decref(approved);
    return passed.length ? bf_buffer_take(&passed) : NULL;
}

char *bf_bounds_sentence(const char *passed, const char *approver)
{
    return bf_format("%s %s past what %s approved", passed, strchr(passed, ',') ? "are" : "is", approver);
}
