/* The statements that hold the protocols (house rules P1 to P4, P11), on the real server: fence, epoch, recount. */
#include "server.h"

#include <unistd.h>

#include "test_postgresql.h"

struct batch {
    struct server *server;
    struct client *client;
    struct bf_document *document;
    struct bf_table *table;
    struct bf_statements *statements;
};

static const char job[] = "01PROTOCOL0000000000000000";

/* A job of 20 rows with its checkpoint: epoch 0, seq 0. */
static struct batch *batch_new(struct server *server)
{
    struct batch *batch = BF_NEW(struct batch);
    side(server, "DROP SCHEMA IF EXISTS backfilld CASCADE");
    side(server, "DROP TABLE IF EXISTS work");
    side(server, "CREATE TABLE work (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)");
    side(server, "INSERT INTO work SELECT g FROM generate_series(1, 20) g");
    batch->server = server;
    batch->client = client_new(server, "backfilld 01PROTOCOL0000000000000000");
    make_schema(batch->client);
    batch->document = document_of("work", "n", "n + 1", NULL);
    batch->table = survey_well(batch->client, batch->document);
    batch->statements = server->database->dialect->render(job, batch->document, batch->table);
    side(server, "INSERT INTO backfilld.job (id, name, document, hash, state) VALUES ('%s', 'test', '{}', 'h', 'running')",
         job);
    side(server, "INSERT INTO backfilld.control (job, name) VALUES ('%s', 'test')", job);
    side(server, "INSERT INTO backfilld.checkpoint (job, slice, identity, definition, batch_rows) "
         "VALUES ('%s', 0, 'i', 'd', 10)", job);
    return batch;
}

static void batch_free(struct batch *batch)
{
    client_free(batch->client);
    bf_statements_free(batch->statements);
    bf_table_free(batch->table);
    bf_document_free(batch->document);
    side(batch->server, "DROP SCHEMA backfilld CASCADE");
    side(batch->server, "DROP TABLE work");
    free(batch);
}

static struct bf_step *add_by(struct batch *batch, struct client *client, enum bf_statement statement)
{
    struct bf_step *step = bf_flight_add(&client->flight, statement, batch->statements->text[statement]);
    if (statement != BF_STATEMENT_BEGIN && statement != BF_STATEMENT_COMMIT && statement != BF_STATEMENT_ROLLBACK)
        bf_step_text(step, job);
    return step;
}

static void add_fence(struct batch *batch, struct client *client, int64_t epoch, int64_t seq, int64_t scanned)
{
    struct bf_step *step = add_by(batch, client, BF_STATEMENT_FENCE);
    bf_step_number(step, 0);
    bf_step_number(step, epoch);
    bf_step_number(step, seq);
    bf_step_text(step, "[\"10\"]");
    bf_step_text(step, NULL);
    bf_step_number(step, 0);
    bf_step_number(step, scanned);
    bf_step_number(step, 0);
    bf_step_number(step, 1);
    bf_step_number(step, 10);
    bf_step_number(step, 1000);
    bf_step_number(step, 1);
}

/* Fence, update of id <= high, COMMIT, in one flight. */
static void send_batch(struct batch *batch, struct client *client, int64_t epoch, int64_t seq, const char *high)
{
    add_by(batch, client, BF_STATEMENT_BEGIN);
    add_fence(batch, client, epoch, seq, 10);
    struct bf_step *step = bf_flight_add(&client->flight, BF_STATEMENT_UPDATE, batch->statements->update[0][0]);
    bf_step_text(step, NULL);
    bf_step_text(step, high);
    add_by(batch, client, BF_STATEMENT_COMMIT);
}

static int64_t changed(struct batch *batch)
{
    return side_number(batch->server, "SELECT sum(n) FROM work");
}

static int64_t seq_of(struct batch *batch)
{
    return side_number(batch->server, "SELECT seq FROM backfilld.checkpoint");
}

