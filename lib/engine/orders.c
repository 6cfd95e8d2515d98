/* What people want of a job. An order waits in the job's queue for the tick, so orders of many clients at once are one
 * sequence, and what each does is a look into one table. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "duration.h"
#include "persons.h"
#include "plan_text.h"
#include "triggers.h"

/* X(order, state, effect, to). What is not listed is a conflict (409): a weaker order never undoes a stronger one. */
#define BF_ORDER_EFFECTS(X)                                        \
    X(APPROVE, AWAITING_APPROVAL, MOVE_STORED_FIRST, QUEUED)       \
    X(APPROVE, QUEUED, ALREADY, QUEUED)                            \
    X(APPROVE, RUNNING, ALREADY, RUNNING)                          \
    X(APPROVE, VERIFYING, ALREADY, VERIFYING)                      \
    X(RESUME, PAUSED, MOVE_STORED_FIRST, QUEUED)                   \
    X(RESUME, FAILED, MOVE_STORED_FIRST, QUEUED)                   \
    X(RESUME, QUEUED, ALREADY, QUEUED)                             \
    X(RESUME, RUNNING, ALREADY, RUNNING)                           \
    X(RESUME, VERIFYING, ALREADY, VERIFYING)                       \
    X(RESUME, ROLLING_BACK, ALREADY, ROLLING_BACK)                 \
    X(PAUSE, QUEUED, MOVE, PAUSED)                                 \
    X(PAUSE, RUNNING, MOVE, PAUSING)                               \
    X(PAUSE, VERIFYING, MOVE, PAUSING)                             \
    X(PAUSE, ROLLING_BACK, MOVE, PAUSING)                          \
    X(PAUSE, PAUSING, ALREADY, PAUSING)                            \
    X(PAUSE, PAUSED, ALREADY, PAUSED)                              \
    X(ABORT, PLANNING, MOVE, ABORTED)                              \
    X(ABORT, AWAITING_APPROVAL, MOVE, ABORTED)                     \
    X(ABORT, QUEUED, MOVE, ABORTED)                                \
    X(ABORT, RUNNING, MOVE, ABORTING)                              \
    X(ABORT, VERIFYING, MOVE, ABORTING)                            \
    X(ABORT, ROLLING_BACK, MOVE, ABORTING)                         \
    X(ABORT, PAUSING, MOVE, ABORTING)                              \
    X(ABORT, PAUSED, MOVE, ABORTING)                               \
    X(ABORT, ABORTING, ALREADY, ABORTING)                          \
    X(ABORT, ABORTED, ALREADY, ABORTED)                            \
    X(ROLLBACK, QUEUED, MOVE, ABORTED)                             \
    X(ROLLBACK, RUNNING, MOVE, ABORTING)                           \
    X(ROLLBACK, VERIFYING, MOVE, ABORTING)                         \
    X(ROLLBACK, PAUSING, MOVE, ABORTING)                           \
    X(ROLLBACK, PAUSED, MOVE, ABORTING)                            \
    X(ROLLBACK, ABORTING, WANT, ABORTING)                          \
    X(ROLLBACK, ABORTED, MOVE_STORED_FIRST, QUEUED)                \
    X(ROLLBACK, FAILED, MOVE_STORED_FIRST, QUEUED)                 \
    X(ROLLBACK, COMPLETED, MOVE_STORED_FIRST, QUEUED)              \
    X(ROLLBACK, ROLLING_BACK, ALREADY, ROLLING_BACK)               \
    X(ROLLBACK, ROLLED_BACK, ALREADY, ROLLED_BACK)                 \
    X(TUNE, QUEUED, CHANGE, QUEUED)                                \
    X(TUNE, RUNNING, CHANGE, RUNNING)                              \
    X(TUNE, VERIFYING, CHANGE, VERIFYING)                          \
    X(TUNE, PAUSING, CHANGE, PAUSING)                              \
    X(TUNE, PAUSED, CHANGE, PAUSED)                                \
    X(TUNE, ROLLING_BACK, CHANGE, ROLLING_BACK)                    \
    X(RETRY, QUEUED, RETRY, QUEUED)                                \
    X(RETRY, RUNNING, RETRY, RUNNING)                              \
    X(RETRY, PAUSED, RETRY, PAUSED)                                \
    X(RETRY, COMPLETED, MOVE_STORED_FIRST, QUEUED)                 \
    X(RETRY, FAILED, MOVE_STORED_FIRST, QUEUED)

