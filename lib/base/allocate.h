/* Allocation that does not fail: out of memory ends the process with one line (the jobs' truth is on the targets, the
 * next start takes them up). Sizes that a user controls are limited before they get here. */
#ifndef BF_BASE_ALLOCATE_H
#define BF_BASE_ALLOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* All of these return zeroed or copied memory that the caller frees with free(). */
void *bf_allocate(size_t size);
void *bf_reallocate(void *memory, size_t size);
char *bf_copy_string(const char *text);                /* NULL gives NULL */
char *bf_copy_bytes(const char *bytes, size_t length); /* NUL is added */
char *bf_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What somebody else allocated for us; NULL: it could not be, and the process ends as above. */
void *bf_have(void *memory);

bool bf_same_string(const char *one, const char *other); /* two NULLs are the same, NULL and "" are not */
void bf_free_string(char **text); /* for BF_AUTO_STRING */
#define BF_AUTO_STRING __attribute__((cleanup(bf_free_string)))

#define BF_NEW(type) ((type *)bf_allocate(sizeof(type)))
#define BF_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
