#include "sampler.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <uthash.h>

#include "allocate.h"
#include "pressure.h"

enum { TICK = 1000, STORE_EVERY = 60 /* ticks */, COARSE_STEPS = 2, SIGNALS = 24 /* of one job, those with a limit */ };

enum { SIGNALS_MAX = BF_WATCHED_MAX + 2 * BF_SIGNALS_MAX }; /* of one target */

static const int steps[COARSE_STEPS] = {BF_SAMPLE_MIDDLE, BF_SAMPLE_COARSE};

/* The worst value of each signal in a span; below 0: it was not measured. */
struct levels {
    float value[SIGNALS], limit[SIGNALS];
};

struct point {
    struct bf_sample sample; /* its signals are NULL: they are made where it is read */
    struct levels levels;
};

/* The same as it is kept: six hundred of them for each job that works. What does not fit into a second does not happen. */
struct kept {
    uint32_t second; /* unix */
    uint32_t rows_scanned, rows_changed, batches, batch_time, batch_rows, slept, held;
};
struct level {
    float value, limit; /* as in levels */
};

/* One job while it works, and ten minutes more. */
struct series {
    UT_hash_handle hh; /* by job */
    char job[BF_ULID_TEXT];
    struct bf_meter seen;      /* at the last tick */
    char (*names)[BF_SIGNAL_NAME]; /* of its signals, as they were met */
    size_t signals;
    struct kept *fine;         /* a ring */
    struct level *levels;      /* beside each of its points, one for each signal: most jobs have few */
    size_t capacity, begin, count;
    struct point open[COARSE_STEPS]; /* whose span is not over; at 0: none */
    struct bf_sample *closed[COARSE_STEPS]; /* not stored yet */
    size_t closed_count[COARSE_STEPS];
};

struct bf_sampler {
    struct bf_engine *engine;
    const struct bf_store *store;
    uv_timer_t timer;
    struct series *series; /* by job */
    int ticks;
    struct bf_signal signals[SIGNALS_MAX]; /* of the target that is looked at */
};

static int64_t unix_now(void)
{
    struct timeval time;
    gettimeofday(&time, NULL);
    return (int64_t)time.tv_sec * 1000 + time.tv_usec / 1000;
}

static bool works(enum bf_state state)
{
    return state == BF_STATE_RUNNING || state == BF_STATE_VERIFYING || state == BF_STATE_PAUSING ||
           state == BF_STATE_ABORTING || state == BF_STATE_ROLLING_BACK;
}

static struct series *series_of(struct bf_sampler *sampler, const char *job)
{
    struct series *found = NULL;
    HASH_FIND_STR(sampler->series, job, found);
    return found;
}

/* ---- points ---- */

static void add(struct bf_sample *sum, const struct bf_sample *point)
{
    sum->rows_scanned += point->rows_scanned;
    sum->rows_changed += point->rows_changed;
    sum->batches += point->batches;
    sum->batch_time += point->batch_time;
    sum->batch_rows = point->batch_rows;
    sum->slept += point->slept;
    sum->held += point->held;
}

static struct levels no_levels(void)
{
    struct levels levels;
    for (int i = 0; i < SIGNALS; i++) levels.value[i] = levels.limit[i] = -1;
    return levels;
}

static void add_levels(struct levels *sum, const struct levels *levels)
{
    for (int i = 0; i < SIGNALS; i++) {
        if (levels->value[i] > sum->value[i]) sum->value[i] = levels->value[i];
        if (levels->limit[i] >= 0) sum->limit[i] = levels->limit[i];
    }
}

