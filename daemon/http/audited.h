/* What the audit log hears of requests. A request that orders something is recorded twice: that it was asked for, before
 * anything is done, and what came of it, before it is answered. What can only stop something (pause, abort, pause-all,
 * heeding a replica, alerts) is recorded once, behind its answer: nothing may keep a person from stopping a job, and a log
 * that cannot be written least of all. Everything else is refused then. */
#ifndef BF_HTTP_AUDITED_H
#define BF_HTTP_AUDITED_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "identity.h"

struct bf_http;
struct bf_http_request;
struct bf_job;

enum {
    BF_AUDIT_REFUSALS = 60,     /* refused requests in a minute of which each has its record; the others are counted */
    BF_AUDIT_WORDS_MAX = 2000   /* bytes of one member of a body */
};

/* What of a request stands in the log. */
struct bf_http_audited {
    enum { BF_AUDITED_NOT, BF_AUDITED_ASKED, BF_AUDITED_OPEN, BF_AUDITED_DONE } stage;
    int64_t asked;     /* number of the record that it was asked for; 0: none */
    const char *code;  /* of the problem that it ended in; NULL: none */
    json_t *said;      /* owned: of what is recorded once, the words of its order; NULL */
    char job[27], name[64], target[64]; /* that it is about, as far as is known; "" */
    char actor[BF_ACTOR_MAX]; /* who signed in or out; "": who asks */
};

/* Before the handler: true: it may run. False: the request waits, and comes back, or it was answered. */
bool bf_http_audit_begin(struct bf_http_request *request);
/* It is about this job, which may be a new one. */
void bf_http_audit_job(struct bf_http_request *request, const struct bf_job *job);
/* Who asks shows by it who he is, or was. */
void bf_http_audit_actor(struct bf_http_request *request, const char *actor);
/* An answer is ready: true: it has to wait until what came of the request is recorded. */
bool bf_http_audit_end(struct bf_http_request *request);
/* Before the server stops: what is counted and not recorded yet. */
void bf_http_audit_stop(struct bf_http *http);

#endif
