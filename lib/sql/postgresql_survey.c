/* What the table is: the catalogue statements that describe it, and what a job cannot run on. The key is chosen in
 * postgresql_key.c. */
#include "postgresql_survey.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "identifier.h"

/* `t` is the table, however the author wrote it: the server reads the name as it would in a statement. */
#define TABLE "/* backfilld */ WITH t AS (SELECT to_regclass($1)::oid AS oid) "

/* Leaf tables: of a partitioned table its partitions, else the table itself. */
#define LEAVES                                                                                                      \
    "leaves AS (SELECT p.relid::oid AS oid FROM t, pg_partition_tree(t.oid::regclass) p WHERE p.isleaf "            \
    "UNION SELECT t.oid FROM t JOIN pg_class c ON c.oid = t.oid WHERE c.relkind <> 'p') "

static const char survey_table[] = TABLE ", " LEAVES
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, coalesce(a.amname, ''), "
    "row_security_active(c.oid), "
    "c.oid < 16384 OR n.nspname IN ('pg_catalog', 'information_schema', 'backfilld') OR n.nspname LIKE 'pg\\_toast%', "
    "c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid), "
    "(SELECT string_agg(l.oid::regclass::text, ', ') FROM leaves l JOIN pg_class k ON k.oid = l.oid "
    "LEFT JOIN pg_am m ON m.oid = k.relam WHERE l.oid <> c.oid "
    "AND (k.relkind <> 'r' OR m.amname <> 'heap' OR k.relpersistence = 't')), "
    "has_schema_privilege(n.oid, 'USAGE'), current_user, EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid), "
    "(SELECT string_agg(quote_ident(p.pubname), ', ' ORDER BY p.pubname) FROM pg_publication p WHERE p.puballtables), "
    "coalesce(has_schema_privilege(to_regnamespace('backfilld'), 'CREATE'), true), "
    "EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D' "
    "AND g.tgtype::int & 19 = 19) " /* TRIGGER_TYPE_ROW, BEFORE, UPDATE */
    "FROM t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_am a ON a.oid = c.relam";

/* The type is followed through domains to its base, which is what a key's text is cast to. */
static const char survey_columns[] =
    "/* backfilld */ WITH RECURSIVE t AS (SELECT to_regclass($1)::oid AS oid), base AS ("
    "SELECT a.attnum, y.oid, y.typtype, y.typbasetype FROM t JOIN pg_attribute a ON a.attrelid = t.oid "
    "JOIN pg_type y ON y.oid = a.atttypid WHERE a.attnum > 0 AND NOT a.attisdropped "
    "UNION ALL SELECT b.attnum, y.oid, y.typtype, y.typbasetype FROM base b JOIN pg_type y ON y.oid = b.typbasetype "
    "WHERE b.typtype = 'd') "
    "SELECT a.attnum, a.attname, format_type(b.oid, -1), format_type(a.atttypid, a.atttypmod), "
    "CASE WHEN n.nspname = 'pg_catalog' THEN y.typname ELSE '' END, b.typtype, a.attnotnull, a.attgenerated, "
    "CASE WHEN a.attcollation <> 0 AND a.attcollation <> y.typcollation "
    "THEN format('%I.%I', cn.nspname, c.collname) END, "
    "coalesce(c.collisdeterministic, true), a.attidentity, "
    "has_column_privilege(t.oid, a.attnum, 'SELECT'), has_column_privilege(t.oid, a.attnum, 'UPDATE') "
    "FROM t JOIN pg_attribute a ON a.attrelid = t.oid JOIN base b ON b.attnum = a.attnum AND b.typtype <> 'd' "
    "JOIN pg_type y ON y.oid = b.oid JOIN pg_namespace n ON n.oid = y.typnamespace "
    "LEFT JOIN pg_collation c ON c.oid = a.attcollation LEFT JOIN pg_namespace cn ON cn.oid = c.collnamespace "
    "WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/* One row for each key column of each unique index. "plain" order: all columns ASC NULLS LAST, or all DESC NULLS FIRST,
 * which are the two orders that ORDER BY a, b can read from it. */
