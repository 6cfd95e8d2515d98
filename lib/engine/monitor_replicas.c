/* Replicas that are asked themselves: twice a second a heartbeat is written on the primary, behind each sample, and each
 * replica that the configuration names is asked for it through a connection of its own, right then and again until it
 * shows it. lib/pace/replica.h makes a lag of that. What a replica says of itself gives the reason in words, and is asked
 * for only while it does not show the newest heartbeat: a server may make it wait. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "monitor.h"

/* Milliseconds. */
enum {
    ASK_SOON = 20,       /* until it is asked again; doubled each time up to */
    ASK_LATER = 100,
    LATE = 1000,         /* from when on it does not show the newest heartbeat, something may be wrong with it */
    STATUS_EVERY = 1000,
    BEAT_FRESH = 2000,   /* an older heartbeat says nothing of now */
    FILTERED_AFTER = 3000
};
static const double at_once = 2; /* seconds behind, in whole seconds as a server counts them: it is not */

struct bf_reader {
    struct bf_line line;
    char name[BF_REPLICA_NAME];
    struct bf_timer *timer;
    int asked;              /* times since the newest heartbeat */
    int64_t number;         /* the newest heartbeat that it showed; under heart.first: none */
    double lag;             /* seconds: how old that was when it was shown first */
    int64_t newest_at;      /* monotonic milliseconds: when it showed the newest one last */
    int64_t status_at;      /* it was asked for its status; BF_SIGNAL_NEVER: not through this connection */
    bool writable, in_order;
    char server[80];        /* as it names itself */
    struct bf_replication replication;
    char words[BF_REPLICA_WORDS];
    int64_t expected_at;    /* monotonic milliseconds: it was named, or listed by its primary */
};

static int64_t now_of(const struct bf_monitor *monitor)
{
    return monitor->engine->world->monotonic(monitor->engine->world->context);
}

static struct bf_reader *reader_of(struct bf_line *line)
{
    return (struct bf_reader *)line; /* its first member */
}

static struct bf_watched *watched_of(const struct bf_reader *reader)
{
    return bf_watched_find(&reader->line.monitor->replicas, reader->name); /* named, so it is there */
}

/* ---- what is asked ---- */

static bool wants_status(const struct bf_reader *reader, int64_t now)
{
    if (reader->status_at == BF_SIGNAL_NEVER)
        return true;
    return now - reader->status_at >= STATUS_EVERY && (now - reader->newest_at >= LATE || watched_of(reader)->promoted);
}

static void fly(struct bf_line *line)
{
    struct bf_reader *reader = reader_of(line);
    const struct bf_dialect *dialect = line->database->dialect;
    int64_t now = now_of(line->monitor);
    reader->asked++;
    bf_step_text(bf_flight_add(&line->flight, BF_STATEMENT_READ_BEAT, dialect->common(BF_STATEMENT_READ_BEAT)),
                 line->monitor->heart.writer);
    if (!wants_status(reader, now))
        return;
    reader->status_at = now;
    bf_flight_add(&line->flight, BF_STATEMENT_REPLICA_SERVER, dialect->common(BF_STATEMENT_REPLICA_SERVER))->new_group = true;
    bf_flight_add(&line->flight, BF_STATEMENT_REPLICA_STATUS, dialect->common(BF_STATEMENT_REPLICA_STATUS))->new_group = true;
}

/* ---- what it says ---- */

static void take_status(struct bf_reader *reader, const struct bf_answer *server, const struct bf_answer *status)
{
    const char *name = bf_answer_value(server, 0, 0);
    snprintf(reader->server, sizeof reader->server, "%s", name ? name : "");
    reader->writable = bf_answer_true(server, 0, 1);
    reader->in_order = bf_answer_true(server, 0, 2);
    reader->line.database->dialect->read_replication(status, &reader->replication, reader->words, sizeof reader->words);
}

