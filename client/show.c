/* show: one job on 60 columns. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "client.h"
#include "duration.h"
#include "format.h"
#include "judge.h"
#include "ledger.h"
#include "plan.h"
#include "quantity.h"
#include "text.h"
#include "view.h"

enum { COLUMNS = 60, LABEL = 10, BAR = 36, SHOW_TIMEOUT = 30000 };

static char *since(const struct bf_view *view)
{
    bool works = strcmp(view->state, "running") == 0 || strcmp(view->state, "verifying") == 0;
    const char *time = view->reason_since[0]           ? view->reason_since
                       : view->ended_at[0]             ? view->ended_at
                       : works && view->started_at[0]  ? view->started_at
                                                       : view->updated_at;
    if (time[0] == '\0')
        return bf_copy_string("");
    char *when BF_AUTO_STRING = bf_format_time(time), *ago BF_AUTO_STRING = bf_format_ago(time);
    return bf_format("%s%s%s%s", when, ago[0] ? " (" : "", ago, ago[0] ? " ago)" : "");
}

static char *rows(const struct bf_view *view)
{
    char *scanned BF_AUTO_STRING = bf_format_number(view->rows_scanned);
    char *changed BF_AUTO_STRING = bf_format_number(view->rows_changed);
    char *estimated BF_AUTO_STRING = bf_format_number(view->rows_estimated);
    return bf_format("%s changed, %s scanned%s%s", changed, scanned, view->rows_estimated >= 0 ? " of about " : "",
                     view->rows_estimated >= 0 ? estimated : "");
}

static void print_progress(const struct bf_view *view, bool colour)
{
    char *percent BF_AUTO_STRING = bf_format_percent(view->fraction);
    if (view->fraction >= 0) {
        char *bar BF_AUTO_STRING = bf_format_bar(view->fraction, BAR);
        const char *start = colour ? bf_colour_of_state(view->state) : "";
        printf("%-*s%s%s%s %s\n", LABEL, "progress", start, bar, start[0] ? BF_COLOUR_END : "", percent);
    }
    char *counted BF_AUTO_STRING = rows(view), *rate BF_AUTO_STRING = bf_format_rate(view->rate);
    char *eta BF_AUTO_STRING = bf_format_eta(view->eta_seconds);
    char *batch BF_AUTO_STRING = bf_format_number(view->batch_rows);
    char *batches BF_AUTO_STRING = bf_format_number(view->batches);
    char *batch_line BF_AUTO_STRING = bf_format("%s rows, %s done", batch, batches);
    if (view->rows_scanned >= 0)
        bf_print_field("rows", counted, COLUMNS);
    bool ended = bf_state_at_end(view->state);
    if (!ended) {
        bf_print_field("rate", rate, COLUMNS);
        bf_print_field("ETA", eta, COLUMNS);
    }
    if (view->batch_rows >= 0 && view->batches >= 0)
        bf_print_field("batch", batch_line, COLUMNS);
}

/* ["7","b"] as people read it: 7, b */
static char *key_text(const json_t *key, const char *otherwise)
{
    char *text = NULL;
    const json_t *part;
    size_t i;
    json_array_foreach (key, i, part) {
        char *before BF_AUTO_STRING = text;
        text = bf_format("%s%s%s", before ? before : "", before ? ", " : "", json_string_value(part));
    }
    return text ? text : bf_copy_string(otherwise);
}

/* One line for each slice, where there are several. */
static void print_slices(const json_t *positions)
{
    const json_t *slice;
    size_t i;
    if (json_array_size(positions) < 2)
        return;
    json_array_foreach (positions, i, slice) {
        char *label BF_AUTO_STRING = bf_format("slice %zu", i + 1);
        char *at BF_AUTO_STRING = key_text(json_object_get(slice, "position"), "its begin");
        char *through BF_AUTO_STRING = key_text(json_object_get(slice, "through"), "the end");
        bool done = json_is_true(json_object_get(slice, "done"));
        char *line BF_AUTO_STRING = done ? bf_format("through %s, done", through) : bf_format("at %s of %s", at, through);
        bf_print_field(label, line, COLUMNS);
    }
}

