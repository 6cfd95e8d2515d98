/* watch and wait. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "follow.h"
#include "text.h"

enum { LIST_TIMEOUT = 30000 };

/* A long job may be older than hundreds that have ended since: the daemon is asked for the others alone. */
#define UNFINISHED                                                                                                    \
    "?limit=500&state=planning&state=awaiting_approval&state=queued&state=running&state=verifying&state=pausing"      \
    "&state=paused&state=aborting&state=rolling_back"

/* Every job that is not at its end, oldest first. */
static enum bf_exit unfinished(struct bf_client *client, struct bf_followed **ret_jobs, size_t *ret_count)
{
    struct bf_reply reply;
    bf_http_ask(client->http, BF_ROUTE_LIST, NULL, UNFINISHED, NULL, LIST_TIMEOUT, &reply);
    enum bf_exit code = BF_EXIT_DONE;
    *ret_jobs = NULL;
    *ret_count = 0;
    if (bf_reply_good(&reply)) {
        const json_t *jobs = json_object_get(reply.json, "jobs");
        size_t size = json_array_size(jobs);
        *ret_jobs = bf_allocate((size + 1) * sizeof **ret_jobs);
        size_t left_out = 0;
        for (size_t i = size; i-- > 0;) {
            const json_t *job = json_array_get(jobs, i);
            const char *state = json_string_value(json_object_get(job, "state"));
            const char *id = json_string_value(json_object_get(job, "id"));
            if (!state || !id || bf_state_at_end(state))
                continue;
            if (*ret_count < BF_MANY)
                (*ret_jobs)[(*ret_count)++].key = bf_copy_string(id);
            else
                left_out++;
        }
        bool more = json_is_string(json_object_get(reply.json, "next"));
        if (left_out > 0 || more)
            bf_say("%s%zu more jobs are unfinished; %d are watched, name the others", more ? "over " : "", left_out, BF_MANY);
    } else {
        code = bf_reply_complain(client->http, &reply);
    }
    bf_reply_clear(&reply);
    return code;
}

enum bf_exit bf_run_watch(struct bf_client *client)
{
    struct bf_follow follow = {.client = client, .show = true, .patience = BF_PATIENCE};
    if (client->count == 0) {
        enum bf_exit code = unfinished(client, &follow.jobs, &follow.count);
        if (code != BF_EXIT_DONE)
            return code;
        if (follow.count == 0) {
            free(follow.jobs);
            bf_say("there is no unfinished job");
            return BF_EXIT_DONE;
        }
    } else {
        follow.count = (size_t)client->count;
        follow.jobs = bf_allocate(follow.count * sizeof *follow.jobs);
        for (size_t i = 0; i < follow.count; i++)
            follow.jobs[i].key = bf_copy_string(client->words[i]);
    }
    enum bf_exit code = bf_follow(&follow);
    free(follow.jobs);
    return code;
}

enum bf_exit bf_run_wait(struct bf_client *client)
{
    return bf_follow_one(client, client->words[0], (struct bf_goal){.state = client->values[BF_OPTION_FOR]}, false, NULL);
}
