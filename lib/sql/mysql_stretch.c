/* MariaDB: the free rows of a sifted batch as stretches, where the last column of the key is an integer. A stretch is of keys that
 * follow one another, 7, 8, 9: nothing stands between them, and nothing comes between them. An UPDATE of stretches reads each
 * as a range, which costs half as much as to go to each row by its key; but a range is read up to the row behind it, and
 * that may be held. So it ends before the last row of its stretch, which is free, and the last rows are changed behind it, by
 * their keys. Both are a statement of their own, for the server makes one range again of two that touch.
 *
 * The scan that locks what is free writes the stretches down, first~last, in the order in which it reads. A comma stands between
 * them, behind each so many a semicolon: as they are disjuncts that each row goes through one by one, they are in groups.
 *
 * Where there are too many of them, as in a key with gaps, the rows are gone to one by one: a gap may hold a row that nobody sees
 * yet, and that its inserter holds. */
#include "mysql_dialect.h"

#include <string.h>

#include "allocate.h"

enum {
    GROUP = 16,
    LEAST_ROWS = 5,  /* of a stretch on the average, for it to cost less than its rows one by one */
    STRETCHES = 2500 /* with some more the server's memory for ranges (optimizer_max_sel_args) is full, and it reads what is held */
};

bool bf_mysql_has_stretches(const struct bf_table *table)
{
    return !table->locks_first && bf_mysql_key_kind(table->key[table->key_count - 1].type) == BF_MYSQL_KEY_INTEGER;
}

/* The last column of the key, as a literal: a part of a text. */
static char *column_text(const struct bf_table *table)
{
    struct bf_buffer name = {0}, buffer = {0};
    bf_mysql_quote(&name, table->key[table->key_count - 1].name);
    BF_AUTO_STRING char *plain = bf_mysql_plain(&name);
    bf_mysql_literal(&buffer, plain);
    return bf_buffer_take(&buffer);
}

/* The key of the row before. A variable is read as what it was when the statement began, of the batch before or of another job's
 * table, whatever it holds by now. The caller frees it. */
static char *key_before(const struct bf_table *table)
{
    bool is_unsigned = strstr(table->key[table->key_count - 1].type, "unsigned") != NULL;
    return bf_format("CAST(@backfilld_key AS %s)", is_unsigned ? "UNSIGNED" : "SIGNED");
}

/* Holes are what is not in the list, so it has to rise: one that falls, as the keys of an index may, is none, and as one that is too
 * long it goes on no further. */
void bf_mysql_stretch_scan(struct bf_buffer *buffer, const struct bf_table *table)
{
    struct bf_buffer name = {0};
    bf_mysql_quote(&name, table->key[table->key_count - 1].name);
    BF_AUTO_STRING char *key = bf_buffer_take(&name), *before = key_before(table);
    bf_buffer_format(buffer, "LENGTH(@backfilld_stretches := GROUP_CONCAT(IF(IF(%s > %s, %s - 1 = %s, FALSE) OR @backfilld_breaks > %d, NULLIF(@backfilld_key := %s, %s), "
                     "CONCAT(COALESCE(CONCAT('~', %s, IF((@backfilld_breaks := @backfilld_breaks + IF(%s >= %s, %d, 1)) %% %d, ',', ';')), "
                     "''), @backfilld_key := %s)) SEPARATOR '')) + (@backfilld_rows := COUNT(*))",
                     key, before, key, before, STRETCHES, key, before, before, before, key, STRETCHES + 1, GROUP, key);
}

void bf_mysql_stretch_list(struct bf_buffer *buffer, const struct bf_table *table)
{
    BF_AUTO_STRING char *last = key_before(table);
    bf_buffer_format(buffer, "IF(@backfilld_breaks < %d AND (@backfilld_breaks < %d OR @backfilld_breaks * %d < @backfilld_rows), "
                     "CONCAT(@backfilld_stretches, '~', %s), NULL)", STRETCHES, GROUP, LEAST_ROWS, last);
}

/* As a part of a text: what is before, between and behind the stretches. NULL: there are none, or the server's limit of a text
 * (max_allowed_packet) cut this one short. */
void bf_mysql_stretch_holes(struct bf_buffer *buffer, const struct bf_table *table)
{
    BF_AUTO_STRING char *key = column_text(table);
    bf_buffer_format(buffer, "CONCAT(' AND (', REPLACE(CONCAT('# < ', REPLACE(REPLACE(REPLACE(@backfilld_stretches, ';', ','), '~', "
                     "' OR # > '), ',', ' AND # < ')), '#', %s), ')')", key);
}

/* The same: all but the last row of each. The group comes first, and of a range its end: what is behind it falls out at once. */
void bf_mysql_stretch_most(struct bf_buffer *buffer, const struct bf_table *table)
{
    BF_AUTO_STRING char *key = column_text(table);
    bf_buffer_text(buffer, "CONCAT(' AND (', SUBSTRING(REPLACE(REPLACE(REGEXP_REPLACE(REGEXP_REPLACE(@backfilld_stretches, ");
    bf_mysql_literal(buffer, "([-0-9]+)([^;]*~)([-0-9]+)(;|$)");
    bf_buffer_text(buffer, ", ");
    bf_mysql_literal(buffer, " OR # < \\3 AND # >= \\1 AND (\\1\\2\\3)");
    bf_buffer_text(buffer, "), '([-0-9]+)~([-0-9]+)', ");
    bf_mysql_literal(buffer, "# < \\2 AND # >= \\1");
    bf_buffer_format(buffer, "), ',', ' OR '), '#', %s), 5), ')')", key);
}

/* The same: the last rows. */
void bf_mysql_stretch_lasts(struct bf_buffer *buffer, const struct bf_table *table)
{
    BF_AUTO_STRING char *key = column_text(table);
    bf_buffer_format(buffer, "CONCAT(' AND ', %s, ' IN (', REPLACE(REGEXP_REPLACE(@backfilld_stretches, '[-0-9]+~', ''), ';', ','), ')')",
                     key);
}
