/* The roles of include/backfilld/api.h: which one may use what another one may. Pure. */
#ifndef BF_ACCESS_ROLE_H
#define BF_ACCESS_ROLE_H

#include <stdbool.h>

#include "backfilld/api.h"

/* May who has `role` use what needs `needed`? viewer < operator < approver < admin; alerts may send alerts and nothing else,
 * which an operator may, too, for an alert does no more than the document that was approved allows. ANYONE is no role. */
bool bf_role_allows(enum bf_role role, enum bf_role needed);
const char *bf_role_name(enum bf_role role);
/* False: no role that somebody can have is called so. */
bool bf_role_by_name(const char *name, enum bf_role *ret_role);

#endif
