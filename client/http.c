#include <errno.h>
#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "buffer.h"
#include "http_inside.h"
#include "text.h"

enum { CONNECT_TIMEOUT = 5000 }; /* milliseconds */

static const struct {
    const char *method, *path;
} routes[] = {
#define X(constant, method, path, role, handler, summary) {#method, path},
    BF_ROUTES(X)
#undef X
};

/* The parts of an http or https URL that may be there: scheme, host, port and a path to stand before ours. */
static bool check_url(const char *url)
{
    CURLU *parts = curl_url();
    char *user = NULL, *query = NULL, *fragment = NULL, *scheme = NULL;
    const char *fault = NULL;
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, 0);
    if (code != CURLUE_OK) {
        fault = curl_url_strerror(code);
    } else if (curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && strcmp(scheme, "http") != 0 &&
               strcmp(scheme, "https") != 0) {
        fault = "only http and https are spoken";
    } else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        fault = "it holds a user or password; use --token-file";
    } else if (curl_url_get(parts, CURLUPART_QUERY, &query, 0) == CURLUE_OK ||
               curl_url_get(parts, CURLUPART_FRAGMENT, &fragment, 0) == CURLUE_OK) {
        fault = "it holds a query or fragment";
    }
    if (fault && user)
        bf_say("the daemon's URL cannot be used: %s", fault);
    else if (fault) /* without what may be a token: the message may be logged */
        bf_say("the daemon's URL %.*s cannot be used: %s; write http://HOST:PORT, https://HOST:PORT or unix:/PATH",
               (int)strcspn(url, "?#"), url, fault);
    curl_free(user);
    curl_free(query);
    curl_free(fragment);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return fault == NULL;
}

static int progress(void *argument, curl_off_t down, curl_off_t downloaded, curl_off_t up, curl_off_t uploaded)
{
    const struct bf_http *http = argument;
    (void)down, (void)downloaded, (void)up, (void)uploaded;
    return http->stop && *http->stop;
}

static size_t receive(char *bytes, size_t size, size_t count, void *argument)
{
    struct bf_buffer *body = argument;
    bf_buffer_append(body, bytes, size * count);
    return body->overflow ? 0 : size * count;
}

static void set_headers(struct bf_http *http, const char *token)
{
    http->plain = curl_slist_append(NULL, "Accept: " BF_API_JSON);
    http->with_body = curl_slist_append(NULL, "Accept: " BF_API_JSON);
    http->with_body = curl_slist_append(http->with_body, "Content-Type: " BF_API_JSON);
    http->with_body = curl_slist_append(http->with_body, "Expect:");
    if (token) {
        char *header BF_AUTO_STRING = bf_format("Authorization: Bearer %s", token);
        http->plain = curl_slist_append(http->plain, header);
        http->with_body = curl_slist_append(http->with_body, header);
        explicit_bzero(header, strlen(header));
    }
}

struct bf_http *bf_http_new(const char *url, const char *token, const char *authorities, const volatile sig_atomic_t *stop)
{
    bool local = strncmp(url, "unix:", 5) == 0;
    if (local && url[5] != '/') {
        bf_say("the daemon's URL %s cannot be used: unix: needs an absolute path", url);
        return NULL;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (!local && !check_url(url)) {
        curl_global_cleanup();
        return NULL;
    }
    struct bf_http *http = BF_NEW(struct bf_http);
    http->url = bf_copy_string(url);
    http->base = bf_copy_string(local ? "http://localhost" : url);
    http->authorities = bf_copy_string(authorities);
    http->socket = local ? bf_copy_string(url + 5) : NULL;
    http->stop = stop;
    for (size_t length = strlen(http->base); length > 0 && http->base[length - 1] == '/'; length--)
        http->base[length - 1] = '\0';
    set_headers(http, token);
    http->curl = curl_easy_init();
    if (!http->curl) {
        bf_say("libcurl could not be started");
        bf_http_free(http);
        return NULL;
    }
    return http;
}

void bf_http_free(struct bf_http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->curl);
    curl_slist_free_all(http->plain);
    curl_slist_free_all(http->with_body);
    free(http->url);
    free(http->base);
    free(http->authorities);
    free(http->socket);
    free(http);
    curl_global_cleanup();
}

const char *bf_http_url(const struct bf_http *http)
{
    return http->url;
}

char *bf_percent_encode(const char *text)
{
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~";
    bool dots = text[strspn(text, ".")] == '\0'; /* "." and ".." would be taken as steps of the path */
    struct bf_buffer encoded = {0};
    for (; *text; text++) {
        if (strchr(kept, *text) || (*text == '.' && !dots))
            bf_buffer_append(&encoded, text, 1);
        else
            bf_buffer_format(&encoded, "%%%02X", (unsigned char)*text);
    }
    return bf_buffer_take(&encoded);
}

char *bf_http_address(const struct bf_http *http, enum bf_route_name route, const char *const names[2], const char *query)
{
    const char *path = routes[route].path;
    struct bf_buffer url = {0};
    bf_buffer_text(&url, http->base);
    for (size_t i = 0; i < 2 && strchr(path, '{'); i++) {
        char *encoded BF_AUTO_STRING = bf_percent_encode(names[i]);
        bf_buffer_append(&url, path, strcspn(path, "{"));
        bf_buffer_text(&url, encoded);
        path = strchr(path, '}') + 1;
    }
    bf_buffer_text(&url, path);
    bf_buffer_text(&url, query ? query : "");
    return bf_buffer_take(&url);
}

