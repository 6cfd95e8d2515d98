/* What a plan asks: every fact that an answer could tell stands in the text that asks for it; what the answers become. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "dialect.h"
#include "document.h"
#include "mysql_dialect.h"

enum { MYSQL_STEPS = 14, STRUCTURE = 0, DICTIONARY, SERVER, CONTENTION_ANYWHERE, CONTENTION, OLDEST, KEY_WRITERS, KEY_STATEMENTS, DISK,
       MATCHING, RANGE, BOUNDARY, NEWEST, BINLOG };

struct plan {
    struct bf_document document;
    struct bf_table table;
    struct bf_flight flight;
    char **texts;
    size_t count;
    struct bf_answer answers[BF_STEPS_MAX];
    struct bf_facts facts;
};

static struct plan *asked(const struct bf_dialect *dialect)
{
    static char name[] = "n'?", value[] = "n + 1", where[] = "m = '?'";
    static char table_name[] = "`S?`.orders", display[] = "s?.Orders";
    static char after[] = "-5";
    static char reference[] = "`s??`.`Orders` FORCE INDEX (`PRIMARY`)", key[] = "id", type[] = "bigint";
    struct plan *plan = BF_NEW(struct plan);
    plan->document = (struct bf_document){.table = table_name, .where = where, .set_count = 1};
    plan->document.set[0] = (struct bf_pair){name, value};
    plan->document.after[plan->document.after_count++] = after;
    plan->table = (struct bf_table){.display = display, .reference = reference, .key_count = 1};
    plan->table.key[0] = (struct bf_column){.name = key, .type = type};
    dialect->measure(&plan->document, &plan->table, &plan->flight, &plan->texts, &plan->count);
    assert_int_equal(plan->count, plan->flight.count);
    return plan;
}

static void done(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        free(plan->texts[i]);
    free(plan->texts);
    bf_flight_clear(&plan->flight);
    for (size_t i = 0; i < BF_STEPS_MAX; i++)
        bf_answer_clear(&plan->answers[i]);
    bf_facts_clear(&plan->facts);
    free(plan);
}

static void fails(struct plan *plan, size_t step, const char *number, const char *message)
{
    struct bf_answer *answer = &plan->answers[step];
    bf_answer_clear(answer);
    answer->outcome = BF_OUTCOME_ERROR;
    snprintf(answer->sqlstate, sizeof answer->sqlstate, "%s", number);
    answer->message = bf_copy_string(message);
}

/* One row. */
static void answers(struct plan *plan, size_t step, size_t columns, const char *const values[])
{
    struct bf_answer *answer = &plan->answers[step];
    bf_answer_clear(answer);
    *answer = (struct bf_answer){.outcome = BF_OUTCOME_OK, .rows = 1, .columns = columns};
    answer->values = bf_allocate(columns * sizeof *answer->values);
    for (size_t i = 0; i < columns; i++)
        answer->values[i] = bf_copy_string(values[i]);
}

