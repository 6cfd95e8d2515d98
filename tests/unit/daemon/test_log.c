/* The log's lines: one event, one line, whatever a job or a server puts into a text. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate.h"
#include "buffer.h"
#include "log.h"

static void expect_line(bool journal, const char *job, const char *text, const char *expected)
{
    struct bf_buffer line = {0};

    bf_log_line(&line, journal, INT64_C(1795228800123), BF_LEVEL_WARNING, job, text);
    assert_string_equal(line.text, expected);
    bf_buffer_clear(&line);
}

static void lines(void **state)
{
    (void)state;
    expect_line(false, NULL, "hello", "2026-11-21T02:40:00.123Z warning: hello\n");
    expect_line(false, "orders", "running -> paused: why", "2026-11-21T02:40:00.123Z warning: orders: running -> paused: why\n");
    expect_line(true, "orders", "why", "<4>orders: why\n");
}

static void no_text_forges_a_line(void **state)
{
    (void)state;
    expect_line(true, NULL, "a\nb\rc\td\x1b[31m\x7f", "<4>a\\nb\\x0dc\\td\\x1b[31m\\x7f\n");
    expect_line(true, "x\ny", "\xc3\xa4\xe2\x82\xac", "<4>x\\ny: \xc3\xa4\xe2\x82\xac\n");
    expect_line(true, NULL, "\xc2\x9b" "31m \xc2\xa0 \xc2", "<4>\\u009b31m \xc2\xa0 \xc2\n");
}

static void the_journal_is_known_by_its_stream(void **state)
{
    struct stat status;
    BF_AUTO_STRING char *here = NULL;

    (void)state;
    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    here = bf_format("%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    unsetenv("JOURNAL_STREAM");
    assert_false(bf_log_to_journal());
    setenv("JOURNAL_STREAM", here, 1);
    assert_true(bf_log_to_journal());
    setenv("JOURNAL_STREAM", "1:1", 1);
    assert_false(bf_log_to_journal());
    setenv("JOURNAL_STREAM", "junk", 1);
    assert_false(bf_log_to_journal());
    unsetenv("JOURNAL_STREAM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(no_text_forges_a_line),
        cmocka_unit_test(the_journal_is_known_by_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
