/* Lines of the audit log's file, found and read without reading all of it; see audit_file.h. Nothing here writes. */
#ifndef BF_AUDIT_LINE_H
#define BF_AUDIT_LINE_H

#include <stdbool.h>

#include "audit_file.h"

/* How the file ends. */
struct bf_audit_tail {
    struct bf_audit_head last; /* the last whole line; its number is under 0 where that is no record */
    size_t half;               /* bytes behind it, without a line feed */
    char half_hash[BF_DIGEST_TEXT];
};

bool bf_audit_tail(int file, off_t size, struct bf_audit_tail *ret_tail); /* false: errno */
/* Where the first record begins whose number is not under `number`; `size` where there is none. Under 0: errno. */
off_t bf_audit_find(int file, off_t size, int64_t number);
/* The number of the first record, which is looked for near the beginning; 0: there is none. Under 0: errno. */
int64_t bf_audit_first(int file, off_t size);
/* Is this record in the file? */
bool bf_audit_holds(int file, off_t size, const struct bf_audit_head *head);
/* The number of a line that is a record; else under 0. */
int64_t bf_audit_number(const char *line, size_t length);

#endif
