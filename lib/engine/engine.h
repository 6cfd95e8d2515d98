/* The engine: all jobs, their machine, the scheduler. It knows the world through ports only, so a whole run with
 * crashes and lost connections lives inside one unit test. Single-threaded: every call comes from the loop's thread,
 * every callback goes to it. */
#ifndef BF_ENGINE_ENGINE_H
#define BF_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "complaints.h"
#include "database.h"
#include "ledger.h"
#include "pressure.h"
#include "meter.h"
#include "record.h"
#include "replica.h"
#include "risk.h"
#include "rules.h"
#include "slices.h"
#include "source.h"
#include "store.h"
#include "world.h"

struct bf_engine;
struct bf_job;

/* Where the configuration names replicas by their addresses. */
struct bf_replica {
    char *name; /* for people: host and port */
    struct bf_database *database;
};

struct bf_target {
    char *name;
    struct bf_database *database;
    int max_jobs;          /* running at once; the rest is queued in order */
    enum bf_approval require_approval; /* from which risk on */
    enum bf_approval two_person; /* from which risk on approver and submitter have to differ */
    int64_t keep_undo;     /* milliseconds that undo journals are kept behind a job's end; 0: as the options say */
    int64_t plan_window;   /* milliseconds in which the writes of others are counted for a plan */
    const struct bf_replica *replicas; /* to be asked, the first one first */
    size_t replica_count;
    bool watch_replicas;   /* those that stream from it are heeded, or those that are named; false: none are */
    /* The one at "host:port", which the primary lists: it is added to `replicas`, where it stays; NULL: there are too many.
     * NULL: replicas are named, or the primary knows how far they are. */
    const struct bf_replica *(*replica_at)(void *context, const char *address);
    void *replica_context;
    const struct bf_thresholds *thresholds; /* of risk; NULL: the defaults */
    const struct bf_rules *rules; /* defaults and ceilings of its jobs' pace and limits; NULL: none */
};

/* Its replicas are asked through connections of their own, because the primary does not know how far they are. */
bool bf_target_asks_replicas(const struct bf_target *target);
/* The defaults of that target for bf_document_parse_for; the argument is the engine. */
const struct bf_rules *bf_engine_rules_of(void *engine, const char *target);
/* Complains at every field that is over its ceiling: what is submitted, and what is changed later. */
void bf_target_check_ceilings(const struct bf_target *target, const struct bf_document *document,
                              struct bf_complaints *complaints);

/* Complains at what of the document's pace, limits and signals the target, or this machine, does not have. */
void bf_target_check_pace(const struct bf_engine *engine, const struct bf_target *target,
                          const struct bf_document *document, struct bf_complaints *complaints);

struct bf_engine_options {
    const struct bf_world *world;
    const struct bf_store *store;
    const struct bf_sources *sources; /* that triggers may ask; NULL: none */
    struct bf_target *targets; /* to begin with; stay the caller's, outlive the engine */
    size_t target_count;
    int64_t keep_jobs; /* milliseconds after its end until a job is forgotten; 0: never */
    int64_t keep_undo; /* the same until its undo journal is dropped, by the target's clock */
    /* Must this job be remembered, whatever its age? May be NULL. */
    bool (*keep)(void *argument, const struct bf_record *record);
    /* An event happened (for the log); may be NULL. `record` is NULL for an event of no job. */
    void (*event)(void *argument, const struct bf_record *record, const struct bf_event *event);
    /* The store does not take writes any more, said once for each text; NULL: it does again. May be NULL. */
    void (*store_trouble)(void *argument, const char *text);
    void *argument;
};

struct bf_engine *bf_engine_new(const struct bf_engine_options *options);
/* Loads every job from the store and takes up those that were running; paused stays paused. */
enum bf_code bf_engine_start(struct bf_engine *engine, struct bf_error *error);
/* Lets every running batch end, releases every checkpoint and calls `drained` when nothing of ours runs (jobs stay
 * "running" in the store: the next start takes them up). Calling it again with cancel set cancels what still runs. */
void bf_engine_drain(struct bf_engine *engine, bool cancel, void (*drained)(void *argument), void *argument);
/* Drops everything at once, as a crash would; nothing is written, no callback comes any more. */
void bf_engine_free(struct bf_engine *engine);

/* Counts from now on; see the options. */
void bf_engine_set_keep_undo(struct bf_engine *engine, int64_t keep_undo);
void bf_engine_set_keep_jobs(struct bf_engine *engine, int64_t keep_jobs);

