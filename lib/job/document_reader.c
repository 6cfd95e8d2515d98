#include "document_reader.h"

#include <inttypes.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "duration.h"

enum { QUOTE_MAX = 48, QUOTE_TEXT = QUOTE_MAX + 4 }; /* bytes of the user's text that a complaint repeats */

const char *bf_json_type(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "null";
    }
    return "nothing known";
}

/* RFC 6901: "~" is "~0" and "/" is "~1" inside a pointer. */
char *bf_child_pointer(const char *pointer, const char *name)
{
    struct bf_buffer buffer = {0};
    bf_buffer_text(&buffer, pointer);
    bf_buffer_text(&buffer, "/");
    for (; *name; name++) {
        if (*name == '~')
            bf_buffer_text(&buffer, "~0");
        else if (*name == '/')
            bf_buffer_text(&buffer, "~1");
        else
            bf_buffer_append(&buffer, name, 1);
    }
    return bf_buffer_take(&buffer);
}

/* The beginning of the user's text, cut between characters, for repeating it in a complaint. */
static const char *quote(const char *text, char quoted[QUOTE_TEXT])
{
    size_t length = strlen(text);
    if (length <= QUOTE_MAX)
        return text;
    length = QUOTE_MAX;
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    memcpy(quoted, text, length);
    memcpy(quoted + length, "...", 4);
    return quoted;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n\f\v")] == '\0';
}

static bool has_control_character(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            return true;
    return false;
}

static const char *string_of(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    if (!json_is_string(value))
        bf_reader_invalid(reader, pointer, "must be a string, not %s", bf_json_type(value));
    return json_string_value(value);
}

char *bf_read_text(struct bf_reader *reader, const char *pointer, const json_t *value, size_t max)
{
    const char *text = string_of(reader, pointer, value);
    if (!text)
        return NULL;
    if (is_blank(text))
        bf_reader_invalid(reader, pointer, "must not be empty");
    else if (strlen(text) > max)
        bf_reader_invalid(reader, pointer, "has %zu bytes; %zu are the limit", strlen(text), max);
    else
        return bf_copy_string(text);
    return NULL;
}

char *bf_read_line(struct bf_reader *reader, const char *pointer, const json_t *value, size_t max)
{
    char *text = bf_read_text(reader, pointer, value, max);
    if (!text || !has_control_character(text))
        return text;
    bf_reader_invalid(reader, pointer, "must not hold control characters");
    free(text);
    return NULL;
}

/* `set` as in a regular expression's brackets: "a-z0-9._-", with "-" itself at the end. */
static bool is_in(char character, const char *set)
{
    for (; *set; set++) {
        bool range = set[1] == '-' && set[2] != '\0';
        if (range ? character >= set[0] && character <= set[2] : character == *set)
            return true;
        if (range)
            set += 2;
    }
    return false;
}

char *bf_read_name(struct bf_reader *reader, const char *pointer, const json_t *value, const char *rule)
{
    const struct bf_field *field = reader->field;
    const char *text = string_of(reader, pointer, value);
    if (!text)
        return NULL;
    size_t length = strlen(text);
    bool good = length >= (size_t)field->min && length <= (size_t)field->max;
    for (size_t i = 0; i < length && good; i++)
        good = is_in(text[i], i == 0 ? field->first : field->rest);
    if (good)
        return bf_copy_string(text);
    bf_reader_invalid(reader, pointer, "%s", rule);
    return NULL;
}

void bf_read_duration(struct bf_reader *reader, const char *pointer, const json_t *value, int64_t *ret)
{
    int64_t min = reader->field->min, max = reader->field->max;
    char quoted[QUOTE_TEXT], low[BF_DURATION_TEXT], high[BF_DURATION_TEXT];
    int64_t milliseconds;
    if (!json_is_string(value))
        bf_reader_invalid(reader, pointer, "must be a duration such as \"250ms\", \"1.5s\" or \"10m\", not %s",
                          bf_json_type(value));
    else if (!bf_duration_parse(json_string_value(value), &milliseconds))
        bf_reader_invalid(reader, pointer, "\"%s\" is not a duration; write it like \"250ms\", \"1.5s\" or \"10m\"",
                          quote(json_string_value(value), quoted));
    else if (milliseconds < min || milliseconds > max)
        bf_reader_invalid(reader, pointer, "must be from %s to %s", bf_duration_format(min, low),
                          bf_duration_format(max, high));
    else
        *ret = milliseconds;
}

