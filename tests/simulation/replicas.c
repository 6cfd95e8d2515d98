/* Replicas that follow, stand still, stop, or are far behind from the beginning, and what has to be true because of them:
 * a batch that begins after a sample over the limit was delivered is at most one that had left before, and none begins
 * while nothing is known or has been heard of for longer than five seconds. On some days the server knows how far they are,
 * on others they are asked for the heartbeat, through sessions of their own. */
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
static const char *const addresses[SIM_REPLICAS] = {"replica-1:1", "replica-2:1"}; /* where they are asked themselves */

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
    /* A counter that is summed up over sessions may fall for a moment. */
    int64_t fallen = replicas->asked && sim_chance(sim, 5) ? replicas->log / 2 : 0;
    put(answer, 0, BF_SAMPLE_POSITION, bf_format("%lld", (long long)(replicas->log - fallen)));
    put(answer, 0, BF_SAMPLE_FLAG, bf_copy_string("t"));
    answer->rows = 1;
    for (int i = 0; i < SIM_REPLICAS; i++) {
        struct sim_replica *replica = &replicas->list[i];
        if (!replica->exists || replica->stopped || replicas->asked)
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

/* ---- asked themselves ---- */

static int index_of(const char *application)
{
    for (int i = 0; i < SIM_REPLICAS; i++)
        if (strcmp(application, names[i]) == 0)
            return i;
    return -1;
}

static void beat(struct sim *sim, const struct bf_step *step)
{
    struct sim_replicas *replicas = &sim->replicas;
    sim_replicas_write(sim);
    if (!replicas->asked)
        return;
    if (replicas->beat_count % 256 == 0)
        replicas->beats = bf_reallocate(replicas->beats, ((size_t)replicas->beat_count + 256) * sizeof *replicas->beats);
    struct sim_beat *written = &replicas->beats[replicas->beat_count++];
    *written = (struct sim_beat){.number = sim_number(step, 1), .position = sim_number(step, 2)};
    snprintf(written->writer, sizeof written->writer, "%s", sim_parameter(step, 0));
}

static void read_beat(struct sim *sim, struct sim_replica *replica, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim_replicas *replicas = &sim->replicas;
    if (replica->stopped) {
        sim_error(answer, BF_CLASS_RESOURCES, "it is shutting down");
        return;
    }
    if (!replica->paused) {
        replica->applied = replicas->beat_count;
        replica->behind_since = 0;
    }
    for (int i = replica->applied - 1; i >= 0; i--)
        if (strcmp(replicas->beats[i].writer, sim_parameter(step, 0)) == 0) {
            sim_answer_row(answer, 1, 2);
            sim_put(answer, 0, replicas->beats[i].number);
            sim_put(answer, 1, replicas->beats[i].position);
            return;
        }
}

/* Who is connected to it. */
static void list_hosts(const struct sim *sim, struct bf_answer *answer)
{
    size_t count = 0;
    for (int i = 0; i < SIM_REPLICAS; i++)
        count += sim->replicas.list[i].exists && !sim->replicas.list[i].stopped;
    sim_answer_row(answer, count, 3);
    for (int i = 0, row = 0; i < SIM_REPLICAS; i++) {
        if (!sim->replicas.list[i].exists || sim->replicas.list[i].stopped)
            continue;
        answer->values[3 * row + 1] = bf_copy_string(names[i]);
        answer->values[3 * row++ + 2] = bf_copy_string("1");
    }
}

static void count_readers(const struct sim *sim, struct bf_answer *answer)
{
    int64_t count = 0;
    for (int i = 0; i < SIM_REPLICAS; i++)
        count += sim->replicas.list[i].exists && !sim->replicas.list[i].stopped;
    sim_answer_row(answer, 1, 1);
    sim_put(answer, 0, count);
}

bool sim_replicas_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    int index = index_of(session->application);
    switch (step->statement) {
    case BF_STATEMENT_SAMPLE: sample(session->sim, answer); return true;
    case BF_STATEMENT_BEAT: beat(session->sim, step); return true;
    case BF_STATEMENT_READ_BEAT: read_beat(session->sim, &session->sim->replicas.list[index], step, answer); return true;
    case BF_STATEMENT_REPLICA_HOSTS: list_hosts(session->sim, answer); return true;
    case BF_STATEMENT_LOG_READERS: count_readers(session->sim, answer); return true;
    case BF_STATEMENT_REPLICA_SERVER:
        sim_answer_row(answer, 1, 3);
        answer->values[0] = bf_copy_string(session->application);
        answer->values[1] = bf_copy_string("f");
        answer->values[2] = bf_copy_string("t");
        return true;
    case BF_STATEMENT_REPLICA_STATUS:
        sim_answer_row(answer, 1, 1);
        answer->values[0] = bf_copy_string(session->sim->replicas.list[index].paused ? "stands" : "runs");
        return true;
    default: return false;
    }
}

