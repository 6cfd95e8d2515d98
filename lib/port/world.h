/* What the engine asks of everything else: time, chance, timers, and whether a process still lives. */
#ifndef BF_PORT_WORLD_H
#define BF_PORT_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bf_timer; /* the adapter's */
typedef void bf_timer_fired(void *argument);

enum { BF_OWNER_TEXT = 200 };

struct bf_world {
    void *context;
    int64_t (*monotonic)(void *context);    /* milliseconds, never jumps */
    int64_t (*unix_time)(void *context);    /* milliseconds since 1970, may jump */
    void (*random)(void *context, void *bytes, size_t length);

    struct bf_timer *(*timer_new)(void *context, bf_timer_fired *fired, void *argument);
    void (*timer_start)(struct bf_timer *timer, int64_t milliseconds); /* once; starting again replaces; 0: soon */
    void (*timer_stop)(struct bf_timer *timer);
    void (*timer_free)(struct bf_timer *timer); /* NULL is fine */

    /* Seconds east of UTC of a time zone at a moment; false: no such zone is known here (a bf_zone_lookup). */
    bool (*zone_offset)(void *context, const char *zone, int64_t unix_seconds, int32_t *ret_offset);

    /* Who we are: "machine/boot/pid namespace/pid/start time". */
    const char *owner;
    /* True when `owner` was a process of this machine and this boot and is provably gone. False: alive, or elsewhere. */
    bool (*owner_gone)(void *context, const char *owner);
};

#endif
