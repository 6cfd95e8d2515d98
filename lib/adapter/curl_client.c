#include "curl_client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "allocate.h"
#include "buffer.h"
#include "hmac.h"
#include "password_file.h"

enum { ANSWER_MAX = 1024 * 1024 /* bytes */, CONNECTIONS_MAX = 32, TROUBLE_TEXT = 320 };

struct bf_curl {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    struct bf_curl_call *calls; /* list */
    int handles;                /* of the loop; with the last one this is freed */
    int reading;                /* files on the thread pool */
    bool closing;
};

struct bf_curl_call {
    struct bf_curl *curl;
    struct bf_curl_call *previous, *next;
    bf_curl_done *done;    /* NULL: cancelled while a file is read */
    void *argument;
    CURL *easy;            /* NULL: it did not begin yet */
    struct curl_slist *headers;
    struct bf_buffer answer;
    bool link_local;       /* an address was refused */
    char fault[CURL_ERROR_SIZE];
    uv_work_t work;        /* reads the files */
    bool reading;
    char *url, *body, *token_file, *secret_file; /* owned */
    int64_t timeout;
    char token[BF_PASSWORD_MAX], secret[BF_PASSWORD_MAX];
    char trouble[TROUBLE_TEXT]; /* of the files; "": none */
};

/* A socket of libcurl's, watched by the loop. */
struct watched_socket {
    uv_poll_t poll;
    struct bf_curl *curl;
};

/* ---- a call ends ---- */

static void unlink_call(struct bf_curl_call *call)
{
    if (call->previous)
        call->previous->next = call->next;
    else
        call->curl->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
}

static void free_call(struct bf_curl_call *call)
{
    if (call->easy) {
        curl_multi_remove_handle(call->curl->multi, call->easy);
        curl_easy_cleanup(call->easy);
    }
    for (struct curl_slist *header = call->headers; header; header = header->next)
        explicit_bzero(header->data, strlen(header->data));
    curl_slist_free_all(call->headers);
    explicit_bzero(call->token, sizeof call->token);
    explicit_bzero(call->secret, sizeof call->secret);
    free(bf_buffer_take(&call->answer));
    free(call->url);
    free(call->body);
    free(call->token_file);
    free(call->secret_file);
    free(call);
}

static void end_call(struct bf_curl_call *call, const char *trouble)
{
    long status = 0;
    if (!trouble)
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    size_t length = call->answer.length;
    char *answer BF_AUTO_STRING = bf_buffer_take(&call->answer);
    char kept[TROUBLE_TEXT];
    bf_curl_done *done = call->done;
    void *argument = call->argument;
    snprintf(kept, sizeof kept, "%s", trouble ? trouble : "");
    unlink_call(call);
    free_call(call);
    done(argument, trouble ? kept : NULL, (int)status, answer ? answer : "", length);
}

static void trouble_of(const struct bf_curl_call *call, CURLcode code, char trouble[TROUBLE_TEXT])
{
    if (call->link_local)
        snprintf(trouble, TROUBLE_TEXT, "its name means a link-local address, which is refused");
    else if (call->answer.overflow)
        snprintf(trouble, TROUBLE_TEXT, "its answer has more than 1 MiB");
    else
        snprintf(trouble, TROUBLE_TEXT, "%s", call->fault[0] ? call->fault : curl_easy_strerror(code));
}

static void take_ended(struct bf_curl *curl)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(curl->multi, &left)) != NULL;) {
        struct bf_curl_call *call;
        char trouble[TROUBLE_TEXT];
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        if (code != CURLE_OK)
            trouble_of(call, code, trouble);
        end_call(call, code == CURLE_OK ? NULL : trouble);
    }
}

/* ---- libcurl on the loop ---- */

static void freed_when_closed(struct bf_curl *curl)
{
    if (curl->closing && curl->handles == 0 && curl->reading == 0)
        free(curl);
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct watched_socket *socket = handle->data;
    struct bf_curl *curl = socket->curl;
    curl->handles--;
    free(socket);
    freed_when_closed(curl);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct watched_socket *socket = poll->data;
    struct bf_curl *curl = socket->curl;
    uv_os_fd_t descriptor;
    int running, flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    if (uv_fileno((uv_handle_t *)poll, &descriptor) != 0)
        return;
    curl_multi_socket_action(curl->multi, descriptor, status < 0 ? CURL_CSELECT_ERR : flags, &running);
    take_ended(curl);
}

