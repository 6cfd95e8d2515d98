/* Changing pace and limits of a document that a job has already: the change is merged into the whole document, which is
 * then read as any other, so that one table says what is allowed. */
#include <jansson.h>
#include <string.h>

#include "allocate.h"
#include "buffer.h"
#include "document_reader.h"
#include "json_read.h"
#include "share.h"

enum { DUMP = JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17), SHOWN = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12) };

static const char *const changeable[] = {"pace", "limits"};

const char *bf_document_current(const struct bf_document *document)
{
    return document->current ? document->current : document->canonical;
}

static const struct bf_section *section_at(const char *pointer)
{
    const struct bf_section *section;
    for (size_t i = 0; (section = bf_document_section(i)) != NULL; i++)
        if (strcmp(section->pointer, pointer) == 0)
            return section;
    return NULL;
}

static bool known(const struct bf_section *section, const char *name)
{
    for (size_t i = 0; section && i < section->count; i++)
        if (strcmp(section->fields[i].name, name) == 0)
            return true;
    return false;
}

/* RFC 7396, for the part of the document at `pointer`. What is taken out leaves no trace that could be wrong later, so
 * the names are checked here. */
static void merge(json_t *into, const json_t *change, const char *pointer, struct bf_complaints *complaints)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)change, name, value)
    {
        BF_AUTO_STRING char *at = bf_child_pointer(pointer, name);
        json_t *there = json_object_get(into, name);
        if (json_is_null(value)) {
            if (!known(section_at(pointer), name))
                bf_complain(complaints, BF_INVALID, at, "unknown field");
            json_object_del(into, name);
        } else if (json_is_object(value)) {
            json_t *part = json_is_object(there) ? json_incref(there) : json_object();
            merge(part, value, at, complaints);
            /* An empty object would say nothing, which a document may not do. */
            if (json_object_size(part) > 0)
                json_object_set(into, name, part);
            else
                json_object_del(into, name);
            json_decref(part);
        } else {
            json_object_set(into, name, value);
        }
    }
}

static bool check_names(const json_t *change, struct bf_complaints *complaints)
{
    const char *name;
    json_t *value;
    if (!json_is_object(change)) {
        bf_complain(complaints, BF_INVALID, "", "a change is an object with pace, limits or both, not %s",
                    bf_json_type(change));
        return false;
    }
    json_object_foreach((json_t *)change, name, value)
    {
        BF_AUTO_STRING char *at = bf_child_pointer("", name);
        bool good = false;
        for (size_t i = 0; i < BF_COUNT(changeable); i++)
            good = good || strcmp(name, changeable[i]) == 0;
        if (!good)
            bf_complain(complaints, BF_INVALID, at, "cannot be changed: only pace and limits of a job can");
    }
    if (json_object_size(change) == 0)
        bf_complain(complaints, BF_INVALID, "", "says nothing; give pace, limits or both");
    return complaints->total == 0;
}


/* `changed` is a document of its own so far: gives it what stays the submission's. */
static void keep_submission(const struct bf_document *document, struct bf_document *changed)
{
    if (changed->current)
        free(changed->canonical);
    else
        changed->current = changed->canonical;
    changed->canonical = bf_copy_string(document->canonical);
    memcpy(changed->hash, document->hash, sizeof changed->hash);
    if (strcmp(changed->current, changed->canonical) == 0)
        bf_free_string(&changed->current);
}

enum bf_code bf_document_merge(const struct bf_document *document, const char *json, size_t length,
                               bf_rules_of_target *rules_of, void *argument, struct bf_document **ret_changed,
                               struct bf_complaints *complaints, struct bf_error *error)
{
    bool large; /* pace and limits have bounds, which say it */
    json_error_t fault;
    json_t *change = bf_json_read(json, length, &large, &fault);
    if (!change)
        return bf_fail(error, BF_NOT_JSON, "line %d, column %d: %.150s", fault.line, fault.column, fault.text);
    json_t *whole = json_loads(bf_document_current(document), 0, NULL);
    char *text = NULL;
    if (check_names(change, complaints)) {
        merge(whole, change, "", complaints);
        text = json_dumps(whole, DUMP);
    }
    json_decref(change);
    json_decref(whole);
    enum bf_code code = bf_complaints_code(complaints);
    if (code == BF_OK)
        code = bf_document_parse_for(text, strlen(text), NULL, rules_of, argument, ret_changed, complaints, error);
    if (code == BF_OK)
        keep_submission(document, *ret_changed);
    free(text);
    return code;
}

void bf_document_take(struct bf_document *document, struct bf_document *changed)
{
    /* Exchanged, not copied: each frees with itself what it then holds. */
    struct bf_pace pace = document->pace;
    struct bf_limits limits = document->limits;
    char *current = document->current;
    document->pace = changed->pace;
    document->limits = changed->limits;
    document->current = changed->current;
    changed->pace = pace;
    changed->limits = limits;
    changed->current = current;
    bf_document_free(changed);
}

enum bf_code bf_document_restore(struct bf_document *document, const char *current, struct bf_complaints *complaints,
                                 struct bf_error *error)
{
    struct bf_document *changed = NULL;
    enum bf_code code = bf_document_parse(current, strlen(current), NULL, &changed, complaints, error);
    if (code != BF_OK)
        return code;
    keep_submission(document, changed);
    bf_document_take(document, changed);
    return BF_OK;
}

/* ---- a target's defaults become the job's own ---- */

