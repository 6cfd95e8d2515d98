#include "pace_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "control.h"
#include "replica.h"

enum { TICK = 1 /* millisecond */, SAMPLE_EVERY = 500 };
static const double lag_limit = 1.5, megabyte = 1e6, as_before = -1, heartbeat = 150;

#define SAME .later_load = as_before, .later_apply = {as_before, as_before}

const struct pace_scenario pace_scenarios[] = {
    {.name = "steady", .row_time = 20, .row_bytes = 200, .density = 1, .load = 0.6, .load_bytes = 4e6, SAME,
     .apply = {40e6}, .seconds = 120},
    {.name = "step load", .row_time = 20, .row_bytes = 200, .density = 1, .load = 0.3, .later_load = 0.9,
     .load_bytes = 4e6, .apply = {12e6}, .later_apply = {as_before, as_before}, .change_at = 60, .back_at = 120,
     .seconds = 180},
    {.name = "slow replica", .row_time = 5, .row_bytes = 200, .density = 1, .load = 0.3, .load_bytes = 2e6, SAME,
     .apply = {8e6}, .seconds = 300},
    {.name = "slow replica of two", .row_time = 5, .row_bytes = 200, .density = 1, .load = 0.3, .load_bytes = 2e6, SAME,
     .apply = {60e6, 8e6}, .seconds = 300},
    {.name = "late on purpose", .row_time = 20, .row_bytes = 200, .density = 1, .load = 0.3, .load_bytes = 4e6, SAME,
     .apply = {60e6}, .delay = 0.7, .seconds = 300},
    {.name = "late on purpose, no load", .row_time = 20, .row_bytes = 200, .density = 1, SAME, .apply = {60e6}, .delay = 0.7,
     .seconds = 300},
    {.name = "far away", .row_time = 20, .row_bytes = 200, .density = 1, SAME, .apply = {60e6}, .delay = 0.3, .seconds = 120},
    {.name = "busy primary", .row_time = 20, .row_bytes = 200, .density = 1, .load = 0.5, .load_bytes = 200e6, SAME,
     .apply = {400e6}, .delay = 0.05, .seconds = 120},
    {.name = "replica stops for 30 s", .row_time = 20, .row_bytes = 200, .density = 1, .load = 0.3, .load_bytes = 4e6,
     .later_load = as_before, .apply = {60e6}, .later_apply = {0, as_before}, .change_at = 60, .back_at = 90,
     .seconds = 150},
    {.name = "replica an hour behind", .row_time = 20, .row_bytes = 200, .density = 1, .load = 0.3, .load_bytes = 4e6,
     SAME, .apply = {60e6, 1}, .behind = {0, 3600}, .seconds = 120},
    {.name = "oscillation", .row_time = 20, .row_bytes = 200, .density = 1, .load = 0.1, .later_load = 0.95, .wave = 10,
     .load_bytes = 8e6, .apply = {9e6}, .later_apply = {as_before, as_before}, .seconds = 300},
    {.name = "wide rows", .row_time = 500, .row_bytes = 20000, .density = 1, .load = 0.3, .load_bytes = 4e6, SAME,
     .apply = {20e6}, .seconds = 120},
    {.name = "very cheap rows", .row_time = 0.5, .row_bytes = 60, .density = 1, .load = 0.3, .load_bytes = 4e6, SAME,
     .apply = {30e6}, .seconds = 120},
    {.name = "sparse where, 10^9 rows", .row_time = 0.5, .row_bytes = 200, .density = 1e-6, .load = 0.3,
     .load_bytes = 4e6, SAME, .apply = {30e6}, .seconds = 120},
    {.name = "1,000 rows/s at most", .row_time = 20, .row_bytes = 200, .density = 1, .load = 0.3, .load_bytes = 4e6,
     SAME, .apply = {60e6}, .seconds = 120, .max_rows_per_second = 1000},
    {.name = "1 MB/s of log at most", .row_time = 20, .row_bytes = 200, .density = 1, .load = 0.3, .load_bytes = 4e6,
     SAME, .apply = {60e6}, .seconds = 120, .max_log_bytes_per_second = 1000000},
};
const int pace_scenario_count = (int)BF_COUNT(pace_scenarios);

const struct pace_scenario *pace_scenario_by_name(const char *name)
{
    for (int i = 0; i < pace_scenario_count; i++)
        if (strcmp(pace_scenarios[i].name, name) == 0)
            return &pace_scenarios[i];
    return NULL;
}

struct model {
    const struct pace_scenario *scenario;
    bool paced;
    int now;                             /* milliseconds */
    double *log;                         /* bytes at the end of each millisecond */
    double applied[PACE_MODEL_REPLICAS]; /* bytes */
    int applied_at[PACE_MODEL_REPLICAS]; /* the millisecond whose log is applied */
    double lag[PACE_MODEL_REPLICAS];
    int reply;

