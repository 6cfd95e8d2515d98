/* The PostgreSQL dialect. One file per concern: postgresql_schema.c (control schema), postgresql_control.c (statements
 * on it), postgresql_grammar.c, range.c and postgresql_render.c (statements on the table), postgresql_survey.c, postgresql_key.c
 * (what the table is), postgresql_slices.c (how it is cut), postgresql_expression.c, check.c (what the author
 * wrote), postgresql_classify.c, postgresql_sample.c (the server's load), postgresql_measure.c
 * (what a plan asks), postgresql_journal.c, postgresql_proof.c (the way back), postgresql_bad.c (rows that are refused). */
#include "postgresql_dialect.h"

#include <stdio.h>

static void limit_time(int64_t milliseconds, char text[BF_LIMIT_TIME_TEXT])
{
    snprintf(text, BF_LIMIT_TIME_TEXT, "SET LOCAL statement_timeout = %lld", (long long)milliseconds);
}

const struct bf_dialect bf_dialect_postgresql = {
    .name = "postgresql",
    .schema_version = BF_POSTGRESQL_SCHEMA_VERSION,
    .schema_ddl = bf_postgresql_schema_ddl,
    .slices = true,
    .bad_rows = true,
    .journal = bf_postgresql_journal,
    .spared = bf_postgresql_spared,
    .check_expressions = bf_postgresql_check_expressions,
    .common = bf_postgresql_common,
    .survey = bf_postgresql_survey,
    .read_survey = bf_postgresql_read_survey,
    .check = bf_postgresql_check,
    .read_checks = bf_postgresql_read_checks,
    .measure = bf_postgresql_measure,
    .counted = bf_postgresql_counted,
    .tried = bf_postgresql_tried,
    .prove = bf_postgresql_prove,
    .read_measure = bf_postgresql_read_measure,
    .trial = bf_postgresql_trial,
    .check_query = bf_postgresql_check_query,
    .watch_right = "pg_monitor",
    .measures = 1u << BF_SAMPLE_ROW_SERVER | 1u << BF_SAMPLE_ROW_REPLICA | 1u << BF_SAMPLE_ROW_ACTIVE | 1u << BF_SAMPLE_ROW_BLOCKED |
                1u << BF_SAMPLE_ROW_SLOT | 1u << BF_SAMPLE_ROW_SNAPSHOT | 1u << BF_SAMPLE_ROW_VACUUM | 1u << BF_SAMPLE_ROW_ARCHIVE |
                1u << BF_SAMPLE_ROW_DEAD,
    .begin_read_only = "/* backfilld */ BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY",
    .limit_time = limit_time,
    .render = bf_postgresql_render,
};
