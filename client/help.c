/* Help, made from the tables. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "client.h"
#include "text.h"

static void print_option(const struct bf_option_row *option)
{
    char letter[] = "    ";
    if (option->letter != '\0')
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    char *left BF_AUTO_STRING = bf_format("%s--%s%s%s", letter, option->name, option->argument ? " " : "",
                                          option->argument ? option->argument : "");
    printf("  %-25s %s\n", left, option->help);
}

static void print_options(uint64_t options)
{
    for (int i = 0; i < BF_OPTION_COUNT; i++)
        if (options & (UINT64_C(1) << i))
            print_option(&bf_options[i]);
}

static void print_exits(void)
{
    printf("\nExit codes:\n");
#define X(constant, number, meaning) printf("  %3d  %s\n", number, meaning);
    BF_EXITS(X)
#undef X
}

enum bf_exit bf_help_general(void)
{
    printf("usage: backfillctl [-u URL] [--token-file FILE] [--json] VERB ...\n\n"
           "Asks and orders backfilld, which runs backfills on live databases.\n\n");
    for (int built = 1; built >= 0; built--) {
        printf(built ? "Verbs:\n" : "\nNot built yet:\n");
        for (size_t i = 0; i < bf_verb_count; i++) {
            const struct bf_verb *verb = &bf_verbs[i];
            if ((verb->run != NULL) != (built == 1))
                continue;
            char *left BF_AUTO_STRING = bf_format("%s%s%s", verb->name, verb->arguments[0] ? " " : "", verb->arguments);
            printf("  %-15s %s\n", built ? left : verb->name, verb->help);
        }
    }
    printf("\nOptions of every verb (they may stand anywhere on the line):\n");
    print_options(BF_OPTIONS_GLOBAL);
    printf("\nEnvironment:\n"
           "  BACKFILLD_URL             used without --url; default %s\n"
           "  BACKFILLD_TOKEN           the token itself, used without --token-file\n"
           "  BACKFILLD_CACERT          used without --cacert\n"
           "  NO_COLOR                  no colours\n",
           BF_API_DEFAULT_URL);
    print_exits();
    printf("\nbackfillctl VERB --help tells more of a verb.\n");
    return BF_EXIT_DONE;
}

/* Method and path of a route, for people who would rather ask by curl. */
static void print_route(const struct bf_verb *verb)
{
    static const char *const routes[] = {
#define X(constant, method, path, role, handler, summary) #method " " path,
        BF_ROUTES(X)
#undef X
    };
    if (verb->route != BF_ROUTE_COUNT)
        printf("\nAsks: %s\n", routes[verb->route]);
}

enum bf_exit bf_help_verb(const struct bf_verb *verb)
{
    printf("usage: backfillctl %s%s%s%s\n\n%c%s%s.\n", verb->name, verb->options ? " [OPTIONS]" : "",
           verb->arguments[0] ? " " : "", verb->arguments, verb->help[0] - ('a' - 'A'), verb->help + 1,
           verb->run ? "" : " (not built yet)");
    if (verb->more)
        printf("%s\n", verb->more);
    if (verb->options) {
        printf("\nOptions:\n");
        print_options(verb->options);
    }
    printf("\nOptions of every verb:\n");
    print_options(BF_OPTIONS_GLOBAL);
    print_route(verb);
    return BF_EXIT_DONE;
}

enum bf_exit bf_run_help(struct bf_client *client)
{
    if (client->count == 0)
        return bf_help_general();
    const struct bf_verb *verb = bf_verb_by_name(client->words[0]);
    if (verb)
        return bf_help_verb(verb);
    bf_say("there is no verb %s", client->words[0]);
    return BF_EXIT_USAGE;
}
