/* Streams of what happens (text/event-stream): /v1/events and /v1/jobs/{job}/events for who asks for it.
 *
 * One hub reads new events from the store and looks at the jobs, twice a second while somebody watches, makes each text
 * once, and hands it to every watcher. A watcher has a bounded buffer, which its connection empties; with nothing to say
 * the connection is suspended. Who reads slowly misses progress and reads events from the store at his own pace; who does
 * not read is dropped. */
#ifndef BF_HTTP_STREAM_H
#define BF_HTTP_STREAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "identifier.h"

struct bf_http;
struct bf_http_hub;
struct bf_http_request;
struct bf_job;
struct bf_event;

enum {
    BF_STREAM_TICK = 500,               /* milliseconds */
    BF_STREAM_WATCHERS_MAX = 800,       /* of all connections; the rest is for requests */
    BF_STREAM_BUFFER_SOFT = 64 * 1024,  /* bytes: over it nothing new is put in */
    BF_STREAM_BUFFER_MAX = 512 * 1024,  /* bytes: what comes on top of that at once; over it the watcher is dropped */
    BF_STREAM_SOCKET = 64 * 1024,       /* bytes that the kernel holds for it, which doubles them */
    BF_STREAM_PAGE = 100,               /* events of one read for somebody who comes back */
    BF_STREAM_REPLAY_MAX = 5000,        /* events; who missed more is told `reset` */
    BF_STREAM_BEAT = 5000,              /* milliseconds in which at least once is told of a job that is at work */
    BF_STREAM_COMMENT = 10000,          /* milliseconds without a word, then a comment shows whether the peer is there */
    BF_STREAM_LOOK = 5000,              /* milliseconds between two looks for peers that closed */
    BF_STREAM_STALLED = 10000           /* milliseconds in which nothing of what waits was taken, while the loop went round */
};

/* One client that listens. */
struct bf_watcher {
    struct bf_http *http;
    struct bf_http_request *request; /* lives as long as the watcher's answer is under way */
    char job[BF_ULID_TEXT];          /* "": all */
    char *targets;                   /* owned; of all only the jobs on these, with commas between them; NULL: on all */
    bool shown;                      /* its client had shown a token, which may be nobody's by now */
    int64_t until;                   /* the loop's time at which the client's session is over; 0: it has none */
    int64_t last;                    /* id of the newest event that it has; -1: from now on */
    bool live;                       /* it has all there was */
    bool suspended, gone, stopping;
    bool behind;                     /* progress was left out */
    int64_t replayed;                /* events in a row, while something was missing */
    struct bf_watcher_read *read;    /* of the store, under way */
    struct bf_buffer out;
    size_t taken;                    /* bytes of `out` */
    uint64_t said_at;                /* the loop's time */
    unsigned untaken;                /* ticks of the hub since something was taken, while something waits */
    struct bf_watcher *previous, *next;
};

/* events.c: answers with a stream. `job`: an id, or NULL. */
void bf_http_stream_begin(struct bf_http_request *request, const char *job);
json_t *bf_event_view(const struct bf_event *event);
/* events.c: "id: …\nevent: event\ndata: …\n\n" */
void bf_stream_write_event(struct bf_buffer *buffer, const struct bf_event *event);

/* watcher.c */
struct bf_watcher *bf_watcher_new(struct bf_http_request *request, const char *job, int64_t last);
void bf_watcher_say(struct bf_watcher *watcher, const char *text, size_t length);
/* The same for progress, which is left out where there is no room; when there is, it is told so. */
void bf_watcher_say_progress(struct bf_watcher *watcher, const struct bf_buffer *text);
/* An event; where there is no room, it will read it itself. */
void bf_watcher_say_event(struct bf_watcher *watcher, int64_t id, const struct bf_buffer *text);
void bf_watcher_reset(struct bf_watcher *watcher, int64_t newest, const char *why);
void bf_watcher_replay(struct bf_watcher *watcher); /* reads on, where something is missing and there is room */
void bf_watcher_drop(struct bf_watcher *watcher);
size_t bf_watcher_pending(const struct bf_watcher *watcher); /* bytes */

/* stream.c: the hub exists while there are watchers. */
void bf_hub_join(struct bf_watcher *watcher);
void bf_hub_leave(struct bf_watcher *watcher);
int64_t bf_hub_newest(const struct bf_http *http); /* id of the newest event that was handed out; -1: not known yet */
/* All streams end. */
void bf_hub_stop(struct bf_http *http);
/* Those end whose clients had shown a token, or whose session it was that ended at that time. They may come back. */
void bf_hub_identities_changed(struct bf_http *http);
void bf_hub_session_ended(struct bf_http *http, int64_t until);

/* job_view.c: what moves about a job. */
json_t *bf_job_progress_view(const struct bf_job *job);

#endif
