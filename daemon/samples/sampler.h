/* The series of every job: once a second it is looked at what each working job did since. Fine points stay in memory, the
 * coarser ones go to the store, once a minute and at the end. */
#ifndef BF_SAMPLER_H
#define BF_SAMPLER_H

#include <uv.h>

#include "engine.h"
#include "sample.h"
#include "store.h"

struct bf_sampler;

/* Engine and store outlive it. */
struct bf_sampler *bf_sampler_new(uv_loop_t *loop, struct bf_engine *engine, const struct bf_store *store);
/* Stores what is not stored yet; callbacks of reads under way may still come. NULL is fine. */
void bf_sampler_free(struct bf_sampler *sampler);

enum { BF_SAMPLES_READ_MAX = 2000 };
/* step: one of BF_SAMPLE_…; since: unix milliseconds, then the first `limit` points not before it; 0: the newest `limit`.
 * Rising, and the last point's span may not be over. `read` is called from inside or later, as in store.h. */
void bf_sampler_read(struct bf_sampler *sampler, const char *job, int step, int64_t since, size_t limit,
                     bf_store_samples *read, void *argument);

#endif
