/* /healthz: the loop turns. /readyz: the state store can be read and every target lets us in. One connection per target
 * answers everybody who asks within PROBE_FRESH, so that nobody can flood a server by asking here. */
#include "server.h"

#include "allocate.h"

enum {
    PROBE_FRESH = 2000,         /* milliseconds */
    PROBE_CONNECT_TIMEOUT = 2000 /* milliseconds */
};

struct probed {
    struct bf_http_probe *probe;
    const struct bf_target *target;
    struct bf_session *session; /* NULL: it answered */
    bool reachable;
    char text[BF_ERROR_TEXT_MAX]; /* why not */
};

struct asking {
    struct asking *next;
    struct bf_http_wait *wait;
};

struct bf_http_probe {
    struct bf_http *http;
    struct asking *asking;
    size_t under_way;
    uint64_t at; /* the loop's time of the last whole result; 0: none */
    size_t count;
    struct probed targets[];
};

void bf_handle_healthz(struct bf_http_request *request)
{
    bf_http_answer(request, 200, json_pack("{s:s, s:s}", "status", "alive", "version", BF_VERSION));
}

static void answer_readiness(struct bf_http_request *request, const struct bf_http_probe *probe)
{
    json_t *targets = json_array();
    for (size_t i = 0; i < probe->count && !request->response; i++) {
        const struct probed *probed = &probe->targets[i];
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

static void answer_all(struct bf_http_probe *probe)
{
    struct asking *asking = probe->asking;
    probe->asking = NULL;
    while (asking) {
        struct asking *next = asking->next;
        struct bf_http_request *request = bf_http_wait_end(asking->wait);
        if (request) answer_readiness(request, probe);
        free(asking);
        asking = next;
    }
}

static void on_connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    struct probed *probed = argument;
    struct bf_http_probe *probe = probed->probe;
    probed->reachable = error_class == BF_CLASS_NONE;
    snprintf(probed->text, sizeof probed->text, "%s", text ? text : "");
    probed->target->database->close(session);
    probed->session = NULL;
    if (--probe->under_way > 0) return;
    probe->at = uv_now(probe->http->loop);
    answer_all(probe);
}

static struct bf_http_probe *probe_new(struct bf_http *http)
{
    size_t count = 0;
    while (bf_engine_target(http->engine, count)) count++;
    struct bf_http_probe *probe = bf_allocate(sizeof *probe + count * sizeof probe->targets[0]);
    probe->http = http;
    probe->count = count;
    for (size_t i = 0; i < count; i++)
        probe->targets[i] = (struct probed){.probe = probe, .target = bf_engine_target(http->engine, i)};
    return probe;
}

static void probe_targets(struct bf_http_probe *probe)
{
    const struct bf_session_options options = {.application_name = "backfilld readyz",
                                               .lock_timeout = PROBE_CONNECT_TIMEOUT,
                                               .statement_timeout = PROBE_CONNECT_TIMEOUT,
                                               .connect_timeout = PROBE_CONNECT_TIMEOUT};
    probe->under_way = probe->count;
    for (size_t i = 0; i < probe->count; i++) {
        const struct bf_database *database = probe->targets[i].target->database;
        probe->targets[i].session = database->connect(database->context, &options, on_connected, &probe->targets[i]);
    }
}

static void store_answered(void *argument, const struct bf_event *events, size_t count, const struct bf_error *error)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    (void)events;
    (void)count;
    if (!request) return;
    if (error && error->code != BF_OK) {
        bf_http_problem(request, BF_STORE_FAILED, "the state store cannot be read: %s", error->text);
        return;
    }
    struct bf_http *http = request->http;
    const char *trouble = bf_engine_store_trouble(http->engine);
    if (trouble) {
        bf_http_problem(request, BF_STORE_FAILED, "%s", trouble);
        return;
    }
    if (!http->probe) http->probe = probe_new(http);
    struct bf_http_probe *probe = http->probe;
    bool fresh = probe->at != 0 && uv_now(http->loop) - probe->at < PROBE_FRESH;
    if (probe->count == 0 || (fresh && probe->under_way == 0)) {
        answer_readiness(request, probe);
        return;
    }
    struct asking *asking = BF_NEW(struct asking);
    asking->wait = bf_http_wait_begin(request);
    asking->next = probe->asking;
    probe->asking = asking;
    if (probe->under_way == 0) probe_targets(probe);
}

void bf_handle_readyz(struct bf_http_request *request)
{
    const struct bf_store *store = request->http->store;
    store->read_events(store->context, NULL, 0, 1, store_answered, bf_http_wait_begin(request));
}

static void close_sessions(struct bf_http_probe *probe)
{
    for (size_t i = 0; i < probe->count; i++)
        if (probe->targets[i].session) probe->targets[i].target->database->close(probe->targets[i].session);
}

void bf_http_targets_changed(struct bf_http *http)
{
    struct bf_http_probe *probe = http->probe;
    http->probe = NULL;
    if (!probe) return;
    close_sessions(probe);
    if (probe->asking) {
        http->probe = probe_new(http);
        http->probe->asking = probe->asking;
        probe_targets(http->probe);
        if (http->probe->count == 0) answer_all(http->probe);
    }
    free(probe);
}

void bf_http_probe_end(struct bf_http *http)
{
    struct bf_http_probe *probe = http->probe;
    if (!probe) return;
    close_sessions(probe);
    answer_all(probe); /* the requests are answered already: this frees what they waited with */
    http->probe = NULL;
    free(probe);
}
