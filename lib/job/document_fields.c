#include <string.h>

#include "allocate.h"
#include "document_reader.h"

enum {
    TABLE_MAX = 255,  /* bytes: schema and table, quoted */
    COLUMN_MAX = 255, /* bytes; the server's own limit (PostgreSQL: 63) is the survey's to check */
    BOUND_MAX = 8192, /* bytes of one value of a range; no engine's index entries are longer */
    LABEL_MAX = 63,
    OWNER_MAX = 128,
    DESCRIPTION_MAX = 4096,
    ROWS_MAX = 1000000
};

#define SMALL_LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"
#define NAME_REST SMALL_LETTERS_AND_DIGITS "._-"
#define TARGET_ALL NAME_REST "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const struct bf_section range_section, batch_rows_section, pace_section, limits_section;

static void read_section_of(struct bf_reader *reader, const struct bf_section *section, const json_t *value)
{
    if (bf_check_object(reader, section->pointer, value))
        bf_read_section(reader, section, value);
}

/* ---- who and where ---- */

static void read_name(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->name =
        bf_read_name(reader, pointer, value, SMALL_LETTERS_AND_DIGITS, NAME_REST,
                     "must be 1 to 63 of a-z, 0-9, \".\", \"_\" and \"-\", the first one a letter or a digit");
}

static void read_target(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->target =
        bf_read_name(reader, pointer, value, TARGET_ALL, TARGET_ALL,
                     "must be the name of a target: 1 to 63 of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"");
}

static void read_table(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->table = bf_read_line(reader, pointer, value, TABLE_MAX);
}

static void read_owner(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->owner = bf_read_line(reader, pointer, value, OWNER_MAX);
}

static void read_description(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->description = bf_read_text(reader, pointer, value, DESCRIPTION_MAX);
}

static void read_labels(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->label_count = bf_read_pairs(reader, pointer, value, BF_LABELS_MAX, LABEL_MAX, LABEL_MAX,
                                                  bf_read_line, reader->document->labels);
}

static void read_again(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    if (json_is_boolean(value))
        reader->document->again = json_is_true(value);
    else
        bf_reader_invalid(reader, pointer, "must be true or false, not %s", bf_json_type(value));
}

/* ---- which rows ---- */

static void read_key(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    struct bf_document *document = reader->document;
    if (!bf_check_list(reader, pointer, value, BF_KEY_COLUMNS_MAX, "column names"))
        return;
    for (size_t i = 0; i < json_array_size(value); i++) {
        BF_AUTO_STRING char *at = bf_format("%s/%zu", pointer, i);
        char *column = bf_read_line(reader, at, json_array_get(value, i), COLUMN_MAX);
        if (!column)
            continue;
        for (size_t k = 0; k < document->key_count; k++)
            if (strcmp(document->key[k], column) == 0) {
                bf_reader_invalid(reader, at, "the column is in the key already");
                break;
            }
        document->key[document->key_count++] = column;
    }
}

static void read_bounds(struct bf_reader *reader, const char *pointer, const json_t *value, char **bounds,
                        size_t *count)
{
    if (!bf_check_list(reader, pointer, value, BF_KEY_COLUMNS_MAX, "strings, one for each key column"))
        return;
    for (size_t i = 0; i < json_array_size(value); i++) {
        BF_AUTO_STRING char *at = bf_format("%s/%zu", pointer, i);
        const json_t *item = json_array_get(value, i);
        const char *text = json_string_value(item);
        if (!text)
            bf_reader_invalid(reader, at, "must be a string (numbers too, as in \"5000000\"), not %s",
                              bf_json_type(item));
        else if (strlen(text) > BOUND_MAX)
            bf_reader_invalid(reader, at, "has %zu bytes; %d are the limit", strlen(text), BOUND_MAX);
        /* The empty text is good: for a text key it is a value. A bad bound keeps its place, for the count's sake. */
        bounds[(*count)++] = bf_copy_string(text ? text : "");
    }
}

static void read_after(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_bounds(reader, pointer, value, reader->document->after, &reader->document->after_count);
}

static void read_through(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_bounds(reader, pointer, value, reader->document->through, &reader->document->through_count);
}

static void read_range(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    (void)pointer;
    read_section_of(reader, &range_section, value);
}

static void read_where(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->where = bf_read_text(reader, pointer, value, BF_EXPRESSION_MAX);
}

/* ---- what is done to them ---- */

static void read_set(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->set_count = bf_read_pairs(reader, pointer, value, BF_SET_COLUMNS_MAX, COLUMN_MAX,
                                                BF_EXPRESSION_MAX, bf_read_text, reader->document->set);
}

static void read_undo(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    const char *text = json_string_value(value);
    if (json_is_object(value))
        bf_complain(reader->complaints, BF_UNSUPPORTED, pointer,
                    "an inverse as `undo` is not built yet; \"none\" says that the job cannot be undone");
    else if (text && strcmp(text, "journal") == 0)
        bf_complain(reader->complaints, BF_UNSUPPORTED, pointer,
                    "the undo journal is not built yet; \"none\" says that the job cannot be undone");
    else if (!text)
        bf_reader_invalid(reader, pointer, "must be \"none\", not %s", bf_json_type(value));
    else if (strcmp(text, "none") == 0)
        reader->document->undo = BF_UNDO_NONE;
    else
        bf_reader_invalid(reader, pointer, "must be \"none\"");
}

/* ---- how fast ---- */

static void read_batch_time(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, 1, 60 * 1000, &reader->document->pace.batch_time);
}

