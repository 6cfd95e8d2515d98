/* How much log a job wrote: what the server's log grew by while batches of the job ran, whoever wrote it. Not every batch tells;
 * rows say how much of the work is known, and the rest is taken to be like it. Pure. */
#ifndef BF_JOB_LOGGED_H
#define BF_JOB_LOGGED_H

#include <stdint.h>

struct bf_logged {
    int64_t bytes; /* of the batches that told */
    int64_t rows;  /* that these changed */
};

/* A batch began at one position of the server's log and ended at another (bytes, rising; under 0: not known), and changed so
 * many rows. `seen`: up to where the log is counted, 0: nothing is; slices run side by side, and what they share counts
 * once. */
void bf_logged_add(struct bf_logged *logged, double *seen, double from, double to, int64_t rows);
/* Of the whole job, that changed so many rows; under 0: not known. */
double bf_logged_total(const struct bf_logged *logged, int64_t rows_changed);
/* The part of its rows for which it was measured, 0 to 1. */
double bf_logged_share(const struct bf_logged *logged, int64_t rows_changed);

#endif
