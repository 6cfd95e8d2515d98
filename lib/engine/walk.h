/* The walk: one job's way over its key range, from connecting to releasing the checkpoint. A job with several slices has
 * a walk for each of them; the first one leads (crew.c). It is what protocols P1 to P4 look like in code:
 *
 *   connect -> recognise -> (make schema) -> peek -> (register, store "started") -> raise epoch + read -> store epoch
 *      -> (recount) -> bound -> batch -> batch -> ... -> flush -> verify -> release
 *         ^                        |
 *         '---- back off <---------'  after a lost session: raise and read come again before anything else
 *
 * A phase named ...ING waits for exactly one thing: an answer, a timer or the store. Callbacks store what came and mark
 * the job; bf_walk_step goes on from there. */
#ifndef BF_ENGINE_WALK_H
#define BF_ENGINE_WALK_H

#include "dialect.h"
#include "flight.h"
#include "bisect.h"
#include "control.h"
#include "locks.h"
#include "record.h"
#include "regression.h"
#include "size.h"
#include "slices.h"
#include "walk_back.h"
#include "walk_inverse.h"
#include "walk_sample.h"

struct bf_job;
struct bf_session;
struct bf_timer;

enum { BF_TOUCH_EVERY = 10000 /* milliseconds: an owner that writes nothing shows that it lives (P3: silent for 30 s) */ };

/* X(CONSTANT, activity) */
#define BF_PHASES(X)                                                                       \
    X(OFF, IDLE)                                 /* no session, nothing under way */       \
    X(CONNECTING, CONNECTING)                                                              \
    X(RECOGNISING, CONNECTING)                   /* SERVER and SURVEY */                   \
    X(MAKING_SCHEMA, CONNECTING)                                                           \
    X(ENDING_LOST, CONNECTING)                   /* only on the way to a stop */           \
    X(PEEKING, CONNECTING)                                                                 \
    X(FINDING_END, CONNECTING)                                                             \
    X(FINDING_LIMITS, CONNECTING)                 /* between the slices */                \
    X(REGISTERING, CONNECTING)                                                             \
    X(STORING, CONNECTING)                       /* "started" or the epoch becomes durable */ \
    X(RAISING, CONNECTING)                                                                 \
    X(RECOUNTING, CONNECTING)                                                              \
    X(TURNING, CONNECTING)                       /* from the way forward to the way back */ \
    X(MEASURING_JOURNAL, BATCHING)                                                         \
    X(LOOKING_BACK, BATCHING)                    /* which entry of the journal is next? */ \
    X(READING_PASSED, CONNECTING)                 /* how far was the way forward? */       \
    X(READY, BATCHING)                           /* passes through: what comes next? */    \
    X(BOUNDING, BATCHING)                                                                  \
    X(SPLITTING, BATCHING)                       /* the last range */                      \
    X(COUNTING, BATCHING)                        /* the last range */                      \
    X(PROBING, BATCHING)                         /* sparse `where` only */                 \
    X(CAPPING, BATCHING)                         /* sparse `where` only */                 \
    X(BATCHING, BATCHING)                                                                  \
    X(BISECTING, BATCHING)                       /* a range with a row that the server refuses */ \
    X(TAKING_ASIDE, BATCHING)                    /* rows that others held */               \
    X(RESTORING, BATCHING)                       /* a batch of the way back */             \
    X(WAITING_ASIDE, BATCHING)                   /* for one that is still held */          \
    X(TAKING_BACK, BATCHING)                     /* ROLLBACK after an error */             \
    X(ASKING, BATCHING)                          /* why did the fence fail? */             \
    X(TOUCHING, BATCHING)                                                                  \
    X(SLEEPING, SLEEPING)                                                                  \
    X(HOLDING, HOLDING)                          /* for a signal or a window */            \
    X(RESTING, SLEEPING)                         /* under pressure fewer slices run */     \
    X(WAITING_SLICES, IDLE)                      /* for the others to be done */           \
    X(BACKING_OFF, BACKING_OFF)                                                            \
    X(CHECKING, VERIFYING)                       /* a query of the operator's */           \
    X(ASKING_FACTS, VERIFYING)                   /* can a sample be recomputed? */         \
    X(RECOMPUTING, VERIFYING)                                                              \
    X(FINDING_LOG_END, VERIFYING)                  /* for a check on a replica */          \
    X(CONNECTING_REPLICA, VERIFYING)                                                       \
    X(RECOGNISING_REPLICA, VERIFYING)                                                      \
    X(WAITING_REPLICA, HOLDING)                  /* for it to replay what we wrote: a timer */ \
    X(TOUCHING_MEANWHILE, HOLDING)                                                         \
    X(TAKING_BACK_CHECK, VERIFYING)                                                        \
    X(ENDING_CANARY, VERIFYING)                                                            \
    X(WAITING_OLD, HOLDING)                      /* which transactions are under way? */   \
    X(WAITING_HORIZON, HOLDING)                  /* for the older ones to end: a timer */  \
    X(FINDING_NEXT_END, VERIFYING)                                                         \
    X(BEGINNING_PASS, VERIFYING)                                                           \
    X(COMMITTING_PASS, VERIFYING)                  /* of several slices */                 \
    X(FLUSHING, VERIFYING)                       /* everything is committed */             \
    X(VERIFYING, VERIFYING)                                                                \
    X(RELEASING, IDLE)                                                                     \
    X(OVER, IDLE)                                /* the walk ended; `ending` says how */

