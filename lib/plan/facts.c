#include "facts.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "allocate.h"
#include "duration.h"
#include "quantity.h"

static const struct {
    const char *text;
    enum bf_unit unit;
    enum bf_need need;
} facts_table[] = {
#define X(constant, name, unit, need, says) {#name, BF_UNIT_##unit, BF_##need},
    BF_FACTS(X)
#undef X
};

static void put(struct bf_fact *fact, bool known, double value, const char *detail)
{
    char *copy = bf_copy_string(detail && *detail ? detail : NULL);
    free(fact->detail);
    *fact = (struct bf_fact){.known = known, .value = value, .detail = copy};
}

void bf_facts_set(struct bf_facts *facts, enum bf_fact_name name, double value, const char *detail)
{
    put(&facts->of[name], isfinite(value) != 0, value, detail);
}

void bf_facts_unknown(struct bf_facts *facts, enum bf_fact_name name, const char *why)
{
    put(&facts->of[name], false, 0, why);
}

void bf_facts_clear(struct bf_facts *facts)
{
    for (size_t i = 0; i < BF_FACT_COUNT; i++)
        free(facts->of[i].detail);
    *facts = (struct bf_facts){0};
}

const char *bf_fact_text(enum bf_fact_name name)
{
    return facts_table[name].text;
}

enum bf_need bf_fact_need(enum bf_fact_name name)
{
    return facts_table[name].need;
}

bool bf_fact_by_text(const char *text, enum bf_fact_name *ret_name)
{
    for (enum bf_fact_name name = 0; name < BF_FACT_COUNT; name++)
        if (strcmp(facts_table[name].text, text) == 0) {
            *ret_name = name;
            return true;
        }
    return false;
}

char *bf_fact_format(enum bf_fact_name name, double value)
{
    char duration[BF_DURATION_TEXT];
    switch (facts_table[name].unit) {
    case BF_UNIT_ROWS:
    case BF_UNIT_COUNT: return bf_quantity_count(value);
    case BF_UNIT_BYTES: return bf_quantity_bytes(value);
    case BF_UNIT_ROWS_PER_SECOND: {
        BF_AUTO_STRING char *count = bf_quantity_count(value);
        return bf_format("%s rows/s", count);
    }
    case BF_UNIT_SECONDS: return bf_copy_string(bf_duration_format((int64_t)(value * 1000), duration));
    case BF_UNIT_FLAG: return bf_copy_string(value != 0 ? "yes" : "no");
    case BF_UNIT_PERCENT: return bf_format("%.0f %%", value);
    }
    return bf_format("%g", value);
}
