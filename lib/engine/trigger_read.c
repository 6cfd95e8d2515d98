/* The values that triggers look at: of the job itself, of the monitor's signals, of a query on the target, of a source. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "ignored_list.h"
#include "signals.h"
#include "triggers.h"

enum { QUERY_TIMEOUT = 3000 /* milliseconds of one query */ };

static void failed(struct bf_watched_trigger *trigger, const char *why)
{
    snprintf(trigger->trouble, sizeof trigger->trouble, "%.200s", why);
    bf_trigger_took(trigger, BF_READING_FAILED, 0);
}

/* ---- the job itself ---- */

/* A server that cannot be reached takes no batch back. */
static bool is_of_batch(enum bf_code code)
{
    static const enum bf_code others[] = {BF_SERVER_UNREACHABLE, BF_CONNECT_REFUSED, BF_NOT_PRIMARY,      BF_OWNED_ELSEWHERE,
                                          BF_LOST_SESSION,       BF_OLD_TRANSACTION, BF_REPLICA_UNREACHABLE};
    for (size_t i = 0; i < BF_COUNT(others); i++)
        if (code == others[i])
            return false;
    return true;
}

static struct bf_metered metered(const struct bf_job *job)
{
    struct bf_meter meter;
    struct bf_metered now = {.at = bf_job_now(job)};
    bf_job_meter(job, &meter);
    for (enum bf_code code = 0; code < BF_CODE_COUNT; code++)
        now.failed += is_of_batch(code) ? meter.retries[code] : 0;
    now.done = meter.batches;
    now.tried = now.done + now.failed;
    now.time = meter.batch_time;
    return now;
}

void bf_trigger_meter(struct bf_guard *guard)
{
    struct bf_metered now = metered(guard->job);
    if (guard->past_count && now.at - guard->past[guard->newest].at < 1000)
        return;
    guard->newest = guard->past_count ? (guard->newest + 1) % BF_COUNT(guard->past) : 0;
    guard->past[guard->newest] = now;
    guard->past_count += guard->past_count < BF_COUNT(guard->past);
}

static void look_at_job(struct bf_watched_trigger *trigger, bool errors)
{
    const struct bf_guard *guard = trigger->guard;
    struct bf_metered now = metered(guard->job);
    const struct bf_metered *since = &now;
    for (size_t i = 0; i < guard->past_count; i++) /* the oldest one that is young enough */
        if (now.at - guard->past[i].at <= BF_METERED_SECONDS * 1000 && guard->past[i].at < since->at)
            since = &guard->past[i];
    int64_t tried = now.tried - since->tried, done = now.done - since->done;
    if (errors && tried > 0)
        bf_trigger_took(trigger, BF_READING_VALUE, (double)(now.failed - since->failed) / (double)tried);
    else if (!errors && done > 0)
        bf_trigger_took(trigger, BF_READING_VALUE, (double)(now.time - since->time) / 1e6 / (double)done);
    else
        bf_trigger_took(trigger, BF_READING_NOTHING, 0);
}

/* ---- signals ---- */

enum bf_signal_kind bf_trigger_signal_kind(const char *name, bool *ret_one_of_many)
{
    static const struct {
        const char *prefix;
        enum bf_signal_kind kind;
    } many[] = {{"lag:", BF_SIGNAL_REPLICATION_LAG},
                {"slot:", BF_SIGNAL_SLOT_RETAINED},
                {"autovacuum:", BF_SIGNAL_AUTOVACUUM},
                {"dead_tuples:", BF_SIGNAL_DEAD_TUPLES}};
    *ret_one_of_many = true;
    for (size_t i = 0; i < BF_COUNT(many); i++)
        if (strncmp(name, many[i].prefix, strlen(many[i].prefix)) == 0 && name[strlen(many[i].prefix)])
            return many[i].kind;
    *ret_one_of_many = false;
    for (enum bf_signal_kind kind = 0; kind < BF_SIGNAL_KIND_COUNT; kind++)
        if (kind != BF_SIGNAL_QUERY && strcmp(bf_signal_kind_name(kind), name) == 0)
            return kind;
    return BF_SIGNAL_QUERY;
}

bool bf_trigger_knows_signal(const struct bf_target *target, const struct bf_document *document, const char *signal)
{
    bool one_of_many;
    enum bf_signal_kind kind = bf_trigger_signal_kind(signal, &one_of_many);
    const struct bf_document_trigger trigger = {.signal = (char *)signal};
    if (one_of_many)
        return true;
    if (kind != BF_SIGNAL_QUERY)
        return bf_signal_is_measured(target, kind) && (kind != BF_SIGNAL_REPLICATION_LAG || target->watch_replicas);
    return bf_trigger_is_own(signal) || bf_trigger_sql(document, &trigger);
}