enum bf_order_effect bf_order_effect(enum bf_order order, enum bf_state state, enum bf_state *ret_to)
{
    static const struct {
        enum bf_order order;
        enum bf_state state;
        enum bf_order_effect effect;
        enum bf_state to;
    } table[] = {
#define X(order, state, effect, to) {BF_ORDER_##order, BF_STATE_##state, BF_EFFECT_##effect, BF_STATE_##to},
        BF_ORDER_EFFECTS(X)
#undef X
    };
    for (size_t i = 0; i < BF_COUNT(table); i++)
        if (table[i].order == order && table[i].state == state) {
            *ret_to = table[i].to;
            return table[i].effect;
        }
    return BF_EFFECT_CONFLICT;
}

void bf_job_answer(struct bf_job *job, struct bf_request *request, enum bf_code code, bool already, const char *text)
{
    struct bf_outcome_of_order outcome = {
        .code = code, .already = already, .durable = !job->unsaved, .job = job, .text = text};
    bf_request_answer(request, &outcome);
}

/* "paused by operator until 2026-11-21T04:00:00.000Z: why" */
static struct bf_reason reason_of(const struct bf_job *job, const struct bf_request *request, enum bf_order order)
{
    char text[384], until[BF_TIME_TEXT];
    if (request->because)
        return *request->because;
    const struct bf_world *world = job->engine->world;
    int64_t end = request->pause_for ? world->unix_time(world->context) + request->pause_for : 0;
    static const char *const done[] = {
        [BF_ORDER_PAUSE] = "paused", [BF_ORDER_ABORT] = "aborted", [BF_ORDER_ROLLBACK] = "a rollback was ordered"};
    snprintf(text, sizeof text, "%s by %.60s%s%s%s%.150s", done[order], request->actor,
             end ? " until " : "", end ? bf_time_format(end, until) : "", request->reason ? ": " : "",
             request->reason ? request->reason : "");
    struct bf_reason reason = bf_reason_make(job, BF_OPERATOR, text);
    reason.until = end;
    return reason;
}

/* Paused, or nearly: the newest word of a person says for how long, and takes the job out of what resumes by itself. But
 * what the job found out itself (it is fenced, the table changed) needs a person, however long that takes. */
static void pause_again(struct bf_job *job, struct bf_request *request)
{
    const struct bf_reason *reason = &job->record.reason;
    char text[256];
    if (request->because) {
        bf_job_answer(job, request, BF_OK, true, "");
        return;
    }
    /* A trigger that settles would go further by itself: a person's word takes the job out of that, too. */
    bool settles = bf_triggers_settle(job) && !request->pause_for;
    if (reason->code != BF_OPERATOR && reason->code != BF_PAUSE_ALL && !settles) {
        snprintf(text, sizeof text, "job %s is %s because of %s, which does not end by itself: `for` does not apply",
                 job->record.document->name, bf_state_name(job->record.state), bf_code_name(reason->code));
        if (request->pause_for)
            bf_job_answer(job, request, BF_WRONG_STATE, false, text);
        else
            bf_job_answer(job, request, BF_OK, true, "");
        return;
    }
    if (reason->code == BF_OPERATOR && reason->until == 0 && request->pause_for == 0) {
        bf_job_answer(job, request, BF_OK, true, "");
        return;
    }
    request->already = true;
    job->record.reason = reason_of(job, request, BF_ORDER_PAUSE);
    job->engine->schedule = true;
    bf_job_record_event(job, "pause", request->actor, job->record.reason.text, request);
}