static void a_batch(void **state)
{
    struct batch *batch = batch_new(*state);
    send_batch(batch, batch->client, 0, 0, "10");
    client_run(batch->client);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(batch->client->answers[i].outcome, BF_OUTCOME_OK);
    double clock = strtod(bf_answer_value(&batch->client->answers[1], 0, 0), NULL);
    assert_true(clock > 1.7e9 && strchr(bf_answer_value(&batch->client->answers[1], 0, 0), '.'));
    assert_int_equal(batch->client->answers[2].affected, 10);
    assert_int_equal(changed(batch), 10);
    assert_int_equal(seq_of(batch), 1);
    batch_free(batch);
}

static void expect_fenced(struct batch *batch, const struct client *client)
{
    assert_int_equal(client->answers[1].outcome, BF_OUTCOME_ERROR);
    assert_int_equal(client->answers[1].error_class, BF_CLASS_FENCE);
    assert_int_equal(client->answers[2].outcome, BF_OUTCOME_SKIPPED);
    assert_int_equal(client->answers[3].outcome, BF_OUTCOME_SKIPPED);
    assert_int_equal(changed(batch), 0);
    assert_int_equal(seq_of(batch), 0);
}

/* Nothing is committed though the COMMIT was in the same flight, and the session goes on after a ROLLBACK. */
static void fenced(void **state)
{
    struct batch *batch = batch_new(*state);
    struct client *client = batch->client;

    send_batch(batch, client, 0, 7, "10");
    client_run(client);
    expect_fenced(batch, client);
    add_by(batch, client, BF_STATEMENT_ROLLBACK);
    send_batch(batch, client, 1, 0, "10");
    client_run(client);
    assert_int_equal(client->answers[2].error_class, BF_CLASS_FENCE);
    assert_int_equal(changed(batch), 0);

    static const char *const orders[][2] = {{"*", "pause"}, {"*", "abort"}, {job, "pause"}, {job, "abort"}};
    for (size_t i = 0; i < BF_COUNT(orders); i++) {
        side(batch->server, "UPDATE backfilld.control SET goal = '%s' WHERE job = '%s'", orders[i][1], orders[i][0]);
        add_by(batch, client, BF_STATEMENT_ROLLBACK);
        client_run(client);
        send_batch(batch, client, 0, 0, "10");
        client_run(client);
        expect_fenced(batch, client);
        add_by(batch, client, BF_STATEMENT_ROLLBACK);
        add_by(batch, client, BF_STATEMENT_READ_CONTROL);
        client_run(client);
        assert_string_equal(bf_answer_value(&client->answers[1], 0, 0), orders[i][1]);
        assert_string_equal(bf_answer_value(&client->answers[1], 0, 1), i < 2 ? "all" : "job");
        side(batch->server, "UPDATE backfilld.control SET goal = 'run'");
    }
    /* an order for another job is not ours */
    side(batch->server, "INSERT INTO backfilld.control (job, name, goal) VALUES ('other', 'other', 'abort')");
    send_batch(batch, client, 0, 0, "10");
    client_run(client);
    assert_int_equal(client->answers[3].outcome, BF_OUTCOME_OK);
    assert_int_equal(changed(batch), 10);
    batch_free(batch);
}

/* The row is gone: that is a fence too, never a new start. */
static void fenced_without_a_row(void **state)
{
    struct batch *batch = batch_new(*state);
    side(batch->server, "DELETE FROM backfilld.checkpoint");
    send_batch(batch, batch->client, 0, 0, "10");
    client_run(batch->client);
    assert_int_equal(batch->client->answers[1].error_class, BF_CLASS_FENCE);
    assert_int_equal(changed(batch), 0);
    batch_free(batch);
}

/* A division by zero in the author's expression is a data error, not a fence. */
static void data_error_is_no_fence(void **state)
{
    struct batch *batch = batch_new(*state);
    add_by(batch, batch->client, BF_STATEMENT_BEGIN);
    add_fence(batch, batch->client, 0, 0, 10);
    bf_flight_add(&batch->client->flight, BF_STATEMENT_UPDATE, "UPDATE work SET n = 1 / n");
    add_by(batch, batch->client, BF_STATEMENT_COMMIT);
    client_run(batch->client);
    assert_int_equal(batch->client->answers[2].error_class, BF_CLASS_DATA);
    assert_int_equal(seq_of(batch), 0);
    batch_free(batch);
}

