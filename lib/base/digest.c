#include "digest.h"

#include <stdint.h>
#include <sys/types.h>

#include <sha2.h>

char *bf_sha256(const char *bytes, size_t length, char text[BF_DIGEST_TEXT])
{
    return SHA256Data((const uint8_t *)bytes, length, text);
}
