#ifndef BF_CLIENT_PLAN_H
#define BF_CLIENT_PLAN_H

#include <jansson.h>

/* Prints a plan for people: every field that the daemon gives, in its order, whatever it is called. */
void bf_print_plan(const json_t *plan);

#endif
