/* replica ignore|heed TARGET REPLICA. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "client.h"
#include "format.h"
#include "orders.h"
#include "text.h"
#include "view.h"

enum { REPLICA_TIMEOUT = 30000 };

static void print_replica(const json_t *target, const char *name)
{
    size_t index;
    json_t *replica;
    json_array_foreach(json_object_get(target, "replicas"), index, replica)
    {
        char *shown BF_AUTO_STRING = bf_member_text(replica, "name");
        char *state BF_AUTO_STRING = bf_member_text(replica, "state");
        char *text BF_AUTO_STRING = bf_member_text(replica, "until"), *until BF_AUTO_STRING = bf_format_time(text);
        if (strcmp(shown, name) == 0)
            printf("replica %s is %s%s%s\n", shown, state, until[0] ? " until " : "", until);
    }
}

enum bf_exit bf_run_replica(struct bf_client *client)
{
    struct bf_reply reply;
    enum bf_exit code = BF_EXIT_DONE;
    bool ignore = strcmp(client->words[0], "ignore") == 0;
    if (!ignore && strcmp(client->words[0], "heed") != 0) {
        bf_say("replica: %s is neither ignore nor heed", client->words[0]);
        return BF_EXIT_USAGE;
    }
    if (!ignore && bf_given(client, BF_OPTION_FOR)) {
        bf_say("replica heed: --for is for ignore");
        return BF_EXIT_USAGE;
    }
    if (!bf_check_text(client, BF_OPTION_REASON))
        return BF_EXIT_USAGE;
    json_t *body = json_object();
    bf_body_text(body, "reason", client->values[BF_OPTION_REASON]);
    bf_body_text(body, "for", client->values[BF_OPTION_FOR]);
    char *text BF_AUTO_STRING = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    bf_http_ask_replica(client->http, ignore ? BF_ROUTE_IGNORE_REPLICA : BF_ROUTE_HEED_REPLICA, client->words[1],
                        client->words[2], text, REPLICA_TIMEOUT, &reply);
    if (!bf_reply_good(&reply))
        code = bf_reply_complain(client->http, &reply);
    else if (client->json)
        printf("%s\n", reply.body);
    else
        print_replica(reply.json, client->words[2]);
    bf_reply_clear(&reply);
    return code;
}
