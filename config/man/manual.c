#include "manual.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bf_manual_text(const char *text)
{
    for (; *text; text++) {
        if (strchr("\\_*#-+|[]`<>.:", *text))
            putchar('\\');
        putchar(*text);
    }
}

void bf_manual_sentence(const char *text)
{
    size_t length = strlen(text);
    char first[] = {(char)toupper((unsigned char)text[0]), '\0'};
    bf_manual_text(first);
    bf_manual_text(length > 0 ? text + 1 : "");
    if (length > 0 && !strchr(".:)", text[length - 1]))
        putchar('.');
}

/* "@name@" and the end of the line. */
static const struct bf_manual_part *part_of(const char *line, const struct bf_manual_part *parts, size_t count)
{
    size_t length = strcspn(line, "\n");
    for (size_t i = 0; i < count; i++)
        if (length == strlen(parts[i].name) + 2 && strncmp(line + 1, parts[i].name, length - 2) == 0)
            return &parts[i];
    return NULL;
}

int bf_manual_print(const char *path, const struct bf_manual_part *parts, size_t count)
{
    char line[4096];
    int code = EXIT_SUCCESS;
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return EXIT_FAILURE;
    }
    while (code == EXIT_SUCCESS && fgets(line, sizeof line, file)) {
        const struct bf_manual_part *part = line[0] == '@' ? part_of(line, parts, count) : NULL;
        if (part) {
            part->print();
        } else if (line[0] == '@') {
            fprintf(stderr, "%s: no part is called %s", path, line);
            code = EXIT_FAILURE;
        } else {
            fputs(line, stdout);
        }
    }
    fclose(file);
    return fflush(stdout) == 0 ? code : EXIT_FAILURE;
}
