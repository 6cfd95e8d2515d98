/* adopt TARGET JOB; and what `targets` says of jobs that could be adopted. */
#include "allocate.h"
#include "client.h"
#include "format.h"
#include "orders.h"
#include "text.h"
#include "view.h"

enum bf_exit bf_run_adopt(struct bf_client *client)
{
    if (!bf_check_text(client, BF_OPTION_CONFIRM) || !bf_check_text(client, BF_OPTION_REASON))
        return BF_EXIT_USAGE;
    json_t *body = json_object();
    bf_body_text(body, "job", client->words[1]);
    bf_body_text(body, "confirm", client->values[BF_OPTION_CONFIRM]);
    bf_body_text(body, "reason", client->values[BF_OPTION_REASON]);
    char *id BF_AUTO_STRING = NULL;
    return bf_give_order(client, BF_ROUTE_ADOPT, client->words[0], body, false, &id);
}

void bf_say_foreign(const json_t *target)
{
    size_t index;
    json_t *job;
    char *name BF_AUTO_STRING = bf_member_text(target, "name");
    json_array_foreach(json_object_get(target, "foreign_jobs"), index, job)
    {
        char *id BF_AUTO_STRING = bf_member_text(job, "id"), *called BF_AUTO_STRING = bf_member_text(job, "name");
        char *state BF_AUTO_STRING = bf_member_text(job, "state"), *owner BF_AUTO_STRING = bf_member_text(job, "owner");
        char *seen BF_AUTO_STRING = bf_member_text(job, "seen_at"), *when BF_AUTO_STRING = bf_format_time(seen);
        bool lives = json_is_true(json_object_get(job, "owner_may_live"));
        bf_say("target %s: job %s (%s) is not this daemon's: %s, last written %s%s%s%s", name, called, id, state, when,
               lives ? " by another daemon, " : "", lives ? owner : "", lives ? "" : "; `adopt` takes it over");
    }
}
