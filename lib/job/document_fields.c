#include <string.h>

#include "allocate.h"
#include "document_reader.h"

/* ---- who and where ---- */

static void read_name(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->name =
        bf_read_name(reader, pointer, value,
                     "must be 1 to 63 of a-z, 0-9, \".\", \"_\" and \"-\", the first one a letter or a digit");
}

static void read_target(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->target =
        bf_read_name(reader, pointer, value,
                     "must be the name of a target: 1 to 63 of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"");
}

static void read_table(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->table = bf_read_line(reader, pointer, value, (size_t)reader->field->max);
}

static void read_owner(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->owner = bf_read_line(reader, pointer, value, (size_t)reader->field->max);
}

static void read_description(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->description = bf_read_text(reader, pointer, value, (size_t)reader->field->max);
}

static void read_labels(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->label_count = bf_read_pairs(reader, pointer, value, bf_read_line, reader->document->labels);
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
    if (!bf_check_list(reader, pointer, value, "column names"))
        return;
    for (size_t i = 0; i < json_array_size(value); i++) {
        BF_AUTO_STRING char *at = bf_format("%s/%zu", pointer, i);
        char *column = bf_read_line(reader, at, json_array_get(value, i), (size_t)reader->field->entry_max);
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
    if (!bf_check_list(reader, pointer, value, "strings, one for each key column"))
        return;
    for (size_t i = 0; i < json_array_size(value); i++) {
        BF_AUTO_STRING char *at = bf_format("%s/%zu", pointer, i);
        const json_t *item = json_array_get(value, i);
        const char *text = json_string_value(item);
        if (!text)
            bf_reader_invalid(reader, at, "must be a string (numbers too, as in \"5000000\"), not %s",
                              bf_json_type(item));
        else if (strlen(text) > (size_t)reader->field->entry_max)
            bf_reader_invalid(reader, at, "has %zu bytes; %lld are the limit", strlen(text),
                              (long long)reader->field->entry_max);
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

static void read_where(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->where = bf_read_text(reader, pointer, value, (size_t)reader->field->max);
}

/* ---- what is done to them ---- */

static void read_set(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->set_count = bf_read_pairs(reader, pointer, value, bf_read_text, reader->document->set);
}

static void read_keep_undo(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->document->keep_undo);
}

/* ---- when it is done ---- */

static void read_verify_sample(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_integer(reader, pointer, value, &reader->document->verify_sample);
    reader->document->verify_said = true;
}

static void read_remaining(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->document->remaining = bf_read_text(reader, pointer, value, (size_t)reader->field->max);
}

static void read_canary_rows(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_integer(reader, pointer, value, &reader->document->canary_rows);
}

/* ---- the tables: every field of docs/interface.md section 2 ---- */

enum {
    TABLE_MAX = 255,  /* bytes: schema and table, quoted */
    BOUND_MAX = 8192, /* bytes of one value of a range; no engine's index entries are longer */
    LABEL_MAX = 63,
    OWNER_MAX = 128,
    DESCRIPTION_MAX = 4096
};

#define SECTION(at, list) {.pointer = at, .fields = list, .count = BF_COUNT(list)}

static const struct bf_field range_fields[] = {
    {"after", read_after, BF_FIELD_VALUES, .min = 1, .max = BF_KEY_COLUMNS_MAX, .entry_max = BOUND_MAX,
     .help = "Begin behind this key: one string for each key column, cast on the server to the column's type"},
    {"through", read_through, BF_FIELD_VALUES, .min = 1, .max = BF_KEY_COLUMNS_MAX, .entry_max = BOUND_MAX,
     .help = "End with this key. Without it the range ends where the table ends when the job begins"},
};
static const struct bf_section range_section = SECTION("/range", range_fields);

static const struct bf_field canary_fields[] = {
    {"rows", read_canary_rows, BF_FIELD_INTEGER, .min = 1, .max = 1000000000,
     .help = "So many rows are scanned before the canary is looked at"},
};
static const struct bf_section canary_section = SECTION("/canary", canary_fields);

static const struct bf_field document_fields[] = {
    {"name", read_name, BF_FIELD_NAME, .required = true, .min = 1, .max = BF_NAME_MAX, .first = "a-z0-9",
     .rest = "a-z0-9._-",
     .help = "What people call the job. In use until the job is completed, refused, aborted or rolled back"},
    {"target", read_target, BF_FIELD_NAME, .required = true, .min = 1, .max = BF_NAME_MAX, .first = "a-zA-Z0-9._-",
     .rest = "a-zA-Z0-9._-", .help = "The database, by its name in the daemon's configuration"},
    {"table", read_table, BF_FIELD_LINE, .required = true, .min = 1, .max = TABLE_MAX,
     .help = "The table, with its schema or found by the search path; quoted as in SQL where it has to be"},
    {"key", read_key, BF_FIELD_LINES, .min = 1, .max = BF_KEY_COLUMNS_MAX, .entry_max = BF_COLUMN_MAX,
     .help = "The columns whose order the backfill walks: those of a unique key that are all NOT NULL. Without it: the "
             "primary key"},
    {"range", bf_read_object, BF_FIELD_SECTION, .section = &range_section,
     .help = "Only rows whose key is behind after, up to and with through. Without it: every row"},
    {"set", read_set, BF_FIELD_TEXT_OF, .required = true, .min = 1, .max = BF_SET_COLUMNS_MAX, .name_max = BF_COLUMN_MAX,
     .entry_max = BF_EXPRESSION_MAX,
     .help = "Each column and the SQL expression over the row that it is set to. A key column cannot be written"},
    {"where", read_where, BF_FIELD_TEXT, .min = 1, .max = BF_EXPRESSION_MAX,
     .help = "Only rows for which this SQL predicate holds"},
    {"remaining", read_remaining, BF_FIELD_TEXT, .min = 1, .max = BF_EXPRESSION_MAX,
     .help = "An SQL predicate that says which rows are still to be done. Every pass changes only rows for which it holds, a "
             "changed row must no longer match it, and the job is completed when a pass finds none"},
    {"undo", bf_read_undo, BF_FIELD_WORD_OR_SECTION, .word = "journal|none", .section = &bf_inverse_section,
     .standard = "\"journal\"",
     .help = "The way back: journal keeps what stood in each changed row before and after, for a rollback; with none there is "
             "no way back; an object is an inverse that the author states, which does not see what others wrote since"},
    {"keep_undo", read_keep_undo, BF_FIELD_DURATION, .min = 1000, .max = INT64_C(366) * 86400000,
     .help = "How long the undo journal is kept after the job's end. Without it: as the configuration says"},
    {"verify_sample", read_verify_sample, BF_FIELD_INTEGER, .min = 0, .max = BF_VERIFY_SAMPLE_MAX,
     .help = "So many changed rows are recomputed from their old values before the job is completed. Without it: 1000 where an "
             "undo journal is kept; 0: none"},
    {"pace", bf_read_object, BF_FIELD_SECTION, .section = &bf_pace_section, .help = "How fast"},
    {"limits", bf_read_object, BF_FIELD_SECTION, .section = &bf_limits_section, .help = "What the job may cost others"},
    {"signals", bf_read_queries, BF_FIELD_SECTIONS, .min = 1, .max = BF_QUERIES_MAX, .section = &bf_query_section,
     .help = "Measured pressures of the author's own: each a query and the value from which on nothing is written"},
    {"triggers", bf_read_triggers, BF_FIELD_SECTIONS, .min = 1, .max = BF_TRIGGERS_MAX, .section = &bf_trigger_section,
     .help = "Conditions that pause, abort or roll back the job by themselves"},
    {"alerts", bf_read_alerts, BF_FIELD_WORD, .word = BF_STOP_WORDS,
     .help = "The most that an alert of Alertmanager's may do whose label `backfill` names the job (POST /v1/alerts). Without "
             "it: nothing"},
    {"canary", bf_read_object, BF_FIELD_SECTION, .section = &canary_section,
     .help = "How many rows to change first. Then the canary checks have to hold; without any the job pauses for a person "
             "to look"},
    {"checks", bf_read_object, BF_FIELD_SECTION, .section = &bf_checks_section,
     .help = "Queries whose answers have to be as said before the first batch, after the canary, and at the end"},
    {"accept", bf_read_accept, BF_FIELD_LINES, .min = 1, .max = BF_ACCEPT_COUNT, .entry_max = LABEL_MAX,
     .word = BF_ACCEPT_WORDS,
     .help = "Measured exceptions that a person takes on: \"no_replicas\" (none streams from the target), or the name of "
             "what could not be measured, without which a job is refused"},
    {"owner", read_owner, BF_FIELD_LINE, .min = 1, .max = OWNER_MAX, .help = "Whose job this is"},
    {"labels", read_labels, BF_FIELD_LINE_OF, .min = 1, .max = BF_LABELS_MAX, .name_max = LABEL_MAX,
     .entry_max = LABEL_MAX, .help = "Names and values to find jobs by"},
    {"again", read_again, BF_FIELD_BOOLEAN, .standard = "false",
     .help = "Run although the same document has changed rows on this target before"},
    {"description", read_description, BF_FIELD_TEXT, .min = 1, .max = DESCRIPTION_MAX,
     .help = "Why, and where the runbook is"},
};
static const struct bf_section document_section = SECTION("", document_fields);
static const struct bf_section *const sections[] = {&document_section,   &range_section,     &bf_pace_section,
                                                    &bf_batch_rows_section, &bf_window_section, &bf_limits_section,
                                                    &canary_section,     &bf_query_section,  &bf_trigger_section,
                                                    &bf_inverse_section};

const struct bf_section *bf_document_section(size_t index)
{
    if (index >= BF_COUNT(sections))
        return bf_checks_sections(index - BF_COUNT(sections));
    return sections[index];
}

void bf_document_defaults(struct bf_document *document)
{
    struct bf_complaints complaints = {0};
    struct bf_reader reader = {.document = document, .complaints = &complaints};
    for (size_t s = 0; s < BF_COUNT(sections); s++)
        for (size_t i = 0; i < sections[s]->count; i++) {
            reader.field = &sections[s]->fields[i];
            if (!reader.field->standard)
                continue;
            json_t *value = json_loads(reader.field->standard, JSON_DECODE_ANY, NULL);
            json_t *one = json_pack("{sO}", reader.field->name, value);
            bf_read_section(&reader, sections[s], one);
            json_decref(one);
            json_decref(value);
        }
    if (complaints.total > 0)
        abort(); /* a default of the tables is against the tables */
}

/* ---- what no field can say alone ---- */

static void check_key_and_range(struct bf_reader *reader)
{
    struct bf_document *document = reader->document;
    bf_check_set(reader, document, "/set");
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
    struct bf_reader reader = {.document = document,
                               .complaints = complaints,
                               .sections = sections,
                               .section_count = BF_COUNT(sections)};
    if (!json_is_object(root)) {
        bf_reader_invalid(&reader, "", "a job document is an object, not %s", bf_json_type(root));
        return;
    }
    for (size_t i = 0; i < BF_COUNT(document_fields); i++) {
        const char *name = document_fields[i].name;
        if (!document_fields[i].required || json_object_get(root, name))
            continue;
        BF_AUTO_STRING char *at = bf_child_pointer("", name);
        bf_reader_invalid(&reader, at, "`%s` is required", name);
    }
    bf_read_section(&reader, &document_section, root);
    check_key_and_range(&reader);
    bf_check_undo(&reader);
    bf_check_stops(&reader);
    if (document->limits.statement_timeout < document->pace.batch_time)
        bf_reader_invalid(&reader, "/limits/statement_timeout",
                          "must not be under pace.batch_time: every batch would be taken back");
}
