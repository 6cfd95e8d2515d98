/* What is looked at before a handler sees a request: whose it is, where it goes, and what it brings along. */
#include "server.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "token.h"

#define TOKEN "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

const char *bf_http_header(const struct bf_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* The names are RFC 9110's tokens; a value is text, with tabs, and no other control character: a NUL would hide what is
 * behind it. */
static bool is_good_header(const char *name, size_t name_length, const char *value, size_t value_length)
{
    if (name_length == 0 || strspn(name, TOKEN) != name_length) return false;
    for (size_t i = 0; i < value_length; i++) {
        unsigned char byte = (unsigned char)value[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return false;
    }
    return true;
}

/* What of the headers is looked at before anything is read into them. The server keeps all of them in one buffer, one
 * behind the other, and ends each at its first NUL. If that was the client's own, there is a gap before the next one. */
struct header_look {
    uintptr_t end; /* of the last value */
    bool gap;
    int host, origin, length, encoding, authorization; /* how often each is there */
    char bad[64];                       /* the first that is malformed; empty: none */
    bool any_bad;
};

static bool is_gap(uintptr_t bytes, size_t usual)
{
    return bytes > usual && bytes < BF_HTTP_CONNECTION_MEMORY;
}

static enum MHD_Result look_at_header(void *argument, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                      const char *value, size_t value_length)
{
    struct header_look *look = argument;
    (void)kind;
    look->gap |= look->end != 0 && is_gap((uintptr_t)name - look->end, strlen("\r\n"));
    look->end = (uintptr_t)(value ? value + value_length : name + name_length);
    if (!is_good_header(name, name_length, value ? value : "", value ? value_length : 0) && !look->any_bad) {
        look->any_bad = true;
        snprintf(look->bad, sizeof look->bad, "%s", name);
    }
    look->host += strcasecmp(name, "Host") == 0;
    look->origin += strcasecmp(name, "Origin") == 0;
    look->length += strcasecmp(name, "Content-Length") == 0;
    look->encoding += strcasecmp(name, "Transfer-Encoding") == 0;
    look->authorization += strcasecmp(name, "Authorization") == 0;
    return MHD_YES;
}

/* Where one request ends and the next begins must not be a matter of opinion (RFC 9112, sections 5.1, 6.1 and 11.2):
 * what could be read in two ways is refused, and the connection ends. */
static bool check_framing(struct bf_http_request *request, const char *method, const char *version,
                          const struct header_look *look)
{
    const union MHD_ConnectionInfo *head =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *encoding = bf_http_header(request, "Transfer-Encoding");
    bool gap = look->gap || is_gap((uintptr_t)version - request->target_end, 1) ||
               (head && look->end != 0 && is_gap((uintptr_t)method + head->header_size - look->end, strlen("\r\n\r\n")));
    if (request->target_length > BF_HTTP_TARGET_MAX)
        bf_http_problem_last(request, BF_URI_TOO_LONG, "the target of a request has at most %d bytes",
                             BF_HTTP_TARGET_MAX);
    else if (head && head->header_size > BF_HTTP_HEAD_MAX)
        bf_http_problem_last(request, BF_HEADERS_TOO_LARGE, "target and headers of a request have at most %d bytes",
                             BF_HTTP_HEAD_MAX);
    else if (gap)
        bf_http_problem_last(request, BF_BAD_REQUEST, "a line has a NUL, is folded, or has more blanks than it should");
    else if (look->any_bad)
        bf_http_problem_last(request, BF_BAD_REQUEST, "the header %s is malformed", look->bad);
    else if (look->length > 1 || look->encoding > 1 || (look->length > 0 && look->encoding > 0))
        bf_http_problem_last(request, BF_BAD_REQUEST, "the length of the body is given more than once");
    else if (encoding && strcasecmp(encoding, "chunked") != 0)
        bf_http_problem_last(request, BF_BAD_REQUEST, "Transfer-Encoding can only be chunked");
    return !request->response;
}

/* A second Host or Origin could be what a proxy looked at while we look at the first. */
static bool check_origin(struct bf_http_request *request, const struct header_look *look)
{
    const struct bf_listen *listen = &request->http->listen;
    const char *public_url = request->http->access ? request->http->access->public_url : NULL;
    const char *host = bf_http_header(request, "Host"), *origin = bf_http_header(request, "Origin");
    if (look->host > 1 || look->origin > 1 || look->authorization > 1)
        bf_http_problem(request, BF_NOT_ALLOWED, "Host, Origin and Authorization may be sent once");
    else if (!host && !bf_listen_host_ours(listen, NULL))
        bf_http_problem(request, BF_NOT_ALLOWED, "the Host header is missing");
    else if (!bf_listen_host_ours(listen, host) && !bf_listen_host_public(public_url, host))
        bf_http_problem(request, BF_NOT_ALLOWED, "the Host header names %.100s, this is %s", host, listen->address);
    else if (origin && !bf_listen_origin_ours(listen, origin) && !bf_listen_origin_public(public_url, origin))
        bf_http_problem(request, BF_NOT_ALLOWED, "the Origin header names %.100s, this is %s", origin, listen->address);
    return !request->response;
}

static bool is_secret(const struct bf_parameter *parameter)
{
    static const char *const names[] = {"token", "access_token", "authorization", "bearer"};
    for (size_t i = 0; i < BF_COUNT(names); i++)
        if (strcasecmp(parameter->name, names[i]) == 0) return true;
    return bf_token_within(parameter->name) || bf_token_within(parameter->value);
}

/* Targets of requests stand in the logs of proxies and the histories of browsers: no token belongs there. */
static bool check_secrets(struct bf_http_request *request)
{
    const struct bf_uri *uri = &request->uri;
    bool found = false;
    for (size_t i = 0; i < uri->segment_count; i++) found = found || bf_token_within(uri->segments[i]);
    for (size_t i = 0; i < uri->parameter_count; i++) found = found || is_secret(&uri->parameters[i]);
    if (found)
        bf_http_problem(request, BF_BAD_REQUEST, "a token never stands in an address, which others may log: send it as "
                        "Authorization: Bearer, and replace this one");
    return !found;
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

bool bf_http_check(struct bf_http_request *request, const char *method, const char *version)
{
    struct header_look look = {0};
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, look_at_header, &look);
    if (!check_framing(request, method, version, &look) || !check_origin(request, &look)) return false;
    if (request->uri_error.code != BF_OK) {
        bf_http_problem(request, request->uri_error.code, "%s", request->uri_error.text);
        return false;
    }
    if (!check_secrets(request) || !check_route(request, method)) return false;
    if (request->route->handle == bf_handle_not_built) {
        bf_handle_not_built(request);
        return false;
    }
    return bf_http_identify(request) && bf_http_check_conditions(request) && check_body(request);
}

bool bf_http_wants(const struct bf_http_request *request, const char *type)
{
    const char *accept = bf_http_header(request, "Accept");
    return accept && strcasestr(accept, type) && !strcasestr(accept, BF_API_JSON) && !strstr(accept, "*/*");
}
