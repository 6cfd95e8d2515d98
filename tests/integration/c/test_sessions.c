/* The adapter: connecting, groups and their failures, cancel, lost connections, closing at any time. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "impostor.h"
#include "server.h"
#include "test_postgresql.h"

/* ---- connecting */

struct closer {
    struct server *server;
    bool closed;
};

static void settings_of_a_session(void **state)
{
    struct server *server = *state;
    static const char *const expected[][2] = {
        {"application_name", "backfilld 01TEST"}, {"TimeZone", "UTC"}, {"DateStyle", "ISO, YMD"},
        {"IntervalStyle", "postgres"}, {"bytea_output", "hex"}, {"extra_float_digits", "3"},
        {"row_security", "off"}, {"jit", "off"}, {"plan_cache_mode", "force_custom_plan"}, {"lock_timeout", "2s"},
        {"statement_timeout", "20s"}, {"idle_in_transaction_session_timeout", "1min"}, {"client_encoding", "UTF8"},
        {"standard_conforming_strings", "on"}, {"default_transaction_isolation", "read committed"},
        {"max_parallel_workers_per_gather", "0"}, {"synchronous_commit", "on"}};
    side(server, "ALTER ROLE postgres SET datestyle = 'SQL, DMY'");
    side(server, "ALTER ROLE postgres SET statement_timeout = '700ms'");
    side(server, "ALTER ROLE postgres SET standard_conforming_strings = off");
    struct client *client = client_new(server, "backfilld 01TEST");
    for (size_t i = 0; i < BF_COUNT(expected); i++) {
        struct bf_step *step = bf_flight_add(&client->flight, BF_STATEMENT_SURVEY, "SELECT current_setting($1)");
        bf_step_text(step, expected[i][0]);
    }
    client_run(client);
    for (size_t i = 0; i < BF_COUNT(expected); i++)
        assert_string_equal(bf_answer_value(&client->answers[i], 0, 0), expected[i][1]);
    side(server, "ALTER ROLE postgres RESET ALL");
    client_free(client);
}

static enum bf_error_class connecting_to(struct server *server, const char *conninfo, int64_t timeout, const char *word)
{
    struct client *client = client_new_to(server, conninfo, "backfilld c", timeout);
    enum bf_error_class error_class = client->error_class;
    if (!strstr(client->text, word))
        fail_msg("%s: \"%s\" does not say \"%s\"", bf_error_class_name(error_class), client->text, word);
    assert_null(strstr(client->text, "hunter2"));
    client_free(client);
    return error_class;
}

/* A port on which somebody listens and never answers; a second one where nobody is. */
static int silent_port(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 5), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    *ret_port = ntohs(address.sin_port);
    return listener;
}

static void connecting(void **state)
{
    struct server *server = *state;
    int port = atoi(PQport(server->side)), silent;
    int listener = silent_port(&silent);
    char conninfo[400];

    snprintf(conninfo, sizeof conninfo, "postgresql://postgres:hunter2@127.0.0.1:%d/nowhere", port);
    assert_int_equal(connecting_to(server, conninfo, 5000, "\"nowhere\" does not exist"), BF_CLASS_LOGIN);
    snprintf(conninfo, sizeof conninfo, "postgresql://nobody_here:hunter2@127.0.0.1:%d/postgres", port);
    assert_int_equal(connecting_to(server, conninfo, 5000, "\"nobody_here\" does not exist"), BF_CLASS_LOGIN);
    assert_int_equal(connecting_to(server, "host=127.0.0.1 port=1 user=postgres password=hunter2", 5000,
                                   "Connection refused"), BF_CLASS_UNREACHABLE);
    assert_int_equal(connecting_to(server, "host=no-such-host.invalid user=postgres password=hunter2", 20000,
                                   "no-such-host.invalid cannot be resolved"), BF_CLASS_UNREACHABLE);
    assert_int_equal(connecting_to(server, "host=127.0.0.1 hunter2", 5000, "not one that libpq understands"),
                     BF_CLASS_LOGIN);
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=postgres password=hunter2", silent);
    assert_int_equal(connecting_to(server, conninfo, 300, "within 300 ms"), BF_CLASS_UNREACHABLE);
    /* names, several hosts, one of them without a server */
    snprintf(conninfo, sizeof conninfo, "postgresql://postgres@localhost:1,localhost:%d/postgres"
             "?target_session_attrs=read-write", port);
    assert_int_equal(connecting_to(server, conninfo, 5000, ""), BF_CLASS_NONE);
    snprintf(conninfo, sizeof conninfo, "postgresql://postgres@no-such-host.invalid:1,localhost:%d/postgres", port);
    assert_int_equal(connecting_to(server, conninfo, 20000, ""), BF_CLASS_NONE);
    snprintf(conninfo, sizeof conninfo, "postgresql://postgres@localhost:%d/postgres?target_session_attrs=standby",
             port);
    assert_int_equal(connecting_to(server, conninfo, 5000, "not in hot standby mode"), BF_CLASS_UNREACHABLE);
    close(listener);
}

