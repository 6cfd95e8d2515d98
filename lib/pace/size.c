#include "size.h"

#include <string.h>

/* A batch over this many times the target is cut to a tenth at once; growth is held this long after a conflict. */
enum { FAR_OVER = 5, CUT = 10, CONFLICT_BATCHES = 10 };
/* Shorter than AIM_LEAST (microseconds), or than twice its own commit, a batch is hardly more than that. */
enum { AIM_LEAST = 10000, AIM_TIMES = 2, AIM_GROWTH = 128 };

static int64_t bounded(const struct bf_size *size, int64_t rows, int64_t ceiling)
{
    if (rows > ceiling)
        rows = ceiling;
    return rows < size->min ? size->min : rows;
}

void bf_size_start(struct bf_size *size, int64_t target_milliseconds, int64_t start, int64_t min, int64_t max)
{
    *size = (struct bf_size){.target_time = target_milliseconds * 1000, .start = start, .max = max};
    size->aim = size->target_time;
    size->min = min < 1 ? 1 : min;
    size->rows = bounded(size, start, max);
}

/* p90 by nearest rank: of ten the ninth, so that one outlier in ten does not count; of fewer the largest. */
static double slow_row_time(const struct bf_size *size)
{
    double sorted[BF_SIZE_HISTORY];
    for (int i = 0; i < size->history; i++) {
        int place = i;
        for (; place > 0 && sorted[place - 1] > size->row_time[i]; place--)
            sorted[place] = sorted[place - 1];
        sorted[place] = size->row_time[i];
    }
    return sorted[(size->history * 9 + 9) / 10 - 1];
}

/* How many rows may be scanned so that, as densely as rows matched lately, no more than `max` are changed. */
static int64_t scan_ceiling(const struct bf_size *size)
{
    double density = 0;
    for (int i = 0; i < size->history; i++)
        if (size->density[i] > density)
            density = size->density[i];
    if (density * BF_SIZE_SPARSE <= 1)
        return size->max * BF_SIZE_SPARSE;
    int64_t ceiling = (int64_t)((double)size->max / density);
    return ceiling < size->max ? size->max : ceiling;
}

int64_t bf_size_change(struct bf_size *size, int64_t target_milliseconds, int64_t start, int64_t min, int64_t max)
{
    bool began = size->history > 0;
    int64_t rows = !began && size->rows == size->start ? start : size->rows; /* a checkpoint may have said it */
    bool low = size->aim < size->target_time;
    size->target_time = target_milliseconds * 1000;
    size->aim = low && size->aim < size->target_time ? size->aim : size->target_time;
    size->start = start;
    size->min = min < 1 ? 1 : min;
    size->max = max;
    /* Down at once: who lowers the aim wants peace now. Up goes step by step, as always. */
    double fit = began ? (double)size->aim / slow_row_time(size) : (double)rows;
    if (fit < (double)rows)
        rows = (int64_t)fit;
    size->rows = bounded(size, rows, began ? scan_ceiling(size) : max);
    return size->rows;
}

/* What the smallest and the largest of the last batches would have taken without rows, where they differ enough to tell. */
static void learn_overhead(struct bf_size *size)
{
    int small = 0, large = 0;
    double rows[BF_SIZE_HISTORY] = {0};
    for (int i = 0; i < size->history; i++) {
        rows[i] = (double)size->time[i] / size->row_time[i];
        small = rows[i] < rows[small] ? i : small;
        large = rows[i] > rows[large] ? i : large;
    }
    if (!(rows[large] >= 1.5 * rows[small]))
        return;
    double row = (double)(size->time[large] - size->time[small]) / (rows[large] - rows[small]);
    double overhead = (double)size->time[small] - (row > 0 ? row : 0) * rows[small];
    size->overhead = overhead > 0 ? overhead : 0;
}

static void remember(struct bf_size *size, int64_t scanned, int64_t changed, int64_t time)
{
    size->row_time[size->next] = (double)time / (double)scanned;
    size->time[size->next] = time;
    size->density[size->next] = changed >= scanned ? 1 : (double)changed / (double)scanned;
    size->next = (size->next + 1) % BF_SIZE_HISTORY;
    if (size->history < BF_SIZE_HISTORY)
        size->history++;
    learn_overhead(size);
}

int64_t bf_size_batch(struct bf_size *size, int64_t scanned, int64_t changed, int64_t time)
{
    if (scanned <= 0)
        return size->rows; /* an empty range teaches nothing about rows */
    time = time < 0 ? 0 : time;
    changed = changed < 0 ? 0 : changed;
    remember(size, scanned, changed, time);
    int64_t ceiling = scan_ceiling(size);

    /* In double, because a server whose clock did not move in ten batches gives an infinite number. */
    double fit = (double)size->aim / slow_row_time(size);
    /* At most half as much again; from one row that is two, or it would stay at one for ever. */
    int64_t grown = size->rows + (size->rows > 1 ? size->rows / 2 : 1);
    int64_t rows = fit >= (double)grown ? grown : (int64_t)fit;
    if (size->no_growth > 0) {
        size->no_growth--;
        if (rows > size->rows)
            rows = size->rows;
    }
    if (time > size->target_time * FAR_OVER && rows > scanned / CUT)
        rows = scanned / CUT;
    size->rows = bounded(size, rows, ceiling);
    return size->rows;
}

int64_t bf_size_conflict(struct bf_size *size)
{
    size->rows = bounded(size, size->rows / 2, size->rows);
    size->no_growth = CONFLICT_BATCHES;
    return size->rows;
}

void bf_size_looked(struct bf_size *size, bool waited)
{
    int64_t least = AIM_LEAST > AIM_TIMES * size->overhead ? AIM_LEAST : (int64_t)(AIM_TIMES * size->overhead);
    if (least > size->target_time)
        least = size->target_time;
    size->aim = waited ? size->aim / 2 : size->aim + size->aim / AIM_GROWTH + 1;
    if (size->aim < least)
        size->aim = least;
    if (size->aim > size->target_time)
        size->aim = size->target_time;
}

int64_t bf_sleep(double nice, int64_t time, int64_t changed)
{
    const double longest = 86400e6; /* a day: no document asks for more, and it keeps the product in range */
    if (changed <= 0 || time <= 0 || !(nice > 0))
        return 0;
    double sleep = nice * (double)time;
    return (int64_t)(sleep < longest ? sleep : longest);
}

int64_t bf_retry_delay(int attempt, double chance)
{
    const int64_t first = 100, longest = 10000; /* milliseconds */
    int64_t delay = first;
    for (int i = 1; i < attempt && delay < longest; i++)
        delay *= 2;
    if (delay > longest)
        delay = longest;
    return (int64_t)((double)delay * (0.5 + 0.5 * chance));
}
