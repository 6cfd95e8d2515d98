/* What http.c and stream.c share. */
#ifndef BF_CLIENT_HTTP_INSIDE_H
#define BF_CLIENT_HTTP_INSIDE_H

#include <curl/curl.h>

#include "http.h"

struct bf_http {
    CURL *curl;
    char *url;  /* as given */
    char *base; /* what paths are appended to */
    char *authorities; /* path of a PEM file; NULL: the system's */
    char *socket; /* path of the unix socket; NULL: TCP */
    struct curl_slist *plain, *with_body; /* headers; Accept is the first one */
    const volatile sig_atomic_t *stop;
    char fault[CURL_ERROR_SIZE];
};

/* `names` stand in the route's path, in the order of its places. Owned. */
char *bf_http_address(const struct bf_http *http, enum bf_route_name route, const char *const names[2], const char *query);
/* What every request has, without a limit of its time; `headers` have to stay until it is over. */
void bf_http_prepare(const struct bf_http *http, CURL *curl, const char *url, const struct curl_slist *headers);

#endif
