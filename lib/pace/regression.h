/* Is the query for the end of a batch far slower than it used to be? Then the server has changed its plan, and going on
 * would read the table over and over. Pure. */
#ifndef BF_PACE_REGRESSION_H
#define BF_PACE_REGRESSION_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BF_REGRESSION_HISTORY = 31,
    BF_REGRESSION_LEAST = 5,       /* so many queries make a median */
    BF_REGRESSION_FACTOR = 10,
    BF_REGRESSION_FLOOR = 200000,  /* microseconds: what is faster hurts nobody, whatever the median */
    BF_REGRESSION_IN_A_ROW = 2     /* one slow query is a disk that was busy */
};

struct bf_regression {
    double row_time[BF_REGRESSION_HISTORY]; /* microseconds for each row asked for */
    int history, next;
    int in_a_row;
    double median; /* microseconds a row, when it was judged last */
};

/* A query for the end of a batch of `rows` took `time` microseconds. True: pause. Slow ones do not enter the median. */
bool bf_regression_seen(struct bf_regression *regression, int64_t rows, int64_t time);

#endif
