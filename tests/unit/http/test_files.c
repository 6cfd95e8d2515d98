/* jobs.d without an engine: when a file is tried again, and that nothing is lost or kept when the end comes in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "allocate.h"
#include "fake_engine.h"
#include "job_files.h"

static uv_loop_t loop;
static char directory[] = "/tmp/backfilld-files-XXXXXX";
static struct bf_job_files *files;

static void put(const char *name, const char *content)
{
    BF_AUTO_STRING char *path = bf_format("%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void take(const char *name)
{
    BF_AUTO_STRING char *path = bf_format("%s/%s", directory, name);
    unlink(path);
}

static int begin(void **state)
{
    (void)state;
    memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
    assert_non_null(mkdtemp(directory));
    uv_loop_init(&loop);
    fake_begin();
    fake.loop = &loop;
    files = bf_job_files_new(&(struct bf_job_files_options){.loop = &loop, .retry_time = 40, .write_time = 5});
    return 0;
}

static int end(void **state)
{
    (void)state;
    bf_job_files_free(files);
    files = NULL;
    fake_end();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    take("a.json");
    take("b.json");
    assert_int_equal(rmdir(directory), 0);
    return 0;
}

/* State of the file, or -1: there is none. */
static int state_of(const char *name)
{
    struct bf_job_file file;
    for (size_t position = 0; bf_job_files_next(files, &position, &file);)
        if (strcmp(file.name, name) == 0) return (int)file.state;
    return -1;
}

/* Of why it waits; a file that was not looked at yet has no reason. */
static bool both_wait_for(enum bf_code code)
{
    struct bf_job_file file;
    size_t count = 0;
    for (size_t position = 0; bf_job_files_next(files, &position, &file);)
        count += file.state == BF_JOB_FILE_WAITING && file.code == code;
    return count == 2;
}

static bool both(enum bf_job_file_state wanted)
{
    return state_of("a.json") == (int)wanted && state_of("b.json") == (int)wanted;
}

#define RUN_UNTIL(condition)                                                                        \
    do {                                                                                            \
        uint64_t deadline = uv_hrtime() + 10000000000u;                                             \
        while (!(condition)) {                                                                      \
            if (uv_hrtime() > deadline) fail_msg("not within 10 s: %s", #condition);                \
            uv_run(&loop, UV_RUN_NOWAIT);                                                           \
        }                                                                                           \
    } while (0)

static const char shop_a[] = "{\"name\": \"a\", \"target\": \"shop\"}", shop_b[] = "{\"name\": \"b\", \"target\": \"shop\"}";

static void a_target_is_asked_once_for_all_its_files_and_again_later(void **state)
{
    (void)state;
    put("a.json", shop_a);
    put("b.json", shop_b);
    const struct bf_outcome_of_order good = fake.outcome;
    fake.outcome = (struct bf_outcome_of_order){.code = BF_TARGET_DOWN, .text = "target shop: canned"};
    bf_job_files_scan(files, directory);
    assert_true(bf_job_files_hold(files, &fake.jobs[2].record)); /* nobody knows yet */
    struct bf_job_file file;
    size_t position = 0;
    RUN_UNTIL(both_wait_for(BF_TARGET_DOWN));
    assert_true(bf_job_files_next(files, &position, &file));
    assert_int_equal(file.code, BF_TARGET_DOWN);
    assert_string_equal(file.text, "target shop: canned");
    assert_int_equal(fake.calls, 1);
    RUN_UNTIL(fake.calls == 2);
    assert_string_equal(fake.actor, "jobs.d");
    fake.outcome = good;
    RUN_UNTIL(both(BF_JOB_FILE_SUBMITTED));
    assert_int_equal(fake.calls, 4);
    assert_true(bf_job_files_hold(files, &fake.jobs[0].record));
    assert_false(bf_job_files_hold(files, &fake.jobs[2].record));
    assert_false(uv_loop_alive(&loop)); /* nothing is due any more */
}

static void what_is_not_json_is_read_again_before_it_is_faulty(void **state)
{
    (void)state;
    put("a.json", "{\"name\": ");
    put("b.json", "{");
    bf_job_files_scan(files, directory);
    RUN_UNTIL(both_wait_for(BF_NOT_JSON));
    put("a.json", shop_a);
    RUN_UNTIL(state_of("a.json") == BF_JOB_FILE_SUBMITTED);
    RUN_UNTIL(state_of("b.json") == BF_JOB_FILE_FAULTY);
    assert_int_equal(fake.calls, 1);
}

static void a_scan_while_files_are_submitted_is_remembered(void **state)
{
    (void)state;
    fake.mode = FAKE_LATER;
    put("a.json", shop_a);
    bf_job_files_scan(files, directory);
    RUN_UNTIL(fake_waiting() == 1);
    bf_job_files_scan(files, "/nonexistent");
    bf_job_files_scan(files, NULL);
    assert_int_equal(state_of("a.json"), BF_JOB_FILE_WAITING);
    fake_finish();
    RUN_UNTIL(state_of("a.json") == -1);
    assert_null(bf_job_files_directory(files));
    bf_job_files_scan(files, "/nonexistent");
    RUN_UNTIL(bf_job_files_trouble(files));
    assert_non_null(strstr(bf_job_files_trouble(files), "No such file"));
    assert_true(bf_job_files_hold(files, &fake.jobs[2].record));
    bf_job_files_scan(files, directory);
    RUN_UNTIL(fake_waiting() == 1);
    assert_null(bf_job_files_trouble(files));
}

static void the_end_comes_while_it_is_at_work(void **state)
{
    (void)state;
    fake.mode = FAKE_LATER;
    put("a.json", shop_a);
    put("b.json", shop_b);
    bf_job_files_scan(files, directory);
    RUN_UNTIL(fake_waiting() == 2);
    bf_job_files_free(files);
    files = bf_job_files_new(&(struct bf_job_files_options){.loop = &loop});
    bf_job_files_scan(files, directory); /* freed by the teardown while it is being read */
    fake_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_target_is_asked_once_for_all_its_files_and_again_later, begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_json_is_read_again_before_it_is_faulty, begin, end),
        cmocka_unit_test_setup_teardown(a_scan_while_files_are_submitted_is_remembered, begin, end),
        cmocka_unit_test_setup_teardown(the_end_comes_while_it_is_at_work, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