void bf_http_prepare(const struct bf_http *http, CURL *curl, const char *url, const struct curl_slist *headers)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* no proxy of the environment gets orders and token */
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "backfillctl/" BF_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (http->authorities) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, http->authorities);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* else the system's would do, too */
    }
    if (http->socket)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, http->socket);
}

static void prepare(struct bf_http *http, const char *method, const char *url, const struct curl_slist *headers,
                    const char *body, int64_t timeout)
{
    CURL *curl = http->curl;
    curl_easy_reset(curl); /* options only: the connection is kept */
    bf_http_prepare(http, curl, url, headers);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->fault);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

/* What curl found out about an answer that came. */
static void take_answer(struct bf_http *http, struct bf_reply *reply)
{
    const char *type = NULL;
    curl_off_t seconds = 0;
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_easy_getinfo(http->curl, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &seconds);
    reply->retry_after = (long)seconds;
    reply->problem = type && strncasecmp(type, BF_API_PROBLEM, sizeof BF_API_PROBLEM - 1) == 0;
    if (type && (reply->problem || strncasecmp(type, BF_API_JSON, sizeof BF_API_JSON - 1) == 0))
        reply->json = json_loads(reply->body, 0, NULL);
}

/* Why there was no answer. Of a socket's file curl says that localhost does not listen on port 80. */
static char *why_unreachable(const struct bf_http *http, CURLcode code)
{
    const char *fault = http->fault[0] ? http->fault : curl_easy_strerror(code);
    long number = 0;
    if (http->socket && code == CURLE_COULDNT_CONNECT) {
        curl_easy_getinfo(http->curl, CURLINFO_OS_ERRNO, &number);
        if (number == EACCES)
            return bf_format("%s: it is for its owner and the members of its group (of the service: the group backfilld)", strerror(EACCES));
        return bf_copy_string(number ? strerror((int)number) : "nobody listens there");
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return bf_format("its certificate cannot be verified: %s; %s", fault,
                         http->authorities ? "the file of --cacert or BACKFILLD_CACERT has to hold its authority, and the URL "
                                             "a name that the certificate is for"
                                           : "name its authority with --cacert FILE or BACKFILLD_CACERT");
    if (code == CURLE_SSL_CACERT_BADFILE && http->authorities)
        return bf_format("%s, the file of --cacert or BACKFILLD_CACERT, holds no certificate in PEM", http->authorities);
    if (code == CURLE_SSL_CONNECT_ERROR)
        return bf_format("%s; does it speak https?", fault);
    if (code == CURLE_GOT_NOTHING && strncmp(http->base, "http:", 5) == 0)
        return bf_format("%s; does it speak https?", fault);
    return bf_copy_string(fault);
}

static void ask(struct bf_http *http, enum bf_route_name route, const char *const names[2], const char *query,
                const struct curl_slist *headers, const char *body, int64_t timeout, struct bf_reply *reply)
{
    *reply = (struct bf_reply){.reached = BF_UNREACHABLE};
    bool changes = strcmp(routes[route].method, "GET") != 0;
    struct bf_buffer received = {.ceiling = BF_REPLY_MAX};
    char *url BF_AUTO_STRING = bf_http_address(http, route, names, query);
    prepare(http, routes[route].method, url, headers, body, timeout > 0 ? timeout : 1);
    curl_easy_setopt(http->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, &received);
    http->fault[0] = '\0';
    CURLcode code = curl_easy_perform(http->curl);
    bool overflow = received.overflow;
    reply->body = bf_buffer_take(&received);
    if (code == CURLE_OK) {
        reply->reached = BF_REACHED;
        take_answer(http, reply);
    } else if (code == CURLE_ABORTED_BY_CALLBACK) {
        reply->reached = BF_STOPPED;
    } else if (overflow) {
        snprintf(reply->text, sizeof reply->text, "the answer is larger than %d MiB", BF_REPLY_MAX / 1024 / 1024);
    } else {
        /* once the order was sent, silence does not say whether it was heard */
        long sent = 0;
        char *why BF_AUTO_STRING = why_unreachable(http, code);
        curl_easy_getinfo(http->curl, CURLINFO_REQUEST_SIZE, &sent);
        snprintf(reply->text, sizeof reply->text, "%s%s", why,
                 changes && sent > 0 ? "; the order may have been heard: look at the job before giving it again" : "");
    }
}

void bf_http_ask(struct bf_http *http, enum bf_route_name route, const char *job, const char *query, const char *body,
                 int64_t timeout, struct bf_reply *ret_reply)
{
    const char *const names[2] = {job, NULL};
    ask(http, route, names, query, body ? http->with_body : http->plain, body, timeout, ret_reply);
}

void bf_http_ask_replica(struct bf_http *http, enum bf_route_name route, const char *target, const char *replica,
                         const char *body, int64_t timeout, struct bf_reply *ret_reply)
{
    ask(http, route, (const char *const[]){target, replica}, NULL, http->with_body, body, timeout, ret_reply);
}

void bf_http_ask_with(struct bf_http *http, enum bf_route_name route, const char *job, const char *header,
                      const char *body, int64_t timeout, struct bf_reply *ret_reply)
{
    /* curl's list has no copy of its own: the one header goes in front of those that stay. */
    struct curl_slist *first = curl_slist_append(NULL, header);
    first->next = body ? http->with_body : http->plain;
    ask(http, route, (const char *const[]){job, NULL}, NULL, first, body, timeout, ret_reply);
    first->next = NULL;
    curl_slist_free_all(first);
}

void bf_reply_clear(struct bf_reply *reply)
{
    free(reply->body);
    json_decref(reply->json);
    *reply = (struct bf_reply){0};
}
