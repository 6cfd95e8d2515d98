/* Windows of the week in which something may happen: "Monday and Tuesday from 22:00 to 06:00 in Berlin". Pure. */
#ifndef BF_BASE_WINDOW_H
#define BF_BASE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zone.h"

enum { BF_WINDOWS_MAX = 16, BF_DAY_MINUTES = 1440, BF_EVERY_DAY = 0x7F };

struct bf_window {
    unsigned days; /* on which it begins; bit 0: Monday */
    int from, to;  /* minutes of the day; up to `to` and without it; `to` not over `from`: on the day after */
    char zone[BF_ZONE_NAME];
};

/* Seconds east of UTC of a zone at a moment; false: there is no such zone. */
typedef bool bf_zone_lookup(void *argument, const char *zone, int64_t unix_seconds, int32_t *ret_offset);

/* "mon" .. "sun": 0 to 6; -1: it is none. */
int bf_day_by_name(const char *name);
/* "22:00": minutes, "24:00" too; -1: it is none. */
int bf_day_minute(const char *text);
/* Is one of them open? No windows: always. One in a zone that is not known is closed. */
bool bf_windows_open(const struct bf_window *windows, size_t count, bf_zone_lookup *lookup, void *argument,
                     int64_t unix_milliseconds);
/* The next full minute at which one is open; unix milliseconds; 0: none within eight days. */
int64_t bf_windows_next(const struct bf_window *windows, size_t count, bf_zone_lookup *lookup, void *argument,
                        int64_t unix_milliseconds);

/* "mon, tue 22:00 to 06:00 Europe/Berlin"; owned. */
char *bf_window_text(const struct bf_window *window);

/* The share of the week in which one is open, as if all of them had the same zone; 1 without windows. */
double bf_windows_share(const struct bf_window *windows, size_t count);

#endif
