/* What becomes of what was measured: the plan with its risk, and the record of a new job. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "duration.h"
#include "plan_text.h"
#include "quantity.h"
#include "submission.h"

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *number_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
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
    char time[BF_DURATION_TEXT];
    int64_t took = record->ended_at > record->started_at ? record->ended_at - record->started_at : 0;
    double rows = (double)record->progress.rows_scanned;
    bool back = record->state == BF_STATE_ROLLED_BACK;
    BF_AUTO_STRING char *scanned = bf_quantity_count(rows);
    BF_AUTO_STRING char *speed = took > 0 ? bf_quantity_count(rows * 1000 / (double)took) : NULL;
    BF_AUTO_STRING char *rate = speed && !back ? bf_format(" (%s rows/s)", speed) : bf_copy_string("");
    return bf_format("%s (%s) on %s: %s rows in %s%s, %s", record->document->name, record->id, record->document->target, scanned,
                     bf_duration_format(took, time), rate, back ? "there and back: rolled back" : "not rolled back");
}

static json_t *reasons_view(const struct bf_judgement *judgement)
{
    json_t *reasons = json_array();
    for (size_t i = 0; i < judgement->count; i++) {
        const struct bf_risk_reason *reason = &judgement->reasons[i];
        json_array_append_new(reasons, json_pack("{ss,ss,so,ss}", "code", reason->code, "risk", bf_risk_name(reason->risk), "value",
                                                 reason->numbered ? json_real(reason->value) : json_null(), "text", reason->text));
    }
    return reasons;
}

static json_t *unmeasured_view(const struct bf_judgement *judgement)
{
    json_t *names = json_array();
    for (size_t i = 0; i < judgement->unmeasured_count; i++)
        json_array_append_new(names, json_string(bf_fact_text(judgement->unmeasured[i])));
    return names;
}

static const char *const undo_words[] = {[BF_UNDO_NONE] = "none", [BF_UNDO_JOURNAL] = "journal", [BF_UNDO_INVERSE] = "inverse"};

/* The plan without its hash, which is over all of it and over the document that it is for. */
static json_t *make_plan(const struct bf_submission *submission, const struct bf_verdict *verdict)
{
    const struct bf_table *table = submission->table;
    const struct bf_dialect *dialect = submission->target->database->dialect;
    json_t *key = json_array();
    for (size_t i = 0; i < table->key_count; i++)
        json_array_append_new(key, json_pack("{ss,ss}", "column", table->key[i].name, "type", table->key[i].type));
    BF_AUTO_STRING char *statement = dialect->tried(submission->document, table, 1, 0);
    return json_pack(
        "{ss,ss,ss,so,so,so,so,so,sb,ss,so,sO*,so,so,so,so,so}", "risk", bf_risk_name(verdict->judgement.risk), "table",
        table->display, "engine", dialect->name, "identity", text_or_null(table->target_identity), "server_version",
        text_or_null(submission->server_version), "key", key, "rows_estimated", number_or_null(table->rows_estimated), "bytes",
        number_or_null(table->bytes), "partitioned", table->partitioned, "undo",
        undo_words[submission->document->undo], "statement",
        text_or_null(statement), "replicas", submission->replicas, "reasons", reasons_view(&verdict->judgement), "unmeasured",
        unmeasured_view(&verdict->judgement), "measured", bf_plan_facts_view(bf_measuring_facts(submission->measuring)), "estimate",
        bf_plan_estimate_view(&verdict->estimate), "rehearsal", text_or_null(verdict->rehearsal));
}

char *bf_submission_plan(const struct bf_submission *submission, const struct bf_verdict *verdict)
{
    char hash[BF_HASH_TEXT];
    json_t *plan = make_plan(submission, verdict);
    const struct bf_dialect *dialect = submission->target->database->dialect;
    if (submission->inverse_table) {
        BF_AUTO_STRING char *inverse = dialect->tried(submission->document->inverse, submission->inverse_table, 1, 0);
        json_object_set_new(plan, "inverse_statement", json_string(inverse));
    }
    BF_AUTO_STRING char *bare = json_dumps(plan, JSON_COMPACT | JSON_SORT_KEYS);
    BF_AUTO_STRING char *whole = bf_format("%s\n%s", bf_document_current(submission->document), bare);
    json_object_set_new(plan, "hash", json_string(bf_hash(whole, strlen(whole), hash)));
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

void bf_submission_judge(const struct bf_submission *submission, struct bf_verdict *verdict)
{
    const struct bf_document *document = submission->document;
    const struct bf_facts *facts = bf_measuring_facts(submission->measuring);
    const struct bf_thresholds *own = submission->target->thresholds;
    const struct bf_job *rehearsal = rehearsal_of(submission);
    *verdict = (struct bf_verdict){.estimate = bf_estimate(document, facts, &submission->target->database->dialect->costs), .rehearsal = rehearsal_text(rehearsal)};
    bf_judge(&(struct bf_risk_case){.document = document, .facts = facts, .estimate = &verdict->estimate,
                                    .thresholds = own ? own : &bf_thresholds_default,
                                    .lag_limit = (double)document->limits.replication_lag / 1000, .rehearsed = rehearsal != NULL,
                                    .volatile_predicate = bf_predicate_is_volatile(document->where) ||
                                                          bf_predicate_is_volatile(document->remaining)},
             &verdict->judgement);
    verdict->missing = refusal(submission, &verdict->judgement);
}

void bf_verdict_clear(struct bf_verdict *verdict)
{
    bf_judgement_clear(&verdict->judgement);
    free(verdict->rehearsal);
    free(verdict->missing);
}

void bf_submission_record(struct bf_submission *submission, struct bf_record *record)
{
    const struct bf_world *world = submission->engine->world;
    uint8_t random[10];
    world->random(world->context, random, sizeof random);
    *record = (struct bf_record){.state = BF_STATE_PLANNING, .direction = BF_DIRECTION_FORWARD,
                                 .created_at = world->unix_time(world->context)};
    record->updated_at = record->created_at;
    bf_ulid_format(record->created_at, random, record->id);
    record->progress.rows_estimated = submission->table->rows_estimated;
    record->back.rows = record->back.bytes = record->progress.dead = -1;
    record->progress.batch_rows = submission->document->pace.batch_rows_start;
    record->submitter = bf_copy_string(submission->actor);
    record->idempotency_key = bf_copy_string(submission->key);
    record->document = submission->document;
    submission->document_lent = true;
}
