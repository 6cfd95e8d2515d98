/* Key ranges as predicates: the legs of dialect.h, written once for every statement that walks a range. */
#include "postgresql_dialect.h"

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

void bf_postgresql_key_list(struct bf_buffer *buffer, const struct bf_table *table, size_t first, const char *prefix,
                            const char *suffix)
{
    for (size_t i = first; i < table->key_count; i++) {
        bf_buffer_format(buffer, "%s%s", i > first ? ", " : "", prefix);
        bf_postgresql_quote(buffer, table->key[i].name);
        bf_buffer_text(buffer, suffix);
    }
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

static void compare(struct bf_buffer *buffer, const struct bf_table *table, size_t column, const char *operator,
                    size_t first_parameter)
{
    bf_postgresql_quote(buffer, table->key[column].name);
    bf_buffer_format(buffer, " %s ", operator);
    bf_postgresql_key_parameter(buffer, table, column, first_parameter);
}

/* c1 = $, ..., c(count) = $, each followed by AND: the index descends straight to the prefix. */
static void prefix(struct bf_buffer *buffer, const struct bf_table *table, size_t count, size_t first_parameter)
{
    for (size_t i = 0; i < count; i++) {
        compare(buffer, table, i, "=", first_parameter);
        bf_buffer_text(buffer, " AND ");
    }
}

void bf_postgresql_after(struct bf_buffer *buffer, const struct bf_table *table, size_t column, size_t low)
{
    prefix(buffer, table, column, low);
    compare(buffer, table, column, ">", low);
}

static void up_to(struct bf_buffer *buffer, const struct bf_table *table, size_t column, size_t high)
{
    prefix(buffer, table, column, high);
    compare(buffer, table, column, column + 1 == table->key_count ? "<=" : "<", high);
}

/* The column in which low and high differ, 0-based. Shape 0 is that of split 1 without its lower bounds. */
static size_t split_column(const struct bf_range *range)
{
    return range->split ? range->split - 1 : 0;
}

/* Lower legs come first, the longest prefix before the shorter ones; then the middle; then upper legs, the longest
 * prefix last. That is the order of the key. */
static size_t lower_legs(const struct bf_range *range)
{
    return range->split ? range->table->key_count - range->split : 0;
}

size_t bf_postgresql_leg_prefix(const struct bf_range *range, size_t leg)
{
    size_t lower = lower_legs(range);
    return leg < lower ? range->table->key_count - 1 - leg : split_column(range) + (leg - lower);
}

void bf_postgresql_leg(struct bf_buffer *buffer, const struct bf_range *range, size_t leg)
{
    const struct bf_table *table = range->table;
    size_t lower = lower_legs(range), column = bf_postgresql_leg_prefix(range, leg);

    if (leg < lower) {
        bf_postgresql_after(buffer, table, column, range->low);
    } else if (leg > lower || range->split == 0) {
        up_to(buffer, table, column, range->high);
    } else {
        bf_postgresql_after(buffer, table, column, range->low);
        bf_buffer_text(buffer, " AND ");
        compare(buffer, table, column, column + 1 == table->key_count ? "<=" : "<", range->high);
    }
}
