/* The legs of every shape cover exactly (low, high], and boundaries are the n-th key: against brute force, in which the
 * server orders the whole table once and everything else is counting. */
#include "server.h"

#include <stdio.h>

#include "test_postgresql.h"

enum { KEYS_MAX = 500 };

/* Every key of the table in the server's order, and every walk of it. */
struct model {
    struct server *server;
    struct client *client;
    struct bf_document *document;
    struct bf_table *table;
    struct bf_statements *statements;
    char *keys[KEYS_MAX][BF_KEY_COLUMNS_MAX];
    size_t count;
};

static unsigned chance; /* a fixed seed: a failure can be looked at again */

static size_t chosen(size_t limit)
{
    chance = chance * 1103515245u + 12345u;
    return (chance >> 8) % limit;
}

static struct model *model_new(struct server *server, const char *table)
{
    struct model *model = BF_NEW(struct model);
    model->server = server;
    model->client = client_new(server, "backfilld ranges");
    model->document = document_of(table, "n", "n + 1", "m");
    model->table = survey_well(model->client, model->document);
    model->statements = server->database->dialect->render("RANGES", model->document, model->table);
    struct bf_buffer list = {0};
    for (size_t i = 0; i < model->table->key_count; i++)
        bf_buffer_format(&list, "%s\"%s\"", i ? ", " : "", model->table->key[i].name);
    BF_AUTO_STRING char *columns = bf_buffer_take(&list);
    BF_AUTO_STRING char *sql = bf_format("SELECT %s FROM %s ORDER BY %s", columns, table, columns);
    client_query(model->client, BF_STATEMENT_SURVEY, sql);
    const struct bf_answer *answer = &model->client->answers[0];
    assert_int_equal(answer->outcome, BF_OUTCOME_OK);
    assert_true(answer->rows > 0 && answer->rows <= KEYS_MAX);
    model->count = answer->rows;
    for (size_t row = 0; row < answer->rows; row++)
        for (size_t i = 0; i < answer->columns; i++)
            model->keys[row][i] = bf_copy_string(bf_answer_value(answer, row, i));
    return model;
}

static void model_free(struct model *model)
{
    for (size_t row = 0; row < model->count; row++)
        for (size_t i = 0; i < model->table->key_count; i++)
            free(model->keys[row][i]);
    bf_statements_free(model->statements);
    bf_table_free(model->table);
    bf_document_free(model->document);
    client_free(model->client);
    free(model);
}

/* row: 0-based; -1: NULLs */
static void key_parameters(struct model *model, struct bf_step *step, long row)
{
    for (size_t i = 0; i < model->table->key_count; i++)
        bf_step_text(step, row < 0 ? NULL : model->keys[row][i]);
}

static struct bf_step *add(struct model *model, enum bf_statement statement, const char *sql)
{
    return bf_flight_add(&model->client->flight, statement, sql);
}

static const struct bf_answer *run(struct model *model)
{
    client_run(model->client);
    for (size_t i = 0; i < model->client->answer_count; i++)
        if (model->client->answers[i].outcome != BF_OUTCOME_OK)
            fail_msg("step %zu: %s", i, model->client->answers[i].message);
    return model->client->answers;
}

static int split_of(struct model *model, long low, long high)
{
    if (low < 0)
        return 0;
    struct bf_step *step = add(model, BF_STATEMENT_SPLIT, model->statements->split[1]);
    key_parameters(model, step, low);
    key_parameters(model, step, high);
    const struct bf_answer *answer = run(model);
    assert_int_equal(bf_answer_true(answer, 0, 1), low >= high);
    return (int)bf_answer_number(answer, 0, 0);
}

