/* Orders to one job: approve, pause, resume, abort. The body is optional. */
#include "server.h"

#include <string.h>

#include "allocate.h"

static const struct bf_order_field fields[] = {
    {"reason", true, 1u << BF_ORDER_PAUSE | 1u << BF_ORDER_RESUME | 1u << BF_ORDER_ABORT,
     "why; shown with the job and kept in its events"},
    {"for", false, 1u << BF_ORDER_PAUSE, "resume by itself after this time"},
    {"confirm", true, 1u << BF_ORDER_APPROVE, "the name of the job once more"},
    {"comment", true, 1u << BF_ORDER_APPROVE, "why; kept in the job's events"},
    {"break_glass", false, 1u << BF_ORDER_APPROVE, "approve in the place of those who should"},
};

const struct bf_order_field *bf_order_field(size_t index)
{
    return index < BF_COUNT(fields) ? &fields[index] : NULL;
}

/* The reason becomes an event and a line of the log: one line, and not a long one. */
static const char *fault_of_words(const json_t *value)
{
    if (!json_is_string(value)) return "has to be a string";
    if (json_string_length(value) == 0) return "is empty; leave it out";
    if (json_string_length(value) > BF_HTTP_WORDS_MAX) return "is longer than 500 bytes";
    for (const char *byte = json_string_value(value); *byte; byte++)
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f) return "has a control character (it has to be one line)";
    return NULL;
}

/* RFC 6901 */
static char *pointer_to(const char *name)
{
    struct bf_buffer pointer = {0};
    bf_buffer_text(&pointer, "/");
    for (; *name; name++) {
        if (*name == '~')
            bf_buffer_text(&pointer, "~0");
        else if (*name == '/')
            bf_buffer_text(&pointer, "~1");
        else
            bf_buffer_append(&pointer, name, 1);
    }
    return bf_buffer_take(&pointer);
}

static void check_field(const char *name, const json_t *value, enum bf_order order, struct bf_complaints *complaints)
{
    char *pointer BF_AUTO_STRING = pointer_to(name);
    for (size_t i = 0; i < BF_COUNT(fields); i++) {
        const struct bf_order_field *field = &fields[i];
        if (strcmp(field->name, name) != 0 || !(field->orders & 1u << order)) continue;
        if (!field->built) {
            bf_complain(complaints, BF_UNSUPPORTED, pointer, "is not built yet; leave it out");
        } else {
            const char *fault = fault_of_words(value);
            if (fault) bf_complain(complaints, BF_INVALID, pointer, "%s", fault);
        }
        return;
    }
    bf_complain(complaints, BF_INVALID, pointer, "unknown field for the order %s", bf_order_name(order));
}

/* Owned object (empty where no body came), or NULL: answered. */
static json_t *read_order(struct bf_http_request *request, enum bf_order order)
{
    if (request->body.length == 0) return json_object();
    json_error_t fault;
    json_t *body =
        json_loadb(request->body.text, request->body.length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (!body) {
        bf_http_problem(request, BF_NOT_JSON, "line %d, column %d: %.150s", fault.line, fault.column, fault.text);
        return NULL;
    }
    struct bf_complaints complaints = {0};
    if (json_is_object(body)) {
        const char *name;
        json_t *value;
        json_object_foreach(body, name, value) check_field(name, value, order, &complaints);
    } else {
        bf_complain(&complaints, BF_INVALID, "", "the body has to be an object");
    }
    if (complaints.count > 0) {
        bf_http_problem_complaints(request, &complaints);
        json_decref(body);
        body = NULL;
    }
    bf_complaints_clear(&complaints);
    return body;
}

static void ordered(void *argument, const struct bf_outcome_of_order *outcome)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) return;
    if (outcome->code != BF_OK || !outcome->job) {
        bf_http_problem_of_order(request, outcome);
        return;
    }
    json_t *view = bf_job_view(outcome->job);
    if (!outcome->durable) json_object_set_new(view, "durable", json_false());
    bool at_once = outcome->already || request->route->handle == bf_handle_approve;
    bf_http_answer(request, at_once ? 200 : 202, view);
}

static void give(struct bf_http_request *request, enum bf_order order)
{
    json_t *body = read_order(request, order);
    if (!body) return;
    const struct bf_job *job = bf_http_job(request, true);
    if (job) {
        /* The job's record may change inside the call, so its id is copied first. */
        char id[BF_ULID_TEXT];
        memcpy(id, bf_job_record(job)->id, sizeof id);
        const char *words = json_string_value(json_object_get(body, order == BF_ORDER_APPROVE ? "comment" : "reason"));
        bf_engine_order(request->http->engine, id, order, BF_HTTP_ACTOR, words,
                        json_string_value(json_object_get(body, "confirm")), ordered, bf_http_wait_begin(request));
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