static int watch_socket(CURL *easy, curl_socket_t descriptor, int what, void *argument, void *known)
{
    struct bf_curl *curl = argument;
    struct watched_socket *socket = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket) {
            curl_multi_assign(curl->multi, descriptor, NULL);
            uv_poll_stop(&socket->poll);
            uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
        }
        return 0;
    }
    if (!socket) {
        socket = BF_NEW(struct watched_socket);
        socket->curl = curl;
        if (uv_poll_init_socket(curl->loop, &socket->poll, descriptor) != 0) {
            free(socket);
            return -1;
        }
        socket->poll.data = socket;
        curl->handles++;
        curl_multi_assign(curl->multi, descriptor, socket);
    }
    uv_poll_start(&socket->poll, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0), on_socket);
    return 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct bf_curl *curl = timer->data;
    int running;
    curl_multi_socket_action(curl->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ended(curl);
}

static int set_timer(CURLM *multi, long milliseconds, void *argument)
{
    struct bf_curl *curl = argument;
    (void)multi;
    if (milliseconds < 0)
        uv_timer_stop(&curl->timer);
    else
        uv_timer_start(&curl->timer, on_timer, (uint64_t)milliseconds, 0);
    return 0;
}

struct bf_curl *bf_curl_new(uv_loop_t *loop)
{
    struct bf_curl *curl = BF_NEW(struct bf_curl);
    curl->loop = loop;
    uv_timer_init(loop, &curl->timer);
    curl->timer.data = curl;
    curl->handles = 1;
    return curl;
}

/* With the first call: a daemon that asks nobody does not pay for it. */
static void open_multi(struct bf_curl *curl)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl->multi = curl_multi_init();
    if (!curl->multi)
        abort(); /* out of memory */
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETDATA, curl);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERDATA, curl);
    curl_multi_setopt(curl->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct bf_curl *curl = handle->data;
    curl->handles--;
    freed_when_closed(curl);
}

void bf_curl_free(struct bf_curl *curl)
{
    if (!curl)
        return;
    while (curl->calls)
        bf_curl_cancel(curl->calls);
    if (curl->multi) {
        curl_multi_cleanup(curl->multi);
        curl_global_cleanup();
    }
    curl->closing = true;
    uv_close((uv_handle_t *)&curl->timer, on_timer_closed);
}

/* ---- one call ---- */

static bool is_link_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
        return ntohl(four->sin_addr.s_addr) >> 16 == 0xA9FE;
    }
    if (address->sa_family != AF_INET6)
        return false;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(six) || IN6_IS_ADDR_V4COMPAT(six))
        return six->s6_addr[12] == 0xA9 && six->s6_addr[13] == 0xFE;
    return IN6_IS_ADDR_LINKLOCAL(six);
}