/* The answer to an order or a submission. */
struct bf_outcome_of_order {
    enum bf_code code;            /* BF_OK, or why not */
    bool already;                 /* it was so before: 200 instead of 202 */
    bool durable;                 /* false: took effect but could not be stored */
    const struct bf_job *job;     /* NULL when there is none */
    const struct bf_complaints *complaints; /* may be NULL */
    const char *text;             /* one sentence; "" where there is nothing to say */
};
typedef void bf_ordered(void *argument, const struct bf_outcome_of_order *outcome);

/* Checks the document here and on the target, then makes the job durable. `done` is always called, from the loop or from
 * inside the call. dry_run: plans and forgets; `done` gets a job that lives during the call only. */
void bf_engine_submit(struct bf_engine *engine, const char *json, size_t length, const char *target_override,
                      const char *actor, bool dry_run, bf_ordered *done, void *argument);
/* The same for a request with an Idempotency-Key: the same person, key and document make one job, and every repeat within
 * 7 days is answered with it; under another document BF_IDEMPOTENCY_MISMATCH. A request that failed leaves no trace of its
 * key. */
void bf_engine_submit_once(struct bf_engine *engine, const char *json, size_t length, const char *actor, const char *key,
                           bf_ordered *done, void *argument);
/* `confirm` is for APPROVE; `reason` may be NULL. */
void bf_engine_order(struct bf_engine *engine, const char *job_id, enum bf_order order, const char *actor,
                     const char *reason, const char *confirm, bf_ordered *done, void *argument);

/* An approval as it is said; NULL: not said. */
struct bf_approving {
    const char *comment;
    const char *confirm; /* the job's name; for a RED plan */
    const char *plan;    /* the hash of the plan that was looked at; another one by now is BF_PRECONDITION_FAILED */
    bool break_glass;    /* alone, where two persons have to (else BF_TWO_PERSON); `comment` says why */
};
void bf_engine_approve(struct bf_engine *engine, const char *job_id, const char *actor, const struct bf_approving *said,
                       bf_ordered *done, void *argument);
/* pause_for: milliseconds, then the job resumes by itself; the next order for it takes that back. */
void bf_engine_pause_for(struct bf_engine *engine, const char *job_id, int64_t pause_for, const char *actor,
                         const char *reason, bf_ordered *done, void *argument);
/* Changes pace and limits from the next batch on. `change` as in bf_document_merge; `if_match`: the value of an If-Match
 * header, or NULL. `approver`: the actor may approve, and so may change a job that has begun past what was approved (else
 * BF_FORBIDDEN). BF_PRECONDITION_FAILED, BF_INVALID or BF_UNSUPPORTED with complaints, BF_WRONG_STATE, BF_TWO_PERSON. */
void bf_engine_tune(struct bf_engine *engine, const char *job_id, const char *change, size_t length, const char *if_match,
                    const char *actor, bool approver, bf_ordered *done, void *argument);
/* Submits the job's document as it is now, under another name. from_position: the range begins where the job is. `key`:
 * as in bf_engine_submit_once; may be NULL. */
void bf_engine_clone(struct bf_engine *engine, const char *job_id, const char *name, bool from_position,
                     const char *actor, const char *key, bf_ordered *done, void *argument);

/* The place of a change in a job's journal. */
struct bf_conflict_place {
    int64_t slice, seq, part, place;
};
/* A change that a rollback left alone, or a row in quarantine; valid during the call. */
struct bf_conflict {
    struct bf_conflict_place place; /* of a row in quarantine: slice and seq */
    const char *key;      /* JSON: a list of the key's texts */
    const char *kind;     /* "changed", "deleted", "altered", "refused"; NULL: a row in quarantine */
    const char *error, *sqlstate; /* of such a row */
    const char *found_at; /* RFC 3339 */
};
struct bf_undo_answer {
    enum bf_code code;
    const char *text; /* one sentence; "" where there is nothing to say */
    bool inverse; /* of bf_engine_look_back: by the author's inverse; then rows is how many the job changed, and bytes -1 */
    /* of bf_engine_look_back: changes in the journal, its bytes, changes that were looked at, how many of their rows somebody
     * changed or deleted since, and seconds that a rollback takes (-1: not known) */
    int64_t rows, bytes, sampled, changed, deleted, seconds;
    /* of bf_engine_conflicts and bf_engine_bad_rows */
    const struct bf_conflict *list;
    size_t count;
    bool more;
};
typedef void bf_undo_answered(void *argument, const struct bf_undo_answer *answer);
/* What would a rollback do? Asked of the target; nothing is changed. */
void bf_engine_look_back(struct bf_engine *engine, const char *job_id, bf_undo_answered *answered, void *argument);
/* The changes that a rollback left alone, behind that one (NULL: from the first), in the order in which they were made. */
void bf_engine_conflicts(struct bf_engine *engine, const char *job_id, const struct bf_conflict_place *after, int64_t limit,
                         bf_undo_answered *answered, void *argument);
