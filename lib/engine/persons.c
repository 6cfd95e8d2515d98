#include "persons.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "backfilld/api.h"
#include "internal.h"
#include "plan_text.h"

/* The name in "uid:1000 (ann)", else the whole. */
static char *name_of(const char *actor)
{
    const char *open = strncmp(actor, "uid:", 4) == 0 ? strchr(actor, '(') : NULL, *close = open ? strrchr(open, ')') : NULL;
    return close ? bf_copy_bytes(open + 1, (size_t)(close - open - 1)) : bf_copy_string(actor);
}

bool bf_same_person(const char *one, const char *other)
{
    if (strcmp(one, BF_ACTOR_ANYBODY) == 0 || strcmp(other, BF_ACTOR_ANYBODY) == 0)
        return false;
    BF_AUTO_STRING char *first = name_of(one), *second = name_of(other);
    return strcmp(first, second) == 0;
}

bool bf_job_takes_another(const struct bf_job *job, const char *actor, const char *what, char *text, size_t size)
{
    const struct bf_record *record = &job->record;
    enum bf_risk risk;
    if (!job->target || !record->submitter || !bf_same_person(record->submitter, actor))
        return false;
    if (!bf_plan_risk(record->plan, &risk))
        risk = BF_RISK_RED; /* a plan of a former release has none */
    if (!bf_approval_needed(job->target->two_person, risk))
        return false;
    snprintf(text, size, "%.64s submitted job %s, and target %s takes two persons: somebody else has to %s", record->submitter,
             record->document->name, job->target->name, what);
    return true;
}
