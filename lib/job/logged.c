#include "logged.h"

void bf_logged_add(struct bf_logged *logged, double *seen, double from, double to, int64_t rows)
{
    if (from < 0 || to < from)
        return;
    double begin = from > *seen ? from : *seen;
    logged->rows += rows;
    if (to <= begin)
        return;
    logged->bytes += (int64_t)(to - begin);
    *seen = to;
}

double bf_logged_total(const struct bf_logged *logged, int64_t rows_changed)
{
    if (logged->rows > 0)
        return (double)logged->bytes / (double)logged->rows * (double)rows_changed;
    return rows_changed == 0 && logged->bytes > 0 ? (double)logged->bytes : -1;
}

double bf_logged_share(const struct bf_logged *logged, int64_t rows_changed)
{
    if (logged->rows >= rows_changed)
        return logged->bytes > 0;
    return (double)logged->rows / (double)rows_changed;
}
