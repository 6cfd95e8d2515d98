/* The parts of the PostgreSQL dialect, known to each other and to nobody else. Pure.
 *
 * Parameters always travel as text: the adapter declares every one of them as `text` when it prepares a statement, so a
 * statement may leave some of its parameters unused, and casts them itself ($1::text::bigint). In shape 0 there is no low:
 * its parameters keep their numbers, are NULL and are not looked at. */
#ifndef BF_SQL_POSTGRESQL_DIALECT_H
#define BF_SQL_POSTGRESQL_DIALECT_H

#include "buffer.h"
#include "dialect.h"
#include "grammar.h"

/* "name" with inner quotes doubled. */
void bf_postgresql_quote(struct bf_buffer *buffer, const char *name);
void bf_postgresql_literal(struct bf_buffer *buffer, const char *text); /* 'text' with inner quotes doubled */
/* "a", "b" of the key; `prefix` before each ("k." or ""), `suffix` behind each (" DESC" or ""), beginning with column
 * number `first` (0-based). */
void bf_postgresql_key_list(struct bf_buffer *buffer, const struct bf_table *table, size_t first, const char *prefix,
                            const char *suffix);
/* $5::text::bigint of key column `column`, where `first_parameter` is the number of column 0. */
void bf_postgresql_key_parameter(struct bf_buffer *buffer, const struct bf_table *table, size_t column,
                                 size_t first_parameter);
/* The same with the column's collation, for comparisons in which no column takes part. */
void bf_postgresql_key_collated(struct bf_buffer *buffer, const struct bf_table *table, size_t column,
                                size_t first_parameter);

/* postgresql_grammar.c */
extern const struct bf_grammar bf_postgresql_grammar;

const char *bf_postgresql_common(enum bf_statement statement);
/* The statements on the control schema, without the comment at their head; NULL for those about the table. */
const char *bf_postgresql_control_statement(enum bf_statement statement);
extern const char bf_postgresql_sample[], bf_postgresql_sample_slow[], bf_postgresql_sample_archive[],
    bf_postgresql_sample_table[], bf_postgresql_beat[];
extern const char *const bf_postgresql_schema_ddl[];
enum { BF_POSTGRESQL_SCHEMA_VERSION = 5 };
/* A format for the server's own texts: why the control schema must not be made here. */
#define BF_POSTGRESQL_PUBLICATION                                                                                    \
    "'publication %s is FOR ALL TABLES: new tables in this database would break its subscribers. Let a DBA make the " \
    "schema on the subscribers first and then here, with what `backfilld --print-schema` prints'"

void bf_postgresql_check_expressions(const struct bf_document *document, struct bf_complaints *complaints);
/* The predicate with :started_at replaced; the caller frees it. */
char *bf_postgresql_predicate(const char *expression, int64_t started_at);
void bf_postgresql_check_query(const char *sql, const char *pointer, struct bf_complaints *complaints);
char *bf_postgresql_trial(const struct bf_document *document, const struct bf_table *table);
void bf_postgresql_where(struct bf_buffer *buffer, const struct bf_document *document); /* bf_author_where */
void bf_postgresql_set(struct bf_buffer *buffer, const struct bf_document *document);   /* bf_author_set */
struct bf_statements *bf_postgresql_render(const char *job, const struct bf_document *document,
                                           const struct bf_table *table);
void bf_postgresql_survey(const struct bf_document *document, struct bf_flight *flight);
struct bf_table *bf_postgresql_read_survey(const struct bf_document *document, const struct bf_answer *server,
                                           const struct bf_answer *answers, size_t count,
                                           struct bf_complaints *complaints);

/* postgresql_slices.c: QUANTILES; the caller frees it. */
char *bf_postgresql_quantiles(const char *job, const struct bf_table *table);

char *bf_postgresql_tried(const struct bf_document *document, const struct bf_table *table, size_t split, size_t leg);

/* postgresql_proof.c: as bf_dialect.prove */
char *bf_postgresql_prove(const struct bf_document *document, const struct bf_table *table, enum bf_proof part, size_t split,
                          size_t leg);

/* postgresql_measure.c */
char *bf_postgresql_counted(const struct bf_document *document, const struct bf_table *table);
void bf_postgresql_measure(const struct bf_document *document, const struct bf_table *table, struct bf_flight *flight,
                           char **ret_texts[], size_t *ret_count);
void bf_postgresql_read_measure(const struct bf_document *document, const struct bf_answer *answers, size_t count,
                                struct bf_facts *facts);
