/* Jobs while they are followed: one line each, redrawn on a terminal, appended elsewhere. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "allocate.h"
#include "buffer.h"
#include "duration.h"
#include "follow.h"
#include "format.h"
#include "text.h"

enum { GAP = 2, STATE_COLUMNS_LEAST = 11, PERCENT_COLUMNS = 7, NAME_COLUMNS_MAX = 28, WIDE = 110 };
enum { LINES_APART = 1000, WAITING_LINES_APART = 30000 }; /* milliseconds */

static bool is(const struct bf_view *view, const char *state)
{
    return strcmp(view->state, state) == 0;
}

static bool works(const struct bf_view *view)
{
    return is(view, "running") || is(view, "verifying") || is(view, "rolling_back") || is(view, "pausing");
}

/* Appends a text and blanks up to its width; `right`: the blanks first. */
static void put(struct bf_buffer *line, const char *text, size_t columns, bool right)
{
    size_t width = bf_text_width(text);
    int pad = width < columns ? (int)(columns - width) : 0;
    bf_buffer_format(line, "%*s%s%*s%*s", right ? pad : 0, "", text, right ? 0 : pad, "", GAP, "");
}

static char *share_done(const struct bf_view *view)
{
    if (view->fraction >= 0)
        return bf_format_percent(view->fraction);
    if (view->rows_scanned < 0)
        return bf_copy_string("");
    char *rows BF_AUTO_STRING = bf_format_number(view->rows_scanned);
    return bf_format("%s rows", rows);
}

static char *batch_text(const struct bf_view *view)
{
    if (view->batch_rows < 0)
        return bf_copy_string("");
    char *rows BF_AUTO_STRING = bf_format_number(view->batch_rows);
    return bf_format("batch %s", rows);
}

static char *eta_text(const struct bf_view *view)
{
    char *eta BF_AUTO_STRING = bf_format_eta(view->eta_seconds);
    return bf_format("%s%s", eta[0] ? "ETA " : "", eta);
}

/* What stands at the end of the line: why the job does not simply work, or what it has done. */
static char *tail_text(const struct bf_view *view)
{
    if (view->reason[0] != '\0' || !is(view, "completed"))
        return bf_copy_string(view->reason);
    char *rows BF_AUTO_STRING = bf_format_number(view->rows_changed);
    return bf_format("%s rows changed", rows);
}

/* Takes `columns` and a gap from what is left, when there is that much. */
static size_t take(size_t *left, size_t columns)
{
    if (columns == 0 || *left < columns + GAP)
        return 0;
    *left -= columns + GAP;
    return columns;
}

static void put_state(struct bf_buffer *line, const struct bf_view *view, const char *state, size_t columns, bool colour)
{
    const char *start = colour ? bf_colour_of_state(view->state) : "";
    bf_buffer_text(line, start);
    put(line, state, columns, false);
    if (start[0] != '\0')
        bf_buffer_text(line, BF_COLOUR_END);
}

/* On a wide line the state and what the job does; else the one of them that says more. Owned. */
static char *state_text(const struct bf_view *view, size_t columns)
{
    if (columns >= WIDE)
        return bf_view_state(view);
    return bf_copy_string(is(view, "running") && view->activity[0] ? view->activity : view->state);
}

static char *rate_text(const struct bf_view *view, size_t columns)
{
    if (columns >= WIDE || !(view->rate >= 0))
        return bf_format_rate(view->rate);
    char *number BF_AUTO_STRING = bf_format_number((int64_t)(view->rate + 0.5));
    return bf_format("%s/s", number);
}

