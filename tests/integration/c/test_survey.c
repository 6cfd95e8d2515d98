/* What a job can run on and what it cannot, said before anything is written; and the author's expressions as the server
 * sees them. */
#include "server.h"

#include <stdio.h>

#include "test_postgresql.h"

static struct client *looker; /* one session for all tests of this file */

static int survey_up(void **state)
{
    if (server_up(state))
        return 1;
    looker = client_new(*state, "backfilld survey");
    return 0;
}

static int survey_down(void **state)
{
    client_free(looker);
    return server_down(state);
}

/* `key`: columns with commas, or NULL. */
static void set_key(struct bf_document *document, const char *key)
{
    while (key) {
        size_t length = strcspn(key, ",");
        document->key[document->key_count++] = bf_copy_bytes(key, length);
        key = key[length] ? key + length + 1 : NULL;
    }
}

static void expect_refused(const char *table, const char *key, const char *column, const char *pointer,
                           const char *word)
{
    struct bf_complaints complaints = {0};
    struct bf_document *document = document_of(table, column, "1", NULL);
    set_key(document, key);
    struct bf_table *found = survey(looker, document, &complaints);
    if (found || !complained(&complaints, pointer, word))
        fail_msg("%s, key %s, set %s: not refused at %s with \"%s\"", table, key ? key : "-", column, pointer, word);
    assert_int_equal(bf_complaints_code(&complaints), BF_INVALID);
    bf_complaints_clear(&complaints);
    bf_document_free(document);
}

static void kinds_of_tables(void **state)
{
    struct server *server = *state;
    static const char *const statements[] = {
        "CREATE TABLE plain (id int PRIMARY KEY, n int)",
        "CREATE TABLE \"Orders\" (id int PRIMARY KEY, n int)",
        "CREATE VIEW a_view AS SELECT * FROM plain",
        "CREATE MATERIALIZED VIEW a_matview AS SELECT * FROM plain",
        "CREATE EXTENSION IF NOT EXISTS file_fdw",
        "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        "CREATE FOREIGN TABLE a_foreign (id int, n int) SERVER files OPTIONS (filename '/dev/null')",
        "CREATE SEQUENCE a_sequence",
        "CREATE TABLE parent (id int PRIMARY KEY, n int)",
        "CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent)",
        "CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY, n int)",
        "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler",
        "CREATE TABLE other_method (id int PRIMARY KEY, n int) USING heap2",
        "CREATE TABLE parted (id int PRIMARY KEY, n int) PARTITION BY RANGE (id)",
        "CREATE TABLE parted1 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE mixed (id int, n int) PARTITION BY RANGE (id)",
        "CREATE FOREIGN TABLE mixed1 PARTITION OF mixed FOR VALUES FROM (0) TO (10) SERVER files "
        "OPTIONS (filename '/dev/null')"};
    for (size_t i = 0; i < BF_COUNT(statements); i++)
        side(server, "%s", statements[i]);

    expect_refused("nowhere", NULL, "n", "/table", "there is no table nowhere");
    expect_refused("public.orders", NULL, "n", "/table", "public.\"Orders\"");
    expect_refused("pub lic.orders", NULL, "n", "/table", "could not describe");
    expect_refused("\"plain", NULL, "n", "/table", "could not describe");
    expect_refused("a_view", NULL, "n", "/table", "is a view");
    expect_refused("a_matview", NULL, "n", "/table", "is a materialized view");
    expect_refused("a_foreign", NULL, "n", "/table", "is a foreign table");
    expect_refused("a_sequence", NULL, "n", "/table", "is a sequence");
    expect_refused("plain_pkey", NULL, "n", "/table", "is an index");
    expect_refused("pg_class", NULL, "relpages", "/table", "belongs to the server");
    expect_refused("parent", NULL, "n", "/table", "child tables by inheritance");
    expect_refused("other_method", NULL, "n", "/table", "heap2");
    expect_refused("mixed", NULL, "n", "/table", "mixed1");
    client_query(looker, BF_STATEMENT_SURVEY, "CREATE TEMPORARY TABLE passing (id int PRIMARY KEY, n int)");
    expect_refused("passing", NULL, "n", "/table", "temporary table");

    static const char *const fine[] = {"plain", "public.plain", "PLAIN", "\"Orders\"", "unlogged", "parted", "parted1",
                                       "child"};
    for (size_t i = 0; i < BF_COUNT(fine); i++) {
        struct bf_document *document = document_of(fine[i], "n", "1", NULL);
        struct bf_table *table = survey_well(looker, document);
        assert_int_equal(table->partitioned, i == 5);
        assert_int_equal(strncmp(table->reference, "ONLY ", 5) != 0, i == 5);
        assert_int_equal(table->key_count, 1);
        assert_string_equal(table->key[0].type, "integer");
        if (i < 3)
            assert_string_equal(table->display, "public.plain");
        bf_table_free(table);
        bf_document_free(document);
    }
    side(server, "DROP TABLE plain, \"Orders\", child, parent, unlogged, other_method, parted, mixed CASCADE");
    side(server, "DROP EXTENSION file_fdw CASCADE");
    side(server, "DROP SEQUENCE a_sequence");
    side(server, "DROP ACCESS METHOD heap2");
}

