/* ULIDs (github.com/ulid/spec): 48 bits of milliseconds, 80 bits of chance, 26 characters of Crockford's base 32. And
 * SHA-256 as hex, which is how documents and table definitions are compared. */
#ifndef BF_BASE_IDENTIFIER_H
#define BF_BASE_IDENTIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BF_ULID_TEXT = 27, BF_HASH_TEXT = 65 };

char *bf_ulid_format(int64_t unix_milliseconds, const uint8_t random[10], char text[BF_ULID_TEXT]);
bool bf_ulid_valid(const char *text);
char *bf_hash(const char *bytes, size_t length, char text[BF_HASH_TEXT]);

#endif