/* A pooler, look-alikes, a server too old, one that goes away: found before anything is asked of them. */
static void who_answers(void **state)
{
    static const char debian[] = "PostgreSQL 15.8 (Debian 15.8-0+deb12u1) on x86_64-pc-linux-gnu";
    static const struct {
        const char *server_version;
        int login_pid, asked_pid;
        const char *version;
        enum bf_error_class error_class;
        const char *word;
    } cases[] = {
        {"15.8", 100, 100, debian, BF_CLASS_NONE, ""},
        {"15.8", 100, 101, debian, BF_CLASS_PROXY, "a connection pooler stands between"},
        {"13.0.0", 100, 100, "CockroachDB CCL v23.1.2 (x86_64-pc-linux-gnu)", BF_CLASS_TERMINAL, "Cockroach"},
        {"15.2", 100, 100, "PostgreSQL 15.2-YB-2.25.0.0-b0 on x86_64", BF_CLASS_TERMINAL, "-YB-"},
        {"12.12", 100, 100, "PostgreSQL 12.12 (Greenplum Database 7.1.0) on x86_64", BF_CLASS_TERMINAL, "Greenplum"},
        {"14.0", 100, 100, "MyDB 1.0", BF_CLASS_TERMINAL, "another server"},
        {"11.22", 100, 100, "PostgreSQL 11.22", BF_CLASS_TERMINAL, "PostgreSQL 12 is the oldest"},
        {"9.6.24", 100, 100, "PostgreSQL 9.6.24", BF_CLASS_TERMINAL, "version 9.6"},
        {"15.8", 100, 100, NULL, BF_CLASS_UNREACHABLE, ""},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct impostor impostor = {.server_version = cases[i].server_version, .login_pid = cases[i].login_pid,
                                    .asked_pid = cases[i].asked_pid, .version = cases[i].version};
        char conninfo[128];
        impostor_start(&impostor);
        snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=x gssencmode=disable", impostor.port);
        assert_int_equal(connecting_to(*state, conninfo, 5000, cases[i].word), cases[i].error_class);
        impostor_stop(&impostor);
    }
}

static void ignore_connected(void *argument, struct bf_session *session, enum bf_error_class error_class,
                             const char *text)
{
    (void)argument;
    (void)session;
    fail_msg("a callback after close: %s %s", bf_error_class_name(error_class), text);
}

/* Closed at each step of connecting; server_down sees a handle that stays, valgrind the memory. */
static void closed_while_connecting(void **state)
{
    struct server *server = *state;
    struct bf_session_options options = {.application_name = "backfilld x", .connect_timeout = 5000};
    for (int turns = 0; turns < 12; turns++) {
        struct bf_session *session =
            server->database->connect(server->database->context, &options, ignore_connected, NULL);
        for (int i = 0; i < turns % 3; i++)
            uv_run(&server->loop, UV_RUN_NOWAIT);
        server->database->close(session);
        uv_run(&server->loop, UV_RUN_NOWAIT);
    }
}

static void refused_inside(void *argument, struct bf_session *session, enum bf_error_class error_class,
                           const char *text)
{
    struct closer *closer = argument;
    assert_int_equal(error_class, BF_CLASS_LOGIN);
    assert_non_null(strstr(text, "/nonexistent/password"));
    closer->server->database->close(session);
    closer->closed = true;
}

