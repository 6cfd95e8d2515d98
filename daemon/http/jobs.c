/* /v1/jobs: submit, list, show, plan. */
#include "server.h"

#include <string.h>

#include "allocate.h"
#include "state.h"

enum { LIST_BYTES_MAX = 8 * 1024 * 1024 }; /* of documents in one page: `next` goes on where a page was cut */

/* ---- submit ---- */

/* The plan as JSON, or its card for people. False: there is no such plan. */
static bool answer_plan(struct bf_http_request *request, const struct bf_job *job)
{
    char *text BF_AUTO_STRING = job ? bf_job_plan(job) : NULL;
    json_t *plan = text ? json_loads(text, 0, NULL) : NULL;
    const char *card = json_string_value(json_object_get(plan, "card"));
    if (!plan) return false;
    if (card && bf_http_wants(request, "text/plain")) {
        bf_http_answer_text(request, 200, "text/plain; charset=utf-8", bf_copy_string(card));
        json_decref(plan);
    } else {
        bf_http_answer(request, 200, plan);
    }
    return true;
}

static void planned(void *argument, const struct bf_outcome_of_order *outcome)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) return;
    if (outcome->code != BF_OK)
        bf_http_problem_of_order(request, outcome);
    else if (!answer_plan(request, outcome->job))
        bf_http_problem(request, BF_INTERNAL, "the document was accepted but its plan cannot be shown");
}

/* Refused before anything is said of a target that this role is not for, whether there is one or not. */
static bool check_target(struct bf_http_request *request)
{
    if (!request->identity.targets) return true;
    json_t *document = json_loadb(request->body.text, request->body.length, JSON_REJECT_DUPLICATES, NULL);
    const char *target = json_string_value(json_object_get(document, "target"));
    if (target && !bf_http_sees(request, target))
        bf_http_problem(request, BF_FORBIDDEN, "%s is for %s only, not for target %.100s", bf_http_actor(request),
                        request->identity.targets, target);
    json_decref(document);
    return !request->response; /* what is no document is refused as that */
}

void bf_handle_submit(struct bf_http_request *request)
{
    if (request->body.length == 0) {
        bf_http_problem(request, BF_NOT_JSON, "the body is empty; a job document is expected");
        return;
    }
    if (!check_target(request)) return;
    bool dry_run = bf_http_flag(request, "dry_run");
    const char *key = bf_http_header(request, "Idempotency-Key");
    if (dry_run && key)
        bf_http_problem(request, BF_BAD_REQUEST, "a dry run makes no job: send it without Idempotency-Key");
    else if (key)
        bf_engine_submit_once(request->http->engine, request->body.text, request->body.length, bf_http_actor(request), key,
                              bf_http_created, bf_http_wait_begin(request));
    else
        bf_engine_submit(request->http->engine, request->body.text, request->body.length, NULL, bf_http_actor(request), dry_run,
                     dry_run ? planned : bf_http_created, bf_http_wait_begin(request));
}

/* ---- list ---- */

/* A repeated `state` means any of them, a repeated `label` all of them. */
static bool state_fits(const struct bf_http_request *request, const char *state)
{
    bool asked = false;
    for (size_t i = 0; i < request->uri.parameter_count; i++) {
        if (strcmp(request->uri.parameters[i].name, "state") != 0) continue;
        if (strcmp(request->uri.parameters[i].value, state) == 0) return true;
        asked = true;
    }
    return !asked;
}

static bool has_label(const struct bf_document *document, const char *name_and_value)
{
    size_t length = strcspn(name_and_value, ":");
    for (size_t i = 0; i < document->label_count; i++) {
        const struct bf_pair *label = &document->labels[i];
        if (strlen(label->name) == length && memcmp(label->name, name_and_value, length) == 0 &&
            strcmp(label->value, name_and_value + length + 1) == 0)
            return true;
    }
    return false;
}

static bool labels_fit(const struct bf_http_request *request, const struct bf_document *document)
{
    for (size_t i = 0; i < request->uri.parameter_count; i++)
        if (strcmp(request->uri.parameters[i].name, "label") == 0 &&
            !has_label(document, request->uri.parameters[i].value))
            return false;
    return true;
}

