/* How long a job will take and what it will leave behind, from the batches that were tried and from its pace. Pure. */
#ifndef BF_PLAN_ESTIMATE_H
#define BF_PLAN_ESTIMATE_H

#include <stdbool.h>

#include "document.h"
#include "facts.h"

/* The real duration is to lie between the two ends; their ratio. */
#define BF_ESTIMATE_SPREAD 2.5

struct bf_estimate {
    bool known;             /* false: nothing was tried */
    double low, high;       /* seconds, holds not counted; outside the window's hours not counted either */
    double open;            /* share of the week in which the job may write: 1 without a window */
    double rate;            /* rows scanned per second while it works, sleep included */
    double changed;         /* rows that will be changed; as many dead tuples on PostgreSQL; -1: not known */
    double log_bytes;       /* -1: not known */
    double journal_bytes;   /* of the undo journal; 0: none is kept; -1: not known */
};

/* What only an engine knows: how a batch with an undo journal compares with one without, and what a trial does not see. */
struct bf_costs {
    double journal_time; /* times its time */
    double journal_log;  /* times its log; not for logs whose rows have a known length */
    double log_rate;     /* bytes of log a second, which go on top of what the trial took for them; 0: not known */
};

/* The rows of the table, or of the range where there is one, walked as the pace walks them, with batches that cost what those of
 * the trial did; at most what max_rows_per_second and max_log_bytes_per_second allow; and once more for `remaining`, whose last
 * pass reads everything and changes nothing. */
struct bf_estimate bf_estimate(const struct bf_document *document, const struct bf_facts *facts, const struct bf_costs *costs);
/* Rows are to be changed, and the trial met none of them: what a change costs is a guess. */
bool bf_estimate_is_by_reading(const struct bf_facts *facts, const struct bf_estimate *estimate);

#endif
