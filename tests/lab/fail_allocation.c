/* Preloaded into a daemon: its N-th allocation fails, as $FAIL_ALLOCATION says ("N"), or all of them from then on ("N+").
 * $COUNT_ALLOCATIONS names a file into which an orderly end writes how many there were. Nothing happens in other programs. */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static atomic_long made;
static long failing; /* 0: none */
static bool all_behind, active;

__attribute__((constructor)) static void begin(void)
{
    const char *number = getenv("FAIL_ALLOCATION");
    active = strcmp(program_invocation_short_name, "backfilld") == 0;
    failing = number ? strtol(number, NULL, 10) : 0;
    all_behind = number && strchr(number, '+');
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("COUNT_ALLOCATIONS");
    FILE *file = active && path ? fopen(path, "we") : NULL;
    if (!file)
        return;
    fprintf(file, "%ld\n", atomic_load(&made));
    fclose(file);
}

static bool fails(void)
{
    if (!active)
        return false;
    long number = atomic_fetch_add(&made, 1) + 1;
    if (!failing || number < failing || (number > failing && !all_behind))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? NULL : __libc_realloc(memory, size);
}
