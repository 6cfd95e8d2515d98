/* verify_sample: of which expressions it can be told what they gave, and of how much worth a difference is. What the servers make of
 * the statements is tested on them. */
#include "unit.h"

#include <string.h>

#include "allocate.h"
#include "dialect.h"
#include "mysql_dialect.h"

enum { FACTS_MAX = 12 };

struct world {
    struct bf_document document;
    struct bf_table table;
    struct bf_column set[2];
    struct bf_answer facts;
    char *values[2 * FACTS_MAX];
    struct bf_recompute recompute;
};

static void fact(struct world *world, const char *what, const char *name)
{
    world->values[2 * world->facts.rows] = (char *)what;
    world->values[2 * world->facts.rows++ + 1] = (char *)name;
}

/* set n = expression, m = m; the table has other columns, too. */
static void setup(struct world *world, const struct bf_dialect *dialect, const char *expression)
{
    bool mysql = dialect == &bf_dialect_mysql;
    *world = (struct world){
        .document = {.table = (char *)"shop.orders", .set_count = 2, .undo = BF_UNDO_JOURNAL,
                     .set = {{(char *)"n", (char *)expression}, {(char *)"m", (char *)"m"}}},
        .table = {.reference = (char *)(mysql ? "`shop`.`orders` FORCE INDEX (`PRIMARY`)" : "ONLY \"shop\".\"or\"\"ders\""),
                  .key = {{.name = (char *)"id", .type = (char *)"bigint"}}, .key_count = 1, .set_count = 2},
        .set = {{.name = (char *)"n", .type = (char *)"int", .declared = (char *)"int"},
                {.name = (char *)"m", .type = (char *)"int", .declared = (char *)"int"}},
        .facts = {.columns = 2}};
    world->table.set = world->set;
    world->facts.values = world->values;
    static const char *const columns[] = {"id", "n", "m", "other", "Mixed"};
    for (size_t i = 0; i < BF_COUNT(columns); i++)
        fact(world, "column", columns[i]);
    fact(world, "generated", "made");
    fact(world, "unsure", "now");
    fact(world, "unsure", "loose");
    fact(world, "unsure", "<~>");
}

static void recompute(struct world *world, const struct bf_dialect *dialect)
{
    free(world->recompute.sql);
    free(world->recompute.untold);
    dialect->recompute("J", &world->document, &world->table, &world->facts, 0, &world->recompute);
}

static void done(struct world *world)
{
    free(world->recompute.sql);
    free(world->recompute.untold);
}

static void told(const struct bf_dialect *dialect, const char *expression, bool sure)
{
    struct world world;
    setup(&world, dialect, expression);
    recompute(&world, dialect);
    if (!world.recompute.sql)
        fail_msg("%s: %s", expression, world.recompute.untold);
    assert_null(world.recompute.untold);
    if (sure == (world.recompute.doubt != NULL))
        fail_msg("%s: %s", expression, sure ? world.recompute.doubt : "no doubt");
    fact(&world, "trigger", "t");
    recompute(&world, dialect);
    assert_non_null(world.recompute.sql);
    assert_non_null(strstr(world.recompute.doubt, "trigger"));
    done(&world);
}

static void untold(const struct bf_dialect *dialect, const char *expression, const char *why)
{
    struct world world;
    setup(&world, dialect, expression);
    recompute(&world, dialect);
    assert_null(world.recompute.sql);
    if (!world.recompute.untold || !strstr(world.recompute.untold, why))
        fail_msg("%s: %s", expression, world.recompute.untold ? world.recompute.untold : "it is told");
    done(&world);
}

static void postgresql(void **state)
{
    (void)state;
    static const char *const good[] = {"n + 1", "n * m", "other || n::text", "orders.other", "lower(other)", "'archived'",
                                       "coalesce(n, 0) + \"Mixed\"", "'nowhere'", "other AT TIME ZONE 'UTC'", "CASE WHEN n > 1 THEN 2 END",
                                       "(ARRAY[n, m])[1]", "NULL"};
    for (size_t i = 0; i < BF_COUNT(good); i++)
        told(&bf_dialect_postgresql, good[i], true);
    untold(&bf_dialect_postgresql, "now()", "calls now()");
    untold(&bf_dialect_postgresql, "other || public.loose(n)", "calls loose()");
    untold(&bf_dialect_postgresql, "n <~> 2", "operator <~>");
    untold(&bf_dialect_postgresql, "CURRENT_DATE - n", "asks for the time");
    untold(&bf_dialect_postgresql, "date ' Today'", "asks for the time");
    untold(&bf_dialect_postgresql, "n + (SELECT max(x) FROM z)", "subquery");
    untold(&bf_dialect_postgresql, "made + 1", "which the server computes");
    untold(&bf_dialect_postgresql, "md5(orders::text)", "no column of the table");
    untold(&bf_dialect_postgresql, "row_to_json(orders.*)", "whole row");
    untold(&bf_dialect_postgresql, "shop.orders.n", "schema");
    untold(&bf_dialect_postgresql, "xmin::text", "no column of the table");
    untold(&bf_dialect_postgresql, "'orders'::regclass::int", "catalogue");
}

