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

#endif
