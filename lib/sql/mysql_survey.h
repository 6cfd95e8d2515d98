/* The answers of the survey, between mysql_survey.c and mysql_index.c. */
#ifndef BF_SQL_MYSQL_SURVEY_H
#define BF_SQL_MYSQL_SURVEY_H

#include "mysql_dialect.h"

/* The survey's steps, in order. */
enum { BF_MYSQL_TABLE, BF_MYSQL_COLUMNS, BF_MYSQL_INDEXES, BF_MYSQL_SIMILAR, BF_MYSQL_SURVEY_COUNT };

enum {
    BF_MYSQL_TABLE_SCHEMA, BF_MYSQL_TABLE_NAME, BF_MYSQL_TABLE_TYPE, BF_MYSQL_TABLE_ENGINE, BF_MYSQL_TABLE_ROWS,
    BF_MYSQL_TABLE_BYTES, BF_MYSQL_TABLE_PARTITIONED, BF_MYSQL_TABLE_USER,
    BF_MYSQL_TABLE_MAY_KEEP /* the account may make a journal and drop it, as far as can be told */
};

/* One row per column of the table. */
enum {
    BF_MYSQL_COLUMN_NUMBER, BF_MYSQL_COLUMN_NAME, BF_MYSQL_COLUMN_TYPE /* bigint(20) unsigned */,
    BF_MYSQL_COLUMN_NOT_NULL, BF_MYSQL_COLUMN_COLLATION, BF_MYSQL_COLUMN_GENERATED, BF_MYSQL_COLUMN_SELECT,
    BF_MYSQL_COLUMN_UPDATE, BF_MYSQL_COLUMN_CHARSET /* " CHARACTER SET ... COLLATE ..."; NULL: no text */,
    BF_MYSQL_COLUMN_OCTETS /* at most; NULL: no text */, BF_MYSQL_COLUMN_STAMPED /* ON UPDATE CURRENT_TIMESTAMP */
};

/* One row per column of each unique index. */
enum {
    BF_MYSQL_INDEX_NAME, BF_MYSQL_INDEX_COUNT, BF_MYSQL_INDEX_COLUMN /* NULL: an expression */,
    BF_MYSQL_INDEX_DESCENDING, BF_MYSQL_INDEX_WHOLE /* of the column, not a prefix */, BF_MYSQL_INDEX_VISIBLE,
    BF_MYSQL_INDEX_TREE
};

/* Row of the column of that name (names of columns have no case here); columns->rows where there is none. */
size_t bf_mysql_find_column(const struct bf_answer *columns, const char *name);
/* Fills table->key and returns the name of the index, or complains and returns NULL. */
const char *bf_mysql_choose_key(const struct bf_document *document, const struct bf_answer *columns,
                                const struct bf_answer *indexes, struct bf_table *table,
                                struct bf_complaints *complaints);

#endif
