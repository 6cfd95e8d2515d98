/* P6: what a walk does about locks. It waits for nobody while it holds rows, and gives way to who waits for it.
 *
 *   batch in its quick form: the plain UPDATE, that waits for a lock as good as not at all
 *      -> a row is held by another: the same range in the careful form, and so for some batches
 *   careful form: rows are locked without waiting; those that others hold are set aside: written down on the target in the
 *      same transaction, done before the job is verified, a few in one transaction; the last ones are waited for one by one
 */
#ifndef BF_ENGINE_LOCKS_H
#define BF_ENGINE_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "flight.h"
#include "result.h"

struct bf_engine;
struct bf_job;
struct bf_watcher;

enum { BF_WHO_TEXT = 300 };

/* Part of a walk; zeroed at its beginning. */
struct bf_locks {
    int careful;       /* batches that are still run in the careful form */
    bool quick;        /* the batch under way is in the quick form */
    int64_t sweep_seq; /* how far the rows set aside were looked at: seq and key; NULL: from the first */
    char *sweep_key;   /* owned */
    int64_t swept;     /* how many of them were done since the first */
    bool patient;      /* every one of them is held: the first is waited for */
    bool yielding;     /* what is under way was cancelled by us, because somebody waits */
    char waiter[BF_WHO_TEXT]; /* who waits, for people */
    char holder[BF_WHO_TEXT]; /* whom we were last seen waiting for; "" */
};

/* walk_locks.c */
bool bf_walk_careful(const struct bf_job *job); /* is the next batch in the careful form? */
int64_t bf_walk_lock_wait(const struct bf_job *job, bool careful); /* milliseconds, for a batch that holds rows */
/* A batch met a lock. True: the same range is tried at once in the careful form. */
bool bf_walk_go_careful(struct bf_job *job);
void bf_walk_set_aside(struct bf_job *job, bool careful, int64_t rows); /* a batch was committed */
/* ", held by ..." of whom the walk was last seen waiting for; "" */
void bf_walk_name_holder(const struct bf_job *job, char *text, size_t size);

/* walk_aside.c */
bool bf_walk_aside_due(const struct bf_job *job); /* rows set aside have their turn now */
void bf_walk_redo_aside(struct bf_job *job);
void bf_walk_aside_redone(struct bf_job *job); /* the answer came */

/* watcher.c: a second session for each target, that looks who waits for us while a batch runs. */
void bf_watcher_batch_sent(struct bf_job *job);
void bf_watcher_left(struct bf_job *job); /* the job's session was closed: the last one of a target closes the watcher */
void bf_watchers_drop(struct bf_engine *engine);

#endif
