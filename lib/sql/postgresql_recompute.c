/* What the expressions of `set` give over the old values of a sample of changes; the rule is in recompute.h. What an expression
 * calls and reads is asked of PostgreSQL's own parser, what the functions depend on of the server. */
#include "postgresql_dialect.h"

#include <ctype.h>
#include <jansson.h>
#include <pg_query.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "recompute.h"

enum { CALLS_MAX = 256 };

/* Stable ones of the server's own that depend on nothing but their arguments and settings which each of our sessions has the
 * same: time zone, date style, locale of the database. */
#define STEADY                                                                                                              \
    "'array_to_json', 'array_to_string', 'concat', 'concat_ws', 'convert', 'convert_from', 'convert_to', 'date', 'date_bin', "  \
    "'date_part', 'date_trunc', 'extract', 'format', 'json_build_array', 'json_build_object', 'jsonb_build_array', "         \
    "'jsonb_build_object', 'length', 'make_timestamptz', 'numeric', 'overlaps', 'quote_literal', 'quote_nullable', "         \
    "'row_to_json', 'time', 'timestamp', 'timestamptz', 'timetz', 'timezone', 'to_char', 'to_date', 'to_json', 'to_jsonb', " \
    "'to_number', 'to_timestamp', 'to_tsvector'"

/* What an expression calls and reads. Names point into the tree. */
struct reading {
    json_t *tree; /* owned */
    const char *calls[CALLS_MAX], *operators[CALLS_MAX], *columns[CALLS_MAX];
    size_t call_count, operator_count, column_count;
    const char *untold; /* why nothing can be told of it; NULL: nothing found yet */
};

static void remember(struct reading *reading, const char *names[], size_t *count, const char *name)
{
    if (*count == CALLS_MAX)
        reading->untold = "is too long to be looked through";
    else if (name)
        names[(*count)++] = name;
}

/* Of a list of names (schema, name) the last one; NULL: it is a star. */
static const char *last_name(const json_t *names)
{
    const json_t *last = json_array_get(names, json_array_size(names) - 1);
    return json_string_value(json_object_get(json_object_get(last, "String"), "sval"));
}

/* 'now', ' Today 12:00': texts that say another time each day when they become one. */
static bool is_of_today(const char *text)
{
    static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
    for (text += strspn(text, " \t\r\n"); *text;) {
        for (size_t i = 0; i < BF_COUNT(words); i++)
            if (strncasecmp(text, words[i], strlen(words[i])) == 0 && !isalnum((unsigned char)text[strlen(words[i])]))
                return true;
        return false;
    }
    return false;
}

static void look(struct reading *reading, const json_t *node);

static void look_at(struct reading *reading, const char *kind, const json_t *node)
{
    if (strcmp(kind, "SubLink") == 0) {
        reading->untold = "has a subquery";
    } else if (strcmp(kind, "SQLValueFunction") == 0) {
        reading->untold = "asks for the time or for the session";
    } else if (strcmp(kind, "FuncCall") == 0) {
        remember(reading, reading->calls, &reading->call_count, last_name(json_object_get(node, "funcname")));
    } else if (strcmp(kind, "A_Expr") == 0) {
        remember(reading, reading->operators, &reading->operator_count, last_name(json_object_get(node, "name")));
    } else if (strcmp(kind, "ColumnRef") == 0) {
        const json_t *fields = json_object_get(node, "fields");
        const char *name = last_name(fields);
        if (!name || json_array_size(fields) > 2)
            reading->untold = name ? "names the table with its schema" : "reads the whole row";
        remember(reading, reading->columns, &reading->column_count, name);
    } else if (strcmp(kind, "A_Const") == 0) {
        const char *text = json_string_value(json_object_get(json_object_get(node, "sval"), "sval"));
        if (text && is_of_today(text))
            reading->untold = "asks for the time or for the session";
    } else if (strcmp(kind, "TypeCast") == 0) {
        const char *type = last_name(json_object_get(json_object_get(node, "typeName"), "names"));
        if (type && strncmp(type, "reg", 3) == 0)
            reading->untold = "asks for names of the catalogue";
    }
    look(reading, node);
}

static void look(struct reading *reading, const json_t *node)
{
    const char *key;
    json_t *value;
    size_t index;
    if (json_is_array(node)) {
        json_array_foreach(node, index, value)
            look(reading, value);
    } else if (json_is_object(node)) {
        json_object_foreach((json_t *)node, key, value)
            look_at(reading, key, value);
    }
}

static void read_expression(const char *expression, struct reading *ret_reading)
{
    *ret_reading = (struct reading){0};
    BF_AUTO_STRING char *text = bf_format("SELECT (%s)", expression);
    PgQueryParseResult result = pg_query_parse(text);
    if (!result.error)
        ret_reading->tree = json_loads(result.parse_tree, JSON_ALLOW_NUL, NULL);
    if (!ret_reading->tree)
        ret_reading->untold = "cannot be read";
    look(ret_reading, ret_reading->tree);
    pg_query_free_parse_result(result);
}

