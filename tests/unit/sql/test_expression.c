/* The author's expressions alone: only one expression and nothing else gets through. */
#include "unit.h"

#include <string.h>

#include "allocate.h"
#include "complaints.h"
#include "dialect.h"
#include "document.h"

static struct bf_complaints check(const char *column, const char *set, const char *where)
{
    struct bf_complaints complaints = {0};
    struct bf_document document = {.set_count = set ? 1 : 0, .where = (char *)(uintptr_t)where};
    document.set[0].name = (char *)(uintptr_t)column;
    document.set[0].value = (char *)(uintptr_t)set;
    bf_dialect_postgresql.check_expressions(&document, &complaints);
    return complaints;
}

static void fine(void **state)
{
    (void)state;
    static const char *const expressions[] = {
        "1", "n + 1", "status = 'x' OR other", "NOT a AND b", "'it''s -- no comment /* here */; $1'",
        "$tag$ anything ; -- ) $tag$", "E'\\'; --'", "\"Ünï;--code\" || 'ß'", "(a, b) = (1, 2)", "a IN (1, 2, 3)",
        "id IN (SELECT id FROM other WHERE x = 1 ORDER BY y LIMIT 1)", "CASE WHEN a THEN 1 ELSE 2 END", "a::numeric(10,2)",
        "CAST(a AS text)", "count(*) OVER (PARTITION BY b)", "(ARRAY[1, 2])[1]", "a BETWEEN 1 AND 2", "a IS NOT NULL",
        "data #>> '{a,b}' @> '[1]'", "data ? 'key'", "now() - interval '1 day'", "x'1f'::int", "a COLLATE \"C\"",
        "EXISTS (SELECT FROM t)", "((((1))))", "(SELECT * FROM t)", "started_at", "x::started_at", "':started_at'",
        "  1  ", "1\n+\n1", "ROW(1, 2)", "a LIKE '%;%'", "1 - -1", "- 1", "coalesce(a, 'x')"};
    for (size_t i = 0; i < BF_COUNT(expressions); i++) {
        struct bf_complaints complaints = check("c", expressions[i], expressions[i]);
        if (complaints.total)
            fail_msg("%s: %s", expressions[i], complaints.list[0].detail);
        bf_complaints_clear(&complaints);
    }
}

static void names_of_tables(void **state)
{
    (void)state;
    static const char *const right[] = {"orders", "public.orders", "_a$1.B2", "größe", "\"My Orders\"", "\"a.b\".\"c\"\"d; e\"", "x.\"\"\"\""};
    static const char *const wrong[] = {"orders.", ".orders", "a..b", "orders;", "orders; DROP TABLE x", "orders o", " orders", "orders ",
                                        "a.b.c", "\"orders", "\"\"", "\"a\"b", "1st", "my-orders", "public.orders, b", "f()", "$1", "\"a\"\""};
    for (size_t i = 0; i < BF_COUNT(right) + BF_COUNT(wrong); i++) {
        bool bad = i >= BF_COUNT(right);
        struct bf_complaints complaints = {0};
        const char *name = bad ? wrong[i - BF_COUNT(right)] : right[i];
        struct bf_document document = {.table = (char *)(uintptr_t)name};
        bf_dialect_postgresql.check_expressions(&document, &complaints);
        if (complaints.total != bad)
            fail_msg("%s: %s", name, bad ? "is taken" : complaints.list[0].detail);
        if (bad)
            assert_string_equal(complaints.list[0].pointer, "/table");
        bf_complaints_clear(&complaints);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *word;
    } cases[] = {
        {"1=1) OR (1=1", "closes a parenthesis that it did not open (character 4)"},
        {"ü=1) OR (1=1", "(character 4)"},
        {"1=1 --", "comment"},
        {"1=1 -- x\n", "comment"},
        {"1 /* x */ + 1", "comment"},
        {"1 /* /* nested */ */", "comment"},
        {"1 /*", "unterminated /* comment"},
        {"'x', other = 1", "more than one expression"},
        {"1, 2", "more than one expression"},
        {"x FROM y", "FROM has no place"},
        {"1 AS a", "alias"},
        {"1 a", "alias"},
        {"1 \"a\"", "alias"},
        {"1 WHERE true", "WHERE has no place"},
        {"1 UNION SELECT 2", "one SQL expression"},
        {"1 INTERSECT (SELECT 2)", "one SQL expression"},
        {"1 EXCEPT ALL SELECT 2", "one SQL expression"},
        {"1 ORDER BY 1", "one SQL expression"},
        {"1 GROUP BY 1", "one SQL expression"},
        {"1 HAVING true", "one SQL expression"},
        {"1 LIMIT 1", "one SQL expression"},
        {"1 OFFSET 1", "one SQL expression"},
        {"1 FETCH FIRST ROW ONLY", "one SQL expression"},
        {"1 FOR UPDATE", "one SQL expression"},
        {"1 WINDOW w AS ()", "one SQL expression"},
        {"1 INTO t", "one SQL expression"},
        {"INTO t", "one SQL expression"},
        {"DISTINCT a", "one SQL expression"},
        {"DISTINCT ON (a) a", "one SQL expression"},
        {"ALL a", "syntax error"},
        {"*", "* is not an expression"},
        {"t.*", "* is not an expression"},
        {"", "it is empty"},
        {"   ", "it is empty"},
        {";", "semicolon"},
        {"1;", "semicolon"},
        {"1; DROP TABLE t", "semicolon"},
        {"$1", "parameter"},
        {"a = $2 + 1", "parameter"},
        {"'open", "unterminated quoted string"},
        {"\"open", "unterminated quoted identifier"},
        {"$$open", "unterminated dollar-quoted string"},
        {"E'open\\'", "unterminated quoted string"},
        {"(1", "syntax error"},
        {"((1)", "syntax error"},
        {")", "closes a parenthesis"},
        {")(", "closes a parenthesis"},
        {"1 +", "syntax error"},
        {"a b c", "syntax error"},
        {"DEFAULT", "DEFAULT is not an expression"},
        {"SELECT 1", "syntax error"},
        {"UPDATE t SET a = 1", "syntax error"},
        {"1 RETURNING a", "syntax error"},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_complaints complaints = check("c", "1", cases[i].expression);
        if (complaints.total != 1 || strcmp(complaints.list[0].pointer, "/where") ||
            !strstr(complaints.list[0].detail, cases[i].word))
            fail_msg("%s: %s %s", cases[i].expression, complaints.total ? complaints.list[0].pointer : "let through",
                     complaints.total ? complaints.list[0].detail : "");
        assert_int_equal(complaints.list[0].code, BF_INVALID);
        bf_complaints_clear(&complaints);
        complaints = check("c", cases[i].expression, NULL);
        assert_int_equal(complaints.total, 1);
        assert_string_equal(complaints.list[0].pointer, "/set/c");
        bf_complaints_clear(&complaints);
    }
}

