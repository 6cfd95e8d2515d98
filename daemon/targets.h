/* The daemon's targets: made from the configuration, and made to fit it again whenever it was read anew. */
#ifndef BF_DAEMON_TARGETS_H
#define BF_DAEMON_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "config.h"

struct bf_engine;
struct bf_targets;

struct bf_targets *bf_targets_new(uv_loop_t *loop);
/* Makes them what `config` says (its rules become theirs), tells the engine, and writes one line into the log for each
 * change, unless this is the start. What a target's jobs still use stays until they have left it. Returns how many
 * changes there were; *ret_reconnected, how many targets were taken away or connect anew: who keeps sessions or pointers
 * of his own to targets has to give them up before bf_targets_sweep. */
size_t bf_targets_apply(struct bf_targets *targets, struct bf_config *config, struct bf_engine *engine, bool start,
                        size_t *ret_reconnected);
/* Frees the former targets that nobody uses any more. */
void bf_targets_sweep(struct bf_targets *targets, const struct bf_engine *engine);
size_t bf_targets_count(const struct bf_targets *targets);
void bf_targets_free(struct bf_targets *targets); /* after the engine; NULL is fine */

#endif
