/* SHA-256 (FIPS 180-4), by libmd, as hex. */
#ifndef BF_BASE_DIGEST_H
#define BF_BASE_DIGEST_H

#include <stddef.h>

enum { BF_DIGEST_TEXT = 65 };

char *bf_sha256(const char *bytes, size_t length, char text[BF_DIGEST_TEXT]); /* returns `text` */

#endif
