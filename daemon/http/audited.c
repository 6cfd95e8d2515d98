#include "audited.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "allocate.h"
#include "audit.h"
#include "audit_file.h"
#include "digest.h"
#include "server.h"
#include "token.h"

enum { MINUTE = 60000 /* milliseconds */ };

static const char *const actions[] = {
#define X(constant, method, path, role, handler, summary) #constant,
    BF_ROUTES(X)
#undef X
};

/* Members of bodies that say what was ordered and why. No other one is recorded: it could be a secret. */
static const char *const words[] = {"reason", "comment", "for", "plan", "from", "label", "name", "target", "pace", "limits", "break_glass"};

/* And what lets in, or out, who may want to. */
static bool only_stops(enum bf_route_name route)
{
    return route == BF_ROUTE_PAUSE || route == BF_ROUTE_ABORT || route == BF_ROUTE_PAUSE_ALL ||
           route == BF_ROUTE_HEED_REPLICA || route == BF_ROUTE_TAKE_ALERTS || route == BF_ROUTE_SIGN_IN ||
           route == BF_ROUTE_SIGN_OUT;
}

static bool changes_something(const struct bf_http_request *request)
{
    return strcmp(request->route->method, "GET") != 0 && !bf_http_flag(request, "dry_run");
}

/* ---- what stands in a record ---- */

static json_t *peer_of(const struct bf_http_request *request)
{
    int socket = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_storage storage;
    } address = {0};
    socklen_t length = sizeof address;
    char text[INET6_ADDRSTRLEN] = "";
    struct ucred other;

    if (getpeername(socket, &address.any, &length) != 0) return json_string("gone");
    switch (address.any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address.ipv4.sin_addr, text, sizeof text);
        return json_sprintf("%s:%d", text, ntohs(address.ipv4.sin_port));
    case AF_INET6:
        inet_ntop(AF_INET6, &address.ipv6.sin6_addr, text, sizeof text);
        return json_sprintf("[%s]:%d", text, ntohs(address.ipv6.sin6_port));
    default:
        length = sizeof other;
        if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &other, &length) != 0) return json_string("unix");
        return json_sprintf("unix:uid=%u,pid=%d", (unsigned)other.uid, (int)other.pid);
    }
}

/* A token that somebody put where it does not belong is not written down. */
static void add(json_t *record, const char *name, const char *text)
{
    if (text && text[0]) json_object_set_new(record, name, bf_json_text(bf_token_within(text) ? "(a token)" : text));
}

/* What was refused before its route was looked for is told by its path. */
static void add_action(json_t *record, const struct bf_http_request *request)
{
    if (!request->route) {
        struct bf_buffer path = {.ceiling = BF_AUDIT_WORDS_MAX};
        for (size_t i = 0; i < request->uri.segment_count; i++) bf_buffer_format(&path, "/%s", request->uri.segments[i]);
        add(record, "action", "request");
        add(record, "path", path.overflow ? "too long" : path.text);
        bf_buffer_clear(&path);
        return;
    }
    char *action BF_AUTO_STRING = bf_copy_string(actions[request->route->name]);
    for (char *at = action; *at; at++) *at = (char)tolower((unsigned char)*at);
    add(record, "action", action);
}

static void take_job(struct bf_http_audited *audited, const struct bf_job *job)
{
    const struct bf_record *record = bf_job_record(job);
    snprintf(audited->job, sizeof audited->job, "%s", record->id);
    snprintf(audited->name, sizeof audited->name, "%s", record->document->name);
    snprintf(audited->target, sizeof audited->target, "%s", record->document->target);
}

/* The job is looked for while it is there: what is ordered may take it away. */
static void look_up(struct bf_http_request *request)
{
    struct bf_http_audited *audited = &request->audited;
    const struct bf_job *job = NULL;
    if (request->job && bf_engine_find(request->http->engine, request->job, false, &job, NULL) == BF_OK)
        take_job(audited, job);
    else if (request->job)
        snprintf(audited->name, sizeof audited->name, "%s", request->job);
    if (request->target) snprintf(audited->target, sizeof audited->target, "%s", request->target);
}

