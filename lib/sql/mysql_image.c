/* What a journal keeps of a row: its key, and the columns whose old and new values are kept. These are the columns of `set`,
 * and the stamps: columns that the server itself sets to the time when a row is changed (ON UPDATE CURRENT_TIMESTAMP). */
#include "mysql_dialect.h"

#include <string.h>

#include "allocate.h"

enum {
    NAME_MAX_BYTES = 57, /* of the 64 characters of a name, behind "before_" */
    ROW_BYTES = 4000,    /* of strings within a row of InnoDB, which has room for 8126 bytes */
    STRING_BYTES = 255   /* of one of them */
};

static bool is_type(const char *type, const char *name)
{
    size_t length = strcspn(type, "( ");
    return strlen(name) == length && !strncmp(type, name, length);
}

static bool is_one_of(const char *type, const char *const names[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_type(type, names[i]))
            return true;
    return false;
}

/* A long string stands beside the row, which has not the room for it twice; its bytes are the same. */
char *bf_mysql_kept_type(const char *type, const char *charset, int64_t octets, size_t columns)
{
    int64_t room = ROW_BYTES / (int64_t)columns < STRING_BYTES ? ROW_BYTES / (int64_t)columns : STRING_BYTES;
    if (octets > room && (is_type(type, "char") || is_type(type, "varchar")))
        type = "text";
    else if (octets > room && (is_type(type, "binary") || is_type(type, "varbinary")))
        type = "blob";
    const char *comment = strstr(type, " /*"); /* how the column is stored (MariaDB's COMPRESSED) */
    return bf_format("%.*s%s", (int)(comment ? comment - type : (long)strlen(type)), type, charset ? charset : "");
}

size_t bf_mysql_image_count(const struct bf_table *table)
{
    return table->set_count + table->stamp_count;
}

/* `before_status`: a name that is too long has the column's number instead. */
void bf_mysql_image_name(struct bf_buffer *buffer, const char *what, const struct bf_column *column, size_t number)
{
    BF_AUTO_STRING char *name = strlen(column->name) <= NAME_MAX_BYTES ? bf_format("%s_%s", what, column->name)
                                                                       : bf_format("%s#%zu", what, number + 1);
    bf_mysql_quote(buffer, name);
}

void bf_mysql_image_list(struct bf_buffer *buffer, const struct bf_table *table, const char *what, const char *prefix)
{
    for (size_t i = 0; i < bf_mysql_image_count(table); i++) {
        bf_buffer_format(buffer, ", %s", prefix);
        bf_mysql_image_name(buffer, what, &table->set[i], i);
    }
}

void bf_mysql_image_values(struct bf_buffer *buffer, const struct bf_table *table, const char *prefix)
{
    for (size_t i = 0; i < bf_mysql_image_count(table); i++) {
        bf_buffer_format(buffer, ", %s", prefix);
        bf_mysql_quote(buffer, table->set[i].name);
    }
}

void bf_mysql_image_key(struct bf_buffer *buffer, const struct bf_table *table, const char *prefix)
{
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_format(buffer, ", %s", prefix);
        bf_mysql_image_name(buffer, "key", &table->key[i], i);
    }
}

void bf_mysql_image_columns(struct bf_buffer *buffer, const struct bf_table *table, const char *what)
{
    for (size_t i = 0; i < table->key_count; i++) {
        bf_mysql_image_name(buffer, "key", &table->key[i], i);
        bf_buffer_text(buffer, " ");
        bf_mysql_author(buffer, table->key[i].declared);
        bf_buffer_text(buffer, " NOT NULL, ");
    }
    for (size_t i = 0; i < bf_mysql_image_count(table); i++) {
        bf_mysql_image_name(buffer, what, &table->set[i], i);
        bf_buffer_text(buffer, " ");
        bf_mysql_author(buffer, table->set[i].declared); /* the words of an ENUM may hold anything */
        bf_buffer_text(buffer, " NULL DEFAULT NULL, ");  /* else a TIMESTAMP may get defaults of its own */
    }
}

void bf_mysql_image_join(struct bf_buffer *buffer, const struct bf_table *table, const char *row, const char *kept)
{
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_format(buffer, "%s%s", i ? " AND " : "", row);
        bf_mysql_quote(buffer, table->key[i].name);
        bf_buffer_format(buffer, " = %s", kept);
        bf_mysql_image_name(buffer, "key", &table->key[i], i);
    }
}

/* "f(" and ")" around a value, for one more comparison of it. */
static void compared(struct bf_buffer *buffer, const struct bf_table *table, size_t number, const char *row, const char *what,
                     const char *kept, const char *before, const char *behind)
{
    bf_buffer_format(buffer, "%s%s", before, row);
    bf_mysql_quote(buffer, table->set[number].name);
    bf_buffer_format(buffer, "%s <=> %s%s", behind, before, kept);
    bf_mysql_image_name(buffer, what, &table->set[number], number);
    bf_buffer_text(buffer, behind);
}

/* Byte for byte: collations take other texts for equal, and trailing spaces for none; 0 equals -0; the invalid word of an ENUM
 * is an empty one. A FLOAT's text is rounded, so the number counts, too. MySQL's JSON has one text for each value. */
void bf_mysql_image_same(struct bf_buffer *buffer, const struct bf_table *table, size_t number, const char *row, const char *what,
                         const char *kept)
{
    static const char *const exact[] = {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "bit", "year", "date",
                                        "datetime", "timestamp", "time", "binary", "varbinary", "tinyblob", "blob",
                                        "mediumblob", "longblob", "uuid", "inet4", "inet6"};
    const char *type = table->set[number].type;
    bool real = is_type(type, "float") || is_type(type, "double");
    if (is_one_of(type, exact, BF_COUNT(exact))) {
        compared(buffer, table, number, row, what, kept, "", "");
        return;
    }
    if (real) {
        compared(buffer, table, number, row, what, kept, "", "");
        bf_buffer_text(buffer, " AND ");
        compared(buffer, table, number, row, what, kept, "CAST(", " AS CHAR)");
        return;
    }
    if (is_type(type, "enum")) {
        compared(buffer, table, number, row, what, kept, "(", " + 0 = 0)");
        bf_buffer_text(buffer, " AND ");
    }
    bool json = is_type(type, "json");
    compared(buffer, table, number, row, what, kept, json ? "CAST(CAST(" : "CAST(", json ? " AS CHAR) AS BINARY)" : " AS BINARY)");
}

void bf_mysql_image_all_same(struct bf_buffer *buffer, const struct bf_table *table, const char *what, const char *kept)
{
    for (size_t i = 0; i < table->set_count; i++) {
        bf_buffer_text(buffer, i ? " AND " : "");
        bf_mysql_image_same(buffer, table, i, "t.", what, kept);
    }
}

char *bf_mysql_aliased(const char *reference)
{
    BF_AUTO_STRING char *name = bf_mysql_without_index(reference);
    return bf_format("%s t%s", name, reference + strlen(name));
}