enum bf_phase {
#define X(constant, activity) BF_PHASE_##constant,
    BF_PHASES(X)
#undef X
};

struct bf_range {
    struct bf_key high;
    int split;
    int64_t rows;  /* to be scanned */
    bool last;     /* ends at `through` */
    bool probed;   /* at most `max` of its rows match */
};

/* What a transaction writes into the checkpoint. Borrowed; rows and batches: behind the last one that is counted. */
struct bf_mark_at {
    const struct bf_key *position, *low; /* low and split: of the batch */
    int split;
    int64_t seq; /* that it finds */
    int64_t more; /* numbers that it takes beside the one that every transaction has */
    int64_t scanned, changed, batches;
};

/* The range of a statement that has one text for each of its legs. Borrowed. */
struct bf_legs {
    const struct bf_key *low, *high;
    int split;
    int64_t seq;  /* under whose number it writes something down; 0: it writes nothing down */
    bool careful; /* SET_ASIDE: locks every other row */
};

struct bf_walk {
    struct bf_job *job;          /* whose it is */
    int slice;                   /* the number of its checkpoint; BF_SLICE_BACK: the way back */
    struct bf_slice part;        /* what people see of it, and the state store keeps */
    enum bf_phase phase;
    struct bf_session *session;
    struct bf_timer *timer;      /* sleep, back-off, stop grace and watchdog: one at a time, `timer_due` says when */
    struct bf_flight flight;
    bool flight_under_way;
    bool arrived;                /* the awaited thing came */
    struct bf_answer *answers;   /* owned copies of the last flight's */
    size_t answer_count;
    bool lost;                   /* the session went */
    enum bf_error_class connect_class;
    char connect_text[BF_ERROR_TEXT_MAX];
    bool stored, store_failed;

    bool recognised;             /* this session: table and statements are known */
    bool lost_ended;             /* this session: the job's lost sessions were ended on the way to a stop */
    struct bf_table *table;
    struct bf_statements *statements;
    char server_started[64];
    int schema_version;

    /* the checkpoint as this owner knows it */
    bool owner;                  /* we hold the epoch */
    bool courtesy;               /* aborted while paused: the target's record is told, if that can be done at once */
    bool unsettled;              /* a session of ours was lost in mid-batch and may still commit */
    int64_t epoch, seq;
    struct bf_key low, through;
    bool through_known;          /* false: the table was empty */
    int64_t peeked_seq;          /* seen last while another owner may live; -1: not peeked */
    int peeked_moves;            /* how often it had moved since the time before */
    char *owner_seen;            /* owned */
    bool done;

    int64_t pass_rows_changed;   /* progress.rows_changed when this pass began */
    int64_t pass_found_before;   /* what the pass before found; -1: there was none */
    int64_t horizon;             /* -1: not seen; the server's number */
    bool retried;                /* what is in quarantine was set aside, to be tried once more */
    bool checked_before, canary_done;
    enum bf_check_kind checking;
    size_t check_index;
    struct bf_walk_sample sample;
    char check_limit[BF_LIMIT_TIME_TEXT];
    struct bf_session *replica;  /* of a check; NULL: none */
    size_t replica_index;
    bool on_replica;             /* the flight under way is there */
    char log_end[64];            /* what it has to have replayed */

    struct bf_range next;        /* the next batch */
    int64_t asked_rows;          /* what the boundary under way was asked for */
    int64_t rows_allowed;        /* that the next batch may scan */
    char slept_for[BF_SIGNAL_NAME]; /* the signal for whose replica it sleeps; "": for none */
    bool have_next;
    bool batch_committed;
    struct bf_key batch_low;     /* of the last committed batch, for FLUSH */
    int batch_split;
    struct bf_size size;
    int64_t batch_started;       /* monotonic milliseconds */
    int64_t touched_at;          /* monotonic milliseconds: when the checkpoint was last written */
    int64_t sleep_until;         /* monotonic milliseconds */
    int64_t flight_sent;         /* monotonic milliseconds */
    int64_t log_asked_at;        /* monotonic milliseconds: when a batch last asked how far the log is; 0: never */

