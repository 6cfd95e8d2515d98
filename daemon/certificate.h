/* What becomes of the configured certificate over time: it is said when it ends, and another one takes its place. */
#ifndef BF_DAEMON_CERTIFICATE_H
#define BF_DAEMON_CERTIFICATE_H

#include <stddef.h>

#include "config.h"

struct bf_http;

/* A fault where clients would refuse it now. The daemon starts all the same: its jobs have to go on. */
void bf_certificate_check(const struct bf_config *config, struct bf_faults *faults);
/* One line in the log where it is not valid now, or ends within two weeks. NULL is fine. */
void bf_certificate_say(const struct bf_tls *tls);
/* After SIGHUP: the server shows what the configuration holds now, unless that is not valid while the one before is. Gives
 * the number of changes (0, 1), each of which is said. */
size_t bf_certificate_take_over(struct bf_http *http, struct bf_config *config);

#endif
