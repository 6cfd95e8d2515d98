#include "follow.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "allocate.h"
#include "duration.h"
#include "format.h"
#include "text.h"

enum {
    REQUEST_TIMEOUT = 10000, /* milliseconds, like all of these */
    LEAVING = 2000,          /* how long the state that an order ends may still be shown */
    DRAW_INTERVAL = 200,     /* the terminal may have another size by then */
    PRINT_INTERVAL = 1000,
    BUSY_FOR = 10000,        /* quiet waiting asks often so long, then once a second */
    AWAY_INTERVAL = 500
};

volatile sig_atomic_t bf_stop;

static void on_stop(int number)
{
    (void)number;
    bf_stop = 1;
}

void bf_stop_catch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_stop}, before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < BF_COUNT(numbers); i++) /* what nohup or a shell's background has switched off stays off */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

int64_t bf_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void bf_sleep(int64_t milliseconds)
{
    if (milliseconds > 0 && !bf_stop)
        poll(NULL, 0, (int)(milliseconds < 60000 ? milliseconds : 60000));
}

/* JSON strings hold no raw line ends, so the ones there are stand between tokens: blanks in their place make one line of
 * it without changing a thing. */
static char *one_line(const char *body)
{
    char *line = bf_copy_string(body);
    size_t length = strlen(line);
    while (length > 0 && strchr("\r\n \t", line[length - 1]))
        line[--length] = '\0';
    for (char *at = line; *at; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    return line;
}

/* What was judged was the state before: who was paused may have been aborted since. */
static void take_view(struct bf_followed *job, const json_t *json)
{
    bf_view_read(&job->view, json);
    job->verdict = BF_GO_ON;
}

static void take_answer(struct bf_followed *job, const struct bf_reply *reply)
{
    take_view(job, reply->json);
    free(job->body);
    job->body = one_line(reply->body);
    const char *id = json_string_value(json_object_get(reply->json, "id"));
    if (id && *id) {
        free(job->key);
        job->key = bf_copy_string(id);
    }
    if (job->view.name[0] == '\0') {
        free(job->view.name);
        job->view.name = bf_text_safe(job->key);
    }
}

struct outage {
    int64_t since; /* monotonic milliseconds; -1: the daemon answers */
    char text[768];
    bool told;
};

static bool is_over(const struct bf_followed *job)
{
    return job->body && job->verdict != BF_GO_ON && bf_state_at_end(job->view.state);
}

/* Something came by the stream. A progress message has all that is shown of a job; who wants the daemon's own JSON gets
 * that by asking for it. */
static void on_heard(void *argument, const char *event, const json_t *data)
{
    struct bf_follow *follow = argument;
    const char *id = json_string_value(json_object_get(data, "id"));
    bool progress = strcmp(event, "progress") == 0 && id, reset = strcmp(event, "reset") == 0;
    for (size_t i = 0; i < follow->count; i++) {
        struct bf_followed *job = &follow->jobs[i];
        bool meant = progress && strcmp(job->key, id) == 0 && !is_over(job);
        if (reset || (meant && (follow->client->json || !job->body)))
            job->stale = true;
        else if (meant)
            take_view(job, data);
    }
}

/* Waits for what is new, where there is a stream, else until it is time to ask. */
static void await_news(struct bf_follow *follow, int64_t milliseconds)
{
    const char *job = follow->count == 1 ? follow->jobs[0].key : NULL;
    enum bf_heard heard = bf_stream_wait(follow->stream, job, -1, milliseconds);
    follow->hears = heard != BF_HEARD_NOTHING;
    for (size_t i = 0; heard == BF_HEARD_OPENING && i < follow->count; i++)
        follow->jobs[i].stale = true;
}

/* Asks for one job. BF_GO_ON, or the exit code of an answer that ends it all. */
static int ask_one(struct bf_follow *follow, struct bf_followed *job, int64_t deadline, struct outage *outage)
{
    struct bf_client *client = follow->client;
    int64_t timeout = REQUEST_TIMEOUT, now = bf_now();
    if (deadline && deadline - now < timeout)
        timeout = deadline - now;
    struct bf_reply reply;
    bf_http_ask(client->http, BF_ROUTE_SHOW, job->key, NULL, NULL, timeout, &reply);
    bool passing = bf_reply_passing(&reply);
    int end = BF_GO_ON;
    if (bf_reply_good(&reply)) {
        take_answer(job, &reply);
        job->stale = false;
        outage->since = -1;
    } else if (reply.reached == BF_STOPPED || (passing && deadline && bf_now() >= deadline)) {
        /* cut off by us: that says nothing of the daemon */
    } else if (passing && job->body) {
        if (outage->since < 0)
            outage->since = now;
        snprintf(outage->text, sizeof outage->text, "%s",
                 reply.reached == BF_REACHED ? "it answers with an error" : reply.text);
    } else {
        end = (int)bf_reply_complain(client->http, &reply); /* never heard of, or a plain no */
    }
    bf_reply_clear(&reply);
    return end;
}

/* Asks for every job that is not at its end, unless it is heard of. BF_GO_ON, or the exit code of an answer that ends it
 * all. */
static int ask_all(struct bf_follow *follow, int64_t deadline, struct outage *outage)
{
    for (size_t i = 0; i < follow->count && !bf_stop; i++) {
        struct bf_followed *job = &follow->jobs[i];
        if (is_over(job) || (follow->hears && !job->stale))
            continue;
        int end = ask_one(follow, job, deadline, outage);
        if (end != BF_GO_ON || outage->since >= 0)
            return end;
    }
    return BF_GO_ON;
}

static void judge_all(struct bf_follow *follow, bool judge_left)
{
    for (size_t i = 0; i < follow->count; i++) {
        struct bf_followed *job = &follow->jobs[i];
        if (!job->body || is_over(job))
            continue;
        bool leaving = !judge_left && follow->left && strcmp(job->view.state, follow->left) == 0;
        job->verdict = leaving ? BF_GO_ON : bf_judge(&follow->goal, job->view.state);
    }
}

static bool all_judged(const struct bf_follow *follow)
{
    for (size_t i = 0; i < follow->count; i++)
        if (follow->jobs[i].verdict == BF_GO_ON)
            return false;
    return true;
}

static void show(struct bf_follow *follow, struct outage *outage)
{
    struct bf_client *client = follow->client;
    bool drawing = follow->show && client->terminal && !client->json;
    if (!drawing) {
        if (outage->since >= 0 && !outage->told)
            bf_say("daemon unreachable, trying again: %s", outage->text);
        else if (outage->since < 0 && outage->told)
            bf_say("the daemon answers again");
        outage->told = outage->since >= 0;
        if (follow->show)
            bf_print_lines(follow, bf_now(), false);
        return;
    }
    char *notice BF_AUTO_STRING = NULL;
    if (outage->since >= 0) {
        char *safe BF_AUTO_STRING = bf_text_safe(outage->text);
        notice = bf_format("daemon unreachable, trying again: %s", safe);
    }
    if (follow->jobs[0].body)
        bf_draw(follow, notice);
}

/* How it ended for one job, for people. Owned. */
static char *last_word(const struct bf_follow *follow, const struct bf_followed *job)
{
    const struct bf_view *view = &job->view;
    const char *reason = view->reason[0] ? ": " : "";
    if (job->verdict == BF_EXIT_CONFLICT)
        return bf_format("%s is %s and was not %s", view->name, view->state, follow->goal.state);
    if (job->verdict == BF_EXIT_JOB_WAITS)
        return bf_format("%s waits for approval: backfillctl approve %s", view->name, view->name);
    if (strcmp(view->state, "completed") != 0)
        return bf_format("%s is %s%s%s", view->name, view->state, reason, view->reason);
    char *rows BF_AUTO_STRING = bf_format_number(view->rows_changed);
    return bf_format("%s is completed, %s rows changed", view->name, rows);
}

static enum bf_exit say_ends(struct bf_follow *follow)
{
    struct bf_client *client = follow->client;
    enum bf_exit code = BF_EXIT_DONE;
    if (follow->show && (client->json || !client->terminal))
        bf_print_lines(follow, bf_now(), true);
    for (size_t i = 0; i < follow->count; i++) {
        const struct bf_followed *job = &follow->jobs[i];
        char *word BF_AUTO_STRING = last_word(follow, job);
        if (!follow->show && client->json)
            printf("%s\n", job->body);
        if (job->verdict != BF_EXIT_DONE)
            bf_say("%s", word);
        else if (!follow->show && !client->json)
            printf("%s\n", word);
        if (code == BF_EXIT_DONE)
            code = (enum bf_exit)job->verdict;
    }
    return code;
}

static void say_unfinished(const struct bf_follow *follow, const char *format_one, const char *format_many)
{
    const struct bf_followed *job = &follow->jobs[0];
    if (follow->count > 1)
        bf_say("%s", format_many);
    else
        bf_say("%s %s%s%s", job->view.name ? job->view.name : job->key, format_one,
               job->view.state ? "; it is " : "", job->view.state ? job->view.state : "");
}

/* How long until the jobs are looked at again, where nothing comes by the stream. */
static int64_t interval(const struct bf_follow *follow, const struct outage *outage, int64_t waited)
{
    const struct bf_client *client = follow->client;
    if (outage->since >= 0)
        return AWAY_INTERVAL;
    if (follow->hears)
        return follow->show && client->terminal && !client->json ? DRAW_INTERVAL : PRINT_INTERVAL;
    if (!follow->show && waited > BUSY_FOR)
        return 1000;
    return follow->count > 4 ? (int64_t)follow->count * 50 : 200;
}

static enum bf_exit run(struct bf_follow *follow)
{
    struct bf_client *client = follow->client;
    struct outage outage = {.since = -1};
    int64_t start = bf_now(), deadline = client->timeout ? start + client->timeout : 0;
    for (;;) {
        int64_t began = bf_now();
        int end = ask_all(follow, deadline, &outage);
        if (end != BF_GO_ON)
            return (enum bf_exit)end;
        judge_all(follow, began - start >= LEAVING);
        if (bf_stop) {
            say_unfinished(follow, "goes on, only the waiting for it has ended",
                           "the jobs go on, only the watching has ended");
            return BF_EXIT_INTERRUPTED;
        }
        show(follow, &outage);
        if (outage.since < 0 && all_judged(follow))
            return say_ends(follow);
        int64_t now = bf_now(), pause = interval(follow, &outage, now - start);
        if (deadline && now >= deadline) {
            say_unfinished(follow, "is not there yet, the time is up", "the time is up");
            return BF_EXIT_TIME_IS_UP;
        }
        if (!deadline && outage.since >= 0 && now - outage.since >= follow->patience) {
            bf_say("daemon unreachable at %s for %lld s: %s", bf_http_url(client->http),
                   (long long)(now - outage.since) / 1000, outage.text);
            return BF_EXIT_UNREACHABLE;
        }
        pause -= now - began;
        if (deadline && deadline - now < pause)
            pause = deadline - now;
        await_news(follow, pause);
    }
}

enum bf_exit bf_follow(struct bf_follow *follow)
{
    bf_stop_catch();
    for (size_t i = 0; i < follow->count; i++)
        follow->jobs[i].verdict = BF_GO_ON;
    follow->stream = bf_stream_new(follow->client->http, on_heard, follow);
    enum bf_exit code = run(follow);
    bf_stream_free(follow->stream);
    for (size_t i = 0; i < follow->count; i++) {
        struct bf_followed *job = &follow->jobs[i];
        free(job->key);
        free(job->body);
        free(job->printed);
        free(job->printed_waits);
        bf_view_clear(&job->view);
    }
    free(follow->drawn_widths);
    return code;
}

enum bf_exit bf_follow_one(struct bf_client *client, const char *job, struct bf_goal goal, bool shown, const char *left)
{
    struct bf_followed followed = {.key = bf_copy_string(job)};
    struct bf_follow follow = {.client = client, .goal = goal, .jobs = &followed, .count = 1, .show = shown,
                               .patience = BF_PATIENCE, .left = left};
    return bf_follow(&follow);
}