static void password_file(void **state)
{
    struct server *server = *state, other = *server;
    other.database = bf_postgresql_new(&server->loop, server->conninfo, "/nonexistent/password");
    struct bf_session_options options = {.application_name = "backfilld p", .connect_timeout = 5000};
    struct closer closer = {.server = &other};
    other.database->connect(other.database->context, &options, refused_inside, &closer);
    wait_until(server, &closer.closed);
    bf_postgresql_free(other.database);
}

/* ---- groups */

static void groups_fail_alone(void **state)
{
    struct server *server = *state;
    struct client *client = client_new(server, "backfilld g");
    struct bf_flight *flight = &client->flight;
    static const char one[] = "SELECT 1", broken[] = "SELECT 1 / $1::text::int", late[] = "SELECT 'late'";

    for (int round = 0; round < 3; round++) { /* what a failed group skipped is prepared by the next one */
        bf_flight_add(flight, BF_STATEMENT_READ_CONTROL, one);
        bf_step_number(bf_flight_add(flight, BF_STATEMENT_COUNT, broken), 0);
        bf_flight_add(flight, BF_STATEMENT_COUNT, late);
        bf_flight_add(flight, BF_STATEMENT_COUNT, late)->new_group = true;
        bf_step_number(bf_flight_add(flight, BF_STATEMENT_COUNT, broken), 1);
        bf_flight_add(flight, BF_STATEMENT_COUNT, "SELECT nonsense")->new_group = true;
        client_run(client);
        assert_false(client->lost);
        assert_int_equal(client->answers[0].outcome, BF_OUTCOME_OK);
        assert_int_equal(client->answers[1].outcome, BF_OUTCOME_ERROR);
        assert_string_equal(client->answers[1].sqlstate, "22012");
        assert_int_equal(client->answers[1].error_class, BF_CLASS_DATA);
        assert_int_equal(client->answers[2].outcome, BF_OUTCOME_SKIPPED);
        assert_string_equal(bf_answer_value(&client->answers[3], 0, 0), "late");
        assert_int_equal(bf_answer_number(&client->answers[4], 0, 0), 1);
        assert_int_equal(client->answers[5].error_class, BF_CLASS_DEFINITION);
        assert_string_equal(client->answers[5].sqlstate, "42703");
    }
    /* each is prepared once: `late` and `broken` by the second group, `nonsense` never */
    client_query(client, BF_STATEMENT_SURVEY, "SELECT count(*) FROM pg_prepared_statements");
    assert_int_equal(bf_answer_number(&client->answers[0], 0, 0), 3 + 1 /* broken, by the first group too */);
    client_free(client);
}

static void null_and_values(void **state)
{
    struct client *client = client_new(*state, "backfilld v");
    struct bf_step *step = bf_flight_add(&client->flight, BF_STATEMENT_PROBE,
                                         "SELECT $1::text IS NULL, $2, NULL, '' FROM generate_series(1, 2)");
    bf_step_text(step, NULL);
    bf_step_text(step, "a\\'\"; -- ü");
    bf_step_text(step, "unused");
    client_run(client);
    const struct bf_answer *answer = &client->answers[0];
    assert_int_equal(answer->rows, 2);
    assert_int_equal(answer->columns, 4);
    assert_true(bf_answer_true(answer, 1, 0));
    assert_string_equal(bf_answer_value(answer, 1, 1), "a\\'\"; -- ü");
    assert_null(bf_answer_value(answer, 0, 2));
    assert_string_equal(bf_answer_value(answer, 0, 3), "");
    client_free(client);
}

static void commit_that_rolls_back(void **state)
{
    struct client *client = client_new(*state, "backfilld r");
    bf_flight_add(&client->flight, BF_STATEMENT_BEGIN, "BEGIN");
    bf_flight_add(&client->flight, BF_STATEMENT_COUNT, "SELECT 1 / 0");
    bf_flight_add(&client->flight, BF_STATEMENT_COMMIT, "COMMIT")->new_group = true;
    client_run(client);
    assert_int_equal(client->answers[2].outcome, BF_OUTCOME_OK);
    assert_true(client->answers[2].rolled_back);
    bf_flight_add(&client->flight, BF_STATEMENT_BEGIN, "BEGIN");
    bf_flight_add(&client->flight, BF_STATEMENT_COMMIT, "COMMIT");
    client_run(client);
    assert_false(client->answers[1].rolled_back);
    client_free(client);
}

