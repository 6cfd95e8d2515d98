/* A flight: statements that leave together, in order, and whose answers come together. The engine fills one in, a
 * database port carries it out, the dialects say what each statement's text is. Plain data; pure.
 *
 * Order and failure: the server runs the steps in order. When a step fails, those that follow in the same group are not
 * run (BF_OUTCOME_SKIPPED). A step with `new_group` begins a new group: it is run whatever came before, with one exception:
 * where BEGIN itself fails, nothing of the transaction that it should have begun stays, in whatever group it stands. A
 * transaction that goes on in another group than that of its BEGIN has a SAVEPOINT there: PostgreSQL refuses it, and with it
 * its whole group; the adapter of MySQL, where each statement would be a transaction of its own, does not send the group. */
#ifndef BF_SQL_FLIGHT_H
#define BF_SQL_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "result.h"

/* P10: what an error means for the job. X(CONSTANT, name) */
#define BF_ERROR_CLASSES(X)                                                                            \
    X(NONE, none)                                                                                      \
    X(LOCK, lock)                   /* lock timeout, deadlock: rolled back, try again smaller */       \
    X(SERIALIZATION, serialization) /* rolled back by the server, try again */                         \
    X(CANCELLED, cancelled)         /* a cancel or the statement timeout */                            \
    X(LOST, lost)                   /* the connection is gone; what was under way is unknown */        \
    X(ENDED, ended)                 /* the server ended the session (57P01) */                         \
    X(NOT_PRIMARY, not_primary)     /* read-only: after a fail-over */                                 \
    X(RESOURCES, resources)         /* out of disk, memory, connections: try again */                  \
    X(UNREACHABLE, unreachable)     /* connecting failed, try again */                                 \
    X(LOGIN, login)                 /* the server refuses us: password, role, database */              \
    X(PROXY, proxy)                 /* a pooler stands between */                                      \
    X(FENCE, fence)                 /* the fence found no row: raised by the fence statement alone */  \
    X(DATA, data)                   /* a row cannot hold the value */                                  \
    X(DEFINITION, definition)       /* table, column, function, right is missing */                    \
    X(TERMINAL, terminal)           /* everything else */

enum bf_error_class {
#define X(constant, name) BF_CLASS_##constant,
    BF_ERROR_CLASSES(X)
#undef X
};

/* Every statement the daemon sends. X(CONSTANT, name, parameters and what comes back). "low" and "high" are one
 * parameter per key column. Columns of answers are always text in this order. */
