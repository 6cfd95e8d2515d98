/* The simulated server's sessions: what arrived is run to its end, whoever listens. */
#include "server.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"

enum {
    IDLE_IN_TRANSACTION = 60 * 1000000, /* microseconds */
    WAIT_HOLDING = 100000 /* microseconds: a tenth of what a server waits before it looks for deadlocks */
};

static void run_next(struct sim_server_session *session);

static int64_t latency(struct sim *sim)
{
    if (sim->faults && sim_chance(sim, 3))
        return sim_between(sim, 20000, 400000);
    return sim_between(sim, 50, 1500);
}

void sim_free_answers(struct bf_answer *answers, size_t count)
{
    for (size_t i = 0; answers && i < count; i++)
        bf_answer_clear(&answers[i]);
    free(answers);
}

static void free_flight(struct sim_flight *flight)
{
    if (!flight)
        return;
    sim_free_answers(flight->answers, flight->flight.count);
    bf_flight_clear(&flight->flight);
    free(flight);
}

void sim_error(struct bf_answer *answer, enum bf_error_class error_class, const char *message)
{
    answer->outcome = BF_OUTCOME_ERROR;
    answer->error_class = error_class;
    answer->message = bf_copy_string(message);
}

/* ---- the client's end: answers ---- */

static void hand_over(void *argument)
{
    struct bf_session *client = argument;
    client->answer = NULL;
    struct bf_answer *answers = client->answers;
    struct bf_flight *flight = client->flight;
    size_t count = flight->count;
    client->answers = NULL;
    client->flight = NULL;
    sim_replicas_seen(client, flight, answers, client->lost);
    client->done(client->done_argument, client, flight, answers, client->lost);
    sim_free_answers(answers, count);
}

static void answer_client(struct bf_session *client, struct bf_answer *answers, bool lost, int64_t delay)
{
    if (!client->flight || client->answer) {
        free(answers);
        return;
    }
    client->answers = answers;
    client->lost = lost;
    client->answer = sim_at(client->sim, delay, hand_over, client);
}

/* The connection is gone, and the client hears of it. */
void sim_client_lost(struct bf_session *client, const struct sim_flight *flight, enum bf_error_class error_class)
{
    client->server = NULL;
    if (!client->flight)
        return;
    size_t count = client->flight->count;
    struct bf_answer *answers = bf_allocate((count + 1) * sizeof *answers);
    bool told = false;
    for (size_t i = 0; i < count; i++) {
        /* What was answered before the end may have come through. */
        if (flight && flight->answers[i].outcome == BF_OUTCOME_OK && flight->answers[i].rows == 0 &&
            flight->answers[i].affected >= 0 && !told && sim_chance(client->sim, 50)) {
            answers[i].outcome = BF_OUTCOME_OK;
            answers[i].affected = flight->answers[i].affected;
            answers[i].rolled_back = flight->answers[i].rolled_back;
            continue;
        }
        told = true;
        answers[i].outcome = BF_OUTCOME_UNKNOWN;
        answers[i].error_class = error_class;
    }
    answer_client(client, answers, true, latency(client->sim));
}

/* ---- the server's end ---- */

static void unlink_session(struct sim_server_session *session)
{
    struct sim_server_session **at = &session->sim->server.sessions;
    while (*at != session)
        at = &(*at)->next;
    *at = session->next;
}

void sim_session_end(struct sim_server_session *session, enum bf_error_class error_class)
{
    if (session->client) {
        struct bf_session *client = session->client;
        client->server = NULL;
        if (session->answers_vanish)
            client->unreachable = true;
        else
            sim_client_lost(client, session->first, error_class);
    }
    sim_cancel(session->running);
    sim_cancel(session->idle);
    session->running = NULL;
    session->waiting = false;
    unlink_session(session);
    sim_session_roll_back(session);
    for (struct sim_flight *flight = session->first, *next; flight; flight = next) {
        next = flight->next;
        free_flight(flight);
    }
    free(session);
}

static void idle_too_long(void *argument)
{
    struct sim_server_session *session = argument;
    session->idle = NULL;
    sim_session_end(session, BF_CLASS_LOST);
}

static void flight_finished(struct sim_server_session *session)
{
    struct sim_flight *flight = session->first;
    session->first = flight->next;
    if (!session->first)
        session->last = NULL;
    bool whole = flight->arrived == flight->flight.count;
    if (whole && session->client && !session->answers_vanish) {
        answer_client(session->client, flight->answers, false, latency(session->sim));
        flight->answers = NULL;
    }
    free_flight(flight);
    if (!session->first && session->client_closed) {
        sim_session_end(session, BF_CLASS_LOST);
        return;
    }
    if (session->open && !session->first && !session->idle)
        session->idle = sim_at(session->sim, IDLE_IN_TRANSACTION, idle_too_long, session);
    run_next(session);
}