/* Far more than the sockets' buffers hold, in both directions at once: neither side may wait for the other. */
static void a_large_flight(void **state)
{
    struct client *client = client_new(*state, "backfilld l");
    size_t size = 1000000;
    char *large = bf_allocate(size + 1);
    memset(large, 'x', size);
    for (int i = 0; i < 40; i++) {
        struct bf_step *step = bf_flight_add(&client->flight, BF_STATEMENT_SURVEY, "SELECT $1, md5($1)");
        bf_step_text(step, large);
        step->new_group = i % 2;
    }
    client_run(client);
    for (int i = 0; i < 40; i++)
        assert_string_equal(bf_answer_value(&client->answers[i], 0, 0), large);
    free(large);
    client_free(client);
}

/* ---- cancel */

static void cancel_a_statement(void **state)
{
    struct server *server = *state;
    struct client *client = client_new(server, "backfilld cancel");
    for (int round = 0; round < 20; round++) {
        bf_flight_add(&client->flight, BF_STATEMENT_COUNT, "SELECT pg_sleep(30)");
        client_send(client);
        for (int i = 0; i < 5; i++) /* several do not pile up */
            server->database->cancel(client->session);
        client_wait(client);
        assert_int_equal(client->answers[0].error_class, BF_CLASS_CANCELLED);
        assert_string_equal(client->answers[0].sqlstate, "57014");
        assert_false(client->lost);
        server->database->cancel(client->session); /* nothing runs: does nothing, now or to what comes */
        client_query(client, BF_STATEMENT_COUNT, "SELECT pg_sleep(0.01)");
        assert_int_equal(client->answers[0].outcome, BF_OUTCOME_OK);
    }
    client_free(client);
}

/* A cancel can be without effect: here a function swallows the first. It is repeated until the flight is over. */
static void cancel_is_repeated(void **state)
{
    struct server *server = *state;
    struct client *client = client_new(server, "backfilld again");
    side(server, "CREATE FUNCTION swallow() RETURNS int LANGUAGE plpgsql AS 'BEGIN BEGIN PERFORM pg_sleep(15); "
         "EXCEPTION WHEN query_canceled THEN NULL; END; PERFORM pg_sleep(15); RETURN 1; END'");
    bf_flight_add(&client->flight, BF_STATEMENT_COUNT, "SELECT swallow()");
    client_send(client);
    server->database->cancel(client->session);
    uint64_t begun = uv_hrtime();
    client_wait(client);
    assert_int_equal(client->answers[0].error_class, BF_CLASS_CANCELLED);
    assert_true(uv_hrtime() - begun < 10000000000u);
    client_free(client);
    side(server, "DROP FUNCTION swallow");
}

/* A flight that was asked to stop before the earlier cancel had arrived is not sent at all. */
static void cancel_before_sending(void **state)
{
    struct server *server = *state;
    struct client *client = client_new(server, "backfilld early");
    bf_flight_add(&client->flight, BF_STATEMENT_COUNT, "SELECT 1");
    client_send(client);
    server->database->cancel(client->session);
    client_wait(client); /* the answer may well be there before the cancel is */
    bf_flight_add(&client->flight, BF_STATEMENT_COUNT, "SELECT pg_sleep(30)");
    bf_flight_add(&client->flight, BF_STATEMENT_COUNT, "SELECT 2");
    client_send(client);
    server->database->cancel(client->session);
    client_wait(client);
    assert_int_equal(client->answers[0].error_class, BF_CLASS_CANCELLED);
    assert_int_equal(client->answers[1].outcome, BF_OUTCOME_SKIPPED);
    client_free(client);
}

static void cancel_then_close(void **state)
{
    struct server *server = *state;
    for (int round = 0; round < 10; round++) {
        struct client *client = client_new(server, "backfilld cc");
        bf_flight_add(&client->flight, BF_STATEMENT_COUNT, "SELECT pg_sleep(0.2)");
        client_send(client);
        server->database->cancel(client->session);
        client_free(client); /* the cancel is still on the pool */
    }
}

/* ---- losing the connection */

static void wait_for_sessions(struct server *server, const char *name, int64_t count)
{
    while (side_number(server, "SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s'", name) != count)
        usleep(2000); /* another process's end can only be asked for */
}