#define BF_STATEMENTS(X)                                                                                               \
    X(BEGIN, begin, "- : -")                                                                                           \
    X(COMMIT, commit, "- : -; answer.rolled_back when the server rolled back instead")                                 \
    X(ROLLBACK, rollback, "- : -")                                                                                     \
    X(SERVER, server, "- : identity, started_at, writable t/f, version, schema version or NULL, "                      \
      "why the control schema must not be made here or NULL, is it a replica t/f")                                  \
    X(SURVEY, survey, "the dialect's own: see bf_dialect.survey")                                                      \
    X(CHECK, check, "prepare only: is an expression or a batch statement valid on the target")                         \
    X(SCHEMA, schema, "one statement of the control schema's DDL: -")                                                  \
    X(FIND_DONE, find_done, "hash : id, name, state of jobs with this hash that committed rows")                       \
    X(REGISTER_JOB, register_job, "id, name, document, hash, plan, approver, state : -; does nothing when it is there") \
    X(REGISTER_CONTROL, register_control, "id, name : -; does nothing when it is there")                               \
    X(REGISTER_CHECKPOINT, register_checkpoint,                                                                        \
      "id, slice, after or NULL, through or NULL, identity, definition, batch_rows : -; nothing when it is there, or "   \
      "when it is not the first slice and none is there that ends where it begins")                                    \
    X(QUANTILES, quantiles,                                                                                            \
      "after (NULLs: open), through, slices, rows : key columns; a row for each limit between slices, in their order, "  \
      "from a sample; fewer where a slice would have less than so many rows")                                          \
    X(MAKE_JOURNAL, make_journal, "- : -; the job's undo journal; does nothing when it is there")                      \
    X(STORE_JOURNAL, store_journal, "- : -; behind it: how the journal is stored")                                      \
    X(TURN_BACK, turn_back,                                                                                            \
      "id, epoch (of the first slice), batch_rows, keep t/f (the list of rows that were set aside, which an inverse has to " \
      "spare; else it is struck) : taken (0: not this epoch any more); nobody goes forward with the "  \
      "job after that: every slice has another epoch and no owner, and the way back has a checkpoint, which is slice -1 " \
      "and stays as it is where it is there")                                                                          \
    X(PEEK_OWNER, peek_owner, "id, slice : owner, epoch, seq, silent (seconds, by the server's clock)")                \
    X(RAISE_EPOCH, raise_epoch,                                                                                        \
      "id, slice, new owner, owner expected, epoch expected, seq expected or NULL : affected 1, or 0 when it is "       \
      "another's, or not as it was when it was looked at, or it is one of the way forward and the way back has begun") \
    X(READ_CHECKPOINT, read_checkpoint,                                                                                \
      "id, slice : epoch, seq, pass, after, position, low, split, through, rows_scanned, rows_changed, "               \
      "rows_changed_counted t/f, batches, batch_rows, done t/f, identity, definition, transaction, "                  \
      "pass_rows_changed (rows_changed when the pass began), pass_found_before (NULL in the first pass), canary t/f, "   \
      "slices (how many of the job there are; 0: and the way back has begun, which is another slice)")                 \
    X(HORIZON, horizon,                                                                                                \
      "look (a number that no look before had) : newest, oldest, text; in a transaction that has written (TOUCH). The "  \
      "numbers are the server's own, given to a transaction when it first writes: newest is the one of this very "      \
      "transaction, oldest the lowest of all that are under way. What wrote before is over once the oldest of this "    \
      "look, or of a later one, is not under this newest. newest NULL: the server cannot tell now; ask again. text, or " \
      "NULL: who the oldest is, or why newest is NULL; for people")                                                     \
    X(NEXT_PASS, next_pass, "id, slice, epoch, seq, through or NULL : affected 1, or 0 when fenced; pass + 1, position " \
      "is open again, done is false, pass_found_before is what this pass changed; moves seq too")                      \
    X(LOG_END, log_end, "- : how far the log is written, in the server's own words")                                   \
    X(REPLAYED, replayed, "a log's end : t/f; on a replica: has it come so far")                                       \
    X(QUERY, query, "a text of the operator's, sent as it is, in a read-only transaction; also what limits its time")  \
    X(READ_CONTROL, read_control, "id : goal (run, pause, abort), scope (job or all)")                                 \
    X(RECOUNT, recount, "transaction, then low, high : rows that the transaction changed; shape by split")             \
    X(FENCE, fence,                                                                                                    \
      "id, slice, epoch, seq, position, low, split, rows_scanned, rows_changed (of the batches before), batches, "     \
      "batch_rows, lock wait (milliseconds, for what follows in the transaction), numbers (by which it moves seq: for " \
      "what is behind it to be known by, from seq + 1 on) : clock (seconds, by the server), "                          \
      "log (bytes, or absent); no row found: an error of class FENCE")                                                 \
    X(LOCK, lock,                                                                                                      \
      "low, high : anything; locks what UPDATE will change, an error of class LOCK when somebody else holds some of it; " \
      "shape by split, one per leg")                                                                                   \
    X(SET_ASIDE, set_aside,                                                                                            \
      "low, high, id, slice, seq, all t/f : affected, or a row: rows that others hold and that are written down, and, "  \
      "where there is a second number, rows that it has changed by itself; "                                            \
      "waits for no row; all: every other row is locked, else those that somebody may lock just now; shape by split, "  \
      "one per leg")                                                                                                   \
    X(UPDATE, update,                                                                                                  \
      "low, high : affected; shape by split, one statement per leg; behind SET_ASIDE, and where a journal is kept, low, high, " \
      "id, slice, seq; where a journal is kept the answer is a row: changed, set aside (others changed them meanwhile)")       \
    X(TRY, try,                                                                                                        \
      "as UPDATE : changed, set aside; of a row that is tried alone (lib/engine/run.h). Sets nothing down in the "      \
      "checkpoint: behind tries FLUSH does")                                                                            \
    X(COUNT_ASIDE, count_aside, "id, slice : rows that are set aside")                                                 \
    X(TAKE_ASIDE, take_aside,                                                                                          \
      "id, slice, seq, key, rows : marked, seq, key (of the last that was looked at); no row: there are none behind "  \
      "seq and key; marks and locks those that nobody holds any more, waits for none")                                 \
    X(WAIT_ASIDE, wait_aside,                                                                                          \
      "id, slice, lock wait (for what follows) : marked; waits for the first of them, marks and locks it")             \
    X(REDO_ASIDE, redo_aside,                                                                                          \
      "id, slice : changed, struck; the marked are changed if they still match, struck off, and counted in the "       \
      "checkpoint")                                                                                                    \
    X(SAVEPOINT, savepoint, "- : -; what follows in the transaction can be taken back for itself")                     \
    X(BACK_TO, back_to, "- : -; what stands behind SAVEPOINT is taken back, an error too; the savepoint stays")          \
    X(RELEASE, release, "- : -; the savepoint is gone, what stands behind it stays")                                   \
    X(CONSTRAINTS, constraints, "- : -; what would be looked at at COMMIT is looked at now")                           \
    X(QUARANTINE, quarantine,                                                                                          \
      "low, high, id, slice, seq, error, sqlstate : rows, new; every row of the range is written down as one that the "  \
      "server refuses to change, whatever `where` says, with the numbers from seq on in the order of the key; new: those " \
      "that were not; shape by split, one per leg")                                                                    \
    X(QUARANTINE_ASIDE, quarantine_aside,                                                                              \
      "id, slice, error, sqlstate : rows, new, key (of one of them); the same of what TAKE_ASIDE or WAIT_ASIDE has marked, " \
      "which is struck off the list of what is set aside")                                                                             \
    X(COUNT_BAD, count_bad, "id, slice : rows in quarantine")                                                          \
    X(RETRY_BAD, retry_bad,                                                                                            \
      "id, slice, epoch, owner : anything; what is in quarantine is set aside instead, to be done once more, if the "    \
      "checkpoint is this owner's at this epoch")                                                                      \
    X(BAD_ROWS, bad_rows,                                                                                              \
      "id, slice, seq, limit : slice, seq, key, error, sqlstate, found_at; those behind that one, in the order in which " \
      "they were found in each slice")                                                                                 \
    X(LOOK_BACK, look_back,                                                                                            \
      "slice, seq, part : slice, seq, part, rows; the entry of the journal that comes before that one, which is the one " \
      "to be taken back next; no row: there is none")                                                                  \
    X(RESTORE, restore,                                                                                                \
      "id, slice, seq, part, from, to : looked at, conflicts, and how many of these are changed, deleted, altered; of "  \
      "that entry the changes with these numbers (from 1) are taken back where the row still holds what the job left in " \
      "it, byte for byte; the rest is written down as conflicts")                                                       \
    X(LEAVE, leave, "as RESTORE; no row is touched, because the server refuses it: all of them are conflicts")          \
    X(COUNT_CONFLICTS, count_conflicts, "id : conflicts")                                                              \
    X(CONFLICTS, conflicts,                                                                                            \
      "id, slice, seq, part, place, limit : slice, seq, part, place, key, kind, found_at; those behind that one, in the " \
      "order in which they are kept")                                                                                  \
    X(COMPARE_JOURNAL, compare_journal, "- : rows, changed since, deleted since; of a sample of the journal")          \
    X(RECOMPUTE_FACTS, recompute_facts, "table as written : what, name; see recompute.h")                              \
    X(RECOMPUTE, recompute,                                                                                            \
      "rows : looked at, changed since (passed over), different, keys of some of these or NULL; of so many changes that "  \
      "the journal keeps, is one column what its expression gives over the row's old values")                          \
    X(JOURNAL_SIZE, journal_size, "- : rows, bytes")                                                                   \
    X(JOURNAL_DUE, journal_due, "id, milliseconds : t/f; has the job been at its end for so long, by the server's clock") \
    X(DROP_JOURNAL, drop_journal, "- : -; does nothing when it is not there")                                          \
    X(DROP_BAD, drop_bad, "id : -; the job's rows in quarantine are not kept any more")                                \
    X(WATCH, watch, "- : how many sessions of the server wait for a lock; cheap")                                      \
    X(WATCHED, watched,                                                                                                \
      "session (what follows \"backfilld \" in its name), table (as the author names it) : waits t/f (it waits for that "  \
      "session; else that waits for it), milliseconds (no less than it waits), who; the longest first")                \
    X(BOUNDARY, boundary,                                                                                              \
      "low, through, n - 1 : key columns, split of (low, key), beyond t/f (key >= through), clock, log (bytes) and "   \
      "took (seconds) or absent; no row: fewer than n rows follow; shape 0 has no low")                                \
    X(KEYS, keys,                                                                                                      \
      "low, through, n : of each of the n rows that follow, in order: key columns, split of (the one before it, key), "  \
      "beyond t/f (key >= through)")                                                                                   \
    X(SPLIT, split, "low, through : split, empty t/f (through <= low); shape 0 has no low")                            \
    X(END, end, "- : key columns of the last row; no row: the table is empty")                                         \
    X(COUNT, count, "low, high : rows; shape by split")                                                                \
    X(PROBE, probe, "low, high, limit : rows that match where, counted up to limit; shape by split")                   \
    X(CAP, cap, "low, high, n - 1 : key columns of the n-th matching row, split of (low, key); shape by split")        \
    X(CANARY_DONE, canary_done, "id, slice, epoch : affected; the canary was looked at")                               \
    X(FLUSH, flush,                                                                                                    \
      "id, slice, epoch, seq, position, low, split, rows_scanned, rows_changed, batches, batch_rows, done t/f, "       \
      "release t/f : affected 1, or 0 when fenced; moves seq too")                                                     \
    X(TOUCH, touch, "id, slice, epoch : affected; the owner lives")                                                    \
    X(SAMPLE, sample, "- : rows about the server's load, columns of bf_sample_column, kinds of bf_sample_rows")         \
    X(SAMPLE_SLOW, sample_slow, "- : the same, of what costs more and changes slowly: every few seconds")               \
    X(SAMPLE_ARCHIVE, sample_archive, "- : the row archive, counted; only for who may (see there)")                     \
    X(SAMPLE_FLOW, sample_flow, "- : rows flow and paused; none where the server has no flow control; an error: our "   \
      "account may not see it")                                                                                        \
    X(SAMPLE_TABLE, sample_table, "a table's reference : the row dead; none: there is no such table")                   \
    X(BEAT, beat,                                                                                                      \
      "- : anything; writes a record to the log, so that every replica has something to answer. Where replicas are "   \
      "asked themselves (bf_dialect.read_beat): writer, number, position, first t/f : -; the writer's heartbeat is "   \
      "that; first: those that nobody writes any more are thrown away")                                                \
    X(REPLICA_HOSTS, replica_hosts,                                                                                    \
      "- : replicas that are connected: anything, host ('' or NULL: it does not say where it can be asked), port")     \
    X(LOG_READERS, log_readers, "- : sessions that read the log; NULL: our account may not see them")                 \
    X(READ_BEAT, read_beat, "on a replica; writer : see bf_dialect.read_beat")                                         \
    X(REPLICA_SERVER, replica_server,                                                                                      \
      "on a replica; - : which server it is (compared with SAMPLE's), writable t/f, commits in the primary's order t/f") \
    X(REPLICA_STATUS, replica_status, "on a replica; - : see bf_dialect.read_replication")                             \
    X(LOG_WRITTEN, log_written,                                                                                        \
      "- : bytes that the server has written to its log, rising as long as it runs; NULL: there is none, or they are " \
      "not counted. Only where FENCE, BOUNDARY and SAMPLE do not tell")                                                \
    X(MEASURE, measure,                                                                                                \
      "- : before a plan: rows of a fact's name, its number or NULL, a detail or NULL; or the server's own plan of a "  \
      "statement; bf_dialect.read_measure knows")                                                                      \
    X(PROVE, prove, "see bf_proof")                                                                                    \
    X(WRITES, writes, "table as written : rows that anybody wrote to it since some time or other, or NULL; why not, or NULL")\
    X(MARK, mark, "lock wait (milliseconds, for what follows in the transaction, which may take a second) : clock, log (bytes, or " \
      "absent)")      \
    X(JOB_STATE, job_state,                                                                                            \
      "id, state, epoch, owner : affected 1, or 0 when the checkpoint is not this owner's ('': let go) at this epoch") \
    X(KEEP_RECORD, keep_record,                                                                                        \
      "id, epoch, owner, record : -; what else the state store alone knew of the job (bf_record_on_target) stands on the " \
      "target, if the checkpoint is this owner's at this epoch")                                                       \
    X(FOREIGN_JOBS, foreign_jobs,                                                                                      \
      "identity (as SERVER tells it), milliseconds (0: any), limit : columns of bf_foreign_column; jobs on this database that " \
      "the control schema knows: that are not at their end, or ended no longer ago and can be rolled back")                                          \
    X(FOREIGN_JOB, foreign_job, "id : columns of bf_adopted_column; no row: there is none of that id")                 \
    X(FOREIGN_SLICES, foreign_slices, "id : columns of bf_adopted_slice_column, by slice; that of the way back is the first") \
    X(END_LOST_SESSIONS, end_lost_sessions, "id : count of our own earlier sessions of this job that were ended")

