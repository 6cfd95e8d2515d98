/* Replicas that follow, stand still, stop, or are far behind from the beginning, and what has to be true because of them:
 * a batch that begins after a sample over the limit was delivered is at most one that had left before, and none begins
 * while nothing is known or has been heard of for longer than five seconds. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "server.h"

enum {
    LIMIT = 1500000,          /* microseconds; the document's default */
    STALE = 5000000,
    SLACK = 1000000,          /* for what is on its way: samples, flights, the look once a second */
    WRITTEN = 1000            /* bytes of log for a commit */
};

static const char *const names[SIM_REPLICAS] = {"replica-1", "replica-2"};

static bool is_monitor(const char *application)
{
    return strcmp(application, "backfilld monitor") == 0;
}

void sim_replicas_write(struct sim *sim)
{
    struct sim_replicas *replicas = &sim->replicas;
    replicas->log += WRITTEN;
    for (int i = 0; i < SIM_REPLICAS; i++) {
        struct sim_replica *replica = &replicas->list[i];
        if (replica->exists && (replica->paused || replica->stopped) && !replica->behind_since)
            replica->behind_since = sim->now;
    }
}

static void put(struct bf_answer *answer, size_t row, size_t column, char *text)
{
    answer->values[row * BF_SAMPLE_COLUMNS + column] = text;
}

static int64_t lag_of(const struct sim *sim, const struct sim_replica *replica)
{
    return replica->behind_since ? sim->now - replica->behind_since : 0;
}

static void sample(struct sim *sim, struct bf_answer *answer)
{
    struct sim_replicas *replicas = &sim->replicas;
    answer->columns = BF_SAMPLE_COLUMNS;
    answer->values = bf_allocate((1 + SIM_REPLICAS) * BF_SAMPLE_COLUMNS * sizeof *answer->values);
    put(answer, 0, BF_SAMPLE_WHAT, bf_copy_string("server"));
    put(answer, 0, BF_SAMPLE_POSITION, bf_format("%lld", (long long)replicas->log));
    put(answer, 0, BF_SAMPLE_FLAG, bf_copy_string("t"));
    answer->rows = 1;
    for (int i = 0; i < SIM_REPLICAS; i++) {
        struct sim_replica *replica = &replicas->list[i];
        if (!replica->exists || replica->stopped)
            continue;
        if (!replica->paused) {
            replica->position = replicas->log;
            replica->behind_since = 0;
        }
        size_t row = answer->rows++;
        put(answer, row, BF_SAMPLE_WHAT, bf_copy_string("replica"));
        put(answer, row, BF_SAMPLE_NAME, bf_copy_string(names[i]));
        put(answer, row, BF_SAMPLE_POSITION, bf_format("%lld", (long long)replica->position));
        put(answer, row, BF_SAMPLE_SECONDS, bf_format("%.3f", (double)lag_of(sim, replica) / 1e6));
        put(answer, row, BF_SAMPLE_REPLY, bf_format("%d", ++replicas->replies));
    }
}

bool sim_replicas_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    if (step->statement == BF_STATEMENT_SAMPLE)
        sample(session->sim, answer);
    else if (step->statement == BF_STATEMENT_BEAT)
        sim_replicas_write(session->sim);
    else
        return false;
    return true;
}

/* Its client has it in its hands now. */
void sim_replicas_seen(struct bf_session *client, const struct bf_flight *flight, const struct bf_answer *answers, bool lost)
{
    struct sim *sim = client->sim;
    struct sim_replicas *replicas = &sim->replicas;
    if (lost || flight->steps[0].statement != BF_STATEMENT_SAMPLE || answers[0].outcome != BF_OUTCOME_OK)
        return;
    if (replicas->watcher != client) {
        replicas->watcher = client;
        replicas->watched_since = sim->now;
    }
    replicas->seen_at = sim->now;
    for (size_t row = 1; row < answers[0].rows; row++)
        for (int i = 0; i < SIM_REPLICAS; i++) {
            struct sim_replica *replica = &replicas->list[i];
            if (strcmp(bf_answer_value(&answers[0], row, BF_SAMPLE_NAME), names[i]) != 0)
                continue;
            bool over = bf_answer_real(&answers[0], row, BF_SAMPLE_SECONDS, 0) * 1e6 >= LIMIT;
            /* Who was behind before anybody looked may be set aside. */
            bool from_start = replica->behind_since < replicas->watched_since;
            replica->heard_at = from_start && over ? 0 : sim->now;
            if (!over || from_start)
                replica->over_seen_at = replica->batches_since = 0;
            else if (!replica->over_seen_at)
                replica->over_seen_at = sim->now;
        }
}

