/* The dialect of MySQL and MariaDB. One file per concern: mysql_template.c (parameters), mysql_schema.c (control
 * schema), mysql_control.c (statements on it), mysql_key.c, mysql_grammar.c, range.c and mysql_render.c (statements on the table), mysql_survey.c
 * and mysql_index.c (what the table is), mysql_expression.c, check.c and mysql_trial.c (what the author wrote),
 * mysql_image.c, mysql_journal.c, mysql_back.c and mysql_proof.c (the undo journal, the way back, and whether there is one),
 * mysql_locks.c (rows that others hold, and who waits), mysql_replica.c (heartbeat and what replicas say),
 * mysql_foreign.c (jobs that a daemon may adopt), mysql_classify.c, mysql_sample.c (the server's load), mysql_measure.c
 * and mysql_binlog.c (what a plan asks). */
#include "mysql_dialect.h"

const struct bf_dialect bf_dialect_mysql = {
    .name = "mysql",
    .schema_version = BF_MYSQL_SCHEMA_VERSION,
    /* Between 0.54 and 0.61 of the pace, by tests/bench/undo: the rows are read, written down before and behind, and changed. What the
     * binary log gets is as long as the images. */
    .costs = {.journal_time = 1.75, .journal_log = 1.36},
    .slices = true,
    .journal = bf_mysql_journal,
    .recompute = bf_mysql_recompute,
    .bad_rows = true,
    .schema_ddl = bf_mysql_schema_ddl,
    .spared = bf_mysql_spared,
    .check_expressions = bf_mysql_check_expressions,
    .common = bf_mysql_common,
    .survey = bf_mysql_survey,
    .read_survey = bf_mysql_read_survey,
    .grammar = &bf_mysql_grammar,
    .measure = bf_mysql_measure,
    .counted = bf_mysql_counted,
    .tried = bf_mysql_tried,
    .prove = bf_mysql_prove,
    .read_measure = bf_mysql_read_measure,
    .trial = bf_mysql_trial,
    .check_query = bf_mysql_check_query,
    .watch_right = "PROCESS ON *.*",
    .flow_right = "SELECT ON performance_schema.*",
    .measures = 1u << BF_SAMPLE_ROW_SERVER | 1u << BF_SAMPLE_ROW_REPLICA | 1u << BF_SAMPLE_ROW_ACTIVE |
                1u << BF_SAMPLE_ROW_HISTORY | 1u << BF_SAMPLE_ROW_SNAPSHOT | 1u << BF_SAMPLE_ROW_FLOW,
    .read_beat = bf_mysql_read_beat_answer,
    .read_replication = bf_mysql_read_replication,
    .begin_read_only = "/* backfilld */ ROLLBACK?; START TRANSACTION READ ONLY",
    .render = bf_mysql_render,
};