static void mysql(void **state)
{
    (void)state;
    static const char *const good[] = {"n + 1", "IF(n > 1, CONCAT('a', `n`), \"now\")", "'now()'", "ROUND(n / 3, 2)", "id + n",
                                       "CAST(n AS SIGNED)", "steady_one(n)", "NULL", "n IN (1, 2)"};
    for (size_t i = 0; i < BF_COUNT(good); i++)
        told(&bf_dialect_mysql, good[i], true);
    /* what is not in the journal may have been changed since; and which of two columns is assigned first is not said */
    told(&bf_dialect_mysql, "other + 1", false);
    told(&bf_dialect_mysql, "`MIXED` + 1", false);
    told(&bf_dialect_mysql, "orders.other", false);
    told(&bf_dialect_mysql, "n + m", false);
    untold(&bf_dialect_mysql, "now()", "calls now()");
    untold(&bf_dialect_mysql, "shop.loose (n)", "calls loose()");
    untold(&bf_dialect_mysql, "`LOOSE`(n)", "calls LOOSE()");
    untold(&bf_dialect_mysql, "unix_timestamp( ) + n", "calls unix_timestamp()");
    untold(&bf_dialect_mysql, "DATE(Current_Timestamp)", "Current_Timestamp");
    untold(&bf_dialect_mysql, "n + (SELECT max(x) FROM z)", "SELECT");
    untold(&bf_dialect_mysql, "NEXT VALUE FOR s", "NEXT");
    untold(&bf_dialect_mysql, "MADE + 1", "which the server computes");
}

/* A set of words is stored in their own order. */
static void a_doubtful_type(void **state)
{
    (void)state;
    struct world world;
    setup(&world, &bf_dialect_mysql, "'b,a'");
    world.set[0].type = (char *)"set('a','b')";
    recompute(&world, &bf_dialect_mysql);
    assert_non_null(world.recompute.doubt);
    done(&world);
}

/* A row may be kept, and not be changed because its predicate does not hold any more. */
static void a_predicate_that_asks_for_chance(void **state)
{
    (void)state;
    static const char *const predicates[] = {"rand() < 0.5", "n > 3 AND :started_at > made_at"};
    for (size_t i = 0; i < BF_COUNT(predicates); i++) {
        struct world world;
        setup(&world, &bf_dialect_mysql, "n + 1");
        world.document.where = (char *)predicates[i];
        recompute(&world, &bf_dialect_mysql);
        assert_true((world.recompute.doubt != NULL) == (i == 0));
        done(&world);
    }
}

/* The account may not see whether there are triggers. */
static void unseen_triggers(void **state)
{
    (void)state;
    struct world world;
    setup(&world, &bf_dialect_mysql, "n + 1");
    fact(&world, "trigger", "");
    recompute(&world, &bf_dialect_mysql);
    assert_non_null(strstr(world.recompute.doubt, "GRANT TRIGGER"));
    done(&world);
}

/* The row as it was: what is in the journal from there, the rest from the row. */
static void statements(void **state)
{
    (void)state;
    struct world world;
    setup(&world, &bf_dialect_postgresql, "n + other");
    recompute(&world, &bf_dialect_postgresql);
    assert_non_null(strstr(world.recompute.sql, "(n + other)::int::text COLLATE \"C\" FROM (SELECT backfilld_b0::int AS \"n\", backfilld_b1::int AS "
                                                "\"m\", backfilld_row.\"other\") \"or\"\"ders\")"));
    assert_null(strstr(world.recompute.sql, "made"));
    done(&world);
    setup(&world, &bf_dialect_mysql, "n");
    world.document.set[1].value = (char *)"m + mixed + '?'";
    bf_dialect_mysql.recompute("J", &world.document, &world.table, &world.facts, 1, &world.recompute);
    assert_non_null(strstr(world.recompute.sql, "a.`after_n` AS `n`, b.`before_m` AS `m`, t.`Mixed` FROM"));
    assert_non_null(strstr(world.recompute.sql, "(m + mixed + '?""?') AS backfilld_new"));
    done(&world);
}

/* Does a row that matched once do so for as long as nobody changes it? */
static void predicates_of_mysql(void **state)
{
    (void)state;
    static const char *const steady[] = {"v IS NULL", "a = 7 AND `b b` <> 'now()'", "t.v < 3 OR NOT coalesce(v, 0)", "s LIKE '%select%'",
                                         "at < :started_at", "d > date_add('2020-01-01', INTERVAL 3 DAY)", "v IN (1, 2)", "`rand` = 1"};
    static const char *const others[] = {"at < now()", "rand() < 0.5", "at < CURRENT_TIMESTAMP", "v IN (SELECT id FROM u)",
                                         "EXISTS (TABLE u)", "unix_timestamp() > 7", "own(v)", "`coalesce`(v) = 1", "s.f(v)",
                                         "get_lock('x', 0) = 1", "u = current_user", "NEXT VALUE FOR s > 3", "v = last_insert_id(v)",
                                         "sleep(1) = 0", "uuid() <> s", "v = (VALUES ROW(1))", "s = 'it\\'' OR now() < at -- '"};
    for (size_t i = 0; i < BF_COUNT(steady); i++)
        assert_true(bf_mysql_is_steady(steady[i]));
    for (size_t i = 0; i < BF_COUNT(others); i++)
        assert_false(bf_mysql_is_steady(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(postgresql), cmocka_unit_test(mysql), cmocka_unit_test(a_doubtful_type),
                                       cmocka_unit_test(a_predicate_that_asks_for_chance),
                                       cmocka_unit_test(unseen_triggers), cmocka_unit_test(statements),
                                       cmocka_unit_test(predicates_of_mysql)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
