/* How a flight goes out and comes back: it is sent to the primary or to a replica, its answers are copied, and the job is
 * marked for its next turn. What is in it: walk_flights.c. */
#include <stdlib.h>

#include "allocate.h"
#include "internal.h"

static void copy_answer(struct bf_answer *to, const struct bf_answer *from)
{
    *to = *from;
    to->message = bf_copy_string(from->message);
    to->values = NULL;
    size_t values = from->rows * from->columns;
    if (values)
        to->values = bf_allocate(values * sizeof *to->values);
    for (size_t i = 0; i < values; i++)
        to->values[i] = bf_copy_string(from->values[i]);
}

static void forget_answers(struct bf_walk *walk)
{
    for (size_t i = 0; i < walk->answer_count; i++)
        bf_answer_clear(&walk->answers[i]);
    free(walk->answers);
    walk->answers = NULL;
    walk->answer_count = 0;
}

const struct bf_answer *bf_walk_answer_to(const struct bf_walk *walk, enum bf_statement statement)
{
    for (size_t i = 0; i < walk->answer_count; i++)
        if (walk->flight.steps[i].statement == statement)
            return &walk->answers[i];
    return NULL;
}

static void on_done(void *argument, struct bf_session *session, struct bf_flight *flight,
                    const struct bf_answer *answers, bool lost)
{
    (void)session;
    struct bf_walk *walk = argument;
    forget_answers(walk);
    walk->answers = bf_allocate((flight->count + 1) * sizeof *walk->answers);
    walk->answer_count = flight->count;
    for (size_t i = 0; i < flight->count; i++)
        copy_answer(&walk->answers[i], &answers[i]);
    walk->flight_under_way = false;
    walk->lost = lost;
    walk->arrived = true;
    bf_engine_mark(walk->job);
}

static void send_to(struct bf_walk *walk, enum bf_phase phase, const struct bf_database *database,
                    struct bf_session *session)
{
    walk->phase = phase;
    walk->arrived = false;
    walk->flight_under_way = true;
    walk->flight_sent = bf_job_now(walk->job);
    walk->cancelled_at = 0;
    walk->flights++;
    if (phase != BF_PHASE_TAKING_BACK)
        walk->locks.yielding = false;
    if (phase >= BF_PHASE_BOUNDING && phase <= BF_PHASE_WAITING_ASIDE)
        bf_watcher_batch_sent(walk->job->engine, walk->job->target);
    database->execute(session, &walk->flight, on_done, walk);
}

void bf_walk_send(struct bf_walk *walk, enum bf_phase phase)
{
    send_to(walk, phase, walk->job->target->database, walk->session);
}

void bf_walk_send_to_replica(struct bf_walk *walk, enum bf_phase phase)
{
    walk->on_replica = true;
    send_to(walk, phase, walk->job->target->replicas[walk->replica_index].database, walk->replica);
}
