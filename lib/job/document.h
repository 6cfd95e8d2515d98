/* The job document (docs/interface.md section 2): parsed, checked, with every default filled in. Pure. */
#ifndef BF_JOB_DOCUMENT_H
#define BF_JOB_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "complaints.h"
#include "identifier.h"
#include "limit.h"
#include "state.h"
#include "window.h"

enum {
    BF_DOCUMENT_MAX = 1024 * 1024, /* bytes of JSON */
    BF_KEY_COLUMNS_MAX = 8,
    BF_SET_COLUMNS_MAX = 64,
    BF_LABELS_MAX = 32,
    BF_CHECKS_MAX = 20, /* of each kind */
    BF_QUERIES_MAX = 10, /* signals of the author's */
    BF_TRIGGERS_MAX = 20,
    BF_TRIGGER_NAME_MAX = 40,
    BF_VERIFY_SAMPLE = 1000, BF_VERIFY_SAMPLE_MAX = 100000, /* rows */
    BF_EXPRESSION_MAX = 16384, /* bytes of one SQL expression */
    BF_NAME_MAX = 63
};

/* What can be accepted. Behind the first: what could not be measured (lib/plan/facts.h). */
enum bf_accept { BF_ACCEPT_NO_REPLICAS, BF_ACCEPT_ROWS, BF_ACCEPT_WRITE_RATE, BF_ACCEPT_LOCK_CONTENTION, BF_ACCEPT_REPLICAS,
                 BF_ACCEPT_COUNT };
#define BF_ACCEPT_WORDS "no_replicas|rows|write_rate|lock_contention|replicas" /* in this order */

/* The way back. */
enum bf_undo { BF_UNDO_NONE, BF_UNDO_JOURNAL, BF_UNDO_INVERSE };

struct bf_pair {
    char *name;
    char *value;
};

/* Pace of a job. Times in milliseconds, rows in rows. */
struct bf_pace {
    int64_t batch_time;
    int64_t batch_rows_start, batch_rows_min, batch_rows_max;
    double nice; /* sleep as a multiple of the batch's own time, 0 to 100 */
    int64_t max_rows_per_second, max_log_bytes_per_second; /* BF_NO_LIMIT */
    int64_t slices; /* parts of the key range that run side by side */
    struct bf_window windows[BF_WINDOWS_MAX];
    size_t window_count; /* 0: always */
};

struct bf_limits {
    int64_t replication_lag;   /* milliseconds */
    /* of one signal each, under the name of its kind; BF_NO_LIMIT: it is only shown */
    int64_t active_sessions, blocked_sessions;
    int64_t log_rate;          /* bytes a second */
    int64_t archive_backlog, slot_retained; /* bytes */
    int64_t autovacuum;        /* workers on the job's table */
    int64_t dead_tuples;
    int64_t oldest_snapshot;   /* milliseconds */
    int64_t history_list;
    double flow_control;       /* share */
    int64_t bad_rows;          /* that may be refused; share.h */
    int64_t yield_after;       /* milliseconds */
    int64_t lock_timeout;      /* milliseconds */
    int64_t stuck_after;       /* milliseconds */
    int64_t statement_timeout; /* milliseconds */
};

/* A signal of the author's own: the first column of the first row has to stay under the limit. */
struct bf_signal_query {
    char *name, *sql;
    double limit; /* over 0 */
};

/* A check: a query of the operator's whose answer has to be what the check says. NULL and no row fail. */
enum bf_check_kind { BF_CHECK_BEFORE, BF_CHECK_CANARY, BF_CHECK_AFTER, BF_CHECK_KINDS };
enum bf_comparison { BF_EQUALS, BF_AT_MOST, BF_AT_LEAST, BF_ROWS };

struct bf_check {
    char *name, *sql;
    enum bf_comparison comparison;
    char *value;     /* what it is compared with; a number, but for BF_EQUALS */
    int64_t timeout; /* milliseconds */
    bool on_replica;
};

