#include "rules.h"

#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "document_reader.h"
#include "duration.h"
#include "share.h"

static const struct bf_section *find_section(const char *pointer)
{
    const struct bf_section *section;
    for (size_t i = 0; (section = bf_document_section(i)) != NULL; i++)
        if (strcmp(section->pointer, pointer) == 0)
            return section;
    return NULL;
}

static const struct bf_field *find_field(const struct bf_section *section, const char *name)
{
    for (size_t i = 0; section && i < section->count; i++)
        if (strcmp(section->fields[i].name, name) == 0)
            return &section->fields[i];
    return NULL;
}

/* "pace.batch_rows.max" is "/pace/batch_rows/max". */
static char *pointer_of(const char *name)
{
    char *pointer = bf_format("/%s", name);
    for (char *at = pointer; *at; at++)
        if (*at == '.')
            *at = '/';
    return pointer;
}

double bf_field_value(const struct bf_field *field, const struct bf_document *document)
{
    const char *place = (const char *)document + field->place;
    double number;
    int64_t whole;
    if (field->kind == BF_FIELD_NUMBER) {
        memcpy(&number, place, sizeof number);
        return number;
    }
    memcpy(&whole, place, sizeof whole);
    return (double)whole; /* no bound of the tables is near 2^53 */
}

static void write_place(const struct bf_field *field, struct bf_document *document, double value)
{
    char *place = (char *)document + field->place;
    int64_t whole = (int64_t)value;
    if (field->kind == BF_FIELD_NUMBER)
        memcpy(place, &value, sizeof value);
    else
        memcpy(place, &whole, sizeof whole);
}

static json_t *json_of(const char *value)
{
    json_t *json = json_loads(value, JSON_DECODE_ANY, NULL);
    if (json && (json_is_number(json) || json_is_null(json)))
        return json;
    json_decref(json);
    return json_string(value); /* NULL when it is not UTF-8 */
}

/* One rule, as the tables read it. NULL and the rule, or the fault. */
static char *read_rule(const char *name, const char *value, struct bf_rule *ret_rule)
{
    struct bf_document document = {0};
    struct bf_complaints complaints = {0};
    struct bf_reader reader = {.document = &document, .complaints = &complaints};
    char *pointer = pointer_of(name), *fault = NULL;
    char *leaf = strrchr(pointer, '/');
    *leaf = '\0';
    const struct bf_section *section = strchr(name, '*') ? NULL : find_section(pointer); /* of no list's entry */
    const struct bf_field *field = find_field(section, leaf + 1);
    json_t *json = json_of(value);
    *leaf = '/';
    if (!section) {
        fault = bf_copy_string("no such field");
    } else if (field && field->kind == BF_FIELD_SECTION) {
        fault = bf_format("has fields of its own, such as %s.%s", name, field->section->fields[0].name);
    } else if (!json) {
        fault = bf_copy_string("is not UTF-8");
    } else {
        json_t *object = json_object();
        bool readable = json_object_set(object, leaf + 1, json) == 0; /* its name is UTF-8 */
        if (readable)
            bf_read_section(&reader, section, object);
        json_decref(object);
        if (!readable)
            fault = bf_copy_string("unknown field");
        else if (complaints.total > 0)
            fault = bf_copy_string(complaints.list[0].detail);
        else if (!field->place)
            fault = bf_copy_string("is not a number that a target can say for its jobs");
    }
    if (!fault)
        *ret_rule = (struct bf_rule){.field = field, .pointer = pointer, .value = bf_field_value(field, &document)};
    else
        free(pointer);
    bf_complaints_clear(&complaints);
    json_decref(json);
    return fault;
}

static char *add(struct bf_rule *rules, size_t *count, struct bf_rule *rule, int line)
{
    char *fault = NULL;
    for (size_t i = 0; i < *count && !fault; i++)
        if (rules[i].field == rule->field)
            fault = bf_format("is set again; it is already set on line %d", rules[i].line);
    if (!fault && *count == BF_RULES_MAX)
        fault = bf_format("there are too many of its kind (limit %d)", BF_RULES_MAX);
    if (fault) {
        free(rule->pointer);
        return fault;
    }
    rule->line = line;
    rules[(*count)++] = *rule;
    return NULL;
}

char *bf_rules_add_default(struct bf_rules *rules, const char *name, const char *value, int line)
{
    struct bf_rule rule;
    char *fault = read_rule(name, value, &rule);
    return fault ? fault : add(rules->defaults, &rules->default_count, &rule, line);
}

char *bf_rules_add_ceiling(struct bf_rules *rules, const char *name, const char *value, int line)
{
    BF_AUTO_STRING char *first = bf_copy_bytes(name, strcspn(name, "."));
    const char *section = find_field(find_section("/pace"), first) ? "pace." : "limits.";
    bool whole = strcmp(first, "limits") == 0 || strcmp(first, "pace") == 0;
    BF_AUTO_STRING char *full = bf_format("%s%s", whole ? "" : section, name);
    struct bf_rule rule;
    char *fault = read_rule(full, value, &rule);
    if (fault)
        return fault;
    if (rule.value >= (double)BF_NO_LIMIT) {
        free(rule.pointer);
        return bf_copy_string("null is no ceiling: take the line out");
    }
    if (rule.field->kind == BF_FIELD_NUMBER && !rule.field->nullable) {
        free(rule.pointer);
        return bf_copy_string("has no ceiling: the higher it is, the gentler the job");
    }
    return add(rules->ceilings, &rules->ceiling_count, &rule, line);
}

