/* The number in what a source answered. Pure. */
#ifndef BF_ADAPTER_SOURCE_ANSWER_H
#define BF_ADAPTER_SOURCE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum { BF_ANSWER_TROUBLE = 200 };

/* Of Prometheus' instant query API: a scalar, or a vector of one element. False: `trouble` says why there is none. */
bool bf_answer_of_prometheus(int status, const char *body, size_t length, double *ret_value, char trouble[BF_ANSWER_TROUBLE]);
/* At a JSON pointer (RFC 6901): a number, a text that is one, true (1) or false (0). */
bool bf_answer_at_pointer(int status, const char *body, size_t length, const char *pointer, double *ret_value,
                          char trouble[BF_ANSWER_TROUBLE]);

#endif