static bool job_fits(const struct bf_http_request *request, const struct bf_record *record)
{
    const char *target = bf_http_parameter(request, "target"), *name = bf_http_parameter(request, "name");
    return bf_http_sees(request, record->document->target) && (!target || strcmp(target, record->document->target) == 0) &&
           (!name || strcmp(name, record->document->name) == 0) &&
           state_fits(request, bf_state_name(record->state)) && labels_fit(request, record->document);
}

/* The first job behind `after` (NULL: of all). A job that is gone from the record is passed by its id's time. */
static const struct bf_job *first_after(const struct bf_engine *engine, const char *after)
{
    const struct bf_job *job = bf_engine_next_job(engine, NULL);
    if (!after) return job;
    for (const struct bf_job *each = job; each; each = bf_engine_next_job(engine, each))
        if (strcmp(bf_job_record(each)->id, after) == 0) return bf_engine_next_job(engine, each);
    while (job && strcmp(bf_job_record(job)->id, after) >= 0) job = bf_engine_next_job(engine, job);
    return job;
}

void bf_handle_list_jobs(struct bf_http_request *request)
{
    const struct bf_engine *engine = request->http->engine;
    int64_t limit = bf_http_number(request, "limit");
    json_t *jobs = json_array();
    char last[BF_ULID_TEXT] = "";
    size_t bytes = 0;
    bool more = false;
    const struct bf_job *job = first_after(engine, bf_http_parameter(request, "after"));
    for (; job && !more; job = bf_engine_next_job(engine, job)) {
        const struct bf_record *record = bf_job_record(job);
        if (!job_fits(request, record)) continue;
        more = (int64_t)json_array_size(jobs) == limit || bytes > LIST_BYTES_MAX;
        if (more) break;
        json_array_append_new(jobs, bf_job_view(job));
        memcpy(last, record->id, sizeof last);
        bytes += strlen(record->document->canonical);
    }
    json_t *body = json_object();
    json_object_set_new(body, "jobs", jobs);
    json_object_set_new(body, "next", more ? json_string(last) : json_null());
    bf_http_answer(request, 200, body);
}

/* ---- one job ---- */

/* The newest of that name that who asks may see. */
static const struct bf_job *newest_seen(const struct bf_http_request *request)
{
    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(request->http->engine, job));) {
        const struct bf_document *document = bf_job_record(job)->document;
        if (strcmp(document->name, request->job) == 0 && bf_http_sees(request, document->target)) return job;
    }
    return NULL;
}

/* Whoever may not see a job is told what he would be told if there were none. */
static enum bf_code as_seen(const struct bf_http_request *request, enum bf_code found, const struct bf_job **job,
                            struct bf_error *error)
{
    bool seen = found == BF_OK && bf_http_sees(request, bf_job_record(*job)->document->target);
    if (seen || (found != BF_OK && found != BF_AMBIGUOUS)) return found;
    const struct bf_job *newest = newest_seen(request);
    if (!newest) return bf_fail(error, BF_NOT_FOUND, "there is no job with the id or name %.100s", request->job);
    if (found == BF_AMBIGUOUS) return bf_fail(error, found, "the name %s means more than one job; use the id", request->job);
    *job = newest;
    return BF_OK;
}

const struct bf_job *bf_http_job(struct bf_http_request *request, bool changing)
{
    const struct bf_job *job = NULL;
    struct bf_error error = {0};
    enum bf_code code = bf_engine_find(request->http->engine, request->job, changing, &job, &error);
    if (request->identity.targets) code = as_seen(request, code, &job, &error);
    if (code == BF_OK) return job;
    bf_http_problem(request, code, "%s", error.text);
    return NULL;
}

void bf_handle_show_job(struct bf_http_request *request)
{
    const struct bf_job *job = bf_http_job(request, false);
    if (job) bf_http_answer_job(request, 200, job, true);
}

void bf_handle_show_plan(struct bf_http_request *request)
{
    const struct bf_job *job = bf_http_job(request, false);
    if (!job) return;
    const struct bf_record *record = bf_job_record(job);
    if (!answer_plan(request, job))
        bf_http_problem(request, BF_NOT_FOUND, "job %s is %s and has no plan yet", record->id,
                        bf_state_name(record->state));
}
