/* The tokenizer of the MySQL dialect, templates and what becomes of them, error classes. */
#include "unit.h"

#include <string.h>

#include "allocate.h"
#include "mysql_dialect.h"

static void good_expressions(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "n + 1", "NULL", "'it''s'", "'C:\\\\'", "\"a \"\"b\"\" c\"", "`a``b` + 1", "'?'", "'; -- # /* */'", "a OR b",
        "(SELECT MAX(x) FROM other o WHERE o.id = orders.id ORDER BY 1 LIMIT 1)", "concat('(', a, ')')", "a - -1",
        "a / b * c", "CASE WHEN a THEN 'x' ELSE 'y' END", "naïve", "'日本語'", "x'00ff'", "DATE_ADD(d, INTERVAL 1 DAY)",
        "JSON_EXTRACT(j, '$.a')", "a->'$.b'", "limited", "`limit`", "'\n'", "a\n=\tb",
    };
    for (size_t i = 0; i < BF_COUNT(texts); i++)
        if (bf_mysql_expression_fault(texts[i]))
            fail_msg("%s: %s", texts[i], bf_mysql_expression_fault(texts[i]));
}

static void bad_expressions(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "  ", "1=1) OR (1=1", "1=1 --", "1=1 -- x", "5--3", "1 # x", "1 /* x */", "1 /*! OR 1 */", "1 /*M! x */", "*/",
        "'x', other = 1", "1; DROP TABLE t", "'open", "\"open", "`open", "'\\'", "'\\' OR 1=1 -- '", "'it\\'s'", "\"\\\"",
        "(1", "1)", "((1)", ")(", "?", "a = ?", "@x", "@@version", "@x := 1", "a := 1", ":started_at", "1 LIMIT 1",
        "1 WHERE 1", "1 ORDER BY 1", "1 UNION SELECT 2", "SELECT 1", "(SELECT 1 INTO OUTFILE '/tmp/x')", "1 FOR UPDATE",
        "DELIMITER", "a \\ b", "a\1b", "1 PROCEDURE ANALYSE()", "n = 1 RETURNING n",
    };
    for (size_t i = 0; i < BF_COUNT(texts); i++)
        if (!bf_mysql_expression_fault(texts[i]))
            fail_msg("it passed: %s", texts[i]);
}

static void good_queries(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT 1", "select count(*) from t where s like '%?%;'", "WITH a AS (SELECT 1 x) SELECT x FROM a",
        "(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 LIMIT 1", "VALUES ROW(1), ROW(2)", "TABLE t",
        "SELECT @@global.read_only, a, b FROM t GROUP BY a, b", "SELECT SUBSTRING(s FROM 1 FOR 2) FROM t",
        "SELECT REPLACE(s, 'a', 'b'), `update` FROM t", "SELECT 'FOR UPDATE'", "SELECT a->>'$.b' FROM t",
    };
    for (size_t i = 0; i < BF_COUNT(texts); i++)
        if (bf_mysql_query_fault(texts[i]))
            fail_msg("%s: %s", texts[i], bf_mysql_query_fault(texts[i]));
}

static void bad_queries(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "1", "SELECT 1;", "SELECT 1; DROP TABLE t", "DELETE FROM t", "UPDATE t SET n = 1", "INSERT INTO t VALUES (1)",
        "WITH a AS (SELECT 1) DELETE FROM t", "WITH a AS (SELECT 1) UPDATE t SET n = 1", "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT 1 FOR UPDATE", "SELECT 1 for  share", "SELECT 1 LOCK IN SHARE MODE", "SELECT 1 -- x", "SELECT /*! 1 */ 2",
        "CALL p()", "SET @x = 1", "DO SLEEP(1)", "SELECT @a := 1", "SELECT 'open", "SELECT 'it\\'s'", "(SELECT 1", "SELECT 1)",
        "SELECT ?", "SHOW TABLES", "ANALYZE TABLE t", "HANDLER t OPEN", "REPLACE INTO t VALUES (1)", "SELECT :started_at",
    };
    for (size_t i = 0; i < BF_COUNT(texts); i++)
        if (!bf_mysql_query_fault(texts[i]))
            fail_msg("it passed: %s", texts[i]);
}