static const char survey_indexes[] = TABLE
    "SELECT i.indexrelid, ic.relname, i.indisprimary, i.indisvalid AND i.indisready, i.indimmediate, "
    "i.indpred IS NULL, i.indexprs IS NULL, i.indnkeyatts, "
    "(SELECT min(o) = max(o) AND min(o) IN (0, 3) FROM unnest(i.indoption::int2[]) o), "
    "a.attname, EXISTS (SELECT FROM pg_opclass d WHERE d.opcfamily = oc.opcfamily AND d.opcdefault) "
    "AND i.indcollation[k.n - 1] = a.attcollation "
    "FROM t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class ic ON ic.oid = i.indexrelid "
    "JOIN pg_am m ON m.oid = ic.relam AND m.amname = 'btree' "
    "CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) k(n) "
    "LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[k.n - 1] "
    "LEFT JOIN pg_opclass oc ON oc.oid = i.indclass[k.n - 1] "
    "WHERE i.indisunique ORDER BY i.indisprimary DESC, i.indexrelid, k.n";

/* Rows as the planner would reckon them: by the density of the last ANALYZE and the size now; where there never was
 * one, by the width of a row, with 32 bytes for what has no fixed length. */
static const char survey_size[] = TABLE ", " LEAVES
    ", sizes AS (SELECT pg_relation_size(l.oid) AS bytes, c.reltuples, c.relpages, "
    "(SELECT 28 + sum(CASE WHEN a.attlen > 0 THEN a.attlen ELSE 32 END) FROM pg_attribute a "
    "WHERE a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped) AS width "
    "FROM leaves l JOIN pg_class c ON c.oid = l.oid) "
    "SELECT coalesce(sum(CASE WHEN bytes = 0 THEN 0 WHEN relpages > 0 AND reltuples >= 0 "
    "THEN reltuples / relpages * (bytes / current_setting('block_size')::int) ELSE bytes / width END), 0)::bigint, "
    "(SELECT coalesce(sum(pg_table_size(l.oid)), 0) FROM leaves l)::bigint, coalesce(sum(bytes), 0)::bigint FROM sizes";

/* Tables whose name differs in case only: the usual reason why a name is not found. */
static const char survey_similar[] =
    "/* backfilld */ SELECT format('%I.%I', n.nspname, c.relname) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, parse_ident($1) p(name) "
    "WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
    "AND lower(c.relname) = lower(p.name[array_upper(p.name, 1)]) "
    "AND (array_length(p.name, 1) = 1 OR lower(n.nspname) = lower(p.name[1])) ORDER BY 1 LIMIT 3";

void bf_postgresql_survey(const struct bf_document *document, struct bf_flight *flight)
{
    static const char *const texts[BF_SURVEY_COUNT] = {
        [BF_SURVEY_TABLE] = survey_table,
        [BF_SURVEY_COLUMNS] = survey_columns,
        [BF_SURVEY_INDEXES] = survey_indexes,
        [BF_SURVEY_SIZE] = survey_size,
        [BF_SURVEY_SIMILAR] = survey_similar,
    };
    for (size_t i = 0; i < BF_SURVEY_COUNT; i++) {
        struct bf_step *step = bf_flight_add(flight, BF_STATEMENT_SURVEY, texts[i]);
        step->new_group = true;
        bf_step_text(step, document->table);
    }
}

static void complain_missing(const struct bf_document *document, const struct bf_answer *similar,
                             struct bf_complaints *complaints)
{
    const char *name = bf_answer_value(similar, 0, 0);
    if (name)
        bf_complain(complaints, BF_INVALID, "/table",
                    "there is no table %s, but there is %s: names without quotes are read in lower case, write it "
                    "exactly like that, quotes included",
                    document->table, name);
    else
        bf_complain(complaints, BF_INVALID, "/table",
                    "there is no table %s in this database that the role can see; name its schema too",
                    document->table);
}

