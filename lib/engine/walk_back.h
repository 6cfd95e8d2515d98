/* The way back: the walk over the undo journal, newest change first. It is the leading walk's, under a checkpoint of its own
 * (slice BF_SLICE_BACK), with the same fence and epoch as the way forward:
 *
 *   connect -> recognise -> peek (-1) -> raise epoch + read -> look back -> restore -> restore -> ... -> flush -> verify -> release
 *                            | there is none: the way forward is taken up once more, and closed for everybody
 *                            '-> peek (0) -> raise -> turn back -> peek (-1)
 *
 * Its position is a place in the journal: an entry (what one statement of one batch changed), and how many of its changes
 * are still to be taken back. A change is taken back where the row holds what the job left in it; the others are conflicts,
 * written down in the same transaction. No row is passed over for a later look: an older change of the same row may come
 * behind it. So a batch that meets a lock is halved, down to one row that is waited for by a transaction that holds nothing
 * else; and one that the server refuses is halved down to the row that is at fault, which is left alone. */
#ifndef BF_ENGINE_WALK_BACK_H
#define BF_ENGINE_WALK_BACK_H

#include <stdbool.h>
#include <stdint.h>

#include "flight.h"

enum { BF_SLICE_BACK = -1 };

struct bf_job;
struct bf_walk;

/* Part of a walk; zeroed at its beginning. */
struct bf_back {
    bool begun;               /* false: before the newest entry */
    int64_t slice, seq, part; /* the entry */
    int64_t left;             /* of its changes, the first ones; 0: it is done */
    int64_t most;             /* changes in the next batch; 0: as many as the size says */
    int64_t from, to;         /* of the batch under way */
    bool leave;               /* the next one is refused by the server: it is written down and left alone */
};

bool bf_walk_goes_back(const struct bf_walk *walk); /* it walks the journal */
bool bf_walk_leads(const struct bf_walk *walk);     /* it speaks for the job: the first slice's, or the way back */
size_t bf_walk_index(const struct bf_walk *walk);   /* its place among the job's walks */

void bf_back_prepare(struct bf_job *job);           /* before a walk over the journal begins: there is one walk, and it is that */
char *bf_back_json(const struct bf_walk *walk);     /* its position; owned; NULL: not begun */
/* What the checkpoint says of it; false: that cannot be read. */
bool bf_back_take_over(struct bf_walk *walk, const struct bf_answer *checkpoint);
void bf_back_ready(struct bf_walk *walk);
void bf_back_turned(struct bf_walk *walk);
void bf_back_looked(struct bf_walk *walk);
void bf_back_measured(struct bf_walk *walk);
void bf_back_restored(struct bf_walk *walk);
void bf_back_over(struct bf_walk *walk); /* the target was seen to keep its end */
/* A batch was taken back, because of an error of this class. True: it is tried again at once, smaller. */
bool bf_back_again(struct bf_walk *walk, enum bf_error_class error_class, const char *doing);

#endif
