/* The document's checks: lists of queries, each with one comparison. */
#include <math.h>
#include <string.h>

#include "allocate.h"
#include "document_reader.h"

static void read_check_name(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->check->name = bf_read_line(reader, pointer, value, (size_t)reader->field->max);
}

static void read_sql(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->check->sql = bf_read_text(reader, pointer, value, (size_t)reader->field->max);
}

static void read_timeout(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->check->timeout);
}

/* One of equals, at_most, at_least, rows; the second one is a complaint. */
static void read_comparison(struct bf_reader *reader, const char *pointer, const json_t *value, enum bf_comparison comparison)
{
    struct bf_check *check = reader->check;
    if (check->value) {
        bf_reader_invalid(reader, pointer, "a check has one comparison, and there is `%s` already",
                          bf_comparison_name(check->comparison));
        return;
    }
    bool bound = comparison == BF_AT_MOST || comparison == BF_AT_LEAST;
    check->comparison = comparison;
    check->value = json_is_integer(value)        ? bf_format("%lld", (long long)json_integer_value(value))
                   : json_is_real(value) && bound ? bf_format("%.15g", json_real_value(value)) /* 0.1, as it was written */
                                                  : bf_read_line(reader, pointer, value, (size_t)reader->field->max);
    if (!check->value || comparison == BF_EQUALS)
        return;
    char *end;
    long double number = strtold(check->value, &end);
    if (end == check->value || *end || !isfinite((double)number)) /* valgrind has no long double */
        bf_reader_invalid(reader, pointer, "must be a number, also as a string");
    else if (comparison == BF_ROWS && (number < 0 || number != floorl(number)))
        bf_reader_invalid(reader, pointer, "must be a number of rows: whole, and not under 0");
}

static void read_equals(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_comparison(reader, pointer, value, BF_EQUALS);
}

static void read_at_most(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_comparison(reader, pointer, value, BF_AT_MOST);
}

static void read_at_least(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_comparison(reader, pointer, value, BF_AT_LEAST);
}

static void read_rows(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_comparison(reader, pointer, value, BF_ROWS);
}

static void read_on(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text && strcmp(text, "replica") == 0)
        reader->check->on_replica = true;
    else if (!text || strcmp(text, "primary") != 0)
        bf_reader_invalid(reader, pointer, "must be \"primary\" or \"replica\"");
}

enum { CHECK_NAME_MAX = 128, CHECK_VALUE_MAX = 1024, MINUTE = 60000 };

static const struct bf_field check_fields[] = {
    {"name", read_check_name, BF_FIELD_LINE, .required = true, .min = 1, .max = CHECK_NAME_MAX,
     .help = "What the check asks, for people"},
    {"sql", read_sql, BF_FIELD_TEXT, .required = true, .min = 1, .max = BF_EXPRESSION_MAX,
     .help = "One query, run in a read-only transaction"},
    {"equals", read_equals, BF_FIELD_LINE_OR_INTEGER, .min = 1, .max = CHECK_VALUE_MAX,
     .help = "The first column of the first row has to be this text"},
    {"at_most", read_at_most, BF_FIELD_LINE_OR_NUMBER, .min = 1, .max = CHECK_VALUE_MAX,
     .help = "The first column of the first row has to be a number not over this one"},
    {"at_least", read_at_least, BF_FIELD_LINE_OR_NUMBER, .min = 1, .max = CHECK_VALUE_MAX,
     .help = "The first column of the first row has to be a number not under this one"},
    {"rows", read_rows, BF_FIELD_LINE_OR_INTEGER, .min = 1, .max = CHECK_VALUE_MAX,
     .help = "The query has to give so many rows"},
    {"timeout", read_timeout, BF_FIELD_DURATION, .min = 1, .max = 10 * MINUTE, .help = "After that it has failed; 30s"},
    {"on", read_on, BF_FIELD_WORD, .word = "primary|replica", .standard = "\"primary\"",
     .help = "Where the query runs. On a replica: the first one of the target's that answers, once it has replayed what the "
             "job wrote"},
};
static const struct bf_section check_section = {"/checks/*/*", check_fields, BF_COUNT(check_fields)};

static void read_one(struct bf_reader *reader, const char *at, const json_t *value, enum bf_check_kind kind)
{
    struct bf_document *document = reader->document;
    if (!bf_check_object(reader, at, value))
        return;
    reader->check = &document->checks[kind][document->check_count[kind]++];
    reader->check->timeout = 30 * 1000;
    bf_read_entry(reader, &check_section, at, value);
    if (!json_object_get(value, "equals") && !json_object_get(value, "at_most") && !json_object_get(value, "at_least") &&
        !json_object_get(value, "rows"))
        bf_reader_invalid(reader, at, "a check needs one of `equals`, `at_most`, `at_least`, `rows`");
}

/* No checks of a kind may be said as well as left out. */
static void read_list(struct bf_reader *reader, const char *pointer, const json_t *value, enum bf_check_kind kind)
{
    bool none = json_is_array(value) && json_array_size(value) == 0;
    if (none || !bf_check_list(reader, pointer, value, "checks"))
        return;
    for (size_t i = 0; i < json_array_size(value); i++) {
        BF_AUTO_STRING char *at = bf_format("%s/%zu", pointer, i);
        read_one(reader, at, json_array_get(value, i), kind);
    }
}

static void read_before(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_list(reader, pointer, value, BF_CHECK_BEFORE);
}

static void read_canary(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_list(reader, pointer, value, BF_CHECK_CANARY);
}

static void read_after(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_list(reader, pointer, value, BF_CHECK_AFTER);
}

static const struct bf_field checks_fields[] = {
    {"before", read_before, BF_FIELD_SECTIONS, .min = 0, .max = BF_CHECKS_MAX, .section = &check_section,
     .help = "Before the first batch; what fails pauses the job, and nothing is written"},
    {"canary", read_canary, BF_FIELD_SECTIONS, .min = 0, .max = BF_CHECKS_MAX, .section = &check_section,
     .help = "After the canary's rows; what fails pauses the job"},
    {"after", read_after, BF_FIELD_SECTIONS, .min = 0, .max = BF_CHECKS_MAX, .section = &check_section,
     .help = "When all is committed; what fails fails the job"},
};
const struct bf_section bf_checks_section = {"/checks", checks_fields, BF_COUNT(checks_fields)};

const struct bf_section *bf_checks_sections(size_t index)
{
    static const struct bf_section *const list[] = {&bf_checks_section, &check_section};
    return index < BF_COUNT(list) ? list[index] : NULL;
}