/* What starts or goes on: why it may not just now; true when it is answered. */
static bool held_back(struct bf_job *job, struct bf_request *request)
{
    char text[512];
    if (request->cause != BF_BY_PERSON && !bf_job_may_release(job, request->cause))
        bf_job_answer(job, request, BF_WRONG_STATE, false, "");
    else if (job->engine->draining)
        bf_job_answer(job, request, BF_STOPPING, false, "the daemon is stopping; try again when it is back");
    else if (request->order != BF_ORDER_APPROVE && request->order != BF_ORDER_ROLLBACK && bf_job_latched(job, text, sizeof text))
        bf_job_answer(job, request, BF_PAUSE_ALL, false, text);
    else
        return false;
    return true;
}

/* An approval is of what was seen: another plan by now, or a RED one without the job's name, is none. True when answered. */
static bool not_approved(struct bf_job *job, struct bf_request *request)
{
    char text[320];
    enum bf_risk risk;
    const char *name = job->record.document->name;
    BF_AUTO_STRING char *hash = request->plan ? bf_plan_text(job->record.plan, "hash") : NULL;
    if (request->confirm && strcmp(request->confirm, name) != 0) {
        snprintf(text, sizeof text, "`confirm` must be the job's name, %s", name);
        bf_job_answer(job, request, BF_CONFIRM, false, text);
    } else if (request->order != BF_ORDER_APPROVE) {
        return false;
    } else if (request->plan && (!hash || strcmp(request->plan, hash) != 0)) {
        snprintf(text, sizeof text, "job %s has another plan by now, %.64s: look at it, and approve that one", name,
                 hash ? hash : "which has no hash");
        bf_job_answer(job, request, BF_PRECONDITION_FAILED, false, text);
    } else if (!request->confirm && bf_plan_risk(job->record.plan, &risk) && risk == BF_RISK_RED) {
        snprintf(text, sizeof text, "the plan is RED: `confirm` must be the job's name, %s", name);
        bf_job_answer(job, request, BF_CONFIRM, false, text);
    } else if (!bf_job_takes_another(job, request->actor, "approve it (an admin may break the glass)", text, sizeof text)) {
        request->break_glass = false; /* it is an approval as any other */
        return false;
    } else if (request->break_glass) {
        return false;
    } else {
        bf_job_answer(job, request, BF_TWO_PERSON, false, text);
    }
    return true;
}

/* Of rows in quarantine that are to be tried once more: why not; true when it is answered. */
static bool nothing_to_retry(struct bf_job *job, struct bf_request *request)
{
    const struct bf_record *record = &job->record;
    char text[256];
    enum bf_state to;
    if (request->order != BF_ORDER_RETRY || bf_order_effect(BF_ORDER_RETRY, record->state, &to) == BF_EFFECT_CONFLICT)
        return false;
    if (record->direction == BF_DIRECTION_BACK)
        snprintf(text, sizeof text, "job %s goes back: nothing is changed by it any more", record->document->name);
    else if (bf_state_final(record->state) && job->dropping && record->document->undo == BF_UNDO_NONE)
        snprintf(text, sizeof text, "the rows in quarantine of job %s have been kept for long enough and are being dropped",
                 record->document->name);
    else if (bf_state_final(record->state) && (record->back.dropped || job->dropping))
        snprintf(text, sizeof text, "the undo journal of job %s was dropped, so it cannot go on writing one; submit it anew",
                 record->document->name);
    else if (record->progress.rows_bad > 0 && (!record->retry_bad || bf_state_final(record->state)))
        return false;
    else {
        bf_job_answer(job, request, BF_OK, true, "");
        return true;
    }
    bf_job_answer(job, request, BF_WRONG_STATE, false, text);
    return true;
}

