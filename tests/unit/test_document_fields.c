/* Each field of the document: what it takes, what it refuses, and what is said then. */
#include "document_case.h"

#include <string.h>

#include "allocate.h"
#include "buffer.h"

/* `length` bytes are good and one more is not. */
static void at_most(const char *name, size_t length)
{
    BF_AUTO_STRING char *fits = field_of_length(name, length);
    good(fits);
    BF_AUTO_STRING char *pointer = bf_format("/%s", name);
    BF_AUTO_STRING char *over = field_of_length(name, length + 1);
    invalid(over, pointer, "are the limit");
}

static void names_and_targets(void **state)
{
    (void)state;
    BF_AUTO_STRING char *longest = long_string(63), *over = long_string(64);
    static const char *const good_names[] = {"\"a\"", "\"0\"", "\"orders-archive_2020.v2\""};
    static const char *const bad_names[] = {"\"\"", "\"A\"", "\".a\"", "\"-a\"", "\"a b\"", "\"a/b\"", "\"\u00e9\"", "\"a\\n\""};
    for (size_t i = 0; i < BF_COUNT(good_names); i++)
        own_good("name", good_names[i]);
    for (size_t i = 0; i < BF_COUNT(bad_names); i++)
        own_invalid("name", bad_names[i], "/name", "must be 1 to 63 of a-z");
    own_good("name", longest);
    own_invalid("name", over, "/name", "must be 1 to 63");
    own_good("target", "\"-.Shop_9\"");
    own_good("target", longest);
    own_invalid("target", over, "/target", "1 to 63");
    own_invalid("target", "\"\"", "/target", "1 to 63");
    own_invalid("target", "\"a/b\"", "/target", "the name of a target");
}

static void tables(void **state)
{
    (void)state;
    BF_AUTO_STRING char *longest = long_string(255), *over = long_string(256);
    own_good("table", "\"public.\\\"My Orders\\\"\"");
    own_good("table", longest);
    own_invalid("table", over, "/table", "has 256 bytes; 255 are the limit");
    own_invalid("table", "\"\"", "/table", "must not be empty");
    own_invalid("table", "\" \\t\"", "/table", "must not be empty");
    own_invalid("table", "\"a\\nb\"", "/table", "control characters");
    own_invalid("table", "\"a\x7F" "b\"", "/table", "control characters");
}

static void keys(void **state)
{
    (void)state;
    good("\"key\":[\"id\"]");
    good("\"key\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]");
    good("\"key\":[\"id\",\"ID\"]"); /* names are compared as they are written, the server does the rest */
    invalid("\"key\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]", "/key", "has 9 entries; 8 are the limit");
    invalid("\"key\":\"id\"", "/key", "must be a list of column names, not a string");
    invalid("\"key\":[]", "/key", "must not be empty");
    invalid("\"key\":[\"id\",7]", "/key/1", "must be a string, not a number");
    invalid("\"key\":[\"\"]", "/key/0", "must not be empty");
    invalid("\"key\":[\"a\\tb\"]", "/key/0", "control characters");
    invalid("\"key\":[\"a\",\"b\",\"a\"]", "/key/2", "in the key already");
    BF_AUTO_STRING char *longest = long_string(255), *over = long_string(256);
    BF_AUTO_STRING char *fits = bf_format("\"key\":[%s]", longest), *long_name = bf_format("\"key\":[%s]", over);
    good(fits);
    invalid(long_name, "/key/0", "255 are the limit");
}

