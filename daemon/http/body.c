#include "body.h"

#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "duration.h"
#include "json_read.h"
#include "record.h"
#include "server.h"

#define AT(route) BF_ROUTE_BIT(BF_ROUTE_##route)
#define ALL (AT(PAUSE_ALL) | AT(RESUME_ALL))
#define REPLICA (AT(IGNORE_REPLICA) | AT(HEED_REPLICA))

static const struct bf_body_field fields[] = {
    {"reason", BF_BODY_WORDS, AT(PAUSE) | AT(RESUME) | AT(ABORT) | AT(ROLLBACK) | AT(RETRY_BAD_ROWS) | AT(ADOPT) | REPLICA | ALL,
     .help = "why; shown with the job and kept in its events"},
    {"for", BF_BODY_DURATION, AT(PAUSE),
     .help = "resume by itself after this time, unless another order comes before"},
    {"for", BF_BODY_DURATION, AT(IGNORE_REPLICA), .help = "heed it again after this time; without it an hour"},
    {"confirm", BF_BODY_WORDS, AT(APPROVE) | AT(FORGET) | AT(ADOPT), .help = "the name of the job once more"},
    {"job", BF_BODY_WORDS, AT(ADOPT), .required = true, .help = "the id of a job of foreign_jobs"},
    {"comment", BF_BODY_WORDS, AT(APPROVE), .help = "why; kept in the job's events"},
    {"plan", BF_BODY_WORDS, AT(APPROVE), .help = "the hash of the plan that was looked at; another one is not approved"},
    {"break_glass", BF_BODY_FLAG, AT(APPROVE),
     .help = "approve alone where two persons have to (two_person): for an admin, with a comment that says why; everybody hears of it"},
    {"pace", BF_BODY_CHANGE, AT(TUNE), .help = "fields of the document's pace; null: the default again"},
    {"limits", BF_BODY_CHANGE, AT(TUNE), .help = "fields of the document's limits; null: the default again"},
    {"name", BF_BODY_NAME, AT(CLONE), .required = true, .help = "of the new job"},
    {"from", BF_BODY_CHOICE, AT(CLONE), .choices = "start|position",
     .help = "where the new job begins: where the document says (the default), or where the old job stands"},
    {"token", BF_BODY_WORDS, AT(SIGN_IN), .required = true, .help = "as backfillctl token new printed it"},
    {"target", BF_BODY_WORDS, ALL, .help = "only the jobs on this target"},
    {"label", BF_BODY_LABEL, ALL, .help = "only the jobs with this label, NAME=VALUE or NAME:VALUE; not together with target"},
};

const struct bf_body_field *bf_body_field(size_t index)
{
    return index < BF_COUNT(fields) ? &fields[index] : NULL;
}

/* Words become an event and a line of the log: one line, and not a long one. */
static const char *fault_of_words(const json_t *value)
{
    if (!json_is_string(value)) return "has to be a string";
    if (json_string_length(value) == 0) return "is empty; leave it out";
    if (json_string_length(value) > BF_HTTP_WORDS_MAX) return "is longer than 500 bytes";
    for (const char *byte = json_string_value(value); *byte; byte++)
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f) return "has a control character (it has to be one line)";
    return NULL;
}

static bool is_choice(const char *choices, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (length > 0 && !strchr(word, '|') && strncmp(at, word, length) == 0 && (at[length] == '|' || !at[length]))
            return true;
    return false;
}

/* GET /v1/jobs says a:b; with = names can be said that have a colon. */
const char *bf_body_label_mark(const char *text)
{
    const char *mark = strchr(text, '=');
    return mark ? mark : strchr(text, ':');
}

