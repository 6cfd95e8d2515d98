/* The operator's checks: queries in a read-only transaction, one after the other, each with its own time. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

static const char *const moments[] = {
    [BF_CHECK_BEFORE] = "before", [BF_CHECK_CANARY] = "canary", [BF_CHECK_AFTER] = "after"};

static const struct bf_check *the_check(const struct bf_job *job)
{
    return &job->record.document->checks[job->walk.checking][job->walk.check_index];
}

void bf_walk_send_check(struct bf_job *job, bool on_replica)
{
    struct bf_walk *walk = &job->walk;
    const struct bf_check *check = the_check(job);
    if (check->on_replica && !on_replica) {
        bf_walk_ask_replica(job); /* it comes back here */
        return;
    }
    const struct bf_dialect *dialect = job->target->database->dialect;
    bf_flight_clear(&walk->flight);
    bf_flight_add(&walk->flight, BF_STATEMENT_BEGIN, dialect->begin_read_only);
    if (dialect->limit_time) {
        dialect->limit_time(check->timeout, walk->check_limit);
        bf_flight_add(&walk->flight, BF_STATEMENT_QUERY, walk->check_limit);
    }
    struct bf_step *query = bf_flight_add(&walk->flight, BF_STATEMENT_QUERY, check->sql);
    query->time_limit = dialect->limit_time ? 0 : check->timeout;
    bf_flight_add(&walk->flight, BF_STATEMENT_ROLLBACK, dialect->common(BF_STATEMENT_ROLLBACK));
    if (on_replica)
        bf_walk_send_to_replica(job, BF_PHASE_CHECKING);
    else
        bf_walk_send(job, BF_PHASE_CHECKING);
}

/* All of one moment hold (or there are none). */
static void passed(struct bf_job *job)
{
    struct bf_walk *walk = &job->walk;
    const struct bf_document *document = job->record.document;
    size_t count = document->check_count[walk->checking];
    if (count)
        bf_job_note(job, "check", "%zu %s check%s held", count, moments[walk->checking], count == 1 ? "" : "s");
    switch (walk->checking) {
    case BF_CHECK_BEFORE:
        walk->checked_before = true;
        walk->phase = BF_PHASE_READY;
        break;
    case BF_CHECK_CANARY:
        bf_walk_send_one(job, BF_STATEMENT_CANARY_DONE, BF_PHASE_ENDING_CANARY);
        break;
    default:
        job->record.progress.done = true;
        walk->ending = BF_STATE_COMPLETED;
        walk->phase = BF_PHASE_READY; /* the stop releases the checkpoint */
        break;
    }
}

void bf_walk_run_checks(struct bf_job *job, enum bf_check_kind kind)
{
    struct bf_walk *walk = &job->walk;
    walk->checking = kind;
    walk->check_index = 0;
    if (job->record.document->check_count[kind])
        bf_walk_send_check(job, false);
    else
        passed(job);
}

static void failed(struct bf_job *job, const char *found)
{
    const struct bf_check *check = the_check(job);
    bool after = job->walk.checking == BF_CHECK_AFTER;
    bf_walk_end(job, after ? BF_STATE_FAILED : BF_STATE_PAUSED, BF_CHECK_FAILED,
                "the %s check \"%s\" does not hold: wanted %s %.100s, found %.300s", moments[job->walk.checking],
                check->name, bf_comparison_name(check->comparison), check->value, found);
}

void bf_walk_checked(struct bf_job *job)
{
    struct bf_walk *walk = &job->walk;
    const struct bf_check *check = the_check(job);
    const struct bf_answer *query = &walk->answers[walk->answer_count - 2];
    char found[320];
    bool on_replica = walk->on_replica;
    if (on_replica && !bf_walk_replica_checked(job))
        return;
    if (on_replica && query->outcome == BF_OUTCOME_ERROR) {
        failed(job, query->message ? query->message : "an error");
        return;
    }
    /* An error of the query itself, its timeout too, is an answer: the check does not hold. */
    bool own_fault = !walk->lost && query->outcome == BF_OUTCOME_ERROR && !walk->stopping &&
                     query[-1].outcome == BF_OUTCOME_OK;
    if (own_fault) {
        snprintf(found, sizeof found, "%s", query->message ? query->message : "an error");
        bf_walk_send_one(job, BF_STATEMENT_ROLLBACK, BF_PHASE_TAKING_BACK_CHECK);
        snprintf(walk->trouble_doing, sizeof walk->trouble_doing, "%.*s", (int)sizeof walk->trouble_doing - 1, found);
        return;
    }
    if (!on_replica && !bf_walk_fine(job, "run a check"))
        return;
    const char *value = bf_answer_value(query, 0, 0);
    if (bf_check_holds(check, query->rows, value)) {
        if (++walk->check_index < job->record.document->check_count[walk->checking])
            bf_walk_send_check(job, false);
        else
            passed(job);
        return;
    }
    if (check->comparison == BF_ROWS)
        snprintf(found, sizeof found, "%zu rows", query->rows);
    else
        snprintf(found, sizeof found, "%s", query->rows == 0 ? "no row" : value ? value : "NULL");
    failed(job, found);
}

void bf_walk_check_taken_back(struct bf_job *job)
{
    struct bf_walk *walk = &job->walk;
    if (walk->lost) {
        bf_walk_fine(job, "run a check");
        return;
    }
    failed(job, walk->trouble_doing);
}

int64_t bf_walk_longest_check(const struct bf_document *document)
{
    int64_t longest = 0;
    for (enum bf_check_kind kind = 0; kind < BF_CHECK_KINDS; kind++)
        for (size_t i = 0; i < document->check_count[kind]; i++)
            if (document->checks[kind][i].timeout > longest)
                longest = document->checks[kind][i].timeout;
    return longest;
}

/* So many rows are scanned: look before going on. */
bool bf_walk_canary_due(const struct bf_job *job)
{
    const struct bf_document *document = job->record.document;
    return document->canary_rows > 0 && !job->walk.canary_done &&
           job->record.progress.rows_scanned >= document->canary_rows;
}

void bf_walk_canary_ended(struct bf_job *job)
{
    struct bf_walk *walk = &job->walk;
    if (!bf_walk_fine(job, "set down that the canary was looked at"))
        return;
    walk->canary_done = true;
    walk->phase = BF_PHASE_READY;
    if (job->record.document->check_count[BF_CHECK_CANARY] == 0)
        bf_walk_end(job, BF_STATE_PAUSED, BF_CANARY, "the canary of %lld rows is done: look at them, then resume",
                    (long long)job->record.document->canary_rows);
}
