/* A key of a walk: what the server wrote, one text per key column, which only the server compares. */
#ifndef BF_ENGINE_WALK_KEY_H
#define BF_ENGINE_WALK_KEY_H

#include "document.h"

/* text[0] NULL: no key (open). */
struct bf_key {
    char *text[BF_KEY_COLUMNS_MAX]; /* owned */
};

void bf_key_clear(struct bf_key *key);
void bf_key_set(struct bf_key *key, const struct bf_key *from);
bool bf_key_known(const struct bf_key *key);
char *bf_key_json(const struct bf_key *key, size_t count);                  /* owned; NULL when open */
bool bf_key_read(const char *json, size_t count, struct bf_key *ret_key);   /* NULL text: open */
bool bf_key_equal_text(const struct bf_key *a, const struct bf_key *b, size_t count);

#endif
