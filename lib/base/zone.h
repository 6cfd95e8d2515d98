/* A time zone as RFC 8536 writes it down (TZif, what /usr/share/zoneinfo holds). Pure: the file is read elsewhere. */
#ifndef BF_BASE_ZONE_H
#define BF_BASE_ZONE_H

#include <stddef.h>
#include <stdint.h>

enum { BF_ZONE_FILE_MAX = 256 * 1024, BF_ZONE_NAME = 64 };

struct bf_zone;

/* NULL: it is not such a file. */
struct bf_zone *bf_zone_parse(const unsigned char *bytes, size_t length);
void bf_zone_free(struct bf_zone *zone); /* NULL is fine */
/* Seconds east of UTC at that moment. */
int32_t bf_zone_offset(const struct bf_zone *zone, int64_t unix_seconds);

#endif
