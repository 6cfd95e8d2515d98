#include "values.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "allocate.h"
#include "curl_client.h"
#include "duration.h"
#include "mysql_database.h"
#include "password_file.h"

/* Decimal digits only; strtol alone would take " +7". False: not a number in the bounds. */
static bool parse_number(const char *text, long least, long most, long *ret_number)
{
    char *end;

    if (!isdigit((unsigned char)*text) || strlen(text) > 9)
        return false;
    long number = strtol(text, &end, 10);
    if (*end || number < least || number > most)
        return false;
    *ret_number = number;
    return true;
}

static char *check_socket_path(const char *path)
{
    if (*path != '/')
        return bf_copy_string("the path of a Unix socket must begin with \"/\"");
    if (strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return bf_copy_string("the path of a Unix socket is limited to 107 bytes");
    return NULL;
}

static bool is_loopback4(const struct in_addr *address)
{
    return ntohl(address->s_addr) >> 24 == 127;
}

char *bf_value_listen(const char *value, bool *ret_public)
{
    static const char form[] = "must be an address and a port such as 127.0.0.1:8420 or [::1]:8420, or unix:/path";
    struct in6_addr address6;
    struct in_addr address4;
    bool loopback;
    long port;

    *ret_public = false;
    if (strncmp(value, "unix:", 5) == 0)
        return check_socket_path(value + 5);
    const char *colon = strrchr(value, ':');
    if (!colon || colon == value)
        return bf_copy_string(form);

    size_t length = (size_t)(colon - value);
    bool bracketed = length > 2 && value[0] == '[' && colon[-1] == ']';
    BF_AUTO_STRING char *address = bracketed ? bf_copy_bytes(value + 1, length - 2) : bf_copy_bytes(value, length);
    if (bracketed && inet_pton(AF_INET6, address, &address6) == 1)
        loopback = IN6_IS_ADDR_LOOPBACK(&address6);
    else if (!bracketed && strcmp(address, "localhost") == 0)
        loopback = true;
    else if (!bracketed && inet_pton(AF_INET, address, &address4) == 1)
        loopback = is_loopback4(&address4);
    else
        return bf_copy_string(form);
    if (!parse_number(colon + 1, 0, 65535, &port))
        return bf_format("\"%s\" is not a port (0 to 65535; 0: any free one)", colon + 1);
    *ret_public = !loopback;
    return NULL;
}

char *bf_value_metrics_role(const char *value, bool *ret_need_viewer)
{
    bool viewer = strcmp(value, "viewer") == 0;

    if (!viewer && strcmp(value, "none") != 0)
        return bf_copy_string("must be none or viewer");
    *ret_need_viewer = viewer;
    return NULL;
}

char *bf_value_state(const char *value, char **ret_path)
{
    if (strncmp(value, "sqlite:", 7) != 0)
        return bf_copy_string("must be sqlite: and the path of a file, such as sqlite:/var/lib/backfilld/state.db");
    if (value[7] != '/')
        return bf_copy_string("the path after sqlite: must begin with \"/\"");
    *ret_path = bf_copy_string(value + 7);
    return NULL;
}

char *bf_value_jobs(const char *value, char **ret_path)
{
    struct stat status;

    if (*value != '/')
        return bf_copy_string("must be a path that begins with \"/\"");
    if (stat(value, &status) < 0)
        return bf_format("%s cannot be read: %s", value, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return bf_format("%s is not a directory", value);
    if (access(value, R_OK | X_OK) < 0)
        return bf_format("%s cannot be read: %s", value, strerror(errno));
    *ret_path = bf_copy_string(value);
    return NULL;
}

char *bf_value_path(const char *value, char **ret_path)
{
    if (*value != '/')
        return bf_copy_string("must be a path that begins with \"/\"");
    *ret_path = bf_copy_string(value);
    return NULL;
}

char *bf_value_audit(const char *value, char **ret_path)
{
    if (strcmp(value, "none") != 0)
        return bf_value_path(value, ret_path);
    *ret_path = bf_copy_string(value);
    return NULL;
}

char *bf_value_keep(const char *value, int64_t *ret_milliseconds)
{
    const int64_t second = 1000;
    int64_t milliseconds;

    if (!bf_duration_parse(value, &milliseconds))
        return bf_format("\"%s\" is not a duration; write it like \"180d\"", value);
    if (milliseconds < second)
        return bf_copy_string("must be at least 1s");
    *ret_milliseconds = milliseconds;
    return NULL;
}

char *bf_value_section_name(const char *kind, const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(name);

    if (length == 0)
        return bf_format("a %s needs a name: [%s NAME]", kind, kind);
    if (length > 63 || strspn(name, allowed) != length || strchr("._-", name[0]))
        return bf_format("a %s's name has 1 to 63 of a-z 0-9 . _ - and begins with a letter or a digit", kind);
    return NULL;
}

char *bf_value_source_url(const char *value, char **ret_url)
{
    char *fault = bf_curl_url_fault(value);

    if (!fault)
        *ret_url = bf_copy_string(value);
    return fault;
}

char *bf_value_public_url(const char *value, char **ret_url)
{
    char *fault = bf_curl_url_fault(value);
    size_t length = strlen(value);

    if (fault || strchr(value, '?'))
        return fault ? fault : bf_copy_string("holds a query (?)");
    while (value[length - 1] == '/')
        length--;
    *ret_url = bf_copy_bytes(value, length);
    return NULL;
}

char *bf_value_webhook_format(const char *value, enum bf_webhook_format *ret_format)
{
    if (strcmp(value, "json") != 0 && strcmp(value, "slack") != 0)
        return bf_copy_string("must be json or slack");
    *ret_format = *value == 's' ? BF_WEBHOOK_SLACK : BF_WEBHOOK_JSON;
    return NULL;
}

char *bf_value_source_type(const char *value, enum bf_source_type *ret_type)
{
    static const char *const names[] = {"prometheus", "json", "status"};

    for (size_t i = 0; i < BF_COUNT(names); i++)
        if (strcmp(value, names[i]) == 0) {
            *ret_type = (enum bf_source_type)i;
            return NULL;
        }
    return bf_copy_string("must be one of " BF_SOURCE_TYPES);
}

char *bf_value_source_timeout(const char *value, int64_t *ret_milliseconds)
{
    int64_t milliseconds;

    if (!bf_duration_parse(value, &milliseconds) || milliseconds < 100 || milliseconds > 30000)
        return bf_format("\"%s\" is not a duration from 100ms to 30s", value);
    *ret_milliseconds = milliseconds;
    return NULL;
}

/* Before libpq sees the URL, because libpq's complaints quote parts of it: a password must be found first. */
static bool holds_password(const char *url)
{
    static const char *const secret[] = {"password", "sslpassword", "passwd"};
    const char *authority = strstr(url, "://") + 3;
    const char *query = strchr(authority, '?');
    const char *end = query ? query : authority + strlen(authority);
    const char *at = memrchr(authority, '@', (size_t)(end - authority));

    if (at && memchr(authority, ':', (size_t)(at - authority)))
        return true;
    /* A "?" inside a password hides the "@" behind it. */
    if (query && strchr(query, '@') && memchr(authority, ':', (size_t)(end - authority)) && !at)
        return true;
    for (const char *part = query; part; part = strchr(part + 1, '&'))
        for (size_t i = 0; i < BF_COUNT(secret); i++) {
            size_t length = strlen(secret[i]);
            if (strncasecmp(part + 1, secret[i], length) == 0 && part[1 + length] == '=')
                return true;
        }
    return false;
}

/* One of `words`, which have ", " between them. */
static bool is_one_of(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL)
        if (strcspn(at, ",") == length && strncmp(at, word, length) == 0)
            return true;
    return false;
}

/* What libpq itself looks at when it connects only. Owned; NULL: nothing. */
static char *check_option(const PQconninfoOption *option)
{
    static const struct {
        const char *keyword, *words;
    } choices[] = {
        {"sslmode", "disable, allow, prefer, require, verify-ca, verify-full"},
        {"target_session_attrs", "any, read-write, read-only, primary, standby, prefer-standby"},
    };
    long port;

    for (size_t i = 0; i < BF_COUNT(choices); i++)
        if (strcmp(option->keyword, choices[i].keyword) == 0 && !is_one_of(choices[i].words, option->val))
            return bf_format("%s is one of %s", choices[i].keyword, choices[i].words);
    for (const char *at = strcmp(option->keyword, "port") == 0 ? option->val : NULL; at;
         at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        BF_AUTO_STRING char *text = bf_copy_bytes(at, strcspn(at, ","));
        if (*text && !parse_number(text, 1, 65535, &port)) /* without one it is the default */
            return bf_format("\"%s\" is not a port (1 to 65535)", text);
    }
    return NULL;
}

char *bf_value_primary(const char *value, char **ret_url)
{
    char *message = NULL;

    if (bf_mysql_is_url(value)) {
        char fault[256];
        if (!bf_mysql_valid(value, fault, sizeof fault))
            return bf_format("is not a URL that can be used: %s", fault);
        *ret_url = bf_copy_string(value);
        return NULL;
    }
    if (strncmp(value, "postgresql://", 13) != 0 && strncmp(value, "postgres://", 11) != 0)
        return bf_copy_string("must be a URL such as postgresql://backfill@db1/shop or mysql://backfill@db1/shop");
    if (holds_password(value))
        return bf_copy_string("a password does not belong in the URL: put it into password_file or ~/.pgpass (an \"@\" "
                              "that is not the end of a user name is written %40)");
    PQconninfoOption *options = PQconninfoParse(value, &message);
    if (!options) {
        size_t length = message ? strcspn(message, "\n") : 0;
        char *fault = bf_format("is not a URL that libpq understands: %.*s", (int)length, message ? message : "");
        PQfreemem(message);
        return fault;
    }
    bool secret = false;
    char *fault = NULL;
    for (const PQconninfoOption *option = options; option->keyword; option++) {
        bool given = option->val && *option->val;
        secret = secret || (given && strchr(option->dispchar, '*'));
        if (given && !fault)
            fault = check_option(option);
    }
    PQconninfoFree(options);
    if (secret) {
        free(fault);
        return bf_copy_string("a password does not belong in the URL: put it into password_file or ~/.pgpass");
    }
    if (fault)
        return fault;
    *ret_url = bf_copy_string(value);
    return NULL;
}

char *bf_value_password_file(const char *value, char **ret_path)
{
    char path[BF_SECRET_PATH_MAX], text[BF_SECRET_PATH_MAX + 128];
    struct stat status;

    if (*value != '/' && strncmp(value, BF_CREDENTIAL_PREFIX, strlen(BF_CREDENTIAL_PREFIX)) != 0)
        return bf_copy_string("must be a path that begins with \"/\", or " BF_CREDENTIAL_PREFIX "NAME");
    enum bf_secret found = bf_secret_path(value, path, text, sizeof text);
    if (found == BF_SECRET_BAD_NAME)
        return bf_copy_string(text);
    if (found == BF_SECRET_PATH) {
        if (stat(path, &status) < 0 || access(path, R_OK) < 0)
            return bf_format("%s cannot be read: %s", path, strerror(errno));
        if (!S_ISREG(status.st_mode))
            return bf_format("%s is not a file", path);
        if (status.st_mode & S_IRWXO)
            return bf_format("%s is open to everyone (mode %04o): chmod 600 %s", path, (unsigned)status.st_mode & 07777U,
                             path);
    }
    *ret_path = bf_copy_string(value);
    return NULL;
}

char *bf_value_max_jobs(const char *value, int *ret_jobs)
{
    long jobs;

    if (!parse_number(value, 1, BF_TARGET_JOBS_MAX, &jobs))
        return bf_format("\"%s\" is not a whole number from 1 to %d", value, BF_TARGET_JOBS_MAX);
    *ret_jobs = (int)jobs;
    return NULL;
}

char *bf_value_require_approval(const char *value, enum bf_approval *ret_approval)
{
    if (!bf_approval_by_name(value, ret_approval))
        return bf_format("\"%s\" is not one of: all, yellow, red, none", value);
    return NULL;
}

char *bf_value_two_person(const char *value, enum bf_approval *ret_two_person)
{
    enum bf_approval two_person;

    if (!bf_approval_by_name(value, &two_person) || two_person == BF_APPROVAL_YELLOW)
        return bf_format("\"%s\" is not one of: none, red, all", value);
    *ret_two_person = two_person;
    return NULL;
}

char *bf_value_plan_window(const char *value, int64_t *ret_milliseconds)
{
    if (!bf_duration_parse(value, ret_milliseconds) || *ret_milliseconds < 10 || *ret_milliseconds > 5000)
        return bf_format("\"%s\" is not a duration from 10ms to 5s", value);
    return NULL;
}

/* Where the next URL of a list begins; NULL: this is the last one. A URL may have commas of its own, between its hosts. */
static const char *next_url(const char *text)
{
    static const char *const schemes[] = {"postgresql://", "postgres://", "mysql://", "mariadb://"};

    for (const char *comma = strchr(text, ','); comma; comma = strchr(comma + 1, ',')) {
        const char *next = comma + 1 + strspn(comma + 1, " \t");
        for (size_t i = 0; i < BF_COUNT(schemes); i++)
            if (strncmp(next, schemes[i], strlen(schemes[i])) == 0)
                return next;
    }
    return NULL;
}

static size_t url_length(const char *text, const char *next)
{
    size_t length = next ? (size_t)(next - text) : strlen(text);

    while (length > 0 && next && strchr(", \t", text[length - 1]))
        length--;
    return length;
}

static char *replica_url(const char *url, char **ret_url)
{
    char fault[256];

    if (strpbrk(url, " \t"))
        return bf_copy_string("has a blank in it (behind a comma comes another URL, with its scheme)");
    if (!bf_mysql_is_url(url))
        return bf_value_primary(url, ret_url);
    if (!bf_mysql_valid_replica(url, fault, sizeof fault))
        return bf_format("is not a URL that can be used: %s", fault);
    *ret_url = bf_copy_string(url);
    return NULL;
}

char *bf_value_replicas(const char *value, struct bf_replicas *ret_replicas)
{
    struct bf_replicas replicas = {0};
    bool word = strcmp(value, "none") == 0 || strcmp(value, "auto") == 0;
    char *fault = NULL;

    for (const char *at = word ? NULL : value, *next; at && !fault; at = next) {
        next = next_url(at);
        BF_AUTO_STRING char *url = bf_copy_bytes(at, url_length(at, next));
        if (replicas.count == BF_REPLICAS_MAX) {
            fault = bf_format("there are too many (limit %d)", BF_REPLICAS_MAX);
        } else {
            BF_AUTO_STRING char *wrong = replica_url(url, &replicas.urls[replicas.count]);
            if (wrong)
                fault = bf_format("\"none\", \"auto\" or URLs: number %zu%s%s", replicas.count + 1,
                                  *wrong == '"' ? ": " : " ", wrong);
            else
                replicas.count++;
        }
    }
    if (fault) {
        bf_replicas_clear(&replicas);
        return fault;
    }
    replicas.text = bf_copy_string(value);
    *ret_replicas = replicas;
    return NULL;
}
