/* TLS by libmicrohttpd: the certificate is asked for at each handshake, so that another one can take its place while
 * connections are open. A handshake that does not go on waits in the library and never in the loop; connections.c gives
 * it the time of a request that does not come. */
#include "server.h"

#include <sys/socket.h>

/* Of the one server of the process: GnuTLS gives the callback nothing of ours. Set while that server listens. */
static const struct bf_tls *shown;

static int show(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **chain,
                unsigned *length, gnutls_ocsp_data_st **ocsp, unsigned *ocsp_length, gnutls_privkey_t *key,
                unsigned *flags)
{
    (void)session;
    (void)info;
    *ocsp = NULL;
    *ocsp_length = 0;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL; /* the copy goes with its session: the certificate may be replaced before */
    return bf_tls_copy(shown, chain, length, key);
}

void bf_http_secure_options(const struct bf_http *http, struct MHD_OptionItem options[BF_HTTP_SECURE_OPTIONS])
{
    size_t count = 0;
    shown = http->listen.tls;
    if (shown) {
        options[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)BF_TLS_PRIORITIES};
        options[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)(uintptr_t)show};
    }
    options[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

const struct bf_tls *bf_http_tls(const struct bf_http *http)
{
    return http->listen.tls;
}

void bf_http_set_tls(struct bf_http *http, struct bf_tls *tls)
{
    bf_listen_secure(&http->listen, tls);
    shown = http->listen.tls;
}

void bf_http_say_past(const struct bf_http_connection *connection, const char *text, size_t length)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (!info) {
        (void)!send(connection->socket, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        return;
    }
    gnutls_session_t session = info->tls_session;
    if (gnutls_record_send(session, text, length) > 0) gnutls_bye(session, GNUTLS_SHUT_WR);
}
