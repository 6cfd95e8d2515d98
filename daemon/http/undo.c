/* The way back beside the order itself: what a rollback would do, and dropping it early. Which changes it left alone: rows.c. */
#include "server.h"

#include <string.h>

static void looked_back(void *argument, const struct bf_undo_answer *answer)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) return;
    if (answer->code != BF_OK) {
        bf_http_problem(request, answer->code, "%s", answer->text);
        return;
    }
    json_t *view = json_object();
    json_object_set_new(view, "by", json_string(answer->inverse ? "inverse" : "journal"));
    json_object_set_new(view, "rows", json_integer(answer->rows));
    json_object_set_new(view, "bytes", answer->bytes < 0 ? json_null() : json_integer(answer->bytes));
    json_object_set_new(view, "sampled", json_integer(answer->sampled));
    json_object_set_new(view, "sampled_changed", json_integer(answer->changed));
    json_object_set_new(view, "sampled_deleted", json_integer(answer->deleted));
    json_object_set_new(view, "seconds", answer->seconds < 0 ? json_null() : json_integer(answer->seconds));
    bf_http_answer(request, 200, view);
}

bool bf_http_dry_rollback(struct bf_http_request *request)
{
    if (!bf_http_flag(request, "dry_run")) return false;
    const struct bf_job *job = bf_http_job(request, false);
    if (job)
        bf_engine_look_back(request->http->engine, bf_job_record(job)->id, looked_back, bf_http_wait_begin(request));
    return true;
}

void bf_handle_forget(struct bf_http_request *request)
{
    char id[BF_ULID_TEXT];
    json_t *body = bf_http_body(request);
    if (!body) return;
    const struct bf_job *job = bf_http_job(request, true);
    if (job) {
        memcpy(id, bf_job_record(job)->id, sizeof id);
        bf_engine_forget(request->http->engine, id, json_string_value(json_object_get(body, "confirm")), bf_http_actor(request), bf_http_accepted,
                         bf_http_wait_begin(request));
    }
    json_decref(body);
}
