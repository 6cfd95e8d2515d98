#ifndef BF_CLIENT_ORDERS_H
#define BF_CLIENT_ORDERS_H

#include "client.h"

/* Approves with --confirm and --comment of the command line; `quiet`: says only what went wrong. */
enum bf_exit bf_approve(struct bf_client *client, const char *job, bool quiet);

#endif