/* It is the very server that is written to, or one that could be and replicates from nobody. */
static bool is_promoted(const struct bf_reader *reader)
{
    const struct bf_heart *heart = &reader->line.monitor->heart;
    return (*reader->server && strcmp(reader->server, heart->server) == 0) ||
           (reader->status_at != BF_SIGNAL_NEVER && reader->writable && !reader->replication.follows);
}

static void measure(struct bf_reader *reader, struct bf_watched *replica, double position, double lag, bool first_seen)
{
    struct bf_monitor *monitor = reader->line.monitor;
    struct bf_watched_view view = {.name = reader->name, .position = position, .lag = lag, .first_seen = first_seen};
    bf_watched_read(&monitor->replicas, replica, now_of(monitor), &view);
    if (!monitor->heart.in_bytes)
        replica->bytes = -1;
}

/* It shows none of ours yet: far behind, or it stands still, or they do not come to it at all. */
static void take_nothing(struct bf_reader *reader, struct bf_watched *replica, int64_t now)
{
    const struct bf_watched_list *replicas = &reader->line.monitor->replicas;
    const struct bf_replication *replication = &reader->replication;
    if (!replication->runs || !(replication->behind >= 0 && replication->behind < at_once)) {
        measure(reader, replica, replicas->positions[0].position - 1, -1, false);
        return;
    }
    replica->present = true;
    if (now - replicas->positions[0].at >= FILTERED_AFTER && replica->lag_at == BF_SIGNAL_NEVER)
        snprintf(replica->words, sizeof replica->words, "it replicates and does not show the heartbeat in the schema backfilld: "
                 "is that filtered out (replicate_do_db and the like), or is it no replica of this primary?");
}

static void take_beat(struct bf_reader *reader, struct bf_watched *replica, const struct bf_beat_seen *seen)
{
    struct bf_monitor *monitor = reader->line.monitor;
    const struct bf_heart *heart = &monitor->heart;
    int64_t now = now_of(monitor), number = seen->number;
    double position = seen->position;
    if (!reader->in_order) {
        replica->present = true;
        snprintf(replica->words, sizeof replica->words, "it commits in another order than its primary "
                 "(replica_preserve_commit_order is OFF), so the heartbeat may be there before what was written before it");
        return;
    }
    if (heart->written_at == BF_SIGNAL_NEVER || now - heart->written_at > BEAT_FRESH)
        return; /* there is nothing that it could have shown */
    if (!seen->there || number < heart->first) {
        take_nothing(reader, replica, now);
        return;
    }
    if (number >= heart->written) { /* also what was written and not answered yet */
        number = heart->written;
        position = heart->written_position;
        reader->newest_at = now;
        replica->words[0] = '\0';
    }
    if (number != reader->number)
        reader->lag = bf_watched_age(&monitor->replicas, position, now);
    reader->number = number;
    measure(reader, replica, position, reader->lag, true);
}

static void landed(struct bf_line *line, const struct bf_answer *answers)
{
    struct bf_reader *reader = reader_of(line);
    struct bf_monitor *monitor = line->monitor;
    struct bf_watched *replica = watched_of(reader);
    struct bf_beat_seen seen;
    if (line->flight.count > 1) {
        take_status(reader, &answers[1], &answers[2]);
        snprintf(replica->words, sizeof replica->words, "%s", reader->words);
    }
    replica->promoted = is_promoted(reader);
    line->trouble[0] = '\0';
    if (line->database->dialect->read_beat(&answers[0], &seen))
        take_beat(reader, replica, &seen);
    else
        snprintf(replica->words, sizeof replica->words, "the heartbeat cannot be read there: %.180s",
                 answers[0].message ? answers[0].message : "no answer");
    if (reader->number < monitor->heart.written) {
        int delay = reader->asked > 3 ? ASK_LATER : ASK_SOON << (reader->asked > 0 ? reader->asked - 1 : 0);
        monitor->engine->world->timer_start(reader->timer, delay);
    }
    bf_monitor_mark(monitor);
}

