/* The state store: what the daemon must not forget. Writes are asynchronous and carried out in the order of the calls;
 * each is one durable transaction. Loading is done once, at start, synchronously. */
#ifndef BF_PORT_STORE_H
#define BF_PORT_STORE_H

#include <stddef.h>

#include "ignored.h"
#include "latch.h"
#include "mark.h"
#include "record.h"
#include "result.h"
#include "sample.h"

/* BF_OK or BF_STORE_FAILED with the reason in `error`; called from the loop, never from inside the call. */
typedef void bf_stored(void *argument, const struct bf_error *error);

/* Called once per job, oldest first; the callee takes over what the record owns. */
typedef void bf_store_loaded(void *argument, struct bf_record *record);
/* Called once per latch; the callee takes over what it owns. */
typedef void bf_store_loaded_latch(void *argument, struct bf_latch *latch);
typedef void bf_store_loaded_ignored(void *argument, const struct bf_ignored *ignored); /* valid during the call */
typedef void bf_store_loaded_mark(void *argument, const struct bf_mark *mark); /* valid during the call */
enum { BF_ALERTS_DAYS = 90 };
#define BF_ALERTS_KEPT (BF_ALERTS_DAYS * INT64_C(86400000)) /* milliseconds since an alert was seen last */
/* after = 0: the newest `limit` events; else the first `limit` whose id is higher, so that a reader who goes on from the
 * last id misses none. In rising order; valid during the call. */
typedef void bf_store_events(void *argument, const struct bf_event *events, size_t count,
                             const struct bf_error *error);

/* Rising; valid during the call. */
typedef void bf_store_samples(void *argument, const struct bf_sample *samples, size_t count, const struct bf_error *error);

struct bf_store {
    void *context;
    enum bf_code (*load)(void *context, bf_store_loaded *loaded, void *argument, struct bf_error *error);
    /* Inserts or replaces the job's record and appends the events (their ids are ignored) in one transaction. Record
     * and events are copied before the call returns. `stored` may be NULL. */
    void (*save)(void *context, const struct bf_record *record, const struct bf_event *events, size_t count,
                 bf_stored *stored, void *argument);
    enum bf_code (*load_latches)(void *context, bf_store_loaded_latch *loaded, void *argument, struct bf_error *error);
    /* The latch of this scope is on, or off, from now on; the events (of no job) are appended in the same transaction.
     * Copied before the call returns. `stored` may be NULL. */
    void (*save_latch)(void *context, const struct bf_latch *latch, bool on, const struct bf_event *events, size_t count,
                       bf_stored *stored, void *argument);
    enum bf_code (*load_ignored)(void *context, bf_store_loaded_ignored *loaded, void *argument, struct bf_error *error);
    /* The replica is ignored until then from now on; until 0: it is heeded, and nothing is kept. Copied before the call
     * returns. `stored` may be NULL. */
    void (*save_ignored)(void *context, const struct bf_ignored *ignored, bf_stored *stored, void *argument);
    enum bf_code (*load_marks)(void *context, bf_store_loaded_mark *loaded, void *argument, struct bf_error *error);
    /* In place of the one of that kind and name (and `more`); alerts that are older by BF_ALERTS_KEPT go. Copied before the
     * call returns. `stored` may be NULL. */
    void (*save_mark)(void *context, const struct bf_mark *mark, bf_stored *stored, void *argument);
    /* The job is gone, and its events and samples with it. `stored` may be NULL. */
    void (*forget)(void *context, const char *job, bf_stored *stored, void *argument);
    /* job NULL: of all jobs. */
    void (*read_events)(void *context, const char *job, int64_t after, size_t limit, bf_store_events *read,
                        void *argument);
    /* Of the jobs on these targets: names with commas between them. */
    void (*read_events_on)(void *context, const char *targets, int64_t after, size_t limit, bf_store_events *read,
                           void *argument);
    /* Adds points of that step (milliseconds) to the job's series; what is there of the same span is added up. Of each
     * step the newest `keep` spans stay. Copied before the call returns; nobody hears when it fails. */
    void (*save_samples)(void *context, const char *job, int step, const struct bf_sample *samples, size_t count, int keep);
    /* since = 0: the newest `limit`; else the first `limit` not before it (unix milliseconds). */
    void (*read_samples)(void *context, const char *job, int step, int64_t since, size_t limit, bf_store_samples *read,
                         void *argument);
};

#endif