void bf_read_integer(struct bf_reader *reader, const char *pointer, const json_t *value, int64_t *ret)
{
    int64_t min = reader->field->min, max = reader->field->max;
    if (json_is_real(value))
        bf_reader_invalid(reader, pointer, "must be a whole number without fraction or exponent");
    else if (!json_is_integer(value))
        bf_reader_invalid(reader, pointer, "must be a whole number, not %s", bf_json_type(value));
    else if (json_integer_value(value) < min || json_integer_value(value) > max)
        bf_reader_invalid(reader, pointer, "must be from %" PRId64 " to %" PRId64, min, max);
    else
        *ret = json_integer_value(value);
}

void bf_read_size(struct bf_reader *reader, const char *pointer, const json_t *value, int64_t *ret)
{
    int64_t bytes;
    char quoted[QUOTE_TEXT];
    if (json_is_integer(value))
        bytes = json_integer_value(value);
    else if (!json_is_string(value)) {
        bf_reader_invalid(reader, pointer, "must be a size such as \"8MiB\" or a whole number of bytes, not %s",
                          bf_json_type(value));
        return;
    } else if (!bf_size_parse(json_string_value(value), &bytes)) {
        bf_reader_invalid(reader, pointer, "\"%s\" is not a size; write it like \"512KiB\" or \"8MiB\"",
                          quote(json_string_value(value), quoted));
        return;
    }
    if (bytes < reader->field->min || bytes > reader->field->max)
        bf_reader_invalid(reader, pointer, "must be from %" PRId64 " to %" PRId64 " bytes", reader->field->min,
                          reader->field->max);
    else
        *ret = bytes;
}

bool bf_check_object(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    if (!json_is_object(value))
        bf_reader_invalid(reader, pointer, "must be an object, not %s", bf_json_type(value));
    else if (json_object_size(value) == 0)
        bf_reader_invalid(reader, pointer, "must not be empty");
    else
        return true;
    return false;
}

bool bf_check_list(struct bf_reader *reader, const char *pointer, const json_t *value, const char *of)
{
    size_t max = (size_t)reader->field->max;
    if (!json_is_array(value))
        bf_reader_invalid(reader, pointer, "must be a list of %s, not %s", of, bf_json_type(value));
    else if (json_array_size(value) == 0)
        bf_reader_invalid(reader, pointer, "must not be empty");
    else if (json_array_size(value) > max)
        bf_reader_invalid(reader, pointer, "has %zu entries; %zu are the limit", json_array_size(value), max);
    else
        return true;
    return false;
}

static bool check_pair_name(struct bf_reader *reader, const char *pointer, const char *name, size_t max)
{
    if (is_blank(name))
        bf_reader_invalid(reader, pointer, "the name must not be empty");
    else if (strlen(name) > max)
        bf_reader_invalid(reader, pointer, "the name has %zu bytes; %zu are the limit", strlen(name), max);
    else if (has_control_character(name))
        bf_reader_invalid(reader, pointer, "the name must not hold control characters");
    else
        return true;
    return false;
}

/* A JSON object has no order, but MySQL assigns the columns of `set` one after the other: they stand in the order of the canonical
 * text, which is what is read after a restart. */
static int by_name(const void *one, const void *other)
{
    return strcmp(((const struct bf_pair *)one)->name, ((const struct bf_pair *)other)->name);
}

