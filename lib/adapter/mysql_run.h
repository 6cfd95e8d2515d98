/* What mysql_run.c and mysql_flight.c share. */
#ifndef BF_ADAPTER_MYSQL_RUN_H
#define BF_ADAPTER_MYSQL_RUN_H

#include "mysql_session.h"

enum { BF_MYSQL_TEXT_MAX = 60 * 1024 * 1024 /* bytes; the server's max_allowed_packet comes first */ };

struct bf_mysql_planned {
    enum bf_statement statement;
    bool new_group, alone, prepare;
    int64_t time_limit; /* milliseconds; 0: the session's */
    struct bf_mysql_cut *cut; /* of QUANTILES; else NULL */
    char *surveyed;     /* the table's name within quotes, as a warning says it; NULL: none */
    char *text;
    size_t statements;
};

struct bf_mysql_run {
    size_t count;
    struct bf_mysql_planned *steps;
    struct bf_answer *answers;
    bool lost, absorb, between;
    int64_t longest; /* milliseconds: of the steps' time limits */
};

/* The failure of statement number `statement` of step `index`. */
void bf_mysql_take_error(struct bf_session *session, size_t index, size_t statement, unsigned number, const char *state,
                         const char *text);
/* The result that the connection has now, for statement number `statement` of step `index`; false when it is an error.
 * *ret_counted: one that counts rows came already. */
bool bf_mysql_take_result(struct bf_session *session, size_t index, size_t statement, bool *ret_counted);

/* In front of each text: see GUARD; and the answer to it, false when nothing behind it was run: the answer of step `first` says why. */
void bf_mysql_guard(struct bf_buffer *buffer, const struct bf_session *session);
bool bf_mysql_guarded(struct bf_session *session, size_t first, int failed);
void bf_mysql_drain(MYSQL *connection); /* reads what is left of a text whose answer was enough */

/* mysql_block.c: the groups from `first` on that go as one block, up to the step returned; `first`: there are none. */
size_t bf_mysql_block_end(const struct bf_session *session, size_t first);
/* Returns the number of the step that failed; `end` when none did, but for rows that were refused, or *ret_again: the group that
 * begins at the number returned has to leave as a text. */
size_t bf_mysql_send_block(struct bf_session *session, size_t first, size_t end, bool *ret_again);

#endif
