/* The words of PostgreSQL for what every dialect says in the same order. */
#include "postgresql_dialect.h"

#include "allocate.h"

void bf_postgresql_quote(struct bf_buffer *buffer, const char *name)
{
    bf_buffer_text(buffer, "\"");
    for (const char *p = name; *p; p++) {
        if (*p == '"')
            bf_buffer_text(buffer, "\"");
        bf_buffer_append(buffer, p, 1);
    }
    bf_buffer_text(buffer, "\"");
}

void bf_postgresql_literal(struct bf_buffer *buffer, const char *text)
{
    bf_buffer_text(buffer, "'");
    for (const char *p = text; *p; p++)
        bf_buffer_format(buffer, *p == '\'' ? "'%c" : "%c", *p);
    bf_buffer_text(buffer, "'");
}

void bf_postgresql_key_list(struct bf_buffer *buffer, const struct bf_table *table, size_t first, const char *prefix,
                            const char *suffix)
{
    bf_range_key_list(buffer, &bf_postgresql_grammar, table, first, prefix, suffix);
}

void bf_postgresql_key_parameter(struct bf_buffer *buffer, const struct bf_table *table, size_t column,
                                 size_t first_parameter)
{
    bf_buffer_format(buffer, "$%zu::text::%s", first_parameter + column, table->key[column].type);
}

void bf_postgresql_key_collated(struct bf_buffer *buffer, const struct bf_table *table, size_t column,
                                size_t first_parameter)
{
    bf_postgresql_key_parameter(buffer, table, column, first_parameter);
    if (table->key[column].collation)
        bf_buffer_format(buffer, " COLLATE %s", table->key[column].collation);
}

static void key_output(struct bf_buffer *buffer, const struct bf_table *table, const char *prefix)
{
    bf_postgresql_key_list(buffer, table, 0, prefix, "");
}

static void number(struct bf_buffer *buffer, size_t parameter)
{
    bf_buffer_format(buffer, "$%zu::text::bigint", parameter);
}

static void predicate(struct bf_buffer *buffer, const char *text, int64_t started_at)
{
    BF_AUTO_STRING char *whole = bf_postgresql_predicate(text, started_at);
    bf_buffer_text(buffer, whole);
}

const struct bf_grammar bf_postgresql_grammar = {
    .quote = bf_postgresql_quote,
    .key_parameter = bf_postgresql_key_parameter,
    .key_collated = bf_postgresql_key_collated,
    .key_output = key_output,
    .number = number,
    .predicate = predicate,
    .value = bf_buffer_text,
};
