/* mysql://user@host1,host2:3307/database?option=value: what the client library has no parser for. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "buffer.h"
#include "mysql_database.h"
#include "mysql_session.h"

bool bf_mysql_is_url(const char *url)
{
    return !strncmp(url, "mysql://", 8) || !strncmp(url, "mariadb://", 10);
}

void bf_mysql_url_free(struct bf_mysql_url *url)
{
    if (!url)
        return;
    free(url->user);
    free(url->database);
    free(url->socket);
    free(url->ssl_ca);
    free(url->ssl_cert);
    free(url->ssl_key);
    for (size_t i = 0; i < url->host_count; i++)
        free(url->hosts[i].name);
    free(url);
}

static int hex(char digit)
{
    return isdigit((unsigned char)digit) ? digit - '0' : tolower((unsigned char)digit) - 'a' + 10;
}

/* %40 becomes @; NULL where a percent sign has no two digits behind it, or stands for NUL. */
static char *decode(const char *text, size_t length)
{
    struct bf_buffer buffer = {0};
    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        if (byte == '%') {
            if (i + 2 >= length || !isxdigit((unsigned char)text[i + 1]) || !isxdigit((unsigned char)text[i + 2]))
                goto bad;
            byte = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
            if (!byte)
                goto bad;
        }
        bf_buffer_append(&buffer, &byte, 1);
    }
    return bf_buffer_take(&buffer);
bad:
    bf_buffer_clear(&buffer);
    return NULL;
}

static const char *add_host(struct bf_mysql_url *url, const char *text, size_t length)
{
    if (url->host_count == BF_MYSQL_HOSTS_MAX)
        return "it names too many hosts (limit 16)";
    struct bf_mysql_host *host = &url->hosts[url->host_count++];
    const char *end = text + length, *colon = memrchr(text, ':', length), *name_end = end;
    const char *bracket = *text == '[' ? memchr(text, ']', length) : NULL;

    if (bracket && colon && colon < bracket)
        colon = NULL;
    host->port = 3306;
    if (colon) {
        name_end = colon;
        host->port = 0;
        for (const char *p = colon + 1; p < end; p++) {
            if (!isdigit((unsigned char)*p) || host->port > 65535)
                return "a port is not a number from 1 to 65535";
            host->port = host->port * 10 + (unsigned)(*p - '0');
        }
        if (host->port < 1 || host->port > 65535)
            return "a port is not a number from 1 to 65535";
    }
    host->name = bracket ? bf_copy_bytes(text + 1, (size_t)(bracket - text - 1))
                         : decode(text, (size_t)(name_end - text));
    return host->name && *host->name ? NULL : "a host has no name";
}

/* Takes the value over where the option is a path that does not stand yet. */
static bool take_path(struct bf_mysql_url *url, const char *option, size_t length, char *value)
{
    const struct {
        const char *name;
        char **path;
    } paths[] = {
        {"socket", &url->socket}, {"ssl-ca", &url->ssl_ca}, {"ssl-cert", &url->ssl_cert}, {"ssl-key", &url->ssl_key}};

    for (size_t i = 0; i < BF_COUNT(paths); i++)
        if (strlen(paths[i].name) == length && !strncmp(option, paths[i].name, length) && !*paths[i].path) {
            *paths[i].path = value;
            return true;
        }
    return false;
}

static const char *set_option(struct bf_mysql_url *url, const char *text, size_t length)
{
    static const char *const modes[] = {"preferred", "disabled", "required", "verify_ca", "verify_identity"};
    const char *equals = memchr(text, '=', length);
    size_t name = equals ? (size_t)(equals - text) : length;
    char *value = equals ? decode(equals + 1, length - name - 1) : NULL;
    const char *fault = NULL;

    if (!value || !*value) {
        fault = "an option has no value";
    } else if (take_path(url, text, name, value)) {
        return NULL;
    } else if (name == 8 && !strncmp(text, "ssl-mode", name)) {
        fault = "ssl-mode is one of preferred, disabled, required, verify_ca, verify_identity";
        for (size_t i = 0; i < BF_COUNT(modes); i++)
            if (!strcasecmp(value, modes[i])) {
                url->ssl = (enum bf_mysql_ssl)i;
                fault = NULL;
            }
    } else {
        fault = "it has an option that is not known or stands twice; there are socket, ssl-mode, ssl-ca, ssl-cert and "
                "ssl-key";
    }
    free(value);
    return fault;
}

