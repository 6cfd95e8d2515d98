#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "allocate.h"
#include "buffer.h"
#include "uri.h"

static void test_taken_apart(void **state)
{
    struct bf_uri uri;
    struct bf_error error = {0};
    (void)state;
    assert_int_equal(bf_uri_parse("/v1/jobs/a%2Fb/%C3%A4?label=k%3av+w&state=&&dry", &uri, &error), BF_OK);
    assert_int_equal(uri.segment_count, 4);
    assert_string_equal(uri.segments[2], "a/b");
    assert_string_equal(uri.segments[3], "\xc3\xa4");
    assert_int_equal(uri.parameter_count, 3);
    assert_string_equal(uri.parameters[0].name, "label");
    assert_string_equal(uri.parameters[0].value, "k:v w");
    assert_string_equal(uri.parameters[1].value, "");
    assert_string_equal(uri.parameters[2].name, "dry");
    bf_uri_clear(&uri);
    assert_int_equal(bf_uri_parse("/", &uri, &error), BF_OK);
    assert_int_equal(uri.segment_count, 1);
    assert_string_equal(uri.segments[0], "");
    bf_uri_clear(&uri);
    /* a plus is a blank in a form, not in a path */
    assert_int_equal(bf_uri_parse("/a+b", &uri, &error), BF_OK);
    assert_string_equal(uri.segments[0], "a+b");
    bf_uri_clear(&uri);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        enum bf_code code;
    } cases[] = {
        {"", BF_BAD_REQUEST},         {"*", BF_BAD_REQUEST},         {"http://x/v1/jobs", BF_BAD_REQUEST},
        {"/a%00b", BF_BAD_REQUEST},   {"/a%0d%0ab", BF_BAD_REQUEST}, {"/a%7f", BF_BAD_REQUEST},
        {"/a%", BF_BAD_REQUEST},      {"/a%4", BF_BAD_REQUEST},      {"/a%zz", BF_BAD_REQUEST},
        {"/a%ff", BF_BAD_REQUEST},    {"/a\xff", BF_BAD_REQUEST},    {"/a%c0%af", BF_BAD_REQUEST},
        {"/?a=%00", BF_BAD_REQUEST},  {"/?%", BF_BAD_REQUEST},       {"/?a=%ed%a0%80", BF_BAD_REQUEST},
        {"/1/2/3/4/5/6/7/8/9", BF_NOT_FOUND},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_uri uri;
        struct bf_error error = {0};
        enum bf_code code = bf_uri_parse(cases[i].text, &uri, &error);
        if (code != cases[i].code) fail_msg("%s: %s", cases[i].text, bf_code_name(code));
        assert_true(error.text[0] != '\0');
        bf_uri_clear(&uri);
    }
}

static void test_parameter_limit(void **state)
{
    struct bf_uri uri;
    struct bf_error error = {0};
    struct bf_buffer text = {0};
    (void)state;
    bf_buffer_text(&text, "/?a=1");
    for (int i = 1; i < BF_URI_PARAMETERS_MAX; i++) bf_buffer_text(&text, "&a=1");
    assert_int_equal(bf_uri_parse(text.text, &uri, &error), BF_OK);
    bf_uri_clear(&uri);
    bf_buffer_text(&text, "&a=1");
    assert_int_equal(bf_uri_parse(text.text, &uri, &error), BF_BAD_REQUEST);
    bf_uri_clear(&uri);
    bf_buffer_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken_apart),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_parameter_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