/* A condition that stops the job by itself. */
#define BF_STOP_WORDS "pause|abort|rollback"
struct bf_document_trigger {
    char *name;
    char *signal, *sql, *source; /* what is looked at: one of them, the others NULL */
    char *query;                 /* what a source is asked; may be NULL */
    bool limited;                /* there is a limit */
    bool below;                  /* true below it; else above it */
    bool relative;               /* `limit` is how many times the baseline it is */
    double limit;
    int64_t baseline, every;     /* milliseconds */
    int64_t hold, settle;        /* `for` and `settle`, milliseconds; 0: none */
    enum bf_order then;          /* PAUSE, ABORT or ROLLBACK */
};
bool bf_trigger_is_own(const char *signal); /* of the job itself, not of its target */

struct bf_document {
    char *name, *target, *table; /* table: as written, resolved by the server */
    char *key[BF_KEY_COLUMNS_MAX];
    size_t key_count; /* 0: the primary key */
    char *after[BF_KEY_COLUMNS_MAX], *through[BF_KEY_COLUMNS_MAX]; /* range, text of each key column */
    size_t after_count, through_count;                             /* 0: open */
    struct bf_pair set[BF_SET_COLUMNS_MAX];
    size_t set_count;
    char *where; /* NULL: every row of the range */
    char *remaining; /* rows still to be done; NULL: one pass, no question */
    int64_t canary_rows; /* 0: no canary */
    struct bf_check checks[BF_CHECK_KINDS][BF_CHECKS_MAX];
    size_t check_count[BF_CHECK_KINDS];
    enum bf_undo undo;
    struct bf_document *inverse; /* the way back that the author states, as a document of its own with table, key, `set` and
                                    `where`; owned; NULL: `undo` is another one */
    char *unless;              /* of an inverse: rows for which this holds are still to be done, so there is nothing to undo */
    char *spared;              /* of an inverse, once it is carried out: a predicate in the target's dialect: rows that the job
                                    passed and did not change; NULL: not known */
    int64_t keep_undo; /* milliseconds behind the job's end; 0: as its target says */
    int64_t verify_sample; /* changed rows that are recomputed from the journal; 0: none */
    bool verify_said;      /* by the author */
    struct bf_pace pace;
    struct bf_limits limits;
    char *owner, *description; /* may be NULL */
    struct bf_pair labels[BF_LABELS_MAX];
    size_t label_count;
    struct bf_signal_query queries[BF_QUERIES_MAX];
    size_t query_count;
    struct bf_document_trigger triggers[BF_TRIGGERS_MAX];
    size_t trigger_count;
    bool takes_alerts;     /* alerts of others may stop the job, by `alerts` at most */
    enum bf_order alerts;  /* PAUSE, ABORT or ROLLBACK */
    bool accept[BF_ACCEPT_COUNT]; /* measured exceptions that a person takes on */
    bool again;
    int64_t started_at;        /* not the author's: when the job began, for :started_at; unix milliseconds, 0: not yet */
    char *canonical;           /* canonical JSON: sorted keys, no white space */
    char *current;             /* the same with the pace and limits that are in force, where they are others: by the target's
                                  defaults when it was submitted, or because they were changed since; NULL: the same */
    char hash[BF_HASH_TEXT];   /* SHA-256 of the canonical JSON without `again` */
};

/* Parses and checks `length` bytes. On success *ret_document is owned by the caller. BF_NOT_JSON, BF_TOO_LARGE (text in
 * `error`), or BF_INVALID / BF_UNSUPPORTED with every complaint in the list. `target_override` (may be NULL) stands in
 * for the document's target before anything else is looked at. */
enum bf_code bf_document_parse(const char *json, size_t length, const char *target_override,
                               struct bf_document **ret_document, struct bf_complaints *complaints,
                               struct bf_error *error);
