/* What a target says about the pace and the limits of its jobs: defaults where a document says nothing, and ceilings that
 * neither a document nor a later change may pass. Both are fields of the job document and are checked by its tables.
 * Pure. */
#ifndef BF_JOB_RULES_H
#define BF_JOB_RULES_H

#include <stddef.h>

#include "complaints.h"
#include "document.h"

enum { BF_RULES_MAX = 32 }; /* of each kind; each field has one at most */

struct bf_field;

struct bf_rule {
    const struct bf_field *field; /* of the document's table: a number that has its place in the document */
    char *pointer;                /* owned: "/pace/batch_rows/max" */
    double value;                 /* milliseconds, rows, or a ratio */
    int line;                     /* where it was said */
};

struct bf_rules {
    struct bf_rule defaults[BF_RULES_MAX], ceilings[BF_RULES_MAX];
    size_t default_count, ceiling_count;
};

/* `name` as in "limits.lock_timeout" and "pace.batch_rows.max"; a ceiling's may come without the first word. Each gives
 * NULL, or what is wrong with it, which the caller frees. */
char *bf_rules_add_default(struct bf_rules *rules, const char *name, const char *value, int line);
char *bf_rules_add_ceiling(struct bf_rules *rules, const char *name, const char *value, int line);
/* What the rules say against each other, after the last one was added: a default over its own ceiling, a batch without a
 * size. NULL: nothing; else the text, which the caller frees, and its line. */
char *bf_rules_fault(const struct bf_rules *rules, int *ret_line);
void bf_rules_clear(struct bf_rules *rules);
/* For people, and to tell whether two are the same: "pace.nice = 2, ceiling.limits.lock_timeout = 5 s"; "none" when there
 * is no rule. The caller frees it. */
char *bf_rules_text(const struct bf_rules *rules);

/* The target's defaults take the place of those of the tables, as far as its ceilings let them. Called before a document
 * is read: what the author says comes over it. */
void bf_rules_apply(const struct bf_rules *rules, struct bf_document *document);
/* Complains at every field that is over its ceiling. `target` is for the text. */
void bf_rules_check(const struct bf_rules *rules, const char *target, const struct bf_document *document,
                    struct bf_complaints *complaints);

#endif
