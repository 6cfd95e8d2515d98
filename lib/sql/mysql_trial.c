/* The trial of `remaining`: some rows that match are changed, looked at again, and taken back. There is no UPDATE ...
 * RETURNING here, so the rows are remembered by their keys, which the server writes into the text of the next statement:
 *
 *   the keys of up to 100 rows that match  ->  @backfilld_keys: (`id` = 7) OR (`id` = 9) ...
 *   UPDATE ... WHERE (keys) AND what the batches ask    (no other row is locked)
 *   SELECT count of the rows, count of those that match `remaining` still, WHERE keys */
#include "mysql_dialect.h"

#include "allocate.h"

enum { TRIAL_ROWS = 100, KEYS_MAX = 8 * 1024 * 1024 /* bytes */ };

/* An expression that the server turns into the text of a literal with the column's value. */
static void key_literal(struct bf_buffer *buffer, const struct bf_column *column)
{
    static const char *const quoted[][2] = {
        [BF_MYSQL_KEY_INTEGER] = {"CAST(", " AS CHAR)"},
        [BF_MYSQL_KEY_DECIMAL] = {"CAST(", " AS CHAR)"},
        [BF_MYSQL_KEY_STRING] = {"'_utf8mb4 X''', HEX(CONVERT(", " USING utf8mb4)), ''''"},
        [BF_MYSQL_KEY_BINARY] = {"'X''', HEX(", "), ''''"},
        [BF_MYSQL_KEY_CAST] = {"'''', CAST(", " AS CHAR), ''''"},
    };
    enum bf_mysql_key_kind kind = bf_mysql_key_kind(column->type);
    bf_buffer_text(buffer, quoted[kind][0]);
    bf_mysql_quote(buffer, column->name);
    bf_buffer_text(buffer, quoted[kind][1]);
}

/* (`a` = 1 AND `b` = X'00'), of one row. */
static void key_text(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, "CONCAT('('");
    for (size_t i = 0; i < table->key_count; i++) {
        struct bf_buffer name = {0};
        bf_buffer_text(&name, i ? " AND " : "");
        bf_mysql_quote(&name, table->key[i].name);
        bf_buffer_text(&name, " = ");
        BF_AUTO_STRING char *text = bf_mysql_plain(&name);
        bf_buffer_text(buffer, ", ");
        bf_mysql_literal(buffer, text);
        bf_buffer_text(buffer, ", ");
        key_literal(buffer, &table->key[i]);
    }
    bf_buffer_text(buffer, ", ')')");
}

char *bf_mysql_trial(const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0}, update = {0}, asked = {0}, look = {0}, nothing = {0};
    /* the key's index is good for a range of the key; which one finds rows by what the author asks is the server's choice */
    BF_AUTO_STRING char *free_choice = bf_mysql_without_index(table->reference);

    bf_buffer_format(&buffer, "/* backfilld plan */ SET SESSION group_concat_max_len = %d?; SET @backfilld_keys = "
                     "(SELECT GROUP_CONCAT(k SEPARATOR ' OR ') FROM (SELECT ", KEYS_MAX);
    key_text(&buffer, table);
    bf_buffer_format(&buffer, " AS k FROM %s WHERE TRUE", free_choice);
    bf_mysql_where(&buffer, document);
    bf_buffer_format(&buffer, " LIMIT %d) picked)", TRIAL_ROWS);

    bf_buffer_format(&update, "/* backfilld plan */ UPDATE %s SET ", table->reference);
    bf_mysql_set(&update, document);
    bf_buffer_text(&update, " WHERE (");
    bf_buffer_text(&asked, ")");
    bf_mysql_where(&asked, document);
    bf_mysql_run_with_keys(&buffer, &update, &asked, "");

    bf_buffer_text(&look, "/* backfilld plan */ SELECT COUNT(*), COUNT(IF((");
    bf_mysql_author_predicate(&look, document->remaining, document->started_at);
    bf_buffer_format(&look, "), 1, NULL)) FROM %s WHERE ", table->reference);
    bf_mysql_run_with_keys(&buffer, &look, &nothing, "");
    return bf_buffer_take(&buffer);
}
