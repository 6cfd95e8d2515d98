/* The certificate that the daemon shows its clients, and its key: read from two PEM files, checked, and kept as GnuTLS
 * has them. Blocks while it reads; what is loaded never changes, so any thread may look at it. */
#ifndef BF_DAEMON_TLS_H
#define BF_DAEMON_TLS_H

#include <gnutls/abstract.h>
#include <stdbool.h>
#include <stdint.h>

struct bf_tls;

/* TLS 1.3 and 1.2 with forward secrecy and authenticated ciphers, and nothing of before; in GnuTLS's own words. */
#define BF_TLS_PRIORITIES                                                                                         \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:+AES-256-GCM:"        \
    "+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:%SERVER_PRECEDENCE"

/* Paths of PEM files; behind the daemon's own certificate stand those that lead to its authority. NULL: `ret_fault`, which
 * the caller frees, names the file and what is wrong with it. One that is not valid now is loaded. */
struct bf_tls *bf_tls_load(const char *certificate, const char *key, char **ret_fault);
void bf_tls_free(struct bf_tls *tls); /* NULL is fine */

/* Why clients will refuse it at that time (unix seconds): it has expired, or is not valid yet. Owned; NULL: they won't. */
char *bf_tls_invalid_at(const struct bf_tls *tls, int64_t now);
int64_t bf_tls_until(const struct bf_tls *tls); /* unix seconds */
bool bf_tls_same(const struct bf_tls *one, const struct bf_tls *other); /* the same, and those behind it */
const char *bf_tls_text(const struct bf_tls *tls); /* "CN=db-admin.example, until 2027-01-31T00:00:00.000Z, 1 more behind it", for the log */
/* Is it for this host: one of its names (wildcards count), or its address? */
bool bf_tls_names(const struct bf_tls *tls, const char *host);

/* A copy for one handshake, which GnuTLS frees with its session. 0, or an error of GnuTLS's. */
int bf_tls_copy(const struct bf_tls *tls, gnutls_pcert_st **ret_chain, unsigned *ret_length, gnutls_privkey_t *ret_key);

#endif
