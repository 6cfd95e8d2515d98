/* When triggers look, what lib/pace says to what they saw, and the orders that follow. The pause of one that settles stands in
 * the job's reason with its limit and its end, so that a restart of the daemon does not end it. */
#include "triggers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "duration.h"
#include "signals.h"

static const char actor_prefix[] = "trigger:";

enum { ACTOR_TEXT = sizeof actor_prefix + BF_TRIGGER_NAME_MAX, WORDS_TEXT = 320 };

static void actor_of(const struct bf_watched_trigger *trigger, char actor[ACTOR_TEXT])
{
    snprintf(actor, ACTOR_TEXT, "%s%s", actor_prefix, trigger->document->name);
}

bool bf_triggers_settle(const struct bf_job *job)
{
    const struct bf_reason *reason = &job->record.reason;
    return (job->record.state == BF_STATE_PAUSING || job->record.state == BF_STATE_PAUSED) && reason->code == BF_TRIGGER &&
           reason->until != 0;
}

static bool watches(const struct bf_job *job)
{
    bool forward = job->record.direction == BF_DIRECTION_FORWARD;
    return (job->record.state == BF_STATE_RUNNING || job->record.state == BF_STATE_VERIFYING) && forward;
}

/* It does not write just now. */
static bool is_idle(const struct bf_job *job)
{
    enum bf_activity activity = bf_job_activity(job);
    return !watches(job) || (activity != BF_ACTIVITY_BATCHING && activity != BF_ACTIVITY_SLEEPING &&
                             activity != BF_ACTIVITY_VERIFYING);
}

/* ---- texts ---- */

static void amount_of(const struct bf_watched_trigger *trigger, double value, char text[BF_AMOUNT_TEXT])
{
    const char *name = trigger->document->signal;
    bool one_of_many;
    struct bf_signal signal = {.kind = name ? bf_trigger_signal_kind(name, &one_of_many) : BF_SIGNAL_QUERY};
    bf_signal_amount(&signal, value, text);
}

/* "error_rate is 0.034, above 0.01", "source prometheus gives 31, above 24.2 (2x its baseline of 12.1)" */
static void describe(const struct bf_watched_trigger *trigger, char text[WORDS_TEXT])
{
    const struct bf_document_trigger *document = trigger->document;
    char value[BF_AMOUNT_TEXT], limit[BF_AMOUNT_TEXT], baseline[BF_AMOUNT_TEXT], relative[96] = "";
    amount_of(trigger, trigger->memory.value, value);
    amount_of(trigger, trigger->memory.limit, limit);
    if (document->relative) {
        amount_of(trigger, trigger->memory.limit / document->limit, baseline);
        snprintf(relative, sizeof relative, " (%gx its baseline of %s)", document->limit, baseline);
    }
    snprintf(text, WORDS_TEXT, "%s%.130s %s %s, %s %s%s", document->source ? "source " : "",
             document->source ? document->source : document->signal ? document->signal : "its query",
             document->signal ? "is" : "gives", value, document->below ? "below" : "above", limit, relative);
}

/* ---- what follows ---- */

static struct bf_reason reason_of(const struct bf_watched_trigger *trigger, enum bf_code code, const char *text)
{
    const struct bf_job *job = trigger->guard->job;
    struct bf_reason reason = bf_reason_make(job, code, text);
    actor_of(trigger, reason.signal);
    reason.measured = code == BF_TRIGGER;
    reason.value = trigger->memory.value;
    reason.limit = trigger->memory.limit;
    return reason;
}

static void order(const struct bf_watched_trigger *trigger, enum bf_order order, const struct bf_reason *reason)
{
    char actor[ACTOR_TEXT];
    actor_of(trigger, actor);
    bf_job_order_because(trigger->guard->job, order, BF_BY_TRIGGER, actor, reason);
}

static void say(const struct bf_watched_trigger *trigger, const char *text)
{
    struct bf_job *job = trigger->guard->job;
    char actor[ACTOR_TEXT];
    actor_of(trigger, actor);
    bf_job_record_event(job, "trigger", actor, text, NULL);
}

static const char *done_by(enum bf_order then)
{
    return then == BF_ORDER_ROLLBACK ? "rolled back" : then == BF_ORDER_ABORT ? "aborted" : "paused";
}

/* A job that did not begin has nothing to take back. */
static enum bf_order goes_to(const struct bf_watched_trigger *trigger)
{
    enum bf_order then = trigger->document->then;
    return then == BF_ORDER_ROLLBACK && !trigger->guard->job->record.started ? BF_ORDER_ABORT : then;
}

