#include "uri.h"

#include <string.h>

#include <jansson.h>

#include "allocate.h"

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

/* jansson is what every answer is written with: text that it takes can be shown again. */
static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);
    json_decref(string);
    return string != NULL;
}

/* Owned text, or NULL and the reason. `plus`: "+" means a blank (parameters). */
static char *decode(const char *text, size_t length, bool plus, struct bf_error *error)
{
    char *decoded = bf_allocate(length + 1);
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        if (byte == '%') {
            int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0) {
                bf_fail(error, BF_BAD_REQUEST, "the request's target has a %% without two hexadecimal digits");
                free(decoded);
                return NULL;
            }
            byte = (char)(high * 16 + low);
            i += 2;
        } else if (byte == '+' && plus) {
            byte = ' ';
        }
        if (text[i] == ' ') {
            bf_fail(error, BF_BAD_REQUEST, "the request's target has a blank; write %%20");
            free(decoded);
            return NULL;
        }
        if ((unsigned char)byte < 0x20 || byte == 0x7f) {
            bf_fail(error, BF_BAD_REQUEST, "the request's target has a control character (0x%02x)", byte);
            free(decoded);
            return NULL;
        }
        decoded[written++] = byte;
    }
    if (!is_utf8(decoded)) {
        bf_fail(error, BF_BAD_REQUEST, "the request's target is not UTF-8");
        free(decoded);
        return NULL;
    }
    return decoded;
}

static enum bf_code parse_path(const char *path, size_t length, struct bf_uri *uri, struct bf_error *error)
{
    const char *end = path + length;
    for (const char *start = path + 1;; start++) {
        const char *slash = memchr(start, '/', (size_t)(end - start));
        const char *stop = slash ? slash : end;
        if (uri->segment_count == BF_URI_SEGMENTS_MAX) return bf_fail(error, BF_NOT_FOUND, "no such path");
        char *segment = decode(start, (size_t)(stop - start), false, error);
        if (!segment) return error->code;
        uri->segments[uri->segment_count++] = segment;
        if (!slash) return BF_OK;
        start = slash;
    }
}

static enum bf_code parse_parameters(const char *query, struct bf_uri *uri, struct bf_error *error)
{
    while (*query) {
        size_t length = strcspn(query, "&");
        if (length > 0) {
            if (uri->parameter_count == BF_URI_PARAMETERS_MAX)
                return bf_fail(error, BF_BAD_REQUEST, "more than %d query parameters", BF_URI_PARAMETERS_MAX);
            struct bf_parameter *parameter = &uri->parameters[uri->parameter_count];
            const char *equals = memchr(query, '=', length);
            size_t name_length = equals ? (size_t)(equals - query) : length;
            parameter->name = decode(query, name_length, true, error);
            if (!parameter->name) return error->code;
            uri->parameter_count++;
            parameter->value = equals ? decode(equals + 1, length - name_length - 1, true, error) : bf_copy_string("");
            if (!parameter->value) return error->code;
        }
        query += length;
        if (*query) query++;
    }
    return BF_OK;
}

enum bf_code bf_uri_parse(const char *text, struct bf_uri *ret_uri, struct bf_error *error)
{
    *ret_uri = (struct bf_uri){0};
    if (text[0] != '/') return bf_fail(error, BF_BAD_REQUEST, "the request's target has to begin with /");
    size_t length = strcspn(text, "?");
    enum bf_code code = parse_path(text, length, ret_uri, error);
    if (code != BF_OK || text[length] == '\0') return code;
    return parse_parameters(text + length + 1, ret_uri, error);
}

void bf_uri_clear(struct bf_uri *uri)
{
    for (size_t i = 0; i < uri->segment_count; i++) free(uri->segments[i]);
    for (size_t i = 0; i < uri->parameter_count; i++) {
        free(uri->parameters[i].name);
        free(uri->parameters[i].value);
    }
    *uri = (struct bf_uri){0};
}
