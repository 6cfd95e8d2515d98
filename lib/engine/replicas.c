/* What people see of a target's replicas and signals, and what they order about them. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "duration.h"
#include "ignored_list.h"
#include "monitor.h"

enum { IGNORE_FOR = 3600000 /* milliseconds */ };

static bool runs_on(const struct bf_job *job, const char *target)
{
    return !bf_walk_over(job) && job->hold && strcmp(job->record.document->target, target) == 0;
}

static int64_t now_of(const struct bf_engine *engine)
{
    return engine->world->monotonic(engine->world->context);
}

/* Until when a job that runs has set it aside; monotonic milliseconds, 0: none has. */
static int64_t aside_until(const struct bf_engine *engine, const char *target, const char *replica)
{
    int64_t until = 0, now = now_of(engine);
    for (const struct bf_job *job = engine->working; job; job = job->next_working)
        if (runs_on(job, target) && bf_aside_is(&job->hold->asides, replica, now) &&
            bf_aside_until(&job->hold->asides, replica) > until)
            until = bf_aside_until(&job->hold->asides, replica);
    return until;
}

static void show(const struct bf_engine *engine, const char *target, bool watching, const struct bf_watched *replica,
                 struct bf_seen_replica *seen)
{
    int64_t now = now_of(engine), unix_now = engine->world->unix_time(engine->world->context);
    int64_t until = aside_until(engine, target, replica->name);
    const struct bf_ignored_replica *entry = bf_ignored_find(engine, target, replica->name);
    *seen = (struct bf_seen_replica){.replica = replica, .reason = "", .state = "heeded", .age = -1};
    if (replica->lag_at != BF_SIGNAL_NEVER)
        seen->age = (double)(now - replica->lag_at) / 1000;
    if (entry) {
        seen->state = "ignored";
        seen->reason = entry->ignored.why;
        seen->until = entry->ignored.until;
        return;
    }
    if (until)
        seen->state = "set_aside";
    else if (replica->promoted)
        seen->state = "promoted";
    else if (!replica->present)
        seen->state = watching ? "lost" : "unknown";
    else if (replica->lag_at == BF_SIGNAL_NEVER)
        seen->state = "unknown";
    seen->until = until > now ? unix_now + until - now : 0;
}

static bool is_seen(const struct bf_monitor *monitor, const char *name)
{
    for (size_t i = 0; monitor && i < monitor->replicas.count; i++)
        if (strcmp(monitor->replicas.list[i].name, name) == 0)
            return true;
    return false;
}

size_t bf_engine_replicas(const struct bf_engine *engine, const char *target, struct bf_seen_replica *list, size_t max)
{
    const struct bf_target *configured = bf_engine_target_by_name(engine, target);
    const struct bf_monitor *monitor = bf_monitor_find(engine, target);
    const struct bf_ignored_replica *entry;
    size_t count = 0, index = 0;
    if (!configured || !configured->watch_replicas)
        return 0;
    for (size_t i = 0; monitor && i < monitor->replicas.count && count < max; i++)
        show(engine, target, monitor->target, &monitor->replicas.list[i], &list[count++]);
    while (count < max && (entry = bf_ignored_next(engine, target, &index)))
        if (!is_seen(monitor, entry->ignored.replica))
            show(engine, target, monitor && monitor->target, &entry->unseen, &list[count++]);
    return count;
}

/* The strictest limit of the jobs that run; 0: none has one. */
static double strictest(const struct bf_engine *engine, const char *target, const struct bf_signal *signal)
{
    double least = 0;
    for (const struct bf_job *job = engine->working; job; job = job->next_working) {
        double limit = runs_on(job, target) ? bf_job_limit(job, signal) : 0;
        if (limit > 0 && (least <= 0 || limit < least))
            least = limit;
    }
    return least;
}

static void add(struct bf_signal *list, size_t *count, const struct bf_signal *signal, int64_t now)
{
    list[*count] = *signal;
    if (signal->sampled_at != BF_SIGNAL_NEVER)
        list[*count].sampled_at = now - signal->sampled_at;
    (*count)++;
}

