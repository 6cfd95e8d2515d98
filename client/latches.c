/* pause-all and resume-all. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "client.h"
#include "format.h"
#include "orders.h"
#include "text.h"
#include "view.h"

enum { LATCH_TIMEOUT = 30000 };

static void print_jobs(const json_t *jobs)
{
    static const char *const headings[] = {"NAME", "STATE", "TARGET", "ID"};
    static const char *const members[] = {"name", "state", "target", "id"};
    struct bf_table table;
    size_t index;
    json_t *job;
    if (json_array_size(jobs) == 0)
        return;
    bf_table_start(&table, BF_COUNT(headings), headings);
    json_array_foreach(jobs, index, job) for (size_t i = 0; i < BF_COUNT(members); i++)
        bf_table_add(&table, bf_member_text(job, members[i]));
    bf_table_print(&table, 0);
}

/* "all jobs", "target shop", "label team=orders" */
static char *scope_of(const json_t *latch)
{
    char *target BF_AUTO_STRING = bf_member_text(latch, "target"), *label BF_AUTO_STRING = bf_member_text(latch, "label");
    if (target[0])
        return bf_format("target %s", target);
    return label[0] ? bf_format("label %s", label) : bf_copy_string("all jobs");
}

/* What is still on, whoever set it: who said resume-all wants to know why something stays paused. */
static void print_latches(const json_t *latches, bool on)
{
    size_t index;
    json_t *latch;
    json_array_foreach(latches, index, latch)
    {
        char *scope BF_AUTO_STRING = scope_of(latch), *by BF_AUTO_STRING = bf_member_text(latch, "by");
        char *text BF_AUTO_STRING = bf_member_text(latch, "since"), *since BF_AUTO_STRING = bf_format_time(text);
        char *reason BF_AUTO_STRING = bf_member_text(latch, "reason");
        printf("pause-all is %s for %s, by %s since %s%s%s\n", on ? "on" : "still on", scope, by, since,
               reason[0] ? ": " : "", reason);
    }
}

static enum bf_exit give(struct bf_client *client, bool on)
{
    struct bf_reply reply;
    enum bf_exit code = BF_EXIT_DONE;
    if (!bf_check_text(client, BF_OPTION_REASON) || !bf_check_text(client, BF_OPTION_TARGET) ||
        !bf_check_text(client, BF_OPTION_LABEL))
        return BF_EXIT_USAGE;
    json_t *body = json_object();
    bf_body_text(body, "reason", client->values[BF_OPTION_REASON]);
    bf_body_text(body, "target", client->values[BF_OPTION_TARGET]);
    bf_body_text(body, "label", client->values[BF_OPTION_LABEL]);
    char *text BF_AUTO_STRING = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    bf_http_ask(client->http, client->verb->route, NULL, NULL, text, LATCH_TIMEOUT, &reply);
    if (!bf_reply_good(&reply)) {
        code = bf_reply_complain(client->http, &reply);
    } else if (client->json) {
        printf("%s\n", reply.body);
    } else {
        const json_t *jobs = json_object_get(reply.json, "jobs");
        print_latches(json_object_get(reply.json, "latches"), on);
        printf("%zu job%s %s\n", json_array_size(jobs), json_array_size(jobs) == 1 ? "" : "s",
               on ? "held" : "released");
        print_jobs(jobs);
        if (json_is_false(json_object_get(reply.json, "durable")))
            bf_say("this is in effect, but the daemon could not store it: a restart may forget it");
    }
    bf_reply_clear(&reply);
    return code;
}

enum bf_exit bf_run_pause_all(struct bf_client *client)
{
    return give(client, true);
}

enum bf_exit bf_run_resume_all(struct bf_client *client)
{
    return give(client, false);
}
