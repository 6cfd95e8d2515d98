#include "alerts.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

enum { SEEN_AGAIN = 86400000 /* milliseconds: a repeat is stored once a day, so that a long alert is not forgotten */ };

/* One request: it is answered when each of its alerts is. */
struct bf_alert_round {
    struct bf_alert_round *previous, *next; /* of the engine's */
    struct bf_engine *engine;
    bf_alerted *done;
    void *argument;
    size_t count, waiting;
    struct bf_alert_place {
        struct bf_alert_round *round;
        struct bf_alert_outcome outcome;
        struct bf_mark mark;
    } places[];
};

static int64_t unix_now(const struct bf_engine *engine)
{
    return engine->world->unix_time(engine->world->context);
}

/* ---- which were acted on ---- */

static struct bf_mark *find(const struct bf_engine *engine, const char *fingerprint, const char *starts_at)
{
    for (size_t i = 0; i < engine->seen_count; i++)
        if (strcmp(engine->seen[i].name, fingerprint) == 0 && strcmp(engine->seen[i].more, starts_at) == 0)
            return &engine->seen[i];
    return NULL;
}

void bf_alerts_loaded(void *argument, const struct bf_mark *mark)
{
    struct bf_engine *engine = argument;
    if (mark->kind != BF_MARK_ALERT)
        return;
    engine->seen = bf_reallocate(engine->seen, (engine->seen_count + 1) * sizeof *engine->seen);
    engine->seen[engine->seen_count++] = *mark;
}

/* It has not acted after all. */
static void forget(struct bf_engine *engine, const struct bf_mark *mark)
{
    struct bf_mark *seen = find(engine, mark->name, mark->more);
    if (seen)
        *seen = engine->seen[--engine->seen_count];
}

static void forget_old(struct bf_engine *engine)
{
    int64_t oldest = unix_now(engine) - BF_ALERTS_KEPT;
    size_t kept = 0;
    for (size_t i = 0; i < engine->seen_count; i++)
        if (engine->seen[i].number >= oldest)
            engine->seen[kept++] = engine->seen[i];
    engine->seen_count = kept;
}

static void mark_stored(struct bf_call *call, const struct bf_error *error)
{
    (void)call, (void)error; /* where it cannot be stored it is remembered until a restart */
}

static void save_mark(struct bf_engine *engine, const struct bf_mark *mark)
{
    engine->store->save_mark(engine->store->context, mark, bf_call_stored, bf_call_new(engine, mark_stored));
}

/* ---- the answer ---- */

static void unlink_round(struct bf_alert_round *round)
{
    if (round->previous)
        round->previous->next = round->next;
    else
        round->engine->alert_rounds = round->next;
    if (round->next)
        round->next->previous = round->previous;
}

static void answer(struct bf_alert_round *round)
{
    struct bf_alert_outcome *outcomes = bf_allocate(round->count * sizeof *outcomes + 1);
    for (size_t i = 0; i < round->count; i++)
        outcomes[i] = round->places[i].outcome;
    bf_alerted *done = round->done;
    void *argument = round->argument;
    size_t count = round->count;
    unlink_round(round);
    free(round);
    done(argument, outcomes, count);
    free(outcomes);
}

void bf_alerts_drop(struct bf_engine *engine)
{
    while (engine->alert_rounds) {
        struct bf_alert_round *round = engine->alert_rounds;
        unlink_round(round);
        free(round);
    }
    free(engine->seen);
    engine->seen = NULL;
    engine->seen_count = 0;
}

static void on_ordered(void *argument, const struct bf_outcome_of_order *ordered)
{
    struct bf_alert_place *place = argument;
    struct bf_alert_outcome *outcome = &place->outcome;
    outcome->acted = ordered->code == BF_OK && !ordered->already;
    outcome->durable = ordered->durable;
    if (outcome->acted) /* behind what it did: a crash in between repeats a stop, and forgets none */
        save_mark(place->round->engine, &place->mark);
    else
        forget(place->round->engine, &place->mark);
    if (!outcome->acted)
        snprintf(outcome->text, sizeof outcome->text, "%.200s",
                 ordered->code == BF_OK ? "nothing: the job is so already" : ordered->text);
    if (--place->round->waiting == 0)
        answer(place->round);
}

/* ---- what is done ---- */

/* What the document allows, and no more than the alert asks for. */
static enum bf_order order_of(const struct bf_job *job, const struct bf_alert *alert)
{
    enum bf_order allowed = job->record.document->alerts;
    if (allowed == BF_ORDER_ROLLBACK && !job->record.started)
        allowed = BF_ORDER_ABORT; /* there is nothing to take back */
    for (enum bf_order order = 0; alert->action && order < BF_ORDER_COUNT; order++)
        if (strcmp(alert->action, bf_order_name(order)) == 0 && bf_order_strength(order) > 0 &&
            bf_order_strength(order) < bf_order_strength(allowed))
            return order;
    return allowed;
}

