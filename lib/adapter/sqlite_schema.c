#include "sqlite_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate.h"
#include "sqlite_reason.h"

enum { APPLICATION_ID = 0x6266736d, BUSY_TIMEOUT = 5000 /* milliseconds, on the thread pool */ };

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE job ("
    " id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 26), name TEXT NOT NULL, target TEXT NOT NULL,"
    " document TEXT NOT NULL, state TEXT NOT NULL, direction TEXT NOT NULL,"
    " reason_code TEXT NOT NULL, reason_text TEXT NOT NULL, reason_since INTEGER NOT NULL,"
    " reason_until INTEGER NOT NULL,"
    " rows_scanned INTEGER NOT NULL, rows_changed INTEGER NOT NULL, rows_estimated INTEGER NOT NULL,"
    " batches INTEGER NOT NULL, batch_rows INTEGER NOT NULL, pass INTEGER NOT NULL, resumed INTEGER NOT NULL,"
    " range_after TEXT, range_through TEXT, position TEXT, done INTEGER NOT NULL,"
    " plan TEXT, submitter TEXT, approver TEXT,"
    " created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, started_at INTEGER NOT NULL,"
    " ended_at INTEGER NOT NULL, epoch INTEGER NOT NULL, started INTEGER NOT NULL) STRICT;"
    "CREATE TABLE event ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, at INTEGER NOT NULL, type TEXT NOT NULL,"
    " from_state TEXT NOT NULL, to_state TEXT NOT NULL, actor TEXT NOT NULL, text TEXT NOT NULL) STRICT;"
    "CREATE INDEX event_of_job ON event (job, id);",
    /* 2 */
    "ALTER TABLE job ADD COLUMN version INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN idempotency_key TEXT;"
    "ALTER TABLE job ADD COLUMN current_document TEXT;"
    "CREATE TABLE latch ("
    " kind INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, reason TEXT, actor TEXT NOT NULL,"
    " since INTEGER NOT NULL, PRIMARY KEY (kind, name, value)) STRICT, WITHOUT ROWID;",
    /* 3 */
    "ALTER TABLE job ADD COLUMN ledger TEXT;",
    /* 4 */
    "CREATE TABLE sample ("
    " job TEXT NOT NULL, step INTEGER NOT NULL, at INTEGER NOT NULL, batch_rows INTEGER NOT NULL,"
    " rows_scanned INTEGER NOT NULL, rows_changed INTEGER NOT NULL, batches INTEGER NOT NULL,"
    " batch_time INTEGER NOT NULL, slept INTEGER NOT NULL, held INTEGER NOT NULL, signals TEXT,"
    " PRIMARY KEY (job, step, at)) STRICT, WITHOUT ROWID;",
    /* 5 */
    "ALTER TABLE job ADD COLUMN rows_set_aside INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN yields INTEGER NOT NULL DEFAULT 0;",
    /* 6 */
    "CREATE TABLE ignored_replica ("
    " target TEXT NOT NULL, replica TEXT NOT NULL, why TEXT NOT NULL, until INTEGER NOT NULL,"
    " PRIMARY KEY (target, replica)) STRICT, WITHOUT ROWID;",
    /* 7 */
    "ALTER TABLE job ADD COLUMN slices TEXT;",
    /* 8 */
    "ALTER TABLE job ADD COLUMN reason_signal TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE job ADD COLUMN reason_measured INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN reason_value REAL;"
    "ALTER TABLE job ADD COLUMN reason_limit REAL;"
    "CREATE TABLE alert ("
    " fingerprint TEXT NOT NULL, starts_at TEXT NOT NULL, seen_at INTEGER NOT NULL,"
    " PRIMARY KEY (fingerprint, starts_at)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE webhook (target TEXT PRIMARY KEY NOT NULL, event INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    /* 9 */
    "ALTER TABLE job ADD COLUMN approved_plan TEXT;"
    "ALTER TABLE job ADD COLUMN approved_risk TEXT;"
    "ALTER TABLE job ADD COLUMN approved_bounds TEXT;",
    /* 10 */
    "ALTER TABLE job ADD COLUMN back_wanted INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN undo_dropped INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN undo_rows INTEGER NOT NULL DEFAULT -1;"
    "ALTER TABLE job ADD COLUMN undo_bytes INTEGER NOT NULL DEFAULT -1;"
    "ALTER TABLE job ADD COLUMN back_seen INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN back_conflicts INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN back_batches INTEGER NOT NULL DEFAULT 0;",
    /* 11 */
    "ALTER TABLE job ADD COLUMN rows_bad INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN retry_bad INTEGER NOT NULL DEFAULT 0;",
    /* 12 */
    "ALTER TABLE job ADD COLUMN logged_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN logged_rows INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN dead_rows INTEGER NOT NULL DEFAULT -1;",
    /* 13 */
    "ALTER TABLE job ADD COLUMN break_glass TEXT;",
    /* 14 */
    "CREATE TABLE audit_head ("
    " one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1), number INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;",
};