/* "errors: 0.03 (limit 0.01), true for 12 s" */
static void print_triggers(const json_t *triggers)
{
    const json_t *trigger;
    size_t i;
    json_array_foreach (triggers, i, trigger) {
        const json_t *value = json_object_get(trigger, "value"), *limit = json_object_get(trigger, "limit");
        const json_t *seconds = json_object_get(trigger, "true_seconds");
        const char *trouble = json_string_value(json_object_get(trigger, "trouble"));
        const char *name = json_string_value(json_object_get(trigger, "name"));
        char time[BF_DURATION_TEXT];
        char *since BF_AUTO_STRING = json_is_number(seconds)
            ? bf_format(", true for %s", bf_duration_format((int64_t)(json_number_value(seconds) * 1000), time)) : bf_copy_string("");
        char *seen BF_AUTO_STRING = json_is_number(value) ? bf_format("%.6g (limit %.6g)", json_number_value(value), json_number_value(limit))
                                                          : bf_copy_string("no value yet");
        char *line BF_AUTO_STRING = bf_format("%s: %s%s%s%s", name ? name : "", seen, since, trouble ? "; " : "", trouble ? trouble : "");
        bf_print_field("trigger", line, COLUMNS);
    }
}

static void print_bad_rows(int64_t rows)
{
    char *number BF_AUTO_STRING = bf_format_number(rows);
    char *line BF_AUTO_STRING = bf_format("%s not changed, the server refused %s; see `backfillctl bad-rows`", number, rows == 1 ? "it" : "them");
    if (rows > 0)
        bf_print_field("bad rows", line, COLUMNS);
}

/* Until when there is a way back, and how far it is on it. */
static void print_undo(const json_t *undo, const json_t *rollback)
{
    char *until BF_AUTO_STRING = bf_member_text(undo, "until");
    char *when BF_AUTO_STRING = until[0] ? bf_format_time(until) : bf_copy_string("");
    char *bytes BF_AUTO_STRING = bf_format_number(bf_member_integer(undo, "bytes"));
    char *rows BF_AUTO_STRING = bf_format_number(bf_member_integer(rollback, "rows"));
    char *restored BF_AUTO_STRING = bf_format_number(bf_member_integer(rollback, "rows_restored"));
    char *conflicts BF_AUTO_STRING = bf_format_number(bf_member_integer(rollback, "conflicts"));
    bool known = bf_member_integer(undo, "bytes") >= 0;
    char *kept BF_AUTO_STRING = bf_format("%s%s%s%s%s", when[0] ? "until " : "kept", when, known ? ", " : "", known ? bytes : "",
                                          known ? " bytes" : "");
    char *by BF_AUTO_STRING = bf_member_text(undo, "by");
    bool inverse = strcmp(by, "inverse") == 0;
    char *back BF_AUTO_STRING = inverse ? bf_format("%s rows changed back", restored)
                                        : bf_format("%s restored of %s, %s conflicts", restored, rows, conflicts);
    if (inverse)
        bf_print_field("undo", "by the author's inverse, which does not see what others wrote since", COLUMNS);
    else if (json_is_object(undo))
        bf_print_field("undo", json_is_true(json_object_get(undo, "dropped")) ? "dropped: there is no way back" : kept, COLUMNS);
    if (json_is_object(rollback))
        bf_print_field("rollback", back, COLUMNS);
}

static void print_job(const struct bf_view *view, const json_t *job, bool colour)
{
    const json_t *progress = json_object_get(job, "progress");
    char *ledger BF_AUTO_STRING = bf_ledger_line(json_object_get(progress, "seconds"));
    char *state BF_AUTO_STRING = bf_view_state(view), *when BF_AUTO_STRING = since(view);
    char *place BF_AUTO_STRING = bf_format("%s %s", view->target, view->table);
    const char *start = colour ? bf_colour_of_state(view->state) : "";
    bf_print_field("job", view->name, COLUMNS);
    printf("%-*s%s%.*s%s\n", LABEL, "state", start, (int)bf_text_fit(state, COLUMNS - LABEL), state,
           start[0] ? BF_COLOUR_END : "");
    bf_print_field("reason", view->reason, COLUMNS);
    if (strcmp(view->direction, "back") == 0)
        bf_print_field("direction", "back", COLUMNS);
    print_progress(view, colour);
    print_slices(json_object_get(progress, "positions"));
    print_bad_rows(bf_member_integer(progress, "rows_bad"));
    print_undo(json_object_get(job, "undo"), json_object_get(job, "rollback"));
    bf_print_field("time", ledger, COLUMNS);
    char *by BF_AUTO_STRING = bf_member_text(job, "approved_by"), *break_glass BF_AUTO_STRING = bf_member_text(job, "break_glass");
    char *alone BF_AUTO_STRING = break_glass[0] ? bf_format("BREAK GLASS: %s approved it alone: %s", by, break_glass) : NULL;
    if (alone)
        bf_print_field("approval", alone, COLUMNS);
    bf_print_field("since", when, COLUMNS);
    bf_print_field("table", place, COLUMNS);
    bf_print_field("id", view->id, COLUMNS);
}

