/* The HTTP interface, version 1 (docs/interface.md, section 4): libmicrohttpd driven by the daemon's one loop. It
 * orders and looks; it never decides anything about a job. Everything runs in the loop's thread. SIGPIPE has to be
 * ignored by the process. */
#ifndef BF_HTTP_H
#define BF_HTTP_H

#include <uv.h>

#include "engine.h"
#include "result.h"
#include "store.h"

struct bf_audit;
struct bf_http;
struct bf_access;
struct bf_job_files;
struct bf_sampler;
struct bf_tls;

struct bf_http_options {
    struct bf_engine *engine; /* engine, its targets and the store stay the caller's and live until bf_http_stop */
    const struct bf_store *store;
    const struct bf_job_files *job_files; /* NULL: none; lives until bf_http_stop */
    struct bf_sampler *sampler;           /* the same */
    struct bf_audit *audit;               /* the same */
    /* "127.0.0.1:8420", "localhost:8420", "[::1]:0" (0: any free port) or "unix:/path"; loopback only where there are no
     * tokens. */
    const char *listen;
    struct bf_tls *tls; /* https with this certificate; taken over in any case; NULL: http */
    const struct bf_access *access; /* NULL: no tokens, and whoever connects may do everything */
    /* A wrong token came from there; `name`: whose it says it is, or "". May be NULL. */
    void (*token_refused)(void *argument, const char *address, const char *name);
    void *argument;
    int64_t stalled; /* milliseconds until a stream that nobody reads is dropped; 0: ten seconds */
};

/* Listens. NULL and the reason in `error` when that fails; a socket file that nobody listens on is replaced. */
struct bf_http *bf_http_start(uv_loop_t *loop, const struct bf_http_options *options, struct bf_error *error);

/* "http://127.0.0.1:43211" or "https://…" with the real port, or "unix:/path"; valid until bf_http_stop. */
const char *bf_http_address(const struct bf_http *http);

const struct bf_tls *bf_http_tls(const struct bf_http *http); /* NULL: it speaks http */
/* From the next handshake on this is the certificate of a server that has one already; taken over. Connections that are
 * open stay. */
void bf_http_set_tls(struct bf_http *http, struct bf_tls *tls);
/* From now on this counts; it stays the caller's and lives until the next one, or bf_http_stop. Streams of who had shown a token
 * end, and their clients come back. */
void bf_http_set_access(struct bf_http *http, const struct bf_access *access);
/* It can be reached from other machines: without tokens that must not be. */
bool bf_http_is_public(const struct bf_http *http);

/* Some targets are gone or connect anew: lets go of what is kept of them. Who waits for them is answered as of the new
 * ones. */
void bf_http_targets_changed(struct bf_http *http);

/* Ends listening and all connections; requests that still wait for the engine or the store are answered 503 `stopping`.
 * What these still call back afterwards does nothing; an order in flight whose callback never comes costs a few bytes.
 * Memory is freed when the loop has run once more. NULL is fine. */
void bf_http_stop(struct bf_http *http);

#endif