    struct bf_answer trouble;    /* what went wrong, while the transaction is taken back; owned copy */
    char trouble_doing[64];
    int attempts;                /* tries in a row that failed */
    int definition_errors;       /* in a row */
    char ended_server[64];       /* server start time when someone ended our session; "" none */
    bool count_ended;            /* the last session was ended: look whether the server stayed up */
    struct bf_reason reason;     /* what it waits for just now */
    int64_t flights;
    bool held;                   /* it was told to hold */
    bool record_told;            /* the target has the record as it is: see KEEP_RECORD */
    bool changed;                /* pace or limits were: taken over before the next batch */
    int64_t lock_timeout, statement_timeout; /* milliseconds, of this session */
    int64_t batch_ended;         /* monotonic milliseconds */
    struct bf_batch batch;       /* the last one */
    struct bf_regression regression; /* of the queries for the end of a batch */

    struct bf_locks locks;
    struct bf_bisect bisect;
    struct bf_back back;
    struct bf_passed *passed;    /* owned; of an inverse: what the job has passed; NULL: not read in this session */
    int back_slice;              /* of an inverse: in whose range it is */

    /* the end of the walk */
    bool stopping;               /* a stop was seen: no new batch */
    int64_t stop_since;          /* monotonic milliseconds */
    int64_t cancelled_at;        /* monotonic milliseconds of the last cancel; 0: none */
    enum bf_state ending;        /* PAUSED, ABORTED, FAILED, COMPLETED; RUNNING: drained */
    bool without_release;        /* fenced: the checkpoint is not ours to write */
    struct bf_reason ending_reason;
};

/* Ready for a new start. `unsettled`: a session of an earlier life may still be at work on the target. */
void bf_walk_reset(struct bf_job *job, bool unsettled);
void bf_walk_reset_one(struct bf_walk *walk, bool unsettled);
/* The document's, with batches that fit into a second of max_rows_per_second. */
struct bf_pace bf_walk_pace(const struct bf_job *job);
void bf_walk_step(struct bf_walk *walk);   /* RUNNING, VERIFYING, PAUSING, ABORTING; goes as far as it can */
void bf_walk_rest(struct bf_job *job);   /* it is over: frees what its next start makes anew, which is most of its memory */
void bf_walk_drop(struct bf_job *job);   /* frees everything, closes the session; no callback comes any more */
enum bf_activity bf_walk_activity(const struct bf_walk *walk);

/* walk_begin.c: the way in; the functions take up what their phase has brought */
void bf_walk_connect(struct bf_walk *walk);
/* Callback of bf_database.connect, of the target's sessions and of those to a replica: keeps what came, and marks the job. */
void bf_walk_on_connected(void *walk, struct bf_session *session, enum bf_error_class error_class, const char *text);
/* We hold the epoch: takes over what the checkpoints of both directions say alike, with the size of batches that was learnt. */
void bf_walk_take_epoch(struct bf_walk *walk, const struct bf_answer *checkpoint);
void bf_walk_connected(struct bf_walk *walk);
void bf_walk_recognised(struct bf_walk *walk);
void bf_walk_peeked(struct bf_walk *walk);
void bf_walk_end_found(struct bf_walk *walk);
void bf_walk_limits_found(struct bf_walk *walk);
void bf_walk_raised(struct bf_walk *walk);
void bf_walk_recounted(struct bf_walk *walk);
void bf_walk_stored(struct bf_walk *walk);
void bf_walk_backed_off(struct bf_walk *walk); /* the back-off is over: where does the walk go on? */

struct bf_step *bf_walk_add_record(struct bf_walk *walk, int64_t epoch, const char *owner); /* into the flight: KEEP_RECORD */

/* walk_stop.c: the way out */
void bf_walk_notice_stop(struct bf_walk *walk);
bool bf_walk_has_to_settle(const struct bf_walk *walk);
void bf_walk_stop_here(struct bf_walk *walk);    /* nothing is under way: release, settle, or leave */
bool bf_walk_stop_waiting(struct bf_walk *walk); /* something is under way; true when the walk went on */
bool bf_walk_watchdog(struct bf_walk *walk);     /* true when an answer is given up */
void bf_walk_arm(struct bf_walk *walk);          /* wakes the job when something is due that is not an answer */
void bf_walk_leave(struct bf_walk *walk);        /* the walk is over */

