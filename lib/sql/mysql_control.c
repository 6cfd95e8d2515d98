/* The statements on the control schema, which hold the protocol: fence, epoch, checkpoint. */
#include "mysql_dialect.h"

#include <stddef.h>

#include "backfilld/states.h"

#define IF_true(text) text
#define IF_false(text)
#define X(constant, name, final) IF_##final(", '" #name "'")
#define FINAL_STATES BF_STATES(X)

/* An open transaction that BEGIN finds would be committed by it, half a batch that a lost ROLLBACK left too. */
#define BEGIN "ROLLBACK?; BEGIN"

#define WRITABLE BF_MYSQL_WRITABLE
#define ASK_FIRST BF_MYSQL_ASK_FIRST

#define STOPPED_BY_CONTROL "SELECT 1 FROM backfilld.control o WHERE o.job IN (?1, '*') AND o.goal <> 'run'"

/* No row is an error of the server's own, raised by the next statement, so that a COMMIT behind it in the same text is
 * never run (P1). seq always changes: an UPDATE that changes nothing counts 0 rows here. The variables carry how many
 * rows the batch changes, and to which row of the checkpoint that belongs, to the last UPDATE of the batch; and under which
 * number a journal keeps what it changes, beginning with which place. */
#define FENCE                                                                                                         \
    ASK_FIRST "UPDATE backfilld.checkpoint SET seq = seq + ?#13, position = ?5, low = ?6, split = ?#7, rows_scanned = ?#8, "    \
    "rows_changed = ?#9, rows_changed_counted = 0, batches = ?#10, batch_rows = ?#11, updated_at = NOW(6) "           \
    "WHERE job = ?1 AND slice = ?#2 AND epoch = ?#3 AND seq = ?#4 AND " WRITABLE                                      \
    " AND NOT EXISTS (" STOPPED_BY_CONTROL ")?; "                                                                     \
    "SELECT IF(ROW_COUNT() = 1, UNIX_TIMESTAMP(NOW(6)), " BF_MYSQL_RAISE ") AS clock?; "                              \
    "SET @backfilld_changed = 0, @backfilld_slice = ?#2, @backfilld_batch = ?+4, @backfilld_place = 0"

/* No look at control: a job that was stopped there still has to set down what it knows and let go. */
#define FLUSH                                                                                                         \
    ASK_FIRST "UPDATE backfilld.checkpoint SET seq = seq + 1, position = ?5, low = ?6, split = ?#7, rows_scanned = ?#8, "       \
    "rows_changed = ?#9, rows_changed_counted = 1, batches = ?#10, batch_rows = ?#11, done = ?12 = 't', "             \
    "owner = IF(?13 = 't', '', owner), updated_at = NOW(6) "                                                          \
    "WHERE job = ?1 AND slice = ?#2 AND epoch = ?#3 AND seq = ?#4"

/* Columns are set from left to right here: what is found comes before what it is counted from. */
#define NEXT_PASS                                                                                                     \
    ASK_FIRST "UPDATE backfilld.checkpoint SET seq = seq + 1, pass = pass + 1, position = NULL, low = NULL, split = 0, "        \
    "through = ?5, done = 0, pass_found_before = rows_changed - pass_rows_changed, pass_rows_changed = rows_changed, " \
    "updated_at = NOW(6) WHERE job = ?1 AND slice = ?#2 AND epoch = ?#3 AND seq = ?#4"

/* The update waits for the checkpoint row's lock, which a lost session of ours may still hold; what it then finds is
 * the truth (P2). It does not look at the position: that is read by a statement of its own, after it. */
#define RAISE_EPOCH                                                                                                   \
    ASK_FIRST "UPDATE backfilld.checkpoint SET epoch = epoch + 1, owner = ?3, updated_at = NOW(6) "                             \
    "WHERE job = ?1 AND slice = ?#2 AND (owner = ?4 OR owner = '' OR updated_at < NOW(6) - INTERVAL 30 SECOND) " \
    "AND epoch = ?#5 AND seq = COALESCE(?6, seq) AND (?#2 < 0 OR (SELECT turned FROM (SELECT COUNT(*) AS turned "         \
    "FROM backfilld.checkpoint b WHERE b.job = ?1 AND b.slice < 0) back) = 0)"