#define ANSWERS(plan, step, ...)                                                                                       \
    answers(plan, step, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

static void read_all(struct plan *plan, const struct bf_dialect *dialect)
{
    bf_facts_clear(&plan->facts);
    dialect->read_measure(&plan->document, plan->answers, plan->count, &plan->facts);
}

/* Each step fails alone, and its facts are those whose reason is this failure. */
static void every_fact_is_asked_for(void **state)
{
    (void)state;
    static const struct bf_dialect *const dialects[] = {&bf_dialect_postgresql, &bf_dialect_mysql};
    for (size_t d = 0; d < BF_COUNT(dialects); d++) {
        struct plan *plan = asked(dialects[d]);
        size_t told[BF_FACT_COUNT] = {0};
        for (size_t step = 0; step < plan->count; step++) {
            size_t facts = 0;
            assert_true(plan->flight.steps[step].new_group);
            fails(plan, step, "1064", "this one");
            read_all(plan, dialects[d]);
            for (enum bf_fact_name name = 0; name < BF_FACT_COUNT; name++) {
                const char *why = plan->facts.of[name].detail;
                if (!why || strcmp(why, "this one") != 0)
                    continue;
                BF_AUTO_STRING char *literal = bf_format("'%s'", bf_fact_text(name));
                assert_true(strstr(plan->texts[step], "EXPLAIN ") || strstr(plan->texts[step], literal));
                assert_false(plan->facts.of[name].known);
                told[name]++;
                facts++;
            }
            assert_true(facts > 0);
            bf_answer_clear(&plan->answers[step]);
            plan->answers[step] = (struct bf_answer){0};
        }
        assert_int_equal(told[BF_FACT_LOCK_WAITS], d == 0 ? 1 : 2);
        assert_true(told[BF_FACT_TRIGGERS] && told[BF_FACT_FOREIGN_KEYS] && told[BF_FACT_INDEXES]);
        assert_true(told[BF_FACT_UNIQUE_INDEXES] && told[BF_FACT_OTHER_TOOLS] && told[BF_FACT_UNCOVERED]);
        assert_true(told[BF_FACT_OLDEST_TRANSACTION] && told[BF_FACT_MATCHING] && told[BF_FACT_KEY_USED]);
        done(plan);
    }
}

/* Templates: whatever the names hold, each text is one statement without a mark that is left over. */
static void mysql_texts(void **state)
{
    (void)state;
    struct plan *plan = asked(&bf_dialect_mysql);
    assert_int_equal(plan->count, MYSQL_STEPS);
    for (size_t i = 0; i < plan->count; i++) {
        struct bf_buffer buffer = {0};
        assert_int_equal(bf_mysql_expand(&buffer, &plan->flight.steps[i]), i == BINLOG ? 7 : 1);
        BF_AUTO_STRING char *sql = bf_buffer_take(&buffer);
        assert_null(strchr(sql, '{'));
        assert_null(strstr(sql, "?1"));
        assert_null(strstr(sql, "?" "?"));
        if (i == STRUCTURE) {
            assert_non_null(strstr(sql, "COLUMN_NAME IN (_utf8mb4 X'6E273F')"));
            assert_non_null(strstr(sql, "TABLE_SCHEMA = _utf8mb4 X'733F' AND TABLE_NAME = 'Orders'"));
        }
        if (i == MATCHING)
            assert_non_null(strstr(sql, "SELECT 1 FROM `s?`.`Orders` WHERE TRUE AND `id` > -5 AND (m = '?')"));
        if (i == RANGE)
            assert_non_null(strstr(sql, "`id` > -5"));
        if (i == RANGE)
            assert_null(strstr(sql, "(m = "));
        if (i == KEY_WRITERS || i == KEY_STATEMENTS)
            assert_non_null(strstr(sql, "COLUMN_NAME IN ('id')"));
        if (i == NEWEST)
            assert_non_null(strstr(sql, "CASE WHEN TRUE AND (m = '?') THEN 1 ELSE 0 END AS m FROM `s?`.`Orders` FORCE INDEX (`PRIMARY`) "
                                        "ORDER BY `id` DESC LIMIT 100"));
        if (i == BOUNDARY)
            assert_non_null(strstr(sql, "FROM `s?`.`Orders` FORCE INDEX (`PRIMARY`) ORDER BY `id` LIMIT 1000"));
    }
    done(plan);

    struct bf_step step = {.statement = BF_STATEMENT_WRITES, .sql = bf_dialect_mysql.common(BF_STATEMENT_WRITES)};
    struct bf_buffer buffer = {0};
    static char named[] = "`my shop`.`a.b`", bare[] = "orders";
    step.parameters[step.parameter_count++] = named;
    assert_int_equal(bf_mysql_expand(&buffer, &step), 4);
    BF_AUTO_STRING char *both = bf_buffer_take(&buffer);
    assert_non_null(strstr(both, "COALESCE('my shop', DATABASE())"));
    assert_non_null(strstr(both, "'a.b'"));
    step.parameters[0] = bare;
    buffer = (struct bf_buffer){0};
    bf_mysql_expand(&buffer, &step);
    BF_AUTO_STRING char *one = bf_buffer_take(&buffer);
    assert_non_null(strstr(one, "COALESCE(NULL, DATABASE())"));
    assert_non_null(strstr(one, "'orders'"));

    step = (struct bf_step){.statement = BF_STATEMENT_MARK, .sql = bf_dialect_mysql.common(BF_STATEMENT_MARK)};
    static char wait[] = "250";
    step.parameters[step.parameter_count++] = wait;
    buffer = (struct bf_buffer){0};
    assert_int_equal(bf_mysql_expand(&buffer, &step), 6);
    BF_AUTO_STRING char *mark = bf_buffer_take(&buffer);
    assert_non_null(strstr(mark, "innodb_lock_wait_timeout = GREATEST(1, (250 + 999) DIV 1000), lock_wait_timeout = "));
}

static const struct bf_fact *fact(const struct plan *plan, enum bf_fact_name name)
{
    return &plan->facts.of[name];
}

/* The better answer comes later, and one that does not know takes nothing back. */
static void mysql_asks_again(void **state)
{
    (void)state;
    struct plan *plan = asked(&bf_dialect_mysql);
    ANSWERS(plan, CONTENTION_ANYWHERE, "lock_contention", "0", "nobody on the server");
    fails(plan, CONTENTION, "1142", "denied");
    ANSWERS(plan, STRUCTURE, "foreign_keys", NULL, "not all are seen");
    fails(plan, DICTIONARY, "1227", "denied");
    fails(plan, OLDEST, "1227", "denied");
    read_all(plan, &bf_dialect_mysql);
    assert_true(fact(plan, BF_FACT_LOCK_WAITS)->known);
    assert_string_equal(fact(plan, BF_FACT_LOCK_WAITS)->detail, "nobody on the server");
    assert_false(fact(plan, BF_FACT_FOREIGN_KEYS)->known);
    assert_string_equal(fact(plan, BF_FACT_FOREIGN_KEYS)->detail, "not all are seen");
    assert_string_equal(fact(plan, BF_FACT_OLDEST_TRANSACTION)->detail, "the account may not see it: GRANT PROCESS ON *.*");

    ANSWERS(plan, CONTENTION, "lock_contention", "2", "7, 8");
    ANSWERS(plan, DICTIONARY, "foreign_keys", "1", "of_a_child");
    read_all(plan, &bf_dialect_mysql);
    assert_true(fact(plan, BF_FACT_LOCK_WAITS)->value == 2 && fact(plan, BF_FACT_FOREIGN_KEYS)->value == 1);
    assert_string_equal(fact(plan, BF_FACT_FOREIGN_KEYS)->detail, "of_a_child");

    ANSWERS(plan, STRUCTURE, "foreign_keys", "3", "own");
    ANSWERS(plan, DICTIONARY, "foreign_keys", NULL, "cannot say");
    read_all(plan, &bf_dialect_mysql);
    assert_true(fact(plan, BF_FACT_FOREIGN_KEYS)->known && fact(plan, BF_FACT_FOREIGN_KEYS)->value == 3);
    ANSWERS(plan, STRUCTURE, "foreign_keys", NULL, "not all are seen");
    read_all(plan, &bf_dialect_mysql);
    assert_string_equal(fact(plan, BF_FACT_FOREIGN_KEYS)->detail, "cannot say");
    done(plan);
}

/* EXPLAIN has a column more on MySQL. */
static void mysql_explains(void **state)
{
    (void)state;
    struct plan *plan = asked(&bf_dialect_mysql);
    ANSWERS(plan, MATCHING, "1", "SIMPLE", "orders", NULL, "ALL", NULL, NULL, NULL, NULL, "3000", "33.33", "Using where");
    ANSWERS(plan, BOUNDARY, "1", "SIMPLE", "orders", NULL, "index", NULL, "PRIMARY", "8", NULL, "1000", "100.00",
            "Using index");
    read_all(plan, &bf_dialect_mysql);
    assert_true(fact(plan, BF_FACT_MATCHING)->known && (int)fact(plan, BF_FACT_MATCHING)->value == 999);
    assert_true(fact(plan, BF_FACT_KEY_USED)->known && fact(plan, BF_FACT_KEY_USED)->value == 1);

    ANSWERS(plan, MATCHING, "1", "SIMPLE", "orders", "range", "k", "k", "8", NULL, "99", "100.00", "Using where");
    ANSWERS(plan, BOUNDARY, "1", "SIMPLE", "orders", "ALL", NULL, NULL, NULL, NULL, "3", "100.00", "Using filesort");
    read_all(plan, &bf_dialect_mysql);
    assert_true(fact(plan, BF_FACT_MATCHING)->value == 99);
    assert_true(fact(plan, BF_FACT_KEY_USED)->known && fact(plan, BF_FACT_KEY_USED)->value == 0);
    assert_string_equal(fact(plan, BF_FACT_KEY_USED)->detail, "ALL, Using filesort");

    ANSWERS(plan, MATCHING, "1", "SIMPLE", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Impossible WHERE");
    ANSWERS(plan, BOUNDARY, "1", "SIMPLE", "orders", "index", NULL, "other", "8", NULL, "3", "100.00", "Using filesort");
    read_all(plan, &bf_dialect_mysql);
    assert_true(fact(plan, BF_FACT_MATCHING)->known && fact(plan, BF_FACT_MATCHING)->value == 0);
    assert_true(fact(plan, BF_FACT_KEY_USED)->value == 0);

    ANSWERS(plan, MATCHING, "1", "SIMPLE", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "No tables used");
    fails(plan, BOUNDARY, "1205", "Lock wait timeout exceeded");
    read_all(plan, &bf_dialect_mysql);
    assert_false(fact(plan, BF_FACT_MATCHING)->known || fact(plan, BF_FACT_KEY_USED)->known);
    assert_string_equal(fact(plan, BF_FACT_KEY_USED)->detail, "Lock wait timeout exceeded");
    done(plan);
}

/* What a change puts into the binary log follows from the images that it holds, and from how long a row is. */
static void mysql_binlog_holds_rows(void **state)
{
    (void)state;
    static const struct {
        const char *image;
        const char *length;
        double least, most; /* of a row in the log; most under 0: not known */
    } cases[] = {
        {"FULL", "118.5", 237, 237}, {"NOBLOB", "118.5", 237, 237}, {"FULL_NODUP", "100", 105, 120},
        {"MINIMAL", "118", 10, 40}, {"FULL", NULL, 0, -1}, {"OFF", "118", 0, 0},
    };
    struct plan *plan = asked(&bf_dialect_mysql);
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        bf_facts_clear(&plan->facts);
        ANSWERS(plan, BINLOG, "binlog_row_bytes", cases[i].image, cases[i].length);
        plan->answers[BINLOG].outcome = BF_OUTCOME_OK;
        bf_mysql_read_binlog(&plan->document, &plan->answers[BINLOG], &plan->facts);
        const struct bf_fact *row = fact(plan, BF_FACT_BINLOG_ROW);
        assert_true(row->known == (cases[i].most >= 0) && row->detail);
        if (row->known && (row->value < cases[i].least || row->value > cases[i].most))
            fail_msg("%s: %g bytes for a row", cases[i].image, row->value);
    }
    done(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_fact_is_asked_for), cmocka_unit_test(mysql_texts),
                                       cmocka_unit_test(mysql_asks_again), cmocka_unit_test(mysql_explains),
                                       cmocka_unit_test(mysql_binlog_holds_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
