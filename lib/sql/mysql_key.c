/* Keys: how the values of each type travel. */
#include "mysql_dialect.h"

#include <string.h>

#include "allocate.h"

/* Types whose order is total and the same in the index as in `>`, whose text gives the value back exactly, and which
 * have been tested. Not FLOAT and DOUBLE (their text rounds), ENUM and SET (ORDER BY and `>` disagree), BIT, JSON. */
static const struct {
    const char *name;
    enum bf_mysql_key_kind kind;
} kinds[] = {
    {"tinyint", BF_MYSQL_KEY_INTEGER},   {"smallint", BF_MYSQL_KEY_INTEGER}, {"mediumint", BF_MYSQL_KEY_INTEGER},
    {"int", BF_MYSQL_KEY_INTEGER},       {"bigint", BF_MYSQL_KEY_INTEGER},   {"year", BF_MYSQL_KEY_INTEGER},
    {"decimal", BF_MYSQL_KEY_DECIMAL},   {"char", BF_MYSQL_KEY_STRING},      {"varchar", BF_MYSQL_KEY_STRING},
    {"binary", BF_MYSQL_KEY_BINARY},     {"varbinary", BF_MYSQL_KEY_BINARY}, {"date", BF_MYSQL_KEY_CAST},
    {"datetime", BF_MYSQL_KEY_CAST},     {"timestamp", BF_MYSQL_KEY_CAST},   {"time", BF_MYSQL_KEY_CAST},
    {"uuid", BF_MYSQL_KEY_CAST},
};

enum bf_mysql_key_kind bf_mysql_key_kind(const char *type)
{
    size_t length = strcspn(type, "( ");
    for (size_t i = 0; i < BF_COUNT(kinds); i++)
        if (strlen(kinds[i].name) == length && !strncmp(type, kinds[i].name, length))
            return kinds[i].kind;
    return BF_MYSQL_KEY_NONE;
}

void bf_mysql_quote(struct bf_buffer *buffer, const char *name)
{
    bf_buffer_text(buffer, "`");
    for (const char *p = name; *p; p++) {
        /* a question mark would be read as a parameter of the template */
        if (*p == '`' || *p == '?')
            bf_buffer_append(buffer, p, 1);
        bf_buffer_append(buffer, p, 1);
    }
    bf_buffer_text(buffer, "`");
}

void bf_mysql_key_list(struct bf_buffer *buffer, const struct bf_table *table, size_t first, const char *prefix,
                       const char *suffix)
{
    bf_range_key_list(buffer, &bf_mysql_grammar, table, first, prefix, suffix);
}

void bf_mysql_key_output(struct bf_buffer *buffer, const struct bf_table *table, const char *prefix)
{
    for (size_t i = 0; i < table->key_count; i++) {
        bool binary = bf_mysql_key_kind(table->key[i].type) == BF_MYSQL_KEY_BINARY;
        bf_buffer_format(buffer, "%s%s%s", i ? ", " : "", binary ? "HEX(" : "", prefix);
        bf_mysql_quote(buffer, table->key[i].name);
        bf_buffer_text(buffer, binary ? ")" : "");
    }
}

void bf_mysql_key_text(struct bf_buffer *buffer, const struct bf_table *table, const char *prefix)
{
    for (size_t i = 0; i < table->key_count; i++) {
        bool binary = bf_mysql_key_kind(table->key[i].type) == BF_MYSQL_KEY_BINARY;
        bf_buffer_format(buffer, "%s%s%s", i ? ", " : "", binary ? "HEX(" : "CAST(", prefix);
        bf_mysql_quote(buffer, table->key[i].name);
        bf_buffer_text(buffer, binary ? ")" : " AS CHAR)");
    }
}

void bf_mysql_key_value(struct bf_buffer *before, struct bf_buffer *behind, const struct bf_table *table, size_t column)
{
    const char *type = table->key[column].type;

    switch (bf_mysql_key_kind(type)) {
    case BF_MYSQL_KEY_INTEGER:
        bf_buffer_text(before, "CAST(");
        bf_buffer_format(behind, " AS %s)", strstr(type, "unsigned") ? "UNSIGNED" : "SIGNED");
        break;
    case BF_MYSQL_KEY_BINARY:
        bf_buffer_text(before, "UNHEX(");
        bf_buffer_text(behind, ")");
        break;
    case BF_MYSQL_KEY_DECIMAL:
        bf_buffer_text(before, "CAST(");
        bf_buffer_format(behind, " AS %.*s)", (int)strcspn(type, " "), type);
        break;
    case BF_MYSQL_KEY_CAST:
        /* there is no CAST to TIMESTAMP; the session is in UTC, so both write the same */
        if (!strncmp(type, "datetime", 8) || !strncmp(type, "timestamp", 9))
            type = "DATETIME(6)";
        else if (!strncmp(type, "time", 4))
            type = "TIME(6)";
        bf_buffer_text(before, "CAST(");
        bf_buffer_format(behind, " AS %s)", type);
        break;
    case BF_MYSQL_KEY_STRING: /* a literal yields to the column's collation */
    case BF_MYSQL_KEY_NONE:
        break;
    }
}

static void typed_parameter(struct bf_buffer *buffer, const struct bf_table *table, size_t column, size_t first_parameter)
{
    struct bf_buffer behind = {0};
    bf_mysql_key_value(buffer, &behind, table, column);
    BF_AUTO_STRING char *rest = bf_buffer_take(&behind);
    bf_buffer_format(buffer, "?%zu%s", first_parameter + column, rest);
}

/* An UPDATE works a CAST out anew for each row that it looks at, a tenth of what the row costs in all; a number it does not. */
void bf_mysql_key_parameter(struct bf_buffer *buffer, const struct bf_table *table, size_t column,
                            size_t first_parameter)
{
    const char *type = table->key[column].type;
    if (bf_mysql_key_kind(type) == BF_MYSQL_KEY_INTEGER)
        bf_buffer_format(buffer, "?%c%zu", strstr(type, "unsigned") ? 'u' : 's', first_parameter + column);
    else
        typed_parameter(buffer, table, column, first_parameter);
}

void bf_mysql_key_collated(struct bf_buffer *buffer, const struct bf_table *table, size_t column,
                           size_t first_parameter)
{
    const char *collation = table->key[column].collation;
    if (collation) /* a collation's name begins with that of its character set */
        bf_buffer_format(buffer, "CONVERT(?%zu USING %.*s) COLLATE %s", first_parameter + column,
                         (int)strcspn(collation, "_"), collation, collation);
    else
        bf_mysql_key_parameter(buffer, table, column, first_parameter);
}
