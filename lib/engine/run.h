/* Rows next to each other, each tried alone, many of them in one flight: what follows a row that was refused (bisect.h).
 *
 *   FENCE (past all of them) - KEYS (those of the next run) - LOCK (where the server needs one: all of them) - SAVEPOINT
 *     the change of the first one - CONSTRAINTS - RELEASE - SAVEPOINT
 *     BACK_TO - the change of the next one - CONSTRAINTS - RELEASE - SAVEPOINT      a group of its own, as is each one behind it
 *     ...
 *   and before the FENCE of the next flight: BACK_TO - QUARANTINE of those that were refused - RELEASE
 *
 * Who inserts a row between those of a run behind LOCK, and does not commit, is waited for while the others are held, as behind
 * the LOCK of a batch: up to the lock timeout of the session, which MySQL has in whole seconds.
 *
 * BACK_TO takes back a try that was refused, and nothing of one that went well, for that has set the savepoint anew. So nobody
 * has to wait for the answer to a try before the next one is sent, and a cluster of thousands costs no more than its tries. Each
 * row has a number of its own (FENCE moves seq by all of them), as if it had been a batch. Those next to each other that are
 * refused with the same words go into the quarantine with one statement.
 *
 * Runs grow while there are rows that are refused, as long as a flight of them is short; one without such a row is the last. */
#ifndef BF_ENGINE_RUN_H
#define BF_ENGINE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "walk_key.h"

enum { BF_RUN_MOST = 128 /* rows */ };

struct bf_walk;

struct bf_run_row {
    struct bf_key key;
    int split;      /* of the row before and this one */
    int64_t number; /* of the checkpoint's seq */
    char *error;    /* owned; NULL: it was not refused */
    char sqlstate[6];
};

/* Part of a bisection; zeroed at its beginning. */
struct bf_run {
    bool off;          /* no more of them, until the next batch that is refused: the quarantine is nearly full, or others insert rows */
    int64_t most;      /* rows of the next one */
    struct bf_run_row *tried; /* owned: the last one; what is refused of it is not in quarantine yet */
    size_t count, refused;
    struct bf_key before;   /* the row before the first one */
    int64_t quarantined;    /* rows that the flight under way puts into the quarantine */
};

/* Behind a row that was refused: the keys of the next run, into the flight; false: there is none to come. */
bool bf_run_add_keys(struct bf_walk *walk, const struct bf_key *low);
/* A run begins, or the one before goes on, or its rows go into the quarantine; false: there is nothing to be done for it. */
bool bf_run_next(struct bf_walk *walk);
void bf_run_tried(struct bf_walk *walk);       /* the answers to a run are here */
void bf_run_quarantined(struct bf_walk *walk); /* the answers to the quarantine of the last one */
void bf_run_forget(struct bf_run *run);        /* what was tried is taken back, or done */

#endif
