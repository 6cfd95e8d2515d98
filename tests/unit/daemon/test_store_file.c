/* The store's file: schema versions, what is refused and how it is said, and the lock that keeps two daemons apart. */
#include "store_case.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocate.h"
#include "sqlite_schema.h"

static void execute(const char *path, const char *sql)
{
    sqlite3 *connection = NULL;
    char *message = NULL;

    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    if (sqlite3_exec(connection, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(connection);
}

static void expect_refusal(struct fixture *fixture, const char *path, const char *part)
{
    struct bf_store *store = NULL;
    struct bf_error error = {0};

    assert_int_equal(bf_sqlite_store_open(&fixture->loop, path, &store, &error), BF_STORE_FAILED);
    assert_null(store);
    if (!strstr(error.text, path) || !strstr(error.text, part))
        fail_msg("the text is: %s", error.text);
}

static void a_newer_store_is_refused_and_not_touched(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record record = make_record(ULID("FVQ"));
    BF_AUTO_STRING char *log = bf_format("%s-wal", fixture->path);
    BF_AUTO_STRING char *copy = bf_format("%s.copy", fixture->path);
    BF_AUTO_STRING char *copied_log = bf_format("%s.copy-wal", fixture->path);
    size_t length, log_length, length_after, log_length_after;
    sqlite3 *connection = NULL;

    open_store(fixture);
    save(fixture, &record, NULL, 0, NULL);
    close_store(fixture);
    /* A copy taken while the newer version runs: its last transaction is in the log only. */
    assert_int_equal(sqlite3_open(fixture->path, &connection), SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, "PRAGMA user_version = 9999", NULL, NULL, NULL), SQLITE_OK);
    copy_file(fixture->path, copy);
    copy_file(log, copied_log);
    sqlite3_close(connection);

    BF_AUTO_STRING char *bytes = read_file(copy, &length);
    BF_AUTO_STRING char *log_bytes = read_file(copied_log, &log_length);
    assert_true(log_length > 0);
    expect_refusal(fixture, copy, "9999");
    BF_AUTO_STRING char *bytes_after = read_file(copy, &length_after);
    BF_AUTO_STRING char *log_bytes_after = read_file(copied_log, &log_length_after);
    assert_int_equal(length, length_after);
    assert_memory_equal(bytes, bytes_after, length);
    assert_int_equal(log_length, log_length_after);
    assert_memory_equal(log_bytes, log_bytes_after, log_length);
    expect_refusal(fixture, fixture->path, "newer backfilld");
    bf_record_clear(&record);
}

static int64_t ask(sqlite3 *connection, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* With steps of the test's own, which begin like the real ones. */
static void migrations_go_forward_all_or_none(void **state)
{
    struct fixture *fixture = *state;
    const char *sql[] = {bf_store_steps.sql[0], "CREATE TABLE second (n INTEGER) STRICT; INSERT INTO second VALUES (2)",
                         "UPDATE second SET n = n + 1; CREATE TABLE third (n INTEGER) STRICT", "UPDATE nowhere SET n = 1"};
    sqlite3 *connection = NULL;
    struct bf_error error = {0};

    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 1}, &connection, &error), BF_OK);
    assert_int_equal(ask(connection, "PRAGMA user_version"), 1);
    assert_int_equal(sqlite3_exec(connection, "INSERT INTO event (job, at, type, from_state, to_state, actor, text)"
                                              " VALUES ('j', 1, 't', '', '', 'a', 'kept')", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(connection);
    /* Step 4 fails: 2 and 3 did not happen either. */
    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 4}, &connection, &error), BF_STORE_FAILED);
    assert_non_null(strstr(error.text, "nowhere"));
    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 1}, &connection, &error), BF_OK);
    assert_int_equal(ask(connection, "SELECT count(*) FROM sqlite_schema WHERE name IN ('second', 'third')"), 0);
    sqlite3_close(connection);
    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 3}, &connection, &error), BF_OK);
    assert_int_equal(ask(connection, "PRAGMA user_version"), 3);
    assert_int_equal(ask(connection, "SELECT n FROM second"), 3);
    assert_int_equal(ask(connection, "SELECT count(*) FROM event WHERE text = 'kept'"), 1);
    sqlite3_close(connection);
    /* And again: nothing is left to do. */
    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 3}, &connection, &error), BF_OK);
    assert_int_equal(ask(connection, "SELECT n FROM second"), 3);
    sqlite3_close(connection);
    assert_int_equal(bf_schema_open(fixture->path, &(struct bf_schema_steps){sql, 2}, &connection, &error), BF_STORE_FAILED);
}