char *bf_job_line(const struct bf_view *view, struct bf_line_widths widths, size_t columns, bool colour)
{
    enum { BATCH = 13, ETA = 15, BAR_LEAST = 10, BAR_MOST = 28, REASON_LEAST = 24 };
    bool running = works(view);
    char *name BF_AUTO_STRING = bf_text_cut(view->name, widths.name);
    char *state BF_AUTO_STRING = state_text(view, columns);
    char *share BF_AUTO_STRING = share_done(view), *tail BF_AUTO_STRING = tail_text(view);
    char *rate BF_AUTO_STRING = rate_text(view, columns), *batch BF_AUTO_STRING = batch_text(view);
    char *eta BF_AUTO_STRING = eta_text(view);
    size_t share_columns = view->fraction >= 0 ? PERCENT_COLUMNS : bf_text_width(share);
    size_t used = widths.name + widths.state + share_columns + 2 * GAP;
    struct bf_buffer line = {0};
    if (used > columns) { /* hardly any room: the beginning of what there is to say */
        char *text BF_AUTO_STRING = bf_format("%s  %s  %s", name, share, state);
        return bf_text_cut(text, columns);
    }
    /* why it does not work comes before how well it works; what is left makes the bar longer */
    size_t left = columns - used, tail_columns = bf_text_width(tail);
    size_t tail_kept = take(&left, tail_columns < REASON_LEAST ? tail_columns : REASON_LEAST);
    size_t bar_kept = take(&left, BAR_LEAST);
    size_t more = tail_kept == 0 ? 0 : tail_columns - tail_kept < left ? tail_columns - tail_kept : left;
    left -= more;
    tail_kept += more;
    size_t eta_kept = running ? take(&left, ETA) : 0;
    size_t rate_kept = running ? take(&left, columns >= WIDE ? 14 : 10) : 0;
    size_t batch_kept = running ? take(&left, BATCH) : 0;
    size_t longer = bar_kept == 0 ? 0 : left < BAR_MOST - BAR_LEAST ? left : BAR_MOST - BAR_LEAST;
    left -= longer;
    bar_kept += longer;

    put(&line, name, widths.name, false);
    put_state(&line, view, state, widths.state, colour);
    if (bar_kept > 0) {
        char *bar BF_AUTO_STRING = bf_format_bar(view->fraction, bar_kept);
        put(&line, bar, bar_kept, false);
    }
    put(&line, share, share_columns, true);
    if (rate_kept > 0)
        put(&line, rate, rate_kept, true);
    if (batch_kept > 0)
        put(&line, batch, batch_kept, false);
    if (eta_kept > 0)
        put(&line, eta, eta_kept, false);
    if (tail_kept > 0) {
        char *cut BF_AUTO_STRING = bf_text_cut(tail, tail_kept + left);
        bf_buffer_text(&line, cut);
    }
    while (line.length > 0 && line.text[line.length - 1] == ' ')
        line.text[--line.length] = '\0';
    return bf_buffer_take(&line);
}

/* Columns that all lines share. */
static struct bf_line_widths widths_of(const struct bf_follow *follow, size_t columns)
{
    struct bf_line_widths widest = {.state = STATE_COLUMNS_LEAST};
    for (size_t i = 0; i < follow->count; i++) {
        const struct bf_view *view = &follow->jobs[i].view;
        if (!follow->jobs[i].body)
            continue;
        char *state BF_AUTO_STRING = state_text(view, columns);
        size_t name_columns = bf_text_width(view->name), state_columns = bf_text_width(state);
        if (name_columns > widest.name)
            widest.name = name_columns;
        if (state_columns > widest.state)
            widest.state = state_columns;
    }
    if (widest.name > NAME_COLUMNS_MAX)
        widest.name = NAME_COLUMNS_MAX;
    return widest;
}

/* Adds a line to the drawing, remembering how wide it is: a terminal made narrower folds it. */
static void add_line(struct bf_follow *follow, struct bf_buffer *out, const char *text)
{
    size_t width = 0;
    for (const char *at = text; *at;) { /* colours take no columns */
        size_t plain = strcspn(at, "\033");
        char *part BF_AUTO_STRING = bf_copy_bytes(at, plain);
        width += bf_text_width(part);
        at += plain;
        if (*at)
            at += strcspn(at, "m") + 1;
    }
    follow->drawn_widths[follow->drawn++] = width;
    bf_buffer_format(out, "%s\033[K\n", text);
}