/* Of a rollback that is ordered, and of what is weaker than one that was ordered: why not; true when it is answered. */
static bool no_way_back(struct bf_job *job, struct bf_request *request)
{
    const struct bf_record *record = &job->record;
    char text[256];
    enum bf_state to;
    if (request->order == BF_ORDER_RESUME && job->dropping && record->document->undo == BF_UNDO_NONE) {
        snprintf(text, sizeof text, "the rows in quarantine of job %s, kept for long enough, are being dropped; try again in a moment",
                 record->document->name);
    } else if (request->order == BF_ORDER_RESUME && record->state == BF_STATE_FAILED && (record->back.dropped || job->dropping)) {
        snprintf(text, sizeof text, "the undo journal of job %s was dropped, so it cannot go on writing one; submit it anew",
                 record->document->name);
    } else if (request->order != BF_ORDER_ROLLBACK) {
        if (!record->back.wanted || request->order == BF_ORDER_TUNE)
            return false;
        snprintf(text, sizeof text, "a rollback of job %s was ordered, which is stronger than %s", record->document->name,
                 bf_order_name(request->order));
    } else if (bf_order_effect(BF_ORDER_ROLLBACK, record->state, &to) == BF_EFFECT_CONFLICT) {
        return false;
    } else if (record->document->undo == BF_UNDO_NONE) {
        snprintf(text, sizeof text, "there is no way back for job %s: its document says \"undo\": \"none\"", record->document->name);
    } else if (!record->started) {
        snprintf(text, sizeof text, "job %s has not changed anything: there is nothing to take back", record->document->name);
    } else if ((record->back.dropped || job->dropping) && record->state != BF_STATE_ROLLED_BACK) {
        snprintf(text, sizeof text, "there is no way back for job %s any more: its undo journal was dropped",
                 record->document->name);
    } else {
        return false;
    }
    bf_job_answer(job, request, BF_WRONG_STATE, false, text);
    return true;
}

/* The job stops first, then it goes back (release.c). */
static void want(struct bf_job *job, const struct bf_request *request)
{
    if (request->order != BF_ORDER_ROLLBACK)
        return;
    job->record.back.wanted = true;
    snprintf(job->wanted_by, sizeof job->wanted_by, "%.*s", (int)sizeof job->wanted_by - 1, request->actor);
}

static void carry_out(struct bf_job *job, struct bf_request *request)
{
    char text[256];
    enum bf_state to = job->record.state;
    const char *state = bf_state_name(job->record.state);
    if (no_way_back(job, request) || nothing_to_retry(job, request))
        return;
    bool goes_back = job->record.state == BF_STATE_QUEUED && job->record.direction == BF_DIRECTION_BACK;
    if (request->order == BF_ORDER_ROLLBACK &&
        (goes_back || (job->record.back.wanted && request->cause != BF_BY_ROLLBACK))) {
        bf_job_answer(job, request, BF_OK, true, "");
        return;
    }
    if (request->cause == BF_BY_TRIGGER && !bf_triggers_may_order(job, request)) {
        bf_job_answer(job, request, BF_WRONG_STATE, false, "");
        return;
    }
    switch (bf_order_effect(request->order, job->record.state, &to)) {
    case BF_EFFECT_CONFLICT:
        snprintf(text, sizeof text, "job %s is %s: %s does not apply", job->record.document->name, state,
                 bf_order_name(request->order));
        bf_job_answer(job, request, BF_WRONG_STATE, false, text);
        return;
    case BF_EFFECT_ALREADY:
        if (request->order == BF_ORDER_PAUSE)
            pause_again(job, request);
        else
            bf_job_answer(job, request, BF_OK, true, "");
        return;
    case BF_EFFECT_MOVE_STORED_FIRST:
        if (held_back(job, request) || not_approved(job, request))
            return;
        bf_job_move_stored_first(job, to, request->actor, request);
        return;
    case BF_EFFECT_MOVE: {
        struct bf_reason reason = reason_of(job, request, request->order);
        want(job, request);
        bf_job_move(job, to, &reason, request->actor, request);
        return;
    }
    case BF_EFFECT_WANT:
        want(job, request);
        job->record.reason = reason_of(job, request, request->order);
        bf_job_record_event(job, "rollback", request->actor, job->record.reason.text, request);
        return;
    case BF_EFFECT_CHANGE:
        bf_job_tune(job, request);
        return;
    case BF_EFFECT_RETRY:
        bf_bad_rows_want_retry(job);
        bf_job_record_event(job, "bad_row", request->actor, "the rows in quarantine are tried once more", request);
        return;
    }
}

