/* The operator's checks: queries in a read-only transaction, one after the other, each with its own time. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

static const struct bf_check *the_check(const struct bf_walk *walk)
{
    return &walk->job->record.document->checks[walk->checking][walk->check_index];
}

void bf_walk_send_check(struct bf_walk *walk, bool on_replica)
{
    const struct bf_check *check = the_check(walk);
    if (check->on_replica && !on_replica) {
        bf_walk_ask_replica(walk); /* it comes back here */
        return;
    }
    const struct bf_dialect *dialect = walk->job->target->database->dialect;
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
        bf_walk_send_to_replica(walk, BF_PHASE_CHECKING);
    else
        bf_walk_send(walk, BF_PHASE_CHECKING);
}

/* All of one moment hold (or there are none). */
static void passed(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    const struct bf_document *document = job->record.document;
    size_t count = document->check_count[walk->checking];
    if (count)
        bf_job_note(job, "check", "%zu %s check%s held", count, bf_check_kind_name(walk->checking), count == 1 ? "" : "s");
    switch (walk->checking) {
    case BF_CHECK_BEFORE:
        walk->checked_before = true;
        walk->phase = BF_PHASE_READY;
        break;
    case BF_CHECK_CANARY:
        bf_walk_send_one(walk, BF_STATEMENT_CANARY_DONE, BF_PHASE_ENDING_CANARY);
        break;
    default:
        if (job->record.progress.rows_bad > 0)
            bf_job_note(job, "bad_row", "%lld row%s in quarantine and not changed", (long long)job->record.progress.rows_bad,
                        job->record.progress.rows_bad == 1 ? " is" : "s are");
        job->record.progress.done = true;
        walk->ending = BF_STATE_COMPLETED;
        walk->phase = BF_PHASE_READY; /* the stop releases the checkpoint */
        break;
    }
}

void bf_walk_run_checks(struct bf_walk *walk, enum bf_check_kind kind)
{
    walk->checking = kind;
    walk->check_index = 0;
    if (walk->job->record.document->check_count[kind])
        bf_walk_send_check(walk, false);
    else
        passed(walk);
}

static void failed(struct bf_walk *walk, const char *found)
{
    const struct bf_check *check = the_check(walk);
    bool after = walk->checking == BF_CHECK_AFTER;
    bf_walk_end(walk, after ? BF_STATE_FAILED : BF_STATE_PAUSED, BF_CHECK_FAILED,
                "the %s check \"%s\" does not hold: wanted %s %.100s, found %.300s",
                bf_check_kind_name(walk->checking), check->name, bf_comparison_name(check->comparison),
                check->value, found);
}

void bf_walk_checked(struct bf_walk *walk)
{
    const struct bf_check *check = the_check(walk);
    const struct bf_answer *query = &walk->answers[walk->answer_count - 2];
    char found[320];
    bool on_replica = walk->on_replica;
    if (on_replica && !bf_walk_replica_checked(walk))
        return;
    if (on_replica && query->outcome == BF_OUTCOME_ERROR) {
        failed(walk, query->message ? query->message : "an error");
        return;
    }
    /* An error of the query itself, its timeout too, is an answer: the check does not hold. */
    bool own_fault = !walk->lost && query->outcome == BF_OUTCOME_ERROR && !walk->stopping &&
                     query[-1].outcome == BF_OUTCOME_OK;
    if (own_fault) {
        snprintf(found, sizeof found, "%s", query->message ? query->message : "an error");
        bf_walk_send_one(walk, BF_STATEMENT_ROLLBACK, BF_PHASE_TAKING_BACK_CHECK);
        snprintf(walk->trouble_doing, sizeof walk->trouble_doing, "%.*s", (int)sizeof walk->trouble_doing - 1, found);
        return;
    }
    if (!on_replica && !bf_walk_fine(walk, "run a check"))
        return;
    const char *value = bf_answer_value(query, 0, 0);
    if (bf_check_holds(check, query->rows, value)) {
        if (++walk->check_index < walk->job->record.document->check_count[walk->checking])
            bf_walk_send_check(walk, false);
        else
            passed(walk);
        return;
    }
    if (check->comparison == BF_ROWS)
        snprintf(found, sizeof found, "%zu rows", query->rows);
    else
        snprintf(found, sizeof found, "%s", query->rows == 0 ? "no row" : value ? value : "NULL");
    failed(walk, found);
}

void bf_walk_check_taken_back(struct bf_walk *walk)
{
    if (walk->lost) {
        bf_walk_fine(walk, "run a check");
        return;
    }
    failed(walk, walk->trouble_doing);
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

/* So many rows are scanned, or the first slice has no more: look before going on, and before the other slices begin. */
bool bf_walk_canary_due(const struct bf_walk *walk)
{
    const struct bf_document *document = walk->job->record.document;
    bool alone = walk->done && walk->job->crew_count > 0;
    return walk->slice == 0 && document->canary_rows > 0 && !walk->canary_done &&
           (walk->part.rows_scanned >= document->canary_rows || alone);
}

void bf_walk_canary_ended(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    if (!bf_walk_fine(walk, "set down that the canary was looked at"))
        return;
    walk->canary_done = true;
    walk->phase = BF_PHASE_READY;
    if (job->record.document->check_count[BF_CHECK_CANARY] == 0)
        bf_walk_end(walk, BF_STATE_PAUSED, BF_CANARY, "the canary of %lld rows is done: look at them, then resume",
                    (long long)job->record.document->canary_rows);
}