/* (low, high] changed leg by leg in one transaction, then looked at, then undone. */
static void check_range(struct model *model, long low, long high)
{
    struct server *server = model->server;
    const struct bf_statements *statements = model->statements;
    int split = split_of(model, low, high);
    size_t legs = bf_leg_count((size_t)split, model->table->key_count);
    int64_t expected = high - low, matching = 0, changed = 0;

    add(model, BF_STATEMENT_BEGIN, statements->text[BF_STATEMENT_BEGIN]);
    for (size_t leg = 0; leg < legs; leg++) {
        struct bf_step *step = add(model, BF_STATEMENT_UPDATE, statements->update[split][leg]);
        key_parameters(model, step, low);
        key_parameters(model, step, high);
    }
    BF_AUTO_STRING char *look =
        bf_format("SELECT count(*) FILTER (WHERE n = 1 AND m), count(*) FILTER (WHERE n > 1 OR n = 1 AND NOT m), "
                  "txid_current(), pg_backend_pid() FROM %s", model->document->table);
    add(model, BF_STATEMENT_SURVEY, look);
    const struct bf_answer *answers = run(model);
    for (size_t leg = 0; leg < legs; leg++)
        changed += answers[1 + leg].affected;
    assert_int_equal(bf_answer_number(&answers[1 + legs], 0, 0), changed);
    assert_int_equal(bf_answer_number(&answers[1 + legs], 0, 1), 0); /* none twice, none that does not match */
    BF_AUTO_STRING char *transaction = bf_copy_string(bf_answer_value(&answers[1 + legs], 0, 2));

    struct bf_step *step = add(model, BF_STATEMENT_RECOUNT, statements->recount[split]);
    bf_step_text(step, transaction);
    key_parameters(model, step, low);
    key_parameters(model, step, high);
    step = add(model, BF_STATEMENT_COUNT, statements->count[split]);
    key_parameters(model, step, low);
    key_parameters(model, step, high);
    step = add(model, BF_STATEMENT_PROBE, statements->probe[split]);
    key_parameters(model, step, low);
    key_parameters(model, step, high);
    bf_step_number(step, 1000000);
    add(model, BF_STATEMENT_ROLLBACK, statements->text[BF_STATEMENT_ROLLBACK]);
    answers = run(model);
    assert_int_equal(bf_answer_number(&answers[0], 0, 0), changed);
    assert_int_equal(bf_answer_number(&answers[1], 0, 0), expected);
    matching = bf_answer_number(&answers[2], 0, 0);
    assert_int_equal(matching, changed);
    assert_int_equal(side_number(server, "SELECT count(*) FROM (SELECT m FROM %s ORDER BY %s OFFSET %ld LIMIT %ld) r "
                                 "WHERE m", model->document->table, side_order(model->table), low + 1, high - low),
                     matching);
}

static void check_boundary(struct model *model, long low, long n, long through)
{
    size_t keys = model->table->key_count;
    size_t shape = low < 0 ? 0 : 1;
    struct bf_step *step = add(model, BF_STATEMENT_BOUNDARY, model->statements->boundary[shape]);
    key_parameters(model, step, low);
    key_parameters(model, step, through);
    bf_step_number(step, n - 1);
    const struct bf_answer *answer = run(model);
    if (low + n >= (long)model->count) {
        assert_int_equal(answer->rows, 0);
        return;
    }
    assert_int_equal(answer->rows, 1);
    for (size_t i = 0; i < keys; i++)
        assert_string_equal(bf_answer_value(answer, 0, i), model->keys[low + n][i]);
    int split = (int)bf_answer_number(answer, 0, keys);
    assert_int_equal(bf_answer_true(answer, 0, keys + 1), through >= 0 && low + n >= through);
    assert_true(strtod(bf_answer_value(answer, 0, keys + 2), NULL) > 1.7e9);
    assert_int_equal(split_of(model, low, low + n), split);
}

static void check_cap(struct model *model, long low, long high, long n)
{
    struct server *server = model->server;
    size_t keys = model->table->key_count;
    int split = split_of(model, low, high);
    struct bf_step *step = add(model, BF_STATEMENT_CAP, model->statements->cap[split]);
    key_parameters(model, step, low);
    key_parameters(model, step, high);
    bf_step_number(step, n - 1);
    const struct bf_answer *answer = run(model);
    BF_AUTO_STRING char *expected =
        side_value(server, "SELECT %s FROM (SELECT * FROM %s ORDER BY %s OFFSET %ld LIMIT %ld) r WHERE m ORDER BY %s "
                   "OFFSET %ld LIMIT 1", side_first(model->table), model->document->table, side_order(model->table),
                   low + 1, high - low, side_order(model->table), n - 1);
    assert_int_equal(answer->rows, expected ? 1 : 0);
    if (expected) {
        assert_string_equal(bf_answer_value(answer, 0, 0), expected);
        assert_in_range(bf_answer_number(answer, 0, keys), split ? split : 0, keys);
    }
}

