/* The monitor's life: whose jobs run, sessions that come and go, when the next sample is due. Nothing here decides. */
#include "monitor.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "triggers.h"

static int64_t now_of(const struct bf_monitor *monitor)
{
    return monitor->engine->world->monotonic(monitor->engine->world->context);
}

/* ---- samples ---- */

static void fly_sample(struct bf_line *line)
{
    struct bf_monitor *monitor = line->monitor;
    const struct bf_dialect *dialect = monitor->target->database->dialect;
    if (monitor->heart.due) {
        bf_heart_fly(monitor, &line->flight);
        return;
    }
    bf_flight_add(&line->flight, BF_STATEMENT_SAMPLE, dialect->common(BF_STATEMENT_SAMPLE));
    if (dialect->common(BF_STATEMENT_LOG_WRITTEN))
        bf_flight_add(&line->flight, BF_STATEMENT_LOG_WRITTEN, dialect->common(BF_STATEMENT_LOG_WRITTEN))->new_group = true;
    /* Behind the sample: what was written before it is what the answer to it has to cover. */
    if (!monitor->heart.asks && monitor->target->watch_replicas && (monitor->walsenders || monitor->replicas.count))
        bf_flight_add(&line->flight, BF_STATEMENT_BEAT, dialect->common(BF_STATEMENT_BEAT))->new_group = true;
    bf_hosts_ask(monitor, &line->flight);
    bf_monitor_ask_slow(line->monitor, &line->flight);
}

void bf_monitor_mark(const struct bf_monitor *monitor)
{
    for (struct bf_job *job = monitor->engine->working; job; job = job->next_working)
        if (bf_monitor_serves(monitor, job))
            bf_engine_mark(job);
}

static void take_sample(struct bf_line *line, const struct bf_answer *answers)
{
    struct bf_monitor *monitor = line->monitor;
    const struct bf_answer *beat = NULL, *log = NULL;
    for (size_t i = 1; i < line->flight.count; i++) {
        if (line->flight.steps[i].statement == BF_STATEMENT_BEAT)
            beat = &answers[i];
        if (line->flight.steps[i].statement == BF_STATEMENT_LOG_WRITTEN)
            log = &answers[i];
    }
    if (answers[0].outcome != BF_OUTCOME_OK) {
        snprintf(line->trouble, sizeof line->trouble, "%s", answers[0].message ? answers[0].message : "no answer");
        return;
    }
    if (!monitor->heart.asks) /* else the heartbeat may be in trouble still */
        line->trouble[0] = '\0';
    if (beat && beat->outcome != BF_OUTCOME_OK)
        snprintf(line->trouble, sizeof line->trouble, "the heartbeat cannot be written: %.300s",
                 beat->message ? beat->message : "no answer");
    monitor->taken++;
    bf_monitor_take_sample(monitor, &answers[0], log);
    bf_monitor_take_slow(monitor, line, answers);
    bf_hosts_take(monitor, &line->flight, answers);
    bf_monitor_mark(monitor);
}

static void sample_landed(struct bf_line *line, const struct bf_answer *answers)
{
    if (line->flight.steps[0].statement == BF_STATEMENT_BEAT)
        bf_heart_beaten(line->monitor, &answers[0]);
    else
        take_sample(line, answers);
    if (line->monitor->heart.due)
        bf_line_take_off(line);
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
    return bf_triggers_need(monitor);
}

static void rest(struct bf_monitor *monitor)
{
    if (!monitor->target)
        return;
    bf_line_hang_up(&monitor->samples, NULL);
    bf_line_hang_up(&monitor->queries, NULL);
    bf_line_hang_up(&monitor->triggers, NULL);
    bf_heart_end(monitor);
    monitor->asked = NULL;
    monitor->trigger = NULL;
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
    bf_line_attend(&monitor->samples);
    if (bf_monitor_has_queries(monitor))
        bf_line_attend(&monitor->queries);
    else if (!monitor->queries.flying)
        bf_line_hang_up(&monitor->queries, NULL);
    bf_triggers_attend(monitor);
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
    monitor->samples.trouble[0] = monitor->queries.trouble[0] = monitor->triggers.trouble[0] = '\0';
    monitor->samples.database = monitor->queries.database = monitor->triggers.database = target->database;
    bf_heart_begin(monitor);
    bf_line_attend(&monitor->samples);
    if (bf_monitor_has_queries(monitor))
        bf_line_attend(&monitor->queries);
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
    monitor->triggers = (struct bf_line){.monitor = monitor, .application_name = "backfilld triggers", .fly = bf_triggers_fly,
                                         .landed = bf_triggers_landed, .lost = bf_triggers_lost};
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
        bf_flight_clear(&monitor->triggers.flight);
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
