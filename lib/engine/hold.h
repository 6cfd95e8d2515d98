/* What a job remembers of the pressures that it heeds, from its first run to its end. */
#ifndef BF_ENGINE_HOLD_H
#define BF_ENGINE_HOLD_H

#include "control.h"
#include "document.h"
#include "replica.h"

/* A signal of the document's own, as it was measured last. */
struct bf_measured {
    double value;
    int64_t at;        /* monotonic milliseconds; BF_SIGNAL_NEVER */
    char trouble[160]; /* why there is no newer one; "": there is none */
};

struct bf_hold {
    struct bf_control_memory memory;
    struct bf_asides asides;
    struct bf_measured measured[BF_QUERIES_MAX];
    int64_t held_at;   /* monotonic milliseconds: it holds since then; -1: it does not */
    bool said;         /* an event told of this hold */
};

#endif