static void keys(void **state)
{
    struct server *server = *state;
    static const char *const statements[] = {
        "CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE TABLE k (a int NOT NULL, b int NOT NULL, c int, d float8 NOT NULL, e jsonb NOT NULL, f int NOT NULL, "
        "g int NOT NULL, h text COLLATE caseless NOT NULL, i text NOT NULL, j int NOT NULL, l int NOT NULL, n int)",
        "CREATE UNIQUE INDEX k_ab ON k (a, b)",
        "CREATE UNIQUE INDEX k_c ON k (c)",
        "CREATE UNIQUE INDEX k_d ON k (d)",
        "CREATE UNIQUE INDEX k_e ON k (e)",
        "CREATE UNIQUE INDEX k_f ON k (f) WHERE f > 0",
        "CREATE UNIQUE INDEX k_g ON k ((g + 1))",
        "CREATE UNIQUE INDEX k_ha ON k (h, a)",
        "CREATE UNIQUE INDEX k_i ON k (i text_pattern_ops)",
        "CREATE UNIQUE INDEX k_mixed ON k (j, b DESC)",
        "CREATE UNIQUE INDEX k_nulls ON k (j NULLS FIRST)",
        "CREATE UNIQUE INDEX k_including ON k (b) INCLUDE (a, d)",
        "CREATE INDEX k_gb ON k (g, b)",
        "ALTER TABLE k ADD CONSTRAINT k_l UNIQUE (l) DEFERRABLE",
        "CREATE TABLE wide (a1 int, a2 int, a3 int, a4 int, a5 int, a6 int, a7 int, a8 int, a9 int, n int, "
        "PRIMARY KEY (a1, a2, a3, a4, a5, a6, a7, a8, a9))",
        "CREATE TABLE bare (a int NOT NULL, n int)"};
    for (size_t i = 0; i < BF_COUNT(statements); i++)
        side(server, "%s", statements[i]);

    expect_refused("k", NULL, "n", "/table", "no primary key; name a unique key in `key`, such as [\"a\", \"b\"]");
    expect_refused("bare", NULL, "n", "/table", "a backfill needs a unique key");
    expect_refused("k", "b,a", "n", "/key", "exactly these columns in this order");
    expect_refused("k", "a", "n", "/key", "exactly these columns in this order");
    expect_refused("k", "c", "n", "/key/0", "may be NULL");
    expect_refused("k", "d", "n", "/key/0", "double precision");
    expect_refused("k", "e", "n", "/key/0", "jsonb");
    expect_refused("k", "f", "n", "/key", "partial");
    expect_refused("k", "g", "n", "/key", "exactly these columns");
    expect_refused("k", "h,a", "n", "/key/0", "nondeterministic");
    expect_refused("k", "i", "n", "/key", "another operator class");
    expect_refused("k", "j,b", "n", "/key", "mixes ASC and DESC");
    expect_refused("k", "j", "n", "/key", "moves NULLS");
    expect_refused("k", "g,b", "n", "/key", "exactly these columns");
    expect_refused("k", "l", "n", "/key", "DEFERRABLE");
    expect_refused("k", "a,nowhere", "n", "/key/1", "no column nowhere");
    expect_refused("k", "A,b", "n", "/key/0", "it has a");
    expect_refused("wide", NULL, "n", "/table", "9 columns");

    static const char *const fine[] = {"a,b", "b"};
    for (size_t i = 0; i < BF_COUNT(fine); i++) {
        struct bf_document *document = document_of("k", "n", "1", NULL);
        set_key(document, fine[i]);
        struct bf_table *table = survey_well(looker, document);
        assert_int_equal(table->key_count, document->key_count);
        bf_table_free(table);
        bf_document_free(document);
    }
    side(server, "DROP TABLE k, wide, bare");
    side(server, "DROP COLLATION caseless");
}

