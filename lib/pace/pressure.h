/* A signal: one measured pressure on a target, the value from which nothing is written, and its age. Adapters measure,
 * this floor decides. Pure. */
#ifndef BF_PACE_PRESSURE_H
#define BF_PACE_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

/* X(CONSTANT, name, unit, again): after a hold a job goes on below `again` times the limit. */
#define BF_SIGNAL_KINDS(X)                                                                      \
    X(REPLICATION_LAG, replication_lag, "s", 0.5)                                               \
    X(ACTIVE_SESSIONS, active_sessions, "sessions", 0.85) /* without our own */                 \
    X(BLOCKED_SESSIONS, blocked_sessions, "sessions", 0.85) /* that wait for locks of ours */   \
    X(LOG_RATE, log_rate, "bytes/s", 0.85)                                                      \
    X(ARCHIVE_BACKLOG, archive_backlog, "bytes", 0.85)    /* log that waits for the archiver */ \
    X(SLOT_RETAINED, slot_retained, "bytes", 0.85)        /* log kept by a replication slot */  \
    X(AUTOVACUUM, autovacuum, "workers", 0.85)            /* on a table */                      \
    X(DEAD_TUPLES, dead_tuples, "rows", 0.85)             /* of a table */                      \
    X(OLDEST_SNAPSHOT, oldest_snapshot, "s", 0.85)        /* InnoDB: transaction */             \
    X(HISTORY_LIST, history_list, "transactions", 0.85)   /* InnoDB has not purged */           \
    X(FLOW_CONTROL, flow_control, "share", 0.85)          /* at 1 the cluster stops writes */   \
    X(QUERY, query, "", 0.85)                             /* the operator's SQL */

enum bf_signal_kind {
#define X(constant, name, unit, again) BF_SIGNAL_##constant,
    BF_SIGNAL_KINDS(X)
#undef X
        BF_SIGNAL_KIND_COUNT
};

enum {
    BF_SIGNAL_NAME = 80,
    BF_SIGNAL_TEXT = 96,
    BF_SIGNALS_MAX = 64,          /* of one target or one job */
    BF_SIGNAL_STALE_AFTER = 5000, /* milliseconds: what could not be read for so long (when it was due) counts as over its limit */
    BF_SIGNAL_NEVER = -1          /* sampled_at: not measured yet */
};

struct bf_signal {
    enum bf_signal_kind kind;
    char name[BF_SIGNAL_NAME]; /* "lag:replica-2" */
    double value;              /* in the unit of its kind */
    double limit;              /* 0: none, it is only shown */
    int64_t sampled_at;        /* monotonic milliseconds: when the value was true; BF_SIGNAL_NEVER */
    int64_t every;             /* milliseconds between looks, where they are rare because they cost something; 0: they are not */
    char text[BF_SIGNAL_TEXT]; /* who is behind the value; of what was never measured, the right that our account lacks; or "" */
};

const char *bf_signal_kind_name(enum bf_signal_kind kind);
const char *bf_signal_unit(enum bf_signal_kind kind);
bool bf_signal_is_stale(const struct bf_signal *signal, int64_t now); /* never measured is stale, too */

/* Hysteresis of one signal in one job. */
struct bf_gate {
    char name[BF_SIGNAL_NAME]; /* of its signal; "": free */
    bool closed;
    int64_t below_since;       /* monotonic milliseconds: it stands below where the job may go on; -1: it does not */
};

struct bf_gates {
    struct bf_gate list[BF_SIGNALS_MAX];
};

enum bf_gate_state {
    BF_GATE_OPEN,
    BF_GATE_OVER,    /* closed: the value reached the limit and has not been low enough for long enough */
    BF_GATE_STALE,   /* closed: the signal cannot be read */
    BF_GATE_UNKNOWN  /* closed: it was not measured yet; opens with the first good value */
};

/* Takes the newest value of a signal that has a limit. */
enum bf_gate_state bf_gate_pass(struct bf_gates *gates, const struct bf_signal *signal, int64_t now);

#endif
