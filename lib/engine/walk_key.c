/* Keys are what the server wrote: texts that only the server compares. Here they are kept, copied, and put into JSON. */
#include <jansson.h>
#include <string.h>

#include "allocate.h"
#include "walk.h"

void bf_key_clear(struct bf_key *key)
{
    for (size_t i = 0; i < BF_KEY_COLUMNS_MAX; i++) {
        free(key->text[i]);
        key->text[i] = NULL;
    }
}

void bf_key_set(struct bf_key *key, const struct bf_key *from)
{
    struct bf_key copy = {0};
    for (size_t i = 0; i < BF_KEY_COLUMNS_MAX; i++)
        copy.text[i] = bf_copy_string(from->text[i]);
    bf_key_clear(key);
    *key = copy;
}

bool bf_key_known(const struct bf_key *key)
{
    return key->text[0] != NULL;
}

char *bf_key_json(const struct bf_key *key, size_t count)
{
    if (!bf_key_known(key))
        return NULL;
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(key->text[i]));
    char *text = json_dumps(array, JSON_COMPACT);
    json_decref(array);
    return text;
}

bool bf_key_read(const char *json, size_t count, struct bf_key *ret_key)
{
    bf_key_clear(ret_key);
    if (!json)
        return true;
    json_t *array = json_loads(json, 0, NULL);
    bool good = array && json_is_array(array) && json_array_size(array) == count;
    for (size_t i = 0; good && i < count; i++)
        good = json_is_string(json_array_get(array, i));
    for (size_t i = 0; good && i < count; i++)
        ret_key->text[i] = bf_copy_string(json_string_value(json_array_get(array, i)));
    json_decref(array);
    return good;
}

bool bf_key_equal_text(const struct bf_key *a, const struct bf_key *b, size_t count)
{
    if (!bf_key_known(a) || !bf_key_known(b))
        return bf_key_known(a) == bf_key_known(b);
    for (size_t i = 0; i < count; i++)
        if (strcmp(a->text[i], b->text[i]) != 0)
            return false;
    return true;
}

char *bf_walk_place_json(const struct bf_walk *walk, const struct bf_key *key)
{
    if (bf_walk_inverts(walk))
        return bf_inverse_json(walk, key);
    return bf_walk_goes_back(walk) ? bf_back_json(walk) : bf_key_json(key, walk->table->key_count);
}
