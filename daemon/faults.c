#include "faults.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"

void bf_faults_add(struct bf_faults *faults, int line, const char *format, ...)
{
    size_t place = faults->count;
    va_list arguments;
    char *text = NULL;

    faults->total++;
    if (faults->count == BF_FAULTS_MAX)
        return;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    for (char *byte = text; *byte; byte++)
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
            *byte = '?';
    /* A fault of a whole section is found at its end and belongs to its first line. */
    while (place > 0 && faults->list[place - 1].line > line) {
        faults->list[place] = faults->list[place - 1];
        place--;
    }
    faults->list[place] = (struct bf_fault){.line = line, .text = text};
    faults->count++;
}

void bf_faults_print(const struct bf_faults *faults, const char *path, FILE *stream)
{
    for (size_t i = 0; i < faults->count; i++)
        if (faults->list[i].line)
            fprintf(stream, "%s:%d: %s\n", path, faults->list[i].line, faults->list[i].text);
        else
            fprintf(stream, "%s: %s\n", path, faults->list[i].text);
    if (faults->total > faults->count)
        fprintf(stream, "%s: and %zu more\n", path, faults->total - faults->count);
}

void bf_faults_clear(struct bf_faults *faults)
{
    for (size_t i = 0; i < faults->count; i++)
        free(faults->list[i].text);
    memset(faults, 0, sizeof *faults);
}
