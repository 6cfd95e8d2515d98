/* The controller: how many rows at most, how long to sleep, hold or go. One function over one struct, so that any moment
 * of a real run can be replayed from its samples. It is a scavenger such as LEDBAT (RFC 6817): it uses what is idle and
 * gives way to everyone else (docs/architecture.md, "Pace"). Pure. */
#ifndef BF_PACE_CONTROL_H
#define BF_PACE_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "crew.h"
#include "limit.h"
#include "pressure.h"
#include "size.h"

/* The batch behind which the question is asked. */
struct bf_batch {
    int64_t time;             /* microseconds on the server; 0: there was none */
    int64_t scanned, changed; /* rows */
    int64_t log_bytes;        /* that the server's log grew by meanwhile; -1: not known */
    double log_end;           /* bytes: where the server's log stood behind it; 0: not known */
};

/* A replica that has to replay what is written. */
struct bf_replay {
    const char *name; /* of its signal */
    double position; /* bytes of the primary's log that it had replayed at `at` */
    int64_t at;      /* monotonic milliseconds */
    double rate;     /* bytes a second that it may be given, and is believed to replay since */
    double limit;    /* seconds that it may be behind */
};

struct bf_control_input {
    int64_t now;                     /* monotonic milliseconds */
    const struct bf_signal *signals; /* those without a limit are not looked at */
    size_t signal_count;
    const struct bf_replay *replays;
    size_t replay_count;
    const struct bf_size *size;
    struct bf_batch batch;
    double nice;
    int64_t max_rows_per_second;      /* changed, by the whole job; BF_NO_LIMIT */
    int64_t max_log_bytes_per_second; /* of the whole job; BF_NO_LIMIT */
    int slices;                       /* that could run side by side; 0 is 1 */
    bool window_open;
};

enum bf_control_cause { BF_GO, BF_HOLD_WINDOW, BF_HOLD_OVER, BF_HOLD_STALE, BF_HOLD_UNKNOWN };

struct bf_control {
    enum bf_control_cause cause; /* BF_GO: write; else hold */
    size_t signal;               /* of the input, that holds; meaningless for BF_GO and the window */
    uint64_t holding;            /* the signals that hold, a bit for each of the input */
    double pressure;             /* the worst value as a share of its limit */
    int64_t rows;                /* that the next batch may scan */
    int64_t sleep;               /* microseconds from the end of the batch */
    const char *slept_for;       /* the name of the replica that it waits for; NULL: none */
    int slices;                  /* that may run side by side */
};

/* What a job remembers of its signals; zeroed at its beginning. */
struct bf_control_memory {
    struct bf_gates gates;
    bool over;         /* the last answer was BF_HOLD_OVER */
    double patience;   /* learnt from holds: sleep at least so many times the batch's own time */
    int64_t learnt_at; /* monotonic milliseconds */
    double row_log;    /* bytes of log for a scanned row, of the last batch of which that is known; 0: of none */
    struct bf_crew crew;
};

struct bf_control bf_control_decide(const struct bf_control_input *input, struct bf_control_memory *memory);
/* Microseconds to sleep behind a batch at a pressure of 0 to 1 and more. */
int64_t bf_control_sleep(double nice, double pressure, const struct bf_batch *batch, int64_t max_rows_per_second,
                         int64_t max_log_bytes_per_second);

#endif
