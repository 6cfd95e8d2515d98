/* Which key the backfill walks, and whether it can: only what is known to work is let in, everything else is refused by
 * name before anything starts. */
#include <string.h>

#include "allocate.h"
#include "postgresql_survey.h"

/* Types whose order is total, whose text gives the value back exactly, and which have been tested. Not float4 and
 * float8 (NaN and rounding in other tools), json, xml, arrays, ranges, "char" (its text is not always valid UTF-8). */
static const char *const usable_types[] = {
    "int2", "int4", "int8", "oid", "numeric", "text", "varchar", "bpchar", "name", "uuid", "bytea", "date", "time",
    "timetz", "timestamp", "timestamptz", "interval", "bool", "inet", "cidr", "macaddr", "macaddr8", "bit", "varbit",
    "pg_lsn"};

static bool type_usable(const struct bf_answer *columns, size_t row)
{
    if (bf_answer_value(columns, row, BF_COLUMN_KIND)[0] == 'e')
        return true;
    for (size_t i = 0; i < BF_COUNT(usable_types); i++)
        if (!strcmp(bf_answer_value(columns, row, BF_COLUMN_TYPE_NAME), usable_types[i]))
            return true;
    return false;
}

/* First row of the next index, given the first row of one. */
static size_t next_index(const struct bf_answer *indexes, size_t row)
{
    return row + (size_t)bf_answer_number(indexes, row, BF_INDEX_COUNT);
}

/* NULL when the index can be walked, else why not. */
static const char *index_fault(const struct bf_answer *indexes, size_t row)
{
    if (!bf_answer_true(indexes, row, BF_INDEX_VALID))
        return "is not valid (a CREATE INDEX CONCURRENTLY that failed or still runs)";
    if (!bf_answer_true(indexes, row, BF_INDEX_NO_EXPRESSION))
        return "is on an expression";
    if (!bf_answer_true(indexes, row, BF_INDEX_WHOLE))
        return "is partial: it has a WHERE";
    if (!bf_answer_true(indexes, row, BF_INDEX_IMMEDIATE))
        return "is DEFERRABLE, so it may hold duplicates for a while";
    if (!bf_answer_true(indexes, row, BF_INDEX_ORDER))
        return "mixes ASC and DESC or moves NULLS, so it cannot be read in the order of its columns";
    for (size_t i = row; i < next_index(indexes, row); i++)
        if (!bf_answer_true(indexes, i, BF_INDEX_USUAL))
            return "has another operator class or collation than its columns";
    return NULL;
}

static bool index_has(const struct bf_answer *indexes, size_t row, const struct bf_document *document)
{
    if ((size_t)bf_answer_number(indexes, row, BF_INDEX_COUNT) != document->key_count)
        return false;
    for (size_t i = 0; i < document->key_count; i++) {
        const char *column = bf_answer_value(indexes, row + i, BF_INDEX_COLUMN);
        if (!column || strcmp(column, document->key[i]))
            return false;
    }
    return true;
}

/* "(a, b), (c)": the keys that a job could name instead; the caller frees it. */
static char *possible_keys(const struct bf_answer *indexes, const struct bf_answer *columns)
{
    struct bf_buffer buffer = {0};
    for (size_t row = 0; row < indexes->rows; row = next_index(indexes, row)) {
        bool possible = !index_fault(indexes, row);
        for (size_t i = row; possible && i < next_index(indexes, row); i++) {
            size_t column = bf_survey_find_column(columns, bf_answer_value(indexes, i, BF_INDEX_COLUMN));
            possible = bf_answer_true(columns, column, BF_COLUMN_NOT_NULL) && type_usable(columns, column);
        }
        if (!possible)
            continue;
        bf_buffer_text(&buffer, buffer.length ? ", [" : "[");
        for (size_t i = row; i < next_index(indexes, row); i++)
            bf_buffer_format(&buffer, "%s\"%s\"", i > row ? ", " : "", bf_answer_value(indexes, i, BF_INDEX_COLUMN));
        bf_buffer_text(&buffer, "]");
    }
    return bf_buffer_take(&buffer);
}

/* The first row of the index to walk; indexes->rows after a complaint. */
static size_t choose_index(const struct bf_document *document, const struct bf_answer *columns,
                           const struct bf_answer *indexes, const struct bf_table *table,
                           struct bf_complaints *complaints)
{
    const char *pointer = document->key_count ? "/key" : "/table", *fault = NULL, *name = NULL;

