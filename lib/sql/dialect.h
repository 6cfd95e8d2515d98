/* A dialect: everything that differs between engines in what is said to them. Pure: texts in, texts out.
 *
 * Keys. A range is (low, high]; over several key columns it is walked as prefix ranges ("legs"), because row
 * constructors and OR ladders read quadratically many pages. `split` tells the shape: 0, there is no low; k (1-based),
 * the first key column in which low and high differ. Only the server compares keys, so the boundary statement returns
 * the split together with the key. Shape s of n columns has bf_leg_count(s, n) legs; their ranges are disjoint and
 * their union is (low, high]:
 *   lower legs, i = n .. s+1:  c1..c(i-1) = low, ci > low_i
 *   middle leg:                c1..c(s-1) = low, low_s < cs < high_s    (<= high_s and the only leg when s = n)
 *   upper legs, i = s+1 .. n:  c1..c(i-1) = high, ci < high_i           (<= for i = n)
 * and shape 0: c1 < high_1, then upper legs i = 2 .. n.
 * Keys travel as text, as the server itself writes them under the session settings that the dialect states. */
#ifndef BF_SQL_DIALECT_H
#define BF_SQL_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "document.h"
#include "estimate.h"
#include "facts.h"
#include "flight.h"
#include "recompute.h"

struct bf_column {
    char *name;  /* as the server has it, unquoted */
    char *type;  /* what a key's text is cast to */
    char *collation; /* quoted; NULL where there is none or it is the type's own */
    char *declared;  /* of a column that a journal keeps: its type there; PostgreSQL: as the table has it, domains too, and of
                        those in `set` alone; else NULL */
    bool as_text;    /* PostgreSQL: a journal keeps the texts of its values, and not an array of them */
};

/* A table as the server describes it; made by read_survey. */
struct bf_table {
    char *display;    /* schema.name, for people and for "one running job per table" */
    char *reference;  /* quoted, for statements */
    char *target_identity; /* which database this is: survives restarts, differs for another server */
    char *definition; /* SHA-256 of what must not change under a job: identity of the table, key columns and types,
                         columns of `set`; */
    struct bf_column key[BF_KEY_COLUMNS_MAX];
    size_t key_count;
    struct bf_column *set;  /* owned; those of the document's `set`, in its order, then the stamps */
    size_t set_count;
    size_t stamp_count;     /* of columns beside `set` that the server itself writes when a row is changed (ON UPDATE) */
    int64_t rows_estimated; /* -1: unknown */
    int64_t bytes;          /* -1: unknown */
    int64_t row_bytes;      /* without what is stored beside the rows; 0: unknown */
    bool partitioned;
    bool triggers_before;   /* PostgreSQL: triggers may give a row another key before it is changed, or leave it as it is */
    bool clustered;         /* InnoDB: the key is the primary one */
    bool locks_first;       /* an UPDATE cannot be told not to wait for a lock (MySQL) */
};
void bf_table_free(struct bf_table *table); /* NULL is fine */

/* Every text for one job on one table. Owned by whoever rendered it. */
struct bf_statements {
    char *text[BF_STATEMENT_KINDS]; /* statements without a shape; NULL for SURVEY, CHECK, SCHEMA and shaped ones */
    size_t key_count;
    char *update[BF_KEY_COLUMNS_MAX + 1][2 * BF_KEY_COLUMNS_MAX]; /* [split][leg] */
    /* TRY for each leg. NULL: an UPDATE is as cheap. */
    char *attempt[BF_KEY_COLUMNS_MAX + 1][2 * BF_KEY_COLUMNS_MAX];
    /* LOCK for each leg, before the UPDATEs; NULL: the UPDATEs themselves wait for nobody. */
    char *lock[BF_KEY_COLUMNS_MAX + 1][2 * BF_KEY_COLUMNS_MAX];
    /* SET_ASIDE for each leg, then the UPDATE of the rest (lib/engine/locks.h). NULL: not to be had on this table. */
    char *set_aside[BF_KEY_COLUMNS_MAX + 1][2 * BF_KEY_COLUMNS_MAX], *update_rest[BF_KEY_COLUMNS_MAX + 1][2 * BF_KEY_COLUMNS_MAX];
    /* QUARANTINE for each leg. NULL: bad rows are not built for this engine. */
    char *quarantine[BF_KEY_COLUMNS_MAX + 1][2 * BF_KEY_COLUMNS_MAX];
    /* [split]; BOUNDARY and SPLIT have shapes 0 (no low) and 1 (with low) only */
    char *recount[BF_KEY_COLUMNS_MAX + 1], *boundary[2], *split[2], *count[BF_KEY_COLUMNS_MAX + 1],
        *probe[BF_KEY_COLUMNS_MAX + 1], *cap[BF_KEY_COLUMNS_MAX + 1];
};
void bf_statements_free(struct bf_statements *statements); /* NULL is fine */
size_t bf_leg_count(size_t split, size_t key_count);
/* The ends of the document's range as parameters: the columns of `after`, then those of `through`; an open end is NULL. Without
 * a range none. */
