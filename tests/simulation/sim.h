/* A world in which a whole job lives inside one test: virtual time, a database server with sessions that outlive their
 * client, a store that can forget what was not yet durable, and a schedule of faults, all from one seed. */
#ifndef BF_SIMULATION_SIM_H
#define BF_SIMULATION_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "database.h"
#include "dialect.h"
#include "engine.h"
#include "store.h"
#include "world.h"

/* Protocols broken on purpose: the simulation has to find each. X(CONSTANT, name, what is wrong) */
#define SABOTAGES(X)                                                                                       \
    X(NONE, none, "nothing")                                                                               \
    X(FENCE_LAST, fence-last, "the fence runs behind the COMMIT instead of at the transaction's head")     \
    X(READ_BEFORE_RAISE, read-before-raise, "the position is read before the epoch is raised")             \
    X(FENCE_SILENT, fence-silent, "a fence that finds no row raises no error")                             \
    X(NO_HORIZON, no-horizon, "a pass does not wait for older transactions")                               \
    X(WAIT_HOLDING, wait-holding, "a batch that holds rows waits for others as long as lock_timeout")      \
    X(ASIDE_UNWRITTEN, aside-unwritten, "rows that others hold are passed over and not written down")      \
    X(ASIDE_KEPT, aside-kept, "a row set aside is not struck off when it is done")                         \
    X(BACK_BLIND, back-blind, "a rollback does not look what the row holds")                               \
    X(TURN_OPEN, turn-open, "the way forward stays open when the way back begins")                         \
    X(SPARE_NOTHING, spare-nothing, "an inverse takes back what the job set aside and never changed")       \
    X(JOURNAL_LOOSE, journal-loose, "the journal is not written in the batch's own transaction")           \
    X(BAD_UNWRITTEN, bad-unwritten, "a row that is refused is passed over and not put into the quarantine")  \
    X(RETRY_KEPT, retry-kept, "a row that is tried once more stays in the quarantine")                     \
    X(BLIND, blind, "nobody is ever seen to wait (found with --calm)")

enum sabotage {
#define X(constant, name, wrong) SABOTAGE_##constant,
    SABOTAGES(X)
#undef X
        SABOTAGE_COUNT
};

/* ---- virtual time (queue.c) ---- */
struct sim;
typedef void sim_run(void *argument);
struct sim_event; /* opaque; valid until it ran or was cancelled */
struct sim_event *sim_at(struct sim *sim, int64_t delay_microseconds, sim_run *run, void *argument);
void sim_cancel(struct sim_event *event); /* NULL is fine */
bool sim_step(struct sim *sim);           /* runs the next event; false: there is none */
void sim_queue_free(struct sim *sim);
uint64_t sim_random(struct sim *sim);
int64_t sim_between(struct sim *sim, int64_t from, int64_t to); /* both included */
bool sim_chance(struct sim *sim, int percent);

/* ---- the server (server.c, server_statements.c) ---- */
/* The checkpoint of the way back stands behind those of the slices. */
enum { SIM_SLICES = 4, SIM_BACK = SIM_SLICES, SIM_CHECKPOINTS, SIM_ROWS_MAX = 96, SIM_LOG_MAX = 4096, SIM_SESSIONS_MAX = 256 };

struct sim_checkpoint {
    bool exists;
    int64_t epoch, seq, after, position, low, split, through, scanned, changed, batches, batch_rows;
    bool has_after, has_position, has_low, has_through, counted, done;
    int64_t pass, pass_changed, found_before; /* found_before -1: first pass */
    char owner[BF_OWNER_TEXT];
    int64_t updated_at; /* microseconds */
    int64_t transaction;
    char place[96];     /* of the way back, as it wrote it; "": none */
};

/* A row of the undo journal's, one for each change. */
struct sim_change {
    int slice, part, place; /* place: from 1, in the entry (slice, seq, part) */
    int64_t seq;
    int row, touched;       /* touched: what the applications had written into the row by then */
};

struct sim_row {
    int64_t key;
    int n;              /* how often it was changed */
    bool match;         /* does `where` hold */
    bool visible;       /* committed by whoever inserted it */
    int64_t inserter;   /* the application's transaction; 0: it was there before */
    bool inserting;     /* that transaction is under way */
    int64_t writer;     /* the transaction that changed it last */
    struct sim_server_session *locked_by;
    int aside;          /* 1: others held it when its batch was run */
    int back_aside;     /* the same of a batch of the way back by an inverse */
    int touched;        /* how often an application wrote into the very column */
    int conflicts;      /* changes of it that the way back left alone */
    bool poison;        /* the server refuses to change it */
    bool was_poison;    /* until somebody repaired it */
    int bad;            /* 1: it is in quarantine */
    struct sim *sim;
};

