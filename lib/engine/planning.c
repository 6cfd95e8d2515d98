/* A job and its plan (docs/plan.md). In `planning` it is measured and judged, as often as it takes: a target that does not
 * answer is asked again, a daemon that was stopped begins anew. What a person approved counts until the start; right before
 * it the table is measured once more, without batches, and only a worse class of risk asks again. A job that has begun is
 * never asked for again. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "bounds.h"
#include "buffer.h"
#include "count.h"
#include "plan_text.h"
#include "submission.h"

enum {
    ASK_AGAIN = 3000, /* milliseconds, when the target did not answer */
    FRESH = 2000      /* milliseconds that a measurement counts as one right before the start, of a job that does not wait */
};

const char *bf_submission_doing(enum bf_submission_phase phase)
{
    switch (phase) {
    case BF_SUBMISSION_CONNECTING: return "connecting";
    case BF_SUBMISSION_DESCRIBING: return "describing the table";
    case BF_SUBMISSION_CHECKING: return "checking the expressions";
    case BF_SUBMISSION_MEASURING: return "measuring the table";
    case BF_SUBMISSION_TRYING: return "counting the writes of others, and trying a few batches";
    case BF_SUBMISSION_STORING:
    case BF_SUBMISSION_RESTING:
    case BF_SUBMISSION_DECIDED: break;
    }
    return "waiting";
}

void bf_submission_enter(struct bf_submission *submission, enum bf_submission_phase phase)
{
    struct bf_job *job = submission->job;
    char text[128];
    submission->phase = phase;
    if (!job)
        return;
    snprintf(text, sizeof text, "%s: %s", submission->aim == BF_AIM_CONFIRM ? "measured once more before the start" : "the plan is made",
             bf_submission_doing(phase));
    job->walk.reason = bf_reason_make(job, BF_MEASURING, text);
}

static void tell_job(struct bf_submission *submission, bool durable)
{
    struct bf_outcome_of_order outcome = {.code = BF_OK, .durable = durable, .job = submission->job, .text = ""};
    bf_submission_tell(submission, &outcome);
}

void bf_planning_drop(struct bf_submission *planner)
{
    struct bf_job *job = planner->job;
    if (job->walk.reason.code != BF_TARGET_GONE)
        job->walk.reason = (struct bf_reason){0};
    tell_job(planner, !job->unsaved);
    bf_submission_free(planner);
}

static void begin(struct bf_job *job, enum bf_aim aim)
{
    job->planner = bf_submission_new(job->engine, aim, job->record.document, job->target);
    job->planner->document_lent = true;
    job->planner->job = job;
    bf_submission_ask(job->planner);
}

void bf_planning_take_up(struct bf_job *job)
{
    if (job->planner || job->moving || bf_job_now(job) < job->release_after)
        return;
    if (job->target)
        begin(job, BF_AIM_JOB);
    else
        bf_job_show_target(job);
}

/* ---- what a person approved ---- */

/* The class that the job was approved for, or that needed no approval. False: a plan of a former release, which had none. */
static bool agreed_risk(const struct bf_job *job, enum bf_risk *ret_risk)
{
    return bf_risk_by_name(job->record.approved_risk, ret_risk) || bf_plan_risk(job->record.plan, ret_risk);
}

bool bf_planning_unconfirmed(const struct bf_job *job)
{
    enum bf_risk risk;
    bool begun = job->record.started_at != 0 || job->record.direction == BF_DIRECTION_BACK;
    if (begun || job->target->require_approval == BF_APPROVAL_NONE || !agreed_risk(job, &risk))
        return false;
    return job->measured_at == 0 || bf_job_now(job) - job->measured_at > FRESH;
}

/* The planner is not the job's any more: what it moves is not its own end. */
static struct bf_job *let_go(struct bf_submission *submission)
{
    struct bf_job *job = submission->job;
    job->planner = NULL;
    submission->engine->world->timer_stop(submission->deadline);
    submission->phase = BF_SUBMISSION_DECIDED;
    return job;
}

static void move_to_planning(struct bf_job *job, const char *actor, const char *why)
{
    struct bf_reason reason = bf_reason_make(job, BF_APPROVAL_LOST, why);
    bf_job_move(job, BF_STATE_PLANNING, &reason, actor, NULL);
}