static void run_step(void *argument)
{
    struct sim_server_session *session = argument;
    struct sim_flight *flight = session->first;
    size_t index = flight->order[flight->at];
    const struct bf_step *step = &flight->flight.steps[index];
    struct bf_answer *answer = &flight->answers[index];
    session->running = NULL;
    if (step->statement == BF_STATEMENT_FENCE && !session->waiting && sim_slice(step, 1) != SIM_BACK)
        sim_replicas_batch(session); /* (what is late only slows a way back) */
    if (session->cancelled) { /* a COMMIT, too, as long as it has not begun */
        sim_error(answer, BF_CLASS_CANCELLED, "canceling statement due to user request");
        if (step->statement == BF_STATEMENT_COMMIT)
            sim_session_roll_back(session); /* the transaction is over all the same */
    } else if (!sim_replicas_statement(session, step, answer) && sim_statement(session, step, answer) == SIM_WAIT) {
        if (!session->waiting) {
            session->waiting = true;
            session->waiting_since = session->sim->now;
        }
        int64_t limit = session->lock_wait && session->lock_wait < session->lock_timeout ? session->lock_wait
                                                                                         : session->lock_timeout;
        int64_t left = session->waiting_since + limit - session->sim->now;
        if (session->sim->sabotage != SABOTAGE_FENCE_LAST && sim_holds_rows(session) && session->sim->now - session->waiting_since > WAIT_HOLDING)
            sim_violation(session->sim, "a batch that holds rows waited for another's: a deadlock may end the application");
        if (left > 0) {
            session->running = sim_at(session->sim, left, run_step, session);
            return;
        }
        sim_error(answer, BF_CLASS_LOCK, "canceling statement due to lock timeout");
    }
    session->waiting = session->cancelled = false;
    if (answer->outcome == BF_OUTCOME_ERROR) {
        flight->group_failed = true;
        flight->not_begun = step->statement == BF_STATEMENT_BEGIN;
        session->failed = session->open;
    }
    flight->at++;
    run_next(session);
}

/* Starts the next statement of the first flight, or ends it. */
static void run_next(struct sim_server_session *session)
{
    struct sim_flight *flight = session->first;
    if (!flight || session->running)
        return;
    sim_cancel(session->idle);
    session->idle = NULL;
    for (; flight->at < flight->arrived; flight->at++) {
        size_t index = flight->order[flight->at];
        const struct bf_step *step = &flight->flight.steps[index];
        bool turns = step->statement == BF_STATEMENT_BEGIN || step->statement == BF_STATEMENT_ROLLBACK;
        if (step->new_group && (turns || !flight->not_begun))
            flight->group_failed = flight->not_begun = false;
        if (!flight->group_failed) {
            session->running = sim_at(session->sim, sim_duration(session, step), run_step, session);
            return;
        }
        flight->answers[index].outcome = BF_OUTCOME_SKIPPED;
    }
    flight_finished(session);
}

/* A transaction ended: whoever waits for a lock tries again. */
void sim_wake_waiters(struct sim *sim)
{
    for (struct sim_server_session *session = sim->server.sessions; session; session = session->next)
        if (session->waiting && session->running) {
            sim_cancel(session->running);
            session->running = sim_at(sim, 1, run_step, session);
        }
    sim_applications_wake(sim);
}

static void release(struct sim_server_session *session)
{
    struct sim_server *server = &session->sim->server;
    for (int slice = 0; slice < SIM_CHECKPOINTS; slice++)
        if (server->checkpoint_locked_by[slice] == session)
            server->checkpoint_locked_by[slice] = NULL;
    for (int i = 0; i < server->row_count; i++)
        if (server->rows[i].locked_by == session)
            server->rows[i].locked_by = NULL;
    session->open = session->failed = session->is_batch = session->sifted = false;
    memset(session->writes, 0, sizeof session->writes);
    session->makes_schema = session->makes_job = false;
    memset(session->changes, 0, sizeof session->changes);
    memset(session->aside, 0, sizeof session->aside);
    memset(session->back_aside, 0, sizeof session->back_aside);
    memset(session->conflicts, 0, sizeof session->conflicts);
    memset(session->bad, 0, sizeof session->bad);
    free(session->saved);
    session->saved = NULL;
    session->violates = false;
    session->kept_count = 0;
    session->overwrote = false;
    memset(session->taken, 0, sizeof session->taken);
    memset(session->passed_over, 0, sizeof session->passed_over);
    session->lock_wait = 0;
    sim_wake_waiters(session->sim);
}

