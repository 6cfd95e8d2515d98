/* The job document (docs/interface.md section 2): parsed, checked, with every default filled in. Pure. */
#ifndef BF_JOB_DOCUMENT_H
#define BF_JOB_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "complaints.h"
#include "identifier.h"

enum {
    BF_DOCUMENT_MAX = 1024 * 1024, /* bytes of JSON */
    BF_KEY_COLUMNS_MAX = 8,
    BF_SET_COLUMNS_MAX = 64,
    BF_LABELS_MAX = 32,
    BF_EXPRESSION_MAX = 16384, /* bytes of one SQL expression */
    BF_NAME_MAX = 63
};

enum bf_undo { BF_UNDO_NONE, BF_UNDO_JOURNAL, BF_UNDO_INVERSE };

struct bf_pair {
    char *name;
    char *value;
};

/* Pace of a job. Times in milliseconds, rows in rows. */
struct bf_pace {
    int64_t batch_time;
    int64_t batch_rows_start, batch_rows_min, batch_rows_max;
    double nice; /* sleep as a multiple of the batch's own time, 0 to 100 */
};

struct bf_limits {
    int64_t lock_timeout;      /* milliseconds */
    int64_t statement_timeout; /* milliseconds */
};

struct bf_document {
    char *name, *target, *table; /* table: as written, resolved by the server */
    char *key[BF_KEY_COLUMNS_MAX];
    size_t key_count; /* 0: the primary key */
    char *after[BF_KEY_COLUMNS_MAX], *through[BF_KEY_COLUMNS_MAX]; /* range, text of each key column */
    size_t after_count, through_count;                             /* 0: open */
    struct bf_pair set[BF_SET_COLUMNS_MAX];
    size_t set_count;
    char *where; /* NULL: every row of the range */
    enum bf_undo undo;
    struct bf_pace pace;
    struct bf_limits limits;
    char *owner, *description; /* may be NULL */
    struct bf_pair labels[BF_LABELS_MAX];
    size_t label_count;
    bool again;
    char *canonical;           /* canonical JSON: sorted keys, no white space */
    char hash[BF_HASH_TEXT];   /* SHA-256 of the canonical JSON without `again` */
};

/* Parses and checks `length` bytes. On success *ret_document is owned by the caller. BF_NOT_JSON, BF_TOO_LARGE (text in
 * `error`), or BF_INVALID / BF_UNSUPPORTED with every complaint in the list. `target_override` (may be NULL) stands in
 * for the document's target before anything else is looked at. */
enum bf_code bf_document_parse(const char *json, size_t length, const char *target_override,
                               struct bf_document **ret_document, struct bf_complaints *complaints,
                               struct bf_error *error);
void bf_document_free(struct bf_document *document); /* NULL is fine */

#endif
