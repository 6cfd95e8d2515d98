/* The sections of sources and the settings of webhooks: what is a fault on which line, and what is taken. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "config.h"

#define TARGET "[target shop]\nprimary = postgresql://db/shop\n"

static const struct {
    const char *text;
    int line;
    const char *part; /* of the fault */
} wrong[] = {
    {TARGET "webhook = hook\n", 3, "webhook: "},
    {TARGET "webhook = https://me:you@ops/hook\n", 3, "holds a user or a password"},
    {TARGET "webhook = http://169.254.169.254/\n", 3, "link-local"},
    {TARGET "webhook_format = teams\n", 3, "must be json or slack"},
    {TARGET "webhook_secret_file = secret\n", 3, "must be a path"},
    {"[daemon]\npublic_url = backfilld.example\n", 2, "public_url: "},
    {"[daemon]\npublic_url = https://backfilld.example/?a\n", 2, "holds a query"},
    {"[source]\nurl = http://prom:9090\n", 1, "[source NAME]"},
    {"[source Prom]\nurl = http://prom:9090\n", 1, "a source's name has"},
    {"[source prometheus]\ntype = status\n", 1, "[source prometheus] has no \"url\""},
    {"[source prometheus]\nurl = ftp://prom\n", 2, "must begin with http:// or https://"},
    {"[source prometheus]\nurl = prom:9090\n", 2, "url: "},
    {"[source prometheus]\nurl = http://me:you@prom:9090\n", 2, "holds a user or a password"},
    {"[source prometheus]\nurl = http://prom:9090/#a\n", 2, "fragment"},
    {"[source prometheus]\nurl = http://prom:9090/?a=1\n", 2, "holds no query"},
    {"[source prometheus]\nurl = http://169.254.169.254/latest\n", 2, "link-local"},
    {"[source prometheus]\nurl = http://[fe80::1]:9090\n", 2, "link-local"},
    {"[source prometheus]\nurl = http://[::ffff:169.254.169.254]/\n", 2, "link-local"},
    {"[source prometheus]\nurl = http://p\ntype = graphite\n", 3, "must be one of prometheus, json, status"},
    {"[source prometheus]\nurl = http://p\ntimeout = 5\n", 3, "is not a duration"},
    {"[source prometheus]\nurl = http://p\ntimeout = 1m\n", 3, "from 100ms to 30s"},
    {"[source prometheus]\nurl = http://p\ntoken_file = relative\n", 3, "must be a path"},
    {"[source prometheus]\nurl = http://p\nprimary = postgresql://db/x\n", 3, "is not known in [source]"},
    {"[source prometheus]\nurl = http://p\n[source prometheus]\nurl = http://p\n", 3, "stands here again"},
};

static void each_fault_has_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < BF_COUNT(wrong); i++) {
        struct bf_config *config = NULL;
        struct bf_faults faults = {0};
        assert_false(bf_config_parse(wrong[i].text, strlen(wrong[i].text), &config, &faults));
        if (faults.total != 1 || faults.list[0].line != wrong[i].line || !strstr(faults.list[0].text, wrong[i].part))
            fail_msg("%s: %zu, line %d: %s", wrong[i].text, faults.total, faults.list[0].line, faults.list[0].text);
        assert_null(strstr(faults.list[0].text, "you")); /* the password of one of them */
        bf_faults_clear(&faults);
    }
}

static void what_is_good_is_taken(void **state)
{
    static const char text[] = "[daemon]\npublic_url = https://backfilld.example/base//\n" TARGET "webhook = https://hooks.example/T/B?x=1\n"
                               "webhook_format = slack\n[source prometheus]\nurl = https://prom/base/\n[source app]\nurl = http://app/health?deep=1\n"
                               "type = json\ntimeout = 1500ms\n[source up]\nurl = http://[::1]:8080/up\ntype = status\n";
    struct bf_config *config = NULL;
    struct bf_faults faults = {0};
    (void)state;
    assert_true(bf_config_parse(text, sizeof text - 1, &config, &faults));
    assert_string_equal(config->public_url, "https://backfilld.example/base");
    assert_string_equal(config->targets[0].webhook, "https://hooks.example/T/B?x=1");
    assert_true(config->targets[0].webhook_format == BF_WEBHOOK_SLACK && !config->targets[0].webhook_secret_file);
    assert_int_equal(config->source_count, 3);
    assert_string_equal(config->sources[0].url, "https://prom/base/");
    assert_true(config->sources[0].type == BF_SOURCE_PROMETHEUS && config->sources[0].timeout == 3000);
    assert_string_equal(config->sources[1].name, "app");
    assert_true(config->sources[1].type == BF_SOURCE_JSON && config->sources[1].timeout == 1500);
    assert_true(config->sources[2].type == BF_SOURCE_STATUS && !config->sources[2].token_file);
    bf_config_free(config);
}

static void credentials_are_looked_at_where_there_are_some(void **state)
{
    static const char text[] = TARGET "password_file = credential:shop.pw\n";
    struct bf_config *config = NULL;
    struct bf_faults faults = {0};

    (void)state;
    unsetenv("CREDENTIALS_DIRECTORY"); /* somebody checks a configuration by hand */
    assert_true(bf_config_parse(text, strlen(text), &config, &faults));
    assert_string_equal(config->targets[0].password_file, "credential:shop.pw");
    bf_config_free(config);
    setenv("CREDENTIALS_DIRECTORY", "/nonexistent", 1);
    assert_false(bf_config_parse(text, strlen(text), &config, &faults));
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(faults.total, 1);
    assert_int_equal(faults.list[0].line, 3);
    assert_non_null(strstr(faults.list[0].text, "/nonexistent/shop.pw cannot be read"));
    bf_faults_clear(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(credentials_are_looked_at_where_there_are_some),
                                       cmocka_unit_test(each_fault_has_its_line), cmocka_unit_test(what_is_good_is_taken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
