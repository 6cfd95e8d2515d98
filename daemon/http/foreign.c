/* Jobs that a target's control schema knows and this daemon does not: another daemon's, or those of a state store that is lost.
 * And the order that takes one of them over. */
#include "foreign.h"

#include <string.h>

#include "allocate.h"

json_t *bf_foreign_read(const struct bf_engine *engine, const struct bf_answer *answer)
{
    json_t *jobs = json_array();
    for (size_t i = 0; i < answer->rows; i++) {
        const char *owner = bf_answer_value(answer, i, BF_FOREIGN_OWNER), *undo = bf_answer_value(answer, i, BF_FOREIGN_UNDO);
        double silent = bf_answer_real(answer, i, BF_FOREIGN_SILENT, 0);
        bool inverse = undo && strcmp(undo, "inverse") == 0;
        json_t *view = json_object();
        json_object_set_new(view, "id", bf_json_text(bf_answer_value(answer, i, BF_FOREIGN_ID)));
        json_object_set_new(view, "name", bf_json_text(bf_answer_value(answer, i, BF_FOREIGN_NAME)));
        json_object_set_new(view, "table", bf_json_text(bf_answer_value(answer, i, BF_FOREIGN_TABLE)));
        json_object_set_new(view, "state", bf_json_text(bf_answer_value(answer, i, BF_FOREIGN_STATE)));
        json_object_set_new(view, "direction", json_string(bf_answer_true(answer, i, BF_FOREIGN_BACK) ? "back" : "forward"));
        json_object_set_new(view, "owner", bf_json_text(owner && *owner ? owner : NULL));
        json_object_set_new(view, "owner_may_live", json_boolean(bf_engine_owner_may_live(engine, owner, silent)));
        json_object_set_new(view, "seen_at", bf_json_text(bf_answer_value(answer, i, BF_FOREIGN_SEEN)));
        json_object_set_new(view, "silent_seconds", json_real(silent < 0 ? 0 : silent));
        json_object_set_new(view, "slices", json_integer(bf_answer_number(answer, i, BF_FOREIGN_SLICES)));
        json_object_set_new(view, "rows_scanned", json_integer(bf_answer_number(answer, i, BF_FOREIGN_SCANNED)));
        json_object_set_new(view, "rows_changed", json_integer(bf_answer_number(answer, i, BF_FOREIGN_CHANGED)));
        json_object_set_new(view, "way_back",
                            bf_json_text(inverse ? "inverse" : bf_answer_true(answer, i, BF_FOREIGN_JOURNAL) ? "journal" : NULL));
        json_object_set_new(view, "created_at", bf_json_text(bf_answer_value(answer, i, BF_FOREIGN_CREATED)));
        json_array_append_new(jobs, view);
    }
    return jobs;
}

json_t *bf_foreign_view(const struct bf_engine *engine, json_t *read)
{
    if (!read) return json_null();
    json_t *jobs = json_array(), *view;
    size_t index;
    json_array_foreach(read, index, view)
    {
        const char *id = json_string_value(json_object_get(view, "id"));
        if (id && !bf_engine_knows(engine, id)) json_array_append(jobs, view);
    }
    return jobs;
}

void bf_handle_adopt(struct bf_http_request *request)
{
    json_t *body = bf_http_body(request);
    if (!body) return;
    if (!bf_http_sees(request, request->target)) {
        bf_http_problem(request, BF_NOT_FOUND, "no target is called %.100s", request->target);
        json_decref(body);
        return;
    }
    bf_engine_adopt(request->http->engine, request->target, json_string_value(json_object_get(body, "job")),
                    json_string_value(json_object_get(body, "confirm")), bf_http_actor(request),
                    json_string_value(json_object_get(body, "reason")), bf_http_created, bf_http_wait_begin(request));
    json_decref(body);
}
