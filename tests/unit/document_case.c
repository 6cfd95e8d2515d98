#include "document_case.h"

#include <string.h>

#include <jansson.h>

#include "allocate.h"
#include "buffer.h"

struct bf_complaints complaints;
struct bf_error error;

int clean_up(void **state)
{
    (void)state;
    bf_complaints_clear(&complaints);
    return 0;
}

/* What leaves the parser must be text that JSON can carry. */
enum bf_code parse_bytes(const char *json, size_t length, const char *target, struct bf_document **ret)
{
    bf_complaints_clear(&complaints);
    error = (struct bf_error){0};
    *ret = NULL;
    enum bf_code code = bf_document_parse(json, length, target, ret, &complaints, &error);
    assert_int_equal(code == BF_OK, *ret != NULL);
    json_t *text = json_string(error.text);
    assert_non_null(text);
    json_decref(text);
    for (size_t i = 0; i < complaints.count; i++) {
        json_t *detail = json_pack("[ss]", complaints.list[i].pointer, complaints.list[i].detail);
        assert_non_null(detail);
        json_decref(detail);
    }
    return code;
}

struct bf_document *parse_good(const char *json)
{
    struct bf_document *document;
    if (parse_bytes(json, strlen(json), NULL, &document) != BF_OK)
        fail_msg("%s: %s", json, error.text);
    return document;
}

void assert_complaint(const char *json, enum bf_code code, const char *pointer, const char *part)
{
    struct bf_document *document;
    enum bf_code got = parse_bytes(json, strlen(json), NULL, &document);
    bf_document_free(document);
    if (got != code || complaints.total != 1 || strcmp(complaints.list[0].pointer, pointer) != 0 ||
        !strstr(complaints.list[0].detail, part))
        fail_msg("%s\n  wanted %s at \"%s\": ... %s ...\n  got %s, %zu complaints: %s", json, bf_code_name(code),
                 pointer, part, bf_code_name(got), complaints.total, error.text);
    assert_int_equal(error.code, code);
    assert_non_null(strstr(error.text, part));
}

/* The smallest document and one field more. */
static void assert_field(const char *field, enum bf_code code, const char *pointer, const char *part)
{
    BF_AUTO_STRING char *json = bf_format("{%s,%s}", SMALLEST, field);
    if (code == BF_OK)
        bf_document_free(parse_good(json));
    else
        assert_complaint(json, code, pointer, part);
}

void invalid(const char *field, const char *pointer, const char *part)
{
    assert_field(field, BF_INVALID, pointer, part);
}

void unsupported(const char *field, const char *pointer)
{
    assert_field(field, BF_UNSUPPORTED, pointer, "is not built yet; leave it out");
}

void good(const char *field)
{
    assert_field(field, BF_OK, NULL, NULL);
}

char *with(const char *name, const char *value)
{
    static const char *const fields[][2] = {{"name", "\"a\""}, {"target", "\"shop\""}, {"table", "\"orders\""},
                                            {"set", "{\"n\":\"1\"}"}, {"undo", "\"none\""}};
    struct bf_buffer json = {0};
    bf_buffer_text(&json, "{");
    for (size_t i = 0; i < BF_COUNT(fields); i++) {
        const char *text = strcmp(fields[i][0], name) == 0 ? value : fields[i][1];
        if (text)
            bf_buffer_format(&json, "%s\"%s\":%s", json.length > 1 ? "," : "", fields[i][0], text);
    }
    bf_buffer_text(&json, "}");
    return bf_buffer_take(&json);
}

void own_invalid(const char *name, const char *value, const char *pointer, const char *part)
{
    BF_AUTO_STRING char *json = with(name, value);
    assert_complaint(json, BF_INVALID, pointer, part);
}

void own_good(const char *name, const char *value)
{
    BF_AUTO_STRING char *json = with(name, value);
    bf_document_free(parse_good(json));
}

char *long_string(size_t length)
{
    char *text = bf_allocate(length + 3);
    memset(text, 'x', length + 2);
    text[0] = text[length + 1] = '"';
    return text;
}

char *field_of_length(const char *name, size_t length)
{
    BF_AUTO_STRING char *text = long_string(length);
    return bf_format("\"%s\":%s", name, text);
}
