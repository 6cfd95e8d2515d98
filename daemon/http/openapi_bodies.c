/* What is sent, as schemas: made from the tables that check it. */
#include "openapi.h"

#include <string.h>

#include "allocate.h"
#include "document_table.h"
#include "duration.h"
#include "mark.h"
#include "server.h"

static const char line_pattern[] = "^[^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f][^\\x00-\\x1f\\x7f]*$";
static const char words_pattern[] = "^[^\\x00-\\x1f\\x7f]+$"; /* no control characters */
static const char text_pattern[] = "[^ \\t\\r\\n\\f\\v]"; /* not blank */

/* Bytes are counted, so that fewer characters than maxLength can be too many. */
static json_t *text_schema(const char *pattern, int64_t max)
{
    return json_pack("{s:s, s:i, s:I, s:s}", "type", "string", "minLength", 1, "maxLength", (json_int_t)max, "pattern",
                     pattern);
}

static json_t *name_schema(const struct bf_field *field)
{
    char *pattern BF_AUTO_STRING = bf_format("^[%s][%s]{%lld,%lld}$", field->first, field->rest,
                                             (long long)field->min - 1, (long long)field->max - 1);
    return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

/* One of several words, which have "|" between them. */
static json_t *words_schema(const char *choices)
{
    json_t *words = json_array();
    for (const char *at = choices; *at; at += strcspn(at, "|") + (at[strcspn(at, "|")] == '|'))
        json_array_append_new(words, json_stringn(at, strcspn(at, "|")));
    return json_pack("{s:o}", "enum", words);
}

static json_t *range_schema(const char *type, const struct bf_field *field)
{
    return json_pack("{s:s, s:I, s:I}", "type", type, "minimum", (json_int_t)field->min, "maximum",
                     (json_int_t)field->max);
}

static json_t *list_schema(const struct bf_field *field, bool different, json_t *items)
{
    json_t *schema = json_pack("{s:s, s:I, s:I, s:o}", "type", "array", "minItems", (json_int_t)field->min, "maxItems",
                               (json_int_t)field->max, "items", items);
    if (different) json_object_set_new(schema, "uniqueItems", json_true());
    return schema;
}

static json_t *pairs_schema(const struct bf_field *field, const char *pattern)
{
    return json_pack("{s:s, s:I, s:I, s:o, s:o}", "type", "object", "minProperties", (json_int_t)field->min,
                     "maxProperties", (json_int_t)field->max, "propertyNames",
                     text_schema(line_pattern, field->name_max), "additionalProperties",
                     text_schema(pattern, field->entry_max));
}

static json_t *section_schema(const struct bf_section *section);

static json_t *field_schema(const struct bf_field *field)
{
    switch (field->kind) {
    case BF_FIELD_NAME:
        return name_schema(field);
    case BF_FIELD_LINE:
        return text_schema(line_pattern, field->max);
    case BF_FIELD_LINE_OR_INTEGER:
        return json_pack("{s:[o, {s:s}]}", "anyOf", text_schema(line_pattern, field->max), "type", "integer");
    case BF_FIELD_LINE_OR_NUMBER:
        return json_pack("{s:[o, {s:s}]}", "anyOf", text_schema(line_pattern, field->max), "type", "number");
    case BF_FIELD_TEXT:
        return text_schema(text_pattern, field->max);
    case BF_FIELD_WORD:
        return words_schema(field->word);
    case BF_FIELD_WORD_OR_SECTION:
        return json_pack("{s:[o, o]}", "anyOf", words_schema(field->word), section_schema(field->section));
    case BF_FIELD_DURATION:
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$");
    case BF_FIELD_INTEGER:
        return range_schema("integer", field);
    case BF_FIELD_NUMBER:
        return range_schema("number", field);
    case BF_FIELD_SIZE:
        return json_pack("{s:[{s:s, s:s}, o]}", "anyOf", "type", "string", "pattern", "^[0-9]+(\\.[0-9]+)?(B|KiB|MiB|GiB|TiB)$",
                         range_schema("integer", field));
    case BF_FIELD_COUNT_OR_SHARE:
        return json_pack("{s:[{s:s, s:s}, o, {s:s, s:i, s:i}]}", "anyOf", "type", "string", "pattern",
                         "^[0-9]{1,2}(\\.[0-9]{1,7})?%$", range_schema("integer", field), "type", "number",
                         "exclusiveMinimum", 0, "exclusiveMaximum", 1);
    case BF_FIELD_BOOLEAN:
        return json_pack("{s:s}", "type", "boolean");
    case BF_FIELD_LINES:
        return list_schema(field, true, field->word ? words_schema(field->word)
                                                    : text_schema(line_pattern, field->entry_max));
    case BF_FIELD_VALUES:
        return list_schema(field, false,
                           json_pack("{s:s, s:I}", "type", "string", "maxLength", (json_int_t)field->entry_max));
    case BF_FIELD_LINE_OF:
        return pairs_schema(field, line_pattern);
    case BF_FIELD_TEXT_OF:
        return pairs_schema(field, text_pattern);
    case BF_FIELD_SECTIONS:
        return list_schema(field, false, section_schema(field->section));
    case BF_FIELD_SECTION:
        return section_schema(field->section);
    case BF_FIELD_NOT_BUILT:
        break;
    }
    return json_pack("{s:{}, s:b}", "not", "x-built", false);
}

static void describe(json_t *schema, const struct bf_field *field)
{
    char low[BF_DURATION_TEXT], high[BF_DURATION_TEXT];
    char *text BF_AUTO_STRING =
        field->kind == BF_FIELD_DURATION
            ? bf_format("%s. From %s to %s", field->help, bf_duration_format(field->min, low),
                        bf_duration_format(field->max, high))
            : bf_format("%s%s", field->help, field->kind == BF_FIELD_NOT_BUILT ? ". Not built yet: refused" : "");
    json_object_set_new(schema, "description", json_string(text));
    if (field->standard) json_object_set_new(schema, "default", json_loads(field->standard, JSON_DECODE_ANY, NULL));
}

static json_t *section_schema(const struct bf_section *section)
{
    json_t *properties = json_object(), *required = json_array();
    for (size_t i = 0; i < section->count; i++) {
        const struct bf_field *field = &section->fields[i];
        json_t *schema = field_schema(field);
        if (field->nullable) schema = json_pack("{s:[o, {s:s}]}", "anyOf", schema, "type", "null");
        describe(schema, field);
        json_object_set_new(properties, field->name, schema);
        if (field->required) json_array_append_new(required, json_string(field->name));
    }
    json_t *schema = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties",
                               false);
    if (section->pointer[0] != '\0') json_object_set_new(schema, "minProperties", json_integer(1));
    if (json_array_size(required) > 0)
        json_object_set_new(schema, "required", required);
    else
        json_decref(required);
    return schema;
}

