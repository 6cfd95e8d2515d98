/* What is measured of a job while it works: how long it did what, how long its batches took, how often it tried again.
 * Counters that only rise, for metrics and series; they begin with the daemon, and name reasons by their codes alone. The
 * time ledger, for people, stays with the job and names each signal: it is counted for itself (time_ledger.c). */
#ifndef BF_ENGINE_METER_H
#define BF_ENGINE_METER_H

#include <stddef.h>
#include <stdint.h>

#include "result.h"
#include "state.h"

struct bf_job;

enum { BF_BATCH_BOUNDS = 12 };
/* Milliseconds, rising: the upper bounds of the classes in which batches are counted; above the last there is one more. */
static inline int64_t bf_batch_bound(size_t class)
{
    static const int64_t bounds[BF_BATCH_BOUNDS] = {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000};
    return bounds[class];
}

struct bf_meter {
    int64_t spent[BF_ACTIVITY_COUNT]; /* milliseconds in each activity */
    int64_t waited[BF_CODE_COUNT];    /* milliseconds of holding and of backing off, by reason; BF_OK: none is known */
    int64_t retries[BF_CODE_COUNT];   /* how often it backed off, by reason */
    int64_t batches;
    int64_t batch_time;               /* microseconds of all batches, by the server's clock */
    int64_t batch_times[BF_BATCH_BOUNDS + 1]; /* batches in each class */
    int64_t rows_scanned, rows_changed;       /* by this daemon, what a fail-over took back and it did again included */
    int64_t rows_set_aside, yields;           /* how often a row was, and the job gave way */
    int64_t rows_looked_back, rows_restored;  /* changes that the way back looked at, and took back */
    int64_t conflicts[BF_CONFLICT_KIND_COUNT]; /* changes that it left alone */
    int64_t rows_bad;                         /* put into quarantine */
    int64_t checkpoint_age;           /* milliseconds since the checkpoint was last written; -1: it is not at work */
};

/* As of now; zeros where the job never worked. */
void bf_job_meter(const struct bf_job *job, struct bf_meter *ret_meter);

#endif