/* Nothing that would be ignored: who names an authority wants the certificate to be verified. */
static const char *tls_fault(const struct bf_mysql_url *url)
{
    if (url->ssl >= BF_MYSQL_SSL_VERIFY_CA && !url->ssl_ca)
        return "ssl-mode verify_ca and verify_identity need ssl-ca, the path of a file with the authority's certificate";
    if (url->ssl_ca && url->ssl < BF_MYSQL_SSL_VERIFY_CA)
        return "ssl-ca needs ssl-mode verify_ca or verify_identity: in the other modes no certificate is verified";
    if (!url->ssl_cert != !url->ssl_key)
        return "ssl-cert and ssl-key, the daemon's own certificate and its key, go together";
    if (url->ssl_cert && url->ssl < BF_MYSQL_SSL_REQUIRED)
        return "ssl-cert needs ssl-mode required, verify_ca or verify_identity";
    return NULL;
}

static const char *parse(struct bf_mysql_url *url, const char *text)
{
    const char *fault = NULL;
    text = strstr(text, "://") + 3;
    const char *query = strchr(text, '?'), *end = query ? query : text + strlen(text);
    const char *slash = memchr(text, '/', (size_t)(end - text));
    const char *at = memrchr(text, '@', (size_t)((slash ? slash : end) - text));

    if (!slash || slash + 1 == end)
        return "it names no database: mysql://user@host/database";
    if (!at || at == text)
        return "it names no user: mysql://user@host/database";
    if (memchr(text, ':', (size_t)(at - text)))
        return "a password does not belong in the URL: put it into password_file";
    url->user = decode(text, (size_t)(at - text));
    url->database = decode(slash + 1, (size_t)(end - slash - 1));
    if (!url->user || !url->database || strchr(url->database, '/'))
        return "the user or the database is not written as in a URL (a % is %25, a / is %2F)";
    for (const char *host = at + 1; !fault && host <= slash; host++) {
        size_t length = strcspn(host, ",/");
        fault = length ? add_host(url, host, length) : "a host has no name";
        host += length;
    }
    for (const char *option = query ? query + 1 : NULL; !fault && option && *option;) {
        size_t length = strcspn(option, "&");
        fault = set_option(url, option, length);
        option += length + (option[length] == '&');
    }
    if (!fault && url->socket && url->host_count != 1)
        fault = "a socket goes with one host, localhost";
    return fault ? fault : tls_fault(url);
}

struct bf_mysql_url *bf_mysql_url_parse(const char *text, const char **ret_fault)
{
    struct bf_mysql_url *url = BF_NEW(struct bf_mysql_url);
    *ret_fault = bf_mysql_is_url(text) ? parse(url, text) : "it does not begin with mysql:// or mariadb://";
    if (!*ret_fault)
        return url;
    bf_mysql_url_free(url);
    return NULL;
}

bool bf_mysql_valid(const char *text, char *fault_text, size_t size)
{
    const char *fault;
    struct bf_mysql_url *url = bf_mysql_url_parse(text, &fault);
    snprintf(fault_text, size, "%s", fault ? fault : "");
    bf_mysql_url_free(url);
    return !fault;
}

char *bf_mysql_replica_url(const char *url, const char *primary)
{
    const char *authority = strstr(url, "://") + 3, *end = authority + strcspn(authority, "/?");
    const char *named = strstr(primary, "://") + 3;
    named += strcspn(named, "/");
    if (*end == '/')
        return bf_copy_string(url);
    return bf_format("%.*s%.*s%s", (int)(end - url), url, (int)strcspn(named, "?"), named, end);
}

char *bf_mysql_url_at(const char *primary, const char *address)
{
    const char *authority = strstr(primary, "://") + 3, *slash = authority + strcspn(authority, "/");
    const char *at = memrchr(authority, '@', (size_t)(slash - authority)), *query = slash + strcspn(slash, "?");
    struct bf_buffer buffer = {0};
    const char *between = "?";
    bf_buffer_append(&buffer, primary, (size_t)(at + 1 - primary));
    bf_buffer_text(&buffer, address);
    bf_buffer_append(&buffer, slash, (size_t)(query - slash));
    for (const char *option = *query ? query + 1 : ""; *option; option += option[strcspn(option, "&")] != 0) {
        size_t length = strcspn(option, "&");
        if (strncmp(option, "socket=", 7) != 0) {
            bf_buffer_format(&buffer, "%s%.*s", between, (int)length, option);
            between = "&";
        }
        option += length;
    }
    return bf_buffer_take(&buffer);
}

bool bf_mysql_valid_replica(const char *text, char *fault_text, size_t size)
{
    const char *fault;
    BF_AUTO_STRING char *whole = bf_mysql_replica_url(text, "mysql://user@host/database");
    struct bf_mysql_url *url = bf_mysql_url_parse(whole, &fault);
    if (url && url->host_count > 1)
        fault = "it names several hosts: each replica has a URL of its own";
    snprintf(fault_text, size, "%s", fault ? fault : "");
    bf_mysql_url_free(url);
    return !fault;
}
