/* A check that runs on a replica: the first one that answers and is a replica of this very database, once it has replayed
 * what the job wrote. Its connection is there for one check; the checkpoint's session stays as it is. That no replica can
 * be asked says nothing of the check: it is tried again. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

enum {
    CONNECT_TIMEOUT = 5000, /* milliseconds */
    REPLAY_POLL = 200
};

static const struct bf_replica *replica_of(const struct bf_walk *walk)
{
    return &walk->job->target->replicas[walk->replica_index];
}

void bf_walk_close_replica(struct bf_walk *walk)
{
    if (!walk->replica)
        return;
    replica_of(walk)->database->close(walk->replica);
    walk->replica = NULL;
    if (walk->on_replica)
        walk->flight_under_way = false;
    walk->on_replica = false;
}

static void connect_replica(struct bf_walk *walk)
{
    const struct bf_database *database = replica_of(walk)->database;
    char name[64];
    snprintf(name, sizeof name, "backfilld %s", walk->job->record.id);
    struct bf_session_options options = {.application_name = name,
                                         .lock_timeout = walk->lock_timeout,
                                         .statement_timeout = walk->statement_timeout,
                                         .connect_timeout = CONNECT_TIMEOUT};
    walk->phase = BF_PHASE_CONNECTING_REPLICA;
    walk->arrived = false;
    walk->replica = database->connect(database->context, &options, bf_walk_on_connected, walk);
}

/* This one cannot be asked, for the reason in `text`. */
static void next_replica(struct bf_walk *walk, const char *text)
{
    struct bf_job *job = walk->job;
    char all[BF_ERROR_TEXT_MAX];
    bf_walk_close_replica(walk);
    if (walk->stopping) {
        walk->phase = BF_PHASE_READY;
        return;
    }
    snprintf(all, sizeof all, "no replica of target %s can be asked; %s: %.300s", job->target->name, replica_of(walk)->name,
             text);
    if (++walk->replica_index < job->target->replica_count) {
        connect_replica(walk);
        return;
    }
    bf_walk_back_off(walk, BF_REPLICA_UNREACHABLE, all, false);
}

void bf_walk_ask_replica(struct bf_walk *walk)
{
    if (walk->job->target->replica_count == 0) { /* the configuration changed since the job was submitted */
        bf_walk_back_off(walk, BF_REPLICA_UNREACHABLE,
                         "a check runs on a replica, and `replicas` of the target names none any more", false);
        return;
    }
    bf_walk_send_log_end(walk);
    walk->replica_index = 0;
}

void bf_walk_log_end_found(struct bf_walk *walk)
{
    if (!bf_walk_fine(walk, "ask how far the log is written"))
        return;
    if (bf_walk_answer_to(walk, BF_STATEMENT_TOUCH)->affected != 1) { /* not our epoch any more */
        bf_walk_send_ask(walk);
        return;
    }
    walk->touched_at = bf_job_now(walk->job);
    const char *end = bf_answer_value(bf_walk_answer_to(walk, BF_STATEMENT_LOG_END), 0, 0);
    snprintf(walk->log_end, sizeof walk->log_end, "%s", end ? end : "");
    connect_replica(walk);
}

/* Who it is, and how far it has replayed. */
static void recognise(struct bf_walk *walk)
{
    const struct bf_dialect *dialect = walk->job->target->database->dialect;
    bf_flight_clear(&walk->flight);
    bf_flight_add(&walk->flight, BF_STATEMENT_SERVER, dialect->common(BF_STATEMENT_SERVER));
    struct bf_step *step = bf_flight_add(&walk->flight, BF_STATEMENT_REPLAYED, dialect->common(BF_STATEMENT_REPLAYED));
    bf_step_text(step, walk->log_end);
    if (dialect->read_replication)
        bf_flight_add(&walk->flight, BF_STATEMENT_REPLICA_STATUS, dialect->common(BF_STATEMENT_REPLICA_STATUS))->new_group = true;
    bf_walk_send_to_replica(walk, BF_PHASE_RECOGNISING_REPLICA);
}

void bf_walk_replica_connected(struct bf_walk *walk)
{
    if (walk->connect_class != BF_CLASS_NONE)
        next_replica(walk, walk->connect_text);
    else
        recognise(walk);
}

