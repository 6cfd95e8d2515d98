/* verify_sample: is what a row held after the job's change what the expressions of `set` give over the values before? The server
 * recomputes a sample of the changes that the undo journal keeps, column by column, and each dialect says of a column whether
 * that can be told at all, and of how much worth a difference is. Pure.
 *
 * The rule. A difference is the job's only where nobody and nothing else can have made it:
 *   - an expression that asks for anything but the row gives another answer today: the time, chance, the session, other tables,
 *     a function that is not known to depend on its arguments alone. Such a column is left out, and said ("untold")
 *   - so is one that reads what the server makes of the row by itself (generated columns)
 *   - a row that somebody changed since is passed over. PostgreSQL tells by the row's version: it has to be the one that the
 *     statement of the batch made. InnoDB tells no versions, so there the row has to hold the after-image
 *   - other columns than those of `set` and of the key are not in the journal: they are read from the row as it is now. Where
 *     that may be another value than then without anybody's seeing it (InnoDB), a difference is not sure
 *   - triggers may write into any column, before and after: with triggers on UPDATE a difference is not sure
 *   - on InnoDB a row is kept by one statement and changed by the next: where a predicate asks for more than the row, it may not
 *     have been changed at all */
#ifndef BF_SQL_RECOMPUTE_H
#define BF_SQL_RECOMPUTE_H

#include <stdbool.h>
#include <stddef.h>

struct bf_recompute {
    char *sql;        /* RECOMPUTE of this column; owned; NULL: it cannot be told */
    char *untold;     /* why; owned; NULL: it can */
    const char *doubt; /* why a difference would say nothing of the job; NULL: it would */
};

/* Rows of the answer to RECOMPUTE_FACTS: X(CONSTANT, name, what the second column names) */
#define BF_RECOMPUTE_FACTS(X)                                                                              \
    X(COLUMN, column, "a column of the table")                                                             \
    X(GENERATED, generated, "one that the server computes")                                                \
    X(TRIGGER, trigger, "a trigger on UPDATE")                                                             \
    X(UNSURE, unsure, "a function or operator that an expression names and that may ask for more than its arguments")
enum bf_recompute_fact {
#define X(constant, name, names) BF_RECOMPUTE_##constant,
    BF_RECOMPUTE_FACTS(X)
#undef X
};

enum { BF_RECOMPUTE_ENTRIES = 20 /* of the journal's, from which a sample is taken */, BF_RECOMPUTE_KEYS = 3 /* that are named */ };

struct bf_answer;
/* Is that among the facts? Names as the server compares them: `same` is strcmp or strcasecmp. */
bool bf_recompute_fact(const struct bf_answer *facts, enum bf_recompute_fact fact, const char *name,
                       int (*same)(const char *, const char *));
/* The first of that kind; NULL: there is none. */
const char *bf_recompute_first(const struct bf_answer *facts, enum bf_recompute_fact fact);

#endif
