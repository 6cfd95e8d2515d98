/* The exit codes of backfillctl (docs/interface.md section 5), once: the enum, and what `--help` says about them. */
#ifndef BF_CLIENT_EXIT_CODE_H
#define BF_CLIENT_EXIT_CODE_H

/* X(CONSTANT, number, meaning) */
#define BF_EXITS(X)                                                \
    X(DONE, 0, "done")                                             \
    X(REFUSED, 1, "refused")                                       \
    X(USAGE, 2, "usage")                                           \
    X(NO_SUCH_JOB, 3, "no such job")                               \
    X(CONFLICT, 4, "conflict with the job's state")                \
    X(UNREACHABLE, 5, "daemon unreachable")                        \
    X(NOT_ALLOWED, 6, "not allowed")                               \
    X(TIME_IS_UP, 7, "time is up")                                 \
    X(JOB_FAILED, 10, "watch, wait, --wait: the job failed")       \
    X(JOB_ABORTED, 11, "watch, wait, --wait: it was aborted")      \
    X(JOB_ROLLED_BACK, 12, "watch, wait, --wait: rolled back")     \
    X(JOB_WAITS, 13, "watch, wait, --wait: it waits for approval") \
    X(JOB_PAUSED, 14, "watch, wait, --wait: it is paused")         \
    X(JOB_REFUSED, 15, "watch, wait, --wait: it was refused")      \
    X(INTERRUPTED, 130, "interrupted by Ctrl-C; the job goes on")

enum bf_exit {
#define X(constant, number, meaning) BF_EXIT_##constant = number,
    BF_EXITS(X)
#undef X
};

#endif
