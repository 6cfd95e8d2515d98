/* /v1/targets: what is known of them without asking the servers. */
#include "server.h"

#include <string.h>

#include "dialect.h"
#include "state.h"

static json_t *target_view(const struct bf_engine *engine, const struct bf_target *target)
{
    json_int_t running = 0, queued = 0;
    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(engine, job));) {
        const struct bf_record *record = bf_job_record(job);
        if (strcmp(record->document->target, target->name) != 0) continue;
        switch (record->state) {
        case BF_STATE_RUNNING:
        case BF_STATE_VERIFYING:
        case BF_STATE_PAUSING:
        case BF_STATE_ABORTING:
        case BF_STATE_ROLLING_BACK:
            running++;
            break;
        case BF_STATE_QUEUED:
            queued++;
            break;
        default:
            break;
        }
    }
    json_t *view = json_object();
    json_object_set_new(view, "name", bf_json_text(target->name));
    json_object_set_new(view, "engine", bf_json_text(target->database->dialect->name));
    json_object_set_new(view, "max_jobs", json_integer(target->max_jobs));
    json_object_set_new(view, "require_approval", json_string(target->require_approval ? "all" : "none"));
    json_object_set_new(view, "running", json_integer(running));
    json_object_set_new(view, "queued", json_integer(queued));
    json_object_set_new(view, "latches", bf_latches_view(engine, target->name));
    return view;
}

void bf_handle_list_targets(struct bf_http_request *request)
{
    const struct bf_engine *engine = request->http->engine;
    json_t *targets = json_array(), *body = json_object();
    const struct bf_target *target;
    for (size_t i = 0; (target = bf_engine_target(engine, i)); i++)
        json_array_append_new(targets, target_view(engine, target));
    json_object_set_new(body, "targets", targets);
    bf_http_answer(request, 200, body);
}

void bf_handle_show_target(struct bf_http_request *request)
{
    const struct bf_engine *engine = request->http->engine;
    const struct bf_target *target;
    for (size_t i = 0; (target = bf_engine_target(engine, i)); i++) {
        if (strcmp(target->name, request->target) != 0) continue;
        bf_http_answer(request, 200, target_view(engine, target));
        return;
    }
    bf_http_problem(request, BF_NOT_FOUND, "no target is called %.100s", request->target);
}
