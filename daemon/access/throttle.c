#include "throttle.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"

static struct bf_throttled *find(const struct bf_throttle *throttle, const char *address)
{
    for (size_t i = 0; i < throttle->count; i++)
        if (strcmp(throttle->list[i].address, address) == 0)
            return &throttle->list[i];
    return NULL;
}

/* A place for another address. */
static struct bf_throttled *place(struct bf_throttle *throttle)
{
    if (throttle->count < BF_THROTTLE_ADDRESSES) {
        throttle->list = bf_reallocate(throttle->list, (throttle->count + 1) * sizeof *throttle->list);
        return &throttle->list[throttle->count++];
    }
    struct bf_throttled *oldest = &throttle->list[0];
    for (size_t i = 1; i < throttle->count; i++)
        if (throttle->list[i].failed_at < oldest->failed_at)
            oldest = &throttle->list[i];
    return oldest;
}

int64_t bf_throttle_failed(struct bf_throttle *throttle, const char *address, int64_t now)
{
    struct bf_throttled *known = find(throttle, address);
    if (!known) {
        known = place(throttle);
        *known = (struct bf_throttled){0};
        snprintf(known->address, sizeof known->address, "%s", address);
    } else if (now - known->failed_at > BF_THROTTLE_KEPT) {
        known->failures = 0;
    }
    known->failed_at = now;
    int64_t delay = BF_THROTTLE_FIRST;
    for (int i = 0; i < known->failures && delay < BF_THROTTLE_MOST; i++)
        delay *= 2;
    known->failures++;
    return delay < BF_THROTTLE_MOST ? delay : BF_THROTTLE_MOST;
}

void bf_throttle_succeeded(struct bf_throttle *throttle, const char *address)
{
    struct bf_throttled *known = find(throttle, address);
    if (known)
        *known = throttle->list[--throttle->count];
}

void bf_throttle_clear(struct bf_throttle *throttle)
{
    free(throttle->list);
    *throttle = (struct bf_throttle){0};
}
