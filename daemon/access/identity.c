#include "identity.h"

#include <string.h>

#include "allocate.h"

void bf_identity_clear(struct bf_identity *identity)
{
    free(identity->targets);
    *identity = (struct bf_identity){0};
}

bool bf_identity_sees(const struct bf_identity *identity, const char *target)
{
    size_t length = strlen(target);
    if (!identity->targets)
        return true;
    for (const char *at = identity->targets; *at; at += *at == ',') {
        size_t part = strcspn(at, ",");
        if (part == length && memcmp(at, target, length) == 0)
            return true;
        at += part;
    }
    return false;
}
