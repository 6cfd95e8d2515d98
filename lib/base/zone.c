#include "zone.h"

#include <stdbool.h>
#include <string.h>

#include "allocate.h"

/* "M3.5.0/2": the week `week` (5: the last) of `month`, on `day` (0: Sunday), at `time` seconds of the local day. */
struct rule {
    int month, week, day;
    int64_t time;
};

struct transition {
    int64_t at; /* unix seconds */
    int32_t offset;
};

struct bf_zone {
    struct transition *list; /* rising */
    size_t count;
    int32_t first;           /* before the first transition */
    /* the footer, for what is behind the last one */
    bool footer, summer;
    int32_t standard_offset, summer_offset;
    struct rule begin, end;
};

enum { HEADER = 44, TYPES_MAX = 256 };

static int64_t number(const unsigned char *bytes, int size)
{
    uint64_t value = bytes[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return (int64_t)value;
}

/* ---- the footer: a TZ string of POSIX, 8.3 ---- */

static bool skip_name(const char **text)
{
    const char *p = *text;
    if (*p == '<') {
        p = strchr(p, '>');
        if (!p)
            return false;
        p++;
    } else {
        p += strcspn(p, "+-0123456789,");
    }
    bool some = p > *text;
    *text = p;
    return some;
}

/* "[+-]hh[:mm[:ss]]" in seconds. */
static int64_t read_time(const char **text)
{
    int64_t sign = 1, total = 0, unit = 3600;
    if (**text == '+' || **text == '-')
        sign = *(*text)++ == '-' ? -1 : 1;
    for (;;) {
        int64_t value = 0;
        for (; **text >= '0' && **text <= '9'; (*text)++)
            value = value < 1000 ? value * 10 + (**text - '0') : value;
        total += value * unit;
        unit /= 60;
        if (**text != ':' || unit == 0)
            return sign * total;
        (*text)++;
    }
}

static bool read_rule(const char **text, struct rule *ret)
{
    int *parts[] = {&ret->month, &ret->week, &ret->day};
    if (strncmp(*text, ",M", 2) != 0)
        return false; /* days of the year: no zone in use has them */
    *text += 2;
    for (size_t i = 0; i < 3; i++) {
        int value = 0;
        for (; **text >= '0' && **text <= '9'; (*text)++)
            value = value < 100 ? value * 10 + (**text - '0') : value;
        *parts[i] = value;
        if (i < 2 && *(*text)++ != '.')
            return false;
    }
    ret->time = 2 * 3600;
    if (**text == '/') {
        (*text)++;
        ret->time = read_time(text);
    }
    return ret->month >= 1 && ret->month <= 12 && ret->week >= 1 && ret->week <= 5 && ret->day <= 6;
}

static void read_footer(struct bf_zone *zone, const char *text)
{
    if (!skip_name(&text))
        return;
    zone->standard_offset = (int32_t)-read_time(&text);
    zone->footer = true;
    if (!*text || !skip_name(&text))
        return;
    zone->summer_offset = *text == ',' ? zone->standard_offset + 3600 : (int32_t)-read_time(&text);
    zone->summer = read_rule(&text, &zone->begin) && read_rule(&text, &zone->end);
}

/* Days since 1970 of a date (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t year_of(int64_t unix_seconds)
{
    int64_t days = unix_seconds / 86400 - (unix_seconds % 86400 < 0);
    int64_t year = 1970 + days * 400 / 146097;
    while (days_of(year, 1, 1) > days)
        year--;
    while (days_of(year + 1, 1, 1) <= days)
        year++;
    return year;
}

static int64_t moment(const struct rule *rule, int64_t year, int32_t offset)
{
    int64_t first = days_of(year, rule->month, 1);
    int64_t next = rule->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, rule->month + 1, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1 January 1970 was a Thursday */
    int64_t day = first + (rule->day - weekday + 7) % 7 + 7 * (rule->week - 1);
    while (day >= next)
        day -= 7;
    return day * 86400 + rule->time - offset;
}

