/* The author's expressions, looked at alone: what is not one expression by itself must never come into a statement.
 *
 * A tokenizer, since these servers have no parser to borrow. How a server reads quotes depends on its SQL mode (backslash
 * escapes or not, "x" a string or a name), which is not known here; so a text has to be good under every mode. What only
 * a mode would allow can be written in another way: '' for \'. The server's own PREPARE follows (check.c). */
#include "mysql_dialect.h"

#include <ctype.h>
#include <string.h>

#include "allocate.h"
#include "duration.h"

/* In which quotes a backslash takes the next character's meaning away. */
const char *const bf_mysql_escape_modes[BF_MYSQL_ESCAPE_MODES] = {"", "'", "'\""};

const char *bf_mysql_skip_quoted(const char *text, const char *escapes)
{
    char quote = *text++;
    for (; *text; text++) {
        if (*text == '\\' && strchr(escapes, quote)) {
            if (!*++text)
                return NULL;
        } else if (*text == quote) {
            if (text[1] != quote)
                return text + 1;
            text++;
        }
    }
    return NULL;
}

static const char *open_quote(char quote)
{
    switch (quote) {
    case '\'':
        return "a ' is not closed, or only where a backslash escapes it: write a quote inside a text twice";
    case '"':
        return "a \" is not closed, or only where a backslash escapes it: write a quote inside a text twice";
    default:
        return "a ` is not closed: write one inside a name twice";
    }
}

/* What a character outside of quotes makes wrong, or NULL. The words speak of an expression; in a query more is allowed. */
static const char *fault_at(const char *text, bool query, int *depth)
{
    switch (*text) {
    case ';':
        return "a semicolon has no place in it";
    case '?':
        return "a parameter (?) has no place in it";
    case '#':
        return "a comment has no place in it";
    case '-':
        /* "--" begins a comment only before a blank, but what is one to one server is none to the next */
        return text[1] == '-' ? "a comment has no place in it: write - - with a blank between" : NULL;
    case '/':
        return text[1] == '*' ? "a comment has no place in it" : NULL;
    case '*':
        return text[1] == '/' ? "a comment has no place in it" : NULL;
    case ':':
        return "a colon has no place in it, but for :started_at in a predicate";
    case '@':
        return query ? NULL : "a variable (@) has no place in it: its value would not be the same for every batch";
    case '\\':
        return "a backslash has no place outside of quotes";
    case '(':
        ++*depth;
        return NULL;
    case ')':
        return --*depth < 0 ? "it closes a parenthesis that it did not open" : NULL;
    case ',':
        return *depth == 0 && !query ? "a comma outside of parentheses: it must be one expression" : NULL;
    default:
        return iscntrl((unsigned char)*text) && !strchr("\t\r\n", *text) ? "it has a control character" : NULL;
    }
}

/* Words that stand in no expression outside of parentheses: a SELECT's clauses and other statements. INTO would write
 * files, and a lock clause would lock. */
static const char *fault_of_word(const char *word, size_t length, int depth)
{
    static const char *const anywhere[] = {"INTO", "DELIMITER", "PROCEDURE"};
    static const char *const outside[] = {"SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION",
                                          "EXCEPT", "INTERSECT", "SET", "FOR", "LOCK", "RETURNING", "WINDOW"};
    for (size_t i = 0; i < BF_COUNT(anywhere); i++)
        if (strlen(anywhere[i]) == length && !strncasecmp(word, anywhere[i], length))
            return "INTO, PROCEDURE and DELIMITER have no place in it";
    for (size_t i = 0; depth == 0 && i < BF_COUNT(outside); i++)
        if (strlen(outside[i]) == length && !strncasecmp(word, outside[i], length))
            return "a clause of a statement has no place in it; put a subquery into parentheses, a name that "
                   "is a reserved word into backticks";
    return NULL;
}

bool bf_mysql_is_word(char character)
{
    return isalnum((unsigned char)character) || character == '_' || character == '$' || (unsigned char)character >= 0x80;
}

/* The same for a query that is to read and to lock nothing. `before` is the word before; length 0: none. */
static const char *fault_of_query_word(const char *before, size_t before_length, const char *word, size_t length)
{
    static const char *const first[] = {"SELECT", "WITH", "VALUES", "TABLE"};
    static const char *const never[] = {"INTO", "DELIMITER", "PROCEDURE", "DELETE", "LOCK"};
    bool begins = before_length > 0, locks = before_length == 3 && !strncasecmp(before, "FOR", 3);
    for (size_t i = 0; !begins && i < BF_COUNT(first); i++)
        begins = strlen(first[i]) == length && !strncasecmp(word, first[i], length);
    if (!begins)
        return "it has to be one SELECT and nothing else";
    for (size_t i = 0; i < BF_COUNT(never); i++)
        if (strlen(never[i]) == length && !strncasecmp(word, never[i], length))
            return "INTO, DELETE, LOCK, PROCEDURE and DELIMITER have no place in it: it only reads";
    if (length == 6 && !strncasecmp(word, "UPDATE", 6))
        return "UPDATE has no place in it: it only reads";
    if (locks && length == 5 && !strncasecmp(word, "SHARE", 5))
        return "FOR SHARE has no place in it: it locks nothing";
    return NULL;
}

