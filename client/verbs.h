/* One table of verbs and one of options. Parsing, `help`, `VERB --help` and the checks of arguments are made from them. */
#ifndef BF_CLIENT_VERBS_H
#define BF_CLIENT_VERBS_H

#include <stddef.h>
#include <stdint.h>

#include "backfilld/api.h"
#include "exit_code.h"

struct bf_client;

/* X(CONSTANT, "long-name", letter or 0, "ARGUMENT" or NULL, help): an option means the same wherever it stands. */
#define BF_OPTIONS(X)                                                                                        \
    X(URL, "url", 'u', "URL", "where the daemon listens: http://host:port, https://host:port or unix:/path") \
    X(TOKEN_FILE, "token-file", 0, "FILE", "file with the access token (one line)")                          \
    X(CACERT, "cacert", 0, "FILE", "the authorities that may vouch for an https daemon, in place of the system's (PEM)") \
    X(JSON, "json", 0, NULL, "print the daemon's JSON, unchanged")                                           \
    X(HELP, "help", 'h', NULL, "this help")                                                                  \
    X(VERSION, "version", 0, NULL, "the version")                                                            \
    X(TARGET, "target", 't', "TARGET", "the target, by its name in the daemon's configuration")              \
    X(APPROVE, "approve", 0, NULL, "approve the job as soon as its plan is ready")                           \
    X(CONFIRM, "confirm", 0, "NAME", "the job's name once more; needed for a plan that is RED")              \
    X(BREAK_GLASS, "break-glass", 0, NULL, "approve alone where two persons have to: for admins, with --comment, told to all") \
    X(COMMENT, "comment", 0, "TEXT", "why, for the record")                                                  \
    X(WATCH, "watch", 'w', NULL, "then watch the job")                                                       \
    X(STATE, "state", 's', "STATE", "only jobs in this state")                                               \
    X(LABEL, "label", 'l', "KEY=VALUE", "only jobs with this label")                                         \
    X(NAME, "name", 'n', "NAME", "list: only jobs of this name; token: whose it is (without it: you)")                                                   \
    X(ROLE, "role", 0, "ROLE", "viewer (without it), operator, approver, admin or alerts")                   \
    X(TARGETS, "targets", 0, "TARGETS", "for which it is: names with commas between them, or * (without it)") \
    X(LIMIT, "limit", 0, "N", "at most so many (1 to 500)")                                                  \
    X(ALL, "all", 'a', NULL, "every one, however many pages that takes")                                     \
    X(FOR, "for", 0, "STATE|TIME",                                                                           \
      "wait: for this state (without it: until the job ends or stops); pause, replica ignore: for so long")                  \
    X(FROM, "from", 0, "start|position", "where the new job begins: where its document says, or where the old one stands") \
    X(IDEMPOTENCY_KEY, "idempotency-key", 0, "KEY",                                                          \
      "the same key with the same document is the same job, for 7 days: safe to try again")                  \
    X(TIMEOUT, "timeout", 0, "DURATION", "give up after this time: 500ms, 30s, 10m, 2h")                     \
    X(REASON, "reason", 'r', "TEXT", "why; shown with the job and kept in its events")                       \
    X(WAIT, "wait", 0, NULL, "wait until the order is in effect")                                            \
    X(FOLLOW, "follow", 'f', NULL, "go on printing new events until the job has ended")                      \
    X(PLAN, "plan", 0, "HASH", "only the plan that was looked at; another one by now is refused")            \
    X(CARD, "card", 0, NULL, "with the card of its plan")                     \
    X(HEAD, "head", 0, "HASH", "a record with this hash has to be there: the daemon's own log has one each hour")  \
    X(DRY_RUN, "dry-run", 0, NULL, "only show what would be done")

enum bf_option {
#define X(constant, name, letter, argument, help) BF_OPTION_##constant,
    BF_OPTIONS(X)
#undef X
        BF_OPTION_COUNT
};
#define BF_BIT(constant) (UINT64_C(1) << BF_OPTION_##constant)
#define BF_OPTIONS_GLOBAL (BF_BIT(URL) | BF_BIT(TOKEN_FILE) | BF_BIT(CACERT) | BF_BIT(JSON) | BF_BIT(HELP) | BF_BIT(VERSION))

struct bf_option_row {
    const char *name;
    char letter;          /* '\0': none */
    const char *argument; /* NULL: none */
    const char *help;
};
extern const struct bf_option_row bf_options[BF_OPTION_COUNT];

enum { BF_MANY = 100 }; /* jobs watched at once */

struct bf_verb {
    const char *name;
    const char *arguments; /* as help shows them */
    int least, most;       /* how many */
    uint64_t options;      /* besides the global ones */
    const char *help;      /* one line */
    const char *more;      /* further lines, or NULL */
    enum bf_route_name route; /* what it asks of the daemon; BF_ROUTE_COUNT: nothing */
    enum bf_exit (*run)(struct bf_client *client); /* NULL: not built yet */
};
extern const struct bf_verb bf_verbs[];
extern const size_t bf_verb_count;

const struct bf_verb *bf_verb_by_name(const char *name); /* NULL: none */

#endif
