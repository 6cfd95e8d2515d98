#include "regression.h"

#include <string.h>

static double median(const struct bf_regression *regression)
{
    double sorted[BF_REGRESSION_HISTORY];
    for (int i = 0; i < regression->history; i++) {
        int place = i;
        for (; place > 0 && sorted[place - 1] > regression->row_time[i]; place--)
            sorted[place] = sorted[place - 1];
        sorted[place] = regression->row_time[i];
    }
    return sorted[regression->history / 2];
}

bool bf_regression_seen(struct bf_regression *regression, int64_t rows, int64_t time)
{
    if (rows <= 0 || time < 0)
        return false;
    double row_time = (double)time / (double)rows;
    if (regression->history >= BF_REGRESSION_LEAST && time > BF_REGRESSION_FLOOR) {
        regression->median = median(regression);
        if (row_time > regression->median * BF_REGRESSION_FACTOR) {
            if (++regression->in_a_row < BF_REGRESSION_IN_A_ROW)
                return false;
            regression->in_a_row = 0;
            return true;
        }
    }
    regression->in_a_row = 0;
    regression->row_time[regression->next] = row_time;
    regression->next = (regression->next + 1) % BF_REGRESSION_HISTORY;
    if (regression->history < BF_REGRESSION_HISTORY)
        regression->history++;
    return false;
}