static void read_start(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->start_said = true;
    bf_read_integer(reader, pointer, value, 1, ROWS_MAX, &reader->document->pace.batch_rows_start);
}

static void read_min(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->min_said = true;
    bf_read_integer(reader, pointer, value, 1, ROWS_MAX, &reader->document->pace.batch_rows_min);
}

static void read_max(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_integer(reader, pointer, value, 1, ROWS_MAX, &reader->document->pace.batch_rows_max);
}

/* Defaults of start and min give way to what is written: {"max": 100} alone is a whole answer. */
static void read_batch_rows(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    struct bf_pace *pace = &reader->document->pace;
    size_t complaints = reader->complaints->total;
    read_section_of(reader, &batch_rows_section, value);
    if (reader->complaints->total != complaints)
        return;
    if (!reader->start_said && pace->batch_rows_start > pace->batch_rows_max)
        pace->batch_rows_start = pace->batch_rows_max;
    if (!reader->start_said && reader->min_said && pace->batch_rows_start < pace->batch_rows_min)
        pace->batch_rows_start = pace->batch_rows_min;
    if (!reader->min_said && pace->batch_rows_min > pace->batch_rows_start)
        pace->batch_rows_min = pace->batch_rows_start;
    if (pace->batch_rows_min > pace->batch_rows_start || pace->batch_rows_start > pace->batch_rows_max)
        bf_reader_invalid(reader, pointer, "wants min <= start <= max, and they are %lld, %lld, %lld",
                          (long long)pace->batch_rows_min, (long long)pace->batch_rows_start,
                          (long long)pace->batch_rows_max);
}

static void read_nice(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    if (!json_is_number(value))
        bf_reader_invalid(reader, pointer, "must be a number, not %s", bf_json_type(value));
    else if (!(json_number_value(value) >= 0 && json_number_value(value) <= 100))
        bf_reader_invalid(reader, pointer, "must be from 0 to 100: sleep as a multiple of the batch's own time");
    else
        reader->document->pace.nice = json_number_value(value);
}

static void read_pace(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    (void)pointer;
    read_section_of(reader, &pace_section, value);
}

static void read_lock_timeout(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, 1, 3600 * 1000, &reader->document->limits.lock_timeout);
}

static void read_statement_timeout(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, 1, 24 * 3600 * 1000, &reader->document->limits.statement_timeout);
}

static void read_limits(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    (void)pointer;
    read_section_of(reader, &limits_section, value);
}

/* ---- the tables: every field of docs/interface.md section 2; without a function: not built yet ---- */

