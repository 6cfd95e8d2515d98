#include "source_answer.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"

/* Others wrote it, and it goes into reasons and logs: one line of what can be printed. */
static void quote(char *into, size_t size, const char *text)
{
    size_t length = 0;
    for (; text && *text && length + 1 < size; text++)
        into[length++] = (unsigned char)*text < 0x20 || *text == 0x7F ? ' ' : *text;
    while (length > 0 && ((unsigned char)into[length - 1] & 0xC0) == 0x80) /* a character that may be cut */
        length--;
    if (length > 0 && (unsigned char)into[length - 1] >= 0xC0)
        length--;
    into[length] = '\0';
}

static bool as_number(const char *text, double *ret_value)
{
    char *end;
    if (!text || !*text || strspn(text, " \t\r\n") > 0)
        return false;
    *ret_value = strtod(text, &end);
    return !*end && isfinite(*ret_value);
}

bool bf_answer_of_prometheus(int status, const char *body, size_t length, double *ret_value, char trouble[BF_ANSWER_TROUBLE])
{
    char said[120];
    bool good = false;
    json_t *root = json_loadb(body, length, 0, NULL);
    const char *outcome = json_string_value(json_object_get(root, "status"));
    json_t *data = json_object_get(root, "data"), *result = json_object_get(data, "result");
    const char *type = json_string_value(json_object_get(data, "resultType"));
    size_t count = type && strcmp(type, "vector") == 0 ? json_array_size(result) : 0;
    json_t *sample = count == 1 ? json_object_get(json_array_get(result, 0), "value") : result;
    if (!outcome) {
        snprintf(trouble, BF_ANSWER_TROUBLE, "it answered with status %d and nothing of Prometheus' API", status);
    } else if (strcmp(outcome, "success") != 0) {
        quote(said, sizeof said, json_string_value(json_object_get(root, "error")));
        snprintf(trouble, BF_ANSWER_TROUBLE, "Prometheus refuses the query: %s", said);
    } else if (!type || (strcmp(type, "vector") != 0 && strcmp(type, "scalar") != 0)) {
        snprintf(trouble, BF_ANSWER_TROUBLE, "its query gives a %.20s, not one number", type ? type : "nothing");
    } else if (strcmp(type, "vector") == 0 && count != 1) {
        snprintf(trouble, BF_ANSWER_TROUBLE, count == 0 ? "its query gives nothing" : "its query gives %zu series, not one", count);
    } else if (!as_number(json_string_value(json_array_get(sample, 1)), ret_value)) {
        quote(said, sizeof said, json_string_value(json_array_get(sample, 1)));
        snprintf(trouble, BF_ANSWER_TROUBLE, "its query gives %.40s, which is no number", *said ? said : "nothing");
    } else {
        good = true;
    }
    json_decref(root);
    return good;
}

/* One step of a pointer: its text without the escapes; the caller frees. */
static char *step_of(const char *pointer, size_t length)
{
    char *step = bf_copy_bytes(pointer, length), *to = step;
    for (const char *from = step; *from; from++, to++) {
        *to = *from;
        if (from[0] == '~' && (from[1] == '0' || from[1] == '1'))
            *to = *++from == '0' ? '~' : '/';
    }
    *to = '\0';
    return step;
}

static const json_t *at_pointer(const json_t *value, const char *pointer)
{
    while (value && *pointer == '/') {
        size_t length = strcspn(++pointer, "/");
        char *step BF_AUTO_STRING = step_of(pointer, length);
        if (json_is_array(value))
            value = *step && step[strspn(step, "0123456789")] == '\0' && strlen(step) < 9
                        ? json_array_get(value, (size_t)strtol(step, NULL, 10)) : NULL;
        else
            value = json_object_get(value, step);
        pointer += length;
    }
    return value;
}

bool bf_answer_at_pointer(int status, const char *body, size_t length, const char *pointer, double *ret_value,
                          char trouble[BF_ANSWER_TROUBLE])
{
    bool good = true;
    if (status < 200 || status > 299) {
        snprintf(trouble, BF_ANSWER_TROUBLE, "it answered with status %d", status);
        return false;
    }
    json_t *root = json_loadb(body, length, JSON_DECODE_ANY, NULL);
    const json_t *value = at_pointer(root, pointer);
    if (!root) {
        snprintf(trouble, BF_ANSWER_TROUBLE, "its answer is not JSON");
        good = false;
    } else if (json_is_boolean(value)) {
        *ret_value = json_is_true(value);
    } else if (json_is_number(value)) {
        *ret_value = json_number_value(value);
    } else if (!as_number(json_string_value(value), ret_value)) {
        snprintf(trouble, BF_ANSWER_TROUBLE, "its answer has %s at \"%.100s\"", value ? "no number" : "nothing", pointer);
        good = false;
    }
    json_decref(root);
    return good;
}
