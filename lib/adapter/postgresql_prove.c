/* The proof that a new session is what it has to be: a backend of ours, with nobody between, of a server that is
 * PostgreSQL, under settings that every statement relies on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "dialect.h"
#include "postgresql_session.h"

enum { OLDEST_SERVER = 120000 };

/* Everything that a statement's meaning or a key's text depends on, in one round trip, with the answer to who we are
 * talking to. A sleeping batch job is no idle session; a scavenger takes no parallel workers. */
static char *proof_text(const struct bf_session *session)
{
    struct bf_buffer buffer = {0};
    int version = PQserverVersion(session->connection);
    static const char *const settings[][2] = {
        {"TimeZone", "UTC"}, {"DateStyle", "ISO, YMD"}, {"IntervalStyle", "postgres"}, {"bytea_output", "hex"},
        {"extra_float_digits", "3"}, {"standard_conforming_strings", "on"}, {"client_min_messages", "warning"},
        {"default_transaction_isolation", "read committed"}, {"row_security", "off"}, {"jit", "off"},
        {"plan_cache_mode", "force_custom_plan"}, {"max_parallel_workers_per_gather", "0"},
        {"idle_in_transaction_session_timeout", "60s"}};

    bf_buffer_text(&buffer, "/* backfilld */ SELECT pg_backend_pid(), version()");
    for (size_t i = 0; i < BF_COUNT(settings); i++)
        bf_buffer_format(&buffer, ", set_config('%s', '%s', false)", settings[i][0], settings[i][1]);
    bf_buffer_format(&buffer, ", set_config('lock_timeout', '%lldms', false), set_config('statement_timeout', '%lldms', "
                              "false)",
                     (long long)session->options.lock_timeout, (long long)session->options.statement_timeout);
    if (version >= 140000)
        bf_buffer_text(&buffer, ", set_config('idle_session_timeout', '0', false)");
    if (version >= 170000)
        bf_buffer_text(&buffer, ", set_config('transaction_timeout', '0', false)");
    return bf_buffer_take(&buffer);
}

void bf_session_prove(struct bf_session *session)
{
    int version = PQserverVersion(session->connection);
    if (version < OLDEST_SERVER) {
        char text[128];
        snprintf(text, sizeof text, "the server is of version %d.%d; PostgreSQL 12 is the oldest that works",
                 version / 10000, version / 100 % 100);
        bf_session_conclude(session, BF_CLASS_TERMINAL, text);
        return;
    }
    BF_AUTO_STRING char *query = proof_text(session);
    session->state = BF_SESSION_PROVING;
    PQsetnonblocking(session->connection, 1);
    PQsetErrorVerbosity(session->connection, PQERRORS_DEFAULT);
    if (!PQsendQueryParams(session->connection, query, 0, NULL, NULL, NULL, NULL, 0) ||
        PQflush(session->connection) < 0) {
        bf_session_conclude(session, BF_CLASS_UNREACHABLE, "the connection was lost while it was made");
        return;
    }
    bf_session_unwatch(session);
    bf_session_watch(session, UV_READABLE | UV_WRITABLE);
}

/* Servers that speak PostgreSQL's protocol and are something else. */
static const char *look_alike(const char *version)
{
    static const char *const names[] = {"Greenplum", "Redshift", "-YB-", "Cockroach", "Materialize", "QuestDB"};
    for (size_t i = 0; i < BF_COUNT(names); i++)
        if (strstr(version, names[i]))
            return names[i];
    return strncmp(version, "PostgreSQL ", 11) ? "another server" : NULL;
}

static void conclude_proof(struct bf_session *session, const PGresult *result)
{
    char text[BF_ERROR_TEXT_MAX];

    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        enum bf_error_class error_class = sqlstate ? bf_postgresql_classify(sqlstate) : BF_CLASS_UNREACHABLE;
        BF_AUTO_STRING char *message = bf_session_message(result);
        if (error_class != BF_CLASS_TERMINAL && error_class != BF_CLASS_DEFINITION)
            error_class = BF_CLASS_UNREACHABLE;
        snprintf(text, sizeof text, "the session could not be set up: %s", message);
        bf_session_conclude(session, error_class, text);
        return;
    }
    const char *version = PQgetvalue(result, 0, 1), *other = look_alike(version);
    if (other) {
        snprintf(text, sizeof text, "this is %s, not PostgreSQL (%.80s); look-alikes are refused until they are tested",
                 other, version);
        bf_session_conclude(session, BF_CLASS_TERMINAL, text);
    } else if (strtol(PQgetvalue(result, 0, 0), NULL, 10) != PQbackendPID(session->connection)) {
        snprintf(text, sizeof text,
                 "a connection pooler stands between: the backend is process %s, but the login said %d; name the "
                 "server itself in the target's address",
                 PQgetvalue(result, 0, 0), PQbackendPID(session->connection));
        bf_session_conclude(session, BF_CLASS_PROXY, text);
    } else if (!PQenterPipelineMode(session->connection)) {
        bf_session_conclude(session, BF_CLASS_TERMINAL, "libpq refuses pipeline mode");
    } else {
        bf_session_watch(session, UV_READABLE);
        bf_session_conclude(session, BF_CLASS_NONE, "");
    }
}

void bf_session_prove_step(struct bf_session *session)
{
    int flushed = PQflush(session->connection);

    if (flushed < 0 || !PQconsumeInput(session->connection)) {
        char text[BF_ERROR_TEXT_MAX];
        bf_session_read_failure(session->connection, text, sizeof text);
        bf_session_conclude(session, BF_CLASS_UNREACHABLE, text);
        return;
    }
    bf_session_watch(session, UV_READABLE | (flushed ? UV_WRITABLE : 0));
    while (!PQisBusy(session->connection)) {
        PGresult *result = PQgetResult(session->connection);
        if (!result) {
            PGresult *proof = session->proof;
            session->proof = NULL;
            conclude_proof(session, proof);
            PQclear(proof);
            return;
        }
        if (session->proof)
            PQclear(result);
        else
            session->proof = result; /* what follows it may come later: PQgetResult would wait for it */
    }
}
