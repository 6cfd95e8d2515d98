/* From a URL to a session that is proven ours. Everything here blocks and runs on a thread of its own. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allocate.h"
#include "buffer.h"
#include "mysql_dialect.h"
#include "mysql_session.h"
#include "password_file.h"

enum { IDLE_TIMEOUT = 60, WAIT_TIMEOUT = 86400 /* seconds */ };
/* Numbers of errors: below the first one they are the server's; the second is of our own. */
enum { CLIENT_ERRORS = 2000, NO_PASSWORD = 2999 };

/* The two libraries differ here and in socket_of alone. bool and my_bool are both one byte. */
static void set_tls(MYSQL *connection, const struct bf_mysql_url *url)
{
    if (url->ssl_ca)
        mysql_options(connection, MYSQL_OPT_SSL_CA, url->ssl_ca);
    if (url->ssl_cert) {
        mysql_options(connection, MYSQL_OPT_SSL_CERT, url->ssl_cert);
        mysql_options(connection, MYSQL_OPT_SSL_KEY, url->ssl_key);
    }
#ifdef MARIADB_PACKAGE_VERSION_ID
    static const char yes = 1, no = 0;
    if (url->ssl == BF_MYSQL_SSL_DISABLED)
        return;
    mysql_options(connection, MYSQL_OPT_SSL_ENFORCE, &yes); /* in truth: prefer */
    /* With an authority given the certificate is verified always; what this asks for is the host's name in it. */
    mysql_options(connection, MYSQL_OPT_SSL_VERIFY_SERVER_CERT,
                  url->ssl == BF_MYSQL_SSL_VERIFY_IDENTITY ? &yes : &no);
    /* A fingerprint, also an empty one, that is compared with none, refuses a server that offers no TLS before the
     * password goes out. */
    if (url->ssl >= BF_MYSQL_SSL_REQUIRED)
        mysql_options(connection, MARIADB_OPT_TLS_PEER_FP, "");
#else
    static const unsigned modes[] = {[BF_MYSQL_SSL_PREFERRED] = SSL_MODE_PREFERRED,
                                     [BF_MYSQL_SSL_DISABLED] = SSL_MODE_DISABLED,
                                     [BF_MYSQL_SSL_REQUIRED] = SSL_MODE_REQUIRED,
                                     [BF_MYSQL_SSL_VERIFY_CA] = SSL_MODE_VERIFY_CA,
                                     [BF_MYSQL_SSL_VERIFY_IDENTITY] = SSL_MODE_VERIFY_IDENTITY};
    static const bool yes = true;
    mysql_options(connection, MYSQL_OPT_SSL_MODE, &modes[url->ssl]);
    mysql_options(connection, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &yes); /* Connector/C always does */
#endif
}

static int socket_of(MYSQL *connection)
{
#ifdef MARIADB_PACKAGE_VERSION_ID
    return (int)mysql_get_socket(connection);
#else
    return connection->net.fd;
#endif
}

/* Why there is no connection, and what to do where TLS is the reason. */
static void login_text(MYSQL *connection, const struct bf_mysql_url *url, size_t host, char *text, size_t size)
{
    unsigned number = mysql_errno(connection);
    const char *hint = "";

    if (number == 2026 && url->ssl == BF_MYSQL_SSL_VERIFY_IDENTITY)
        hint = "; the certificate must name this host and be signed by an authority in ssl-ca";
    else if (number == 2026 && url->ssl == BF_MYSQL_SSL_VERIFY_CA)
        hint = "; the server's certificate must be signed by an authority in ssl-ca";
    else if (number == 2026 && url->ssl == BF_MYSQL_SSL_REQUIRED)
        hint = "; ssl-mode is required";
    else if ((number == 1045 || number == 3159) && url->ssl == BF_MYSQL_SSL_DISABLED)
        hint = "; ssl-mode is disabled, and the server or the account may demand TLS";
    snprintf(text, size, "%s:%u: %s (%u)%s", url->socket ? url->socket : url->hosts[host].name, url->hosts[host].port,
             mysql_error(connection), number, hint);
}

