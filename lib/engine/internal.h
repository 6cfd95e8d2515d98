/* What the files of the engine share; nobody else includes this. */
#ifndef BF_ENGINE_INTERNAL_H
#define BF_ENGINE_INTERNAL_H

#include "bad_rows.h"
#include "crew.h"
#include "dialect.h"
#include "engine.h"
#include "hold.h"
#include "ledger.h"
#include "rate.h"
#include "size.h"
#include "walk.h"

enum {
    BF_ORDERS_WAITING_MAX = 64, /* per job; more are answered BUSY */
    BF_STORE_RETRY = 2000,      /* milliseconds between tries to store what could not be stored */
    BF_PROGRESS_SAVE = 10000    /* milliseconds between stored progress of a working job */
};
#define BF_KEY_KEPT (INT64_C(7) * 86400000) /* milliseconds: as long an Idempotency-Key means its job */

/* Why an order is there. What ends a pause by itself is looked at again when its turn comes: a person may have said
 * something else meanwhile. */
enum bf_cause { BF_BY_PERSON, BF_BY_TIMER, BF_BY_RESUME_ALL, BF_BY_TRIGGER, BF_BY_ALERT, BF_BY_ROLLBACK /* that had to wait for the job to stop */ };

struct bf_submission;
struct bf_count;

/* An order on its way: it waits in the job's queue for the tick, then for the store. */
struct bf_request {
    struct bf_request *next;
    enum bf_order order;
    enum bf_cause cause;
    char *actor, *reason, *confirm, *plan; /* owned; all but the first may be NULL */
    struct bf_reason *because;      /* owned; of what nobody ordered: the whole reason; NULL: it is made */
    bool break_glass;               /* APPROVE: alone, where two persons have to; the reason says why */
    bool approver;                  /* TUNE: the actor may approve */
    int64_t pause_for;              /* PAUSE: milliseconds; 0: until somebody resumes it */
    char *change, *if_match;        /* TUNE: JSON, and the header's value or NULL; owned */
    bool already;                   /* the state was so before */
    bf_ordered *done;               /* NULL: nobody waits */
    void *argument;
};

struct bf_job {
    struct bf_job *older, *newer; /* all jobs, by age */
    struct bf_job *next_working;  /* those whose state is active (bf_state_active): none of the others has a walk under way */
    struct bf_job *next_dirty;
    bool dirty;
    struct bf_engine *engine;
    const struct bf_target *target; /* NULL: target_gone */
    bool target_gone;               /* people were told so */
    bool leaving;                   /* the target is not the configuration's any more: its batch ends, then it changes */
    struct bf_record record;
    char *table;                    /* owned; which table it works on, for "one running job per table" */
    char *identity;                 /* owned; of the database it was planned on; NULL: not known */
    struct bf_submission *planner;  /* that measures for it; NULL: none does */
    struct bf_count *count;         /* of the rows that it asks for; NULL: none is under way */
    int64_t measured_at;            /* monotonic milliseconds: its risk is known to be what was approved; 0: not so */
    struct bf_request *requests;    /* waiting for the tick, oldest first */
    bool moving;                    /* a move that is stored first is under way: orders wait for it */
    bool unsaved;                   /* the store does not have the newest record */
    struct bf_event *late;          /* owned; events that the store does not have, oldest first */
    size_t late_count;
    int64_t saved_at;               /* monotonic milliseconds */
    int64_t release_after;          /* monotonic milliseconds: not resumed by itself before, the store failed */
    struct bf_walk walk;            /* of the first slice: it leads */
    struct bf_walk *crew;           /* owned; of the other slices; NULL: there are none */
    size_t crew_count;
    int64_t ended_at;               /* monotonic milliseconds: when somebody ended a session of the job; 0: never */
    int ended_slice;
    bool dropping;                  /* its undo journal is being dropped */
    char wanted_by[64];             /* who ordered the rollback that waits for the job to stop; "": an earlier life knew */
    struct bf_hold *hold;           /* owned; NULL before its first run */
    double log_seen;                /* bytes: up to where the server's log is counted; 0: nothing is, or it is another one by now */
    struct bf_ledger ledger;        /* what of it is durable: record.progress.ledger */
    const char *doing;              /* of the ledger's activity since `doing_at`; NULL: the walk rests */
    char doing_why[BF_LEDGER_KEY];  /* and its reason; "": none */
    int64_t doing_at;               /* monotonic milliseconds */
    struct bf_rate rate;            /* of rows scanned */
    struct bf_metering *metering; /* owned; NULL: it has not worked yet */
    struct bf_stuck {
        enum bf_state state;
        int64_t batches, scanned, changed, back; /* as last seen */
        int64_t since;   /* monotonic milliseconds: nothing moved since then; 0: not looked at yet */
        bool said;
    } stuck;
    struct bf_guard *guard;       /* owned; its triggers; NULL: it has none, or they never watched */
};

