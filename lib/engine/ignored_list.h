/* The replicas that jobs go on without by order of a person; see lib/job/ignored.h. */
#ifndef BF_ENGINE_IGNORED_LIST_H
#define BF_ENGINE_IGNORED_LIST_H

#include "internal.h"

struct bf_ignored_replica {
    struct bf_ignored ignored;
    bool unsaved;             /* the store does not know it so */
    struct bf_watched unseen; /* what is shown of it while it is not to be seen: its name */
};

/* NULL: it is heeded. */
const struct bf_ignored_replica *bf_ignored_find(const struct bf_engine *engine, const char *target, const char *replica);
/* One after the other of a target; *index begins at 0. NULL: that were all. */
const struct bf_ignored_replica *bf_ignored_next(const struct bf_engine *engine, const char *target, size_t *index);
/* From now on, with `until` 0: heeded again. */
void bf_ignored_set(struct bf_engine *engine, const struct bf_ignored *ignored);
void bf_ignored_save(struct bf_engine *engine); /* what could not be stored */
void bf_ignored_loaded(void *engine, const struct bf_ignored *ignored); /* a bf_store_loaded_ignored */

#endif
