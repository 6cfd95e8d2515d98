/* One INI file, read by inih. inih tells neither line numbers nor more than its first error, and reports no section
 * that is empty; the callbacks here tell all three. Pure. */
#ifndef BF_DAEMON_INI_FILE_H
#define BF_DAEMON_INI_FILE_H

#include <stddef.h>

enum { BF_INI_LINE_MAX = 4096 }; /* bytes; a longer line is a fault */

struct bf_ini_handler {
    /* "[name]", also when nothing follows. */
    void (*section)(void *argument, int line, const char *name);
    /* "key = value", both without the white space around them; an empty value is "". */
    void (*value)(void *argument, int line, const char *key, const char *value);
    void (*fault)(void *argument, int line, const char *text);
};

void bf_ini_parse(const char *text, size_t length, const struct bf_ini_handler *handler, void *argument);

#endif
