/* From a connection string to a session that is proven ours.
 *
 * libpq looks host names up by blocking calls, so they are looked up here and given to it as hostaddr beside host (which
 * stays for TLS and ~/.pgpass). One name may have several addresses; each becomes an entry of its own. */
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "dialect.h"
#include "postgresql_session.h"

enum { HOSTS_MAX = 16, ADDRESSES_MAX = 8, PASSWORD_MAX = 1024, OPTIONS_MAX = 80, OLDEST_SERVER = 120000 };

struct host {
    char *name, *port;
    char *addresses[ADDRESSES_MAX]; /* none: a socket, an address, or nothing to look up */
    size_t address_count;
    bool failed; /* its name could not be resolved */
};

struct bf_resolver {
    uv_getaddrinfo_t request;
    struct bf_session *session; /* NULL once nobody waits */
    struct host hosts[HOSTS_MAX];
    size_t count, next;
    char failure[256];
};

static void start(struct bf_session *session);

static void free_resolver(struct bf_resolver *resolver)
{
    if (!resolver)
        return;
    for (size_t i = 0; i < resolver->count; i++) {
        free(resolver->hosts[i].name);
        free(resolver->hosts[i].port);
        for (size_t a = 0; a < resolver->hosts[i].address_count; a++)
            free(resolver->hosts[i].addresses[a]);
    }
    free(resolver);
}

/* Ends connecting, one way or the other. */
static void conclude(struct bf_session *session, enum bf_error_class error_class, const char *text)
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
    conclude(session, BF_CLASS_UNREACHABLE, text);
}

/* ---- host names */

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *option = options; option->keyword; option++)
        if (!strcmp(option->keyword, keyword))
            return option->val && *option->val ? option->val : NULL;
    return NULL;
}

static bool is_name(const char *host)
{
    struct in6_addr address;
    return *host && *host != '/' && *host != '@' && inet_pton(AF_INET, host, &address) != 1 &&
           inet_pton(AF_INET6, host, &address) != 1;
}

/* The index-th entry of a list with commas, or its only one; the caller frees it. */
static char *list_entry(const char *list, size_t index)
{
    if (!list)
        return bf_copy_string("");
    if (!strchr(list, ','))
        index = 0;
    for (; index && (list = strchr(list, ',')); index--)
        list++;
    return list ? bf_copy_bytes(list, strcspn(list, ",")) : bf_copy_string("");
}

static void resolve_next(struct bf_session *session);

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct bf_resolver *resolver = request->data;
    struct host *host = &resolver->hosts[resolver->next];

    if (!resolver->session) {
        uv_freeaddrinfo(list);
        free_resolver(resolver);
        return;
    }
    for (struct addrinfo *entry = status ? NULL : list; entry; entry = entry->ai_next) {
        char text[NI_MAXHOST];
        if (host->address_count < ADDRESSES_MAX &&
            !getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST))
            host->addresses[host->address_count++] = bf_copy_string(text);
    }
    uv_freeaddrinfo(list);
    if (!host->address_count) {
        host->failed = true;
        snprintf(resolver->failure, sizeof resolver->failure, "the host name %s cannot be resolved: %s", host->name,
                 status ? uv_strerror(status) : "no address");
    }
    resolver->next++;
    resolve_next(resolver->session);
}

static void resolve_next(struct bf_session *session)
{
    struct bf_resolver *resolver = session->resolver;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    while (resolver->next < resolver->count && !is_name(resolver->hosts[resolver->next].name))
        resolver->next++;
    if (resolver->next == resolver->count) {
        start(session);
        return;
    }
    resolver->request.data = resolver;
    int status = uv_getaddrinfo(session->loop, &resolver->request, resolved, resolver->hosts[resolver->next].name, NULL,
                                &hints);
    if (status)
        resolved(&resolver->request, status, NULL);
}

void bf_session_forget_resolver(struct bf_session *session)
{
    struct bf_resolver *resolver = session->resolver;
    if (!resolver)
        return;
    session->resolver = NULL;
    resolver->session = NULL;
    /* Its callback comes in any case and frees it. */
    uv_cancel((uv_req_t *)&resolver->request);
}

void bf_session_begin(struct bf_session *session)
{
    struct bf_resolver *resolver = session->resolver = BF_NEW(struct bf_resolver);
    PQconninfoOption *options = PQconninfoParse(session->conninfo, NULL);

    resolver->session = session;
    if (options && !option_value(options, "hostaddr") && !option_value(options, "service")) {
        const char *hosts = option_value(options, "host"), *ports = option_value(options, "port");
        hosts = hosts ? hosts : getenv("PGHOST");
        for (size_t i = 0; hosts && i < HOSTS_MAX; i++) {
            resolver->hosts[i].name = list_entry(hosts, i);
            resolver->hosts[i].port = list_entry(ports, i);
            resolver->count = i + 1;
            const char *rest = hosts;
            for (size_t commas = 0; rest && commas <= i; commas++)
                rest = (rest = strchr(rest, ',')) ? rest + 1 : NULL;
            if (!rest)
                break;
        }
    }
    PQconninfoFree(options);
    resolve_next(session);
}

/* ---- connecting */

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

/* host, hostaddr and port with one entry for each address that is known. Returns how many. */
static size_t list_addresses(const struct bf_resolver *resolver, struct bf_buffer *hosts, struct bf_buffer *addresses,
                             struct bf_buffer *ports)
{
    size_t count = 0;
    for (size_t i = 0; i < resolver->count; i++) {
        const struct host *host = &resolver->hosts[i];
        for (size_t a = 0; !host->failed && (a < host->address_count || (a == 0 && !host->address_count)); a++) {
            const char *comma = count++ ? "," : "";
            bf_buffer_format(hosts, "%s%s", comma, host->name);
            bf_buffer_format(addresses, "%s%s", comma, host->address_count ? host->addresses[a] : "");
            bf_buffer_format(ports, "%s%s", comma, host->port);
        }
    }
    return count;
}