static void raise_epoch(struct batch *batch, struct client *client, const char *owner, const char *expected)
{
    struct bf_step *step = add_by(batch, client, BF_STATEMENT_RAISE_EPOCH);
    bf_step_number(step, 0);
    bf_step_text(step, owner);
    bf_step_text(step, expected);
    bf_step_number(step, side_number(batch->server, "SELECT epoch FROM backfilld.checkpoint"));
    bf_step_text(step, NULL);
    step = add_by(batch, client, BF_STATEMENT_READ_CHECKPOINT);
    bf_step_number(step, 0);
}

/* Free, ours, another's that is alive, another's that is silent. */
static void taking_up(void **state)
{
    struct batch *batch = batch_new(*state);
    struct client *client = batch->client;

    raise_epoch(batch, client, "one", "");
    client_run(client);
    assert_int_equal(client->answers[0].affected, 1);
    assert_int_equal(bf_answer_number(&client->answers[1], 0, 0), 1);
    raise_epoch(batch, client, "two", "");
    client_run(client);
    assert_int_equal(client->answers[0].affected, 0);
    raise_epoch(batch, client, "two", "one");
    client_run(client);
    assert_int_equal(client->answers[0].affected, 1);
    assert_int_equal(bf_answer_number(&client->answers[1], 0, 0), 2);
    side(batch->server, "UPDATE backfilld.checkpoint SET updated_at = clock_timestamp() - interval '29 s'");
    raise_epoch(batch, client, "three", "one");
    client_run(client);
    assert_int_equal(client->answers[0].affected, 0);
    side(batch->server, "UPDATE backfilld.checkpoint SET updated_at = clock_timestamp() - interval '31 s'");
    struct bf_step *step = add_by(batch, client, BF_STATEMENT_PEEK_OWNER);
    bf_step_number(step, 0);
    raise_epoch(batch, client, "three", "one");
    client_run(client);
    assert_string_equal(bf_answer_value(&client->answers[0], 0, 0), "two");
    assert_int_equal(bf_answer_number(&client->answers[0], 0, 1), 2);
    assert_in_range(bf_answer_number(&client->answers[0], 0, 3), 31, 40);
    assert_int_equal(client->answers[1].affected, 1);
    assert_int_equal(bf_answer_number(&client->answers[2], 0, 0), 3);
    /* the former owner's next batch fails at the fence */
    send_batch(batch, client, 2, 0, "10");
    client_run(client);
    expect_fenced(batch, client);
    batch_free(batch);
}

/* P2: a lost session still holds the checkpoint row. Raising the epoch waits for its end, and what is read after it is
 * what that session did. */
