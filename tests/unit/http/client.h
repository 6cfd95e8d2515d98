/* The server under test and a client that sends any bytes, both on one loop in one thread. */
#ifndef CLIENT_H
#define CLIENT_H

#include <jansson.h>
#include <uv.h>

#include "http.h"

struct server {
    uv_loop_t loop;
    struct bf_http *http;
    struct bf_sampler *sampler;
    char *host;       /* "127.0.0.1:43211" */
    const char *path; /* of the unix socket; NULL: TCP */
};

/* One connection; `text` is what came back so far. */
struct exchange {
    struct server *server;
    int socket;
    uv_poll_t poll;
    const char *out;
    size_t out_length, sent;
    char *text;
    size_t length;
    bool ended, closed;
};

struct reply {
    int status;   /* 0: the connection ended without an answer */
    char *text;   /* all of it */
    char *body;   /* in text; "" where there is none */
    json_t *json; /* NULL when the body is none */
};

void server_start(struct server *server, const char *listen);
void server_stop(struct server *server); /* also runs the loop until everything is closed */
void server_close(struct server *server); /* the same, when the test has called bf_http_stop itself */

struct exchange *exchange_begin(struct server *server, const char *bytes, size_t length); /* bytes stay the caller's */
void exchange_leave(struct exchange *exchange); /* closes without waiting and frees */
struct reply exchange_end(struct exchange *exchange); /* waits until the server closed; frees */
/* Runs the loop until *condition is true; fails the test after some seconds. */
void server_run_until(struct server *server, bool (*condition)(void *argument), void *argument);

/* Sends a whole request ("Connection: close" and Host are added) and waits. `headers`: each ends in \r\n; may be "". */
struct reply ask(struct server *server, const char *method, const char *target, const char *headers, const char *body);
struct reply ask_raw(struct server *server, const char *bytes, size_t length);
void reply_clear(struct reply *reply);
char *reply_header(const struct reply *reply, const char *name); /* owned; NULL: not there */
const char *reply_code(const struct reply *reply); /* of a problem; "" where there is none */
const char *reply_text(const struct reply *reply, const char *name); /* a member of the JSON object; NULL: none */
int count_of(const char *text, const char *part); /* how often it stands there */

#define JSON_BODY "Content-Type: application/json\r\n"

#endif
