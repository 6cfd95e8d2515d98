/* Which key the backfill walks, and whether it can: only what is known to work is let in, everything else is refused by
 * name before anything starts. */
#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "mysql_survey.h"

/* First row of the next index, given the first row of one. */
static size_t next_index(const struct bf_answer *indexes, size_t row)
{
    return row + (size_t)bf_answer_number(indexes, row, BF_MYSQL_INDEX_COUNT);
}

/* NULL when the index can be walked, else why not. */
static const char *index_fault(const struct bf_answer *indexes, size_t row)
{
    if (!bf_answer_true(indexes, row, BF_MYSQL_INDEX_VISIBLE))
        return "is invisible or ignored";
    if (!bf_answer_true(indexes, row, BF_MYSQL_INDEX_TREE))
        return "is no BTREE";
    for (size_t i = row; i < next_index(indexes, row); i++) {
        if (!bf_answer_value(indexes, i, BF_MYSQL_INDEX_COLUMN))
            return "is on an expression";
        if (!bf_answer_true(indexes, i, BF_MYSQL_INDEX_WHOLE))
            return "holds only the beginning of a column";
        if (bf_answer_true(indexes, i, BF_MYSQL_INDEX_DESCENDING) !=
            bf_answer_true(indexes, row, BF_MYSQL_INDEX_DESCENDING))
            return "mixes ASC and DESC, so it cannot be read in the order of its columns";
    }
    return NULL;
}

static bool index_has(const struct bf_answer *indexes, size_t row, const struct bf_document *document)
{
    if ((size_t)bf_answer_number(indexes, row, BF_MYSQL_INDEX_COUNT) != document->key_count)
        return false;
    for (size_t i = 0; i < document->key_count; i++) {
        const char *column = bf_answer_value(indexes, row + i, BF_MYSQL_INDEX_COLUMN);
        if (!column || strcasecmp(column, document->key[i]))
            return false;
    }
    return true;
}

/* Why a backfill does not walk by this column; NULL when it does. */
static const char *column_fault(const struct bf_answer *columns, size_t row)
{
    const char *type = bf_answer_value(columns, row, BF_MYSQL_COLUMN_TYPE);

    if (!bf_answer_true(columns, row, BF_MYSQL_COLUMN_NOT_NULL))
        return "it may be NULL, and a walk by the key would miss those rows; make it NOT NULL or use another key";
    if (!strncmp(type, "enum", 4) || !strncmp(type, "set", 3))
        return "an ENUM or SET is ordered by its numbers but compared by its words; use another key";
    if (!strncmp(type, "float", 5) || !strncmp(type, "double", 6))
        return "a floating point number is rounded in its text, so a row could be met twice or never; use another key";
    if (bf_mysql_key_kind(type) == BF_MYSQL_KEY_NONE)
        return "a backfill walks by integers, DECIMAL, CHAR, VARCHAR, BINARY, VARBINARY, dates and times only";
    return NULL;
}

/* "(a, b), (c)": the keys that a job could name instead; the caller frees it. */
static char *possible_keys(const struct bf_answer *indexes, const struct bf_answer *columns)
{
    struct bf_buffer buffer = {0};
    for (size_t row = 0; row < indexes->rows; row = next_index(indexes, row)) {
        bool possible = !index_fault(indexes, row);
        for (size_t i = row; possible && i < next_index(indexes, row); i++)
            possible = !column_fault(
                columns, bf_mysql_find_column(columns, bf_answer_value(indexes, i, BF_MYSQL_INDEX_COLUMN)));
        if (!possible)
            continue;
        bf_buffer_text(&buffer, buffer.length ? ", [" : "[");
        for (size_t i = row; i < next_index(indexes, row); i++)
            bf_buffer_format(&buffer, "%s\"%s\"", i > row ? ", " : "",
                             bf_answer_value(indexes, i, BF_MYSQL_INDEX_COLUMN));
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
        const char *this_name = bf_answer_value(indexes, row, BF_MYSQL_INDEX_NAME);
        if (document->key_count ? !index_has(indexes, row, document) : strcmp(this_name, "PRIMARY"))
            continue;
        fault = index_fault(indexes, row);
        name = this_name;
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
                    others[0] ? "name a unique key in `key`, such as "
                              : "a backfill needs a unique key that is NOT NULL",
                    others);
    return indexes->rows;
}

/* "bigint unsigned" of "bigint(20) unsigned zerofill": the width of a number is for display alone; what is left says how
 * a key's text becomes a value. The caller frees it. */
static char *key_type(const char *type)
{
    size_t word = strcspn(type, "( ");
    if (bf_mysql_key_kind(type) == BF_MYSQL_KEY_INTEGER)
        return bf_format("%.*s%s", (int)word, type, strstr(type, "unsigned") ? " unsigned" : "");
    return bf_copy_bytes(type, strcspn(type, ")") + (strchr(type, ')') ? 1 : 0));
}

const char *bf_mysql_choose_key(const struct bf_document *document, const struct bf_answer *columns,
                                const struct bf_answer *indexes, struct bf_table *table,
                                struct bf_complaints *complaints)
{
    const char *pointer = document->key_count ? "/key" : "/table";
    size_t before = complaints->total;

    for (size_t i = 0; i < document->key_count; i++) {
        BF_AUTO_STRING char *at = bf_format("/key/%zu", i);
        if (bf_mysql_find_column(columns, document->key[i]) == columns->rows)
            bf_complain(complaints, BF_INVALID, at, "the table has no column %s", document->key[i]);
    }
    if (complaints->total > before)
        return NULL;
    size_t first = choose_index(document, columns, indexes, table, complaints);
    if (first == indexes->rows)
        return NULL;
    size_t key_count = (size_t)bf_answer_number(indexes, first, BF_MYSQL_INDEX_COUNT);
    if (key_count > BF_KEY_COLUMNS_MAX) {
        bf_complain(complaints, BF_INVALID, pointer, "the key has %zu columns; at most %d are possible", key_count,
                    BF_KEY_COLUMNS_MAX);
        return NULL;
    }
    for (size_t i = 0; i < key_count; i++) {
        size_t row = bf_mysql_find_column(columns, bf_answer_value(indexes, first + i, BF_MYSQL_INDEX_COLUMN));
        const char *name = bf_answer_value(columns, row, BF_MYSQL_COLUMN_NAME);
        const char *type = bf_answer_value(columns, row, BF_MYSQL_COLUMN_TYPE), *fault = column_fault(columns, row);
        BF_AUTO_STRING char *at = document->key_count ? bf_format("/key/%zu", i) : bf_copy_string(pointer);
        if (fault)
            bf_complain(complaints, BF_INVALID, at, "key column %s is of type %.60s: %s", name, type, fault);
        if (!bf_answer_true(columns, row, BF_MYSQL_COLUMN_SELECT))
            bf_complain(complaints, BF_INVALID, at, "the account may not SELECT key column %s; GRANT it", name);
        table->key[i] = (struct bf_column){
            .name = bf_copy_string(name),
            .type = key_type(type),
            .collation = bf_copy_string(bf_answer_value(columns, row, BF_MYSQL_COLUMN_COLLATION)),
            .declared = bf_mysql_kept_type(type, bf_answer_value(columns, row, BF_MYSQL_COLUMN_CHARSET), 0, 1),
        };
    }
    table->key_count = key_count;
    return bf_answer_value(indexes, first, BF_MYSQL_INDEX_NAME);
}
