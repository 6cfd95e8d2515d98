/* What a replica of MySQL or MariaDB says of itself, in the columns of either. That the servers do answer like this is tested
 * on them. */
#include "unit.h"

#include <string.h>

#include "allocate.h"
#include "dialect.h"

enum { SHIFT_MYSQL = 0, SHIFT_MARIADB = 2, COLUMNS = 60, ROWS_MAX = 2 };

struct answer {
    struct bf_answer answer;
    char *values[ROWS_MAX * COLUMNS];
};

static void put(struct answer *answer, size_t shift, const char *io, const char *sql, const char *behind, const char *io_error,
                const char *sql_error)
{
    char **row = answer->values + COLUMNS * answer->answer.rows++;
    answer->answer.columns = COLUMNS;
    answer->answer.values = answer->values;
    row[10] = (char *)"1546"; /* a position in the relay log, where MariaDB's columns lie */
    row[10 + shift] = (char *)io;
    row[11 + shift] = (char *)sql;
    row[32 + shift] = (char *)behind;
    row[35 + shift] = (char *)io_error;
    row[37 + shift] = (char *)sql_error;
}

static void status_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *io, *sql, *behind, *io_error, *sql_error;
        bool runs;
        double seconds;
        const char *words;
    } cases[] = {
        {"Yes", "Yes", "7", "", "", true, 7, ""},
        {"Yes", "Yes", NULL, "", "", true, -1, ""},
        {"Yes", "No", NULL, "", "", false, -1, "its SQL thread is stopped"},
        {"No", "Yes", NULL, "", "", false, -1, "its IO thread is stopped"},
        {"Connecting", "Yes", NULL, "error connecting to master (111)", "", false, -1,
         "its IO thread has no connection to its source: error connecting to master (111)"},
        {"Yes", "No", NULL, "", "Could not execute Write_rows event; Duplicate entry 'alice@example.org' for key 'PRIMARY', 1062", false, -1,
         "its SQL thread is stopped: Could not execute Write_rows event; Duplicate entry '...' for key 'PRIMARY', 1062"},
        {"Yes", "No", NULL, "", "Error 'Duplicate entry '7' for key 'PRIMARY'' on query. Default database: 'shop'. Query: 'INSERT INTO people "
         "VALUES (7, 'alice')'", false, -1,
         "its SQL thread is stopped: Error 'Duplicate entry '...' for key 'PRIMARY'' on query. Default database: 'shop'"},
        {"Yes", "No", NULL, "", "Error 'No such table' on query. Query: 'INSERT INTO people VALUES (7)'", false, -1,
         "its SQL thread is stopped: Error 'No such table' on query"},
    };
    for (size_t shift = SHIFT_MYSQL; shift <= SHIFT_MARIADB; shift += SHIFT_MARIADB)
        for (size_t i = 0; i < BF_COUNT(cases); i++) {
            struct answer answer = {0};
            struct bf_replication replication;
            char words[200];
            put(&answer, shift, cases[i].io, cases[i].sql, cases[i].behind, cases[i].io_error, cases[i].sql_error);
            bf_dialect_mysql.read_replication(&answer.answer, &replication, words, sizeof words);
            assert_true(replication.follows);
            assert_int_equal(replication.runs, cases[i].runs);
            assert_true(replication.behind == cases[i].seconds);
            assert_string_equal(words, cases[i].words);
        }
}

static void of_several_sources_the_one_in_trouble(void **state)
{
    (void)state;
    struct answer answer = {0};
    struct bf_replication replication;
    char words[200];
    put(&answer, SHIFT_MARIADB, "Yes", "Yes", "0", "", "");
    put(&answer, SHIFT_MARIADB, "No", "Yes", NULL, "", "");
    bf_dialect_mysql.read_replication(&answer.answer, &replication, words, sizeof words);
    assert_false(replication.runs);
    assert_string_equal(words, "its IO thread is stopped");
}

static void nobody_and_no_right(void **state)
{
    (void)state;
    struct bf_replication replication;
    char words[200];
    bf_dialect_mysql.read_replication(&(struct bf_answer){0}, &replication, words, sizeof words);
    assert_false(replication.follows);
    assert_string_equal(words, "it replicates from nobody");
    struct bf_answer denied = {.outcome = BF_OUTCOME_ERROR, .message = (char *)"Access denied"};
    bf_dialect_mysql.read_replication(&denied, &replication, words, sizeof words);
    assert_true(replication.follows); /* whether it does is not known: it is not taken for a primary */
    assert_false(replication.runs);
    assert_non_null(strstr(words, "Access denied"));
}

static void the_heartbeat_that_it_shows(void **state)
{
    (void)state;
    char *row[] = {(char *)"12", (char *)"4711"};
    struct bf_answer there = {.rows = 1, .columns = 2, .values = row}, none = {0};
    struct bf_answer missing = {.outcome = BF_OUTCOME_ERROR, .sqlstate = "1146"}, denied = {.outcome = BF_OUTCOME_ERROR, .sqlstate = "1142"};
    struct bf_beat_seen seen;
    assert_true(bf_dialect_mysql.read_beat(&there, &seen));
    assert_true(seen.there && seen.number == 12 && seen.position == 4711);
    assert_true(bf_dialect_mysql.read_beat(&none, &seen) && !seen.there);
    assert_true(bf_dialect_mysql.read_beat(&missing, &seen) && !seen.there);
    assert_false(bf_dialect_mysql.read_beat(&denied, &seen));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_in_words),
        cmocka_unit_test(of_several_sources_the_one_in_trouble),
        cmocka_unit_test(nobody_and_no_right),
        cmocka_unit_test(the_heartbeat_that_it_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
