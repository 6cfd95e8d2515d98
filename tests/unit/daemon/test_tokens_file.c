/* The file of tokens: what is a line, every fault with its own, and who may have the file. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate.h"
#include "tokens_file.h"

#define HASH "$argon2id$v=19$m=19456,t=2,p=1$F1N25lD7gdiwywXzWZS/Gg$hdpk5Y1basso7z5fSU64PG4P2UnTSz1C1MeJNPFAQco"

static const struct {
    const char *text;
    int line;
    const char *part;
} faulty[] = {
    {"ann admin *\n", 1, "name role targets hash"},
    {"\n# nobody\n; nor here\n  \nann admin\n", 5, "name role targets hash"},
    {"ann admin shop, legacy " HASH "\n", 1, "no blanks"},
    {"ann admin * " HASH " # hers\n", 1, "more on the line"},
    {"-ann admin * " HASH "\n", 1, "begins with a letter"},
    {"a:b admin * " HASH "\n", 1, "begins with a letter"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa admin * " HASH "\n", 1, "up to 40"},
    {"operator admin * " HASH "\n", 1, "the daemon's own"},
    {"jobs.d viewer * " HASH "\n", 1, "the daemon's own"},
    {"ann root * " HASH "\n", 1, "viewer, operator, approver, admin or alerts"},
    {"ann anyone * " HASH "\n", 1, "viewer, operator, approver, admin or alerts"},
    {"ann admin shop,,legacy " HASH "\n", 1, "commas between them"},
    {"ann admin shop, " HASH "\n", 1, "commas between them"},
    {"ann admin Shop " HASH "\n", 1, "commas between them"},
    {"ann admin shop,* " HASH "\n", 1, "commas between them"},
    {"ann admin * bft_ann.abcdefghijklmnopqrstuvwxyz\n", 1, "not one of Argon2id"},
    {"ann admin * $argon2i$v=19$m=19456,t=2,p=1$F1N25lD7gdiwywXzWZS/Gg$hdpk5Y1basso7z5fSU64PG4P2UnTSz1C1MeJNPFAQco\n", 1, "Argon2id"},
    {"ann admin * $argon2id$v=19$m=1048576,t=2,p=1$F1N25lD7gdiwywXzWZS/Gg$hdpk5Y1basso7z5fSU64PG4P2UnTSz1C1MeJNPFAQco\n", 1, "64 MiB"},
    {"ann admin * $argon2id$v=19$m=19456,t=2,p=4$F1N25lD7gdiwywXzWZS/Gg$hdpk5Y1basso7z5fSU64PG4P2UnTSz1C1MeJNPFAQco\n", 1, "one lane"},
    {"ann admin * $argon2id$v=19$m=19456,t=2,p=1$F1N25lD7gdiwywXzWZS/Gg\n", 1, "Argon2id"},
    {"ann admin * " HASH "\nbob viewer * " HASH "\nann viewer * " HASH "\n", 3, "on line 1, too"},
};

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < BF_COUNT(faulty); i++) {
        struct bf_tokens tokens;
        struct bf_faults faults = {0};
        bf_tokens_parse(faulty[i].text, strlen(faulty[i].text), &tokens, &faults);
        if (faults.total != 1 || faults.list[0].line != faulty[i].line || !strstr(faults.list[0].text, faulty[i].part)) {
            bf_faults_print(&faults, "tokens", stderr);
            fail_msg("expected one fault on line %d with \"%s\" in:\n%s", faulty[i].line, faulty[i].part, faulty[i].text);
        }
        assert_null(strstr(faults.list[0].text, "abcdefghijkl")); /* a token that stands where its hash should */
        bf_faults_clear(&faults);
        bf_tokens_clear(&tokens);
    }
}

static void test_all_faults_at_once(void **state)
{
    static const char text[] = "ann\nbob viewer * " HASH "\r\ncarl king * " HASH "\ndora viewer * x";
    struct bf_tokens tokens;
    struct bf_faults faults = {0};
    (void)state;
    bf_tokens_parse(text, strlen(text), &tokens, &faults);
    assert_int_equal(faults.total, 3);
    assert_int_equal(faults.list[0].line, 1);
    assert_int_equal(faults.list[1].line, 3);
    assert_int_equal(faults.list[2].line, 4);
    assert_int_equal(tokens.count, 1);
    bf_faults_clear(&faults);
    bf_tokens_clear(&tokens);
}

static void test_what_is_read(void **state)
{
    static const char text[] = "# who\tmay\n\n ann\tadmin  *   " HASH "\nci operator shop,legacy-2 " HASH "\n;\nam alerts all " HASH;
    struct bf_tokens tokens;
    struct bf_faults faults = {0};
    (void)state;
    bf_tokens_parse(text, strlen(text), &tokens, &faults);
    assert_int_equal(faults.total, 0);
    assert_int_equal(tokens.count, 3);
    assert_string_equal(tokens.list[0].name, "ann");
    assert_int_equal(tokens.list[0].role, BF_ROLE_ADMIN);
    assert_null(tokens.list[0].targets);
    assert_string_equal(tokens.list[0].hash, HASH);
    assert_int_equal(tokens.list[0].line, 3);
    assert_string_equal(tokens.list[1].targets, "shop,legacy-2");
    assert_int_equal(tokens.list[2].role, BF_ROLE_ALERTS);
    assert_null(tokens.list[2].targets);
    assert_ptr_equal(bf_tokens_find(&tokens, "ci"), &tokens.list[1]);
    assert_null(bf_tokens_find(&tokens, "c"));
    bf_tokens_clear(&tokens);
}

static void test_who_may_have_the_file(void **state)
{
    static const struct {
        mode_t mode;
        const char *part; /* NULL: it is fine */
    } modes[] = {{0600, NULL}, {0640, NULL}, {0400, NULL}, {0644, "open to everyone"}, {0604, "open to everyone"},
                 {0660, "written by others"}, {0602, "written by others"}};
    char path[] = "/tmp/tokens-XXXXXX";
    int descriptor = mkstemp(path);
    (void)state;
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, "ann admin * " HASH "\n", strlen("ann admin * " HASH "\n")), (ssize_t)strlen("ann admin * " HASH "\n"));
    for (size_t i = 0; i < BF_COUNT(modes); i++) {
        struct bf_tokens tokens;
        struct bf_faults faults = {0};
        assert_int_equal(fchmod(descriptor, modes[i].mode), 0);
        bf_tokens_load(path, &tokens, &faults);
        if (modes[i].part) {
            assert_int_equal(faults.total, 1);
            assert_non_null(strstr(faults.list[0].text, modes[i].part));
            assert_int_equal(tokens.count, 0);
        } else {
            assert_int_equal(faults.total, 0);
            assert_int_equal(tokens.count, 1);
        }
        bf_faults_clear(&faults);
        bf_tokens_clear(&tokens);
    }
    close(descriptor);
    unlink(path);
    struct bf_tokens tokens;
    struct bf_faults faults = {0};
    bf_tokens_load(path, &tokens, &faults);
    assert_int_equal(faults.total, 1);
    assert_non_null(strstr(faults.list[0].text, "cannot be read"));
    bf_faults_clear(&faults);
    bf_tokens_load("/tmp", &tokens, &faults);
    assert_non_null(strstr(faults.list[0].text, "not a file"));
    bf_faults_clear(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_all_faults_at_once),
        cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_who_may_have_the_file),
    };
    return bf_token_begin() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
