/* What the daemon is doing, in one line for people (systemctl status). */
#ifndef BF_DAEMON_STATUS_H
#define BF_DAEMON_STATUS_H

struct bf_engine;

/* "jobs: 2 running, 1 queued; 1 holding (replication_lag)", or "no unfinished job". Owned. */
char *bf_status_text(const struct bf_engine *engine);

#endif
