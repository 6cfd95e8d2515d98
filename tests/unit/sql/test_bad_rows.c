/* The texts about rows that a server refuses. What they do is tested on a server. */
#include "unit.h"

#include <string.h>

#include "dialect.h"

static struct bf_table table_of(size_t key_count)
{
    static char *const names[] = {"a", "b"};
    static char type[] = "bigint", reference[] = "t";
    struct bf_table table = {.reference = reference, .key_count = key_count};
    for (size_t i = 0; i < key_count; i++)
        table.key[i] = (struct bf_column){.name = names[i], .type = type, .declared = type};
    return table;
}

/* Whatever `where` says, for it may be what the server stumbles over. */
static void quarantine(void **state)
{
    (void)state;
    struct bf_table table = table_of(2);
    struct bf_document text = {.where = (char *)"x OR y"};
    struct bf_statements *statements = bf_dialect_postgresql.render("J", &text, &table);
    const char *first = statements->quarantine[2][0];
    assert_non_null(strstr(first, "SELECT json_build_array(\"a\"::text, \"b\"::text)::text AS key, row_number() OVER (ORDER BY \"a\", \"b\") - 1 "
                                  "AS number FROM "));
    assert_non_null(strstr(first, " WHERE \"a\" = $1::text::bigint AND \"b\" > $2::text::bigint AND \"b\" <= $4::text::bigint), "));
    assert_non_null(strstr(first, "SELECT $5, $6::text::int, $7::text::bigint + number, key, $8, $9 FROM backfilld_bad ON CONFLICT (job, key)"));
    assert_null(strstr(first, "x OR y"));
    assert_null(statements->quarantine[2][1]);
    assert_non_null(statements->quarantine[1][2]);
    bf_statements_free(statements);
}

/* The rows behind one, in the order of the key over all legs, each with the column in which it differs from the one before. */
static void keys_of_a_run(void **state)
{
    (void)state;
    struct bf_table one = table_of(1), two = table_of(2);
    struct bf_document text = {.where = (char *)"x OR y"};
    struct bf_statements *statements = bf_dialect_postgresql.render("J", &text, &one);
    const char *keys = statements->text[BF_STATEMENT_KEYS];
    assert_non_null(strstr(keys, "SELECT k.\"a\", 1 AS split, COALESCE((k.\"a\") >= ($2::text::bigint), false) AS beyond FROM "));
    assert_non_null(strstr(keys, " WHERE \"a\" > $1::text::bigint ORDER BY \"a\" LIMIT $3::text::bigint)) k "));
    bf_statements_free(statements);
    statements = bf_dialect_postgresql.render("J", &text, &two);
    keys = statements->text[BF_STATEMENT_KEYS];
    assert_non_null(strstr(keys, "CASE WHEN k.\"a\" <> COALESCE(LAG(k.\"a\") OVER (ORDER BY k.\"a\", k.\"b\"), $1::text::bigint) THEN 1 ELSE 2 END AS split"));
    assert_non_null(strstr(keys, ")) k ORDER BY k.\"a\", k.\"b\" LIMIT $5::text::bigint"));
    bf_statements_free(statements);
    statements = bf_dialect_mysql.render("J", &text, &two);
    keys = statements->text[BF_STATEMENT_KEYS];
    assert_non_null(strstr(keys, "CASE WHEN k.`a` <> COALESCE(LAG(k.`a`) OVER (ORDER BY k.`a`, k.`b`), ?s1) THEN 1 ELSE 2 END"));
    assert_non_null(strstr(keys, ")) k ORDER BY k.`a`, k.`b` LIMIT ?#5"));
    bf_statements_free(statements);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quarantine), cmocka_unit_test(keys_of_a_run)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
