/* What submit_measure.c and submit_prove.c share: the measuring of one submission, while its plan is made. */
#ifndef BF_ENGINE_MEASURING_H
#define BF_ENGINE_MEASURING_H

#include "submission.h"

enum {
    BF_TRIED_BATCHES = 3,
    BF_TRIED_LOCK_WAIT = 2 /* milliseconds; far under any deadlock_timeout */
};

typedef void bf_measuring_answered(struct bf_submission *submission, const struct bf_flight *flight,
                                const struct bf_answer *answers);

struct bf_tried {
    double rows, changed, seconds, log_bytes; /* log_bytes: -1: not known */
};

struct bf_measuring {
    struct bf_facts facts;
    bf_measuring_answered *answered; /* what the flight under way is answered to */
    struct bf_statements *statements;
    char **texts; /* owned, as their count */
    size_t text_count;
    struct bf_timer *window;
    bool trying, yielding; /* a tried batch is under way; it was cancelled by us, because somebody waits for it */
    int64_t sent_at;       /* monotonic milliseconds: when it was sent */
    double writes;
    int64_t writes_at; /* monotonic milliseconds */
    struct bf_key low, high, proof_low, proof_high; /* the last two: of the first batch that changed something, or the first */
    struct bf_key last_low, last_high;              /* of the last one */
    int split, proof_split, last_split;
    int64_t rows; /* of the next batch */
    int64_t trying_since, asked_at; /* monotonic milliseconds; the second: for the end of the next batch */
    double boundary_time;           /* seconds that this took */
    struct bf_tried tried[BF_TRIED_BATCHES];
    int batches, conflicts, proofs;
    struct bf_tried proof; /* what that batch was */
    bool once_more;        /* the last one is tried again ... */
    struct bf_tried again; /* ... and what came of it; no rows: nothing */
    struct bf_document *kept_document; /* what is looked at to see whether everything came back: their texts are lent */
    struct bf_table *kept_table;
};

void bf_measuring_execute(struct bf_submission *submission, bf_measuring_answered *answered); /* the submission's flight */
void bf_measuring_try(struct bf_submission *submission, bf_measuring_answered *answered); /* the same of one that locks rows */
/* For the watcher: is such a one under way, and was not cancelled yet? And: it is, for somebody waits. */
bool bf_measuring_holds(const struct bf_submission *submission);
void bf_measuring_yield(struct bf_submission *submission);
struct bf_step *bf_measuring_add(struct bf_submission *submission, enum bf_statement statement); /* one of the common ones */
void bf_measuring_add_keys(struct bf_submission *submission, struct bf_step *step, const struct bf_key *key);
/* Takes a text that is sent: it has to stay as long as the session. */
const char *bf_measuring_keep(struct bf_measuring *measuring, char *sql);
/* The change of that document in the range, a statement for each leg. */
void bf_measuring_add_change(struct bf_submission *submission, const struct bf_document *document, const struct bf_table *table,
                             int split, const struct bf_key *low, const struct bf_key *high);

/* submit_prove.c: the first of the tried batches once more, and back. False: there is nothing to be shown. */
bool bf_measuring_prove(struct bf_submission *submission);

#endif