/* What one commit changed, to take it back when a fail-over loses it. */
struct sim_commit {
    struct sim_checkpoint before[SIM_CHECKPOINTS];
    bool control_before_schema;
    int8_t changed[SIM_ROWS_MAX]; /* -1: taken back */
    int8_t aside[SIM_ROWS_MAX], back_aside[SIM_ROWS_MAX], conflicts[SIM_ROWS_MAX], bad[SIM_ROWS_MAX];
    int journal_count; /* before it */
};

/* What the control schema has of the job, as it was registered last; all owned. */
struct sim_known_job {
    char *id, *document, *hash, *plan, *record;
};

struct sim_server {
    struct sim *sim;
    struct sim_known_job known;
    struct sim_row rows[SIM_ROWS_MAX];
    int row_count;
    struct sim_checkpoint checkpoints[SIM_CHECKPOINTS];
    struct sim_server_session *checkpoint_locked_by[SIM_CHECKPOINTS];
    struct sim_change *journal; /* owned; in the order in which it was written */
    int journal_count, journal_room;
    int stuck;             /* the row that nothing can be written into any more, when it is taken back; -1: none */
    int was_stuck;         /* the one that was, until somebody put it right; -1: none */
    bool schema, job_there;
    char goal[8];
    char job_state[24];    /* what the target's own record says of the job */
    bool writable;
    int started;           /* which start of the server this is */
    struct sim_commit *log;
    int log_count;
    struct sim_server_session *sessions;
    struct sim_application *applications;
    int64_t set_aside;     /* rows, ever */
    int64_t transactions;
    int64_t horizon, horizon_pass; /* the first newest transaction that was told in this pass */
    int64_t late_until;            /* the last pass has to find what was begun before this transaction */
    int64_t batch_commits;
    int64_t highest_epoch; /* of the first slice that was ever committed, whatever a fail-over took back */
    bool deferred;         /* a row is refused only when the transaction is to be committed */
    int repairs;           /* how often somebody repaired rows */
    bool lost_the_end;     /* a fail-over took back what was released as done: nobody can know */
};

/* ---- replicas (replicas.c) ---- */
enum { SIM_REPLICAS = 2 };

struct sim_replica {
    bool exists, paused, stopped;
    int64_t position;      /* bytes replayed */
    int64_t behind_since;  /* microseconds: when what it has not replayed was written first; 0: it has everything */
    int64_t over_seen_at;  /* a sample over the limit was delivered; 0: none, or it was set aside for good reason */
    int64_t heard_at;      /* it was in a sample that was delivered; 0: in none that counts */
    int batches_since;     /* over_seen_at */
    struct sim *sim;
    struct bf_database database; /* where it is asked itself */
    int applied;           /* heartbeats */
};

/* A heartbeat, in the order in which they were written. */
struct sim_beat {
    char writer[24];
    int64_t number, position;
    int64_t known_at;      /* microseconds: the answer was delivered; 0: it was not yet */
};

struct sim_replicas {
    bool watched;          /* the daemons heed them */
    bool asked;            /* the server does not know how far they are: they are asked themselves */
    bool listed;           /* and nobody named them: the server lists those that are connected */
    struct bf_replica named[SIM_REPLICAS];
    struct sim_beat *beats; /* owned */
    int beat_count;
    struct sim_replica list[SIM_REPLICAS];
    int64_t log;           /* bytes */
    int replies;
    const void *watcher;   /* the monitor's session whose sample came last */
    int64_t watched_since, seen_at; /* microseconds; seen_at 0: nothing is known */
};

struct bf_session;
struct sim_server_session;
struct bf_step;
void sim_replicas_begin(struct sim *sim, bool trouble);
void sim_replicas_write(struct sim *sim); /* the server's log grows */
bool sim_replicas_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer);
void sim_replicas_seen(struct bf_session *client, const struct bf_flight *flight, const struct bf_answer *answers, bool lost);
void sim_replicas_unwatched(struct bf_session *client);
void sim_replicas_batch(struct sim_server_session *session); /* a fence arrives */
void sim_replicas_forget(struct sim *sim);
void sim_replicas_name(struct sim *sim, struct bf_target *target); /* as the configuration names them */
void sim_replicas_free(struct sim *sim);

/* bad_rows.c: the rows that the server refuses */
void sim_poison(struct sim *sim);
bool sim_poisoned(const struct sim *sim); /* there are, or were, such rows */
void sim_repair(struct sim *sim, int percent); /* of them */
bool sim_retries(const struct sim *sim, const struct bf_job *job); /* it is at its end, and somebody will try them once more */
int sim_bad_rows(const struct sim_server *server);
void sim_check_failed(struct sim *sim, const struct bf_record *record);
void sim_check_back_failed(struct sim *sim, const struct bf_record *record);
void sim_check_bad(struct sim *sim); /* at every commit */

