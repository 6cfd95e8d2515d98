/* The targets and their jobs. The configuration may change while jobs run: a job whose target is gone or is made anew
 * ends its batch there, as for a drain, and goes on with the target that has the name now, or waits until there is one. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"
#include "signals.h"

const struct bf_target *bf_engine_target(const struct bf_engine *engine, size_t index)
{
    return index < engine->target_count ? engine->targets[index] : NULL;
}

const struct bf_target *bf_engine_target_by_name(const struct bf_engine *engine, const char *name)
{
    for (size_t i = 0; i < engine->target_count; i++)
        if (strcmp(engine->targets[i]->name, name) == 0)
            return engine->targets[i];
    return NULL;
}

bool bf_target_asks_replicas(const struct bf_target *target)
{
    return target->watch_replicas && (target->replica_count > 0 || target->replica_at) && target->database->dialect->read_beat;
}

const struct bf_rules *bf_engine_rules_of(void *engine, const char *target)
{
    const struct bf_target *found = bf_engine_target_by_name(engine, target);
    return found ? found->rules : NULL;
}

void bf_target_check_ceilings(const struct bf_target *target, const struct bf_document *document,
                              struct bf_complaints *complaints)
{
    if (target->rules)
        bf_rules_check(target->rules, target->name, document, complaints);
}

void bf_target_check_pace(const struct bf_engine *engine, const struct bf_target *target,
                          const struct bf_document *document, struct bf_complaints *complaints)
{
    const struct bf_dialect *dialect = target->database->dialect;
    const struct bf_world *world = engine->world;
    const struct bf_pace *pace = &document->pace;
    int32_t offset;
    for (size_t i = 0; i < pace->window_count; i++) {
        BF_AUTO_STRING char *pointer = bf_format("/pace/window/%zu/zone", i);
        if (!world->zone_offset(world->context, pace->windows[i].zone, world->unix_time(world->context) / 1000, &offset))
            bf_complain(complaints, BF_INVALID, pointer, "there is no time zone %s on the daemon's machine; write it as in "
                        "\"Europe/Berlin\"", pace->windows[i].zone);
    }
    for (size_t i = 0; dialect->check_query && i < document->query_count; i++) {
        BF_AUTO_STRING char *pointer = bf_format("/signals/%zu/sql", i);
        if (document->queries[i].sql)
            dialect->check_query(document->queries[i].sql, pointer, complaints);
    }
    for (enum bf_signal_kind kind = 0; kind < BF_SIGNAL_KIND_COUNT; kind++) {
        BF_AUTO_STRING char *pointer = bf_format("/limits/%s", bf_signal_kind_name(kind));
        if (kind != BF_SIGNAL_REPLICATION_LAG && bf_document_limit(document, kind) > 0 && !bf_signal_is_measured(target, kind))
            bf_complain(complaints, BF_UNSUPPORTED, pointer, "there is no such signal on %s", dialect->name);
    }
    if (document->limits.bad_rows > 0 && !dialect->bad_rows)
        bf_complain(complaints, BF_UNSUPPORTED, "/limits/bad_rows", "is not built yet for %s", dialect->name);
    if (pace->slices > 1 && !dialect->slices)
        bf_complain(complaints, BF_UNSUPPORTED, "/pace/slices", "is not built yet for %s", dialect->name);
    if (pace->max_log_bytes_per_second < BF_NO_LIMIT && !dialect->common(BF_STATEMENT_BEAT))
        bf_complain(complaints, BF_UNSUPPORTED, "/pace/max_log_bytes_per_second", "is not built yet for %s", dialect->name);
}

static bool stops(const struct bf_job *job)
{
    return job->record.state == BF_STATE_PAUSING || job->record.state == BF_STATE_ABORTING;
}

/* A session of the job was lost in mid-batch on a target that is gone, and may still commit there: the connection is kept,
 * because a stop has to settle that first. */
static bool parked(const struct bf_job *job)
{
    return job->leaving && bf_walk_over(job) && bf_crew_unsettled(job) && bf_state_active(job->record.state) &&
           !bf_engine_target_by_name(job->engine, job->record.document->target);
}

bool bf_job_may_settle(const struct bf_job *job)
{
    /* What runs on is settled by taking it up again; what stops, where the target is made anew, on its new connection. */
    return !job->leaving || (stops(job) && !bf_engine_target_by_name(job->engine, job->record.document->target));
}

/* Why a job is paused stays its reason; resumed, it waits like the others. */
bool bf_job_waits_for_target(const struct bf_job *job)
{
    return (!job->target || parked(job)) && !bf_state_final(job->record.state) &&
           job->record.state != BF_STATE_PAUSED && !stops(job);
}

void bf_job_show_target(struct bf_job *job)
{
    struct bf_reason *reason = &job->walk.reason;
    char text[BF_ERROR_TEXT_MAX];
    if (!bf_job_waits_for_target(job)) {
        if (reason->code == BF_TARGET_GONE)
            *reason = (struct bf_reason){0};
    } else if (reason->code != BF_TARGET_GONE) {
        snprintf(text, sizeof text, "target %s is not in the configuration any more: the job waits until it is there again",
                 job->record.document->target);
        *reason = bf_reason_make(job, BF_TARGET_GONE, text);
    }
}

void bf_job_change_target(struct bf_job *job)
{
    const struct bf_target *now = bf_engine_target_by_name(job->engine, job->record.document->target);
    bool unsettled = bf_crew_unsettled(job), was_gone = job->target_gone;
    bf_walk_reset(job, unsettled);
    job->leaving = true;
    job->target_gone = !now;
    if (!parked(job)) {
        job->target = now;
        job->leaving = false;
    }
    bf_job_show_target(job);
    if (!bf_state_final(job->record.state) && was_gone != job->target_gone)
        bf_job_note(job, "note", now ? "target %s is there again" : "target %s is not in the configuration any more",
                    job->record.document->target);
    job->engine->schedule = true;
    bf_engine_mark(job);
}

void bf_engine_set_targets(struct bf_engine *engine, const struct bf_target *const *targets, size_t count)
{
    free(engine->targets);
    engine->targets = bf_allocate(count * sizeof *targets + 1);
    if (count)
        memcpy(engine->targets, targets, count * sizeof *targets);
    engine->target_count = count;
    bf_submissions_leave(engine);
    bf_counts_leave(engine);
    bf_clones_leave(engine);
    bf_undo_leave(engine);
    bf_adoptions_leave(engine);
    for (struct bf_job *job = engine->oldest; job; job = job->newer) {
        const struct bf_target *now = bf_engine_target_by_name(engine, job->record.document->target);
        if (job->target == now && !job->leaving)
            continue;
        if (bf_walk_over(job)) {
            bf_job_change_target(job);
            continue;
        }
        job->leaving = true;
        bf_engine_mark(job);
    }
    engine->schedule = true;
    bf_engine_wake(engine);
}

bool bf_engine_uses(const struct bf_engine *engine, const struct bf_target *target)
{
    for (const struct bf_job *job = engine->oldest; job; job = job->newer)
        if (job->target == target)
            return true;
    for (const struct bf_monitor *monitor = engine->monitors; monitor; monitor = monitor->next)
        if (monitor->target == target)
            return true;
    for (size_t i = 0; i < engine->target_count; i++)
        if (engine->targets[i] == target)
            return true;
    return false;
}