/* NULL: it is a replica; else why it counts as none. */
static const char *no_replica(const struct bf_job *job, const struct bf_answer *answers, size_t count)
{
    const struct bf_dialect *dialect = job->target->database->dialect;
    struct bf_replication replication;
    char words[8];
    if (!dialect->read_replication)
        return bf_answer_true(&answers[0], 0, BF_SERVER_REPLICA) ? NULL : "it is no replica: it is not in recovery";
    const struct bf_answer *status = &answers[count - 1];
    if (status->outcome != BF_OUTCOME_OK)
        return status->message ? status->message : "it does not say whether it is a replica";
    dialect->read_replication(status, &replication, words, sizeof words);
    return replication.follows ? NULL : "it is no replica: it replicates from nobody";
}

void bf_walk_replica_recognised(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    const struct bf_answer *server = &walk->answers[0], *replayed = &walk->answers[1];
    const char *identity = bf_answer_value(server, 0, BF_SERVER_IDENTITY);
    const char *not_one = no_replica(job, walk->answers, walk->answer_count);
    bool lost = walk->lost;
    walk->on_replica = walk->lost = false;
    if (lost || server->outcome != BF_OUTCOME_OK)
        next_replica(walk, server->message ? server->message : "the connection was lost");
    else if (not_one)
        next_replica(walk, not_one);
    else if (!identity || strcmp(identity, walk->table->target_identity) != 0)
        next_replica(walk, "it is a replica of another database");
    else if (replayed->outcome != BF_OUTCOME_OK)
        next_replica(walk, replayed->message ? replayed->message : "it does not say how far it has replayed");
    else if (walk->stopping) {
        bf_walk_close_replica(walk);
        walk->phase = BF_PHASE_READY;
    } else if (bf_answer_true(replayed, 0, 0)) {
        walk->reason = (struct bf_reason){0};
        bf_walk_send_check(walk, true);
    } else {
        char text[BF_ERROR_TEXT_MAX];
        snprintf(text, sizeof text, "the check waits for replica %s to replay what the job wrote", replica_of(walk)->name);
        if (walk->reason.code != BF_REPLICATION_LAG)
            walk->reason = bf_reason_make(job, BF_REPLICATION_LAG, text);
        walk->phase = BF_PHASE_WAITING_REPLICA;
        walk->sleep_until = bf_job_now(job) + REPLAY_POLL;
    }
}

/* It may be a long wait: the owner of the checkpoint shows that it lives. */
void bf_walk_replica_again(struct bf_walk *walk)
{
    if (bf_job_now(walk->job) - walk->touched_at > BF_TOUCH_EVERY)
        bf_walk_send_one(walk, BF_STATEMENT_TOUCH, BF_PHASE_TOUCHING_MEANWHILE);
    else
        recognise(walk);
}

void bf_walk_replica_touched(struct bf_walk *walk)
{
    if (!bf_walk_fine(walk, "touch the checkpoint")) {
        bf_walk_close_replica(walk);
        return;
    }
    walk->touched_at = bf_job_now(walk->job);
    if (walk->answers[0].affected != 1) { /* not our epoch any more */
        bf_walk_close_replica(walk);
        bf_walk_send_ask(walk);
    } else if (walk->stopping) {
        bf_walk_close_replica(walk);
        walk->phase = BF_PHASE_READY;
    } else {
        recognise(walk);
    }
}

bool bf_walk_replica_checked(struct bf_walk *walk)
{
    const struct bf_answer *query = &walk->answers[walk->answer_count - 2];
    bool lost = walk->lost;
    walk->lost = false;
    /* A replica may also cancel a query because of what it has to replay: that is no answer. */
    bool answered = !lost && (query->outcome == BF_OUTCOME_OK ||
                              (query->outcome == BF_OUTCOME_ERROR && query->error_class != BF_CLASS_SERIALIZATION &&
                               query->error_class != BF_CLASS_LOCK));
    bf_walk_close_replica(walk);
    walk->on_replica = false;
    if (walk->stopping) {
        walk->phase = BF_PHASE_READY;
        return false;
    }
    if (!answered) {
        char text[BF_ERROR_TEXT_MAX];
        snprintf(text, sizeof text, "replica %s did not answer the check: %.300s", replica_of(walk)->name,
                 query->message ? query->message : "the connection was lost");
        bf_walk_back_off(walk, BF_REPLICA_UNREACHABLE, text, false);
        return false;
    }
    return true;
}
