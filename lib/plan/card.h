/* The plan as a page for people: what an experienced database administrator would write before touching production. Pure. */
#ifndef BF_PLAN_CARD_H
#define BF_PLAN_CARD_H

#include "document.h"
#include "estimate.h"
#include "facts.h"
#include "risk.h"

enum { BF_CARD_COLUMNS = 100 };

/* How long the job took in the end. */
struct bf_took {
    double work, whole;       /* seconds: in which it worked; from its start to its end */
    double scanned, changed;  /* rows */
    double log_bytes;         /* that the server wrote while it worked, as far as that was measured; -1: not known */
    double journal_bytes;     /* of its undo journal; -1: not known, there is none, or it was dropped */
    double dead;              /* old versions of rows in the table when it was over; -1: the server does not count them */
    bool compared, held;      /* it came to its end, and the estimate held */
};

struct bf_card {
    const struct bf_document *document;
    const struct bf_facts *facts;
    const struct bf_estimate *estimate;
    const struct bf_judgement *judgement;
    const char *table, *engine, *server_version; /* table: as the server spells it */
    const char *statement;                       /* of one batch */
    const char *rehearsal; /* NULL: there was none; else where it ran, how fast, and whether it was taken back */
    int64_t keep_undo;     /* milliseconds that the way back is kept after the end */
    int64_t undo_until;    /* unix milliseconds: until when, of a job that is over; 0: not known yet */
    bool undo_dropped;     /* it is not there any more */
    const char *hash;      /* of document and plan; NULL: it has none */
    const char *job;       /* its id, for where its name means others, too; NULL: it is no job yet */
    const char *approver;  /* NULL: nobody approved it */
    const struct bf_took *took; /* NULL: it is not over */
};

/* At most BF_CARD_COLUMNS columns of text, every line ended. Texts of the author's are shown as they are, without control
 * characters. Owned by the caller. */
char *bf_card_text(const struct bf_card *card);

#endif
