/* JSON that somebody sent. A whole number over 64 bits, or a number over a double's, is JSON, too, and the library does not read
 * it: the largest one that it reads stands in its place, so that whoever knows the field says what its bounds are. Pure. */
#ifndef BF_JOB_JSON_READ_H
#define BF_JOB_JSON_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { BF_LARGE_NUMBERS_MAX = 16 }; /* in one text; with more of them it is not read */

/* Any value, no member twice. Owned; NULL: it is not JSON, *ret_fault says where. *ret_large: such a number stood in it. */
json_t *bf_json_read(const char *text, size_t length, bool *ret_large, json_error_t *ret_fault);

#endif
