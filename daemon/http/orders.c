/* Orders to one job: approve, pause, resume, abort, rollback, the change of pace and limits, and the clone. */
#include "server.h"

#include <string.h>

#include "allocate.h"
#include "duration.h"

static void ordered(void *argument, const struct bf_outcome_of_order *outcome)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) return;
    if (outcome->code != BF_OK || !outcome->job) {
        bf_http_problem_of_order(request, outcome);
        return;
    }
    enum bf_route_name route = request->route->name;
    bool at_once = outcome->already || route == BF_ROUTE_APPROVE || route == BF_ROUTE_TUNE;
    bf_http_answer_job(request, at_once ? 200 : 202, outcome->job, outcome->durable);
}

/* The id of the job that the path names; false: answered. A copy: its record may change inside the calls. */
static bool find(struct bf_http_request *request, bool changing, char id[BF_ULID_TEXT])
{
    const struct bf_job *job = bf_http_job(request, changing);
    if (job) memcpy(id, bf_job_record(job)->id, BF_ULID_TEXT);
    return job != NULL;
}

static const char *text_of(const json_t *body, const char *name)
{
    return json_string_value(json_object_get(body, name));
}

/* It is for an admin. False: answered. */
static bool may_break_glass(struct bf_http_request *request, const json_t *body)
{
    if (!json_is_true(json_object_get(body, "break_glass")) || request->identity.role == BF_ROLE_ADMIN) return true;
    bf_http_problem(request, BF_FORBIDDEN, "break_glass needs the role admin, and %s is %s", bf_http_actor(request),
                    bf_role_name(request->identity.role));
    return false;
}

static void give(struct bf_http_request *request, enum bf_order order)
{
    char id[BF_ULID_TEXT];
    int64_t pause_for = 0;
    json_t *body = bf_http_body(request);
    if (!body) return;
    if (may_break_glass(request, body) && find(request, true, id)) {
        struct bf_engine *engine = request->http->engine;
        const char *words = text_of(body, order == BF_ORDER_APPROVE ? "comment" : "reason");
        if (text_of(body, "for") && bf_duration_parse(text_of(body, "for"), &pause_for))
            bf_engine_pause_for(engine, id, pause_for, bf_http_actor(request), words, ordered, bf_http_wait_begin(request));
        else if (order == BF_ORDER_APPROVE)
            bf_engine_approve(engine, id, bf_http_actor(request),
                              &(struct bf_approving){.comment = words, .confirm = text_of(body, "confirm"),
                                                     .plan = text_of(body, "plan"),
                                                     .break_glass = json_is_true(json_object_get(body, "break_glass"))},
                              ordered, bf_http_wait_begin(request));
        else
            bf_engine_order(engine, id, order, bf_http_actor(request), words, NULL, ordered, bf_http_wait_begin(request));
    }
    json_decref(body);
}

void bf_handle_approve(struct bf_http_request *request)
{
    give(request, BF_ORDER_APPROVE);
}

void bf_handle_pause(struct bf_http_request *request)
{
    give(request, BF_ORDER_PAUSE);
}

void bf_handle_resume(struct bf_http_request *request)
{
    give(request, BF_ORDER_RESUME);
}

void bf_handle_abort(struct bf_http_request *request)
{
    give(request, BF_ORDER_ABORT);
}

void bf_handle_rollback(struct bf_http_request *request)
{
    if (!bf_http_dry_rollback(request)) give(request, BF_ORDER_ROLLBACK);
}

void bf_handle_retry_bad_rows(struct bf_http_request *request)
{
    give(request, BF_ORDER_RETRY);
}

void bf_handle_tune(struct bf_http_request *request)
{
    char id[BF_ULID_TEXT];
    json_t *body = bf_http_body(request);
    if (!body) return;
    bool says_nothing = json_object_size(body) == 0;
    json_decref(body); /* the engine reads the text itself, against the tables of the document */
    if (says_nothing)
        bf_http_problem(request, BF_INVALID, "nothing is to be changed: give pace, limits or both");
    else if (find(request, true, id))
        bf_engine_tune(request->http->engine, id, request->body.text, request->body.length,
                       bf_http_header(request, "If-Match"), bf_http_actor(request),
                       bf_role_allows(request->identity.role, BF_ROLE_APPROVER), ordered, bf_http_wait_begin(request));
}

void bf_handle_clone(struct bf_http_request *request)
{
    char id[BF_ULID_TEXT];
    json_t *body = bf_http_body(request);
    if (!body) return;
    if (find(request, false, id)) {
        const char *from = text_of(body, "from");
        bf_engine_clone(request->http->engine, id, text_of(body, "name"), from && strcmp(from, "position") == 0,
                        bf_http_actor(request), bf_http_header(request, "Idempotency-Key"), bf_http_created, bf_http_wait_begin(request));
    }
    json_decref(body);
}