/* The rows in quarantine, behind that one (NULL: from the first), in the order in which they were found in each slice. They are
 * tried once more by BF_ORDER_RETRY. */
void bf_engine_bad_rows(struct bf_engine *engine, const char *job_id, const struct bf_conflict_place *after, int64_t limit,
                        bf_undo_answered *answered, void *argument);
/* Drops the journal of a job that is at its end: there is no way back any more. `confirm`: the job's name. */
void bf_engine_forget(struct bf_engine *engine, const char *job_id, const char *confirm, const char *actor, bf_ordered *done,
                      void *argument);
/* How long the journal is kept behind the job's end, milliseconds: as the document says, else the target, else the daemon. */
int64_t bf_job_keep_undo(const struct bf_job *job);
/* Until when the journal is kept; unix milliseconds; 0: there is none, or the job is not at its end. */
int64_t bf_job_undo_until(const struct bf_job *job);

/* ---- jobs that a target knows and this daemon does not ---- */
enum { BF_FOREIGN_MAX = 100 };
/* Into the flight: FOREIGN_JOBS, for as long after their end as this daemon remembers its own. `server`: the answer to SERVER. */
void bf_engine_ask_foreign(const struct bf_engine *engine, const struct bf_target *target, const struct bf_answer *server,
                           struct bf_flight *flight);
bool bf_engine_knows(const struct bf_engine *engine, const char *job_id);
/* May the owner of a checkpoint that was silent for so many seconds, by the server's clock, still be at work? P3. NULL or "":
 * nobody owns it. */
bool bf_engine_owner_may_live(const struct bf_engine *engine, const char *owner, double silent);
/* Takes over a job from the target's record alone, when its owner is gone: it comes in as `paused`, or at its end as the target
 * knows it, and goes on or back by the orders that follow. Nothing is written on the target; whoever resumes the job takes its
 * checkpoints by P3. `confirm`: the job's name; `reason` may be NULL. BF_OWNED_ELSEWHERE, BF_CONFIRM, BF_NOT_FOUND,
 * BF_WRONG_STATE (it is known), BF_NAME_IN_USE, BF_TARGET_CHANGED (the record is of another database), BF_CHECKPOINT_LOST. */
void bf_engine_adopt(struct bf_engine *engine, const char *target, const char *job_id, const char *confirm, const char *actor,
                     const char *reason, bf_ordered *done, void *argument);

/* The answer to pause-all and resume-all. */
struct bf_outcome_of_latch {
    enum bf_code code;
    bool durable; /* false: took effect but could not be stored */
    const struct bf_job *const *jobs; /* oldest first: what it holds, or what it let go; valid during the call */
    size_t count;
    const char *text;
};
typedef void bf_latched(void *argument, const struct bf_outcome_of_latch *outcome);
/* `scope`: kind, name, value and reason count. Nothing in it starts or resumes until resume-all for the same scope; what
 * runs is paused at once. Said again it stays as it is. */
void bf_engine_pause_all(struct bf_engine *engine, const struct bf_latch *scope, const char *actor, bf_latched *done,
                         void *argument);
/* Resumes what pause-all had paused, as far as no other latch holds it. `done` comes when that is out of its pause. */
void bf_engine_resume_all(struct bf_engine *engine, const struct bf_latch *scope, const char *actor, bf_latched *done,
                          void *argument);
const struct bf_latch *bf_engine_latch(const struct bf_engine *engine, size_t index); /* NULL past the end */

/* Why the store does not take writes at the moment; NULL: it does, as far as is known. */
const char *bf_engine_store_trouble(const struct bf_engine *engine);