/* The session of a monitor ends: what it knew may be forgotten. */
void sim_replicas_unwatched(struct bf_session *client)
{
    struct sim_replicas *replicas = &client->sim->replicas;
    if (!is_monitor(client->application) || replicas->watcher != client)
        return;
    replicas->watcher = NULL;
    for (int i = 0; i < SIM_REPLICAS; i++)
        replicas->list[i].over_seen_at = replicas->list[i].heard_at = replicas->list[i].batches_since = 0;
}

void sim_replicas_batch(struct sim_server_session *session)
{
    struct sim *sim = session->sim;
    struct sim_replicas *replicas = &sim->replicas;
    int64_t at = sim->now; /* asked when it arrives, before it waits for a lock */
    if (!replicas->watched || !session->client || session->answers_vanish || sim->daemons[1].disk)
        return;
    if (!replicas->seen_at)
        sim_violation(sim, "a batch began before anything was known of the replicas");
    else if (at - replicas->seen_at > STALE + SLACK)
        sim_violation(sim, "a batch began %lld ms after the last sample", (long long)(at - replicas->seen_at) / 1000);
    for (int i = 0; i < SIM_REPLICAS; i++) {
        struct sim_replica *replica = &replicas->list[i];
        if (replica->over_seen_at && at > replica->over_seen_at + SLACK && ++replica->batches_since > 1)
            sim_violation(sim, "%s was seen over the limit %lld ms ago, and %d batches began since", names[i],
                          (long long)(at - replica->over_seen_at) / 1000, replica->batches_since);
        if (replica->heard_at && at - replica->heard_at > STALE + SLACK)
            sim_violation(sim, "a batch began %lld ms after %s was heard of last", (long long)(at - replica->heard_at) / 1000,
                          names[i]);
    }
}

/* A daemon that begins knows nothing. */
void sim_replicas_forget(struct sim *sim)
{
    sim->replicas.seen_at = 0;
    sim->replicas.watcher = NULL;
    for (int i = 0; i < SIM_REPLICAS; i++)
        sim->replicas.list[i].over_seen_at = sim->replicas.list[i].heard_at = sim->replicas.list[i].batches_since = 0;
}

/* ---- what happens to them ---- */

static void recover(void *argument)
{
    struct sim *sim = argument;
    struct sim_replica *replica = &sim->replicas.list[0];
    sim_trace(sim, "replica-1 follows again");
    replica->paused = replica->stopped = false;
}

static void fall_behind(void *argument)
{
    struct sim *sim = argument;
    struct sim_replica *replica = &sim->replicas.list[0];
    if (replica->paused || replica->stopped)
        return;
    bool stops = sim_chance(sim, 40);
    sim_trace(sim, "replica-1 %s", stops ? "stops" : "stands still");
    replica->paused = !stops;
    replica->stopped = stops;
    sim_at(sim, sim_between(sim, 300000, 20000000), recover, sim);
}

void sim_replicas_begin(struct sim *sim, bool trouble)
{
    struct sim_replicas *replicas = &sim->replicas;
    replicas->watched = sim->seed % 3 == 0;
    replicas->log = 1000000;
    if (!replicas->watched)
        return;
    replicas->list[0] = (struct sim_replica){.exists = true, .position = replicas->log};
    if (!trouble)
        return;
    if (sim->seed % 2 == 0)
        replicas->list[1] = (struct sim_replica){.exists = true, .paused = true, .position = 1000,
                                                 .behind_since = -INT64_C(3600) * 1000000};
    for (int64_t count = sim_between(sim, 0, 3); count; count--)
        sim_at(sim, sim_between(sim, 0, sim_chance(sim, 70) ? 1500000 : 20000000), fall_behind, sim);
}
