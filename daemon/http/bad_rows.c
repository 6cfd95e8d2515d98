/* The rows in quarantine: those that the server refused to change. */
#include "server.h"

#include <stdio.h>

static void listed(void *argument, const struct bf_undo_answer *answer)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) return;
    if (answer->code != BF_OK) {
        bf_http_problem(request, answer->code, "%s", answer->text);
        return;
    }
    json_t *rows = json_array(), *body = json_object();
    for (size_t i = 0; i < answer->count; i++) {
        const struct bf_conflict *row = &answer->list[i];
        json_t *view = json_object(), *key = json_loads(row->key, 0, NULL);
        json_object_set_new(view, "key", key ? key : json_array());
        json_object_set_new(view, "error", bf_json_text(row->error));
        json_object_set_new(view, "sqlstate", bf_json_text(row->sqlstate));
        json_object_set_new(view, "found_at", bf_json_text(row->found_at));
        json_array_append_new(rows, view);
    }
    json_object_set_new(body, "bad_rows", rows);
    const struct bf_conflict_place *last = answer->count ? &answer->list[answer->count - 1].place : NULL;
    json_object_set_new(body, "next",
                        answer->more ? json_sprintf("%lld.%lld", (long long)last->slice, (long long)last->seq) : json_null());
    bf_http_answer(request, 200, body);
}

void bf_handle_bad_rows(struct bf_http_request *request)
{
    struct bf_conflict_place after = {0};
    long long slice, seq;
    const char *text = bf_http_parameter(request, "after");
    int length = 0;
    if (text && (sscanf(text, "%lld.%lld%n", &slice, &seq, &length) != 2 || text[length])) {
        bf_http_problem(request, BF_BAD_REQUEST, "after is what `next` gave, not %.60s", text);
        return;
    }
    if (text) {
        after.slice = slice;
        after.seq = seq;
    }
    const struct bf_job *job = bf_http_job(request, false);
    if (job)
        bf_engine_bad_rows(request->http->engine, bf_job_record(job)->id, text ? &after : NULL, bf_http_number(request, "limit"),
                           listed, bf_http_wait_begin(request));
}
