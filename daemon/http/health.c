/* /healthz: the loop turns. /readyz: the state store answers too. */
#include "server.h"

void bf_handle_healthz(struct bf_http_request *request)
{
    if (!bf_http_parameters(request, (const char *const[]){NULL})) return;
    bf_http_answer(request, 200, json_pack("{s:s, s:s}", "status", "alive", "version", BF_VERSION));
}

static void store_answered(void *argument, const struct bf_event *events, size_t count, const struct bf_error *error)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    (void)events;
    (void)count;
    if (!request) return;
    if (error && error->code != BF_OK)
        bf_http_problem(request, BF_STORE_FAILED, "the state store cannot be read: %s", error->text);
    else
        bf_http_answer(request, 200, json_pack("{s:s, s:s}", "status", "ready", "store", "ok"));
}

void bf_handle_readyz(struct bf_http_request *request)
{
    if (!bf_http_parameters(request, (const char *const[]){NULL})) return;
    const struct bf_store *store = request->http->store;
    store->read_events(store->context, NULL, 0, 1, store_answered, bf_http_wait_begin(request));
}