static json_t *value_at(const struct bf_document *document, const struct bf_field *field)
{
    const char *place = (const char *)document + field->place;
    double number;
    int64_t whole;
    if (field->kind == BF_FIELD_NUMBER) {
        memcpy(&number, place, sizeof number);
        return number < (double)BF_NO_LIMIT ? json_real(number) : json_null();
    }
    memcpy(&whole, place, sizeof whole);
    if (whole == BF_NO_LIMIT)
        return json_null();
    if (field->kind == BF_FIELD_COUNT_OR_SHARE && whole >= BF_SHARES) {
        char text[BF_SHARE_TEXT];
        return json_string(bf_share_format(whole, text));
    }
    return field->kind == BF_FIELD_DURATION ? json_sprintf("%lldms", (long long)whole) : json_integer(whole);
}

/* The object at a pointer of the tables; it is made where it is not there. Borrowed. */
static json_t *object_at(json_t *root, const char *pointer)
{
    BF_AUTO_STRING char *path = bf_copy_string(pointer);
    json_t *at = root;
    char *rest = NULL;
    for (char *part = strtok_r(path, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
        if (!json_object_get(at, part))
            json_object_set_new(at, part, json_object());
        at = json_object_get(at, part);
    }
    return at;
}

void bf_document_settle(struct bf_document *document)
{
    json_t *root = json_loads(document->canonical, 0, NULL);
    struct bf_document *plain = BF_NEW(struct bf_document);
    struct bf_complaints none = {0}; /* it was read before */
    const struct bf_section *section;
    bool differs = false;
    bf_document_defaults(plain);
    bf_document_read(root, plain, &none);
    for (size_t s = 0; (section = bf_document_section(s)) != NULL; s++)
        for (size_t i = 0; i < section->count; i++) {
            const struct bf_field *field = &section->fields[i];
            if (!field->place || memcmp((const char *)document + field->place, (const char *)plain + field->place,
                                        sizeof(int64_t)) == 0)
                continue;
            json_object_set_new(object_at(root, section->pointer), field->name, value_at(document, field));
            differs = true;
        }
    bf_free_string(&document->current); /* of a former time */
    if (differs)
        document->current = json_dumps(root, DUMP);
    bf_document_free(plain);
    bf_complaints_clear(&none);
    json_decref(root);
}

/* ---- what differs ---- */

/* The value at a section's field, as it stands or by default. Owned text; "none" where there is neither. */
static char *shown(const json_t *root, const struct bf_section *section, const struct bf_field *field)
{
    BF_AUTO_STRING char *path = bf_copy_string(section->pointer);
    const json_t *at = root;
    char *rest = NULL;
    for (char *part = strtok_r(path, "/", &rest); part; part = strtok_r(NULL, "/", &rest))
        at = json_object_get(at, part);
    const json_t *value = json_object_get(at, field->name);
    return value ? json_dumps(value, SHOWN) : bf_copy_string(field->standard ? field->standard : "none");
}

static bool is_changeable(const struct bf_section *section)
{
    for (size_t i = 0; i < BF_COUNT(changeable); i++) {
        size_t length = strlen(changeable[i]);
        if (section->pointer[0] == '/' && strncmp(section->pointer + 1, changeable[i], length) == 0 &&
            (section->pointer[1 + length] == '\0' || section->pointer[1 + length] == '/'))
            return true;
    }
    return false;
}

static void compare(const json_t *old, const json_t *changed, const struct bf_section *section,
                    struct bf_buffer *difference)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct bf_field *field = &section->fields[i];
        if (field->kind == BF_FIELD_SECTION)
            continue; /* has its own turn */
        BF_AUTO_STRING char *before = shown(old, section, field);
        BF_AUTO_STRING char *after = shown(changed, section, field);
        if (strcmp(before, after) == 0)
            continue;
        BF_AUTO_STRING char *name = bf_format("%s.%s", section->pointer + 1, field->name);
        for (char *slash = name; (slash = strchr(slash, '/')) != NULL;)
            *slash = '.';
        bf_buffer_format(difference, "%s%s %s -> %s", difference->length ? ", " : "", name, before, after);
    }
}

char *bf_document_difference(const struct bf_document *old, const struct bf_document *changed)
{
    struct bf_buffer difference = {0};
    json_t *before = json_loads(bf_document_current(old), 0, NULL);
    json_t *after = json_loads(bf_document_current(changed), 0, NULL);
    const struct bf_section *section;
    for (size_t i = 0; (section = bf_document_section(i)) != NULL; i++)
        if (is_changeable(section))
            compare(before, after, section, &difference);
    json_decref(before);
    json_decref(after);
    if (difference.length == 0)
        bf_buffer_clear(&difference);
    return difference.length > 0 ? bf_buffer_take(&difference) : NULL;
}

char *bf_document_clone(const struct bf_document *document, const char *name, const char *after)
{
    json_t *whole = json_loads(bf_document_current(document), 0, NULL);
    json_t *bound = after ? json_loads(after, 0, NULL) : NULL;
    json_object_set_new(whole, "name", json_string(name));
    json_object_set_new(whole, "again", json_true());
    if (json_is_array(bound)) {
        json_t *range = json_object_get(whole, "range");
        if (!range) {
            range = json_object();
            json_object_set(whole, "range", range);
            json_decref(range);
        }
        json_object_set(range, "after", bound);
    }
    json_decref(bound);
    char *text = json_dumps(whole, DUMP);
    json_decref(whole);
    return text;
}
