#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "password_file.h"

static char path[] = "/tmp/backfilld-password-XXXXXX";

static bool read_back(const char *content, size_t length, char password[BF_PASSWORD_MAX], char text[256])
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, length, file), length);
    fclose(file);
    text[0] = '\0';
    memset(password, 'x', BF_PASSWORD_MAX);
    return bf_password_read(path, password, text, 256);
}

static void the_first_line_without_its_end(void **state)
{
    static const struct {
        const char *content, *password;
    } cases[] = {{"secret\n", "secret"}, {"secret", "secret"},         {"secret\r\nmore\n", "secret"},
                 {" a b \n", " a b "},   {"gr\xc3\xb6\n\n", "gr\xc3\xb6"}, {"one\ntwo\n", "one"}};
    char password[BF_PASSWORD_MAX], text[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(read_back(cases[i].content, strlen(cases[i].content), password, text));
        assert_string_equal(password, cases[i].password);
        assert_string_equal(text, "");
        for (size_t at = strlen(password); at < BF_PASSWORD_MAX; at++) /* nothing of the other lines is left */
            assert_int_equal(password[at], 0);
    }
}

static void what_is_no_password_is_said(void **state)
{
    char password[BF_PASSWORD_MAX], text[256], longest[BF_PASSWORD_MAX + 1];
    (void)state;
    assert_false(read_back("", 0, password, text));
    assert_non_null(strstr(text, "is empty"));
    assert_false(read_back("\nsecret\n", 8, password, text)); /* an empty password is none */
    assert_non_null(strstr(text, "first line"));
    memset(longest, 's', sizeof longest);
    assert_true(read_back(longest, BF_PASSWORD_MAX - 2, password, text));
    assert_int_equal(strlen(password), BF_PASSWORD_MAX - 2);
    for (size_t more = 1; more <= 3; more++) { /* and not its beginning, as if that were it */
        assert_false(read_back(longest, BF_PASSWORD_MAX - 2 + more, password, text));
        assert_non_null(strstr(text, "too long"));
        assert_null(strstr(text, "sss"));
    }
}

static void what_cannot_be_read_says_why(void **state)
{
    char password[BF_PASSWORD_MAX], text[256];
    (void)state;
    assert_false(bf_password_read("/nowhere/password", password, text, sizeof text));
    assert_string_equal(text, "the password file /nowhere/password cannot be read: No such file or directory");
    assert_false(bf_password_read("/tmp", password, text, sizeof text));
    assert_string_equal(text, "the password file /tmp cannot be read: Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_without_its_end),
        cmocka_unit_test(what_is_no_password_is_said),
        cmocka_unit_test(what_cannot_be_read_says_why),
    };
    int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
