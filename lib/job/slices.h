/* A slice: one contiguous part of a job's key range, as its checkpoint was last seen. Pure. */
#ifndef BF_JOB_SLICES_H
#define BF_JOB_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BF_SLICES_MAX = 16 };

/* Rows are counts since the job began. */
struct bf_slice {
    char *after, *through, *position; /* owned; JSON arrays of key texts; NULL: open or not known */
    int64_t rows_scanned, rows_changed, rows_set_aside, rows_bad, batches;
    int64_t epoch;                    /* the last one this daemon raised; 0: none */
    bool done;
};

void bf_slice_clear(struct bf_slice *slice); /* frees what it owns */
/* What the state store keeps of a job with several: a JSON array of objects. Owned. */
char *bf_slices_json(const struct bf_slice *const slices[], size_t count);
/* How many there are; 0: the text is none of several slices. At most BF_SLICES_MAX are read; the caller clears them. */
size_t bf_slices_read(const char *json, struct bf_slice slices[BF_SLICES_MAX]);

#endif
