/* What the engine asks of a database server. The real ones are lib/adapter/postgresql*; the simulation has its own.
 *
 * One session runs one flight at a time. Every call returns at once; results come by callback from the loop, never from
 * inside the call. After `close` no callback of that session comes any more. */
#ifndef BF_PORT_DATABASE_H
#define BF_PORT_DATABASE_H

#include <stdint.h>

#include "flight.h"

struct bf_dialect;
struct bf_session; /* the adapter's */

struct bf_session_options {
    const char *application_name;  /* "backfilld <job id>" */
    int64_t lock_timeout;          /* milliseconds */
    int64_t statement_timeout;     /* milliseconds */
    int64_t connect_timeout;       /* milliseconds; after that the connect callback says UNREACHABLE */
    int64_t query_timeout;         /* milliseconds: the longest time_limit of a QUERY in this session; 0: there is none */
    bool needs_no_database;        /* MySQL: any database of the server will do, also none */
    bool counts_found;             /* MySQL: of an UPDATE the rows that it found count, changed or not, as everywhere else */
};

/* error_class NONE: connected, and proven to be our own backend with nobody between. Else the session is useless and
 * must be closed. The text is for people and has no secrets. */
typedef void bf_connected(void *argument, struct bf_session *session, enum bf_error_class error_class,
                          const char *text);
/* One answer per step of the flight; they are valid during the call only. `lost` is true when the connection is gone:
 * close the session. */
typedef void bf_flight_done(void *argument, struct bf_session *session, struct bf_flight *flight,
                            const struct bf_answer *answers, bool lost);

struct bf_database {
    void *context;
    const struct bf_dialect *dialect;
    /* Never NULL: failures come by `connected`. The options are copied. */
    struct bf_session *(*connect)(void *context, const struct bf_session_options *options, bf_connected *connected,
                                  void *argument);
    /* The flight stays the caller's and must live until `done` (or until close). */
    void (*execute)(struct bf_session *session, struct bf_flight *flight, bf_flight_done *done, void *argument);
    /* Asks the server to cancel what this session runs (only what is provably ours). `done` still comes: an error of
     * class CANCELLED, or success when it was too late. Repeating it is fine; nothing runs: does nothing. What was asked
     * before the session is closed is still asked. */
    void (*cancel)(struct bf_session *session);
    /* Ends the session; callable at any time, also inside its callbacks. A statement under way may still be run to
     * its end by the server, a COMMIT included. */
    void (*close)(struct bf_session *session);
};

#endif
