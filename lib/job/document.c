#include "document.h"

#include <jansson.h>
#include <string.h>

#include "allocate.h"
#include "document_reader.h"
#include "json_read.h"
#include "rules.h"

/* Nothing in a document that is valid nests deeper than four; the parser's own ceiling is 2,048. */
static json_t *parse(const char *json, size_t length, bool *ret_large, struct bf_error *error)
{
    json_error_t at;
    json_t *root = bf_json_read(json ? json : "", length, ret_large, &at);
    if (root)
        return root;
    if (length == 0)
        bf_fail(error, BF_NOT_JSON, "the document is empty; a JSON object is wanted");
    else
        bf_fail(error, BF_NOT_JSON, "line %d, column %d: %s", at.line, at.column, at.text);
    return NULL;
}

/* One text for all documents that are equal as JSON, however they were written. 17 digits tell any two numbers apart. */
static char *canonical_text(const json_t *root)
{
    char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    if (!text)
        abort(); /* out of memory: a parsed object has no other way to fail */
    return text;
}

static void hash_document(json_t *root, struct bf_document *document)
{
    document->canonical = canonical_text(root);
    /* "again" says that the same document may run twice, so it cannot be part of what makes it the same. */
    json_object_del(root, "again");
    BF_AUTO_STRING char *text = canonical_text(root);
    bf_hash(text, strlen(text), document->hash);
}

enum bf_code bf_document_parse(const char *json, size_t length, const char *target_override,
                               struct bf_document **ret_document, struct bf_complaints *complaints,
                               struct bf_error *error)
{
    return bf_document_parse_for(json, length, target_override, NULL, NULL, ret_document, complaints, error);
}

enum bf_code bf_document_parse_for(const char *json, size_t length, const char *target_override,
                                   bf_rules_of_target *rules_of, void *argument, struct bf_document **ret_document,
                                   struct bf_complaints *complaints, struct bf_error *error)
{
    struct bf_document *document = NULL;
    enum bf_code code = bf_document_parse_far(json, length, target_override, rules_of, argument, &document, complaints, error);
    if (code == BF_OK)
        *ret_document = document;
    else
        bf_document_free(document);
    return code;
}

enum bf_code bf_document_parse_far(const char *json, size_t length, const char *target_override,
                                   bf_rules_of_target *rules_of, void *argument, struct bf_document **ret_document,
                                   struct bf_complaints *complaints, struct bf_error *error)
{
    if (length > BF_DOCUMENT_MAX)
        return bf_fail(error, BF_TOO_LARGE, "the document has %zu bytes; %d are the limit", length, BF_DOCUMENT_MAX);
    bool large;
    json_t *root = parse(json, length, &large, error);
    if (!root)
        return BF_NOT_JSON;
    if (target_override && json_is_object(root)) {
        /* The pattern of a target is ASCII, so what is not UTF-8 is as wrong as the empty text. */
        json_t *target = json_string(target_override);
        json_object_set_new(root, "target", target ? target : json_string(""));
    }
    struct bf_document *document = BF_NEW(struct bf_document);
    bf_document_defaults(document);
    const char *target = json_string_value(json_object_get(root, "target"));
    const struct bf_rules *rules = rules_of && target ? rules_of(argument, target) : NULL;
    if (rules)
        bf_rules_apply(rules, document);
    bf_document_read(root, document, complaints);
    if (large && complaints->total == 0) /* of a field without bounds */
        bf_complain(complaints, BF_INVALID, "", "a number in it is too large");
    enum bf_code code = bf_complaints_code(complaints);
    if (code == BF_OK) {
        hash_document(root, document);
        if (rules)
            bf_document_settle(document);
    } else {
        const struct bf_complaint *first = &complaints->list[0];
        if (complaints->total == 1)
            bf_fail(error, code, "%s: %s", first->pointer, first->detail);
        else
            bf_fail(error, code, "%s: %s (and %zu more)", first->pointer, first->detail, complaints->total - 1);
    }
    *ret_document = document;
    json_decref(root);
    return code;
}

char *bf_document_canonical(const char *json, size_t length, struct bf_error *error)
{
    bool large;
    json_t *root = parse(json, length, &large, error);
    char *text = root ? canonical_text(root) : NULL;
    json_decref(root);
    return text;
}

static void free_pairs(struct bf_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
}

static bool same_texts(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
    for (size_t i = 0; a_count == b_count && i < a_count; i++)
        if (!bf_same_string(a[i], b[i]))
            return false;
    return a_count == b_count;
}

static bool same_set(const struct bf_document *a, const struct bf_document *b)
{
    for (size_t i = 0; a->set_count == b->set_count && i < a->set_count; i++)
        if (!bf_same_string(a->set[i].name, b->set[i].name) || !bf_same_string(a->set[i].value, b->set[i].value))
            return false;
    return a->set_count == b->set_count;
}

bool bf_document_selects(const struct bf_document *document)
{
    return document->where || document->remaining || document->unless || document->spared;
}

bool bf_document_same_work(const struct bf_document *a, const struct bf_document *b)
{
    if (a->inverse && b->inverse && !(same_set(a->inverse, b->inverse) && bf_same_string(a->inverse->where, b->inverse->where)))
        return false;
    return same_set(a, b) && a->undo == b->undo && bf_same_string(a->table, b->table) &&
           bf_same_string(a->where, b->where) && bf_same_string(a->remaining, b->remaining) &&
           same_texts(a->key, a->key_count, b->key, b->key_count) &&
           same_texts(a->after, a->after_count, b->after, b->after_count) &&
           same_texts(a->through, a->through_count, b->through, b->through_count);
}

void bf_document_free(struct bf_document *document)
{
    if (!document)
        return;
    free(document->name);
    free(document->target);
    free(document->table);
    free_texts(document->key, document->key_count);
    free_texts(document->after, document->after_count);
    free_texts(document->through, document->through_count);
    free_pairs(document->set, document->set_count);
    free(document->where);
    free(document->remaining);
    bf_document_free(document->inverse);
    free(document->unless);
    free(document->spared);
    for (size_t kind = 0; kind < BF_CHECK_KINDS; kind++)
        for (size_t i = 0; i < document->check_count[kind]; i++) {
            free(document->checks[kind][i].name);
            free(document->checks[kind][i].sql);
            free(document->checks[kind][i].value);
        }
    for (size_t i = 0; i < document->query_count; i++) {
        free(document->queries[i].name);
        free(document->queries[i].sql);
    }
    for (size_t i = 0; i < document->trigger_count; i++) {
        free(document->triggers[i].name);
        free(document->triggers[i].signal);
        free(document->triggers[i].sql);
        free(document->triggers[i].source);
        free(document->triggers[i].query);
    }
    free(document->owner);
    free(document->description);
    free_pairs(document->labels, document->label_count);
    free(document->canonical);
    free(document->current);
    free(document);
}
