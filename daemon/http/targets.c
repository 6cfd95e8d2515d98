/* /v1/targets: what the configuration says of them, what their servers say, and what runs there. A target that is not in
 * the configuration any more is shown as gone for as long as unfinished jobs or latches name it. */
#include "foreign.h"
#include "probe.h"

#include <math.h>
#include <string.h>

#include "allocate.h"
#include "dialect.h"
#include "duration.h"
#include "state.h"

static void add_counts(json_t *view, const struct bf_engine *engine, const char *name, const struct bf_identity *identity)
{
    json_int_t running = 0, queued = 0;
    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(engine, job));) {
        const struct bf_record *record = bf_job_record(job);
        if (strcmp(record->document->target, name) != 0) continue;
        switch (record->state) {
        case BF_STATE_RUNNING:
        case BF_STATE_VERIFYING:
        case BF_STATE_PAUSING:
        case BF_STATE_ABORTING:
        case BF_STATE_ROLLING_BACK:
            running++;
            break;
        case BF_STATE_QUEUED:
            queued++;
            break;
        default:
            break;
        }
    }
    json_object_set_new(view, "running", json_integer(running));
    json_object_set_new(view, "queued", json_integer(queued));
    json_object_set_new(view, "latches", bf_latches_view(engine, name, identity));
}

static json_t *number(double value, bool known)
{
    return known && isfinite(value) ? json_real(value) : json_null();
}

static json_t *replicas_view(const struct bf_engine *engine, const char *target)
{
    struct bf_seen_replica list[BF_WATCHED_MAX];
    size_t count = bf_engine_replicas(engine, target, list, BF_WATCHED_MAX);
    json_t *replicas = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct bf_watched *replica = list[i].replica;
        bool known = list[i].age >= 0;
        json_t *view = json_object();
        json_object_set_new(view, "name", bf_json_text(replica->name));
        json_object_set_new(view, "state", json_string(list[i].state));
        json_object_set_new(view, "address", bf_json_text(replica->address[0] ? replica->address : NULL));
        json_object_set_new(view, "synchronous", json_boolean(replica->synchronous));
        json_object_set_new(view, "lag_seconds", number(replica->lag, known));
        bool counted = known && replica->bytes >= 0;
        json_object_set_new(view, "bytes_behind", counted ? json_integer((json_int_t)replica->bytes) : json_null());
        json_object_set_new(view, "age_seconds", number(list[i].age, known));
        json_object_set_new(view, "until", bf_json_time(list[i].until));
        json_object_set_new(view, "reason", bf_json_text(list[i].reason[0] ? list[i].reason : NULL));
        json_object_set_new(view, "trouble", bf_json_text(replica->words[0] ? replica->words : NULL));
        json_array_append_new(replicas, view);
    }
    return replicas;
}

/* Who is behind the value, or what our account lacks to measure it. */
static json_t *signal_text(const struct bf_signal *signal, bool known)
{
    BF_AUTO_STRING char *text =
        signal->text[0] ? bf_format("%s%s", known ? "" : "unmeasured: our account lacks ", signal->text) : NULL;
    return bf_json_text(text);
}

static json_t *signals_view(const struct bf_engine *engine, const char *target)
{
    enum { SIGNALS_MAX = BF_WATCHED_MAX + 2 * BF_SIGNALS_MAX };
    struct bf_signal *list = bf_allocate(SIGNALS_MAX * sizeof *list);
    size_t count = bf_engine_signals(engine, target, list, SIGNALS_MAX);
    json_t *signals = json_array();
    for (size_t i = 0; i < count; i++) {
        bool known = list[i].sampled_at != BF_SIGNAL_NEVER;
        json_t *view = json_object();
        json_object_set_new(view, "name", bf_json_text(list[i].name));
        json_object_set_new(view, "kind", json_string(bf_signal_kind_name(list[i].kind)));
        json_object_set_new(view, "unit", json_string(bf_signal_unit(list[i].kind)));
        json_object_set_new(view, "value", number(list[i].value, known));
        json_object_set_new(view, "limit", number(list[i].limit, list[i].limit > 0));
        json_object_set_new(view, "age_seconds", number((double)list[i].sampled_at / 1000, known));
        json_object_set_new(view, "stale", json_boolean(!known || list[i].sampled_at > list[i].every + BF_SIGNAL_STALE_AFTER));
        json_object_set_new(view, "text", signal_text(&list[i], known));
        json_array_append_new(signals, view);
    }
    free(list);
    return signals;
}

static void add_watched(json_t *view, const struct bf_engine *engine, const char *name)
{
    const char *trouble;
    json_object_set_new(view, "watching", json_boolean(bf_engine_watches(engine, name, &trouble)));
    json_object_set_new(view, "monitor_trouble", bf_json_text(trouble[0] ? trouble : NULL));
    json_object_set_new(view, "replicas", replicas_view(engine, name));
    json_object_set_new(view, "signals", signals_view(engine, name));
}

