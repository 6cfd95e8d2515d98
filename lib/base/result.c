#include "result.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"

struct code_row {
    const char *name;
    int status;
    const char *title;
};

static const struct code_row code_rows[] = {
#define X(constant, name, status, title) {#name, status, title},
    BF_CODES(X)
#undef X
};

static const struct code_row *code_row(enum bf_code code)
{
    static const struct code_row none = {"unknown", 0, "Unknown"};
    return (size_t)code < BF_COUNT(code_rows) ? &code_rows[code] : &none;
}

const char *bf_code_name(enum bf_code code)
{
    return code_row(code)->name;
}

int bf_code_status(enum bf_code code)
{
    return code_row(code)->status;
}

const char *bf_code_title(enum bf_code code)
{
    return code_row(code)->title;
}

enum bf_code bf_code_by_name(const char *name)
{
    for (size_t i = 0; name && i < BF_COUNT(code_rows); i++)
        if (strcmp(code_rows[i].name, name) == 0)
            return (enum bf_code)i;
    return BF_CODE_COUNT;
}

/* Texts end up in JSON, which has no half characters: takes the last character away when its end was cut off. */
static void drop_cut_character(char *text, size_t length)
{
    size_t start = length;
    size_t continuation = 0;
    while (start > 0 && continuation < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) {
        start--;
        continuation++;
    }
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (continuation < wanted)
        text[start - 1] = '\0';
}

enum bf_code bf_fail(struct bf_error *error, enum bf_code code, const char *format, ...)
{
    if (!error)
        return code;
    /* By way of a second buffer: the old text of the same error is often one of the arguments. */
    char text[BF_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0)
        text[0] = '\0';
    else if ((size_t)length >= sizeof text)
        drop_cut_character(text, sizeof text - 1);
    error->code = code;
    memcpy(error->text, text, sizeof text);
    return code;
}

enum bf_code bf_prefix(struct bf_error *error, const char *prefix)
{
    if (!error)
        return BF_INTERNAL;
    return bf_fail(error, error->code, "%s: %s", prefix, error->text);
}