/* The same, on the defaults of the document's target: `rules_of` is asked for them by the target's name before anything is
 * read; NULL: none. The canonical text and the hash stay those of what the author wrote. */
struct bf_rules;
typedef const struct bf_rules *bf_rules_of_target(void *argument, const char *target);
enum bf_code bf_document_parse_for(const char *json, size_t length, const char *target_override,
                                   bf_rules_of_target *rules_of, void *argument, struct bf_document **ret_document,
                                   struct bf_complaints *complaints, struct bf_error *error);
/* The same, but a document with complaints is handed out, too, as far as it could be read (what is wrong is absent), so that
 * who knows its target can say what else is wrong. Nothing but that may be done with it. */
enum bf_code bf_document_parse_far(const char *json, size_t length, const char *target_override,
                                   bf_rules_of_target *rules_of, void *argument, struct bf_document **ret_document,
                                   struct bf_complaints *complaints, struct bf_error *error);
/* Does the answer of a check's query hold? rows: how many it gave; value: the first column of the first row, NULL: SQL
 * NULL. Numbers are compared as numbers, BF_EQUALS as text. */
bool bf_check_holds(const struct bf_check *check, size_t rows, const char *value);
bool bf_accept_by_name(const char *name, enum bf_accept *ret_accept); /* false: there is nothing of that name to accept */
char *bf_accept_list(const bool accept[BF_ACCEPT_COUNT]); /* "rows, write_rate", the caller frees it; NULL: nothing is accepted */
const char *bf_comparison_name(enum bf_comparison comparison);
const char *bf_check_kind_name(enum bf_check_kind kind); /* "before": its name in a document */
/* Is it of some rows of its range only (`where`, `remaining`; of an inverse those that it has to leave alone)? */
bool bf_document_selects(const struct bf_document *document);
/* Do both ask for the same changes of a table of the same name, wherever and at whatever pace? */
bool bf_document_same_work(const struct bf_document *a, const struct bf_document *b);
static inline bool bf_document_has_range(const struct bf_document *document)
{
    return document->after_count > 0 || document->through_count > 0;
}

void bf_document_free(struct bf_document *document); /* NULL is fine */
/* The canonical text of any JSON; owned. NULL: BF_NOT_JSON. */
char *bf_document_canonical(const char *json, size_t length, struct bf_error *error);

/* document_merge.c: pace and limits of a job can change, and nothing else of its document. */
const char *bf_document_current(const struct bf_document *document); /* JSON: what is in force now */
/* Merges {"pace": {...}, "limits": {...}} into the document by RFC 7396 (null takes a field out, so that its default
 * comes back). On success *ret_changed is a whole document, checked as every other, with the canonical text and the hash
 * of `document`; it is owned by the caller. Failures and defaults as with bf_document_parse_for. */
enum bf_code bf_document_merge(const struct bf_document *document, const char *json, size_t length,
                               bf_rules_of_target *rules_of, void *argument, struct bf_document **ret_changed,
                               struct bf_complaints *complaints, struct bf_error *error);
/* Gives `document` pace and limits of `changed`, and frees that. */
void bf_document_take(struct bf_document *document, struct bf_document *changed);
/* The same from a text that bf_document_current gave once; complaints as bf_document_parse. */
enum bf_code bf_document_restore(struct bf_document *document, const char *current, struct bf_complaints *complaints,
                                 struct bf_error *error);
/* Writes into `current` what the target's defaults gave, so that it stays with the job whatever becomes of the target. */
void bf_document_settle(struct bf_document *document);
/* "pace.nice 0.5 -> 0.2, limits.lock_timeout \"1s\" -> \"2s\"", defaults filled in. Owned; NULL: nothing differs. */
char *bf_document_difference(const struct bf_document *old, const struct bf_document *changed);
/* The current document under another name, `again` said, and with `after` (a JSON list, NULL: as it is) as the begin of
 * its range. Owned. */
char *bf_document_clone(const struct bf_document *document, const char *name, const char *after);

#endif
