#include "options.h"

#include <getopt.h>
#include <string.h>

#include "allocate.h"

static const struct bf_option_row table[] = {
    {'c', "config", "FILE", false, "read FILE instead of " BF_DEFAULT_CONFIG},
    {'t', "check-config", NULL, false, "name every fault of the configuration and exit: 0 none, 1 some"},
    {'s', "print-schema", "ENGINE", true,
     "print the control schema's DDL, for a DBA to run where the daemon's role may not, and exit; postgresql (the default), "
     "mariadb or mysql"},
    {'r', "print-rules", NULL, false, "print the rules by which a plan is GREEN, YELLOW or RED, and exit"},
    {'V', "version", NULL, false, "print the version and exit"},
    {'h', "help", NULL, false, "print this and exit"},
};

const struct bf_option_row *bf_option(size_t index)
{
    return index < BF_COUNT(table) ? &table[index] : NULL;
}

void bf_options_help(FILE *stream)
{
    fputs("usage: backfilld [OPTION...]\nRuns backfills on live databases; backfillctl talks to it.\n\n", stream);
    for (size_t i = 0; i < BF_COUNT(table); i++) {
        char left[40];

        snprintf(left, sizeof left, table[i].optional ? "-%c, --%s[=%s]" : table[i].argument ? "-%c, --%s %s" : "-%c, --%s",
                 table[i].letter, table[i].name, table[i].argument);
        fprintf(stream, "  %-28s %s\n", left, table[i].help);
    }
    fputs("\nSIGTERM lets running batches end, then exits (at most 10 s); SIGINT cancels them and exits; a second signal\n"
          "exits at once. Jobs that were running go on at the next start. SIGHUP reads the configuration and jobs.d again.\n",
          stream);
}

bool bf_options_parse(int argc, char **argv, struct bf_options *ret_options)
{
    struct bf_options options = {.config = BF_DEFAULT_CONFIG};
    struct option names[BF_COUNT(table) + 1];
    char letters[3 * BF_COUNT(table) + 1];
    size_t length = 0;
    int found;

    memset(names, 0, sizeof names);
    for (size_t i = 0; i < BF_COUNT(table); i++) {
        names[i] = (struct option){.name = table[i].name,
                                   .has_arg = table[i].optional   ? optional_argument
                                              : table[i].argument ? required_argument
                                                                  : no_argument,
                                   .val = table[i].letter};
        letters[length++] = table[i].letter;
        for (int colons = table[i].optional ? 2 : table[i].argument ? 1 : 0; colons > 0; colons--)
            letters[length++] = ':';
    }
    letters[length] = '\0';
    optind = 0; /* a fresh start, also when called again */
    while ((found = getopt_long(argc, argv, letters, names, NULL)) != -1) {
        switch (found) {
        case 'c':
            options.config = optarg;
            break;
        case 't':
            options.check_config = true;
            break;
        case 's':
            options.print_schema = optarg ? optarg : "postgresql";
            break;
        case 'r':
            options.print_rules = true;
            break;
        case 'V':
            options.version = true;
            break;
        case 'h':
            options.help = true;
            break;
        default:
            fputs("try: backfilld --help\n", stderr);
            return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "backfilld: no argument is expected, but there is \"%s\"\ntry: backfilld --help\n",
                argv[optind]);
        return false;
    }
    if (!*options.config) {
        fputs("backfilld: -c needs the path of a file\n", stderr);
        return false;
    }
    *ret_options = options;
    return true;
}
