#include "count.h"

#include <stdio.h>

#include "allocate.h"
#include "plan_text.h"
#include "quantity.h"

enum {
    BYTES_MOST = 1 << 30, /* of the table: read in a few seconds, and not much of a server's memory */
    ROWS_MOST = 1000000,  /* where its bytes are not known */
    TIME = 5000,          /* milliseconds */
    CONNECT_TIMEOUT = 4000
};

struct bf_count {
    struct bf_count *previous, *next;
    struct bf_engine *engine;
    struct bf_job *job; /* NULL: nobody wants to know any more */
    const struct bf_target *target;
    struct bf_session *session;
    struct bf_flight flight;
    char *sql; /* owned */
    bool counting;
};

bool bf_count_is_cheap(const struct bf_table *table, const char **ret_why)
{
    bool small = table->bytes >= 0 ? table->bytes <= BYTES_MOST : table->rows_estimated >= 0 && table->rows_estimated <= ROWS_MOST;
    if (!small)
        *ret_why = "not counted: the table is too large for that";
    return small;
}

static void end(struct bf_count *count)
{
    if (count->previous)
        count->previous->next = count->next;
    else
        count->engine->counts = count->next;
    if (count->next)
        count->next->previous = count->previous;
    if (count->job)
        count->job->count = NULL;
    if (count->session)
        count->target->database->close(count->session);
    bf_flight_clear(&count->flight);
    free(count->sql);
    free(count);
}

void bf_counts_drop(struct bf_engine *engine)
{
    while (engine->counts)
        end(engine->counts);
}

void bf_counts_leave(struct bf_engine *engine)
{
    for (struct bf_count *count = engine->counts, *next; count; count = next) {
        next = count->next;
        if (count->target != bf_engine_target_by_name(engine, count->target->name))
            end(count);
    }
}

/* The server is told to stop, and the session stays until it has heard that. */
void bf_count_stop(struct bf_job *job)
{
    struct bf_count *count = job->count;
    if (!count)
        return;
    job->count = NULL;
    count->job = NULL;
    if (count->counting)
        count->target->database->cancel(count->session);
    else
        end(count);
}

static void take(struct bf_job *job, const struct bf_costs *costs, const struct bf_answer *answer)
{
    if (answer->outcome == BF_OUTCOME_OK && bf_answer_value(answer, 0, 1)) {
        double rows = bf_answer_real(answer, 0, 1, 0);
        BF_AUTO_STRING char *shown = bf_quantity_count(rows);
        bf_plan_take_count(job, costs, true, rows, NULL);
        bf_job_note(job, "note", "counted: %s rows are asked for", shown);
        return;
    }
    char why[256];
    snprintf(why, sizeof why, "not counted within %d s: %.200s", TIME / 1000, answer->message ? answer->message : "no answer");
    bf_plan_take_count(job, costs, false, 0, why);
    bf_job_save(job, NULL);
}

static void counted(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers,
                    bool lost)
{
    (void)session, (void)flight;
    struct bf_count *count = argument;
    struct bf_job *job = count->job;
    if (job && !lost)
        take(job, &count->target->database->dialect->costs, &answers[1]);
    end(count);
}

static void connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    (void)text;
    struct bf_count *count = argument;
    const struct bf_dialect *dialect = count->target->database->dialect;
    if (error_class != BF_CLASS_NONE) { /* it is no harm: the estimate is there */
        end(count);
        return;
    }
    bf_flight_add(&count->flight, BF_STATEMENT_BEGIN, dialect->begin_read_only);
    bf_step_range(bf_flight_add(&count->flight, BF_STATEMENT_MEASURE, count->sql), count->job->record.document);
    bf_flight_add(&count->flight, BF_STATEMENT_ROLLBACK, dialect->common(BF_STATEMENT_ROLLBACK))->new_group = true;
    count->counting = true;
    count->target->database->execute(session, &count->flight, counted, count);
}

void bf_count_begin(struct bf_job *job, char *sql)
{
    struct bf_engine *engine = job->engine;
    struct bf_count *count = BF_NEW(struct bf_count);
    *count = (struct bf_count){.engine = engine, .job = job, .target = job->target, .sql = sql, .next = engine->counts};
    if (engine->counts)
        engine->counts->previous = count;
    engine->counts = count;
    job->count = count;
    struct bf_session_options options = {.application_name = "backfilld plan",
                                         .lock_timeout = 1000,
                                         .statement_timeout = TIME,
                                         .connect_timeout = CONNECT_TIMEOUT};
    count->session = count->target->database->connect(count->target->database->context, &options, connected, count);
}