const struct bf_schema_steps bf_store_steps = {.sql = steps, .count = BF_COUNT(steps)};

static enum bf_code fail_sqlite(sqlite3 *connection, const char *path, const char *doing, struct bf_error *error)
{
    BF_AUTO_STRING char *reason = bf_sqlite_reason(connection, 0);

    return bf_fail(error, BF_STORE_FAILED, "state store %s: %s: %s", path, doing, reason);
}

static bool read_number(sqlite3 *connection, const char *sql, int64_t *ret_number)
{
    sqlite3_stmt *statement = NULL;
    bool found = sqlite3_prepare_v2(connection, sql, -1, &statement, NULL) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_ROW;

    if (found)
        *ret_number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return found;
}

/* Is it ours, and do we know its version? Only reads. */
static enum bf_code check_version(sqlite3 *connection, const char *path, int newest, int *ret_version,
                                  struct bf_error *error)
{
    int64_t version, application, objects;

    if (!read_number(connection, "PRAGMA user_version", &version) ||
        !read_number(connection, "PRAGMA application_id", &application) ||
        !read_number(connection, "SELECT count(*) FROM sqlite_schema", &objects))
        return fail_sqlite(connection, path, "cannot be read", error);
    if (version < 0 || (application != APPLICATION_ID && (application != 0 || version != 0 || objects != 0)))
        return bf_fail(error, BF_STORE_FAILED, "state store %s: this is a database of something else; name another file",
                       path);
    if (version > newest)
        return bf_fail(error, BF_STORE_FAILED,
                       "state store %s: it is of version %lld, written by a newer backfilld; this one knows versions "
                       "up to %d. Nothing was changed. Start the newer backfilld, or name another file",
                       path, (long long)version, newest);
    *ret_version = (int)version;
    return BF_OK;
}

static enum bf_code migrate(sqlite3 *connection, const char *path, const struct bf_schema_steps *known, int version,
                            struct bf_error *error)
{
    char sql[96];

    if (version == known->count)
        return BF_OK;
    if (sqlite3_exec(connection, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return fail_sqlite(connection, path, "cannot be brought to the newest schema", error);
    for (int step = version; step < known->count; step++)
        if (sqlite3_exec(connection, known->sql[step], NULL, NULL, NULL) != SQLITE_OK)
            goto failed;
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", (int)APPLICATION_ID,
             known->count);
    if (sqlite3_exec(connection, sql, NULL, NULL, NULL) == SQLITE_OK)
        return BF_OK;
failed:
    fail_sqlite(connection, path, "cannot be brought to the newest schema", error);
    sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL);
    return BF_STORE_FAILED;
}

/* SQLite itself would create the file open to all, and says little about why it cannot. */
static enum bf_code create_file(const char *path, struct bf_error *error)
{
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

