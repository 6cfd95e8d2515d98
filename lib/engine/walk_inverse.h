/* The way back by an inverse that the author states: a walk over what the job has passed, slice after slice, up to each
 * one's checkpoint. It has the checkpoint and the fence of every way back (walk_back.h); everything else is as on the way
 * forward, with the inverse's `set` and `where`: ranges of the key, batches, rows that others hold and that are done later.
 *
 *   take the way forward up -> close it -> raise epoch + read -> read what was passed -> bound -> batch -> batch -> ...
 *      -> the next slice's range -> ... -> flush -> verify -> release
 *
 * Its position is a slice and a key. What the job passed and did not change (rows that were set aside, rows for which
 * `remaining` holds) is left alone; what others wrote since it does not see. */
#ifndef BF_ENGINE_WALK_INVERSE_H
#define BF_ENGINE_WALK_INVERSE_H

#include <stdbool.h>
#include <stdint.h>

struct bf_answer;
struct bf_complaints;
struct bf_document;
struct bf_key;
struct bf_job;
struct bf_walk;
struct bf_passed; /* what the job has passed */

bool bf_job_inverts(const struct bf_job *job);       /* it goes back, by the author's inverse */
bool bf_walk_inverts(const struct bf_walk *walk);    /* the same, and it is on its way */
/* What the walk's statements are made of: the job's document, or its inverse. */
struct bf_document *bf_walk_document(const struct bf_walk *walk);
/* The table as the answers to SERVER and SURVEY describe it, for that document; NULL: complaints say why not. */
struct bf_table *bf_walk_describe(const struct bf_walk *walk, struct bf_complaints *complaints);

char *bf_inverse_json(const struct bf_walk *walk, const struct bf_key *key); /* its position; owned; NULL: not begun */
bool bf_inverse_take_position(struct bf_walk *walk, const struct bf_answer *checkpoint); /* false: it cannot be read */
void bf_inverse_count(struct bf_walk *walk, int64_t scanned, int64_t changed, int64_t batches, int64_t set_aside);
void bf_inverse_ready(struct bf_walk *walk);
void bf_inverse_passed_read(struct bf_walk *walk);
void bf_inverse_forget(struct bf_walk *walk); /* what was read in a session that is over */

#endif