/* ---- what the server is asked first ---- */

static void add_names(struct bf_buffer *buffer, const char *const names[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bf_buffer_text(buffer, ", ");
        bf_postgresql_literal(buffer, names[i]);
    }
}

char *bf_postgresql_recompute_facts(const char *job, const struct bf_document *document)
{
    struct bf_buffer calls = {0}, operators = {0}, buffer = {0};
    for (size_t i = 0; i < document->set_count; i++) {
        struct reading reading;
        read_expression(document->set[i].value, &reading);
        add_names(&calls, reading.calls, reading.call_count);
        add_names(&operators, reading.operators, reading.operator_count);
        json_decref(reading.tree);
    }
    BF_AUTO_STRING char *called = bf_buffer_take(&calls), *operated = bf_buffer_take(&operators);

    bf_buffer_format(&buffer, "/* backfilld %s */ WITH t AS (SELECT to_regclass($1)::oid AS oid), parts AS (SELECT oid FROM t UNION "
                     "SELECT p.relid FROM t, pg_partition_tree(t.oid::regclass) p) "
                     "SELECT CASE WHEN attgenerated = '' THEN 'column' ELSE 'generated' END, attname::text FROM t, pg_attribute "
                     "WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped ", job);
    bf_buffer_text(&buffer, "UNION ALL SELECT 'trigger', tgname::text FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM parts) AND "
                   "NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 16 <> 0 " /* TRIGGER_TYPE_UPDATE */
                   /* a key of the table on itself that cascades: the job's own statement changes other rows, too */
                   "UNION ALL SELECT 'trigger', conname::text FROM pg_constraint WHERE contype = 'f' AND conrelid IN (SELECT oid FROM "
                   "parts) AND confrelid IN (SELECT oid FROM parts) AND confupdtype IN ('c', 'n', 'd') ");
    bf_buffer_format(&buffer, "UNION ALL SELECT 'unsure', proname::text FROM pg_proc WHERE proname IN (NULL%s) AND provolatile <> 'i' "
                     "AND NOT (oid < 16384 AND proname IN (" STEADY ")) ", called);
    bf_buffer_format(&buffer, "UNION ALL SELECT 'unsure', o.oprname::text FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode "
                     "WHERE o.oid >= 16384 AND p.provolatile <> 'i' AND o.oprname IN (NULL%s) ", operated);
    bf_buffer_text(&buffer, "UNION ALL SELECT 'unsure', '::' FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc WHERE c.oid >= 16384 "
                            "AND p.provolatile <> 'i'");
    return bf_buffer_take(&buffer);
}

/* ---- one column ---- */

/* NULL: it can be told. Owned. */
static char *why_not(const struct reading *reading, const struct bf_answer *facts)
{
    if (reading->untold)
        return bf_copy_string(reading->untold);
    for (size_t i = 0; i < reading->call_count; i++)
        if (bf_recompute_fact(facts, BF_RECOMPUTE_UNSURE, reading->calls[i], strcmp))
            return bf_format("calls %s(), which may ask for more than its arguments", reading->calls[i]);
    for (size_t i = 0; i < reading->operator_count; i++)
        if (bf_recompute_fact(facts, BF_RECOMPUTE_UNSURE, reading->operators[i], strcmp))
            return bf_format("has the operator %s, which may ask for more than its operands", reading->operators[i]);
    if (bf_recompute_fact(facts, BF_RECOMPUTE_UNSURE, "::", strcmp))
        return bf_copy_string("may be cast by a function of this database's that may ask for more than its argument");
    for (size_t i = 0; i < reading->column_count; i++) {
        if (bf_recompute_fact(facts, BF_RECOMPUTE_GENERATED, reading->columns[i], strcmp))
            return bf_format("reads %s, which the server computes", reading->columns[i]);
        if (!bf_recompute_fact(facts, BF_RECOMPUTE_COLUMN, reading->columns[i], strcmp))
            return bf_format("reads %s, which is no column of the table", reading->columns[i]);
    }
    return NULL;
}

/* Of ONLY "schema"."table" the part behind the schema. */
static const char *own_name(const char *reference)
{
    const char *at = strchr(reference, '"') + 1;
    while (at[0] != '"' || at[1] == '"')
        at += at[0] == '"' ? 2 : 1;
    return at + 2;
}

static bool reads(const struct reading *reading, const char *name)
{
    for (size_t i = 0; i < reading->column_count; i++)
        if (strcmp(reading->columns[i], name) == 0)
            return true;
    return false;
}

/* The row as it was: the columns of `set` from the journal, others that the expression reads as they stand there. Its name is the
 * table's own, which an expression may write before a column. */