static void started_at(void **state)
{
    (void)state;
#define WHEN " TIMESTAMP'2026-11-21 06:00:00.123'"
    static const struct {
        const char *predicate, *text;
    } good[] = {
        {"a < :started_at", "a < " WHEN},
        {":started_at>a AND b < :started_at", WHEN ">a AND b < " WHEN},
        {"a = ':started_at' OR \":started_at\" = `:started_at`", "a = ':started_at' OR \":started_at\" = `:started_at`"},
        {"a = 'it''s' AND b < :started_at", "a = 'it''s' AND b < " WHEN},
        {"n = 1", "n = 1"},
    };
    static const char *const bad[] = {
        ":started_at_all", "::started_at", "a := :started_at", ":started", "a < :STARTED_AT", "'\\' < :started_at OR a = '\\''",
        "a = '\\' AND b < :started_at AND c = '\\'", "a < :started_at;", "'", "a = ? AND b < :started_at",
    };
    for (size_t i = 0; i < BF_COUNT(good); i++) {
        if (bf_mysql_predicate_fault(good[i].predicate))
            fail_msg("%s: %s", good[i].predicate, bf_mysql_predicate_fault(good[i].predicate));
        BF_AUTO_STRING char *text = bf_mysql_predicate(good[i].predicate, 1795240800123);
        assert_string_equal(text, good[i].text);
    }
    for (size_t i = 0; i < BF_COUNT(bad); i++)
        if (!bf_mysql_predicate_fault(bad[i]))
            fail_msg("it passed: %s", bad[i]);
}

static void names_of_tables(void **state)
{
    (void)state;
    static const struct {
        const char *text, *schema, *name;
    } names[] = {
        {"orders", NULL, "orders"},       {"shop.orders", "shop", "orders"}, {"`a.b`.`c``d`", "a.b", "c`d"},
        {"\"shop\".orders", "shop", "orders"}, {"größe", NULL, "größe"},
    };
    static const char *const bad[] = {"", ".", "a.", ".a", "a.b.c", "a b", "`a", "``", "a;b", "`a`b"};
    char *schema, *name;

    for (size_t i = 0; i < BF_COUNT(names); i++) {
        assert_true(bf_mysql_table_name(names[i].text, &schema, &name));
        if (names[i].schema)
            assert_string_equal(schema, names[i].schema);
        else
            assert_null(schema);
        assert_string_equal(name, names[i].name);
        free(schema);
        free(name);
    }
    for (size_t i = 0; i < BF_COUNT(bad); i++)
        if (bf_mysql_table_name(bad[i], &schema, &name))
            fail_msg("it passed: %s", bad[i]);
}

static void expands(const char *sql, const char *expected, size_t statements)
{
    struct bf_flight flight = {0};
    struct bf_buffer buffer = {0};
    struct bf_step *step = bf_flight_add(&flight, BF_STATEMENT_UPDATE, sql);

    bf_step_text(step, "it's");
    bf_step_number(step, -42);
    bf_step_text(step, NULL);
    bf_step_text(step, "1 OR 1");
    assert_int_equal(bf_mysql_expand(&buffer, step), statements);
    BF_AUTO_STRING char *text = bf_buffer_take(&buffer);
    assert_string_equal(text, expected);
    bf_flight_clear(&flight);
}

static void templates(void **state)
{
    (void)state;
    expands("a = ?1", "a = _utf8mb4 X'69742773'", 1);
    expands("a = ?2, ?#2, ?+2", "a = '-42', -42, -41", 1);
    expands("?3 ?#3 ?9", "NULL NULL NULL", 1);
    expands("LIMIT ?#4", "LIMIT '1 OR 1'", 1); /* no number: never bare */
    expands("x = '?" "?'?; y?; z", "x = '?'; y; z", 3);
}

/* An operator's query is no template: it goes as it is. */
static void queries_are_no_templates(void **state)
{
    (void)state;
    struct bf_flight flight = {0};
    struct bf_buffer buffer = {0};
    bf_flight_add(&flight, BF_STATEMENT_QUERY, "SELECT '?1 ?; ?" "?'");
    assert_int_equal(bf_mysql_expand(&buffer, &flight.steps[0]), 1);
    BF_AUTO_STRING char *text = bf_buffer_take(&buffer);
    assert_string_equal(text, "SELECT '?1 ?; ?" "?'");
    bf_flight_clear(&flight);
}