size_t bf_engine_signals(const struct bf_engine *engine, const char *target, struct bf_signal *list, size_t max)
{
    const struct bf_monitor *monitor = bf_monitor_find(engine, target);
    int64_t now = now_of(engine);
    size_t count = 0;
    if (!monitor || !monitor->target)
        return 0;
    for (size_t i = 0; i < monitor->replicas.count && count < max; i++) {
        const struct bf_watched *replica = &monitor->replicas.list[i];
        if (replica->promoted)
            continue;
        struct bf_signal signal = {.kind = BF_SIGNAL_REPLICATION_LAG, .value = replica->lag, .sampled_at = replica->lag_at};
        signal.limit = strictest(engine, target, &signal);
        snprintf(signal.name, sizeof signal.name, "lag:%s", replica->name);
        add(list, &count, &signal, now);
    }
    for (size_t i = 0; i < monitor->signal_count + monitor->slow_count && count < max; i++) {
        bool slow = i >= monitor->signal_count;
        struct bf_signal signal = slow ? monitor->slow[i - monitor->signal_count] : monitor->signals[i];
        signal.limit = strictest(engine, target, &signal);
        add(list, &count, &signal, now);
    }
    for (const struct bf_job *job = engine->working; job; job = job->next_working)
        for (size_t i = 0; runs_on(job, target) && i < job->record.document->query_count && count < max; i++) {
            struct bf_signal signal = {.kind = BF_SIGNAL_QUERY, .value = job->hold->measured[i].value,
                                       .limit = job->record.document->queries[i].limit,
                                       .sampled_at = job->hold->measured[i].at};
            snprintf(signal.name, sizeof signal.name, "signal:%s", job->record.document->queries[i].name);
            add(list, &count, &signal, now);
        }
    return count;
}

bool bf_engine_watches(const struct bf_engine *engine, const char *target, const char **ret_trouble)
{
    const struct bf_monitor *monitor = bf_monitor_find(engine, target);
    *ret_trouble = monitor && monitor->target ? monitor->samples.trouble : "";
    return monitor && monitor->target;
}

/* ---- orders ---- */

/* Was it seen, or is it ignored? */
static enum bf_code find(struct bf_engine *engine, const char *target, const char *name, struct bf_error *error)
{
    struct bf_buffer known = {0};
    const struct bf_monitor *monitor = bf_monitor_of(engine, target);
    if (is_seen(monitor, name) || bf_ignored_find(engine, target, name))
        return BF_OK;
    for (size_t i = 0; i < monitor->replicas.count; i++)
        bf_buffer_format(&known, "%s%s", i ? ", " : "", monitor->replicas.list[i].name);
    bf_fail(error, BF_NOT_FOUND, "no replica of target %s is called %.100s; %s%s", target, name,
            known.length ? "those that were seen are " : "none was seen while jobs ran", known.length ? known.text : "");
    bf_buffer_clear(&known);
    return BF_NOT_FOUND;
}

/* Until 0: it is heeded from now on. */
static void set(struct bf_engine *engine, const char *target, const char *name, int64_t until, const char *why)
{
    struct bf_ignored ignored = {.until = until};
    snprintf(ignored.target, sizeof ignored.target, "%s", target);
    snprintf(ignored.replica, sizeof ignored.replica, "%s", name);
    snprintf(ignored.why, sizeof ignored.why, "%s", why);
    bf_ignored_set(engine, &ignored);
}

/* Everyone whom it concerns is told, in the actor's name, and looks again. */
static void tell(struct bf_engine *engine, const char *target, const char *actor, const char *text)
{
    for (struct bf_job *job = engine->working; job; job = job->next_working)
        if (runs_on(job, target)) {
            bf_job_record_event(job, "replica", actor, text, NULL);
            bf_engine_mark(job);
        }
}

enum bf_code bf_engine_ignore_replica(struct bf_engine *engine, const char *target, const char *name, int64_t ignore_for,
                                      const char *actor, const char *reason, struct bf_error *error)
{
    char time[BF_DURATION_TEXT], why[BF_IGNORED_WHY];
    if (find(engine, target, name, error) != BF_OK)
        return BF_NOT_FOUND;
    if (ignore_for <= 0)
        ignore_for = IGNORE_FOR;
    snprintf(why, sizeof why, "%.40s%s%.110s", actor, reason ? ": " : "", reason ? reason : "");
    set(engine, target, name, engine->world->unix_time(engine->world->context) + ignore_for, why);
    BF_AUTO_STRING char *text = bf_format("replica %s is ignored for %s%s%s", name, bf_duration_format(ignore_for, time),
                                          reason ? ": " : "", reason ? reason : "");
    tell(engine, target, actor, text);
    return BF_OK;
}

enum bf_code bf_engine_heed_replica(struct bf_engine *engine, const char *target, const char *name, const char *actor,
                                    const char *reason, struct bf_error *error)
{
    if (find(engine, target, name, error) != BF_OK)
        return BF_NOT_FOUND;
    if (bf_ignored_find(engine, target, name))
        set(engine, target, name, 0, "");
    for (struct bf_job *job = engine->working; job; job = job->next_working)
        if (runs_on(job, target))
            bf_aside_heed(&job->hold->asides, name);
    BF_AUTO_STRING char *text =
        bf_format("replica %s is heeded again%s%s", name, reason ? ": " : "", reason ? reason : "");
    tell(engine, target, actor, text);
    return BF_OK;
}
