/* A growing text with a ceiling. A write past the ceiling is dropped and remembered in `overflow`: check it once, at the
 * end. The text is always NUL-terminated after the first write. */
#ifndef BF_BASE_BUFFER_H
#define BF_BASE_BUFFER_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

struct bf_buffer {
    char *text; /* owned; NULL while empty */
    size_t length;
    size_t capacity;
    size_t ceiling; /* bytes; 0 means BF_BUFFER_CEILING */
    bool overflow;
};

enum { BF_BUFFER_CEILING = 16 * 1024 * 1024 };

void bf_buffer_append(struct bf_buffer *buffer, const char *bytes, size_t length);
void bf_buffer_text(struct bf_buffer *buffer, const char *text);
void bf_buffer_format(struct bf_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Hands the text over (never NULL); the buffer is empty afterwards, `overflow` stays to be asked. Free it with free(). */
char *bf_buffer_take(struct bf_buffer *buffer);
void bf_buffer_clear(struct bf_buffer *buffer); /* frees; the buffer can be used again */

#endif
