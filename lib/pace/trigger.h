/* A trigger: a condition on a measured value that stops a job by itself. One function takes one reading and says what is to
 * be done, so that any run can be replayed from its readings:
 *
 *   watching --(true for `hold`)--> FIRES: pause --(settle)--> settling --(still true at its end)--> GOES_ON: as `then` says
 *      ^                                |                          |
 *      '------- the job is resumed -----'                          '--(not true any more)--> SETTLED: it stays paused
 *
 * A limit of the form "2x baseline" is measured: the median of the values in the first `baseline` of work, and again after the
 * job did not write for so long, because by then it may be another time of the day. While it is measured nothing fires.
 * Pure. */
#ifndef BF_PACE_TRIGGER_H
#define BF_PACE_TRIGGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BF_TRIGGER_MISSES = 5,      /* readings in a row that failed: nobody watches any more */
    BF_BASELINE_SAMPLES = 120   /* spread over the window */
};

struct bf_trigger_rule {
    bool below;       /* true under the limit; else over it */
    bool relative;    /* the limit is `factor` times the baseline; else it is `factor` itself */
    double factor;
    int64_t baseline; /* milliseconds */
    int64_t hold;     /* milliseconds for which it has to be true; 0: one reading is enough */
    int64_t settle;   /* milliseconds for which the pause is given a chance; 0: none */
};

enum bf_reading_kind {
    BF_READING_VALUE,
    BF_READING_NOTHING, /* there was nothing to be measured: not true, and no miss either */
    BF_READING_FAILED   /* it could not be measured */
};

struct bf_trigger_reading {
    int64_t now; /* monotonic milliseconds */
    enum bf_reading_kind kind;
    double value;
    bool idle;   /* the job does not write just now (it holds, or has no server): what fails then is no miss */
};

enum bf_trigger_verdict {
    BF_TRIGGER_QUIET,
    BF_TRIGGER_FIRES,   /* pause; with `settle` it settles from now on, else go on as `then` says */
    BF_TRIGGER_GOES_ON, /* the condition outlived the pause */
    BF_TRIGGER_SETTLED, /* it did not */
    BF_TRIGGER_BLIND    /* the BF_TRIGGER_MISSES-th reading in a row failed: pause; or, settling, stay paused */
};

/* What is remembered of one trigger in one job; zeroed at its beginning. */
struct bf_trigger {
    bool holds;           /* the condition is true, */
    int64_t since;        /* since then (monotonic milliseconds) */
    int misses;           /* in a row */
    bool settling;
    int64_t settle_until; /* monotonic milliseconds */
    double value, limit;  /* of the last reading that had one; limit: as a value, also of a relative one */
    bool known;           /* they say something */

    bool learnt;          /* a relative one: `limit` is known */
    bool learning;
    int64_t learning_since, worked_at; /* monotonic milliseconds */
    double samples[BF_BASELINE_SAMPLES];
    size_t sample_count;
};

enum bf_trigger_verdict bf_trigger_read(const struct bf_trigger_rule *rule, const struct bf_trigger_reading *reading,
                                        struct bf_trigger *trigger);
/* When the next reading is wanted (monotonic milliseconds), `every` after `last` or when `hold` or `settle` ends before. */
int64_t bf_trigger_due(const struct bf_trigger_rule *rule, const struct bf_trigger *trigger, int64_t last, int64_t every);
/* It had fired before a restart, at that limit: it goes on settling. */
void bf_trigger_settle(struct bf_trigger *trigger, int64_t until, double limit);
/* The job begins to work (again), or is stopped by others: whatever was true counts from now on anew. What was learnt stays. */
void bf_trigger_rest(struct bf_trigger *trigger);

#endif
