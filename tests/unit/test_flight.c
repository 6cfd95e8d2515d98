#include "unit.h"

#include <string.h>

#include "allocate.h"
#include "flight.h"

static void names_are_those_of_the_lists(void **state)
{
    (void)state;
    assert_string_equal(bf_statement_name(BF_STATEMENT_BEGIN), "begin");
    assert_string_equal(bf_statement_name(BF_STATEMENT_FENCE), "fence");
    assert_string_equal(bf_statement_name(BF_STATEMENT_END_LOST_SESSIONS), "end_lost_sessions");
    assert_string_equal(bf_statement_name(BF_STATEMENT_KINDS), "unknown");
    for (int i = 0; i < BF_STATEMENT_KINDS; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(bf_statement_name((enum bf_statement)i), bf_statement_name((enum bf_statement)k));
    assert_string_equal(bf_error_class_name(BF_CLASS_NONE), "none");
    assert_string_equal(bf_error_class_name(BF_CLASS_FENCE), "fence");
    assert_string_equal(bf_error_class_name(BF_CLASS_TERMINAL), "terminal");
    assert_string_equal(bf_error_class_name((enum bf_error_class)(BF_CLASS_TERMINAL + 1)), "unknown");
}

static void steps_keep_order_and_copies_of_parameters(void **state)
{
    (void)state;
    struct bf_flight flight = {0};
    char text[] = "first";
    struct bf_step *fence = bf_flight_add(&flight, BF_STATEMENT_FENCE, "WITH ...");
    bf_step_text(fence, text);
    bf_step_text(fence, NULL);
    bf_step_number(fence, INT64_MIN);
    bf_step_number(fence, INT64_MAX);
    struct bf_step *commit = bf_flight_add(&flight, BF_STATEMENT_COMMIT, "COMMIT");
    commit->new_group = true;
    text[0] = 'X'; /* the step has its own */
    assert_int_equal(flight.count, 2);
    assert_int_equal(flight.steps[0].statement, BF_STATEMENT_FENCE);
    assert_string_equal(flight.steps[0].sql, "WITH ...");
    assert_int_equal(flight.steps[0].parameter_count, 4);
    assert_string_equal(flight.steps[0].parameters[0], "first");
    assert_null(flight.steps[0].parameters[1]);
    assert_string_equal(flight.steps[0].parameters[2], "-9223372036854775808");
    assert_string_equal(flight.steps[0].parameters[3], "9223372036854775807");
    assert_int_equal(flight.steps[1].parameter_count, 0);
    bf_flight_clear(&flight);
    assert_int_equal(flight.count, 0);
    /* Used again, a step brings nothing from before. */
    struct bf_step *step = bf_flight_add(&flight, BF_STATEMENT_BEGIN, "BEGIN");
    assert_int_equal(step->parameter_count, 0);
    bf_flight_add(&flight, BF_STATEMENT_COMMIT, "COMMIT");
    assert_false(flight.steps[1].new_group);
    bf_flight_clear(&flight);
    bf_flight_clear(&flight);
}

static void a_flight_takes_its_full_number(void **state)
{
    (void)state;
    struct bf_flight flight = {0};
    for (int i = 0; i < BF_STEPS_MAX; i++) {
        struct bf_step *step = bf_flight_add(&flight, BF_STATEMENT_UPDATE, "UPDATE");
        for (int k = 0; k < BF_PARAMETERS_MAX; k++)
            bf_step_number(step, i * BF_PARAMETERS_MAX + k);
    }
    assert_int_equal(flight.count, BF_STEPS_MAX);
    const char *last = flight.steps[BF_STEPS_MAX - 1].parameters[BF_PARAMETERS_MAX - 1];
    assert_int_equal(strtol(last, NULL, 10), BF_STEPS_MAX * BF_PARAMETERS_MAX - 1);
    bf_flight_clear(&flight);
}

static void answers_are_read_by_row_and_column(void **state)
{
    (void)state;
    struct bf_answer answer = {.outcome = BF_OUTCOME_OK, .rows = 2, .columns = 3};
    answer.message = bf_copy_string("NOTICE");
    answer.values = bf_allocate(6 * sizeof *answer.values);
    answer.values[0] = bf_copy_string("42");
    answer.values[1] = bf_copy_string("t");
    answer.values[2] = NULL;
    answer.values[3] = bf_copy_string("-9223372036854775808");
    answer.values[4] = bf_copy_string("f");
    answer.values[5] = bf_copy_string("1");
    assert_string_equal(bf_answer_value(&answer, 0, 0), "42");
    assert_int_equal(bf_answer_number(&answer, 0, 0), 42);
    assert_true(bf_answer_number(&answer, 1, 0) == INT64_MIN);
    assert_true(bf_answer_true(&answer, 0, 1));
    assert_false(bf_answer_true(&answer, 1, 1));
    assert_true(bf_answer_true(&answer, 1, 2));
    /* NULL and what is not there */
    assert_null(bf_answer_value(&answer, 0, 2));
    assert_int_equal(bf_answer_number(&answer, 0, 2), 0);
    assert_false(bf_answer_true(&answer, 0, 2));
    assert_null(bf_answer_value(&answer, 2, 0));
    assert_null(bf_answer_value(&answer, 0, 3));
    assert_int_equal(bf_answer_number(&answer, 7, 7), 0);
    assert_int_equal(bf_answer_number(&answer, 0, 1), 0);
    /* An answer that is not good has no values, whatever stands in it. */
    static const enum bf_outcome others[] = {BF_OUTCOME_ERROR, BF_OUTCOME_SKIPPED, BF_OUTCOME_UNKNOWN};
    for (size_t i = 0; i < BF_COUNT(others); i++) {
        answer.outcome = others[i];
        assert_null(bf_answer_value(&answer, 0, 0));
        assert_int_equal(bf_answer_number(&answer, 0, 0), 0);
        assert_false(bf_answer_true(&answer, 0, 1));
    }
    bf_answer_clear(&answer);
    assert_null(answer.values);
    assert_int_equal(answer.rows, 0);
    bf_answer_clear(&answer);
}

static void counts_that_nobody_wrote_are_none(void **state)
{
    (void)state;
    char *values[] = {"0", "17", NULL, "1000000000000000", "-1", "9223372036854775807", "", "3x", "1000000000000001", "1e3"};
    const struct bf_answer answer = {.rows = 1, .columns = BF_COUNT(values), .values = values};
    static const int64_t good[] = {0, 17, 0, 1000000000000000};
    int64_t count = -7;
    for (size_t i = 0; i < BF_COUNT(values); i++) {
        bool read = bf_answer_count(&answer, 0, i, &count);
        assert_int_equal(read, i < BF_COUNT(good));
        if (read)
            assert_true(count == good[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_the_lists),
        cmocka_unit_test(steps_keep_order_and_copies_of_parameters),
        cmocka_unit_test(a_flight_takes_its_full_number),
        cmocka_unit_test(answers_are_read_by_row_and_column),
        cmocka_unit_test(counts_that_nobody_wrote_are_none),
    };
    return cmocka_run_group_tests_name("flight", tests, NULL, NULL);
}