/* A section of the document, as far as it is to be changed: nothing is required, and null takes a field out. */
static json_t *change_schema(const char *pointer)
{
    const struct bf_section *section;
    for (size_t i = 0; (section = bf_document_section(i)) && strcmp(section->pointer, pointer) != 0;) i++;
    json_t *properties = json_object();
    for (size_t i = 0; section && i < section->count; i++) {
        const struct bf_field *field = &section->fields[i];
        char *child BF_AUTO_STRING = bf_format("%s/%s", pointer, field->name);
        json_t *schema = field->kind == BF_FIELD_SECTION ? change_schema(child) : field_schema(field);
        if (field->kind != BF_FIELD_SECTION)
            schema = json_pack("{s:[o, {s:s}]}", "anyOf", schema, "type", "null");
        describe(schema, field);
        json_object_set_new(properties, field->name, schema);
    }
    return json_pack("{s:[s, s], s:o, s:b}", "type", "object", "null", "properties", properties,
                     "additionalProperties", false);
}

static json_t *member_schema(const struct bf_body_field *field)
{
    const struct bf_section *document = bf_document_section(0);
    char *pointer BF_AUTO_STRING = bf_format("/%s", field->name);
    switch (field->kind) {
    case BF_BODY_WORDS:
        return text_schema(words_pattern, BF_HTTP_WORDS_MAX);
    case BF_BODY_DURATION:
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$");
    case BF_BODY_NAME:
        for (size_t i = 0; i < document->count; i++)
            if (strcmp(document->fields[i].name, field->name) == 0) return field_schema(&document->fields[i]);
        break;
    case BF_BODY_LABEL:
        return text_schema("^([^=\\x00-\\x1f\\x7f]+=|[^:=\\x00-\\x1f\\x7f]+:)[^\\x00-\\x1f\\x7f]*$", BF_HTTP_WORDS_MAX);
    case BF_BODY_CHOICE:
        return words_schema(field->choices);
    case BF_BODY_CHANGE:
        return change_schema(pointer);
    case BF_BODY_FLAG:
        break;
    }
    return json_pack("{s:s}", "type", "boolean");
}

