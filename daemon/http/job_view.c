/* A job as the interface shows it. The document is shown in full and has no secrets: credentials are the target's. */
#include "server.h"

#include "allocate.h"
#include "state.h"
#include "stream.h"

/* Owned JSON text as JSON; null where there is none. */
static json_t *parsed(const char *text)
{
    json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    return value ? value : json_null();
}

static json_t *reason_view(const struct bf_reason *reason)
{
    if (reason->code == BF_OK) return json_null();
    json_t *view = json_object();
    json_object_set_new(view, "code", json_string(bf_code_name(reason->code)));
    bool signal = reason->signal[0] != '\0';
    json_object_set_new(view, "signal", bf_json_text(signal ? reason->signal : NULL));
    json_object_set_new(view, "value", signal && reason->measured ? json_real(reason->value) : json_null());
    json_object_set_new(view, "limit", signal ? json_real(reason->limit) : json_null());
    json_object_set_new(view, "since", bf_json_time(reason->since));
    json_object_set_new(view, "until", bf_json_time(reason->until));
    json_object_set_new(view, "text", bf_json_text(reason->text));
    return view;
}

static void add_position(json_t *positions, const char *after, const char *through, const char *place, bool done)
{
    json_t *position = json_object();
    json_object_set_new(position, "after", parsed(after));
    json_object_set_new(position, "through", parsed(through));
    json_object_set_new(position, "position", parsed(place));
    json_object_set_new(position, "done", json_boolean(done));
    json_array_append_new(positions, position);
}

/* One entry per slice, and none before the range is known. */
static json_t *positions_view(const struct bf_job *job, const struct bf_record *record)
{
    const struct bf_progress *progress = &record->progress;
    json_t *positions = json_array();
    struct bf_slice slices[BF_SLICES_MAX];
    size_t kept = record->direction == BF_DIRECTION_BACK ? bf_slices_read(progress->slices, slices) : 0;
    for (size_t i = 0; i < kept; i++) { /* where it came to before it turned */
        add_position(positions, slices[i].after, slices[i].through, slices[i].position, slices[i].done);
        bf_slice_clear(&slices[i]);
    }
    if (kept)
        return positions;
    for (size_t i = 0, count = bf_job_slices(job); count > 1 && i < count; i++) {
        const struct bf_slice *slice = bf_job_slice(job, i);
        add_position(positions, slice->after, slice->through, slice->position, slice->done);
    }
    if (bf_job_slices(job) == 1 && (record->started || progress->after || progress->through || progress->position))
        add_position(positions, progress->after, progress->through, progress->position, progress->done);
    return positions;
}