/* Columns are set from left to right, one statement after the other: the first slice's row is what the others hang on. */
#define TURN_BACK                                                                                                     \
    ASK_FIRST "UPDATE backfilld.checkpoint SET epoch = epoch + 1, owner = '', updated_at = NOW(6) "                    \
    "WHERE job = ?1 AND slice = 0 AND epoch = ?#2?; SET @backfilld_taken = " BF_MYSQL_CHANGED "?; "                   \
    "UPDATE backfilld.checkpoint SET epoch = epoch + 1, owner = '', updated_at = NOW(6) "                             \
    "WHERE job = ?1 AND slice > 0 AND @backfilld_taken = 1?; "                                                        \
    "DELETE FROM backfilld.aside WHERE job = ?1 AND @backfilld_taken = 1 AND ?4 = 'f'?; "                             \
    "INSERT INTO backfilld.checkpoint (job, slice, identity, definition, batch_rows, updated_at) "                    \
    "SELECT ?1, -1, forward.identity, forward.definition, ?#3, NOW(6) FROM (SELECT identity, definition "             \
    "FROM backfilld.checkpoint WHERE job = ?1 AND slice = 0) forward WHERE @backfilld_taken = 1 "                     \
    "ON DUPLICATE KEY UPDATE job = job?; SELECT @backfilld_taken AS taken"

#define READ_CHECKPOINT                                                                                               \
    "SELECT epoch, seq, pass, after, position, low, split, through, rows_scanned, rows_changed, "                     \
    "rows_changed_counted, batches, batch_rows, done, identity, definition, NULL, pass_rows_changed, "                 \
    "pass_found_before, canary, (SELECT IF(MIN(s.slice) < 0 AND ?#2 >= 0, 0, COUNT(*)) "                                \
    "FROM backfilld.checkpoint s WHERE s.job = ?1) AS slices "                                                         \
    "FROM backfilld.checkpoint WHERE job = ?1 AND slice = ?#2"

/* A table that may be missing can be named only in a text that is prepared when it is there. */
#define SERVER                                                                                                        \
    "SET @backfilld_meta = (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'backfilld' "         \
    "AND TABLE_NAME = 'meta')?; "                                                                                     \
    "SET @backfilld_identity = NULL, @backfilld_version = NULL?; "                                                    \
    "SET @backfilld_sql = IF(@backfilld_meta, 'SELECT MAX(IF(`key` = ''identity'', value, NULL)), "                   \
    "MAX(IF(`key` = ''schema_version'', value, NULL)) INTO @backfilld_identity, @backfilld_version "                  \
    "FROM backfilld.meta', 'DO 0')?; "                                                                                \
    "PREPARE backfilld_server FROM @backfilld_sql?; EXECUTE backfilld_server?; DEALLOCATE PREPARE backfilld_server?; " \
    "SELECT CONCAT(COALESCE(@backfilld_identity, " BF_MYSQL_SERVER_IDENTITY "), '/', DATABASE()) AS identity, "        \
    "UNIX_TIMESTAMP() - (SELECT VARIABLE_VALUE FROM /*!80000 performance_schema.*//*M! information_schema.*/"          \
    "global_status WHERE VARIABLE_NAME = 'Uptime') AS started_at, " WRITABLE " AS writable, VERSION() AS version, "    \
    "@backfilld_version AS schema_version"

/* The adapter ends those that are not its own: each of our sessions holds one of these locks (mysql_connect.c). */
#define END_LOST_SESSIONS "SELECT IS_USED_LOCK(CONCAT('backfilld ', ?1, ' ', number)) AS id FROM " BF_MYSQL_LOCK_NUMBERS

#define FIND_DONE                                                                                                     \
    "SELECT j.id, j.name, j.state FROM backfilld.job j WHERE j.hash = ?1 AND j.state <> 'rolled_back' "               \
    "AND EXISTS (SELECT 1 FROM backfilld.checkpoint c WHERE c.job = j.id AND c.seq > 0 "                              \
    "AND (c.rows_scanned > 0 OR c.rows_changed > 0)) ORDER BY j.created_at DESC"

