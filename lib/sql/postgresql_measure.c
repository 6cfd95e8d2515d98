/* What a plan measures on PostgreSQL: catalogues, statistics and the planner's own words, never the table itself.
 *
 * $1 is the table as the author wrote it, $2 the columns of `set` as an array, or those of the key. */
#include "postgresql_dialect.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"

/* The table, its partitions, and the columns of `set` in each of them. */
#define TABLE                                                                                                        \
    "/* backfilld plan */ WITH t AS (SELECT to_regclass($1)::oid AS oid), "                                           \
    "parts AS (SELECT oid FROM t UNION SELECT p.relid::oid FROM t, pg_partition_tree(t.oid::regclass) p), "           \
    "cols AS (SELECT a.attrelid, a.attnum FROM parts JOIN pg_attribute a ON a.attrelid = parts.oid "                  \
    "WHERE a.attname = ANY ($2::text[]) AND NOT a.attisdropped) "

/* At most five names of many. */
#define NAMES(expression, source)                                                                                    \
    "(SELECT string_agg(x, ', ') FROM (SELECT DISTINCT " expression " AS x " source " ORDER BY 1 LIMIT 5) names)"
#define COUNTED(fact, expression, source)                                                                            \
    "SELECT '" fact "', (SELECT count(DISTINCT " expression ") " source ")::float8, " NAMES(expression, source) " "

/* Row and statement triggers of users that an UPDATE fires; those of partitions are copies of their parent's. */
#define TRIGGERS                                                                                                     \
    "FROM pg_trigger g JOIN parts ON parts.oid = g.tgrelid WHERE NOT g.tgisinternal AND g.tgparentid = 0 "            \
    "AND g.tgenabled IN ('O', 'A') AND g.tgtype::int & 16 <> 0 "                                                     \
    "AND (g.tgattr = '' OR EXISTS (SELECT FROM cols WHERE cols.attrelid = g.tgrelid AND cols.attnum = ANY (g.tgattr)))"
/* Before the row is there: behind it nothing of it can be changed. */
#define INSERT_TRIGGERS                                                                                              \
    "FROM pg_trigger g JOIN parts ON parts.oid = g.tgrelid WHERE NOT g.tgisinternal AND g.tgparentid = 0 "            \
    "AND g.tgenabled IN ('O', 'A') AND g.tgtype::int & 7 = 7"
#define FOREIGN_KEYS                                                                                                 \
    "FROM pg_constraint k JOIN cols ON (cols.attrelid = k.conrelid AND cols.attnum = ANY (k.conkey)) "                \
    "OR (cols.attrelid = k.confrelid AND cols.attnum = ANY (k.confkey)) WHERE k.contype = 'f' AND k.conparentid = 0"
/* Through its columns, an expression or its predicate. */
#define INDEXES(unique)                                                                                              \
    "FROM pg_index i JOIN cols ON cols.attrelid = i.indrelid JOIN pg_class ic ON ic.oid = i.indexrelid "              \
    "WHERE i.indisunique = " unique " AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid) "    \
    "AND (cols.attnum = ANY (i.indkey) OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass "    \
    "AND d.objid = i.indexrelid AND d.refobjid = i.indrelid AND d.refobjsubid = cols.attnum))"
#define PACKED                                                                                                       \
    "FROM pg_trigger g JOIN parts ON parts.oid = g.tgrelid WHERE g.tgname LIKE 'repack\\_trigger%'"