/* Who, from where, what, and to what. */
static json_t *record_of(const struct bf_http_request *request, const char *outcome)
{
    json_t *record = json_object();
    add_action(record, request);
    const char *actor = request->audited.actor[0] ? request->audited.actor : bf_http_actor(request);
    add(record, "actor", actor[0] ? actor : "nobody");
    if (request->identity.role != BF_ROLE_ANYONE) add(record, "role", bf_role_name(request->identity.role));
    json_object_set_new(record, "peer", peer_of(request));
    add(record, "outcome", outcome);
    add(record, "job", request->audited.job);
    add(record, "name", request->audited.name);
    add(record, "target", request->audited.target);
    add(record, "replica", request->replica);
    return record;
}

/* What was said with the order. A document is told by its hash, for its expressions may hold what is nobody else's business. */
static void add_words(json_t *record, const struct bf_http_request *request)
{
    json_t *body = json_loadb(request->body.text ? request->body.text : "", request->body.length, 0, NULL);
    bool document = request->route->name == BF_ROUTE_SUBMIT;
    for (size_t i = 0; i < BF_COUNT(words) && request->route->name != BF_ROUTE_TAKE_ALERTS; i++) {
        json_t *value = json_object_get(body, words[i]);
        bool known = strcmp(words[i], "name") == 0 || strcmp(words[i], "target") == 0;
        if (!value || (document && !known) || json_object_get(record, words[i])) continue;
        /* Numbers that are not whole have more than one way to be written: what is no text is told as one. */
        char *text BF_AUTO_STRING = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_REAL_PRECISION(15));
        if (strlen(text) <= BF_AUDIT_WORDS_MAX) add(record, words[i], json_is_string(value) ? json_string_value(value) : text);
    }
    if (document) {
        char digest[BF_DIGEST_TEXT];
        const char *text = request->body.text ? request->body.text : "";
        json_object_set_new(record, "document", json_string(bf_sha256(text, request->body.length, digest)));
    }
    json_decref(body);
}

void bf_http_audit_job(struct bf_http_request *request, const struct bf_job *job)
{
    take_job(&request->audited, job);
}

void bf_http_audit_actor(struct bf_http_request *request, const char *actor)
{
    snprintf(request->audited.actor, sizeof request->audited.actor, "%s", actor);
}

/* ---- before ---- */

static void asked(void *argument, const char *trouble, int64_t number)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) return;
    request->audited.asked = number;
    if (!trouble) {
        request->audited.stage = BF_AUDITED_OPEN;
        bf_http_resume(request); /* which comes back, to the handler */
        return;
    }
    request->audited.stage = BF_AUDITED_DONE;
    bf_http_problem(request, BF_AUDIT_FAILED, "%s. Nothing was done: jobs can be paused and aborted, nothing else can be ordered",
                    trouble);
}

bool bf_http_audit_begin(struct bf_http_request *request)
{
    struct bf_http_audited *audited = &request->audited;
    if (!request->http->audit || !changes_something(request) || audited->stage != BF_AUDITED_NOT) return true;
    look_up(request);
    if (only_stops(request->route->name)) {
        audited->stage = BF_AUDITED_OPEN;
        audited->said = json_object();
        add_words(audited->said, request);
        return true;
    }
    audited->stage = BF_AUDITED_ASKED;
    json_t *record = record_of(request, "asked");
    add_words(record, request);
    bf_audit_add(request->http->audit, record, false, asked, bf_http_wait_begin(request));
    return false;
}

/* ---- behind ---- */

static void recorded(void *argument, const char *trouble, int64_t number)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    (void)trouble; /* it is done, the record is kept until it can be written, and the log says so */
    (void)number;
    if (request) bf_http_resume(request);
}

