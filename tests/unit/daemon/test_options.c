/* The command line of backfilld. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "options.h"

static bool options(struct bf_options *ret_options, char *one, char *two, char *three)
{
    char name[] = "backfilld";
    char *argv[] = {name, one, two, three, NULL};
    int argc = 1;

    while (argv[argc])
        argc++;
    return bf_options_parse(argc, argv, ret_options);
}

static void the_command_line(void **state)
{
    char c[] = "-c", file[] = "b.ini", together[] = "-cb.ini", check[] = "--check-config", version[] = "--version",
         help[] = "-h", unknown[] = "--chek", word[] = "start", empty[] = "", schema[] = "--print-schema", s[] = "-smysql",
         schema_of[] = "--print-schema=mariadb";
    struct bf_options parsed;
    FILE *kept = stderr;

    (void)state;
    assert_true(options(&parsed, NULL, NULL, NULL));
    assert_string_equal(parsed.config, BF_DEFAULT_CONFIG);
    assert_false(parsed.check_config || parsed.version || parsed.help);
    assert_true(options(&parsed, c, file, check));
    assert_string_equal(parsed.config, "b.ini");
    assert_true(parsed.check_config);
    assert_true(options(&parsed, together, NULL, NULL));
    assert_string_equal(parsed.config, "b.ini");
    assert_true(options(&parsed, version, NULL, NULL) && parsed.version);
    assert_true(options(&parsed, help, NULL, NULL) && parsed.help);
    assert_true(options(&parsed, schema, NULL, NULL) && !strcmp(parsed.print_schema, "postgresql"));
    assert_true(options(&parsed, schema_of, NULL, NULL) && !strcmp(parsed.print_schema, "mariadb"));
    assert_true(options(&parsed, s, NULL, NULL) && !strcmp(parsed.print_schema, "mysql"));
    stderr = fopen("/dev/null", "w");
    bool wrong = options(&parsed, unknown, NULL, NULL) || options(&parsed, c, NULL, NULL) ||
                 options(&parsed, word, NULL, NULL) || options(&parsed, c, empty, NULL);
    fclose(stderr);
    stderr = kept;
    assert_false(wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_command_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
