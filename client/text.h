/* Text from elsewhere made safe for a terminal, and its width in columns. The locale decides whether UTF-8 may be
 * written (setlocale is called once, in main). */
#ifndef BF_CLIENT_TEXT_H
#define BF_CLIENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

bool bf_text_utf8(void); /* the locale's encoding is UTF-8 */

/* A copy in which everything that could steer a terminal is escaped: control characters (C0, DEL, C1), marks that turn
 * the direction of writing, bytes that are not UTF-8; in a locale without UTF-8 also all that is not ASCII. NULL gives
 * "". Free it with free(). */
char *bf_text_safe(const char *text);
/* Columns of a safe text. */
size_t bf_text_width(const char *text);
/* Bytes of a safe text that fit in so many columns. */
size_t bf_text_fit(const char *text, size_t columns);
/* A copy of a safe text, cut to the columns; a cut is shown by a last character of "…" (or "~"). Free it with free(). */
char *bf_text_cut(const char *text, size_t columns);

/* One line to stderr, "backfillctl: …". The whole line is made safe. */
void bf_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same without the name in front, for lines that belong to the one before. */
void bf_say_more(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The nearest of `names` to a word that is none of them, or NULL when nothing is near. */
const char *bf_text_nearest(const char *word, const char *const *names, size_t count);

#endif