enum bf_statement {
#define X(constant, name, contract) BF_STATEMENT_##constant,
    BF_STATEMENTS(X)
#undef X
        BF_STATEMENT_KINDS
};

const char *bf_statement_name(enum bf_statement statement);
/* Is an error of this class one that passes by itself (try again), and says nothing of the statement? */
bool bf_error_passes(enum bf_error_class error_class);
const char *bf_error_class_name(enum bf_error_class error_class);

/* The columns that SERVER answers with, in order; the last two may be absent. */
enum bf_server_column {
    BF_SERVER_IDENTITY,
    BF_SERVER_STARTED,
    BF_SERVER_WRITABLE,
    BF_SERVER_VERSION,
    BF_SERVER_SCHEMA,
    BF_SERVER_NO_SCHEMA,
    BF_SERVER_REPLICA
};

/* The columns that READ_CHECKPOINT answers with, in order. */
enum bf_checkpoint_column {
    BF_CHECKPOINT_EPOCH,
    BF_CHECKPOINT_SEQ,
    BF_CHECKPOINT_PASS,
    BF_CHECKPOINT_AFTER,
    BF_CHECKPOINT_POSITION,
    BF_CHECKPOINT_LOW,
    BF_CHECKPOINT_SPLIT,
    BF_CHECKPOINT_THROUGH,
    BF_CHECKPOINT_ROWS_SCANNED,
    BF_CHECKPOINT_ROWS_CHANGED,
    BF_CHECKPOINT_COUNTED,
    BF_CHECKPOINT_BATCHES,
    BF_CHECKPOINT_BATCH_ROWS,
    BF_CHECKPOINT_DONE,
    BF_CHECKPOINT_IDENTITY,
    BF_CHECKPOINT_DEFINITION,
    BF_CHECKPOINT_TRANSACTION,
    BF_CHECKPOINT_PASS_ROWS_CHANGED,
    BF_CHECKPOINT_PASS_FOUND_BEFORE,
    BF_CHECKPOINT_CANARY,
    BF_CHECKPOINT_SLICES,
    BF_CHECKPOINT_COLUMNS
};

