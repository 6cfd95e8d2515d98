/* A latch: "pause all", for everything, one target, or the jobs with one label. While it is on, nothing in its scope
 * starts or resumes. Plain data with owned strings; pure. */
#ifndef BF_JOB_LATCH_H
#define BF_JOB_LATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "document.h"

enum bf_latch_kind { BF_LATCH_ALL, BF_LATCH_TARGET, BF_LATCH_LABEL };

enum { BF_LATCHES_MAX = 256 };

struct bf_latch {
    enum bf_latch_kind kind;
    char *name;    /* owned: of the target or the label; "" for ALL */
    char *value;   /* owned: of the label; else "" */
    char *reason;  /* owned; NULL: none was given */
    char *actor;   /* owned: who set it */
    int64_t since; /* unix milliseconds */
};

void bf_latch_copy(struct bf_latch *to, const struct bf_latch *from); /* `to` holds nothing before */
void bf_latch_clear(struct bf_latch *latch);
bool bf_latch_same_scope(const struct bf_latch *latch, const struct bf_latch *other);
bool bf_latch_covers(const struct bf_latch *latch, const struct bf_document *document);
char *bf_latch_scope(const struct bf_latch *latch); /* owned: "all jobs", "target shop", "label team=orders" */

#endif