/* walk_send.c: a flight goes out and its answers come back */
void bf_walk_send(struct bf_walk *walk, enum bf_phase phase); /* sends walk->flight, waits in `phase` */
/* The first answer to such a statement of the flight that came back; NULL: it had none. Until the next flight begins. */
const struct bf_answer *bf_walk_answer_to(const struct bf_walk *walk, enum bf_statement statement);
void bf_walk_send_to_replica(struct bf_walk *walk, enum bf_phase phase);

/* walk_flights.c: what is said in each phase */
void bf_walk_send_recognise(struct bf_walk *walk);
void bf_walk_send_schema(struct bf_walk *walk);
void bf_walk_send_limits(struct bf_walk *walk);
void bf_walk_send_register(struct bf_walk *walk, const struct bf_key limits[], size_t count); /* between slices */
void bf_walk_send_peek(struct bf_walk *walk); /* of the way back, where the job goes there */
void bf_walk_send_peek_forward(struct bf_walk *walk); /* which is not closed yet */
/* As the checkpoint was seen: a raise that was lost on its way and arrives late finds another epoch. seq -1: any. */
void bf_walk_send_raise(struct bf_walk *walk, const char *owner, int64_t epoch, int64_t seq);
void bf_walk_send_recount(struct bf_walk *walk, const char *transaction, const struct bf_key *low, int split);
void bf_walk_send_boundary(struct bf_walk *walk);
void bf_walk_send_split(struct bf_walk *walk);
void bf_walk_send_count(struct bf_walk *walk);
void bf_walk_send_probe(struct bf_walk *walk);
void bf_walk_send_cap(struct bf_walk *walk);
void bf_walk_send_batch(struct bf_walk *walk);
void bf_walk_send_log_end(struct bf_walk *walk);
void bf_walk_send_one(struct bf_walk *walk, enum bf_statement statement, enum bf_phase phase); /* BEGIN-like or id only */
void bf_walk_send_flush(struct bf_walk *walk, bool done, bool release, enum bf_phase phase);
void bf_walk_send_ask(struct bf_walk *walk);
/* Where the walk is when it has come to that key, as its checkpoint has it; owned; NULL: at its begin. */
char *bf_walk_place_json(const struct bf_walk *walk, const struct bf_key *key);
/* Into the flight: what it is made of. */
struct bf_step *bf_walk_add(struct bf_walk *walk, enum bf_statement statement);
struct bf_step *bf_walk_add_for_slice(struct bf_walk *walk, enum bf_statement statement); /* and job and slice as parameters */
void bf_walk_add_boundary(struct bf_walk *walk, const struct bf_key *low, const struct bf_key *through, int64_t rows); /* new group */
void bf_walk_add_split(struct bf_walk *walk, const struct bf_key *low, const struct bf_key *through);
struct bf_mark_at bf_walk_mark_here(const struct bf_walk *walk);
void bf_walk_add_fence(struct bf_walk *walk, const struct bf_mark_at *at, int64_t lock_wait); /* milliseconds */
void bf_walk_add_flush(struct bf_walk *walk, const struct bf_mark_at *at, bool done, bool release);
void bf_walk_add_legs(struct bf_walk *walk, enum bf_statement statement, char *const sql[], const struct bf_legs *legs);
/* Into the flight: the fence of a batch of the way back, at whose end so many more rows were looked at. */
void bf_walk_add_back_fence(struct bf_walk *walk, int64_t rows, int64_t lock_wait);

/* walk_log.c */
bool bf_walk_begin_log(struct bf_walk *walk); /* into the flight, first of all: how far the log is; false: it is not asked for */
void bf_walk_end_log(struct bf_walk *walk);   /* and last of all, where it was */
/* Into the batch that came back: by how much the log grew meanwhile and where it ends; and that is counted for the job. */
void bf_walk_read_log(struct bf_walk *walk, const struct bf_answer *fence, const struct bf_answer *boundary,
                      struct bf_batch *batch);

/* walk_locks.c: into the flight: the change of (low, high] */
void bf_walk_add_change(struct bf_walk *walk, const struct bf_legs *range, enum bf_form form);
/* The two parts of it in the quick form: LOCK where the server needs one, and what writes. */
void bf_walk_add_lock(struct bf_walk *walk, const struct bf_legs *range);
void bf_walk_add_try(struct bf_walk *walk, const struct bf_legs *range); /* of a row that is tried alone */

