/* HTTP requests to others on the loop: libcurl's multi interface, driven by libuv. Nothing here blocks: names are looked up
 * in libcurl's threads, files with secrets are read on the thread pool.
 *
 * Redirects are not followed, no proxy of the environment is used, and an address that is link-local (169.254.0.0/16,
 * fe80::/10: where clouds keep credentials) is refused after its name was resolved. */
#ifndef BF_ADAPTER_CURL_CLIENT_H
#define BF_ADAPTER_CURL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct bf_curl;
struct bf_curl_call;

struct bf_curl_request {
    const char *url;         /* http or https */
    const char *body;        /* is posted as application/json; NULL: GET */
    const char *token_file;  /* its first line is sent as Authorization: Bearer; NULL: none */
    const char *secret_file; /* its first line signs the body, as X-Backfilld-Signature: sha256=HMAC in hex; NULL: none */
    int64_t timeout;         /* milliseconds, for all of it */
};

/* trouble NULL: it was answered, with any status. Else why not, without the URL's path and query; valid during the call. */
typedef void bf_curl_done(void *argument, const char *trouble, int status, const char *body, size_t length);

struct bf_curl *bf_curl_new(uv_loop_t *loop);
void bf_curl_free(struct bf_curl *curl); /* calls under way end without a word; NULL is fine */
/* Never NULL. `done` comes once, from the loop, never from inside the call; then the call is gone. Texts are copied. */
struct bf_curl_call *bf_curl_ask(struct bf_curl *curl, const struct bf_curl_request *request, bf_curl_done *done,
                                 void *argument);
/* The same for what cannot even be asked: `done` gets this trouble. */
struct bf_curl_call *bf_curl_say(struct bf_curl *curl, const char *trouble, bf_curl_done *done, void *argument);
void bf_curl_cancel(struct bf_curl_call *call); /* no callback comes any more */

/* What is wrong with the URL of a configuration: http or https, without user, password or fragment, not link-local. Owned; NULL:
 * it is fine. Does not repeat what may be a secret. */
char *bf_curl_url_fault(const char *url);

#endif
