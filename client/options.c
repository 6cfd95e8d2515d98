/* The command line, checked against the tables before the daemon is asked anything. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "client.h"
#include "duration.h"
#include "backfilld/states.h"
#include "text.h"

enum { LONG_OPTION = 256 }; /* what getopt_long returns: this plus enum bf_option */

static int usage(const struct bf_verb *verb)
{
    if (verb)
        bf_say_more("usage: backfillctl %s%s%s   (backfillctl %s --help)", verb->name, verb->arguments[0] ? " " : "",
                    verb->arguments, verb->name);
    else
        bf_say_more("backfillctl --help shows the verbs and options");
    return BF_EXIT_USAGE;
}

static int no_such_verb(const char *word)
{
    const char *names[64];
    for (size_t i = 0; i < bf_verb_count && i < BF_COUNT(names); i++)
        names[i] = bf_verbs[i].name;
    const char *nearest = bf_text_nearest(word, names, bf_verb_count);
    if (nearest)
        bf_say("there is no verb %s; did you mean %s?", word, nearest);
    else
        bf_say("there is no verb %s", word);
    return usage(NULL);
}

static int no_such_option(const char *word)
{
    const char *names[BF_OPTION_COUNT];
    for (int i = 0; i < BF_OPTION_COUNT; i++)
        names[i] = bf_options[i].name;
    char *name BF_AUTO_STRING = bf_copy_string(strncmp(word, "--", 2) == 0 ? word + 2 : word);
    name[strcspn(name, "=")] = '\0';
    const char *nearest = bf_text_nearest(name, names, BF_COUNT(names));
    if (nearest && strncmp(word, "--", 2) == 0)
        bf_say("there is no option --%s; did you mean --%s?", name, nearest);
    else
        bf_say("there is no option %s", word);
    return usage(NULL);
}

static enum bf_option by_letter(int letter)
{
    for (int i = 0; i < BF_OPTION_COUNT; i++)
        if (bf_options[i].letter != '\0' && bf_options[i].letter == letter)
            return (enum bf_option)i;
    return BF_OPTION_COUNT;
}

/* getopt's own tables, from ours. */
static void tables(struct option long_options[BF_OPTION_COUNT + 1], char letters[2 * BF_OPTION_COUNT + 2])
{
    size_t length = 0;
    letters[length++] = ':'; /* a missing argument is told apart from an unknown option */
    for (int i = 0; i < BF_OPTION_COUNT; i++) {
        const struct bf_option_row *row = &bf_options[i];
        long_options[i] = (struct option){row->name, row->argument ? required_argument : no_argument, NULL,
                                          LONG_OPTION + i};
        if (row->letter != '\0') {
            letters[length++] = row->letter;
            if (row->argument)
                letters[length++] = ':';
        }
    }
    letters[length] = '\0';
    long_options[BF_OPTION_COUNT] = (struct option){0};
}

/* Splits the line into options and words; getopt moves the words to its end. */
static int read_line(struct bf_client *client, int count, char **words)
{
    struct option long_options[BF_OPTION_COUNT + 1];
    char letters[2 * BF_OPTION_COUNT + 2];
    tables(long_options, letters);
    opterr = 0;
    for (;;) {
        int at = optind, found = getopt_long(count, words, letters, long_options, NULL);
        if (found == -1)
            break;
        if (found == ':') {
            bf_say("%s needs an argument", words[optind - 1]);
            return usage(NULL);
        }
        if (found == '?') {
            char letter[] = {'-', (char)optopt, '\0'};
            bool is_long = optopt == 0 || optopt >= LONG_OPTION;
            if (optopt >= LONG_OPTION) {
                bf_say("--%s takes no argument", bf_options[optopt - LONG_OPTION].name);
                return usage(NULL);
            }
            return no_such_option(is_long ? words[optind > at ? optind - 1 : at] : letter);
        }
        enum bf_option option = found >= LONG_OPTION ? (enum bf_option)(found - LONG_OPTION) : by_letter(found);
        if (client->values[option] && !(BF_OPTIONS_GLOBAL & (UINT64_C(1) << option))) {
            bf_say("--%s is given twice", bf_options[option].name);
            return usage(NULL);
        }
        client->values[option] = optarg ? optarg : "";
    }
    client->words = words + optind;
    client->count = count - optind;
    return -1;
}

static int check_words(const struct bf_client *client)
{
    const struct bf_verb *verb = client->verb;
    for (int i = 0; i < client->count; i++) {
        if (client->words[i][0] == '\0') {
            bf_say("%s: argument %d is empty", verb->name, i + 1);
            return usage(verb);
        }
    }
    if (client->count < verb->least && client->count > 0)
        bf_say("%s: too few arguments: it takes %s", verb->name, verb->arguments);
    else if (client->count < verb->least)
        bf_say("%s: %s is missing", verb->name, verb->arguments);
    else if (client->count > verb->most)
        bf_say("%s: unexpected argument %s", verb->name, client->words[verb->most]);
    else
        return -1;
    return usage(verb);
}

