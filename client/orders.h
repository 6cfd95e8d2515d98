#ifndef BF_CLIENT_ORDERS_H
#define BF_CLIENT_ORDERS_H

#include <jansson.h>

#include "client.h"

/* Approves with --confirm and --comment of the command line; `quiet`: says only what went wrong. */
enum bf_exit bf_approve(struct bf_client *client, const char *job, bool quiet);

/* For bodies: nothing where `value` is NULL. And is the option's text UTF-8, as JSON has to be? Says when it is not. */
void bf_body_text(json_t *body, const char *name, const char *value);
bool bf_check_text(const struct bf_client *client, enum bf_option option);

#endif
