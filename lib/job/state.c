#include "state.h"

#include <stddef.h>
#include <string.h>

#include "allocate.h"

static const struct {
    const char *name;
    bool final;
} state_rows[] = {
#define X(constant, name, final) {#name, final},
    BF_STATES(X)
#undef X
};

static const char *const activity_names[] = {
#define X(constant, name) #name,
    BF_ACTIVITIES(X)
#undef X
};

static const char *const direction_names[] = {
#define X(constant, name) #name,
    BF_DIRECTIONS(X)
#undef X
};

static const char *const conflict_kind_names[] = {
#define X(constant, name) #name,
    BF_CONFLICT_KINDS(X)
#undef X
};

static const struct {
    const char *name;
    int strength;
} order_rows[] = {
#define X(constant, name, strength) {#name, strength},
    BF_ORDERS(X)
#undef X
};

static const char *const move_sentences[BF_STATE_COUNT][BF_STATE_COUNT] = {
#define X(from, to, sentence) [BF_STATE_##from][BF_STATE_##to] = sentence,
    BF_MOVES(X)
#undef X
};

const char *bf_state_name(enum bf_state state)
{
    return (size_t)state < BF_COUNT(state_rows) ? state_rows[state].name : "unknown";
}

enum bf_state bf_state_by_name(const char *name)
{
    for (size_t i = 0; name && i < BF_COUNT(state_rows); i++)
        if (strcmp(state_rows[i].name, name) == 0)
            return (enum bf_state)i;
    return BF_STATE_COUNT;
}

const char *bf_activity_name(enum bf_activity activity)
{
    return (size_t)activity < BF_COUNT(activity_names) ? activity_names[activity] : "unknown";
}

const char *bf_direction_name(enum bf_direction direction)
{
    return (size_t)direction < BF_COUNT(direction_names) ? direction_names[direction] : "unknown";
}

enum bf_direction bf_direction_by_name(const char *name)
{
    for (size_t i = 0; name && i < BF_COUNT(direction_names); i++)
        if (strcmp(direction_names[i], name) == 0)
            return (enum bf_direction)i;
    return BF_DIRECTION_COUNT;
}

const char *bf_conflict_kind_name(enum bf_conflict_kind kind)
{
    return (size_t)kind < BF_COUNT(conflict_kind_names) ? conflict_kind_names[kind] : "unknown";
}

const char *bf_order_name(enum bf_order order)
{
    return (size_t)order < BF_COUNT(order_rows) ? order_rows[order].name : "unknown";
}

int bf_order_strength(enum bf_order order)
{
    return (size_t)order < BF_COUNT(order_rows) ? order_rows[order].strength : 0;
}

bool bf_state_final(enum bf_state state)
{
    return (size_t)state < BF_COUNT(state_rows) && state_rows[state].final;
}

const char *bf_move_sentence(enum bf_state from, enum bf_state to)
{
    if ((size_t)from >= BF_STATE_COUNT || (size_t)to >= BF_STATE_COUNT)
        return NULL;
    return move_sentences[from][to];
}
