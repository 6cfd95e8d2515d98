/* The time ledger of a job for people. */
#ifndef BF_CLIENT_LEDGER_H
#define BF_CLIENT_LEDGER_H

#include <jansson.h>

/* One line of progress.seconds, the most first; "" where there is nothing yet. Owned. */
char *bf_ledger_line(const json_t *seconds);

#endif