/* The stronger of the two rows; always one row, also when someone deleted both. */
#define READ_CONTROL                                                                                                  \
    "SELECT goal, IF(job = '*', 'all', 'job') AS scope FROM ("                                                        \
    "SELECT job, goal FROM backfilld.control WHERE job IN (?1, '*') UNION ALL SELECT ?1, 'run') orders "              \
    "ORDER BY CASE goal WHEN 'abort' THEN 0 WHEN 'pause' THEN 1 ELSE 2 END, job = '*' LIMIT 1"

#define JOB_STATE                                                                                                     \
    ASK_FIRST "UPDATE backfilld.job SET state = ?2, updated_at = NOW(6), "                                                      \
    "started_at = IF(?2 = 'running', COALESCE(started_at, NOW(6)), started_at), "                                     \
    "ended_at = IF(?2 IN (''" FINAL_STATES "), NOW(6), NULL) WHERE id = ?1 "                                          \
    "AND EXISTS (SELECT 1 FROM backfilld.checkpoint c WHERE c.job = ?1 AND c.slice = "                                \
    "(SELECT MIN(m.slice) FROM backfilld.checkpoint m WHERE m.job = ?1) AND c.epoch = ?#3 AND c.owner = ?4)"

/* Those behind a place: as alternatives of which each is a range of the index. */
#define CONFLICTS                                                                                                     \
    "SELECT slice, seq, part, place, `key`, kind, CONCAT(DATE_FORMAT(found_at, '%Y-%m-%dT%H:%i:%s.'), "               \
    "LPAD(FLOOR(MICROSECOND(found_at) / 1000), 3, '0'), 'Z') FROM backfilld.conflict WHERE job = ?1 AND "             \
    "(slice > ?#2 OR (slice = ?#2 AND seq > ?#3) OR (slice = ?#2 AND seq = ?#3 AND part > ?#4) OR "                   \
    "(slice = ?#2 AND seq = ?#3 AND part = ?#4 AND place > ?#5)) ORDER BY job, slice, seq, part, place LIMIT ?#6"

/* What the target does not know of was never begun, or is none of its jobs: that is no reason to drop anything. */
#define JOURNAL_DUE                                                                                                   \
    "SELECT COALESCE((SELECT COALESCE(ended_at, updated_at) < NOW(6) - INTERVAL ?#2 * 1000 MICROSECOND "               \
    "FROM backfilld.job WHERE id = ?1), 0)"

/* Which statement of the step it is: UPDATE (mysql_render.c), REDO_ASIDE and SET_ASIDE (mysql_locks.c), RESTORE and LEAVE
 * (mysql_back.c). A step that keeps a journal has more statements: an UPDATE five, and one more where it counts what it found. A TRY
 * has two fewer behind it, which set down what it changed, and one that says it. A SET_ASIDE that changes rows by itself has more, too,
 * in front of FREE_WARNED and behind the others. */
enum { ASIDE_MOST = 15, ASIDE_MORE = 2, FREE_WARNED = 3, FREE_LISTED = 4, HELD_LISTED = 9, RESTORE_WARNED = 6, RESTORE_ASKED_AGAIN = 8, LEAVE_ASKED_AGAIN = 1 };
enum { UPDATE_MOST = 4, WARNED = 1, ASKED_AGAIN = 3, JOURNAL_WARNED = 3, JOURNAL_COUNTED = 4, JOURNAL_ASKED_LEAST = 7 };
enum { TRY_MOST = 3, JOURNAL_TRY_COUNTED = 7 };
enum { REDO_MOST = 11, REDO_WARNED = 4, REDO_ASKED_AGAIN = 9, JOURNAL_REDO_WARNED = 9, JOURNAL_REDO_ASKED_AGAIN = 15 };

static size_t more_of_aside(size_t count)
{
    return count > ASIDE_MOST ? ASIDE_MORE : 0;
}

