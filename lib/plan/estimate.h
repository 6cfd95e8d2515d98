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

/* rows, of the range where there is one, / (rate of the trial, with batches as large as the pace makes them / (1 + nice)), at most what max_rows_per_second and max_log_bytes_per_second allow, once more for
 * `remaining`, whose last pass reads everything and changes nothing. */
struct bf_estimate bf_estimate(const struct bf_document *document, const struct bf_facts *facts);

#endif
