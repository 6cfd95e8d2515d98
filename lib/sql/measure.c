#include "dialect.h"

#include <string.h>

void bf_measure_read(const struct bf_answer *answer, const enum bf_fact_name *names, size_t count, struct bf_facts *facts)
{
    for (size_t i = 0; i < count; i++) {
        bf_facts_unknown(facts, names[i], answer->outcome == BF_OUTCOME_OK ? NULL : answer->message);
        for (size_t row = 0; answer->outcome == BF_OUTCOME_OK && row < answer->rows; row++) {
            const char *name = bf_answer_value(answer, row, 0), *detail = bf_answer_value(answer, row, 2);
            if (!name || strcmp(name, bf_fact_text(names[i])) != 0)
                continue;
            if (bf_answer_value(answer, row, 1))
                bf_facts_set(facts, names[i], bf_answer_real(answer, row, 1, 0), detail);
            else
                bf_facts_unknown(facts, names[i], detail);
        }
    }
}
