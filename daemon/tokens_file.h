/* The file of tokens (docs/interface.md, section 6): a line for each, "name role targets hash", comments begin with # or ;.
 * It holds hashes only, and yet is not for everybody's eyes, nor for everybody's pens. */
#ifndef BF_DAEMON_TOKENS_FILE_H
#define BF_DAEMON_TOKENS_FILE_H

#include "faults.h"
#include "tokens.h"

enum { BF_TOKENS_FILE_MAX = 1024 * 1024 /* bytes */ };

/* Reads the lines; every fault has its own. What is good is in `ret_tokens`, which has to be cleared in every case. Pure. */
void bf_tokens_parse(const char *text, size_t length, struct bf_tokens *ret_tokens, struct bf_faults *faults);
/* The same of a file, which nobody but its owner may write and not everybody may read. Blocks. */
void bf_tokens_load(const char *path, struct bf_tokens *ret_tokens, struct bf_faults *faults);

#endif
