/* What the targets' servers say when they are asked: whether they let us in, their version and role. One connection per
 * target answers everybody who asks within PROBE_FRESH, so that nobody can flood a server by asking here. */
#include "probe.h"

#include <string.h>

#include "allocate.h"
#include "dialect.h"
#include "foreign.h"

enum {
    PROBE_FRESH = 2000,   /* milliseconds */
    PROBE_TIMEOUT = 2000  /* milliseconds; to connect */
};

struct asked {
    struct bf_http_probe *probe;
    struct bf_session *session; /* NULL: it answered */
    struct bf_flight flight;
    struct bf_probed said;
};

struct asking {
    struct asking *next;
    struct bf_http_wait *wait;
    void (*answer)(struct bf_http_request *request);
};

struct bf_http_probe {
    struct bf_http *http;
    struct asking *asking;
    size_t under_way;
    uint64_t at; /* the loop's time of the last whole result; 0: none */
    size_t count;
    struct asked targets[];
};

static void answer_all(struct bf_http_probe *probe)
{
    struct asking *asking = probe->asking;
    probe->asking = NULL;
    while (asking) {
        struct asking *next = asking->next;
        struct bf_http_request *request = bf_http_wait_end(asking->wait);
        if (request) asking->answer(request);
        free(asking);
        asking = next;
    }
}

/* This one has said everything. */
static void has_said(struct asked *asked)
{
    struct bf_http_probe *probe = asked->probe;
    asked->said.target->database->close(asked->session);
    asked->session = NULL;
    bf_flight_clear(&asked->flight);
    if (--probe->under_way > 0) return;
    probe->at = uv_now(probe->http->loop);
    answer_all(probe);
}

/* Where it cannot be read, as by an account that may not, it is not known. */
static void on_told(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers, bool lost)
{
    struct asked *asked = argument;
    (void)session, (void)flight;
    if (!lost && answers[0].outcome == BF_OUTCOME_OK)
        asked->said.foreign = bf_foreign_read(asked->probe->http->engine, &answers[0]);
    has_said(asked);
}

static void ask_foreign(struct asked *asked, const struct bf_answer *server)
{
    const struct bf_target *target = asked->said.target;
    if (!bf_answer_value(server, 0, BF_SERVER_SCHEMA)) {
        asked->said.foreign = json_array();
        has_said(asked);
        return;
    }
    bf_flight_clear(&asked->flight);
    bf_engine_ask_foreign(asked->probe->http->engine, target, server, &asked->flight);
    target->database->execute(asked->session, &asked->flight, on_told, asked);
}

static void on_said(void *argument, struct bf_session *session, struct bf_flight *flight,
                    const struct bf_answer *answers, bool lost)
{
    struct asked *asked = argument;
    const struct bf_answer *server = &answers[0];
    const char *version = bf_answer_value(server, 0, BF_SERVER_VERSION);
    (void)session, (void)flight;
    asked->said.reachable = !lost && server->outcome == BF_OUTCOME_OK && server->rows == 1;
    if (!asked->said.reachable) {
        snprintf(asked->said.text, sizeof asked->said.text, "%s",
                 server->message && *server->message ? server->message : "the connection was lost");
        has_said(asked);
        return;
    }
    snprintf(asked->said.version, sizeof asked->said.version, "%s", version ? version : "");
    asked->said.role = bf_answer_true(server, 0, BF_SERVER_WRITABLE)  ? "primary"
                       : bf_answer_true(server, 0, BF_SERVER_REPLICA) ? "replica"
                                                                      : "read_only";
    ask_foreign(asked, server);
}

static void on_connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    struct asked *asked = argument;
    const struct bf_database *database = asked->said.target->database;
    snprintf(asked->said.text, sizeof asked->said.text, "%s", text ? text : "");
    if (error_class != BF_CLASS_NONE) {
        has_said(asked);
        return;
    }
    bf_flight_add(&asked->flight, BF_STATEMENT_SERVER, database->dialect->common(BF_STATEMENT_SERVER));
    database->execute(session, &asked->flight, on_said, asked);
}

static struct bf_http_probe *probe_new(struct bf_http *http)
{
    size_t count = 0;
    while (bf_engine_target(http->engine, count)) count++;
    struct bf_http_probe *probe = bf_allocate(sizeof *probe + count * sizeof probe->targets[0]);
    probe->http = http;
    probe->count = count;
    for (size_t i = 0; i < count; i++)
        probe->targets[i] = (struct asked){.probe = probe, .said.target = bf_engine_target(http->engine, i)};
    return probe;
}

static void ask_targets(struct bf_http_probe *probe)
{
    const struct bf_session_options options = {.application_name = "backfilld readyz",
                                               .lock_timeout = PROBE_TIMEOUT,
                                               .statement_timeout = PROBE_TIMEOUT,
                                               .connect_timeout = PROBE_TIMEOUT};
    probe->under_way = probe->count;
    for (size_t i = 0; i < probe->count; i++) {
        struct asked *asked = &probe->targets[i];
        const struct bf_database *database = asked->said.target->database;
        json_decref(asked->said.foreign);
        asked->said = (struct bf_probed){.target = asked->said.target};
        asked->session = database->connect(database->context, &options, on_connected, asked);
    }
}

void bf_http_probe_ask(struct bf_http_request *request, void (*answer)(struct bf_http_request *request))
{
    struct bf_http *http = request->http;
    if (!http->probe) http->probe = probe_new(http);
    struct bf_http_probe *probe = http->probe;
    bool fresh = probe->at != 0 && uv_now(http->loop) - probe->at < PROBE_FRESH;
    if (probe->count == 0 || (fresh && probe->under_way == 0)) {
        answer(request);
        return;
    }
    struct asking *asking = BF_NEW(struct asking);
    asking->wait = bf_http_wait_begin(request);
    asking->answer = answer;
    asking->next = probe->asking;
    probe->asking = asking;
    if (probe->under_way == 0) ask_targets(probe);
}

const struct bf_probed *bf_http_probed(const struct bf_http *http, size_t index)
{
    return http->probe && index < http->probe->count ? &http->probe->targets[index].said : NULL;
}

static void let_go(struct bf_http_probe *probe)
{
    for (size_t i = 0; i < probe->count; i++) {
        struct asked *asked = &probe->targets[i];
        if (asked->session) asked->said.target->database->close(asked->session);
        bf_flight_clear(&asked->flight);
        json_decref(asked->said.foreign);
        asked->said.foreign = NULL;
    }
}

void bf_http_targets_changed(struct bf_http *http)
{
    struct bf_http_probe *probe = http->probe;
    http->probe = NULL;
    if (!probe) return;
    let_go(probe);
    if (probe->asking) {
        http->probe = probe_new(http);
        http->probe->asking = probe->asking;
        ask_targets(http->probe);
        if (http->probe->count == 0) answer_all(http->probe);
    }
    free(probe);
}

void bf_http_probe_end(struct bf_http *http)
{
    struct bf_http_probe *probe = http->probe;
    if (!probe) return;
    let_go(probe);
    answer_all(probe); /* the requests are answered already: this frees what they waited with */
    http->probe = NULL;
    free(probe);
}
