#include "buffer.h"

#include <stdint.h>
#include <stdio.h>

#include "allocate.h"

/* Makes room for `more` bytes and the NUL; false when that would pass the ceiling. After the first write that was
 * dropped nothing more is taken, so that the text is a true beginning and has no hole. */
static bool have_room(struct bf_buffer *buffer, size_t more)
{
    size_t ceiling = buffer->ceiling ? buffer->ceiling : BF_BUFFER_CEILING;
    if (buffer->overflow || buffer->length > ceiling || more > ceiling - buffer->length) {
        buffer->overflow = true;
        return false;
    }
    size_t needed = buffer->length + more + 1;
    if (needed <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity ? buffer->capacity : 64;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    buffer->text = bf_reallocate(buffer->text, capacity);
    buffer->capacity = capacity;
    return true;
}

void bf_buffer_append(struct bf_buffer *buffer, const char *bytes, size_t length)
{
    if (!have_room(buffer, length))
        return;
    if (length)
        memcpy(buffer->text + buffer->length, bytes, length);
    buffer->length += length;
    buffer->text[buffer->length] = '\0';
}

void bf_buffer_text(struct bf_buffer *buffer, const char *text)
{
    bf_buffer_append(buffer, text, strlen(text));
}

void bf_buffer_format(struct bf_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length >= 0 && have_room(buffer, (size_t)length)) {
        vsnprintf(buffer->text + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

char *bf_buffer_take(struct bf_buffer *buffer)
{
    char *text = buffer->text ? buffer->text : bf_copy_string("");
    buffer->text = NULL;
    buffer->length = buffer->capacity = 0;
    return text;
}

void bf_buffer_clear(struct bf_buffer *buffer)
{
    free(buffer->text);
    *buffer = (struct bf_buffer){.ceiling = buffer->ceiling};
}
