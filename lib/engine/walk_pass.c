/* Passes: with `remaining` the job walks its range again and again until a pass finds nothing left. Before a further
 * pass begins, every transaction that was under way has to end: what it inserted would be missed by the walk. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

enum { HORIZON_POLL = 500 /* milliseconds */ };

static struct bf_flight *begin_flight(struct bf_walk *walk)
{
    bf_flight_clear(&walk->flight);
    return &walk->flight;
}

/* In one transaction, which has a number because it wrote; and it may be a long wait, in which the owner shows that it
 * lives. */
static void send_horizon(struct bf_walk *walk)
{
    char **text = walk->statements->text;
    bf_flight_add(begin_flight(walk), BF_STATEMENT_BEGIN, text[BF_STATEMENT_BEGIN]);
    struct bf_step *touch = bf_flight_add(&walk->flight, BF_STATEMENT_TOUCH, text[BF_STATEMENT_TOUCH]);
    bf_step_text(touch, walk->job->record.id);
    bf_step_number(touch, walk->slice);
    bf_step_number(touch, walk->epoch);
    bf_step_number(bf_flight_add(&walk->flight, BF_STATEMENT_HORIZON, text[BF_STATEMENT_HORIZON]), walk->flights);
    bf_flight_add(&walk->flight, BF_STATEMENT_COMMIT, text[BF_STATEMENT_COMMIT]);
    bf_walk_send(walk, BF_PHASE_WAITING_OLD);
}

/* The pass is committed to its end, in all slices; what it found stands in their checkpoints. */
void bf_walk_pass_over(struct bf_walk *walk)
{
    const struct bf_progress *progress = &walk->job->record.progress;
    int64_t before, found = bf_crew_sum_found(walk->job, &before);
    bool retried = walk->job->record.retry_bad; /* then it found what was repaired, too */
    walk->job->record.retry_bad = false;        /* stored with what comes next */
    if (found == 0 && progress->pass > 1) {
        bf_sample_verify(walk);
        return;
    }
    /* (A first pass that found nothing is no measure for rows that come late.) */
    if (before > 0 && found >= before && !retried) {
        bf_walk_end(walk, BF_STATE_FAILED, BF_REMAINING_NOT_SHRINKING,
                    "pass %lld found %lld rows that remain, the pass before %lld: new ones come as fast as they are done, "
                    "or a changed row still matches `remaining`", (long long)progress->pass, (long long)found,
                    (long long)before);
        return;
    }
    walk->horizon = -1;
    send_horizon(walk);
}

static void wait_for_old(struct bf_walk *walk, int64_t oldest, const char *who)
{
    struct bf_job *job = walk->job;
    char text[BF_ERROR_TEXT_MAX];
    if (walk->horizon < 0)
        snprintf(text, sizeof text, "which transactions are under way cannot be seen: %.300s", who ? who : "no word from the server");
    else
        snprintf(text, sizeof text, "transaction %lld%s%.200s%s, begun before the next pass, is still under way",
                 (long long)oldest, who ? " (" : "", who ? who : "", who ? ")" : "");
    int64_t since = walk->reason.code == BF_OLD_TRANSACTION ? walk->reason.since : 0;
    walk->reason = bf_reason_make(job, BF_OLD_TRANSACTION, text);
    if (since)
        walk->reason.since = since;
    walk->phase = BF_PHASE_WAITING_HORIZON;
    walk->sleep_until = bf_job_now(job) + HORIZON_POLL;
}

/* Of all slices at once, in one transaction where there are several. end: where the table ends now, which is where the last
 * slice ends; NULL: it stays where it is. */
static void send_next_pass(struct bf_walk *walk, const char *end)
{
    const struct bf_job *job = walk->job;
    size_t slices = bf_job_walks(job);
    char **text = walk->statements->text;
    begin_flight(walk);
    if (slices > 1)
        bf_flight_add(&walk->flight, BF_STATEMENT_BEGIN, text[BF_STATEMENT_BEGIN]);
    for (size_t i = 0; i < slices; i++) {
        const struct bf_walk *one = bf_job_walk(job, i);
        struct bf_step *step = bf_flight_add(&walk->flight, BF_STATEMENT_NEXT_PASS, text[BF_STATEMENT_NEXT_PASS]);
        bool anew = i + 1 == slices && !job->record.document->through_count;
        bf_step_text(step, job->record.id);
        bf_step_number(step, one->slice);
        bf_step_number(step, one->epoch);
        bf_step_number(step, one->seq);
        bf_step_text(step, anew ? end : one->part.through);
    }
    bf_walk_send(walk, BF_PHASE_BEGINNING_PASS);
}

