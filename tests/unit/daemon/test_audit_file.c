/* The audit log's file: the chain holds over restarts, renamed files and crashes, and what somebody did to the file shows. */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate.h"
#include "audit_file.h"
#include "audit_line.h"
#include "audit_records.h"

struct fixture {
    char directory[64], path[96], other[96];
    struct bf_audit_file file;
    struct bf_audit_findings findings;
    struct bf_error error;
};

static int set_up(void **state)
{
    struct fixture *fixture = BF_NEW(struct fixture);

    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/backfilld-audit-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof fixture->path, "%s/audit.log", fixture->directory);
    snprintf(fixture->other, sizeof fixture->other, "%s/audit.log.1", fixture->directory);
    fixture->file.path = fixture->path;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    DIR *directory = opendir(fixture->directory);

    bf_audit_findings_clear(&fixture->findings);
    for (const struct dirent *entry; (entry = readdir(directory));)
        unlinkat(dirfd(directory), entry->d_name, 0); /* not . and .. */
    closedir(directory);
    assert_int_equal(rmdir(fixture->directory), 0);
    free(fixture);
    return 0;
}

static enum bf_code append(struct fixture *fixture, int count)
{
    json_t *records[16];
    enum bf_code code;

    for (int i = 0; i < count; i++)
        records[i] = json_pack("{s:s, s:s}", "action", "pause", "actor", "ann");
    code = bf_audit_file_append(&fixture->file, records, (size_t)count, &fixture->findings, &fixture->error);
    if (code == BF_OK)
        bf_audit_findings_clear(&fixture->findings);
    for (int i = 0; i < count; i++)
        json_decref(records[i]);
    return code;
}

/* As the next start of the daemon finds it. */
static void open_again(struct fixture *fixture, const struct bf_audit_head *stored)
{
    bf_audit_findings_clear(&fixture->findings);
    fixture->file = (struct bf_audit_file){.path = fixture->path};
    assert_int_equal(bf_audit_file_open(&fixture->file, stored, &fixture->findings, &fixture->error), BF_OK);
}

static void expect_finding(const struct fixture *fixture, size_t index, const char *action)
{
    assert_true(fixture->findings.count > index);
    assert_string_equal(json_string_value(json_object_get(fixture->findings.list[index].record, "action")), action);
}

/* The numbers of the records behind `after`, each of which follows the one before it; ends with 0. */
static void expect_records(const struct fixture *fixture, const char *path, int64_t after, size_t limit, const int64_t *numbers)
{
    struct bf_error error;
    json_t *records = bf_audit_records(path, after, limit, &error), *record;
    char hash[BF_DIGEST_TEXT] = "";
    size_t i;

    (void)fixture;
    assert_non_null(records);
    json_array_foreach (records, i, record) {
        assert_int_equal(json_integer_value(json_object_get(record, "n")), numbers[i]);
        if (i > 0 && numbers[i] == numbers[i - 1] + 1)
            assert_string_equal(json_string_value(json_object_get(record, "previous")), hash);
        BF_AUTO_STRING char *text = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);
        bf_sha256(text, strlen(text), hash);
    }
    assert_int_equal(numbers[i], 0);
    json_decref(records);
}
#define EXPECT(path, after, limit, ...) expect_records(fixture, path, after, limit, (const int64_t[]){__VA_ARGS__ __VA_OPT__(,) 0})

static void it_begins_with_zeros_and_goes_on_after_a_restart(void **state)
{
    struct fixture *fixture = *state;

    open_again(fixture, NULL);
    assert_int_equal(fixture->file.head.number, 0);
    assert_int_equal(append(fixture, 2), BF_OK);
    struct bf_audit_head stored = fixture->file.head;
    assert_int_equal(append(fixture, 1), BF_OK);
    open_again(fixture, &stored); /* a crash came before the store knew of the third */
    assert_int_equal(fixture->findings.count, 0);
    assert_int_equal(fixture->file.head.number, 3);
    assert_int_equal(append(fixture, 1), BF_OK);
    open_again(fixture, NULL); /* the store is lost */
    assert_int_equal(fixture->file.head.number, 4);
    EXPECT(fixture->path, 0, 10, 1, 2, 3, 4);
    EXPECT(fixture->path, 1, 2, 2, 3);
    EXPECT(fixture->path, -1, 3, 2, 3, 4);
    EXPECT(fixture->path, 4, 3);
    EXPECT(fixture->path, INT64_MAX, 3);
    EXPECT("/tmp/backfilld-no-such-file", 0, 3);
}

