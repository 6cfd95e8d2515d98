/* The monitor of a target: one session that samples the server's load twice a second while jobs of the target run, and
 * one more for the signals of the documents' own, so that a slow query of an author's does not make the others stale. What
 * was learnt of the replicas stays when the last job ends, and when the target is connected anew. */
#ifndef BF_ENGINE_MONITOR_H
#define BF_ENGINE_MONITOR_H

#include "internal.h"
#include "pressure.h"
#include "replica.h"

enum {
    BF_MONITOR_EVERY = 500,      /* milliseconds */
    BF_MONITOR_SOON = 100,       /* between the first samples, from which a lag can be told */
    BF_MONITOR_FIRST = 3,
    BF_MONITOR_PATIENCE = 4000   /* milliseconds, until a session that does not answer is given up */
};

/* A session of the monitor's with one flight at a time. */
struct bf_line {
    struct bf_monitor *monitor;
    const char *application_name;
    struct bf_session *session; /* NULL: none */
    bool connected, flying;
    struct bf_flight flight;
    int64_t since;              /* monotonic milliseconds: it connects, or flies, since then */
    void (*fly)(struct bf_line *line);                                                /* fills in the flight; may leave it empty */
    void (*landed)(struct bf_line *line, const struct bf_answer *answers);            /* not called for a lost session */
    char trouble[BF_ERROR_TEXT_MAX]; /* why nothing can be read; "": it can */
};

struct bf_monitor {
    struct bf_monitor *next;
    struct bf_engine *engine;
    char *name;                     /* of the target; owned */
    const struct bf_target *target; /* NULL: it rests */
    struct bf_timer *timer;
    struct bf_line samples, queries;
    int64_t started_at;             /* monotonic milliseconds: since then it watches */
    int taken;                      /* samples since then */

    int64_t sampled_at;             /* monotonic milliseconds; BF_SIGNAL_NEVER */
    bool sees;                      /* our user may see the details of other sessions */
    char user[BF_REPLICA_NAME];
    double position;                /* of the server's log, bytes */
    bool walsenders;                /* something streams, whatever it is */
    size_t without_place;           /* replicas over BF_WATCHED_MAX */
    struct bf_watched_list replicas;
    struct bf_signal signals[BF_SIGNALS_MAX]; /* but lag; without limits */
    size_t signal_count;
    struct bf_signal slow[BF_SIGNALS_MAX]; /* the same of what is looked at every few seconds */
    size_t slow_count;
    int64_t slow_at, slow_due;      /* monotonic milliseconds: was looked at last (BF_SIGNAL_NEVER), and will be again */
    bool may_count_archive;         /* our user may list what waits for the archiver */
    double paused;                  /* seconds for which the cluster had stopped writes at `paused_at`, in all */
    int64_t paused_at;              /* monotonic milliseconds; BF_SIGNAL_NEVER */
    char query_limit[BF_LIMIT_TIME_TEXT];
    struct bf_job *asked;           /* whose signals the queries' flight asks for; NULL: none */
};

/* The monitor of a target's name; made where there is none. */
struct bf_monitor *bf_monitor_of(struct bf_engine *engine, const char *target);
const struct bf_monitor *bf_monitor_find(const struct bf_engine *engine, const char *target); /* NULL */
void bf_monitor_need(struct bf_job *job);    /* a job runs: it watches from now on */
void bf_monitor_review(struct bf_monitor *monitor); /* does any job need it still? Else it rests */
void bf_monitor_forget(struct bf_job *job);  /* the job's memory goes */
void bf_monitors_drop(struct bf_engine *engine);
const struct bf_signal *bf_monitor_signal_called(const struct bf_monitor *monitor, const char *name); /* NULL */
bool bf_monitor_serves(const struct bf_monitor *monitor, const struct bf_job *job); /* a job of its target is at work */

/* monitor_sample.c */
void bf_monitor_take_sample(struct bf_monitor *monitor, const struct bf_answer *sample);

/* monitor_slow.c */
void bf_monitor_ask_slow(struct bf_monitor *monitor, struct bf_flight *flight); /* where it is due: further steps */
void bf_monitor_take_slow(struct bf_monitor *monitor, const struct bf_line *line, const struct bf_answer *answers);

/* monitor_query.c: the signals of documents */
bool bf_monitor_has_queries(const struct bf_monitor *monitor);
void bf_monitor_fly_queries(struct bf_line *line);
void bf_monitor_take_queries(struct bf_line *line, const struct bf_answer *answers);

#endif
