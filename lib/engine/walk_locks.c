/* The two forms of a batch, and when which (P6). */
#include <stdio.h>

#include "internal.h"

enum {
    QUICK_WAIT = 2,      /* milliseconds: far under every deadlock_timeout, so nobody is ever a deadlock's victim */
    CAREFUL_WAIT = 50,   /* the rows are locked already; this is for an index page, a referenced row, the file's growth */
    CAREFUL_BATCHES = 10 /* in a row without a row that somebody held, then the quick form is tried again */
};

static bool built(const struct bf_walk *walk)
{
    return walk->statements && walk->statements->set_aside[0][0];
}

bool bf_walk_careful(const struct bf_job *job)
{
    return job->walk.locks.careful > 0;
}

int64_t bf_walk_lock_wait(const struct bf_job *job, bool careful)
{
    int64_t most = job->walk.lock_timeout, wait = careful ? CAREFUL_WAIT : QUICK_WAIT;
    return built(&job->walk) && wait < most ? wait : most;
}

bool bf_walk_go_careful(struct bf_job *job)
{
    struct bf_walk *walk = &job->walk;
    if (!walk->locks.quick || !walk->owner || !walk->have_next || !built(walk))
        return false;
    walk->locks.quick = false;
    walk->locks.careful = CAREFUL_BATCHES;
    walk->phase = BF_PHASE_READY;
    return true;
}

void bf_walk_set_aside(struct bf_job *job, bool careful, int64_t rows)
{
    struct bf_locks *locks = &job->walk.locks;
    locks->quick = false;
    locks->holder[0] = '\0';
    if (rows)
        locks->careful = CAREFUL_BATCHES;
    else if (careful && locks->careful > 0)
        locks->careful--;
    job->record.progress.rows_set_aside += rows;
}

void bf_walk_name_holder(const struct bf_job *job, char *text, size_t size)
{
    const char *holder = job->walk.locks.holder;
    snprintf(text, size, "%s%s", *holder ? "; held by " : "", holder);
}
