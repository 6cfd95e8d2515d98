/* The time ledger of a job: how long it did what, by activity and reason ("batching", "holding/lag:replica-2"). Pure. */
#ifndef BF_JOB_LEDGER_H
#define BF_JOB_LEDGER_H

#include <stddef.h>
#include <stdint.h>

enum { BF_LEDGER_MAX = 24, BF_LEDGER_KEY = 104 };

struct bf_ledger {
    struct {
        char key[BF_LEDGER_KEY];
        int64_t time; /* milliseconds */
    } list[BF_LEDGER_MAX];
    size_t count;
};

/* Adds to the line of that activity and reason (NULL: none); where there is no room for another reason, to that of the
 * activity alone. */
void bf_ledger_add(struct bf_ledger *ledger, const char *activity, const char *reason, int64_t milliseconds);
int64_t bf_ledger_time(const struct bf_ledger *ledger, const char *activity); /* milliseconds, whatever the reason was */
char *bf_ledger_json(const struct bf_ledger *ledger);            /* owned: {"batching":1200} in milliseconds */
void bf_ledger_read(struct bf_ledger *ledger, const char *json); /* NULL, and what is no such text, is an empty one */

#endif
