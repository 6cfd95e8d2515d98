/* A document on its way to become a job. */
#ifndef BF_ENGINE_SUBMISSION_H
#define BF_ENGINE_SUBMISSION_H

#include <jansson.h>

#include "internal.h"

struct bf_stored_job {
    struct bf_submission *submission; /* its name stays reserved until the job is stored; NULL: the engine is gone */
    struct bf_record record;
};

/* Who sent the same request under the same key while the first one was under way. */
struct bf_follower {
    struct bf_follower *next;
    bf_ordered *done;
    void *argument;
};

struct bf_submission {
    struct bf_submission *previous, *next;
    struct bf_engine *engine;
    struct bf_document *document; /* owned */
    const struct bf_target *target; /* NULL: it is on its way into the store, and the target is gone */
    char *actor; /* owned */
    char *key, *canonical; /* owned; of a request with an Idempotency-Key, else NULL */
    struct bf_follower *followers;
    bool dry_run;
    bf_ordered *done;
    void *argument;
    struct bf_session *session;
    struct bf_flight flight;
    struct bf_timer *deadline;
    struct bf_table *table;
    char *server_version;
    json_t *replicas; /* names of those that stream; owned; NULL: nobody watches them */
    char *trial; /* the statement that tries `remaining` */
    char **texts; /* of the CHECK steps */
    size_t text_count;
    bool schema_there;
    bool replicas_hidden; /* there may be some, but who they are is not to be seen */
    double lag; /* seconds, of the replica that is furthest behind; -1: not known */
    struct bf_measuring *measuring; /* owned; NULL before it begins */
    struct bf_stored_job *stored; /* on its way into the store */
    enum { CONNECTING, DESCRIBING, CHECKING, MEASURING, TRYING } phase;
};

/* submit.c: both end the submission and answer everybody who waits for it. */
void bf_submission_refuse(struct bf_submission *submission, enum bf_code code, const struct bf_complaints *complaints,
                          const char *text);
void bf_submission_accept(struct bf_submission *submission); /* stores the job, or shows it where it is a dry run */

/* submit_check.c */
/* What the target's dialect says of the author's texts, before any server sees them. */
void bf_submission_check_texts(const struct bf_target *target, const struct bf_document *document,
                               struct bf_complaints *complaints);
void bf_submission_ask(struct bf_submission *submission); /* asks the target; refuses or accepts when that is done */
void bf_submission_target_down(struct bf_submission *submission, const char *text);

/* submit_measure.c */
struct bf_measuring;
void bf_submission_measure(struct bf_submission *submission); /* what the plan needs; accepts when that is done */
const struct bf_facts *bf_measuring_facts(const struct bf_measuring *measuring);
void bf_measuring_free(struct bf_engine *engine, struct bf_measuring *measuring); /* behind the session; NULL is fine */

/* submit_plan.c: the record of the new job with its plan, in the state to which the plan leads; takes over the
 * submission's document; clear it. */
void bf_submission_record(struct bf_submission *submission, struct bf_record *ret_record);

/* submit_key.c: true when a request with this key was there before: `done` was called, or will be. */
bool bf_key_used(struct bf_engine *engine, const char *key, const char *actor, const struct bf_document *document,
                 bf_ordered *done, void *argument);

#endif