/* A promotion that cannot be seen any more is none. */
static void lost(struct bf_line *line)
{
    struct bf_reader *reader = reader_of(line);
    struct bf_watched *replica = watched_of(reader);
    reader->status_at = BF_SIGNAL_NEVER;
    reader->server[0] = '\0';
    replica->present = replica->promoted = false;
    snprintf(replica->words, sizeof replica->words, "it cannot be asked: %.200s", line->trouble);
}

/* ---- the heartbeat ---- */

static void begin_anew(struct bf_monitor *monitor)
{
    struct bf_heart *heart = &monitor->heart;
    bf_watched_forget_positions(&monitor->replicas);
    heart->first = heart->number + 1;
    heart->written_at = BF_SIGNAL_NEVER;
    heart->written = heart->number;
    heart->position = -1;
    for (size_t i = 0; i < heart->reader_count; i++)
        heart->readers[i]->number = 0;
}

void bf_heart_sampled(struct bf_monitor *monitor, const char *server)
{
    struct bf_heart *heart = &monitor->heart;
    bool known = monitor->position >= 0, again = heart->connection != monitor->samples.connections;
    /* What one server wrote to its log cannot be compared with what another one did, or with what it did before it was
     * started anew. */
    if (strcmp(heart->server, server) != 0 || known != heart->in_bytes ||
        (known && again && monitor->position < heart->position))
        begin_anew(monitor);
    snprintf(heart->server, sizeof heart->server, "%s", server);
    heart->connection = monitor->samples.connections;
    heart->in_bytes = known;
    /* Rising, whatever the server counts: a sum over its sessions may fall for a moment, and FLUSH STATUS takes it back. */
    double least = heart->position + 1, position = known ? monitor->position : (double)(heart->number + 1);
    heart->position = position > least ? position : least;
    heart->due = true;
}

void bf_heart_fly(struct bf_monitor *monitor, struct bf_flight *flight)
{
    struct bf_heart *heart = &monitor->heart;
    struct bf_step *beat =
        bf_flight_add(flight, BF_STATEMENT_BEAT, monitor->target->database->dialect->common(BF_STATEMENT_BEAT));
    heart->due = false;
    heart->number++; /* what was lost on the way may have arrived: no number is used again */
    bf_step_text(beat, heart->writer);
    bf_step_number(beat, heart->number);
    bf_step_number(beat, (int64_t)heart->position);
    bf_step_text(beat, heart->number == heart->first ? "t" : "f");
}

void bf_heart_beaten(struct bf_monitor *monitor, const struct bf_answer *answer)
{
    struct bf_heart *heart = &monitor->heart;
    char *trouble = monitor->samples.trouble;
    trouble[0] = '\0';
    if (answer->outcome == BF_OUTCOME_OK) {
        heart->written_at = now_of(monitor);
        heart->written = heart->number;
        heart->written_position = heart->position;
        bf_watched_beat(&monitor->replicas, heart->written_at, heart->position);
    } else {
        snprintf(trouble, sizeof monitor->samples.trouble, "the heartbeat cannot be written: %.300s",
                 answer->message ? answer->message : "no answer");
    }
    for (size_t i = 0; i < heart->reader_count; i++) {
        heart->readers[i]->asked = 0;
        bf_line_attend(&heart->readers[i]->line);
    }
}

/* ---- their life ---- */

static void on_timer(void *argument)
{
    struct bf_reader *reader = argument;
    bf_line_attend(&reader->line);
}

static void draw_writer(struct bf_monitor *monitor)
{
    const struct bf_world *world = monitor->engine->world;
    uint64_t random;
    world->random(world->context, &random, sizeof random);
    snprintf(monitor->heart.writer, sizeof monitor->heart.writer, "%016llx", (unsigned long long)random);
}

