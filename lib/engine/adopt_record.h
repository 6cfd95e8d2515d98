/* From what a target says of a job to the record that a daemon keeps of it: adopt_record.c. */
#ifndef BF_ENGINE_ADOPT_RECORD_H
#define BF_ENGINE_ADOPT_RECORD_H

#include "internal.h"

struct bf_adopted {
    const struct bf_engine *engine;
    const struct bf_target *target;
    const char *id, *confirm;
    const char *actor, *reason;       /* for people; the reason may be NULL */
    const struct bf_answer *server;   /* to SERVER */
    const struct bf_answer *job;      /* to FOREIGN_JOB */
    const struct bf_answer *slices;   /* to FOREIGN_SLICES */
};

/* May it be adopted, by this confirmation? BF_OK, or why not in `error`. */
enum bf_code bf_adopted_check(const struct bf_adopted *adopted, struct bf_error *error);
/* What is known of it; `event` says where it came from. The caller clears the record. BF_OK, or in `error` or `complaints`
 * what of it cannot be read. */
enum bf_code bf_adopted_record(const struct bf_adopted *adopted, struct bf_record *ret_record, struct bf_event *ret_event,
                               struct bf_complaints *complaints, struct bf_error *error);

#endif
