/* One session, between the files of the PostgreSQL adapter:
 * postgresql.c          the port's functions, the poll handle, closing
 * postgresql_resolve.c  host names
 * postgresql_connect.c  parameters, PQconnectPoll, what a refusal means
 * postgresql_prove.c    the session's settings, the proof that the backend is ours
 * postgresql_flight.c   a flight out, its answers in
 * postgresql_cancel.c   PQcancel on the thread pool
 *
 *   resolving -> connecting -> proving -> idle <-> flying        (any of them -> lost)
 *
 * resolving waits for uv_getaddrinfo, connecting and proving and flying wait for the socket, idle for `execute`, lost
 * for `close`. The struct lives until the last uv handle in it is closed: callbacks of the loop may still find it after
 * `close`, and look at `closed`. */
#ifndef BF_ADAPTER_POSTGRESQL_SESSION_H
#define BF_ADAPTER_POSTGRESQL_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "database.h"

struct bf_postgresql {
    struct bf_database database;
    uv_loop_t *loop;
    char *conninfo;
    char *password_file; /* NULL: none */
};

enum bf_session_state {
    BF_SESSION_RESOLVING,
    BF_SESSION_CONNECTING,
    BF_SESSION_PROVING,
    BF_SESSION_IDLE,
    BF_SESSION_FLYING,
    BF_SESSION_LOST
};

/* What the server owes us, in order. */
struct bf_expected {
    enum { BF_EXPECT_PREPARED, BF_EXPECT_ANSWER, BF_EXPECT_SYNC } kind;
    size_t step;     /* of the flight */
    unsigned number; /* PREPARED: of the prepared statement */
    bool seen;       /* its result came; the NULL that ends it has not */
};

struct bf_prepared {
    char *sql;       /* a copy: an address may be used again for another text, and that must never run the wrong one */
    unsigned number; /* "s<number>" on the server */
};

struct bf_buffer;
struct bf_resolver;
struct bf_cancel;

struct bf_session {
    uv_loop_t *loop;
    char *conninfo, *password_file;
    char *application_name;
    struct bf_session_options options;
    enum bf_session_state state;
    bool closed;

    PGconn *connection; /* NULL before connecting */
    uv_poll_t *poll;    /* owned by the loop once closed; NULL: not watching */
    int events;         /* what it watches for */
    uv_timer_t timer;   /* the connect timeout; later the repetition of a cancel */
    uv_timer_t soon;    /* carries what must not happen inside a call */
    int handles;        /* of timer and soon: how many are not closed yet */

    PGresult *proof; /* while proving: what came already */
    bf_connected *connected;
    void *connected_argument;
    struct bf_resolver *resolver; /* while resolving */

    struct bf_flight *flight; /* the caller's; NULL: none */
    bf_flight_done *done;
    void *done_argument;
    struct bf_answer *answers;
    struct bf_expected *expected; /* the list of what is to come, and the next of it */
    size_t expected_count, expected_next;

    struct bf_prepared *prepared;
    size_t prepared_count, prepared_size;
    unsigned prepared_last; /* number given last */

    struct bf_cancel *cancel; /* on its way to the server */
    bool cancel_wanted;       /* repeat until the flight is over */

    char fatal_sqlstate[6]; /* of a FATAL that came while nothing ran */
    char *fatal_message;
};

/* postgresql.c */
void bf_session_watch(struct bf_session *session, int events); /* UV_READABLE | UV_WRITABLE */
void bf_session_unwatch(struct bf_session *session);
void bf_session_soon(struct bf_session *session);
void bf_session_unwatch_and_lose(struct bf_session *session); /* state LOST, no handle on the socket any more */

/* postgresql_resolve.c */
void bf_session_begin(struct bf_session *session); /* from the loop, once; ends in bf_session_start */
void bf_session_forget_resolver(struct bf_session *session);
/* host, hostaddr and port, with one entry for each address that is known; returns how many. 0 without a failure: there
 * was nothing to look up and libpq knows best. */
size_t bf_resolver_addresses(const struct bf_resolver *resolver, struct bf_buffer *hosts, struct bf_buffer *addresses,
                             struct bf_buffer *ports);
const char *bf_resolver_failure(const struct bf_resolver *resolver); /* of the last name that failed, or NULL */
void bf_resolver_free(struct bf_resolver *resolver);

/* postgresql_connect.c */
void bf_session_start(struct bf_session *session);        /* takes over session->resolver */
void bf_session_connect_step(struct bf_session *session); /* the socket is ready, state CONNECTING */
void bf_session_connect_timeout(struct bf_session *session);
/* Ends connecting, one way or the other: calls `connected`. */
void bf_session_conclude(struct bf_session *session, enum bf_error_class error_class, const char *text);
/* LOGIN or UNREACHABLE, with libpq's message as one line. */
enum bf_error_class bf_session_read_failure(PGconn *connection, char *text, size_t size);

/* postgresql_prove.c */
void bf_session_prove(struct bf_session *session);      /* the connection is there */
void bf_session_prove_step(struct bf_session *session); /* the socket is ready, state PROVING */

/* postgresql_flight.c */
void bf_session_send(struct bf_session *session);   /* the flight is set; state IDLE becomes FLYING or LOST */
void bf_session_receive(struct bf_session *session, bool readable); /* the socket is ready, state IDLE or FLYING */
void bf_session_finish(struct bf_session *session); /* hands the answers over */
void bf_session_drop_flight(struct bf_session *session);
/* "message: detail; hint" of an error, without values of rows; the caller frees it. */
char *bf_session_message(const PGresult *result);

/* postgresql_cancel.c */
void bf_session_cancel(struct bf_session *session);
void bf_session_forget_cancel(struct bf_session *session);

#endif
