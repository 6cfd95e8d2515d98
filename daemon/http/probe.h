/* What the targets' servers say of themselves, for /readyz and /v1/targets. */
#ifndef BF_HTTP_PROBE_H
#define BF_HTTP_PROBE_H

#include "server.h"

struct bf_probed {
    const struct bf_target *target;
    bool reachable;
    char text[BF_ERROR_TEXT_MAX]; /* why not */
    char version[64];             /* "" unless it is reachable */
    const char *role;             /* "primary", "replica", "read_only"; NULL unless it is reachable */
    json_t *foreign;              /* owned; see foreign.h; NULL: not known */
};

/* Calls `answer` as soon as every target has said what it has to say, or has not for two seconds; at once when that is
 * no older than two seconds. */
void bf_http_probe_ask(struct bf_http_request *request, void (*answer)(struct bf_http_request *request));
/* The index-th target of the engine, for who answers; NULL past the end. */
const struct bf_probed *bf_http_probed(const struct bf_http *http, size_t index);

#endif
