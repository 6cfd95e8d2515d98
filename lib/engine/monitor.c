/* The monitor's life: whose jobs run, sessions that come and go, when the next sample is due. Nothing here decides. */
#include "monitor.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"

enum { CONNECT_TIMEOUT = 4000, STATEMENT_TIMEOUT = 3000, LOCK_TIMEOUT = 1000 /* milliseconds */ };

static int64_t now_of(const struct bf_monitor *monitor)
{
    return monitor->engine->world->monotonic(monitor->engine->world->context);
}

/* ---- sessions ---- */

static void hang_up(struct bf_line *line, const char *why)
{
    if (line->session)
        line->monitor->target->database->close(line->session);
    line->session = NULL;
    line->connected = line->flying = false;
    if (why)
        snprintf(line->trouble, sizeof line->trouble, "%s", why);
}

static const struct bf_answer *first_error(const struct bf_flight *flight, const struct bf_answer *answers)
{
    for (size_t i = 0; i < flight->count; i++)
        if (answers[i].outcome == BF_OUTCOME_ERROR || answers[i].outcome == BF_OUTCOME_UNKNOWN)
            return &answers[i];
    return NULL;
}

static void on_done(void *argument, struct bf_session *session, struct bf_flight *flight,
                    const struct bf_answer *answers, bool lost)
{
    (void)session;
    struct bf_line *line = argument;
    const struct bf_answer *error = first_error(flight, answers);
    line->flying = false;
    if (lost) {
        hang_up(line, error && error->message ? error->message : "the connection was lost");
        return;
    }
    line->landed(line, answers);
}

static void take_off(struct bf_line *line)
{
    bf_flight_clear(&line->flight);
    line->fly(line);
    if (line->flight.count == 0)
        return;
    line->flying = true;
    line->since = now_of(line->monitor);
    line->monitor->target->database->execute(line->session, &line->flight, on_done, line);
}

static void on_connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    (void)session;
    struct bf_line *line = argument;
    if (error_class != BF_CLASS_NONE) {
        hang_up(line, text ? text : "the server does not answer");
        return;
    }
    line->connected = true;
    take_off(line);
}

static void dial(struct bf_line *line)
{
    const struct bf_database *database = line->monitor->target->database;
    struct bf_session_options options = {.application_name = line->application_name,
                                         .lock_timeout = LOCK_TIMEOUT,
                                         .statement_timeout = STATEMENT_TIMEOUT,
                                         .connect_timeout = CONNECT_TIMEOUT};
    line->since = now_of(line->monitor);
    line->connected = line->flying = false;
    line->session = database->connect(database->context, &options, on_connected, line);
}

static void attend(struct bf_line *line)
{
    bool waits = line->session && (!line->connected || line->flying);
    if (waits && now_of(line->monitor) - line->since < BF_MONITOR_PATIENCE)
        return;
    if (waits)
        hang_up(line, "the server does not answer");
    if (!line->session)
        dial(line);
    else
        take_off(line);
}

/* ---- samples ---- */

static void fly_sample(struct bf_line *line)
{
    const struct bf_monitor *monitor = line->monitor;
    const struct bf_dialect *dialect = monitor->target->database->dialect;
    bf_flight_add(&line->flight, BF_STATEMENT_SAMPLE, dialect->common(BF_STATEMENT_SAMPLE));
    /* Behind the sample: what was written before it is what the answer to it has to cover. */
    if (monitor->target->watch_replicas && (monitor->walsenders || monitor->replicas.count))
        bf_flight_add(&line->flight, BF_STATEMENT_BEAT, dialect->common(BF_STATEMENT_BEAT))->new_group = true;
    bf_monitor_ask_slow(line->monitor, &line->flight);
}

static void sample_landed(struct bf_line *line, const struct bf_answer *answers)
{
    struct bf_monitor *monitor = line->monitor;
    bool has_beat = line->flight.count > 1 && line->flight.steps[1].statement == BF_STATEMENT_BEAT;
    const struct bf_answer *beat = has_beat ? &answers[1] : NULL;
    if (answers[0].outcome != BF_OUTCOME_OK) {
        snprintf(line->trouble, sizeof line->trouble, "%s", answers[0].message ? answers[0].message : "no answer");
        return;
    }
    line->trouble[0] = '\0';
    if (beat && beat->outcome != BF_OUTCOME_OK)
        snprintf(line->trouble, sizeof line->trouble, "the heartbeat cannot be written: %.300s",
                 beat->message ? beat->message : "no answer");
    monitor->taken++;
    bf_monitor_take_sample(monitor, &answers[0]);
    bf_monitor_take_slow(monitor, line, answers);
    for (struct bf_job *job = monitor->engine->working; job; job = job->next_working)
        if (bf_monitor_serves(monitor, job))
            bf_engine_mark(job);
}

/* ---- who needs it ---- */

bool bf_monitor_serves(const struct bf_monitor *monitor, const struct bf_job *job)
{
    return job->target == monitor->target && !bf_walk_over(job);
}

