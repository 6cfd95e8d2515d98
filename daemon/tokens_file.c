#include "tokens_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate.h"

enum { LINE_MAX_BYTES = 4096 };

/* A word of the line, ended in place; NULL: there is none. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t\r");
    size_t length = strcspn(word, " \t\r");
    if (length == 0)
        return NULL;
    *rest = word + length + (word[length] != '\0');
    word[length] = '\0';
    return word;
}

/* What is wrong with the line; NULL: nothing. No text repeats the hash: somebody may have put the token there. */
static char *read_line(char *line, struct bf_tokens *tokens, struct bf_token *token)
{
    char *name = next_word(&line), *role = next_word(&line), *targets = next_word(&line), *hash = next_word(&line);
    if (!hash)
        return bf_copy_string("a line is \"name role targets hash\", as backfillctl token new prints it");
    if (next_word(&line))
        return bf_copy_string("there is more on the line than name, role, targets and hash; targets have commas and no blanks "
                              "between them");
    if (!bf_token_name_valid(name))
        return bf_format("the name has up to %d letters, digits, \".\", \"_\" and \"-\", and begins with a letter or digit",
                         BF_TOKEN_NAME_MAX);
    if (bf_token_name_reserved(name))
        return bf_format("the name %s is the daemon's own in events: take another one", name);
    const struct bf_token *first = bf_tokens_find(tokens, name);
    if (first)
        return bf_format("the name %s is on line %d, too", name, first->line);
    if (!bf_role_by_name(role, &token->role))
        return bf_copy_string("the role is viewer, operator, approver, admin or alerts");
    if (!bf_token_targets_valid(targets))
        return bf_copy_string("the targets are * or names with commas between them");
    if (!bf_token_hash_valid(hash))
        return bf_copy_string("the hash is not one of Argon2id, $argon2id$v=19$..., of one lane and at most 64 MiB: make the line "
                              "with backfillctl token new");
    token->name = bf_copy_string(name);
    token->targets = bf_token_targets_all(targets) ? NULL : bf_copy_string(targets);
    token->hash = bf_copy_string(hash);
    return NULL;
}

static void take_line(char *line, int number, struct bf_tokens *tokens, struct bf_faults *faults)
{
    struct bf_token token = {.line = number};
    size_t blank = strspn(line, " \t\r");
    if (line[blank] == '\0' || line[blank] == '#' || line[blank] == ';')
        return;
    BF_AUTO_STRING char *fault = strlen(line) > LINE_MAX_BYTES ? bf_format("is longer than %d bytes", LINE_MAX_BYTES)
                                 : tokens->count == BF_TOKENS_MAX ? bf_format("there are too many tokens (limit %d)", BF_TOKENS_MAX)
                                                                  : read_line(line, tokens, &token);
    if (fault) {
        bf_faults_add(faults, number, "%s", fault);
        return;
    }
    tokens->list = bf_reallocate(tokens->list, (tokens->count + 1) * sizeof *tokens->list);
    tokens->list[tokens->count++] = token;
}

void bf_tokens_parse(const char *text, size_t length, struct bf_tokens *tokens, struct bf_faults *faults)
{
    BF_AUTO_STRING char *copy = bf_copy_bytes(text, length);
    int number = 1;
    *tokens = (struct bf_tokens){0};
    if (memchr(text, '\0', length)) {
        bf_faults_add(faults, 0, "holds a NUL byte: it is no text");
        return;
    }
    for (char *line = copy, *next; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        take_line(line, number, tokens, faults);
    }
}

/* What is wrong with the file itself; NULL: nothing. */
static char *check_file(int descriptor)
{
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0)
        return bf_format("cannot be read: %s", strerror(errno));
    unsigned mode = (unsigned)status.st_mode & 07777U;
    if (!S_ISREG(status.st_mode))
        return bf_copy_string("is not a file");
    if (mode & (S_IWGRP | S_IWOTH))
        return bf_format("can be written by others (mode %04o), who could give themselves a role: chmod 0640", mode);
    if (mode & S_IRWXO)
        return bf_format("is open to everyone (mode %04o): chmod 0640", mode);
    return NULL;
}

void bf_tokens_load(const char *path, struct bf_tokens *tokens, struct bf_faults *faults)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    BF_AUTO_STRING char *fault = check_file(descriptor);
    *tokens = (struct bf_tokens){0};
    FILE *file = fault ? NULL : fdopen(descriptor, "r");
    if (!file) {
        bf_faults_add(faults, 0, "%s", fault ? fault : "cannot be read");
        if (descriptor >= 0)
            close(descriptor);
        return;
    }
    BF_AUTO_STRING char *text = bf_allocate(BF_TOKENS_FILE_MAX + 1);
    size_t length = fread(text, 1, BF_TOKENS_FILE_MAX + 1, file);
    if (ferror(file))
        bf_faults_add(faults, 0, "cannot be read: %s", strerror(errno));
    else if (length > BF_TOKENS_FILE_MAX)
        bf_faults_add(faults, 0, "is too large (limit 1 MiB)");
    else
        bf_tokens_parse(text, length, tokens, faults);
    fclose(file);
}
