/* Browsers that have shown a token and have a cookie since. In memory only: after a restart they sign in anew. Times are
 * milliseconds of the caller's clock. */
#ifndef BF_ACCESS_SESSIONS_H
#define BF_ACCESS_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tokens.h"

enum { BF_SESSIONS_MAX = 1000, BF_SESSION_SECONDS = 12 * 3600 };

/* What is kept of a session's secret, and of the hash of the token that it stands for, are digests. */
struct bf_signed_in {
    unsigned char secret[BF_TOKEN_DIGEST], hash[BF_TOKEN_DIGEST];
    char name[BF_TOKEN_NAME_MAX + 1]; /* of the token */
    int64_t until;
};

struct bf_sessions {
    struct bf_signed_in *list; /* owned; by age */
    size_t count;
};

/* A new one: its secret. The oldest one ends where there are too many. */
void bf_sessions_add(struct bf_sessions *sessions, const struct bf_token *token, int64_t now,
                     char ret_secret[BF_TOKEN_TEXT_MAX]);
/* The token that it stands for; NULL: there is no such session, it is over, or the token is not what it was. */
const struct bf_token *bf_sessions_find(const struct bf_sessions *sessions, const char *secret, const struct bf_tokens *tokens,
                                        int64_t now, int64_t *ret_until);
void bf_sessions_end(struct bf_sessions *sessions, const char *secret);
void bf_sessions_clear(struct bf_sessions *sessions);

#endif