/* Positions are those of the author's text, in characters. */
static void positions(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *position;
    } cases[] = {{"a ++ )", "(character 6)"},  {"ääää $1", "(character 6)"}, {"a = = = b )", "(character 11)"},
                 {"1 + + FROM", "(character 7)"}, {"ü = 'open", "(character 5)"}, {"a -- b", "(character 3)"}};
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_complaints complaints = check("c", NULL, cases[i].expression);
        if (complaints.total != 1 || !strstr(complaints.list[0].detail, cases[i].position))
            fail_msg("%s: %s", cases[i].expression, complaints.total ? complaints.list[0].detail : "let through");
        bf_complaints_clear(&complaints);
    }
}

/* :started_at stands for a time in predicates, and only as a token of its own. */
static void started_at(void **state)
{
    (void)state;
    struct bf_complaints complaints = check("c", "1", "created_at < :started_at");
    assert_int_equal(complaints.total, 0);
    complaints = check("c", ":started_at", "true");
    assert_int_equal(complaints.total, 1);
    bf_complaints_clear(&complaints);

    struct bf_table table = {.reference = "t", .key_count = 1, .key = {{.name = "id", .type = "bigint"}}};
    struct bf_document document = {.set_count = 1, .started_at = 1700000000000};
    document.set[0].name = "c";
    document.set[0].value = "1";
    document.where = "a < :started_at AND b::started_at = ':started_at' AND \":started_at\" > (:started_at)";
    struct bf_statements *statements = bf_dialect_postgresql.render("J", &document, &table);
    assert_non_null(strstr(statements->update[1][0],
                           "(a < timestamptz '2023-11-14T22:13:20.000Z' AND b::started_at = ':started_at' AND "
                           "\":started_at\" > (timestamptz '2023-11-14T22:13:20.000Z'))"));
    bf_statements_free(statements);
}

static void pointers(void **state)
{
    (void)state;
    struct bf_complaints complaints = check("a/b~c", ";", ";");
    assert_int_equal(complaints.total, 2); /* all at once */
    assert_string_equal(complaints.list[0].pointer, "/set/a~1b~0c");
    assert_string_equal(complaints.list[1].pointer, "/where");
    bf_complaints_clear(&complaints);
}

/* Deep nesting and long texts end in a complaint or in nothing, never in a crash. */
static void extremes(void **state)
{
    (void)state;
    char *text = bf_allocate(BF_EXPRESSION_MAX + 1);
    memset(text, '(', BF_EXPRESSION_MAX);
    struct bf_complaints complaints = check("c", text, NULL);
    assert_int_equal(complaints.total, 1);
    bf_complaints_clear(&complaints);
    for (size_t i = 0; i < BF_EXPRESSION_MAX; i++)
        text[i] = "1+"[i % 2];
    text[BF_EXPRESSION_MAX - 1] = '\0';
    complaints = check("c", text, NULL);
    assert_int_equal(complaints.total, 1);
    assert_non_null(strstr(complaints.list[0].detail, "nested too deeply"));
    bf_complaints_clear(&complaints);
    text[1001] = '\0'; /* 501 terms, far more than anyone writes */
    complaints = check("c", text, NULL);
    assert_int_equal(complaints.total, 0);
    bf_complaints_clear(&complaints);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fine), cmocka_unit_test(names_of_tables),          cmocka_unit_test(refused),  cmocka_unit_test(positions),
        cmocka_unit_test(started_at)   , cmocka_unit_test(pointers), cmocka_unit_test(extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
