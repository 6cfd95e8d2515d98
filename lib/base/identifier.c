#include "identifier.h"

#include <string.h>
#include <sys/types.h>

#include <sha2.h>

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; /* Crockford: no I, L, O, U */

enum { ULID_TIME = 10, ULID_RANDOM = 16 }; /* characters */

char *bf_ulid_format(int64_t unix_milliseconds, const uint8_t random[10], char text[BF_ULID_TEXT])
{
    const int64_t latest = ((int64_t)1 << 48) - 1; /* year 10889 */
    uint64_t time = (uint64_t)(unix_milliseconds < 0 ? 0 : unix_milliseconds > latest ? latest : unix_milliseconds);
    for (int i = ULID_TIME - 1; i >= 0; i--) {
        text[i] = alphabet[time & 31];
        time >>= 5;
    }
    /* 80 bits are two times 40: five bytes give eight characters. */
    for (int half = 0; half < 2; half++) {
        uint64_t bits = 0;
        for (int i = 0; i < 5; i++)
            bits = bits << 8 | random[half * 5 + i];
        for (int i = 7; i >= 0; i--) {
            text[ULID_TIME + half * 8 + i] = alphabet[bits & 31];
            bits >>= 5;
        }
    }
    text[ULID_TIME + ULID_RANDOM] = '\0';
    return text;
}

/* Upper case alone, as bf_ulid_format writes it: job names are lower case, so that no text is both. */
bool bf_ulid_valid(const char *text)
{
    if (!text || strlen(text) != BF_ULID_TEXT - 1 || text[0] > '7')
        return false;
    return strspn(text, alphabet) == BF_ULID_TEXT - 1;
}

char *bf_hash(const char *bytes, size_t length, char text[BF_HASH_TEXT])
{
    _Static_assert(BF_HASH_TEXT == SHA256_DIGEST_STRING_LENGTH, "hex of 32 bytes and the NUL");
    return SHA256Data((const uint8_t *)(bytes ? bytes : ""), length, text);
}
