/* How hard a job may work, as it was approved: every number of pace and limits, and the windows. A later change of the job
 * that goes past them is another job to whoever approved it. Pure. */
#ifndef BF_JOB_BOUNDS_H
#define BF_JOB_BOUNDS_H

#include "document.h"

/* What is in force in the document now, as JSON; owned by the caller. */
char *bf_bounds_make(const struct bf_document *document);
/* The fields in which the document goes past the bounds: "pace.nice, limits.lock_timeout". Less of `nice`, more of everything
 * else, and windows that are not the same, unless there were none. NULL: none; else owned by the caller. Bounds that cannot
 * be read are passed by nobody. */
char *bf_bounds_passed(const char *bounds, const struct bf_document *document);
/* "pace.nice is past what ann approved"; the caller frees it. */
char *bf_bounds_sentence(const char *passed, const char *approver);

#endif