static json_t *target_view(const struct bf_engine *engine, const struct bf_probed *probed, const struct bf_identity *identity)
{
    const struct bf_target *target = probed->target;
    json_t *view = json_object();
    json_object_set_new(view, "name", bf_json_text(target->name));
    json_object_set_new(view, "engine", bf_json_text(target->database->dialect->name));
    json_object_set_new(view, "version", bf_json_text(probed->version[0] ? probed->version : NULL));
    json_object_set_new(view, "role", bf_json_text(probed->role));
    json_object_set_new(view, "reachability", json_string(probed->reachable ? "reachable" : "unreachable"));
    json_object_set_new(view, "trouble", bf_json_text(probed->reachable ? NULL : probed->text));
    json_object_set_new(view, "max_jobs", json_integer(target->max_jobs));
    json_object_set_new(view, "require_approval", json_string(bf_approval_name(target->require_approval)));
    json_object_set_new(view, "two_person", json_string(bf_approval_name(target->two_person)));
    json_object_set_new(view, "watch_replicas", json_boolean(target->watch_replicas));
    add_counts(view, engine, target->name, identity);
    add_watched(view, engine, target->name);
    json_object_set_new(view, "foreign_jobs", bf_foreign_view(engine, probed->foreign));
    return view;
}

static json_t *gone_view(const struct bf_engine *engine, const char *name, const struct bf_identity *identity)
{
    static const char *const unknown[] = {"engine", "version", "role", "max_jobs", "require_approval", "two_person", "watch_replicas",
                                          "foreign_jobs"};
    json_t *view = json_object();
    json_object_set_new(view, "name", bf_json_text(name));
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) json_object_set_new(view, unknown[i], json_null());
    json_object_set_new(view, "reachability", json_string("gone"));
    json_object_set_new(view, "trouble", json_string("it is not in the configuration any more; what names it waits until it "
                                                     "is there again, and can be aborted"));
    add_counts(view, engine, name, identity);
    add_watched(view, engine, name);
    return view;
}

static bool is_listed(const json_t *targets, const char *name)
{
    size_t index;
    const json_t *view;
    json_array_foreach(targets, index, view)
        if (strcmp(json_string_value(json_object_get(view, "name")), name) == 0) return true;
    return false;
}

/* All that who asks may see: those of the configuration in its order, then those that are gone. */
static json_t *views(const struct bf_http_request *request)
{
    const struct bf_http *http = request->http;
    const struct bf_engine *engine = http->engine;
    const struct bf_identity *identity = &request->identity;
    json_t *targets = json_array();
    const struct bf_probed *probed;
    const struct bf_latch *latch;
    for (size_t i = 0; (probed = bf_http_probed(http, i)); i++)
        if (bf_identity_sees(identity, probed->target->name)) json_array_append_new(targets, target_view(engine, probed, identity));
    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(engine, job));) {
        const struct bf_record *record = bf_job_record(job);
        const char *name = record->document->target;
        if (!bf_state_final(record->state) && !is_listed(targets, name) && bf_identity_sees(identity, name))
            json_array_append_new(targets, gone_view(engine, name, identity));
    }
    for (size_t i = 0; (latch = bf_engine_latch(engine, i)); i++)
        if (latch->kind == BF_LATCH_TARGET && !is_listed(targets, latch->name) && bf_identity_sees(identity, latch->name))
            json_array_append_new(targets, gone_view(engine, latch->name, identity));
    return targets;
}

static void answer_list(struct bf_http_request *request)
{
    bf_http_answer(request, 200, json_pack("{s:o}", "targets", views(request)));
}

static void answer_one(struct bf_http_request *request)
{
    size_t index;
    json_t *view, *targets = views(request);
    json_array_foreach(targets, index, view)
    {
        if (strcmp(json_string_value(json_object_get(view, "name")), request->target) != 0) continue;
        bf_http_answer(request, 200, json_incref(view));
        break;
    }
    if (!request->response) bf_http_problem(request, BF_NOT_FOUND, "no target is called %.100s", request->target);
    json_decref(targets);
}

void bf_handle_list_targets(struct bf_http_request *request)
{
    bf_http_probe_ask(request, answer_list);
}

void bf_handle_show_target(struct bf_http_request *request)
{
    bf_http_probe_ask(request, answer_one);
}

/* ---- replicas ---- */

static bool is_configured(const struct bf_engine *engine, const char *name)
{
    const struct bf_target *target;
    for (size_t i = 0; (target = bf_engine_target(engine, i)); i++)
        if (strcmp(target->name, name) == 0) return true;
    return false;
}

static void order(struct bf_http_request *request, bool ignore)
{
    struct bf_engine *engine = request->http->engine;
    json_t *body = bf_http_body(request);
    if (!body) return;
    if (!is_configured(engine, request->target) || !bf_http_sees(request, request->target)) {
        bf_http_problem(request, BF_NOT_FOUND, "no target is called %.100s", request->target);
        json_decref(body);
        return;
    }
    const char *reason = json_string_value(json_object_get(body, "reason"));
    const char *ignore_for = json_string_value(json_object_get(body, "for"));
    int64_t time = 0;
    struct bf_error error = {0};
    if (ignore_for) bf_duration_parse(ignore_for, &time);
    enum bf_code code =
        ignore ? bf_engine_ignore_replica(engine, request->target, request->replica, time, bf_http_actor(request), reason, &error)
               : bf_engine_heed_replica(engine, request->target, request->replica, bf_http_actor(request), reason, &error);
    if (code == BF_OK)
        bf_http_probe_ask(request, answer_one);
    else
        bf_http_problem(request, code, "%s", error.text);
    json_decref(body);
}

void bf_handle_ignore_replica(struct bf_http_request *request)
{
    order(request, true);
}

void bf_handle_heed_replica(struct bf_http_request *request)
{
    order(request, false);
}