static json_t *known(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

static json_t *known_real(double number)
{
    return number < 0 ? json_null() : json_real(number);
}

static json_t *seconds_view(const struct bf_job *job)
{
    struct bf_ledger ledger;
    json_t *seconds = json_object();
    bf_job_seconds(job, &ledger);
    for (size_t i = 0; i < ledger.count; i++)
        json_object_set_new(seconds, ledger.list[i].key, json_real((double)ledger.list[i].time / 1000));
    return seconds;
}

static json_t *progress_view(const struct bf_job *job, const struct bf_record *record)
{
    const struct bf_progress *progress = &record->progress;
    double rate = bf_job_rate(job);
    json_t *view = json_object();
    json_object_set_new(view, "rows_scanned", json_integer(progress->rows_scanned));
    json_object_set_new(view, "rows_changed", json_integer(progress->rows_changed));
    json_object_set_new(view, "rows_bad", json_integer(progress->rows_bad));
    json_object_set_new(view, "rows_set_aside", json_integer(progress->rows_set_aside));
    json_object_set_new(view, "rows_estimated", known(progress->rows_estimated));
    json_object_set_new(view, "fraction", known_real(bf_record_fraction(record)));
    json_object_set_new(view, "rate", known_real(rate));
    json_object_set_new(view, "eta_seconds", known(bf_record_eta(record, rate)));
    json_object_set_new(view, "batches", json_integer(progress->batches));
    json_object_set_new(view, "batch_rows", json_integer(progress->batch_rows));
    json_object_set_new(view, "yields", json_integer(progress->yields));
    json_object_set_new(view, "pass", json_integer(progress->pass));
    json_object_set_new(view, "positions", positions_view(job, record));
    json_object_set_new(view, "seconds", seconds_view(job));
    json_object_set_new(view, "resumed", json_integer(progress->resumed));
    json_object_set_new(view, "round_trips", json_integer(bf_job_flights(job)));
    return view;
}

static bool is_page(const json_t *value)
{
    return json_is_string(value) && strchr(json_string_value(value), '\n');
}

/* The plan's single values; lists and objects (reasons, measurements) and the card are left to /plan. */
static json_t *plan_summary(const char *text)
{
    json_t *plan = parsed(text), *summary = NULL, *value;
    const char *key;
    if (json_is_object(plan)) {
        summary = json_object();
        json_object_foreach(plan, key, value)
            if (!json_is_object(value) && !json_is_array(value) && !is_page(value)) json_object_set(summary, key, value);
    }
    json_decref(plan);
    return summary ? summary : json_null();
}

static json_t *labels_view(const struct bf_document *document)
{
    json_t *labels = json_object();
    for (size_t i = 0; i < document->label_count; i++)
        json_object_set_new(labels, document->labels[i].name, bf_json_text(document->labels[i].value));
    return labels;
}

static json_t *activity_view(const struct bf_job *job, enum bf_state state)
{
    if (state != BF_STATE_RUNNING && state != BF_STATE_VERIFYING && state != BF_STATE_ROLLING_BACK) return json_null();
    return json_string(bf_activity_name(bf_job_activity(job)));
}

static json_t *triggers_view(const struct bf_job *job)
{
    struct bf_trigger_view list[BF_TRIGGERS_MAX];
    size_t count = bf_job_triggers(job, list);
    json_t *views = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *view = json_object();
        json_object_set_new(view, "name", bf_json_text(list[i].name));
        json_object_set_new(view, "watching", json_boolean(list[i].watching));
        json_object_set_new(view, "value", list[i].known ? json_real(list[i].value) : json_null());
        json_object_set_new(view, "limit", list[i].known ? json_real(list[i].limit) : json_null());
        json_object_set_new(view, "true_seconds", known_real(list[i].true_seconds));
        json_object_set_new(view, "trouble", bf_json_text(list[i].trouble[0] ? list[i].trouble : NULL));
        json_array_append_new(views, view);
    }
    return views;
}

static json_t *undo_view(const struct bf_job *job, const struct bf_record *record)
{
    const struct bf_way_back *back = &record->back;
    if (record->document->undo == BF_UNDO_NONE) return json_null();
    bool journal = record->document->undo == BF_UNDO_JOURNAL;
    json_t *view = json_object();
    json_object_set_new(view, "by", json_string(journal ? "journal" : "inverse"));
    json_object_set_new(view, "rows", journal ? known(back->rows) : json_null());
    json_object_set_new(view, "bytes", known(back->bytes));
    json_object_set_new(view, "until", bf_json_time(bf_job_undo_until(job)));
    json_object_set_new(view, "dropped", json_boolean(back->dropped));
    return view;
}

static json_t *rollback_view(const struct bf_record *record)
{
    const struct bf_way_back *back = &record->back;
    if (record->direction != BF_DIRECTION_BACK) return json_null();
    json_t *view = json_object();
    json_object_set_new(view, "rows", known(back->rows));
    json_object_set_new(view, "rows_seen", json_integer(back->seen));
    json_object_set_new(view, "rows_restored", json_integer(back->seen - back->conflicts));
    json_object_set_new(view, "conflicts", json_integer(record->document->undo == BF_UNDO_JOURNAL ? back->conflicts : 0));
    json_object_set_new(view, "batches", json_integer(back->batches));
    return view;
}

