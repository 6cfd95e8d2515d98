/* Who replicates, as a primary lists it: who can be asked, and who reads the log besides. */
#include "monitor.h"
#include "unit.h"

static struct bf_answer hosts_of(char **values, size_t rows)
{
    return (struct bf_answer){.rows = rows, .columns = 3, .values = values};
}

static void those_with_an_address_can_be_asked(void **state)
{
    (void)state;
    char *values[] = {(char *)"2", (char *)"db8", (char *)"3306", (char *)"3", (char *)"", (char *)"3306",
                      (char *)"4", NULL, (char *)"3306", (char *)"5", (char *)"fd00::9", (char *)"3307"};
    struct bf_answer hosts = hosts_of(values, 4);
    char address[BF_REPLICA_NAME];
    assert_true(bf_hosts_address(&hosts, 0, address));
    assert_string_equal(address, "db8:3306");
    assert_false(bf_hosts_address(&hosts, 1, address));
    assert_false(bf_hosts_address(&hosts, 2, address));
    assert_true(bf_hosts_address(&hosts, 3, address));
    assert_string_equal(address, "[fd00::9]:3307");
}

static void who_reads_the_log_besides_is_counted(void **state)
{
    (void)state;
    char *values[] = {(char *)"2", (char *)"db8", (char *)"3306", (char *)"3", (char *)"", (char *)"3306"};
    char *two[] = {(char *)"2"}, *one[] = {(char *)"1"}, *none[] = {(char *)"0"}, *unknown[] = {NULL};
    struct bf_answer hosts = hosts_of(values, 2), nobody = {0}, denied = {.outcome = BF_OUTCOME_ERROR};
    struct bf_answer readers = {.rows = 1, .columns = 1, .values = two};
    int unnamed;
    assert_int_equal(bf_hosts_count(&hosts, &readers, &unnamed), 1);
    assert_int_equal(unnamed, 1);
    readers.values = one; /* the one that says where it is */
    assert_int_equal(bf_hosts_count(&hosts, &readers, &unnamed), 1);
    assert_int_equal(unnamed, 0);
    readers.values = none; /* it is listed still, and gone: expected all the same */
    assert_int_equal(bf_hosts_count(&hosts, &readers, &unnamed), 1);
    assert_int_equal(unnamed, 0);
    assert_int_equal(bf_hosts_count(&nobody, &readers, &unnamed), 0);
    assert_int_equal(unnamed, 0); /* a measured fact: there are none */
    readers.values = unknown;
    assert_int_equal(bf_hosts_count(&nobody, &readers, &unnamed), 0);
    assert_int_equal(unnamed, -1); /* nothing is known */
    readers.values = none;
    assert_int_equal(bf_hosts_count(&denied, &readers, &unnamed), 0);
    assert_int_equal(unnamed, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_with_an_address_can_be_asked),
        cmocka_unit_test(who_reads_the_log_besides_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
