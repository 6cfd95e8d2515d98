/* How many rows a second, over the last 60 s: from what was seen with batches, at most once a second. A job that holds has no
 * batches, and its rate falls to 0 within 60 s. */
#ifndef BF_PACE_RATE_H
#define BF_PACE_RATE_H

#include <stddef.h>
#include <stdint.h>

enum {
    BF_RATE_WINDOW = 60000, /* milliseconds */
    BF_RATE_APART = 1000,   /* milliseconds between two samples, at least */
    BF_RATE_SAMPLES = BF_RATE_WINDOW / BF_RATE_APART + 1
};

/* Zeroed: nothing was seen. Times are monotonic milliseconds. */
struct bf_rate {
    struct {
        int64_t at, rows;
    } samples[BF_RATE_SAMPLES];
    size_t count, next;
};

void bf_rate_forget(struct bf_rate *rate);
void bf_rate_see(struct bf_rate *rate, int64_t now, int64_t rows); /* so many in all, by now */
double bf_rate_per_second(const struct bf_rate *rate, int64_t now); /* -1: not known */

#endif
