/* What is durable about a job on the daemon's side. How far it is stands on the target (protocol P4); the progress here
 * is the last that was seen. Plain data with owned strings; pure. */
#ifndef BF_JOB_RECORD_H
#define BF_JOB_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "document.h"
#include "identifier.h"
#include "logged.h"
#include "result.h"
#include "state.h"

/* Why a job is not simply working (docs/interface.md section 3). code BF_OK: no reason. */
struct bf_reason {
    enum bf_code code;
    char text[BF_ERROR_TEXT_MAX];
    int64_t since; /* unix milliseconds */
    int64_t until; /* unix milliseconds; 0: not known */
    char signal[80]; /* that is over its limit or cannot be read; "": it is about none */
    bool measured;   /* value says something */
    double value, limit;
};

/* Rows are counts since the job began. */
struct bf_progress {
    int64_t rows_scanned, rows_changed;
    int64_t rows_estimated; /* -1: unknown */
    int64_t batches;
    int64_t batch_rows; /* size of the next batch */
    int64_t pass;
    int64_t rows_set_aside; /* that others held; still to be done */
    int64_t rows_bad;   /* that the server refused to change: in quarantine */
    int64_t yields;     /* batches that were taken back because another session waited */
    int64_t resumed;    /* how often it was taken up again */
    char *after;        /* owned; JSON arrays of key texts, NULL: open or not known. Of a job with one slice */
    char *through;
    char *position;
    char *slices;       /* owned; of a job with several: see slices.h; NULL: it has one */
    struct bf_logged logged; /* how much log it wrote, on the way forward */
    int64_t dead;       /* old versions of rows that the table has when the job is over, as the server counts them; -1: not known */
    bool done; /* the range is committed to its end */
    char *ledger;       /* owned; see ledger.h; NULL: nothing yet */
};

/* The way back, and how far a rollback is on it. Rows are changes of the forward way: a row that was changed in two passes
 * counts twice. */
struct bf_way_back {
    bool wanted;   /* a rollback was ordered, and begins when the job has stopped */
    bool dropped;  /* there was one: the journal is gone */
    int64_t rows, bytes; /* of the journal, when it was last looked at; -1: not known */
    int64_t seen;  /* rows that were looked at */
    int64_t conflicts; /* of these, left alone; of an inverse: rows that its `where` left as they are */
    int64_t batches;
};

struct bf_record {
    char id[BF_ULID_TEXT];
    struct bf_document *document; /* owned */
    enum bf_state state;
    enum bf_direction direction;
    struct bf_reason reason;
    struct bf_progress progress;
    struct bf_way_back back;
    char *plan;      /* owned JSON text of the plan; NULL before there is one */
    char *submitter; /* owned; NULL where identities are not configured */
    char *approver;  /* owned; NULL: not approved by a person */
    char *break_glass; /* owned; why that person approved alone what takes two; NULL: it was not so */
    /* What was approved: the hash of document and plan, the class of its risk, and pace and limits as bf_bounds_make wrote
     * them. Owned; NULL: nothing was approved by a person. */
    char *approved_plan, *approved_risk, *approved_bounds;
    int64_t created_at, updated_at, started_at, ended_at; /* unix milliseconds; 0: not yet */
    bool retry_bad;  /* the rows in quarantine are to be tried once more */
    int64_t epoch;   /* the last epoch this daemon raised; 0: none */
    bool started;    /* the checkpoint row exists on the target: from now on a missing one is checkpoint_lost */
    int64_t version; /* every change of state, pace or limits moves it */
    char *idempotency_key; /* owned; of the request that made the job; NULL: it had none */
};

enum { BF_EVENT_TEXT_MAX = 1024 };

struct bf_event {
    int64_t id;      /* given by the store, rising over all jobs */
    char job[BF_ULID_TEXT];
    int64_t at;      /* unix milliseconds */
    char type[32];   /* "state", "note", "epoch", "retry" */
    char from[24], to[24]; /* states, for type "state"; else empty */
    char actor[64];  /* who: "operator", "daemon", "control" */
    char text[BF_EVENT_TEXT_MAX];
};

void bf_record_clear(struct bf_record *record); /* frees what it owns */
void bf_record_forget_approval(struct bf_record *record); /* by whom, and of what */

enum { BF_ETAG_TEXT = 48, BF_IDEMPOTENCY_KEY_MAX = 255 /* bytes */ };
/* The entity tag (RFC 9110, 8.8.3) of what people can change about the job, quotes included. */
char *bf_record_etag(const struct bf_record *record, char text[BF_ETAG_TEXT]);
/* Does the value of an If-Match header name `etag`? "*" names every one, a weak tag none. */
bool bf_etag_matches(const char *if_match, const char *etag);

/* How much of the job is done, 0 to 1, never over 0.999 before it is completed; -1: unknown. */
double bf_progress_fraction(const struct bf_progress *progress, enum bf_state state);
/* Seconds until the end at `rate` rows scanned a second; -1: unknown. */
int64_t bf_progress_eta(const struct bf_progress *progress, enum bf_state state, double rate);
/* The same of the way that the job goes: forward, or back. */
double bf_record_fraction(const struct bf_record *record);
int64_t bf_record_eta(const struct bf_record *record, double rate);

#endif
