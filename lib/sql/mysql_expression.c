/* The author's expressions, looked at alone: what is not one expression by itself must never come into a statement.
 *
 * A tokenizer, since these servers have no parser to borrow. How a server reads quotes depends on its SQL mode (backslash
 * escapes or not, "x" a string or a name), which is not known here; so a text has to be good under every mode. What only
 * a mode would allow can be written in another way: '' for \'. The server's own PREPARE follows (mysql_check.c). */
#include "mysql_dialect.h"

#include <ctype.h>
#include <string.h>

#include "allocate.h"

/* In which quotes a backslash takes the next character's meaning away. */
static const char *const modes[] = {"", "'", "'\""};

/* The end of the quoted text that begins at `text`, behind its quote; NULL when it is not closed. */
static const char *skip_quoted(const char *text, const char *escapes)
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

/* What a character outside of quotes makes wrong, or NULL. */
static const char *fault_at(const char *text, int *depth)
{
    switch (*text) {
    case ';':
        return "a semicolon has no place in an expression";
    case '?':
        return "a parameter (?) has no place in an expression";
    case '#':
        return "a comment has no place in an expression";
    case '-':
        /* "--" begins a comment only before a blank, but what is one to one server is none to the next */
        return text[1] == '-' ? "a comment has no place in an expression: write - - with a blank between" : NULL;
    case '/':
        return text[1] == '*' ? "a comment has no place in an expression" : NULL;
    case '*':
        return text[1] == '/' ? "a comment has no place in an expression" : NULL;
    case ':':
        return "a colon (an assignment, or :started_at, which is not built yet for MySQL) has no place in an expression";
    case '@':
        return "a variable (@) has no place in an expression: its value would not be the same for every batch";
    case '\\':
        return "a backslash has no place outside of quotes";
    case '(':
        ++*depth;
        return NULL;
    case ')':
        return --*depth < 0 ? "it closes a parenthesis that it did not open" : NULL;
    case ',':
        return *depth == 0 ? "a comma outside of parentheses: it must be one expression" : NULL;
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
            return "INTO, PROCEDURE and DELIMITER have no place in an expression";
    for (size_t i = 0; depth == 0 && i < BF_COUNT(outside); i++)
        if (strlen(outside[i]) == length && !strncasecmp(word, outside[i], length))
            return "a clause of a statement has no place in an expression; put a subquery into parentheses, a name that "
                   "is a reserved word into backticks";
    return NULL;
}

static bool is_word(char character)
{
    return isalnum((unsigned char)character) || character == '_' || character == '$' || (unsigned char)character >= 0x80;
}

static const char *scan(const char *text, const char *escapes)
{
    bool something = false;
    int depth = 0;

    while (*text) {
        if (*text == '\'' || *text == '"' || *text == '`') {
            char quote = *text;
            text = skip_quoted(text, escapes);
            if (!text)
                return open_quote(quote);
            something = true;
            continue;
        }
        if (is_word(*text)) {
            size_t length = 0;
            while (is_word(text[length]))
                length++;
            const char *fault = fault_of_word(text, length, depth);
            if (fault)
                return fault;
            something = true;
            text += length;
            continue;
        }
        const char *fault = fault_at(text, &depth);
        if (fault)
            return fault;
        something = something || !isspace((unsigned char)*text);
        text++;
    }
    if (depth > 0)
        return "a parenthesis is not closed";
    return something ? NULL : "it is empty";
}

const char *bf_mysql_expression_fault(const char *expression)
{
    for (size_t i = 0; i < BF_COUNT(modes); i++) {
        const char *fault = scan(expression, modes[i]);
        if (fault)
            return fault;
    }
    return NULL;
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
        for (; is_word(*text); text++)
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

static void check(const char *expression, const char *pointer, struct bf_complaints *complaints)
{
    const char *fault = bf_mysql_expression_fault(expression);
    if (fault)
        bf_complain(complaints, BF_INVALID, pointer, "not one SQL expression: %s", fault);
}

void bf_mysql_check_expressions(const struct bf_document *document, struct bf_complaints *complaints)
{
    char *schema = NULL, *name = NULL;

    if (!bf_mysql_table_name(document->table, &schema, &name))
        bf_complain(complaints, BF_INVALID, "/table",
                    "%s is not the name of a table: write orders, shop.orders or `shop`.`orders`", document->table);
    free(schema);
    free(name);
    if (document->where)
        check(document->where, "/where", complaints);
    for (size_t i = 0; i < document->set_count; i++) {
        BF_AUTO_STRING char *pointer = bf_set_pointer(document->set[i].name);
        check(document->set[i].value, pointer, complaints);
    }
}