static const char structure[] = TABLE
    COUNTED("triggers", "g.tgname::text", TRIGGERS) "UNION ALL "
    COUNTED("insert_triggers", "g.tgname::text", INSERT_TRIGGERS) "UNION ALL "
    COUNTED("foreign_keys", "k.conname::text", FOREIGN_KEYS) "UNION ALL "
    COUNTED("unique_indexes", "ic.relname::text", INDEXES("true")) "UNION ALL "
    COUNTED("indexes", "ic.relname::text", INDEXES("false")) "UNION ALL "
    /* a new version may stay in its row's page where no index points to what it changes; then it needs room there */
    "SELECT 'hot_possible', (NOT EXISTS (SELECT " INDEXES("true") ") AND NOT EXISTS (SELECT " INDEXES("false") "))::int::float8, NULL UNION ALL "
    COUNTED("other_tools", "g.tgname::text", PACKED) "UNION ALL "
    "SELECT 'columns_without_default', count(*)::float8, string_agg(a.attname, ', ') FROM t JOIN pg_attribute a ON a.attrelid = t.oid "
    "WHERE a.attname = ANY ($2::text[]) AND NOT a.atthasdef AND a.attidentity = '' UNION ALL "
    "SELECT 'fillfactor', min(coalesce((SELECT option_value::float8 FROM pg_options_to_table(c.reloptions) "
    "WHERE option_name = 'fillfactor'), 100)), NULL FROM parts JOIN pg_class c ON c.oid = parts.oid WHERE c.relkind = 'r' UNION ALL "
    "SELECT 'autovacuum_off', count(*)::float8, min(c.relname::text) FROM parts JOIN pg_class c ON c.oid = parts.oid "
    "WHERE c.relkind = 'r' AND (current_setting('autovacuum') = 'off' OR EXISTS (SELECT FROM pg_options_to_table(c.reloptions) "
    "WHERE option_name = 'autovacuum_enabled' AND option_value IN ('false', 'off', '0', 'no'))) UNION ALL "
    "SELECT 'index_bytes', sum(pg_indexes_size(oid))::float8, NULL FROM parts UNION ALL "
    "SELECT 'freeze_age', max(100.0 * age(c.relfrozenxid) / current_setting('autovacuum_freeze_max_age')::float8), NULL "
    "FROM parts JOIN pg_class c ON c.oid = parts.oid WHERE c.relkind = 'r'";
static const enum bf_fact_name structure_facts[] = {BF_FACT_TRIGGERS, BF_FACT_INSERT_TRIGGERS, BF_FACT_FOREIGN_KEYS, BF_FACT_UNIQUE_INDEXES,
                                                    BF_FACT_INDEXES, BF_FACT_HOT, BF_FACT_OTHER_TOOLS, BF_FACT_UNCOVERED, BF_FACT_FILL,
                                                    BF_FACT_VACUUM_OFF, BF_FACT_INDEX_BYTES, BF_FACT_FREEZE_AGE};

/* Who changes a key is not told by any catalogue: a foreign key that follows its parent's does, and what the server remembers
 * of statements, where it does. Both are signs; none is no proof. */
static const char key_writers[] = TABLE
    COUNTED("key_writers", "k.conname::text",
            "FROM pg_constraint k JOIN cols ON cols.attrelid = k.conrelid AND cols.attnum = ANY (k.conkey) "
            "WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confupdtype IN ('c', 'n', 'd')");
static const enum bf_fact_name key_writers_facts[] = {BF_FACT_KEY_WRITERS};
static const char key_statements[] = TABLE
    COUNTED("key_writers", "left(s.query, 120)",
            "FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database(), parts "
            "JOIN pg_class c ON c.oid = parts.oid JOIN cols ON cols.attrelid = parts.oid "
            "JOIN pg_attribute a ON a.attrelid = cols.attrelid AND a.attnum = cols.attnum "
            "WHERE s.query ~* format('^\\s*update\\s+(only\\s+)?(\"?[^\\s\"]+\"?\\.)?\"?%s\"?\\s', "
            "regexp_replace(c.relname, '(\\W)', '\\\\\\1', 'g')) "
            "AND split_part(lower(s.query), ' where ', 1) ~* format('(\\sset\\s+|,\\s*)\"?%s\"?\\s*=', "
            "regexp_replace(a.attname, '(\\W)', '\\\\\\1', 'g'))");

