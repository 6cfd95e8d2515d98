/* The query parameters of each route, as a table: requests are checked against it, and /v1/openapi.json shows it. */
#ifndef BF_HTTP_QUERY_H
#define BF_HTTP_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "backfilld/api.h"

struct bf_http_request;

enum bf_query_kind {
    BF_QUERY_TEXT,
    BF_QUERY_NUMBER,  /* a whole number from `low` to `high` */
    BF_QUERY_BOOLEAN, /* "true" or "false" */
    BF_QUERY_STATE,   /* the name of a state */
    BF_QUERY_LABEL,   /* NAME:VALUE */
    BF_QUERY_ID,      /* the id of a job */
    BF_QUERY_TIME,    /* RFC 3339 */
    BF_QUERY_CHOICE   /* one of `choices` */
};

struct bf_query {
    const char *name;
    enum bf_query_kind kind;
    bool repeated; /* may be given more than once */
    int64_t low, high;
    const char *choices; /* "a|b" */
    int64_t standard; /* of a number; below `low`: none */
    const char *help;
};

/* The parameters that a route takes; the last row has no name. */
const struct bf_query *bf_query_of(enum bf_route_name route);

/* Refuses (answers and returns false) what does not fit the route's rows. Called once, before the handler. */
bool bf_http_check_query(struct bf_http_request *request);

/* For handlers, after that check. The first of that name, NULL: not there. */
const char *bf_http_parameter(const struct bf_http_request *request, const char *name);
bool bf_http_flag(const struct bf_http_request *request, const char *name);
int64_t bf_http_time(const struct bf_http_request *request, const char *name); /* unix milliseconds; 0: not there */
int64_t bf_http_number(const struct bf_http_request *request, const char *name);

#endif
