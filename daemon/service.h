/* What a service manager hears (sd_notify(3)): that the daemon is ready, reloads or stops, what it is doing, and that its
 * loop turns. Without NOTIFY_SOCKET nothing is said. Failing to tell is no reason to stop working. */
#ifndef BF_DAEMON_SERVICE_H
#define BF_DAEMON_SERVICE_H

#include <uv.h>

struct bf_service;

struct bf_service_options {
    uv_loop_t *loop;
    /* One line for people, owned by the caller of it; asked once a second, told where it is another one. */
    char *(*status)(void *argument);
    void *argument;
};

/* Everything from the loop's thread. */
struct bf_service *bf_service_new(const struct bf_service_options *options);
/* It listens and its store is open. From now on the loop feeds the manager's watchdog, where there is one (WATCHDOG_USEC):
 * by a timer, so a loop that hangs feeds nothing and the manager starts the daemon anew. */
void bf_service_ready(struct bf_service *service);
/* RELOADING, with the time that tells the manager which READY belongs to it. */
void bf_service_reloading(struct bf_service *service);
void bf_service_reloaded(struct bf_service *service);
/* The status is not asked for any more: `status` is the last one. The watchdog is still fed. */
void bf_service_stopping(struct bf_service *service, const char *status);
/* The memory goes when the loop has run once more. NULL is fine. */
void bf_service_free(struct bf_service *service);

#endif
