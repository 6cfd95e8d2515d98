/* Inside the simulated server. */
#ifndef BF_SIMULATION_SERVER_H
#define BF_SIMULATION_SERVER_H

#include <string.h>

#include "sim.h"

/* One flight as it arrived: a copy, because the client's may be gone. */
struct sim_flight {
    struct sim_flight *next;
    struct bf_flight flight;          /* parameters are owned copies */
    size_t order[BF_STEPS_MAX];       /* in which the steps are run (sabotage changes it) */
    size_t arrived;                   /* steps that reached the server */
    struct bf_answer *answers;        /* flight.count of them */
    size_t at;                        /* next step, an index into order */
    bool group_failed, not_begun; /* the latter: because BEGIN itself failed */
};

/* The client's end. */
struct bf_session {
    struct sim *sim;
    struct sim_server_session *server; /* NULL: not connected, or ended */
    bf_connected *connected;
    void *argument;
    char application[64];
    int64_t lock_timeout, statement_timeout, connect_timeout;
    struct sim_event *connecting;
    /* the flight under way */
    struct bf_flight *flight;
    bf_flight_done *done;
    void *done_argument;
    struct cancel_request *cancelling; /* on its way: the next flight waits for it, as the real port has it */
    struct sim_flight *underway;  /* sent, not yet at the server */
    struct sim_event *delivery;
    struct sim_event *answer;     /* on its way back */
    struct bf_answer *answers;
    bool lost;
    bool unreachable;             /* nothing goes out any more */
};

/* The server's end of a session: it lives on when the client is gone. */
struct sim_server_session {
    struct sim_server_session *next;
    struct sim *sim;
    struct bf_session *client;        /* NULL: gone (the server may not know yet) */
    bool answers_vanish;              /* the network swallows what the server says */
    bool client_closed;               /* end of file stands behind what was sent */
    bool cancelled;                   /* a cancel arrived for the running statement */
    char application[64];
    struct sim_flight *first, *last;
    struct sim_event *running;        /* the step that is being run, or waits for a lock */
    bool waiting;
    int64_t waiting_since;
    int64_t lock_timeout, statement_timeout; /* microseconds */
    /* the transaction */
    bool open, failed;
    bool is_batch, sifted;            /* sifted: behind SET_ASIDE */
    bool writes[SIM_CHECKPOINTS];
    struct sim_checkpoint checkpoints[SIM_CHECKPOINTS]; /* its own versions */
    struct sim_checkpoint read_before; /* for the sabotage read-before-raise */
    int8_t changes[SIM_ROWS_MAX];     /* -1: taken back */
    int8_t aside[SIM_ROWS_MAX];       /* 1: set aside by this transaction, -1: struck off */
    int8_t back_aside[SIM_ROWS_MAX];  /* the same, where it takes back by an inverse */
    int8_t conflicts[SIM_ROWS_MAX];
    struct sim_change kept[2 * SIM_ROWS_MAX]; /* for the journal */
    int kept_count;
    bool overwrote;                   /* it takes a change back from a row that holds something else */
    int8_t bad[SIM_ROWS_MAX];         /* 1: put into quarantine, -1: taken out */
    bool violates;                    /* it changed a row that is refused when it is to be committed */
    struct sim_server_session *saved; /* owned; as the transaction was at its savepoint; NULL: there is none */
    bool taken[SIM_ROWS_MAX], passed_over[SIM_ROWS_MAX];
    int64_t lock_wait;                /* microseconds, in this transaction; 0: the session's */
    int64_t transaction;
    bool makes_schema, makes_job;
    int64_t idle_since;
    struct sim_event *idle;           /* idle_in_transaction_session_timeout */
};

/* The connection is gone, and the client hears of it. */
void sim_client_lost(struct bf_session *client, const struct sim_flight *flight, enum bf_error_class error_class);
/* So many steps of what is under way reach the server. */
void sim_deliver(struct bf_session *client, size_t steps);
void sim_wake_waiters(struct sim *sim); /* a transaction ended: whoever waits for a lock tries again */
void sim_free_answers(struct bf_answer *answers, size_t count);

enum sim_result { SIM_DONE, SIM_WAIT };

/* adoption.c */
void sim_register_job(struct sim_server_session *session, const struct bf_step *step);
void sim_adoption_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer);

/* server_locks.c: SET_ASIDE and what is done with it later, WATCH and WATCHED. */
enum sim_result sim_lock_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer);
bool sim_row_matches(const struct sim_server *server, const struct sim_row *row); /* would the job change it now? */
const char *sim_parameter(const struct bf_step *step, size_t index);
int64_t sim_number(const struct bf_step *step, size_t index);
bool sim_key(const struct bf_step *step, size_t index, int64_t *ret_key);
void sim_answer_row(struct bf_answer *answer, size_t rows, size_t columns);
void sim_put(struct bf_answer *answer, size_t place, int64_t value);
void sim_put_clock(struct bf_answer *answer, size_t column, int64_t now);
/* Is the row on the list of the slice that the statement is about? */
bool sim_is_aside(const struct sim_server_session *session, const struct bf_step *step, int row);
bool sim_holds_rows(const struct sim_server_session *session);

/* journal.c */
int64_t sim_slice(const struct bf_step *step, size_t index); /* the checkpoint's place */
void sim_keep(struct sim_server_session *session, int slice, int64_t seq, int row);
void sim_journal_append(struct sim_server *server, const struct sim_change *changes, int count);
enum sim_result sim_journal_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer);
enum sim_result sim_lock_checkpoint(struct sim_server_session *session, int64_t slice);
const struct sim_checkpoint *sim_visible(const struct sim_server_session *session, int64_t slice);

/* bad_rows.c */
enum sim_result sim_bad_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer);
bool sim_refuses(struct sim_server_session *session, int row); /* now; else maybe at its COMMIT */

/* server_ranges.c */
void sim_boundary(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer);
void sim_look(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer);
void sim_quantiles(const struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer);

/* Runs one step; SIM_WAIT: it waits for a lock and is tried again when one is released. */
enum sim_result sim_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer);
void sim_session_commit(struct sim_server_session *session);
void sim_session_roll_back(struct sim_server_session *session);
void sim_session_end(struct sim_server_session *session, enum bf_error_class error_class);
void sim_cancel_arrives(void *argument);
void sim_error(struct bf_answer *answer, enum bf_error_class error_class, const char *message);
int64_t sim_duration(struct sim_server_session *session, const struct bf_step *step); /* microseconds */

#endif
