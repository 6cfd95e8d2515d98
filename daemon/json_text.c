#include "json_text.h"

#include "allocate.h"

json_t *bf_json_text(const char *text)
{
    if (!text) return json_null();
    json_t *string = json_string(text);
    if (string) return string;
    char *copy BF_AUTO_STRING = bf_copy_string(text);
    for (char *byte = copy; *byte; byte++)
        if ((unsigned char)*byte >= 0x80) *byte = '?';
    return json_string(copy);
}
