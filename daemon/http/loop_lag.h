/* How late the loop is: a timer that should fire every LOOK milliseconds, and how much later it did. */
#ifndef BF_HTTP_LOOP_LAG_H
#define BF_HTTP_LOOP_LAG_H

#include <stdint.h>
#include <uv.h>

enum { BF_LOOP_LAG_BOUNDS = 8, BF_LOOP_LAG_LOOK = 250 /* milliseconds */ };
extern const double bf_loop_lag_bounds[BF_LOOP_LAG_BOUNDS]; /* seconds, rising */

struct bf_loop_lag {
    uv_timer_t timer; /* its data is the caller's */
    uint64_t due;     /* nanoseconds of uv_hrtime */
    int64_t counts[BF_LOOP_LAG_BOUNDS + 1]; /* looks in each class; the last: later than all bounds */
    int64_t looks;
    double sum; /* seconds */
};

void bf_loop_lag_start(uv_loop_t *loop, struct bf_loop_lag *lag);
/* The caller closes `timer`. */

#endif