static void columns_and_rights(void **state)
{
    struct server *server = *state;
    side(server, "CREATE TABLE c (id int PRIMARY KEY, n int, \"Mixed\" int, g int GENERATED ALWAYS AS (n + 1) STORED, "
         "i int GENERATED ALWAYS AS IDENTITY, \"sl/a~sh\" int GENERATED ALWAYS AS (n + 1) STORED)");
    expect_refused("c", NULL, "nowhere", "/set/nowhere", "no column nowhere");
    expect_refused("c", NULL, "mixed", "/set/mixed", "it has Mixed");
    expect_refused("c", NULL, "g", "/set/g", "generated");
    expect_refused("c", NULL, "i", "/set/i", "IDENTITY");
    expect_refused("c", NULL, "id", "/set/id", "part of the key");
    expect_refused("c", NULL, "ctid", "/set/ctid", "no column ctid");
    expect_refused("c", NULL, "sl/a~sh", "/set/sl~1a~0sh", "generated");

    side(server, "CREATE ROLE modest LOGIN");
    side(server, "GRANT SELECT, UPDATE (\"Mixed\") ON c TO modest");
    BF_AUTO_STRING char *conninfo =
        bf_format("host=127.0.0.1 port=%s dbname=postgres user=modest", PQport(server->side));
    struct client *mine = looker;
    looker = client_new_to(server, conninfo, "backfilld modest", 5000);
    expect_refused("c", NULL, "n", "/set/n", "may not UPDATE column n");
    struct bf_document *document = document_of("c", "Mixed", "1", NULL);
    bf_table_free(survey_well(looker, document));
    bf_document_free(document);
    side(server, "ALTER TABLE c ENABLE ROW LEVEL SECURITY");
    expect_refused("c", NULL, "Mixed", "/table", "row level security");
    side(server, "ALTER TABLE c DISABLE ROW LEVEL SECURITY");
    side(server, "REVOKE SELECT ON c FROM modest");
    expect_refused("c", NULL, "Mixed", "/table", "may not SELECT key column id");
    client_free(looker);
    looker = mine;
    side(server, "DROP TABLE c");
    side(server, "DROP ROLE modest");
}

static void rows_and_definition(void **state)
{
    struct server *server = *state;
    side(server, "CREATE TABLE d (id int PRIMARY KEY, n int, o varchar(5)) WITH (autovacuum_enabled = off)");
    struct bf_document *document = document_of("d", "o", "1", NULL);
    struct bf_table *empty = survey_well(looker, document);
    assert_int_equal(empty->rows_estimated, 0);
    side(server, "INSERT INTO d SELECT g, g, 'x' FROM generate_series(1, 20000) g");
    struct bf_table *guessed = survey_well(looker, document);
    assert_in_range(guessed->rows_estimated, 5000, 40000);
    side(server, "ANALYZE d");
    struct bf_table *known = survey_well(looker, document);
    assert_in_range(known->rows_estimated, 19900, 20100);
    assert_in_range(known->bytes, 20000 * 28, 20000 * 80);
    assert_string_equal(known->definition, empty->definition);
    assert_int_equal(strlen(known->definition), 64);

    static const struct {
        const char *change;
        bool matters;
    } cases[] = {{"ALTER TABLE d ADD COLUMN p int", false},  {"ALTER TABLE d ALTER o TYPE varchar(9)", false},
                 {"ALTER TABLE d RENAME TO d2", false},      {"ALTER TABLE d2 RENAME TO d", false},
                 {"ALTER TABLE d ALTER o TYPE text", true},  {"ALTER TABLE d ALTER id TYPE bigint", true},
                 {"ALTER TABLE d DROP o, ADD COLUMN o text", true}};
    BF_AUTO_STRING char *before = bf_copy_string(known->definition);
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        side(server, "%s", cases[i].change);
        free(document->table);
        document->table = bf_copy_string(strstr(cases[i].change, "TO d2") ? "d2" : "d");
        struct bf_table *after = survey_well(looker, document);
        assert_int_equal(strcmp(after->definition, before) != 0, cases[i].matters);
        free(before);
        before = bf_copy_string(after->definition);
        bf_table_free(after);
    }
    bf_table_free(empty);
    bf_table_free(guessed);
    bf_table_free(known);
    bf_document_free(document);
    side(server, "DROP TABLE d");
}