enum bf_error_class bf_mysql_raised(enum bf_statement step, size_t statement, size_t count)
{
    switch (step) {
    case BF_STATEMENT_FENCE:
        return statement == 2 ? BF_CLASS_FENCE : BF_CLASS_NOT_PRIMARY;
    case BF_STATEMENT_UPDATE:
        if (count <= UPDATE_MOST)
            return statement == ASKED_AGAIN ? BF_CLASS_NOT_PRIMARY : BF_CLASS_DATA;
        if (count % 2 == 0 && statement == JOURNAL_COUNTED)
            return BF_CLASS_LOCK; /* somebody else's row came between: as if it were held */
        return count >= JOURNAL_ASKED_LEAST && statement == count - 1 ? BF_CLASS_NOT_PRIMARY : BF_CLASS_DATA;
    case BF_STATEMENT_TRY:
        return count == JOURNAL_TRY_COUNTED && statement == JOURNAL_COUNTED ? BF_CLASS_LOCK : BF_CLASS_DATA;
    case BF_STATEMENT_REDO_ASIDE:
        return statement == (count > REDO_MOST ? JOURNAL_REDO_ASKED_AGAIN : REDO_ASKED_AGAIN) ? BF_CLASS_NOT_PRIMARY
                                                                                               : BF_CLASS_DATA;
    case BF_STATEMENT_RESTORE:
        return statement == RESTORE_ASKED_AGAIN ? BF_CLASS_NOT_PRIMARY : BF_CLASS_DATA;
    case BF_STATEMENT_LEAVE:
        return statement == LEAVE_ASKED_AGAIN ? BF_CLASS_NOT_PRIMARY : BF_CLASS_DATA;
    case BF_STATEMENT_LOCK:
    case BF_STATEMENT_COUNT:
    case BF_STATEMENT_PROBE:
    case BF_STATEMENT_CAP:
    case BF_STATEMENT_SURVEY:
    case BF_STATEMENT_CHECK:
    case BF_STATEMENT_QUERY:
        return BF_CLASS_DATA; /* of what the author wrote */
    case BF_STATEMENT_SET_ASIDE: /* or the keys of so many rows are too long a list */
        statement -= more_of_aside(count);
        return statement == FREE_LISTED || statement == HELD_LISTED ? BF_CLASS_RESOURCES : BF_CLASS_DATA;
    default:
        return statement == 0 ? BF_CLASS_NOT_PRIMARY : BF_CLASS_DATA;
    }
}

bool bf_mysql_warned(enum bf_statement step, size_t statement, size_t count)
{
    return (step == BF_STATEMENT_UPDATE && statement == (count > UPDATE_MOST ? JOURNAL_WARNED : WARNED)) ||
           (step == BF_STATEMENT_TRY && statement == (count > TRY_MOST ? JOURNAL_WARNED : WARNED)) ||
           (step == BF_STATEMENT_REDO_ASIDE && statement == (count > REDO_MOST ? JOURNAL_REDO_WARNED : REDO_WARNED)) ||
           (step == BF_STATEMENT_SET_ASIDE && (statement == FREE_WARNED + more_of_aside(count) ||
                                               (count > ASIDE_MOST && statement == count - 2))) ||
           (step == BF_STATEMENT_RESTORE && statement == RESTORE_WARNED);
}

/* Which transactions are under way, from a table that a server fills anew only when nobody has read it for 0.1 s: the
 * picture that it gives may be an old one. It is of now, or at least of this look, when this very statement stands in it,
 * told from those of other looks by its number. InnoDB numbers a transaction when it first writes (TOUCH did); what only
 * reads has none, or, on MySQL, one from 2^48 on that stands for an address. Prepared XA transactions are listed too, also
 * those that no connection holds. The table is cut off at 16 MB, so a list that is very long proves nothing. */
