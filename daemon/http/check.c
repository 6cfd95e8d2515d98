/* What is looked at before a handler sees a request: whose it is, where it goes, and what it brings along. */
#include "server.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "allocate.h"

const char *bf_http_header(const struct bf_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct header_count {
    const char *name;
    int count;
};

static enum MHD_Result count_header(void *argument, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct header_count *counted = argument;
    (void)kind;
    (void)value;
    if (strcasecmp(name, counted->name) == 0) counted->count++;
    return MHD_YES;
}

static int header_count(const struct bf_http_request *request, const char *name)
{
    struct header_count counted = {.name = name};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_header, &counted);
    return counted.count;
}

/* A second Host or Origin could be what a proxy looked at while we look at the first. */
static bool check_origin(struct bf_http_request *request)
{
    const struct bf_listen *listen = &request->http->listen;
    const char *host = bf_http_header(request, "Host"), *origin = bf_http_header(request, "Origin");
    if (header_count(request, "Host") > 1 || header_count(request, "Origin") > 1)
        bf_http_problem(request, BF_NOT_ALLOWED, "Host and Origin may be sent once");
    else if (!host && !bf_listen_host_ours(listen, NULL))
        bf_http_problem(request, BF_NOT_ALLOWED, "the Host header is missing");
    else if (!bf_listen_host_ours(listen, host))
        bf_http_problem(request, BF_NOT_ALLOWED, "the Host header names %.100s, this is %s", host, listen->address);
    else if (origin && !bf_listen_origin_ours(listen, origin))
        bf_http_problem(request, BF_NOT_ALLOWED, "the Origin header names %.100s, this is %s", origin, listen->address);
    return !request->response;
}

static bool check_route(struct bf_http_request *request, const char *method)
{
    struct bf_buffer allow = {0};
    enum bf_code code = bf_route_find(method, request, &allow);
    if (code == BF_NOT_FOUND)
        bf_http_problem(request, code, "no such path; docs/interface.md, section 4, has them all");
    else if (code == BF_METHOD_NOT_ALLOWED)
        bf_http_problem_allow(request, allow.text);
    bf_buffer_clear(&allow);
    return code == BF_OK;
}

/* "application/json", with parameters such as charset or without. */
static bool is_json(const char *type)
{
    size_t length = strcspn(type, "; \t");
    return length == strlen(BF_API_JSON) && strncasecmp(type, BF_API_JSON, length) == 0;
}

/* What Content-Length says; more than any limit where it is no number. */
static unsigned long long announced(const struct bf_http_request *request)
{
    const char *length = bf_http_header(request, "Content-Length");
    if (!length) return 0;
    errno = 0;
    unsigned long long bytes = strtoull(length, NULL, 10);
    return errno == 0 ? bytes : ULLONG_MAX / 2;
}

bool bf_http_has_body(const struct bf_http_request *request)
{
    return announced(request) > 0 || bf_http_header(request, "Transfer-Encoding");
}

static bool check_body(struct bf_http_request *request)
{
    const char *type = bf_http_header(request, "Content-Type");
    const char *encoding = bf_http_header(request, "Content-Encoding");
    unsigned long long bytes = announced(request);
    if (!bf_http_has_body(request)) return true;
    if (strcmp(request->route->method, "GET") == 0)
        bf_http_problem(request, BF_BAD_REQUEST, "GET takes no body");
    else if (!type || !is_json(type))
        bf_http_problem(request, BF_WRONG_TYPE, "Content-Type has to be application/json");
    else if (encoding && strcasecmp(encoding, "identity") != 0)
        bf_http_problem(request, BF_WRONG_TYPE, "Content-Encoding is not supported: send the body as it is");
    else if (bytes > BF_HTTP_BODY_MAX)
        bf_http_problem(request, BF_TOO_LARGE, "a body has at most %d bytes, this one has %llu", BF_HTTP_BODY_MAX,
                        bytes);
    else if (bytes + request->http->body_bytes > BF_HTTP_BODIES_MAX)
        bf_http_problem(request, BF_BUSY, "too many large bodies are being received; try again");
    return !request->response;
}

/* Headers that change what a request means are refused until they are built. */
static bool check_unbuilt(struct bf_http_request *request)
{
    static const char *const headers[] = {"Idempotency-Key", "If-Match"};
    for (size_t i = 0; i < BF_COUNT(headers) && !request->response; i++)
        if (bf_http_header(request, headers[i]))
            bf_http_problem(request, BF_NOT_BUILT, "the header %s is not built yet; send the request without it",
                            headers[i]);
    return !request->response;
}

bool bf_http_check(struct bf_http_request *request, const char *method)
{
    if (!check_origin(request)) return false;
    if (request->uri_error.code != BF_OK) {
        bf_http_problem(request, request->uri_error.code, "%s", request->uri_error.text);
        return false;
    }
    if (!check_route(request, method)) return false;
    if (request->route->handle == bf_handle_not_built) {
        bf_handle_not_built(request);
        return false;
    }
    return check_unbuilt(request) && check_body(request);
}

bool bf_http_wants(const struct bf_http_request *request, const char *type)
{
    const char *accept = bf_http_header(request, "Accept");
    return accept && strcasestr(accept, type) && !strcasestr(accept, BF_API_JSON) && !strstr(accept, "*/*");
}
