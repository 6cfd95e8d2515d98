/* What of a job's record only the state store knows, as it also stands on the target (backfilld.job_record), so that a daemon
 * that adopts the job after the store was lost goes on as it was: under the same :started_at, at the same pace, approved by whom.
 * Pure. */
#ifndef BF_JOB_TARGET_RECORD_H
#define BF_JOB_TARGET_RECORD_H

#include "record.h"

/* As JSON; owned by the caller. */
char *bf_record_on_target(const struct bf_record *record);
/* Takes what the text says into `record`, which owns it; what it does not say stays as it is. *ret_document is the document with
 * the pace and limits that were in force, owned by the caller; NULL: they were those of the submission. False: the text cannot
 * be read, and nothing was taken. */
bool bf_record_from_target(const char *json, struct bf_record *record, char **ret_document);

#endif