static json_t *body_schema(enum bf_route_name route)
{
    json_t *properties = json_object(), *required = json_array();
    const struct bf_body_field *field;
    for (size_t i = 0; (field = bf_body_field(i)); i++) {
        if (!(field->routes & BF_ROUTE_BIT(route))) continue;
        json_t *schema = member_schema(field);
        json_object_set_new(schema, "description", json_string(field->help));
        json_object_set_new(properties, field->name, schema);
        if (field->required) json_array_append_new(required, json_string(field->name));
    }
    json_t *schema = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties", false);
    if (json_array_size(required) > 0) json_object_set(schema, "required", required);
    json_decref(required);
    if (route == BF_ROUTE_TUNE) json_object_set_new(schema, "minProperties", json_integer(1));
    if (route == BF_ROUTE_PAUSE_ALL)
        json_object_set_new(schema, "not", json_pack("{s:[s, s]}", "required", "target", "label"));
    return schema;
}

/* Of Alertmanager's, as far as it is looked at; it sends more. */
static json_t *alerts_schema(void)
{
    json_t *texts = json_pack("{s:s, s:{s:s}}", "type", "object", "additionalProperties", "type", "string");
    json_t *alert = json_pack("{s:s, s:[s, s, s], s:{s:{s:s, s:i}, s:{s:s, s:i, s:i}, s:{s:s, s:i, s:i}, s:o, s:O}}", "type", "object",
                              "required", "status", "fingerprint", "startsAt", "properties", "status", "type", "string",
                              "minLength", 1, "fingerprint", "type", "string", "minLength", 1, "maxLength", BF_MARK_NAME - 1,
                              "startsAt", "type", "string", "minLength", 1, "maxLength", BF_MARK_MORE - 1, "labels", texts,
                              "annotations", texts);
    return json_pack("{s:s, s:[s, s], s:{s:{s:s}, s:{s:s, s:o}}}", "type", "object", "required", "version", "alerts",
                     "properties", "version", "const", "4", "alerts", "type", "array", "items", alert);
}

void bf_openapi_add_bodies(json_t *schemas)
{
    static const struct {
        const char *name;
        enum bf_route_name route;
    } bodies[] = {{"Approve", BF_ROUTE_APPROVE}, {"Pause", BF_ROUTE_PAUSE}, {"Resume", BF_ROUTE_RESUME},
                  {"Abort", BF_ROUTE_ABORT},     {"Rollback", BF_ROUTE_ROLLBACK}, {"Forget", BF_ROUTE_FORGET},
                  {"RetryBadRows", BF_ROUTE_RETRY_BAD_ROWS}, {"Change", BF_ROUTE_TUNE}, {"Clone", BF_ROUTE_CLONE},
                  {"Scope", BF_ROUTE_PAUSE_ALL}, {"Ignore", BF_ROUTE_IGNORE_REPLICA}, {"Heed", BF_ROUTE_HEED_REPLICA}, {"Adopt", BF_ROUTE_ADOPT},
                  {"SignIn", BF_ROUTE_SIGN_IN}, {"SignOut", BF_ROUTE_SIGN_OUT}};
    json_object_set_new(schemas, "Alerts", alerts_schema());
    json_object_set_new(schemas, "JobDocument", section_schema(bf_document_section(0)));
    for (size_t i = 0; i < BF_COUNT(bodies); i++)
        json_object_set_new(schemas, bodies[i].name, body_schema(bodies[i].route));
}
