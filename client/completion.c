/* Makes the completion for bash: prints the tables of verbs and options as bash functions, and behind them the file that
 * it is given, which uses them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "backfilld/states.h"
#include "verbs.h"

/* "-u --url " */
static void print_names(uint64_t options)
{
    for (int i = 0; i < BF_OPTION_COUNT; i++) {
        if (!(options & UINT64_C(1) << i))
            continue;
        if (bf_options[i].letter != '\0')
            printf("-%c ", bf_options[i].letter);
        printf("--%s ", bf_options[i].name);
    }
}

/* "[JOB...]" and "JOB FIELD=VALUE..." as words without brackets; "..." stays: the last word may be there again. */
static void print_arguments(const char *arguments)
{
    for (; *arguments; arguments++)
        if (!strchr("[]", *arguments))
            putchar(*arguments);
}

static void print_verbs(void)
{
    printf("_backfillctl_verbs='");
    for (size_t i = 0; i < bf_verb_count; i++)
        if (bf_verbs[i].run)
            printf("%s%s", i ? " " : "", bf_verbs[i].name);
    printf("'\n\n# VERB: its arguments\n_backfillctl_arguments()\n{\n    case $1 in\n");
    for (size_t i = 0; i < bf_verb_count; i++) {
        printf("    %s) echo '", bf_verbs[i].name);
        print_arguments(bf_verbs[i].arguments);
        printf("' ;;\n");
    }
    printf("    esac\n}\n\n# VERB: its options\n_backfillctl_options()\n{\n    case $1 in\n");
    for (size_t i = 0; i < bf_verb_count; i++) {
        printf("    %s) echo '", bf_verbs[i].name);
        print_names(bf_verbs[i].options | BF_OPTIONS_GLOBAL);
        printf("' ;;\n");
    }
    printf("    *) echo '");
    print_names(BF_OPTIONS_GLOBAL);
    printf("' ;;\n    esac\n}\n\n");
}

static void print_values(void)
{
    printf("# OPTION: what stands behind it; nothing where it takes no argument\n_backfillctl_value()\n{\n    case $1 in\n");
    for (int i = 0; i < BF_OPTION_COUNT; i++) {
        const struct bf_option_row *option = &bf_options[i];
        if (!option->argument)
            continue;
        printf("    --%s", option->name);
        if (option->letter != '\0')
            printf(" | -%c", option->letter);
        printf(") echo '%s' ;;\n", option->argument);
    }
    printf("    esac\n}\n\n");
}

static void print_roles(void)
{
    static const char *const roles[] = {
#define X(constant, name) #name,
        BF_ROLES(X)
#undef X
    };
    printf("_backfillctl_roles='");
    for (size_t i = BF_ROLE_ANYONE + 1; i < BF_COUNT(roles); i++)
        printf("%s ", roles[i]);
    printf("'\n");
}

static void print_states(void)
{
    printf("_backfillctl_states='");
#define X(constant, name, final) printf(#name " ");
    BF_STATES(X)
#undef X
    printf("'\n");
}

int main(int count, char **words)
{
    char part[4096];
    size_t length;
    FILE *file = count == 2 ? fopen(words[1], "r") : NULL;
    if (!file) {
        fprintf(stderr, "client-completion: %s: %s\n", count == 2 ? words[1] : "one file is expected", strerror(errno));
        return EXIT_FAILURE;
    }
    printf("# bash completion for backfillctl. The tables are made from the program's own.\n\n");
    print_verbs();
    print_values();
    print_roles();
    print_states();
    while ((length = fread(part, 1, sizeof part, file)) > 0)
        fwrite(part, 1, length, stdout);
    fclose(file);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