static struct bf_signal lag_of(const struct bf_watched *replica)
{
    struct bf_signal signal = {.kind = BF_SIGNAL_REPLICATION_LAG, .value = replica->lag,
                               .sampled_at = replica->unseen ? BF_SIGNAL_NEVER : replica->lag_at};
    snprintf(signal.name, sizeof signal.name, "lag:%s", replica->name);
    snprintf(signal.text, sizeof signal.text, "%.90s", replica->words);
    return signal;
}

/* Of those that the job heeds, the one that is furthest behind, or cannot be read. */
static bool worst_lag(const struct bf_job *job, const struct bf_monitor *monitor, struct bf_signal *ret_worst)
{
    int64_t now = bf_job_now(job);
    bool found = false;
    for (size_t i = 0; i < monitor->replicas.count; i++) {
        const struct bf_watched *replica = &monitor->replicas.list[i];
        if (replica->promoted || bf_ignored_find(job->engine, job->target->name, replica->name) ||
            (job->hold && bf_aside_is(&job->hold->asides, replica->name, now)))
            continue;
        struct bf_signal signal = lag_of(replica);
        bool worse = bf_signal_is_stale(&signal, now) || signal.value > ret_worst->value;
        if (!found || (worse && !bf_signal_is_stale(ret_worst, now)))
            *ret_worst = signal;
        found = true;
    }
    return found;
}

/* False: there is no such thing just now (a slot that was dropped, a replica that is gone). */
static bool measure(const struct bf_job *job, const struct bf_monitor *monitor, const char *name, struct bf_signal *ret_signal)
{
    bool one_of_many;
    enum bf_signal_kind kind = bf_trigger_signal_kind(name, &one_of_many);
    if (kind == BF_SIGNAL_REPLICATION_LAG && !one_of_many)
        return worst_lag(job, monitor, ret_signal);
    if (kind != BF_SIGNAL_QUERY && !one_of_many) {
        bf_signal_measure(job, monitor, kind, ret_signal);
        return true;
    }
    for (size_t i = 0; kind == BF_SIGNAL_REPLICATION_LAG && i < monitor->replicas.count; i++)
        if (strcmp(monitor->replicas.list[i].name, name + 4) == 0) {
            *ret_signal = lag_of(&monitor->replicas.list[i]);
            return true;
        }
    const struct bf_signal *found = bf_monitor_signal_called(monitor, name);
    if (found)
        *ret_signal = *found;
    return found != NULL;
}

static void look_at_signal(struct bf_watched_trigger *trigger)
{
    const struct bf_job *job = trigger->guard->job;
    const struct bf_monitor *monitor = bf_monitor_of(job->engine, job->target->name);
    struct bf_signal signal = {0};
    char why[BF_TRIGGER_TROUBLE];
    if (monitor->sampled_at == BF_SIGNAL_NEVER || !measure(job, monitor, trigger->document->signal, &signal)) {
        snprintf(why, sizeof why, "%.200s", monitor->samples.trouble[0] ? monitor->samples.trouble
                 : monitor->sampled_at == BF_SIGNAL_NEVER                ? "the target was not sampled yet"
                                                                         : "there is no such signal just now");
        failed(trigger, why);
    } else if (bf_signal_is_stale(&signal, bf_job_now(job))) {
        snprintf(why, sizeof why, "%.60s cannot be measured%s%.150s", signal.name,
                 monitor->samples.trouble[0] || signal.text[0] ? ": " : "",
                 monitor->samples.trouble[0] ? monitor->samples.trouble : signal.text);
        failed(trigger, why);
    } else {
        bf_trigger_took(trigger, BF_READING_VALUE, signal.value);
    }
}

/* ---- queries ---- */

const char *bf_trigger_sql(const struct bf_document *document, const struct bf_document_trigger *trigger)
{
    const char *name = trigger->signal;
    if (!name)
        return trigger->sql;
    if (strncmp(name, "signal:", 7) == 0)
        name += 7;
    for (size_t i = 0; i < document->query_count; i++)
        if (strcmp(document->queries[i].name, name) == 0)
            return document->queries[i].sql;
    return NULL;
}

/* On this target, the one that waits for longest. */
static struct bf_watched_trigger *first_waiting(const struct bf_monitor *monitor)
{
    struct bf_watched_trigger *first = NULL;
    for (struct bf_guard *guard = monitor->engine->guards; guard; guard = guard->next)
        for (size_t i = 0; guard->job->target == monitor->target && i < guard->count; i++)
            if (guard->list[i].waiting && (!first || guard->list[i].asked_at < first->asked_at))
                first = &guard->list[i];
    return first;
}

static bool has_queries(const struct bf_monitor *monitor)
{
    for (const struct bf_guard *guard = monitor->engine->guards; guard; guard = guard->next)
        for (size_t i = 0; guard->job->target == monitor->target && i < guard->count; i++)
            if (bf_trigger_sql(guard->job->record.document, guard->list[i].document))
                return true;
    return false;
}

