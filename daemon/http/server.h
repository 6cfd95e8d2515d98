/* The inside of the server and of one request; for the files of this folder only.
 *
 * Life of a request: its target is parsed (uri), then its headers are checked before any body is read (check), its body
 * is collected, and its route's handler is called. The handler answers at once, or asks the engine or the store by a
 * `bf_http_wait`, whose callback answers; in between the connection is suspended. */
#ifndef BF_HTTP_SERVER_H
#define BF_HTTP_SERVER_H

#include <stdarg.h>
#include <stdbool.h>

#include <jansson.h>
#include <microhttpd.h>
#include <uv.h>

#include "access.h"
#include "backfilld/api.h"
#include "audited.h"
#include "body.h"
#include "buffer.h"
#include "complaints.h"
#include "engine.h"
#include "http.h"
#include "json_text.h"
#include "identity.h"
#include "listen.h"
#include "loop_lag.h"
#include "query.h"
#include "uri.h"

/* How what we say is written: members as they were put in, and 0.1 as that, not as 0.10000000000000001. */
#define BF_HTTP_JSON (JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15))

enum {
    BF_HTTP_BODY_MAX = BF_DOCUMENT_MAX,           /* bytes of one body */
    BF_HTTP_BODIES_MAX = 32 * 1024 * 1024,        /* bytes of all bodies that are being received */
    BF_HTTP_DISCARD_MAX = 8 * BF_HTTP_BODY_MAX,   /* a chunked body over BODY_MAX is read up to here to answer 413 */
    BF_HTTP_CONNECTIONS_MAX = 1000,
    BF_HTTP_CONNECTIONS_ENDING = 64,              /* more, that are on their way out */
    BF_HTTP_TARGET_MAX = 8 * 1024,                /* bytes of one request's target */
    BF_HTTP_HEAD_MAX = 16 * 1024,                 /* bytes of its target and headers */
    BF_HTTP_CONNECTION_MEMORY = 40 * 1024,        /* what the server has for them: it answers in HTML what is more. Over
                                                   * 32 KiB it maps them, so that they go back with their connection */
    BF_HTTP_TIMEOUT = 10,                         /* seconds without a byte, between two requests, for headers */
    BF_HTTP_BODY_TIMEOUT = 30,                    /* seconds for a request to arrive, whatever comes of it */
    BF_HTTP_ANSWER_TIMEOUT = 30                   /* seconds for an answer to be taken */
};

/* Where a connection is. Those before WORK have no whole request. */
enum bf_http_phase { BF_HTTP_IDLE, BF_HTTP_HEADERS, BF_HTTP_BODY, BF_HTTP_WORK, BF_HTTP_ANSWER, BF_HTTP_STREAM };

struct bf_http_request;
struct bf_http_wait;

struct bf_route {
    enum bf_route_name name;
    const char *method;
    const char *path;
    enum bf_role role;
    void (*handle)(struct bf_http_request *request); /* bf_handle_not_built where that is so */
    const char *summary;
};

struct bf_http_connection {
    struct bf_http *http;
    struct MHD_Connection *connection;
    int socket; /* the server's */
    struct bf_peer *peer; /* owned; of a unix socket; NULL: it is none */
    enum bf_http_phase phase;
    uint64_t since; /* the loop's time at which the phase began; of a body: its request */
    bool unread;    /* it was answered although its client may still be sending */
    bool ending;    /* shut down, and the server will hear of it */
    struct bf_http_connection *previous, *next;
};

struct bf_http {
    struct bf_engine *engine;
    const struct bf_store *store;
    const struct bf_job_files *job_files; /* NULL: none */
    struct bf_sampler *sampler;
    const struct bf_access *access; /* NULL: whoever connects may do everything */
    struct bf_http_doors *doors;    /* owned; see identify.h */
    void (*token_refused)(void *argument, const char *address, const char *name); /* may be NULL */
    void *argument;
    struct bf_listen listen;
    uv_loop_t *loop;
    struct MHD_Daemon *server;
    uv_poll_t poll;
    uv_timer_t timer, tick;
    struct bf_loop_lag lag;
    struct bf_http_connection *connections; /* list, newest first */
    int connection_count, connections_max;  /* without those that are ending */
    int open_handles; /* of the loop; the last one that closes frees this */
    bool stopping, ended; /* ended: a connection did, since it was run */
    size_t body_bytes;            /* held by all requests */
    struct bf_http_request *suspended; /* list */
    struct bf_audit *audit; /* NULL: none is kept */
    struct {
        uint64_t since; /* the loop's time */
        int64_t count, more; /* since then: all; of these, those without a record */
    } refusals;
    struct bf_http_linger *lingering;  /* list */
    int lingering_count;
    struct bf_http_probe *probe; /* of the targets; NULL: nobody asked yet */
    struct bf_http_hub *hub;     /* of the streams; NULL: nobody listens */
    int watcher_count;
    uint64_t stalled;            /* milliseconds, of a stream that is not read */
};

