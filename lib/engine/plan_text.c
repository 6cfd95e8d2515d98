#include "plan_text.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "card.h"
#include "internal.h"

char *bf_plan_text(const char *plan, const char *field)
{
    json_t *root = plan ? json_loads(plan, 0, NULL) : NULL;
    char *text = bf_copy_string(json_string_value(json_object_get(root, field)));
    json_decref(root);
    return text;
}

bool bf_plan_risk(const char *plan, enum bf_risk *ret_risk)
{
    BF_AUTO_STRING char *name = bf_plan_text(plan, "risk");
    return bf_risk_by_name(name, ret_risk);
}

/* ---- into JSON ---- */

static json_t *real_or_null(bool known, double value)
{
    return known ? json_real(value) : json_null();
}

json_t *bf_plan_facts_view(const struct bf_facts *facts)
{
    json_t *measured = json_object();
    for (enum bf_fact_name name = 0; name < BF_FACT_COUNT; name++) {
        const struct bf_fact *fact = &facts->of[name];
        if (!fact->known && bf_fact_need(name) == BF_OPTIONAL && !fact->detail)
            continue;
        json_object_set_new(measured, bf_fact_text(name),
                            json_pack("{so,so}", "value", real_or_null(fact->known, fact->value), "detail",
                                      fact->detail ? json_string(fact->detail) : json_null()));
    }
    return measured;
}

json_t *bf_plan_estimate_view(const struct bf_estimate *estimate)
{
    return json_pack("{so,so,so,so,so,so,so,sf}", "seconds_low", real_or_null(estimate->known, estimate->low), "seconds_high",
                     real_or_null(estimate->known, estimate->high), "rate", real_or_null(estimate->known, estimate->rate), "rows_changed",
                     real_or_null(estimate->changed >= 0, estimate->changed), "dead_rows",
                     real_or_null(estimate->changed >= 0, estimate->changed), "log_bytes",
                     real_or_null(estimate->log_bytes >= 0, estimate->log_bytes), "journal_bytes",
                     real_or_null(estimate->journal_bytes >= 0, estimate->journal_bytes), "window_share", estimate->open);
}

/* ---- and back ---- */

static double real_of(const json_t *object, const char *name, double otherwise)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static void read_facts(const json_t *measured, struct bf_facts *facts)
{
    for (enum bf_fact_name name = 0; name < BF_FACT_COUNT; name++) {
        const json_t *fact = json_object_get(measured, bf_fact_text(name));
        const char *detail = json_string_value(json_object_get(fact, "detail"));
        if (json_is_number(json_object_get(fact, "value")))
            bf_facts_set(facts, name, real_of(fact, "value", 0), detail);
        else if (fact)
            bf_facts_unknown(facts, name, detail);
    }
}

void bf_plan_read_facts(const char *plan, struct bf_facts *facts)
{
    json_t *root = plan ? json_loads(plan, 0, NULL) : NULL;
    read_facts(json_object_get(root, "measured"), facts);
    json_decref(root);
}

static struct bf_estimate read_estimate(const json_t *estimate)
{
    double low = real_of(estimate, "seconds_low", -1);
    return (struct bf_estimate){.known = low >= 0, .low = low, .high = real_of(estimate, "seconds_high", -1),
                                .rate = real_of(estimate, "rate", -1), .changed = real_of(estimate, "rows_changed", -1),
                                .log_bytes = real_of(estimate, "log_bytes", -1),
                                .journal_bytes = real_of(estimate, "journal_bytes", -1),
                                .open = real_of(estimate, "window_share", 1)};
}

/* The codes stay those of the JSON, which has to outlive the judgement. */
static void read_judgement(const json_t *plan, struct bf_judgement *judgement)
{
    size_t i;
    const json_t *each;
    *judgement = (struct bf_judgement){0};
    bf_risk_by_name(json_string_value(json_object_get(plan, "risk")), &judgement->risk);
    json_array_foreach (json_object_get(plan, "reasons"), i, each) {
        struct bf_risk_reason *reason = &judgement->reasons[judgement->count];
        const char *code = json_string_value(json_object_get(each, "code"));
        const char *text = json_string_value(json_object_get(each, "text"));
        if (judgement->count == BF_RISK_REASONS_MAX || !code || !text)
            continue;
        reason->code = code;
        bf_risk_by_name(json_string_value(json_object_get(each, "risk")), &reason->risk);
        reason->text = bf_copy_string(text);
        judgement->count++;
    }
    json_array_foreach (json_object_get(plan, "unmeasured"), i, each)
        if (judgement->unmeasured_count < BF_FACT_COUNT && json_is_string(each) &&
            bf_fact_by_text(json_string_value(each), &judgement->unmeasured[judgement->unmeasured_count]))
            judgement->unmeasured_count++;
}