void bf_draw(struct bf_follow *follow, const char *notice)
{
    struct winsize size = {0};
    struct bf_buffer out = {0};
    size_t above = 0;
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size); /* fails: the zeroes stand for not known */
    size_t columns = size.ws_col > 1 ? size.ws_col : 80, rows = size.ws_row > 2 ? size.ws_row : 24;
    for (size_t i = 0; i < follow->drawn; i++)
        above += follow->drawn_widths[i] <= columns ? 1 : (follow->drawn_widths[i] + columns - 1) / columns;
    if (above > 0)
        bf_buffer_format(&out, "\r\033[%zuA", above);
    follow->drawn = 0;
    if (!follow->drawn_widths)
        follow->drawn_widths = bf_allocate((follow->count + 2) * sizeof *follow->drawn_widths);
    struct bf_line_widths widths = widths_of(follow, columns - 1);
    size_t room = rows - 1 - (notice ? 1 : 0);
    size_t shown = follow->count <= room ? follow->count : room - (room > 1 ? 1 : 0);
    for (size_t i = 0; i < shown; i++) {
        const struct bf_followed *job = &follow->jobs[i];
        char *line BF_AUTO_STRING = job->body ? bf_job_line(&job->view, widths, columns - 1, follow->client->colour)
                                              : bf_text_safe(job->key); /* not heard of yet */
        char *cut BF_AUTO_STRING = job->body ? bf_copy_string(line) : bf_text_cut(line, columns - 1);
        add_line(follow, &out, cut);
    }
    if (shown < follow->count && room > 1) {
        char *more BF_AUTO_STRING = bf_format("and %zu more", follow->count - shown);
        char *cut BF_AUTO_STRING = bf_text_cut(more, columns - 1);
        add_line(follow, &out, cut);
    }
    if (notice) {
        char *cut BF_AUTO_STRING = bf_text_cut(notice, columns - 1);
        add_line(follow, &out, cut);
    }
    bf_buffer_text(&out, "\033[J");
    fwrite(out.text, 1, out.length, stdout);
    fflush(stdout);
    bf_buffer_clear(&out);
}

/* The line for a log: no bar, no columns. */
static char *plain_line(const struct bf_view *view)
{
    struct bf_buffer line = {0};
    /* batching and sleeping take turns several times a second: that is no news */
    bool steady = strcmp(view->activity, "batching") == 0 || strcmp(view->activity, "sleeping") == 0;
    char *state BF_AUTO_STRING = steady ? bf_copy_string(view->state) : bf_view_state(view);
    char *share BF_AUTO_STRING = share_done(view), *tail BF_AUTO_STRING = tail_text(view);
    char *rate BF_AUTO_STRING = bf_format_rate(view->rate), *batch BF_AUTO_STRING = batch_text(view);
    char *eta BF_AUTO_STRING = eta_text(view);
    const char *const parts[] = {state, share, works(view) ? rate : "", works(view) ? batch : "",
                                 works(view) ? eta : "", tail};
    bf_buffer_format(&line, "%s:", view->name);
    for (size_t i = 0; i < BF_COUNT(parts); i++)
        if (parts[i][0] != '\0')
            bf_buffer_format(&line, "%s%s", i == 0 ? " " : "  ", parts[i]);
    return bf_buffer_take(&line);
}

/* What a job that waits says of it may change each second ("stuck for 13 min 7 s"): that fills a log, and is no news. Another
 * reason has another time since which it is one. */
static char *waits_for(const struct bf_view *view)
{
    static const char *const waits[] = {"holding", "backing_off", "connecting"};
    for (size_t i = 0; i < BF_COUNT(waits); i++)
        if (strcmp(view->activity, waits[i]) == 0)
            return bf_format("%s %s %lld %s", view->state, view->activity, (long long)view->rows_scanned, view->reason_since);
    return NULL;
}

void bf_print_lines(struct bf_follow *follow, int64_t now, bool all)
{
    for (size_t i = 0; i < follow->count; i++) {
        struct bf_followed *job = &follow->jobs[i];
        if (!job->body)
            continue;
        char *waits BF_AUTO_STRING = follow->client->json ? NULL : waits_for(&job->view);
        bool still = waits && job->printed_waits && strcmp(job->printed_waits, waits) == 0;
        if (job->printed && !all && now - job->printed_at < (still ? WAITING_LINES_APART : LINES_APART))
            continue;
        char *line = follow->client->json ? bf_copy_string(job->body) : plain_line(&job->view);
        if (job->printed && strcmp(job->printed, line) == 0) {
            free(line);
            continue;
        }
        printf("%s\n", line);
        fflush(stdout);
        free(job->printed);
        free(job->printed_waits);
        job->printed = line;
        job->printed_waits = bf_copy_string(waits);
        job->printed_at = now;
    }
}