static void check_value(const struct bf_body_field *field, const char *pointer, const json_t *value,
                        struct bf_complaints *complaints)
{
    const char *fault = NULL, *text = json_string_value(value);
    int64_t time;
    if (field->kind != BF_BODY_CHANGE && field->kind != BF_BODY_FLAG) fault = fault_of_words(value);
    if (fault) {
        bf_complain(complaints, BF_INVALID, pointer, "%s", fault);
        return;
    }
    switch (field->kind) {
    case BF_BODY_FLAG:
        if (!json_is_boolean(value)) bf_complain(complaints, BF_INVALID, pointer, "must be true or false");
        break;
    case BF_BODY_DURATION:
        if (!bf_duration_parse(text, &time))
            bf_complain(complaints, BF_INVALID, pointer, "is not a duration, such as \"30s\", \"10m\" or \"2h\"");
        else if (time < BF_HTTP_FOR_MIN || time > BF_HTTP_FOR_MAX)
            bf_complain(complaints, BF_INVALID, pointer, "must be from 1 s to 366 days");
        break;
    case BF_BODY_LABEL:
        if (!bf_body_label_mark(text) || bf_body_label_mark(text) == text)
            bf_complain(complaints, BF_INVALID, pointer, "must be NAME=VALUE or NAME:VALUE");
        break;
    case BF_BODY_CHOICE:
        if (!is_choice(field->choices, text))
            bf_complain(complaints, BF_INVALID, pointer, "must be one of %s", field->choices);
        break;
    case BF_BODY_CHANGE:
        if (!json_is_object(value) && !json_is_null(value))
            bf_complain(complaints, BF_INVALID, pointer, "must be an object");
        break;
    case BF_BODY_WORDS:
    case BF_BODY_NAME:
        break;
    }
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

static void check_member(const struct bf_route *route, const char *name, const json_t *value,
                         struct bf_complaints *complaints)
{
    char *pointer BF_AUTO_STRING = pointer_to(name);
    for (size_t i = 0; i < BF_COUNT(fields); i++)
        if ((fields[i].routes & BF_ROUTE_BIT(route->name)) && strcmp(fields[i].name, name) == 0) {
            check_value(&fields[i], pointer, value, complaints);
            return;
        }
    bf_complain(complaints, BF_INVALID, pointer, "unknown field for %s", route->path);
}

static void check_whole(const struct bf_route *route, const json_t *body, struct bf_complaints *complaints)
{
    for (size_t i = 0; i < BF_COUNT(fields); i++) {
        if (!(fields[i].routes & BF_ROUTE_BIT(route->name)) || !fields[i].required) continue;
        char *pointer BF_AUTO_STRING = pointer_to(fields[i].name);
        if (!json_object_get(body, fields[i].name))
            bf_complain(complaints, BF_INVALID, pointer, "`%s` is required", fields[i].name);
    }
    if (json_is_true(json_object_get(body, "break_glass")) && !json_object_get(body, "comment"))
        bf_complain(complaints, BF_INVALID, "/comment", "`comment` is required: why nobody else can approve it");
    if (json_object_get(body, "target") && json_object_get(body, "label"))
        bf_complain(complaints, BF_INVALID, "/label", "not together with target: give one of them");
}

json_t *bf_http_body(struct bf_http_request *request)
{
    bool large; /* no member but pace and limits takes a number */
    json_error_t fault;
    const struct bf_buffer *text = &request->body;
    json_t *body = text->length == 0
                       ? json_object()
                       : bf_json_read(text->text, text->length, &large, &fault);
    if (!body) {
        bf_http_problem(request, BF_NOT_JSON, "line %d, column %d: %.150s", fault.line, fault.column, fault.text);
        return NULL;
    }
    struct bf_complaints complaints = {0};
    if (json_is_object(body)) {
        const char *name;
        json_t *value;
        json_object_foreach(body, name, value) check_member(request->route, name, value, &complaints);
        check_whole(request->route, body, &complaints);
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

/* ---- conditions ---- */

static const struct bf_condition conditions[] = {
    {"Idempotency-Key", AT(SUBMIT) | AT(CLONE),
     "1 to 255 visible ASCII characters. The same key with the same body within 7 days is answered with the same job"},
    {"If-Match", AT(TUNE), "the job's ETag, or *: another one answers 412"},
    {"Last-Event-ID", AT(EVENTS) | AT(JOB_EVENTS), "of a stream: the id of the last event that was seen"},
};

const struct bf_condition *bf_condition(size_t index)
{
    return index < BF_COUNT(conditions) ? &conditions[index] : NULL;
}

struct counted {
    const char *name;
    int count;
};

static enum MHD_Result count(void *argument, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct counted *counted = argument;
    (void)kind, (void)value;
    counted->count += strcasecmp(name, counted->name) == 0;
    return MHD_YES;
}

static bool is_key(const char *value)
{
    size_t length = strlen(value);
    for (const char *at = value; *at; at++)
        if (*at <= ' ' || *at >= 0x7f) return false;
    return length > 0 && length <= BF_IDEMPOTENCY_KEY_MAX;
}

static bool is_number(const char *value)
{
    size_t length = strlen(value);
    return length > 0 && length <= 18 && strspn(value, "0123456789") == length;
}

bool bf_http_check_conditions(struct bf_http_request *request)
{
    const struct bf_route *route = request->route;
    for (size_t i = 0; i < BF_COUNT(conditions) && !request->response; i++) {
        const struct bf_condition *condition = &conditions[i];
        struct counted counted = {.name = condition->name};
        const char *value = bf_http_header(request, condition->name);
        if (!value) continue;
        MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count, &counted);
        if (!(condition->routes & BF_ROUTE_BIT(route->name)))
            bf_http_problem(request, BF_BAD_REQUEST, "%s %s does not take the header %s: send the request without it",
                            route->method, route->path, condition->name);
        else if (counted.count > 1)
            bf_http_problem(request, BF_BAD_REQUEST, "the header %s may be sent once", condition->name);
        else if (strcmp(condition->name, "Idempotency-Key") == 0 && !is_key(value))
            bf_http_problem(request, BF_BAD_REQUEST, "Idempotency-Key has 1 to %d visible ASCII characters",
                            BF_IDEMPOTENCY_KEY_MAX);
        else if (strcmp(condition->name, "Last-Event-ID") == 0 && !is_number(value))
            bf_http_problem(request, BF_BAD_REQUEST, "Last-Event-ID is the id of an event, a whole number");
    }
    return !request->response;
}
