/* Hold or go, and how long to sleep: gathers what the job heeds, asks lib/pace, and says why. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "duration.h"
#include "ignored_list.h"
#include "signals.h"

enum {
    SAY_AFTER = 5000, /* milliseconds: shorter holds are the daily bread of a slow replica */
    REST_LOOK = 500,
    SLOW_PAUSE = 1000 /* milliseconds between the small batches of a rollback that would hold */
};

/* Stand for a measurement as such: are there replicas at all, and is it known how much log is written? */
static const char replicas_signal[] = "replicas", log_signal[] = "log_written";
static const char lag_prefix[] = "lag:", query_prefix[] = "signal:";

struct gathered {
    struct bf_signal signals[BF_SIGNALS_MAX];
    size_t count;
    struct bf_heeded heeded[BF_WATCHED_MAX]; /* the first signals are theirs */
    size_t heeded_count;
    struct bf_replay replays[BF_WATCHED_MAX];
    size_t replay_count;
    double log_end; /* bytes: where the log stood in the newest sample; 0: it is not counted in bytes */
};

static struct bf_signal *add(struct gathered *gathered, enum bf_signal_kind kind, const char *prefix, const char *name,
                             double limit)
{
    struct bf_signal *signal = &gathered->signals[gathered->count++];
    *signal = (struct bf_signal){.kind = kind, .limit = limit, .sampled_at = BF_SIGNAL_NEVER};
    snprintf(signal->name, sizeof signal->name, "%s%.*s", prefix, BF_REPLICA_NAME, name);
    return signal;
}

static void gather_replicas(const struct bf_job *job, const struct bf_monitor *monitor, struct gathered *gathered)
{
    const struct bf_document *document = job->record.document;
    int64_t now = bf_job_now(job);
    double limit = (double)document->limits.replication_lag / 1000;
    bool paced = job->record.direction != BF_DIRECTION_BACK; /* under its limits a way back is as fast as it can */
    for (size_t i = 0; i < monitor->replicas.count; i++) {
        const struct bf_watched *replica = &monitor->replicas.list[i];
        if (replica->promoted || bf_ignored_find(job->engine, job->target->name, replica->name) ||
            bf_aside_is(&job->hold->asides, replica->name, now))
            continue;
        struct bf_signal *signal = add(gathered, BF_SIGNAL_REPLICATION_LAG, lag_prefix, replica->name, limit);
        signal->value = replica->lag;
        signal->sampled_at = replica->unseen && replica->lag < limit ? BF_SIGNAL_NEVER : replica->lag_at;
        gathered->heeded[gathered->heeded_count++] = (struct bf_heeded){
            .name = replica->name, .from_start = replica->from_start, .synchronous = replica->synchronous};
        if (paced && gathered->log_end > 0 && bf_watched_is_rated(replica))
            gathered->replays[gathered->replay_count++] = (struct bf_replay){
                .name = signal->name, .position = replica->position, .at = replica->lag_at, .rate = replica->rate, .limit = limit};
    }
    struct bf_signal *signal = add(gathered, BF_SIGNAL_REPLICATION_LAG, replicas_signal, "", limit);
    size_t ignored = 0; /* one that is not to be seen is known all the same */
    bool none = monitor->replicas.count == bf_watched_promoted(&monitor->replicas) &&
                !document->accept[BF_ACCEPT_NO_REPLICAS] && !bf_ignored_next(job->engine, job->target->name, &ignored);
    bool hidden = monitor->walsenders && !monitor->sees;
    signal->value = none ? limit : 0;
    char text[8];
    bool known = !hidden && !monitor->without_place && bf_hosts_known(monitor, text, sizeof text);
    signal->sampled_at = known ? monitor->sampled_at : BF_SIGNAL_NEVER;
}