extern const char bf_postgresql_writes[], bf_postgresql_mark[];

/* postgresql_locks.c: rows that others hold, sessions that wait for us; the caller frees the texts. */
char *bf_postgresql_set_aside(const char *job, const struct bf_document *document, const struct bf_table *table,
                              size_t split, size_t leg);
char *bf_postgresql_update_rest(const char *update, const struct bf_table *table);
char *bf_postgresql_take_aside(const char *job, const struct bf_table *table);
char *bf_postgresql_wait_aside(const char *job, const struct bf_table *table);
char *bf_postgresql_redo_aside(const char *job, const struct bf_document *document, const struct bf_table *table);
/* " AND NOT (k1, ...) IN (what this batch has set aside)"; and "(k1, ...) IN (what was taken from there)". */
void bf_postgresql_not_aside(struct bf_buffer *buffer, const struct bf_table *table);
/* As bf_dialect.spared. */
char *bf_postgresql_spared(const char *job, const struct bf_table *table);
void bf_postgresql_is_taken(struct bf_buffer *buffer, const struct bf_table *table);

/* postgresql_bad.c: the quarantine; the caller frees the texts of the functions, COUNT_BAD and RETRY_BAD
 * have no comment at their head. */
char *bf_postgresql_quarantine(const char *job, const struct bf_table *table, size_t split, size_t leg);
char *bf_postgresql_quarantine_aside(const char *job);
extern const char bf_postgresql_count_bad[], bf_postgresql_retry_bad[], bf_postgresql_bad_rows[], bf_postgresql_drop_bad[];

/* "id" = backfilld_k0 AND ...: the row of the table and the one that was kept of it. */
void bf_postgresql_same_key(struct bf_buffer *buffer, const struct bf_table *table);
/* The columns of `set` are byte for byte what was kept as backfilld_b0, ... ('b': before) or backfilld_a0, ... ('a': after). */
void bf_postgresql_same_image(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table, char image);
/* postgresql_journal.c: the undo journal and the way back; the caller frees the texts. */
void bf_postgresql_journal_name(struct bf_buffer *buffer, const char *job);
char *bf_postgresql_make_journal(const char *job, const struct bf_document *document, const struct bf_table *table);
char *bf_postgresql_store_journal(const char *job, const struct bf_document *document, const struct bf_table *table);
char *bf_postgresql_journal_update(const char *job, const struct bf_document *document, const struct bf_table *table,
                                   size_t split, size_t leg);
/* Its two common table expressions where old rows and new ones need not be joined; `address`: the expressions of slice, seq, part. */
void bf_postgresql_journal_apart(struct bf_buffer *buffer, const char *job, const struct bf_document *document,
                                 const struct bf_range *range, size_t leg, const char *address);
/* The second of them, up to its own SELECT's number of rows; keys follow, and of each column of `set` the old and the new values. */
void bf_postgresql_journal_insert(struct bf_buffer *buffer, const char *job, const struct bf_document *document,
                                  const struct bf_table *table, const char *address);
char *bf_postgresql_journal_rest(const char *job, const struct bf_document *document, const struct bf_table *table,
                                 size_t split, size_t leg);
char *bf_postgresql_journal_redo(const char *job, const struct bf_document *document, const struct bf_table *table);
char *bf_postgresql_restore(const char *job, const struct bf_document *document, const struct bf_table *table);
char *bf_postgresql_leave(const char *job, const struct bf_document *document, const struct bf_table *table);
char *bf_postgresql_compare_journal(const char *job, const struct bf_document *document, const struct bf_table *table);
char *bf_postgresql_journal(enum bf_statement statement, const char *job); /* as bf_dialect.journal */
/* The arrays of the journal's row x side by side, one row u for each element, or for those of a slice of them ("[1:200]"). */
void bf_postgresql_journal_rows(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table,
                                const char *slice_of_array);

/* postgresql_recompute.c: RECOMPUTE_FACTS, and as bf_dialect.recompute */
char *bf_postgresql_recompute_facts(const char *job, const struct bf_document *document);
void bf_postgresql_recompute(const char *job, const struct bf_document *document, const struct bf_table *table,
                             const struct bf_answer *facts, size_t column, struct bf_recompute *ret_recompute);
extern const char bf_postgresql_watch[], bf_postgresql_watched[];

/* postgresql_foreign.c: KEEP_RECORD has no comment at its head. */
extern const char bf_postgresql_foreign_jobs[], bf_postgresql_foreign_job[], bf_postgresql_foreign_slices[],
    bf_postgresql_keep_record[];

#endif
