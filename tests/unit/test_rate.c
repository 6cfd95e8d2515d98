#include "unit.h"

#include "rate.h"

static void nothing_is_known_of_one_look(void **state)
{
    (void)state;
    struct bf_rate rate = {0};
    assert_true(bf_rate_per_second(&rate, 5000) < 0);
    bf_rate_see(&rate, 1000, 10);
    bf_rate_see(&rate, 1500, 20); /* too soon */
    assert_true(bf_rate_per_second(&rate, 2000) < 0);
    bf_rate_see(&rate, 2000, 110);
    assert_true(bf_rate_per_second(&rate, 2000) == 100);
    bf_rate_forget(&rate);
    assert_true(bf_rate_per_second(&rate, 3000) < 0);
}

static void it_is_that_of_the_last_minute(void **state)
{
    (void)state;
    struct bf_rate rate = {0};
    for (int64_t second = 0; second <= 200; second++) /* ten times as fast in the end */
        bf_rate_see(&rate, second * 1000, second <= 140 ? 100 * second : 14000 + 1000 * (second - 140));
    assert_true(bf_rate_per_second(&rate, 200000) == 1000);
}

static void who_holds_comes_to_zero(void **state)
{
    (void)state;
    struct bf_rate rate = {0};
    for (int64_t second = 0; second <= 300; second++)
        bf_rate_see(&rate, second * 1000, 600 * second);
    assert_true(bf_rate_per_second(&rate, 330000) == 300); /* half of the window */
    assert_true(bf_rate_per_second(&rate, 359000) == 10);
    assert_true(bf_rate_per_second(&rate, 360000) == 0);
    assert_true(bf_rate_per_second(&rate, 900000) == 0);
    bf_rate_see(&rate, 900000, 600 * 300 + 60); /* and counts on from where it stood */
    assert_true(bf_rate_per_second(&rate, 900000) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_of_one_look),
        cmocka_unit_test(it_is_that_of_the_last_minute),
        cmocka_unit_test(who_holds_comes_to_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
