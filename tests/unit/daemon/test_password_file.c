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

static void expect_secret(const char *name, enum bf_secret expected, const char *path_or_text)
{
    char found[BF_SECRET_PATH_MAX] = "", text[512] = "";
    assert_int_equal(bf_secret_path(name, found, text, sizeof text), expected);
    if (expected == BF_SECRET_PATH)
        assert_string_equal(found, path_or_text);
    else
        assert_non_null(strstr(text, path_or_text));
}

static void a_credential_is_what_the_service_manager_laid_there(void **state)
{
    char password[BF_PASSWORD_MAX], text[256], name[300];
    (void)state;
    unsetenv("CREDENTIALS_DIRECTORY");
    expect_secret("/etc/shop.pw", BF_SECRET_PATH, "/etc/shop.pw");
    expect_secret("credential:shop.pw", BF_SECRET_NO_CREDENTIALS, "LoadCredential");
    assert_false(bf_password_read("credential:shop.pw", password, text, sizeof text));
    assert_non_null(strstr(text, "there are no credentials"));
    setenv("CREDENTIALS_DIRECTORY", "/tmp", 1);
    expect_secret("/etc/shop.pw", BF_SECRET_PATH, "/etc/shop.pw");
    expect_secret("credential:shop.pw", BF_SECRET_PATH, "/tmp/shop.pw");
    for (size_t i = 0; i < 4; i++)
        expect_secret((const char *const[]){"credential:", "credential:../shop", "credential:a/b", "credential:.."}[i],
                      BF_SECRET_BAD_NAME, "file name");
    snprintf(name, sizeof name, "credential:%0256d", 1);
    expect_secret(name, BF_SECRET_BAD_NAME, "file name");
    assert_true(read_back("secret\n", 7, password, text)); /* writes the file `path` */
    snprintf(name, sizeof name, "credential:%s", path + strlen("/tmp/"));
    assert_true(bf_password_read(name, password, text, sizeof text));
    assert_string_equal(password, "secret");
    unsetenv("CREDENTIALS_DIRECTORY");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_without_its_end),
        cmocka_unit_test(what_is_no_password_is_said),
        cmocka_unit_test(what_cannot_be_read_says_why),
        cmocka_unit_test(a_credential_is_what_the_service_manager_laid_there),
    };
    int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