/* What kind of thing it is; false when no job can run on it. */
static bool check_kind(const struct bf_answer *table, struct bf_complaints *complaints)
{
    static const struct {
        char kind;
        const char *word;
    } refused[] = {{'v', "a view"},   {'m', "a materialized view"}, {'f', "a foreign table"}, {'S', "a sequence"},
                   {'i', "an index"}, {'I', "an index"},            {'c', "a type"},          {'t', "a TOAST table"}};
    const char *schema = bf_answer_value(table, 0, 1), *name = bf_answer_value(table, 0, 2);
    char kind = bf_answer_value(table, 0, 3)[0];

    for (size_t i = 0; i < BF_COUNT(refused); i++)
        if (refused[i].kind == kind) {
            bf_complain(complaints, BF_INVALID, "/table",
                        "%s.%s is %s; a backfill runs on an ordinary or a partitioned table", schema, name,
                        refused[i].word);
            return false;
        }
    size_t before = complaints->total;
    if (bf_answer_value(table, 0, 4)[0] == 't')
        bf_complain(complaints, BF_INVALID, "/table", "%s.%s is a temporary table, which no other session can see",
                    schema, name);
    if (bf_answer_true(table, 0, 7))
        bf_complain(complaints, BF_INVALID, "/table", "%s.%s belongs to the server or to backfilld itself", schema,
                    name);
    if (kind == 'r' && strcmp(bf_answer_value(table, 0, 5), "heap"))
        bf_complain(complaints, BF_INVALID, "/table",
                    "%s.%s uses the access method %s; only heap has been tested, others are refused", schema, name,
                    bf_answer_value(table, 0, 5));
    if (bf_answer_true(table, 0, 8))
        bf_complain(complaints, BF_INVALID, "/table",
                    "%s.%s has child tables by inheritance, whose rows its key does not cover; run one job for each "
                    "table",
                    schema, name);
    if (bf_answer_value(table, 0, 9))
        bf_complain(complaints, BF_INVALID, "/table", "these partitions of %s.%s are not ordinary heap tables: %s",
                    schema, name, bf_answer_value(table, 0, 9));
    if (bf_answer_true(table, 0, 6))
        bf_complain(complaints, BF_INVALID, "/table",
                    "row level security hides rows of %s.%s from role %s; give the role BYPASSRLS or make it the owner",
                    schema, name, bf_answer_value(table, 0, 11));
    return complaints->total == before;
}

size_t bf_survey_find_column(const struct bf_answer *columns, const char *name)
{
    for (size_t row = 0; row < columns->rows; row++)
        if (!strcmp(bf_answer_value(columns, row, BF_COLUMN_NAME), name))
            return row;
    return columns->rows;
}

void bf_survey_complain_column(const struct bf_answer *columns, const char *name, const char *pointer,
                               struct bf_complaints *complaints)
{
    for (size_t row = 0; row < columns->rows; row++)
        if (!strcasecmp(bf_answer_value(columns, row, BF_COLUMN_NAME), name)) {
            bf_complain(complaints, BF_INVALID, pointer,
                        "the table has no column %s, but it has %s; names here are exact, upper and lower case too",
                        name, bf_answer_value(columns, row, BF_COLUMN_NAME));
            return;
        }
    bf_complain(complaints, BF_INVALID, pointer, "the table has no column %s", name);
}

