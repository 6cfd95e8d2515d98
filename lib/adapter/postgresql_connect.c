/* From addresses to a connection that the server accepted: parameters, password, PQconnectPoll, and what a refusal
 * means. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "dialect.h"
#include "password_file.h"
#include "postgresql_session.h"

enum { OPTIONS_MAX = 80 };

/* Ends connecting, one way or the other. */
void bf_session_conclude(struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    bf_connected *connected = session->connected;

    uv_timer_stop(&session->timer);
    session->connected = NULL;
    if (error_class == BF_CLASS_NONE)
        session->state = BF_SESSION_IDLE;
    else
        bf_session_unwatch_and_lose(session);
    connected(session->connected_argument, session, error_class, text);
}

void bf_session_connect_timeout(struct bf_session *session)
{
    char text[128];
    bf_session_forget_resolver(session);
    snprintf(text, sizeof text, "the server did not complete the connection within %lld ms",
             (long long)session->options.connect_timeout);
    bf_session_conclude(session, BF_CLASS_UNREACHABLE, text);
}

struct parameters {
    const char *keywords[OPTIONS_MAX], *values[OPTIONS_MAX];
    size_t count;
};

static void set(struct parameters *parameters, const char *keyword, const char *value)
{
    for (size_t i = 0; i < parameters->count; i++)
        if (!strcmp(parameters->keywords[i], keyword)) {
            parameters->values[i] = value;
            return;
        }
    if (parameters->count + 1 < OPTIONS_MAX) {
        parameters->keywords[parameters->count] = keyword;
        parameters->values[parameters->count++] = value;
    }
}

static void set_default(struct parameters *parameters, const char *keyword, const char *value)
{
    for (size_t i = 0; i < parameters->count; i++)
        if (!strcmp(parameters->keywords[i], keyword))
            return;
    set(parameters, keyword, value);
}

static void on_notice(void *argument, const PGresult *result)
{
    struct bf_session *session = argument;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (!severity || !sqlstate || (strcmp(severity, "FATAL") && strcmp(severity, "PANIC")))
        return; /* notices of triggers and functions are nobody's business here */
    snprintf(session->fatal_sqlstate, sizeof session->fatal_sqlstate, "%s", sqlstate);
    free(session->fatal_message);
    session->fatal_message = bf_session_message(result);
}

/* What an established connection does about a peer that is silently gone: noticed within some 25 s when idle, within
 * tcp_user_timeout when data is under way. That one also bounds each address's share of the connect timeout. */
static void set_liveness(struct parameters *parameters, const struct bf_session *session, size_t addresses,
                         char user_timeout[24])
{
    int64_t share = session->options.connect_timeout / (int64_t)(addresses ? addresses : 1);
    share = share < 2000 ? 2000 : share > 10000 ? 10000 : share;
    snprintf(user_timeout, 24, "%lld", (long long)share);
    set_default(parameters, "keepalives_idle", "10");
    set_default(parameters, "keepalives_interval", "5");
    set_default(parameters, "keepalives_count", "3");
    set_default(parameters, "tcp_user_timeout", user_timeout);
}

/* By itself libpq asks the Kerberos library whether somebody is signed in, and that one waits for servers of its own, on our loop.
 * Who wants GSSAPI's encryption says so: in the connection string, in its service, or in the environment. */
static void set_no_kerberos(struct parameters *parameters)
{
    bool service = getenv("PGSERVICE");
    for (size_t i = 0; i < parameters->count; i++)
        service = service || !strcmp(parameters->keywords[i], "service");
    if (!service && !getenv("PGGSSENCMODE"))
        set_default(parameters, "gssencmode", "disable");
}

