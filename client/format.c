#include "format.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "allocate.h"
#include "buffer.h"
#include "duration.h"
#include "quantity.h"
#include "text.h"

char *bf_format_number(int64_t number)
{
    return number < 0 ? bf_copy_string("?") : bf_quantity_count((double)number);
}

char *bf_format_percent(double fraction)
{
    if (!(fraction >= 0))
        return bf_copy_string("?");
    /* down, so that nothing reads as done before it is; the small part makes up for binary fractions (0.421 * 1000) */
    int tenths = fraction >= 1 ? 1000 : (int)(fraction * 1000 + 1e-6);
    return bf_format("%d.%d %%", tenths / 10, tenths % 10);
}

char *bf_format_rate(double rate)
{
    if (!(rate >= 0) || rate > 1e15)
        return bf_copy_string("");
    char *number BF_AUTO_STRING = bf_format_number((int64_t)(rate + 0.5));
    return bf_format("%s rows/s", number);
}

char *bf_format_eta(int64_t seconds)
{
    char text[BF_DURATION_TEXT];
    if (seconds < 0 || seconds > INT64_MAX / 1000)
        return bf_copy_string("");
    if (seconds < 60) /* whole seconds: more would not be known */
        return bf_format("%lld s", (long long)seconds);
    return bf_copy_string(bf_duration_format(seconds * 1000, text));
}

char *bf_format_bar(double fraction, size_t columns)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    bool utf8 = bf_text_utf8();
    struct bf_buffer bar = {0};
    double known = fraction >= 0 ? (fraction < 1 ? fraction : 1) : 0;
    if (!utf8 && columns < 3)
        return bf_copy_string("");
    size_t cells = utf8 ? columns : columns - 2;
    size_t eighths = (size_t)(known * (double)cells * 8), full = eighths / 8, used = full;
    if (!utf8)
        bf_buffer_text(&bar, "[");
    for (size_t i = 0; i < full; i++)
        bf_buffer_text(&bar, utf8 ? "█" : "#");
    if (utf8 && eighths % 8 > 0) {
        bf_buffer_text(&bar, parts[eighths % 8]);
        used++;
    }
    for (; used < cells; used++)
        bf_buffer_text(&bar, utf8 ? "░" : ".");
    if (!utf8)
        bf_buffer_text(&bar, "]");
    return bf_buffer_take(&bar);
}

char *bf_format_time(const char *time)
{
    int64_t milliseconds;
    char text[BF_TIME_TEXT];
    if (!bf_time_parse(time, &milliseconds))
        return bf_copy_string(time);
    bf_time_format(milliseconds, text);
    return bf_format("%.10s %.8s UTC", text, text + 11);
}

char *bf_format_ago(const char *time_text)
{
    int64_t milliseconds;
    struct timespec now;
    if (!bf_time_parse(time_text, &milliseconds))
        return bf_copy_string("");
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t ago = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - milliseconds;
    return bf_format_eta(ago > 0 ? ago / 1000 : 0);
}

const char *bf_colour_of_state(const char *state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = {
        {"running", "\033[32m"},      {"verifying", "\033[32m"},      {"completed", "\033[1;32m"},
        {"pausing", "\033[33m"},      {"paused", "\033[33m"},         {"awaiting_approval", "\033[1;33m"},
        {"queued", "\033[36m"},       {"failed", "\033[1;31m"},       {"refused", "\033[31m"},
        {"aborted", "\033[31m"},      {"aborting", "\033[31m"},       {"rolling_back", "\033[35m"},
        {"rolled_back", "\033[35m"},
    };
    for (size_t i = 0; i < BF_COUNT(colours); i++)
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    return "";
}

/* Bytes of the next line: whole words where one fits, else as much of the word as does. */
static size_t line_length(const char *text, size_t columns)
{
    size_t fits = bf_text_fit(text, columns);
    if (text[fits] == '\0' || text[fits] == ' ')
        return fits;
    for (size_t i = fits; i > 0; i--)
        if (text[i] == ' ')
            return i;
    return fits > 0 ? fits : strlen(text);
}

void bf_print_field(const char *label, const char *value, size_t columns)
{
    enum { LABEL = 10 };
    if (value[0] == '\0')
        return;
    for (const char *at = value; *at;) {
        size_t length = line_length(at, columns - LABEL);
        printf("%-*s%.*s\n", LABEL, at == value ? label : "", (int)length, at);
        at += length;
        at += strspn(at, " ");
    }
}

void bf_table_start(struct bf_table *table, size_t columns, const char *const *headings)
{
    *table = (struct bf_table){.columns = columns};
    for (size_t i = 0; i < columns; i++)
        bf_table_add(table, bf_copy_string(headings[i]));
}

void bf_table_add(struct bf_table *table, char *cell)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 64;
        table->cells = bf_reallocate(table->cells, table->capacity * sizeof *table->cells);
    }
    table->cells[table->count++] = cell;
}

void bf_table_print(struct bf_table *table, unsigned right)
{
    enum { COLUMNS_MAX = 16 };
    size_t widths[COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->count; i++) {
        size_t width = bf_text_width(table->cells[i]), *widest = &widths[i % table->columns];
        if (width > *widest)
            *widest = width;
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        bool last = column + 1 == table->columns, to_right = right & 1U << column;
        int pad = (int)(widths[column] - bf_text_width(table->cells[i]));
        printf("%*s%s", to_right ? pad : 0, "", table->cells[i]);
        if (last)
            printf("\n");
        else
            printf("%*s  ", to_right ? 0 : pad, "");
    }
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct bf_table){0};
}
