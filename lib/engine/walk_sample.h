/* verify_sample: before the job is completed the server recomputes some of the changed rows from what the undo journal says they
 * held before (lib/sql/recompute.h has the rule). What differs fails the job where nothing else can have made the difference;
 * what cannot be told is said, and does not hold the job up.
 *
 *   verified -> ask for facts -> recompute a column -> the next one -> ... -> checks behind the end */
#ifndef BF_ENGINE_WALK_SAMPLE_H
#define BF_ENGINE_WALK_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "recompute.h"

struct bf_walk;

/* Part of a walk; zeroed at its beginning. */
struct bf_walk_sample {
    bool held;                   /* it was looked at, and holds */
    struct bf_recompute *columns; /* owned; of each column of `set`, while they are recomputed */
    size_t column;               /* under way */
    int64_t looked_at, since;    /* rows; of these changed by others since: the most of any column */
    bool told, doubted;          /* a column was told; in one of them rows differ, and that says nothing */
    struct bf_buffer wrong;      /* columns that differ, with the keys of some rows */
};

void bf_sample_verify(struct bf_walk *walk); /* then come the checks behind the end */
void bf_sample_facts_known(struct bf_walk *walk);
void bf_sample_recomputed(struct bf_walk *walk);
void bf_sample_forget(struct bf_walk *walk); /* what is half done */

#endif
