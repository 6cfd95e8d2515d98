/* The PostgreSQL dialect. One file per concern: postgresql_schema.c (control schema), postgresql_control.c (statements
 * on it), postgresql_grammar.c, range.c and postgresql_render.c (statements on the table), postgresql_survey.c, postgresql_key.c
 * (what the table is), postgresql_slices.c (how it is cut), postgresql_expression.c, check.c (what the author
 * wrote), postgresql_classify.c, postgresql_sample.c (the server's load), postgresql_measure.c
 * (what a plan asks), postgresql_journal.c, postgresql_proof.c (the way back), postgresql_bad.c (rows that are refused), postgresql_foreign.c
 * (jobs that a daemon may adopt). */
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
    /* 0.75 to 0.8 of the pace, 1.02 to 1.13 of the log. A trial writes so little that no new files are made for the log, and no
     * checkpoint writes the pages that it changed: with 330 to 3,300 bytes a row jobs took 1 to 4 s longer for each GB. */
    .costs = {.journal_time = 1.3, .journal_log = 1.1, .log_rate = 500e6},
    .slices = true,
    .bad_rows = true,
    .journal = bf_postgresql_journal,
    .recompute = bf_postgresql_recompute,
    .spared = bf_postgresql_spared,
    .check_expressions = bf_postgresql_check_expressions,
    .common = bf_postgresql_common,
    .survey = bf_postgresql_survey,
    .read_survey = bf_postgresql_read_survey,
    .grammar = &bf_postgresql_grammar,
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
