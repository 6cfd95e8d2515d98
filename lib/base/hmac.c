#include "hmac.h"

#include <string.h>
#include <sys/types.h>

#include <sha2.h>

static void digest(const uint8_t pad[SHA256_BLOCK_LENGTH], const void *bytes, size_t length, uint8_t result[SHA256_DIGEST_LENGTH])
{
    SHA2_CTX context;
    SHA256Init(&context);
    SHA256Update(&context, pad, SHA256_BLOCK_LENGTH);
    SHA256Update(&context, bytes, length);
    SHA256Final(result, &context);
    explicit_bzero(&context, sizeof context);
}

char *bf_hmac_sha256(const char *key, size_t key_length, const char *bytes, size_t length, char text[BF_HMAC_TEXT])
{
    uint8_t block[SHA256_BLOCK_LENGTH] = {0}, inner[SHA256_BLOCK_LENGTH], outer[SHA256_BLOCK_LENGTH], result[SHA256_DIGEST_LENGTH];
    static const char hex[] = "0123456789abcdef";
    if (key_length > sizeof block) {
        SHA2_CTX context;
        SHA256Init(&context);
        SHA256Update(&context, (const uint8_t *)key, key_length);
        SHA256Final(block, &context); /* the digest is shorter than the block */
    } else {
        memcpy(block, key, key_length);
    }
    for (size_t i = 0; i < sizeof block; i++) {
        inner[i] = block[i] ^ 0x36;
        outer[i] = block[i] ^ 0x5c;
    }
    digest(inner, bytes, length, result);
    digest(outer, result, sizeof result, result);
    for (size_t i = 0; i < sizeof result; i++) {
        text[2 * i] = hex[result[i] >> 4];
        text[2 * i + 1] = hex[result[i] & 15];
    }
    text[2 * sizeof result] = '\0';
    explicit_bzero(block, sizeof block);
    explicit_bzero(inner, sizeof inner);
    explicit_bzero(outer, sizeof outer);
    return text;
}