void bf_step_range(struct bf_step *step, const struct bf_document *document);

enum { BF_LIMIT_TIME_TEXT = 96 };

/* The heartbeat that a replica shows. */
struct bf_beat_seen {
    bool there;      /* it shows one of this writer's */
    int64_t number;
    double position; /* of the primary's log, as it was written */
};

/* What a replica says of its own replication. */
struct bf_replication {
    bool follows;    /* it has a source: it is a replica */
    bool runs;       /* nothing of it stands still */
    double behind;   /* seconds, as it says itself; under 0: it does not */
};

/* What a plan says to show that a change can be taken back, in this order, in a transaction that is rolled back: TABLE, KEEP
 * for each leg (low, high), then the change itself, RESTORE (what the
 * journal would take for a row, in bytes, or no answer), and COMPARE: how many rows are not as they were before, and in which
 * columns. */
enum bf_proof { BF_PROOF_TABLE, BF_PROOF_KEEP, BF_PROOF_RESTORE, BF_PROOF_COMPARE };

struct bf_dialect {
    const char *name;         /* "postgresql" */
    int schema_version;       /* of the control schema that this release knows */
    const char *const *schema_ddl; /* ends in NULL; run in one transaction where the engine can; safe to run again */

    struct bf_costs costs;    /* as tests/bench/undo and tests/bench/estimate measure them */
    bool bad_rows;            /* QUARANTINE and what belongs to it is built */
    bool slices;              /* QUANTILES is built: a job's key range can be cut */
    /* The statements on a job's journal that need no table: LOOK_BACK, JOURNAL_SIZE, DROP_JOURNAL. Owned. NULL in the table:
     * the undo journal is not built for this engine. */
    char *(*journal)(enum bf_statement statement, const char *job);

    /* RECOMPUTE of one column of `set`, by what RECOMPUTE_FACTS answered. NULL: `verify_sample` is not built for this engine. */
    void (*recompute)(const char *job, const struct bf_document *document, const struct bf_table *table,
                      const struct bf_answer *facts, size_t column, struct bf_recompute *ret_recompute);

    /* A predicate: rows that the job has passed and left to be done later, or in quarantine. An inverse must not touch them. Owned. */
    char *(*spared)(const char *job, const struct bf_table *table);

    /* Looks at the author's expressions alone, before any server sees them. */
    void (*check_expressions)(const struct bf_document *document, struct bf_complaints *complaints);

    /* Text of the statements that are the same for every job: BEGIN, COMMIT, ROLLBACK, SERVER, FIND_DONE, and READ_CHECKPOINT
     * for who has no statements of its own; LOG_END and REPLAYED, NULL: checks on replicas are not built for this engine;
     * WRITES and MARK, for a plan; WATCH and WATCHED, NULL: nobody looks who waits for us on this engine. */
    const char *(*common)(enum bf_statement statement);