/* The first line of the file; false with a text when it cannot be read. */
static bool read_password(const char *path, char password[PASSWORD_MAX], char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    bool read = file && fgets(password, PASSWORD_MAX, file);
    if (!read)
        snprintf(text, size, "the password file %s cannot be read%s", path, file ? ": it is empty" : "");
    else
        password[strcspn(password, "\r\n")] = '\0';
    if (file)
        fclose(file);
    return read;
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

static void start(struct bf_session *session)
{
    struct bf_resolver *resolver = session->resolver;
    struct parameters parameters = {0};
    struct bf_buffer hosts = {0}, addresses = {0}, ports = {0};
    char password[PASSWORD_MAX] = "", text[BF_ERROR_TEXT_MAX] = "", user_timeout[24];
    PQconninfoOption *options = PQconninfoParse(session->conninfo, NULL);
    enum bf_error_class failure = BF_CLASS_NONE;
    size_t count = list_addresses(resolver, &hosts, &addresses, &ports);

    session->resolver = NULL;
    if (!options) {
        failure = BF_CLASS_LOGIN;
        snprintf(text, sizeof text, "the connection string is not one that libpq understands");
    } else if (resolver->count && !count) {
        failure = BF_CLASS_UNREACHABLE;
        snprintf(text, sizeof text, "%s", resolver->failure);
    } else if (session->password_file && !read_password(session->password_file, password, text, sizeof text)) {
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
        session->connection = PQconnectStartParams(parameters.keywords, parameters.values, 0);
    }
    PQconninfoFree(options);
    explicit_bzero(password, sizeof password);
    bf_buffer_clear(&hosts);
    bf_buffer_clear(&addresses);
    bf_buffer_clear(&ports);
    free_resolver(resolver);
    if (failure == BF_CLASS_NONE && !session->connection) {
        failure = BF_CLASS_UNREACHABLE;
        snprintf(text, sizeof text, "libpq is out of memory");
    }
    if (failure != BF_CLASS_NONE) {
        conclude(session, failure, text);
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
static enum bf_error_class read_failure(PGconn *connection, char *text, size_t size)
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

/* ---- the proof */

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

static void begin_proof(struct bf_session *session)
{
    int version = PQserverVersion(session->connection);
    if (version < OLDEST_SERVER) {
        char text[128];
        snprintf(text, sizeof text, "the server is of version %d.%d; PostgreSQL 12 is the oldest that works",
                 version / 10000, version / 100 % 100);
        conclude(session, BF_CLASS_TERMINAL, text);
        return;
    }
    BF_AUTO_STRING char *query = proof_text(session);
    session->state = BF_SESSION_PROVING;
    PQsetnonblocking(session->connection, 1);
    PQsetErrorVerbosity(session->connection, PQERRORS_DEFAULT);
    if (!PQsendQueryParams(session->connection, query, 0, NULL, NULL, NULL, NULL, 0) ||
        PQflush(session->connection) < 0) {
        conclude(session, BF_CLASS_UNREACHABLE, "the connection was lost while it was made");
        return;
    }
    bf_session_unwatch(session);
    bf_session_watch(session, UV_READABLE | UV_WRITABLE);
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
        begin_proof(session);
        break;
    case PGRES_POLLING_FAILED:
    default: {
        enum bf_error_class error_class = read_failure(session->connection, text, sizeof text);
        conclude(session, error_class, text);
    }
    }
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
        conclude(session, error_class, text);
        return;
    }
    const char *version = PQgetvalue(result, 0, 1), *other = look_alike(version);
    if (other) {
        snprintf(text, sizeof text, "this is %s, not PostgreSQL (%.80s); look-alikes are refused until they are tested",
                 other, version);
        conclude(session, BF_CLASS_TERMINAL, text);
    } else if (strtol(PQgetvalue(result, 0, 0), NULL, 10) != PQbackendPID(session->connection)) {
        snprintf(text, sizeof text,
                 "a connection pooler stands between: the backend is process %s, but the login said %d; name the "
                 "server itself in the target's address",
                 PQgetvalue(result, 0, 0), PQbackendPID(session->connection));
        conclude(session, BF_CLASS_PROXY, text);
    } else if (!PQenterPipelineMode(session->connection)) {
        conclude(session, BF_CLASS_TERMINAL, "libpq refuses pipeline mode");
    } else {
        bf_session_watch(session, UV_READABLE);
        conclude(session, BF_CLASS_NONE, "");
    }
}

void bf_session_prove_step(struct bf_session *session)
{
    int flushed = PQflush(session->connection);

    if (flushed < 0 || !PQconsumeInput(session->connection)) {
        char text[BF_ERROR_TEXT_MAX];
        read_failure(session->connection, text, sizeof text);
        conclude(session, BF_CLASS_UNREACHABLE, text);
        return;
    }
    bf_session_watch(session, UV_READABLE | (flushed ? UV_WRITABLE : 0));
    if (PQisBusy(session->connection))
        return;
    PGresult *result = PQgetResult(session->connection);
    for (PGresult *more = result; more;) { /* the result is whole: what follows it is there too */
        more = PQgetResult(session->connection);
        PQclear(more);
    }
    conclude_proof(session, result);
    PQclear(result);
}
