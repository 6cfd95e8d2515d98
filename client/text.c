#include "text.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "allocate.h"
#include "buffer.h"

bool bf_text_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Length of the UTF-8 sequence at `text` and its code point; 0 when it is not valid (RFC 3629: no overlong forms, no
 * surrogates). Independent of the locale. */
static size_t decode(const unsigned char *text, uint32_t *ret_point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length;
    uint32_t point;
    if (text[0] < 0x80) {
        *ret_point = text[0];
        return 1;
    } else if ((text[0] & 0xe0) == 0xc0) {
        length = 2;
        point = text[0] & 0x1fU;
    } else if ((text[0] & 0xf0) == 0xe0) {
        length = 3;
        point = text[0] & 0x0fU;
    } else if ((text[0] & 0xf8) == 0xf0) {
        length = 4;
        point = text[0] & 0x07U;
    } else {
        return 0;
    }
    for (size_t i = 1; i < length; i++) { /* the final NUL is no continuation byte, so this stays inside */
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (text[i] & 0x3fU);
    }
    if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *ret_point = point;
    return length;
}

static bool turns_direction(uint32_t point)
{
    return point == 0x061c || point == 0x200e || point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

char *bf_text_safe(const char *text)
{
    struct bf_buffer safe = {0};
    bool utf8 = bf_text_utf8();
    for (const unsigned char *at = (const unsigned char *)(text ? text : ""); *at != 0;) {
        uint32_t point = 0;
        size_t length = decode(at, &point);
        if (length == 0) {
            bf_buffer_format(&safe, "\\x%02x", *at);
            length = 1;
        } else if (point == '\n') {
            bf_buffer_text(&safe, "\\n");
        } else if (point == '\t') {
            bf_buffer_text(&safe, " ");
        } else if (point < 0x20 || point == 0x7f) {
            bf_buffer_format(&safe, "\\x%02x", point);
        } else if (point < 0x7f) {
            bf_buffer_append(&safe, (const char *)at, 1);
        } else if (!utf8 || point < 0xa0 || turns_direction(point) || wcwidth((wchar_t)point) < 0) {
            bf_buffer_format(&safe, point > 0xffff ? "\\U%08x" : "\\u%04x", point);
        } else {
            bf_buffer_append(&safe, (const char *)at, length);
        }
        at += length;
    }
    return bf_buffer_take(&safe);
}

/* Walks whole characters until `columns` are used; returns the bytes and says how many columns they take. */
static size_t walk(const char *text, size_t columns, size_t *ret_width)
{
    size_t bytes = 0, width = 0;
    while (text[bytes] != '\0') {
        uint32_t point = 0;
        size_t length = decode((const unsigned char *)text + bytes, &point);
        if (length == 0)
            length = 1;
        int cells = point < 0x80 ? 1 : wcwidth((wchar_t)point);
        size_t wide = cells < 0 ? 1 : (size_t)cells;
        if (width + wide > columns)
            break;
        width += wide;
        bytes += length;
    }
    *ret_width = width;
    return bytes;
}

size_t bf_text_width(const char *text)
{
    size_t width;
    walk(text, SIZE_MAX, &width);
    return width;
}

size_t bf_text_fit(const char *text, size_t columns)
{
    size_t width;
    return walk(text, columns, &width);
}

char *bf_text_cut(const char *text, size_t columns)
{
    if (bf_text_width(text) <= columns)
        return bf_copy_string(text);
    if (columns == 0)
        return bf_copy_string("");
    return bf_format("%.*s%s", (int)bf_text_fit(text, columns - 1), text, bf_text_utf8() ? "…" : "~");
}

static void __attribute__((format(printf, 2, 0))) say(const char *head, const char *format, va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        return;
    BF_AUTO_STRING char *safe = bf_text_safe(text);
    fflush(stdout); /* what was printed before stands before the complaint where both go to one terminal */
    fprintf(stderr, "%s%s\n", head, safe);
    free(text);
}

void bf_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("backfillctl: ", format, arguments);
    va_end(arguments);
}

void bf_say_more(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("  ", format, arguments);
    va_end(arguments);
}

/* Edits between two words, a swap of neighbours counting as one (optimal string alignment); words over 31 characters
 * are never near. */
static size_t distance(const char *one, const char *other)
{
    enum { MOST = 32 };
    size_t rows = strlen(one), columns = strlen(other);
    size_t table[MOST][MOST];
    if (rows >= MOST || columns >= MOST)
        return MOST;
    for (size_t i = 0; i <= rows; i++) {
        for (size_t j = 0; j <= columns; j++) {
            if (i == 0 || j == 0) {
                table[i][j] = i + j;
                continue;
            }
            size_t best = table[i - 1][j - 1] + (one[i - 1] != other[j - 1]);
            if (table[i - 1][j] + 1 < best)
                best = table[i - 1][j] + 1;
            if (table[i][j - 1] + 1 < best)
                best = table[i][j - 1] + 1;
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] &&
                table[i - 2][j - 2] + 1 < best)
                best = table[i - 2][j - 2] + 1;
            table[i][j] = best;
        }
    }
    return table[rows][columns];
}

const char *bf_text_nearest(const char *word, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2; /* a third of the letters may be wrong, and at least one */
    for (size_t i = 0; i < count; i++) {
        size_t edits = distance(word, names[i]);
        if (edits < best) {
            best = edits;
            nearest = names[i];
        }
    }
    return nearest;
}