static void ranges(void **state)
{
    (void)state;
    good("\"range\":{\"after\":[\"0\"]}");
    good("\"range\":{\"through\":[\"0\"]}");
    good("\"range\":{\"after\":[\"a\",\"\"],\"through\":[\"b\",\" \"]}");
    good("\"key\":[\"a\",\"b\"],\"range\":{\"after\":[\"1\",\"2\"],\"through\":[\"3\",\"4\"]}");
    invalid("\"range\":[]", "/range", "must be an object, not a list");
    invalid("\"range\":{}", "/range", "must not be empty");
    invalid("\"range\":{\"after\":\"0\"}", "/range/after", "a list of strings, one for each key column, not a string");
    invalid("\"range\":{\"after\":[]}", "/range/after", "must not be empty");
    invalid("\"range\":{\"after\":null}", "/range/after", "not null");
    invalid("\"range\":{\"through\":[5000000]}", "/range/through/0", "as in \"5000000\"), not a number");
    invalid("\"range\":{\"after\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}", "/range/after", "8 are the limit");
    invalid("\"key\":[\"a\"],\"range\":{\"after\":[\"1\",\"2\"]}", "/range/after", "2 values for 1 key columns");
    invalid("\"key\":[\"a\",\"b\"],\"range\":{\"through\":[\"1\"]}", "/range/through", "1 values for 2 key columns");
    invalid("\"range\":{\"after\":[\"1\",\"2\"],\"through\":[\"1\"]}", "/range", "`after` has 2 values and `through` has 1");
    BF_AUTO_STRING char *longest = long_string(8192), *over = long_string(8193);
    BF_AUTO_STRING char *fits = bf_format("\"range\":{\"after\":[%s]}", longest);
    BF_AUTO_STRING char *long_bound = bf_format("\"range\":{\"after\":[%s]}", over);
    good(fits);
    invalid(long_bound, "/range/after/0", "8192 are the limit");
}

/* `count` columns c0, c1, ... set to 1. */
static char *columns(int count)
{
    struct bf_buffer json = {0};
    for (int i = 0; i < count; i++)
        bf_buffer_format(&json, "%s\"c%d\":\"1\"", i > 0 ? "," : "{", i);
    bf_buffer_text(&json, "}");
    return bf_buffer_take(&json);
}

static void sets(void **state)
{
    (void)state;
    BF_AUTO_STRING char *most = columns(BF_SET_COLUMNS_MAX), *too_many = columns(BF_SET_COLUMNS_MAX + 1);
    own_good("set", most);
    own_invalid("set", too_many, "/set", "has 65 entries; 64 are the limit");
    own_invalid("set", "{}", "/set", "must not be empty");
    own_invalid("set", "{\"\":\"1\"}", "/set/", "the name must not be empty");
    own_invalid("set", "{\"a\\nb\":\"1\"}", "/set/a\nb", "control characters");
    own_invalid("set", "{\"a\":1}", "/set/a", "must be a string, not a number");
    own_invalid("set", "{\"a\":null}", "/set/a", "not null");
    own_invalid("set", "{\"a\":\"\"}", "/set/a", "must not be empty");
    own_invalid("set", "{\"a\":\" \\n \"}", "/set/a", "must not be empty");
    BF_AUTO_STRING char *longest = long_string(BF_EXPRESSION_MAX), *over = long_string(BF_EXPRESSION_MAX + 1);
    BF_AUTO_STRING char *fits = bf_format("{\"a\":%s}", longest), *long_value = bf_format("{\"a\":%s}", over);
    own_good("set", fits);
    own_invalid("set", long_value, "/set/a", "has 16385 bytes; 16384 are the limit");
    BF_AUTO_STRING char *long_text = long_string(256), *long_name = bf_format("{%s:\"1\"}", long_text);
    struct bf_document *document;
    BF_AUTO_STRING char *json = with("set", long_name);
    assert_int_equal(parse_bytes(json, strlen(json), NULL, &document), BF_INVALID);
    assert_non_null(strstr(complaints.list[0].detail, "the name has 256 bytes"));
    invalid("\"key\":[\"id\",\"n\"]", "/set/n", "a key column cannot be written");
}

static void texts(void **state)
{
    (void)state;
    at_most("where", BF_EXPRESSION_MAX);
    at_most("owner", 128);
    at_most("description", 4096);
    static const char *const names[] = {"where", "owner", "description"};
    for (size_t i = 0; i < BF_COUNT(names); i++) {
        BF_AUTO_STRING char *pointer = bf_format("/%s", names[i]);
        BF_AUTO_STRING char *empty = bf_format("\"%s\":\"\"", names[i]), *nothing = bf_format("\"%s\":null", names[i]);
        BF_AUTO_STRING char *number = bf_format("\"%s\":7.5", names[i]), *yes = bf_format("\"%s\":true", names[i]);
        invalid(empty, pointer, "must not be empty");
        invalid(nothing, pointer, "must be a string, not null");
        invalid(number, pointer, "must be a string, not a number");
        invalid(yes, pointer, "must be a string, not true");
    }
    good("\"description\":\"two\\nlines\"");
    good("\"where\":\"a = 1\\n  AND b = 2\"");
    invalid("\"owner\":\"two\\nlines\"", "/owner", "control characters");
}