/* What is not known yet of who asks, and takes a while. */
enum bf_to_identify { BF_IDENTIFY_NOTHING, BF_IDENTIFY_TOKEN, BF_IDENTIFY_USER };

struct bf_http_request {
    struct bf_http *http;
    struct MHD_Connection *connection;
    size_t target_length;
    uintptr_t target_end; /* where the server has the target's end, see check.c */
    struct bf_uri uri;
    struct bf_error uri_error; /* BF_OK: the target is fine */
    const struct bf_route *route;
    const char *job, *target, *replica, *file; /* the route's {job}, {target}, {replica}, {file}; in `uri` */
    struct bf_identity identity; /* who asks, once to_identify is NOTHING; nobody where nobody has to be somebody */
    enum bf_to_identify to_identify;
    bool shown;               /* a token said so, or a cookie that one was exchanged for */
    int64_t until;            /* the loop's time at which the session of its cookie is over; 0: it has none */
    bool begun;               /* the headers were looked at */
    bool head;                /* HEAD: the answer has no body */
    struct bf_buffer body;
    size_t received;          /* bytes of body, kept or not */
    int status;
    struct MHD_Response *response; /* NULL: not answered yet */
    struct bf_http_wait *wait;          /* NULL: waits for nobody */
    bool streams;             /* its answer goes on for as long as the client listens */
    bool suspended;
    struct bf_http_audited audited;
    struct bf_http_request *previous, *next; /* among the suspended ones */
};

/* events.c: of that job; or of the jobs on these targets (names with commas between them; NULL: of all). */
void bf_http_read_events(const struct bf_http *http, const char *job, const char *targets, int64_t after, size_t limit,
                         bf_store_events *read, void *argument);

/* identify.c: who asks, as far as the headers say it; false: answered, it is nobody, or not allowed. */
bool bf_http_identify(struct bf_http_request *request);
/* The same before the handler; false: answered, or on its way: on_request comes back. */
bool bf_http_identified(struct bf_http_request *request);
/* For handlers: the name in events, and whether the role holds for that target. */
const char *bf_http_actor(const struct bf_http_request *request);
bool bf_http_sees(const struct bf_http_request *request, const char *target);
struct bf_http_doors *bf_http_doors_new(void);
void bf_http_doors_free(struct bf_http_doors *doors);
/* proof.c: nobody waits any more; every request was answered before. */
void bf_http_proofs_drop(struct bf_http *http);

/* http.c */
struct bf_http_connection *bf_http_connection_of(const struct bf_http_request *request);

/* connections.c */
struct bf_http_connection *bf_http_connection_new(struct bf_http *http, struct MHD_Connection *connection);
void bf_http_connection_free(struct bf_http_connection *connection);
void bf_http_connection_is(struct bf_http_connection *connection, enum bf_http_phase phase);
/* How many connections there are descriptors for; raises the soft limit where that helps. */
int bf_http_connections_possible(void);

/* secure.c: what the server is told where it speaks TLS; the last one ends the list. */
enum { BF_HTTP_SECURE_OPTIONS = 3 };
void bf_http_secure_options(const struct bf_http *http, struct MHD_OptionItem options[BF_HTTP_SECURE_OPTIONS]);
/* Sends what the server does not know of, encrypted where the connection is; never waits. */
void bf_http_say_past(const struct bf_http_connection *connection, const char *text, size_t length);

/* linger.c: keeps a copy of the socket that is being closed until its client has stopped sending. */
void bf_http_linger_begin(struct bf_http *http, int socket);
void bf_http_linger_end_all(struct bf_http *http);