#define LOOK "backfilld look ?#1."
#define NUMBER "CAST(trx_id AS UNSIGNED)"
#define ANOTHER "trx_mysql_thread_id <> CONNECTION_ID() AND " NUMBER " BETWEEN 1 AND 281474976710655"
#define HORIZON                                                                                                       \
    "SELECT /* " LOOK " */ IF(listed > 4000, NULL, own), COALESCE(LEAST(own, oldest), oldest, own), "                 \
    "CASE WHEN listed > 4000 THEN 'more than 4000 are under way' WHEN own IS NULL THEN "                              \
    "'information_schema.innodb_trx shows an old picture, because something else reads it more than ten times a second, " \
    "or nothing, because the account has not the right PROCESS any more' "                                           \
    "WHEN connection = 0 THEN 'a prepared XA transaction, see XA RECOVER' ELSE CONCAT('connection ', connection, "    \
    "COALESCE((SELECT CONCAT(' of ', USER) FROM information_schema.PROCESSLIST WHERE ID = connection), '')) END "     \
    "FROM (SELECT COUNT(*) AS listed, MAX(IF(trx_mysql_thread_id = CONNECTION_ID() AND LOCATE('" LOOK "', trx_query) > 0 " \
    "AND " NUMBER " BETWEEN 1 AND 281474976710655, " NUMBER ", NULL)) AS own, "                                       \
    "MIN(IF(" ANOTHER ", " NUMBER ", NULL)) AS oldest, "                                                              \
    "CAST(SUBSTRING(MIN(IF(" ANOTHER ", CONCAT(LPAD(" NUMBER ", 20, '0'), trx_mysql_thread_id), NULL)), 21) AS UNSIGNED) " \
    "AS connection FROM information_schema.innodb_trx) seen"

const char *bf_mysql_control_statement(enum bf_statement statement)
{
    static const char *const texts[BF_STATEMENT_KINDS] = {
        [BF_STATEMENT_BEGIN] = BEGIN,
        [BF_STATEMENT_COMMIT] = "COMMIT",
        [BF_STATEMENT_ROLLBACK] = "ROLLBACK",
        [BF_STATEMENT_SAVEPOINT] = "SAVEPOINT backfilld_try",
        [BF_STATEMENT_BACK_TO] = "ROLLBACK TO SAVEPOINT backfilld_try",
        [BF_STATEMENT_RELEASE] = "RELEASE SAVEPOINT backfilld_try",
        [BF_STATEMENT_COUNT_BAD] = bf_mysql_count_bad,
        [BF_STATEMENT_RETRY_BAD] = bf_mysql_retry_bad,
        [BF_STATEMENT_SERVER] = SERVER,
        [BF_STATEMENT_FIND_DONE] = FIND_DONE,
        [BF_STATEMENT_REGISTER_JOB] =
            ASK_FIRST "INSERT INTO backfilld.job (id, name, document, hash, plan, approver, state, created_at, updated_at) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NOW(6), NOW(6)) ON DUPLICATE KEY UPDATE id = id",
        [BF_STATEMENT_REGISTER_CONTROL] =
            ASK_FIRST "INSERT INTO backfilld.control (job, name) VALUES (?1, ?2) ON DUPLICATE KEY UPDATE job = job",
        [BF_STATEMENT_REGISTER_CHECKPOINT] =
            ASK_FIRST "INSERT INTO backfilld.checkpoint (job, slice, after, through, identity, definition, batch_rows, updated_at) "
            "SELECT ?1, ?#2, ?3, ?4, ?5, ?6, ?#7, NOW(6) FROM (SELECT COUNT(*) AS rows_before FROM backfilld.checkpoint b "
            "WHERE b.job = ?1 AND b.slice = ?#2 - 1 AND b.through = ?3) before_it WHERE ?#2 = 0 OR rows_before > 0 "
            "ON DUPLICATE KEY UPDATE job = job",
        [BF_STATEMENT_TURN_BACK] = TURN_BACK,
        [BF_STATEMENT_COUNT_CONFLICTS] = "SELECT COUNT(*) FROM backfilld.conflict WHERE job = ?1",
        [BF_STATEMENT_PEEK_OWNER] =
            "SELECT owner, epoch, seq, TIMESTAMPDIFF(SECOND, updated_at, NOW(6)) AS silent "
            "FROM backfilld.checkpoint WHERE job = ?1 AND slice = ?#2",
        [BF_STATEMENT_RAISE_EPOCH] = RAISE_EPOCH,
        [BF_STATEMENT_READ_CHECKPOINT] = READ_CHECKPOINT,
        [BF_STATEMENT_READ_CONTROL] = READ_CONTROL,
        [BF_STATEMENT_HORIZON] = HORIZON,
        [BF_STATEMENT_LOG_END] = bf_mysql_log_end,
        [BF_STATEMENT_FENCE] = FENCE,
        [BF_STATEMENT_FLUSH] = FLUSH,
        [BF_STATEMENT_TOUCH] =
            ASK_FIRST "UPDATE backfilld.checkpoint SET updated_at = NOW(6) WHERE job = ?1 AND slice = ?#2 AND epoch = ?#3",
        [BF_STATEMENT_NEXT_PASS] = NEXT_PASS,
        [BF_STATEMENT_CANARY_DONE] =
            ASK_FIRST "UPDATE backfilld.checkpoint SET canary = 1, updated_at = NOW(6) WHERE job = ?1 AND slice = ?#2 AND epoch = ?#3",
        [BF_STATEMENT_COUNT_ASIDE] = "SELECT COUNT(*) FROM backfilld.aside WHERE job = ?1 AND slice = ?#2",
        [BF_STATEMENT_JOB_STATE] = JOB_STATE,
        [BF_STATEMENT_KEEP_RECORD] = bf_mysql_keep_record,
        [BF_STATEMENT_END_LOST_SESSIONS] = END_LOST_SESSIONS,
    };
    return texts[statement];
}

