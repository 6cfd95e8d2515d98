/* Enums, names and the table of moves, made from include/backfilld/states.h. Pure. */
#ifndef BF_JOB_STATE_H
#define BF_JOB_STATE_H

#include <stdbool.h>

#include "backfilld/states.h"

enum bf_state {
#define X(constant, name, final) BF_STATE_##constant,
    BF_STATES(X)
#undef X
        BF_STATE_COUNT
};
enum bf_activity {
#define X(constant, name) BF_ACTIVITY_##constant,
    BF_ACTIVITIES(X)
#undef X
        BF_ACTIVITY_COUNT
};
enum bf_direction {
#define X(constant, name) BF_DIRECTION_##constant,
    BF_DIRECTIONS(X)
#undef X
        BF_DIRECTION_COUNT
};
enum bf_conflict_kind {
#define X(constant, name) BF_CONFLICT_##constant,
    BF_CONFLICT_KINDS(X)
#undef X
        BF_CONFLICT_KIND_COUNT
};
enum bf_order {
#define X(constant, name, strength) BF_ORDER_##constant,
    BF_ORDERS(X)
#undef X
        BF_ORDER_COUNT
};

const char *bf_state_name(enum bf_state state);
enum bf_state bf_state_by_name(const char *name); /* BF_STATE_COUNT: none */
const char *bf_activity_name(enum bf_activity activity);
const char *bf_direction_name(enum bf_direction direction);
enum bf_direction bf_direction_by_name(const char *name);
const char *bf_conflict_kind_name(enum bf_conflict_kind kind);
const char *bf_order_name(enum bf_order order);
int bf_order_strength(enum bf_order order);
bool bf_state_final(enum bf_state state);
/* The sentence of a move, or NULL when the table does not allow it. */
const char *bf_move_sentence(enum bf_state from, enum bf_state to);

#endif