/* The columns of FOREIGN_JOBS, in order. Owner and silence: of the checkpoint that was written last; times as RFC 3339. */
enum bf_foreign_column {
    BF_FOREIGN_ID,
    BF_FOREIGN_NAME,
    BF_FOREIGN_TABLE, /* as its document names it; NULL: it cannot be read */
    BF_FOREIGN_STATE,
    BF_FOREIGN_OWNER,  /* "" or NULL: nobody */
    BF_FOREIGN_SILENT, /* seconds, by the server's clock */
    BF_FOREIGN_SLICES,
    BF_FOREIGN_SCANNED,
    BF_FOREIGN_CHANGED,
    BF_FOREIGN_BACK,    /* t/f: it goes back, or went */
    BF_FOREIGN_UNDO,    /* "journal", "inverse", "none": by its document */
    BF_FOREIGN_JOURNAL, /* t/f: there is an undo journal */
    BF_FOREIGN_CREATED,
    BF_FOREIGN_SEEN,
    BF_FOREIGN_COLUMNS
};
/* Those of FOREIGN_JOB; times are unix milliseconds. */
enum bf_adopted_column {
    BF_ADOPTED_NAME,
    BF_ADOPTED_DOCUMENT,
    BF_ADOPTED_HASH,
    BF_ADOPTED_PLAN,
    BF_ADOPTED_APPROVER,
    BF_ADOPTED_STATE,
    BF_ADOPTED_CREATED,
    BF_ADOPTED_STARTED,
    BF_ADOPTED_ENDED,
    BF_ADOPTED_JOURNAL, /* t/f */
    BF_ADOPTED_CONFLICTS,
    BF_ADOPTED_RECORD, /* what KEEP_RECORD wrote */
    BF_ADOPTED_COLUMNS
};
/* Those of FOREIGN_SLICES. */
enum bf_adopted_slice_column {
    BF_ADOPTED_SLICE,
    BF_ADOPTED_AFTER,
    BF_ADOPTED_POSITION,
    BF_ADOPTED_THROUGH,
    BF_ADOPTED_SCANNED,
    BF_ADOPTED_CHANGED,
    BF_ADOPTED_BATCHES,
    BF_ADOPTED_BATCH_ROWS,
    BF_ADOPTED_PASS,
    BF_ADOPTED_DONE,
    BF_ADOPTED_IDENTITY,
    BF_ADOPTED_OWNER,
    BF_ADOPTED_SILENT, /* seconds, by the server's clock */
    BF_ADOPTED_ASIDE,  /* rows */
    BF_ADOPTED_BAD,    /* rows */
    BF_ADOPTED_SLICE_COLUMNS
};

