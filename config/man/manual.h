/* How a manual page is made: a page in scdoc's language (scdoc(5)) in which a line "@name@" stands for what a function
 * prints from a table of the code. */
#ifndef BF_MANUAL_H
#define BF_MANUAL_H

#include <stddef.h>

struct bf_manual_part {
    const char *name;
    void (*print)(void);
};

/* Prints the page `path` with its parts; gives the exit code. A name that is no part's is an error. */
int bf_manual_print(const char *path, const struct bf_manual_part *parts, size_t count);

/* Prints text of which nothing is taken for scdoc's marks. */
void bf_manual_text(const char *text);
/* The same with a capital letter, and a full stop where the text has none. */
void bf_manual_sentence(const char *text);

#endif