static bool is_needed(const struct bf_monitor *monitor)
{
    for (const struct bf_job *job = monitor->engine->working; job; job = job->next_working)
        if (bf_monitor_serves(monitor, job))
            return true;
    return false;
}

static void rest(struct bf_monitor *monitor)
{
    if (!monitor->target)
        return;
    hang_up(&monitor->samples, NULL);
    hang_up(&monitor->queries, NULL);
    monitor->asked = NULL;
    monitor->engine->world->timer_stop(monitor->timer);
    monitor->target = NULL;
    monitor->sampled_at = BF_SIGNAL_NEVER;
    monitor->signal_count = monitor->slow_count = 0;
    monitor->slow_due = 0;
    monitor->slow_at = monitor->paused_at = BF_SIGNAL_NEVER;
    monitor->may_count_archive = false;
    bf_watched_forget_positions(&monitor->replicas);
}

void bf_monitor_review(struct bf_monitor *monitor)
{
    if (monitor->target && !is_needed(monitor))
        rest(monitor);
}

static void arm(struct bf_monitor *monitor)
{
    monitor->engine->world->timer_start(monitor->timer,
                                        monitor->taken < BF_MONITOR_FIRST ? BF_MONITOR_SOON : BF_MONITOR_EVERY);
}

static void on_timer(void *argument)
{
    struct bf_monitor *monitor = argument;
    bf_monitor_review(monitor);
    if (!monitor->target)
        return;
    attend(&monitor->samples);
    if (bf_monitor_has_queries(monitor))
        attend(&monitor->queries);
    else if (!monitor->queries.flying)
        hang_up(&monitor->queries, NULL);
    arm(monitor);
}

void bf_monitor_need(struct bf_job *job)
{
    const struct bf_target *target = job->target;
    if (!target->database->dialect->common(BF_STATEMENT_SAMPLE))
        return;
    struct bf_monitor *monitor = bf_monitor_of(job->engine, target->name);
    if (monitor->target == target)
        return;
    rest(monitor); /* the target is connected anew: its sessions belong to the former one */
    monitor->target = target;
    monitor->taken = 0;
    monitor->started_at = now_of(monitor);
    monitor->samples.trouble[0] = monitor->queries.trouble[0] = '\0';
    attend(&monitor->samples);
    if (bf_monitor_has_queries(monitor))
        attend(&monitor->queries);
    arm(monitor);
}

void bf_monitor_forget(struct bf_job *job)
{
    for (struct bf_monitor *monitor = job->engine->monitors; monitor; monitor = monitor->next)
        if (monitor->asked == job)
            monitor->asked = NULL;
}

/* ---- all of them ---- */

static struct bf_monitor *by_name(const struct bf_engine *engine, const char *target)
{
    struct bf_monitor *monitor = engine->monitors;
    while (monitor && strcmp(monitor->name, target) != 0)
        monitor = monitor->next;
    return monitor;
}

const struct bf_monitor *bf_monitor_find(const struct bf_engine *engine, const char *target)
{
    return by_name(engine, target);
}

struct bf_monitor *bf_monitor_of(struct bf_engine *engine, const char *target)
{
    struct bf_monitor *monitor = by_name(engine, target);
    if (monitor)
        return monitor;
    monitor = BF_NEW(struct bf_monitor);
    monitor->engine = engine;
    monitor->name = bf_copy_string(target);
    monitor->timer = engine->world->timer_new(engine->world->context, on_timer, monitor);
    monitor->sampled_at = monitor->slow_at = monitor->paused_at = BF_SIGNAL_NEVER;
    monitor->samples = (struct bf_line){.monitor = monitor, .application_name = "backfilld monitor", .fly = fly_sample,
                                        .landed = sample_landed};
    monitor->queries = (struct bf_line){.monitor = monitor, .application_name = "backfilld signals",
                                        .fly = bf_monitor_fly_queries, .landed = bf_monitor_take_queries};
    monitor->next = engine->monitors;
    engine->monitors = monitor;
    return monitor;
}

void bf_monitors_drop(struct bf_engine *engine)
{
    for (struct bf_monitor *monitor = engine->monitors, *next; monitor; monitor = next) {
        next = monitor->next;
        rest(monitor);
        engine->world->timer_free(monitor->timer);
        bf_flight_clear(&monitor->samples.flight);
        bf_flight_clear(&monitor->queries.flight);
        free(monitor->name);
        free(monitor);
    }
    engine->monitors = NULL;
}

const struct bf_signal *bf_monitor_signal_called(const struct bf_monitor *monitor, const char *name)
{
    for (size_t i = 0; i < monitor->signal_count; i++)
        if (strcmp(monitor->signals[i].name, name) == 0)
            return &monitor->signals[i];
    for (size_t i = 0; i < monitor->slow_count; i++)
        if (strcmp(monitor->slow[i].name, name) == 0)
            return &monitor->slow[i];
    return NULL;
}