const char *bf_mysql_common(enum bf_statement statement)
{
    switch (statement) {
    case BF_STATEMENT_BEGIN:
        return "/* backfilld */ " BEGIN;
    case BF_STATEMENT_COMMIT:
        return "/* backfilld */ COMMIT";
    case BF_STATEMENT_ROLLBACK:
        return "/* backfilld */ ROLLBACK";
    case BF_STATEMENT_SERVER:
        return "/* backfilld */ " SERVER;
    case BF_STATEMENT_READ_CHECKPOINT:
        return "/* backfilld */ " READ_CHECKPOINT;
    case BF_STATEMENT_FIND_DONE:
        return "/* backfilld */ " FIND_DONE;
    case BF_STATEMENT_CONFLICTS:
        return "/* backfilld */ " CONFLICTS;
    case BF_STATEMENT_FOREIGN_JOBS:
        return bf_mysql_foreign_jobs;
    case BF_STATEMENT_FOREIGN_JOB:
        return bf_mysql_foreign_job;
    case BF_STATEMENT_FOREIGN_SLICES:
        return bf_mysql_foreign_slices;
    case BF_STATEMENT_JOURNAL_DUE:
        return "/* backfilld */ " JOURNAL_DUE;
    case BF_STATEMENT_DROP_BAD:
        return bf_mysql_drop_bad;
    case BF_STATEMENT_BAD_ROWS:
        return bf_mysql_bad_rows;
    case BF_STATEMENT_SAMPLE:
        return bf_mysql_sample;
    case BF_STATEMENT_SAMPLE_SLOW:
        return bf_mysql_sample_slow;
    case BF_STATEMENT_SAMPLE_FLOW:
        return bf_mysql_sample_flow;
    case BF_STATEMENT_BEAT:
        return bf_mysql_beat;
    case BF_STATEMENT_REPLAYED:
        return bf_mysql_replayed;
    case BF_STATEMENT_REPLICA_HOSTS:
        return bf_mysql_replica_hosts;
    case BF_STATEMENT_LOG_READERS:
        return bf_mysql_log_readers;
    case BF_STATEMENT_READ_BEAT:
        return bf_mysql_read_beat;
    case BF_STATEMENT_REPLICA_SERVER:
        return bf_mysql_replica_server;
    case BF_STATEMENT_REPLICA_STATUS:
        return bf_mysql_replica_status;
    case BF_STATEMENT_LOG_WRITTEN:
        return bf_mysql_log_written;
    case BF_STATEMENT_WRITES:
        return bf_mysql_writes;
    case BF_STATEMENT_MARK:
        return bf_mysql_mark;
    case BF_STATEMENT_WATCH:
        return bf_mysql_watch;
    case BF_STATEMENT_WATCHED:
        return bf_mysql_watched;
    default:
        return NULL;
    }
}
