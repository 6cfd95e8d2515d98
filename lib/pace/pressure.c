#include "pressure.h"

#include <stddef.h>
#include <string.h>

#include "allocate.h"

enum { BELOW_FOR = 2000 /* milliseconds for which a signal has to stand low before a hold ends */ };

static const struct {
    const char *name, *unit;
    double again;
} kinds[] = {
#define X(constant, name, unit, again) {#name, unit, again},
    BF_SIGNAL_KINDS(X)
#undef X
};

const char *bf_signal_kind_name(enum bf_signal_kind kind)
{
    return kind < BF_COUNT(kinds) ? kinds[kind].name : "unknown";
}

const char *bf_signal_unit(enum bf_signal_kind kind)
{
    return kind < BF_COUNT(kinds) ? kinds[kind].unit : "";
}

bool bf_signal_is_stale(const struct bf_signal *signal, int64_t now)
{
    return signal->sampled_at == BF_SIGNAL_NEVER || now - signal->sampled_at > signal->every + BF_SIGNAL_STALE_AFTER;
}

/* NULL: there are more signals than places, which the tables of the document and of the monitor do not allow. */
static struct bf_gate *find(struct bf_gates *gates, const char *name)
{
    struct bf_gate *unused = NULL;
    for (size_t i = 0; i < BF_COUNT(gates->list); i++) {
        struct bf_gate *gate = &gates->list[i];
        if (strcmp(gate->name, name) == 0)
            return gate;
        if (!unused && !gate->name[0])
            unused = gate;
    }
    if (unused) {
        *unused = (struct bf_gate){.below_since = -1};
        memcpy(unused->name, name, strlen(name) + 1);
    }
    return unused;
}

enum bf_gate_state bf_gate_pass(struct bf_gates *gates, const struct bf_signal *signal, int64_t now)
{
    struct bf_gate *gate = find(gates, signal->name);
    if (!gate)
        return BF_GATE_STALE;
    if (signal->sampled_at == BF_SIGNAL_NEVER)
        return gate->closed ? BF_GATE_STALE : BF_GATE_UNKNOWN;
    if (bf_signal_is_stale(signal, now)) {
        gate->closed = true;
        gate->below_since = -1;
        return BF_GATE_STALE;
    }
    if (!(signal->value < signal->limit)) { /* what is not a number is over, too */
        gate->closed = true;
        gate->below_since = -1;
    } else if (gate->closed && signal->value < signal->limit * kinds[signal->kind].again) {
        /* Since the sample, and by samples: a value that nobody looked at again proves nothing. */
        if (gate->below_since < 0)
            gate->below_since = signal->sampled_at;
        if (signal->sampled_at - gate->below_since >= BELOW_FOR)
            gate->closed = false;
    } else {
        gate->below_since = -1;
    }
    if (!gate->closed)
        gate->below_since = -1;
    return gate->closed ? BF_GATE_OVER : BF_GATE_OPEN;
}