static void what_a_crash_cut_short_stays_and_is_told(void **state)
{
    struct fixture *fixture = *state;
    char hash[BF_DIGEST_TEXT];

    open_again(fixture, NULL);
    assert_int_equal(append(fixture, 1), BF_OK);
    struct bf_audit_head stored = fixture->file.head;
    FILE *file = fopen(fixture->path, "a");
    fputs("{\"action\":\"pau", file);
    fclose(file);
    open_again(fixture, &stored);
    assert_int_equal(fixture->findings.count, 1);
    expect_finding(fixture, 0, "log_cut_short");
    assert_non_null(strstr(fixture->findings.list[0].text, "in the middle of a record, behind record 1"));
    assert_int_equal(json_integer_value(json_object_get(fixture->findings.list[0].record, "bytes")), 14);
    assert_string_equal(json_string_value(json_object_get(fixture->findings.list[0].record, "sha256")),
                        bf_sha256("{\"action\":\"pau", 14, hash));
    assert_int_equal(append(fixture, 1), BF_OK);
    EXPECT(fixture->path, 0, 10, 1, 2, 3);
    stored = fixture->file.head;
    open_again(fixture, &stored);
    assert_int_equal(fixture->findings.count, 0);
}

static void a_renamed_file_is_followed_by_a_new_one(void **state)
{
    struct fixture *fixture = *state;

    open_again(fixture, NULL);
    assert_int_equal(append(fixture, 2), BF_OK);
    assert_int_equal(rename(fixture->path, fixture->other), 0);
    EXPECT(fixture->path, 0, 10, 1, 2);
    assert_int_equal(append(fixture, 1), BF_OK);
    EXPECT(fixture->path, 0, 10, 1, 2, 3);
    struct bf_audit_head stored = fixture->file.head;
    assert_int_equal(rename(fixture->path, fixture->other), 0); /* while the daemon does not run */
    open_again(fixture, &stored);
    assert_int_equal(fixture->findings.count, 0);
    assert_non_null(strstr(fixture->findings.note, "begins anew, behind record 3"));
    assert_int_equal(append(fixture, 1), BF_OK);
    EXPECT(fixture->path, 0, 10, 3, 4);
}

static void rename_to(const struct fixture *fixture, const char *end)
{
    BF_AUTO_STRING char *name = bf_format("%s%s", fixture->path, end);
    assert_int_equal(rename(fixture->path, name), 0);
}

