#include "server.h"

#include <stdio.h>

void wait_until(struct server *server, const bool *flag)
{
    while (!*flag)
        assert_true(uv_run(&server->loop, UV_RUN_ONCE) || *flag);
}

static char *format_of(const char *format, va_list arguments)
{
    char *text = NULL;
    assert_true(vasprintf(&text, format, arguments) >= 0);
    return text;
}

static char *run_side(struct server *server, char *sql)
{
    PGresult *result = PQexec(server->side, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(server->side));
    char *value = PQntuples(result) && !PQgetisnull(result, 0, 0) ? bf_copy_string(PQgetvalue(result, 0, 0)) : NULL;
    PQclear(result);
    free(sql);
    return value;
}

void side(struct server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    free(run_side(server, format_of(format, arguments)));
    va_end(arguments);
}

char *side_value(struct server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *value = run_side(server, format_of(format, arguments));
    va_end(arguments);
    return value;
}

int64_t side_number(struct server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *value = run_side(server, format_of(format, arguments));
    va_end(arguments);
    int64_t number = value ? strtoll(value, NULL, 10) : -1;
    free(value);
    return number;
}

static void drop_notice(void *argument, const PGresult *result)
{
    (void)argument;
    (void)result;
}

int server_up(void **state)
{
    struct server *server = BF_NEW(struct server);
    server->conninfo = getenv("BACKFILLD_TEST_PG");
    if (!server->conninfo) {
        fprintf(stderr, "BACKFILLD_TEST_PG is not set: run this by tests/integration/c/run-with-server\n");
        return 1;
    }
    uv_loop_init(&server->loop);
    server->database = bf_postgresql_new(&server->loop, server->conninfo, NULL);
    server->side = PQconnectdb(server->conninfo);
    if (PQstatus(server->side) != CONNECTION_OK) {
        fprintf(stderr, "%s", PQerrorMessage(server->side));
        return 1;
    }
    PQsetNoticeReceiver(server->side, drop_notice, NULL);
    *state = server;
    return 0;
}

static void enough(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

int server_down(void **state)
{
    struct server *server = *state;
    uv_timer_t limit;

    PQfinish(server->side);
    /* Whatever was closed is freed by the loop. A session that was left open, as a failed test leaves it, would keep
     * the loop alive for ever; the group fails then. */
    uv_timer_init(&server->loop, &limit);
    uv_unref((uv_handle_t *)&limit);
    uv_timer_start(&limit, enough, 3000, 0);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    int left_open = uv_loop_alive(&server->loop);
    uv_close((uv_handle_t *)&limit, NULL);
    uv_run(&server->loop, UV_RUN_NOWAIT);
    if (left_open)
        return 1; /* what is still open goes on using it */
    bf_postgresql_free(server->database);
    int busy = uv_loop_close(&server->loop);
    free(server);
    return busy;
}

static void on_connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    struct client *client = argument;
    (void)session;
    client->connected = true;
    client->error_class = error_class;
    snprintf(client->text, sizeof client->text, "%s", text);
}

struct client *client_new_to(struct server *server, const char *conninfo, const char *name, int64_t timeout)
{
    struct client *client = BF_NEW(struct client);
    struct bf_database *database = conninfo ? bf_postgresql_new(&server->loop, conninfo, NULL) : server->database;
    struct bf_session_options options = {.application_name = name, .lock_timeout = 2000, .statement_timeout = 20000,
                                         .connect_timeout = timeout};
    client->server = server;
    client->session = database->connect(database->context, &options, on_connected, client);
    assert_false(client->connected); /* never from inside the call */
    if (conninfo)
        bf_postgresql_free(database); /* a session does not need it */
    wait_until(server, &client->connected);
    return client;
}

struct client *client_new(struct server *server, const char *name)
{
    struct client *client = client_new_to(server, NULL, name, 5000);
    if (client->error_class != BF_CLASS_NONE)
        fail_msg("%s: %s", bf_error_class_name(client->error_class), client->text);
    return client;
}

