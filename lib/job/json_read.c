#include "json_read.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"

/* The number that ends at `end`, in its place; what is over becomes blanks. False: there is none. */
static bool replace(char *text, size_t end)
{
    size_t begin = end;
    while (begin > 0 && strchr("0123456789+-.eE", text[begin - 1]))
        begin--;
    bool negative = text[begin] == '-', whole = true;
    for (size_t i = begin; i < end; i++)
        whole = whole && !strchr(".eE", text[i]);
    const char *largest = whole ? "9223372036854775807" : "1e308";
    size_t room = end - begin - negative, length = strlen(largest);
    if (begin == end || room < length)
        return false;
    memcpy(text + begin + negative, largest, length);
    memset(text + begin + negative + length, ' ', room - length);
    return true;
}

json_t *bf_json_read(const char *text, size_t length, bool *ret_large, json_error_t *ret_fault)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
    json_t *root = json_loadb(text, length, flags, ret_fault);
    char *copy BF_AUTO_STRING = NULL;
    *ret_large = false;
    for (int i = 0; !root && i < BF_LARGE_NUMBERS_MAX && json_error_code(ret_fault) == json_error_numeric_overflow; i++) {
        if (!copy)
            copy = bf_copy_bytes(text, length);
        if (ret_fault->position < 0 || (size_t)ret_fault->position > length || !replace(copy, (size_t)ret_fault->position))
            return NULL;
        *ret_large = true;
        root = json_loadb(copy, length, flags, ret_fault);
    }
    return root;
}