/* Behind the look-up of the name, in front of the connection: what is refused here cannot become another address. */
static curl_socket_t open_socket(void *argument, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct bf_curl_call *call = argument;
    if (purpose != CURLSOCKTYPE_IPCXN || is_link_local(&address->addr)) {
        call->link_local = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t receive(char *bytes, size_t size, size_t count, void *argument)
{
    struct bf_curl_call *call = argument;
    bf_buffer_append(&call->answer, bytes, size * count);
    return call->answer.overflow ? 0 : size * count;
}

static void add_header(struct bf_curl_call *call, const char *name, const char *value)
{
    char *header = bf_format("%s%s", name, value);
    call->headers = curl_slist_append(call->headers, header);
    explicit_bzero(header, strlen(header));
    free(header);
}

static void set_headers(struct bf_curl_call *call)
{
    char mac[BF_HMAC_TEXT], signature[BF_HMAC_TEXT + 16];
    add_header(call, "Accept: ", "application/json");
    if (call->token_file)
        add_header(call, "Authorization: Bearer ", call->token);
    if (!call->body)
        return;
    add_header(call, "Content-Type: ", "application/json");
    add_header(call, "Expect:", "");
    if (!call->secret_file)
        return;
    bf_hmac_sha256(call->secret, strlen(call->secret), call->body, strlen(call->body), mac);
    snprintf(signature, sizeof signature, "sha256=%s", mac);
    add_header(call, "X-Backfilld-Signature: ", signature);
}

static void begin(struct bf_curl_call *call)
{
    if (!call->curl->multi)
        open_multi(call->curl);
    CURL *easy = call->easy = curl_easy_init();
    if (!easy)
        abort(); /* out of memory */
    set_headers(call);
    curl_easy_setopt(easy, CURLOPT_URL, call->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a look-up that hangs is not waited for */
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    /* A connection that is kept was made to an address that was looked at. */
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "backfilld/" BF_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->fault);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    if (call->body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(call->body));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
    }
    curl_multi_add_handle(call->curl->multi, easy);
}

static void read_files(uv_work_t *work)
{
    struct bf_curl_call *call = work->data;
    if (call->token_file && !bf_password_read(call->token_file, call->token, call->trouble, sizeof call->trouble))
        return;
    if (call->secret_file)
        bf_password_read(call->secret_file, call->secret, call->trouble, sizeof call->trouble);
}

static void files_read(uv_work_t *work, int status)
{
    struct bf_curl_call *call = work->data;
    struct bf_curl *curl = call->curl;
    (void)status;
    curl->reading--;
    call->reading = false;
    if (!call->done)
        free_call(call); /* cancelled meanwhile */
    else if (call->trouble[0])
        end_call(call, call->trouble);
    else
        begin(call);
    freed_when_closed(curl);
}

static void read_later(struct bf_curl_call *call)
{
    call->work.data = call;
    call->reading = true;
    call->curl->reading++;
    uv_queue_work(call->curl->loop, &call->work, read_files, files_read);
}

static struct bf_curl_call *new_call(struct bf_curl *curl, bf_curl_done *done, void *argument)
{
    struct bf_curl_call *call = BF_NEW(struct bf_curl_call);
    call->curl = curl;
    call->done = done;
    call->argument = argument;
    call->answer.ceiling = ANSWER_MAX;
    call->next = curl->calls;
    if (curl->calls)
        curl->calls->previous = call;
    curl->calls = call;
    return call;
}

struct bf_curl_call *bf_curl_ask(struct bf_curl *curl, const struct bf_curl_request *request, bf_curl_done *done,
                                 void *argument)
{
    struct bf_curl_call *call = new_call(curl, done, argument);
    call->url = bf_copy_string(request->url);
    call->body = bf_copy_string(request->body);
    call->token_file = bf_copy_string(request->token_file);
    call->secret_file = bf_copy_string(request->secret_file);
    call->timeout = request->timeout;
    if (call->token_file || call->secret_file)
        read_later(call);
    else
        begin(call);
    return call;
}

struct bf_curl_call *bf_curl_say(struct bf_curl *curl, const char *trouble, bf_curl_done *done, void *argument)
{
    struct bf_curl_call *call = new_call(curl, done, argument);
    snprintf(call->trouble, sizeof call->trouble, "%s", trouble);
    read_later(call); /* by way of the loop, as every answer */
    return call;
}

void bf_curl_cancel(struct bf_curl_call *call)
{
    unlink_call(call);
    call->done = NULL;
    if (!call->reading)
        free_call(call);
}

char *bf_curl_url_fault(const char *url)
{
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL, *fragment = NULL;
    unsigned char address[sizeof(struct in6_addr)];
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    char *fault = NULL;
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_HOST, &host, 0);
    size_t length = host ? strlen(host) : 0;
    char *bare BF_AUTO_STRING = length > 2 && host[0] == '[' ? bf_copy_bytes(host + 1, length - 2) : bf_copy_string(host ? host : "");
    if (code != CURLUE_OK)
        fault = bf_format("is not a URL that can be used: %s", curl_url_strerror(code));
    else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        fault = bf_copy_string("must begin with http:// or https://");
    else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK)
        fault = bf_copy_string("holds a user or a password");
    else if (curl_url_get(parts, CURLUPART_FRAGMENT, &fragment, 0) == CURLUE_OK)
        fault = bf_copy_string("holds a fragment (#)");
    else if (inet_pton(AF_INET, bare, address) == 1)
        memcpy(&four.sin_addr, address, sizeof four.sin_addr);
    else if (inet_pton(AF_INET6, bare, address) == 1)
        memcpy(&six.sin6_addr, address, sizeof six.sin6_addr);
    if (!fault && (is_link_local((struct sockaddr *)(void *)&four) || is_link_local((struct sockaddr *)(void *)&six)))
        fault = bf_copy_string("is a link-local address, which is refused");
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(fragment);
    curl_url_cleanup(parts);
    return fault;
}