static void clear_answers(struct client *client)
{
    for (size_t i = 0; i < client->answer_count; i++)
        bf_answer_clear(&client->answers[i]);
    client->answer_count = 0;
}

void client_free(struct client *client)
{
    client->server->database->close(client->session);
    clear_answers(client);
    bf_flight_clear(&client->flight);
    free(client);
}

static void on_done(void *argument, struct bf_session *session, struct bf_flight *flight,
                    const struct bf_answer *answers, bool lost)
{
    struct client *client = argument;
    assert_ptr_equal(session, client->session);
    assert_ptr_equal(flight, &client->flight);
    client->answer_count = flight->count;
    for (size_t i = 0; i < flight->count; i++) {
        client->answers[i] = answers[i];
        client->answers[i].message = bf_copy_string(answers[i].message);
        size_t values = answers[i].rows * answers[i].columns;
        client->answers[i].values = values ? bf_allocate(values * sizeof(char *)) : NULL;
        for (size_t v = 0; v < values; v++)
            client->answers[i].values[v] = bf_copy_string(answers[i].values[v]);
    }
    client->lost = lost;
    client->done = true;
}

void client_send(struct client *client)
{
    clear_answers(client);
    client->done = false;
    client->server->database->execute(client->session, &client->flight, on_done, client);
    assert_false(client->done); /* never from inside the call */
}

void client_wait(struct client *client)
{
    wait_until(client->server, &client->done);
    bf_flight_clear(&client->flight);
}

void client_run(struct client *client)
{
    client_send(client);
    client_wait(client);
}

void client_query(struct client *client, enum bf_statement statement, const char *sql)
{
    bf_flight_add(&client->flight, statement, sql);
    client_run(client);
}

struct bf_document *document_of(const char *table, const char *column, const char *expression, const char *where)
{
    struct bf_document *document = BF_NEW(struct bf_document);
    document->name = bf_copy_string("test");
    document->table = bf_copy_string(table);
    document->set[0].name = bf_copy_string(column);
    document->set[0].value = bf_copy_string(expression);
    document->set_count = 1;
    document->where = bf_copy_string(where);
    return document;
}

struct bf_table *survey(struct client *client, const struct bf_document *document, struct bf_complaints *complaints)
{
    const struct bf_dialect *dialect = client->server->database->dialect;
    bf_flight_add(&client->flight, BF_STATEMENT_SERVER, dialect->common(BF_STATEMENT_SERVER));
    dialect->survey(document, &client->flight);
    client_run(client);
    return dialect->read_survey(document, &client->answers[0], client->answers + 1, client->answer_count - 1,
                                complaints);
}

struct bf_table *survey_well(struct client *client, const struct bf_document *document)
{
    struct bf_complaints complaints = {0};
    struct bf_table *table = survey(client, document, &complaints);
    if (!table)
        fail_msg("%s: %s", complaints.list[0].pointer, complaints.list[0].detail);
    return table;
}

void make_schema(struct client *client)
{
    const struct bf_dialect *dialect = client->server->database->dialect;
    bf_flight_add(&client->flight, BF_STATEMENT_BEGIN, dialect->common(BF_STATEMENT_BEGIN));
    for (const char *const *ddl = dialect->schema_ddl; *ddl; ddl++)
        bf_flight_add(&client->flight, BF_STATEMENT_SCHEMA, *ddl);
    bf_flight_add(&client->flight, BF_STATEMENT_COMMIT, dialect->common(BF_STATEMENT_COMMIT));
    client_run(client);
    for (size_t i = 0; i < client->answer_count; i++)
        if (client->answers[i].outcome != BF_OUTCOME_OK)
            fail_msg("schema, statement %zu: %s", i, client->answers[i].message);
}

bool complained(const struct bf_complaints *complaints, const char *pointer, const char *word)
{
    for (size_t i = 0; i < complaints->count; i++)
        if (!strcmp(complaints->list[i].pointer, pointer) && strstr(complaints->list[i].detail, word))
            return true;
    for (size_t i = 0; i < complaints->count; i++)
        print_message("%s: %s\n", complaints->list[i].pointer, complaints->list[i].detail);
    return false;
}
