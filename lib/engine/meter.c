/* Looks at the walk whenever it has made a step: whatever takes time ends a step, so that nothing is missed in between,
 * and the walk itself need not know that it is measured. */
#include "meter.h"

#include "allocate.h"
#include "internal.h"

struct bf_metering {
    struct bf_meter meter; /* up to `at` */
    int64_t at;            /* monotonic milliseconds */
    bool working;          /* what it does since then counts */
    enum bf_activity activity;
    enum bf_code reason;
    struct {
        int attempts;
        int64_t batches;
    } walks[BF_SLICES_MAX];
    int64_t scanned, changed, set_aside, bad, yields, seen_back, conflicts; /* of the record, as last seen */
};

static bool waits(enum bf_activity activity)
{
    return activity == BF_ACTIVITY_HOLDING || activity == BF_ACTIVITY_BACKING_OFF;
}

/* The time since the last look belongs to what was seen then. */
static void count_time(const struct bf_metering *metering, int64_t now, struct bf_meter *meter)
{
    int64_t time = now - metering->at;
    if (!metering->working || time <= 0)
        return;
    meter->spent[metering->activity] += time;
    if (waits(metering->activity))
        meter->waited[metering->reason] += time;
}

static void count_batch(struct bf_meter *meter, int64_t microseconds)
{
    size_t class = 0;
    while (class < BF_BATCH_BOUNDS && microseconds > bf_batch_bound(class) * 1000)
        class++;
    meter->batch_times[class]++;
    meter->batch_time += microseconds;
    meter->batches++;
}

static void remember(struct bf_metering *metering, const struct bf_job *job)
{
    const struct bf_progress *progress = &job->record.progress;
    for (size_t i = 0; i < bf_job_walks(job); i++) {
        metering->walks[i].attempts = bf_job_walk(job, i)->attempts;
        metering->walks[i].batches = bf_job_walk(job, i)->part.batches;
    }
    metering->scanned = progress->rows_scanned;
    metering->changed = progress->rows_changed;
    metering->set_aside = progress->rows_set_aside;
    metering->bad = progress->rows_bad;
    metering->yields = progress->yields;
    metering->seen_back = job->record.back.seen;
    metering->conflicts = job->record.back.conflicts;
}

/* A batch of the way back was committed: by how many rows, and how many of them it left alone. */
static void count_back(struct bf_metering *metering, const struct bf_way_back *back)
{
    int64_t looked = back->seen - metering->seen_back, left = back->conflicts - metering->conflicts;
    if (looked < 0) /* a fail-over took something back */
        return;
    metering->meter.rows_looked_back += looked;
    metering->meter.rows_restored += looked > left ? looked - left : 0; /* what was set aside is done later: left goes down */
}

void bf_meter_conflicts(struct bf_job *job, enum bf_conflict_kind kind, int64_t count)
{
    if (job->metering)
        job->metering->meter.conflicts[kind] += count;
}

void bf_meter_look(struct bf_job *job)
{
    bool working = bf_state_active(job->record.state);
    if (!job->metering) {
        if (!working)
            return;
        job->metering = BF_NEW(struct bf_metering);
        remember(job->metering, job);
    }
    struct bf_metering *metering = job->metering;
    struct bf_meter *meter = &metering->meter;
    const struct bf_progress *progress = &job->record.progress;
    int64_t now = bf_job_now(job);
    count_time(metering, now, meter);
    for (size_t i = 0; i < bf_job_walks(job); i++) {
        const struct bf_walk *walk = bf_job_walk(job, i);
        if (walk->part.batches == metering->walks[i].batches + 1)
            count_batch(meter, walk->batch.time);
        if (walk->attempts > metering->walks[i].attempts)
            meter->retries[walk->reason.code]++;
    }
    /* A fail-over that lost commits sets these back; what is done again then is work, and counts again. */
    if (progress->rows_scanned > metering->scanned)
        meter->rows_scanned += progress->rows_scanned - metering->scanned;
    if (progress->rows_changed > metering->changed)
        meter->rows_changed += progress->rows_changed - metering->changed;
    if (progress->rows_set_aside > metering->set_aside) /* what is done later takes it down again */
        meter->rows_set_aside += progress->rows_set_aside - metering->set_aside;
    if (progress->rows_bad > metering->bad)
        meter->rows_bad += progress->rows_bad - metering->bad;
    if (progress->yields > metering->yields)
        meter->yields += progress->yields - metering->yields;
    count_back(metering, &job->record.back);
    remember(metering, job);
    metering->at = now;
    metering->working = working;
    metering->activity = bf_job_activity(job);
    metering->reason = bf_job_reason(job).code;
}

void bf_meter_free(struct bf_job *job)
{
    free(job->metering);
}

void bf_job_meter(const struct bf_job *job, struct bf_meter *ret_meter)
{
    *ret_meter = (struct bf_meter){.checkpoint_age = -1};
    if (!job->metering)
        return;
    *ret_meter = job->metering->meter;
    count_time(job->metering, bf_job_now(job), ret_meter);
    ret_meter->checkpoint_age = -1;
    if (!bf_state_active(job->record.state))
        return;
    for (size_t i = 0; i < bf_job_walks(job); i++) { /* the oldest of those that are walked */
        const struct bf_walk *walk = bf_job_walk(job, i);
        int64_t age = bf_job_now(job) - walk->touched_at;
        if (walk->touched_at > 0 && (i == 0 || walk->phase != BF_PHASE_OVER) && age > ret_meter->checkpoint_age)
            ret_meter->checkpoint_age = age;
    }
}
