/* Who may do what, as the configuration says it: what is said of it at the start, and when it changes. */
#ifndef BF_DAEMON_DOORS_H
#define BF_DAEMON_DOORS_H

#include "config.h"
#include "http.h"

/* Warns of what is open to more people than it seems, or to fewer. */
void bf_doors_say(const struct bf_http *http, const struct bf_config *config);
/* `config` counts from now on, and says how many changes that were. What cannot be changed while the daemon runs stays with `config`,
 * too. */
size_t bf_doors_take_over(struct bf_http *http, struct bf_config *before, struct bf_config *config);
/* For struct bf_http_options. */
void bf_doors_token_refused(void *argument, const char *address, const char *name);

#endif
