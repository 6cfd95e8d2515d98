/* Key ranges as predicates: the legs of dialect.h, written once for every statement of every dialect that walks a range. */
#include "grammar.h"

void bf_range_key_list(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, size_t first,
                       const char *prefix, const char *suffix)
{
    for (size_t i = first; i < table->key_count; i++) {
        bf_buffer_format(buffer, "%s%s", i > first ? ", " : "", prefix);
        grammar->quote(buffer, table->key[i].name);
        bf_buffer_text(buffer, suffix);
    }
}

static void compare(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, size_t column,
                    const char *operator, size_t first_parameter)
{
    grammar->quote(buffer, table->key[column].name);
    bf_buffer_format(buffer, " %s ", operator);
    grammar->key_parameter(buffer, table, column, first_parameter);
}

/* c1 = $, ..., c(count) = $, each followed by AND: the index descends straight to the prefix. */
static void prefix(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, size_t count,
                   size_t first_parameter)
{
    for (size_t i = 0; i < count; i++) {
        compare(buffer, grammar, table, i, "=", first_parameter);
        bf_buffer_text(buffer, " AND ");
    }
}

static const char *up_to(const struct bf_table *table, size_t column)
{
    return column + 1 == table->key_count ? "<=" : "<";
}

void bf_range_after(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, size_t column,
                    size_t low)
{
    prefix(buffer, grammar, table, column, low);
    compare(buffer, grammar, table, column, ">", low);
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

size_t bf_range_leg_prefix(const struct bf_range *range, size_t leg)
{
    size_t lower = lower_legs(range);
    return leg < lower ? range->table->key_count - 1 - leg : split_column(range) + (leg - lower);
}

void bf_range_leg(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_range *range, size_t leg)
{
    const struct bf_table *table = range->table;
    size_t lower = lower_legs(range), column = bf_range_leg_prefix(range, leg);

    if (leg > lower || range->split == 0) {
        prefix(buffer, grammar, table, column, range->high);
        compare(buffer, grammar, table, column, up_to(table, column), range->high);
        return;
    }
    bf_range_after(buffer, grammar, table, column, range->low);
    if (leg == lower) {
        bf_buffer_text(buffer, " AND ");
        compare(buffer, grammar, table, column, up_to(table, column), range->high);
    }
}

void bf_range_key(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, size_t first)
{
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, i ? ", " : "(");
        grammar->key_collated(buffer, table, i, first);
    }
    bf_buffer_text(buffer, ")");
}

static void whole_keys(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, const char *operator,
                       size_t first_parameter)
{
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, i ? ", " : " AND (");
        grammar->quote(buffer, table->key[i].name);
    }
    bf_buffer_format(buffer, ") %s ", operator);
    bf_range_key(buffer, grammar, table, first_parameter);
}

void bf_range_of_document(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_document *document,
                          const struct bf_table *table)
{
    const struct {
        bool is_there;
        const char *columns, *keys;
        size_t first_parameter;
    } ends[] = {{document->after_count > 0, ">=", ">", 1}, {document->through_count > 0, "<=", "<=", table->key_count + 1}};
    for (size_t i = 0; i < 2; i++) {
        if (!ends[i].is_there)
            continue;
        bool alone = table->key_count == 1;
        bf_buffer_text(buffer, " AND ");
        compare(buffer, grammar, table, 0, alone ? ends[i].keys : ends[i].columns, ends[i].first_parameter);
        if (!alone)
            whole_keys(buffer, grammar, table, ends[i].keys, ends[i].first_parameter);
    }
}

void bf_range_split(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, size_t shape)
{
    size_t n = table->key_count;
    if (!shape) {
        bf_buffer_text(buffer, "0 AS split, false AS is_empty");
        return;
    }
    bf_buffer_text(buffer, "CASE");
    for (size_t i = 0; i + 1 < n; i++) {
        bf_buffer_text(buffer, " WHEN ");
        grammar->key_collated(buffer, table, i, 1);
        bf_buffer_text(buffer, " <> ");
        grammar->key_collated(buffer, table, i, n + 1);
        bf_buffer_format(buffer, " THEN %zu", i + 1);
    }
    bf_buffer_format(buffer, "%s ELSE %zu END AS split, ", n > 1 ? "" : " WHEN false THEN 1", n);
    bf_range_key(buffer, grammar, table, n + 1);
    bf_buffer_text(buffer, " <= ");
    bf_range_key(buffer, grammar, table, 1);
    bf_buffer_text(buffer, " AS is_empty");
}

void bf_range_beyond(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, const char *prefix)
{
    bf_buffer_text(buffer, "COALESCE((");
    bf_range_key_list(buffer, grammar, table, 0, prefix, "");
    bf_buffer_text(buffer, ") >= (");
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, i ? ", " : "");
        grammar->key_parameter(buffer, table, i, table->key_count + 1);
    }
    bf_buffer_text(buffer, "), false) AS beyond");
}

/* The first column in which a row of the list k differs from the one before it, 1-based; the first row is compared with low. */
static void split_of_list(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table)
{
    size_t n = table->key_count;
    bf_buffer_text(buffer, n > 1 ? "CASE" : "1");
    for (size_t i = 0; i + 1 < n; i++) {
        bf_buffer_text(buffer, " WHEN k.");
        grammar->quote(buffer, table->key[i].name);
        bf_buffer_text(buffer, " <> COALESCE(LAG(k.");
        grammar->quote(buffer, table->key[i].name);
        bf_buffer_text(buffer, ") OVER (ORDER BY ");
        bf_range_key_list(buffer, grammar, table, 0, "k.", "");
        bf_buffer_text(buffer, "), ");
        grammar->key_parameter(buffer, table, i, 1);
        bf_buffer_format(buffer, ") THEN %zu", i + 1);
    }
    if (n > 1)
        bf_buffer_format(buffer, " ELSE %zu END", n);
    bf_buffer_text(buffer, " AS split");
}

/* The rows behind low, a few, one by one. Their order is what the places of the tries hang on, so it is asked for once more over
 * all legs. MariaDB reads every leg to its limit, which is a few rows. */
char *bf_range_keys(const struct bf_grammar *grammar, const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    size_t n = table->key_count, count = 2 * n + 1;

    bf_buffer_format(&buffer, "/* backfilld %s */ SELECT ", job);
    grammar->key_output(&buffer, table, "k.");
    bf_buffer_text(&buffer, ", ");
    split_of_list(&buffer, grammar, table);
    bf_buffer_text(&buffer, ", ");
    bf_range_beyond(&buffer, grammar, table, "k.");
    bf_buffer_text(&buffer, " FROM (");
    for (size_t leg = 0; leg < n; leg++) {
        bf_buffer_text(&buffer, leg ? " UNION ALL (SELECT " : "(SELECT ");
        bf_range_key_list(&buffer, grammar, table, 0, "", "");
        bf_buffer_format(&buffer, " FROM %s WHERE ", table->reference);
        bf_range_after(&buffer, grammar, table, n - 1 - leg, 1);
        bf_buffer_text(&buffer, " ORDER BY ");
        bf_range_key_list(&buffer, grammar, table, n - 1 - leg, "", "");
        bf_buffer_text(&buffer, " LIMIT ");
        grammar->number(&buffer, count);
        bf_buffer_text(&buffer, ")");
    }
    bf_buffer_text(&buffer, ") k ORDER BY ");
    bf_range_key_list(&buffer, grammar, table, 0, "k.", "");
    bf_buffer_text(&buffer, " LIMIT ");
    grammar->number(&buffer, count);
    return bf_buffer_take(&buffer);
}