/* Owned JSON, or NULL. Names of signals are the operator's words. */
static char *levels_text(const struct series *series, const struct levels *levels)
{
    json_t *made = json_object();
    for (size_t i = 0; i < series->signals; i++)
        if (levels->value[i] >= 0)
            json_object_set_new(made, series->names[i],
                                json_pack("[f, f]", (double)levels->value[i], (double)levels->limit[i]));
    char *text = json_object_size(made) > 0 ? json_dumps(made, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(made);
    return text;
}

static void close_span(struct series *series, int which)
{
    if (series->open[which].sample.at == 0) return;
    size_t count = ++series->closed_count[which];
    series->closed[which] = bf_reallocate(series->closed[which], count * sizeof **series->closed);
    series->closed[which][count - 1] = series->open[which].sample;
    series->closed[which][count - 1].signals = levels_text(series, &series->open[which].levels);
    series->open[which] = (struct point){0};
}

static uint32_t small(int64_t number)
{
    return number < 0 ? 0 : number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

static struct kept keep(const struct point *point)
{
    const struct bf_sample *sample = &point->sample;
    return (struct kept){.second = small(sample->at / BF_SAMPLE_FINE),
                         .rows_scanned = small(sample->rows_scanned),
                         .rows_changed = small(sample->rows_changed),
                         .batches = small(sample->batches),
                         .batch_time = small(sample->batch_time),
                         .batch_rows = small(sample->batch_rows),
                         .slept = small(sample->slept),
                         .held = small(sample->held)};
}

static struct bf_sample sample_of(const struct kept *kept)
{
    return (struct bf_sample){.at = (int64_t)kept->second * BF_SAMPLE_FINE,
                              .rows_scanned = kept->rows_scanned,
                              .rows_changed = kept->rows_changed,
                              .batches = kept->batches,
                              .batch_time = kept->batch_time,
                              .batch_rows = kept->batch_rows,
                              .slept = kept->slept,
                              .held = kept->held};
}

static struct level *levels_at(const struct series *series, size_t slot)
{
    return series->levels + slot * series->signals;
}

static void put(struct series *series, size_t slot, const struct point *point)
{
    series->fine[slot] = keep(point);
    for (size_t i = 0; i < series->signals; i++)
        levels_at(series, slot)[i] = (struct level){point->levels.value[i], point->levels.limit[i]};
}

static struct levels levels_of(const struct series *series, size_t slot)
{
    struct levels levels = no_levels();
    for (size_t i = 0; i < series->signals; i++) {
        levels.value[i] = levels_at(series, slot)[i].value;
        levels.limit[i] = levels_at(series, slot)[i].limit;
    }
    return levels;
}

static void take_point(struct series *series, const struct point *point)
{
    if (series->count == series->capacity && series->capacity < BF_SAMPLES_FINE) {
        /* It has not begun to turn yet: what is there stands in order from 0. */
        series->capacity = series->capacity ? 2 * series->capacity : 75;
        series->fine = bf_reallocate(series->fine, series->capacity * sizeof *series->fine);
        series->levels = bf_reallocate(series->levels, (series->capacity * series->signals + 1) * sizeof *series->levels);
    }
    if (series->count < series->capacity) {
        put(series, (series->begin + series->count++) % series->capacity, point);
    } else {
        put(series, series->begin, point);
        series->begin = (series->begin + 1) % series->capacity;
    }
    for (int which = 0; which < COARSE_STEPS; which++) {
        struct point *open = &series->open[which];
        int64_t at = point->sample.at - point->sample.at % steps[which];
        if (open->sample.at != at) {
            close_span(series, which);
            open->levels = no_levels();
        }
        open->sample.at = at;
        add(&open->sample, &point->sample);
        add_levels(&open->levels, &point->levels);
    }
}

static int64_t waited(const struct bf_meter *meter)
{
    return meter->spent[BF_ACTIVITY_HOLDING] + meter->spent[BF_ACTIVITY_BACKING_OFF];
}

static int64_t time_spent(const struct bf_meter *meter)
{
    int64_t spent = 0;
    for (int activity = 0; activity < BF_ACTIVITY_COUNT; activity++) spent += meter->spent[activity];
    return spent;
}

static bool has_worked(const struct bf_job *job)
{
    struct bf_meter meter;
    bf_job_meter(job, &meter);
    return time_spent(&meter) > 0;
}

/* What it did long before its series began (it was paused for an hour) belongs to no point of it. */
static void forget_past(struct series *series, const struct bf_job *job)
{
    struct bf_meter meter;
    bf_job_meter(job, &meter);
    if (time_spent(&meter) > 2 * TICK) series->seen = meter;
}

/* One signal more: before it was met it was not measured. */
static void widen(struct series *series, const char *name)
{
    size_t before = series->signals, slots = series->capacity;
    struct level *wider = bf_allocate((slots * (before + 1) + 1) * sizeof *wider);
    for (size_t slot = 0; slot < slots; slot++) {
        for (size_t i = 0; i < before; i++) wider[slot * (before + 1) + i] = levels_at(series, slot)[i];
        wider[slot * (before + 1) + before] = (struct level){-1, -1};
    }
    free(series->levels);
    series->levels = wider;
    series->names = bf_reallocate(series->names, (before + 1) * sizeof *series->names);
    snprintf(series->names[series->signals++], sizeof *series->names, "%s", name);
}

/* The place of a signal in this series; -1: there are more than it has room for. */
static int place_of(struct series *series, const char *name)
{
    for (size_t i = 0; i < series->signals; i++)
        if (strcmp(series->names[i], name) == 0) return (int)i;
    if (series->signals == SIGNALS) return -1;
    widen(series, name);
    return (int)series->signals - 1;
}

static struct levels levels_now(struct bf_sampler *sampler, struct series *series, const struct bf_job *job)
{
    struct levels levels = no_levels();
    const char *target = bf_job_record(job)->document->target;
    size_t count = bf_engine_signals(sampler->engine, target, sampler->signals, SIGNALS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct bf_signal *signal = &sampler->signals[i];
        double limit = bf_job_limit(job, signal); /* its own: a target shows the strictest of all that run */
        int place = limit > 0 && signal->sampled_at != BF_SIGNAL_NEVER ? place_of(series, signal->name) : -1;
        if (place < 0) continue;
        levels.value[place] = isfinite(signal->value) ? (float)signal->value : -1;
        levels.limit[place] = (float)limit;
    }
    return levels;
}

/* Forward, or back: a job does one of them at a time. */
static int64_t looked_at(const struct bf_meter *meter)
{
    return meter->rows_scanned + meter->rows_looked_back;
}

static int64_t written(const struct bf_meter *meter)
{
    return meter->rows_changed + meter->rows_restored;
}

static void look(struct bf_sampler *sampler, struct series *series, const struct bf_job *job, int64_t now)
{
    struct bf_meter meter;
    const struct bf_meter *seen = &series->seen;
    bf_job_meter(job, &meter);
    struct bf_sample sample = {.at = now - now % BF_SAMPLE_FINE,
                              .rows_scanned = looked_at(&meter) - looked_at(seen),
                              .rows_changed = written(&meter) - written(seen),
                              .batches = meter.batches - seen->batches,
                              .batch_time = meter.batch_time - seen->batch_time,
                              .batch_rows = bf_job_record(job)->progress.batch_rows,
                              .slept = meter.spent[BF_ACTIVITY_SLEEPING] - seen->spent[BF_ACTIVITY_SLEEPING],
                              .held = waited(&meter) - waited(seen)};
    series->seen = meter;
    struct point point = {.sample = sample,
                          .levels = levels_now(sampler, series, job)};
    take_point(series, &point);
}

/* ---- the store ---- */

static void store_closed(struct bf_sampler *sampler)
{
    for (struct series *each = sampler->series; each; each = each->hh.next) {
        for (int which = 0; which < COARSE_STEPS; which++) {
            if (each->closed_count[which] == 0) continue;
            /* A point that cannot be stored is lost; the store's trouble is said by what must be stored. */
            sampler->store->save_samples(sampler->store->context, each->job, steps[which], each->closed[which],
                                         each->closed_count[which], which == 0 ? BF_SAMPLES_MIDDLE : BF_SAMPLES_COARSE);
            for (size_t i = 0; i < each->closed_count[which]; i++) free(each->closed[which][i].signals);
            free(each->closed[which]);
            each->closed[which] = NULL;
            each->closed_count[which] = 0;
        }
    }
}

static void series_free(struct series *series)
{
    for (int which = 0; which < COARSE_STEPS; which++) free(series->closed[which]);
    free(series->fine);
    free(series->levels);
    free(series->names);
    free(series);
}

/* ---- the clock ---- */

static bool is_over(const struct series *series, int64_t now)
{
    if (series->count == 0) return true;
    const struct kept *last = &series->fine[(series->begin + series->count - 1) % series->capacity];
    return now - (int64_t)last->second * BF_SAMPLE_FINE > (int64_t)BF_SAMPLES_FINE * BF_SAMPLE_FINE;
}

static void forget_old(struct bf_sampler *sampler, int64_t now)
{
    struct series *each, *next;
    HASH_ITER(hh, sampler->series, each, next)
    {
        if (!is_over(each, now)) continue;
        HASH_DEL(sampler->series, each);
        series_free(each);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct bf_sampler *sampler = timer->data;
    int64_t now = unix_now();
    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(sampler->engine, job));) {
        const struct bf_record *record = bf_job_record(job);
        struct series *series = series_of(sampler, record->id);
        /* A short job may begin and end between two ticks. */
        bool worked = now - record->updated_at <= 2 * TICK && has_worked(job);
        if (!series && (works(record->state) || worked)) {
            series = BF_NEW(struct series);
            memcpy(series->job, record->id, sizeof series->job);
            HASH_ADD_STR(sampler->series, job, series);
            forget_past(series, job);
        }
        if (series && (works(record->state) || series->open[0].sample.at != 0 || series->count == 0))
            look(sampler, series, job, now);
        if (series && !works(record->state))
            for (int which = 0; which < COARSE_STEPS; which++) close_span(series, which);
    }
    if (++sampler->ticks % STORE_EVERY != 0) return;
    store_closed(sampler);
    forget_old(sampler, now);
}

struct bf_sampler *bf_sampler_new(uv_loop_t *loop, struct bf_engine *engine, const struct bf_store *store)
{
    struct bf_sampler *sampler = BF_NEW(struct bf_sampler);
    sampler->engine = engine;
    sampler->store = store;
    uv_timer_init(loop, &sampler->timer);
    sampler->timer.data = sampler;
    uv_unref((uv_handle_t *)&sampler->timer);
    uv_timer_start(&sampler->timer, on_tick, TICK, TICK);
    return sampler;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void bf_sampler_free(struct bf_sampler *sampler)
{
    if (!sampler) return;
    for (struct series *each = sampler->series; each; each = each->hh.next)
        for (int which = 0; which < COARSE_STEPS; which++) close_span(each, which);
    store_closed(sampler);
    struct series *each, *next;
    HASH_ITER(hh, sampler->series, each, next)
    {
        HASH_DEL(sampler->series, each);
        series_free(each);
    }
    uv_close((uv_handle_t *)&sampler->timer, on_closed);
}

/* ---- reading ---- */

static void read_fine(const struct series *series, int64_t since, size_t limit, bf_store_samples *read, void *argument)
{
    struct bf_sample *found = bf_allocate((limit + 1) * sizeof *found);
    size_t count = 0, first = since == 0 && series && series->count > limit ? series->count - limit : 0;
    for (size_t i = first; series && i < series->count && count < limit; i++) {
        size_t slot = (series->begin + i) % series->capacity;
        struct bf_sample sample = sample_of(&series->fine[slot]);
        if (sample.at < since) continue;
        struct levels levels = levels_of(series, slot);
        found[count] = sample;
        found[count++].signals = levels_text(series, &levels);
    }
    static const struct bf_error fine = {.code = BF_OK};
    read(argument, found, count, &fine);
    for (size_t i = 0; i < count; i++) free(found[i].signals);
    free(found);
}

/* What the store has, and behind it the point whose span is not over. */
struct reading {
    bf_store_samples *read;
    void *argument;
    struct bf_sample open;
    int64_t since;
    size_t limit;
};

static void on_stored_read(void *argument, const struct bf_sample *samples, size_t count, const struct bf_error *error)
{
    struct reading *reading = argument;
    bool fits = reading->open.at >= reading->since && (count < reading->limit || reading->since == 0);
    if (error->code == BF_OK && reading->open.at != 0 && fits) {
        struct bf_sample *all = bf_allocate((count + 1) * sizeof *all);
        if (count > 0) memcpy(all, samples, count * sizeof *all);
        /* A part of the same span was stored already: the job rested in between. */
        if (count > 0 && all[count - 1].at == reading->open.at)
            add(&all[count - 1], &reading->open);
        else
            all[count++] = reading->open;
        size_t first = count > reading->limit ? 1 : 0;
        reading->read(reading->argument, all + first, count - first, error);
        free(all);
    } else {
        reading->read(reading->argument, samples, count, error);
    }
    free(reading->open.signals);
    free(reading);
}

void bf_sampler_read(struct bf_sampler *sampler, const char *job, int step, int64_t since, size_t limit,
                     bf_store_samples *read, void *argument)
{
    const struct series *series = series_of(sampler, job);
    if (step == BF_SAMPLE_FINE) {
        read_fine(series, since, limit, read, argument);
        return;
    }
    store_closed(sampler);
    struct reading *reading = BF_NEW(struct reading);
    *reading = (struct reading){.read = read, .argument = argument, .since = since, .limit = limit};
    if (series) {
        const struct point *open = &series->open[step == BF_SAMPLE_MIDDLE ? 0 : 1];
        reading->open = open->sample;
        if (open->sample.at != 0) reading->open.signals = levels_text(series, &open->levels);
    }
    sampler->store->read_samples(sampler->store->context, job, step, since, limit, on_stored_read, reading);
}
