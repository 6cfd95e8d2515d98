#include "allocate.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void *bf_have(void *memory)
{
    if (memory)
        return memory;
    static const char line[] = "backfilld: out of memory\n";
    /* write(2), because stdio may want memory itself; nothing can be done where even that fails. */
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
    (void)written;
    abort();
}

void *bf_allocate(size_t size)
{
    return bf_have(calloc(1, size ? size : 1));
}

void *bf_reallocate(void *memory, size_t size)
{
    return bf_have(realloc(memory, size ? size : 1));
}

char *bf_copy_string(const char *text)
{
    return text ? bf_copy_bytes(text, strlen(text)) : NULL;
}

char *bf_copy_bytes(const char *bytes, size_t length)
{
    char *copy = bf_have(malloc(length + 1));
    if (length)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

char *bf_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return bf_have(length < 0 ? NULL : text);
}

bool bf_same_string(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

void bf_free_string(char **text)
{
    free(*text);
    *text = NULL;
}