static void write_to(const struct fixture *fixture, const char *end, const char *text)
{
    BF_AUTO_STRING char *name = bf_format("%s%s", fixture->path, end);
    FILE *file = fopen(name, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Whatever they are called: what their first records are numbered says it. What is no file of the log is left alone. */
static void the_files_before_it_are_read_in_their_order(void **state)
{
    static const char *const ends[] = {".10", ".2", "-20261101", ".9.old"};
    struct fixture *fixture = *state;

    open_again(fixture, NULL);
    for (size_t i = 0; i < BF_COUNT(ends); i++) {
        assert_int_equal(append(fixture, 2), BF_OK);
        rename_to(fixture, ends[i]);
    }
    write_to(fixture, ".1.gz", "\x1f\x8b\x08 nothing that can be read\n");
    write_to(fixture, "ger.log", "{\"action\":\"pause\",\"n\":9,\"previous\":\"\"}\n");
    EXPECT(fixture->path, -1, 3, 6, 7, 8); /* nothing was written since */
    assert_int_equal(append(fixture, 2), BF_OK);
    EXPECT(fixture->path, 0, 100, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    EXPECT(fixture->path, 3, 4, 4, 5, 6, 7);
    EXPECT(fixture->path, -1, 5, 6, 7, 8, 9, 10);
    EXPECT(fixture->path, 10, 5);
    BF_AUTO_STRING char *second = bf_format("%s.2", fixture->path), *copy = bf_format("%s.copy", second);
    assert_int_equal(link(second, copy), 0);
    EXPECT(fixture->path, 0, 100, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    assert_int_equal(unlink(second), 0);
    assert_int_equal(unlink(copy), 0);
    EXPECT(fixture->path, 0, 100, 1, 2, 5, 6, 7, 8, 9, 10); /* the gap shows */
}

/* Cut off at the end of a record, and written by another hand: the chain goes on where it was, so the gap shows. */
static void what_somebody_did_to_it_is_found(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;

    open_again(fixture, NULL);
    assert_int_equal(append(fixture, 1), BF_OK);
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(append(fixture, 2), BF_OK);
    struct bf_audit_head stored = fixture->file.head;
    assert_int_equal(truncate(fixture->path, status.st_size), 0);
    open_again(fixture, &stored);
    expect_finding(fixture, 0, "log_disagrees");
    assert_int_equal(json_integer_value(json_object_get(fixture->findings.list[0].record, "found")), 1);
    assert_int_equal(fixture->file.head.number, 3);
    assert_int_equal(append(fixture, 1), BF_OK);
    EXPECT(fixture->path, 0, 10, 1, 4, 5);

    assert_int_equal(truncate(fixture->path, status.st_size), 0); /* while it runs */
    assert_int_equal(append(fixture, 1), BF_OK);
    EXPECT(fixture->path, 0, 10, 1, 6, 7);

    FILE *file = fopen(fixture->path, "a");
    fputs("this is nothing of ours\n", file);
    fclose(file);
    assert_int_equal(append(fixture, 1), BF_OK);
    EXPECT(fixture->path, 5, 10, 6, 7, 8, 9);
}

/* Another record of the same number is not the one that was stored. */
static void a_rewritten_record_is_found(void **state)
{
    struct fixture *fixture = *state;

    open_again(fixture, NULL);
    assert_int_equal(append(fixture, 3), BF_OK);
    struct bf_audit_head stored = fixture->file.head;
    stored.number = 2;
    open_again(fixture, &stored);
    expect_finding(fixture, 0, "log_disagrees");
}

static void what_cannot_be_written_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit before, limit;
    struct stat status;

    open_again(fixture, NULL);
    assert_int_equal(append(fixture, 1), BF_OK);
    assert_int_equal(stat(fixture->path, &status), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)status.st_size + 50; /* half a record */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(append(fixture, 1), BF_INTERNAL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_non_null(strstr(fixture->error.text, "cannot be written: File too large"));
    assert_int_equal(fixture->file.head.number, 1);
    assert_int_equal(append(fixture, 1), BF_OK);
    EXPECT(fixture->path, 0, 10, 1, 2);
}

/* Over many windows of the search, and with lines of any length. */
static void records_are_found_in_a_long_file(void **state)
{
    struct fixture *fixture = *state;
    enum { MANY = 1500 };
    json_t *records[BF_COUNT((char[100]){0})];
    BF_AUTO_STRING char *long_text = bf_allocate(4000);
    struct bf_audit_head heads[MANY / 100];

    open_again(fixture, NULL);
    memset(long_text, 'x', 3999);
    for (int i = 0; i < MANY / 100; i++) {
        for (size_t k = 0; k < BF_COUNT(records); k++)
            records[k] = json_pack("{s:s, s:s%}", "action", "pause", "reason", long_text, (size_t)(random() % 3999));
        assert_int_equal(bf_audit_file_append(&fixture->file, records, BF_COUNT(records), &fixture->findings, &fixture->error), BF_OK);
        for (size_t k = 0; k < BF_COUNT(records); k++)
            json_decref(records[k]);
        heads[i] = fixture->file.head;
    }
    int file = open(fixture->path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    assert_int_equal(fstat(file, &status), 0);
    assert_true(status.st_size > 20 * BF_AUDIT_LINE_MAX);
    for (int i = 0; i < MANY / 100; i++) {
        assert_true(bf_audit_holds(file, status.st_size, &heads[i]));
        heads[i].hash[7] ^= 1;
        assert_false(bf_audit_holds(file, status.st_size, &heads[i]));
    }
    close(file);
    for (int64_t number = 1; number < MANY; number += 37)
        EXPECT(fixture->path, number - 1, 1, number);
    EXPECT(fixture->path, -1, 2, MANY - 1, MANY);
    EXPECT(fixture->path, MANY, 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(it_begins_with_zeros_and_goes_on_after_a_restart), CASE(what_a_crash_cut_short_stays_and_is_told),
        CASE(a_renamed_file_is_followed_by_a_new_one),          CASE(what_somebody_did_to_it_is_found),
        CASE(a_rewritten_record_is_found),                      CASE(what_cannot_be_written_leaves_nothing),
        CASE(records_are_found_in_a_long_file),
        CASE(the_files_before_it_are_read_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
