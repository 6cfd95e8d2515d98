/* Does a change come back? A plan shows it on a batch that is taken back: the rows are kept in a temporary table, changed,
 * restored from there, and compared byte for byte, with everything that triggers and constraints have to say. The account may
 * be without the right to make one: then nothing is proven, and the plan says why. */
#include "mysql_dialect.h"

#include "allocate.h"

enum { ROW_HEADS = 64 /* bytes */ };

static void make(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, "DROP TEMPORARY TABLE IF EXISTS backfilld_proof?; CREATE TEMPORARY TABLE backfilld_proof (");
    bf_mysql_image_columns(buffer, table, "before");
    bf_buffer_text(buffer, "PRIMARY KEY (");
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, i ? ", " : "");
        bf_mysql_image_name(buffer, "key", &table->key[i], i);
    }
    bf_buffer_text(buffer, ")) ENGINE = InnoDB");
}

static void keep(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table, size_t split,
                 size_t leg)
{
    const struct bf_range range = {table, split, 1, table->key_count + 1};
    bf_buffer_text(buffer, "INSERT INTO backfilld_proof SELECT ");
    bf_mysql_key_list(buffer, table, 0, "", "");
    bf_mysql_image_values(buffer, table, "");
    bf_buffer_format(buffer, " FROM %s WHERE ", table->reference);
    bf_range_leg(buffer, &bf_mysql_grammar, &range, leg);
    bf_mysql_where(buffer, document);
    bf_buffer_text(buffer, " FOR UPDATE NOWAIT");
}

static void joined(struct bf_buffer *buffer, const struct bf_table *table, const char *how)
{
    BF_AUTO_STRING char *row = bf_mysql_aliased(table->reference);
    bf_buffer_format(buffer, "backfilld_proof b %s %s ON ", how, row);
    bf_mysql_image_join(buffer, table, "t.", "b.");
}

/* What two rows of a journal take on a page: what InnoDB and the journal put before each (mysql_journal.c), key and images, and
 * a tenth for what pages leave free. */
static void measure(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_format(buffer, "SELECT ROUND(1.1 * AVG(%d", ROW_HEADS);
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(buffer, " + 2 * LENGTH(b.");
        bf_mysql_image_name(buffer, "key", &table->key[i], i);
        bf_buffer_text(buffer, ")");
    }
    for (size_t i = 0; i < bf_mysql_image_count(table); i++) {
        bf_buffer_text(buffer, " + COALESCE(LENGTH(b.");
        bf_mysql_image_name(buffer, "before", &table->set[i], i);
        bf_buffer_text(buffer, "), 0) + COALESCE(LENGTH(t.");
        bf_mysql_quote(buffer, table->set[i].name);
        bf_buffer_text(buffer, "), 0)");
    }
    bf_buffer_text(buffer, ")) AS journal_row FROM ");
    joined(buffer, table, "STRAIGHT_JOIN");
    bf_buffer_text(buffer, "?; ");
}

static void restore(struct bf_buffer *buffer, const struct bf_table *table)
{
    measure(buffer, table);
    bf_buffer_text(buffer, BF_MYSQL_NO_WAIT "UPDATE ");
    joined(buffer, table, "STRAIGHT_JOIN");
    for (size_t i = 0; i < bf_mysql_image_count(table); i++) {
        bf_buffer_text(buffer, i ? ", t." : " SET t.");
        bf_mysql_quote(buffer, table->set[i].name);
        bf_buffer_text(buffer, " = b.");
        bf_mysql_image_name(buffer, "before", &table->set[i], i);
    }
}

/* How many rows are not as they were, or not there, and in which columns. */
static void compare(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, "SELECT COUNT(IF(t.");
    bf_mysql_quote(buffer, table->key[0].name);
    bf_buffer_text(buffer, " IS NOT NULL AND ");
    bf_mysql_image_all_same(buffer, table, "before", "b.");
    bf_buffer_text(buffer, ", NULL, 1)), CONCAT_WS(', '");
    for (size_t i = 0; i < table->set_count; i++) {
        bf_buffer_text(buffer, ", IF(COUNT(IF(");
        bf_mysql_image_same(buffer, table, i, "t.", "before", "b.");
        bf_buffer_text(buffer, ", NULL, 1)) > 0, ");
        bf_mysql_literal(buffer, table->set[i].name);
        bf_buffer_text(buffer, ", NULL)");
    }
    bf_buffer_text(buffer, ") FROM ");
    joined(buffer, table, "LEFT JOIN");
}

char *bf_mysql_prove(const struct bf_document *document, const struct bf_table *table, enum bf_proof part, size_t split, size_t leg)
{
    struct bf_buffer buffer = {0};
    bf_buffer_text(&buffer, "/* backfilld plan */ ");
    switch (part) {
    case BF_PROOF_TABLE:
        make(&buffer, table);
        break;
    case BF_PROOF_KEEP:
        keep(&buffer, document, table, split, leg);
        break;
    case BF_PROOF_RESTORE:
        restore(&buffer, table);
        break;
    case BF_PROOF_COMPARE:
        compare(&buffer, table);
        break;
    }
    return bf_buffer_take(&buffer);
}