void bf_session_start(struct bf_session *session)
{
    struct bf_resolver *resolver = session->resolver;
    struct parameters parameters = {0};
    struct bf_buffer hosts = {0}, addresses = {0}, ports = {0};
    char password[BF_PASSWORD_MAX] = "", text[BF_ERROR_TEXT_MAX] = "", user_timeout[24];
    PQconninfoOption *options = PQconninfoParse(session->conninfo, NULL);
    enum bf_error_class failure = BF_CLASS_NONE;
    size_t count = bf_resolver_addresses(resolver, &hosts, &addresses, &ports);
    const char *unresolved = bf_resolver_failure(resolver);

    session->resolver = NULL;
    if (!options) {
        failure = BF_CLASS_LOGIN;
        snprintf(text, sizeof text, "the connection string is not one that libpq understands");
    } else if (unresolved && !count) {
        failure = BF_CLASS_UNREACHABLE;
        snprintf(text, sizeof text, "%s", unresolved);
    } else if (session->password_file && !bf_password_read(session->password_file, password, text, sizeof text)) {
        failure = BF_CLASS_LOGIN;
    } else {
        for (const PQconninfoOption *option = options; option->keyword; option++)
            if (option->val)
                set(&parameters, option->keyword, option->val);
        if (count) {
            set(&parameters, "host", hosts.text);
            set(&parameters, "hostaddr", addresses.text);
            set(&parameters, "port", ports.text);
        }
        if (session->password_file)
            set(&parameters, "password", password);
        set(&parameters, "application_name", session->application_name);
        set(&parameters, "client_encoding", "UTF8");
        set_liveness(&parameters, session, count, user_timeout);
        set_no_kerberos(&parameters);
        session->connection = PQconnectStartParams(parameters.keywords, parameters.values, 0);
    }
    PQconninfoFree(options);
    explicit_bzero(password, sizeof password);
    bf_buffer_clear(&hosts);
    bf_buffer_clear(&addresses);
    bf_buffer_clear(&ports);
    bf_resolver_free(resolver);
    if (failure == BF_CLASS_NONE && !session->connection) {
        failure = BF_CLASS_UNREACHABLE;
        snprintf(text, sizeof text, "libpq is out of memory");
    }
    if (failure != BF_CLASS_NONE) {
        bf_session_conclude(session, failure, text);
        return;
    }
    /* libpq tells the SQLSTATE of a refused login in its message only, and only in this mode. */
    PQsetErrorVerbosity(session->connection, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(session->connection, on_notice, session);
    session->state = BF_SESSION_CONNECTING;
    if (PQstatus(session->connection) == CONNECTION_BAD)
        bf_session_connect_step(session);
    else
        bf_session_watch(session, UV_WRITABLE);
}

/* Finds ":  28P01: " in one line of libpq's message. */
static bool line_sqlstate(const char *line, size_t length, char sqlstate[6])
{
    for (size_t i = 0; i + 9 < length; i++) {
        size_t digits = 0;
        if (strncmp(line + i, ":  ", 3))
            continue;
        while (digits < 5 && (isdigit((unsigned char)line[i + 3 + digits]) ||
                              isupper((unsigned char)line[i + 3 + digits])))
            digits++;
        if (digits == 5 && line[i + 8] == ':') {
            memcpy(sqlstate, line + i + 3, 5);
            sqlstate[5] = '\0';
            return true;
        }
    }
    return false;
}

/* Makes one line of libpq's message and says what it means: LOGIN when every address that was tried refused the login,
 * else it may be better later. */
enum bf_error_class bf_session_read_failure(PGconn *connection, char *text, size_t size)
{
    struct bf_buffer buffer = {0};
    const char *line = PQerrorMessage(connection);
    bool refused = PQconnectionNeedsPassword(connection), other = false;

    while (*line) {
        size_t length = strcspn(line, "\n");
        char sqlstate[6];
        if (length && strncmp(line, "LOCATION:", 9)) {
            bf_buffer_text(&buffer, buffer.length ? "; " : "");
            bf_buffer_append(&buffer, line, length);
            if (line_sqlstate(line, length, sqlstate)) {
                bool login = !strncmp(sqlstate, "28", 2) || !strncmp(sqlstate, "3D", 2) || !strncmp(sqlstate, "42", 2);
                refused = refused || login;
                other = other || !login;
            } else if (!strncmp(line, "connection to server", 20) && !PQconnectionNeedsPassword(connection)) {
                other = true;
            }
        }
        line += length + (line[length] == '\n');
    }
    snprintf(text, size, "%s", buffer.length ? buffer.text : "the connection failed");
    bf_buffer_clear(&buffer);
    return refused && !other ? BF_CLASS_LOGIN : BF_CLASS_UNREACHABLE;
}

void bf_session_connect_step(struct bf_session *session)
{
    char text[BF_ERROR_TEXT_MAX];

    switch (PQconnectPoll(session->connection)) {
    case PGRES_POLLING_READING:
        bf_session_watch(session, UV_READABLE);
        break;
    case PGRES_POLLING_WRITING:
        bf_session_watch(session, UV_WRITABLE);
        break;
    case PGRES_POLLING_OK:
        bf_session_prove(session);
        break;
    case PGRES_POLLING_FAILED:
    default: {
        enum bf_error_class error_class = bf_session_read_failure(session->connection, text, sizeof text);
        bf_session_conclude(session, error_class, text);
    }
    }
}