static void terminated_in_a_flight(void **state)
{
    struct server *server = *state;
    struct client *client = client_new(server, "backfilld lost");
    side(server, "CREATE TABLE lost (a int)");
    bf_flight_add(&client->flight, BF_STATEMENT_COUNT, "SELECT 'first'");
    bf_flight_add(&client->flight, BF_STATEMENT_COUNT,
                  "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)")->new_group = true;
    bf_flight_add(&client->flight, BF_STATEMENT_UPDATE, "INSERT INTO lost VALUES (1)");
    bf_flight_add(&client->flight, BF_STATEMENT_COMMIT, "COMMIT")->new_group = true;
    client_run(client);
    assert_true(client->lost);
    assert_string_equal(bf_answer_value(&client->answers[0], 0, 0), "first"); /* what came before is kept */
    assert_int_equal(client->answers[1].outcome, BF_OUTCOME_ERROR);
    assert_int_equal(client->answers[1].error_class, BF_CLASS_ENDED);
    assert_string_equal(client->answers[1].sqlstate, "57P01");
    /* a backend that ended did not go on in this group; of another group nobody knows */
    assert_int_equal(client->answers[2].outcome, BF_OUTCOME_SKIPPED);
    assert_int_equal(client->answers[3].outcome, BF_OUTCOME_UNKNOWN);
    assert_int_equal(client->answers[3].error_class, BF_CLASS_LOST);
    /* a lost session answers at once, and never from inside the call */
    client_query(client, BF_STATEMENT_COUNT, "SELECT 1");
    assert_true(client->lost);
    assert_int_equal(client->answers[0].outcome, BF_OUTCOME_UNKNOWN);
    client_free(client);
    side(server, "DROP TABLE lost");
}

