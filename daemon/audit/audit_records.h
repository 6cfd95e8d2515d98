/* The records of the audit log as they are asked for: of the file that is written to and of those that it was before it was
 * renamed (audit.log.1, audit.log-20261101), whatever they are called behind its name. Their first records say in which order
 * they are; compressed ones are not read. Everything here blocks. */
#ifndef BF_AUDIT_RECORDS_H
#define BF_AUDIT_RECORDS_H

#include <jansson.h>
#include <stdint.h>

#include "result.h"

/* Those behind number `after` (under 0: the newest), at most `limit`, as a list, oldest first. NULL: `error`. */
json_t *bf_audit_records(const char *path, int64_t after, size_t limit, struct bf_error *error);

#endif
