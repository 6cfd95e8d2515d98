/* A replica that jobs go on without, by order of a person, until a time. Plain data; pure. */
#ifndef BF_JOB_IGNORED_H
#define BF_JOB_IGNORED_H

#include <stdint.h>

enum { BF_IGNORED_NAME = 64, BF_IGNORED_WHY = 160 };

struct bf_ignored {
    char target[BF_IGNORED_NAME], replica[BF_IGNORED_NAME];
    char why[BF_IGNORED_WHY]; /* who said so, and why */
    int64_t until;            /* unix milliseconds; 0: it is heeded */
};

#endif