static void fires(struct bf_watched_trigger *trigger)
{
    const struct bf_document_trigger *document = trigger->document;
    const struct bf_world *world = trigger->guard->job->engine->world;
    char words[WORDS_TEXT], text[BF_ERROR_TEXT_MAX], hold[BF_DURATION_TEXT], settle[BF_DURATION_TEXT];
    describe(trigger, words);
    snprintf(text, sizeof text, "trigger %s: %s%s%s", document->name, words, document->hold ? " for " : "",
             document->hold ? bf_duration_format(document->hold, hold) : "");
    struct bf_reason reason = reason_of(trigger, BF_TRIGGER, text);
    if (document->settle) {
        size_t length = strlen(text);
        reason.until = world->unix_time(world->context) + document->settle;
        snprintf(text + length, sizeof text - length, "; %s if that is still so after %s of pause", done_by(document->then),
                 bf_duration_format(document->settle, settle));
        snprintf(reason.text, sizeof reason.text, "%s", text);
    }
    say(trigger, text);
    order(trigger, BF_ORDER_PAUSE, &reason);
    if (!document->settle && document->then != BF_ORDER_PAUSE)
        order(trigger, goes_to(trigger), &reason);
}

static void goes_on(struct bf_watched_trigger *trigger)
{
    char words[WORDS_TEXT], text[BF_ERROR_TEXT_MAX], settle[BF_DURATION_TEXT];
    describe(trigger, words);
    snprintf(text, sizeof text, "trigger %s: %s, also after %s of pause: %s", trigger->document->name, words,
             bf_duration_format(trigger->document->settle, settle), done_by(goes_to(trigger)));
    struct bf_reason reason = reason_of(trigger, BF_TRIGGER, text);
    say(trigger, text);
    order(trigger, goes_to(trigger), &reason);
}

/* The pause stays, and ends by a person alone. */
static void stays_paused(struct bf_watched_trigger *trigger, enum bf_code code, const char *text)
{
    struct bf_job *job = trigger->guard->job;
    int64_t since = job->record.reason.since;
    job->record.reason = reason_of(trigger, code, text);
    job->record.reason.since = since;
    say(trigger, text);
    bf_engine_mark(job);
}

static void settled(struct bf_watched_trigger *trigger)
{
    char value[BF_AMOUNT_TEXT], limit[BF_AMOUNT_TEXT], text[BF_ERROR_TEXT_MAX];
    amount_of(trigger, trigger->memory.value, value);
    amount_of(trigger, trigger->memory.limit, limit);
    snprintf(text, sizeof text, "trigger %s: its condition ended in the pause (%s, not %s %s any more): the job stays paused and "
             "is not %s", trigger->document->name, value, trigger->document->below ? "below" : "above", limit,
             done_by(trigger->document->then));
    stays_paused(trigger, BF_TRIGGER, text);
}

static void blind(struct bf_watched_trigger *trigger, bool settling)
{
    char text[BF_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "trigger %s could not be evaluated %d times in a row: %s%s", trigger->document->name,
             BF_TRIGGER_MISSES, trigger->trouble, settling ? "; the job stays paused" : "");
    if (settling) {
        stays_paused(trigger, BF_TRIGGER_FAILED, text);
        return;
    }
    struct bf_reason reason = reason_of(trigger, BF_TRIGGER_FAILED, text);
    say(trigger, text);
    order(trigger, BF_ORDER_PAUSE, &reason);
}

bool bf_triggers_may_order(const struct bf_job *job, const struct bf_request *request)
{
    const struct bf_reason *reason = &job->record.reason;
    if (request->order == BF_ORDER_PAUSE)
        return watches(job);
    return (job->record.state == BF_STATE_PAUSING || job->record.state == BF_STATE_PAUSED) && reason->code == BF_TRIGGER &&
           strcmp(reason->signal, request->because->signal) == 0;
}

/* ---- looking ---- */

static void arm(struct bf_guard *guard)
{
    int64_t now = bf_job_now(guard->job), next = now + 1000; /* the job is metered once a second */
    for (size_t i = 0; i < guard->count; i++) {
        const struct bf_watched_trigger *trigger = &guard->list[i];
        if (!trigger->waiting && !trigger->inquiry && trigger->due < next)
            next = trigger->due;
    }
    guard->job->engine->world->timer_start(guard->timer, next > now ? next - now : 0);
}

