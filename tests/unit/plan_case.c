#include "plan_case.h"

#include <math.h>

#include "unit.h"

static const double measured[BF_FACT_COUNT] = {
    [BF_FACT_ROWS] = 2e6,         [BF_FACT_TABLE_BYTES] = 2e8,    [BF_FACT_MATCHING] = 1e6,      [BF_FACT_WRITE_RATE] = 12,
    [BF_FACT_REPLICAS] = 1,       [BF_FACT_FILL] = 90,            [BF_FACT_DISK_FREE] = 1e12,    [BF_FACT_TRIAL_BATCHES] = 3,
    [BF_FACT_TRIAL_ROWS] = 3000,  [BF_FACT_TRIAL_CHANGED] = 1500, [BF_FACT_TRIAL_SECONDS] = 0.03, [BF_FACT_TRIAL_LOG] = 600000,
    [BF_FACT_KEY_USED] = 1,       [BF_FACT_PROVEN] = 1,         [BF_FACT_TRIAL_ROW_TIME] = 10, [BF_FACT_TRIAL_ROW_LOG] = 2e8,
};

const struct bf_costs costs = {.journal_time = 1.25, .journal_log = 1.1};

void begin(struct harmless *harmless)
{
    *harmless = (struct harmless){
        .document = {.name = "fill", .target = "shop", .table = "orders", .set_count = 1, .undo = BF_UNDO_JOURNAL,
                     .remaining = "n IS NULL", .check_count = {[BF_CHECK_BEFORE] = 1},
                     .pace = {.batch_time = 250, .batch_rows_start = 500, .batch_rows_min = 10, .batch_rows_max = 50000, .nice = 0.5,
                              .max_rows_per_second = BF_NO_LIMIT, .max_log_bytes_per_second = BF_NO_LIMIT}},
        .thresholds = bf_thresholds_default};
    harmless->document.set[0] = (struct bf_pair){"n", "1"};
    for (enum bf_fact_name name = 0; name < BF_FACT_COUNT; name++)
        bf_facts_set(&harmless->facts, name, measured[name], NULL);
    bf_facts_unknown(&harmless->facts, BF_FACT_MATCHING_EXACT, NULL);
    bf_facts_unknown(&harmless->facts, BF_FACT_NEWEST, NULL);
    bf_facts_unknown(&harmless->facts, BF_FACT_RANGE_ROWS, NULL);
    bf_facts_unknown(&harmless->facts, BF_FACT_BINLOG_ROW, NULL);
    bf_facts_unknown(&harmless->facts, BF_FACT_TRIAL_WARM_TIME, NULL);
    bf_facts_unknown(&harmless->facts, BF_FACT_TRIAL_WARM_LOG, NULL);
    harmless->risk = (struct bf_risk_case){.document = &harmless->document, .facts = &harmless->facts, .rehearsed = true,
                                           .estimate = &harmless->estimate, .thresholds = &harmless->thresholds, .lag_limit = 1.5};
}

void judge(struct harmless *harmless, struct bf_judgement *judgement)
{
    harmless->estimate = bf_estimate(&harmless->document, &harmless->facts, &costs);
    bf_judge(&harmless->risk, judgement);
}

void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g is not %.12g", value, expected);
}
