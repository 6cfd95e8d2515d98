/* A request: its target with the query, and its body. "METHOD TARGET", a newline, the body. */
#include <string.h>

#include "allocate.h"
#include "fake_engine.h"
#include "fuzz.h"
#include "server.h"

static void look(struct bf_http_request *request, const char *method)
{
    struct bf_buffer allow = {0};
    bool found = bf_route_find(method, request, &allow) == BF_OK;
    bf_buffer_clear(&allow);
    if (!found || !bf_http_check_query(request))
        return;
    for (const struct bf_query *query = bf_query_of(request->route->name); query->name; query++) {
        bf_http_parameter(request, query->name);
        if (query->kind == BF_QUERY_NUMBER) bf_http_number(request, query->name);
        if (query->kind == BF_QUERY_TIME) bf_http_time(request, query->name);
    }
    if (request->route->name == BF_ROUTE_TAKE_ALERTS) {
        bf_handle_take_alerts(request);
    } else if (strcmp(method, "GET") != 0 && request->route->name != BF_ROUTE_SUBMIT) {
        json_t *body = bf_http_body(request);
        if (!body == !request->response) __builtin_trap(); /* a body, or an answer */
        json_decref(body);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bf_http http;
    struct fuzz_fields fields = fuzz_fields(data, size);
    BF_AUTO_STRING char *line = fuzz_next(&fields);
    char *target = line ? strchr(line, ' ') : NULL;
    struct bf_http_request request = {.http = &http};
    struct bf_error error = {0};
    size_t length;
    const char *body = fuzz_rest(&fields, &length);
    if (!target)
        return 0;
    *target++ = '\0';
    if (length)
        bf_buffer_append(&request.body, body, length);
    if (bf_uri_parse(target, &request.uri, &error) == BF_OK)
        look(&request, line);
    if (request.response) MHD_destroy_response(request.response);
    bf_uri_clear(&request.uri);
    bf_buffer_clear(&request.body);
    return 0;
}
