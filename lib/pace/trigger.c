#include "trigger.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *left, const void *right)
{
    double one = *(const double *)left, other = *(const double *)right;
    return (one > other) - (one < other);
}

/* One outlier while the baseline is measured moves a mean, and every limit made of it, and a median hardly. */
static double median(const struct bf_trigger *trigger)
{
    double sorted[BF_BASELINE_SAMPLES];
    size_t count = trigger->sample_count;
    memcpy(sorted, trigger->samples, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_value);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* Takes a value of work into the baseline, where that is being measured. */
static void learn(const struct bf_trigger_rule *rule, const struct bf_trigger_reading *reading, struct bf_trigger *trigger)
{
    int64_t now = reading->now;
    if (!trigger->learning) {
        trigger->learning = true;
        trigger->learning_since = now;
        trigger->sample_count = 0;
    }
    int64_t passed = now - trigger->learning_since;
    /* Each sample has its place in the window, so that however often is looked they stand for the whole of it. */
    if (passed < rule->baseline && trigger->sample_count < BF_BASELINE_SAMPLES &&
        passed >= rule->baseline / BF_BASELINE_SAMPLES * (int64_t)trigger->sample_count)
        trigger->samples[trigger->sample_count++] = reading->value;
    if (passed < rule->baseline)
        return;
    trigger->limit = rule->factor * median(trigger);
    trigger->learnt = true;
    trigger->learning = false;
}

static void mind_baseline(const struct bf_trigger_rule *rule, const struct bf_trigger_reading *reading,
                          struct bf_trigger *trigger)
{
    if (trigger->worked_at && reading->now - trigger->worked_at >= rule->baseline)
        trigger->learnt = trigger->learning = false;
    if (reading->idle)
        return;
    trigger->worked_at = reading->now;
    if (!trigger->learnt && reading->kind == BF_READING_VALUE)
        learn(rule, reading, trigger);
}

static bool is_true(const struct bf_trigger_rule *rule, const struct bf_trigger_reading *reading, struct bf_trigger *trigger)
{
    if (reading->kind != BF_READING_VALUE)
        return false;
    trigger->value = reading->value;
    if (!rule->relative && !trigger->settling)
        trigger->limit = rule->factor;
    trigger->known = !rule->relative || trigger->learnt || trigger->settling;
    return trigger->known && (rule->below ? reading->value < trigger->limit : reading->value > trigger->limit);
}

static enum bf_trigger_verdict missed(const struct bf_trigger_reading *reading, struct bf_trigger *trigger)
{
    if (reading->idle && !trigger->settling)
        return BF_TRIGGER_QUIET;
    if (++trigger->misses < BF_TRIGGER_MISSES)
        return BF_TRIGGER_QUIET;
    bf_trigger_rest(trigger);
    return BF_TRIGGER_BLIND;
}

enum bf_trigger_verdict bf_trigger_read(const struct bf_trigger_rule *rule, const struct bf_trigger_reading *reading,
                                        struct bf_trigger *trigger)
{
    if (rule->relative && !trigger->settling)
        mind_baseline(rule, reading, trigger);
    if (reading->kind == BF_READING_FAILED)
        return missed(reading, trigger);
    trigger->misses = 0;
    bool now_true = is_true(rule, reading, trigger);
    if (trigger->settling) {
        if (now_true && reading->now < trigger->settle_until)
            return BF_TRIGGER_QUIET;
        bf_trigger_rest(trigger);
        return now_true ? BF_TRIGGER_GOES_ON : BF_TRIGGER_SETTLED;
    }
    if (now_true && !trigger->holds)
        trigger->since = reading->now;
    trigger->holds = now_true;
    if (!now_true || reading->now - trigger->since < rule->hold)
        return BF_TRIGGER_QUIET;
    trigger->holds = false;
    trigger->settling = rule->settle > 0;
    trigger->settle_until = reading->now + rule->settle;
    return BF_TRIGGER_FIRES;
}

int64_t bf_trigger_due(const struct bf_trigger_rule *rule, const struct bf_trigger *trigger, int64_t last, int64_t every)
{
    int64_t due = last + every;
    if (trigger->holds && trigger->since + rule->hold > last && trigger->since + rule->hold < due)
        due = trigger->since + rule->hold;
    if (trigger->settling && trigger->settle_until > last && trigger->settle_until < due)
        due = trigger->settle_until;
    return due;
}

void bf_trigger_settle(struct bf_trigger *trigger, int64_t until, double limit)
{
    trigger->settling = true;
    trigger->settle_until = until;
    trigger->limit = limit;
}

void bf_trigger_rest(struct bf_trigger *trigger)
{
    trigger->holds = trigger->settling = false;
    trigger->misses = 0;
}