void bf_trigger_took(struct bf_watched_trigger *trigger, enum bf_reading_kind kind, double value)
{
    struct bf_guard *guard = trigger->guard;
    struct bf_job *job = guard->job;
    if (!guard->on)
        return;
    bool settling = trigger->memory.settling;
    if (kind != BF_READING_FAILED)
        trigger->trouble[0] = '\0';
    struct bf_trigger_reading reading = {.now = bf_job_now(job), .kind = kind, .value = value, .idle = is_idle(job)};
    enum bf_trigger_verdict verdict = bf_trigger_read(&trigger->rule, &reading, &trigger->memory);
    trigger->due = bf_trigger_due(&trigger->rule, &trigger->memory, trigger->asked_at, trigger->document->every);
    switch (verdict) {
    case BF_TRIGGER_QUIET:
        break;
    case BF_TRIGGER_FIRES:
        fires(trigger);
        break;
    case BF_TRIGGER_GOES_ON:
        goes_on(trigger);
        break;
    case BF_TRIGGER_SETTLED:
        settled(trigger);
        break;
    case BF_TRIGGER_BLIND:
        blind(trigger, settling);
        break;
    }
    arm(guard);
}

/* In a pause only the one that made it looks. */
static bool looks(const struct bf_watched_trigger *trigger)
{
    return watches(trigger->guard->job) || trigger->memory.settling;
}

static void on_timer(void *argument)
{
    struct bf_guard *guard = argument;
    int64_t now = bf_job_now(guard->job);
    if (!guard->on)
        return;
    bf_trigger_meter(guard);
    for (size_t i = 0; i < guard->count; i++) {
        struct bf_watched_trigger *trigger = &guard->list[i];
        if (trigger->waiting || trigger->inquiry || trigger->due > now)
            continue;
        trigger->asked_at = now;
        trigger->due = now + trigger->document->every;
        if (looks(trigger))
            bf_trigger_look_up(trigger);
    }
    arm(guard);
}

/* ---- on and off ---- */

static struct bf_guard *guard_of(struct bf_job *job)
{
    const struct bf_document *document = job->record.document;
    const struct bf_world *world = job->engine->world;
    if (job->guard)
        return job->guard;
    struct bf_guard *guard = bf_allocate(sizeof *guard + document->trigger_count * sizeof guard->list[0]);
    memset(guard, 0, sizeof *guard + document->trigger_count * sizeof guard->list[0]);
    guard->job = job;
    guard->timer = world->timer_new(world->context, on_timer, guard);
    guard->count = document->trigger_count;
    for (size_t i = 0; i < guard->count; i++) {
        const struct bf_document_trigger *trigger = &document->triggers[i];
        guard->list[i].guard = guard;
        guard->list[i].document = trigger;
        guard->list[i].rule = (struct bf_trigger_rule){.below = trigger->below, .relative = trigger->relative,
                                                       .factor = trigger->limit, .baseline = trigger->baseline,
                                                       .hold = trigger->hold, .settle = trigger->settle};
    }
    return job->guard = guard;
}

/* Behind a restart: the one whose pause it is goes on settling. If its time was over before, nobody knows what was true
 * meanwhile, and it has to be true for as long once more. */
static void take_up_settling(struct bf_guard *guard)
{
    struct bf_job *job = guard->job;
    struct bf_reason *reason = &job->record.reason;
    int64_t now = job->engine->world->unix_time(job->engine->world->context);
    for (size_t i = 0; i < guard->count; i++) {
        struct bf_watched_trigger *trigger = &guard->list[i];
        if (strcmp(reason->signal + strlen(actor_prefix), trigger->document->name) != 0) {
            bf_trigger_rest(&trigger->memory);
            continue;
        }
        if (trigger->memory.settling)
            continue;
        if (reason->until <= now) {
            reason->until = now + trigger->document->settle;
            bf_job_save(job, NULL);
        }
        bf_trigger_settle(&trigger->memory, bf_job_now(job) + reason->until - now, reason->limit);
    }
}

static void turn_on(struct bf_guard *guard)
{
    struct bf_engine *engine = guard->job->engine;
    guard->on = true;
    guard->next = engine->guards;
    engine->guards = guard;
    for (size_t i = 0; i < guard->count; i++)
        guard->list[i].due = bf_job_now(guard->job);
    bf_monitor_need(guard->job);
    arm(guard);
}