static void labels(void **state)
{
    (void)state;
    BF_AUTO_STRING char *longest = long_string(63), *over = long_string(64);
    BF_AUTO_STRING char *fits = bf_format("\"labels\":{%s:%s}", longest, longest);
    BF_AUTO_STRING char *long_value = bf_format("\"labels\":{\"k\":%s}", over);
    good(fits);
    invalid(long_value, "/labels/k", "63 are the limit");
    invalid("\"labels\":{\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\":\"v\"}",
            "/labels/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "63 are the limit");
    invalid("\"labels\":{\"k\":1}", "/labels/k", "must be a string, not a number");
    invalid("\"labels\":{\"k\":\"\"}", "/labels/k", "must not be empty");
    invalid("\"labels\":{\"\":\"v\"}", "/labels/", "the name must not be empty");
    invalid("\"labels\":{}", "/labels", "must not be empty");
    invalid("\"labels\":[]", "/labels", "must be an object, not a list");
    BF_AUTO_STRING char *most = columns(BF_LABELS_MAX), *too_many = columns(BF_LABELS_MAX + 1);
    BF_AUTO_STRING char *full = bf_format("\"labels\":%s", most), *overfull = bf_format("\"labels\":%s", too_many);
    good(full);
    invalid(overfull, "/labels", "has 33 entries; 32 are the limit");
}

static void keep_undo(void **state)
{
    (void)state;
    static const char head[] = "{\"name\":\"a\",\"target\":\"t\",\"table\":\"x\",\"set\":{\"n\":\"1\"},\"keep_undo\":";
    static const struct {
        const char *rest;
        enum bf_code code;
    } cases[] = {{"\"30d\"}", BF_OK},
                 {"\"1s\",\"undo\":\"journal\"}", BF_OK},
                 {"\"999ms\"}", BF_INVALID},
                 {"7}", BF_INVALID},
                 {"\"7d\",\"undo\":\"none\"}", BF_INVALID},
                 {"\"7d\",\"undo\":{\"set\":{\"n\":\"2\"}}}", BF_INVALID}};
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_document *document = NULL;
        struct bf_complaints found = {0};
        struct bf_error said = {0};
        BF_AUTO_STRING char *json = bf_format("%s%s", head, cases[i].rest);
        assert_int_equal(bf_document_parse(json, strlen(json), NULL, &document, &found, &said), cases[i].code);
        if (cases[i].code == BF_OK)
            assert_true(document->keep_undo > 0);
        else
            assert_string_equal(found.list[0].pointer, "/keep_undo");
        bf_document_free(document);
        bf_complaints_clear(&found);
    }
}

static void verify_sample(void **state)
{
    (void)state;
    static const char head[] = "{\"name\":\"a\",\"target\":\"t\",\"table\":\"x\",\"set\":{\"n\":\"1\"}";
    static const struct {
        const char *rest;
        int64_t rows; /* -1: refused */
    } cases[] = {{"}", 1000},
                 {",\"verify_sample\":7}", 7},
                 {",\"verify_sample\":0}", 0},
                 {",\"undo\":\"none\"}", 0},
                 {",\"undo\":\"none\",\"verify_sample\":0}", 0},
                 {",\"undo\":\"none\",\"verify_sample\":1}", -1},
                 {",\"undo\":{\"set\":{\"n\":\"2\"}},\"verify_sample\":1}", -1},
                 {",\"verify_sample\":100001}", -1},
                 {",\"verify_sample\":\"all\"}", -1}};
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_document *document = NULL;
        struct bf_complaints found = {0};
        struct bf_error said;
        BF_AUTO_STRING char *json = bf_format("%s%s", head, cases[i].rest);
        enum bf_code code = bf_document_parse(json, strlen(json), NULL, &document, &found, &said);
        assert_int_equal(code, cases[i].rows < 0 ? BF_INVALID : BF_OK);
        if (cases[i].rows < 0)
            assert_string_equal(found.list[0].pointer, "/verify_sample");
        else
            assert_int_equal(document->verify_sample, cases[i].rows);
        bf_document_free(document);
        bf_complaints_clear(&found);
    }
}

static void again(void **state)
{
    (void)state;
    good("\"again\":false");
    invalid("\"again\":\"true\"", "/again", "must be true or false, not a string");
    invalid("\"again\":1", "/again", "not a number");
    invalid("\"again\":null", "/again", "not null");
}

