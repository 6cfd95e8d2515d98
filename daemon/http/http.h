/* The HTTP interface, version 1 (docs/interface.md, section 4): libmicrohttpd driven by the daemon's one loop. It
 * orders and looks; it never decides anything about a job. Everything runs in the loop's thread. SIGPIPE has to be
 * ignored by the process. */
#ifndef BF_HTTP_H
#define BF_HTTP_H

#include <uv.h>

#include "engine.h"
#include "result.h"
#include "store.h"

struct bf_http;
struct bf_job_files;
struct bf_sampler;

struct bf_http_options {
    struct bf_engine *engine; /* engine, its targets and the store stay the caller's and live until bf_http_stop */
    const struct bf_store *store;
    const struct bf_job_files *job_files; /* NULL: none; lives until bf_http_stop */
    struct bf_sampler *sampler;           /* the same */
    /* "127.0.0.1:8420", "localhost:8420", "[::1]:0" (0: any free port) or "unix:/path"; loopback only, because tokens
     * are not built yet. */
    const char *listen;
    int64_t stalled; /* milliseconds until a stream that nobody reads is dropped; 0: ten seconds */
};

/* Listens. NULL and the reason in `error` when that fails; a socket file that nobody listens on is replaced. */
struct bf_http *bf_http_start(uv_loop_t *loop, const struct bf_http_options *options, struct bf_error *error);

/* "http://127.0.0.1:43211" with the real port, or "unix:/path"; valid until bf_http_stop. */
const char *bf_http_address(const struct bf_http *http);

/* Some targets are gone or connect anew: lets go of what is kept of them. Who waits for them is answered as of the new
 * ones. */
void bf_http_targets_changed(struct bf_http *http);

/* Ends listening and all connections; requests that still wait for the engine or the store are answered 503 `stopping`.
 * What these still call back afterwards does nothing; an order in flight whose callback never comes costs a few bytes.
 * Memory is freed when the loop has run once more. NULL is fine. */
void bf_http_stop(struct bf_http *http);

#endif
