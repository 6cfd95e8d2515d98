/* The author's expressions, looked at alone: what is not one expression by itself must never come into a statement.
 *
 * Three looks, each enough against some tricks and all together against all known: the tokens (no `;`, comment or
 * parameter, no parenthesis closed that was not opened), the parse of `SELECT <expression>`, of which only a bare target
 * may come out, and the parse of `SELECT (<expression>)`, which is how it will stand. The parser is PostgreSQL's own
 * (libpg_query). It keeps its memory context per thread; every call here comes from the loop's thread and frees its
 * result. */
#include "postgresql_dialect.h"

#include <ctype.h>
#include <jansson.h>
#include <pg_query.h>
#include <string.h>

#include "allocate.h"
#include "duration.h"

struct place {
    struct bf_complaints *complaints;
    const char *pointer;
    const char *expression;
};

static const char head[] = "SELECT ";

/* The scanner's answer is a protobuf: ScanResult { version = 1; repeated ScanToken tokens = 2; }, ScanToken
 * { start = 1; end = 2; Token token = 4; keyword_kind = 5; }, all of them varints (protobuf.dev, "Encoding"). Read by
 * hand because the generated reader needs a library and headers that nothing else here does. */
enum {
    TOKEN_OPEN = 40, TOKEN_CLOSE = 41, TOKEN_COLON = 58, TOKEN_SEMICOLON = 59, TOKEN_PARAMETER = 267, TOKEN_SQL_COMMENT = 275,
    TOKEN_C_COMMENT = 276
};

struct reader {
    const unsigned char *at, *end;
    bool broken;
};

static uint64_t read_number(struct reader *reader)
{
    uint64_t number = 0;
    for (unsigned shift = 0; reader->at < reader->end && shift < 64; shift += 7) {
        unsigned char byte = *reader->at++;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
    reader->broken = true;
    return 0;
}

/* The next field: its number, and its varint or the extent of its bytes. False at the end. */
static bool read_field(struct reader *reader, unsigned *ret_field, uint64_t *ret_number, struct reader *ret_bytes)
{
    if (reader->broken || reader->at >= reader->end)
        return false;
    uint64_t key = read_number(reader);
    *ret_field = (unsigned)(key >> 3);
    *ret_number = read_number(reader);
    *ret_bytes = (struct reader){reader->at, reader->at, false};
    if ((key & 7) == 2) {
        if (*ret_number > (uint64_t)(reader->end - reader->at))
            reader->broken = true;
        else
            ret_bytes->end = reader->at += *ret_number;
    } else if ((key & 7) != 0) {
        reader->broken = true;
    }
    return !reader->broken;
}

/* The next token; false at the end. Offsets in bytes. */
static bool read_token(struct reader *tokens, uint64_t *ret_start, uint64_t *ret_end, uint64_t *ret_token)
{
    struct reader bytes, inner;
    unsigned field;
    uint64_t number;
    while (read_field(tokens, &field, &number, &bytes)) {
        if (field != 2)
            continue;
        *ret_start = *ret_end = *ret_token = 0;
        while (read_field(&bytes, &field, &number, &inner)) {
            *ret_start = field == 1 ? number : *ret_start;
            *ret_end = field == 2 ? number : *ret_end;
            *ret_token = field == 4 ? number : *ret_token;
        }
        tokens->broken = bytes.broken;
        return !bytes.broken;
    }
    return false;
}

/* A text that cannot be scanned has none. */
static struct reader tokens_of(const PgQueryScanResult *result)
{
    bool none = result->error || !result->pbuf.data;
    const unsigned char *first = (const unsigned char *)(none ? "" : result->pbuf.data);
    return (struct reader){first, first + (none ? 0 : result->pbuf.len), false};
}

/* :started_at, and what it becomes. Only tokens count, so a text that happens to hold these letters stays as it is. */
char *bf_postgresql_predicate(const char *expression, int64_t started_at)
{
    static const char name[] = "started_at";
    PgQueryScanResult result = pg_query_scan(expression);
    struct bf_buffer buffer = {0};
    uint64_t start, end, token, copied = 0, colon = UINT64_MAX;
    char when[BF_TIME_TEXT];

    struct reader tokens = tokens_of(&result);
    while (read_token(&tokens, &start, &end, &token)) {
        if (start == colon && end - start == sizeof name - 1 && !strncmp(expression + start, name, sizeof name - 1)) {
            bf_buffer_append(&buffer, expression + copied, colon - 1 - copied);
            bf_buffer_format(&buffer, "timestamptz '%s'", bf_time_format(started_at, when));
            copied = end;
        }
        colon = token == TOKEN_COLON ? end : UINT64_MAX;
    }
    pg_query_free_scan_result(result);
    bf_buffer_text(&buffer, expression + copied);
    return bf_buffer_take(&buffer);
}

/* What a token alone makes wrong, or NULL. */
static const char *token_fault(uint64_t token, int *depth)
{
    switch (token) {
    case TOKEN_SEMICOLON:
        return "a semicolon has no place in an expression";
    case TOKEN_SQL_COMMENT:
    case TOKEN_C_COMMENT:
        return "a comment has no place in an expression";
    case TOKEN_PARAMETER:
        return "a parameter such as $1 has no place in an expression";
    case TOKEN_OPEN:
        ++*depth;
        return NULL;
    case TOKEN_CLOSE:
        return --*depth < 0 ? "it closes a parenthesis that it did not open" : NULL;
    default:
        return NULL;
    }
}

/* Characters before byte `offset`, plus one: what people count. */
static size_t position_of(const char *text, uint64_t offset)
{
    size_t characters = 1;
    for (size_t i = 0; i < offset && text[i]; i++)
        characters += (text[i] & 0xc0) != 0x80;
    return characters;
}

static bool check_tokens(const struct place *place)
{
    PgQueryScanResult result = pg_query_scan(place->expression);
    int depth = 0;
    bool fine = true;

    if (result.error) {
        bf_complain(place->complaints, BF_INVALID, place->pointer, "%s (character %d)", result.error->message,
                    result.error->cursorpos);
        pg_query_free_scan_result(result);
        return false;
    }
    struct reader tokens = tokens_of(&result);
    uint64_t start, end, token;
    while (fine && read_token(&tokens, &start, &end, &token)) {
        const char *fault = token_fault(token, &depth);
        if (fault)
            bf_complain(place->complaints, BF_INVALID, place->pointer, "%s (character %zu)", fault,
                        position_of(place->expression, start));
        fine = !fault;
    }
    if (fine && tokens.broken) {
        bf_complain(place->complaints, BF_INTERNAL, place->pointer, "the parser's answer is not understood");
        fine = false;
    }
    pg_query_free_scan_result(result);
    return fine;
}

/* Every member of the object must be one of the names (which end in NULL); the first that is not, or NULL. */
static const char *unknown_member(json_t *object, const char *const names[])
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        bool known = false;
        for (size_t i = 0; names[i] && !known; i++)
            known = !strcmp(names[i], key);
        if (!known)
            return key;
    }
    return NULL;
}

