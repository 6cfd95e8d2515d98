/* How many rows the next batch scans. One pure function over one struct, so that any moment of a real run can be
 * replayed. The rules are the house's (docs/architecture.md, "Pace"): aim at batch_time by the server's own time, p90 of
 * the last 10 batches; grow at most 1.5 x a step; over 5 x the target: a tenth; after a lock conflict: half, and no
 * growth for 10 batches. The aim itself is halved whenever a session is seen that waits for a batch, and rises again by so
 * little that it settles where one look in a hundred sees one: a table whose rows others want all the time gets short batches. */
#ifndef BF_PACE_SIZE_H
#define BF_PACE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

enum { BF_SIZE_HISTORY = 10, BF_SIZE_SPARSE = 10 /* a sparse `where` may scan this many times `max` */ };

struct bf_size {
    /* what the job says */
    int64_t target_time; /* microseconds */
    int64_t start, min, max;
    /* what was learnt */
    int64_t aim;                       /* microseconds: target_time, or less while others wait for what batches hold */
    int64_t rows;                      /* rows to scan in the next batch */
    double row_time[BF_SIZE_HISTORY];  /* microseconds per scanned row of the last batches */
    int64_t time[BF_SIZE_HISTORY];     /* microseconds of the last batches */
    double density[BF_SIZE_HISTORY];   /* changed / scanned of the last batches */
    double overhead;                   /* microseconds that a batch takes however few rows it has; 0: not known */
    int history;                       /* how many of those are filled */
    int next;                          /* where the next one goes */
    int no_growth;                     /* batches for which it may not grow */
};

void bf_size_start(struct bf_size *size, int64_t target_milliseconds, int64_t start, int64_t min, int64_t max);
/* The job says something else from now on; what was learnt stays. Returns the rows for the next batch. */
int64_t bf_size_change(struct bf_size *size, int64_t target_milliseconds, int64_t start, int64_t min, int64_t max);
/* A batch was committed. time: microseconds on the server. Returns the rows for the next one. */
int64_t bf_size_batch(struct bf_size *size, int64_t scanned, int64_t changed, int64_t time);
/* A batch was taken back because of a lock conflict, a yield or the statement timeout. */
int64_t bf_size_conflict(struct bf_size *size);
/* Somebody looked while a batch ran: did anyone wait for a row or table that it held? Then the next ones are shorter; a hundred
 * looks at which nobody did take that back. */
void bf_size_looked(struct bf_size *size, bool waited);
/* Microseconds to sleep after a batch: nothing after one that changed nothing. */
int64_t bf_sleep(double nice, int64_t time, int64_t changed);
/* Milliseconds before try number `attempt` (1, 2, ...): doubles from 100 ms to 10 s, with jitter in [0.5, 1]
 * by `chance` in [0, 1). */
int64_t bf_retry_delay(int attempt, double chance);

#endif