static void gather(const struct bf_job *job, const struct bf_monitor *monitor, struct gathered *gathered)
{
    const struct bf_document *document = job->record.document;
    gathered->count = gathered->heeded_count = gathered->replay_count = 0;
    gathered->log_end = monitor->position;
    if (job->target->watch_replicas)
        gather_replicas(job, monitor, gathered);
    for (enum bf_signal_kind kind = 0; kind < BF_SIGNAL_KIND_COUNT; kind++)
        if (kind != BF_SIGNAL_REPLICATION_LAG && bf_document_limit(document, kind) > 0)
            bf_signal_measure(job, monitor, kind, &gathered->signals[gathered->count++]);
    /* Where a batch has to ask for it an account may be refused the answer: then the cap would be none. */
    if (document->pace.max_log_bytes_per_second < BF_NO_LIMIT &&
        job->target->database->dialect->common(BF_STATEMENT_LOG_WRITTEN))
        add(gathered, BF_SIGNAL_LOG_RATE, log_signal, "", 1)->sampled_at =
            monitor->position >= 0 ? monitor->sampled_at : BF_SIGNAL_NEVER;
    for (size_t i = 0; i < document->query_count; i++) {
        struct bf_signal *signal =
            add(gathered, BF_SIGNAL_QUERY, query_prefix, document->queries[i].name, document->queries[i].limit);
        signal->value = job->hold->measured[i].value;
        signal->sampled_at = job->hold->measured[i].at;
    }
}

static bool zone_offset(void *argument, const char *zone, int64_t unix_seconds, int32_t *ret_offset)
{
    const struct bf_world *world = argument;
    return world->zone_offset(world->context, zone, unix_seconds, ret_offset);
}

static bool window_open(const struct bf_job *job)
{
    const struct bf_world *world = job->engine->world;
    const struct bf_pace *pace = &job->record.document->pace;
    return pace->window_count == 0 || job->record.direction == BF_DIRECTION_BACK ||
           bf_windows_open(pace->windows, pace->window_count, zone_offset, (void *)world, world->unix_time(world->context));
}

static struct bf_control ask(struct bf_walk *walk, const struct gathered *gathered)
{
    const struct bf_job *job = walk->job;
    const struct bf_pace *pace = &job->record.document->pace;
    struct bf_control_input input = {.now = bf_job_now(job),
                                     .signals = gathered->signals,
                                     .signal_count = gathered->count,
                                     .replays = gathered->replays,
                                     .replay_count = gathered->replay_count,
                                     .size = &walk->size,
                                     .batch = walk->batch,
                                     .nice = pace->nice,
                                     .max_rows_per_second = pace->max_rows_per_second,
                                     .max_log_bytes_per_second = pace->max_log_bytes_per_second,
                                     .slices = bf_crew_unfinished(job),
                                     .window_open = window_open(job)};
    if (input.batch.log_end < gathered->log_end)
        input.batch.log_end = gathered->log_end;
    struct bf_control control = bf_control_decide(&input, &job->hold->memory);
    walk->rows_allowed = control.rows;
    return control;
}

static void say_aside(struct bf_job *job, const struct bf_monitor *monitor, const struct bf_heeded *heeded)
{
    const struct bf_watched *replica = NULL;
    for (size_t i = 0; i < monitor->replicas.count && !replica; i++)
        if (strcmp(monitor->replicas.list[i].name, heeded->name) == 0)
            replica = &monitor->replicas.list[i];
    char lag[BF_DURATION_TEXT];
    bf_job_note(job, "set_aside",
                "replica %s is set aside for an hour: %s (%s behind), and the others follow; the job goes on without heeding "
                "it, then it is judged again", heeded->name,
                heeded->from_start ? "it was over the limit when the job began" : "it alone held the job for five minutes",
                bf_duration_format(replica ? (int64_t)(replica->lag * 1000) : 0, lag));
}

static struct bf_control decide(struct bf_walk *walk, struct gathered *gathered)
{
    struct bf_job *job = walk->job;
    const struct bf_monitor *monitor = bf_monitor_of(job->engine, job->target->name);
    for (;;) {
        gather(job, monitor, gathered);
        struct bf_control control = ask(walk, gathered);
        for (size_t i = 0; i < gathered->heeded_count; i++) {
            gathered->heeded[i].holds = control.holding >> i & 1;
            gathered->heeded[i].alone = control.holding == UINT64_C(1) << i;
        }
        int aside = control.cause == BF_GO ? -1
                                           : bf_aside_judge(&job->hold->asides, gathered->heeded, gathered->heeded_count,
                                                            bf_job_now(job));
        if (aside < 0)
            return control;
        say_aside(job, monitor, &gathered->heeded[aside]);
    }
}

/* ---- why ---- */

