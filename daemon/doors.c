#include "doors.h"

#include <string.h>

#include "allocate.h"
#include "log.h"

void bf_doors_token_refused(void *argument, const char *address, const char *name)
{
    (void)argument;
    bf_log(BF_LEVEL_WARNING, NULL, "a wrong token came from %s%s%s", address, name[0] ? ", for the name " : "", name);
}

static bool is_target(const struct bf_config *config, const char *name, size_t length)
{
    for (size_t i = 0; i < config->target_count; i++)
        if (strlen(config->targets[i].name) == length && memcmp(config->targets[i].name, name, length) == 0)
            return true;
    return false;
}

/* No fault, for targets come and go; but who has that token sees nothing, and is not told why. */
static void say_unknown_targets(const struct bf_config *config, const struct bf_token *token)
{
    for (const char *at = token->targets; at && *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (!is_target(config, at, length))
            bf_log(BF_LEVEL_WARNING, NULL, "tokens: %s:%d: %s is for target %.*s, and no target is called so", config->access.tokens_file,
                   token->line, token->name, (int)length, at);
        at += length;
    }
}

/* What stands in the file and lets in fewer than it seems. */
static void say_odd_tokens(const struct bf_config *config)
{
    const struct bf_tokens *tokens = &config->access.tokens;

    if (config->access.tokens_file && tokens->count == 0)
        bf_log(BF_LEVEL_WARNING, NULL, "tokens: there is none in %s, so nobody is let in over TCP: put in a line that backfillctl token "
               "new makes", config->access.tokens_file);
    for (size_t i = 0; i < tokens->count; i++)
        say_unknown_targets(config, &tokens->list[i]);
}

void bf_doors_say(const struct bf_http *http, const struct bf_config *config)
{
    if (bf_http_is_public(http) && strncmp(bf_http_address(http), "http://", 7) == 0)
        bf_log(BF_LEVEL_WARNING, NULL, "%s can be reached from outside and is not encrypted: tokens can be read on the way, unless "
               "something in front of it speaks TLS", bf_http_address(http));
    if (config->access.tokens_file)
        bf_log(BF_LEVEL_NOTICE, NULL, "tokens: %zu in %s", config->access.tokens.count, config->access.tokens_file);
    say_odd_tokens(config);
}

static const char *targets_of(const struct bf_token *token)
{
    return token->targets ? token->targets : "all targets";
}

/* How many of `list` are not among `others` as they are; each is said. */
static size_t say_tokens(const struct bf_tokens *list, const struct bf_tokens *others, bool gone)
{
    size_t changes = 0;

    for (size_t i = 0; i < list->count; i++) {
        const struct bf_token *token = &list->list[i], *other = bf_tokens_find(others, token->name);
        bool same = other && other->role == token->role && strcmp(other->hash, token->hash) == 0 &&
                    bf_same_string(other->targets, token->targets);
        if (same || (gone && other))
            continue;
        changes++;
        if (gone)
            bf_log(BF_LEVEL_NOTICE, NULL, "token %s is gone", token->name);
        else
            bf_log(BF_LEVEL_NOTICE, NULL, "token %s: %s, %s%s", token->name, bf_role_name(token->role), targets_of(token),
                   other && strcmp(other->hash, token->hash) != 0 ? ", another secret" : "");
    }
    return changes;
}

static bool same_socket_roles(const struct bf_socket_roles *one, const struct bf_socket_roles *other)
{
    if (one->count != other->count)
        return false;
    for (size_t i = 0; i < one->count; i++)
        if (one->list[i].kind != other->list[i].kind || one->list[i].id != other->list[i].id ||
            one->list[i].role != other->list[i].role)
            return false;
    return true;
}

size_t bf_doors_take_over(struct bf_http *http, struct bf_config *before, struct bf_config *config)
{
    size_t changes = 0;

    if (bf_http_is_public(http) && !config->access.tokens_file) {
        bf_log(BF_LEVEL_ERROR, NULL, "tokens: taken out, but %s can be reached from outside until the daemon is restarted: they stay "
               "as they were", bf_http_address(http));
        struct bf_tokens tokens = config->access.tokens;
        config->access.tokens_file = before->access.tokens_file;
        config->access.tokens = before->access.tokens;
        before->access.tokens_file = NULL;
        before->access.tokens = tokens;
    } else {
        changes += say_tokens(&before->access.tokens, &config->access.tokens, true) +
                   say_tokens(&config->access.tokens, &before->access.tokens, false);
        if (!before->access.tokens_file != !config->access.tokens_file && ++changes)
            bf_log(BF_LEVEL_WARNING, NULL, config->access.tokens_file ? "tokens: from now on nobody is let in without one"
                                                                      : "tokens: from now on everybody is let in");
    }
    if (!same_socket_roles(&before->access.socket_roles, &config->access.socket_roles) && ++changes)
        bf_log(BF_LEVEL_NOTICE, NULL, "socket_roles changed");
    if (before->access.metrics_need_viewer != config->access.metrics_need_viewer && ++changes)
        bf_log(BF_LEVEL_NOTICE, NULL, "metrics_role: %s", config->access.metrics_need_viewer ? "viewer" : "none");
    say_odd_tokens(config);
    bf_http_set_access(http, &config->access);
    return changes;
}