static void times(void **state)
{
    (void)state;
    good("\"pace\":{\"batch_time\":\"1ms\"}");
    good("\"pace\":{\"batch_time\":\"60s\"},\"limits\":{\"statement_timeout\":\"60s\"}");
    good("\"limits\":{\"lock_timeout\":\"1ms\",\"statement_timeout\":\"24h\"}");
    good("\"limits\":{\"lock_timeout\":\"1h\",\"statement_timeout\":\"250ms\"}");
    static const char *const places[][2] = {
        {"pace", "batch_time"}, {"limits", "lock_timeout"}, {"limits", "statement_timeout"}};
    static const char *const over[] = {"\"60001ms\"", "\"3600001ms\"", "\"25h\""};
    for (size_t i = 0; i < BF_COUNT(places); i++) {
        const struct {
            const char *value, *part;
        } cases[] = {
            {over[i], "must be from 1 ms to"},
            {"\"0ms\"", "must be from 1 ms to"},
            {"250", "must be a duration such as \"250ms\""},
            {"null", "not null"},
            {"\"250\"", "\"250\" is not a duration"},
            {"\"\"", "is not a duration"},
            {"\"-1s\"", "is not a duration"},
            {"\"a very long text that is no duration but has to be shown\"", "\"a very long text that is no duration but has to ...\""},
        };
        for (size_t k = 0; k < BF_COUNT(cases); k++) {
            BF_AUTO_STRING char *field = bf_format("\"%s\":{\"%s\":%s}", places[i][0], places[i][1], cases[k].value);
            BF_AUTO_STRING char *pointer = bf_format("/%s/%s", places[i][0], places[i][1]);
            invalid(field, pointer, cases[k].part);
        }
    }
    invalid("\"limits\":{\"statement_timeout\":\"200ms\"}", "/limits/statement_timeout", "must not be under pace.batch_time");
    invalid("\"pace\":{\"batch_time\":\"11s\"}", "/limits/statement_timeout", "must not be under pace.batch_time");
    invalid("\"pace\":{}", "/pace", "must not be empty");
    invalid("\"limits\":7", "/limits", "must be an object, not a number");
    /* The user's text is cut between characters: 24 times two bytes are 48. */
    invalid("\"pace\":{\"batch_time\":\"x\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
            "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\"}", "/pace/batch_time", "\xC3\xA9...\" is not a duration");
}

static void assert_rows(const char *rows, int start, int min, int max)
{
    BF_AUTO_STRING char *json = bf_format("{%s,\"pace\":{\"batch_rows\":%s}}", SMALLEST, rows);
    struct bf_document *document = parse_good(json);
    assert_int_equal(document->pace.batch_rows_start, start);
    assert_int_equal(document->pace.batch_rows_min, min);
    assert_int_equal(document->pace.batch_rows_max, max);
    bf_document_free(document);
}

static void bad_rows(const char *rows, const char *part_of_pointer, const char *part)
{
    BF_AUTO_STRING char *field = bf_format("\"pace\":{\"batch_rows\":%s}", rows);
    BF_AUTO_STRING char *pointer = bf_format("/pace/batch_rows%s", part_of_pointer);
    invalid(field, pointer, part);
}

static void batch_rows(void **state)
{
    (void)state;
    assert_rows("{\"start\":7,\"min\":7,\"max\":7}", 7, 7, 7);
    assert_rows("{\"start\":1000000,\"min\":1,\"max\":1000000}", 1000000, 1, 1000000);
    /* What is not said gives way to what is. */
    assert_rows("{\"max\":100}", 100, 10, 100);
    assert_rows("{\"max\":5}", 5, 5, 5);
    assert_rows("{\"min\":1000}", 1000, 1000, 50000);
    assert_rows("{\"start\":3}", 3, 3, 50000);
    assert_rows("{\"min\":600,\"max\":700}", 600, 600, 700);
    bad_rows("{\"start\":5,\"min\":6}", "", "wants min <= start <= max, and they are 6, 5, 50000");
    bad_rows("{\"start\":60000}", "", "10, 60000, 50000");
    bad_rows("{\"min\":60000}", "", "wants min <= start <= max");
    bad_rows("{\"min\":20,\"max\":10}", "", "wants min <= start <= max");
    bad_rows("{\"min\":0}", "/min", "must be from 1 to 1000000");
    bad_rows("{\"max\":1000001}", "/max", "must be from 1 to 1000000");
    bad_rows("{\"start\":-1}", "/start", "must be from 1 to 1000000");
    bad_rows("{\"start\":1.5}", "/start", "must be a whole number");
    bad_rows("{\"start\":1e3}", "/start", "must be a whole number");
    bad_rows("{\"start\":\"500\"}", "/start", "must be a whole number, not a string");
    bad_rows("{\"starts\":500}", "/starts", "`start`");
    bad_rows("{}", "", "must not be empty");
    bad_rows("500", "", "must be an object, not a number");
}