    struct bf_watched_list replicas;
    struct bf_asides asides;
    struct bf_control_memory memory;
    struct bf_size size;
    struct bf_batch batch; /* the last one */
    double work, work_left; /* microseconds of the batch under way */
    int64_t rows;
    int began, ended;      /* milliseconds */
    double log_before;
    enum { READY, WRITING, SLEEPING, HOLDING } phase;
    int64_t sleep_until;

    bool over_seen;        /* the newest sample was over the limit */
    double *lags;
    size_t lag_count;
    int64_t spent[4];
    double written, scanned;
};

static bool changed(const struct model *model)
{
    const struct pace_scenario *s = model->scenario;
    if (s->wave)
        return model->now / 1000 / s->wave % 2 == 1;
    return s->change_at && model->now >= s->change_at * 1000 && model->now < s->back_at * 1000;
}

static double load(const struct model *model)
{
    const struct pace_scenario *s = model->scenario;
    return changed(model) && s->later_load >= 0 ? s->later_load : s->load;
}

static void write_log(struct model *model)
{
    const struct pace_scenario *s = model->scenario;
    double bytes = load(model) * s->load_bytes / 1000 + (model->now % SAMPLE_EVERY ? 0 : heartbeat);
    double before = model->now ? model->log[model->now - 1] : 0;
    if (model->phase == WRITING) {
        /* The application comes first, and some of the server is left in any case. */
        double share = 1 - load(model) > 0.1 ? 1 - load(model) : 0.1;
        double done = share * 1000 * TICK;
        done = done < model->work_left ? done : model->work_left;
        model->work_left -= done;
        double own = (double)model->rows * s->density * s->row_bytes * done / model->work;
        bytes += own;
        model->written += own;
    }
    model->log[model->now] = before + bytes;
}

static void apply_log(struct model *model)
{
    const struct pace_scenario *s = model->scenario;
    for (int i = 0; i < PACE_MODEL_REPLICAS; i++) {
        double rate = changed(model) && !s->wave && s->later_apply[i] >= 0 ? s->later_apply[i] : s->apply[i];
        model->applied[i] += rate / 1000;
        int newest = model->now - (int)(model->scenario->delay * 1000);
        double there = newest < 0 ? 0 : model->log[newest];
        if (model->applied[i] > there)
            model->applied[i] = there;
        while (model->applied_at[i] < model->now && model->log[model->applied_at[i]] <= model->applied[i])
            model->applied_at[i]++;
        model->lag[i] = (model->now - model->applied_at[i]) / 1000.0;
        if (model->applied[i] < 0) /* still at what was there before the beginning */
            model->lag[i] = s->behind[i] + model->now / 1000.0;
    }
}

/* Is a replica that is heeded over the limit in the newest sample? */
static void look(struct model *model)
{
    model->over_seen = false;
    for (size_t i = 0; i < model->replicas.count; i++)
        if (!bf_aside_is(&model->asides, model->replicas.list[i].name, model->now) &&
            model->replicas.list[i].lag >= lag_limit)
            model->over_seen = true;
}

static void sample(struct model *model)
{
    struct bf_watched_view views[PACE_MODEL_REPLICAS];
    static const char *const names[PACE_MODEL_REPLICAS] = {"replica-1", "replica-2"};
    char reply[24];
    size_t count = 0;
    snprintf(reply, sizeof reply, "%d", ++model->reply);
    for (int i = 0; i < PACE_MODEL_REPLICAS; i++)
        if (model->scenario->apply[i] > 0)
            views[count++] = (struct bf_watched_view){.name = names[i], .reply = reply, .lag = model->lag[i],
                                                      .position = model->applied[i] + 1e12};
    bf_watched_sample(&model->replicas, model->now, model->log[model->now] + 1e12, views, count);
    look(model);
}

static struct bf_control decide(struct model *model)
{
    struct bf_signal signals[PACE_MODEL_REPLICAS];
    struct bf_heeded heeded[PACE_MODEL_REPLICAS];
    struct bf_replay replays[PACE_MODEL_REPLICAS];
    size_t count = 0, replay_count = 0;
    for (size_t i = 0; i < model->replicas.count; i++) {
        const struct bf_watched *replica = &model->replicas.list[i];
        if (bf_aside_is(&model->asides, replica->name, model->now))
            continue;
        signals[count] = (struct bf_signal){.kind = BF_SIGNAL_REPLICATION_LAG, .value = replica->lag, .limit = lag_limit,
                                            .sampled_at = replica->lag_at};
        if (bf_watched_is_rated(replica))
            replays[replay_count++] = (struct bf_replay){.name = replica->name, .position = replica->position, .at = replica->lag_at,
                                            .rate = replica->rate, .limit = lag_limit};
        snprintf(signals[count].name, sizeof signals[count].name, "lag:%s", replica->name);
        heeded[count++] = (struct bf_heeded){.name = replica->name, .from_start = replica->from_start};
    }
    const struct pace_scenario *s = model->scenario;
    struct bf_control_input input = {
        .now = model->now, .signals = signals, .signal_count = model->paced ? count : 0, .size = &model->size,
        .replays = replays, .replay_count = model->paced ? replay_count : 0,
        .batch = model->batch, .nice = model->paced ? 0.5 : 0, .window_open = true,
        .max_rows_per_second = s->max_rows_per_second && model->paced ? s->max_rows_per_second : BF_NO_LIMIT,
        .max_log_bytes_per_second = s->max_log_bytes_per_second && model->paced ? s->max_log_bytes_per_second : BF_NO_LIMIT};
    struct bf_control control = bf_control_decide(&input, &model->memory);
    for (size_t i = 0; i < count; i++) {
        heeded[i].holds = control.holding >> i & 1;
        heeded[i].alone = control.holding == UINT64_C(1) << i;
    }
    if (model->paced && bf_aside_judge(&model->asides, heeded, count, model->now) >= 0) {
        look(model);
        return decide(model);
    }
    return control;
}

