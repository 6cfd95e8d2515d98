/* One session, between the files of the MySQL adapter:
 * mysql.c          the port's functions, timers, closing
 * mysql_url.c      the URL
 * mysql_work.c     a thread for each call that may block
 * mysql_connect.c  hosts, logins, the session's settings, the proof that it is ours: on such a thread
 * mysql_flight.c   a flight as few texts: on such a thread
 * mysql_run.c      what of it is to be sent, and the answers: on such a thread
 * mysql_quantiles.c where the slices of a job end: on such a thread
 * mysql_errand.c   KILL QUERY and looking for lock waits: on connections and threads of their own
 *
 *   connecting -> idle <-> flying        (any of them -> lost)
 *
 * At most one piece of work uses the session's connection at a time, and while it does, the loop's thread does not. The
 * struct lives until every piece of work and every uv handle has let go of it (`references`); callbacks of the loop may
 * find it after `close`, and look at `closed`. */
#ifndef BF_ADAPTER_MYSQL_SESSION_H
#define BF_ADAPTER_MYSQL_SESSION_H

#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "database.h"

enum { BF_MYSQL_HOSTS_MAX = 16, BF_MYSQL_LOCK_NAME = 48 };

struct bf_mysql_host {
    char *name;
    unsigned port;
};

struct bf_mysql_url {
    char *user, *database;
    char *socket, *ssl_ca, *ssl_cert, *ssl_key; /* paths; NULL where there is none */
    struct bf_mysql_host hosts[BF_MYSQL_HOSTS_MAX];
    size_t host_count;
    enum bf_mysql_ssl {
        BF_MYSQL_SSL_PREFERRED,
        BF_MYSQL_SSL_DISABLED,
        BF_MYSQL_SSL_REQUIRED,
        BF_MYSQL_SSL_VERIFY_CA,
        BF_MYSQL_SSL_VERIFY_IDENTITY
    } ssl;
};

struct bf_mysql {
    struct bf_database database;
    uv_loop_t *loop;
    char *url, *password_file; /* password_file: NULL: none */
    int64_t started_at;        /* of the server, as told first; it is computed from whole seconds and wavers by one */
    unsigned long newest;      /* the highest number of a connection so far: one that is made later is higher, */
    unsigned restarts;         /* or the server was restarted; how often that was seen */
    bool between;              /* a session saw that something stands between: the next connect says so */
};

enum bf_mysql_state { BF_MYSQL_CONNECTING, BF_MYSQL_IDLE, BF_MYSQL_FLYING, BF_MYSQL_LOST };

/* Why a KILL QUERY of ours was sent. */
enum bf_mysql_kill { BF_MYSQL_KILL_NONE, BF_MYSQL_KILL_CANCEL, BF_MYSQL_KILL_TIMEOUT, BF_MYSQL_KILL_LOCK };

struct bf_mysql_run;
struct bf_mysql_errand;

/* One call that may block: `run` on a thread, then `done` on the loop's. Embedded in what it works for, which must live
 * until `done`. */
struct bf_mysql_work;
typedef void bf_mysql_step(struct bf_mysql_work *work);
struct bf_mysql_work {
    void *data; /* the user's */
    bf_mysql_step *run, *done;
    pthread_t thread;
    uv_async_t async;
    uv_work_t queued; /* where no thread is to be had */
};

struct bf_session {
    struct bf_mysql *mysql; /* valid until `closed` */
    uv_loop_t *loop;
    struct bf_mysql_url *url; /* owned copy: work outlives the database */
    char *password_file, *application_name;
    struct bf_session_options options;
    enum bf_mysql_state state;
    bool closed;
    unsigned references;

    MYSQL *connection; /* of the work while there is some */
    int socket;        /* a duplicate of the connection's, to shut it down from the loop; -1: none */
    bool mariadb;
    bool between;   /* mysql->between when this one began */
    char *instance; /* what the server says of itself (BF_MYSQL_INSTANCE); owned */
    bool working; /* `work` is on its thread */
    struct bf_mysql_work work;
    size_t host;                    /* index of the one we are connected to */
    unsigned long thread;           /* the server's number of this connection */
    unsigned long newest_before;    /* mysql->newest when this one began */
    char lock[BF_MYSQL_LOCK_NAME];  /* a lock on the server that this connection alone holds: proves it ours */

