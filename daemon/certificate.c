#include "certificate.h"

#include <time.h>

#include "allocate.h"
#include "http.h"
#include "log.h"

enum { SOON = 14 * 86400 }; /* seconds */

void bf_certificate_check(const struct bf_config *config, struct bf_faults *faults)
{
    BF_AUTO_STRING char *invalid = config->tls ? bf_tls_invalid_at(config->tls, time(NULL)) : NULL;

    if (invalid)
        bf_faults_add(faults, config->tls_line, "tls_certificate: %s: %s", config->tls_certificate, invalid);
}

void bf_certificate_say(const struct bf_tls *tls)
{
    int64_t now = time(NULL);
    BF_AUTO_STRING char *invalid = tls ? bf_tls_invalid_at(tls, now) : NULL;

    if (invalid)
        bf_log(BF_LEVEL_ERROR, NULL, "tls_certificate: %s: clients that verify it cannot connect; put another one there and "
               "send SIGHUP", invalid);
    else if (tls && bf_tls_until(tls) - now < SOON)
        bf_log(BF_LEVEL_WARNING, NULL, "tls_certificate: it ends soon: %s", bf_tls_text(tls));
}

size_t bf_certificate_take_over(struct bf_http *http, struct bf_config *config)
{
    const struct bf_tls *shown = bf_http_tls(http);
    int64_t now = time(NULL);

    if (!shown != !config->tls)
        bf_log(BF_LEVEL_WARNING, NULL, "SIGHUP: tls_certificate: %s takes a restart of the daemon: until then it stays as it was",
               shown ? "https -> http" : "http -> https");
    if (!shown || !config->tls)
        return 0;
    if (bf_tls_same(shown, config->tls)) {
        bf_certificate_say(shown);
        return 0;
    }
    BF_AUTO_STRING char *invalid = bf_tls_invalid_at(config->tls, now), *before = bf_tls_invalid_at(shown, now);
    if (invalid && !before) {
        bf_log(BF_LEVEL_ERROR, NULL, "SIGHUP: tls_certificate: %s: %s; the one before stays (%s)", config->tls_certificate,
               invalid, bf_tls_text(shown));
        return 0;
    }
    bf_log(BF_LEVEL_NOTICE, NULL, "tls_certificate: %s -> %s", bf_tls_text(shown), bf_tls_text(config->tls));
    bf_certificate_say(config->tls);
    bf_http_set_tls(http, config->tls);
    config->tls = NULL;
    return 1;
}