static const struct bf_field document_fields[] = {
    {"name", read_name},     {"target", read_target}, {"table", read_table},
    {"key", read_key},       {"range", read_range},   {"set", read_set},
    {"where", read_where},   {"remaining", NULL},     {"undo", read_undo},
    {"pace", read_pace},     {"limits", read_limits}, {"signals", NULL},
    {"triggers", NULL},      {"alerts", NULL},        {"canary", NULL},
    {"checks", NULL},        {"accept", NULL},        {"owner", read_owner},
    {"labels", read_labels}, {"again", read_again},   {"description", read_description},
};
static const struct bf_field range_fields[] = {{"after", read_after}, {"through", read_through}};
static const struct bf_field pace_fields[] = {
    {"batch_time", read_batch_time}, {"batch_rows", read_batch_rows}, {"nice", read_nice}, {"slices", NULL},
    {"max_rows_per_second", NULL},   {"max_log_bytes_per_second", NULL}, {"window", NULL},
};
static const struct bf_field batch_rows_fields[] = {{"start", read_start}, {"min", read_min}, {"max", read_max}};
static const struct bf_field limits_fields[] = {
    {"replication_lag", NULL}, {"yield_after", NULL}, {"lock_timeout", read_lock_timeout},
    {"statement_timeout", read_statement_timeout}, {"active_sessions", NULL}, {"bad_rows", NULL},
};

#define SECTION(at, list) {.pointer = at, .fields = list, .count = BF_COUNT(list)}
static const struct bf_section range_section = SECTION("/range", range_fields);
static const struct bf_section pace_section = SECTION("/pace", pace_fields);
static const struct bf_section batch_rows_section = SECTION("/pace/batch_rows", batch_rows_fields);
static const struct bf_section limits_section = SECTION("/limits", limits_fields);
static const struct bf_section sections[] = {
    SECTION("", document_fields),
    SECTION("/range", range_fields),
    SECTION("/pace", pace_fields),
    SECTION("/pace/batch_rows", batch_rows_fields),
    SECTION("/limits", limits_fields),
};

/* ---- what no field can say alone ---- */

static void check_key_and_range(struct bf_reader *reader)
{
    struct bf_document *document = reader->document;
    for (size_t i = 0; i < document->set_count; i++)
        for (size_t k = 0; k < document->key_count; k++)
            if (strcmp(document->set[i].name, document->key[k]) == 0) {
                BF_AUTO_STRING char *at = bf_child_pointer("/set", document->set[i].name);
                bf_reader_invalid(reader, at, "a key column cannot be written");
                break;
            }
    if (document->key_count > 0 && document->after_count > 0 && document->after_count != document->key_count)
        bf_reader_invalid(reader, "/range/after", "has %zu values for %zu key columns", document->after_count,
                          document->key_count);
    if (document->key_count > 0 && document->through_count > 0 && document->through_count != document->key_count)
        bf_reader_invalid(reader, "/range/through", "has %zu values for %zu key columns", document->through_count,
                          document->key_count);
    if (document->key_count == 0 && document->after_count > 0 && document->through_count > 0 &&
        document->after_count != document->through_count)
        bf_reader_invalid(reader, "/range", "`after` has %zu values and `through` has %zu; one for each key column",
                          document->after_count, document->through_count);
}

void bf_document_read(const json_t *root, struct bf_document *document, struct bf_complaints *complaints)
{
    static const char *const required[] = {"name", "target", "table", "set"};
    struct bf_reader reader = {.document = document,
                               .complaints = complaints,
                               .sections = sections,
                               .section_count = BF_COUNT(sections)};
    if (!json_is_object(root)) {
        bf_reader_invalid(&reader, "", "a job document is an object, not %s", bf_json_type(root));
        return;
    }
    for (size_t i = 0; i < BF_COUNT(required); i++)
        if (!json_object_get(root, required[i])) {
            BF_AUTO_STRING char *at = bf_child_pointer("", required[i]);
            bf_reader_invalid(&reader, at, "`%s` is required", required[i]);
        }
    if (!json_object_get(root, "undo"))
        bf_reader_invalid(&reader, "/undo", "nothing is irreversible by silence: until the undo journal is built, "
                                            "say \"undo\": \"none\"");
    bf_read_section(&reader, &sections[0], root);
    check_key_and_range(&reader);
    if (document->limits.statement_timeout < document->pace.batch_time)
        bf_reader_invalid(&reader, "/limits/statement_timeout",
                          "must not be under pace.batch_time: every batch would be taken back");
}
