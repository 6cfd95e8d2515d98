/* How much the server's log grows by while a batch runs: for the pace, which keeps a cap on it, and for the plan, which says at
 * the end what the job wrote. On PostgreSQL fence and boundary tell by the way. Elsewhere it is asked for in front of the batch
 * and behind it, which costs two questions: with a cap or a replica always, else now and then. */
#include "internal.h"
#include "monitor.h"

enum { ASK_EVERY = 250 /* milliseconds, where nothing depends on it */ };

/* An account that may not see it is not asked again and again: the monitor's sample knows. */
static bool asks_for_log(struct bf_walk *walk)
{
    const struct bf_job *job = walk->job;
    if (job->record.document->pace.max_log_bytes_per_second < BF_NO_LIMIT)
        return true;
    const struct bf_monitor *monitor = bf_monitor_find(job->engine, job->target->name);
    return monitor && monitor->position >= 0 && !bf_walk_goes_back(walk) &&
           (monitor->replicas.count > 0 || walk->log_asked_at == 0 || bf_job_now(job) - walk->log_asked_at >= ASK_EVERY);
}

bool bf_walk_begin_log(struct bf_walk *walk)
{
    const char *text = walk->job->target->database->dialect->common(BF_STATEMENT_LOG_WRITTEN);
    if (!text || !asks_for_log(walk))
        return false;
    walk->log_asked_at = bf_job_now(walk->job);
    bf_flight_add(&walk->flight, BF_STATEMENT_LOG_WRITTEN, text)->new_group = true;
    return true;
}

void bf_walk_end_log(struct bf_walk *walk)
{
    bf_flight_add(&walk->flight, BF_STATEMENT_LOG_WRITTEN, walk->flight.steps[0].sql)->new_group = true;
}

void bf_walk_read_log(struct bf_walk *walk, const struct bf_answer *fence, const struct bf_answer *boundary,
                      struct bf_batch *batch)
{
    double from = bf_answer_real(fence, 0, 1, -1);
    double to = boundary ? bf_answer_real(boundary, 0, walk->table->key_count + 3, -1) : -1;
    if (walk->flight.steps[0].statement == BF_STATEMENT_LOG_WRITTEN) {
        from = bf_answer_real(&walk->answers[0], 0, 0, -1);
        to = bf_answer_real(&walk->answers[walk->answer_count - 1], 0, 0, -1);
    }
    if (!bf_walk_goes_back(walk))
        bf_logged_add(&walk->job->record.progress.logged, &walk->job->log_seen, from, to, batch->changed);
    batch->log_bytes = from >= 0 && to >= from ? (int64_t)(to - from) : -1;
    batch->log_end = to > 0 ? to : 0;
}