static struct bf_reader *new_reader(struct bf_monitor *monitor, const struct bf_replica *replica)
{
    const struct bf_world *world = monitor->engine->world;
    struct bf_reader *reader = BF_NEW(struct bf_reader);
    *reader = (struct bf_reader){.status_at = BF_SIGNAL_NEVER, .newest_at = now_of(monitor)};
    reader->line = (struct bf_line){.monitor = monitor, .database = replica->database, .needs_no_database = true,
                                    .application_name = "backfilld replica", .fly = fly, .landed = landed, .lost = lost};
    snprintf(reader->name, sizeof reader->name, "%s", replica->name);
    reader->timer = world->timer_new(world->context, on_timer, reader);
    return reader;
}

static void free_reader(struct bf_reader *reader)
{
    bf_line_hang_up(&reader->line, NULL);
    bf_flight_clear(&reader->line.flight);
    reader->line.monitor->engine->world->timer_free(reader->timer);
    free(reader);
}

static void name_them(struct bf_monitor *monitor)
{
    const char *names[BF_WATCHED_MAX];
    for (size_t i = 0; i < monitor->heart.reader_count; i++)
        names[i] = monitor->heart.readers[i]->name;
    bf_watched_name(&monitor->replicas, names, monitor->heart.reader_count);
}

bool bf_heart_expect(struct bf_monitor *monitor, const struct bf_replica *replica)
{
    struct bf_heart *heart = &monitor->heart;
    struct bf_reader *reader = NULL;
    for (size_t i = 0; i < heart->reader_count && !reader; i++)
        if (strncmp(heart->readers[i]->name, replica->name, sizeof reader->name - 1) == 0)
            reader = heart->readers[i];
    if (!reader && heart->reader_count == BF_WATCHED_MAX)
        return false;
    if (!reader) {
        reader = heart->readers[heart->reader_count++] = new_reader(monitor, replica);
        name_them(monitor);
    }
    reader->expected_at = now_of(monitor);
    return true;
}

void bf_heart_forget(struct bf_monitor *monitor, int64_t before)
{
    struct bf_heart *heart = &monitor->heart;
    size_t kept = 0;
    for (size_t i = 0; i < heart->reader_count; i++) {
        struct bf_reader *reader = heart->readers[i];
        if (reader->expected_at >= before || watched_of(reader)->seen_at >= before)
            heart->readers[kept++] = reader;
        else
            free_reader(reader);
    }
    heart->reader_count = kept;
    name_them(monitor);
}

/* Those that were seen of late are expected, whether or not their primary lists them. */
static void expect_the_seen(struct bf_monitor *monitor)
{
    const struct bf_target *target = monitor->target;
    const struct bf_watched_list seen = monitor->replicas;
    for (size_t i = 0; i < seen.count; i++) {
        const struct bf_watched *replica = &seen.list[i];
        const struct bf_replica *known = NULL;
        if (replica->named && replica->seen_at > 0 && now_of(monitor) - replica->seen_at <= BF_REPLICA_EXPECTED)
            known = target->replica_at(target->replica_context, replica->name);
        if (known)
            bf_heart_expect(monitor, known);
    }
}

void bf_heart_begin(struct bf_monitor *monitor)
{
    const struct bf_target *target = monitor->target;
    struct bf_heart *heart = &monitor->heart;
    heart->asks = bf_target_asks_replicas(target);
    heart->hosts_due = 0;
    heart->hosts_at = BF_SIGNAL_NEVER;
    if (!heart->asks) {
        if (monitor->replicas.count && monitor->replicas.list[0].named)
            bf_watched_name(&monitor->replicas, NULL, 0); /* the configuration has others now */
        return;
    }
    if (!heart->writer[0])
        draw_writer(monitor);
    if (target->replica_at)
        expect_the_seen(monitor);
    for (size_t i = 0; i < target->replica_count && !target->replica_at; i++)
        bf_heart_expect(monitor, &target->replicas[i]);
    name_them(monitor);
}

void bf_heart_end(struct bf_monitor *monitor)
{
    struct bf_heart *heart = &monitor->heart;
    for (size_t i = 0; i < heart->reader_count; i++)
        free_reader(heart->readers[i]);
    heart->reader_count = 0;
    heart->server[0] = '\0';
    heart->asks = heart->due = false;
}