struct bf_monitor;
struct bf_ignored_replica;
struct bf_clone;
struct bf_undo_errand;
struct bf_adoption;
struct bf_call;

/* The event of a latch that the store does not have yet. */
struct bf_late_latch {
    struct bf_late_latch *next;
    struct bf_latch latch;
    struct bf_event event;
};

/* resume-all, whose answer waits until what it lets go is out of its pause. */
struct bf_letting_go {
    struct bf_letting_go *next;
    char (*jobs)[BF_ULID_TEXT]; /* owned */
    size_t count;
    bf_latched *done;
    void *argument;
};

/* A latch that is on. */
struct bf_held_latch {
    struct bf_latch latch;
    bool leaving; /* the store is told that it is off */
    bool unsaved; /* the store does not know that it is on */
};

struct bf_engine {
    struct bf_engine_options options;
    const struct bf_world *world;
    const struct bf_store *store;
    const struct bf_target **targets; /* owned list */
    size_t target_count;
    struct bf_job *oldest, *newest;
    struct bf_job *working; /* by next_working; what happens several times a second looks at these alone */
    struct bf_job *dirty_first, *dirty_last;
    struct bf_timer *ticker;      /* fires once when something is dirty */
    struct bf_timer *store_timer; /* tries again to store what could not be stored */
    char *store_trouble;          /* owned; why the last write failed; NULL: it did not */
    struct bf_monitor *monitors;
    struct bf_guard *guards;      /* of jobs whose triggers are on */
    struct bf_timer *release_timer;   /* the next pause with an end is over */
    struct bf_timer *retention_timer; /* hourly */
    struct bf_held_latch *latches;
    size_t latch_count;
    struct bf_late_latch *late_latches; /* owned, oldest first */
    struct bf_letting_go *letting_go;   /* owned */
    struct bf_ignored_replica *ignored; /* owned list (ignored_list.h); what is over stays until the next start */
    size_t ignored_count;
    struct bf_mark *seen; /* owned list: alerts that were acted on */
    size_t seen_count;
    struct bf_alert_round *alert_rounds; /* that wait for their orders */
    char *released_by; /* who said resume-all last; owned */
    bool schedule;                /* somebody may have a turn now */
    struct bf_submission *submissions;
    struct bf_count *counts; /* also those that nobody waits for, until the server has stopped */
    struct bf_clone *clones; /* that ask the target for a position */
    struct bf_undo_errand *errands; /* about undo journals */
    struct bf_adoption *adoptions;  /* also those on their way into the store */
    bool draining, drain_cancel;
    void (*drained)(void *argument);
    void *drained_argument;
    struct bf_watcher *watchers;  /* one for each target on which batches run */
    struct bf_save *saves;        /* under way in the store */
    struct bf_call *calls;        /* other writes under way in the store */
};

/* One write to the store. It outlives the engine when that is dropped first: then `engine` is NULL. */
struct bf_save {
    struct bf_save *previous, *next;
    struct bf_engine *engine;
    struct bf_job *job;
    struct bf_request *request;   /* answered when stored; owned; may be NULL */
    bool applies;                 /* stored first: the move takes effect now */
    struct bf_walk *walk;         /* that waits for it; NULL: none does */
    enum bf_state to;
    struct bf_event event;        /* its type is "" where there is none */
    struct bf_event *late;        /* owned; what the job had left over, and the event behind it */
    size_t late_count;            /* without the event */
};

/* Any other write to the store: who holds one hears of it exactly once. It outlives the engine as a save does; then
 * `done` is not called, only what it owns is freed. */
struct bf_call {
    struct bf_call *previous, *next;
    struct bf_engine *engine;
    void (*done)(struct bf_call *call, const struct bf_error *error);
    void *argument;     /* borrowed */
    char *text;         /* owned; may be NULL */
    struct bf_job *job; /* may be NULL */
    bf_latched *latched;
    struct bf_latch latch;
    struct bf_ignored ignored;
    struct bf_event event; /* its type is "" where there is none */
};