static const char replication[] = TABLE
    COUNTED("publications", "p.pubname::text",
            "FROM pg_publication_rel r JOIN parts ON parts.oid = r.prrelid JOIN pg_publication p ON p.oid = r.prpubid") "UNION ALL "
    COUNTED("publications_for_all_tables", "p.pubname::text", "FROM pg_publication p WHERE p.puballtables") "UNION ALL "
    COUNTED("logical_slots", "s.slot_name::text",
            "FROM pg_replication_slots s WHERE s.slot_type = 'logical' AND s.database = current_database()");
static const enum bf_fact_name replication_facts[] = {BF_FACT_PUBLICATIONS, BF_FACT_ALL_TABLES, BF_FACT_LOGICAL_SLOTS};

/* Who waits for a row waits for its owner's transaction, and holds the row's lock of its own ("tuple") meanwhile. What others
 * began, and when, is seen by who may. */
static const char activity[] = TABLE
    COUNTED("lock_contention", "w.pid::text",
            "FROM pg_locks w WHERE NOT w.granted AND w.pid <> pg_backend_pid() AND (w.relation IN (SELECT oid FROM parts) OR EXISTS ("
            "SELECT FROM pg_locks h WHERE h.pid = w.pid AND h.locktype = 'tuple' AND h.relation IN (SELECT oid FROM parts)))") "UNION ALL "
    "SELECT 'oldest_transaction', CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN coalesce(max(a.age), 0) END, "
    "CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN (array_agg(a.who ORDER BY a.age DESC))[1] "
    "ELSE 'the role may not see the sessions of others: GRANT pg_monitor' END "
    "FROM (SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age, format('session %s of %s', pid, usename) AS who "
    "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL "
    "UNION ALL SELECT extract(epoch FROM clock_timestamp() - prepared)::float8, format('prepared transaction %s of %s', gid, owner) "
    "FROM pg_prepared_xacts) a";
static const enum bf_fact_name activity_facts[] = {BF_FACT_LOCK_WAITS, BF_FACT_OLDEST_TRANSACTION};

/* Statistics come late, by a second or so; asked twice they say how much was written in between. */
const char bf_postgresql_writes[] = "/* backfilld plan */ WITH t AS (SELECT to_regclass($1)::oid AS oid), "
    "parts AS (SELECT oid FROM t UNION SELECT p.relid::oid FROM t, pg_partition_tree(t.oid::regclass) p) "
    "SELECT CASE WHEN current_setting('track_counts')::bool THEN coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) END, "
    "CASE WHEN NOT current_setting('track_counts')::bool THEN 'track_counts is off' END "
    "FROM pg_stat_all_tables s JOIN parts ON parts.oid = s.relid";
const char bf_postgresql_mark[] = "/* backfilld plan */ SELECT extract(epoch FROM clock_timestamp()), "
    "pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'), set_config('lock_timeout', $1::text, true), set_config('statement_timeout', '1000', true)";

static const struct {
    const char *sql;
    const enum bf_fact_name *facts;
    size_t count;
    bool of_key; /* its columns are those of the key, else those of `set` */
} questions[] = {
    {structure, structure_facts, BF_COUNT(structure_facts), false},
    {replication, replication_facts, BF_COUNT(replication_facts), false},
    {activity, activity_facts, BF_COUNT(activity_facts), false},
    {key_writers, key_writers_facts, BF_COUNT(key_writers_facts), true},
};

/* Behind the questions: what the planner says of them, and what need not be there. */
enum { EXPLAIN_MATCHING = BF_COUNT(questions), EXPLAIN_RANGE, EXPLAIN_BOUNDARY, NEWEST, KEY_STATEMENTS, STEPS };

