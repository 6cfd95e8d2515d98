/* lib/port/world.h made real: libuv's timers, the kernel's clock and chance, /proc for who is alive. */
#ifndef BF_ADAPTER_UV_WORLD_H
#define BF_ADAPTER_UV_WORLD_H

#include <uv.h>

#include "world.h"

/* Both from the loop's thread. Timers that were not freed keep the loop alive; the memory of a freed timer goes when the
 * loop has run once more. */
struct bf_world *bf_uv_world_new(uv_loop_t *loop);
void bf_uv_world_free(struct bf_world *world); /* NULL is fine */

#endif
