/* The document's own signals, and what a person takes on. */
#include <math.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "document_reader.h"

static void read_query_name(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->query->name = bf_read_name(reader, pointer, value, "must be 1 to 63 of a-z, 0-9, \".\", \"_\" and \"-\"");
    for (const struct bf_signal_query *other = reader->document->queries; reader->query->name && other < reader->query; other++)
        if (other->name && strcmp(other->name, reader->query->name) == 0)
            bf_reader_invalid(reader, pointer, "another signal has this name already");
}

static void read_query_sql(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->query->sql = bf_read_text(reader, pointer, value, (size_t)reader->field->max);
}

static void read_query_limit(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    double number = json_number_value(value);
    if (!json_is_number(value))
        bf_reader_invalid(reader, pointer, "must be a number, not %s", bf_json_type(value));
    else if (!(number > 0) || isinf(number))
        bf_reader_invalid(reader, pointer, "must be over 0: at the limit nothing is written any more");
    else
        reader->query->limit = number;
}

#define LIMIT_MAX INT64_C(1000000000000000)

static const struct bf_field query_fields[] = {
    {"name", read_query_name, BF_FIELD_NAME, .required = true, .min = 1, .max = BF_NAME_MAX, .first = "a-z0-9._-",
     .rest = "a-z0-9._-", .help = "What the signal is called"},
    {"sql", read_query_sql, BF_FIELD_TEXT, .required = true, .min = 1, .max = BF_EXPRESSION_MAX,
     .help = "One query, run twice a second in a read-only transaction on the primary while the job runs. The first column "
             "of the first row is the value; no row, NULL, what is no number, and an error are no value"},
    {"limit", read_query_limit, BF_FIELD_NUMBER, .required = true, .min = 0, .max = LIMIT_MAX,
     .help = "From this value on, over 0, nothing is written; below 85 % of it the job goes on"},
};
const struct bf_section bf_query_section = {"/signals/*", query_fields, BF_COUNT(query_fields)};

void bf_read_queries(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    struct bf_document *document = reader->document;
    if (!bf_check_list(reader, pointer, value, "signals"))
        return;
    for (size_t i = 0; i < json_array_size(value); i++) {
        BF_AUTO_STRING char *at = bf_format("%s/%zu", pointer, i);
        if (!bf_check_object(reader, at, json_array_get(value, i)))
            continue;
        reader->query = &document->queries[document->query_count++];
        bf_read_entry(reader, &bf_query_section, at, json_array_get(value, i));
    }
}

bool bf_accept_by_name(const char *name, enum bf_accept *ret_accept)
{
    const char *word = BF_ACCEPT_WORDS;
    for (enum bf_accept accept = 0; accept < BF_ACCEPT_COUNT; accept++, word += strcspn(word, "|") + 1)
        if (strlen(name) == strcspn(word, "|") && strncmp(name, word, strlen(name)) == 0) {
            *ret_accept = accept;
            return true;
        }
    return false;
}

char *bf_accept_list(const bool accept[BF_ACCEPT_COUNT])
{
    struct bf_buffer list = {0};
    const char *word = BF_ACCEPT_WORDS;
    for (size_t i = 0; i < BF_ACCEPT_COUNT; i++, word += strcspn(word, "|") + 1)
        if (accept[i])
            bf_buffer_format(&list, "%s%.*s", list.length ? ", " : "", (int)strcspn(word, "|"), word);
    return list.length ? bf_buffer_take(&list) : NULL;
}

void bf_read_accept(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    size_t max = (size_t)reader->field->entry_max;
    if (!bf_check_list(reader, pointer, value, "words"))
        return;
    for (size_t i = 0; i < json_array_size(value); i++) {
        BF_AUTO_STRING char *at = bf_format("%s/%zu", pointer, i);
        BF_AUTO_STRING char *word = bf_read_line(reader, at, json_array_get(value, i), max);
        enum bf_accept accept;
        if (word && bf_accept_by_name(word, &accept))
            reader->document->accept[accept] = true;
        else if (word)
            bf_reader_invalid(reader, at, "there is nothing of that name to accept; there are " BF_ACCEPT_WORDS);
    }
}
