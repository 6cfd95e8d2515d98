/* A list of what is wrong with a document: all complaints at once, each with its JSON pointer (RFC 6901). */
#ifndef BF_JOB_COMPLAINTS_H
#define BF_JOB_COMPLAINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "result.h"

enum { BF_COMPLAINTS_MAX = 50 }; /* further ones are counted, not kept */

struct bf_complaint {
    enum bf_code code; /* BF_INVALID or BF_UNSUPPORTED */
    char *pointer;     /* owned: "/pace/batch_rows/max" */
    char *detail;      /* owned: one sentence, where and what to do */
};

struct bf_complaints {
    struct bf_complaint list[BF_COMPLAINTS_MAX];
    size_t count; /* kept in list */
    size_t total;
};

void bf_complain(struct bf_complaints *complaints, enum bf_code code, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Adds those of `from`, with `prefix` before their pointers, and clears it. */
void bf_complaints_take(struct bf_complaints *complaints, const char *prefix, struct bf_complaints *from);
/* Is one about what stands at this pointer or under it? True, too, where some were not kept. */
bool bf_complaints_under(const struct bf_complaints *complaints, const char *pointer);
/* The code of the whole: BF_OK when empty, BF_UNSUPPORTED when all are that, else BF_INVALID. */
enum bf_code bf_complaints_code(const struct bf_complaints *complaints);
void bf_complaints_clear(struct bf_complaints *complaints);

#endif