/* The columns that SAMPLE answers with, in order; what a row has no use for is NULL. */
enum bf_sample_column {
    BF_SAMPLE_WHAT,
    BF_SAMPLE_NAME,
    BF_SAMPLE_NUMBER,
    BF_SAMPLE_POSITION, /* bytes of log */
    BF_SAMPLE_SECONDS,
    BF_SAMPLE_TEXT,
    BF_SAMPLE_REPLY,
    BF_SAMPLE_FLAG,
    BF_SAMPLE_COLUMNS
};
/* What the rows are about: X(CONSTANT, name, its columns). A NULL where a number is wanted: it cannot be measured. */
#define BF_SAMPLE_ROWS(X)                                                                                              \
    X(SERVER, server,                                                                                                  \
      "one row: name: our user; position: of the log's end; text: which server it is; flag: it may see the details of " \
      "others")                                                                                                        \
    X(REPLICA, replica,                                                                                                \
      "name; position: replayed; seconds: the view's own lag; text: address; reply: a text that changes with each "    \
      "reply; flag: synchronous")                                                                                      \
    X(ACTIVE, active, "one row: number: active sessions but ours")                                                     \
    X(BLOCKED, blocked, "one row: number: sessions that wait for our locks; seconds: the longest; text: who")          \
    X(SLOT, slot, "name; number: bytes of log that it keeps; flag: in use")                                            \
    X(SNAPSHOT, snapshot, "one row: number: age of the oldest snapshot but ours in seconds; text: whose")              \
    X(VACUUM, vacuum, "name: of a table on which autovacuum works; number: of its workers there")                      \
    X(HISTORY, history, "one row: number: length of InnoDB's history list")                                            \
    X(ARCHIVE, archive, "one row, none where nothing is archived: number: bytes of log that wait for the archiver, by "  \
      "its own counters; flag: SAMPLE_ARCHIVE may count them")                                                         \
    X(DEAD, dead, "number: dead tuples of the table")                                                                  \
    X(FLOW, flow, "number: how far the cluster is filled up before it slows writes down: share")                       \
    X(PAUSED, paused, "seconds: for how long writes were stopped by the cluster until now, in all")
