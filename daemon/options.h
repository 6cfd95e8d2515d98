/* The command line of backfilld. One table feeds parsing, help and the man page. */
#ifndef BF_DAEMON_OPTIONS_H
#define BF_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#define BF_DEFAULT_CONFIG "/etc/backfilld/backfilld.ini"

struct bf_options {
    const char *config; /* path; points into argv or is the default */
    bool check_config;
    bool print_rules;
    const char *print_schema; /* of this engine; NULL: not wanted; points into argv or is the default */
    bool version;
    bool help;
};

/* False: a usage error, already said on stderr; the caller exits with 2. */
bool bf_options_parse(int argc, char **argv, struct bf_options *ret_options);
void bf_options_help(FILE *stream);

/* The rows of the table, for backfilld(8). */
struct bf_option_row {
    char letter;
    const char *name;
    const char *argument; /* NULL: takes none */
    bool optional;        /* the argument is; then it stands behind "=" */
    const char *help;
};
const struct bf_option_row *bf_option(size_t index); /* NULL past the end */

#endif