MYSQL *bf_mysql_open(const struct bf_session *session, size_t host, unsigned seconds, unsigned *ret_number, char *text,
                     size_t size)
{
    const struct bf_mysql_url *url = session->url;
    char password[BF_PASSWORD_MAX] = "";
    int64_t longest = 2 * session->options.statement_timeout + session->options.query_timeout;
    unsigned silence = (unsigned)(longest / 1000) + 10, off = 0;
    unsigned protocol = url->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;

    if (session->password_file && !bf_password_read(session->password_file, password, text, size)) {
        *ret_number = NO_PASSWORD;
        return NULL;
    }
    MYSQL *connection = mysql_init(NULL);
    mysql_options(connection, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(connection, MYSQL_OPT_READ_TIMEOUT, &silence);
    mysql_options(connection, MYSQL_OPT_WRITE_TIMEOUT, &silence);
    mysql_options(connection, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(connection, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(connection, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(connection, MYSQL_OPT_CONNECT_ATTR_RESET, NULL);
    mysql_options4(connection, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", session->application_name);
    set_tls(connection, url);
    MYSQL *good = mysql_real_connect(connection, url->socket ? NULL : url->hosts[host].name, url->user,
                                     session->password_file ? password : NULL,
                                     session->options.needs_no_database ? NULL : url->database, url->hosts[host].port,
                                     url->socket,
                                     CLIENT_MULTI_STATEMENTS | (session->options.counts_found ? CLIENT_FOUND_ROWS : 0));
    explicit_bzero(password, sizeof password);
    if (!good) {
        *ret_number = mysql_errno(connection);
        login_text(connection, url, host, text, size);
        mysql_close(connection);
    } else if (url->ssl >= BF_MYSQL_SSL_REQUIRED && !mysql_get_ssl_cipher(good)) {
        *ret_number = 2026;
        snprintf(text, size, "%s:%u: the connection is not encrypted, and ssl-mode wants it to be", url->hosts[host].name,
                 url->hosts[host].port);
        mysql_close(good);
        good = NULL;
    }
    return good;
}

void bf_mysql_close_connection(struct bf_session *session)
{
    if (session->socket >= 0)
        close(session->socket);
    session->socket = -1;
    if (session->connection)
        mysql_close(session->connection);
    session->connection = NULL;
}

/* One row of a query; false with a text when there is none. The result has to be freed. */
static bool ask(MYSQL *connection, const char *query, MYSQL_RES **ret_result, MYSQL_ROW *ret_row)
{
    *ret_result = NULL;
    if (mysql_real_query(connection, query, (unsigned long)strlen(query)))
        return false;
    *ret_result = mysql_store_result(connection);
    *ret_row = *ret_result ? mysql_fetch_row(*ret_result) : NULL;
    return *ret_row;
}

static void fail(struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    session->connect_class = error_class;
    snprintf(session->connect_text, sizeof session->connect_text, "%s", text);
}

/* What the refusal of a login means: it stays until someone changes something, or it may be better later. */
static enum bf_error_class login_class(unsigned number)
{
    static const unsigned refused[] = {1044, 1045, 1049, 1130, 1131, 1251, 1275, 1524, 1698, 1820, 1862,
                                       2026, 2054, 2058, 2059, 2061, NO_PASSWORD, 3118, 3159, 4151};
    for (size_t i = 0; i < BF_COUNT(refused); i++)
        if (refused[i] == number)
            return BF_CLASS_LOGIN;
    return BF_CLASS_UNREACHABLE;
}

/* Servers that speak the protocol and are something else. */
static const char *look_alike(const char *version, const char *comment)
{
    static const char *const names[] = {"TiDB", "Vitess", "ProxySQL", "OceanBase", "SingleStore", "MemSQL",
                                        "StarRocks", "Doris", "Aurora", "Dolt", "PolarDB"};
    for (size_t i = 0; i < BF_COUNT(names); i++)
        if (strcasestr(version, names[i]) || strcasestr(comment, names[i]))
            return names[i];
    return NULL;
}

/* The server's own SQL mode, strict, and with zero dates as they are. TRADITIONAL would bring back what it stands for.
 * The caller frees it. */
static char *sql_mode(const char *own)
{
    static const char *const without[] = {"NO_ZERO_DATE", "NO_ZERO_IN_DATE", "TRADITIONAL"};
    struct bf_buffer buffer = {0};
    bf_buffer_text(&buffer, "STRICT_ALL_TABLES,STRICT_TRANS_TABLES");
    for (const char *at = own; *at;) {
        size_t length = strcspn(at, ",");
        bool keep = length > 0;
        for (size_t i = 0; i < BF_COUNT(without); i++)
            keep = keep && !(strlen(without[i]) == length && !strncasecmp(at, without[i], length));
        if (keep)
            bf_buffer_format(&buffer, ",%.*s", (int)length, at);
        at += length + (at[length] == ',');
    }
    return bf_buffer_take(&buffer);
}

/* Everything that a statement's meaning or a key's text depends on. */
static char *settings_text(const struct bf_session *session, const char *own_mode)
{
    struct bf_buffer buffer = {0};
    BF_AUTO_STRING char *mode = sql_mode(own_mode);
    int64_t lock = (session->options.lock_timeout + 999) / 1000, statement = session->options.statement_timeout;

    bf_buffer_format(&buffer,
                     "/* backfilld */ SET SESSION sql_mode = '%s', time_zone = '+00:00', autocommit = 1, "
                     "completion_type = 'NO_CHAIN', sql_safe_updates = 0, sql_auto_is_null = 0, sql_notes = 0, "
                     "sql_select_limit = 18446744073709551615, wait_timeout = %d, innodb_lock_wait_timeout = %lld, "
                     "lock_wait_timeout = %lld",
                     mode, WAIT_TIMEOUT, (long long)(lock ? lock : 1), (long long)(lock ? lock : 1));
    if (session->mariadb)
        bf_buffer_format(&buffer, ", default_regex_flags = '', max_statement_time = %lld.%03lld, idle_transaction_timeout = %d",
                         (long long)(statement / 1000), (long long)(statement % 1000), IDLE_TIMEOUT);
    else
        bf_buffer_format(&buffer, ", max_execution_time = %lld, information_schema_stats_expiry = 0",
                         (long long)statement);
    return bf_buffer_take(&buffer);
}

/* Locks by name, held as long as the connection lasts. One is its own: who looks whether connection 7 holds it knows
 * whether 7 is still that connection, before a KILL. The other is one of those of the job, by which its lost
 * sessions are found (END_LOST_SESSIONS). */
static char *locks_text(const struct bf_session *session)
{
    struct bf_buffer buffer = {0};
    bf_buffer_format(&buffer, "/* backfilld */ SELECT GET_LOCK('%s', 0), ", session->lock);
    for (int i = 0; i < BF_MYSQL_LOCK_COUNT; i++)
        bf_buffer_format(&buffer, "%sGET_LOCK('%s %d', 0) = 1", i ? " OR " : "", session->application_name, i);
    return bf_buffer_take(&buffer);
}

static bool set_up(struct bf_session *session, const char *own_mode)
{
    MYSQL *connection = session->connection;
    BF_AUTO_STRING char *settings = settings_text(session, own_mode), *locks = locks_text(session);
    static const char isolation[] = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE";
    MYSQL_RES *result = NULL;
    MYSQL_ROW row;
    bool good = !mysql_real_query(connection, settings, (unsigned long)strlen(settings)) &&
                !mysql_real_query(connection, isolation, sizeof isolation - 1) && ask(connection, locks, &result, &row);

    if (good && (!row[0] || strcmp(row[0], "1"))) {
        fail(session, BF_CLASS_UNREACHABLE,
             "the server gave no lock by name (GET_LOCK), by which a session is known as ours");
        good = false;
    } else if (!good) {
        char text[600];
        unsigned number = mysql_errno(connection);
        snprintf(text, sizeof text, "the session could not be set up: %s (%u)", mysql_error(connection), number);
        enum bf_error_class error_class = bf_mysql_classify(number, mysql_sqlstate(connection));
        fail(session, error_class == BF_CLASS_DEFINITION || error_class == BF_CLASS_TERMINAL ? BF_CLASS_TERMINAL
                                                                                             : BF_CLASS_UNREACHABLE,
             text);
    }
    mysql_free_result(result);
    return good;
}

static void keep_alive(struct bf_session *session)
{
    int on = 1, idle = 10, interval = 5, count = 3;
    session->socket = dup(socket_of(session->connection));
    if (session->socket < 0)
        return;
    setsockopt(session->socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(session->socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(session->socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(session->socket, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

/* What a host said of itself. */
struct found {
    MYSQL *connection;
    size_t host;
    bool writable, mariadb;
    char *instance, *mode;
};

static void drop(struct found *found)
{
    if (found->connection)
        mysql_close(found->connection);
    free(found->instance);
    free(found->mode);
    *found = (struct found){0};
}

/* False: there is no session with this host, and the session says why. */
static bool meet(struct bf_session *session, size_t host, unsigned seconds, struct found *found)
{
    static const char who[] =
        "/* backfilld */ SELECT CONNECTION_ID(), VERSION(), @@version_comment, @@sql_mode, "
        "CAST(@@global.read_only AS CHAR) IN ('0', 'OFF'), "
        BF_MYSQL_INSTANCE;
    char text[700];
    unsigned number = 0;
    MYSQL_RES *result = NULL;
    MYSQL_ROW row;
    MYSQL *connection = bf_mysql_open(session, host, seconds, &number, text, sizeof text);

    *found = (struct found){.connection = connection, .host = host};
    if (!connection) {
        fail(session, login_class(number), text);
        return false;
    }
    bool good = ask(connection, who, &result, &row);
    if (!good) {
        snprintf(text, sizeof text, "the server did not say who it is: %s", mysql_error(connection));
        fail(session, BF_CLASS_UNREACHABLE, text);
    } else if ((strtoull(row[0], NULL, 10) & 0xffffffffU) != (mysql_thread_id(connection) & 0xffffffffU)) {
        good = false;
        snprintf(text, sizeof text,
                 "the connection is %s, but the login said %lu: " BF_MYSQL_BETWEEN, row[0], mysql_thread_id(connection));
        fail(session, BF_CLASS_PROXY, text);
    } else if (look_alike(row[1], row[2])) {
        good = false;
        snprintf(text, sizeof text, "this is %s (%.80s), neither MySQL nor MariaDB; look-alikes are refused until they "
                 "are tested", look_alike(row[1], row[2]), row[1]);
        fail(session, BF_CLASS_TERMINAL, text);
    } else {
        found->mariadb = strstr(row[1], "MariaDB");
        found->writable = row[4] && row[4][0] == '1';
        found->mode = bf_copy_string(row[3]);
        found->instance = bf_copy_string(row[5]);
        if (mysql_get_server_version(connection) < (found->mariadb ? 100600UL : 80000UL)) {
            good = false;
            snprintf(text, sizeof text, "the server is version %.80s; MariaDB 10.6 and MySQL 8.0 are the oldest that work",
                     row[1]);
            fail(session, BF_CLASS_TERMINAL, text);
        }
    }
    mysql_free_result(result);
    if (!good)
        drop(found);
    return good;
}

/* The one writable server among the hosts; with one host that one, writable or not. */
static bool choose(struct bf_session *session, struct found *chosen)
{
    const struct bf_mysql_url *url = session->url;
    unsigned seconds = (unsigned)(session->options.connect_timeout / 1000 / (int64_t)url->host_count);
    size_t read_only = 0;

    *chosen = (struct found){0};
    for (size_t i = 0; i < url->host_count; i++) {
        struct found found;
        if (!meet(session, i, seconds ? seconds : 1, &found)) {
            if (session->connect_class == BF_CLASS_PROXY) {
                drop(chosen);
                return false;
            }
            continue;
        }
        if (!found.writable && url->host_count > 1) {
            read_only++;
            drop(&found);
        } else if (!chosen->connection) {
            *chosen = found;
        } else if (!strcmp(chosen->instance, found.instance)) {
            drop(&found); /* the same server under two names */
        } else {
            char text[600];
            snprintf(text, sizeof text,
                     "two of the target's hosts are writable, %.100s:%u and %.100s:%u: which is the primary is not known; "
                     "SET GLOBAL read_only = 1 on the other, or take it out of `primary`",
                     url->hosts[chosen->host].name, url->hosts[chosen->host].port, url->hosts[i].name,
                     url->hosts[i].port);
            fail(session, BF_CLASS_LOGIN, text);
            drop(&found);
            drop(chosen);
            return false;
        }
    }
    if (!chosen->connection && read_only)
        fail(session, BF_CLASS_NOT_PRIMARY, "none of the target's hosts that answer is writable: waiting for the primary");
    return chosen->connection;
}

/* A second connection must come to the same server, or a KILL would miss: a load balancer shows itself by that. Another
 * server may say who it is, or refuse what the first one let in: it has no such database or account. A connection that
 * could not be made for any other reason says nothing. */
static bool same_server_again(struct bf_session *session)
{
    char text[700], refused[768];
    unsigned number = 0;
    MYSQL_RES *result = NULL;
    MYSQL_ROW row;
    if (session->url->socket)
        return true;
    MYSQL *connection = bf_mysql_open(session, session->host, 1, &number, text, sizeof text);
    if (!connection && number < CLIENT_ERRORS && login_class(number) == BF_CLASS_LOGIN) {
        snprintf(refused, sizeof refused, "the second of two connections to the same address was refused, as by another "
                 "server: %.250s; " BF_MYSQL_BETWEEN, text);
        fail(session, BF_CLASS_PROXY, refused);
        return false;
    }
    if (!connection)
        return true;
    bool same = !ask(connection, "/* backfilld */ SELECT " BF_MYSQL_INSTANCE, &result, &row) || !row[0] ||
                !strcmp(row[0], session->instance);
    mysql_free_result(result);
    mysql_close(connection);
    if (!same)
        fail(session, BF_CLASS_PROXY, "two connections to the same address came to two servers: " BF_MYSQL_BETWEEN);
    return same;
}

void bf_mysql_connect_work(struct bf_mysql_work *work)
{
    struct bf_session *session = work->data;
    struct found chosen;

    if (session->between) {
        fail(session, BF_CLASS_PROXY, "what was sent on one connection came to another: " BF_MYSQL_BETWEEN);
        return;
    }
    if (!choose(session, &chosen))
        return;
    session->connection = chosen.connection;
    chosen.connection = NULL;
    session->host = chosen.host;
    session->mariadb = chosen.mariadb;
    session->thread = mysql_thread_id(session->connection);
    session->instance = chosen.instance;
    chosen.instance = NULL;
    keep_alive(session);
    if (set_up(session, chosen.mode) && same_server_again(session))
        session->connect_class = BF_CLASS_NONE;
    else
        bf_mysql_close_connection(session);
    drop(&chosen);
}
