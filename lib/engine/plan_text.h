/* A plan as it is stored, as JSON, and what is read of it again. */
#ifndef BF_ENGINE_PLAN_TEXT_H
#define BF_ENGINE_PLAN_TEXT_H

#include <jansson.h>

#include "estimate.h"
#include "facts.h"
#include "risk.h"

char *bf_plan_text(const char *plan, const char *field); /* owned; NULL: there is no such text */
bool bf_plan_risk(const char *plan, enum bf_risk *ret_risk); /* false: it does not say, as plans of former releases */
json_t *bf_plan_facts_view(const struct bf_facts *facts);
json_t *bf_plan_estimate_view(const struct bf_estimate *estimate);
void bf_plan_read_facts(const char *plan, struct bf_facts *facts); /* those that it has */
/* The plan has this count from now on, or why there is none, and the estimate that follows from it. Its hash stays: what was
 * measured is not another thing for being known better. */
struct bf_job;
void bf_plan_take_count(struct bf_job *job, const struct bf_costs *costs, bool known, double rows, const char *why);

#endif
