/* What a service manager wants to hear (sd_notify(3), the datagram protocol; no library is needed for it). Does nothing
 * when NOTIFY_SOCKET is not set. */
#ifndef BF_DAEMON_SERVICE_H
#define BF_DAEMON_SERVICE_H

/* `state`: "READY=1", "STOPPING=1", one assignment per line. Failing to tell is no reason to stop working. */
void bf_service_notify(const char *state);

#endif
