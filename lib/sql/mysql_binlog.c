/* What a change puts into the binary log. A batch that is taken back leaves nothing there, so a plan cannot measure it; but
 * the log holds rows, and how long those are the server tells of the first ones. */
#include "mysql_dialect.h"

#include <string.h>

#include "allocate.h"

enum { ROWS = 1000 /* that are looked at */, NAMES_MAX = 1024 * 1024 /* bytes */ };
static const double KEY = 12, COLUMN = 12; /* bytes; where images are not of whole rows they hold the key, and what is changed */

/* How many bytes a column takes in an image of a row: numbers and times by their type, all else by its value; NULL none. */
#define QUOTED_NAME "CONCAT('`', REPLACE(COLUMN_NAME, '`', '``'), '`')"
#define SIZE                                                                                                           \
    "CONCAT('IF(', " QUOTED_NAME ", ' IS NULL, 0, ', CASE DATA_TYPE WHEN 'tinyint' THEN '1' WHEN 'smallint' THEN '2' "    \
    "WHEN 'mediumint' THEN '3' WHEN 'int' THEN '4' WHEN 'bigint' THEN '8' WHEN 'float' THEN '4' WHEN 'double' THEN '8' " \
    "WHEN 'date' THEN '3' WHEN 'time' THEN '4' WHEN 'timestamp' THEN '5' WHEN 'datetime' THEN '6' WHEN 'year' THEN '1' " \
    "WHEN 'decimal' THEN CAST(NUMERIC_PRECISION DIV 2 + 1 AS CHAR) WHEN 'enum' THEN '1' WHEN 'set' THEN '4' "           \
    "ELSE CONCAT('LENGTH(', " QUOTED_NAME ", ') + 2') END, ')')"

char *bf_mysql_binlog(const struct bf_table *table)
{
    struct bf_buffer buffer = {0}, rows = {0};
    BF_AUTO_STRING char *free_choice = bf_mysql_without_index(table->reference);

    bf_buffer_format(&rows, " AS length FROM %s LIMIT %d) looked_at", free_choice, ROWS);
    BF_AUTO_STRING char *tail = bf_mysql_plain(&rows);
    bf_buffer_format(&buffer, "/* backfilld plan */ SET SESSION group_concat_max_len = %d?; SET @backfilld_sql = (SELECT CONCAT("
                     "'SELECT AVG(length) INTO @backfilld_row FROM (SELECT ', GROUP_CONCAT(" SIZE " SEPARATOR ' + '), ", NAMES_MAX);
    bf_mysql_literal(&buffer, tail);
    bf_buffer_text(&buffer, ") FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ?1 AND TABLE_NAME = ?2)?; "
                            "SET @backfilld_row = NULL?; PREPARE backfilld_length FROM @backfilld_sql?; EXECUTE backfilld_length?; "
                            "DEALLOCATE PREPARE backfilld_length?; "
                            "SELECT 'binlog_row_bytes', IF(@@global.log_bin, @@session.binlog_row_image, 'OFF'), @backfilld_row");
    return bf_buffer_take(&buffer);
}

void bf_mysql_read_binlog(const struct bf_document *document, const struct bf_answer *answer, struct bf_facts *facts)
{
    const char *image = answer->outcome == BF_OUTCOME_OK ? bf_answer_value(answer, 0, 1) : NULL;
    double row = bf_answer_real(answer, 0, 2, -1), changed = COLUMN * (double)document->set_count;
    if (!image) {
        bf_facts_unknown(facts, BF_FACT_BINLOG_ROW, answer->message ? answer->message : "the server does not say what it logs");
        return;
    }
    if (!strcmp(image, "OFF")) {
        bf_facts_set(facts, BF_FACT_BINLOG_ROW, 0, "log_bin = OFF");
        return;
    }
    BF_AUTO_STRING char *detail = bf_format("binlog_row_image = %s", image);
    if (!strcmp(image, "MINIMAL"))
        bf_facts_set(facts, BF_FACT_BINLOG_ROW, KEY + changed, detail);
    else if (row < 0)
        bf_facts_unknown(facts, BF_FACT_BINLOG_ROW, "there is no row whose length could be told");
    else
        bf_facts_set(facts, BF_FACT_BINLOG_ROW, strcmp(image, "FULL_NODUP") ? 2 * row : row + changed, detail);
}