size_t bf_read_pairs(struct bf_reader *reader, const char *pointer, const json_t *value,
                     char *(*read)(struct bf_reader *, const char *, const json_t *, size_t), struct bf_pair *pairs)
{
    const struct bf_field *field = reader->field;
    size_t max = (size_t)field->max;
    if (!bf_check_object(reader, pointer, value))
        return 0;
    if (json_object_size(value) > max) {
        bf_reader_invalid(reader, pointer, "has %zu entries; %zu are the limit", json_object_size(value), max);
        return 0;
    }
    size_t count = 0;
    const char *name;
    json_t *item;
    json_object_foreach ((json_t *)value, name, item) {
        BF_AUTO_STRING char *at = bf_child_pointer(pointer, name);
        bool good = check_pair_name(reader, at, name, (size_t)field->name_max);
        char *text = read(reader, at, item, (size_t)field->entry_max);
        if (good && text)
            pairs[count++] = (struct bf_pair){.name = bf_copy_string(name), .value = text};
        else
            free(text);
    }
    qsort(pairs, count, sizeof *pairs, by_name);
    return count;
}

/* ---- fields ---- */

enum { NEAR_MAX = 32 }; /* longer names are near to none of ours */

/* Optimal string alignment distance: insertions, deletions, exchanges and swaps of neighbours (Damerau 1964). */
static size_t distance(const char *left, const char *right)
{
    size_t rows[3][NEAR_MAX + 1];
    size_t left_length = strlen(left), right_length = strlen(right);
    if (left_length > NEAR_MAX || right_length > NEAR_MAX)
        return NEAR_MAX;
    for (size_t j = 0; j <= right_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= left_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= right_length; j++) {
            size_t best = above[j - 1] + (left[i - 1] != right[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[left_length % 3][right_length];
}

static void complain_unknown(struct bf_reader *reader, const struct bf_section *section, const char *pointer,
                             const char *name)
{
    size_t length = strlen(name);
    size_t limit = length >= 10 ? 3 : length >= 5 ? 2 : 1;
    const char *near = NULL;
    for (size_t i = 0; i < section->count; i++) {
        size_t steps = distance(name, section->fields[i].name);
        if (steps <= limit && steps < length) {
            near = section->fields[i].name;
            limit = steps - 1; /* only nearer ones from here; an equal one would have been found */
        }
    }
    if (near) {
        bf_reader_invalid(reader, pointer, "unknown field; did you mean `%s`?", near);
        return;
    }
    for (size_t s = 0; s < reader->section_count; s++)
        for (size_t i = 0; i < reader->sections[s]->count; i++)
            if (strcmp(reader->sections[s]->fields[i].name, name) == 0) {
                bf_reader_invalid(reader, pointer, "unknown field here; its place is %s/%s",
                                  reader->sections[s]->pointer, name);
                return;
            }
    bf_reader_invalid(reader, pointer, "unknown field");
}

static void set_no_limit(struct bf_document *document, const struct bf_field *field)
{
    static const int64_t whole = BF_NO_LIMIT;
    static const double number = (double)BF_NO_LIMIT;
    const void *none = field->kind == BF_FIELD_NUMBER ? (const void *)&number : &whole;
    memcpy((char *)document + field->place, none, sizeof whole);
}

void bf_read_section(struct bf_reader *reader, const struct bf_section *section, const json_t *object)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)object, name, value) {
        BF_AUTO_STRING char *pointer = bf_child_pointer(section->pointer, name);
        size_t i = 0;
        while (i < section->count && strcmp(section->fields[i].name, name) != 0)
            i++;
        reader->field = &section->fields[i];
        if (i == section->count)
            complain_unknown(reader, section, pointer, name);
        else if (section->fields[i].nullable && json_is_null(value))
            set_no_limit(reader->document, &section->fields[i]);
        else if (section->fields[i].read)
            section->fields[i].read(reader, pointer, value);
        else
            bf_complain(reader->complaints, BF_UNSUPPORTED, pointer, "`%s` is not built yet; leave it out", name);
    }
}

void bf_read_object(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    const struct bf_section *section = reader->field->section;
    if (bf_check_object(reader, pointer, value))
        bf_read_section(reader, section, value);
}

void bf_read_entry(struct bf_reader *reader, const struct bf_section *section, const char *pointer, const json_t *value)
{
    /* The section's pointer says where its complaints stand. */
    struct bf_section here = *section;
    here.pointer = pointer;
    bf_read_section(reader, &here, value);
    for (size_t i = 0; i < section->count; i++)
        if (section->fields[i].required && !json_object_get(value, section->fields[i].name))
            bf_reader_invalid(reader, pointer, "`%s` is required", section->fields[i].name);
}
