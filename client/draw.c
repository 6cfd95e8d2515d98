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

enum { GAP = 2, STATE_COLUMNS = 17, STATE_COLUMNS_WIDE = 21, PERCENT_COLUMNS = 7, NAME_COLUMNS_MAX = 28 };

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

char *bf_job_line(const struct bf_view *view, size_t name_columns, size_t columns, bool colour)
{
    enum { RATE = 14, BATCH = 13, ETA = 15, BAR_LEAST = 6, BAR_MOST = 28, REASON_LEAST = 24 };
    bool wide = columns >= 110, running = works(view);
    char *name BF_AUTO_STRING = bf_text_cut(view->name, name_columns);
    char *full BF_AUTO_STRING = bf_view_state(view);
    const char *state = wide ? full : is(view, "running") && view->activity[0] ? view->activity : view->state;
    size_t state_columns = wide ? STATE_COLUMNS_WIDE : STATE_COLUMNS;
    char *share BF_AUTO_STRING = share_done(view), *tail BF_AUTO_STRING = tail_text(view);
    char *rate BF_AUTO_STRING = bf_format_rate(view->rate), *batch BF_AUTO_STRING = batch_text(view);
    char *eta BF_AUTO_STRING = eta_text(view);
    size_t share_columns = view->fraction >= 0 ? PERCENT_COLUMNS : bf_text_width(share);
    size_t used = name_columns + state_columns + share_columns + 2 * GAP;
    struct bf_buffer line = {0};
    if (used > columns) { /* hardly any room: the beginning of what there is to say */
        char *text BF_AUTO_STRING = bf_format("%s  %s  %s", name, share, state);
        return bf_text_cut(text, columns);
    }
    size_t left = columns - used, tail_columns = bf_text_width(tail);
    size_t tail_kept = take(&left, tail_columns < REASON_LEAST ? tail_columns : REASON_LEAST);
    size_t eta_kept = running ? take(&left, ETA) : 0, rate_kept = running ? take(&left, RATE) : 0;
    size_t batch_kept = running ? take(&left, BATCH) : 0;
    size_t bar_kept = left < BAR_LEAST + GAP ? 0 : take(&left, left - GAP < BAR_MOST ? left - GAP : BAR_MOST);

    put(&line, name, name_columns, false);
    put_state(&line, view, state, state_columns, colour);
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

static size_t widest_name(const struct bf_follow *follow)
{
    size_t widest = 0;
    for (size_t i = 0; i < follow->count; i++) {
        size_t width = bf_text_width(follow->jobs[i].view.name);
        if (width > widest)
            widest = width;
    }
    return widest < NAME_COLUMNS_MAX ? widest : NAME_COLUMNS_MAX;
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
    size_t room = rows - 1 - (notice ? 1 : 0), name_columns = widest_name(follow);
    size_t shown = follow->count <= room ? follow->count : room - (room > 1 ? 1 : 0);
    for (size_t i = 0; i < shown; i++) {
        char *line BF_AUTO_STRING = bf_job_line(&follow->jobs[i].view, name_columns, columns - 1, follow->client->colour);
        add_line(follow, &out, line);
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

void bf_print_lines(struct bf_follow *follow, int64_t now, bool all)
{
    for (size_t i = 0; i < follow->count; i++) {
        struct bf_followed *job = &follow->jobs[i];
        if (!job->body || (job->printed && !all && now - job->printed_at < 1000))
            continue;
        char *line = follow->client->json ? bf_copy_string(job->body) : plain_line(&job->view);
        if (job->printed && strcmp(job->printed, line) == 0) {
            free(line);
            continue;
        }
        printf("%s\n", line);
        fflush(stdout);
        free(job->printed);
        job->printed = line;
        job->printed_at = now;
    }
}
