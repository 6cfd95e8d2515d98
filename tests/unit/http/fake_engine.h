/* An engine and a store of canned answers behind the real headers, so that the HTTP interface is tested alone. */
#ifndef FAKE_ENGINE_H
#define FAKE_ENGINE_H

#include <uv.h>

#include "engine.h"

struct bf_job {
    struct bf_record record;
    enum bf_activity activity;
    struct bf_reason reason;
    double rate;
    int64_t flights, undo_until;
    struct bf_meter meter;
    bool stuck;
    struct bf_slice slices[2];
    size_t slice_count; /* 0: one, and the record says where it is */
};

enum fake_mode {
    FAKE_INSIDE, /* the callback comes from inside the call */
    FAKE_LATER   /* it comes when the test calls fake_finish */
};

struct fake {
    struct bf_job jobs[8]; /* newest first */
    size_t job_count;
    enum fake_mode mode;
    struct bf_outcome_of_order outcome; /* what the next submission or order is answered with */
    enum bf_code find;                  /* what bf_engine_find says instead of looking; BF_OK: it looks */
    struct bf_error store_error;
    uv_loop_t *loop;
    enum bf_error_class connect_class; /* what every connect ends with, unless it never ends */
    bool connect_never;
    bool replica; /* every server is one */
    bool same_signal; /* a second query of the same name */
    int64_t stalled; /* for the next server; see http.h */
    const struct bf_access *access; /* the same */
    int connects;
    struct bf_event events[2];
    const struct bf_event *log; /* what the store has, instead of those two: read as a store reads; NULL: those two */
    size_t log_count;
    /* what was asked last; texts are copies */
    int calls;
    char *body, *words, *confirm, *plan, *actor, *found, *key, *if_match, *name;
    int64_t pause_for;
    bool from_position, resumed;
    struct bf_latch scope;      /* of pause-all and resume-all */
    struct bf_latch latches[2]; /* that are on */
    size_t latch_count;
    enum bf_code latch_code;    /* what pause-all and resume-all are answered with */
    size_t body_length;
    bool dry_run, changing, break_glass, approver;
    enum bf_order order;
    char job[BF_ULID_TEXT];
    char event_job[BF_ULID_TEXT];
    int64_t event_after;
    size_t event_limit;
};

extern struct fake fake;
extern const struct bf_store fake_store;
/* Of the log's events those whose job is on one of the targets. */
void fake_read_events_on(void *context, const char *targets, int64_t after, size_t limit, bf_store_events *read, void *argument);

void fake_begin(void); /* three jobs, see fake_engine.c */
void fake_finish(void); /* calls back what waits */
size_t fake_waiting(void);
void fake_end(void);

#define FAKE_RUNNING "01JD5Z0000000000000000000C"
#define FAKE_QUEUED "01JD5Z0000000000000000000B"
#define FAKE_COMPLETED "01JD5Z0000000000000000000A"

/* The alerts of the last request, a line each: fingerprint, startsAt, firing or resolved, and its texts. */
extern char fake_alerts[1024];

/* What was asked last about a way back. */
extern char fake_undo[256];

/* The last order about a replica: "ignore NAME MILLISECONDS REASON". */
extern char fake_replica_order[128];

#endif
