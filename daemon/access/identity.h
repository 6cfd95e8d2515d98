/* Who asks: the name that events have, the role, and the targets that the role is for. Pure. */
#ifndef BF_ACCESS_IDENTITY_H
#define BF_ACCESS_IDENTITY_H

#include <stdbool.h>

#include "role.h"

enum { BF_ACTOR_MAX = 64 }; /* with the final NUL; as in struct bf_event */

struct bf_identity {
    char actor[BF_ACTOR_MAX]; /* the name of a token, "uid:1000 (ann)", BF_ACTOR_ANYBODY; "": nobody */
    enum bf_role role;        /* BF_ROLE_ANYONE: none */
    char *targets;            /* owned; names with commas between them; NULL: all */
};

void bf_identity_clear(struct bf_identity *identity);
/* Does its role hold for that target? */
bool bf_identity_sees(const struct bf_identity *identity, const char *target);

#endif