static void hostile_literals(void **state)
{
    (void)state;
    static const char *const texts[] = {"\\", "'", "a\\' OR 1=1 -- ", "\n", "`", "日", "\x1a", "?", "\xbf'"};
    for (size_t i = 0; i < BF_COUNT(texts); i++) {
        struct bf_buffer buffer = {0};
        bf_mysql_literal(&buffer, texts[i]);
        BF_AUTO_STRING char *text = bf_buffer_take(&buffer);
        assert_int_equal(strncmp(text, "_utf8mb4 X'", 11), 0);
        assert_int_equal(strspn(text + 11, "0123456789ABCDEF"), 2 * strlen(texts[i]));
        assert_string_equal(text + 11 + 2 * strlen(texts[i]), "'");
    }
}

static void classes(void **state)
{
    (void)state;
    static const struct {
        unsigned number;
        const char *state;
        enum bf_error_class error_class;
    } cases[] = {
        {1205, "HY000", BF_CLASS_LOCK},          {1213, "40001", BF_CLASS_LOCK},
        {1317, "70100", BF_CLASS_CANCELLED},     {1969, "70100", BF_CLASS_CANCELLED},
        {3024, "HY000", BF_CLASS_CANCELLED},     {2006, "HY000", BF_CLASS_LOST},
        {2013, "HY000", BF_CLASS_LOST},          {2055, "HY000", BF_CLASS_LOST},
        {1927, "70100", BF_CLASS_ENDED},         {1053, "08S01", BF_CLASS_ENDED},
        {1290, "HY000", BF_CLASS_NOT_PRIMARY},   {1836, "HY000", BF_CLASS_NOT_PRIMARY},
        {1040, "08004", BF_CLASS_RESOURCES},     {1203, "42000", BF_CLASS_RESOURCES},
        {1226, "42000", BF_CLASS_RESOURCES},     {1021, "HY000", BF_CLASS_RESOURCES},
        {1114, "HY000", BF_CLASS_RESOURCES},     {3101, "HY000", BF_CLASS_SERIALIZATION},
        {1180, "HY000", BF_CLASS_SERIALIZATION}, {1020, "HY000", BF_CLASS_SERIALIZATION},
        {1264, "22003", BF_CLASS_DATA},          {1406, "22001", BF_CLASS_DATA},
        {1062, "23000", BF_CLASS_DATA},          {4025, "23000", BF_CLASS_DATA},
        {3819, "HY000", BF_CLASS_DATA},          {1644, "45000", BF_CLASS_DATA},
        {1054, "42S22", BF_CLASS_DEFINITION},    {1146, "42S02", BF_CLASS_DEFINITION},
        {1412, "HY000", BF_CLASS_DEFINITION},    {1142, "42000", BF_CLASS_DEFINITION},
        {3169, "HY000", BF_CLASS_ENDED},         {3098, "HY000", BF_CLASS_DEFINITION},
        {1792, "25006", BF_CLASS_NOT_PRIMARY},   {3100, "HY000", BF_CLASS_NOT_PRIMARY},
        {1036, "HY000", BF_CLASS_NOT_PRIMARY},   {1015, "HY000", BF_CLASS_NOT_PRIMARY},
        {3572, "HY000", BF_CLASS_LOCK},          {1047, "08S01", BF_CLASS_RESOURCES},
        {1197, "HY000", BF_CLASS_RESOURCES},     {1665, "HY000", BF_CLASS_DEFINITION},
        {1260, "HY000", BF_CLASS_RESOURCES},     {1213, "40001", BF_CLASS_LOCK},
        {1105, "HY000", BF_CLASS_TERMINAL},      {9999, "22999", BF_CLASS_DATA},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++)
        if (bf_mysql_classify(cases[i].number, cases[i].state) != cases[i].error_class)
            fail_msg("%u is %s", cases[i].number,
                     bf_error_class_name(bf_mysql_classify(cases[i].number, cases[i].state)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_expressions), cmocka_unit_test(bad_expressions),  cmocka_unit_test(names_of_tables),
        cmocka_unit_test(good_queries),     cmocka_unit_test(bad_queries),      cmocka_unit_test(started_at),
        cmocka_unit_test(queries_are_no_templates),
        cmocka_unit_test(templates),        cmocka_unit_test(hostile_literals), cmocka_unit_test(classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
