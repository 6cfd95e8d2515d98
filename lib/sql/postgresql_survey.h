/* The answers of the survey, between postgresql_survey.c and postgresql_key.c. */
#ifndef BF_SQL_POSTGRESQL_SURVEY_H
#define BF_SQL_POSTGRESQL_SURVEY_H

#include "postgresql_dialect.h"

/* The survey's steps, in order. */
enum {
    BF_SURVEY_TABLE, BF_SURVEY_COLUMNS, BF_SURVEY_INDEXES, BF_SURVEY_SIZE, BF_SURVEY_SIMILAR, BF_SURVEY_COUNT
};

/* Columns of the answer to BF_SURVEY_COLUMNS: one row per column of the table. */
enum {
    BF_COLUMN_NUMBER, BF_COLUMN_NAME, BF_COLUMN_TYPE /* base type, without length */,
    BF_COLUMN_DISPLAY /* type as declared */, BF_COLUMN_TYPE_NAME /* "" outside pg_catalog */,
    BF_COLUMN_KIND /* typtype */, BF_COLUMN_NOT_NULL, BF_COLUMN_GENERATED, BF_COLUMN_COLLATION,
    BF_COLUMN_DETERMINISTIC, BF_COLUMN_IDENTITY, BF_COLUMN_SELECT, BF_COLUMN_UPDATE
};

/* Columns of the answer to BF_SURVEY_INDEXES: one row per key column of each unique btree index. */
enum {
    BF_INDEX_OID, BF_INDEX_NAME, BF_INDEX_PRIMARY, BF_INDEX_VALID, BF_INDEX_IMMEDIATE, BF_INDEX_WHOLE,
    BF_INDEX_NO_EXPRESSION, BF_INDEX_COUNT, BF_INDEX_ORDER, BF_INDEX_COLUMN, BF_INDEX_USUAL
};

/* Row of the column of that exact name; columns->rows where there is none. */
size_t bf_survey_find_column(const struct bf_answer *columns, const char *name);
/* "the table has no column x", with a hint when only the case differs. */
void bf_survey_complain_column(const struct bf_answer *columns, const char *name, const char *pointer,
                               struct bf_complaints *complaints);
/* Fills table->key, or complains. */
void bf_survey_choose_key(const struct bf_document *document, const struct bf_answer *columns,
                          const struct bf_answer *indexes, struct bf_table *table, struct bf_complaints *complaints);

#endif