static void nice_is_a_ratio(void **state)
{
    (void)state;
    good("\"pace\":{\"nice\":0}");
    good("\"pace\":{\"nice\":0.25}");
    good("\"pace\":{\"nice\":100}");
    invalid("\"pace\":{\"nice\":-0.1}", "/pace/nice", "from 0 to 100");
    invalid("\"pace\":{\"nice\":100.5}", "/pace/nice", "from 0 to 100");
    invalid("\"pace\":{\"nice\":\"0.5\"}", "/pace/nice", "must be a number, not a string");
    invalid("\"pace\":{\"nice\":null}", "/pace/nice", "must be a number, not null");
}

/* `rest`: members of one check behind its name and query. */
static char *a_check(const char *rest)
{
    return bf_format("\"checks\":{\"before\":[{\"name\":\"n\",\"sql\":\"SELECT 1\"%s}],\"canary\":[]}", rest);
}

static void checks(void **state)
{
    (void)state;
    static const char *const right[] = {"\"equals\":\"t\"", "\"equals\":7", "\"at_most\":\"0\"", "\"at_most\":-1", "\"at_most\":0.5",
                                        "\"at_least\":\"1.5e3\"", "\"at_least\":1e-3", "\"rows\":0", "\"rows\":\"3\"",
                                        "\"at_most\":\"0\",\"on\":\"replica\"", "\"equals\":\"t\",\"timeout\":\"10m\""};
    static const struct {
        const char *rest, *pointer, *part;
    } wrong[] = {{"", "", "a check needs one of `equals`"}, {",\"equals\":0.5", "/equals", "not a number"},
                 {",\"equals\":true", "/equals", "not true"}, {",\"equals\":\"\"", "/equals", "must not be empty"},
                 {",\"at_most\":null", "/at_most", "not null"}, {",\"at_most\":\"few\"", "/at_most", "must be a number"},
                 {",\"at_most\":\"nan\"", "/at_most", "must be a number"}, {",\"at_least\":\"-inf\"", "/at_least", "must be a number"},
                 {",\"rows\":1.5", "/rows", "not a number"}, {",\"rows\":\"1.5\"", "/rows", "whole"},
                 {",\"rows\":-1", "/rows", "not under 0"}, {",\"at_most\":1,\"rows\":1", "/rows", "one comparison"},
                 {",\"rows\":1,\"timeout\":\"11m\"", "/timeout", "must be from"}, {",\"rows\":1,\"on\":\"both\"", "/on", "must be"},
                 {",\"rows\":1,\"one\":\"primary\"", "/one", "did you mean `on`"}};
    for (size_t i = 0; i < BF_COUNT(right); i++) {
        BF_AUTO_STRING char *rest = bf_format(",%s", right[i]), *field = a_check(rest);
        good(field);
    }
    for (size_t i = 0; i < BF_COUNT(wrong); i++) {
        BF_AUTO_STRING char *field = a_check(wrong[i].rest), *pointer = bf_format("/checks/before/0%s", wrong[i].pointer);
        invalid(field, pointer, wrong[i].part);
    }
    good("\"checks\":{\"before\":[],\"canary\":[],\"after\":[]}");
    invalid("\"checks\":{}", "/checks", "must not be empty");
    invalid("\"checks\":{\"before\":{}}", "/checks/before", "must be a list of checks");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_targets),
        cmocka_unit_test(tables),
        cmocka_unit_test(keys),
        cmocka_unit_test(ranges),
        cmocka_unit_test(sets),
        cmocka_unit_test(texts),
        cmocka_unit_test(labels),
        cmocka_unit_test(checks),
        cmocka_unit_test(keep_undo),
        cmocka_unit_test(verify_sample),
        cmocka_unit_test(again),
        cmocka_unit_test(times),
        cmocka_unit_test(batch_rows),
        cmocka_unit_test(nice_is_a_ratio),
    };
    return cmocka_run_group_tests_name("document_fields", tests, NULL, clean_up);
}
