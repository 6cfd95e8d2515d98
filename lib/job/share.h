/* A number, or a share of something whose size is not known yet: "0.1%". Both are one whole number, in which every share is over
 * every count, so that of two of a kind the larger is the larger one, and who was allowed a count was allowed no share. Pure. */
#ifndef BF_JOB_SHARE_H
#define BF_JOB_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#define BF_SHARES INT64_C(1000000000000000) /* counts are under it; behind it come shares, in billionths */

bool bf_share_parse(const char *text, int64_t *ret_value); /* over 0% and under 100%, up to seven digits behind the point */
bool bf_share_of_number(double number, int64_t *ret_value); /* 0.001 is "0.1%": over 0 and under 1, in whole billionths */
enum { BF_SHARE_TEXT = 24 };
char *bf_share_format(int64_t value, char text[BF_SHARE_TEXT]); /* "5", or "0.1%" */
int64_t bf_count_or_share(int64_t value, int64_t of);      /* the count, or the share of that, rounded down */

#endif
