/* A limit that is none: over every other, and exact as a double. */
#ifndef BF_BASE_LIMIT_H
#define BF_BASE_LIMIT_H

#include <stdint.h>

#define BF_NO_LIMIT (INT64_C(1) << 62)

#endif