static const char *why_not(const struct bf_alert *alert, const struct bf_job *job, enum bf_order order)
{
    enum bf_state to;
    if (!alert->firing)
        return "nothing: it is resolved";
    if (!alert->job)
        return "nothing: it has no label backfill";
    if (!job)
        return "nothing: there is no such job";
    if (!job->record.document->takes_alerts)
        return "nothing: the job's document does not say \"alerts\"";
    if (find(job->engine, alert->fingerprint, alert->starts_at))
        return "nothing: it acted already";
    if (bf_state_final(job->record.state))
        return "nothing: the job has ended";
    if (job->record.direction == BF_DIRECTION_BACK || job->record.back.wanted)
        return "nothing: the job goes back already";
    switch (bf_order_effect(order, job->record.state, &to)) {
    case BF_EFFECT_CONFLICT:
        return "nothing: the job's state does not allow it";
    case BF_EFFECT_ALREADY:
        return "nothing: the job is so already";
    default:
        return NULL;
    }
}

static void act(struct bf_alert_place *place, const struct bf_alert *alert, struct bf_job *job, enum bf_order order)
{
    struct bf_engine *engine = job->engine;
    const char *name = alert->name ? alert->name : alert->fingerprint;
    char actor[64], text[BF_ERROR_TEXT_MAX];
    snprintf(actor, sizeof actor, "alert:%.56s", name);
    snprintf(text, sizeof text, "alert %.100s fires: the job is %s%s%.250s", name,
             order == BF_ORDER_PAUSE ? "paused" : order == BF_ORDER_ABORT ? "aborted" : "rolled back",
             alert->summary ? ": " : "", alert->summary ? alert->summary : "");
    for (char *byte = text; *byte; byte++) /* the event is one line */
        if ((unsigned char)*byte < 0x20 || *byte == 0x7F)
            *byte = ' ';
    struct bf_reason *because = BF_NEW(struct bf_reason);
    *because = bf_reason_make(job, BF_ALERT, text);
    snprintf(because->signal, sizeof because->signal, "%s", actor);
    place->mark.number = unix_now(engine);
    bf_alerts_loaded(engine, &place->mark);
    bf_job_record_event(job, "alert", actor, text, NULL);
    place->outcome.did = order;
    snprintf(place->outcome.text, sizeof place->outcome.text, "%.250s", text);
    bf_engine_enqueue(engine, job->record.id,
                      (struct bf_request){.order = order, .cause = BF_BY_ALERT, .actor = bf_copy_string(actor),
                                          .because = because, .done = on_ordered, .argument = place});
}

static void take(struct bf_alert_place *place, const struct bf_alert *alert)
{
    struct bf_engine *engine = place->round->engine;
    const struct bf_job *found = NULL;
    struct bf_error error;
    struct bf_alert_outcome *outcome = &place->outcome;
    if (alert->job)
        bf_engine_find(engine, alert->job, false, &found, &error);
    struct bf_job *job = found ? bf_engine_by_id(engine, bf_job_record(found)->id) : NULL;
    enum bf_order order = job ? order_of(job, alert) : BF_ORDER_PAUSE;
    const char *nothing = why_not(alert, job, order);
    struct bf_mark *seen = find(engine, alert->fingerprint, alert->starts_at);
    snprintf(outcome->fingerprint, sizeof outcome->fingerprint, "%s", alert->fingerprint);
    snprintf(place->mark.name, sizeof place->mark.name, "%s", alert->fingerprint);
    snprintf(place->mark.more, sizeof place->mark.more, "%s", alert->starts_at);
    outcome->durable = true;
    if (job)
        memcpy(outcome->job, job->record.id, sizeof outcome->job);
    if (seen && alert->firing && unix_now(engine) - seen->number > SEEN_AGAIN) {
        seen->number = unix_now(engine);
        save_mark(engine, seen);
    }
    if (!nothing) {
        place->round->waiting++;
        act(place, alert, job, order);
    } else {
        snprintf(outcome->text, sizeof outcome->text, "%s", nothing);
    }
}

void bf_engine_take_alerts(struct bf_engine *engine, const struct bf_alert *alerts, size_t count, bf_alerted *done,
                           void *argument)
{
    size_t size = sizeof(struct bf_alert_round) + count * sizeof(struct bf_alert_place);
    struct bf_alert_round *round = memset(bf_allocate(size), 0, size);
    *round = (struct bf_alert_round){.engine = engine, .done = done, .argument = argument, .count = count,
                                     .next = engine->alert_rounds, .waiting = 1};
    if (round->next)
        round->next->previous = round;
    engine->alert_rounds = round;
    forget_old(engine);
    for (size_t i = 0; i < count; i++) {
        round->places[i].round = round;
        round->places[i].mark.kind = BF_MARK_ALERT;
        take(&round->places[i], &alerts[i]);
    }
    if (--round->waiting == 0)
        answer(round);
}
