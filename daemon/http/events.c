/* Events of one job or of all, as the store has them, or as they come. */
#include "server.h"

#include <stdlib.h>

#include "allocate.h"
#include "stream.h"

json_t *bf_event_view(const struct bf_event *event)
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

void bf_http_read_events(const struct bf_http *http, const char *job, const char *targets, int64_t after, size_t limit,
                         bf_store_events *read, void *argument)
{
    const struct bf_store *store = http->store;
    if (job || !targets)
        store->read_events(store->context, job, after, limit, read, argument);
    else
        store->read_events_on(store->context, targets, after, limit, read, argument);
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
    for (size_t i = 0; i < count; i++) json_array_append_new(list, bf_event_view(&events[i]));
    json_object_set_new(body, "events", list);
    bf_http_answer(request, 200, body);
}

void bf_stream_write_event(struct bf_buffer *buffer, const struct bf_event *event)
{
    json_t *view = bf_event_view(event);
    char *text = json_dumps(view, BF_HTTP_JSON);
    json_decref(view);
    bf_buffer_format(buffer, "id: %lld\nevent: event\ndata: %s\n\n", (long long)event->id, text ? text : "{}");
    free(text);
}

void bf_http_stream_begin(struct bf_http_request *request, const char *job)
{
    if (request->http->watcher_count >= BF_STREAM_WATCHERS_MAX) {
        bf_http_problem(request, BF_BUSY, "%d streams are open, and more are not served", BF_STREAM_WATCHERS_MAX);
        return;
    }
    if (bf_http_parameter(request, "limit")) {
        bf_http_problem(request, BF_BAD_REQUEST, "a stream has no limit: it begins behind Last-Event-ID or `after`, or now");
        return;
    }
    if (request->head) { /* the server would end an endless answer with the end of its body, which has none */
        bf_http_answer_text(request, 200, "text/event-stream", bf_copy_string(""));
        return;
    }
    const char *last = bf_http_header(request, "Last-Event-ID");
    int64_t after = last ? strtoll(last, NULL, 10) : bf_http_number(request, "after");
    /* How soon to come back, and a word at once: so that a client sees that it is heard. */
    static const char hello[] = "retry: 2000\n\n";
    struct bf_watcher *watcher = bf_watcher_new(request, job, after);
    bf_watcher_say(watcher, hello, sizeof hello - 1);
    bf_hub_join(watcher);
}

static void read_events(struct bf_http_request *request, bool of_job)
{
    const struct bf_job *job = of_job ? bf_http_job(request, false) : NULL;
    if (of_job && !job) return;
    if (bf_http_wants(request, "text/event-stream")) {
        bf_http_stream_begin(request, job ? bf_job_record(job)->id : NULL);
        return;
    }
    if (bf_http_header(request, "Last-Event-ID")) {
        bf_http_problem(request, BF_BAD_REQUEST,
                        "Last-Event-ID is for streams (Accept: text/event-stream); a list takes `after`");
        return;
    }
    int64_t after = bf_http_number(request, "after");
    /* Ids rise from 1. To the store 0 means the newest ones and -1 the first ones; to a client that says it, 0 means the
     * first ones. */
    if (after <= 0) after = after == 0 ? -1 : 0;
    bf_http_read_events(request->http, job ? bf_job_record(job)->id : NULL, request->identity.targets, after,
                        (size_t)bf_http_number(request, "limit"), events_read, bf_http_wait_begin(request));
}

void bf_handle_job_events(struct bf_http_request *request)
{
    read_events(request, true);
}

void bf_handle_all_events(struct bf_http_request *request)
{
    read_events(request, false);
}