/* ", 1.0 MiB of log, 380 KiB of undo journal", as far as it is known. */
static char *bytes_text(const json_t *of)
{
    static const struct {
        const char *name, *what;
    } all[] = {{"log_bytes", "log"}, {"journal_bytes", "undo journal"}};
    char *text = bf_copy_string("");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const json_t *value = json_object_get(of, all[i].name);
        if (!json_is_number(value) || json_number_value(value) <= 0)
            continue;
        char *before BF_AUTO_STRING = text, *bytes BF_AUTO_STRING = bf_quantity_bytes(json_number_value(value));
        text = bf_format("%s, %s of %s", before, bytes, all[i].what);
    }
    return text;
}

/* How long it was to take and what it was to write, and what came of it. */
static void print_estimate(const json_t *plan)
{
    char one[BF_DURATION_TEXT], other[BF_DURATION_TEXT];
    const json_t *estimate = json_object_get(plan, "estimate"), *took = json_object_get(plan, "took");
    const json_t *low = json_object_get(estimate, "seconds_low"), *high = json_object_get(estimate, "seconds_high");
    const json_t *held = json_object_get(took, "as_estimated"), *seconds = json_object_get(took, "seconds");
    char *guessed BF_AUTO_STRING = bytes_text(estimate), *written BF_AUTO_STRING = bytes_text(took);
    if (json_is_number(low) && json_is_number(high)) {
        char *range BF_AUTO_STRING =
            bf_format("%s to %s of work%s", bf_duration_format((int64_t)(json_number_value(low) * 1000), one),
                      bf_duration_format((int64_t)(json_number_value(high) * 1000), other), guessed);
        bf_print_field("estimate", range, COLUMNS);
    }
    if (json_is_number(seconds)) {
        const char *judged = json_is_true(held) ? " (as estimated)" : json_is_false(held) ? " (not as estimated)" : "";
        char *line BF_AUTO_STRING =
            bf_format("%s of work%s%s", bf_duration_format((int64_t)(json_number_value(seconds) * 1000), one), judged, written);
        bf_print_field("took", line, COLUMNS);
    }
}

/* The card is a wide page: where a person has to decide on it, and where it is asked for. */
static void show_plan(struct bf_client *client, const char *state)
{
    struct bf_reply reply;
    bf_http_ask(client->http, BF_ROUTE_PLAN, client->words[0], NULL, NULL, SHOW_TIMEOUT, &reply);
    if (bf_reply_good(&reply)) {
        print_estimate(reply.json);
        if (bf_given(client, BF_OPTION_CARD) || strcmp(state, "awaiting_approval") == 0) {
            printf("\n");
            bf_print_plan(reply.json);
        }
    }
    bf_reply_clear(&reply);
}

enum bf_exit bf_run_show(struct bf_client *client)
{
    struct bf_reply reply;
    struct bf_view view = {0};
    bf_http_ask(client->http, BF_ROUTE_SHOW, client->words[0], NULL, NULL, SHOW_TIMEOUT, &reply);
    enum bf_exit code = BF_EXIT_DONE;
    if (!bf_reply_good(&reply)) {
        code = bf_reply_complain(client->http, &reply);
    } else if (client->json) {
        printf("%s\n", reply.body);
    } else {
        bf_view_read(&view, reply.json);
        print_job(&view, reply.json, client->colour);
        print_triggers(json_object_get(reply.json, "triggers"));
        show_plan(client, view.state);
    }
    bf_view_clear(&view);
    bf_reply_clear(&reply);
    return code;
}
