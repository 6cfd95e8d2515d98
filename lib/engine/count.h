/* How many rows a job asks for, counted while it waits for its approval. It reads the table, so only where that is cheap,
 * for a few seconds at most, in a session of its own and in a transaction that cannot write; it ends with the wait. */
#ifndef BF_ENGINE_COUNT_H
#define BF_ENGINE_COUNT_H

#include "internal.h"

/* False: why not, for people. */
bool bf_count_is_cheap(const struct bf_table *table, const char **ret_why);
void bf_count_begin(struct bf_job *job, char *sql); /* takes `sql` over */

#endif
