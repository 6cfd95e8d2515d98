/* A request's target, taken apart by strict rules: every segment and parameter is decoded once, is UTF-8 and has no
 * control character. "a%2Fb" is one segment. Nothing is normalised: "..", "//" and a final "/" fit no route. Pure. */
#ifndef BF_HTTP_URI_H
#define BF_HTTP_URI_H

#include <stddef.h>

#include "result.h"

enum { BF_URI_SEGMENTS_MAX = 8, BF_URI_PARAMETERS_MAX = 32 };

struct bf_parameter {
    char *name;
    char *value; /* "" where there was no "=" */
};

struct bf_uri {
    char *segments[BF_URI_SEGMENTS_MAX]; /* owned; "/" is one empty segment */
    size_t segment_count;
    struct bf_parameter parameters[BF_URI_PARAMETERS_MAX]; /* owned */
    size_t parameter_count;
};

/* BF_BAD_REQUEST, or BF_NOT_FOUND for a path of too many segments. The result has to be cleared in every case. */
enum bf_code bf_uri_parse(const char *text, struct bf_uri *ret_uri, struct bf_error *error);
void bf_uri_clear(struct bf_uri *uri);

#endif
