/* events: what happened to a job, oldest first; --follow goes on with what is new, by the daemon's stream, or by asking
 * where there is none. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "client.h"
#include "follow.h"
#include "format.h"
#include "stream.h"
#include "text.h"
#include "view.h"

enum { EVENTS_TIMEOUT = 30000, EVENTS_INTERVAL = 500, EVENTS_PAGE = 500, HEARD_INTERVAL = 60000 };

/* Where following stands. */
struct following {
    struct bf_client *client;
    char *job;          /* owned: what the user named; the id once it is known */
    int64_t last;       /* id of the newest event that was printed; -1: nothing was read yet */
    bool hears;         /* the stream is open */
    bool ask;           /* the daemon is to be asked: it is not heard, or said something that takes a look */
    bool more;          /* there are more events than one answer holds */
    int64_t away_since; /* monotonic milliseconds; -1: it answers */
};

static int by_id(const void *one, const void *other)
{
    int64_t first = bf_member_integer(*(json_t *const *)one, "id");
    int64_t second = bf_member_integer(*(json_t *const *)other, "id");
    return (first > second) - (first < second);
}

static void print_event(const json_t *event)
{
    char *at BF_AUTO_STRING = bf_member_text(event, "at"), *type BF_AUTO_STRING = bf_member_text(event, "type");
    char *from BF_AUTO_STRING = bf_member_text(event, "from"), *to BF_AUTO_STRING = bf_member_text(event, "to");
    char *actor BF_AUTO_STRING = bf_member_text(event, "actor"), *text BF_AUTO_STRING = bf_member_text(event, "text");
    char *when BF_AUTO_STRING = bf_format_time(at);
    char *move BF_AUTO_STRING =
        to[0] ? bf_format("%s%s%s", from, from[0] ? (bf_text_utf8() ? " → " : " -> ") : "", to) : bf_copy_string(type);
    printf("%s  %s: %s%s%s%s\n", when, move, text, actor[0] ? " (" : "", actor, actor[0] ? ")" : "");
}

/* Prints one answer in the order of ids; raises *last. */
static size_t print_events(const struct bf_client *client, const struct bf_reply *reply, int64_t *last)
{
    const json_t *events = json_object_get(reply->json, "events");
    size_t count = json_array_size(events);
    if (client->json && (count > 0 || *last < 0)) /* the first answer, and every later one that says something */
        printf("%s\n", reply->body);
    const json_t **sorted = bf_allocate((count + 1) * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(events, i);
    qsort(sorted, count, sizeof *sorted, by_id);
    for (size_t i = 0; i < count; i++) {
        int64_t id = bf_member_integer(sorted[i], "id");
        if (id <= *last)
            continue; /* it came by the stream meanwhile */
        *last = id;
        if (!client->json)
            print_event(sorted[i]);
    }
    free(sorted);
    if (*last < 0)
        *last = 0;
    fflush(stdout);
    return count;
}

/* Has the job ended? Asked before its last events are read, so that none is missed. */
static bool ended(struct bf_client *client, char **job)
{
    struct bf_reply reply;
    bf_http_ask(client->http, BF_ROUTE_SHOW, *job, NULL, NULL, EVENTS_TIMEOUT, &reply);
    const char *state = json_string_value(json_object_get(reply.json, "state"));
    const char *id = json_string_value(json_object_get(reply.json, "id"));
    bool at_end = bf_reply_good(&reply) && state && bf_state_at_end(state);
    if (bf_reply_good(&reply) && id) { /* from now on this job, not a newer one of its name */
        free(*job);
        *job = bf_copy_string(id);
    }
    bf_reply_clear(&reply);
    return at_end;
}

static char *query_of(const struct bf_client *client, int64_t last)
{
    if (last >= 0)
        return bf_format("?limit=%d&after=%lld", EVENTS_PAGE, (long long)last);
    return client->values[BF_OPTION_LIMIT] ? bf_format("?limit=%s", client->values[BF_OPTION_LIMIT]) : bf_copy_string("");
}

/* Something came by the stream. */
static void on_heard(void *argument, const char *event, const json_t *data)
{
    struct following *following = argument;
    int64_t id = bf_member_integer(data, "id");
    const char *state = json_string_value(json_object_get(data, "state"));
    if (strcmp(event, "event") == 0 && id > following->last) {
        char *line = following->client->json ? json_dumps(data, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
        if (line)
            printf("{\"events\":[%s]}\n", line); /* as every answer that is printed */
        else
            print_event(data);
        free(line);
        fflush(stdout);
        following->last = id;
    } else if (strcmp(event, "reset") == 0 || (strcmp(event, "progress") == 0 && state && bf_state_at_end(state))) {
        following->ask = true;
    }
}

/* Asks once, and prints what is new. BF_GO_ON, or the exit code: all there is was printed. */
static int ask(struct following *following, bool follow)
{
    struct bf_client *client = following->client;
    bool at_end = follow && ended(client, &following->job);
    char *query BF_AUTO_STRING = query_of(client, following->last);
    struct bf_reply reply;
    bf_http_ask(client->http, BF_ROUTE_JOB_EVENTS, following->job, query, NULL, EVENTS_TIMEOUT, &reply);
    bool good = bf_reply_good(&reply), reached = following->last >= 0;
    size_t count = good ? print_events(client, &reply, &following->last) : 0;
    int64_t now = bf_now();
    if (good)
        following->away_since = -1;
    else if (following->away_since < 0)
        following->away_since = now;
    int code = BF_GO_ON;
    if (!good && !(follow && reached && bf_reply_passing(&reply) && now - following->away_since < BF_PATIENCE))
        code = (int)bf_reply_complain(client->http, &reply);
    else if (good && (!follow || (at_end && count < EVENTS_PAGE)))
        code = BF_EXIT_DONE;
    following->more = good && count == EVENTS_PAGE;
    following->ask = !good || following->more;
    bf_reply_clear(&reply);
    return bf_stop ? (int)BF_EXIT_INTERRUPTED : code;
}

/* Until something came by the stream, or it is time to ask. */
static void await_news(struct following *following, struct bf_stream *stream)
{
    int64_t pause = following->hears && !following->ask ? HEARD_INTERVAL : EVENTS_INTERVAL;
    enum bf_heard heard = bf_stream_wait(stream, following->job, following->last, pause);
    following->hears = heard != BF_HEARD_NOTHING;
    if (heard != BF_HEARD)
        following->ask = true;
}

enum bf_exit bf_run_events(struct bf_client *client)
{
    struct following following = {.client = client, .job = bf_copy_string(client->words[0]), .last = -1, .away_since = -1};
    bool follow = bf_given(client, BF_OPTION_FOLLOW);
    if (follow)
        bf_stop_catch();
    struct bf_stream *stream = follow ? bf_stream_new(client->http, on_heard, &following) : NULL;
    int code = ask(&following, follow);
    while (code == BF_GO_ON) {
        if (!following.more)
            await_news(&following, stream);
        if (bf_stop)
            code = (int)BF_EXIT_INTERRUPTED;
        else if (following.ask)
            code = ask(&following, follow);
    }
    bf_stream_free(stream);
    free(following.job);
    return (enum bf_exit)code;
}