/* ---- expressions on the server */

/* Runs the checks of a document on table e; returns what was complained. */
static void run_checks(struct bf_document *document, struct bf_complaints *complaints)
{
    const struct bf_dialect *dialect = looker->server->database->dialect;
    struct bf_table *table = survey_well(looker, document);
    char **texts;
    size_t count;
    bf_check_add(dialect, document, table, &looker->flight, &texts, &count);
    client_run(looker);
    assert_false(looker->lost);
    bf_check_read(dialect, document, looker->answers, looker->answer_count, complaints);
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
    bf_table_free(table);
}

static void checked_expressions(void **state)
{
    struct server *server = *state;
    side(server, "CREATE TABLE e (id int PRIMARY KEY, n int NOT NULL, s text)");
    side(server, "INSERT INTO e VALUES (1, 1, 'x')");
    static const struct {
        const char *set, *where, *pointer, *word; /* pointer NULL: fine */
    } cases[] = {{"n + 1", "s = 'x'", NULL, NULL},
                 {"(SELECT max(n) FROM e i WHERE i.id < e.id)", "id IN (SELECT id FROM e) OR s IS NULL", NULL, NULL},
                 {"nowhere", NULL, "/set/n", "\"nowhere\" does not exist"},
                 {"'word'", NULL, "/set/n", "invalid input syntax for type integer"},
                 {"now()", NULL, "/set/n", "timestamp with time zone"},
                 {"no_function(n)", NULL, "/set/n", "no_function"},
                 {"sum(n)", NULL, "/set/n", "aggregate functions are not allowed"},
                 {"generate_series(1, 2)", NULL, "/set/n", "set-returning functions are not allowed"},
                 {"row_number() OVER ()", NULL, "/set/n", "window functions are not allowed"},
                 {"1", "n", "/where", "must be type boolean"},
                 {"1", "sum(n) > 1", "/where", "aggregate functions are not allowed"},
                 {"1", "s = 1", "/where", "operator does not exist"}};
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_complaints complaints = {0};
        struct bf_document *document = document_of("e", "n", cases[i].set, cases[i].where);
        run_checks(document, &complaints);
        assert_int_equal(complaints.total, cases[i].pointer ? 1 : 0);
        if (cases[i].pointer)
            assert_true(complained(&complaints, cases[i].pointer, cases[i].word));
        bf_complaints_clear(&complaints);
        bf_document_free(document);
    }
    assert_int_equal(side_number(server, "SELECT n FROM e"), 1); /* nothing was written by checking */
    side(server, "DROP TABLE e");
}

static void checked_bounds(void **state)
{
    struct server *server = *state;
    side(server, "CREATE TABLE e (a int, b text COLLATE \"C\", n int, PRIMARY KEY (a, b))");
    static const struct {
        const char *after[2], *through[2], *pointer, *word;
    } cases[] = {{{"1", "b"}, {"1", "c"}, NULL, NULL},
                 {{"1", "b"}, {"1", "b"}, "/range", "less than"},
                 {{"2", "b"}, {"1", "c"}, "/range", "less than"},
                 {{"1", "Z"}, {"1", "a"}, NULL, NULL}, /* by the column's collation */
                 {{"1", "a"}, {"1", "Z"}, "/range", "less than"},
                 {{"one", "b"}, {"2", "b"}, "/range/after/0", "invalid input syntax"},
                 {{"1", "b"}, {"99999999999", "b"}, "/range/through/0", "out of range"},
                 {{"1); DROP TABLE e; --", "b"}, {"2", "b"}, "/range/after/0", "invalid input syntax"}};
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_complaints complaints = {0};
        struct bf_document *document = document_of("e", "n", "1", NULL);
        for (size_t k = 0; k < 2; k++) {
            document->after[k] = bf_copy_string(cases[i].after[k]);
            document->through[k] = bf_copy_string(cases[i].through[k]);
        }
        document->after_count = document->through_count = 2;
        run_checks(document, &complaints);
        assert_int_equal(complaints.total, cases[i].pointer ? 1 : 0);
        if (cases[i].pointer)
            assert_true(complained(&complaints, cases[i].pointer, cases[i].word));
        bf_complaints_clear(&complaints);
        bf_document_free(document);
    }
    struct bf_complaints complaints = {0};
    struct bf_document *document = document_of("e", "n", "1", NULL);
    document->after[0] = bf_copy_string("1");
    document->after_count = 1;
    assert_null(survey(looker, document, &complaints));
    assert_true(complained(&complaints, "/range/after", "2 columns"));
    bf_complaints_clear(&complaints);
    bf_document_free(document);
    side(server, "DROP TABLE e");
}