/* The one that the signal is about; NULL: it is about none. */
static const struct bf_watched *replica_of(const struct bf_monitor *monitor, const struct bf_signal *signal)
{
    for (size_t i = 0; i < monitor->replicas.count && signal->kind == BF_SIGNAL_REPLICATION_LAG; i++)
        if (strcmp(monitor->replicas.list[i].name, signal->name + strlen(lag_prefix)) == 0)
            return &monitor->replicas.list[i];
    return NULL;
}

static const char *trouble_of(const struct bf_job *job, const struct bf_monitor *monitor, const struct bf_signal *signal)
{
    for (size_t i = 0; i < job->record.document->query_count && signal->kind == BF_SIGNAL_QUERY; i++)
        if (strcmp(signal->name + strlen(query_prefix), job->record.document->queries[i].name) == 0)
            return job->hold->measured[i].trouble[0] ? job->hold->measured[i].trouble : monitor->queries.trouble;
    if (signal->kind == BF_SIGNAL_LOG_RATE && monitor->log_trouble[0])
        return monitor->log_trouble;
    return monitor->samples.trouble;
}

/* "replica-2", "the number of active sessions", "signal queue": who is spoken of. */
static void subject(const struct bf_signal *signal, char text[BF_SUBJECT_TEXT])
{
    if (strcmp(signal->name, replicas_signal) == 0)
        snprintf(text, BF_SUBJECT_TEXT, "replication lag");
    else if (strcmp(signal->name, log_signal) == 0)
        snprintf(text, BF_SUBJECT_TEXT, "the log that the server writes");
    else
        bf_signal_subject(signal, text);
}

static void describe_stale(const struct bf_job *job, const struct bf_signal *signal, char *text, size_t size)
{
    const struct bf_monitor *monitor = bf_monitor_of(job->engine, job->target->name);
    const struct bf_watched *replica = replica_of(monitor, signal);
    const char *trouble = trouble_of(job, monitor, signal);
    const char *right = job->target->database->dialect->watch_right;
    char who[BF_SUBJECT_TEXT];
    int64_t heard_at = signal->sampled_at;
    subject(signal, who);
    if (replica && !replica->present)
        heard_at = replica->seen_at;
    if (replica && replica->words[0])
        trouble = replica->words;
    char hosts[BF_ERROR_TEXT_MAX];
    if (strcmp(signal->name, replicas_signal) == 0 && !bf_hosts_known(monitor, hosts, sizeof hosts))
        trouble = hosts;
    if (signal->kind == BF_SIGNAL_LOG_RATE && !*trouble)
        trouble = monitor->log_trouble;
    double age = (double)(bf_job_now(job) - heard_at) / 1000;
    if (strcmp(signal->name, replicas_signal) == 0 && monitor->walsenders && !monitor->sees)
        snprintf(text, size, "replication lag cannot be measured: the role %s may not see it; GRANT %s TO it, or say "
                 "replicas = none for target %s", monitor->user, right, job->target->name);
    else if (signal->sampled_at == BF_SIGNAL_NEVER && signal->text[0])
        snprintf(text, size, "%s cannot be measured: the account %s may not see it; GRANT %s TO it, or take limits.%s out", who,
                 monitor->user, signal->text, bf_signal_kind_name(signal->kind));
    else if (strcmp(signal->name, replicas_signal) == 0 && monitor->without_place)
        snprintf(text, size, "replication lag cannot be measured: there are over %d replicas", BF_WATCHED_MAX);
    else if (replica && replica->named && !replica->present && monitor->taken && signal->sampled_at != BF_SIGNAL_NEVER)
        snprintf(text, size, "%s could not be read for %.1f s: %.300s; backfillctl replica ignore %s %s lets the job go on "
                 "without it", who, age, *trouble ? trouble : "it does not answer", job->target->name, who);
    else if (replica && !replica->named && !replica->present && monitor->taken && !*trouble)
        snprintf(text, size, "%s does not stream any more, it was heard of %.1f s ago; backfillctl replica ignore %s %s lets "
                 "the job go on without it", who, age, job->target->name, who);
    else if (signal->sampled_at == BF_SIGNAL_NEVER)
        snprintf(text, size, "waits until %s is measured%s%.300s", who, *trouble ? ": " : "", trouble);
    else
        snprintf(text, size, "%s could not be read for %.1f s%s%.300s", who, age, *trouble ? ": " : "", trouble);
}

