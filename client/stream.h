/* Listening to what happens (text/event-stream) while waiting. A stream that breaks is opened again; a daemon that has
 * none, or a proxy that holds it back, is said, so that the caller asks instead. */
#ifndef BF_CLIENT_STREAM_H
#define BF_CLIENT_STREAM_H

#include <jansson.h>
#include <stdint.h>

#include "http.h"

struct bf_stream;

enum bf_heard {
    BF_HEARD_NOTHING, /* no stream is open: ask */
    BF_HEARD_OPENING, /* it has just been opened: what was read before may be older than its beginning, so ask once more */
    BF_HEARD          /* it is open, and what came was handed over */
};

/* Called while waiting. `event`: "event", "progress" or "reset"; `data` is always an object. */
typedef void bf_stream_take(void *argument, const char *event, const json_t *data);

/* `http` has to outlive it. */
struct bf_stream *bf_stream_new(struct bf_http *http, bf_stream_take *take, void *argument);
void bf_stream_free(struct bf_stream *stream); /* NULL is fine */

/* Waits until something came or the stream broke, at most so many milliseconds, and shorter when a signal comes. Opens
 * the stream where it is not: of one job, by id, or of all (NULL); behind the event `last`, or with what is new (-1). */
enum bf_heard bf_stream_wait(struct bf_stream *stream, const char *job, int64_t last, int64_t milliseconds);

#endif
