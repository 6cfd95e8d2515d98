/* approve, pause, resume, abort. */
#include "orders.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "follow.h"
#include "text.h"
#include "view.h"

/* Milliseconds. Who adopts waits for the target, whose control schema may have to be brought up to this release. */
enum { ORDER_TIMEOUT = 30000, ADOPT_TIMEOUT = 60000 };

void bf_body_text(json_t *body, const char *name, const char *value)
{
    if (!value)
        return;
    json_t *text = json_string(value);
    if (text)
        json_object_set_new(body, name, text);
}

bool bf_check_text(const struct bf_client *client, enum bf_option option)
{
    if (!client->values[option])
        return true;
    json_t *text = json_string(client->values[option]); /* NULL when it is not UTF-8 */
    bool good = text != NULL;
    json_decref(text);
    if (!good)
        bf_say("--%s: the text is not UTF-8", bf_options[option].name);
    return good;
}

enum bf_exit bf_complain_confirm(const struct bf_client *client, const struct bf_reply *reply)
{
    const char *problem = json_string_value(json_object_get(reply->json, "code"));
    enum bf_exit code = bf_reply_complain(client->http, reply);
    if (problem && strcmp(problem, "confirm") == 0)
        bf_say_more("repeat the job's name: --confirm NAME");
    return code;
}

enum bf_exit bf_give_order(struct bf_client *client, enum bf_route_name route, const char *name, json_t *body, bool quiet,
                           char **ret_id)
{
    struct bf_reply reply;
    struct bf_view view = {0};
    char *text BF_AUTO_STRING = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    bf_http_ask(client->http, route, name, NULL, text, route == BF_ROUTE_ADOPT ? ADOPT_TIMEOUT : ORDER_TIMEOUT, &reply);
    enum bf_exit code = BF_EXIT_DONE;
    if (bf_reply_good(&reply)) {
        bf_view_read(&view, reply.json);
        char *state BF_AUTO_STRING = bf_view_state(&view);
        if (client->json && !quiet)
            printf("%s\n", reply.body);
        else if (!quiet)
            printf("%s is %s\n", view.name, state);
        if (!view.durable)
            bf_say("this is in effect, but the daemon could not store it: a restart may forget it");
        *ret_id = bf_copy_string(json_string_value(json_object_get(reply.json, "id")));
        if (!*ret_id)
            *ret_id = bf_copy_string(name);
    } else {
        code = bf_complain_confirm(client, &reply);
    }
    bf_view_clear(&view);
    bf_reply_clear(&reply);
    return code;
}

enum bf_exit bf_approve(struct bf_client *client, const char *job, bool quiet)
{
    if (!bf_check_text(client, BF_OPTION_CONFIRM) || !bf_check_text(client, BF_OPTION_COMMENT) ||
        !bf_check_text(client, BF_OPTION_PLAN))
        return BF_EXIT_USAGE;
    json_t *body = json_object();
    bf_body_text(body, "confirm", client->values[BF_OPTION_CONFIRM]);
    bf_body_text(body, "plan", client->values[BF_OPTION_PLAN]);
    bf_body_text(body, "comment", client->values[BF_OPTION_COMMENT]);
    if (bf_given(client, BF_OPTION_BREAK_GLASS))
        json_object_set_new(body, "break_glass", json_true());
    char *id BF_AUTO_STRING = NULL;
    return bf_give_order(client, BF_ROUTE_APPROVE, job, body, quiet, &id);
}

enum bf_exit bf_run_approve(struct bf_client *client)
{
    return bf_approve(client, client->words[0], false);
}

/* The order, and with --wait until the job is in `state`; `left` is the state that a resume ends. */
static enum bf_exit order(struct bf_client *client, const char *state, const char *left)
{
    if (!bf_check_text(client, BF_OPTION_REASON))
        return BF_EXIT_USAGE;
    json_t *body = json_object();
    bf_body_text(body, "reason", client->values[BF_OPTION_REASON]);
    bf_body_text(body, "for", client->values[BF_OPTION_FOR]);
    char *id BF_AUTO_STRING = NULL;
    bool waits = bf_given(client, BF_OPTION_WAIT);
    enum bf_exit code = bf_give_order(client, client->verb->route, client->words[0], body, waits, &id);
    if (code != BF_EXIT_DONE || !waits)
        return code;
    return bf_follow_one(client, id, (struct bf_goal){.state = state, .stops = true}, false, left);
}

enum bf_exit bf_run_pause(struct bf_client *client)
{
    return order(client, "paused", NULL);
}

enum bf_exit bf_run_resume(struct bf_client *client)
{
    return order(client, "running", "paused");
}

enum bf_exit bf_run_abort(struct bf_client *client)
{
    return order(client, "aborted", "paused");
}

enum bf_exit bf_run_retry_bad_rows(struct bf_client *client)
{
    return order(client, "completed", NULL);
}

enum bf_exit bf_run_rollback(struct bf_client *client)
{
    if (bf_given(client, BF_OPTION_DRY_RUN))
        return bf_dry_rollback(client);
    return order(client, "rolled_back", "aborted"); /* a job that runs is that for a moment */
}
