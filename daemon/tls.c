#include "tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "duration.h"

enum {
    FILE_MAX = 256 * 1024, /* bytes */
    KEY_ID = 32            /* bytes of SHA-256 */
};

struct bf_tls {
    gnutls_x509_crt_t *chain; /* GnuTLS's memory */
    unsigned length;
    gnutls_x509_privkey_t key;
    int64_t from, until; /* unix seconds */
    char *text;
};

/* With a NUL behind the last byte. NULL: `ret_fault` says why. */
static char *read_file(const char *path, size_t *ret_length, char **ret_fault)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        *ret_fault = bf_format("%s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    char *bytes = bf_allocate(FILE_MAX + 1);
    *ret_length = fread(bytes, 1, FILE_MAX, file);
    if (ferror(file))
        *ret_fault = bf_format("%s cannot be read: %s", path, strerror(errno));
    else if (*ret_length == FILE_MAX)
        *ret_fault = bf_format("%s is too large (limit 256 KiB)", path);
    fclose(file);
    if (!*ret_fault)
        return bytes;
    explicit_bzero(bytes, FILE_MAX);
    free(bytes);
    return NULL;
}

static char *load_chain(struct bf_tls *tls, const char *path)
{
    char *fault = NULL;
    size_t length = 0;
    BF_AUTO_STRING char *bytes = read_file(path, &length, &fault);

    if (!bytes)
        return fault;
    gnutls_datum_t text = {(unsigned char *)bytes, (unsigned)length};
    int code = gnutls_x509_crt_list_import2(&tls->chain, &tls->length, &text, GNUTLS_X509_FMT_PEM,
                                            GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
    if (code == GNUTLS_E_CERTIFICATE_LIST_UNSORTED)
        return bf_format("%s: the certificates are not in order: the daemon's own comes first, then the one that signed it, "
                         "and so on",
                         path);
    if (code < 0 || tls->length == 0)
        return bf_format("%s holds no certificate in PEM that can be used: %s", path, gnutls_strerror(code));
    tls->from = (int64_t)gnutls_x509_crt_get_activation_time(tls->chain[0]);
    tls->until = (int64_t)gnutls_x509_crt_get_expiration_time(tls->chain[0]);
    return NULL;
}

static char *load_key(struct bf_tls *tls, const char *path)
{
    char *fault = NULL;
    size_t length = 0;
    char *bytes = read_file(path, &length, &fault);

    if (!bytes)
        return fault;
    gnutls_datum_t text = {(unsigned char *)bytes, (unsigned)length};
    int code = gnutls_x509_privkey_init(&tls->key);
    if (code == 0)
        code = gnutls_x509_privkey_import2(tls->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    explicit_bzero(bytes, length);
    free(bytes);
    if (code == GNUTLS_E_DECRYPTION_FAILED)
        return bf_format("%s is locked with a passphrase, and nobody is there to type it: unlock it (openssl pkey) and "
                         "chmod 600",
                         path);
    return code < 0 ? bf_format("%s holds no private key in PEM that can be used: %s", path, gnutls_strerror(code)) : NULL;
}

static bool belong_together(const struct bf_tls *tls)
{
    unsigned char one[KEY_ID] = {0}, other[KEY_ID] = {1};
    size_t one_size = sizeof one, other_size = sizeof other;

    return gnutls_x509_crt_get_key_id(tls->chain[0], GNUTLS_KEYID_USE_SHA256, one, &one_size) == 0 &&
           gnutls_x509_privkey_get_key_id(tls->key, GNUTLS_KEYID_USE_SHA256, other, &other_size) == 0 &&
           one_size == other_size && memcmp(one, other, one_size) == 0;
}

static char *describe(const struct bf_tls *tls)
{
    gnutls_datum_t name = {0};
    char until[BF_TIME_TEXT], behind[32] = "";

    gnutls_x509_crt_get_dn3(tls->chain[0], &name, 0);
    if (tls->length > 1)
        snprintf(behind, sizeof behind, ", %u more behind it", tls->length - 1);
    char *text = bf_format("%s, until %s%s", name.data ? (const char *)name.data : "no subject",
                           bf_time_format(tls->until * 1000, until), behind);
    gnutls_free(name.data);
    return text;
}

struct bf_tls *bf_tls_load(const char *certificate, const char *key, char **ret_fault)
{
    struct bf_tls *tls = BF_NEW(struct bf_tls);
    char *fault = load_chain(tls, certificate);

    if (!fault)
        fault = load_key(tls, key);
    if (!fault && !belong_together(tls))
        fault = bf_format("the key in %s is not that of the certificate in %s", key, certificate);
    if (fault) {
        *ret_fault = fault;
        bf_tls_free(tls);
        return NULL;
    }
    tls->text = describe(tls);
    return tls;
}

void bf_tls_free(struct bf_tls *tls)
{
    if (!tls)
        return;
    for (unsigned i = 0; i < tls->length; i++)
        gnutls_x509_crt_deinit(tls->chain[i]);
    gnutls_free(tls->chain);
    gnutls_x509_privkey_deinit(tls->key);
    free(tls->text);
    free(tls);
}

char *bf_tls_invalid_at(const struct bf_tls *tls, int64_t now)
{
    char at[BF_TIME_TEXT];

    if (now >= tls->until)
        return bf_format("the certificate has expired at %s", bf_time_format(tls->until * 1000, at));
    if (now < tls->from)
        return bf_format("the certificate is not valid before %s", bf_time_format(tls->from * 1000, at));
    return NULL;
}

int64_t bf_tls_until(const struct bf_tls *tls)
{
    return tls->until;
}

bool bf_tls_same(const struct bf_tls *one, const struct bf_tls *other)
{
    bool same = one->length == other->length;

    for (unsigned i = 0; same && i < one->length; i++)
        same = gnutls_x509_crt_equals(one->chain[i], other->chain[i]) != 0;
    return same;
}

const char *bf_tls_text(const struct bf_tls *tls)
{
    return tls->text;
}

bool bf_tls_names(const struct bf_tls *tls, const char *host)
{
    return gnutls_x509_crt_check_hostname(tls->chain[0], host) != 0;
}

int bf_tls_copy(const struct bf_tls *tls, gnutls_pcert_st **ret_chain, unsigned *ret_length, gnutls_privkey_t *ret_key)
{
    gnutls_pcert_st *chain = gnutls_calloc(tls->length, sizeof *chain);
    gnutls_privkey_t key = NULL;
    unsigned made = 0;
    int code = chain ? gnutls_privkey_init(&key) : GNUTLS_E_MEMORY_ERROR;

    if (code == 0)
        code = gnutls_privkey_import_x509(key, tls->key, GNUTLS_PRIVKEY_IMPORT_COPY);
    while (code == 0 && made < tls->length) {
        code = gnutls_pcert_import_x509(&chain[made], tls->chain[made], 0);
        made += code == 0;
    }
    if (code != 0) {
        while (made > 0)
            gnutls_pcert_deinit(&chain[--made]);
        gnutls_free(chain);
        gnutls_privkey_deinit(key);
        return code;
    }
    *ret_chain = chain;
    *ret_length = made;
    *ret_key = key;
    return 0;
}
