#include "duration.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"

struct unit {
    const char *name;
    int64_t size;
};

static const int64_t day_milliseconds = INT64_C(86400000);

/* Reads "12" or "12.5" and then exactly the name of one of the units. Exact: a value between two whole ones ("0.5ms")
 * is refused, not rounded. */
static bool parse_quantity(const char *text, const struct unit *units, size_t count, int64_t maximum, int64_t *ret)
{
    enum { FRACTION_DIGITS = 9 };
    int64_t whole = 0, fraction = 0, scale = 1;
    const char *at = text;
    if (!text || !isdigit((unsigned char)*at))
        return false;
    for (; isdigit((unsigned char)*at); at++)
        if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, *at - '0', &whole))
            return false;
    if (*at == '.') {
        const char *first = ++at;
        while (isdigit((unsigned char)*at))
            at++;
        const char *end = at;
        while (end > first && end[-1] == '0')
            end--;
        if (at == first || end - first > FRACTION_DIGITS)
            return false;
        for (const char *digit = first; digit < end; digit++) {
            fraction = fraction * 10 + (*digit - '0');
            scale *= 10;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(at, units[i].name) != 0)
            continue;
        int64_t value, part;
        if (__builtin_mul_overflow(whole, units[i].size, &value) ||
            __builtin_mul_overflow(fraction, units[i].size, &part) || part % scale != 0 ||
            __builtin_add_overflow(value, part / scale, &value) || value > maximum)
            return false;
        *ret = value;
        return true;
    }
    return false;
}

bool bf_duration_parse(const char *text, int64_t *ret_milliseconds)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
    };
    const int64_t hundred_years = 36525 * day_milliseconds;
    return parse_quantity(text, units, BF_COUNT(units), hundred_years, ret_milliseconds);
}

bool bf_size_parse(const char *text, int64_t *ret_bytes)
{
    static const struct unit units[] = {
        {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", INT64_C(1) << 40},
    };
    return parse_quantity(text, units, BF_COUNT(units), INT64_C(1) << 62, ret_bytes);
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back (Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms": the year begins in March, so that the leap day is its last). Years 0 to 9999. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */
    *ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

char *bf_time_format(int64_t unix_milliseconds, char text[BF_TIME_TEXT])
{
    /* RFC 3339 has four digits for the year; times beyond are shown as its first and last moment. */
    const int64_t first = days_of_date(0, 1, 1) * day_milliseconds;
    const int64_t last = days_of_date(10000, 1, 1) * day_milliseconds - 1;
    int64_t time = unix_milliseconds < first ? first : unix_milliseconds > last ? last : unix_milliseconds;
    int64_t days = time / day_milliseconds;
    int64_t rest = time % day_milliseconds;
    if (rest < 0) {
        rest += day_milliseconds;
        days--;
    }
    int year, month, day;
    date_of_days(days, &year, &month, &day);
    int seconds = (int)(rest / 1000);
    snprintf(text, BF_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)year % 10000, (unsigned)month % 100,
             (unsigned)day % 100, (unsigned)seconds / 3600 % 100, (unsigned)seconds / 60 % 60, (unsigned)seconds % 60,
             (unsigned)(rest % 1000));
    return text;
}

/* Reads exactly `digits` digits and then `after` (0: whatever follows), and moves on. */
static bool read_number(const char **text, int digits, char after, int64_t *ret)
{
    int64_t value = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (!isdigit((unsigned char)**text))
            return false;
        value = value * 10 + (**text - '0');
    }
    if (after) {
        if (toupper((unsigned char)**text) != after)
            return false;
        (*text)++;
    }
    *ret = value;
    return true;
}

/* "Z", "+01:00", "-05:30" to the end of the text. */
static bool read_offset(const char *text, int64_t *ret_minutes)
{
    if (*text == 'Z' || *text == 'z') {
        *ret_minutes = 0;
        return text[1] == '\0';
    }
    if (*text != '+' && *text != '-')
        return false;
    int64_t sign = *text++ == '-' ? -1 : 1;
    int64_t hours, minutes;
    if (!read_number(&text, 2, ':', &hours) || !read_number(&text, 2, 0, &minutes) || *text || hours > 23 ||
        minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

bool bf_time_parse(const char *text, int64_t *ret_unix_milliseconds)
{
    static const int days_of_month[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day, hour, minute, second, offset, milliseconds = 0;
    if (!text || !read_number(&text, 4, '-', &year) || !read_number(&text, 2, '-', &month) ||
        !read_number(&text, 2, 'T', &day) || !read_number(&text, 2, ':', &hour) ||
        !read_number(&text, 2, ':', &minute) || !read_number(&text, 2, 0, &second))
        return false;
    if (*text == '.') {
        if (!isdigit((unsigned char)*++text))
            return false;
        for (int64_t weight = 100; isdigit((unsigned char)*text); text++, weight /= 10)
            milliseconds += weight * (*text - '0'); /* finer than a millisecond: cut */
    }
    if (!read_offset(text, &offset) || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60)
        return false;
    bool leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day < 1 || day > days_of_month[month - 1] + (month == 2 && leap_year))
        return false;
    int64_t seconds = days_of_date(year, month, day) * 86400 + hour * 3600 + (minute - offset) * 60 + second;
    if (second == 60 && seconds % 86400 != 0)
        return false; /* a leap second is the last of a day in UTC; Unix time counts it as the first of the next */
    *ret_unix_milliseconds = seconds * 1000 + milliseconds;
    return true;
}

char *bf_duration_format(int64_t milliseconds, char text[BF_DURATION_TEXT])
{
    const char *sign = milliseconds < 0 ? "-" : "";
    uint64_t time = milliseconds < 0 ? -(uint64_t)milliseconds : (uint64_t)milliseconds;
    unsigned long long seconds = time / 1000;
    if (seconds == 0)
        snprintf(text, BF_DURATION_TEXT, "%s%u ms", sign, (unsigned)time);
    else if (seconds < 60)
        snprintf(text, BF_DURATION_TEXT, "%s%u.%u s", sign, (unsigned)seconds, (unsigned)(time / 100 % 10));
    else if (seconds < 3600)
        snprintf(text, BF_DURATION_TEXT, "%s%u min %02u s", sign, (unsigned)seconds / 60, (unsigned)seconds % 60);
    else if (seconds < 86400)
        snprintf(text, BF_DURATION_TEXT, "%s%u h %02u min", sign, (unsigned)seconds / 3600, (unsigned)seconds / 60 % 60);
    else
        snprintf(text, BF_DURATION_TEXT, "%s%llu d %02u h", sign, seconds / 86400, (unsigned)(seconds / 3600 % 24));
    return text;
}
