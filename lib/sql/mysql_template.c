/* From a template and its parameters to what is sent. Literals that could be misread under some SQL mode or character
 * set travel as hexadecimal digits. */
#include "mysql_dialect.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"

static bool is_plain(const char *text)
{
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(" \"!#$%&()*+,-./:;<=>@[]^_{|}~", *p))
            return false;
    return true;
}

void bf_mysql_literal(struct bf_buffer *buffer, const char *text)
{
    if (is_plain(text)) {
        bf_buffer_format(buffer, "'%s'", text);
        return;
    }
    bf_buffer_text(buffer, "_utf8mb4 X'");
    for (const char *p = text; *p; p++) {
        static const char digits[] = "0123456789ABCDEF";
        const char pair[2] = {digits[(unsigned char)*p >> 4], digits[(unsigned char)*p & 15]};
        bf_buffer_append(buffer, pair, 2);
    }
    bf_buffer_text(buffer, "'");
}

void bf_mysql_author(struct bf_buffer *buffer, const char *expression)
{
    for (const char *p = expression; *p; p++) {
        bf_buffer_append(buffer, p, 1);
        if (*p == '?')
            bf_buffer_text(buffer, "?");
    }
}

static bool is_number(const char *text)
{
    const char *digits = text + (*text == '-');
    size_t length = strlen(digits);
    return length > 0 && length <= 20 && strspn(digits, "0123456789") == length;
}

/* The database or the own name of a table, out of its name as the author wrote it. */
static void part_of_name(struct bf_buffer *buffer, const char *text, bool of_schema)
{
    char *schema = NULL, *name = NULL;
    bool good = bf_mysql_table_name(text, &schema, &name);
    const char *part = of_schema ? schema : name;

    if (good && part)
        bf_mysql_literal(buffer, part);
    else
        bf_buffer_text(buffer, "NULL");
    free(schema);
    free(name);
}

static void integer(struct bf_buffer *buffer, const char *text, bool is_signed)
{
    bf_buffer_text(buffer, "CAST(");
    bf_mysql_literal(buffer, text);
    bf_buffer_format(buffer, " AS %s)", is_signed ? "SIGNED" : "UNSIGNED");
}

static void parameter(struct bf_buffer *buffer, const struct bf_step *step, size_t number, char kind)
{
    const char *text = number && number <= step->parameter_count ? step->parameters[number - 1] : NULL;

    if (!text)
        bf_buffer_text(buffer, "NULL");
    else if (kind == '+' && is_number(text))
        bf_buffer_format(buffer, "%lld", strtoll(text, NULL, 10) + 1);
    else if ((kind == '#' || kind == 's' || kind == 'u') && is_number(text))
        bf_buffer_text(buffer, text);
    else if (kind == 's' || kind == 'u')
        integer(buffer, text, kind == 's');
    else if (kind == '<' || kind == '>')
        part_of_name(buffer, text, kind == '<');
    else
        bf_mysql_literal(buffer, text);
}

void bf_mysql_author_predicate(struct bf_buffer *buffer, const char *predicate, int64_t started_at)
{
    BF_AUTO_STRING char *text = bf_mysql_predicate(predicate, started_at);
    bf_mysql_author(buffer, text);
}

char *bf_mysql_plain(struct bf_buffer *template)
{
    BF_AUTO_STRING char *text = bf_buffer_take(template);
    const struct bf_step step = {.statement = BF_STATEMENT_SURVEY, .sql = text};
    struct bf_buffer buffer = {0};
    bf_mysql_expand(&buffer, &step);
    return bf_buffer_take(&buffer);
}

void bf_mysql_run_with_keys(struct bf_buffer *buffer, struct bf_buffer *before, struct bf_buffer *after, const char *behind)
{
    BF_AUTO_STRING char *head = bf_mysql_plain(before), *tail = bf_mysql_plain(after);
    bf_buffer_text(buffer, "?; SET @backfilld_sql = CONCAT(");
    bf_mysql_literal(buffer, head);
    bf_buffer_text(buffer, ", COALESCE(@backfilld_keys, 'FALSE'), ");
    bf_mysql_literal(buffer, tail);
    bf_buffer_format(buffer, ")?; PREPARE backfilld_keyed FROM @backfilld_sql?; EXECUTE backfilld_keyed?; %s"
                     "DEALLOCATE PREPARE backfilld_keyed", behind);
}

/* Expands to the end, or to the mark that ends a quoted part; returns what stands behind that. */
static const char *expand(struct bf_buffer *buffer, const struct bf_step *step, const char *from, size_t *statements)
{
    for (const char *mark = strchr(from, '?'); mark; mark = strchr(from, '?')) {
        bf_buffer_append(buffer, from, (size_t)(mark - from));
        from = mark + 1;
        if (*from == '}')
            return from + 1;
        if (*from == '{') {
            struct bf_buffer quoted = {0};
            from = expand(&quoted, step, from + 1, statements);
            BF_AUTO_STRING char *text = bf_buffer_take(&quoted);
            bf_mysql_literal(buffer, text);
            continue;
        }
        if (*from == '?' || *from == ';') {
            *statements += *from == ';';
            bf_buffer_append(buffer, from++, 1);
            continue;
        }
        char kind = isdigit((unsigned char)*from) ? '\0' : *from++;
        char *end;
        parameter(buffer, step, strtoul(from, &end, 10), kind);
        from = end;
    }
    bf_buffer_text(buffer, from);
    return from + strlen(from);
}

size_t bf_mysql_expand(struct bf_buffer *buffer, const struct bf_step *step)
{
    size_t statements = 1;
    if (step->statement == BF_STATEMENT_QUERY)
        bf_buffer_text(buffer, step->sql);
    else
        expand(buffer, step, step->sql, &statements);
    return statements;
}