static int32_t by_footer(const struct bf_zone *zone, int64_t at)
{
    if (!zone->summer)
        return zone->standard_offset;
    int64_t year = year_of(at + zone->standard_offset);
    int64_t begin = moment(&zone->begin, year, zone->standard_offset), end = moment(&zone->end, year, zone->summer_offset);
    bool summer = begin < end ? at >= begin && at < end : at >= begin || at < end;
    return summer ? zone->summer_offset : zone->standard_offset;
}

/* ---- the file ---- */

struct counts {
    size_t is_utc, is_standard, leaps, times, types, characters;
};

static bool read_header(const unsigned char *bytes, size_t length, struct counts *ret)
{
    size_t *list[] = {&ret->is_utc, &ret->is_standard, &ret->leaps, &ret->times, &ret->types, &ret->characters};
    if (length < HEADER || memcmp(bytes, "TZif", 4) != 0)
        return false;
    for (size_t i = 0; i < BF_COUNT(list); i++) {
        int64_t value = number(bytes + 20 + 4 * i, 4);
        if (value < 0 || value > BF_ZONE_FILE_MAX)
            return false;
        *list[i] = (size_t)value;
    }
    return ret->types > 0 && ret->types <= TYPES_MAX;
}

static size_t data_length(const struct counts *counts, size_t time_size)
{
    return counts->times * (time_size + 1) + counts->types * 6 + counts->characters + counts->leaps * (time_size + 4) +
           counts->is_standard + counts->is_utc;
}

struct bf_zone *bf_zone_parse(const unsigned char *bytes, size_t length)
{
    struct counts counts;
    if (length > BF_ZONE_FILE_MAX || !read_header(bytes, length, &counts))
        return NULL;
    int size = 4;
    const unsigned char *data = bytes + HEADER, *end = bytes + length;
    if (bytes[4] >= '2') { /* the same again with 64 bits behind it */
        size_t first = HEADER + data_length(&counts, 4);
        if (first > length || !read_header(bytes + first, length - first, &counts))
            return NULL;
        data = bytes + first + HEADER;
        size = 8;
    }
    if ((size_t)(end - data) < data_length(&counts, (size_t)size))
        return NULL;
    struct bf_zone *zone = BF_NEW(struct bf_zone);
    const unsigned char *index = data + counts.times * (size_t)size, *types = index + counts.times;
    zone->first = (int32_t)number(types, 4);
    zone->list = bf_allocate(counts.times * sizeof *zone->list + 1);
    for (size_t i = 0; i < counts.times; i++) {
        if (index[i] >= counts.types) {
            bf_zone_free(zone);
            return NULL;
        }
        zone->list[i].at = number(data + i * (size_t)size, size);
        zone->list[i].offset = (int32_t)number(types + index[i] * 6u, 4);
    }
    zone->count = counts.times;
    const unsigned char *footer = data + data_length(&counts, (size_t)size);
    if (size == 8 && end - footer > 2 && *footer == '\n') {
        const unsigned char *stop = memchr(footer + 1, '\n', (size_t)(end - footer - 1));
        BF_AUTO_STRING char *text = stop ? bf_copy_bytes((const char *)footer + 1, (size_t)(stop - footer - 1)) : NULL;
        if (text)
            read_footer(zone, text);
    }
    return zone;
}

void bf_zone_free(struct bf_zone *zone)
{
    if (!zone)
        return;
    free(zone->list);
    free(zone);
}

int32_t bf_zone_offset(const struct bf_zone *zone, int64_t unix_seconds)
{
    if (zone->count == 0 || unix_seconds >= zone->list[zone->count - 1].at) {
        if (zone->footer)
            return by_footer(zone, unix_seconds);
        return zone->count ? zone->list[zone->count - 1].offset : zone->first;
    }
    size_t low = 0, high = zone->count; /* the first transition that is later */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->list[middle].at <= unix_seconds)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? zone->list[low - 1].offset : zone->first;
}