enum bf_sample_row {
#define X(constant, name, columns) BF_SAMPLE_ROW_##constant,
    BF_SAMPLE_ROWS(X)
#undef X
        BF_SAMPLE_ROW_KINDS
};
enum bf_sample_row bf_sample_row_by_name(const char *name); /* BF_SAMPLE_ROW_KINDS: none; NULL too */

enum {
    BF_PARAMETERS_MAX = 24, /* 2 x BF_KEY_COLUMNS_MAX and some */
    /* legs of an update (2 x BF_KEY_COLUMNS_MAX - 1), or checks of 2 x BF_SET_COLUMNS_MAX columns, bounds, and the queries of 10
     * signals, 20 triggers and 60 checks */
    BF_STEPS_MAX = 512
};

struct bf_step {
    enum bf_statement statement;
    int split, leg;  /* which shape of RECOUNT, UPDATE, BOUNDARY, SPLIT, COUNT, PROBE, CAP; else 0 */
    const char *sql; /* not owned; stays valid and unchanged while the session lives, except for SURVEY, CHECK and SCHEMA */
    bool new_group;
    int64_t time_limit; /* milliseconds; of an operator's QUERY, where bf_dialect.limit_time is NULL; else 0 */
    size_t parameter_count;
    char *parameters[BF_PARAMETERS_MAX]; /* owned; NULL is SQL NULL */
};