void bf_walk_horizon_seen(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    if (!bf_walk_fine(walk, "see which transactions are under way"))
        return;
    if (walk->answers[1].affected != 1) { /* not our epoch any more */
        bf_walk_send_ask(walk);
        return;
    }
    walk->touched_at = bf_job_now(job);
    const struct bf_answer *seen = &walk->answers[2];
    int64_t oldest = bf_answer_number(seen, 0, 1);
    if (walk->horizon < 0 && bf_answer_value(seen, 0, 0))
        walk->horizon = bf_answer_number(seen, 0, 0);
    if (walk->horizon < 0 || oldest < walk->horizon) {
        wait_for_old(walk, oldest, bf_answer_value(seen, 0, 2));
        return;
    }
    walk->reason = (struct bf_reason){0};
    if (job->record.document->through_count)
        send_next_pass(walk, NULL);
    else
        bf_walk_send_one(walk, BF_STATEMENT_END, BF_PHASE_FINDING_NEXT_END);
}

/* The poll's pause is over. */
void bf_walk_horizon_again(struct bf_walk *walk)
{
    send_horizon(walk);
}

/* A pass takes the end of the table anew. */
void bf_walk_next_end_found(struct bf_walk *walk)
{
    struct bf_key end = {0};
    if (!bf_walk_fine(walk, "find the end of the table"))
        return;
    bf_walk_read_end(walk, &end);
    BF_AUTO_STRING char *json = bf_key_json(&end, walk->table->key_count);
    bf_key_clear(&end);
    send_next_pass(walk, json);
}

/* The transaction is committed: the first slice goes on from here, the others take theirs up anew. */
static void begun(struct bf_walk *walk, const char *through)
{
    struct bf_job *job = walk->job;
    struct bf_progress *progress = &job->record.progress;
    struct bf_slice *part = &walk->part;
    int64_t before, found = bf_crew_sum_found(job, &before);
    walk->seq++;
    walk->pass_found_before = part->rows_changed - walk->pass_rows_changed;
    walk->pass_rows_changed = part->rows_changed;
    walk->done = part->done = progress->done = false;
    walk->have_next = false;
    walk->batch_split = 0;
    bf_key_clear(&walk->batch_low);
    bf_key_read(part->after, walk->table->key_count, &walk->low);
    bf_key_read(through, walk->table->key_count, &walk->through);
    walk->through_known = bf_key_known(&walk->through);
    walk->touched_at = bf_job_now(job);
    free(part->position);
    part->position = NULL;
    char *copy = bf_copy_string(through); /* it may be the part's own */
    free(part->through);
    part->through = copy;
    bf_walk_show_place(walk);
    progress->pass++;
    for (size_t i = 0; i < job->crew_count; i++)
        bf_walk_reset_one(&job->crew[i], false);
    bf_job_note(job, "pass", "pass %lld begins: the one before found %lld rows", (long long)progress->pass, (long long)found);
    walk->phase = BF_PHASE_READY;
}

void bf_walk_pass_begun(struct bf_walk *walk)
{
    static const struct bf_answer fenced = {.outcome = BF_OUTCOME_ERROR, .error_class = BF_CLASS_FENCE};
    bool several = walk->job->crew_count > 0, all = true;
    if (!bf_walk_fine(walk, "begin the next pass"))
        return;
    for (size_t i = 0; i < walk->answer_count; i++)
        all &= walk->flight.steps[i].statement != BF_STATEMENT_NEXT_PASS || walk->answers[i].affected == 1;
    if (all && several)
        bf_walk_send_one(walk, BF_STATEMENT_COMMIT, BF_PHASE_COMMITTING_PASS);
    else if (several)
        bf_walk_take_back(walk, &fenced, "begin the next pass");
    else if (all)
        begun(walk, walk->flight.steps[0].parameters[4]);
    else
        bf_walk_send_ask(walk);
}

void bf_walk_pass_committed(struct bf_walk *walk)
{
    if (!walk->lost && walk->answers[0].outcome != BF_OUTCOME_OK)
        bf_walk_take_back(walk, &walk->answers[0], "begin the next pass");
    else if (bf_walk_fine(walk, "begin the next pass"))
        begun(walk, walk->part.through);
}