void bf_plan_take_count(struct bf_job *job, const struct bf_costs *costs, bool known, double rows, const char *why)
{
    struct bf_facts facts = {0};
    json_t *plan = json_loads(job->record.plan, 0, NULL);
    read_facts(json_object_get(plan, "measured"), &facts);
    if (known)
        bf_facts_set(&facts, BF_FACT_MATCHING_EXACT, rows, NULL);
    else
        bf_facts_unknown(&facts, BF_FACT_MATCHING_EXACT, why);
    struct bf_estimate estimate = bf_estimate(job->record.document, &facts, costs);
    json_object_set_new(plan, "measured", bf_plan_facts_view(&facts));
    json_object_set_new(plan, "estimate", bf_plan_estimate_view(&estimate));
    bf_facts_clear(&facts);
    free(job->record.plan);
    job->record.plan = json_dumps(plan, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(plan);
}

/* ---- what people see ---- */

/* What the estimate is about: the time in which it worked, however often and long it stood still. */
static double seconds_of_work(const struct bf_job *job)
{
    static const char *const work[] = {"connecting", "batching", "sleeping", "verifying"};
    struct bf_ledger ledger;
    int64_t time = 0;
    bf_job_seconds(job, &ledger);
    for (size_t i = 0; i < BF_COUNT(work); i++)
        time += bf_ledger_time(&ledger, work[i]);
    return (double)time / 1000;
}

static bool took_of(const struct bf_job *job, const struct bf_estimate *estimate, struct bf_took *took)
{
    const struct bf_record *record = &job->record;
    /* A job that went back has the time of both ways in its ledger. */
    if (!bf_state_final(record->state) || record->direction == BF_DIRECTION_BACK || record->started_at == 0 || record->ended_at == 0)
        return false;
    *took = (struct bf_took){.work = seconds_of_work(job),
                             .whole = (double)(record->ended_at - record->started_at) / 1000,
                             .scanned = (double)record->progress.rows_scanned,
                             .changed = (double)record->progress.rows_changed,
                             .log_bytes = bf_logged_total(&record->progress.logged, record->progress.rows_changed),
                             .journal_bytes = record->back.dropped ? -1 : (double)record->back.bytes,
                             .dead = (double)record->progress.dead};
    /* What did not come to its end says nothing of how long the whole takes. */
    took->compared = estimate->known && record->state == BF_STATE_COMPLETED;
    took->held = took->work >= estimate->low && took->work <= estimate->high;
    return true;
}

static json_t *took_view(const struct bf_job *job, const struct bf_took *took)
{
    const struct bf_progress *progress = &job->record.progress;
    double share = bf_logged_share(&progress->logged, progress->rows_changed);
    return json_pack("{sf,sf,sf,sf,so,so,so,so,so}", "seconds", took->work, "seconds_in_all", took->whole, "rows_scanned", took->scanned,
                     "rows_changed", took->changed, "log_bytes", real_or_null(took->log_bytes >= 0, took->log_bytes), "log_measured",
                     real_or_null(took->log_bytes >= 0, share), "journal_bytes",
                     real_or_null(took->journal_bytes >= 0, took->journal_bytes), "dead_rows", real_or_null(took->dead >= 0, took->dead),
                     "as_estimated", took->compared ? json_boolean(took->held) : json_null());
}

static const char *text_of(const json_t *plan, const char *field)
{
    return json_string_value(json_object_get(plan, field));
}

char *bf_job_plan(const struct bf_job *job)
{
    json_t *plan = job->record.plan ? json_loads(job->record.plan, 0, NULL) : NULL;
    struct bf_facts facts = {0};
    struct bf_judgement judgement;
    struct bf_took took;
    if (!plan)
        return NULL;
    struct bf_estimate estimate = read_estimate(json_object_get(plan, "estimate"));
    bool over = took_of(job, &estimate, &took);
    read_facts(json_object_get(plan, "measured"), &facts);
    read_judgement(plan, &judgement);
    struct bf_card card = {.document = job->record.document, .facts = &facts, .estimate = &estimate, .judgement = &judgement,
                           .table = text_of(plan, "table"), .engine = text_of(plan, "engine"),
                           .server_version = text_of(plan, "server_version"), .statement = text_of(plan, "statement"),
                           .rehearsal = text_of(plan, "rehearsal"), .keep_undo = bf_job_keep_undo(job),
                           .undo_until = bf_job_undo_until(job), .undo_dropped = job->record.back.dropped, .hash = text_of(plan, "hash"),
                           .job = job->record.state == BF_STATE_PLANNING ? NULL : job->record.id, .approver = job->record.approver, .took = over ? &took : NULL};
    BF_AUTO_STRING char *page = card.table && card.engine && json_object_get(plan, "measured") ? bf_card_text(&card) : NULL;
    if (page)
        json_object_set_new(plan, "card", json_string(page));
    json_object_set_new(plan, "took", over ? took_view(job, &took) : json_null());
    bf_judgement_clear(&judgement);
    bf_facts_clear(&facts);
    char *text = json_dumps(plan, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(plan);
    return text;
}
