/* Does a change come back? A plan shows it on a batch that is taken back: the rows are kept in a temporary table, changed,
 * restored from there, and compared byte for byte, with everything that triggers and constraints have to say. */
#include "postgresql_dialect.h"

#include "allocate.h"

static void kept(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table)
{
    bf_buffer_text(buffer, "SELECT ");
    for (size_t i = 0; i < table->key_count; i++) {
        bf_postgresql_quote(buffer, table->key[i].name);
        bf_buffer_format(buffer, " AS backfilld_k%zu, ", i);
    }
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_text(buffer, i ? ", " : "");
        bf_postgresql_quote(buffer, document->set[i].name);
        bf_buffer_format(buffer, " AS backfilld_b%zu", i);
    }
    bf_buffer_format(buffer, " FROM %s WHERE ", table->reference);
}

/* Bytes, as long as the column is there; NULL takes none. */
static void size_of(struct bf_buffer *buffer, const char *prefix, size_t number)
{
    bf_buffer_format(buffer, "coalesce(pg_column_size(%s%zu), 0) + ", prefix, number);
}

/* What is selected beside the change is as it was before it: the rows with what the job left in them, which a journal keeps as it
 * keeps their keys and old values. Arrays have little besides, and are compressed where that helps. */
static void restore(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table)
{
    bf_buffer_format(buffer, "WITH backfilld_restored AS (UPDATE %s SET ", table->reference);
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_text(buffer, i ? ", " : "");
        bf_postgresql_quote(buffer, document->set[i].name);
        bf_buffer_format(buffer, " = backfilld_b%zu", i);
    }
    bf_buffer_text(buffer, " FROM pg_temp.backfilld_proof WHERE ");
    bf_postgresql_same_key(buffer, table);
    bf_buffer_text(buffer, ") SELECT avg(");
    for (size_t i = 0; i < table->key_count; i++)
        size_of(buffer, "backfilld_k", i);
    for (size_t i = 0; i < document->set_count; i++) {
        size_of(buffer, "backfilld_b", i);
        bf_buffer_text(buffer, "coalesce(pg_column_size(");
        bf_postgresql_quote(buffer, document->set[i].name);
        bf_buffer_text(buffer, "), 0) + ");
    }
    bf_buffer_format(buffer, "0) FROM pg_temp.backfilld_proof JOIN %s ON ", table->reference);
    bf_postgresql_same_key(buffer, table);
}

/* How many rows are not as they were, or not there, and in which columns. */
static void compare(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table)
{
    bf_buffer_text(buffer, "SELECT count(*) FILTER (WHERE (");
    bf_postgresql_same_image(buffer, document, table, 'b');
    bf_buffer_text(buffer, ") IS NOT TRUE OR ");
    bf_postgresql_quote(buffer, table->key[0].name);
    bf_buffer_text(buffer, " IS NULL), concat_ws(', '");
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_text(buffer, ", CASE WHEN count(*) FILTER (WHERE (ROW(");
        bf_postgresql_quote(buffer, document->set[i].name);
        bf_buffer_format(buffer, ")::record OPERATOR(pg_catalog.*=) ROW(backfilld_b%zu::%s)::record) IS NOT TRUE) > 0 THEN ", i,
                         table->set[i].declared);
        bf_postgresql_literal(buffer, document->set[i].name);
        bf_buffer_text(buffer, " END");
    }
    bf_buffer_format(buffer, ") FROM pg_temp.backfilld_proof LEFT JOIN %s ON ", table->reference);
    bf_postgresql_same_key(buffer, table);
}

char *bf_postgresql_prove(const struct bf_document *document, const struct bf_table *table, enum bf_proof part, size_t split,
                          size_t leg)
{
    struct bf_buffer buffer = {0};
    struct bf_range range = {table, split, 1, table->key_count + 1};

    bf_buffer_text(&buffer, "/* backfilld plan */ ");
    switch (part) {
    case BF_PROOF_TABLE:
        bf_buffer_text(&buffer, "CREATE TEMPORARY TABLE backfilld_proof ON COMMIT DROP AS ");
        kept(&buffer, document, table);
        bf_buffer_text(&buffer, "false");
        break;
    case BF_PROOF_KEEP:
        bf_buffer_text(&buffer, "INSERT INTO pg_temp.backfilld_proof ");
        kept(&buffer, document, table);
        bf_range_leg(&buffer, &bf_postgresql_grammar, &range, leg);
        bf_postgresql_where(&buffer, document);
        break;
    case BF_PROOF_RESTORE:
        restore(&buffer, document, table);
        break;
    case BF_PROOF_COMPARE:
        compare(&buffer, document, table);
        break;
    }
    return bf_buffer_take(&buffer);
}
