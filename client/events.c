/* events: what happened to a job, oldest first; --follow asks for what is new. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "client.h"
#include "follow.h"
#include "format.h"
#include "text.h"
#include "view.h"

enum { EVENTS_TIMEOUT = 30000, EVENTS_INTERVAL = 500, EVENTS_PAGE = 500 };

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
        if (id > *last)
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

enum bf_exit bf_run_events(struct bf_client *client)
{
    bool follow = bf_given(client, BF_OPTION_FOLLOW), reached = false;
    char *job BF_AUTO_STRING = bf_copy_string(client->words[0]);
    int64_t last = -1, away_since = -1;
    if (follow)
        bf_stop_catch();
    for (;;) {
        bool at_end = follow && ended(client, &job);
        char *query BF_AUTO_STRING = query_of(client, last);
        struct bf_reply reply;
        bf_http_ask(client->http, BF_ROUTE_JOB_EVENTS, job, query, NULL, EVENTS_TIMEOUT, &reply);
        bool good = bf_reply_good(&reply), passing = bf_reply_passing(&reply);
        size_t count = good ? print_events(client, &reply, &last) : 0;
        int64_t now = bf_now();
        reached = reached || good;
        if (good)
            away_since = -1;
        else if (away_since < 0)
            away_since = now;
        enum bf_exit code = BF_EXIT_DONE;
        bool give_up = !good && !(follow && reached && passing && now - away_since < BF_PATIENCE);
        if (give_up)
            code = bf_reply_complain(client->http, &reply);
        bf_reply_clear(&reply);
        if (bf_stop)
            return BF_EXIT_INTERRUPTED;
        if (give_up || !follow || (good && at_end && count < EVENTS_PAGE))
            return code;
        if (count < EVENTS_PAGE)
            bf_sleep(EVENTS_INTERVAL);
    }
}
