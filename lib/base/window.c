#include "window.h"

#include <string.h>

#include "allocate.h"
#include "buffer.h"

static const char *const day_names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

int bf_day_by_name(const char *name)
{
    for (int i = 0; i < (int)BF_COUNT(day_names); i++)
        if (strcmp(name, day_names[i]) == 0)
            return i;
    return -1;
}

char *bf_window_text(const struct bf_window *window)
{
    struct bf_buffer text = {0};
    for (size_t i = 0; i < BF_COUNT(day_names) && window->days != BF_EVERY_DAY; i++)
        if (window->days >> i & 1)
            bf_buffer_format(&text, "%s%s", text.length ? ", " : "", day_names[i]);
    bf_buffer_format(&text, "%s %02d:%02d to %02d:%02d %s", text.length ? "" : "every day", window->from / 60, window->from % 60,
                     window->to / 60, window->to % 60, window->zone);
    return bf_buffer_take(&text);
}

static bool digits(const char *text)
{
    return text[0] >= '0' && text[0] <= '9' && text[1] >= '0' && text[1] <= '9';
}

int bf_day_minute(const char *text)
{
    if (strlen(text) != 5 || !digits(text) || text[2] != ':' || !digits(text + 3))
        return -1;
    int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
    return minute > 59 || hour * 60 + minute > BF_DAY_MINUTES ? -1 : hour * 60 + minute;
}

static bool is_open(const struct bf_window *window, int64_t local_seconds)
{
    int64_t day = local_seconds / 86400 - (local_seconds % 86400 < 0);
    int minute = (int)((local_seconds - day * 86400) / 60);
    unsigned weekday = (unsigned)(((day + 3) % 7 + 7) % 7); /* 1 January 1970 was a Thursday */
    unsigned before = (weekday + 6) % 7;
    bool today = window->days >> weekday & 1, yesterday = window->days >> before & 1;
    if (window->from < window->to)
        return today && minute >= window->from && minute < window->to;
    return (today && minute >= window->from) || (yesterday && minute < window->to);
}

bool bf_windows_open(const struct bf_window *windows, size_t count, bf_zone_lookup *lookup, void *argument,
                     int64_t unix_milliseconds)
{
    int64_t seconds = unix_milliseconds / 1000;
    for (size_t i = 0; i < count; i++) {
        int32_t offset = 0;
        if (lookup(argument, windows[i].zone, seconds, &offset) && is_open(&windows[i], seconds + offset))
            return true;
    }
    return count == 0;
}

int64_t bf_windows_next(const struct bf_window *windows, size_t count, bf_zone_lookup *lookup, void *argument,
                        int64_t unix_milliseconds)
{
    int64_t minute = unix_milliseconds / 60000;
    for (int64_t i = 1; i <= 8 * BF_DAY_MINUTES; i++)
        if (bf_windows_open(windows, count, lookup, argument, (minute + i) * 60000))
            return (minute + i) * 60000;
    return 0;
}

double bf_windows_share(const struct bf_window *windows, size_t count)
{
    enum { WEEK = 7 * BF_DAY_MINUTES };
    bool open[WEEK] = {false};
    int minutes = 0;
    if (count == 0)
        return 1;
    for (size_t i = 0; i < count; i++) {
        int length = windows[i].to - windows[i].from;
        if (length <= 0)
            length += BF_DAY_MINUTES;
        for (int day = 0; day < 7; day++)
            for (int minute = 0; windows[i].days & 1U << day && minute < length; minute++)
                open[(day * BF_DAY_MINUTES + windows[i].from + minute) % WEEK] = true;
    }
    for (int minute = 0; minute < WEEK; minute++)
        minutes += open[minute];
    return (double)minutes / WEEK;
}