/* engine.c */
struct bf_call *bf_call_new(struct bf_engine *engine, void (*done)(struct bf_call *, const struct bf_error *));
void bf_call_stored(void *call, const struct bf_error *error); /* a bf_stored */
void bf_engine_place(struct bf_job *job); /* its state is another one: among those that work or not */
void bf_engine_remove(struct bf_job *job); /* frees it; nothing of it may be under way */
void bf_engine_mark(struct bf_job *job);            /* the tick will look at it; callable from anywhere */
void bf_engine_wake(struct bf_engine *engine);      /* the ticker will run (for the scheduler) */
struct bf_job *bf_engine_add(struct bf_engine *engine, struct bf_record *record); /* takes over what record owns */
struct bf_job *bf_engine_by_id(const struct bf_engine *engine, const char *id);
/* A job (or a submission) that uses the name now; NULL: the name is free. */
const char *bf_engine_name_user(const struct bf_engine *engine, const char *name);

/* targets.c */
const struct bf_target *bf_engine_target_by_name(const struct bf_engine *engine, const char *name);
void bf_job_change_target(struct bf_job *job); /* its walk is over: on to the target that has the name now */
void bf_job_show_target(struct bf_job *job);   /* the reason target_gone, as long as it is that */
bool bf_job_waits_for_target(const struct bf_job *job);
bool bf_job_may_settle(const struct bf_job *job); /* on the target that it has: what a lost session may still do */

/* machine.c */
int64_t bf_job_now(const struct bf_job *job); /* monotonic milliseconds */
void bf_job_tick(struct bf_job *job);
/* The one setter. Moves as the table allows, writes the event and stores both; takes effect at once. `reason` (may be
 * NULL) becomes the record's reason, else the reason is cleared. `request` (may be NULL) is answered when stored. */
void bf_job_move(struct bf_job *job, enum bf_state to, const struct bf_reason *reason, const char *actor,
                 struct bf_request *request);
/* For moves that start something: stored first, takes effect when stored. */
void bf_job_move_stored_first(struct bf_job *job, enum bf_state to, const char *actor, struct bf_request *request);
void bf_job_event(struct bf_job *job, struct bf_event *event, const char *type, const char *actor, const char *text);
/* Stores the record as it is together with an event. `request` (may be NULL) is answered when stored. */
void bf_job_record_event(struct bf_job *job, const char *type, const char *actor, const char *text,
                         struct bf_request *request);
void bf_job_note(struct bf_job *job, const char *type, const char *format, ...) __attribute__((format(printf, 3, 4)));
void bf_job_save(struct bf_job *job, struct bf_walk *walk); /* stores the record as it is; the walk, if any, waits for it */
struct bf_reason bf_reason_make(const struct bf_job *job, enum bf_code code, const char *text);

/* saving.c */
void bf_save_write(struct bf_save *save, const struct bf_record *record, bf_stored *stored);
void bf_save_later(struct bf_job *job, const struct bf_event *event); /* with the job's next record */
void bf_save_failed(struct bf_save *save); /* record and events are written again later */
void bf_engine_store_said(struct bf_engine *engine, const struct bf_error *error); /* of every write */
void bf_engine_store_retry(struct bf_engine *engine);

/* orders.c */
/* What an order does in a state: the table that the tests walk cell by cell. */
enum bf_order_effect {
    BF_EFFECT_CONFLICT,
    BF_EFFECT_ALREADY,
    BF_EFFECT_MOVE,
    BF_EFFECT_MOVE_STORED_FIRST,
    BF_EFFECT_WANT,  /* a rollback of a job that stops already */
    BF_EFFECT_CHANGE, /* pace and limits */
    BF_EFFECT_RETRY   /* the rows in quarantine, when the job works */
};
enum bf_order_effect bf_order_effect(enum bf_order order, enum bf_state state, enum bf_state *ret_to);
void bf_job_carry_out(struct bf_job *job); /* the waiting requests */
void bf_request_answer(struct bf_request *request, const struct bf_outcome_of_order *outcome); /* frees it */
/* Puts the order into the job's queue, or answers why not; takes over what it owns. */
void bf_engine_enqueue(struct bf_engine *engine, const char *job_id, struct bf_request request);
void bf_job_answer(struct bf_job *job, struct bf_request *request, enum bf_code code, bool already, const char *text);
/* For us: nobody waits for the answer. */
void bf_job_order(struct bf_job *job, enum bf_order order, enum bf_cause cause, const char *actor, const char *reason);

/* The same with a reason of its own. */
void bf_job_order_because(struct bf_job *job, enum bf_order order, enum bf_cause cause, const char *actor,
                          const struct bf_reason *reason);

/* tune.c */
void bf_job_tune(struct bf_job *job, struct bf_request *request);
/* The walk is ready for the next batch: takes over what was changed. True when it went on (to connect anew). */
bool bf_walk_take_changes(struct bf_walk *walk);

