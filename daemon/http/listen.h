/* Where the daemon listens: the configured text made a listening socket, and the question whether a Host or an Origin
 * means this daemon (which is what keeps a web page on another name, DNS rebinding included, from giving orders). */
#ifndef BF_HTTP_LISTEN_H
#define BF_HTTP_LISTEN_H

#include <stdbool.h>

#include "result.h"
#include "tls.h"

struct bf_listen {
    int socket;    /* listening, non-blocking, close-on-exec; -1: none */
    char *address; /* owned: "http://127.0.0.1:43211", "https://…" or "unix:/path" */
    char *host;    /* owned: as a Host header names it ("[::1]"); NULL for a unix socket */
    int port;      /* 0 for a unix socket */
    char *path;    /* owned: the socket file; NULL for TCP */
    struct bf_tls *tls; /* owned: the certificate; NULL: http */
    bool is_public; /* other machines can reach it */
    bool is_any;    /* 0.0.0.0 or [::]: every address of this machine is meant */
};

/* `anywhere`: also where others can reach it. BF_BAD_REQUEST: the text is no address, or one that is not allowed; BF_BUSY: it is
 * in use; BF_INTERNAL: the system refused. */
enum bf_code bf_listen_open(const char *text, bool anywhere, struct bf_listen *ret_listen, struct bf_error *error);
/* What listens on TCP speaks https from now on, with this certificate, which is taken over; NULL: it stays as it is. */
void bf_listen_secure(struct bf_listen *listen, struct bf_tls *tls);
/* Removes the socket file and frees; the socket itself belongs to the server by then. */
void bf_listen_clear(struct bf_listen *listen);

/* `host` as in a Host header, NULL: none was sent. What the certificate names is ours, too. */
bool bf_listen_host_ours(const struct bf_listen *listen, const char *host);
/* `origin` as in an Origin header. */
bool bf_listen_origin_ours(const struct bf_listen *listen, const char *origin);
/* The same of what a proxy in front of us is called: public_url of the configuration, or NULL. */
bool bf_listen_host_public(const char *public_url, const char *host);
bool bf_listen_origin_public(const char *public_url, const char *origin);

#endif