static void begin_batch(struct model *model, const struct bf_control *control, struct pace_run *run)
{
    model->phase = WRITING;
    model->rows = control->rows;
    model->work = model->work_left = 300 + (double)model->rows * model->scenario->row_time;
    model->began = model->now;
    model->log_before = model->log[model->now];
    run->leaks += model->over_seen && model->paced;
    if (run->gone_on < 0 && model->scenario->back_at && model->now >= model->scenario->back_at * 1000)
        run->gone_on = (model->now - model->scenario->back_at * 1000) / 1000.0;
}

static void end_batch(struct model *model, struct pace_run *run)
{
    int64_t time = (int64_t)(model->now - model->began) * 1000;
    int64_t rows_changed = (int64_t)((double)model->rows * model->scenario->density);
    model->batch = (struct bf_batch){.time = time > 0 ? time : (int64_t)model->work, .scanned = model->rows,
                                     .changed = rows_changed,
                                     .log_bytes = (int64_t)(model->log[model->now] - model->log_before),
                                     .log_end = model->log[model->now] + 1e12};
    bf_size_batch(&model->size, model->rows, rows_changed, model->batch.time);
    model->scanned += (double)model->rows;
    model->ended = model->now;
    run->batches++;
    model->phase = SLEEPING;
    model->sleep_until = model->now + decide(model).sleep / 1000;
}

static void turn(struct model *model, struct pace_run *run)
{
    if (model->phase == WRITING && model->work_left <= 0)
        end_batch(model, run);
    if (model->phase == SLEEPING && model->now >= model->sleep_until)
        model->phase = READY;
    if (model->phase == HOLDING && model->now % SAMPLE_EVERY == 0)
        model->phase = READY;
    if (model->phase == READY) {
        struct bf_control control = decide(model);
        if (control.cause == BF_GO)
            begin_batch(model, &control, run);
        else
            model->phase = HOLDING;
    }
    model->spent[model->phase]++;
}

static void note_lag(struct model *model)
{
    double worst = 0;
    for (int i = 0; i < PACE_MODEL_REPLICAS; i++) {
        char name[BF_REPLICA_NAME];
        snprintf(name, sizeof name, "replica-%d", i + 1);
        if (model->scenario->apply[i] > 0 && !bf_aside_is(&model->asides, name, model->now) && model->lag[i] > worst)
            worst = model->lag[i];
    }
    model->lags[model->lag_count++] = worst;
}

static int by_number(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

void pace_model_run(const struct pace_scenario *scenario, bool paced, struct pace_run *ret)
{
    int end = scenario->seconds * 1000;
    struct model model = {.scenario = scenario, .paced = paced};
    *ret = (struct pace_run){.gone_on = -1};
    model.log = bf_allocate((size_t)end * sizeof *model.log);
    model.lags = bf_allocate((size_t)end * sizeof *model.lags);
    int64_t most = scenario->max_rows_per_second && paced && scenario->max_rows_per_second < 50000
                       ? scenario->max_rows_per_second : 50000;
    bf_size_start(&model.size, 250, 500 < most ? 500 : most, 10, most);
    for (int i = 0; i < PACE_MODEL_REPLICAS; i++)
        model.applied[i] = -scenario->behind[i] * megabyte;
    for (model.now = 0; model.now < end; model.now++) {
        write_log(&model);
        apply_log(&model);
        if (model.now % SAMPLE_EVERY == 0)
            sample(&model);
        turn(&model, ret);
        note_lag(&model);
    }
    qsort(model.lags, model.lag_count, sizeof *model.lags, by_number);
    ret->lag_p50 = model.lags[model.lag_count / 2];
    ret->lag_p99 = model.lags[model.lag_count * 99 / 100];
    ret->lag_most = model.lags[model.lag_count - 1];
    ret->rows_per_second = model.scanned / scenario->seconds;
    ret->log_bytes_per_second = model.written / scenario->seconds;
    ret->writing = (double)model.spent[WRITING] / end;
    ret->sleeping = (double)model.spent[SLEEPING] / end;
    ret->holding = (double)model.spent[HOLDING] / end;
    for (size_t i = 0; i < model.replicas.count; i++)
        ret->set_aside += bf_aside_is(&model.asides, model.replicas.list[i].name, end);
    free(model.log);
    free(model.lags);
}