static void check_set(const struct bf_document *document, const struct bf_answer *columns,
                      const struct bf_table *table, struct bf_complaints *complaints)
{
    for (size_t i = 0; i < document->set_count; i++) {
        const char *name = document->set[i].name;
        BF_AUTO_STRING char *pointer = bf_set_pointer(name);
        size_t row = bf_survey_find_column(columns, name);

        if (row == columns->rows) {
            bf_survey_complain_column(columns, name, pointer, complaints);
            continue;
        }
        if (bf_answer_value(columns, row, BF_COLUMN_GENERATED)[0])
            bf_complain(complaints, BF_INVALID, pointer, "column %s is generated, the server computes it", name);
        if (bf_answer_value(columns, row, BF_COLUMN_IDENTITY)[0] == 'a')
            bf_complain(complaints, BF_INVALID, pointer, "column %s is GENERATED ALWAYS AS IDENTITY", name);
        if (!bf_answer_true(columns, row, BF_COLUMN_UPDATE))
            bf_complain(complaints, BF_INVALID, pointer, "the role may not UPDATE column %s; GRANT it to the role",
                        name);
        for (size_t k = 0; k < table->key_count; k++)
            if (!strcmp(table->key[k].name, name))
                bf_complain(complaints, BF_INVALID, pointer,
                            "column %s is part of the key by which the backfill walks; it cannot be written", name);
    }
}

/* A journal is a table of its own, and is written by one statement together with the change. */
static void check_journal(const struct bf_answer *answer, const struct bf_table *table, struct bf_complaints *complaints)
{
    const char *publications = bf_answer_value(answer, 0, 13);

    if (bf_answer_true(answer, 0, 12))
        bf_complain(complaints, BF_UNSUPPORTED, "/undo",
                    "%s has rules, with which no undo journal can be written; \"none\" says that there is no way back",
                    table->display);
    if (publications)
        bf_complain(complaints, BF_UNSUPPORTED, "/undo",
                    "publication %s is FOR ALL TABLES: the table of the undo journal would break its subscribers; \"none\" "
                    "says that there is no way back", publications);
    if (!bf_answer_true(answer, 0, 14))
        bf_complain(complaints, BF_INVALID, "/undo",
                    "role %s may not make the table of the undo journal: GRANT CREATE ON SCHEMA backfilld to it; \"none\" "
                    "says that there is no way back", bf_answer_value(answer, 0, 11));
}

/* An array of arrays would need all of one length, and a value of several columns comes out of an array as so many columns. The
 * text of such a value says all of it. */
static bool is_kept_as_text(const struct bf_answer *columns, size_t row)
{
    const char *type = bf_answer_value(columns, row, BF_COLUMN_TYPE);
    size_t length = strlen(type);
    return (length > 2 && strcmp(type + length - 2, "[]") == 0) || bf_answer_value(columns, row, BF_COLUMN_KIND)[0] == 'c' ||
           strcmp(type, "int2vector") == 0 || strcmp(type, "oidvector") == 0;
}

static void take_set(const struct bf_document *document, const struct bf_answer *columns, struct bf_table *table)
{
    table->set = bf_allocate(document->set_count * sizeof *table->set);
    table->set_count = document->set_count;
    for (size_t i = 0; i < document->set_count; i++) {
        size_t row = bf_survey_find_column(columns, document->set[i].name);
        table->set[i] = (struct bf_column){.name = bf_copy_string(document->set[i].name),
                                           .type = bf_copy_string(bf_answer_value(columns, row, BF_COLUMN_TYPE)),
                                           .declared = bf_copy_string(bf_answer_value(columns, row, BF_COLUMN_DISPLAY)),
                                           .as_text = is_kept_as_text(columns, row)};
    }
}

/* What must not change under a running job. Types without their length, which may grow at any time. */
static char *definition(const struct bf_document *document, const struct bf_answer *oid,
                        const struct bf_answer *columns, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    char hash[BF_HASH_TEXT];

    bf_buffer_format(&buffer, "table %s\n", bf_answer_value(oid, 0, 0));
    for (size_t i = 0; i < table->key_count; i++) {
        size_t row = bf_survey_find_column(columns, table->key[i].name);
        bf_buffer_format(&buffer, "key %s %s %s %s\n", bf_answer_value(columns, row, BF_COLUMN_NUMBER),
                         table->key[i].name, table->key[i].type,
                         table->key[i].collation ? table->key[i].collation : "");
    }
    /* In the table's order: that of the document is not the same after a restart. */
    for (size_t row = 0; row < columns->rows; row++) {
        const char *name = bf_answer_value(columns, row, BF_COLUMN_NAME);
        for (size_t i = 0; i < document->set_count; i++)
            if (!strcmp(document->set[i].name, name))
                bf_buffer_format(&buffer, "set %s %s %s\n", bf_answer_value(columns, row, BF_COLUMN_NUMBER), name,
                                 bf_answer_value(columns, row, BF_COLUMN_TYPE));
    }
    BF_AUTO_STRING char *text = bf_buffer_take(&buffer);
    return bf_copy_string(bf_hash(text, strlen(text), hash));
}

