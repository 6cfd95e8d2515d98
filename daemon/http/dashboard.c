/* GET / and /dashboard/{file}: the pages that are embedded in the daemon. They may load nothing from elsewhere and run no
 * script that is not one of these files, whatever a job's name looks like. */
#include "server.h"

#include <string.h>

#include "allocate.h"

#include "files.h"

static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
                             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const struct bf_dashboard_file *file_of(const char *name)
{
    for (size_t i = 0; i < bf_dashboard_file_count; i++)
        if (strcmp(bf_dashboard_files[i].name, name) == 0) return &bf_dashboard_files[i];
    return NULL;
}

static void give(struct bf_http_request *request, const char *name)
{
    const struct bf_dashboard_file *file = file_of(name);
    if (!file) {
        bf_http_problem(request, BF_NOT_FOUND, "the dashboard has no file %.100s", name);
        return;
    }
    const char *known = bf_http_header(request, "If-None-Match");
    bool same = known && strcmp(known, file->etag) == 0;
    request->status = same ? 304 : 200;
    request->response = bf_have(MHD_create_response_from_buffer(same ? 0 : file->length, (void *)(uintptr_t)file->bytes,
                                                                MHD_RESPMEM_PERSISTENT));
    MHD_add_response_header(request->response, "Content-Type", file->type);
    MHD_add_response_header(request->response, "Cache-Control", "no-cache"); /* kept, and asked for each time */
    MHD_add_response_header(request->response, "ETag", file->etag);
    MHD_add_response_header(request->response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(request->response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(request->response, "Content-Security-Policy", policy);
}

void bf_handle_dashboard(struct bf_http_request *request)
{
    give(request, "index.html");
}

void bf_handle_dashboard_file(struct bf_http_request *request)
{
    give(request, request->file);
}
