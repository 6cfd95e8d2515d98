/* The signals of documents: the queries of one job at a time, each in a read-only transaction of its own. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "monitor.h"

enum { QUERY_TIMEOUT = 3000 /* milliseconds of one query */ };

/* In turn: the first one behind that which was asked for last. */
static struct bf_job *next_job(const struct bf_monitor *monitor)
{
    struct bf_job *first = NULL;
    bool behind = false;
    for (struct bf_job *job = monitor->engine->working; job; job = job->next_working) {
        bool asks = bf_monitor_serves(monitor, job) && job->record.document->query_count > 0;
        if (asks && behind)
            return job;
        if (asks && !first)
            first = job;
        behind = behind || job == monitor->asked;
    }
    return first;
}

bool bf_monitor_has_queries(const struct bf_monitor *monitor)
{
    return next_job(monitor) != NULL;
}

void bf_monitor_fly_queries(struct bf_line *line)
{
    struct bf_monitor *monitor = line->monitor;
    const struct bf_dialect *dialect = monitor->target->database->dialect;
    monitor->asked = next_job(monitor);
    if (!monitor->asked)
        return;
    const struct bf_document *document = monitor->asked->record.document;
    if (dialect->limit_time)
        dialect->limit_time(QUERY_TIMEOUT, monitor->query_limit);
    for (size_t i = 0; i < document->query_count; i++) {
        bf_flight_add(&line->flight, BF_STATEMENT_BEGIN, dialect->begin_read_only)->new_group = true;
        if (dialect->limit_time)
            bf_flight_add(&line->flight, BF_STATEMENT_QUERY, monitor->query_limit);
        struct bf_step *query = bf_flight_add(&line->flight, BF_STATEMENT_QUERY, document->queries[i].sql);
        query->time_limit = dialect->limit_time ? 0 : QUERY_TIMEOUT;
        bf_flight_add(&line->flight, BF_STATEMENT_ROLLBACK, dialect->common(BF_STATEMENT_ROLLBACK))->new_group = true;
    }
}

void bf_monitor_take_queries(struct bf_line *line, const struct bf_answer *answers)
{
    struct bf_monitor *monitor = line->monitor;
    struct bf_job *job = monitor->asked;
    line->trouble[0] = '\0';
    if (!job || bf_walk_over(job))
        return; /* it ended meanwhile */
    size_t steps = monitor->target->database->dialect->limit_time ? 4 : 3; /* of one query; the last but one is its own */
    for (size_t i = 0; i < job->record.document->query_count && (i + 1) * steps <= line->flight.count; i++) {
        const struct bf_answer *query = &answers[(i + 1) * steps - 2];
        struct bf_measured *measured = &job->hold->measured[i];
        double value = bf_answer_real(query, 0, 0, NAN);
        if (query->outcome == BF_OUTCOME_OK && isfinite(value)) {
            measured->value = value;
            measured->at = bf_job_now(job);
            measured->trouble[0] = '\0';
            continue;
        }
        snprintf(measured->trouble, sizeof measured->trouble, "%s",
                 query->outcome != BF_OUTCOME_OK ? query->message ? query->message : "no answer"
                 : query->rows == 0              ? "its query gives no row"
                                                 : "its query gives no number");
    }
    bf_engine_mark(job);
}
