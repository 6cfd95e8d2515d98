/* What people want of a job. An order waits in the job's queue for the tick, so orders of many clients at once are one
 * sequence, and what each does is a look into one table. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

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
    X(ABORT, ABORTED, ALREADY, ABORTED)

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

static void answer(struct bf_job *job, struct bf_request *request, enum bf_code code, bool already, const char *text)
{
    struct bf_outcome_of_order outcome = {
        .code = code, .already = already, .durable = !job->unsaved, .job = job, .text = text};
    bf_request_answer(request, &outcome);
}

static void carry_out(struct bf_job *job, struct bf_request *request)
{
    char text[256];
    enum bf_state to = job->record.state;
    const char *state = bf_state_name(job->record.state);
    switch (bf_order_effect(request->order, job->record.state, &to)) {
    case BF_EFFECT_CONFLICT:
        snprintf(text, sizeof text, "job %s is %s: %s does not apply", job->record.document->name, state,
                 bf_order_name(request->order));
        answer(job, request, BF_WRONG_STATE, false, text);
        return;
    case BF_EFFECT_ALREADY:
        answer(job, request, BF_OK, true, "");
        return;
    case BF_EFFECT_MOVE_STORED_FIRST:
        if (job->engine->draining) {
            answer(job, request, BF_STOPPING, false, "the daemon is stopping; try again when it is back");
            return;
        }
        if (request->confirm && strcmp(request->confirm, job->record.document->name) != 0) {
            snprintf(text, sizeof text, "`confirm` must be the job's name, %s", job->record.document->name);
            answer(job, request, BF_CONFIRM, false, text);
            return;
        }
        bf_job_move_stored_first(job, to, request->actor, request);
        return;
    case BF_EFFECT_MOVE: {
        snprintf(text, sizeof text, "%s by %s%s%.150s",
                 request->order == BF_ORDER_PAUSE ? "paused" : "aborted", request->actor,
                 request->reason ? ": " : "", request->reason ? request->reason : "");
        struct bf_reason reason = bf_reason_make(job, BF_OPERATOR, text);
        bf_job_move(job, to, &reason, request->actor, request);
        return;
    }
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

void bf_engine_order(struct bf_engine *engine, const char *job_id, enum bf_order order, const char *actor,
                     const char *reason, const char *confirm, bf_ordered *done, void *argument)
{
    struct bf_job *job = bf_engine_by_id(engine, job_id);
    struct bf_outcome_of_order refusal = {.durable = true, .job = job, .text = ""};
    if (!job) {
        refusal.code = BF_NOT_FOUND;
        refusal.text = "there is no such job";
        done(argument, &refusal);
        return;
    }
    struct bf_request **end = &job->requests;
    size_t waiting = 0;
    for (; *end; end = &(*end)->next)
        waiting++;
    if (waiting >= BF_ORDERS_WAITING_MAX && bf_order_strength(order) == 0) {
        refusal.code = BF_BUSY;
        refusal.text = "too many orders for this job at once; try again";
        done(argument, &refusal);
        return;
    }
    struct bf_request *request = BF_NEW(struct bf_request);
    *request = (struct bf_request){.order = order,
                                   .actor = bf_copy_string(actor),
                                   .reason = bf_copy_string(reason),
                                   .confirm = bf_copy_string(confirm),
                                   .done = done,
                                   .argument = argument};
    *end = request;
    bf_engine_mark(job);
}