/* walk_hold.c */
void bf_hold_prepare(struct bf_job *job);   /* its memory is there from now on */
/* Before a batch: true when the job holds, or the slice has to rest; its phase and reason say so. */
bool bf_walk_hold(struct bf_walk *walk);
bool bf_walk_held(struct bf_walk *walk);      /* in phase HOLDING: true when it goes on */
/* The same for the way back, which never holds: true when it sleeps first. */
bool bf_walk_slow_down(struct bf_walk *walk);
int64_t bf_walk_sleep(struct bf_walk *walk);  /* milliseconds behind the last batch */
/* The answer to a boundary of so many rows: true when it was so slow that the job was paused. */
bool bf_walk_plan_regressed(struct bf_walk *walk, const struct bf_answer *boundary, int64_t rows);

/* time_ledger.c */
void bf_job_turn(struct bf_job *job);       /* the walk made a step: what does it do from now on? */
void bf_job_write_ledger(struct bf_job *job); /* into the record */

/* release.c */
/* Resumes what may come out of its pause by itself. True while some are on their way into the queue: who is behind them
 * there must not take their place meanwhile. */
bool bf_engine_release(struct bf_engine *engine);
bool bf_job_may_release(const struct bf_job *job, enum bf_cause cause);

/* latch.c */
/* The latch that holds this job; NULL: none. Its text for people goes into `text` (may be NULL). */
const struct bf_latch *bf_job_latched(const struct bf_job *job, char *text, size_t size);
void bf_latches_save(struct bf_engine *engine); /* those that could not be stored, and their events */
void bf_latches_let_go(struct bf_engine *engine); /* answers each resume-all whose jobs are out of their pause */
void bf_latches_free(struct bf_engine *engine);

/* stuck.c */
void bf_stuck_look(struct bf_job *job); /* after every tick */
void bf_stuck_add(const struct bf_job *job, struct bf_reason *reason); /* says it in the reason's text */

/* alerts.c */
void bf_alerts_loaded(void *engine, const struct bf_mark *mark); /* a bf_store_loaded_mark */
void bf_alerts_drop(struct bf_engine *engine);

/* clone.c */
void bf_clones_drop(struct bf_engine *engine);
void bf_clones_leave(struct bf_engine *engine); /* those that ask a target that is not the configuration's any more */

/* adopt.c */
void bf_adoptions_drop(struct bf_engine *engine, bool everything); /* everything: also what is on its way into the store */
void bf_adoptions_leave(struct bf_engine *engine); /* those that ask a target that is not the configuration's any more */

/* undo.c */
void bf_undo_drop_errands(struct bf_engine *engine);
void bf_undo_leave(struct bf_engine *engine); /* those that ask a target that is not the configuration's any more */
/* Drops what was kept for long enough. Milliseconds until there may be something to be dropped. */
int64_t bf_undo_retain(struct bf_engine *engine, int64_t now);

/* retention.c */
void bf_engine_retain(struct bf_engine *engine);

/* meter.c */
void bf_meter_look(struct bf_job *job); /* after every step */
void bf_meter_free(struct bf_job *job);
void bf_meter_conflicts(struct bf_job *job, enum bf_conflict_kind kind, int64_t count);

/* scheduler.c */
void bf_engine_schedule(struct bf_engine *engine);
bool bf_state_active(enum bf_state state); /* takes a place among max_jobs */

/* submit.c */
/* Refuses what is being checked; `everything`: also what is on its way into the store. */
void bf_submissions_drop(struct bf_engine *engine, bool everything);
/* Refuses those whose target is not the configuration's any more. */
void bf_submissions_leave(struct bf_engine *engine);

/* count.c */
void bf_count_stop(struct bf_job *job);
void bf_counts_drop(struct bf_engine *engine);
void bf_counts_leave(struct bf_engine *engine); /* those on a target that is not the configuration's any more */

/* planning.c */
void bf_planning_take_up(struct bf_job *job);   /* it is in `planning`: goes on, unless that is under way */
/* It is approved, or needs no approval, and waits for its start: has it to be measured once more before? */
bool bf_planning_unconfirmed(const struct bf_job *job);
void bf_planning_confirm(struct bf_job *job);
void bf_planning_drop(struct bf_submission *planner); /* nothing more is measured; who waits hears how the job is */
/* A job's approval does not count any more: it is planned anew, and asks. */
void bf_planning_anew(struct bf_job *job, const char *actor, const char *why);

#endif
