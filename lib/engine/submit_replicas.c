/* How far the replicas are, for a plan. A primary of PostgreSQL says it itself; of the others each replica is asked, all at
 * once, through a session that is there for this question. The heartbeat (monitor_replicas.c) is more exact, but it is
 * written, and a plan leaves nothing behind: here counts what a replica says of itself, in whole seconds. Whom people
 * ordered to ignore does not count. */
#include <string.h>

#include "allocate.h"
#include "ignored_list.h"
#include "monitor.h"
#include "submission.h"

enum {
    CONNECT_TIMEOUT = 1500, /* milliseconds */
    TIMEOUT = 2500          /* milliseconds; who has not answered by then is not waited for */
};

struct asked {
    struct bf_asking *asking;
    const struct bf_replica *replica;
    struct bf_session *session; /* NULL: it has answered, or never will */
    struct bf_flight flight;
};

struct bf_asking {
    struct bf_submission *submission;
    struct asked list[BF_WATCHED_MAX];
    size_t count, open; /* open: that have not answered yet */
    struct bf_timer *deadline;
};

void bf_submission_forget_replicas(struct bf_submission *submission)
{
    json_decref(submission->replicas);
    free(submission->lag_of);
    free(submission->lag_hidden);
    free(submission->replicas_stopped);
    submission->replicas = NULL;
    submission->lag_of = submission->lag_hidden = submission->replicas_stopped = NULL;
    submission->stopped_count = 0;
    submission->lag = -1;
}

void bf_submission_take_lag(struct bf_submission *submission, const char *replica, double lag)
{
    if (lag <= submission->lag || bf_ignored_find(submission->engine, submission->target->name, replica))
        return;
    submission->lag = lag;
    free(submission->lag_of);
    submission->lag_of = bf_copy_string(replica);
}

/* A list of "NAME (words)", for people. */
static void add_words(char **list, const char *name, const char *words)
{
    char *longer = bf_format("%s%s%s (%s)", *list ? *list : "", *list ? ", " : "", name, words);
    free(*list);
    *list = longer;
}

static void hang_up(struct asked *asked)
{
    if (asked->session)
        asked->replica->database->close(asked->session);
    asked->session = NULL;
    bf_flight_clear(&asked->flight);
}

void bf_asking_free(struct bf_submission *submission)
{
    struct bf_asking *asking = submission->asking;
    if (!asking)
        return;
    for (size_t i = 0; i < asking->count; i++)
        hang_up(&asking->list[i]);
    submission->engine->world->timer_free(asking->deadline);
    free(asking);
    submission->asking = NULL;
}

/* The last answer is there: the plan goes on. What answered is gone behind this. */
static void answered(struct asked *asked)
{
    struct bf_asking *asking = asked->asking;
    struct bf_submission *submission = asking->submission;
    hang_up(asked);
    if (--asking->open > 0)
        return;
    bf_asking_free(submission);
    bf_submission_replicas_asked(submission);
}

static void not_told(struct asked *asked, const char *why)
{
    add_words(&asked->asking->submission->lag_hidden, asked->replica->name, why ? why : "it does not answer");
}

static void told(struct asked *asked, const struct bf_answer *status)
{
    struct bf_submission *submission = asked->asking->submission;
    struct bf_replication replication;
    char words[BF_REPLICA_WORDS];
    asked->replica->database->dialect->read_replication(status, &replication, words, sizeof words);
    if (status->outcome != BF_OUTCOME_OK) {
        not_told(asked, words);
    } else if (!replication.follows || (!replication.runs && *words)) {
        add_words(&submission->replicas_stopped, asked->replica->name, words);
        submission->stopped_count++;
    } else if (replication.behind < 0) {
        not_told(asked, "it does not say how far it is behind");
    } else {
        bf_submission_take_lag(submission, asked->replica->name, replication.behind);
    }
}

static void landed(void *argument, struct bf_session *session, struct bf_flight *flight, const struct bf_answer *answers, bool lost)
{
    (void)session, (void)flight;
    struct asked *asked = argument;
    if (lost)
        not_told(asked, "the connection was lost");
    else
        told(asked, &answers[0]);
    answered(asked);
}

static void connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    struct asked *asked = argument;
    const struct bf_database *database = asked->replica->database;
    if (error_class != BF_CLASS_NONE) {
        not_told(asked, text);
        answered(asked);
        return;
    }
    bf_flight_add(&asked->flight, BF_STATEMENT_REPLICA_STATUS, database->dialect->common(BF_STATEMENT_REPLICA_STATUS));
    database->execute(session, &asked->flight, landed, asked);
}

