/* How dangerous a job is: GREEN, YELLOW or RED, with every reason. One table of rules (risk.c) decides; the documents print
 * the same table. Pure. */
#ifndef BF_PLAN_RISK_H
#define BF_PLAN_RISK_H

#include <stdbool.h>
#include <stddef.h>

#include "document.h"
#include "estimate.h"
#include "facts.h"

enum bf_risk { BF_RISK_GREEN, BF_RISK_YELLOW, BF_RISK_RED };

const char *bf_risk_name(enum bf_risk risk); /* "GREEN" */
bool bf_risk_by_name(const char *name, enum bf_risk *ret_risk); /* NULL is none */

/* From which risk on a person must approve. */
enum bf_approval { BF_APPROVAL_NONE, BF_APPROVAL_RED, BF_APPROVAL_YELLOW, BF_APPROVAL_ALL };

const char *bf_approval_name(enum bf_approval approval); /* "yellow" */
bool bf_approval_by_name(const char *name, enum bf_approval *ret_approval);
bool bf_approval_needed(enum bf_approval approval, enum bf_risk risk);

/* From where on something is a reason; a target may have its own. X(member, name, default, unit of the value, what it is) */
#define BF_RISK_THRESHOLDS(X)                                                                                          \
    X(small, "risk.small", 100e3, ROWS, "rows of a table up to which a job is looked through and repeated by hand")     \
    X(rows, "risk.rows", 10e6, ROWS, "rows of a table that is a large one")                                            \
    X(write_rate, "risk.write_rate", 100, ROWS_PER_SECOND, "rows per second that others write")                        \
    X(duration, "risk.duration", 8 * 3600, SECONDS, "time that a job may take at the most")                            \
    X(oldest_transaction, "risk.oldest_transaction", 300, SECONDS, "age of the oldest transaction of others")          \
    X(freeze_age, "risk.freeze_age", 80, PERCENT, "of autovacuum_freeze_max_age")                                      \
    X(journal_share, "risk.journal_share", 50, PERCENT, "of the free disk that the journal may take")

struct bf_thresholds {
#define X(member, name, value, unit, says) double member;
    BF_RISK_THRESHOLDS(X)
#undef X
};

extern const struct bf_thresholds bf_thresholds_default;
/* `name` as in "risk.rows", the value as people write it ("10000000", "8h"). NULL, or what is wrong, which the caller frees. */
char *bf_threshold_set(struct bf_thresholds *thresholds, const char *name, const char *value);
/* "risk.small = 100000, risk.rows = 1e+07, ..."; the caller frees it. */
char *bf_thresholds_text(const struct bf_thresholds *thresholds);

/* Does it ask for the time, for chance, or for a sequence? Words in quotes are none, nor is :started_at. NULL: no. */
bool bf_predicate_is_volatile(const char *predicate);

/* All that a judgement looks at. */
struct bf_risk_case {
    const struct bf_document *document;
    const struct bf_facts *facts;
    const struct bf_estimate *estimate;
    const struct bf_thresholds *thresholds;
    double lag_limit;           /* seconds: limits.replication_lag */
    bool volatile_predicate;    /* `where` or `remaining` asks for something that changes by itself, such as now() */
    bool rehearsed;             /* the same document ran to its end on another target */
};

struct bf_risk_reason {
    const char *code;   /* of the table */
    enum bf_risk risk;
    bool numbered;
    double value;       /* when numbered */
    char *text;         /* owned; a sentence */
};

enum { BF_RISK_REASONS_MAX = 96 /* more than there are rules and facts */ };

struct bf_judgement {
    enum bf_risk risk;  /* the worst of the reasons */
    struct bf_risk_reason reasons[BF_RISK_REASONS_MAX];
    size_t count;
    enum bf_fact_name unmeasured[BF_FACT_COUNT]; /* mandatory ones that are not known: the job is refused */
    size_t unmeasured_count;
};

void bf_judge(const struct bf_risk_case *of, struct bf_judgement *ret_judgement); /* clear it with bf_judgement_clear */
void bf_judgement_clear(struct bf_judgement *judgement);
/* The table of rules for people, in Markdown. Owned by the caller. */
char *bf_risk_rules_text(void);

#endif