json_t *bf_job_progress_view(const struct bf_job *job)
{
    const struct bf_record *record = bf_job_record(job);
    struct bf_reason reason = bf_job_reason(job);
    json_t *view = json_object();
    json_object_set_new(view, "id", json_string(record->id));
    json_object_set_new(view, "name", bf_json_text(record->document->name));
    json_object_set_new(view, "target", bf_json_text(record->document->target));
    json_object_set_new(view, "state", json_string(bf_state_name(record->state)));
    json_object_set_new(view, "direction", json_string(bf_direction_name(record->direction)));
    json_object_set_new(view, "activity", activity_view(job, record->state));
    json_object_set_new(view, "reason", reason_view(&reason));
    json_object_set_new(view, "progress", progress_view(job, record));
    json_object_set_new(view, "triggers", triggers_view(job));
    json_object_set_new(view, "undo", undo_view(job, record));
    json_object_set_new(view, "rollback", rollback_view(record));
    json_object_set_new(view, "updated_at", bf_json_time(record->updated_at));
    json_object_set_new(view, "started_at", bf_json_time(record->started_at));
    json_object_set_new(view, "ended_at", bf_json_time(record->ended_at));
    return view;
}

json_t *bf_job_view(const struct bf_job *job)
{
    const struct bf_record *record = bf_job_record(job);
    const struct bf_document *document = record->document;
    struct bf_reason reason = bf_job_reason(job);
    json_t *view = json_object();
    json_object_set_new(view, "id", json_string(record->id));
    json_object_set_new(view, "name", bf_json_text(document->name));
    json_object_set_new(view, "target", bf_json_text(document->target));
    json_object_set_new(view, "table", bf_json_text(document->table));
    json_object_set_new(view, "state", json_string(bf_state_name(record->state)));
    json_object_set_new(view, "direction", json_string(bf_direction_name(record->direction)));
    json_object_set_new(view, "activity", activity_view(job, record->state));
    json_object_set_new(view, "reason", reason_view(&reason));
    json_object_set_new(view, "document", parsed(bf_document_current(document)));
    json_object_set_new(view, "progress", progress_view(job, record));
    json_object_set_new(view, "triggers", triggers_view(job));
    json_object_set_new(view, "undo", undo_view(job, record));
    json_object_set_new(view, "rollback", rollback_view(record));
    json_object_set_new(view, "plan", plan_summary(record->plan));
    json_object_set_new(view, "owner", bf_json_text(document->owner));
    json_object_set_new(view, "labels", labels_view(document));
    json_object_set_new(view, "description", bf_json_text(document->description));
    json_object_set_new(view, "submitted_by", bf_json_text(record->submitter));
    json_object_set_new(view, "approved_by", bf_json_text(record->approver));
    json_object_set_new(view, "break_glass", bf_json_text(record->break_glass));
    json_object_set_new(view, "approved_plan", bf_json_text(record->approved_plan));
    json_object_set_new(view, "created_at", bf_json_time(record->created_at));
    json_object_set_new(view, "updated_at", bf_json_time(record->updated_at));
    json_object_set_new(view, "started_at", bf_json_time(record->started_at));
    json_object_set_new(view, "ended_at", bf_json_time(record->ended_at));
    return view;
}

void bf_http_answer_job(struct bf_http_request *request, int status, const struct bf_job *job, bool durable)
{
    char etag[BF_ETAG_TEXT];
    const struct bf_record *record = bf_job_record(job);
    char *location BF_AUTO_STRING = status == 201 ? bf_format("/v1/jobs/%s", record->id) : NULL;
    bf_http_audit_job(request, job);
    json_t *view = bf_job_view(job);
    if (!durable) json_object_set_new(view, "durable", json_false());
    bf_http_answer_with(request, status, view,
                        (const char *const[]){"ETag", bf_record_etag(record, etag), location ? "Location" : NULL, location,
                                              NULL});
}

static void answer_order(struct bf_http_wait *wait, int status, const struct bf_outcome_of_order *outcome)
{
    struct bf_http_request *request = bf_http_wait_end(wait);
    if (!request) return;
    if (outcome->code != BF_OK || !outcome->job)
        bf_http_problem_of_order(request, outcome);
    else
        bf_http_answer_job(request, status, outcome->job, outcome->durable);
}

void bf_http_created(void *wait, const struct bf_outcome_of_order *outcome)
{
    answer_order(wait, 201, outcome);
}

void bf_http_accepted(void *wait, const struct bf_outcome_of_order *outcome)
{
    answer_order(wait, 202, outcome);
}
