/* HMAC-SHA256 (RFC 2104) as hex, which is how what goes out to others is signed. */
#ifndef BF_BASE_HMAC_H
#define BF_BASE_HMAC_H

#include <stddef.h>

enum { BF_HMAC_TEXT = 65 };

char *bf_hmac_sha256(const char *key, size_t key_length, const char *bytes, size_t length, char text[BF_HMAC_TEXT]);

#endif