/* Jobs, newest first: pass NULL to begin; NULL at the end. */
const struct bf_job *bf_engine_next_job(const struct bf_engine *engine, const struct bf_job *job);
/* By id, or by name (the newest of that name). `changing`: BF_AMBIGUOUS when an older job of that name can still run. */
enum bf_code bf_engine_find(const struct bf_engine *engine, const char *id_or_name, bool changing,
                            const struct bf_job **ret_job, struct bf_error *error);
const struct bf_target *bf_engine_target(const struct bf_engine *engine, size_t index); /* NULL past the end */
/* From now on these are the targets; they stay the caller's. A job whose target is another struct now (its connection
 * changed) or is gone ends its batch, lets its checkpoint go, closes its session, and then goes on with the target of the
 * same name, or waits (target_gone) until there is one. What is in a struct that stays may be changed before the call. */
void bf_engine_set_targets(struct bf_engine *engine, const struct bf_target *const *targets, size_t count);
/* A target that is not among them any more has to live until this says that no job uses it. */
bool bf_engine_uses(const struct bf_engine *engine, const struct bf_target *target);

/* The replicas of a target, as far as its monitor has seen them: it watches while jobs of the target run. */
struct bf_seen_replica {
    const struct bf_watched *replica;
    const char *state;  /* "heeded", "ignored", "set_aside" (by a job), "lost", "unknown" (not measured yet) */
    const char *reason; /* of an ignored one; "" */
    int64_t until;      /* unix milliseconds: of an ignored one, or one set aside; 0 */
    double age;         /* seconds since its lag was measured; under 0: never */
};
size_t bf_engine_replicas(const struct bf_engine *engine, const char *target, struct bf_seen_replica *list, size_t max);
/* Every signal with the strictest limit of the jobs that run (0: none); sampled_at is the age in milliseconds instead, or
 * BF_SIGNAL_NEVER. */
size_t bf_engine_signals(const struct bf_engine *engine, const char *target, struct bf_signal *list, size_t max);
/* In the unit of the kind; 0: the document has none for it. */
double bf_document_limit(const struct bf_document *document, enum bf_signal_kind kind);
/* The same of a signal, which may be about the table of another job. */
double bf_job_limit(const struct bf_job *job, const struct bf_signal *signal);
bool bf_engine_watches(const struct bf_engine *engine, const char *target, const char **ret_trouble); /* "": none */
/* Jobs go on without this replica for so long (milliseconds), or heed it again. Takes effect at once, is told to the jobs
 * that run, and is kept over restarts. BF_NOT_FOUND. */
enum bf_code bf_engine_ignore_replica(struct bf_engine *engine, const char *target, const char *replica, int64_t ignore_for,
                                      const char *actor, const char *reason, struct bf_error *error);
enum bf_code bf_engine_heed_replica(struct bf_engine *engine, const char *target, const char *replica, const char *actor,
                                    const char *reason, struct bf_error *error);

/* The plan as JSON, with its card for people, and what it took where it is over. Owned; NULL: there is none yet. */
char *bf_job_plan(const struct bf_job *job);
/* What can be seen of a job; valid until the loop runs again. */
const struct bf_record *bf_job_record(const struct bf_job *job);
enum bf_activity bf_job_activity(const struct bf_job *job);
struct bf_reason bf_job_reason(const struct bf_job *job); /* of its state, or of what it waits for just now */
/* One for each slice of its key range, in the order of the keys; what they did and where they stand. */
size_t bf_job_slices(const struct bf_job *job);
const struct bf_slice *bf_job_slice(const struct bf_job *job, size_t index);
bool bf_job_stuck(const struct bf_job *job);               /* nothing moved for longer than limits.stuck_after */
double bf_job_rate(const struct bf_job *job);             /* rows scanned a second over the last 60 s; -1: unknown */
/* What a job's triggers saw last. */
struct bf_trigger_view {
    const char *name;
    bool watching;       /* it looks just now */
    bool known;          /* it had a value, and its limit is known: the next two say something */
    double value, limit;
    double true_seconds; /* for so long its condition is true; under 0: it is not */
    const char *trouble; /* why the last look failed; "": it did not */
};
size_t bf_job_triggers(const struct bf_job *job, struct bf_trigger_view list[BF_TRIGGERS_MAX]);
/* The time ledger up to now. */
void bf_job_seconds(const struct bf_job *job, struct bf_ledger *ret_ledger);
int64_t bf_job_flights(const struct bf_job *job);         /* round trips to the target since it was taken up */

#endif