static void waits_for_the_lost_session(void **state)
{
    struct batch *batch = batch_new(*state);
    struct client *lost = client_new(*state, "backfilld 01PROTOCOL0000000000000000");
    side(batch->server, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
         "'BEGIN PERFORM pg_sleep(0.05); RETURN new; END'");
    side(batch->server, "CREATE TRIGGER slow BEFORE UPDATE ON work FOR EACH ROW EXECUTE FUNCTION slow()");
    send_batch(batch, lost, 0, 0, "10");
    client_send(lost);
    client_free(lost); /* the client is gone, the server goes on for half a second */
    while (!side_number(batch->server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        usleep(1000);
    raise_epoch(batch, batch->client, "next", "");
    client_run(batch->client);
    assert_int_equal(batch->client->answers[0].affected, 1);
    assert_int_equal(bf_answer_number(&batch->client->answers[1], 0, 0), 1); /* epoch */
    assert_int_equal(bf_answer_number(&batch->client->answers[1], 0, 1), 1); /* seq: the batch did commit */
    assert_string_equal(bf_answer_value(&batch->client->answers[1], 0, 4), "[\"10\"]");
    assert_int_equal(changed(batch), 10);
    batch_free(batch);
    side(*state, "DROP FUNCTION slow");
}

static void ends_lost_sessions(void **state)
{
    struct batch *batch = batch_new(*state);
    struct client *lost = client_new(*state, "backfilld 01PROTOCOL0000000000000000");
    struct client *other = client_new(*state, "backfilld 01PROTOCOL0000000000000001");
    send_batch(batch, lost, 0, 0, "10");
    bf_flight_add(&lost->flight, BF_STATEMENT_COUNT, "SELECT pg_sleep(20)");
    client_send(lost);
    while (!side_number(batch->server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        usleep(1000);
    add_by(batch, batch->client, BF_STATEMENT_END_LOST_SESSIONS);
    client_run(batch->client);
    assert_int_equal(bf_answer_number(&batch->client->answers[0], 0, 0), 1);
    client_wait(lost);
    assert_true(lost->lost);
    assert_int_equal(lost->answers[4].error_class, BF_CLASS_ENDED);
    client_query(other, BF_STATEMENT_COUNT, "SELECT 1"); /* another job's session lives */
    assert_int_equal(other->answers[0].outcome, BF_OUTCOME_OK);
    client_free(lost);
    client_free(other);
    batch_free(batch);
}

static void counts_again(void **state)
{
    struct batch *batch = batch_new(*state);
    struct client *client = batch->client;
    struct bf_step *step;

    send_batch(batch, client, 0, 0, "10");
    client_run(client);
    step = add_by(batch, client, BF_STATEMENT_READ_CHECKPOINT);
    bf_step_number(step, 0);
    client_run(client);
    const struct bf_answer *checkpoint = &client->answers[0];
    assert_int_equal(bf_answer_number(checkpoint, 0, 9), 0);
    assert_string_equal(bf_answer_value(checkpoint, 0, 10), "f"); /* not counted yet */
    BF_AUTO_STRING char *transaction = bf_copy_string(bf_answer_value(checkpoint, 0, 16));
    for (int round = 0; round < 3; round++) {
        step = bf_flight_add(&client->flight, BF_STATEMENT_RECOUNT, batch->statements->recount[0]);
        bf_step_text(step, transaction);
        bf_step_text(step, NULL);
        bf_step_text(step, "10");
        client_run(client);
        /* frozen rows still tell; a row that someone changed afterwards does not */
        assert_int_equal(bf_answer_number(&client->answers[0], 0, 0), round < 2 ? 10 : 9);
        side(batch->server, "%s", round ? "UPDATE work SET n = n WHERE id = 5" : "VACUUM (FREEZE) work");
    }
    step = add_by(batch, client, BF_STATEMENT_FLUSH);
    bf_step_number(step, 0);
    bf_step_number(step, 0);
    bf_step_number(step, 1);
    bf_step_text(step, "[\"10\"]");
    bf_step_text(step, NULL);
    static const int64_t numbers[] = {0, 10, 10, 1, 50};
    for (size_t i = 0; i < BF_COUNT(numbers); i++)
        bf_step_number(step, numbers[i]);
    bf_step_text(step, "t");
    bf_step_text(step, "t");
    step = add_by(batch, client, BF_STATEMENT_READ_CHECKPOINT);
    bf_step_number(step, 0);
    client_run(client);
    assert_int_equal(client->answers[0].affected, 1);
    checkpoint = &client->answers[1];
    assert_int_equal(bf_answer_number(checkpoint, 0, 1), 2);
    assert_int_equal(bf_answer_number(checkpoint, 0, 9), 10);
    assert_string_equal(bf_answer_value(checkpoint, 0, 10), "t");
    assert_string_equal(bf_answer_value(checkpoint, 0, 13), "t");
    assert_string_equal(bf_answer_value(checkpoint, 0, 16), transaction);
    batch_free(batch);
}

/* FIND_DONE, JOB_STATE, REGISTER_*, TOUCH: the target's own record. */
static void records(void **state)
{
    struct batch *batch = batch_new(*state);
    struct client *client = batch->client;
    static const char *const values[] = {"02JOB", "name", "{\"a\": 1}", "hash", NULL, NULL, "running"};
    struct bf_step *step;

    for (int twice = 0; twice < 2; twice++) {
        step = bf_flight_add(&client->flight, BF_STATEMENT_REGISTER_JOB,
                             batch->statements->text[BF_STATEMENT_REGISTER_JOB]);
        for (size_t i = 0; i < BF_COUNT(values); i++)
            bf_step_text(step, values[i]);
        step = bf_flight_add(&client->flight, BF_STATEMENT_REGISTER_CONTROL,
                             batch->statements->text[BF_STATEMENT_REGISTER_CONTROL]);
        bf_step_text(step, "02JOB");
        bf_step_text(step, "name");
        step = bf_flight_add(&client->flight, BF_STATEMENT_REGISTER_CHECKPOINT,
                             batch->statements->text[BF_STATEMENT_REGISTER_CHECKPOINT]);
        static const char *const checkpoint[] = {"02JOB", "0", NULL, "[\"9\"]", "i", "d", "500"};
        for (size_t i = 0; i < BF_COUNT(checkpoint); i++)
            bf_step_text(step, checkpoint[i]);
        client_run(client);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(client->answers[i].outcome, BF_OUTCOME_OK);
            assert_int_equal(client->answers[i].affected, !twice);
        }
    }
    const char *find = batch->server->database->dialect->common(BF_STATEMENT_FIND_DONE);
    static const struct {
        const char *change;
        int64_t found;
    } cases[] = {{"SELECT 1", 0}, /* nothing committed yet */
                 {"UPDATE backfilld.checkpoint SET seq = 3, rows_scanned = 10 WHERE job = '02JOB'", 1},
                 {"UPDATE backfilld.job SET state = 'failed' WHERE id = '02JOB'", 1},
                 {"UPDATE backfilld.job SET state = 'rolled_back' WHERE id = '02JOB'", 0}};
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        side(batch->server, "%s", cases[i].change);
        bf_step_text(bf_flight_add(&client->flight, BF_STATEMENT_FIND_DONE, find), "hash");
        client_run(client);
        assert_int_equal(client->answers[0].rows, cases[i].found);
    }
    /* Who is not the owner, or not any more, says nothing of the job. */
    static const struct {
        const char *change, *state, *epoch, *owner, *expected, *ended;
        int64_t affected;
    } words[] = {{"UPDATE backfilld.checkpoint SET epoch = 4, owner = 'me' WHERE job = '02JOB'", "running", "4", "me",
                  "running", "false", 1},
                 {"SELECT 1", "paused", "3", "me", "running", "false", 0},
                 {"SELECT 1", "paused", "4", "", "running", "false", 0},
                 {"SELECT 1", "failed", "4", "another", "running", "false", 0},
                 {"UPDATE backfilld.checkpoint SET owner = '' WHERE job = '02JOB'", "completed", "4", "", "completed",
                  "true", 1}};
    for (size_t i = 0; i < BF_COUNT(words); i++) {
        side(batch->server, "%s", words[i].change);
        step = bf_flight_add(&client->flight, BF_STATEMENT_JOB_STATE, batch->statements->text[BF_STATEMENT_JOB_STATE]);
        bf_step_text(step, "02JOB");
        bf_step_text(step, words[i].state);
        bf_step_text(step, words[i].epoch);
        bf_step_text(step, words[i].owner);
        client_run(client);
        assert_int_equal(client->answers[0].affected, words[i].affected);
        assert_int_equal(side_number(batch->server, "SELECT (state = '%s' AND started_at IS NOT NULL AND (ended_at IS "
                                     "NOT NULL) = %s)::int FROM backfilld.job WHERE id = '02JOB'", words[i].expected,
                                     words[i].ended), 1);
    }
    side(batch->server, "UPDATE backfilld.checkpoint SET epoch = 0 WHERE job = '02JOB'");
    step = add_by(batch, client, BF_STATEMENT_TOUCH);
    bf_step_number(step, 0);
    bf_step_number(step, 0);
    client_run(client);
    assert_int_equal(client->answers[0].affected, 1);
    batch_free(batch);
}

/* SERVER without the control schema, with it, with a newer one, which the DDL leaves alone. */
static void schema_versions(void **state)
{
    struct server *server = *state;
    struct client *client = client_new(server, "backfilld s");
    const char *text = server->database->dialect->common(BF_STATEMENT_SERVER);

    client_query(client, BF_STATEMENT_SERVER, text);
    const struct bf_answer *answer = &client->answers[0];
    assert_int_equal(answer->outcome, BF_OUTCOME_OK);
    assert_true(bf_answer_true(answer, 0, 2));
    assert_string_equal(bf_answer_value(answer, 0, 3), PQparameterStatus(server->side, "server_version"));
    assert_null(bf_answer_value(answer, 0, 4));
    BF_AUTO_STRING char *identity = bf_copy_string(bf_answer_value(answer, 0, 0));
    BF_AUTO_STRING char *expected = side_value(server, "SELECT system_identifier || '/' || (SELECT oid FROM pg_database "
                                               "WHERE datname = 'postgres') FROM pg_control_system()");
    assert_string_equal(identity, expected);

    make_schema(client);
    make_schema(client); /* again */
    client_query(client, BF_STATEMENT_SERVER, text);
    assert_int_equal(bf_answer_number(&client->answers[0], 0, 4), server->database->dialect->schema_version);
    assert_int_equal(side_number(server, "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
                                 "WHERE nspname = 'backfilld' AND relkind = 'r' AND NOT EXISTS (SELECT FROM pg_index i "
                                 "WHERE i.indrelid = c.oid AND indisprimary)"), 0);
    side(server, "UPDATE backfilld.meta SET value = '99'");
    make_schema(client);
    client_query(client, BF_STATEMENT_SERVER, text);
    assert_int_equal(bf_answer_number(&client->answers[0], 0, 4), 99);
    client_free(client);
    side(server, "DROP SCHEMA backfilld CASCADE");

    /* an ordinary role, and one whose transactions are read-only by default */
    side(server, "CREATE ROLE modest LOGIN");
    side(server, "ALTER ROLE modest SET default_transaction_read_only = on");
    side(server, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    BF_AUTO_STRING char *conninfo = bf_format("host=127.0.0.1 port=%s dbname=postgres user=modest", PQport(server->side));
    client = client_new_to(server, conninfo, "backfilld m", 5000);
    client_query(client, BF_STATEMENT_SERVER, text);
    assert_int_equal(client->answers[0].outcome, BF_OUTCOME_OK);
    assert_false(bf_answer_true(&client->answers[0], 0, 2));
    assert_string_not_equal(bf_answer_value(&client->answers[0], 0, 0), identity);
    client_free(client);
    side(server, "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC");
    side(server, "DROP ROLE modest");
}

/* Two daemons make the schema at the same moment. */
static void schema_made_by_two(void **state)
{
    struct server *server = *state;
    const struct bf_dialect *dialect = server->database->dialect;
    for (int round = 0; round < 10; round++) {
        struct client *clients[3];
        for (size_t i = 0; i < 3; i++) {
            clients[i] = client_new(server, "backfilld two");
            bf_flight_add(&clients[i]->flight, BF_STATEMENT_BEGIN, dialect->common(BF_STATEMENT_BEGIN));
            for (const char *const *ddl = dialect->schema_ddl; *ddl; ddl++)
                bf_flight_add(&clients[i]->flight, BF_STATEMENT_SCHEMA, *ddl);
            bf_flight_add(&clients[i]->flight, BF_STATEMENT_COMMIT, dialect->common(BF_STATEMENT_COMMIT));
        }
        for (size_t i = 0; i < 3; i++)
            client_send(clients[i]);
        for (size_t i = 0; i < 3; i++) {
            client_wait(clients[i]);
            for (size_t step = 0; step < clients[i]->answer_count; step++)
                if (clients[i]->answers[step].outcome != BF_OUTCOME_OK)
                    fail_msg("client %zu, step %zu: %s", i, step, clients[i]->answers[step].message);
            client_free(clients[i]);
        }
        side(server, "DROP SCHEMA backfilld CASCADE");
    }
}

int test_protocol(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch),
        cmocka_unit_test(fenced),
        cmocka_unit_test(fenced_without_a_row),
        cmocka_unit_test(data_error_is_no_fence),
        cmocka_unit_test(taking_up),
        cmocka_unit_test(waits_for_the_lost_session),
        cmocka_unit_test(ends_lost_sessions),
        cmocka_unit_test(counts_again),
        cmocka_unit_test(records),
        cmocka_unit_test(schema_versions),
        cmocka_unit_test(schema_made_by_two),
    };
    return cmocka_run_group_tests_name("protocol", tests, server_up, server_down);
}
