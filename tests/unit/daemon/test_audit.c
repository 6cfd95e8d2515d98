/* The audit log's head in the daemon's own log: at the start, from time to time, and at the end. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocate.h"
#include "audit.h"
#include "digest.h"

enum { EVERY = 20, PATIENCE = 20000 /* milliseconds */ };

static enum bf_code load_no_marks(void *context, bf_store_loaded_mark *loaded, void *argument, struct bf_error *error)
{
    (void)context;
    (void)loaded;
    (void)argument;
    (void)error;
    return BF_OK;
}

static void save_mark(void *context, const struct bf_mark *mark, bf_stored *stored, void *argument)
{
    assert_null(stored);
    (void)argument;
    *(struct bf_mark *)context = *mark;
}

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = bf_allocate(64 * 1024);

    assert_non_null(file);
    text[fread(text, 1, 64 * 1024 - 1, file)] = '\0';
    fclose(file);
    return text;
}

static int count(const char *text, const char *part)
{
    int found = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        found++;
    return found;
}

static int own_stderr; /* while the log goes into a file */

static void on_impatient(uv_timer_t *timer)
{
    (void)timer;
    dup2(own_stderr, STDERR_FILENO);
    fail_msg("nothing was said within %d ms", PATIENCE);
}

static void the_newest_hash_is_said_again_and_again(void **state)
{
    char directory[] = "/tmp/backfilld-audit-XXXXXX";
    struct bf_mark stored = {0};
    const struct bf_store store = {.context = &stored, .load_marks = load_no_marks, .save_mark = save_mark};
    uv_timer_t patience;
    uv_loop_t loop;

    (void)state;
    assert_non_null(mkdtemp(directory));
    BF_AUTO_STRING char *path = bf_format("%s/audit.log", directory), *said = bf_format("%s/said", directory);
    int instead = open(said, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    own_stderr = dup(STDERR_FILENO);
    dup2(instead, STDERR_FILENO);
    uv_loop_init(&loop);
    uv_timer_init(&loop, &patience);
    uv_timer_start(&patience, on_impatient, PATIENCE, 0);

    struct bf_audit *audit = bf_audit_new(&(struct bf_audit_options){.loop = &loop, .store = &store, .path = path, .head_every = EVERY});
    BF_AUTO_STRING char *text = read_all(said);
    while (count(text, "record 1 is the newest now") < 2) {
        uv_run(&loop, UV_RUN_ONCE);
        bf_free_string(&text);
        text = read_all(said);
    }
    bf_audit_free(audit);
    uv_close((uv_handle_t *)&patience, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    dup2(own_stderr, STDERR_FILENO);
    assert_int_equal(uv_loop_close(&loop), 0);

    BF_AUTO_STRING char *log = read_all(path);
    const char *second = strchr(log, '\n') + 1;
    char hash[BF_DIGEST_TEXT];
    bf_sha256(log, (size_t)(second - 1 - log), hash);
    BF_AUTO_STRING char *line = bf_format("audit log: record 1 is the newest now, its hash is %s\n", hash);
    assert_int_equal(count(text, line), count(text, "is the newest now"));
    assert_string_equal(stored.name, bf_sha256(second, strcspn(second, "\n"), hash));
    bf_free_string(&text);
    text = read_all(said);
    assert_int_equal(count(text, "record 0 is the newest at the start"), 1);
    assert_int_equal(count(text, "record 2 is the newest at the end"), 1);
    close(own_stderr);
    close(instead);
    unlink(path);
    unlink(said);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_newest_hash_is_said_again_and_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