void bf_planning_anew(struct bf_job *job, const char *actor, const char *why)
{
    bf_record_forget_approval(&job->record);
    move_to_planning(job, actor, why);
}

void bf_planning_confirm(struct bf_job *job)
{
    const struct bf_record *record = &job->record;
    BF_AUTO_STRING char *passed = record->approver ? bf_bounds_passed(record->approved_bounds, record->document) : NULL;
    BF_AUTO_STRING char *why = passed ? bf_bounds_sentence(passed, record->approver) : NULL;
    if (why) /* changed while it was paused in the queue */
        bf_planning_anew(job, "daemon", why);
    else
        begin(job, BF_AIM_CONFIRM);
}

/* "the risk was YELLOW and is RED now: unique_key_column (`set` changes ...)" */
static char *what_got_worse(enum bf_risk agreed, const struct bf_verdict *verdict)
{
    struct bf_buffer text = {0};
    const struct bf_judgement *now = &verdict->judgement;
    if (verdict->missing)
        return bf_format("what was measured for the plan cannot be measured any more: %s", verdict->missing);
    bf_buffer_format(&text, "the risk was %s and is %s now: ", bf_risk_name(agreed), bf_risk_name(now->risk));
    bool first = true;
    for (size_t i = 0; i < now->count; i++) {
        if (now->reasons[i].risk <= agreed)
            continue;
        bf_buffer_format(&text, "%s%s (%s)", first ? "" : ", ", now->reasons[i].code, now->reasons[i].text);
        first = false;
    }
    return bf_buffer_take(&text);
}

static void confirmed(struct bf_submission *submission)
{
    struct bf_verdict verdict;
    enum bf_risk agreed = BF_RISK_GREEN;
    bf_submission_judge(submission, &verdict);
    agreed_risk(submission->job, &agreed);
    enum bf_risk risk = verdict.judgement.risk;
    bool asks = risk > agreed && bf_approval_needed(submission->target->require_approval, risk);
    BF_AUTO_STRING char *now = risk > agreed || verdict.missing ? what_got_worse(agreed, &verdict) : NULL;
    bool worse = asks || verdict.missing;
    bf_verdict_clear(&verdict);
    struct bf_job *job = let_go(submission);
    bf_planning_drop(submission);
    if (worse) {
        move_to_planning(job, "daemon", now);
        return;
    }
    if (now) /* and nobody has to be asked for that */
        bf_job_note(job, "note", "%s", now);
    job->measured_at = bf_job_now(job);
    job->engine->schedule = true;
    bf_engine_wake(job->engine);
}

/* ---- what the plan leads to ---- */

static void settled(void *argument, const struct bf_outcome_of_order *outcome)
{
    struct bf_submission *submission = argument;
    /* Where the move could not be stored the job is in `planning` as before, and is planned again. */
    tell_job(submission, outcome->durable && outcome->code == BF_OK);
    bf_submission_free(submission);
}

static struct bf_reason refusal_of(const struct bf_job *job, const char *missing)
{
    BF_AUTO_STRING char *text = bf_format("unmeasured: %.300s; let it be measured, or say its name in \"accept\"", missing);
    return bf_reason_make(job, BF_UNMEASURED, text);
}

static void take_plan(struct bf_submission *submission, const struct bf_verdict *verdict)
{
    struct bf_job *job = submission->job;
    free(job->record.plan);
    free(job->table);
    free(job->identity);
    job->record.plan = bf_submission_plan(submission, verdict);
    job->record.progress.rows_estimated = bf_submission_rows(submission);
    job->table = bf_copy_string(submission->table->display);
    job->identity = bf_copy_string(submission->table->target_identity);
    job->measured_at = bf_job_now(job);
}

/* The statement that counts the rows, where that is cheap. */
static char *count_of(const struct bf_submission *submission)
{
    const struct bf_dialect *dialect = submission->target->database->dialect;
    const char *why;
    if (!dialect->counted || !bf_count_is_cheap(submission->table, &why))
        return NULL;
    return dialect->counted(submission->document, submission->table);
}

