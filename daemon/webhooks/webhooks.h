/* Outgoing webhooks: each target's URL is told of what happens to its jobs. The queue is the log of events in the state store:
 * up to which event a target was told is stored too, so nothing is lost over a restart, nothing is kept in memory but one page,
 * and nothing of this is on the way of a write to a target. What cannot be delivered for a day is given up, and said. */
#ifndef BF_DAEMON_WEBHOOKS_H
#define BF_DAEMON_WEBHOOKS_H

#include <uv.h>

#include "config.h"
#include "store.h"

struct bf_curl;
struct bf_engine;
struct bf_event;
struct bf_webhooks;

struct bf_webhooks_options {
    uv_loop_t *loop;
    struct bf_curl *curl;
    struct bf_engine *engine;
    struct bf_store *store;
    const char *address; /* where the dashboard is, where the configuration does not say: a URL without the last slash, or NULL */
};

struct bf_webhooks *bf_webhooks_new(const struct bf_webhooks_options *options);
/* From now on these targets have webhooks. False, with `error`: the store cannot be read (the first time only). */
enum bf_code bf_webhooks_apply(struct bf_webhooks *webhooks, const struct bf_config *config, struct bf_error *error);
/* How many targets' webhooks are others in `now`; each is said, without its address, which may be a secret. */
size_t bf_webhooks_changes(const struct bf_config *before, const struct bf_config *now);
void bf_webhooks_heard(struct bf_webhooks *webhooks, const struct bf_event *event); /* it happened, and is or will be stored */
void bf_webhooks_free(struct bf_webhooks *webhooks); /* before the store; NULL is fine */

/* message.c */
bool bf_webhook_tells(const struct bf_event *event); /* of this kind of events others are told */
/* What is sent of one event; owned. `lost`: so many before it were given up. `address`: as in the options. */
char *bf_webhook_message(enum bf_webhook_format format, const struct bf_record *record, const struct bf_event *event,
                         const char *address, int64_t lost);

#endif
