/* The words of the job machine, once. The enum, the names, the table of moves, the events' sentences and the reachability
 * test are made from these lists; docs/architecture.md has the drawing. */
#ifndef BACKFILLD_STATES_H
#define BACKFILLD_STATES_H

/* X(CONSTANT, name, final): `final` states have no walk and are not taken up after a restart. */
#define BF_STATES(X)                              \
    X(PLANNING, planning, false)                  \
    X(AWAITING_APPROVAL, awaiting_approval, false) \
    X(QUEUED, queued, false)                      \
    X(RUNNING, running, false)                    \
    X(VERIFYING, verifying, false)                \
    X(PAUSING, pausing, false)                    \
    X(PAUSED, paused, false)                      \
    X(ABORTING, aborting, false)                  \
    X(ABORTED, aborted, true)                     \
    X(COMPLETED, completed, true)                 \
    X(FAILED, failed, true)                       \
    X(REFUSED, refused, true)                     \
    X(ROLLING_BACK, rolling_back, false)          \
    X(ROLLED_BACK, rolled_back, true)

/* X(FROM, TO, sentence): every move that a job may make, and what the event says. Nothing else is allowed. */
#define BF_MOVES(X)                                                                        \
    X(PLANNING, AWAITING_APPROVAL, "the plan is ready and waits for a person")             \
    X(PLANNING, QUEUED, "the plan needs no approval, the job waits for its turn")          \
    X(PLANNING, REFUSED, "the plan was refused")                                           \
    X(PLANNING, ABORTED, "aborted before the plan was ready, nothing was written")         \
    X(AWAITING_APPROVAL, QUEUED, "approved, the job waits for its turn")                   \
    X(AWAITING_APPROVAL, PLANNING, "the plan is measured anew")                            \
    X(AWAITING_APPROVAL, ABORTED, "aborted before it was approved, nothing was written")   \
    X(QUEUED, RUNNING, "the job's turn has come")                                          \
    X(QUEUED, ROLLING_BACK, "the way back begins")                                         \
    X(QUEUED, PAUSED, "paused while it waited for its turn")                               \
    X(QUEUED, PLANNING, "the plan is measured anew")                                       \
    X(QUEUED, ABORTED, "aborted while it waited for its turn")                             \
    X(RUNNING, PAUSING, "the running batch ends, then nothing more is written")            \
    X(RUNNING, VERIFYING, "every range is committed, the result is verified")              \
    X(RUNNING, ABORTING, "the running batch is cancelled")                                 \
    X(RUNNING, FAILED, "the job cannot go on")                                             \
    X(VERIFYING, RUNNING, "rows remain, a further pass begins")                            \
    X(VERIFYING, COMPLETED, "everything is done and verified")                             \
    X(VERIFYING, PAUSING, "verifying stops")                                               \
    X(VERIFYING, ABORTING, "verifying is cancelled")                                       \
    X(VERIFYING, FAILED, "verifying found what must not be")                               \
    X(PAUSING, PAUSED, "no statement of this job runs and none will start")                \
    X(PAUSING, ABORTING, "the pause became an abort")                                      \
    X(PAUSING, FAILED, "the job cannot go on")                                             \
    X(PAUSED, QUEUED, "resumed, the job waits for its turn")                               \
    X(PAUSED, ABORTING, "aborted while it was paused")                                     \
    X(ABORTING, ABORTED, "no statement of this job runs and none will start")              \
    X(ABORTING, FAILED, "the job could not be aborted in order")                           \
    X(ROLLING_BACK, ROLLED_BACK, "every row that could be restored is restored")           \
    X(ROLLING_BACK, PAUSING, "the running batch ends, then nothing more is written")       \
    X(ROLLING_BACK, ABORTING, "the running batch is cancelled")                            \
    X(ROLLING_BACK, FAILED, "the way back cannot go on")                                   \
    X(COMPLETED, QUEUED, "the way back, or what is tried once more, waits for its turn")   \
    X(ABORTED, QUEUED, "the way back waits for its turn")                                  \
    X(FAILED, QUEUED, "taken up again from its checkpoint, the job waits for its turn")

/* X(CONSTANT, name): what a running job is doing now; never stored. */
#define BF_ACTIVITIES(X)         \
    X(IDLE, idle)                \
    X(CONNECTING, connecting)    \
    X(BATCHING, batching)        \
    X(SLEEPING, sleeping)        \
    X(HOLDING, holding)          \
    X(BACKING_OFF, backing_off)  \
    X(VERIFYING, verifying)

/* X(CONSTANT, name) */
#define BF_DIRECTIONS(X) \
    X(FORWARD, forward)  \
    X(BACK, back)

/* X(CONSTANT, name): why a change is not taken back; all but the last one in the order in which RESTORE tells them. */
#define BF_CONFLICT_KINDS(X) \
    X(CHANGED, changed)      \
    X(DELETED, deleted)      \
    X(ALTERED, altered)      \
    X(REFUSED, refused)

/* X(CONSTANT, name, strength): what a person or a trigger wants of a job. A weaker stop never undoes a stronger one. */
#define BF_ORDERS(X)        \
    X(APPROVE, approve, 0)  \
    X(RESUME, resume, 0)    \
    X(PAUSE, pause, 1)      \
    X(ABORT, abort, 2)      \
    X(ROLLBACK, rollback, 3) \
    X(TUNE, tune, 0)        \
    X(RETRY, retry_bad_rows, 0)

#endif