void bf_triggers_attend(struct bf_monitor *monitor)
{
    struct bf_line *line = &monitor->triggers;
    bool waits = line->session && (!line->connected || line->flying);
    if (!has_queries(monitor)) {
        if (!line->flying)
            bf_line_hang_up(line, NULL);
    } else if (waits || !line->session || first_waiting(monitor)) {
        bf_line_attend(line);
    }
}

void bf_triggers_fly(struct bf_line *line)
{
    struct bf_monitor *monitor = line->monitor;
    const struct bf_dialect *dialect = monitor->target->database->dialect;
    struct bf_watched_trigger *trigger = first_waiting(monitor);
    monitor->trigger = trigger;
    if (!trigger)
        return;
    bf_flight_add(&line->flight, BF_STATEMENT_BEGIN, dialect->begin_read_only)->new_group = true;
    if (dialect->limit_time) {
        dialect->limit_time(QUERY_TIMEOUT, monitor->trigger_limit);
        bf_flight_add(&line->flight, BF_STATEMENT_QUERY, monitor->trigger_limit);
    }
    struct bf_step *query = bf_flight_add(&line->flight, BF_STATEMENT_QUERY,
                                          bf_trigger_sql(trigger->guard->job->record.document, trigger->document));
    query->time_limit = dialect->limit_time ? 0 : QUERY_TIMEOUT;
    bf_flight_add(&line->flight, BF_STATEMENT_ROLLBACK, dialect->common(BF_STATEMENT_ROLLBACK))->new_group = true;
}

void bf_triggers_landed(struct bf_line *line, const struct bf_answer *answers)
{
    struct bf_monitor *monitor = line->monitor;
    struct bf_watched_trigger *trigger = monitor->trigger;
    const struct bf_answer *query = &answers[line->flight.count - 2];
    double value = bf_answer_real(query, 0, 0, NAN);
    line->trouble[0] = '\0';
    monitor->trigger = NULL;
    if (trigger && trigger->waiting) {
        trigger->waiting = false;
        if (query->outcome != BF_OUTCOME_OK)
            failed(trigger, query->message ? query->message : "no answer");
        else if (query->rows == 0)
            failed(trigger, "its query gives no row");
        else if (!isfinite(value))
            failed(trigger, "its query gives no number");
        else
            bf_trigger_took(trigger, BF_READING_VALUE, value);
    }
    if (line->session && line->connected && !line->flying && first_waiting(monitor))
        bf_line_take_off(line);
}

void bf_triggers_lost(struct bf_line *line)
{
    struct bf_monitor *monitor = line->monitor;
    monitor->trigger = NULL;
    for (struct bf_watched_trigger *trigger; (trigger = first_waiting(monitor)) != NULL;) {
        trigger->waiting = false;
        failed(trigger, line->trouble);
    }
}

static void look_by_query(struct bf_watched_trigger *trigger)
{
    struct bf_job *job = trigger->guard->job;
    struct bf_monitor *monitor = bf_monitor_of(job->engine, job->target->name);
    struct bf_line *line = &monitor->triggers;
    if (monitor->target != job->target) {
        failed(trigger, "the target is not watched");
        return;
    }
    trigger->waiting = true;
    if (line->session && line->connected && !line->flying)
        bf_line_take_off(line);
    else if (!line->session)
        bf_line_attend(line);
}

/* ---- sources ---- */

static void on_inquired(void *argument, bool good, double value, const char *text)
{
    struct bf_watched_trigger *trigger = argument;
    trigger->inquiry = NULL;
    if (good)
        bf_trigger_took(trigger, BF_READING_VALUE, value);
    else
        failed(trigger, text);
}

static void look_at_source(struct bf_watched_trigger *trigger)
{
    const struct bf_sources *sources = trigger->guard->job->engine->options.sources;
    if (sources)
        trigger->inquiry = sources->ask(sources->context, trigger->document->source, trigger->document->query, on_inquired, trigger);
    else
        failed(trigger, "the daemon has no sources");
}

void bf_trigger_look_up(struct bf_watched_trigger *trigger)
{
    const struct bf_document_trigger *document = trigger->document;
    if (document->source)
        look_at_source(trigger);
    else if (bf_trigger_sql(trigger->guard->job->record.document, document))
        look_by_query(trigger);
    else if (bf_trigger_is_own(document->signal))
        look_at_job(trigger, strcmp(document->signal, "error_rate") == 0);
    else
        look_at_signal(trigger);
}

void bf_trigger_stop_asking(struct bf_watched_trigger *trigger)
{
    const struct bf_job *job = trigger->guard->job;
    if (trigger->inquiry)
        job->engine->options.sources->cancel(trigger->inquiry);
    trigger->inquiry = NULL;
    trigger->waiting = false;
    for (struct bf_monitor *monitor = job->engine->monitors; monitor; monitor = monitor->next)
        if (monitor->trigger == trigger)
            monitor->trigger = NULL;
}
