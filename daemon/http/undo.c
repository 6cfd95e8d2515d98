/* The way back beside the order itself: what a rollback would do, which changes it left alone, and dropping it early. */
#include "server.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"

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

static void listed(void *argument, const struct bf_undo_answer *answer)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) return;
    if (answer->code != BF_OK) {
        bf_http_problem(request, answer->code, "%s", answer->text);
        return;
    }
    json_t *conflicts = json_array(), *body = json_object();
    for (size_t i = 0; i < answer->count; i++) {
        json_t *conflict = json_object(), *key = json_loads(answer->list[i].key, 0, NULL);
        json_object_set_new(conflict, "key", key ? key : json_array());
        json_object_set_new(conflict, "kind", json_string(answer->list[i].kind));
        json_object_set_new(conflict, "found_at", bf_json_text(answer->list[i].found_at));
        json_array_append_new(conflicts, conflict);
    }
    json_object_set_new(body, "conflicts", conflicts);
    const struct bf_conflict_place *last = answer->count ? &answer->list[answer->count - 1].place : NULL;
    json_object_set_new(body, "next",
                        answer->more ? json_sprintf("%lld.%lld.%lld.%lld", (long long)last->slice, (long long)last->seq,
                                                    (long long)last->part, (long long)last->place)
                                     : json_null());
    bf_http_answer(request, 200, body);
}

void bf_handle_conflicts(struct bf_http_request *request)
{
    struct bf_conflict_place after;
    long long slice, seq, part, place;
    const char *text = bf_http_parameter(request, "after");
    int length = 0;
    if (text && (sscanf(text, "%lld.%lld.%lld.%lld%n", &slice, &seq, &part, &place, &length) != 4 || text[length])) {
        bf_http_problem(request, BF_BAD_REQUEST, "after is what `next` gave, not %.60s", text);
        return;
    }
    if (text) after = (struct bf_conflict_place){slice, seq, part, place};
    const struct bf_job *job = bf_http_job(request, false);
    if (job)
        bf_engine_conflicts(request->http->engine, bf_job_record(job)->id, text ? &after : NULL,
                            bf_http_number(request, "limit"), listed, bf_http_wait_begin(request));
}

static void forgotten(void *argument, const struct bf_outcome_of_order *outcome)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) return;
    if (outcome->code != BF_OK || !outcome->job)
        bf_http_problem_of_order(request, outcome);
    else
        bf_http_answer_job(request, 202, outcome->job, outcome->durable);
}

void bf_handle_forget(struct bf_http_request *request)
{
    char id[BF_ULID_TEXT];
    json_t *body = bf_http_body(request);
    if (!body) return;
    const struct bf_job *job = bf_http_job(request, true);
    if (job) {
        memcpy(id, bf_job_record(job)->id, sizeof id);
        bf_engine_forget(request->http->engine, id, json_string_value(json_object_get(body, "confirm")), BF_HTTP_ACTOR, forgotten,
                         bf_http_wait_begin(request));
    }
    json_decref(body);
}
