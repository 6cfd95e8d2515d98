/* What a check's answer has to be. */
#include "unit.h"

#include "document.h"

static bool holds(enum bf_comparison comparison, char *wanted, size_t rows, const char *found)
{
    struct bf_check check = {.comparison = comparison, .value = wanted};
    return bf_check_holds(&check, rows, found);
}

static void comparisons(void **state)
{
    (void)state;
    assert_true(holds(BF_EQUALS, "t", 1, "t"));
    assert_false(holds(BF_EQUALS, "t", 1, "f"));
    assert_false(holds(BF_EQUALS, "1.0", 1, "1"));
    assert_true(holds(BF_AT_MOST, "10", 1, "9.5"));
    assert_true(holds(BF_AT_MOST, "10", 1, "10"));
    assert_false(holds(BF_AT_MOST, "10", 1, "10.01"));
    assert_false(holds(BF_AT_MOST, "10", 1, "9 apples"));
    assert_false(holds(BF_AT_MOST, "10", 1, "nan"));
    assert_true(holds(BF_AT_LEAST, "-1", 1, "0"));
    assert_false(holds(BF_AT_LEAST, "1", 1, "0"));
    assert_true(holds(BF_ROWS, "3", 3, NULL));
    assert_true(holds(BF_ROWS, "0", 0, NULL));
    assert_false(holds(BF_ROWS, "3", 2, "3"));
}

static void null_and_no_row_fail(void **state)
{
    (void)state;
    for (enum bf_comparison comparison = BF_EQUALS; comparison <= BF_AT_LEAST; comparison++) {
        assert_false(holds(comparison, "0", 1, NULL));
        assert_false(holds(comparison, "0", 0, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(comparisons), cmocka_unit_test(null_and_no_row_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