    for (size_t row = 0; row < indexes->rows; row = next_index(indexes, row)) {
        bool fits = document->key_count ? index_has(indexes, row, document)
                                        : bf_answer_true(indexes, row, BF_INDEX_PRIMARY);
        if (!fits)
            continue;
        fault = index_fault(indexes, row);
        name = bf_answer_value(indexes, row, BF_INDEX_NAME);
        if (!fault)
            return row;
    }
    BF_AUTO_STRING char *others = possible_keys(indexes, columns);
    if (fault)
        bf_complain(complaints, BF_INVALID, pointer, "the index %s %s; the backfill cannot walk it%s%s", name, fault,
                    others[0] ? "; `key` could be " : "", others);
    else if (document->key_count)
        bf_complain(complaints, BF_INVALID, pointer,
                    "no unique index of %s has exactly these columns in this order%s%s", table->display,
                    others[0] ? "; `key` could be " : "", others);
    else
        bf_complain(complaints, BF_INVALID, pointer, "%s has no primary key; %s%s", table->display,
                    others[0] ? "name a unique key in `key`, such as " : "a backfill needs a unique key that is NOT NULL",
                    others);
    return indexes->rows;
}

static void check_column(const struct bf_answer *columns, size_t row, bool last, const char *pointer,
                         struct bf_complaints *complaints)
{
    const char *name = bf_answer_value(columns, row, BF_COLUMN_NAME);

    if (!bf_answer_true(columns, row, BF_COLUMN_NOT_NULL))
        bf_complain(complaints, BF_INVALID, pointer,
                    "key column %s may be NULL, and a walk by the key would miss those rows; make it NOT NULL or use "
                    "another key",
                    name);
    if (!type_usable(columns, row))
        bf_complain(complaints, BF_INVALID, pointer,
                    "key column %s is of type %s, by which a backfill does not walk; use a key of integers, numeric, "
                    "text, uuid, bytea, dates, times or enums",
                    name, bf_answer_value(columns, row, BF_COLUMN_DISPLAY));
    if (!last && !bf_answer_true(columns, row, BF_COLUMN_DETERMINISTIC))
        bf_complain(complaints, BF_INVALID, pointer,
                    "key column %s has a nondeterministic collation and is not the last of the key", name);
    if (!bf_answer_true(columns, row, BF_COLUMN_SELECT))
        bf_complain(complaints, BF_INVALID, pointer, "the role may not SELECT key column %s; GRANT it to the role",
                    name);
}

void bf_survey_choose_key(const struct bf_document *document, const struct bf_answer *columns,
                          const struct bf_answer *indexes, struct bf_table *table, struct bf_complaints *complaints)
{
    const char *pointer = document->key_count ? "/key" : "/table";
    bool known = true;

    for (size_t i = 0; i < document->key_count; i++) {
        BF_AUTO_STRING char *at = bf_format("/key/%zu", i);
        if (bf_survey_find_column(columns, document->key[i]) == columns->rows) {
            bf_survey_complain_column(columns, document->key[i], at, complaints);
            known = false;
        }
    }
    if (!known)
        return;
    size_t first = choose_index(document, columns, indexes, table, complaints);
    if (first == indexes->rows)
        return;
    size_t key_count = (size_t)bf_answer_number(indexes, first, BF_INDEX_COUNT);
    if (key_count > BF_KEY_COLUMNS_MAX) {
        bf_complain(complaints, BF_INVALID, pointer, "the key has %zu columns; at most %d are possible", key_count,
                    BF_KEY_COLUMNS_MAX);
        return;
    }
    for (size_t i = 0; i < key_count; i++) {
        size_t row = bf_survey_find_column(columns, bf_answer_value(indexes, first + i, BF_INDEX_COLUMN));
        BF_AUTO_STRING char *at = document->key_count ? bf_format("/key/%zu", i) : bf_copy_string(pointer);
        check_column(columns, row, i + 1 == key_count, at, complaints);
        table->key[i] = (struct bf_column){
            .name = bf_copy_string(bf_answer_value(columns, row, BF_COLUMN_NAME)),
            .type = bf_copy_string(bf_answer_value(columns, row, BF_COLUMN_TYPE)),
            .collation = bf_copy_string(bf_answer_value(columns, row, BF_COLUMN_COLLATION)),
        };
    }
    table->key_count = key_count;
}
