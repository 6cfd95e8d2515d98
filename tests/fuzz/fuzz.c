#include "fuzz.h"

#include <string.h>

#include "allocate.h"

struct fuzz_fields fuzz_fields(const uint8_t *data, size_t size)
{
    return (struct fuzz_fields){.at = (const char *)data, .end = (const char *)data + size};
}

char *fuzz_next(struct fuzz_fields *fields)
{
    if (!fields->at)
        return NULL;
    size_t left = (size_t)(fields->end - fields->at);
    const char *end = left ? memchr(fields->at, '\n', left) : NULL;
    char *field = bf_copy_bytes(fields->at, end ? (size_t)(end - fields->at) : left);
    fields->at = end ? end + 1 : NULL;
    if (strcmp(field, "\\N") == 0)
        bf_free_string(&field);
    return field;
}

const char *fuzz_rest(const struct fuzz_fields *fields, size_t *ret_length)
{
    *ret_length = fields->at ? (size_t)(fields->end - fields->at) : 0;
    return fields->at ? fields->at : "";
}
