/* Durations, sizes and times as people write them. Milliseconds and bytes inside. */
#ifndef BF_BASE_DURATION_H
#define BF_BASE_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* "250ms", "1.5s", "10m", "8h", "7d"; a unit is required ("0" alone is not a duration). False when the text is not one,
 * is negative, or is over 100 years. */
bool bf_duration_parse(const char *text, int64_t *ret_milliseconds);
/* "8MiB", "1GiB", "512KiB", "100B"; false when it is not one or over 2^62. */
bool bf_size_parse(const char *text, int64_t *ret_bytes);

enum { BF_TIME_TEXT = 32, BF_DURATION_TEXT = 32 };
/* RFC 3339 UTC with milliseconds, "2026-11-21T02:40:00.000Z"; returns `text`. */
char *bf_time_format(int64_t unix_milliseconds, char text[BF_TIME_TEXT]);
bool bf_time_parse(const char *text, int64_t *ret_unix_milliseconds);
/* For people: "850 ms", "4.2 s", "3 min 12 s", "14 h 02 min". */
char *bf_duration_format(int64_t milliseconds, char text[BF_DURATION_TEXT]);

#endif