/* The whole walk from end to end, by boundaries as a job makes it: every row exactly once. */
static void check_walk(struct model *model, long n)
{
    size_t keys = model->table->key_count;
    long low = -1;
    side(model->server, "UPDATE %s SET n = 0", model->document->table);
    for (;;) {
        size_t shape = low < 0 ? 0 : 1;
        struct bf_step *step = add(model, BF_STATEMENT_BOUNDARY, model->statements->boundary[shape]);
        key_parameters(model, step, low);
        key_parameters(model, step, -1);
        bf_step_number(step, n - 1);
        const struct bf_answer *answer = run(model);
        long high = answer->rows ? low + n : (long)model->count - 1;
        int split = answer->rows ? (int)bf_answer_number(answer, 0, keys) : split_of(model, low, high);
        for (size_t leg = 0; leg < bf_leg_count((size_t)split, keys); leg++) {
            step = add(model, BF_STATEMENT_UPDATE, model->statements->update[split][leg]);
            key_parameters(model, step, low);
            key_parameters(model, step, high);
        }
        run(model);
        low = high;
        if (low + 1 == (long)model->count)
            break;
    }
    assert_int_equal(side_number(model->server, "SELECT count(*) FROM %s WHERE n <> m::int", model->document->table),
                     0);
    side(model->server, "UPDATE %s SET n = 0", model->document->table);
}

static void check_table(struct server *server, const char *table)
{
    struct model *model = model_new(server, table);
    long count = (long)model->count;

    struct bf_step *step = add(model, BF_STATEMENT_END, model->statements->text[BF_STATEMENT_END]);
    (void)step;
    const struct bf_answer *answer = run(model);
    for (size_t i = 0; i < model->table->key_count; i++)
        assert_string_equal(bf_answer_value(answer, 0, i), model->keys[count - 1][i]);
    for (int i = 0; i < 60; i++) {
        long low = (long)chosen((size_t)count) - 1, high = low + 1 + (long)chosen((size_t)(count - low - 1));
        if (i % 10 == 0)
            low = -1;
        check_range(model, low, high);
        check_boundary(model, low, 1 + (long)chosen(40), i % 3 ? (long)chosen((size_t)count) : -1);
        check_cap(model, low, high, 1 + (long)chosen(8));
    }
    check_walk(model, 7);
    check_walk(model, 1 + (long)chosen(100));
    model_free(model);
    side(server, "DROP TABLE %s", table);
}

/* A walk key column list as text, in key order. */
const char *side_order(const struct bf_table *table)
{
    static char text[600];
    text[0] = '\0';
    for (size_t i = 0; i < table->key_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s\"%s\"", i ? ", " : "", table->key[i].name);
    return text;
}

const char *side_first(const struct bf_table *table)
{
    static char text[140];
    snprintf(text, sizeof text, "\"%s\"", table->key[0].name);
    return text;
}

/* 250 rows with this key; `m` says which of them the job's predicate matches. */
static void make(struct server *server, const char *columns, const char *key, const char *values)
{
    chance = 7;
    side(server, "CREATE TABLE ranges (%s, n int NOT NULL DEFAULT 0, m boolean NOT NULL, PRIMARY KEY (%s))", columns,
         key);
    side(server, "SELECT setseed(0.25)");
    side(server, "INSERT INTO ranges SELECT %s, 0, random() < 0.6 FROM generate_series(1, 250) g ON CONFLICT DO NOTHING",
         values);
    side(server, "ANALYZE ranges");
}

static void one_integer(void **state)
{
    struct server *server = *state;
    make(server, "id bigint", "id", "(random() * 2000 - 1000)::bigint * 1000000007");
    check_table(server, "ranges");
}

static void two_integers(void **state)
{
    make(*state, "a bigint, b bigint", "a, b", "(random() * 6 - 3)::bigint, (random() * 60 - 30)::bigint");
    check_table(*state, "ranges");
}

static void three_columns(void **state)
{
    make(*state, "a int, b text COLLATE \"de-x-icu\", c smallint", "a, b, c",
         "(random() * 4)::int, substr('aAbBäz_-', 1 + (random() * 7)::int, 1), (random() * 12)::int");
    check_table(*state, "ranges");
}

