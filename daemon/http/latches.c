/* pause-all and resume-all. */
#include "server.h"

#include <string.h>

#include "allocate.h"
#include "body.h"
#include "state.h"

static json_t *latch_view(const struct bf_latch *latch)
{
    json_t *view = json_object();
    bool label = latch->kind == BF_LATCH_LABEL;
    char *text BF_AUTO_STRING = label ? bf_format("%s=%s", latch->name, latch->value) : NULL;
    json_object_set_new(view, "target", bf_json_text(latch->kind == BF_LATCH_TARGET ? latch->name : NULL));
    json_object_set_new(view, "label", bf_json_text(text));
    json_object_set_new(view, "reason", bf_json_text(latch->reason));
    json_object_set_new(view, "by", bf_json_text(latch->actor));
    json_object_set_new(view, "since", bf_json_time(latch->since));
    return view;
}

json_t *bf_latches_view(const struct bf_engine *engine, const char *target, const struct bf_identity *identity)
{
    json_t *latches = json_array();
    const struct bf_latch *latch;
    for (size_t i = 0; (latch = bf_engine_latch(engine, i)); i++)
        if ((!target || latch->kind == BF_LATCH_ALL ||
             (latch->kind == BF_LATCH_TARGET && strcmp(latch->name, target) == 0)) &&
            (latch->kind != BF_LATCH_TARGET || bf_identity_sees(identity, latch->name)))
            json_array_append_new(latches, latch_view(latch));
    return latches;
}

static json_t *job_in_short(const struct bf_job *job)
{
    const struct bf_record *record = bf_job_record(job);
    json_t *view = json_object();
    json_object_set_new(view, "id", json_string(record->id));
    json_object_set_new(view, "name", bf_json_text(record->document->name));
    json_object_set_new(view, "target", bf_json_text(record->document->target));
    json_object_set_new(view, "state", json_string(bf_state_name(record->state)));
    return view;
}

static void latched(void *argument, const struct bf_outcome_of_latch *outcome)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) return;
    if (outcome->code != BF_OK) {
        bf_http_problem(request, outcome->code, "%s", outcome->text);
        return;
    }
    json_t *jobs = json_array(), *view = json_object();
    for (size_t i = 0; i < outcome->count; i++) json_array_append_new(jobs, job_in_short(outcome->jobs[i]));
    json_object_set_new(view, "jobs", jobs);
    json_object_set_new(view, "latches", bf_latches_view(request->http->engine, NULL, &request->identity));
    if (!outcome->durable) json_object_set_new(view, "durable", json_false());
    bf_http_answer(request, 200, view);
}

/* A name that nothing has would pause nothing, and who says it would not know. */
static bool is_target(const struct bf_engine *engine, const char *name)
{
    const struct bf_target *target;
    const struct bf_latch *latch;
    for (size_t i = 0; (target = bf_engine_target(engine, i)); i++)
        if (strcmp(target->name, name) == 0) return true;
    for (size_t i = 0; (latch = bf_engine_latch(engine, i)); i++)
        if (latch->kind == BF_LATCH_TARGET && strcmp(latch->name, name) == 0) return true;
    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(engine, job));)
        if (strcmp(bf_job_record(job)->document->target, name) == 0) return true;
    return false;
}

static void give(struct bf_http_request *request, void (*order)(struct bf_engine *engine, const struct bf_latch *scope,
                                                                const char *actor, bf_latched *done, void *argument))
{
    struct bf_engine *engine = request->http->engine;
    json_t *body = bf_http_body(request);
    if (!body) return;
    const char *target = json_string_value(json_object_get(body, "target"));
    char *label BF_AUTO_STRING = bf_copy_string(json_string_value(json_object_get(body, "label")));
    char *nothing BF_AUTO_STRING = bf_copy_string(""), *name BF_AUTO_STRING = bf_copy_string(target);
    char *reason BF_AUTO_STRING = bf_copy_string(json_string_value(json_object_get(body, "reason")));
    struct bf_latch scope = {.kind = BF_LATCH_ALL, .name = nothing, .value = nothing, .reason = reason};
    if (target) {
        scope.kind = BF_LATCH_TARGET;
        scope.name = name;
    } else if (label) {
        char *value = label + (bf_body_label_mark(label) - label);
        *value = '\0';
        scope = (struct bf_latch){.kind = BF_LATCH_LABEL, .name = label, .value = value + 1, .reason = reason};
    }
    if (request->identity.targets && (!target || !bf_http_sees(request, target))) {
        bf_http_problem(request, BF_FORBIDDEN, "%s is for %s only: give one of them as target", bf_http_actor(request),
                        request->identity.targets);
    } else if (target && !is_target(engine, target)) {
        struct bf_complaints complaints = {0};
        bf_complain(&complaints, BF_INVALID, "/target", "no target is called %.100s", target);
        bf_http_problem_complaints(request, &complaints);
        bf_complaints_clear(&complaints);
    } else {
        order(engine, &scope, bf_http_actor(request), latched, bf_http_wait_begin(request));
    }
    json_decref(body);
}

void bf_handle_pause_all(struct bf_http_request *request)
{
    give(request, bf_engine_pause_all);
}

void bf_handle_resume_all(struct bf_http_request *request)
{
    give(request, bf_engine_resume_all);
}