static int check_state(const struct bf_client *client, enum bf_option option)
{
    static const char *const states[] = {
#define X(constant, name, final) #name,
        BF_STATES(X)
#undef X
    };
    const char *given = client->values[option];
    if (!given)
        return -1;
    for (size_t i = 0; i < BF_COUNT(states); i++)
        if (strcmp(states[i], given) == 0)
            return -1;
    const char *nearest = bf_text_nearest(given, states, BF_COUNT(states));
    bf_say("--%s: there is no state %s%s%s%s", bf_options[option].name, given, nearest ? "; did you mean " : "",
           nearest ? nearest : "", nearest ? "?" : "");
    char *list BF_AUTO_STRING = bf_copy_string("states:");
    for (size_t i = 0; i < BF_COUNT(states); i++) {
        char *longer = bf_format("%s %s", list, states[i]);
        free(list);
        list = longer;
    }
    bf_say_more("%s", list);
    return BF_EXIT_USAGE;
}

static int check_time(const struct bf_client *client, enum bf_option option)
{
    int64_t time;
    const char *given = client->values[option];
    if (!given || bf_duration_parse(given, &time))
        return -1;
    bf_say("--%s: %s is not a duration; write 30s, 10m, 2h or 7d", bf_options[option].name, given);
    return usage(client->verb);
}

/* Options that need another one, and values with a form of their own. */
static int check_values(struct bf_client *client)
{
    const struct bf_verb *verb = client->verb;
    if (bf_given(client, BF_OPTION_TIMEOUT)) {
        if (!bf_duration_parse(client->values[BF_OPTION_TIMEOUT], &client->timeout) || client->timeout == 0) {
            bf_say("--timeout: %s is not a duration; write 500ms, 30s, 10m or 2h", client->values[BF_OPTION_TIMEOUT]);
            return usage(verb);
        }
        if ((verb->options & BF_BIT(WAIT)) && !bf_given(client, BF_OPTION_WAIT)) {
            bf_say("%s: --timeout is how long to wait: it needs --wait", verb->name);
            return usage(verb);
        }
    }
    if (bf_given(client, BF_OPTION_CONFIRM) && (verb->options & BF_BIT(APPROVE)) &&
        !bf_given(client, BF_OPTION_APPROVE)) {
        bf_say("%s: --confirm belongs to --approve", verb->name);
        return usage(verb);
    }
    if (bf_given(client, BF_OPTION_BREAK_GLASS) && !bf_given(client, BF_OPTION_COMMENT)) {
        bf_say("%s: --break-glass needs --comment: why nobody else can approve it", verb->name);
        return usage(verb);
    }
    const char *label = client->values[BF_OPTION_LABEL];
    if (label && (!label[strcspn(label, "=:")] || strcspn(label, "=:") == 0)) {
        bf_say("--label: %s is not KEY=VALUE or KEY:VALUE", label);
        return usage(verb);
    }
    const char *limit = client->values[BF_OPTION_LIMIT];
    if (limit) {
        char *end;
        long number = strtol(limit, &end, 10);
        if (limit[0] < '0' || limit[0] > '9' || *end != '\0' || number < 1 || number > 500) {
            bf_say("--limit: %s is not a number from 1 to 500", limit);
            return usage(verb);
        }
    }
    const char *from = client->values[BF_OPTION_FROM];
    if (from && strcmp(from, "start") != 0 && strcmp(from, "position") != 0) {
        bf_say("--from: %s is not start or position", from);
        return usage(verb);
    }
    if (verb->run == bf_run_pause_all || verb->run == bf_run_resume_all) {
        if (label && bf_given(client, BF_OPTION_TARGET)) {
            bf_say("%s: give --target or --label, not both", verb->name);
            return usage(verb);
        }
    }
    int wrong = check_state(client, BF_OPTION_STATE);
    if (wrong != -1)
        return wrong;
    return verb->run == bf_run_wait ? check_state(client, BF_OPTION_FOR) : check_time(client, BF_OPTION_FOR);
}

int bf_options_read(struct bf_client *client, int count, char **words)
{
    int end = read_line(client, count, words);
    if (end != -1)
        return end;
    client->json = bf_given(client, BF_OPTION_JSON);
    if (bf_given(client, BF_OPTION_VERSION)) {
        printf("backfillctl %s\n", BF_VERSION);
        return BF_EXIT_DONE;
    }
    if (client->count == 0) {
        if (bf_given(client, BF_OPTION_HELP))
            return (int)bf_help_general();
        bf_say("a verb is missing");
        return usage(NULL);
    }
    const struct bf_verb *verb = client->verb = bf_verb_by_name(client->words[0]);
    if (!verb)
        return no_such_verb(client->words[0]);
    client->words++;
    client->count--;
    if (bf_given(client, BF_OPTION_HELP))
        return (int)bf_help_verb(verb);
    if (!verb->run) {
        bf_say("%s is not built yet", verb->name);
        return BF_EXIT_REFUSED;
    }
    for (int i = 0; i < BF_OPTION_COUNT; i++) {
        if (!client->values[i])
            continue;
        if (!((verb->options | BF_OPTIONS_GLOBAL) & (UINT64_C(1) << i))) {
            bf_say("%s has no option --%s", verb->name, bf_options[i].name);
            return usage(verb);
        }
        if (bf_options[i].argument && client->values[i][0] == '\0') {
            bf_say("--%s: the value is empty", bf_options[i].name);
            return usage(verb);
        }
    }
    end = check_words(client);
    return end != -1 ? end : check_values(client);
}