static enum bf_code describe(const struct bf_job *job, enum bf_control_cause cause, const struct bf_signal *signal,
                             char *text, size_t size)
{
    char who[BF_SUBJECT_TEXT], value[BF_AMOUNT_TEXT], limit[BF_AMOUNT_TEXT];
    subject(signal, who);
    bf_signal_amount(signal, signal->value, value);
    bf_signal_amount(signal, signal->limit, limit);
    if (cause != BF_HOLD_OVER) {
        describe_stale(job, signal, text, size);
        return BF_SIGNAL_STALE;
    }
    const struct bf_monitor *monitor = bf_monitor_of(job->engine, job->target->name);
    const struct bf_watched *replica = replica_of(monitor, signal);
    const char *words = replica ? replica->words : "";
    if (strcmp(signal->name, replicas_signal) == 0) {
        snprintf(text, size, "%s target %s: accept that in the document (\"accept\": [\"no_replicas\"]) or say replicas = none",
                 monitor->replicas.count ? "every replica that is named is a primary now, so there is none of"
                                         : "no replica streams from", job->target->name);
        return BF_NO_REPLICAS;
    }
    bool blames = signal->text[0] && signal->kind != BF_SIGNAL_SLOT_RETAINED; /* whose slot it is the subject says */
    if (signal->value < signal->limit)
        snprintf(text, size, "%s was over its limit of %s and is at %s: goes on when it has stayed low for 2 s", who, limit,
                 value);
    else if (signal->kind == BF_SIGNAL_REPLICATION_LAG)
        snprintf(text, size, "%s is %.1f s behind (limit %.4g s)%s%.230s", who, signal->value, signal->limit,
                 *words ? ": " : "", words);
    else
        snprintf(text, size, "%s is %s (limit %s)%s%s", who, value, limit, blames ? ": " : "", blames ? signal->text : "");
    return bf_signal_code(signal->kind);
}

static struct bf_reason window_reason(const struct bf_job *job)
{
    const struct bf_world *world = job->engine->world;
    const struct bf_pace *pace = &job->record.document->pace;
    char text[160], until[BF_TIME_TEXT];
    int64_t next = bf_windows_next(pace->windows, pace->window_count, zone_offset, (void *)world,
                                   world->unix_time(world->context));
    if (next)
        snprintf(text, sizeof text, "outside of its windows; the next one opens at %s", bf_time_format(next, until));
    else
        snprintf(text, sizeof text, "outside of its windows, and none opens within a week");
    struct bf_reason reason = bf_reason_make(job, BF_WINDOW, text);
    reason.until = next;
    return reason;
}

/* While it has to stay low it is still about the slot that was over the limit, which may be gone, and not about the one that
 * keeps the most now. */
static struct bf_signal spoken_of(const struct bf_signal *signal, const struct bf_reason *shown)
{
    struct bf_signal spoken = *signal;
    const char *slot = shown->code == BF_SLOT_RETAINED ? strchr(shown->signal, ':') : NULL;
    if (signal->kind == BF_SIGNAL_SLOT_RETAINED && signal->value < signal->limit && slot)
        snprintf(spoken.text, sizeof spoken.text, "%s", slot + 1);
    return spoken;
}

static void show(struct bf_walk *walk, const struct bf_control *control, const struct bf_signal *signal)
{
    struct bf_job *job = walk->job;
    struct bf_reason *shown = &walk->reason;
    char text[BF_ERROR_TEXT_MAX], label[BF_SIGNAL_NAME];
    if (control->cause == BF_HOLD_WINDOW) {
        if (shown->code != BF_WINDOW)
            *shown = window_reason(job);
        return;
    }
    struct bf_signal spoken = spoken_of(signal, shown);
    enum bf_code code = describe(job, control->cause, &spoken, text, sizeof text);
    struct bf_reason reason = bf_reason_make(job, code, text);
    bf_signal_label(&spoken, label);
    if (shown->code == code && strcmp(shown->signal, label) == 0)
        reason.since = shown->since;
    snprintf(reason.signal, sizeof reason.signal, "%s", label);
    reason.limit = signal->limit;
    reason.value = signal->value;
    reason.measured = control->cause == BF_HOLD_OVER && code != BF_NO_REPLICAS;
    *shown = reason;
}

/* ---- the walk's questions ---- */

