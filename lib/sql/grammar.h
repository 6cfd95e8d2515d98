/* What the dialects say in the same order, each in its own words: the legs of a key range, comparisons of two keys, and
 * what the author wrote, shown to the server. Known to lib/sql alone. Pure. */
#ifndef BF_SQL_GRAMMAR_H
#define BF_SQL_GRAMMAR_H

#include "buffer.h"
#include "dialect.h"

struct bf_grammar {
    void (*quote)(struct bf_buffer *buffer, const char *name);
    /* Parameter number first_parameter + column, as a value of that key column. */
    void (*key_parameter)(struct bf_buffer *buffer, const struct bf_table *table, size_t column, size_t first_parameter);
    /* The same with the column's collation, for comparisons in which no column takes part. */
    void (*key_collated)(struct bf_buffer *buffer, const struct bf_table *table, size_t column, size_t first_parameter);
    /* The key's columns as they travel, `prefix` before each. */
    void (*key_output)(struct bf_buffer *buffer, const struct bf_table *table, const char *prefix);
    void (*number)(struct bf_buffer *buffer, size_t parameter); /* that parameter, behind LIMIT */
    /* What the author wrote: a predicate, in which :started_at is replaced, and the value of a column. */
    void (*predicate)(struct bf_buffer *buffer, const char *predicate, int64_t started_at);
    void (*value)(struct bf_buffer *buffer, const char *expression);
    /* A query that fails where the account does not see the transactions of others, which a pass of `remaining` waits for, and
     * gives a number over 0 where some are on other servers; NULL: all are seen. */
    const char *others;
    const char *others_hint; /* what to do where it fails */
};

/* (low, high] of a table's key, cut into legs as dialect.h says; low and high are the numbers of their first parameters. */
struct bf_range {
    const struct bf_table *table;
    size_t split, low, high;
};

/* author.c: what the document says of rows, as every statement of its job has it. */
/* " AND (where) AND (remaining)", without the rows that `unless` and `spared` leave alone. */
void bf_author_where(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_document *document);
void bf_author_set(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_document *document); /* behind SET */
/* Complains where an end of the range has not as many values as the key has columns. */
void bf_author_check_range(const struct bf_document *document, const struct bf_table *table, struct bf_complaints *complaints);

/* range.c: the predicate of one leg. Legs are in key order. */
void bf_range_leg(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_range *range, size_t leg);
/* How many key columns of a leg are fixed by equality; its rows are ordered by the others. */
size_t bf_range_leg_prefix(const struct bf_range *range, size_t leg);
/* The leg c1..c(column) = low, c(column + 1) > low of "everything after low"; column is 0-based. */
void bf_range_after(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, size_t column,
                    size_t low);
/* Two keys compared by the server, their first parameters 1 and key_count + 1: "CASE WHEN ... END AS split, ... AS is_empty" of
 * the range between them; of shape 0 both are 0. */
void bf_range_split(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, size_t shape);
/* c1, c2, ... of the key, `prefix` before each ("k." or ""), `suffix` behind each (" DESC" or ""), from column `first` on
 * (0-based). */
void bf_range_key_list(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, size_t first,
                       const char *prefix, const char *suffix);
/* Is the row whose columns have that prefix at the end of the range, whose first parameter is key_count + 1: "... AS beyond". */
void bf_range_beyond(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, const char *prefix);
/* The text of BF_STATEMENT_KEYS; the caller frees it. */
char *bf_range_keys(const struct bf_grammar *grammar, const char *job, const struct bf_table *table);
/* (c1, c2, ...) of the parameters from `first` on, for a comparison in which no column takes part. */
void bf_range_key(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_table *table, size_t first);

/* " AND ..." for each end of the range that the document has, with the parameters of bf_step_range. Of several columns the
 * first is compared by itself, too: from that an optimizer can guess. */
void bf_range_of_document(struct bf_buffer *buffer, const struct bf_grammar *grammar, const struct bf_document *document,
                          const struct bf_table *table);

#endif
