/* The parts of backfilld(8) and backfilld.ini(5): the options and the settings of the daemon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "config.h"
#include "manual.h"
#include "options.h"

static void print_options(void)
{
    const struct bf_option_row *option;
    for (size_t i = 0; (option = bf_option(i)); i++) {
        printf("*-%c*, *--", option->letter);
        bf_manual_text(option->name);
        if (option->optional)
            printf("*\\[=_%s_\\]", option->argument);
        else
            printf(option->argument ? "* _%s_" : "*", option->argument);
        printf("\n\t");
        bf_manual_sentence(option->help);
        printf("\n\n");
    }
}

/* A key that ends in "." stands for all that begin so. */
static void print_key(const struct bf_setting *setting)
{
    putchar('*');
    bf_manual_text(setting->key);
    printf("%s*", setting->key[strlen(setting->key) - 1] == '.' ? "FIELD" : "");
}

static void print_settings(const char *section)
{
    const struct bf_setting *setting;
    for (size_t i = 0; (setting = bf_config_setting(i)); i++) {
        if (strcmp(setting->section, section) != 0 || !setting->built)
            continue;
        print_key(setting);
        if (setting->standard) {
            printf(" = ");
            bf_manual_text(setting->standard);
        }
        printf("\n\t");
        bf_manual_sentence(setting->help);
        printf("\n\n");
    }
}

static void print_daemon(void)
{
    print_settings("daemon");
}

static void print_target(void)
{
    print_settings("target");
}

static void print_source(void)
{
    print_settings("source");
}

int main(int count, char **words)
{
    static const struct bf_manual_part parts[] = {
        {"options", print_options},
        {"daemon", print_daemon},
        {"target", print_target},
        {"source", print_source},
    };
    return count == 2 ? bf_manual_print(words[1], parts, BF_COUNT(parts)) : EXIT_FAILURE;
}