static void too_late(void *argument)
{
    struct bf_asking *asking = argument;
    struct bf_submission *submission = asking->submission;
    for (size_t i = 0; i < asking->count; i++)
        if (asking->list[i].session)
            not_told(&asking->list[i], "it did not answer in time");
    bf_asking_free(submission);
    bf_submission_replicas_asked(submission);
}

/* NULL: it is ignored, or cannot be asked at all. */
static const struct bf_replica *replica_of(struct bf_submission *submission, const char *name)
{
    const struct bf_target *target = submission->target;
    if (bf_ignored_find(submission->engine, target->name, name))
        return NULL;
    if (target->replica_at)
        return target->replica_at(target->replica_context, name);
    for (size_t i = 0; i < target->replica_count; i++)
        if (strcmp(target->replicas[i].name, name) == 0)
            return &target->replicas[i];
    return NULL;
}

bool bf_submission_ask_replicas(struct bf_submission *submission)
{
    static const struct bf_session_options options = {.application_name = "backfilld plan", .lock_timeout = 1000, .statement_timeout = TIMEOUT,
                                                      .connect_timeout = CONNECT_TIMEOUT, .needs_no_database = true};
    const struct bf_world *world = submission->engine->world;
    struct bf_asking *asking;
    const json_t *name;
    size_t i;
    if (!bf_target_asks_replicas(submission->target))
        return false;
    asking = submission->asking = BF_NEW(struct bf_asking);
    *asking = (struct bf_asking){.submission = submission};
    json_array_foreach (submission->replicas, i, name) {
        const struct bf_replica *replica = asking->count < BF_WATCHED_MAX ? replica_of(submission, json_string_value(name)) : NULL;
        if (replica)
            asking->list[asking->count++] = (struct asked){.asking = asking, .replica = replica};
    }
    asking->deadline = world->timer_new(world->context, too_late, asking);
    asking->open = asking->count;
    if (asking->count == 0) {
        bf_asking_free(submission);
        return false;
    }
    world->timer_start(asking->deadline, TIMEOUT);
    for (i = 0; i < asking->count; i++) {
        struct asked *asked = &asking->list[i];
        asked->session = asked->replica->database->connect(asked->replica->database->context, &options, connected, asked);
    }
    return true;
}

/* ---- what the plan says of them ---- */

static void set_hidden(const struct bf_submission *submission, struct bf_facts *facts)
{
    bool asks = bf_target_asks_replicas(submission->target);
    BF_AUTO_STRING char *right = asks ? bf_copy_string("") : bf_format("GRANT %s, or ", submission->target->database->dialect->watch_right);
    BF_AUTO_STRING char *why = bf_format("they are not to be seen: %ssee `replicas` in the configuration", right);
    bf_facts_unknown(facts, BF_FACT_REPLICAS, why);
}

void bf_submission_replica_facts(const struct bf_submission *submission, struct bf_facts *facts)
{
    const struct bf_fact *replicas = &facts->of[BF_FACT_REPLICAS];
    if (!submission->target->watch_replicas)
        bf_facts_set(facts, BF_FACT_REPLICAS, 0, "replicas = none");
    else if (submission->replicas_hidden)
        set_hidden(submission, facts);
    else if (submission->replicas)
        bf_facts_set(facts, BF_FACT_REPLICAS, (double)json_array_size(submission->replicas), NULL);
    if (submission->stopped_count > 0)
        bf_facts_set(facts, BF_FACT_REPLICAS_STOPPED, submission->stopped_count, submission->replicas_stopped);
    if (!replicas->known)
        bf_facts_unknown(facts, BF_FACT_REPLICATION_LAG, replicas->detail);
    else if (submission->lag_hidden)
        bf_facts_unknown(facts, BF_FACT_REPLICATION_LAG, submission->lag_hidden);
    else if (replicas->value == 0)
        bf_facts_set(facts, BF_FACT_REPLICATION_LAG, 0, NULL);
    else if (submission->lag >= 0)
        bf_facts_set(facts, BF_FACT_REPLICATION_LAG, submission->lag, submission->lag_of);
    else
        bf_facts_unknown(facts, BF_FACT_REPLICATION_LAG, submission->stopped_count > 0 ? "no replica replicates" : "none of them is heeded");
}
