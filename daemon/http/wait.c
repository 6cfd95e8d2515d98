#include "server.h"

#include "allocate.h"

/* What is handed to the engine or the store as the callback's argument. */
struct bf_http_wait {
    struct bf_http_request *request; /* NULL: its client or the server is gone */
};

struct bf_http_wait *bf_http_wait_begin(struct bf_http_request *request)
{
    struct bf_http_wait *wait = BF_NEW(struct bf_http_wait);
    wait->request = request;
    request->wait = wait;
    return wait;
}

struct bf_http_request *bf_http_wait_end(struct bf_http_wait *wait)
{
    struct bf_http_request *request = wait->request;
    if (request) request->wait = NULL;
    free(wait);
    return request;
}

void bf_http_wait_forget(struct bf_http_request *request)
{
    if (request->wait) request->wait->request = NULL;
    request->wait = NULL;
}
