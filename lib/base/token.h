/* Access tokens: how one is made, what of it is kept, and how a sent one is compared. A token is "bft_NAME.SECRET": the name
 * says whose it is, so that one hash is computed and not one for each line of the file; the secret has 256 random bits.
 * What is kept is an Argon2id hash of the whole token (libsodium). */
#ifndef BF_BASE_TOKEN_H
#define BF_BASE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

enum {
    BF_TOKEN_NAME_MAX = 40,  /* bytes */
    BF_TOKEN_TEXT_MAX = 128, /* bytes of a token, with the final NUL */
    BF_TOKEN_HASH_MAX = 128, /* bytes of a hash, with the final NUL */
    BF_TOKEN_DIGEST = 32     /* bytes */
};

/* To be called once, before all else here; false: the system gives no random bytes. */
bool bf_token_begin(void);

/* Letters, digits, ".", "_" and "-", the first one a letter or digit. */
bool bf_token_name_valid(const char *name);

/* Who else stands in events as an actor ("daemon"): a token of that name could not be told from it. */
bool bf_token_name_reserved(const char *name);
/* "*" and "all" for all targets, or "shop,legacy": names with commas and no blanks between them, none of them empty. */
bool bf_token_targets_valid(const char *targets);
bool bf_token_targets_all(const char *targets);

/* A new token for that name. */
void bf_token_make(const char *name, char ret_token[BF_TOKEN_TEXT_MAX]);
/* Its hash, as the file of tokens holds it. Takes tens of milliseconds and 19 MiB; false: there is not enough memory. */
bool bf_token_hash(const char *token, char ret_hash[BF_TOKEN_HASH_MAX]);
/* Is that a hash that `bf_token_matches` can compare, at a price that a daemon can pay? */
bool bf_token_hash_valid(const char *hash);
/* Blocks as `bf_token_hash` does, whatever comes of it. */
bool bf_token_matches(const char *token, const char *hash);
/* A hash of nothing that anybody has, which costs as much to compare: for names that nobody has. */
const char *bf_token_nobody(void);

/* Whose token it says it is; false: it has not the form of one. */
bool bf_token_name_of(const char *token, char ret_name[BF_TOKEN_NAME_MAX + 1]);

/* Does a token stand anywhere in the text? So that it is not written down with it. */
bool bf_token_within(const char *text);

/* What may be kept in memory of a secret that was compared once: keyed, by a key of this process. Cheap. */
void bf_token_digest(const char *secret, unsigned char ret_digest[BF_TOKEN_DIGEST]);
/* In constant time. */
bool bf_token_same_digest(const unsigned char one[BF_TOKEN_DIGEST], const unsigned char other[BF_TOKEN_DIGEST]);
/* A random secret for who has shown a token: 43 characters, without a name. */
void bf_token_session(char ret_session[BF_TOKEN_TEXT_MAX]);
void bf_token_wipe(char *secret); /* overwrites it; NULL is fine */

#endif
