/* A job's walks: one for each slice of its key range. See crew.c for who does what. */
#ifndef BF_ENGINE_CREW_H
#define BF_ENGINE_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "walk.h"

enum { BF_SLICE_NAME = 32, BF_SESSION_NAME = 40 };

size_t bf_job_walks(const struct bf_job *job);
struct bf_walk *bf_job_walk(const struct bf_job *job, size_t index); /* 0 leads */

void bf_crew_load(struct bf_job *job); /* as the record has them */
/* The target has so many slices of the job. False: it had another number of them when it began. */
bool bf_crew_engage(struct bf_job *job, size_t slices);
void bf_crew_free(struct bf_job *job);
void bf_crew_write(struct bf_job *job); /* into the record */
void bf_crew_forget_epochs(struct bf_job *job); /* those of the others; that of the first is the record's */
int64_t *bf_walk_known_epoch(struct bf_walk *walk);

/* Adds to the slice's numbers and to the job's. */
void bf_walk_count(struct bf_walk *walk, int64_t scanned, int64_t changed, int64_t batches, int64_t set_aside);
void bf_walk_show_place(struct bf_walk *walk); /* after, position, through of the part were set */

bool bf_crew_done(const struct bf_job *job);   /* all but the first have set down that their range is done */
/* Rows that this pass changed, and those of the pass before (-1: there was none). */
int64_t bf_crew_sum_found(const struct bf_job *job, int64_t *ret_before);
int bf_crew_unfinished(const struct bf_job *job); /* that could run side by side */
bool bf_walk_has_turn(const struct bf_walk *walk, int running); /* is it among the first so many? */
bool bf_walk_may_begin(const struct bf_walk *walk); /* the others begin when checks and canary are past */

bool bf_walk_over(const struct bf_job *job);   /* nothing of it is under way */
bool bf_crew_left(const struct bf_job *job);   /* every walk is over, which ends the job's turn */
bool bf_crew_unsettled(const struct bf_job *job);
const struct bf_walk *bf_crew_ending(const struct bf_job *job); /* whose `ending` is the job's */
/* "slice 2 of 4: ", or "" where there is one only. */
const char *bf_walk_name(const struct bf_walk *walk, char text[BF_SLICE_NAME]);
/* By which the server knows its session: the job's id, and the slice's number where it is not the first. */
const char *bf_walk_session(const struct bf_walk *walk, char text[BF_SESSION_NAME]);

#endif
