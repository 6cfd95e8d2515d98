/* When waiting for a job ends, and with which exit code. Pure. */
#ifndef BF_CLIENT_JUDGE_H
#define BF_CLIENT_JUDGE_H

#include <stdbool.h>

struct bf_goal {
    const char *state; /* wait for this one; NULL: until the job is completed, has ended otherwise, or stops */
    bool stops;        /* with a state: end also when the job is paused or waits for approval */
};

enum { BF_GO_ON = -1 };

/* The exit code, or BF_GO_ON. A state of the way planning, queued, running, verifying, completed counts as reached once
 * the job is further on that way; a job that completed without the wanted state is a conflict (4). */
int bf_judge(const struct bf_goal *goal, const char *state);
/* No walk is made in this state any more. */
bool bf_state_at_end(const char *state);

#endif
