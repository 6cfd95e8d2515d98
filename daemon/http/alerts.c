/* POST /v1/alerts: what Alertmanager's webhook (version 4) sends. Of its members those are looked at that matter here; what
 * else it sends, now or later, is passed over. */
#include "alerts.h"

#include <string.h>

#include "allocate.h"
#include "mark.h"
#include "server.h"
#include "state.h"

enum { ALERTS_MAX = 1000 };

static void check_text(const json_t *alert, size_t index, const char *name, size_t max, struct bf_complaints *complaints)
{
    char *pointer BF_AUTO_STRING = bf_format("/alerts/%zu/%s", index, name);
    const char *text = json_string_value(json_object_get(alert, name));
    if (!text || !*text)
        bf_complain(complaints, BF_INVALID, pointer, "`%s` is required, a string", name);
    else if (strlen(text) >= max)
        bf_complain(complaints, BF_INVALID, pointer, "has %zu bytes; %zu are the limit", strlen(text), max - 1);
}

/* What cannot be Alertmanager's is refused as a whole: nothing is done by half. */
static void check_whole(const json_t *body, struct bf_complaints *complaints)
{
    const json_t *alerts = json_object_get(body, "alerts");
    const char *version = json_string_value(json_object_get(body, "version"));
    if (!json_is_object(body)) {
        bf_complain(complaints, BF_INVALID, "", "the body has to be an object");
        return;
    }
    if (!version || strcmp(version, "4") != 0)
        bf_complain(complaints, BF_INVALID, "/version", "has to be \"4\": Alertmanager's webhook of this version is known");
    if (!json_is_array(alerts)) {
        bf_complain(complaints, BF_INVALID, "/alerts", "`alerts` is required, a list");
        return;
    }
    if (json_array_size(alerts) > ALERTS_MAX) {
        bf_complain(complaints, BF_INVALID, "/alerts", "has %zu entries; %d are the limit", json_array_size(alerts), ALERTS_MAX);
        return;
    }
    for (size_t i = 0; i < json_array_size(alerts); i++) {
        const json_t *alert = json_array_get(alerts, i);
        check_text(alert, i, "status", 32, complaints);
        check_text(alert, i, "fingerprint", BF_MARK_NAME, complaints);
        check_text(alert, i, "startsAt", BF_MARK_MORE, complaints);
    }
}

static const char *text_of(const json_t *alert, const char *group, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(alert, group), name));
    return text && *text ? text : NULL;
}

static void alerted(void *argument, const struct bf_alert_outcome *outcomes, size_t count)
{
    struct bf_http_request *request = bf_http_wait_end(argument);
    if (!request) return;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct bf_alert_outcome *outcome = &outcomes[i];
        json_t *view = json_object();
        json_object_set_new(view, "fingerprint", bf_json_text(outcome->fingerprint));
        json_object_set_new(view, "job", bf_json_text(outcome->job[0] ? outcome->job : NULL));
        json_object_set_new(view, "did", bf_json_text(outcome->acted ? bf_order_name(outcome->did) : NULL));
        json_object_set_new(view, "text", bf_json_text(outcome->text));
        if (!outcome->durable) json_object_set_new(view, "durable", json_false());
        json_array_append_new(list, view);
    }
    bf_http_answer(request, 200, json_pack("{s:o}", "alerts", list));
}

/* The job that an alert names; for who may not see it, one that there is not. */
static const char *job_of(const struct bf_http_request *request, const json_t *alert)
{
    const struct bf_job *job = NULL;
    const char *name = text_of(alert, "labels", "backfill");
    if (!name || !request->identity.targets || bf_engine_find(request->http->engine, name, false, &job, NULL) != BF_OK) return name;
    return bf_http_sees(request, bf_job_record(job)->document->target) ? name : "";
}

void bf_handle_take_alerts(struct bf_http_request *request)
{
    struct bf_complaints complaints = {0};
    json_error_t fault;
    json_t *body = json_loadb(request->body.text ? request->body.text : "", request->body.length, JSON_DECODE_ANY, &fault);
    if (!body) {
        bf_http_problem(request, BF_NOT_JSON, "line %d, column %d: %.150s", fault.line, fault.column, fault.text);
        return;
    }
    check_whole(body, &complaints);
    if (complaints.count > 0) {
        bf_http_problem_complaints(request, &complaints);
    } else {
        const json_t *list = json_object_get(body, "alerts");
        size_t count = json_array_size(list);
        struct bf_alert *alerts = bf_allocate(count * sizeof *alerts + 1);
        for (size_t i = 0; i < count; i++) {
            const json_t *alert = json_array_get(list, i);
            const char *summary = text_of(alert, "annotations", "summary");
            alerts[i] = (struct bf_alert){
                .fingerprint = json_string_value(json_object_get(alert, "fingerprint")),
                .starts_at = json_string_value(json_object_get(alert, "startsAt")),
                .firing = strcmp(json_string_value(json_object_get(alert, "status")), "firing") == 0,
                .name = text_of(alert, "labels", "alertname"), .job = job_of(request, alert),
                .action = text_of(alert, "labels", "backfill_action"),
                .summary = summary ? summary : text_of(alert, "annotations", "description")};
        }
        bf_engine_take_alerts(request->http->engine, alerts, count, alerted, bf_http_wait_begin(request));
        free(alerts);
    }
    bf_complaints_clear(&complaints);
    json_decref(body);
}
