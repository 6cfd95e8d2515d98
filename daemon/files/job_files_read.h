/* Reading for jobs.d; blocking, for the thread pool. For the files of this folder only. */
#ifndef BF_JOB_FILES_READ_H
#define BF_JOB_FILES_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "result.h"

/* The names in a directory but "." and "..", in the order of their bytes; at most `max`, *ret_more says how many others
 * there are. False: *ret_trouble says why, and the caller frees it. */
bool bf_list_directory(const char *directory, size_t max, char ***ret_names, size_t *ret_count, size_t *ret_more,
                       char **ret_trouble);

/* What was found under one name. */
struct bf_read_file {
    enum bf_code code;   /* BF_OK; BF_NOT_JSON: as yet; BF_NOT_ALLOWED: not to be looked into */
    char *text;          /* why; owned, NULL for BF_OK */
    char *content;       /* owned; of BF_OK */
    size_t length;
    char *canonical;     /* owned; the document as one text for all ways of writing it */
    char *target, *name; /* owned; as far as it says them */
};

void bf_read_file(const char *directory, const char *name, struct bf_read_file *ret_file);
void bf_read_file_clear(struct bf_read_file *file);

#endif
