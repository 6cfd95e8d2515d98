/* Reading the configuration while the daemon works: on the thread pool, for a file may lie on a disk that hangs. */
#ifndef BF_DAEMON_RELOAD_H
#define BF_DAEMON_RELOAD_H

#include <uv.h>

#include "config.h"

/* `config` is the callee's; NULL: `faults` says why. Called from the loop. */
typedef void bf_config_loaded(void *argument, struct bf_config *config, const struct bf_faults *faults);
void bf_config_load_later(uv_loop_t *loop, const char *path, bf_config_loaded *loaded, void *argument);

/* How many sources are gone, new or not as they were; each is said. */
size_t bf_sources_changes(const struct bf_config *before, const struct bf_config *now);

#endif