/* The answer of a replica that was asked is there: what of the heartbeat it lacks is known by it. */
static void heartbeat_seen(struct bf_session *client, struct sim_replica *replica, const struct bf_flight *flight)
{
    struct sim *sim = client->sim;
    const struct sim_replicas *replicas = &sim->replicas;
    bool from_start = replica->behind_since && replica->behind_since < replicas->watched_since;
    int64_t missing_since = 0;
    for (int i = replicas->beat_count - 1; i >= replica->applied; i--)
        if (replicas->beats[i].known_at > replicas->watched_since &&
            strcmp(replicas->beats[i].writer, flight->steps[0].parameters[0]) == 0)
            missing_since = replicas->beats[i].known_at;
    bool over = missing_since && sim->now - missing_since >= LIMIT;
    replica->heard_at = from_start ? 0 : sim->now;
    if (!over || from_start)
        replica->over_seen_at = replica->batches_since = 0;
    else if (!replica->over_seen_at)
        replica->over_seen_at = sim->now;
}

static struct bf_session *connect_replica(void *context, const struct bf_session_options *options, bf_connected *connected,
                                          void *argument)
{
    struct sim_replica *replica = context;
    struct bf_session_options named = *options;
    named.application_name = names[replica - replica->sim->replicas.list];
    return replica->sim->database.connect(replica->sim, &named, connected, argument);
}

static const struct bf_replica *replica_at(void *context, const char *address)
{
    struct sim *sim = context;
    for (int i = 0; i < SIM_REPLICAS; i++)
        if (strncmp(address, names[i], strlen(names[i])) == 0)
            return &sim->replicas.named[i];
    return NULL;
}

void sim_replicas_name(struct sim *sim, struct bf_target *target)
{
    struct sim_replicas *replicas = &sim->replicas;
    size_t count = 0;
    for (int i = 0; i < SIM_REPLICAS; i++) {
        struct sim_replica *replica = &replicas->list[i];
        if (!replicas->asked || !replica->exists)
            continue;
        replica->sim = sim;
        replica->database = sim->database;
        replica->database.context = replica;
        replica->database.connect = connect_replica;
        replicas->named[i] = (struct bf_replica){.name = (char *)addresses[i], .database = &replica->database};
        count++;
    }
    target->replicas = replicas->named;
    target->replica_count = replicas->listed ? 0 : count;
    target->replica_at = replicas->listed ? replica_at : NULL;
    target->replica_context = sim;
}

void sim_replicas_free(struct sim *sim)
{
    free(sim->replicas.beats);
}

/* Its client has it in its hands now. */
void sim_replicas_seen(struct bf_session *client, const struct bf_flight *flight, const struct bf_answer *answers, bool lost)
{
    struct sim *sim = client->sim;
    struct sim_replicas *replicas = &sim->replicas;
    if (lost || answers[0].outcome != BF_OUTCOME_OK)
        return;
    if (flight->steps[0].statement == BF_STATEMENT_BEAT && replicas->asked)
        for (int i = 0; i < replicas->beat_count; i++)
            if (replicas->beats[i].number == strtoll(flight->steps[0].parameters[1], NULL, 10) &&
                strcmp(replicas->beats[i].writer, flight->steps[0].parameters[0]) == 0)
                replicas->beats[i].known_at = sim->now;
    if (flight->steps[0].statement == BF_STATEMENT_READ_BEAT)
        heartbeat_seen(client, &replicas->list[index_of(client->application)], flight);
    if (flight->steps[0].statement != BF_STATEMENT_SAMPLE)
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
    replicas->asked = sim->seed % 6 == 0;
    replicas->listed = sim->seed % 12 == 0;
    replicas->log = 1000000;
    if (!replicas->watched)
        return;
    replicas->list[0] = (struct sim_replica){.exists = true, .position = replicas->log};
    if (!trouble)
        return;
    if (sim->seed % 4 < 2)
        replicas->list[1] = (struct sim_replica){.exists = true, .paused = true, .position = 1000,
                                                 .behind_since = -INT64_C(3600) * 1000000};
    for (int64_t count = sim_between(sim, 0, 3); count; count--)
        sim_at(sim, sim_between(sim, 0, sim_chance(sim, 70) ? 1500000 : 20000000), fall_behind, sim);
}
