/* One table of routes, made from include/backfilld/api.h. */
#include "server.h"

#include <string.h>

static const struct bf_route routes[] = {
#define X(constant, method, path, role, handler, summary) \
    {BF_ROUTE_##constant, #method, path, BF_ROLE_##role, bf_handle_##handler, summary},
    BF_ROUTES(X)
#undef X
};

/* Does the decoded path fit the pattern? Sets job and target where the pattern has them. */
static bool fits(const char *pattern, struct bf_http_request *request)
{
    const struct bf_uri *uri = &request->uri;
    const char *job = NULL, *target = NULL, *replica = NULL, *file = NULL;
    size_t i = 0;
    for (const char *part = pattern; *part == '/'; i++) {
        size_t length = strcspn(++part, "/");
        if (i == uri->segment_count) return false;
        const char *segment = uri->segments[i];
        if (part[0] == '{') {
            if (segment[0] == '\0') return false;
            if (strncmp(part, "{job}", length) == 0) job = segment;
            if (strncmp(part, "{target}", length) == 0) target = segment;
            if (strncmp(part, "{replica}", length) == 0) replica = segment;
            if (strncmp(part, "{file}", length) == 0) file = segment;
        } else if (strlen(segment) != length || memcmp(segment, part, length) != 0) {
            return false;
        }
        part += length;
    }
    if (i != uri->segment_count) return false;
    request->job = job;
    request->target = target;
    request->replica = replica;
    request->file = file;
    return true;
}

/* HEAD is GET without the body, which the server leaves out by itself. */
static bool takes(const struct bf_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

enum bf_code bf_route_find(const char *method, struct bf_http_request *request, struct bf_buffer *allow)
{
    for (size_t i = 0; i < BF_ROUTE_COUNT; i++) {
        if (!fits(routes[i].path, request)) continue;
        if (takes(&routes[i], method)) {
            request->route = &routes[i];
            return BF_OK;
        }
        bool get = strcmp(routes[i].method, "GET") == 0;
        bf_buffer_format(allow, "%s%s%s", allow->length ? ", " : "", routes[i].method, get ? ", HEAD" : "");
    }
    return allow->length ? BF_METHOD_NOT_ALLOWED : BF_NOT_FOUND;
}

void bf_handle_not_built(struct bf_http_request *request)
{
    bf_http_problem(request, BF_NOT_BUILT, "%s %s (%s) is not built yet", request->route->method, request->route->path,
               request->route->summary);
}
