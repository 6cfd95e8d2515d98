/* The sources of the configuration, asked over HTTP: Prometheus' instant query API, the status of an endpoint, or a number in
 * its JSON. */
#ifndef BF_ADAPTER_HTTP_SOURCES_H
#define BF_ADAPTER_HTTP_SOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "source.h"

struct bf_curl;

enum bf_source_type { BF_SOURCE_PROMETHEUS, BF_SOURCE_JSON, BF_SOURCE_STATUS };
#define BF_SOURCE_TYPES "prometheus, json, status" /* in this order */

struct bf_source_settings {
    char *name, *url;
    char *token_file; /* NULL: none */
    enum bf_source_type type;
    int64_t timeout;  /* milliseconds */
};

struct bf_sources *bf_http_sources_new(struct bf_curl *curl); /* which outlives it */
/* From now on there are these and no others; they are copied. What is under way is answered by the former ones. */
void bf_http_sources_set(struct bf_sources *sources, const struct bf_source_settings *list, size_t count);
void bf_http_sources_free(struct bf_sources *sources); /* nothing is under way; NULL is fine */

#endif
