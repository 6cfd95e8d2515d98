#include "rate.h"

static size_t newest_of(const struct bf_rate *rate)
{
    return (rate->next + BF_RATE_SAMPLES - 1) % BF_RATE_SAMPLES;
}

void bf_rate_forget(struct bf_rate *rate)
{
    rate->count = rate->next = 0;
}

void bf_rate_see(struct bf_rate *rate, int64_t now, int64_t rows)
{
    if (rate->count && now - rate->samples[newest_of(rate)].at < BF_RATE_APART)
        return;
    rate->samples[rate->next].at = now;
    rate->samples[rate->next].rows = rows;
    rate->next = (rate->next + 1) % BF_RATE_SAMPLES;
    if (rate->count < BF_RATE_SAMPLES)
        rate->count++;
}

double bf_rate_per_second(const struct bf_rate *rate, int64_t now)
{
    if (rate->count < 2)
        return -1;
    size_t oldest = rate->count < BF_RATE_SAMPLES ? 0 : rate->next;
    int64_t from = rate->samples[oldest].at, rows = rate->samples[oldest].rows;
    for (size_t i = 0; i < rate->count; i++) { /* where it stood when the window began: as it was seen last before that */
        size_t at = (oldest + i) % BF_RATE_SAMPLES;
        if (rate->samples[at].at > now - BF_RATE_WINDOW)
            break;
        from = now - BF_RATE_WINDOW;
        rows = rate->samples[at].rows;
    }
    if (now <= from)
        return -1;
    return (double)(rate->samples[newest_of(rate)].rows - rows) * 1000 / (double)(now - from);
}
