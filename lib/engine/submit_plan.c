/* What a submission becomes when both we and the target agree: the plan with its risk, and the record. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "card.h"
#include "submission.h"

enum { KEEP_UNDO = 7 * 86400000 /* milliseconds */ };

char *bf_plan_text(const char *plan, const char *field)
{
    json_t *root = plan ? json_loads(plan, 0, NULL) : NULL;
    char *text = bf_copy_string(json_string_value(json_object_get(root, field)));
    json_decref(root);
    return text;
}

enum bf_risk bf_plan_risk(const char *plan)
{
    BF_AUTO_STRING char *name = bf_plan_text(plan, "risk");
    enum bf_risk risk;
    return bf_risk_by_name(name, &risk) ? risk : BF_RISK_GREEN;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *number_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

static json_t *real_or_null(bool known, double value)
{
    return known ? json_real(value) : json_null();
}

/* ---- the plan ---- */

/* The newest job that did the same to its end on another target; NULL: there is none. */
static const struct bf_job *rehearsal_of(const struct bf_submission *submission)
{
    const struct bf_document *ours = submission->document;
    for (const struct bf_job *job = submission->engine->newest; job; job = job->older) {
        const struct bf_document *theirs = job->record.document;
        bool ended = job->record.state == BF_STATE_COMPLETED || job->record.state == BF_STATE_ROLLED_BACK;
        if (ended && strcmp(theirs->target, ours->target) != 0 && bf_document_same_work(theirs, ours))
            return job;
    }
    return NULL;
}

static char *rehearsal_text(const struct bf_job *job)
{
    if (!job)
        return NULL;
    const struct bf_record *record = &job->record;
    double seconds = (double)(record->ended_at - record->started_at) / 1000;
    return bf_format("%s on %s: %lld rows in %.0f s, %s", record->id, record->document->target,
                     (long long)record->progress.rows_scanned, seconds > 0 ? seconds : 0,
                     record->state == BF_STATE_ROLLED_BACK ? "taken back" : "not taken back");
}

static json_t *reasons_view(const struct bf_judgement *judgement)
{
    json_t *reasons = json_array();
    for (size_t i = 0; i < judgement->count; i++) {
        const struct bf_risk_reason *reason = &judgement->reasons[i];
        json_array_append_new(reasons, json_pack("{ss,ss,so,ss}", "code", reason->code, "risk", bf_risk_name(reason->risk), "value",
                                                 real_or_null(reason->numbered, reason->value), "text", reason->text));
    }
    return reasons;
}

static json_t *facts_view(const struct bf_facts *facts)
{
    json_t *measured = json_object();
    for (enum bf_fact_name name = 0; name < BF_FACT_COUNT; name++) {
        const struct bf_fact *fact = &facts->of[name];
        if (!fact->known && bf_fact_need(name) == BF_OPTIONAL && !fact->detail)
            continue;
        json_object_set_new(measured, bf_fact_text(name),
                            json_pack("{so,so}", "value", real_or_null(fact->known, fact->value), "detail", text_or_null(fact->detail)));
    }
    return measured;
}

static json_t *estimate_view(const struct bf_estimate *estimate)
{
    return json_pack("{so,so,so,so,so,so,sf}", "seconds_low", real_or_null(estimate->known, estimate->low), "seconds_high",
                     real_or_null(estimate->known, estimate->high), "rate", real_or_null(estimate->known, estimate->rate), "rows_changed",
                     real_or_null(estimate->changed >= 0, estimate->changed), "log_bytes",
                     real_or_null(estimate->log_bytes >= 0, estimate->log_bytes), "journal_bytes",
                     real_or_null(estimate->journal_bytes >= 0, estimate->journal_bytes), "window_share", estimate->open);
}

static json_t *unmeasured_view(const struct bf_judgement *judgement)
{
    json_t *names = json_array();
    for (size_t i = 0; i < judgement->unmeasured_count; i++)
        json_array_append_new(names, json_string(bf_fact_text(judgement->unmeasured[i])));
    return names;
}

static char *make_plan(const struct bf_submission *submission, const struct bf_judgement *judgement,
                       const struct bf_estimate *estimate, const char *rehearsal)
{
    const struct bf_table *table = submission->table;
    const struct bf_dialect *dialect = submission->target->database->dialect;
    const struct bf_facts *facts = bf_measuring_facts(submission->measuring);
    json_t *key = json_array();
    for (size_t i = 0; i < table->key_count; i++)
        json_array_append_new(key, json_pack("{ss,ss}", "column", table->key[i].name, "type", table->key[i].type));
    BF_AUTO_STRING char *statement = dialect->tried(submission->document, table, 1, 0);
    struct bf_card card = {.document = submission->document, .facts = facts, .estimate = estimate, .judgement = judgement,
                           .table = table->display, .engine = dialect->name, .server_version = submission->server_version,
                           .statement = statement, .rehearsal = rehearsal, .keep_undo = KEEP_UNDO};
    BF_AUTO_STRING char *page = bf_card_text(&card);
    json_t *plan = json_pack(
        "{ss,ss,ss,so,so,so,so,so,sb,ss,so,sO*,so,so,so,so,so,ss}", "risk", bf_risk_name(judgement->risk), "table", table->display,
        "engine", dialect->name, "identity", text_or_null(table->target_identity), "server_version",
        text_or_null(submission->server_version), "key", key, "rows_estimated", number_or_null(table->rows_estimated), "bytes",
        number_or_null(table->bytes), "partitioned", table->partitioned, "undo", "none", "statement",
        text_or_null(statement), "replicas", submission->replicas, "reasons", reasons_view(judgement), "unmeasured",
        unmeasured_view(judgement), "measured", facts_view(facts), "estimate", estimate_view(estimate), "rehearsal",
        text_or_null(rehearsal), "card", page);
    char *text = json_dumps(plan, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(plan);
    return text;
}

/* Mandatory measurements that are missing and that nobody took on: "write_rate (track_counts is off), ..."; NULL: none. */
static char *refusal(const struct bf_submission *submission, const struct bf_judgement *judgement)
{
    const struct bf_facts *facts = bf_measuring_facts(submission->measuring);
    struct bf_buffer text = {0};
    for (size_t i = 0; i < judgement->unmeasured_count; i++) {
        enum bf_fact_name name = judgement->unmeasured[i];
        enum bf_accept accept;
        if (bf_accept_by_name(bf_fact_text(name), &accept) && submission->document->accept[accept])
            continue;
        const char *why = facts->of[name].detail;
        bf_buffer_format(&text, "%s%s%s%s%s", text.length ? ", " : "", bf_fact_text(name), why ? " (" : "", why ? why : "", why ? ")" : "");
    }
    return text.length ? bf_buffer_take(&text) : NULL;
}

static void decide(struct bf_submission *submission, struct bf_record *record)
{
    const struct bf_document *document = submission->document;
    const struct bf_facts *facts = bf_measuring_facts(submission->measuring);
    struct bf_estimate estimate = bf_estimate(document, facts);
    const struct bf_job *rehearsal = rehearsal_of(submission);
    struct bf_judgement judgement;
    const struct bf_thresholds *own = submission->target->thresholds;
    bf_judge(&(struct bf_risk_case){.document = document, .facts = facts, .estimate = &estimate,
                                    .thresholds = own ? own : &bf_thresholds_default,
                                    .lag_limit = (double)document->limits.replication_lag / 1000, .rehearsed = rehearsal != NULL,
                                    .volatile_predicate = bf_predicate_is_volatile(document->where) ||
                                                          bf_predicate_is_volatile(document->remaining)},
             &judgement);
    BF_AUTO_STRING char *told = rehearsal_text(rehearsal), *missing = refusal(submission, &judgement);
    record->plan = make_plan(submission, &judgement, &estimate, told);
    if (missing) {
        record->state = BF_STATE_REFUSED;
        record->ended_at = record->created_at;
        record->reason = (struct bf_reason){.code = BF_UNMEASURED, .since = record->created_at};
        snprintf(record->reason.text, sizeof record->reason.text,
                 "unmeasured: %.300s; let it be measured, or say its name in \"accept\"", missing);
    } else {
        record->state = bf_approval_needed(submission->target->require_approval, judgement.risk) ? BF_STATE_AWAITING_APPROVAL
                                                                                                 : BF_STATE_QUEUED;
    }
    bf_judgement_clear(&judgement);
}

void bf_submission_record(struct bf_submission *submission, struct bf_record *record)
{
    const struct bf_world *world = submission->engine->world;
    uint8_t random[10];
    world->random(world->context, random, sizeof random);
    *record = (struct bf_record){.direction = BF_DIRECTION_FORWARD, .created_at = world->unix_time(world->context)};
    record->updated_at = record->created_at;
    bf_ulid_format(record->created_at, random, record->id);
    record->progress.rows_estimated = submission->table->rows_estimated;
    record->progress.batch_rows = submission->document->pace.batch_rows_start;
    decide(submission, record);
    record->submitter = bf_copy_string(submission->actor);
    record->idempotency_key = bf_copy_string(submission->key);
    record->document = submission->document;
    submission->document = NULL;
}
