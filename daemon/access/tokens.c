#include "tokens.h"

#include <string.h>

#include "allocate.h"

void bf_tokens_clear(struct bf_tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++) {
        free(tokens->list[i].name);
        free(tokens->list[i].targets);
        free(tokens->list[i].hash);
    }
    free(tokens->list);
    *tokens = (struct bf_tokens){0};
}

const struct bf_token *bf_tokens_find(const struct bf_tokens *tokens, const char *name)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (strcmp(tokens->list[i].name, name) == 0)
            return &tokens->list[i];
    return NULL;
}
