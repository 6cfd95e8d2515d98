#include "size_model.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "size.h"

const struct size_scenario size_scenarios[] = {
    {.name = "steady", .row_time = 20, .fixed_time = 300, .noise = 0.1, .density = 1, .later_density = -1},
    {.name = "very cheap rows", .row_time = 0.5, .fixed_time = 300, .noise = 0.1, .density = 1, .later_density = -1},
    {.name = "wide rows", .row_time = 5000, .fixed_time = 300, .noise = 0.1, .density = 1, .later_density = -1},
    {.name = "rows 3 x dearer, then not", .row_time = 20, .later_row_time = 60, .change_at = 100, .back_at = 200,
     .fixed_time = 300, .noise = 0.1, .density = 1, .later_density = -1},
    {.name = "rows 10 x dearer, then not", .row_time = 20, .later_row_time = 200, .change_at = 100, .back_at = 200,
     .fixed_time = 300, .noise = 0.1, .density = 1, .later_density = -1},
    {.name = "5 % outliers of 20 x", .row_time = 20, .fixed_time = 300, .noise = 0.1, .outlier_chance = 0.05,
     .outlier_factor = 20, .density = 1, .later_density = -1},
    {.name = "sparse where", .row_time = 2, .fixed_time = 300, .noise = 0.1, .density = 0.001, .later_density = -1},
    {.name = "sparse, then dense", .row_time = 0.5, .later_row_time = 0.5, .change_at = 200, .fixed_time = 300,
     .noise = 0.1, .density = 0, .later_density = 1},
    {.name = "lock conflicts, 2 %", .row_time = 20, .fixed_time = 300, .noise = 0.1, .density = 1,
     .later_density = -1, .conflict_chance = 0.02},
    {.name = "load of its own making", .row_time = 20, .fixed_time = 300, .noise = 0.1, .density = 1,
     .later_density = -1, .own_load = 4},
    {.name = "slow round trips", .row_time = 20, .fixed_time = 100000, .noise = 0.1, .density = 1,
     .later_density = -1},
};
const int size_scenario_count = (int)BF_COUNT(size_scenarios);

/* splitmix64 (Steele, Lea, Flood 2014), as a share of 1. */
static double chance(uint64_t *seed)
{
    uint64_t bits = *seed += UINT64_C(0x9E3779B97F4A7C15);
    bits = (bits ^ bits >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94D049BB133111EB);
    bits ^= bits >> 31;
    return (double)(bits >> 11) / (double)(UINT64_C(1) << 53);
}

void size_model_run(const struct size_scenario *scenario, uint64_t seed, struct size_run *ret)
{
    struct bf_size size;
    double load = 0; /* share of the target time that the last batches took, fading */
    *ret = (struct size_run){.target = 250000, .min = 10, .max = 50000};
    bf_size_start(&size, ret->target / 1000, 500, ret->min, ret->max);
    for (int i = 0; i < SIZE_MODEL_BATCHES; i++) {
        bool later = scenario->change_at > 0 && i >= scenario->change_at;
        bool dearer = later && (scenario->back_at == 0 || i < scenario->back_at);
        double density = later && scenario->later_density >= 0 ? scenario->later_density : scenario->density;
        double row_time = (dearer ? scenario->later_row_time : scenario->row_time) * (1 + scenario->own_load * load);
        double time = scenario->fixed_time + row_time * (double)size.rows;
        time *= 1 + scenario->noise * (2 * chance(&seed) - 1);
        ret->outlier[i] = chance(&seed) < scenario->outlier_chance;
        ret->conflict[i] = chance(&seed) < scenario->conflict_chance;
        time *= ret->outlier[i] ? scenario->outlier_factor : 1;
        ret->rows[i] = size.rows;
        ret->time[i] = (int64_t)time;
        if (ret->conflict[i]) {
            bf_size_conflict(&size);
            continue;
        }
        double share = time / (double)ret->target;
        load = 0.8 * load + 0.2 * (share < 1 ? share : 1);
        bf_size_batch(&size, size.rows, (int64_t)(density * (double)size.rows), ret->time[i]);
    }
}

const struct size_scenario *size_scenario_by_name(const char *name)
{
    for (int i = 0; i < size_scenario_count; i++)
        if (strcmp(size_scenarios[i].name, name) == 0)
            return &size_scenarios[i];
    return NULL;
}

static int by_number(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static bool is_near(const struct size_run *run, int batch)
{
    return run->time[batch] >= run->target * 3 / 4 && run->time[batch] <= run->target * 5 / 4;
}

struct size_view size_model_view(const struct size_run *run, int from, int to)
{
    int64_t times[SIZE_MODEL_BATCHES], rows[SIZE_MODEL_BATCHES], turned_at = 0;
    size_t count = 0;
    int direction = 0;
    struct size_view view = {0};
    for (int i = from; i < to; i++) {
        if (run->conflict[i])
            continue;
        times[count] = run->time[i];
        rows[count++] = run->rows[i];
        if (!run->outlier[i] && !is_near(run, i))
            view.outside++;
        /* A swing counts when it is over 10 % from the last turning point. */
        if (turned_at == 0)
            turned_at = run->rows[i];
        int step = run->rows[i] * 10 > turned_at * 11 ? 1 : run->rows[i] * 11 < turned_at * 10 ? -1 : 0;
        if (step != 0) {
            if (direction != 0 && step != direction)
                view.turns++;
            direction = step;
        }
        if (step != 0 || (direction > 0 && run->rows[i] > turned_at) || (direction < 0 && run->rows[i] < turned_at))
            turned_at = run->rows[i];
    }
    if (count == 0)
        return view;
    qsort(times, count, sizeof times[0], by_number);
    qsort(rows, count, sizeof rows[0], by_number);
    view.median_time = times[count / 2];
    view.median_rows = rows[count / 2];
    view.least_rows = rows[0];
    view.most_rows = rows[count - 1];
    return view;
}

int size_model_settled(const struct size_run *run, int from, int length)
{
    int first = from, good = 0;
    for (int i = from; i < SIZE_MODEL_BATCHES; i++) {
        if (run->conflict[i] || run->outlier[i])
            continue;
        if (!is_near(run, i)) {
            good = 0;
            continue;
        }
        if (good++ == 0)
            first = i;
        if (good == length)
            return first;
    }
    return -1;
}