static void planned(struct bf_submission *submission)
{
    struct bf_verdict verdict;
    enum bf_risk approved;
    bf_submission_judge(submission, &verdict);
    take_plan(submission, &verdict);
    enum bf_risk risk = verdict.judgement.risk;
    struct bf_job *job = let_go(submission);
    bool agreed = bf_risk_by_name(job->record.approved_risk, &approved) && risk <= approved;
    bool asks = !agreed && bf_approval_needed(submission->target->require_approval, risk);
    struct bf_request *request = BF_NEW(struct bf_request);
    *request = (struct bf_request){.order = BF_ORDER_COUNT, .actor = bf_copy_string("daemon"), .done = settled, .argument = submission};
    char *count = asks && !verdict.missing ? count_of(submission) : NULL;
    bf_submission_forget(submission);
    if (verdict.missing) {
        struct bf_reason reason = refusal_of(job, verdict.missing);
        bf_job_move(job, BF_STATE_REFUSED, &reason, "daemon", request);
    } else if (asks) {
        struct bf_reason why = job->record.reason; /* why what was approved does not count any more */
        bf_record_forget_approval(&job->record);
        bf_job_move(job, BF_STATE_AWAITING_APPROVAL, why.code == BF_APPROVAL_LOST ? &why : NULL, "daemon", request);
        if (count)
            bf_count_begin(job, count);
    } else {
        bf_job_move_stored_first(job, BF_STATE_QUEUED, "daemon", request);
    }
    bf_verdict_clear(&verdict);
}

static void show(struct bf_submission *submission)
{
    struct bf_job passing = {.engine = submission->engine, .target = submission->target};
    struct bf_verdict verdict;
    bf_submission_judge(submission, &verdict);
    bf_submission_record(submission, &passing.record);
    passing.record.plan = bf_submission_plan(submission, &verdict);
    bf_verdict_clear(&verdict);
    struct bf_outcome_of_order outcome = {.code = BF_OK, .durable = true, .job = &passing, .text = ""};
    bf_submission_tell(submission, &outcome);
    bf_submission_free(submission);
    bf_record_clear(&passing.record);
}

void bf_submission_measured(struct bf_submission *submission)
{
    switch (submission->aim) {
    case BF_AIM_DRY_RUN: show(submission); break;
    case BF_AIM_JOB: planned(submission); break;
    case BF_AIM_CONFIRM: confirmed(submission); break;
    }
}

/* ---- what cannot be planned ---- */

void bf_planning_failed(struct bf_submission *submission, enum bf_code code, const struct bf_complaints *complaints,
                        const char *text)
{
    struct bf_job *job = submission->job;
    bool queued = submission->aim == BF_AIM_CONFIRM;
    if (code == BF_PROXY_BETWEEN_US && queued) { /* as when it runs: a person puts that right, and resumes it */
        struct bf_reason reason = bf_reason_make(job, code, text);
        let_go(submission);
        bf_planning_drop(submission);
        bf_job_move(job, BF_STATE_PAUSED, &reason, "daemon", NULL);
        return;
    }
    /* What passes, or is put right in the configuration: who waits for the plan finds the job as it is. */
    if (code == BF_TARGET_DOWN || code == BF_NO_REPLICAS || code == BF_PROXY_BETWEEN_US) {
        bf_submission_forget(submission);
        bf_submission_enter(submission, BF_SUBMISSION_RESTING);
        job->walk.reason = bf_reason_make(job, code == BF_TARGET_DOWN ? BF_SERVER_UNREACHABLE : code, text);
        submission->engine->world->timer_start(submission->deadline, ASK_AGAIN);
        tell_job(submission, !job->unsaved);
        return;
    }
    char why[BF_ERROR_TEXT_MAX];
    const struct bf_complaint *first = complaints && complaints->count ? &complaints->list[0] : NULL;
    snprintf(why, sizeof why, "%s%s%s", first ? first->pointer : "", first ? ": " : "", first ? first->detail : text);
    let_go(submission);
    if (queued) {
        bf_planning_drop(submission);
        move_to_planning(job, "daemon", why);
        return;
    }
    struct bf_reason reason = bf_reason_make(job, code, why);
    bf_job_move(job, BF_STATE_REFUSED, &reason, "daemon", NULL);
    bf_planning_drop(submission);
}
