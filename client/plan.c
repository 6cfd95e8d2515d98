#include "plan.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "format.h"
#include "text.h"

enum { DEPTH_MAX = 8, INDENT = 2, LABEL_COLUMNS = 22 };

static void print_value(const char *label, const json_t *value, int depth);

/* "rows_estimated" reads as "rows estimated". */
static char *label_of(const char *name)
{
    char *label = bf_text_safe(name);
    for (char *at = label; *at; at++)
        if (*at == '_')
            *at = ' ';
    return label;
}

/* Text of a single value, or NULL for lists, objects and texts of several lines. Owned. */
static char *single(const json_t *value)
{
    if (json_is_string(value))
        return strchr(json_string_value(value), '\n') ? NULL : bf_text_safe(json_string_value(value));
    if (json_is_integer(value))
        return json_integer_value(value) < 0 ? bf_format("%lld", (long long)json_integer_value(value))
                                             : bf_format_number(json_integer_value(value));
    if (json_is_real(value))
        return bf_format("%.6g", json_real_value(value));
    if (json_is_boolean(value))
        return bf_copy_string(json_is_true(value) ? "yes" : "no");
    return json_is_null(value) ? bf_copy_string("-") : NULL;
}

enum { SHORT_COLUMNS = 56 };

/* Appends ", text"; false, and the list is gone, when there is no text or the line would be long. */
static bool append(char **list, const char *name, const char *text)
{
    char *longer = !text ? NULL
                         : bf_format("%s%s%s%s%s", *list, (*list)[0] ? ", " : "", name, name[0] ? " " : "", text);
    free(*list);
    *list = longer;
    if (longer && bf_text_width(longer) > SHORT_COLUMNS) {
        free(longer);
        *list = NULL;
    }
    return *list != NULL;
}

/* Lists and objects of a few single values stand on one line. NULL: they have to be spread out. Owned. */
static char *on_one_line(const json_t *value)
{
    size_t index;
    const char *name;
    json_t *element;
    char *list = bf_copy_string("");
    json_array_foreach(value, index, element)
    {
        char *text BF_AUTO_STRING = single(element);
        if (!append(&list, "", text))
            return NULL;
    }
    json_object_foreach((json_t *)(uintptr_t)value, name, element)
    {
        char *text BF_AUTO_STRING = single(element), *label BF_AUTO_STRING = label_of(name);
        if (!append(&list, label, text))
            return NULL;
    }
    return list;
}

static void print_lines(const char *text, int indent)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        char *line BF_AUTO_STRING = bf_copy_bytes(text, length), *safe BF_AUTO_STRING = bf_text_safe(line);
        printf("%*s%s\n", indent, "", safe);
        text += length + (text[length] == '\n');
    }
}

static void print_members(const json_t *object, int depth)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        char *label BF_AUTO_STRING = label_of(name);
        print_value(label, value, depth);
    }
}

static void print_value(const char *label, const json_t *value, int depth)
{
    int indent = depth * INDENT;
    char *text BF_AUTO_STRING = json_is_array(value) || json_is_object(value) ? on_one_line(value) : single(value);
    if (text) {
        printf("%*s%-*s  %s\n", indent, "", LABEL_COLUMNS - indent > 0 ? LABEL_COLUMNS - indent : 0, label,
               text[0] ? text : "-");
        return;
    }
    printf("%*s%s:\n", indent, "", label);
    if (depth >= DEPTH_MAX)
        printf("%*s...\n", indent + INDENT, "");
    else if (json_is_object(value))
        print_members(value, depth + 1);
    else if (json_is_string(value))
        print_lines(json_string_value(value), indent + INDENT);
    size_t index;
    json_t *element;
    json_array_foreach(value, index, element)
    {
        char *number BF_AUTO_STRING = bf_format("%zu", index + 1);
        if (depth < DEPTH_MAX)
            print_value(number, element, depth + 1);
    }
}

void bf_print_plan(const json_t *plan)
{
    const char *card = json_string_value(json_object_get(plan, "card"));
    if (card)
        print_lines(card, 0);
    else
        print_members(plan, 0);
}