/* Zeroed at its beginning. */
struct bf_flight {
    size_t count, room;
    struct bf_step *steps; /* owned, until it is cleared: a job that rests has none */
};

enum bf_outcome {
    BF_OUTCOME_OK,
    BF_OUTCOME_ERROR,   /* the server answered with an error */
    BF_OUTCOME_SKIPPED, /* not run, because a step before it in its group failed */
    BF_OUTCOME_UNKNOWN  /* the connection went, or broke, before an answer came: it may have run */
};

struct bf_answer {
    enum bf_outcome outcome;
    enum bf_error_class error_class; /* of ERROR and UNKNOWN */
    char sqlstate[6];                /* or the engine's number as text; "" where there is none */
    char state[6];                   /* the SQLSTATE, where that is a number; else "" */
    char *message;                   /* owned; the server's words for people; NULL where there are none */
    int64_t affected;                /* rows an UPDATE changed */
    bool rolled_back;                /* a COMMIT that the server answered with ROLLBACK */
    size_t rows, columns;
    char **values; /* owned, rows x columns; NULL is SQL NULL */
};

/* Adds a step; returns it, and it stays there until the next one is added. Parameters are given with bf_step_text and
 * bf_step_number in the order of the contract. */
struct bf_step *bf_flight_add(struct bf_flight *flight, enum bf_statement statement, const char *sql);
void bf_step_text(struct bf_step *step, const char *text); /* copies; NULL is SQL NULL */
void bf_step_number(struct bf_step *step, int64_t number);
void bf_flight_clear(struct bf_flight *flight); /* frees the steps; count is 0 afterwards */
const char *bf_answer_value(const struct bf_answer *answer, size_t row, size_t column); /* NULL: SQL NULL or absent */
double bf_answer_real(const struct bf_answer *answer, size_t row, size_t column, double otherwise); /* SQL NULL: that */
int64_t bf_answer_number(const struct bf_answer *answer, size_t row, size_t column);    /* 0 where it is no number */
/* A count that somebody stored, NULL is 0; false: it is none, or over any (10^15): then it was not written by us. */
bool bf_answer_count(const struct bf_answer *answer, size_t row, size_t column, int64_t *ret_count);
bool bf_answer_true(const struct bf_answer *answer, size_t row, size_t column);
void bf_answer_clear(struct bf_answer *answer);

#endif