static void old_row(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_table *table,
                    const struct bf_answer *facts, const struct reading *reading)
{
    bf_buffer_text(buffer, "(SELECT ");
    for (size_t i = 0; i < document->set_count; i++) {
        bf_buffer_format(buffer, "%sbackfilld_b%zu::%s AS ", i ? ", " : "", i, table->set[i].declared);
        bf_postgresql_quote(buffer, document->set[i].name);
    }
    for (size_t row = 0; row < facts->rows; row++) {
        const char *name = bf_answer_value(facts, row, 1);
        bool other = strcmp(bf_answer_value(facts, row, 0), "column") == 0 && reads(reading, name);
        for (size_t i = 0; i < document->set_count; i++)
            other &= strcmp(document->set[i].name, name) != 0;
        if (!other)
            continue;
        bf_buffer_text(buffer, ", backfilld_row.");
        bf_postgresql_quote(buffer, name);
    }
    bf_buffer_format(buffer, ") %s", own_name(table->reference));
}

/* Up to $1 changes of some entries: of each so many from anywhere in it, then those that come first there. */
static void sample(struct bf_buffer *buffer, const char *job, const struct bf_document *document, const struct bf_table *table)
{
    static const char begin[] = "(1 + ('x' || left(md5(x.seq::text), 7))::bit(28)::int % greatest(1, x.rows - $1::text::bigint + 1))::int";
    BF_AUTO_STRING char *part = bf_format("[%s:%s + $1::text::int - 1]", begin, begin);
    bf_buffer_text(buffer, "backfilld_entry AS MATERIALIZED (SELECT xmin AS backfilld_version, * FROM ");
    bf_postgresql_journal_name(buffer, job);
    bf_buffer_format(buffer, " ORDER BY md5(slice::text || '/' || seq::text) LIMIT %d), backfilld_sample AS MATERIALIZED (SELECT "
                     "x.backfilld_version, u.* FROM backfilld_entry x, ", BF_RECOMPUTE_ENTRIES);
    bf_postgresql_journal_rows(buffer, document, table, part);
    bf_buffer_text(buffer, " ORDER BY u.backfilld_place LIMIT $1::text::bigint)");
}

/* The row has to be the version that the statement made which wrote the entry of the journal, too: whoever changed it since, or
 * once more in the same transaction, made another one. Values are compared as texts, which are exact and have one form. */
static char *statement(const char *job, const struct bf_document *document, const struct bf_table *table,
                       const struct bf_answer *facts, const struct reading *reading, size_t column)
{
    struct bf_buffer buffer = {0};
    const char *type = table->set[column].declared;
    bf_buffer_format(&buffer, "/* backfilld %s */ WITH ", job);
    sample(&buffer, job, document, table);
    bf_buffer_text(&buffer, " SELECT count(*), count(*) FILTER (WHERE backfilld_state = 0), count(*) FILTER (WHERE backfilld_state = 2), "
                            "array_to_string((array_agg(json_build_array(");
    for (size_t i = 0; i < table->key_count; i++)
        bf_buffer_format(&buffer, "%sbackfilld_k%zu::text", i ? ", " : "", i);
    bf_buffer_format(&buffer, ")::text ORDER BY backfilld_place) FILTER (WHERE backfilld_state = 2))[1:%d], ', ') FROM (SELECT "
                     "backfilld_sample.*, CASE WHEN (backfilld_row.xmin = backfilld_version) IS NOT TRUE OR (", BF_RECOMPUTE_KEYS);
    bf_postgresql_same_image(&buffer, document, table, 'a');
    bf_buffer_format(&buffer, ") IS NOT TRUE THEN 0 WHEN (SELECT (%s)::%s::text COLLATE \"C\" FROM ", document->set[column].value, type);
    old_row(&buffer, document, table, facts, reading);
    bf_buffer_format(&buffer, ") IS NOT DISTINCT FROM backfilld_a%zu::%s::text THEN 1 ELSE 2 END AS backfilld_state FROM "
                     "backfilld_sample LEFT JOIN %s backfilld_row ON ", column, type, table->reference);
    bf_postgresql_same_key(&buffer, table);
    bf_buffer_text(&buffer, ") backfilld_looked");
    return bf_buffer_take(&buffer);
}

void bf_postgresql_recompute(const char *job, const struct bf_document *document, const struct bf_table *table,
                             const struct bf_answer *facts, size_t column, struct bf_recompute *ret_recompute)
{
    struct reading reading;
    read_expression(document->set[column].value, &reading);
    *ret_recompute = (struct bf_recompute){.untold = why_not(&reading, facts)};
    if (!ret_recompute->untold)
        ret_recompute->sql = statement(job, document, table, facts, &reading, column);
    if (ret_recompute->sql && bf_recompute_first(facts, BF_RECOMPUTE_TRIGGER))
        ret_recompute->doubt = "triggers on UPDATE may have made it";
    json_decref(reading.tree);
}