static void turn_off(struct bf_guard *guard)
{
    struct bf_engine *engine = guard->job->engine;
    for (struct bf_guard **at = &engine->guards; *at; at = &(*at)->next)
        if (*at == guard) {
            *at = guard->next;
            break;
        }
    guard->on = false;
    guard->past_count = 0;
    engine->world->timer_stop(guard->timer);
    for (size_t i = 0; i < guard->count; i++) {
        bf_trigger_stop_asking(&guard->list[i]);
        bf_trigger_rest(&guard->list[i].memory);
    }
    if (guard->job->target)
        bf_monitor_review(bf_monitor_of(engine, guard->job->target->name));
}

void bf_triggers_look(struct bf_job *job)
{
    if (job->record.document->trigger_count == 0)
        return;
    bool settles = bf_triggers_settle(job);
    bool on = (watches(job) || settles) && job->target && !job->leaving && !job->engine->draining;
    if (!on) {
        if (job->guard && job->guard->on)
            turn_off(job->guard);
        return;
    }
    struct bf_guard *guard = guard_of(job);
    if (settles)
        take_up_settling(guard);
    if (!guard->on)
        turn_on(guard);
}

void bf_triggers_free(struct bf_job *job)
{
    if (!job->guard)
        return;
    if (job->guard->on)
        turn_off(job->guard);
    job->engine->world->timer_free(job->guard->timer);
    free(job->guard);
    job->guard = NULL;
}

bool bf_triggers_need(const struct bf_monitor *monitor)
{
    for (const struct bf_guard *guard = monitor->engine->guards; guard; guard = guard->next)
        if (guard->job->target == monitor->target)
            return true;
    return false;
}

size_t bf_job_triggers(const struct bf_job *job, struct bf_trigger_view list[BF_TRIGGERS_MAX])
{
    const struct bf_document *document = job->record.document;
    for (size_t i = 0; i < document->trigger_count; i++) {
        struct bf_trigger_view *view = &list[i];
        *view = (struct bf_trigger_view){.name = document->triggers[i].name, .true_seconds = -1, .trouble = ""};
        if (!job->guard)
            continue;
        const struct bf_watched_trigger *trigger = &job->guard->list[i];
        const struct bf_trigger *memory = &trigger->memory;
        view->watching = job->guard->on && looks(trigger);
        view->known = memory->known;
        view->value = memory->value;
        view->limit = memory->limit;
        if ((memory->holds || memory->settling) && memory->since) /* behind a restart nobody knows since when */
            view->true_seconds = (double)(bf_job_now(job) - memory->since) / 1000;
        view->trouble = trigger->trouble;
    }
    return document->trigger_count;
}

/* ---- before there is a job ---- */

void bf_target_check_triggers(const struct bf_engine *engine, const struct bf_target *target,
                              const struct bf_document *document, struct bf_complaints *complaints)
{
    const struct bf_dialect *dialect = target->database->dialect;
    const struct bf_sources *sources = engine->options.sources;
    for (size_t i = 0; i < document->trigger_count; i++) {
        const struct bf_document_trigger *trigger = &document->triggers[i];
        BF_AUTO_STRING char *at = bf_format("/triggers/%zu", i), *sql = bf_format("%s/sql", at),
                            *signal = bf_format("%s/signal", at), *source = bf_format("%s/source", at),
                            *query = bf_format("%s/query", at), *settle = bf_format("%s/settle", at);
        bool found = false;
        if (trigger->sql && dialect->check_query)
            dialect->check_query(trigger->sql, sql, complaints);
        if (trigger->signal && !bf_trigger_knows_signal(target, document, trigger->signal))
            bf_complain(complaints, BF_INVALID, signal, "there is no such signal on target %s: it is error_rate, batch_time, one "
                        "of the limits that %s has, one that GET /v1/targets/%s shows, or one of the document's own",
                        target->name, dialect->name, target->name);
        if (trigger->settle && trigger->signal && bf_trigger_signal_kind(trigger->signal, &found) == BF_SIGNAL_DEAD_TUPLES)
            bf_complain(complaints, BF_INVALID, settle, "a table's dead tuples are looked at while the job works: in a pause nobody "
                        "knows them");
        found = false;
        BF_AUTO_STRING char *fault = trigger->source && sources
                                         ? sources->check(sources->context, trigger->source, trigger->query, &found)
                                         : NULL;
        if (trigger->source && !found)
            bf_complain(complaints, BF_INVALID, source, "the daemon's configuration has no [source %s]", trigger->source);
        else if (fault)
            bf_complain(complaints, BF_INVALID, query, "%s", fault);
    }
}