/* Every expression and bound that a document can hold fits into one flight. */
static void as_many_as_possible(void **state)
{
    struct server *server = *state;
    struct bf_complaints complaints = {0};
    struct bf_document *document = document_of("big", "c0", "c0 + 1", "true");
    struct bf_buffer columns = {0};
    for (int i = 0; i < BF_SET_COLUMNS_MAX; i++)
        bf_buffer_format(&columns, "c%d int, ", i);
    for (int i = 1; i < BF_SET_COLUMNS_MAX; i++) {
        document->set[i] = (struct bf_pair){bf_format("c%d", i), bf_copy_string(i == 63 ? "'x'" : "1")};
        document->set_count = (size_t)i + 1;
    }
    for (int i = 0; i < BF_KEY_COLUMNS_MAX; i++) {
        document->after[i] = bf_copy_string("1");
        document->through[i] = bf_copy_string("2");
    }
    document->after_count = document->through_count = BF_KEY_COLUMNS_MAX;
    side(server, "CREATE TABLE big (%s k1 int, k2 int, k3 int, k4 int, k5 int, k6 int, k7 int, k8 int, "
         "PRIMARY KEY (k1, k2, k3, k4, k5, k6, k7, k8))", columns.text);
    run_checks(document, &complaints);
    assert_int_equal(complaints.total, 1);
    assert_true(complained(&complaints, "/set/c63", "invalid input syntax"));
    bf_complaints_clear(&complaints);
    bf_buffer_clear(&columns);
    bf_document_free(document);
    side(server, "DROP TABLE big");
}

/* `a OR b` changes only rows of its range, and a trailing anything is no way out of the parentheses. */
static void stays_in_its_range(void **state)
{
    struct server *server = *state;
    side(server, "CREATE TABLE r (id int PRIMARY KEY, n int NOT NULL DEFAULT 0)");
    side(server, "INSERT INTO r SELECT generate_series(1, 10)");
    struct bf_document *document = document_of("r", "n", "n + 1", "id < 0 OR true");
    struct bf_table *table = survey_well(looker, document);
    struct bf_statements *statements = server->database->dialect->render("R", document, table);
    struct bf_step *step = bf_flight_add(&looker->flight, BF_STATEMENT_UPDATE, statements->update[1][0]);
    bf_step_text(step, "2");
    bf_step_text(step, "4");
    client_run(looker);
    assert_int_equal(looker->answers[0].affected, 2);
    assert_int_equal(side_number(server, "SELECT sum(id) FROM r WHERE n = 1"), 7);
    assert_int_equal(strncmp(statements->update[1][0], "/* backfilld R */ ", 18), 0);
    bf_statements_free(statements);
    bf_table_free(table);
    bf_document_free(document);
    side(server, "DROP TABLE r");
}

int test_survey(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_of_tables),    cmocka_unit_test(keys),
        cmocka_unit_test(columns_and_rights), cmocka_unit_test(rows_and_definition),
        cmocka_unit_test(checked_expressions), cmocka_unit_test(checked_bounds),
        cmocka_unit_test(as_many_as_possible), cmocka_unit_test(stays_in_its_range),
    };
    return cmocka_run_group_tests_name("survey", tests, survey_up, survey_down);
}