void sim_session_roll_back(struct sim_server_session *session)
{
    release(session);
}

void sim_session_commit(struct sim_server_session *session)
{
    struct sim_server *server = &session->sim->server;
    bool batch = session->is_batch;
    if (session->overwrote)
        sim_violation(session->sim, "a rollback wrote over what somebody else had written");
    if (server->log_count == SIM_LOG_MAX) {
        memmove(server->log, server->log + SIM_LOG_MAX / 2, SIM_LOG_MAX / 2 * sizeof *server->log);
        server->log_count = SIM_LOG_MAX / 2;
    }
    struct sim_commit *commit = &server->log[server->log_count++];
    memcpy(commit->before, server->checkpoints, sizeof commit->before);
    commit->control_before_schema = server->schema;
    memcpy(commit->changed, session->changes, sizeof commit->changed);
    memcpy(commit->aside, session->aside, sizeof commit->aside);
    memcpy(commit->back_aside, session->back_aside, sizeof commit->back_aside);
    memcpy(commit->conflicts, session->conflicts, sizeof commit->conflicts);
    memcpy(commit->bad, session->bad, sizeof commit->bad);
    commit->journal_count = server->journal_count;
    sim_journal_append(server, session->kept, session->kept_count);
    for (int slice = 0; slice < SIM_CHECKPOINTS; slice++)
        if (session->writes[slice])
            server->checkpoints[slice] = session->checkpoints[slice];
    for (int slice = 0; slice <= SIM_BACK; slice += SIM_BACK)
        if (server->checkpoints[slice].epoch > server->highest_epoch)
            server->highest_epoch = server->checkpoints[slice].epoch;
    server->schema = server->schema || session->makes_schema;
    server->job_there = server->job_there || session->makes_job;
    for (int i = 0; i < server->row_count; i++)
        server->rows[i].aside += session->aside[i];
    for (int i = 0; i < server->row_count; i++) {
        server->rows[i].back_aside += session->back_aside[i];
        server->rows[i].conflicts += session->conflicts[i];
        server->rows[i].bad += session->bad[i];
    }
    for (int i = 0; i < server->row_count; i++)
        if (session->changes[i]) {
            server->rows[i].n += session->changes[i];
            server->rows[i].writer = session->transaction;
        }
    char application[64];
    memcpy(application, session->application, sizeof application);
    sim_replicas_write(session->sim);
    release(session);
    if (batch)
        server->batch_commits++;
    sim_check_commit(session->sim, batch, application);
}

/* ---- the port ---- */

static void connect_done(void *argument)
{
    struct bf_session *client = argument;
    struct sim *sim = client->sim;
    client->connecting = NULL;
    if (!sim->server.writable && sim_chance(sim, 50)) {
        client->connected(client->argument, client, BF_CLASS_UNREACHABLE, "could not connect to server");
        return;
    }
    struct sim_server_session *server = BF_NEW(struct sim_server_session);
    server->sim = sim;
    server->client = client;
    server->lock_timeout = client->lock_timeout * 1000;
    server->statement_timeout = client->statement_timeout * 1000;
    memcpy(server->application, client->application, sizeof server->application);
    server->next = sim->server.sessions;
    sim->server.sessions = server;
    client->server = server;
    client->connected(client->argument, client, BF_CLASS_NONE, "");
}

static struct bf_session *connect_session(void *context, const struct bf_session_options *options,
                                          bf_connected *connected, void *argument)
{
    struct sim *sim = context;
    struct bf_session *client = BF_NEW(struct bf_session);
    *client = (struct bf_session){.sim = sim, .connected = connected, .argument = argument,
                                  .lock_timeout = options->lock_timeout,
                                  .statement_timeout = options->statement_timeout};
    snprintf(client->application, sizeof client->application, "%s", options->application_name);
    client->connecting = sim_at(sim, 2 * latency(sim), connect_done, client);
    return client;
}

static void sabotage_order(struct sim *sim, struct sim_flight *flight)
{
    size_t count = flight->flight.count, fence = SIZE_MAX, commit = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        flight->order[i] = i;
        if (flight->flight.steps[i].statement == BF_STATEMENT_FENCE)
            fence = i;
        if (flight->flight.steps[i].statement == BF_STATEMENT_COMMIT)
            commit = i;
    }
    if (sim->sabotage != SABOTAGE_FENCE_LAST || fence == SIZE_MAX)
        return;
    for (size_t i = fence; i < commit; i++)
        flight->order[i] = i + 1;
    flight->order[commit] = fence;
}

