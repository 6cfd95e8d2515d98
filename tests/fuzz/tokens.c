/* The file of tokens, and a token that somebody sends. */
#include <string.h>

#include "allocate.h"
#include "fuzz.h"
#include "tokens_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bf_tokens tokens;
    struct bf_faults faults = {0};
    char name[BF_TOKEN_NAME_MAX + 1];
    BF_AUTO_STRING char *text = bf_copy_bytes((const char *)data, size);
    bf_tokens_parse((const char *)data, size, &tokens, &faults);
    for (size_t i = 0; i < tokens.count; i++) {
        const struct bf_token *token = &tokens.list[i];
        if (!bf_token_name_valid(token->name) || !bf_token_hash_valid(token->hash) || bf_tokens_find(&tokens, token->name) != token)
            __builtin_trap();
    }
    if (bf_token_name_of(text, name) && !bf_token_name_valid(name))
        __builtin_trap();
    bf_tokens_clear(&tokens);
    bf_faults_clear(&faults);
    return 0;
}