static void durable_settings_and_private_file(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *connection = NULL;
    struct bf_error error = {0};
    struct stat status;
    BF_AUTO_STRING char *log = bf_format("%s-wal", fixture->path);
    mode_t mask = umask(0);

    assert_int_equal(bf_schema_open(fixture->path, &bf_store_steps, &connection, &error), BF_OK);
    umask(mask);
    assert_int_equal(ask(connection, "PRAGMA synchronous"), 2);
    assert_int_equal(ask(connection, "PRAGMA journal_mode = wal; "), 0); /* text, read as a number */
    assert_int_equal(ask(connection, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(stat(log, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    sqlite3_close(connection);
}

static void what_cannot_be_a_store_is_refused_by_name(void **state)
{
    struct fixture *fixture = *state;
    BF_AUTO_STRING char *nowhere = bf_format("%s/none/state.db", fixture->directory);
    BF_AUTO_STRING char *missing = bf_format("the directory %s/none does not exist", fixture->directory);

    expect_refusal(fixture, nowhere, missing);
    expect_refusal(fixture, fixture->directory, "directory");
    execute(fixture->path, "CREATE TABLE theirs (n)");
    expect_refusal(fixture, fixture->path, "something else");
    unlink(fixture->path);
    FILE *file = fopen(fixture->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 100; i++)
        fputs("this is no database at all, but a text of some length\n", file);
    fclose(file);
    expect_refusal(fixture, fixture->path, "not a database");
}

static void a_document_that_does_not_parse_names_its_job(void **state)
{
    struct fixture *fixture = *state;
    struct bf_record record = make_record(ULID("FVQ"));
    struct loaded loaded = {0};
    struct bf_error error = {0};

    open_store(fixture);
    save(fixture, &record, NULL, 0, NULL);
    close_store(fixture);
    execute(fixture->path, "UPDATE job SET document = json_set(document, '$.sett', 1)");
    open_store(fixture);
    assert_int_equal(fixture->store->load(fixture->store->context, on_loaded, &loaded, &error), BF_STORE_FAILED);
    if (!strstr(error.text, "orders") || !strstr(error.text, record.id) || !strstr(error.text, "/sett"))
        fail_msg("the text is: %s", error.text);
    assert_int_equal(loaded.count, 0);
    close_store(fixture);
    execute(fixture->path, "UPDATE job SET state = 'dancing'");
    open_store(fixture);
    assert_int_equal(fixture->store->load(fixture->store->context, on_loaded, &loaded, &error), BF_STORE_FAILED);
    assert_non_null(strstr(error.text, "dancing"));
    bf_record_clear(&record);
}

/* Opens the store in a process of its own, which tells by a byte whether it could, and holds it until it is killed. */
static pid_t open_elsewhere(const char *path, bool *ret_opened)
{
    int ends[2];
    char answer = '?';

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a check of the test fails */
        int descriptor = -1;
        struct bf_error error;
        answer = bf_schema_lock(path, &descriptor, &error) == BF_OK ? 'y' : 'n';
        if (write(ends[1], &answer, 1) == 1)
            pause();
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &answer, 1), 1);
    close(ends[0]);
    *ret_opened = answer == 'y';
    return child;
}

static void end_process(pid_t child)
{
    int status;

    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void two_daemons_cannot_share_a_file(void **state)
{
    struct fixture *fixture = *state;
    BF_AUTO_STRING char *link = bf_format("%s.link", fixture->path);
    BF_AUTO_STRING char *copy = bf_format("%s.copy", fixture->path);
    bool opened;
    pid_t child = open_elsewhere(fixture->path, &opened);
    BF_AUTO_STRING char *holder = bf_format("process %ld", (long)child);

    assert_true(opened);
    expect_refusal(fixture, fixture->path, holder);
    assert_int_equal(symlink(fixture->path, link), 0);
    expect_refusal(fixture, link, "another backfilld");
    /* A copy is a store of its own. */
    copy_file(fixture->path, copy);
    struct bf_store *store = NULL;
    struct bf_error error = {0};
    assert_int_equal(bf_sqlite_store_open(&fixture->loop, copy, &store, &error), BF_OK);
    bf_sqlite_store_close(store);
    /* And kill -9 leaves no lock. */
    end_process(child);
    open_store(fixture);
    child = open_elsewhere(fixture->path, &opened);
    end_process(child);
    assert_false(opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_newer_store_is_refused_and_not_touched),
        TEST(migrations_go_forward_all_or_none),
        TEST(durable_settings_and_private_file),
        TEST(what_cannot_be_a_store_is_refused_by_name),
        TEST(a_document_that_does_not_parse_names_its_job),
        TEST(two_daemons_cannot_share_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