static void four_columns_backwards(void **state)
{
    struct server *server = *state;
    side(server, "CREATE TABLE ranges (a int NOT NULL, b int NOT NULL, c int NOT NULL, d int NOT NULL, "
         "n int NOT NULL DEFAULT 0, m boolean NOT NULL DEFAULT true)");
    side(server, "CREATE UNIQUE INDEX ON ranges (a DESC, b DESC, c DESC, d DESC)");
    side(server, "INSERT INTO ranges SELECT a, b, c, d FROM generate_series(1, 4) a, generate_series(1, 3) b, "
         "generate_series(1, 4) c, generate_series(1, 4) d");
    struct client *client = client_new(server, "backfilld d");
    struct bf_document *document = document_of("ranges", "n", "n + 1", NULL);
    document->key_count = 4;
    for (size_t i = 0; i < 4; i++)
        document->key[i] = bf_format("%c", 'a' + (int)i);
    bf_table_free(survey_well(client, document));
    bf_document_free(document);
    client_free(client);
    side(server, "ALTER TABLE ranges ADD PRIMARY KEY (a, b, c, d)");
    check_table(server, "ranges");
}

/* 1.0 and 1.00 are one leading value to the server and two texts to us. */
static void numeric_scales(void **state)
{
    make(*state, "a numeric, b int", "a, b",
         "CASE g % 3 WHEN 0 THEN 1.0 WHEN 1 THEN 1.00 ELSE trunc(random()::numeric * 3, g % 5) END, g");
    check_table(*state, "ranges");
}

static void text_collated(void **state)
{
    make(*state, "a text COLLATE \"und-x-icu\"", "a",
         "substr('aAbBäÄoöOÖzZ_-.', 1 + (random() * 14)::int, 1) || substr('xXyY é', 1 + (random() * 5)::int, 1) || "
         "(g % 9)");
    check_table(*state, "ranges");
}

static void bytes_with_zeros(void **state)
{
    make(*state, "a bytea, b bytea", "a, b",
         "decode(repeat('00', g % 4) || substr('00ff7f0a', 1 + 2 * (random() * 3)::int, 2) || repeat('00', g % 3), 'hex'), "
         "decode(repeat('00', g % 7), 'hex')");
    check_table(*state, "ranges");
}

static void times_with_zone(void **state)
{
    make(*state, "a timestamptz, b date", "a, b",
         "CASE g % 50 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN '0044-03-15 12:00 BC' "
         "ELSE timestamptz '2026-03-29 00:00+00' + (g % 17) * interval '7.123456 minutes' END, date '2026-01-01' + g");
    check_table(*state, "ranges");
}

static void other_types(void **state)
{
    struct server *server = *state;
    make(server, "a uuid", "a", "md5(g::text)::uuid");
    check_table(server, "ranges");
    make(server, "a character(5), b varchar(4) COLLATE \"C\"", "a, b", "substr('x yY z', 1 + g % 5, g % 3), (g % 40)::text");
    check_table(server, "ranges");
    side(server, "CREATE TYPE \"Mood of day\" AS ENUM ('zen', 'angry', 'Mild')");
    side(server, "CREATE DOMAIN \"Code\" AS numeric(6,2) CHECK (value >= 0)");
    make(server, "a \"Mood of day\", b \"Code\"", "a, b",
         "(ARRAY['zen', 'angry', 'Mild'])[1 + g % 3]::\"Mood of day\", (random() * 40)::numeric(6,1)");
    check_table(server, "ranges");
    side(server, "DROP DOMAIN \"Code\"");
    side(server, "DROP TYPE \"Mood of day\"");
    make(server, "a interval, b inet, c boolean", "a, b, c",
         "CASE g % 4 WHEN 0 THEN interval '1 mon' WHEN 1 THEN interval '30 days' ELSE g * interval '1 h' END, "
         "('10.0.' || g % 5 || '.0/24')::inet, g % 2 = 0");
    check_table(server, "ranges");
}

static void quoted_and_partitioned(void **state)
{
    struct server *server = *state;
    side(server, "CREATE TABLE \"Größe \"\"1\"\"; DROP\" (\"select\" bigint, \"sPLIT\" int, n int NOT NULL DEFAULT 0, "
         "m boolean NOT NULL DEFAULT true, PRIMARY KEY (\"select\", \"sPLIT\")) PARTITION BY RANGE (\"select\")");
    side(server, "CREATE TABLE part1 PARTITION OF \"Größe \"\"1\"\"; DROP\" FOR VALUES FROM (minvalue) TO (10)");
    side(server, "CREATE TABLE part2 PARTITION OF \"Größe \"\"1\"\"; DROP\" FOR VALUES FROM (10) TO (maxvalue) "
         "PARTITION BY HASH (\"sPLIT\")");
    side(server, "CREATE TABLE part3 PARTITION OF part2 FOR VALUES WITH (modulus 2, remainder 0)");
    side(server, "CREATE TABLE part4 PARTITION OF part2 FOR VALUES WITH (modulus 2, remainder 1)");
    side(server, "INSERT INTO \"Größe \"\"1\"\"; DROP\" SELECT g %% 25, g FROM generate_series(1, 300) g");
    check_table(server, "\"Größe \"\"1\"\"; DROP\"");
}