/* probe.c: ends what is under way to the targets; every request was answered before. */
void bf_http_probe_end(struct bf_http *http);

/* check.c: true when a handler may see the request; else it is answered. Called once, with the headers. */
bool bf_http_has_body(const struct bf_http_request *request);
bool bf_http_check(struct bf_http_request *request, const char *method, const char *version);
const char *bf_http_header(const struct bf_http_request *request, const char *name); /* NULL: not sent */
/* The client asks for `type` and takes no JSON. */
bool bf_http_wants(const struct bf_http_request *request, const char *type);

/* route.c: sets route and what its path holds. BF_OK, BF_NOT_FOUND, or BF_METHOD_NOT_ALLOWED and what Allow says. */
enum bf_code bf_route_find(const char *method, struct bf_http_request *request, struct bf_buffer *allow);

/* answer.c. All of these answer; a request is answered exactly once. */
void bf_http_answer(struct bf_http_request *request, int status, json_t *body); /* takes over `body` */
/* With headers: pairs of name and value, NULL at the end. */
void bf_http_answer_with(struct bf_http_request *request, int status, json_t *body, const char *const *headers);
/* `type` is its media type; takes over `text`. */
void bf_http_answer_text(struct bf_http_request *request, int status, const char *type, char *text);
void bf_http_problem(struct bf_http_request *request, enum bf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same as text with status line and headers, for a connection that is ended after it; owned. */
char *bf_http_problem_text(enum bf_code code, const char *detail);
/* A problem after which nothing more is read from the connection: where the next request begins is not certain. */
void bf_http_problem_last(struct bf_http_request *request, enum bf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* 401. `shown`: there was a token, and it is wrong. */
void bf_http_problem_unauthenticated(struct bf_http_request *request, bool shown, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void bf_http_problem_allow(struct bf_http_request *request, const char *allow);
/* A problem with all complaints and, where there is a job, its id and state. */
void bf_http_problem_of_order(struct bf_http_request *request, const struct bf_outcome_of_order *outcome);
void bf_http_problem_complaints(struct bf_http_request *request, const struct bf_complaints *complaints);
json_t *bf_json_time(int64_t unix_milliseconds); /* 0 gives null */

/* wait.c: a request waits for one callback. The object outlives the request where it has to. */
struct bf_http_wait *bf_http_wait_begin(struct bf_http_request *request);
/* Frees it; NULL: the request is gone or answered. */
struct bf_http_request *bf_http_wait_end(struct bf_http_wait *wait);
void bf_http_wait_forget(struct bf_http_request *request); /* the callback will find no request */

/* http.c: an answered request that was suspended goes on; else does nothing. */
void bf_http_resume(struct bf_http_request *request);
/* The server runs in the next turn of the loop: what was resumed goes on. */
void bf_http_run_soon(struct bf_http *http);

/* job_view.c */
json_t *bf_job_view(const struct bf_job *job);

/* Answers with the job, its ETag and, for 201, its Location. */
void bf_http_answer_job(struct bf_http_request *request, int status, const struct bf_job *job, bool durable);
/* Callbacks of orders, each with what bf_http_wait_begin gave: 201 for a job that there was not before, 202 for one that goes on
 * by itself, or what was in the way. */
void bf_http_created(void *wait, const struct bf_outcome_of_order *outcome);
void bf_http_accepted(void *wait, const struct bf_outcome_of_order *outcome);

/* latches.c: those that are on; of a target: those that hold all of its jobs. */
json_t *bf_latches_view(const struct bf_engine *engine, const char *target, const struct bf_identity *identity);

/* jobs.c: the job that the path names; NULL: answered. `changing`: an ambiguous name is refused. */
const struct bf_job *bf_http_job(struct bf_http_request *request, bool changing);

bool bf_http_dry_rollback(struct bf_http_request *request); /* undo.c; false: it is no dry run */

/* One handler per built route. */
void bf_handle_not_built(struct bf_http_request *request); /* of routes that are only promised; there may be none */
#define X(constant, method, path, role, handler, summary) void bf_handle_##handler(struct bf_http_request *request);
BF_ROUTES(X)
#undef X

#endif
