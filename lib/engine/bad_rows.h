/* The rows that the server refused to change: their quarantine (bad_rows.c). How they are found: bisect.h. */
#ifndef BF_ENGINE_BAD_ROWS_H
#define BF_ENGINE_BAD_ROWS_H

#include <stdbool.h>
#include <stdint.h>

struct bf_job;
struct bf_walk;

/* Into the flight that raises the epoch to this one: what is in quarantine is set aside, where it is to be tried once more; and
 * how many rows there are of each. */
void bf_bad_rows_add_counts(struct bf_walk *walk, int64_t epoch);
void bf_bad_rows_counted(struct bf_walk *walk); /* it has come back, and we hold the epoch */
/* The walk is ready: true when it is taken up anew, because what is in quarantine is to be tried once more. */
bool bf_bad_rows_retry(struct bf_walk *walk);
/* Somebody ordered that; of a job that has not begun anew since. */
void bf_bad_rows_want_retry(struct bf_job *job);

/* So many more rows in quarantine would be more than `limits.bad_rows` allows. On the way back by an author's inverse none may be
 * left out: what the job left in it would stay. */
int64_t bf_bad_rows_room(const struct bf_walk *walk); /* how many more it allows; under 0: there are more than it allows by now */
bool bf_bad_rows_too_many(const struct bf_walk *walk, int64_t fresh);
/* What is said when rows went into the quarantine, and when one more may not: then the job fails. `key`: JSON. */
void bf_bad_rows_say(struct bf_walk *walk, int64_t rows, const char *key, const char *error, const char *sqlstate);
void bf_bad_rows_end(struct bf_walk *walk, const char *key, const char *error, const char *sqlstate);
/* So many more (or fewer) are known to be in it. */
void bf_bad_rows_count(struct bf_walk *walk, int64_t rows);

#endif