void sim_deliver(struct bf_session *client, size_t steps)
{
    struct sim_flight *flight = client->underway;
    struct sim_server_session *server = client->server;
    client->underway = NULL;
    client->delivery = NULL;
    if (!server || steps == 0) {
        free_flight(flight);
        return;
    }
    flight->arrived = steps;
    if (server->last)
        server->last->next = flight;
    else
        server->first = flight;
    server->last = flight;
    run_next(server);
}

static void deliver_all(void *argument)
{
    struct bf_session *client = argument;
    client->delivery = NULL;
    if (client->underway)
        sim_deliver(client, client->underway->flight.count);
}

static void execute(struct bf_session *client, struct bf_flight *flight, bf_flight_done *done, void *argument)
{
    struct sim *sim = client->sim;
    client->flight = flight;
    client->done = done;
    client->done_argument = argument;
    if (client->unreachable)
        return; /* it never arrives, no answer ever comes */
    if (!client->server) {
        sim_client_lost(client, NULL, BF_CLASS_LOST);
        return;
    }
    struct sim_flight *copy = BF_NEW(struct sim_flight);
    for (size_t i = 0; i < flight->count; i++) {
        struct bf_step *step = bf_flight_add(&copy->flight, flight->steps[i].statement, NULL);
        step->split = flight->steps[i].split;
        step->leg = flight->steps[i].leg;
        step->new_group = flight->steps[i].new_group;
        for (size_t p = 0; p < flight->steps[i].parameter_count; p++)
            bf_step_text(step, flight->steps[i].parameters[p]);
    }
    copy->answers = bf_allocate((flight->count + 1) * sizeof *copy->answers);
    sabotage_order(sim, copy);
    client->underway = copy;
    if (!client->cancelling)
        client->delivery = sim_at(sim, latency(sim), deliver_all, client);
}

struct cancel_request {
    struct sim *sim;
    struct bf_session *client; /* NULL: closed */
    struct sim_server_session *session;
};

void sim_cancel_arrives(void *argument)
{
    struct cancel_request *request = argument;
    for (struct sim_server_session *session = request->sim->server.sessions; session; session = session->next)
        if (session == request->session && session->running) {
            session->cancelled = true;
            sim_cancel(session->running);
            session->running = sim_at(request->sim, 50, run_step, session);
        }
    struct bf_session *client = request->client;
    if (client) {
        client->cancelling = NULL;
        if (client->underway && !client->delivery)
            client->delivery = sim_at(client->sim, latency(client->sim), deliver_all, client);
    }
    free(request);
}

static void cancel(struct bf_session *client)
{
    if (!client->server || client->unreachable || client->cancelling)
        return;
    struct cancel_request *request = client->cancelling = BF_NEW(struct cancel_request);
    *request = (struct cancel_request){client->sim, client, client->server};
    sim_at(client->sim, 2 * latency(client->sim), sim_cancel_arrives, request);
}

/* What stands in the socket is still run; a write may have come through in part. */
static void close_session(struct bf_session *client)
{
    struct sim *sim = client->sim;
    struct sim_server_session *server = client->server;
    sim_replicas_unwatched(client);
    sim_cancel(client->connecting);
    sim_cancel(client->answer);
    sim_cancel(client->delivery);
    if (client->cancelling)
        client->cancelling->client = NULL;
    if (client->underway && !client->delivery) { /* it had not left */
        free_flight(client->underway);
        client->underway = NULL;
    }
    if (client->underway) {
        size_t count = client->underway->flight.count;
        sim_deliver(client, sim_chance(sim, 50) ? count : (size_t)sim_between(sim, 0, (int64_t)count));
        server = client->server;
    }
    if (client->answers)
        sim_free_answers(client->answers, client->flight->count);
    if (server) {
        server->client = NULL;
        server->client_closed = !server->answers_vanish; /* a cut network does not carry the end of file either */
        if (!server->first && server->client_closed)
            sim_session_end(server, BF_CLASS_LOST);
        else if (!server->first && server->open && !server->idle)
            server->idle = sim_at(sim, IDLE_IN_TRANSACTION, idle_too_long, server);
        else if (!server->first && !server->open)
            sim_session_end(server, BF_CLASS_LOST);
    }
    free(client);
}

extern const struct bf_dialect sim_dialect;

struct bf_database *sim_database(struct sim *sim)
{
    sim->database = (struct bf_database){.context = sim, .dialect = &sim_dialect, .connect = connect_session,
                                         .execute = execute, .cancel = cancel, .close = close_session};
    return &sim->database;
}