    /* Appends the catalogue statements (SURVEY) that describe the document's table. */
    void (*survey)(const struct bf_document *document, struct bf_flight *flight);
    /* Makes a table of their answers; complaints name what the job cannot run on (missing table, view, float key ...).
     * `server` is the answer to SERVER. Returns NULL when there are complaints. */
    struct bf_table *(*read_survey)(const struct bf_document *document, const struct bf_answer *server,
                                    const struct bf_answer *answers, size_t count, struct bf_complaints *complaints);
    const struct bf_grammar *grammar; /* its words for what is said in the same order on every engine: grammar.h */
    /* For a document with `remaining`: one statement that changes a few rows that match, to be run in a transaction that
     * is rolled back: changed, still (how many of them match `remaining` afterwards). Owned; NULL in the table: `remaining`
     * is not built for this engine. */
    char *(*trial)(const struct bf_document *document, const struct bf_table *table);
    /* What a plan measures. Appends MEASURE steps, each in a group of its own, so that what one cannot tell is not known,
     * with the server's words; `ret_texts` as of bf_check_add. Catalogues and statistics only, nothing that reads the table. */
    void (*measure)(const struct bf_document *document, const struct bf_table *table, struct bf_flight *flight,
                    char **ret_texts[], size_t *ret_count);
    /* One statement that counts the rows that `where` and `remaining` ask for, however long it takes; read with
     * bf_measure_read. Owned. */
    char *(*counted)(const struct bf_document *document, const struct bf_table *table);
    /* The change of one leg alone, without what a batch sets down beside it: for a plan to try, and to show. Owned. */
    char *(*tried)(const struct bf_document *document, const struct bf_table *table, size_t split, size_t leg);
    /* Owned. NULL in the table: nothing is shown. */
    char *(*prove)(const struct bf_document *document, const struct bf_table *table, enum bf_proof part, size_t split,
                   size_t leg);
    void (*read_measure)(const struct bf_document *document, const struct bf_answer *answers, size_t count,
                         struct bf_facts *facts);
    /* One query and nothing else? Complains at `pointer`. NULL: checks are not built for this engine. */
    void (*check_query)(const char *sql, const char *pointer, struct bf_complaints *complaints);
    const char *watch_right; /* what an account is granted to see what SAMPLE asks for */
    const char *flow_right;  /* the same of SAMPLE_FLOW; NULL where there is none */
    unsigned measures;       /* bits by bf_sample_row: what the samples have on this engine; SERVER: where its log ends */
    /* Replicas are asked themselves, because the primary does not know how far they are. NULL: SAMPLE has them.
     * Reads the answer to READ_BEAT; false: it cannot be read. No such table yet is one that shows nothing. */
    bool (*read_beat)(const struct bf_answer *answer, struct bf_beat_seen *ret_seen);
    /* Reads the answer to REPLICA_STATUS; `words`: why it stands still, or "". */
    void (*read_replication)(const struct bf_answer *answer, struct bf_replication *ret_replication, char *words, size_t size);
    const char *begin_read_only; /* begins a transaction that cannot write, for checks */
    /* A statement that limits those behind it in the same transaction to so many milliseconds. NULL: the adapter does it
     * by bf_step.time_limit. */
    void (*limit_time)(int64_t milliseconds, char text[BF_LIMIT_TIME_TEXT]);
    /* All statements of one job. `job` is its id, for the comment at each statement's head. */
    struct bf_statements *(*render)(const char *job, const struct bf_document *document, const struct bf_table *table);
};

extern const struct bf_dialect bf_dialect_postgresql;
extern const struct bf_dialect bf_dialect_mysql; /* MariaDB too */

/* check.c: appends CHECK steps, each in a group of its own, that show the author's expressions and queries to the server; then
 * bf_check_read turns its errors into complaints at /where, /set/<column>, /range/after, /checks/after/0/sql ... The texts are put into `ret_texts`, which must
 * outlive the flight; texts and list are the caller's to free. */
void bf_check_add(const struct bf_dialect *dialect, const struct bf_document *document, const struct bf_table *table,
                  struct bf_flight *flight, char **ret_texts[], size_t *ret_count);
void bf_check_read(const struct bf_dialect *dialect, const struct bf_document *document, const struct bf_answer *answers,
                   size_t count, struct bf_complaints *complaints);

/* measure.c: takes the rows of one answer to MEASURE. What of `names` it does not tell is not known: with its detail, with
 * the server's error, or with none. */
void bf_measure_read(const struct bf_answer *answer, const enum bf_fact_name *names, size_t count, struct bf_facts *facts);

/* "/set/a~1b": a pointer to a column of `set`, with RFC 6901's escapes; the caller frees it. */
char *bf_set_pointer(const char *column);

/* P10: class of an SQLSTATE, or of an error number and its SQLSTATE. FENCE, UNREACHABLE, PROXY are not made here. */
enum bf_error_class bf_postgresql_classify(const char *sqlstate);
enum bf_error_class bf_mysql_classify(unsigned number, const char *sqlstate);

#endif
