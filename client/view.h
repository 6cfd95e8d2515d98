/* What the client shows of a job: taken from the daemon's JSON, every text made safe. A field that is missing or of
 * another type reads as unknown. */
#ifndef BF_CLIENT_VIEW_H
#define BF_CLIENT_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bf_view {
    char *id, *name, *target, *table, *state, *activity; /* owned; "" when not known */
    char *reason, *reason_since;
    char *direction, *created_at, *updated_at, *started_at, *ended_at;
    int64_t rows_scanned, rows_changed, rows_estimated, batches, batch_rows, eta_seconds; /* -1: unknown */
    double fraction, rate;                                                                /* -1: unknown */
    bool durable; /* false: the daemon could not store what it did */
};

/* `ret_view` is cleared first; clear it at the end. */
void bf_view_read(struct bf_view *ret_view, const json_t *job);
void bf_view_clear(struct bf_view *view);
/* "running, batching": the state, and what the job does now where that says more. Owned. */
char *bf_view_state(const struct bf_view *view);

/* Safe copy of a text member; "" when it is not there. Owned. */
char *bf_member_text(const json_t *object, const char *name);
int64_t bf_member_integer(const json_t *object, const char *name); /* -1: unknown */

#endif
