#include "token.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "bft_"
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define TARGET_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789._-"

enum { TARGET_NAME_MAX = 63 /* bytes */ };
enum { SECRET_BYTES = 32, SECRET_TEXT = 44 /* of base64 without padding, with the final NUL */ };

/* OWASP's least for Argon2id. More would protect a weak password; a secret of 256 random bits needs none of it, and a stranger
 * who sends wrong tokens is to cost little. */
enum { PASSES = 2 };
#define MEMORY ((size_t)19 * 1024 * 1024)
/* A line that somebody else's tool made may be dearer, up to here (KiB, passes). */
enum { MEMORY_MAX = 65536, PASSES_MAX = 10 };

_Static_assert(BF_TOKEN_HASH_MAX == crypto_pwhash_STRBYTES, "a hash has its place");

static unsigned char key[crypto_generichash_KEYBYTES];

bool bf_token_begin(void)
{
    if (sodium_init() < 0)
        return false;
    randombytes_buf(key, sizeof key);
    return true;
}

bool bf_token_name_valid(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length <= BF_TOKEN_NAME_MAX && strspn(name, NAME_CHARACTERS) == length && !strchr("._-", name[0]);
}

bool bf_token_name_reserved(const char *name)
{
    static const char *const reserved[] = {"operator", "daemon", "control", "timer", "jobs.d"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(reserved[i], name) == 0)
            return true;
    return false;
}

bool bf_token_targets_all(const char *targets)
{
    return strcmp(targets, "*") == 0 || strcmp(targets, "all") == 0;
}

bool bf_token_targets_valid(const char *targets)
{
    if (bf_token_targets_all(targets))
        return true;
    for (const char *at = targets;; at++) {
        size_t length = strcspn(at, ",");
        if (length == 0 || length > TARGET_NAME_MAX || strspn(at, TARGET_CHARACTERS) < length)
            return false;
        at += length;
        if (!*at)
            return true;
    }
}

static void random_text(char text[SECRET_TEXT])
{
    unsigned char bytes[SECRET_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2base64(text, SECRET_TEXT, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof bytes);
}

void bf_token_make(const char *name, char ret_token[BF_TOKEN_TEXT_MAX])
{
    char secret[SECRET_TEXT];
    random_text(secret);
    snprintf(ret_token, BF_TOKEN_TEXT_MAX, PREFIX "%s.%s", name, secret);
    sodium_memzero(secret, sizeof secret);
}

void bf_token_session(char ret_session[BF_TOKEN_TEXT_MAX])
{
    random_text(ret_session);
}

bool bf_token_hash(const char *token, char ret_hash[BF_TOKEN_HASH_MAX])
{
    return crypto_pwhash_str_alg(ret_hash, token, strlen(token), PASSES, MEMORY, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

/* libsodium takes an array of that length. */
static bool in_full(const char *hash, char whole[BF_TOKEN_HASH_MAX])
{
    size_t length = strlen(hash);
    if (length >= BF_TOKEN_HASH_MAX)
        return false;
    memset(whole, 0, BF_TOKEN_HASH_MAX);
    memcpy(whole, hash, length);
    return true;
}

bool bf_token_hash_valid(const char *hash)
{
    char whole[BF_TOKEN_HASH_MAX];
    unsigned memory, passes, lanes;
    int end = 0;
    if (!in_full(hash, whole) ||
        sscanf(hash, "$argon2id$v=19$m=%9u,t=%9u,p=%9u$%n", &memory, &passes, &lanes, &end) != 3 || end == 0)
        return false;
    /* libsodium compares hashes of one lane; it reads the rest itself, and refuses what it cannot read. */
    return lanes == 1 && memory >= 8 && memory <= MEMORY_MAX && passes >= 1 && passes <= PASSES_MAX &&
           crypto_pwhash_str_needs_rehash(whole, passes, (size_t)memory * 1024) == 0;
}

bool bf_token_matches(const char *token, const char *hash)
{
    char whole[BF_TOKEN_HASH_MAX];
    return in_full(hash, whole) && crypto_pwhash_str_verify(whole, token, strlen(token)) == 0;
}

const char *bf_token_nobody(void)
{
    return "$argon2id$v=19$m=19456,t=2,p=1$F1N25lD7gdiwywXzWZS/Gg$hdpk5Y1basso7z5fSU64PG4P2UnTSz1C1MeJNPFAQco";
}

bool bf_token_name_of(const char *token, char ret_name[BF_TOKEN_NAME_MAX + 1])
{
    size_t length = strlen(token), prefix = strlen(PREFIX);
    const char *dot = strrchr(token, '.');
    if (length >= BF_TOKEN_TEXT_MAX || strncmp(token, PREFIX, prefix) != 0 || !dot || dot < token + prefix)
        return false;
    size_t name = (size_t)(dot - token) - prefix;
    if (name == 0 || name > BF_TOKEN_NAME_MAX)
        return false;
    memcpy(ret_name, token + prefix, name);
    ret_name[name] = '\0';
    return bf_token_name_valid(ret_name);
}

/* "bft_NAME.SECRET" and whatever stands behind it, as far as it could be one. */
static bool begins_token(const char *text)
{
    const char *name = text + strlen(PREFIX);
    size_t length = strspn(name, NAME_CHARACTERS), named = strcspn(name, ".");
    return named > 0 && length >= named + 1 + SECRET_TEXT - 1;
}

bool bf_token_within(const char *text)
{
    for (const char *at = strstr(text, PREFIX); at; at = strstr(at + 1, PREFIX))
        if (begins_token(at))
            return true;
    return false;
}

void bf_token_digest(const char *secret, unsigned char ret_digest[BF_TOKEN_DIGEST])
{
    crypto_generichash(ret_digest, BF_TOKEN_DIGEST, (const unsigned char *)secret, strlen(secret), key, sizeof key);
}

bool bf_token_same_digest(const unsigned char one[BF_TOKEN_DIGEST], const unsigned char other[BF_TOKEN_DIGEST])
{
    return sodium_memcmp(one, other, BF_TOKEN_DIGEST) == 0;
}

void bf_token_wipe(char *secret)
{
    if (secret)
        sodium_memzero(secret, strlen(secret));
}