/* journal.c: is this change behind the way back's position? */
bool sim_change_passed(const struct sim_server *server, const struct sim_change *change);
void sim_check_slices(struct sim *sim);
void sim_check_journal(struct sim *sim);     /* at every commit, once the way back has begun */
/* inverse.c: the same of a way back by the author's inverse. */
bool sim_inverts(const struct sim_server *server); /* what is written now takes back */
void sim_check_inverse(struct sim *sim);
void sim_check_rolled_back(struct sim *sim); /* at its end */

/* In which slice's range the row is, as the committed checkpoints have it. */
int sim_slice_of(const struct sim_server *server, int row);
struct bf_database *sim_database(struct sim *sim); /* the port; one for the whole world */
void sim_server_fail_over(struct sim *sim, int lost_commits);
void sim_server_restart(struct sim *sim);
void sim_server_end_sessions(struct sim *sim); /* pg_terminate_backend on all */
void sim_cut_sessions(struct sim *sim);        /* the network: one of three ways, per session */
/* applications.c: a transaction that takes one row or two (second -1: one), then holds them for so long. */
void sim_server_lock_rows(struct sim *sim, int first, int second, int64_t microseconds);
void sim_applications_wake(struct sim *sim);
int sim_applications_waiting(const struct sim *sim);
/* Microseconds that one has waited for a session of that name; -1: none does. */
int64_t sim_application_waits(const struct sim *sim, const char *application);
void sim_applications_end(struct sim *sim);
void sim_server_free(struct sim *sim);

/* ---- adoption.c ---- */
bool sim_adoptable(const struct sim *sim); /* the server knows the job */
void sim_forget_known(struct sim_server *server);

/* ---- the store (store.c) ---- */
struct sim_disk; /* survives crashes; a copy of it makes a second daemon */
struct sim_disk *sim_disk_new(struct sim *sim);
struct sim_disk *sim_disk_copy(const struct sim_disk *disk);
void sim_disk_free(struct sim_disk *disk);
void sim_disk_crash(struct sim_disk *disk); /* what is under way is written or lost, in order */
void sim_disk_close(struct sim_disk *disk); /* what is under way is written */
const struct bf_store *sim_disk_store(struct sim_disk *disk);

/* ---- a daemon ---- */
struct sim_daemon {
    struct sim *sim;
    struct bf_engine *engine; /* NULL: not running */
    struct sim_disk *disk;
    struct bf_world world;
    struct bf_target target, twin; /* two connections to one database: the configuration has one of them, or none */
    bool twin_now;
    char owner[BF_OWNER_TEXT];
    int process;
    bool draining, drain_cancel, drained;
    int64_t drain_since; /* microseconds */
};

enum { SIM_DAEMONS = 2 };

struct sim {
    uint64_t seed, state;
    int64_t now; /* microseconds */
    int64_t clock_set; /* milliseconds by which the clock of the wall is wrong */
    uint64_t order;
    struct sim_event **heap;
    size_t heap_count, heap_capacity;
    struct sim_server server;
    struct sim_replicas replicas;
    struct bf_database database;
    struct sim_daemon daemons[SIM_DAEMONS];
    int processes;
    enum sabotage sabotage;
    bool verbose;
    bool calm;        /* nothing goes wrong: then every promise of time holds */
    bool faults;      /* still injecting? */
    bool over;        /* nobody does anything more */
    bool has_where, has_remaining, has_journal, has_inverse;
    int slices;       /* that the document asks for */
    const char *bad_rows; /* limits.bad_rows of the document */
    int orders_sent, orders_answered; /* submissions too */
    int64_t stop_since; /* microseconds; 0: no stop is under way */
    bool rebooted;    /* owner_gone says no: another boot */
    char violation[256];
};

/* ---- simulate.c ---- */
bool sim_goes_back(const struct bf_job *job); /* it is at its end, and there is a way back */
const struct bf_job *sim_job(const struct sim_daemon *daemon); /* NULL: there is none */
void sim_daemon_start(void *daemon);
void sim_daemon_kill(struct sim_daemon *daemon);
void sim_daemon_end(struct sim_daemon *daemon); /* after it has drained */

/* ---- people.c ---- */
void sim_late_rows(struct sim *sim);   /* applications that insert rows while the job runs */
void sim_supervise(void *sim); /* every half second: what an operator who wants the job to end would do */
void sim_fault(void *sim);
void sim_set_clock(void *sim);  /* of the wall */
void sim_lose_store(void *sim); /* and its daemon is killed */
void sim_storm(struct sim *sim);        /* orders of a hundred clients */
void sim_applications(struct sim *sim); /* hold row locks */
void sim_calm_day(struct sim *sim);     /* pauses, an abort, a restart, but no fault */

void sim_violation(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Called at every commit on the server. */
void sim_check_commit(struct sim *sim, bool batch, const char *application);

#endif