static void begins(struct bf_job *job)
{
    job->hold->held_at = bf_job_now(job);
    job->hold->said = false;
}

static void ends(struct bf_job *job)
{
    struct bf_hold *hold = job->hold;
    char text[BF_DURATION_TEXT];
    if (hold->said)
        bf_job_note(job, "note", "goes on after it held for %s",
                    bf_duration_format(bf_job_now(job) - hold->held_at, text));
    hold->held_at = -1;
}

/* Under pressure it may be that only those before it run. */
static bool rests(struct bf_walk *walk, int running)
{
    if (bf_walk_has_turn(walk, running))
        return false;
    walk->phase = BF_PHASE_RESTING;
    walk->sleep_until = bf_job_now(walk->job) + REST_LOOK;
    return true;
}

bool bf_walk_hold(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    struct bf_hold *hold = job->hold;
    struct gathered gathered;
    struct bf_control control = decide(walk, &gathered);
    if (control.cause == BF_GO) {
        if (hold->held_at >= 0)
            ends(job);
        if (walk->held)
            walk->reason = (struct bf_reason){0};
        walk->held = false;
        return rests(walk, control.slices);
    }
    if (hold->held_at < 0)
        begins(job);
    walk->held = true;
    show(walk, &control, &gathered.signals[control.signal]);
    walk->phase = BF_PHASE_HOLDING;
    if (!hold->said && bf_job_now(job) - hold->held_at >= SAY_AFTER) {
        hold->said = true;
        bf_job_note(job, "hold", "holding: %s", walk->reason.text);
    } else if (bf_job_now(job) - job->saved_at > BF_PROGRESS_SAVE) {
        bf_job_save(job, NULL); /* the time ledger */
    }
    return true;
}

bool bf_walk_held(struct bf_walk *walk)
{
    if (bf_walk_hold(walk))
        return false;
    walk->phase = BF_PHASE_READY;
    return true;
}

/* The load of the very incident that a rollback is to end does not stop it: where the job would hold, it goes on with small
 * batches and long pauses. Nor does it wait for a window. */
bool bf_walk_slow_down(struct bf_walk *walk)
{
    struct gathered gathered;
    struct bf_control control = decide(walk, &gathered);
    if (control.cause == BF_GO) {
        if (walk->held)
            walk->reason = (struct bf_reason){0};
        walk->held = false;
        return false;
    }
    walk->held = true;
    show(walk, &control, &gathered.signals[control.signal]);
    walk->rows_allowed = walk->size.min;
    walk->sleep_until = walk->batch_ended + SLOW_PAUSE;
    walk->slept_for[0] = '\0';
    if (bf_job_now(walk->job) >= walk->sleep_until)
        return false;
    walk->phase = BF_PHASE_SLEEPING;
    return true;
}

int64_t bf_walk_sleep(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    struct gathered gathered;
    gather(job, bf_monitor_of(job->engine, job->target->name), &gathered);
    struct bf_control control = ask(walk, &gathered);
    snprintf(walk->slept_for, sizeof walk->slept_for, "%s", control.slept_for ? control.slept_for : "");
    return control.sleep / 1000;
}

void bf_hold_prepare(struct bf_job *job)
{
    if (job->hold)
        return;
    job->hold = BF_NEW(struct bf_hold);
    job->hold->held_at = -1;
    for (size_t i = 0; i < BF_QUERIES_MAX; i++)
        job->hold->measured[i].at = BF_SIGNAL_NEVER;
}

bool bf_walk_plan_regressed(struct bf_walk *walk, const struct bf_answer *boundary, int64_t rows)
{
    double took = bf_answer_real(boundary, 0, walk->table->key_count + 4, -1);
    char one[BF_DURATION_TEXT], other[BF_DURATION_TEXT];
    if (boundary->rows == 0 || took < 0 || !bf_regression_seen(&walk->regression, rows, (int64_t)(took * 1e6)))
        return false;
    bf_walk_end(walk, BF_STATE_PAUSED, BF_PLAN_REGRESSION,
                "finding the end of the next batch (%lld rows) took %s, over 10 times its median of %s: did the server change "
                "its plan? Look at the indexes and statistics of %s, then resume",
                (long long)rows, bf_duration_format((int64_t)(took * 1000), one),
                bf_duration_format((int64_t)(walk->regression.median * (double)rows / 1000), other), walk->table->display);
    return true;
}