/* {"a","b"} */
static void add_to_array(struct bf_buffer *array, const char *name)
{
    bf_buffer_text(array, array->length ? ",\"" : "{\"");
    for (const char *at = name; *at; at++)
        bf_buffer_format(array, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
    bf_buffer_text(array, "\"");
}

static char *array_of_columns(const struct bf_document *document)
{
    struct bf_buffer array = {0};
    for (size_t i = 0; i < document->set_count; i++)
        add_to_array(&array, document->set[i].name);
    bf_buffer_text(&array, "}");
    return bf_buffer_take(&array);
}

static char *array_of_key(const struct bf_table *table)
{
    struct bf_buffer array = {0};
    for (size_t i = 0; i < table->key_count; i++)
        add_to_array(&array, table->key[i].name);
    bf_buffer_text(&array, "}");
    return bf_buffer_take(&array);
}

/* New rows have the last keys, mostly. Without a predicate every row is asked for. */
static char *newest(const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    if (!document->where && !document->remaining)
        return bf_copy_string("/* backfilld plan */ SELECT 'newest_matching', NULL, NULL");
    bf_buffer_text(&buffer, "/* backfilld plan */ SELECT 'newest_matching', sum(m)::float8, 'of ' || count(*) FROM (SELECT CASE WHEN TRUE");
    bf_postgresql_where(&buffer, document);
    bf_buffer_format(&buffer, " THEN 1 ELSE 0 END AS m FROM %s ORDER BY ", table->reference);
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(&buffer, i ? ", " : "");
        bf_postgresql_quote(&buffer, table->key[i].name);
        bf_buffer_text(&buffer, " DESC");
    }
    bf_buffer_text(&buffer, " LIMIT 100) newest");
    return bf_buffer_take(&buffer);
}

char *bf_postgresql_counted(const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    bf_buffer_format(&buffer, "/* backfilld plan */ SELECT 'rows_matching_exact', count(*)::float8, NULL FROM %s WHERE TRUE",
                     table->reference);
    bf_range_of_document(&buffer, &bf_postgresql_grammar, document, table);
    bf_postgresql_where(&buffer, document);
    return bf_buffer_take(&buffer);
}

/* Of the rows in the document's range those that it asks for, or all of them. */
static char *explain_rows(const struct bf_document *document, const struct bf_table *table, bool matching)
{
    struct bf_buffer buffer = {0};
    bf_buffer_format(&buffer, "/* backfilld plan */ EXPLAIN SELECT 1 FROM %s WHERE TRUE", table->reference);
    bf_range_of_document(&buffer, &bf_postgresql_grammar, document, table);
    if (matching)
        bf_postgresql_where(&buffer, document);
    return bf_buffer_take(&buffer);
}

/* Not the boundary itself, whose parameters would have to be known, but what it stands on: the key in its order. */
static char *explain_boundary(const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    bf_buffer_text(&buffer, "/* backfilld plan */ EXPLAIN SELECT ");
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_format(&buffer, " FROM %s ORDER BY ", table->reference);
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_text(&buffer, " LIMIT 1000");
    return bf_buffer_take(&buffer);
}

void bf_postgresql_measure(const struct bf_document *document, const struct bf_table *table, struct bf_flight *flight,
                           char **ret_texts[], size_t *ret_count)
{
    char **texts = bf_allocate(STEPS * sizeof *texts);
    BF_AUTO_STRING char *columns = array_of_columns(document), *key = array_of_key(table);
    for (size_t i = 0; i < STEPS; i++) {
        texts[i] = i == EXPLAIN_MATCHING   ? explain_rows(document, table, true)
                   : i == EXPLAIN_RANGE    ? explain_rows(document, table, false)
                   : i == EXPLAIN_BOUNDARY ? explain_boundary(table)
                   : i == NEWEST           ? newest(document, table)
                   : i == KEY_STATEMENTS   ? bf_copy_string(key_statements)
                                           : bf_copy_string(questions[i].sql);
        struct bf_step *step = bf_flight_add(flight, BF_STATEMENT_MEASURE, texts[i]);
        step->new_group = true;
        if (i == EXPLAIN_MATCHING || i == EXPLAIN_RANGE)
            bf_step_range(step, document);
        if (i >= BF_COUNT(questions) && i != KEY_STATEMENTS)
            continue;
        bf_step_text(step, document->table);
        bf_step_text(step, i == KEY_STATEMENTS || questions[i].of_key ? key : columns);
    }
    *ret_texts = texts;
    *ret_count = STEPS;
}

