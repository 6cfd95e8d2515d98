/* The parts of backfillctl(1): verbs, options, exit codes, and the words that the client shows. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "backfilld/codes.h"
#include "backfilld/states.h"
#include "exit_code.h"
#include "manual.h"
#include "verbs.h"

static void print_option(const struct bf_option_row *option)
{
    if (option->letter != '\0')
        printf("*-%c*, ", option->letter);
    printf("*--");
    bf_manual_text(option->name);
    putchar('*');
    if (option->argument) {
        printf(" _");
        bf_manual_text(option->argument);
        putchar('_');
    }
}

static void print_options(void)
{
    for (int i = 0; i < BF_OPTION_COUNT; i++) {
        if (!(BF_OPTIONS_GLOBAL & UINT64_C(1) << i))
            continue;
        print_option(&bf_options[i]);
        printf("\n\t");
        bf_manual_sentence(bf_options[i].help);
        printf("\n\n");
    }
}

static void print_head(const struct bf_verb *verb)
{
    putchar('*');
    bf_manual_text(verb->name);
    putchar('*');
    if (verb->arguments[0] != '\0') {
        printf(" _");
        bf_manual_text(verb->arguments);
        putchar('_');
    }
}

static void print_verb(const struct bf_verb *verb)
{
    print_head(verb);
    printf("\n\t");
    bf_manual_sentence(verb->help);
    for (const char *line = verb->more; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        char *text BF_AUTO_STRING = bf_copy_bytes(line, strcspn(line, "\n"));
        putchar(' ');
        bf_manual_sentence(text);
    }
    printf("\n\n");
    for (int i = 0; i < BF_OPTION_COUNT; i++) {
        if (!(verb->options & UINT64_C(1) << i))
            continue;
        printf("\t");
        print_option(&bf_options[i]);
        printf("\n\t\t");
        bf_manual_sentence(bf_options[i].help);
        printf("\n\n");
    }
}

static void print_verbs(void)
{
    for (size_t i = 0; i < bf_verb_count; i++)
        if (bf_verbs[i].run)
            print_verb(&bf_verbs[i]);
}

static void print_not_built(void)
{
    for (size_t i = 0; i < bf_verb_count; i++) {
        if (bf_verbs[i].run)
            continue;
        print_head(&bf_verbs[i]);
        printf("\n\t");
        bf_manual_sentence(bf_verbs[i].help);
        printf("\n\n");
    }
}

static void print_row(const char *word, const char *text)
{
    putchar('*');
    bf_manual_text(word);
    printf("*\n\t");
    bf_manual_sentence(text);
    printf("\n\n");
}

static void print_exits(void)
{
#define X(constant, number, meaning) print_row(#number, meaning);
    BF_EXITS(X)
#undef X
}

static void print_states_that_are(bool final)
{
    static const struct {
        const char *name;
        bool final;
    } states[] = {
#define X(constant, name, final) {#name, final},
        BF_STATES(X)
#undef X
    };
    const char *between = "";
    for (size_t i = 0; i < BF_COUNT(states); i++) {
        if (states[i].final != final)
            continue;
        printf("%s*", between);
        bf_manual_text(states[i].name);
        putchar('*');
        between = ", ";
    }
    printf(".\n");
}

static void print_states(void)
{
    print_states_that_are(false);
}

static void print_ends(void)
{
    print_states_that_are(true);
}

static void print_reasons(void)
{
#define X(constant, name, status, title) \
    if (status == 0)                     \
        print_row(#name, title);
    BF_CODES(X)
#undef X
}

int main(int count, char **words)
{
    static const struct bf_manual_part parts[] = {
        {"options", print_options}, {"verbs", print_verbs},   {"not-built", print_not_built},
        {"exits", print_exits},     {"states", print_states}, {"ends", print_ends},
        {"reasons", print_reasons},
    };
    return count == 2 ? bf_manual_print(words[1], parts, BF_COUNT(parts)) : EXIT_FAILURE;
}
