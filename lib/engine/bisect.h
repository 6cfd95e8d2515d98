/* Rows that the server refuses to change (P10). A batch that met one is taken back; then its range is done again in tries, ever
 * fewer rows at once until one that is refused alone: that is the row, it goes into the quarantine, and the tries behind it
 * grow again.
 *
 *   BEGIN - try - try - ... - FLUSH - COMMIT
 *   a try: SAVEPOINT - FENCE - the change of (low, high] - CONSTRAINTS - RELEASE; and behind it where the next one ends
 *     -> refused, more than one row: BACK_TO, half as many; where these end was asked in front of the change, where one of them
 *        has to be refused, so that each halving is one round trip
 *     -> refused, one row (of which the FENCE comes before the SAVEPOINT): BACK_TO, QUARANTINE; those behind it are likely
 *        to be refused, too, and are tried as a run (run.h)
 *
 * Why savepoints and not a transaction for each try: nobody tells which row of a statement was refused, so to find one takes
 * as many failures as the batch can be halved, and each row of a cluster one more. As transactions of their own all of these
 * would be taken back whole, with what they had changed; here a failed try costs its own rows alone, the tries before it stay,
 * and a cluster, however large, costs one failed batch: the one that met it. The other way, a savepoint around each row from
 * the start, would cost every run what only these few need.
 *
 * A transaction of tries ends after so many of them, and after half of `yield_after`, so nobody waits for its locks for long,
 * and no snapshot of others has to look through a long list of subtransactions. The next one goes on where it ended. Each try
 * is fenced and moves the checkpoint as a batch does, so what is committed is what the checkpoint says, P1. */
#ifndef BF_ENGINE_BISECT_H
#define BF_ENGINE_BISECT_H

#include <stdbool.h>
#include <stdint.h>

#include "flight.h"
#include "run.h"
#include "walk_key.h"

/* In one transaction: tries that stay (a server remembers 64 subtransactions cheaply), and numbers of seq at the most: a checkpoint
 * that has moved further has an owner that lives (P3). */
enum { BF_BISECT_TRIES = 60, BF_BISECT_NUMBERS = 600 };

struct bf_legs;
struct bf_mark_at;
struct bf_walk;

/* What the answers that are awaited are about. */
enum bf_bisect_step {
    BF_BISECT_ASKED,   /* where does the next try end? */
    BF_BISECT_TRIED,
    BF_BISECT_QUARANTINED, /* a row was put into the quarantine */
    BF_BISECT_RUN,     /* the rows of a run were tried, and those of the one before put into the quarantine */
    BF_BISECT_RUN_QUARANTINED, /* those of the last run */
    BF_BISECT_SETTLED  /* FLUSH and COMMIT */
};

/* Part of a walk; zeroed at its beginning. */
struct bf_bisect {
    bool on;      /* the range through `end` is done in tries */
    bool follows; /* the row before was refused, and clusters go on: behind the end of a range the next one begins in tries, too */
    bool careful; /* a try met a lock: others' rows are set aside from now on */
    struct bf_run run;
    bool last;    /* `end` is the end of the slice */
    struct bf_key end;
    int64_t left;     /* rows of the range that are still to be done, about */
    int64_t want;     /* rows of the next try */
    int64_t asked;    /* for so many rows it was asked last where a try ends */
    int64_t suspects; /* the row is among the next so many; 0: nobody knows of one */

    /* the transaction */
    bool open, saved; /* it has begun; a savepoint stands */
    bool failed;      /* what stands behind the savepoint has to be taken back */
    bool full;        /* one more row was refused than may be: the job fails when what is before it is committed */
    enum bf_bisect_step step;
    struct bf_key low;  /* where it has come to */
    struct bf_key high; /* of the try */
    int split;
    int64_t rows;       /* of the try */
    bool whole;         /* the try reaches `end` */
    bool halved;        /* in front of the try it is asked where its half ends */
    bool over;          /* it has come to `end` */
    int tries;
    int64_t began;      /* monotonic milliseconds */
    int64_t seq, scanned, changed, set_aside, bad; /* by the tries that stay */
    char error[BF_ERROR_TEXT_MAX], sqlstate[6]; /* of the row that was refused last */
    char *key;          /* owned; JSON; its key */
};

/* The batch that the walk has measured out met a row that is refused: from now on its range is done in tries. False: bad rows
 * are not built for this engine. */
bool bf_bisect_begin(struct bf_walk *walk, const struct bf_answer *answer);
void bf_bisect_follow(struct bf_walk *walk);   /* the same of the next range, because the one before ended with such a row */
void bf_bisect_go(struct bf_walk *walk);       /* `on`, and the walk is ready: the next transaction of tries */
void bf_bisect_answered(struct bf_walk *walk); /* in phase BISECTING */
void bf_bisect_taken_back(struct bf_walk *walk); /* its transaction is no more, committed or not */
void bf_bisect_remember(struct bf_bisect *bisect, const struct bf_answer *answer); /* why a row was refused */
void bf_bisect_clear(struct bf_bisect *bisect);

/* ---- for run.c ---- */

void bf_bisect_begin_flight(struct bf_walk *walk); /* with what becomes of the try before */
struct bf_mark_at bf_bisect_mark(const struct bf_walk *walk, int64_t rows); /* of a try of so many rows; 0: of none */
void bf_bisect_send(struct bf_walk *walk, enum bf_bisect_step step);
bool bf_bisect_enough(const struct bf_walk *walk); /* is it time to let go of what is locked? */
/* Into the flight: QUARANTINE; and what it says of them. */
void bf_bisect_add_quarantine(struct bf_walk *walk, const struct bf_legs *range, const char *error, const char *sqlstate);
void bf_bisect_read_quarantined(const struct bf_walk *walk, int64_t *ret_rows, int64_t *ret_fresh);
/* So many rows through `high` are passed, with as many numbers of seq, by so many tries that stay. */
void bf_bisect_advance(struct bf_bisect *bisect, int64_t rows, int64_t numbers, int tries);
void bf_bisect_leave_run(struct bf_walk *walk, int64_t rows); /* so many went well at last */
void bf_bisect_go_on(struct bf_walk *walk); /* behind what is passed; or FLUSH and COMMIT */

#endif
