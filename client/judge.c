#include "judge.h"

#include <stddef.h>
#include <string.h>

#include "allocate.h"
#include "backfilld/states.h"
#include "exit_code.h"

static int exit_of_state(const char *state)
{
    static const struct {
        const char *state;
        enum bf_exit code;
    } exits[] = {
        {"completed", BF_EXIT_DONE},           {"failed", BF_EXIT_JOB_FAILED},
        {"aborted", BF_EXIT_JOB_ABORTED},      {"rolled_back", BF_EXIT_JOB_ROLLED_BACK},
        {"awaiting_approval", BF_EXIT_JOB_WAITS}, {"paused", BF_EXIT_JOB_PAUSED},
        {"refused", BF_EXIT_JOB_REFUSED},
    };
    for (size_t i = 0; i < BF_COUNT(exits); i++)
        if (strcmp(exits[i].state, state) == 0)
            return (int)exits[i].code;
    return BF_GO_ON;
}

/* How far on the way of a job that meets no trouble; -1: beside that way. */
static int rank(const char *state)
{
    static const char *const way[] = {"planning", "queued", "running", "verifying", "completed"};
    for (size_t i = 0; i < BF_COUNT(way); i++)
        if (strcmp(way[i], state) == 0)
            return (int)i;
    return -1;
}

bool bf_state_at_end(const char *state)
{
#define X(constant, name, final)         \
    if (final && strcmp(state, #name) == 0) \
        return true;
    BF_STATES(X)
#undef X
    return false;
}

int bf_judge(const struct bf_goal *goal, const char *state)
{
    if (!goal->state)
        return exit_of_state(state);
    if (strcmp(goal->state, state) == 0)
        return BF_EXIT_DONE;
    if (rank(goal->state) >= 0 && rank(state) > rank(goal->state))
        return BF_EXIT_DONE;
    if (strcmp(state, "completed") == 0)
        return BF_EXIT_CONFLICT;
    if (bf_state_at_end(state) || goal->stops)
        return exit_of_state(state);
    return BF_GO_ON;
}