    uv_timer_t timer; /* the connect timeout; later the watch over a flight */
    uv_timer_t soon;  /* carries what must not happen inside a call */

    bf_connected *connected;
    void *connected_argument;
    enum bf_error_class connect_class;
    char connect_text[768];

    struct bf_flight *flight; /* the caller's; NULL: none */
    bf_flight_done *done;
    void *done_argument;
    struct bf_mysql_run *run;        /* what the work carries out; NULL: not sent */
    atomic_uint_fast64_t progressed; /* when the last answer came, milliseconds */

    struct bf_mysql_errand *errand; /* under way */
    _Atomic enum bf_mysql_kill kill; /* of the running flight: the last reason; read by the work */
    bool cancel_wanted;             /* repeat until the flight is over */
    bool absorb;                    /* a KILL QUERY may wait for the next statement */
    bool no_look;                   /* the account may not see lock waits */
    uint64_t looked_at;             /* for a lock wait, the last time */
    uint64_t waiting_since;         /* a lock wait seen at this time; 0: none */
    char waiting_for[64];
};

/* mysql.c */
uint64_t bf_mysql_clock(void); /* milliseconds */
void bf_mysql_release(struct bf_session *session);
void bf_mysql_soon(struct bf_session *session);

/* mysql_work.c */
void bf_mysql_work(uv_loop_t *loop, struct bf_mysql_work *work, bf_mysql_step *run, bf_mysql_step *done);

/* mysql_url.c */
struct bf_mysql_url *bf_mysql_url_parse(const char *text, const char **ret_fault);
void bf_mysql_url_free(struct bf_mysql_url *url);

/* mysql_connect.c */
void bf_mysql_connect_work(struct bf_mysql_work *work); /* fills connection or connect_class and connect_text */
/* A connection to one host; NULL with the error's number and text. Blocks. */
MYSQL *bf_mysql_open(const struct bf_session *session, size_t host, unsigned seconds, unsigned *ret_number, char *text,
                     size_t size);
void bf_mysql_close_connection(struct bf_session *session); /* blocks */

#define BF_MYSQL_BETWEEN                                                                                               \
    "a proxy, connection pooler or load balancer stands between; name the server itself in the target's address"
/* Which server this is, as one text. */
#define BF_MYSQL_INSTANCE "CONCAT_WS('/', @@hostname, @@port, @@datadir, @@server_id /*!80000 , @@server_uuid */)"

/* mysql_run.c */
struct bf_mysql_run *bf_mysql_run_new(const struct bf_flight *flight); /* every answer UNKNOWN */
void bf_mysql_run_free(struct bf_mysql_run *run);
struct bf_answer *bf_mysql_run_answers(struct bf_mysql_run *run);
bool bf_mysql_run_lost(const struct bf_mysql_run *run);
int64_t bf_mysql_run_longest(const struct bf_mysql_run *run); /* milliseconds: of its steps' time limits; 0: none */
bool bf_mysql_run_between(const struct bf_mysql_run *run); /* it was not this session that the server carried it out in */
/* A KILL QUERY may wait on the server for the next statement: begin with one that takes it. */
void bf_mysql_run_absorb(struct bf_mysql_run *run);
void bf_mysql_run_cancelled(struct bf_mysql_run *run, const struct bf_flight *flight); /* it was never sent */

/* mysql_flight.c */
void bf_mysql_flight_work(struct bf_mysql_work *work);

/* mysql_quantiles.c: a QUANTILES step, which is carried out question by question. */
struct bf_mysql_cut;
struct bf_mysql_cut *bf_mysql_cut_new(const struct bf_step *step); /* keeps nothing of it */
void bf_mysql_cut_free(struct bf_mysql_cut *cut); /* NULL is fine */
/* False: the server said no; the connection has its words. */
bool bf_mysql_cut_run(struct bf_session *session, const struct bf_mysql_cut *cut, struct bf_answer *answer);

/* mysql_errand.c */
void bf_mysql_kill_query(struct bf_session *session, enum bf_mysql_kill why);
void bf_mysql_look(struct bf_session *session); /* for a lock wait that lasts too long */

#endif
