#include "sessions.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"

static void drop(struct bf_sessions *sessions, size_t index)
{
    sessions->count--;
    memmove(&sessions->list[index], &sessions->list[index + 1], (sessions->count - index) * sizeof *sessions->list);
}

/* Every session is looked at, whichever it is: how long that takes says nothing. */
static size_t place_of(const struct bf_sessions *sessions, const char *secret)
{
    unsigned char digest[BF_TOKEN_DIGEST];
    size_t found = sessions->count;
    bf_token_digest(secret, digest);
    for (size_t i = 0; i < sessions->count; i++)
        if (bf_token_same_digest(sessions->list[i].secret, digest))
            found = i;
    return found;
}

void bf_sessions_add(struct bf_sessions *sessions, const struct bf_token *token, int64_t now,
                     char ret_secret[BF_TOKEN_TEXT_MAX])
{
    for (size_t i = sessions->count; i-- > 0;)
        if (sessions->list[i].until <= now)
            drop(sessions, i);
    if (sessions->count == BF_SESSIONS_MAX)
        drop(sessions, 0);
    struct bf_signed_in added = {.until = now + BF_SESSION_SECONDS * INT64_C(1000)};
    if (sessions->count > 0 && added.until <= sessions->list[sessions->count - 1].until) /* no two end at once: it tells them apart */
        added.until = sessions->list[sessions->count - 1].until + 1;
    bf_token_session(ret_secret);
    bf_token_digest(ret_secret, added.secret);
    bf_token_digest(token->hash, added.hash);
    snprintf(added.name, sizeof added.name, "%s", token->name);
    sessions->list = bf_reallocate(sessions->list, (sessions->count + 1) * sizeof *sessions->list);
    sessions->list[sessions->count++] = added;
}

const struct bf_token *bf_sessions_find(const struct bf_sessions *sessions, const char *secret, const struct bf_tokens *tokens,
                                        int64_t now, int64_t *ret_until)
{
    unsigned char hash[BF_TOKEN_DIGEST];
    size_t place = place_of(sessions, secret);
    if (place == sessions->count || sessions->list[place].until <= now)
        return NULL;
    const struct bf_token *token = bf_tokens_find(tokens, sessions->list[place].name);
    if (!token)
        return NULL;
    bf_token_digest(token->hash, hash);
    if (!bf_token_same_digest(hash, sessions->list[place].hash))
        return NULL;
    *ret_until = sessions->list[place].until;
    return token;
}

void bf_sessions_end(struct bf_sessions *sessions, const char *secret)
{
    size_t place = place_of(sessions, secret);
    if (place < sessions->count)
        drop(sessions, place);
}

void bf_sessions_clear(struct bf_sessions *sessions)
{
    free(sessions->list);
    *sessions = (struct bf_sessions){0};
}
