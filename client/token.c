/* A new access token. The daemon is not asked: it knows of it when the line is in its file, and never sees the token before it is
 * used. */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "allocate.h"
#include "client.h"
#include "text.h"
#include "token.h"

static bool is_role(const char *role)
{
    static const char *const roles[] = {
#define X(constant, name) #name,
        BF_ROLES(X)
#undef X
    };
    for (size_t i = BF_ROLE_ANYONE + 1; i < BF_COUNT(roles); i++)
        if (strcmp(roles[i], role) == 0)
            return true;
    return false;
}

/* Without --name it is for who asks for it. */
static const char *own_name(void)
{
    const struct passwd *user = getpwuid(getuid());
    return user ? user->pw_name : "";
}

/* What the daemon would refuse, before anybody puts it into the file. */
static bool check(const char *name, const char *role, const char *targets)
{
    if (!bf_token_name_valid(name))
        bf_say("--name: %s is no name of a token: up to %d letters, digits, \".\", \"_\" and \"-\", the first a letter or digit", name,
               BF_TOKEN_NAME_MAX);
    else if (bf_token_name_reserved(name))
        bf_say("--name: %s is the daemon's own in events: take another name", name);
    else if (!is_role(role))
        bf_say("--role: %s is no role; there are viewer, operator, approver, admin and alerts", role);
    else if (!bf_token_targets_valid(targets))
        bf_say("--targets: %s: names of targets (a-z 0-9 . _ -) with commas and no blanks between them, or *", targets);
    else
        return true;
    return false;
}

enum bf_exit bf_run_token(struct bf_client *client)
{
    char token[BF_TOKEN_TEXT_MAX], hash[BF_TOKEN_HASH_MAX];
    const char *name = client->values[BF_OPTION_NAME], *role = client->values[BF_OPTION_ROLE];
    const char *targets = client->values[BF_OPTION_TARGETS];
    if (strcmp(client->words[0], "new") != 0) {
        bf_say("token: there is nothing called %s to do with one; write token new", client->words[0]);
        return BF_EXIT_USAGE;
    }
    name = name ? name : own_name();
    role = role ? role : "viewer";
    targets = targets ? targets : "*";
    if (!check(name, role, targets))
        return BF_EXIT_USAGE;
    if (!bf_token_begin()) {
        bf_say("the system gives no random bytes");
        return BF_EXIT_REFUSED;
    }
    bf_token_make(name, token);
    if (!bf_token_hash(token, hash)) {
        bf_say("there is not enough memory to hash the token (19 MiB)");
        return BF_EXIT_REFUSED;
    }
    char *line BF_AUTO_STRING = bf_format("%s %s %s %s", name, role, targets, hash);
    if (client->json) {
        json_t *both = json_pack("{s:s, s:s}", "token", token, "line", line);
        json_dumpf(both, stdout, JSON_COMPACT);
        printf("\n");
        json_decref(both);
    } else {
        printf("token  %s\nline   %s\n", token, line);
        if (client->terminal)
            bf_say_more("Keep the token: it is shown this once. The line goes into the daemon's file of tokens, and counts when the\n"
                        "daemon has read it again (systemctl reload backfilld).");
    }
    bf_token_wipe(token);
    return BF_EXIT_DONE;
}
