/* Events of one job or of all, as the store has them. */
#include "server.h"

#include "allocate.h"

static json_t *event_view(const struct bf_event *event)
{
    json_t *view = json_object();
    json_object_set_new(view, "id", json_integer(event->id));
    json_object_set_new(view, "job", bf_json_text(event->job[0] ? event->job : NULL));
    json_object_set_new(view, "at", bf_json_time(event->at));
    json_object_set_new(view, "type", bf_json_text(event->type));
    json_object_set_new(view, "from", bf_json_text(event->from[0] ? event->from : NULL));
    json_object_set_new(view, "to", bf_json_text(event->to[0] ? event->to : NULL));
    json_object_set_new(view, "actor", bf_json_text(event->actor));
    json_object_set_new(view, "text", bf_json_text(event->text));
    return view;
}

static void events_read(void *argument, const struct bf_event *events, size_t count, const struct bf_error *error)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) return;
    if (error && error->code != BF_OK) {
        bf_http_problem(request, BF_STORE_FAILED, "the events cannot be read: %s", error->text);
        return;
    }
    json_t *list = json_array(), *body = json_object();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, event_view(&events[i]));
    json_object_set_new(body, "events", list);
    bf_http_answer(request, 200, body);
}

static void read_events(struct bf_http_request *request, bool of_job)
{
    if (bf_http_wants(request, "text/event-stream")) {
        bf_http_problem(request, BF_NOT_BUILT, "streaming is not built yet; ask for application/json with `after`");
        return;
    }
    const struct bf_job *job = of_job ? bf_http_job(request, false) : NULL;
    if (of_job && !job) return;
    int64_t after = bf_http_number(request, "after");
    /* Ids rise from 1. To the store 0 means the newest ones and -1 the first ones; to a client that says it, 0 means the
     * first ones. */
    if (after <= 0) after = after == 0 ? -1 : 0;
    const struct bf_store *store = request->http->store;
    store->read_events(store->context, job ? bf_job_record(job)->id : NULL, after, (size_t)bf_http_number(request, "limit"), events_read,
                       bf_http_wait_begin(request));
}

void bf_handle_job_events(struct bf_http_request *request)
{
    read_events(request, true);
}

void bf_handle_all_events(struct bf_http_request *request)
{
    read_events(request, false);
}
