/* How long who showed wrong tokens has to wait for his answer: longer with each, by address. Pure; times are milliseconds of
 * the caller's clock. */
#ifndef BF_ACCESS_THROTTLE_H
#define BF_ACCESS_THROTTLE_H

#include <stddef.h>
#include <stdint.h>

enum {
    BF_ADDRESS_MAX = 64,          /* with the final NUL */
    BF_THROTTLE_ADDRESSES = 1024, /* the one that has been quiet for longest gives way */
    BF_THROTTLE_FIRST = 250,      /* then twice as long each time, */
    BF_THROTTLE_MOST = 5000,      /* up to this */
    BF_THROTTLE_KEPT = 15 * 60 * 1000 /* without another failure it is forgotten */
};

struct bf_throttle {
    struct bf_throttled {
        char address[BF_ADDRESS_MAX];
        int64_t failed_at;
        int failures;
    } *list; /* owned */
    size_t count;
};

int64_t bf_throttle_failed(struct bf_throttle *throttle, const char *address, int64_t now); /* how long to wait */
void bf_throttle_succeeded(struct bf_throttle *throttle, const char *address); /* it is trusted again */
void bf_throttle_clear(struct bf_throttle *throttle);

#endif
