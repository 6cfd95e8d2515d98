/* The tokens that there are: whose, for which role, on which targets. Pure. */
#ifndef BF_ACCESS_TOKENS_H
#define BF_ACCESS_TOKENS_H

#include <stddef.h>

#include "role.h"
#include "token.h"

enum { BF_TOKENS_MAX = 1000 };

struct bf_token {
    char *name;    /* owned */
    enum bf_role role;
    char *targets; /* owned; names with commas between them; NULL: all */
    char *hash;    /* owned */
    int line;      /* of the file */
};

struct bf_tokens {
    struct bf_token *list; /* owned */
    size_t count;
};

void bf_tokens_clear(struct bf_tokens *tokens);
const struct bf_token *bf_tokens_find(const struct bf_tokens *tokens, const char *name); /* NULL: nobody is called so */

#endif
