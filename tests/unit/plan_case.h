/* What the tests of plans start from. */
#ifndef BF_TESTS_PLAN_CASE_H
#define BF_TESTS_PLAN_CASE_H

#include "risk.h"

/* A case that nothing is to be said of: a table of two million rows, in every way harmless. */
struct harmless {
    struct bf_document document;
    struct bf_facts facts;
    struct bf_estimate estimate;
    struct bf_thresholds thresholds;
    struct bf_risk_case risk;
};

extern const struct bf_costs costs;
void begin(struct harmless *harmless);
void judge(struct harmless *harmless, struct bf_judgement *judgement); /* with the estimate that follows from it */
void assert_near(double value, double expected, double tolerance);

#endif