static void name_table(const struct bf_answer *answer, struct bf_table *table)
{
    struct bf_buffer reference = {0};
    const char *schema = bf_answer_value(answer, 0, 1), *name = bf_answer_value(answer, 0, 2);

    table->partitioned = bf_answer_value(answer, 0, 3)[0] == 'p';
    table->triggers_before = bf_answer_true(answer, 0, 15);
    table->display = bf_format("%s.%s", schema, name);
    if (!table->partitioned)
        bf_buffer_text(&reference, "ONLY ");
    bf_postgresql_quote(&reference, schema);
    bf_buffer_text(&reference, ".");
    bf_postgresql_quote(&reference, name);
    table->reference = bf_buffer_take(&reference);
}

struct bf_table *bf_postgresql_read_survey(const struct bf_document *document, const struct bf_answer *server,
                                           const struct bf_answer *answers, size_t count,
                                           struct bf_complaints *complaints)
{
    const struct bf_answer *columns = &answers[BF_SURVEY_COLUMNS], *size = &answers[BF_SURVEY_SIZE];
    size_t before = complaints->total;

    for (size_t i = 0; i < count && i <= BF_SURVEY_INDEXES; i++)
        if (answers[i].outcome != BF_OUTCOME_OK) {
            bf_complain(complaints, BF_INVALID, "/table", "the server could not describe the table: %s",
                        answers[i].message ? answers[i].message : "no answer");
            return NULL;
        }
    if (count < BF_SURVEY_COUNT) {
        bf_complain(complaints, BF_INVALID, "/table", "the server did not describe the table");
        return NULL;
    }
    if (answers[BF_SURVEY_TABLE].rows == 0) {
        complain_missing(document, &answers[BF_SURVEY_SIMILAR], complaints);
        return NULL;
    }
    if (!check_kind(&answers[BF_SURVEY_TABLE], complaints))
        return NULL;

    struct bf_table *table = BF_NEW(struct bf_table);
    name_table(&answers[BF_SURVEY_TABLE], table);
    table->target_identity = bf_copy_string(bf_answer_value(server, 0, 0));
    table->rows_estimated = size->outcome == BF_OUTCOME_OK ? bf_answer_number(size, 0, 0) : -1;
    table->bytes = size->outcome == BF_OUTCOME_OK ? bf_answer_number(size, 0, 1) : -1;
    table->row_bytes = size->outcome == BF_OUTCOME_OK ? bf_answer_number(size, 0, 2) : 0;
    if (!bf_answer_true(&answers[BF_SURVEY_TABLE], 0, 10))
        bf_complain(complaints, BF_INVALID, "/table", "the role has no USAGE on the schema of %s", table->display);
    bf_survey_choose_key(document, columns, &answers[BF_SURVEY_INDEXES], table, complaints);
    check_set(document, columns, table, complaints);
    if (document->undo == BF_UNDO_JOURNAL)
        check_journal(&answers[BF_SURVEY_TABLE], table, complaints);
    if (table->key_count) {
        bf_author_check_range(document, table, complaints);
    }
    if (complaints->total > before) {
        bf_table_free(table);
        return NULL;
    }
    take_set(document, columns, table);
    table->definition = definition(document, &answers[BF_SURVEY_TABLE], columns, table);
    return table;
}
