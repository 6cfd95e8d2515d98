#include "role.h"

#include <string.h>

static const char *const names[] = {
#define X(constant, name) #name,
    BF_ROLES(X)
#undef X
};

bool bf_role_allows(enum bf_role role, enum bf_role needed)
{
    if (needed == BF_ROLE_ANYONE)
        return true;
    if (needed == BF_ROLE_ALERTS)
        return role == BF_ROLE_ALERTS || role >= BF_ROLE_OPERATOR;
    return role != BF_ROLE_ALERTS && role >= needed;
}

const char *bf_role_name(enum bf_role role)
{
    return names[role];
}

bool bf_role_by_name(const char *name, enum bf_role *ret_role)
{
    for (int role = BF_ROLE_ANYONE + 1; role <= BF_ROLE_ADMIN; role++)
        if (strcmp(names[role], name) == 0) {
            *ret_role = (enum bf_role)role;
            return true;
        }
    return false;
}