static bool is_star(json_t *value)
{
    json_t *fields = json_object_get(json_object_get(value, "ColumnRef"), "fields");
    size_t count = json_array_size(fields);
    return count && json_object_get(json_array_get(fields, count - 1), "A_Star");
}

/* NULL when the tree is SELECT with one bare target and nothing else, else what is wrong. */
static const char *tree_fault(json_t *tree)
{
    static const char *const statement_members[] = {"stmt", "stmt_location", NULL};
    static const char *const select_members[] = {"targetList", "limitOption", "op", NULL};
    static const char *const target_members[] = {"val", "location", NULL};
    static const char not_one[] = "it has to be one SQL expression and nothing else";

    json_t *statements = json_object_get(tree, "stmts");
    json_t *statement = json_array_get(statements, 0);
    json_t *select = json_object_get(json_object_get(statement, "stmt"), "SelectStmt");
    if (json_array_size(statements) != 1 || !select || unknown_member(statement, statement_members))
        return not_one;

    const char *member = unknown_member(select, select_members);
    const char *operation = json_string_value(json_object_get(select, "op"));
    const char *limit = json_string_value(json_object_get(select, "limitOption"));
    if (member && !strcmp(member, "fromClause"))
        return "FROM has no place in an expression; a subquery stands in parentheses";
    if (member && !strcmp(member, "whereClause"))
        return "WHERE has no place in an expression";
    if (member || !operation || strcmp(operation, "SETOP_NONE") || !limit || strcmp(limit, "LIMIT_OPTION_DEFAULT"))
        return not_one;

    json_t *targets = json_object_get(select, "targetList");
    if (json_array_size(targets) == 0)
        return "it is empty";
    if (json_array_size(targets) > 1)
        return "it is more than one expression: there is a comma outside parentheses";
    json_t *target = json_object_get(json_array_get(targets, 0), "ResTarget");
    json_t *value = json_object_get(target, "val");
    member = unknown_member(target, target_members);
    if (member && !strcmp(member, "name"))
        return "it has an alias; an expression needs none (or an operator is missing)";
    if (member || !value)
        return not_one;
    if (is_star(value))
        return "* is not an expression";
    if (json_object_get(value, "SetToDefault"))
        return "DEFAULT is not an expression; write the default's own expression";
    return NULL;
}

