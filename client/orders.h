#ifndef BF_CLIENT_ORDERS_H
#define BF_CLIENT_ORDERS_H

#include <jansson.h>

#include "client.h"
#include "http.h"

/* Approves with --confirm and --comment of the command line; `quiet`: says only what went wrong. */
enum bf_exit bf_approve(struct bf_client *client, const char *job, bool quiet);

/* For bodies: nothing where `value` is NULL. And is the option's text UTF-8, as JSON has to be? Says when it is not. */
void bf_body_text(json_t *body, const char *name, const char *value);
bool bf_check_text(const struct bf_client *client, enum bf_option option);

/* Gives an order and says what it did, unless `quiet`. `name`: the job's, or the target's where the route is about one. `body` is
 * taken over; on success *ret_id, the caller's, is the job's id (`name` where the daemon did not say it). */
enum bf_exit bf_give_order(struct bf_client *client, enum bf_route_name route, const char *name, json_t *body, bool quiet,
                           char **ret_id);

/* Complains, and where the daemon wants the job's name once more says how that is given. */
enum bf_exit bf_complain_confirm(const struct bf_client *client, const struct bf_reply *reply);

#endif
