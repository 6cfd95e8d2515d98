/* The simulated server knows statements by their kind: their texts say nothing. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "grammar.h"
#include "sim.h"

static void check_expressions(const struct bf_document *document, struct bf_complaints *complaints)
{
    (void)document, (void)complaints;
}

static const char *common(enum bf_statement statement)
{
    return statement == BF_STATEMENT_LOG_WRITTEN ? NULL : bf_statement_name(statement); /* the sample tells */
}

static bool read_beat(const struct bf_answer *answer, struct bf_beat_seen *ret_seen)
{
    *ret_seen = (struct bf_beat_seen){.there = answer->rows > 0,
                                      .number = bf_answer_number(answer, 0, 0),
                                      .position = bf_answer_real(answer, 0, 1, 0)};
    return answer->outcome == BF_OUTCOME_OK;
}

static void read_replication(const struct bf_answer *answer, struct bf_replication *ret_replication, char *words, size_t size)
{
    bool runs = bf_answer_value(answer, 0, 0) && strcmp(bf_answer_value(answer, 0, 0), "runs") == 0;
    *ret_replication = (struct bf_replication){.follows = true, .runs = runs, .behind = runs ? 0 : -1};
    snprintf(words, size, "%s", runs ? "" : "it stands still");
}

static void survey(const struct bf_document *document, struct bf_flight *flight)
{
    (void)document;
    bf_flight_add(flight, BF_STATEMENT_SURVEY, "survey");
}

static struct bf_table *read_survey(const struct bf_document *document, const struct bf_answer *server,
                                    const struct bf_answer *answers, size_t count, struct bf_complaints *complaints)
{
    (void)answers, (void)count, (void)complaints;
    const char *version = bf_answer_value(server, 0, BF_SERVER_VERSION);
    struct bf_table *table = BF_NEW(struct bf_table);
    *table = (struct bf_table){.display = bf_copy_string(document->table),
                               .reference = bf_copy_string(document->table),
                               .target_identity = bf_copy_string("sim"),
                               .definition = bf_copy_string("definition"),
                               .key_count = 1,
                               .locks_first = version && strcmp(version, "locks first") == 0,
                               .rows_estimated = -1,
                               .bytes = 8192};
    table->key[0].name = bf_copy_string("id");
    table->key[0].type = bf_copy_string("bigint");
    return table;
}

static void key(struct bf_buffer *buffer, const struct bf_table *table, size_t column, size_t first_parameter)
{
    (void)table;
    bf_buffer_format(buffer, "$%zu", first_parameter + column);
}

static void predicate(struct bf_buffer *buffer, const char *text, int64_t started_at)
{
    (void)started_at;
    bf_buffer_text(buffer, text);
}

static const struct bf_grammar grammar = {
    .quote = bf_buffer_text, .key_parameter = key, .key_collated = key, .predicate = predicate, .value = bf_buffer_text};

static struct bf_statements *render(const char *job, const struct bf_document *document, const struct bf_table *table)
{
    (void)job;
    static const enum bf_statement of_journal[] = {BF_STATEMENT_MAKE_JOURNAL, BF_STATEMENT_STORE_JOURNAL, BF_STATEMENT_LOOK_BACK,
                                                   BF_STATEMENT_RESTORE, BF_STATEMENT_LEAVE, BF_STATEMENT_JOURNAL_SIZE,
                                                   BF_STATEMENT_RECOMPUTE_FACTS, BF_STATEMENT_RECOMPUTE};
    struct bf_statements *statements = BF_NEW(struct bf_statements);
    statements->key_count = table->key_count;
    for (int i = 0; i < BF_STATEMENT_KINDS; i++)
        statements->text[i] = bf_copy_string(bf_statement_name((enum bf_statement)i));
    for (size_t i = 0; i < BF_COUNT(of_journal) && document->undo != BF_UNDO_JOURNAL; i++) {
        free(statements->text[of_journal[i]]);
        statements->text[of_journal[i]] = NULL;
    }
    for (int shape = 0; shape < 2; shape++) {
        statements->update[shape][0] = bf_copy_string("update");
        if (table->locks_first)
            statements->lock[shape][0] = bf_copy_string("lock");
        statements->update_rest[shape][0] = bf_copy_string("update");
        statements->set_aside[shape][0] = bf_copy_string("set_aside");
        statements->quarantine[shape][0] = bf_copy_string("quarantine");
    }
    return statements;
}

/* Catalogues say nothing of interest here; how much others write is asked of the server itself. */
static void measure(const struct bf_document *document, const struct bf_table *table, struct bf_flight *flight,
                    char **ret_texts[], size_t *ret_count)
{
    (void)document, (void)table;
    *ret_texts = NULL;
    *ret_count = 0;
    bf_flight_add(flight, BF_STATEMENT_MEASURE, "measure")->new_group = true;
}

static char *counted(const struct bf_document *document, const struct bf_table *table)
{
    (void)document, (void)table;
    return bf_copy_string("count");
}

static char *tried(const struct bf_document *document, const struct bf_table *table, size_t split, size_t leg)
{
    (void)document, (void)table, (void)split, (void)leg;
    return bf_copy_string("update");
}

static void read_measure(const struct bf_document *document, const struct bf_answer *answers, size_t count,
                         struct bf_facts *facts)
{
    (void)document;
    if (count && answers[0].outcome == BF_OUTCOME_ERROR) /* it does not tell, and takes nothing back */
        return;
    bf_facts_set(facts, BF_FACT_ROWS, 100, NULL);
    bf_facts_set(facts, BF_FACT_LOCK_WAITS, 0, NULL);
    if (!facts->of[BF_FACT_REPLICAS].known)
        bf_facts_set(facts, BF_FACT_REPLICAS, 0, NULL);
}

static char *trial(const struct bf_document *document, const struct bf_table *table)
{
    (void)document, (void)table;
    return bf_copy_string("trial");
}

static char *journal(enum bf_statement statement, const char *job)
{
    (void)job;
    return bf_copy_string(bf_statement_name(statement));
}

static void recompute(const char *job, const struct bf_document *document, const struct bf_table *table, const struct bf_answer *facts,
                      size_t column, struct bf_recompute *ret_recompute)
{
    (void)job, (void)document, (void)table, (void)facts, (void)column;
    *ret_recompute = (struct bf_recompute){.sql = bf_copy_string("recompute")};
}

static char *spared(const char *job, const struct bf_table *table)
{
    (void)job, (void)table;
    return bf_copy_string("set aside");
}

static const char *const schema_ddl[] = {"schema", NULL};

const struct bf_dialect sim_dialect = {.name = "simulation",
                                       .watch_right = "everything",
                                       .schema_version = 1,
                                       .costs = {1, 1},
                                       .slices = true,
                                       .bad_rows = true,
                                       .journal = journal,
                                       .recompute = recompute,
                                       .spared = spared,
                                       .schema_ddl = schema_ddl,
                                       .check_expressions = check_expressions,
                                       .common = common,
                                       .survey = survey,
                                       .read_survey = read_survey,
                                       .grammar = &grammar,
                                       .measure = measure,
                                       .counted = counted,
                                       .tried = tried,
                                       .read_measure = read_measure,
                                       .trial = trial,
                                       .read_beat = read_beat,
                                       .read_replication = read_replication,
                                       .render = render};
