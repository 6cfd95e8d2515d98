#include "recompute.h"

#include <string.h>

#include "flight.h"

static const char *const names[] = {
#define X(constant, name, names) #name,
    BF_RECOMPUTE_FACTS(X)
#undef X
};

bool bf_recompute_fact(const struct bf_answer *facts, enum bf_recompute_fact fact, const char *name,
                       int (*same)(const char *, const char *))
{
    for (size_t row = 0; row < facts->rows; row++) {
        const char *what = bf_answer_value(facts, row, 0), *of = bf_answer_value(facts, row, 1);
        if (what && of && strcmp(what, names[fact]) == 0 && same(of, name) == 0)
            return true;
    }
    return false;
}

const char *bf_recompute_first(const struct bf_answer *facts, enum bf_recompute_fact fact)
{
    for (size_t row = 0; row < facts->rows; row++) {
        const char *what = bf_answer_value(facts, row, 0);
        if (what && strcmp(what, names[fact]) == 0)
            return bf_answer_value(facts, row, 1);
    }
    return NULL;
}
