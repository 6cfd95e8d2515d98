#include "complaints.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"

void bf_complain(struct bf_complaints *complaints, enum bf_code code, const char *pointer, const char *format, ...)
{
    complaints->total++;
    if (complaints->count >= BF_COMPLAINTS_MAX)
        return;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    size_t size = length < 0 ? 1 : (size_t)length + 1;
    char *detail = bf_allocate(size);
    if (length > 0)
        vsnprintf(detail, size, format, again);
    va_end(again);
    va_end(arguments);
    complaints->list[complaints->count++] =
        (struct bf_complaint){.code = code, .pointer = bf_copy_string(pointer), .detail = detail};
}

void bf_complaints_take(struct bf_complaints *complaints, const char *prefix, struct bf_complaints *from)
{
    for (size_t i = 0; i < from->count; i++) {
        BF_AUTO_STRING char *pointer = bf_format("%s%s", prefix, from->list[i].pointer);
        bf_complain(complaints, from->list[i].code, pointer, "%s", from->list[i].detail);
    }
    complaints->total += from->total - from->count;
    bf_complaints_clear(from);
}

bool bf_complaints_under(const struct bf_complaints *complaints, const char *pointer)
{
    size_t length = strlen(pointer);
    for (size_t i = 0; i < complaints->count; i++) {
        const char *at = complaints->list[i].pointer;
        if (strncmp(at, pointer, length) == 0 && (at[length] == '/' || at[length] == '\0'))
            return true;
    }
    return complaints->total > complaints->count;
}

enum bf_code bf_complaints_code(const struct bf_complaints *complaints)
{
    if (complaints->total == 0)
        return BF_OK;
    /* Those that were not kept are of unknown code; then the stricter word is the safe one. */
    if (complaints->total > complaints->count)
        return BF_INVALID;
    for (size_t i = 0; i < complaints->count; i++)
        if (complaints->list[i].code != BF_UNSUPPORTED)
            return BF_INVALID;
    return BF_UNSUPPORTED;
}

void bf_complaints_clear(struct bf_complaints *complaints)
{
    for (size_t i = 0; i < complaints->count; i++) {
        free(complaints->list[i].pointer);
        free(complaints->list[i].detail);
    }
    complaints->count = complaints->total = 0;
}
