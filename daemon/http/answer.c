/* Every answer is made here: JSON, or a problem (RFC 9457), with the same headers. */
#include "server.h"

#include <string.h>

#include "allocate.h"
#include "duration.h"

enum { RETRY_AFTER = 5 }; /* seconds, with every 503 */

json_t *bf_json_time(int64_t unix_milliseconds)
{
    char text[BF_TIME_TEXT];
    return unix_milliseconds == 0 ? json_null() : json_string(bf_time_format(unix_milliseconds, text));
}

/* `headers`: pairs of name and value, NULL at the end; may be NULL. Takes over `text`. */
static void give(struct bf_http_request *request, int status, char *text, const char *type, const char *const *headers)
{
    request->status = status;
    request->response = bf_have(MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE));
    MHD_add_response_header(request->response, "Content-Type", type);
    MHD_add_response_header(request->response, "Cache-Control", "no-store");
    MHD_add_response_header(request->response, "X-Content-Type-Options", "nosniff");
    for (; headers && *headers; headers += 2) MHD_add_response_header(request->response, headers[0], headers[1]);
    if (!bf_http_audit_end(request)) bf_http_resume(request);
}

static void answer_with(struct bf_http_request *request, int status, json_t *body, const char *type,
                        const char *const *headers)
{
    char *text = json_dumps(body, BF_HTTP_JSON);
    json_decref(body);
    if (!text) { /* an object without its value: never seen, and never to be sent half */
        status = 500;
        text = bf_copy_string("{}");
    }
    give(request, status, text, type, headers);
}

void bf_http_answer_text(struct bf_http_request *request, int status, const char *type, char *text)
{
    give(request, status, text, type, NULL);
}

/* `header` may be NULL. */
static void answer(struct bf_http_request *request, int status, json_t *body, const char *type, const char *header,
                   const char *value)
{
    answer_with(request, status, body, type, (const char *const[]){header, value, NULL});
}

void bf_http_answer(struct bf_http_request *request, int status, json_t *body)
{
    answer(request, status, body, BF_API_JSON, NULL, NULL);
}

void bf_http_answer_with(struct bf_http_request *request, int status, json_t *body, const char *const *headers)
{
    answer_with(request, status, body, BF_API_JSON, headers);
}

/* A code that only ever is a job's reason can still be why a submission ends: the server is away or read-only (503), or
 * the document does not fit it (422). */
static int status_of(enum bf_code code)
{
    int status = bf_code_status(code);
    if (status != 0) return status;
    return code == BF_SERVER_UNREACHABLE || code == BF_NOT_PRIMARY || code == BF_SERVER_RESOURCES ||
                   code == BF_CONNECT_REFUSED
               ? 503
               : 422;
}

static json_t *problem(enum bf_code code, const char *detail)
{
    char *type BF_AUTO_STRING = bf_format("urn:backfilld:%s", bf_code_name(code));
    json_t *body = json_object();
    json_object_set_new(body, "type", json_string(type));
    json_object_set_new(body, "title", json_string(bf_code_title(code)));
    json_object_set_new(body, "status", json_integer(status_of(code)));
    json_object_set_new(body, "detail", bf_json_text(detail));
    json_object_set_new(body, "code", json_string(bf_code_name(code)));
    return body;
}

static void answer_problem(struct bf_http_request *request, enum bf_code code, json_t *body)
{
    int status = status_of(code);
    char *seconds BF_AUTO_STRING = bf_format("%d", RETRY_AFTER);
    request->audited.code = bf_code_name(code);
    answer(request, status, body, BF_API_PROBLEM, status == 503 ? "Retry-After" : NULL, seconds);
}

void bf_http_problem(struct bf_http_request *request, enum bf_code code, const char *format, ...)
{
    char detail[BF_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    answer_problem(request, code, problem(code, detail));
}

void bf_http_problem_last(struct bf_http_request *request, enum bf_code code, const char *format, ...)
{
    char detail[BF_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    request->audited.code = bf_code_name(code);
    answer(request, status_of(code), problem(code, detail), BF_API_PROBLEM, "Connection", "close");
}

void bf_http_problem_unauthenticated(struct bf_http_request *request, bool shown, const char *format, ...)
{
    char detail[BF_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    request->audited.code = bf_code_name(BF_UNAUTHENTICATED);
    answer(request, status_of(BF_UNAUTHENTICATED), problem(BF_UNAUTHENTICATED, detail), BF_API_PROBLEM, "WWW-Authenticate",
           shown ? "Bearer realm=\"backfilld\", error=\"invalid_token\"" : "Bearer realm=\"backfilld\"");
}

char *bf_http_problem_text(enum bf_code code, const char *detail)
{
    json_t *body = problem(code, detail);
    char *text BF_AUTO_STRING = json_dumps(body, BF_HTTP_JSON);
    json_decref(body);
    char *seconds BF_AUTO_STRING = status_of(code) == 503 ? bf_format("Retry-After: %d\r\n", RETRY_AFTER) : NULL;
    return bf_format("HTTP/1.1 %d %s\r\nContent-Type: " BF_API_PROBLEM "\r\nContent-Length: %zu\r\n%s"
                     "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n%s",
                     status_of(code), MHD_get_reason_phrase_for((unsigned)status_of(code)), strlen(text),
                     seconds ? seconds : "", text);
}

void bf_http_problem_allow(struct bf_http_request *request, const char *allow)
{
    char *detail BF_AUTO_STRING = bf_format("this path takes %s", allow);
    answer(request, bf_code_status(BF_METHOD_NOT_ALLOWED), problem(BF_METHOD_NOT_ALLOWED, detail), BF_API_PROBLEM,
           "Allow", allow);
}

static void add_complaints(json_t *body, const struct bf_complaints *complaints)
{
    json_t *errors = json_array();
    for (size_t i = 0; i < complaints->count; i++) {
        const struct bf_complaint *complaint = &complaints->list[i];
        json_t *error = json_object();
        json_object_set_new(error, "pointer", bf_json_text(complaint->pointer));
        json_object_set_new(error, "detail", bf_json_text(complaint->detail));
        json_object_set_new(error, "code", json_string(bf_code_name(complaint->code)));
        json_array_append_new(errors, error);
    }
    json_object_set_new(body, "errors", errors);
    if (complaints->total > complaints->count)
        json_object_set_new(body, "errors_total", json_integer((json_int_t)complaints->total));
}

void bf_http_problem_complaints(struct bf_http_request *request, const struct bf_complaints *complaints)
{
    enum bf_code code = bf_complaints_code(complaints);
    char *detail BF_AUTO_STRING = complaints->total == 1
                                      ? bf_format("%s: %s", complaints->list[0].pointer, complaints->list[0].detail)
                                      : bf_format("%zu things are wrong, see errors", complaints->total);
    json_t *body = problem(code, detail);
    add_complaints(body, complaints);
    answer_problem(request, code, body);
}

void bf_http_problem_of_order(struct bf_http_request *request, const struct bf_outcome_of_order *outcome)
{
    json_t *body = problem(outcome->code, outcome->text ? outcome->text : "");
    if (outcome->complaints && outcome->complaints->count > 0) add_complaints(body, outcome->complaints);
    if (outcome->job) {
        const struct bf_record *record = bf_job_record(outcome->job);
        json_object_set_new(body, "job", json_string(record->id));
        json_object_set_new(body, "state", json_string(bf_state_name(record->state)));
    }
    answer_problem(request, outcome->code, body);
}
