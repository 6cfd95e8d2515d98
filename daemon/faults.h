/* What is wrong with a file: every fault with its line, all at once. */
#ifndef BF_DAEMON_FAULTS_H
#define BF_DAEMON_FAULTS_H

#include <stddef.h>
#include <stdio.h>

enum { BF_FAULTS_MAX = 100 }; /* further ones are counted, not kept */

struct bf_fault {
    int line;   /* 0: the file as a whole */
    char *text; /* owned; has no secrets */
};

struct bf_faults {
    struct bf_fault list[BF_FAULTS_MAX]; /* by line */
    size_t count;                        /* kept in list */
    size_t total;
};

void bf_faults_add(struct bf_faults *faults, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "FILE:LINE: text", one fault a line; control characters that the file brought along are shown as "?". */
void bf_faults_print(const struct bf_faults *faults, const char *path, FILE *stream);
void bf_faults_clear(struct bf_faults *faults);

#endif