/* "Seq Scan on orders  (cost=0.00..18334.00 rows=1000000 width=4)": of its first line, which is the whole. */
static void read_rows(const struct bf_answer *answer, enum bf_fact_name name, struct bf_facts *facts)
{
    const char *line = bf_answer_value(answer, 0, 0), *rows = line ? strstr(line, " rows=") : NULL;
    if (answer->outcome == BF_OUTCOME_OK && rows)
        bf_facts_set(facts, name, strtod(rows + strlen(" rows="), NULL), NULL);
    else
        bf_facts_unknown(facts, name, answer->message);
}

/* Without a range all rows are walked, which the table's own estimate tells. */
static void read_range(const struct bf_document *document, const struct bf_answer *answer, struct bf_facts *facts)
{
    if (bf_document_has_range(document))
        read_rows(answer, BF_FACT_RANGE_ROWS, facts);
}

static void read_boundary(const struct bf_answer *answer, struct bf_facts *facts)
{
    if (answer->outcome != BF_OUTCOME_OK || answer->rows == 0) {
        bf_facts_unknown(facts, BF_FACT_KEY_USED, answer->message);
        return;
    }
    const char *found = NULL;
    for (size_t row = 0; row < answer->rows && !found; row++) {
        const char *line = bf_answer_value(answer, row, 0);
        if (line && (strstr(line, "Seq Scan") || strstr(line, "Sort")))
            found = line + strspn(line, " ->");
    }
    bf_facts_set(facts, BF_FACT_KEY_USED, found ? 0 : 1, found);
}

/* A server that does not remember statements, or does not show them, takes nothing back. */
static void read_key_statements(const struct bf_answer *answer, struct bf_facts *facts)
{
    double more = answer->outcome == BF_OUTCOME_OK ? bf_answer_real(answer, 0, 1, 0) : 0;
    const struct bf_fact *so_far = &facts->of[BF_FACT_KEY_WRITERS];
    if (more > 0) {
        BF_AUTO_STRING char *all = bf_format("%s%s%s", so_far->detail ? so_far->detail : "", so_far->detail ? ", " : "",
                                             bf_answer_value(answer, 0, 2));
        bf_facts_set(facts, BF_FACT_KEY_WRITERS, so_far->value + more, all);
    } else if (answer->outcome != BF_OUTCOME_OK && !so_far->known) {
        bf_facts_unknown(facts, BF_FACT_KEY_WRITERS, so_far->detail ? so_far->detail : answer->message);
    } else if (answer->outcome != BF_OUTCOME_OK && so_far->value == 0) {
        bf_facts_set(facts, BF_FACT_KEY_WRITERS, 0, "by foreign keys; the server does not tell what statements it had "
                                                    "(pg_stat_statements)");
    }
}

static const enum bf_fact_name newest_facts[] = {BF_FACT_NEWEST};

void bf_postgresql_read_measure(const struct bf_document *document, const struct bf_answer *answers, size_t count,
                                struct bf_facts *facts)
{
    bf_facts_unknown(facts, BF_FACT_DISK_FREE, "PostgreSQL does not tell how much disk is free");
    for (size_t i = 0; i < count && i < STEPS; i++) {
        if (i == EXPLAIN_MATCHING)
            read_rows(&answers[i], BF_FACT_MATCHING, facts);
        else if (i == EXPLAIN_RANGE)
            read_range(document, &answers[i], facts);
        else if (i == EXPLAIN_BOUNDARY)
            read_boundary(&answers[i], facts);
        else if (i == NEWEST)
            bf_measure_read(&answers[i], newest_facts, BF_COUNT(newest_facts), facts);
        else if (i == KEY_STATEMENTS)
            read_key_statements(&answers[i], facts);
        else
            bf_measure_read(&answers[i], questions[i].facts, questions[i].count, facts);
    }
}
