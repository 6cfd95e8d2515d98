#include "memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <uv.h>

#include "allocate.h"

/* What cannot be told as a size cannot be had. */
static void *make_many(size_t count, size_t size)
{
    size_t whole;
    return bf_allocate(__builtin_mul_overflow(count, size, &whole) ? SIZE_MAX : whole);
}

void bf_memory_begin(void)
{
    json_set_alloc_funcs(bf_allocate, free);
    uv_replace_allocator(bf_allocate, bf_reallocate, make_many, free);
}