static const struct bf_rule *find_rule(const struct bf_rule *rules, size_t count, const char *pointer)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rules[i].pointer, pointer) == 0)
            return &rules[i];
    return NULL;
}

void bf_rules_apply(const struct bf_rules *rules, struct bf_document *document)
{
    for (size_t i = 0; i < rules->default_count; i++)
        write_place(rules->defaults[i].field, document, rules->defaults[i].value);
    for (size_t i = 0; i < rules->ceiling_count; i++)
        if (bf_field_value(rules->ceilings[i].field, document) > rules->ceilings[i].value)
            write_place(rules->ceilings[i].field, document, rules->ceilings[i].value);
    bf_pace_give_way(&document->pace, find_rule(rules->defaults, rules->default_count, "/pace/batch_rows/start") != NULL,
                     find_rule(rules->defaults, rules->default_count, "/pace/batch_rows/min") != NULL);
}

static char *show(const struct bf_field *field, double value, char text[BF_DURATION_TEXT])
{
    if (value >= (double)BF_NO_LIMIT) {
        snprintf(text, BF_DURATION_TEXT, "no limit");
        return text;
    }
    if (field->kind == BF_FIELD_DURATION)
        return bf_duration_format((int64_t)value, text);
    if (field->kind == BF_FIELD_COUNT_OR_SHARE)
        return bf_share_format((int64_t)value, text);
    snprintf(text, BF_DURATION_TEXT, "%.12g", value);
    return text;
}

/* The last line that has to do with the pointers that begin so; 0: none. */
static int last_line(const struct bf_rules *rules, const char *begin)
{
    int line = 0;
    for (size_t i = 0; i < rules->default_count + rules->ceiling_count; i++) {
        const struct bf_rule *rule =
            i < rules->default_count ? &rules->defaults[i] : &rules->ceilings[i - rules->default_count];
        if (strncmp(rule->pointer, begin, strlen(begin)) == 0 && rule->line > line)
            line = rule->line;
    }
    return line;
}

char *bf_rules_fault(const struct bf_rules *rules, int *ret_line)
{
    struct bf_document document = {0};
    char one[BF_DURATION_TEXT], other[BF_DURATION_TEXT];
    for (size_t i = 0; i < rules->default_count; i++) {
        const struct bf_rule *said = &rules->defaults[i];
        const struct bf_rule *ceiling = find_rule(rules->ceilings, rules->ceiling_count, said->pointer);
        if (!ceiling || said->value <= ceiling->value)
            continue;
        *ret_line = said->line;
        return bf_format("the default %s is over the target's own ceiling, %s on line %d",
                         show(said->field, said->value, one), show(said->field, ceiling->value, other), ceiling->line);
    }
    bf_document_defaults(&document);
    bf_rules_apply(rules, &document);
    const struct bf_pace *pace = &document.pace;
    if (pace->batch_rows_min > pace->batch_rows_start || pace->batch_rows_start > pace->batch_rows_max) {
        *ret_line = last_line(rules, "/pace/batch_rows/");
        return bf_format("pace.batch_rows wants min <= start <= max, and for jobs that do not say them they are %lld, %lld, "
                         "%lld",
                         (long long)pace->batch_rows_min, (long long)pace->batch_rows_start,
                         (long long)pace->batch_rows_max);
    }
    if (document.limits.statement_timeout < pace->batch_time) {
        int time = last_line(rules, "/pace/batch_time"), limit = last_line(rules, "/limits/statement_timeout");
        *ret_line = time > limit ? time : limit;
        return bf_format("for jobs that do not say them limits.statement_timeout (%s) is under pace.batch_time (%s): every "
                         "batch would be taken back",
                         bf_duration_format(document.limits.statement_timeout, one),
                         bf_duration_format(pace->batch_time, other));
    }
    return NULL;
}

void bf_rules_check(const struct bf_rules *rules, const char *target, const struct bf_document *document,
                    struct bf_complaints *complaints)
{
    char one[BF_DURATION_TEXT], other[BF_DURATION_TEXT];
    for (size_t i = 0; i < rules->ceiling_count; i++) {
        const struct bf_rule *ceiling = &rules->ceilings[i];
        double value = bf_field_value(ceiling->field, document);
        if (value > ceiling->value)
            bf_complain(complaints, BF_INVALID, ceiling->pointer, "%s is over the ceiling of target %s, %s",
                        show(ceiling->field, value, one), target, show(ceiling->field, ceiling->value, other));
    }
}

char *bf_rules_text(const struct bf_rules *rules)
{
    struct bf_buffer text = {0};
    char value[BF_DURATION_TEXT];
    for (size_t i = 0; i < rules->default_count + rules->ceiling_count; i++) {
        bool ceiling = i >= rules->default_count;
        const struct bf_rule *rule = ceiling ? &rules->ceilings[i - rules->default_count] : &rules->defaults[i];
        BF_AUTO_STRING char *name = bf_copy_string(rule->pointer + 1);
        for (char *at = name; *at; at++)
            if (*at == '/')
                *at = '.';
        bf_buffer_format(&text, "%s%s%s = %s", i ? ", " : "", ceiling ? "ceiling." : "", name,
                         show(rule->field, rule->value, value));
    }
    return text.length ? bf_buffer_take(&text) : bf_copy_string("none");
}

void bf_rules_clear(struct bf_rules *rules)
{
    for (size_t i = 0; i < rules->default_count; i++)
        free(rules->defaults[i].pointer);
    for (size_t i = 0; i < rules->ceiling_count; i++)
        free(rules->ceilings[i].pointer);
    *rules = (struct bf_rules){0};
}
