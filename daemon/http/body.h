/* What the bodies of requests may hold (but for the job document, which has tables of its own) and which requests may be
 * made conditional, as rows: the check and the description of the interface are made from them. */
#ifndef BF_HTTP_BODY_H
#define BF_HTTP_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "backfilld/api.h"

struct bf_http_request;

enum { BF_HTTP_WORDS_MAX = 500 }; /* bytes */
#define BF_HTTP_FOR_MIN INT64_C(1000)               /* milliseconds */
#define BF_HTTP_FOR_MAX (INT64_C(366) * 86400000)

enum bf_body_kind {
    BF_BODY_FLAG,      /* true or false */
    BF_BODY_WORDS,     /* one line of up to WORDS_MAX bytes */
    BF_BODY_DURATION,  /* FOR_MIN to FOR_MAX */
    BF_BODY_NAME,      /* of a job: the engine says what is wrong with it */
    BF_BODY_LABEL,     /* NAME=VALUE, or NAME:VALUE */
    BF_BODY_CHOICE,    /* one of `choices` */
    BF_BODY_CHANGE     /* of a section of the job document: the engine says what is wrong with it */
};

struct bf_body_field {
    const char *name;
    enum bf_body_kind kind;
    uint64_t routes;     /* bits of enum bf_route_name */
    bool required;
    const char *choices; /* "a|b" */
    const char *help;
};
const struct bf_body_field *bf_body_field(size_t index); /* NULL past the end */
/* What stands between the name and the value of a label; NULL: nothing. */
const char *bf_body_label_mark(const char *text);
#define BF_ROUTE_BIT(route) (UINT64_C(1) << (route))

/* The request's body, checked: an owned object, empty where no body came; NULL: answered. */
json_t *bf_http_body(struct bf_http_request *request);

/* Headers that change what a request means. */
struct bf_condition {
    const char *name;
    uint64_t routes;
    const char *help;
};
const struct bf_condition *bf_condition(size_t index); /* NULL past the end */
/* Refuses (answers and returns false) those that the route does not take, and malformed ones. */
bool bf_http_check_conditions(struct bf_http_request *request);

#endif
