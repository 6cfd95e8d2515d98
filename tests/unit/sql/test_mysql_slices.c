/* The middle of two keys as MySQL and MariaDB write them: it is always another value than the upper one, and between the
 * two wherever the server's order is that of numbers, dates or bytes. */
#include "unit.h"

#include <string.h>

#include "allocate.h"
#include "mysql_dialect.h"

static void middles(void **state)
{
    static const struct {
        char kind;
        const char *low, *high, *middle; /* NULL: none */
    } cases[] = {
        {'i', "0", "10", "5"},
        {'i', "-9223372036854775808", "9223372036854775807", "-1"},
        {'i', "9223372036854775808", "18446744073709551615", "13835058055282163711"},
        {'i', "7", "8", NULL},
        {'i', "7", "7", NULL},
        {'i', "9", "7", NULL},
        {'d', "-1.5", "2.5", "0.500000000"},
        {'d', "1", "1", NULL},
        {'t', "2024-02-28", "2024-03-01", "2024-02-29 00:00:00.000000"},
        {'t', "2023-12-31 23:59:59.999998", "2024-01-01 00:00:00.000002", "2024-01-01 00:00:00.000000"},
        {'t', "2024-01-01", "2024-01-01", NULL},
        {'h', "00", "FF", "7F80000000000000"},
        {'h', "ABCD", "ABCF", "ABCE00000000000000"},
        {'h', "00000000-0000-0000-0000-000000000000", "80000000-0000-0000-0000-000000000000",
         "40000000-0000-0000-0000-000000000000"},
        {'s', "a", "a", NULL},
        {'-', "a", "z", NULL},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        char text[BF_MYSQL_CUT_MAX] = "";
        bool found = bf_mysql_between(cases[i].kind, cases[i].low, cases[i].high, 0, text);
        if (!cases[i].middle) {
            if (found)
                fail_msg("%s and %s have the middle %s", cases[i].low, cases[i].high, text);
            continue;
        }
        assert_true(found);
        assert_string_equal(text, cases[i].middle);
    }
}

static void texts_are_halved_by_their_bytes(void **state)
{
    static const struct {
        const char *low, *high;
    } cases[] = {{"a", "c"}, {"a", "b"}, {"a", "aa"}, {"", "z"}, {"user-1", "user-9999"}, {"\xc3\xa4" "a", "\xc3\xa4" "c"}};
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        char text[BF_MYSQL_CUT_MAX] = "";
        assert_true(bf_mysql_between('s', cases[i].low, cases[i].high, 0, text));
        assert_true(strcmp(text, cases[i].low) > 0);
        assert_true(strcmp(text, cases[i].high) < 0);
    }
}

/* What both begin with is cut between characters: half of one is no text. */
static void no_character_is_cut_in_two(void **state)
{
    char text[BF_MYSQL_CUT_MAX];
    (void)state;
    for (int attempt = 0; bf_mysql_between('s', "\xc3\xa4", "\xc3\xbc", attempt, text); attempt++)
        assert_true((text[0] & 0x80) == 0);
    assert_true(bf_mysql_between('s', "k\xc3\xa4", "k\xc3\xbc", 1, text));
    assert_string_equal(text, "km");
}

static void attempts_come_to_an_end(void **state)
{
    char text[BF_MYSQL_CUT_MAX], low[BF_MYSQL_CUT_MAX * 2], high[BF_MYSQL_CUT_MAX * 2];
    int attempts = 0;
    (void)state;
    while (bf_mysql_between('s', "a", "z", attempts, text))
        attempts++;
    assert_in_range(attempts, 30, 40);
    assert_false(bf_mysql_between('i', "1", "9", 1, text));
    memset(low, 'x', sizeof low); /* longer than anything kept */
    memcpy(high, low, sizeof high);
    low[sizeof low - 1] = high[sizeof high - 1] = '\0';
    low[sizeof low - 2] = 'a';
    for (int attempt = 0; attempt < 3; attempt++)
        assert_false(bf_mysql_between('s', low, high, attempt, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(middles),
        cmocka_unit_test(texts_are_halved_by_their_bytes),
        cmocka_unit_test(no_character_is_cut_in_two),
        cmocka_unit_test(attempts_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