static bool check_tree(const struct place *place)
{
    BF_AUTO_STRING char *text = bf_format("%s%s", head, place->expression);
    PgQueryParseResult result = pg_query_parse(text);
    const char *fault = NULL;

    if (result.error) {
        int position = result.error->cursorpos - (int)(sizeof head - 1);
        bf_complain(place->complaints, BF_INVALID, place->pointer, "%s (character %d)", result.error->message,
                    position > 0 ? position : 1);
        pg_query_free_parse_result(result);
        return false;
    }
    json_t *tree = json_loads(result.parse_tree, JSON_ALLOW_NUL, NULL);
    /* jansson reads some 2,000 levels, which are several hundred operators in a row. */
    fault = tree ? tree_fault(tree) : "it is nested too deeply, or it is a row of too many operators";
    json_decref(tree);
    pg_query_free_parse_result(result);
    if (fault)
        bf_complain(place->complaints, BF_INVALID, place->pointer, "%s", fault);
    return !fault;
}

static void check_in_parentheses(const struct place *place)
{
    BF_AUTO_STRING char *text = bf_format("%s(%s)", head, place->expression);
    PgQueryParseResult result = pg_query_parse(text);
    if (result.error) {
        int position = result.error->cursorpos - (int)sizeof head;
        bf_complain(place->complaints, BF_INVALID, place->pointer, "%s (character %d)", result.error->message,
                    position > 0 ? position : 1);
    }
    pg_query_free_parse_result(result);
}

static void check_expression(struct bf_complaints *complaints, const char *pointer, const char *expression)
{
    const struct place place = {complaints, pointer, expression};
    if (check_tokens(&place) && check_tree(&place))
        check_in_parentheses(&place);
}

static void check_predicate(struct bf_complaints *complaints, const char *pointer, const char *predicate)
{
    if (!predicate)
        return;
    BF_AUTO_STRING char *text = bf_postgresql_predicate(predicate, 0);
    check_expression(complaints, pointer, text);
}

/* One part of a name, as the server's parse_ident reads it; NULL: it is none. What is behind it. */
static const char *behind_part(const char *text)
{
    const char *at = text;
    if (*at != '"') {
        for (; isalpha((unsigned char)*at) || *at == '_' || (unsigned char)*at >= 0x80 ||
               (at > text && (isdigit((unsigned char)*at) || *at == '$')); at++)
            ;
        return at > text ? at : NULL;
    }
    for (at++; *at && (*at != '"' || at[1] == '"'); at += *at == '"' ? 2 : 1)
        ;
    return *at == '"' && at > text + 1 ? at + 1 : NULL;
}

/* What the catalogue is asked for has to be a name: of another text the server says an error, as it does where it is ill. */
static bool is_table_name(const char *text)
{
    const char *rest = behind_part(text);
    if (rest && *rest == '.')
        rest = behind_part(rest + 1);
    return rest && *rest == '\0';
}

void bf_postgresql_check_expressions(const struct bf_document *document, struct bf_complaints *complaints)
{
    if (document->table && !is_table_name(document->table))
        bf_complain(complaints, BF_INVALID, "/table",
                    "%s is not the name of a table: write orders, public.orders or public.\"Odd Name\"", document->table);
    for (size_t i = 0; i < document->set_count; i++) {
        BF_AUTO_STRING char *pointer = bf_set_pointer(document->set[i].name);
        check_expression(complaints, pointer, document->set[i].value);
    }
    check_predicate(complaints, "/where", document->where);
    check_predicate(complaints, "/remaining", document->remaining);
}

/* One SELECT (or WITH, or VALUES) and nothing else; that it only reads is what the read-only transaction sees to. */
void bf_postgresql_check_query(const char *sql, const char *pointer, struct bf_complaints *complaints)
{
    PgQueryParseResult result = pg_query_parse(sql);
    if (result.error) {
        bf_complain(complaints, BF_INVALID, pointer, "%s (character %d)", result.error->message, result.error->cursorpos);
    } else {
        json_t *tree = json_loads(result.parse_tree, JSON_ALLOW_NUL, NULL);
        json_t *statements = json_object_get(tree, "stmts");
        json_t *statement = json_object_get(json_array_get(statements, 0), "stmt");
        if (json_array_size(statements) != 1 || !json_object_get(statement, "SelectStmt"))
            bf_complain(complaints, BF_INVALID, pointer, "it has to be one SELECT and nothing else");
        json_decref(tree);
    }
    pg_query_free_parse_result(result);
}
