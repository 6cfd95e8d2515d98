/* The parts of backfill-job(5): every field of the job document. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "document_table.h"
#include "duration.h"
#include "manual.h"

enum { SECTIONS_MAX = 32 };

/* "pause", "abort" or "rollback", from what has "|" between them. */
static char *words_of(const char *words)
{
    char *text = bf_copy_string("");
    for (const char *at = words; *at; at += strcspn(at, "|") + (at[strcspn(at, "|")] == '|')) {
        int length = (int)strcspn(at, "|");
        const char *between = at == words ? "" : at[length] ? ", " : " or ";
        char *longer = bf_format("%s%s\"%.*s\"", text, between, length, at);
        free(text);
        text = longer;
    }
    return text;
}

/* What a field holds, in words. */
static char *kind_of(const struct bf_field *field)
{
    char low[BF_DURATION_TEXT], high[BF_DURATION_TEXT];
    const long long min = (long long)field->min, max = (long long)field->max;
    switch (field->kind) {
    case BF_FIELD_NAME:
        return bf_format("a name of %lld to %lld characters [%s][%s]*", min, max, field->first, field->rest);
    case BF_FIELD_LINE:
        return bf_format("a line of up to %lld bytes", max);
    case BF_FIELD_LINE_OR_INTEGER:
        return bf_format("a line of up to %lld bytes, or a whole number", max);
    case BF_FIELD_LINE_OR_NUMBER:
        return bf_format("a line of up to %lld bytes, or a number", max);
    case BF_FIELD_TEXT:
        return bf_format("a text of up to %lld bytes", max);
    case BF_FIELD_WORD:
        return words_of(field->word);
    case BF_FIELD_WORD_OR_SECTION: {
        char *words BF_AUTO_STRING = words_of(field->word);
        return bf_format("%s, or an object", words);
    }
    case BF_FIELD_DURATION:
        return bf_format("a duration from %s to %s", bf_duration_format(field->min, low),
                         bf_duration_format(field->max, high));
    case BF_FIELD_INTEGER:
        return bf_format("a whole number from %lld to %lld", min, max);
    case BF_FIELD_NUMBER:
        return bf_format("a number from %lld to %lld", min, max);
    case BF_FIELD_SIZE:
        return bf_format("a size such as \"8MiB\", or a whole number of bytes, from %lld to %lld", min, max);
    case BF_FIELD_COUNT_OR_SHARE:
        return bf_format("a whole number from %lld to %lld, or a share such as \"0.1%%\" or 0.001", min, max);
    case BF_FIELD_BOOLEAN:
        return bf_copy_string("true or false");
    case BF_FIELD_LINES:
        if (field->word)
            return bf_format("a list: [\"%s\"]", field->word);
        return bf_format("a list of %lld to %lld different lines of up to %" PRId64 " bytes", min, max, field->entry_max);
    case BF_FIELD_VALUES:
        return bf_format("a list of %lld to %lld strings of up to %" PRId64 " bytes", min, max, field->entry_max);
    case BF_FIELD_LINE_OF:
    case BF_FIELD_TEXT_OF:
        return bf_format("an object of %lld to %lld names and strings, of up to %" PRId64 " and %" PRId64 " bytes", min,
                         max, field->name_max, field->entry_max);
    case BF_FIELD_SECTIONS:
        return bf_format("a list of %lld to %lld objects", min, max);
    case BF_FIELD_SECTION:
        return bf_copy_string("an object");
    case BF_FIELD_NOT_BUILT:
        break;
    }
    return bf_copy_string("not built yet");
}

/* The sections that are printed already: one can be the section of several fields. */
struct printed {
    const struct bf_section *sections[SECTIONS_MAX];
    char *prefixes[SECTIONS_MAX];
    size_t count;
};

static void print_section(const struct bf_section *section, const char *prefix, struct printed *printed);

static void print_inside(const struct bf_field *field, const char *path, struct printed *printed)
{
    for (size_t i = 0; i < printed->count; i++) {
        if (printed->sections[i] != field->section)
            continue;
        printf("\tIts fields are those of *");
        bf_manual_text(printed->prefixes[i]);
        printf("*.\n\n");
        return;
    }
    char *prefix = bf_format("%s%s", path, field->kind == BF_FIELD_SECTIONS ? "[]" : "");
    if (printed->count < SECTIONS_MAX) {
        printed->sections[printed->count] = field->section;
        printed->prefixes[printed->count++] = prefix;
    }
    print_section(field->section, prefix, printed);
}

static void print_section(const struct bf_section *section, const char *prefix, struct printed *printed)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct bf_field *field = &section->fields[i];
        char *path BF_AUTO_STRING = bf_format("%s%s%s", prefix, prefix[0] ? "." : "", field->name);
        char *kind BF_AUTO_STRING = kind_of(field);
        char *standard BF_AUTO_STRING = field->standard ? bf_format("; default %s", field->standard) : NULL;
        putchar('*');
        bf_manual_text(path);
        printf("* (");
        bf_manual_text(kind);
        bf_manual_text(field->nullable ? ", or null" : "");
        bf_manual_text(field->required ? "; required" : standard ? standard : "");
        printf(")\n\t");
        bf_manual_sentence(field->help);
        printf("\n\n");
        if (field->section)
            print_inside(field, path, printed);
    }
}

static void print_fields(void)
{
    struct printed printed = {0};
    print_section(bf_document_section(0), "", &printed);
    for (size_t i = 0; i < printed.count; i++)
        free(printed.prefixes[i]);
}

int main(int count, char **words)
{
    static const struct bf_manual_part parts[] = {{"fields", print_fields}};
    return count == 2 ? bf_manual_print(words[1], parts, BF_COUNT(parts)) : EXIT_FAILURE;
}