/* walk_batch.c */
void bf_walk_ready(struct bf_walk *walk);
void bf_walk_next_batch(struct bf_walk *walk); /* nothing holds it: the next step towards a batch, or rows set aside */
bool bf_walk_touches_or_sleeps(struct bf_walk *walk); /* before anything else that it is ready for */
void bf_walk_take_sample(struct bf_walk *walk, int64_t rows); /* for the rate: so many were looked at until now */
void bf_walk_touched(struct bf_walk *walk);
void bf_walk_bounded(struct bf_walk *walk);
void bf_walk_split_known(struct bf_walk *walk);
void bf_walk_counted(struct bf_walk *walk);
void bf_walk_probed(struct bf_walk *walk);
void bf_walk_capped(struct bf_walk *walk);
void bf_walk_batch_answered(struct bf_walk *walk);
/* A transaction was committed that came to `position`; `batch` says what it did. The caller moves seq. */
void bf_walk_committed(struct bf_walk *walk, const struct bf_key *position, bool done, const struct bf_batch *batch);
/* What the change of the flight that came back did: rows changed, rows set aside. */
void bf_walk_add_changed(const struct bf_walk *walk, size_t step, int64_t *changed, int64_t *aside); /* the same of one step; adds */
void bf_walk_sum_change(const struct bf_walk *walk, int64_t *ret_changed, int64_t *ret_aside);
void bf_walk_asked(struct bf_walk *walk);
void bf_walk_flushed(struct bf_walk *walk);
void bf_walk_verified(struct bf_walk *walk);
void bf_walk_range_text(const struct bf_walk *walk, char *text, size_t size); /* of the next batch, for people */

#define BF_DOING_SCHEMA "make the control schema"
#define BF_DOING_RAISE "take the checkpoint"
#define BF_DOING_TURN "close the way forward"
#define BF_DOING_BACK "take a batch back"
#define BF_DOING_ASIDE "change rows that others had locked"
#define BF_DOING_QUARANTINE "put a row into the quarantine"
#define BF_DOING_OVER_FILL "put more rows into the quarantine than may be there"

/* walk_pass.c: `remaining` */
void bf_walk_pass_over(struct bf_walk *walk);
void bf_walk_horizon_seen(struct bf_walk *walk);
void bf_walk_horizon_again(struct bf_walk *walk);
void bf_walk_next_end_found(struct bf_walk *walk);
void bf_walk_pass_begun(struct bf_walk *walk);
void bf_walk_pass_committed(struct bf_walk *walk);
void bf_walk_read_end(struct bf_walk *walk, struct bf_key *ret_end); /* walk_begin.c: END's answer */

/* walk_check.c: the operator's checks and the canary */
void bf_walk_run_checks(struct bf_walk *walk, enum bf_check_kind kind);
void bf_walk_send_check(struct bf_walk *walk, bool on_replica);
void bf_walk_checked(struct bf_walk *walk);
void bf_walk_check_taken_back(struct bf_walk *walk);
int64_t bf_walk_longest_check(const struct bf_document *document); /* milliseconds; 0: there is none */
bool bf_walk_canary_due(const struct bf_walk *walk);
void bf_walk_canary_ended(struct bf_walk *walk);

/* walk_replica.c: a check on a replica */
void bf_walk_ask_replica(struct bf_walk *walk);
void bf_walk_log_end_found(struct bf_walk *walk);
void bf_walk_replica_connected(struct bf_walk *walk);
void bf_walk_replica_recognised(struct bf_walk *walk);
void bf_walk_replica_again(struct bf_walk *walk);
void bf_walk_replica_touched(struct bf_walk *walk);
bool bf_walk_replica_checked(struct bf_walk *walk); /* true: the check's query was answered; else it has decided */
void bf_walk_close_replica(struct bf_walk *walk);

/* walk_trouble.c: P10, one exit for everything that goes wrong */
/* Looks at the answers of a flight; true when all steps of it went well. Else it has decided what comes next. */
bool bf_walk_fine(struct bf_walk *walk, const char *doing);
const struct bf_answer *bf_walk_first_error(const struct bf_walk *walk); /* of the flight that came back; NULL: it had none */
void bf_walk_connect_failed(struct bf_walk *walk);
/* ROLLBACK; then what comes next is decided by that answer. */
void bf_walk_take_back(struct bf_walk *walk, const struct bf_answer *answer, const char *doing);
void bf_walk_taken_back(struct bf_walk *walk);
void bf_walk_back_off(struct bf_walk *walk, enum bf_code code, const char *text, bool reconnect);
void bf_walk_end(struct bf_walk *walk, enum bf_state ending, enum bf_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void bf_walk_close_session(struct bf_walk *walk);

#endif
