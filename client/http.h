/* HTTP to the daemon by libcurl: one connection kept alive, requests one after the other. */
#ifndef BF_CLIENT_HTTP_H
#define BF_CLIENT_HTTP_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "backfilld/api.h"
#include "exit_code.h"

struct bf_http;

enum bf_reached {
    BF_REACHED,     /* the daemon answered, whatever it said */
    BF_UNREACHABLE, /* no answer: see `text` */
    BF_STOPPED      /* `stop` was set */
};

struct bf_reply {
    enum bf_reached reached;
    long status;       /* HTTP */
    char *body;        /* owned; NULL when there is none */
    json_t *json;      /* owned; NULL when the body is not JSON */
    bool problem;      /* application/problem+json */
    long retry_after;  /* seconds; 0: not said */
    char text[768];    /* UNREACHABLE: why */
};

enum { BF_REPLY_MAX = 16 * 1024 * 1024, BF_TOKEN_MAX = 4096 };

/* `url`: http://host:port, https://…, or unix:/path. `token` may be NULL; it is sent and never shown. `authorities`: a PEM
 * file; NULL: the system's. NULL: these cannot be used, and that is said. `stop`: a flag that ends a running request. */
struct bf_http *bf_http_new(const char *url, const char *token, const char *authorities, const volatile sig_atomic_t *stop);
void bf_http_free(struct bf_http *http); /* NULL is fine */
const char *bf_http_url(const struct bf_http *http);

/* `job` stands in the route's path (percent-encoded); `query` ("?…", or NULL) is appended as it is. `body`: JSON text or
 * NULL. `timeout`: milliseconds for all of it. Clear the reply in every case. */
void bf_http_ask(struct bf_http *http, enum bf_route_name route, const char *job, const char *query, const char *body,
                 int64_t timeout, struct bf_reply *ret_reply);
/* The same with one more header ("Name: value"). */
void bf_http_ask_with(struct bf_http *http, enum bf_route_name route, const char *job, const char *header,
                      const char *body, int64_t timeout, struct bf_reply *ret_reply);
/* The same for a route whose path has a target and a replica. */
void bf_http_ask_replica(struct bf_http *http, enum bf_route_name route, const char *target, const char *replica,
                         const char *body, int64_t timeout, struct bf_reply *ret_reply);
void bf_reply_clear(struct bf_reply *reply);

/* Percent-encodes everything that is not unreserved (RFC 3986), and dots too where nothing else stands. Owned. */
char *bf_percent_encode(const char *text);

/* Says what went wrong and returns the exit code for it; call it when the reply is not a 2xx with JSON. */
enum bf_exit bf_reply_complain(const struct bf_http *http, const struct bf_reply *reply);
/* True for an answer that can be used. */
bool bf_reply_good(const struct bf_reply *reply);
/* True when asking again later may help: no answer, or the daemon is starting, stopping or too busy. */
bool bf_reply_passing(const struct bf_reply *reply);

#endif