/* Composite keys in which one leading value holds nearly everything: a boundary and an update must not touch more than
 * twice the pages of the batch. */
static int64_t pages(struct model *model, const char *sql, long low, long high, long n)
{
    BF_AUTO_STRING char *explain = bf_format("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) %s", sql);
    struct bf_step *step = add(model, BF_STATEMENT_SURVEY, explain);
    for (int i = 0; i < 2; i++) {
        BF_AUTO_STRING char *a = bf_format("%d", (i ? high : low) >= 600000 ? 9 : 7);
        BF_AUTO_STRING char *b = bf_format("%ld", i ? high : low);
        bf_step_text(step, a);
        bf_step_text(step, b);
    }
    if (n)
        bf_step_number(step, n - 1);
    const char *plan = bf_answer_value(run(model), 0, 0);
    int64_t found = 0;
    for (const char *name = "\"Shared Hit Blocks\": "; name;
         name = strstr(name, "Hit") ? "\"Shared Read Blocks\": " : NULL)
        found += strtoll(strstr(plan, name) + strlen(name), NULL, 10);
    return found;
}

static void dominating_value(void **state)
{
    struct server *server = *state;
    side(server, "CREATE TABLE dominated (a bigint, b bigint, n int NOT NULL DEFAULT 0, m boolean NOT NULL DEFAULT true, "
         "PRIMARY KEY (a, b))");
    side(server, "INSERT INTO dominated SELECT CASE WHEN g >= 600000 THEN 9 ELSE 7 END, g FROM "
         "generate_series(1, 610000) g");
    side(server, "VACUUM ANALYZE dominated");
    struct model *model = BF_NEW(struct model);
    model->server = server;
    model->client = client_new(server, "backfilld d");
    model->document = document_of("dominated", "n", "n + 1", NULL);
    model->table = survey_well(model->client, model->document);
    model->statements = server->database->dialect->render("PAGES", model->document, model->table);
    /* Through the heap a batch of 1,000 rows has 1000 / (rows per page) pages, and as many index entries. */
    int64_t heap = side_number(server, "SELECT relpages FROM pg_class WHERE relname = 'dominated'");
    int64_t index = side_number(server, "SELECT relpages FROM pg_class WHERE relname = 'dominated_pkey'");
    int64_t batch_index = 1 + index * 1000 / 610000, batch_heap = 1 + heap * 1000 / 610000;
    static const long lows[] = {1, 300000, 598900, 599500};
    for (size_t i = 0; i < BF_COUNT(lows); i++) {
        int64_t touched = pages(model, model->statements->boundary[1], lows[i], 609000, 1000);
        assert_in_range(touched, 1, 2 * batch_index + 12); /* and a descent of the tree for each leg */
        int split = lows[i] == 599500 ? 1 : 2;
        size_t legs = bf_leg_count((size_t)split, 2);
        touched = 0;
        for (size_t leg = 0; leg < legs; leg++) {
            BF_AUTO_STRING char *read = bf_format("SELECT 1 FROM dominated WHERE %s",
                                                  strstr(model->statements->update[split][leg], " WHERE ") + 7);
            touched += pages(model, read, lows[i], lows[i] + 1000, 0);
        }
        assert_in_range(touched, 1, 2 * (batch_index + batch_heap) + 12);
    }
    bf_statements_free(model->statements);
    bf_table_free(model->table);
    bf_document_free(model->document);
    client_free(model->client);
    free(model);
    side(server, "DROP TABLE dominated");
}

int test_ranges(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_integer),      cmocka_unit_test(two_integers),
        cmocka_unit_test(three_columns),    cmocka_unit_test(four_columns_backwards),
        cmocka_unit_test(numeric_scales),   cmocka_unit_test(text_collated),
        cmocka_unit_test(bytes_with_zeros), cmocka_unit_test(times_with_zone),
        cmocka_unit_test(other_types),      cmocka_unit_test(quoted_and_partitioned),
        cmocka_unit_test(dominating_value),
    };
    return cmocka_run_group_tests_name("ranges", tests, server_up, server_down);
}