static json_t *outcome_of(struct bf_http_request *request)
{
    int status = request->status;
    json_t *record = record_of(request, status < 400 ? "done" : status < 500 ? "refused" : "failed");
    json_object_set_new(record, "status", json_integer(status));
    add(record, "code", request->audited.code);
    if (request->audited.asked > 0) json_object_set_new(record, "asked", json_integer(request->audited.asked));
    json_object_update_missing(record, request->audited.said);
    json_decref(request->audited.said);
    request->audited.said = NULL;
    return record;
}

/* Those of the last minute that have no record of their own. */
static void record_more_refusals(struct bf_http *http)
{
    if (http->refusals.more > 0) {
        json_t *record = json_pack("{s:s, s:s, s:I}", "action", "refusals", "actor", "daemon", "count",
                                   (json_int_t)http->refusals.more);
        bf_audit_add(http->audit, record, true, NULL, NULL);
    }
    http->refusals.since = uv_now(http->loop);
    http->refusals.count = http->refusals.more = 0;
}

void bf_http_audit_stop(struct bf_http *http)
{
    if (http->audit) record_more_refusals(http);
}

/* Somebody who may not: recorded, unless there are so many that they would fill the disk. */
static void record_refusal(struct bf_http_request *request)
{
    struct bf_http *http = request->http;
    if (http->refusals.count++ >= BF_AUDIT_REFUSALS) {
        http->refusals.more++;
        return;
    }
    if (request->route) look_up(request);
    bf_audit_add(http->audit, outcome_of(request), true, NULL, NULL);
}

bool bf_http_audit_end(struct bf_http_request *request)
{
    struct bf_http_audited *audited = &request->audited;
    struct bf_audit *audit = request->http->audit;
    if (!audit || audited->stage == BF_AUDITED_DONE) return false;
    if (uv_now(request->http->loop) - request->http->refusals.since >= MINUTE) record_more_refusals(request->http);
    bool open = audited->stage == BF_AUDITED_OPEN, refused = request->status == 401 || request->status == 403;
    audited->stage = BF_AUDITED_DONE;
    bool waits = open && !only_stops(request->route->name);
    if (refused && !waits) record_refusal(request);
    if (!open || (refused && !waits)) return false;
    json_t *record = outcome_of(request);
    if (!waits || request->http->stopping) {
        bf_audit_add(audit, record, true, NULL, NULL);
        return false;
    }
    bf_audit_add(audit, record, true, recorded, bf_http_wait_begin(request));
    return true;
}

/* ---- GET /v1/audit ---- */

static void listed(void *argument, json_t *records, const struct bf_audit_head *head, const char *trouble)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) {
        json_decref(records);
        return;
    }
    if (trouble) {
        bf_http_problem(request, BF_AUDIT_FAILED, "%s", trouble);
        return;
    }
    size_t count = json_array_size(records);
    json_t *last = json_object_get(json_array_get(records, count - 1), "n"), *body = json_object();
    bool more = bf_http_parameter(request, "after") && (int64_t)count == bf_http_number(request, "limit");
    json_object_set_new(body, "records", records);
    json_object_set(body, "next", more && last ? last : json_null());
    json_object_set_new(body, "head", json_pack("{s:I, s:s}", "n", (json_int_t)head->number, "hash", head->hash));
    bf_http_answer(request, 200, body);
}

void bf_handle_audit(struct bf_http_request *request)
{
    if (!request->http->audit)
        bf_http_problem(request, BF_NOT_FOUND, "no audit log is kept (audit = none)");
    else if (request->identity.targets)
        bf_http_problem(request, BF_FORBIDDEN, "the audit log is about all targets, and %s is for %s only", bf_http_actor(request),
                        request->identity.targets);
    else
        bf_audit_read(request->http->audit, bf_http_number(request, "after"), (size_t)bf_http_number(request, "limit"), listed,
                      bf_http_wait_begin(request));
}
