/* The monitor of a target: one session that samples the server's load twice a second while jobs of the target run, and
 * one more for the signals of the documents' own, so that a slow query of an author's does not make the others stale. Where
 * the primary does not know how far its replicas are (MySQL and MariaDB) there is one more for each that the configuration
 * names. What was learnt of the replicas stays when the last job ends, and when the target is connected anew. */
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

/* A session of the monitor's with one flight at a time (monitor_line.c). */
struct bf_line {
    struct bf_monitor *monitor;
    const struct bf_database *database; /* what it connects to */
    const char *application_name;
    bool needs_no_database;             /* see bf_session_options */
    struct bf_session *session; /* NULL: none */
    bool connected, flying;
    int connections;            /* so far */
    struct bf_flight flight;
    int64_t since;              /* monotonic milliseconds: it connects, or flies, since then */
    void (*fly)(struct bf_line *line);                                                /* fills in the flight; may leave it empty */
    void (*landed)(struct bf_line *line, const struct bf_answer *answers);            /* not called for a lost session */
    void (*lost)(struct bf_line *line); /* the session is gone, `trouble` says why; NULL: nobody wants to know */
    char trouble[BF_ERROR_TEXT_MAX]; /* why nothing can be read; "": it can */
};

void bf_line_attend(struct bf_line *line);                  /* connects, flies, or gives up a session that does not answer */
void bf_line_take_off(struct bf_line *line);                /* it is connected, and does not fly */
void bf_line_hang_up(struct bf_line *line, const char *why); /* why: NULL: it is not needed any more */

enum { BF_WRITER_TEXT = 17 };

/* The heartbeat that replicas are asked for (monitor_replicas.c). Numbers rise for as long as the daemon runs; those from
 * `first` on belong to positions that can be compared. */
struct bf_heart {
    char writer[BF_WRITER_TEXT];  /* of this daemon's; "": not drawn yet */
    int64_t number, first;        /* number: of the one that was sent last */
    double position;              /* of the log before it: bytes, or numbers where bytes are not known */
    bool in_bytes, due;           /* due: the next flight of the samples' session writes it */
    int connection;               /* of the samples' session, through which the position was learnt */
    int64_t written;              /* the newest one that is known to be there, */
    int64_t written_at;           /* since when, monotonic milliseconds (BF_SIGNAL_NEVER: none from `first` on is), */
    double written_position;      /* and where */
    char server[80];              /* the primary, as it names itself */
    bool asks;                    /* false: the primary knows how far its replicas are, or nobody watches them */
    struct bf_reader *readers[BF_WATCHED_MAX];
    size_t reader_count;
    int64_t hosts_due, hosts_at;  /* when the primary is asked who replicates, and when it was last; BF_SIGNAL_NEVER */
    int unnamed, without_place;   /* of these do not say where they can be asked, or are too many */
    char hosts_trouble[200];      /* why it could not be asked; "": it could */
};

struct bf_monitor {
    struct bf_monitor *next;
    struct bf_engine *engine;
    char *name;                     /* of the target; owned */
    const struct bf_target *target; /* NULL: it rests */
    struct bf_timer *timer;
    struct bf_line samples, queries, triggers;
    int64_t started_at;             /* monotonic milliseconds: since then it watches */
    int taken;                      /* samples since then */

    int64_t sampled_at;             /* monotonic milliseconds; BF_SIGNAL_NEVER */
    bool sees;                      /* our user may see the details of other sessions */
    char user[BF_REPLICA_NAME];
    double position;                /* of the server's log, bytes; under 0: not known */
    char log_trouble[200];          /* why it is not; "": it is */
    struct bf_heart heart;
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
    struct bf_watched_trigger *trigger; /* whose query the triggers' flight carries; NULL: none */
    char trigger_limit[BF_LIMIT_TIME_TEXT];
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
void bf_monitor_mark(const struct bf_monitor *monitor); /* the jobs that run on its target look again */

/* monitor_sample.c */
/* log: the answer to LOG_WRITTEN; NULL: the sample tells. */
void bf_monitor_take_sample(struct bf_monitor *monitor, const struct bf_answer *sample, const struct bf_answer *log);

/* monitor_replicas.c: replicas that are asked themselves. */
void bf_heart_begin(struct bf_monitor *monitor); /* a target is watched from now on */
void bf_heart_end(struct bf_monitor *monitor);
void bf_heart_sampled(struct bf_monitor *monitor, const char *server); /* position is that of the newest sample */
void bf_heart_fly(struct bf_monitor *monitor, struct bf_flight *flight);
bool bf_heart_expect(struct bf_monitor *monitor, const struct bf_replica *replica); /* false: there is no more room */
void bf_heart_forget(struct bf_monitor *monitor, int64_t before); /* who was neither expected nor seen since then */
void bf_heart_beaten(struct bf_monitor *monitor, const struct bf_answer *answer); /* now they are asked for it */

/* monitor_hosts.c: replicas that nobody named. */
void bf_hosts_ask(struct bf_monitor *monitor, struct bf_flight *flight); /* where it is due: further steps */
void bf_hosts_take(struct bf_monitor *monitor, const struct bf_flight *flight, const struct bf_answer *answers);
/* How many replicas there are that say where they are, and how many more read the log (-1: not known). */
int bf_hosts_count(const struct bf_answer *hosts, const struct bf_answer *readers, int *ret_unnamed);
bool bf_hosts_address(const struct bf_answer *hosts, size_t row, char address[BF_REPLICA_NAME]); /* false: it says none */
/* Are all replicas known? Else `text` says why not. */
bool bf_hosts_known(const struct bf_monitor *monitor, char *text, size_t size); /* the text may be cut off */

/* monitor_slow.c */
void bf_monitor_ask_slow(struct bf_monitor *monitor, struct bf_flight *flight); /* where it is due: further steps */
void bf_monitor_take_slow(struct bf_monitor *monitor, const struct bf_line *line, const struct bf_answer *answers);

/* monitor_query.c: the signals of documents */
bool bf_monitor_has_queries(const struct bf_monitor *monitor);
void bf_monitor_fly_queries(struct bf_line *line);
void bf_monitor_take_queries(struct bf_line *line, const struct bf_answer *answers);

#endif
