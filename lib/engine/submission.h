/* A document on its way to become a job, and a job on its way to its plan. A new document is refused, or stored as a job in
 * `planning`; from there on its measurement belongs to the job and ends with it. */
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

/* What is measured for. */
enum bf_aim {
    BF_AIM_JOB,     /* the plan of a job, once the document is one */
    BF_AIM_DRY_RUN, /* the plan is shown and forgotten */
    BF_AIM_CONFIRM  /* a job whose turn has come: is its risk what it was when it was approved? */
};

enum bf_submission_phase {
    BF_SUBMISSION_CONNECTING,
    BF_SUBMISSION_DESCRIBING,
    BF_SUBMISSION_CHECKING,
    BF_SUBMISSION_STORING,
    BF_SUBMISSION_MEASURING,
    BF_SUBMISSION_TRYING,
    BF_SUBMISSION_RESTING, /* the target did not answer: asked again */
    BF_SUBMISSION_DECIDED  /* its job moves on */
};

struct bf_submission {
    struct bf_submission *previous, *next;
    struct bf_engine *engine;
    enum bf_aim aim;
    struct bf_job *job; /* that is planned; NULL: it is not stored, or a dry run */
    struct bf_document *document; /* owned until it is a record's */
    bool document_lent;
    const struct bf_target *target; /* NULL: it is on its way into the store, and the target is gone */
    char *actor; /* owned */
    char *key, *canonical; /* owned; of a request with an Idempotency-Key, else NULL */
    struct bf_follower *followers;
    bf_ordered *done; /* NULL: nobody waits (any more) */
    void *argument;
    struct bf_session *session;
    struct bf_flight flight;
    struct bf_timer *deadline;
    struct bf_table *table;
    struct bf_table *inverse_table; /* with the columns that the document's inverse writes; NULL: it has none */
    char *server_version;
    json_t *replicas; /* names of those that stream; owned; NULL: nobody watches them */
    char *trial; /* the statement that tries `remaining` */
    char **texts; /* of the CHECK steps */
    size_t text_count;
    char **inverse_texts; /* of those of the document's inverse */
    size_t inverse_text_count, inverse_checks; /* how many steps these are */
    bool schema_there;
    bool replicas_hidden; /* there may be some, but who they are is not to be seen */
    double lag; /* seconds, of the replica that is furthest behind; -1: not known */
    char *lag_of, *lag_hidden; /* owned; whose that is; of whom it is not known, and why, NULL: of nobody */
    char *replicas_stopped;    /* owned; those that do not replicate; NULL: none */
    int stopped_count;
    struct bf_asking *asking;  /* owned; while replicas are asked */
    struct bf_measuring *measuring; /* owned; NULL before it begins */
    struct bf_stored_job *stored; /* on its way into the store */
    enum bf_submission_phase phase;
};

/* submit.c */
struct bf_submission *bf_submission_new(struct bf_engine *engine, enum bf_aim aim, struct bf_document *document,
                                        const struct bf_target *target);
void bf_submission_free(struct bf_submission *submission); /* nobody may wait for it */
void bf_submission_forget(struct bf_submission *submission); /* what was asked of the target, and the session */
void bf_submission_tell(struct bf_submission *submission, const struct bf_outcome_of_order *outcome); /* all who wait */
/* Ends a submission that is no job yet, and answers everybody who waits for it; a job's goes on as planning.c says. */
void bf_submission_refuse(struct bf_submission *submission, enum bf_code code, const struct bf_complaints *complaints,
                          const char *text);
/* Document and target agree: stores the job, then, or where it is there or a dry run, measures. */
void bf_submission_agreed(struct bf_submission *submission);

/* planning.c */
void bf_submission_measured(struct bf_submission *submission); /* everything: shows the plan, or moves the job on */
void bf_planning_failed(struct bf_submission *submission, enum bf_code code, const struct bf_complaints *complaints,
                        const char *text);
void bf_submission_enter(struct bf_submission *submission, enum bf_submission_phase phase); /* the job shows it */
const char *bf_submission_doing(enum bf_submission_phase phase); /* "measuring the table" */

/* submit_check.c */
/* What the target's dialect says of the author's texts, before any server sees them. */
void bf_submission_check_texts(const struct bf_target *target, const struct bf_document *document,
                               struct bf_complaints *complaints);
void bf_submission_ask(struct bf_submission *submission); /* asks the target; refuses or accepts when that is done */
void bf_submission_target_down(struct bf_submission *submission, const char *text);

/* submit_replicas.c */
struct bf_asking;
void bf_submission_take_lag(struct bf_submission *submission, const char *replica, double lag); /* seconds */
/* Asks those that are asked themselves; bf_submission_replicas_asked when all have answered. False: there are none. */
bool bf_submission_ask_replicas(struct bf_submission *submission);
void bf_asking_free(struct bf_submission *submission); /* nobody is asked: fine */
void bf_submission_forget_replicas(struct bf_submission *submission); /* what is known of them */
void bf_submission_replica_facts(const struct bf_submission *submission, struct bf_facts *facts); /* makes facts of that */

/* submit_measure.c */
struct bf_measuring;
void bf_submission_measure(struct bf_submission *submission); /* what the plan needs; bf_submission_measured when that is done */
void bf_submission_replicas_asked(struct bf_submission *submission);
/* What the job will scan: the rows between the ends of its range, or the table's, as the server estimates them; -1: unknown. */
int64_t bf_submission_rows(const struct bf_submission *submission);
const struct bf_facts *bf_measuring_facts(const struct bf_measuring *measuring);
void bf_measuring_free(struct bf_engine *engine, struct bf_measuring *measuring); /* behind the session; NULL is fine */

/* submit_plan.c */
struct bf_verdict {
    struct bf_estimate estimate;
    struct bf_judgement judgement;
    char *rehearsal; /* owned; where the same work was done before; NULL: nowhere */
    char *missing;   /* owned; mandatory measurements that are missing and that nobody took on; NULL: none */
};
void bf_submission_judge(const struct bf_submission *submission, struct bf_verdict *ret_verdict); /* of what was measured */
void bf_verdict_clear(struct bf_verdict *verdict);
char *bf_submission_plan(const struct bf_submission *submission, const struct bf_verdict *verdict); /* as stored; owned */
/* The record of a new job, in `planning`; clear it. The document is its from now on, and lent to the submission. */
void bf_submission_record(struct bf_submission *submission, struct bf_record *record);

/* submit_key.c: true when a request with this key was there before: `done` was called, or will be. */
bool bf_key_used(struct bf_engine *engine, const char *key, const char *actor, const struct bf_document *document,
                 bf_ordered *done, void *argument);

#endif
