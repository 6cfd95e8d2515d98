/* The PostgreSQL dialect. One file per concern: postgresql_schema.c (control schema), postgresql_control.c (statements
 * on it), postgresql_range.c and postgresql_render.c (statements on the table), postgresql_survey.c, postgresql_key.c
 * (what the table is), postgresql_expression.c, postgresql_check.c (what the author wrote), postgresql_classify.c. */
#include "postgresql_dialect.h"

const struct bf_dialect bf_dialect_postgresql = {
    .name = "postgresql",
    .schema_version = BF_POSTGRESQL_SCHEMA_VERSION,
    .schema_ddl = bf_postgresql_schema_ddl,
    .check_expressions = bf_postgresql_check_expressions,
    .common = bf_postgresql_common,
    .survey = bf_postgresql_survey,
    .read_survey = bf_postgresql_read_survey,
    .check = bf_postgresql_check,
    .read_checks = bf_postgresql_read_checks,
    .render = bf_postgresql_render,
};