static void terminated_while_idle(void **state)
{
    struct server *server = *state;
    struct client *client = client_new(server, "backfilld idle");
    client_query(client, BF_STATEMENT_COUNT, "SELECT 1");
    side(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'backfilld idle'");
    wait_for_sessions(server, "backfilld idle", 0);
    uv_run(&server->loop, UV_RUN_NOWAIT);
    client_query(client, BF_STATEMENT_COUNT, "SELECT 1");
    assert_true(client->lost);
    assert_int_equal(client->answers[0].error_class, BF_CLASS_ENDED);
    client_free(client);
}

static void killed_session(void **state)
{
    struct server *server = *state;
    struct client *client = client_new(server, "backfilld k");
    /* not noticed by the loop before the flight is sent: written into a dead socket */
    side(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'backfilld k'");
    wait_for_sessions(server, "backfilld k", 0);
    bf_flight_add(&client->flight, BF_STATEMENT_BEGIN, "BEGIN");
    bf_flight_add(&client->flight, BF_STATEMENT_COMMIT, "COMMIT");
    bf_flight_add(&client->flight, BF_STATEMENT_COUNT, "SELECT 1")->new_group = true;
    client_run(client);
    assert_true(client->lost);
    assert_int_not_equal(client->answers[1].outcome, BF_OUTCOME_OK);
    assert_int_equal(client->answers[2].outcome, BF_OUTCOME_UNKNOWN);
    client_free(client);
}

/* A transaction that goes on in a second group, and was never begun: nothing of it stays (flight.h). */
static void a_begin_that_fails(void **state)
{
    struct server *server = *state;
    struct client *client = client_new(server, "backfilld b");
    side(server, "CREATE TABLE begun (a int)");
    bf_flight_add(&client->flight, BF_STATEMENT_BEGIN, "BEGIN nonsense");
    bf_flight_add(&client->flight, BF_STATEMENT_UPDATE, "INSERT INTO begun VALUES (1)")->new_group = true;
    bf_flight_add(&client->flight, BF_STATEMENT_SAVEPOINT, "SAVEPOINT a");
    bf_flight_add(&client->flight, BF_STATEMENT_UPDATE, "INSERT INTO begun VALUES (2)");
    bf_flight_add(&client->flight, BF_STATEMENT_COMMIT, "COMMIT");
    client_run(client);
    assert_int_equal(client->answers[0].outcome, BF_OUTCOME_ERROR);
    assert_int_equal(client->answers[2].outcome, BF_OUTCOME_ERROR);
    assert_int_equal(client->answers[4].outcome, BF_OUTCOME_SKIPPED);
    assert_int_equal(side_number(server, "SELECT count(*) FROM begun"), 0);
    side(server, "DROP TABLE begun");
    client_free(client);
}

/* After close the server still carries out what stands in its socket, COMMIT included. */
static void close_with_a_commit_under_way(void **state)
{
    struct server *server = *state;
    struct client *client = client_new(server, "backfilld away");
    side(server, "CREATE TABLE away (a int)");
    bf_flight_add(&client->flight, BF_STATEMENT_BEGIN, "BEGIN");
    bf_flight_add(&client->flight, BF_STATEMENT_UPDATE, "INSERT INTO away SELECT 1 FROM pg_sleep(0.3)");
    bf_flight_add(&client->flight, BF_STATEMENT_COMMIT, "COMMIT");
    client_send(client);
    client_free(client);
    assert_int_equal(side_number(server, "SELECT count(*) FROM away"), 0);
    wait_for_sessions(server, "backfilld away", 0);
    assert_int_equal(side_number(server, "SELECT count(*) FROM away"), 1);
    side(server, "DROP TABLE away");
}

static void close_inside(void *argument, struct bf_session *session, struct bf_flight *flight,
                         const struct bf_answer *answers, bool lost)
{
    struct closer *closer = argument;
    (void)lost;
    assert_string_equal(bf_answer_value(&answers[0], 0, 0), "bye");
    closer->server->database->close(session);
    bf_flight_clear(flight);
    closer->closed = true;
}

static void execute_inside(void *argument, struct bf_session *session, enum bf_error_class error_class,
                           const char *text)
{
    static struct bf_flight flight;
    struct closer *closer = argument;
    (void)text;
    assert_int_equal(error_class, BF_CLASS_NONE);
    bf_flight_add(&flight, BF_STATEMENT_COUNT, "SELECT 'bye'");
    closer->server->database->execute(session, &flight, close_inside, closer);
}

static void used_inside_its_callbacks(void **state)
{
    struct server *server = *state;
    struct bf_session_options options = {.application_name = "backfilld x", .connect_timeout = 5000};
    struct closer closer = {.server = server};
    server->database->connect(server->database->context, &options, execute_inside, &closer);
    wait_until(server, &closer.closed);
}

static void classes(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        enum bf_error_class error_class;
    } cases[] = {{"55P03", BF_CLASS_LOCK},      {"40P01", BF_CLASS_LOCK},        {"40001", BF_CLASS_SERIALIZATION},
                 {"57014", BF_CLASS_CANCELLED}, {"57P01", BF_CLASS_ENDED},       {"57P03", BF_CLASS_RESOURCES},
                 {"25006", BF_CLASS_NOT_PRIMARY}, {"53100", BF_CLASS_RESOURCES}, {"28P01", BF_CLASS_LOGIN},
                 {"22003", BF_CLASS_DATA},      {"23505", BF_CLASS_DATA},        {"P0001", BF_CLASS_DATA},
                 {"42P01", BF_CLASS_DEFINITION}, {"42501", BF_CLASS_DEFINITION}, {"0A000", BF_CLASS_DEFINITION},
                 {"XX000", BF_CLASS_TERMINAL},  {"25P02", BF_CLASS_TERMINAL}};
    for (size_t i = 0; i < BF_COUNT(cases); i++)
        assert_int_equal(bf_postgresql_classify(cases[i].sqlstate), cases[i].error_class);
}

int test_sessions(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_of_a_session), cmocka_unit_test(connecting), cmocka_unit_test(who_answers),
        cmocka_unit_test(closed_while_connecting), cmocka_unit_test(password_file), cmocka_unit_test(groups_fail_alone),
        cmocka_unit_test(null_and_values), cmocka_unit_test(commit_that_rolls_back), cmocka_unit_test(a_large_flight),
        cmocka_unit_test(cancel_a_statement), cmocka_unit_test(cancel_before_sending), cmocka_unit_test(cancel_is_repeated),
        cmocka_unit_test(cancel_then_close), cmocka_unit_test(terminated_in_a_flight), cmocka_unit_test(terminated_while_idle),
        cmocka_unit_test(killed_session), cmocka_unit_test(a_begin_that_fails), cmocka_unit_test(close_with_a_commit_under_way),
        cmocka_unit_test(used_inside_its_callbacks), cmocka_unit_test(classes),
    };
    return cmocka_run_group_tests_name("sessions", tests, server_up, server_down);
}