void bf_job_carry_out(struct bf_job *job)
{
    while (job->requests && !job->moving) {
        struct bf_request *request = job->requests;
        job->requests = request->next;
        carry_out(job, request);
    }
}

static void append(struct bf_job *job, struct bf_request *request)
{
    struct bf_request **end = &job->requests;
    while (*end)
        end = &(*end)->next;
    *end = request;
    bf_engine_mark(job);
}

static size_t waiting(const struct bf_job *job)
{
    size_t count = 0;
    for (const struct bf_request *request = job->requests; request; request = request->next)
        count++;
    return count;
}

void bf_engine_enqueue(struct bf_engine *engine, const char *job_id, struct bf_request request)
{
    struct bf_job *job = bf_engine_by_id(engine, job_id);
    struct bf_request *copy = BF_NEW(struct bf_request);
    struct bf_outcome_of_order refusal = {.durable = true, .job = job, .text = ""};
    if (!job) {
        refusal.code = BF_NOT_FOUND;
        refusal.text = "there is no such job";
    } else if (waiting(job) >= BF_ORDERS_WAITING_MAX && bf_order_strength(request.order) == 0) {
        refusal.code = BF_BUSY;
        refusal.text = "too many orders for this job at once; try again";
    }
    *copy = request;
    if (refusal.code != BF_OK) {
        bf_request_answer(copy, &refusal);
        return;
    }
    append(job, copy);
}

void bf_job_order(struct bf_job *job, enum bf_order order, enum bf_cause cause, const char *actor, const char *reason)
{
    struct bf_request *request = BF_NEW(struct bf_request);
    *request = (struct bf_request){
        .order = order, .cause = cause, .actor = bf_copy_string(actor), .reason = bf_copy_string(reason)};
    append(job, request);
}

void bf_job_order_because(struct bf_job *job, enum bf_order order, enum bf_cause cause, const char *actor,
                          const struct bf_reason *reason)
{
    struct bf_request *request = BF_NEW(struct bf_request);
    *request = (struct bf_request){
        .order = order, .cause = cause, .actor = bf_copy_string(actor), .because = BF_NEW(struct bf_reason)};
    *request->because = *reason;
    append(job, request);
}

void bf_engine_order(struct bf_engine *engine, const char *job_id, enum bf_order order, const char *actor,
                     const char *reason, const char *confirm, bf_ordered *done, void *argument)
{
    bf_engine_enqueue(engine, job_id,
                      (struct bf_request){.order = order,
                                          .actor = bf_copy_string(actor),
                                          .reason = bf_copy_string(reason),
                                          .confirm = bf_copy_string(confirm),
                                          .done = done,
                                          .argument = argument});
}

void bf_engine_approve(struct bf_engine *engine, const char *job_id, const char *actor, const struct bf_approving *said,
                       bf_ordered *done, void *argument)
{
    bf_engine_enqueue(engine, job_id,
                      (struct bf_request){.order = BF_ORDER_APPROVE,
                                          .actor = bf_copy_string(actor),
                                          .reason = bf_copy_string(said->comment),
                                          .confirm = bf_copy_string(said->confirm),
                                          .plan = bf_copy_string(said->plan),
                                          .break_glass = said->break_glass,
                                          .done = done,
                                          .argument = argument});
}

void bf_engine_pause_for(struct bf_engine *engine, const char *job_id, int64_t pause_for, const char *actor,
                         const char *reason, bf_ordered *done, void *argument)
{
    bf_engine_enqueue(engine, job_id,
                      (struct bf_request){.order = BF_ORDER_PAUSE,
                                          .actor = bf_copy_string(actor),
                                          .reason = bf_copy_string(reason),
                                          .pause_for = pause_for,
                                          .done = done,
                                          .argument = argument});
}
