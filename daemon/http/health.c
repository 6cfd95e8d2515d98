/* /healthz: the loop turns. /readyz: the state store can be read and written and every target lets us in. */
#include "probe.h"

void bf_handle_healthz(struct bf_http_request *request)
{
    bf_http_answer(request, 200, json_pack("{s:s, s:s}", "status", "alive", "version", BF_VERSION));
}

static void answer_readiness(struct bf_http_request *request)
{
    json_t *targets = json_array();
    const struct bf_probed *probed;
    for (size_t i = 0; (probed = bf_http_probed(request->http, i)) && !request->response; i++) {
        if (!probed->reachable)
            bf_http_problem(request, BF_TARGET_DOWN, "target %s: %s", probed->target->name, probed->text);
        json_array_append_new(targets, json_pack("{s:o, s:b}", "name", bf_json_text(probed->target->name), "reachable",
                                                 probed->reachable));
    }
    if (request->response)
        json_decref(targets);
    else
        bf_http_answer(request, 200,
                       json_pack("{s:s, s:s, s:o}", "status", "ready", "store", "ok", "targets", targets));
}

static void store_answered(void *argument, const struct bf_event *events, size_t count, const struct bf_error *error)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    (void)events;
    (void)count;
    if (!request) return;
    const char *trouble = bf_engine_store_trouble(request->http->engine);
    if (error && error->code != BF_OK)
        bf_http_problem(request, BF_STORE_FAILED, "the state store cannot be read: %s", error->text);
    else if (trouble)
        bf_http_problem(request, BF_STORE_FAILED, "%s", trouble);
    else
        bf_http_probe_ask(request, answer_readiness);
}

void bf_handle_readyz(struct bf_http_request *request)
{
    const struct bf_store *store = request->http->store;
    store->read_events(store->context, NULL, 0, 1, store_answered, bf_http_wait_begin(request));
}