    if (descriptor >= 0) {
        struct stat status;
        bool regular = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
        close(descriptor);
        return regular ? BF_OK : bf_fail(error, BF_STORE_FAILED, "state store %s: is not a file", path);
    }
    int reason = errno;
    if (reason == ENOENT) {
        const char *slash = strrchr(path, '/');
        return bf_fail(error, BF_STORE_FAILED,
                       "state store %s: the directory %.*s does not exist; create it, owned by the user that runs "
                       "backfilld",
                       path, slash ? (int)(slash - path) + (slash == path) : 1, slash ? path : ".");
    }
    return bf_fail(error, BF_STORE_FAILED, "state store %s: cannot be opened: %s", path, strerror(reason));
}

static bool configure(sqlite3 *connection)
{
    /* Every write is of a few rows: a small cache does, and the daemon promises to stay small. */
    static const char settings[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -256;"
                                   "PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF;";
    sqlite3_stmt *statement = NULL;

    if (sqlite3_exec(connection, settings, NULL, NULL, NULL) != SQLITE_OK)
        return false;
    /* journal_mode answers with the mode it could set, and is no error when that is another. */
    bool wal = sqlite3_prepare_v2(connection, "PRAGMA journal_mode", -1, &statement, NULL) == SQLITE_OK &&
               sqlite3_step(statement) == SQLITE_ROW &&
               strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
    sqlite3_finalize(statement);
    return wal;
}

enum bf_code bf_schema_open(const char *path, const struct bf_schema_steps *known, sqlite3 **ret_connection,
                            struct bf_error *error)
{
    sqlite3 *connection = NULL;
    int version = 0;
    enum bf_code code = create_file(path, error);

    if (code != BF_OK)
        return code;
    if (sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        code = fail_sqlite(connection, path, "cannot be opened", error);
        goto failed;
    }
    sqlite3_busy_timeout(connection, BUSY_TIMEOUT);
    sqlite3_extended_result_codes(connection, 1);
    /* A refused store may have a log that its owner has not yet taken over into the file: leave that to it. */
    sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    code = check_version(connection, path, known->count, &version, error);
    if (code != BF_OK)
        goto failed;
    sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    if (!configure(connection)) {
        code = fail_sqlite(connection, path, "cannot be used with a write-ahead log", error);
        goto failed;
    }
    code = migrate(connection, path, known, version, error);
    if (code != BF_OK)
        goto failed;
    *ret_connection = connection;
    return BF_OK;
failed:
    sqlite3_close(connection);
    return code;
}

enum bf_code bf_schema_lock(const char *path, int *ret_descriptor, struct bf_error *error)
{
    enum bf_code code = create_file(path, error);
    if (code != BF_OK)
        return code;
    /* The same file under another name (a symbolic link) has the same lock. */
    char *real = realpath(path, NULL);
    BF_AUTO_STRING char *lock = bf_format("%s.lock", real ? real : path);
    char holder[24] = "";

    free(real);
    int descriptor = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (descriptor < 0)
        return bf_fail(error, BF_STORE_FAILED, "state store %s: its lock %s cannot be opened: %s", path, lock,
                       strerror(errno));
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        int reason = errno;
        ssize_t length = pread(descriptor, holder, sizeof holder - 1, 0);
        holder[length > 0 ? strspn(holder, "0123456789") : 0] = '\0';
        close(descriptor);
        if (reason != EWOULDBLOCK)
            return bf_fail(error, BF_STORE_FAILED, "state store %s: cannot be locked: %s", path, strerror(reason));
        return bf_fail(error, BF_STORE_FAILED,
                       "state store %s: another backfilld%s%s has it open; stop that one, or name another file", path,
                       *holder ? ", process " : "", holder);
    }
    /* For the text above only: what counts is the lock, which ends with the process. */
    int length = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    if (ftruncate(descriptor, 0) != 0 || pwrite(descriptor, holder, (size_t)length, 0) != length) {
        int reason = errno;
        close(descriptor);
        return bf_fail(error, BF_STORE_FAILED, "state store %s: its lock %s cannot be written: %s", path, lock,
                       strerror(reason));
    }
    *ret_descriptor = descriptor;
    return BF_OK;
}