static const char *scan(const char *text, const char *escapes, bool query)
{
    const char *before = text;
    size_t before_length = 0;
    bool something = false;
    int depth = 0;

    while (*text) {
        if (*text == '\'' || *text == '"' || *text == '`') {
            char quote = *text;
            text = bf_mysql_skip_quoted(text, escapes);
            if (!text)
                return open_quote(quote);
            something = true;
            continue;
        }
        if (bf_mysql_is_word(*text)) {
            size_t length = 0;
            while (bf_mysql_is_word(text[length]))
                length++;
            const char *fault = query ? fault_of_query_word(before, before_length, text, length)
                                      : fault_of_word(text, length, depth);
            if (fault)
                return fault;
            something = true;
            before = text;
            before_length = length;
            text += length;
            continue;
        }
        const char *fault = fault_at(text, query, &depth);
        if (fault)
            return fault;
        something = something || !isspace((unsigned char)*text);
        text++;
    }
    if (depth > 0)
        return "a parenthesis is not closed";
    return something ? NULL : "it is empty";
}

static const char *fault_of(const char *text, bool query)
{
    for (size_t i = 0; i < BF_MYSQL_ESCAPE_MODES; i++) {
        const char *fault = scan(text, bf_mysql_escape_modes[i], query);
        if (fault)
            return fault;
    }
    return NULL;
}

const char *bf_mysql_expression_fault(const char *expression)
{
    return fault_of(expression, false);
}

const char *bf_mysql_query_fault(const char *query)
{
    return fault_of(query, true);
}

/* :started_at outside of quotes becomes a literal. A text whose quotes are not in order ends as it is: it is refused. */
static char *replaced(const char *predicate, const char *literal, const char *escapes)
{
    static const char name[] = ":started_at";
    struct bf_buffer buffer = {0};
    const char *text = predicate;

    while (*text) {
        const char *next = text + 1;
        if (*text == '\'' || *text == '"' || *text == '`') {
            next = bf_mysql_skip_quoted(text, escapes);
            next = next ? next : text + strlen(text);
        } else if (!strncmp(text, name, sizeof name - 1) && !bf_mysql_is_word(text[sizeof name - 1])) {
            bf_buffer_text(&buffer, literal);
            text += sizeof name - 1;
            continue;
        }
        bf_buffer_append(&buffer, text, (size_t)(next - text));
        text = next;
    }
    return bf_buffer_take(&buffer);
}

char *bf_mysql_predicate(const char *predicate, int64_t started_at)
{
    char when[BF_TIME_TEXT];
    bf_time_format(started_at, when); /* 2026-11-21T06:00:00.123Z, and the session is in UTC */
    BF_AUTO_STRING char *literal = bf_format(" TIMESTAMP'%.10s %.12s'", when, when + 11);
    return replaced(predicate, literal, bf_mysql_escape_modes[0]);
}

const char *bf_mysql_predicate_fault(const char *predicate)
{
    BF_AUTO_STRING char *text = bf_mysql_predicate(predicate, 0);
    for (size_t i = 1; i < BF_MYSQL_ESCAPE_MODES; i++) {
        BF_AUTO_STRING char *other = replaced(predicate, " TIMESTAMP'1970-01-01 00:00:00.000'", bf_mysql_escape_modes[i]);
        const char *fault = scan(other, bf_mysql_escape_modes[i], false);
        if (fault)
            return fault;
        if (strcmp(other, text) != 0)
            return "whether :started_at stands in quotes depends on what a backslash means: write a quote inside a text twice";
    }
    return bf_mysql_expression_fault(text);
}

/* One part of a table's name, and where it ends; NULL when it is none. */
static char *name_part(const char **at)
{
    struct bf_buffer buffer = {0};
    const char *text = *at, quote = *text;

    if (quote == '`' || quote == '"') {
        for (text++; *text && (*text != quote || text[1] == quote); text++) {
            text += *text == quote;
            bf_buffer_append(&buffer, text, 1);
        }
        if (*text++ != quote) {
            bf_buffer_clear(&buffer);
            return NULL;
        }
    } else {
        for (; bf_mysql_is_word(*text); text++)
            bf_buffer_append(&buffer, text, 1);
    }
    *at = text;
    return buffer.length ? bf_buffer_take(&buffer) : NULL;
}

bool bf_mysql_table_name(const char *text, char **ret_schema, char **ret_name)
{
    char *first = name_part(&text), *second = NULL;

    if (first && *text == '.') {
        text++;
        second = name_part(&text);
        if (!second) {
            free(first);
            return false;
        }
    }
    if (!first || *text) {
        free(first);
        free(second);
        return false;
    }
    *ret_schema = second ? first : NULL;
    *ret_name = second ? second : first;
    return true;
}

static void complain(const char *fault, const char *pointer, struct bf_complaints *complaints)
{
    if (fault)
        bf_complain(complaints, BF_INVALID, pointer, "not one SQL expression: %s", fault);
}

void bf_mysql_check_query(const char *sql, const char *pointer, struct bf_complaints *complaints)
{
    const char *fault = bf_mysql_query_fault(sql);
    if (fault)
        bf_complain(complaints, BF_INVALID, pointer, "not one SQL query: %s", fault);
}

void bf_mysql_check_expressions(const struct bf_document *document, struct bf_complaints *complaints)
{
    char *schema = NULL, *name = NULL;

    if (document->table && !bf_mysql_table_name(document->table, &schema, &name))
        bf_complain(complaints, BF_INVALID, "/table",
                    "%s is not the name of a table: write orders, shop.orders or `shop`.`orders`", document->table);
    free(schema);
    free(name);
    if (document->where)
        complain(bf_mysql_predicate_fault(document->where), "/where", complaints);
    if (document->remaining)
        complain(bf_mysql_predicate_fault(document->remaining), "/remaining", complaints);
    for (size_t i = 0; i < document->set_count; i++) {
        BF_AUTO_STRING char *pointer = bf_set_pointer(document->set[i].name);
        complain(bf_mysql_expression_fault(document->set[i].value), pointer, complaints);
    }
}
