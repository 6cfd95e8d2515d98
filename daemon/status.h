/* What the daemon is doing, in one line for people (systemctl status). */
#ifndef BF_DAEMON_STATUS_H
#define BF_DAEMON_STATUS_H

#include <stddef.h>

struct bf_engine;

/* "jobs: 2 running, 1 queued; 1 holding (replication_lag)", or "no unfinished job". Where the configuration that was read last has
 * faults, that too: `systemctl reload` has succeeded all the same. Owned. */
char *bf_status_text(const struct bf_engine *engine, size_t faults);

#endif
