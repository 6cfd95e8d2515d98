/* What a plan measures on MySQL and MariaDB: catalogues, InnoDB's own lists and the optimizer's words, never the table.
 *
 * ?1 and ?2 are the table's database and name, as the server has them; {columns} becomes the columns of `set`, {key} those
 * of the key, as literals. Text in a versioned comment is read by MySQL alone, or by MariaDB alone. What an account may see is not the
 * same for everything that tells a fact, so a fact may be asked for more than once: the better answer comes later, and one
 * that does not know takes nothing back from one that did. A list that leaves out what the account may not see never says
 * zero. */
#include "mysql_dialect.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"

#define PLAN "/* backfilld plan */ "
#define GRANT_PROCESS "GRANT PROCESS ON *.*"

/* A fact, how many different x there are, and at most five of them. */
#define COUNT_OF_NAMES "COUNT(DISTINCT x)"
#define NAMES "SUBSTRING_INDEX(GROUP_CONCAT(DISTINCT x ORDER BY x SEPARATOR ', '), ', ', 5)"
#define COUNTED(fact, source) "SELECT '" fact "' AS fact, " COUNT_OF_NAMES ", " NAMES " FROM (" source ") found "
/* The same of a source that may leave something out: none is none only where `complete` holds. */
#define SEEN(fact, source, complete, why)                                                                              \
    "SELECT '" fact "' AS fact, IF(" COUNT_OF_NAMES " > 0 OR " complete ", " COUNT_OF_NAMES ", NULL), "                 \
    "COALESCE(" NAMES ", IF(" complete ", NULL, '" why "')) FROM (" source ") found "

#define MAY_ALL(right) BF_MYSQL_MAY_ALL(right, "?1")
#define MAY(right) BF_MYSQL_MAY(right, "?1", "?2")

/* A name as the server writes it: MariaDB in these quotes or those, by the SQL mode of who asks. */
#define QUOTED(quote, name) "CONCAT('" quote "', REPLACE(" name ", '" quote "', '" quote quote "'), '" quote "')"
#define NAMED(name, text) "(LOCATE(" QUOTED("`", name) ", " text ") > 0 OR LOCATE(" QUOTED("\"", name) ", " text ") > 0)"

/* The columns that `set` changes, and the generated ones that change with them. */
#define WRITTEN                                                                                                        \
    "WITH RECURSIVE written AS (SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS "                            \
    "WHERE TABLE_SCHEMA = ?1 AND TABLE_NAME = ?2 AND COLUMN_NAME IN ({columns}) UNION "                         \
    "SELECT c.COLUMN_NAME FROM written w JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = ?1 "             \
    "AND c.TABLE_NAME = ?2 AND " NAMED("w.name", "c.GENERATION_EXPRESSION") ") "

#define TRIGGERS(which)                                                                                                \
    "SELECT TRIGGER_NAME AS x FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ?1 "                  \
    "AND EVENT_OBJECT_TABLE = ?2 AND " which
#define FOREIGN_KEYS_FROM                                                                                              \
    "SELECT k.CONSTRAINT_NAME AS x FROM information_schema.KEY_COLUMN_USAGE k JOIN written w ON w.name = k.COLUMN_NAME " \
    "WHERE k.TABLE_SCHEMA = ?1 AND k.TABLE_NAME = ?2 AND k.REFERENCED_TABLE_NAME IS NOT NULL"
#define INDEXES(not_unique)                                                                                            \
    "SELECT s.INDEX_NAME AS x FROM information_schema.STATISTICS s JOIN written w ON (w.name = s.COLUMN_NAME "          \
    "/*!80013 OR " NAMED("w.name", "s.EXPRESSION") " */) "                                                   \
    "WHERE s.TABLE_SCHEMA = ?1 AND s.TABLE_NAME = ?2 AND s.NON_UNIQUE = " not_unique
#define OTHER_TOOLS                                                                                                    \
    "SELECT TABLE_NAME AS x FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?1 AND TABLE_NAME IN "                  \
    "(CONCAT('_', ?2, '_gho'), CONCAT('_', ?2, '_ghc'), CONCAT('_', ?2, '_new')) "                                      \
    "UNION " TRIGGERS("LEFT(TRIGGER_NAME, 7) = 'pt_osc_'")
#define OF_TABLE "information_schema.COLUMNS WHERE TABLE_SCHEMA = ?1 AND TABLE_NAME = ?2 AND "

/* MariaDB writes a default NULL as the word, and a word in quotes. */
static const char structure[] = PLAN WRITTEN
    SEEN("triggers", TRIGGERS("EVENT_MANIPULATION = 'UPDATE'"), MAY("TRIGGER"),
         "the account may not see triggers, unless by a role: GRANT TRIGGER on the table") "UNION ALL "
    SEEN("insert_triggers", TRIGGERS("EVENT_MANIPULATION = 'INSERT' AND ACTION_TIMING = 'BEFORE'"), MAY("TRIGGER"),
         "the account may not see triggers, unless by a role: GRANT TRIGGER on the table") "UNION ALL "
    SEEN("foreign_keys", FOREIGN_KEYS_FROM, "FALSE",
         "the account may not see keys of all tables: " GRANT_PROCESS) "UNION ALL "
    COUNTED("unique_indexes", INDEXES("0")) "UNION ALL "
    COUNTED("indexes", INDEXES("1")) "UNION ALL "
    SEEN("other_tools", OTHER_TOOLS, MAY_ALL("SELECT"), "the account may not see all tables: " GRANT_PROCESS) "UNION ALL "
    COUNTED("columns_without_default",
            "SELECT COLUMN_NAME AS x FROM " OF_TABLE "COLUMN_NAME IN ({columns}) "
            "AND (COLUMN_DEFAULT IS NULL /*M! OR COLUMN_DEFAULT = 'NULL' */) "
            "AND EXTRA NOT LIKE '%auto_increment%'") "UNION ALL "
    COUNTED("on_update_columns",
            "SELECT COLUMN_NAME AS x FROM " OF_TABLE "LOWER(EXTRA) LIKE '%on update current_timestamp%' "
            "AND COLUMN_NAME NOT IN ({columns})");
static const enum bf_fact_name structure_facts[] = {BF_FACT_TRIGGERS, BF_FACT_INSERT_TRIGGERS, BF_FACT_FOREIGN_KEYS, BF_FACT_UNIQUE_INDEXES,
                                                    BF_FACT_INDEXES, BF_FACT_OTHER_TOOLS, BF_FACT_UNCOVERED,
                                                    BF_FACT_ON_UPDATE};

/* InnoDB's own dictionary holds every table, whatever the account may see of them. Tables stand in it under names of
 * files (in foreign keys only on MariaDB). MySQL does not tell how it makes them: for what is not in plain letters the
 * usual signs are tried, and where the table itself is not found so, nothing is known of others. */
#define PLAIN(name) "REPLACE(REPLACE(REPLACE(" name ", '-', '@002d'), '$', '@0024'), ' ', '@0020')"
#define FILED(name) "CONVERT(CONVERT(CONVERT(" name " USING filename) USING binary) USING utf8mb4)"
#define FILE_OF(schema, name)                                                                                          \
    "CONCAT(/*!80000 " PLAIN(schema) ", '/', " PLAIN(name) " *//*M! " FILED(schema) ", '/', " FILED(name) " */)"
#define IS_FILE(file)                                                                                                  \
    "(CAST(NAME AS BINARY) = CAST(" file " AS BINARY) "                                                                 \
    "OR UPPER(LEFT(NAME, CHAR_LENGTH(" file ") + 3)) = UPPER(CONCAT(" file ", '#P#')))"
#define DICTIONARY(mysql, mariadb) "information_schema./*!80000 " mysql " *//*M! " mariadb " */ "
#define TABLES DICTIONARY("INNODB_TABLES", "INNODB_SYS_TABLES")
#define KEYS DICTIONARY("INNODB_FOREIGN", "INNODB_SYS_FOREIGN")
#define KEY_COLUMNS DICTIONARY("INNODB_FOREIGN_COLS", "INNODB_SYS_FOREIGN_COLS")
#define IS_OWN(column)                                                                                                 \
    "CAST(" column " AS BINARY) = "                                                                                     \
    "CAST(CONCAT(/*!80000 ?1, '/', ?2 *//*M! " FILED("?1") ", '/', " FILED("?2") " */) AS BINARY)"
#define TOOL(suffix) "CAST(" FILE_OF("?1", "CONCAT('_', ?2, '" suffix "')") " AS BINARY)"
#define FOUND "EXISTS (SELECT 1 FROM " TABLES "WHERE " IS_FILE(FILE_OF("?1", "?2")) ")"
#define NOT_FOUND "the dictionary of InnoDB does not show the table under this name"

static const char dictionary[] = PLAN WRITTEN
    COUNTED("foreign_keys",
            "SELECT SUBSTRING(k.ID, LOCATE('/', k.ID) + 1) AS x FROM " KEYS "k JOIN " KEY_COLUMNS "c ON c.ID = k.ID "
            "JOIN written w ON (" IS_OWN("k.FOR_NAME") " AND c.FOR_COL_NAME = w.name) "
            "OR (" IS_OWN("k.REF_NAME") " AND c.REF_COL_NAME = w.name)") "UNION ALL "
    SEEN("other_tools",
         "SELECT SUBSTRING_INDEX(NAME, '/', -1) AS x FROM " TABLES "WHERE CAST(NAME AS BINARY) IN (" TOOL("_gho") ", "
         TOOL("_ghc") ", " TOOL("_new") ")", FOUND, NOT_FOUND);
static const enum bf_fact_name dictionary_facts[] = {BF_FACT_FOREIGN_KEYS, BF_FACT_OTHER_TOOLS};

/* READ COMMITTED makes rows of MIXED. */
#define VARIABLE(name)                                                                                                 \
    "(SELECT VARIABLE_VALUE FROM /*!80000 performance_schema.*//*M! information_schema.*/global_variables "             \
    "WHERE VARIABLE_NAME = '" name "')"
#define STATUS "/*!80000 performance_schema.*//*M! information_schema.*/global_status"
#define STATUS_OF(name) "(SELECT VARIABLE_VALUE FROM " STATUS " WHERE VARIABLE_NAME = '" name "')"
#define GALERA "COALESCE(" VARIABLE("wsrep_on") ", 'OFF') = 'ON'"
#define GROUP_OF_WRITERS                                                                                               \
    "(COALESCE(" VARIABLE("group_replication_single_primary_mode") ", 'ON') = 'OFF' AND EXISTS (SELECT 1 FROM "         \
    "information_schema.PLUGINS WHERE PLUGIN_NAME = 'group_replication' AND PLUGIN_STATUS = 'ACTIVE'))"
static const char server[] = PLAN
    "SELECT 'statement_binlog', "
    "COALESCE(" VARIABLE("log_bin") " = 'ON' AND " VARIABLE("binlog_format") " = 'STATEMENT', 0), "
    "CONCAT('binlog_format = ', " VARIABLE("binlog_format") ") UNION ALL "
    "SELECT 'multi_writer', " GALERA " OR " GROUP_OF_WRITERS ", CASE WHEN " GALERA " THEN CONCAT('Galera, nodes: ', "
    "COALESCE(" STATUS_OF("wsrep_cluster_size") ", 'not known')) "
    "WHEN " GROUP_OF_WRITERS " THEN 'Group Replication, multi-primary' END UNION ALL "
    "SELECT 'rows_matching_guessed', /*!80000 NOT EXISTS (SELECT 1 FROM information_schema.COLUMN_STATISTICS "
    "WHERE SCHEMA_NAME = ?1 AND TABLE_NAME = ?2) *//*M! 1 */, NULL";
static const enum bf_fact_name server_facts[] = {BF_FACT_STATEMENT_LOG, BF_FACT_MULTI_WRITER, BF_FACT_MATCHING_GUESSED};

/* Everybody may see how many sessions of the server wait for a row: when none does, none does of the table. */
#define CONTENTION_RIGHT "GRANT ', /*!80000 'SELECT ON performance_schema.*' *//*M! 'PROCESS ON *.*' */, '"
static const char contention_anywhere[] = PLAN
    "SELECT 'lock_contention', IF(waits = 0, 0, NULL), IF(waits = 0, CONCAT('no session of the server waits for a row; "
    "who waits for a definition is not seen: " CONTENTION_RIGHT "'), CONCAT(waits, ' sessions of the server wait for a row; "
    "whether of this table the account may not see: " CONTENTION_RIGHT "')) "
    "FROM (SELECT CAST(" STATUS_OF("Innodb_row_lock_current_waits") " AS SIGNED) AS waits) server";

/* MariaDB names a table in quotes, and behind it a partition in a comment; who waits for its definition is known by what he
 * runs. MySQL has both in its performance schema, if that is switched on. */
#define LOCK_NAME(quote) "CONCAT(" QUOTED(quote, "?1") ", '.', " QUOTED(quote, "?2") ")"
#define LOCK_OF(quote)                                                                                                 \
    "l.lock_table = " LOCK_NAME(quote) " OR LEFT(l.lock_table, CHAR_LENGTH(" LOCK_NAME(quote) ") + 2) = "               \
    "CONCAT(" LOCK_NAME(quote) ", ' /')"
#define WAITING                                                                                                        \
    "/*M! SELECT r.trx_mysql_thread_id AS x FROM information_schema.INNODB_LOCK_WAITS w "                               \
    "JOIN information_schema.INNODB_LOCKS l ON l.lock_id = w.requested_lock_id "                                        \
    "JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id "                                           \
    "WHERE " LOCK_OF("`") " OR " LOCK_OF("\"") " "                                                                       \
    "UNION SELECT ID FROM information_schema.PROCESSLIST WHERE STATE = 'Waiting for table metadata lock' "             \
    "AND LOCATE(REPLACE(?2, '`', '``'), INFO) > 0 AND (DB = ?1 OR LOCATE(REPLACE(?1, '`', '``'), INFO) > 0) */" \
    "/*!80000 SELECT t.PROCESSLIST_ID AS x FROM performance_schema.data_locks l JOIN performance_schema.threads t "     \
    "ON t.THREAD_ID = l.THREAD_ID WHERE l.LOCK_STATUS = 'WAITING' AND l.OBJECT_SCHEMA = ?1 AND l.OBJECT_NAME = ?2 " \
    "UNION SELECT t.PROCESSLIST_ID FROM performance_schema.metadata_locks m JOIN performance_schema.threads t "         \
    "ON t.THREAD_ID = m.OWNER_THREAD_ID WHERE m.LOCK_STATUS = 'PENDING' AND m.OBJECT_SCHEMA = ?1 "              \
    "AND m.OBJECT_NAME = ?2 */"
#define TELLS "(TRUE /*!80000 AND @@performance_schema */)"
static const char contention[] = PLAN
    "SELECT 'lock_contention', IF(" TELLS ", " COUNT_OF_NAMES ", NULL), IF(" TELLS ", " NAMES ", NULL) "
    "FROM (" WAITING ") found";
static const enum bf_fact_name contention_facts[] = {BF_FACT_LOCK_WAITS};

/* When a transaction began is told in the zone of the server's machine, whatever that of the session. Who is gone and left a
 * prepared one has the connection 0. */
static const char oldest[] = PLAN
    "SELECT 'oldest_transaction', COALESCE(MAX(age), 0), MAX(who) FROM (SELECT "
    "GREATEST(0, TIMESTAMPDIFF(SECOND, r.trx_started, CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM'))) AS age, "
    "IF(r.trx_mysql_thread_id = 0, 'a prepared XA transaction, see XA RECOVER', "
    "CONCAT('session ', r.trx_mysql_thread_id, COALESCE(CONCAT(' of ', p.USER), ''))) AS who "
    "FROM information_schema.INNODB_TRX r LEFT JOIN information_schema.PROCESSLIST p ON p.ID = r.trx_mysql_thread_id "
    "WHERE r.trx_mysql_thread_id <> CONNECTION_ID() ORDER BY age DESC LIMIT 1) first";
static const enum bf_fact_name oldest_facts[] = {BF_FACT_OLDEST_TRANSACTION};

/* Who changes a key is not told by any catalogue: a foreign key that follows its parent's does, and what the server remembers
 * of statements, where it does. Both are signs; none is no proof. */
#define FOLLOWS                                                                                                        \
    "SELECT k.CONSTRAINT_NAME AS x FROM information_schema.KEY_COLUMN_USAGE k "                                         \
    "JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA "                   \
    "AND r.TABLE_NAME = k.TABLE_NAME AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME "                                        \
    "WHERE k.TABLE_SCHEMA = ?1 AND k.TABLE_NAME = ?2 AND k.COLUMN_NAME IN ({key}) AND r.UPDATE_RULE IN ('CASCADE', 'SET NULL')"
#define BYTES(text) "CAST(" text " AS BINARY)"
#define UPDATES(name) "LOCATE(" BYTES("CONCAT('UPDATE ', " name ", ' SET ')") ", " BYTES("s.DIGEST_TEXT") ") = 1"
#define SET_LIST                                                                                                       \
    "CONCAT(', ', REPLACE(SUBSTRING_INDEX(SUBSTRING_INDEX(s.DIGEST_TEXT, ' WHERE ', 1), ' SET ', -1), ' , ', ', '))"
#define STATEMENTS                                                                                                     \
    "SELECT LEFT(s.DIGEST_TEXT, 120) FROM performance_schema.events_statements_summary_by_digest s "                    \
    "JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = ?1 AND c.TABLE_NAME = ?2 AND c.COLUMN_NAME IN ({key}) "      \
    "WHERE (" UPDATES("CONCAT(" QUOTED("`", "?1") ", ' . ', " QUOTED("`", "?2") ")")                                    \
    " OR (s.SCHEMA_NAME = ?1 AND " UPDATES(QUOTED("`", "?2")) ")) "                                                     \
    "AND LOCATE(" BYTES("CONCAT(', ', " QUOTED("`", "c.COLUMN_NAME") ", ' = ')") ", " BYTES(SET_LIST) ") > 0"
static const char key_writers[] = PLAN COUNTED("key_writers", FOLLOWS);
/* What finds no place in the server's memory is counted in a line without a digest. */
#define FORGETS "EXISTS (SELECT 1 FROM performance_schema.events_statements_summary_by_digest WHERE DIGEST IS NULL)"
static const char key_statements[] = PLAN
    "SELECT 'key_writers' AS fact, " COUNT_OF_NAMES ", COALESCE(" NAMES ", IF(" FORGETS ", 'by foreign keys; "
    "the server remembers no further statements (performance_schema_digests_size)', NULL)) "
    "FROM (" FOLLOWS " UNION " STATEMENTS ") found ";
static const enum bf_fact_name key_writers_facts[] = {BF_FACT_KEY_WRITERS};

/* Of the file system with the longest path that the data directory begins with. */
static const char disk[] = PLAN
    "SELECT 'disk_free', (SELECT Available * 1024 FROM information_schema.DISKS WHERE LEFT(@@datadir, CHAR_LENGTH(Path)) = Path "
    "ORDER BY CHAR_LENGTH(Path) DESC LIMIT 1), NULL";
static const enum bf_fact_name disk_facts[] = {BF_FACT_DISK_FREE};

/* InnoDB counts for each table the rows that were changed since it looked at its statistics anew, when it begins again from
 * nought: what it had then was at least what it had when we last looked. What came between is lost; but it takes a tenth of
 * the table's rows until it does so. Without the right to see that there is only what all tables of the server have. */
#define ALL_ROWS                                                                                                       \
    "(SELECT SUM(CAST(VARIABLE_VALUE AS SIGNED)) FROM " STATUS " WHERE VARIABLE_NAME IN ("                              \
    "/*!80000 'Innodb_rows_inserted', 'Innodb_rows_updated', 'Innodb_rows_deleted' */"                                  \
    "/*M! 'Handler_write', 'Handler_update', 'Handler_delete' */))"
#define OF_SERVER "rows of all tables of the server, which is an upper bound: "
const char bf_mysql_writes[] = PLAN
    "SET @backfilld_counted = IF(" BF_MYSQL_SEES ", (SELECT SUM(MODIFIED_COUNTER) FROM "
    DICTIONARY("INNODB_TABLESTATS", "INNODB_SYS_TABLESTATS") "WHERE "
    IS_FILE(FILE_OF("COALESCE(?<1, DATABASE())", "?>1")) "), NULL)?; "
    "SET @backfilld_before = COALESCE(@backfilld_before, 0) + "
    "IF(@backfilld_counted < @backfilld_last, @backfilld_last, 0)?; "
    "SET @backfilld_last = @backfilld_counted?; "
    "SELECT CAST(COALESCE(@backfilld_before + @backfilld_counted, " ALL_ROWS ") AS SIGNED), "
    "IF(@backfilld_counted IS NOT NULL, NULL, IF(" BF_MYSQL_SEES ", "
    "'" OF_SERVER "InnoDB does not tell those of this table, for its name or its partitions', "
    "'" OF_SERVER GRANT_PROCESS " to the account itself'))";

/* A batch that is taken back leaves nothing in the binary log; what it wrote is in the redo log, of which both tell the end.
 * MySQL tells how far another thread has written it, some milliseconds later: it is waited for, and the clock stands still
 * meanwhile. */
#define MILLISECONDS_TO_SECONDS "GREATEST(1, (?#1 + 999) DIV 1000)"
const char bf_mysql_mark[] = PLAN
    "SET @backfilld_clock = UNIX_TIMESTAMP(NOW(6)) - COALESCE(@backfilld_waited, 0)?; "
    "SET @backfilld_nothing = 0 /*!80000 + SLEEP(0.02) */?; "
    "SET SESSION innodb_lock_wait_timeout = " MILLISECONDS_TO_SECONDS ", lock_wait_timeout = " MILLISECONDS_TO_SECONDS "?; "
    "SET @backfilld_log = (SELECT VARIABLE_VALUE FROM " STATUS " "
    "WHERE VARIABLE_NAME IN ('Innodb_redo_log_current_lsn', 'Innodb_lsn_current'))?; "
    "SET @backfilld_waited = UNIX_TIMESTAMP(NOW(6)) - @backfilld_clock?; "
    "SELECT @backfilld_clock, @backfilld_log";

/* Weaker ones first. `right`: what an account needs that is refused. */
static const struct {
    const char *sql, *right;
    const enum bf_fact_name *facts;
    size_t count;
} questions[] = {
    {structure, NULL, structure_facts, BF_COUNT(structure_facts)},
    {dictionary, GRANT_PROCESS, dictionary_facts, BF_COUNT(dictionary_facts)},
    {server, NULL, server_facts, BF_COUNT(server_facts)},
    {contention_anywhere, NULL, contention_facts, BF_COUNT(contention_facts)},
    {contention, GRANT_PROCESS ", or on MySQL SELECT ON performance_schema.*", contention_facts, BF_COUNT(contention_facts)},
    {oldest, GRANT_PROCESS, oldest_facts, BF_COUNT(oldest_facts)},
    {key_writers, NULL, key_writers_facts, BF_COUNT(key_writers_facts)},
    {key_statements, "SELECT ON performance_schema.*", key_writers_facts, BF_COUNT(key_writers_facts)},
    {disk, "FILE ON *.*", disk_facts, BF_COUNT(disk_facts)},
};

/* Behind the questions: what the optimizer says of them, the newest rows, and what goes into the log. */
enum { EXPLAIN_MATCHING = BF_COUNT(questions), EXPLAIN_RANGE, EXPLAIN_BOUNDARY, NEWEST, BINLOG, STEPS };

/* Newer servers draw a tree where they are not asked for the table of old, and MariaDB leaves out a column. */
#define EXPLAIN PLAN "EXPLAIN /*!80000 FORMAT = TRADITIONAL *//*M! EXTENDED */ "

/* Of the rows in the document's range those that it asks for, or all of them. The key's index is not forced: MySQL does not look
 * into an index that it has to use, and says 1. */
static char *explain_rows(const struct bf_document *document, const struct bf_table *table, bool matching)
{
    struct bf_buffer buffer = {0};
    BF_AUTO_STRING char *free_choice = bf_mysql_without_index(table->reference);

    bf_buffer_format(&buffer, EXPLAIN "SELECT 1 FROM %s WHERE TRUE", free_choice);
    bf_range_of_document(&buffer, &bf_mysql_grammar, document, table);
    if (matching)
        bf_mysql_where(&buffer, document);
    return bf_buffer_take(&buffer);
}

char *bf_mysql_counted(const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    BF_AUTO_STRING char *free_choice = bf_mysql_without_index(table->reference);

    bf_buffer_format(&buffer, PLAN "SELECT 'rows_matching_exact', COUNT(*), NULL FROM %s WHERE TRUE", free_choice);
    bf_range_of_document(&buffer, &bf_mysql_grammar, document, table);
    bf_mysql_where(&buffer, document);
    return bf_buffer_take(&buffer);
}

/* New rows have the last keys, mostly. Without a predicate every row is asked for. */
static char *newest(const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    if (!document->where && !document->remaining)
        return bf_copy_string(PLAN "SELECT 'newest_matching', NULL, NULL");
    bf_buffer_text(&buffer, PLAN "SELECT 'newest_matching', SUM(m), CONCAT('of ', COUNT(*)) FROM (SELECT CASE WHEN TRUE");
    bf_mysql_where(&buffer, document);
    bf_buffer_format(&buffer, " THEN 1 ELSE 0 END AS m FROM %s ORDER BY ", table->reference);
    for (size_t i = 0; i < table->key_count; i++) {
        bf_buffer_text(&buffer, i ? ", " : "");
        bf_mysql_quote(&buffer, table->key[i].name);
        bf_buffer_text(&buffer, " DESC");
    }
    bf_buffer_text(&buffer, " LIMIT 100) newest");
    return bf_buffer_take(&buffer);
}

/* Not the boundary itself, whose parameters would have to be known, but what it stands on: the key in its order. */
static char *explain_boundary(const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    bf_buffer_text(&buffer, EXPLAIN "SELECT ");
    bf_mysql_key_list(&buffer, table, 0, "", "");
    bf_buffer_format(&buffer, " FROM %s ORDER BY ", table->reference);
    bf_mysql_key_list(&buffer, table, 0, "", "");
    bf_buffer_text(&buffer, " LIMIT 1000");
    return bf_buffer_take(&buffer);
}

/* The question with the columns of `set`, and those of the key, in it. */
static char *question(const char *sql, const struct bf_document *document, const struct bf_table *table)
{
    static const char set[] = "{columns}", key[] = "{key}";
    struct bf_buffer buffer = {0};
    for (const char *at = strchr(sql, '{'); at; at = strchr(sql, '{')) {
        bool of_key = strncmp(at, key, strlen(key)) == 0;
        bf_buffer_append(&buffer, sql, (size_t)(at - sql));
        for (size_t i = 0; i < (of_key ? table->key_count : document->set_count); i++) {
            bf_buffer_text(&buffer, i ? ", " : "");
            bf_mysql_literal(&buffer, of_key ? table->key[i].name : document->set[i].name);
        }
        sql = at + strlen(of_key ? key : set);
    }
    bf_buffer_text(&buffer, sql);
    return bf_buffer_take(&buffer);
}

/* "shop.orders" in its two parts, which may have dots of their own: the name is as long as the author's, but for its case.
 * The caller frees both. */
static void names_of(const struct bf_document *document, const struct bf_table *table, char **ret_schema, char **ret_name)
{
    bf_mysql_table_name(document->table, ret_schema, ret_name); /* looked at by check_expressions */
    size_t length = strlen(*ret_name), whole = strlen(table->display);
    free(*ret_schema);
    free(*ret_name);
    *ret_schema = bf_format("%.*s", (int)(whole - length - 1), table->display);
    *ret_name = bf_copy_string(table->display + whole - length);
}

void bf_mysql_measure(const struct bf_document *document, const struct bf_table *table, struct bf_flight *flight,
                      char **ret_texts[], size_t *ret_count)
{
    char **texts = bf_allocate(STEPS * sizeof *texts);
    char *schema = NULL, *name = NULL;

    names_of(document, table, &schema, &name);
    for (size_t i = 0; i < STEPS; i++) {
        texts[i] = i == EXPLAIN_MATCHING   ? explain_rows(document, table, true)
                   : i == EXPLAIN_RANGE    ? explain_rows(document, table, false)
                   : i == EXPLAIN_BOUNDARY ? explain_boundary(table)
                   : i == NEWEST           ? newest(document, table)
                   : i == BINLOG           ? bf_mysql_binlog(table)
                                           : question(questions[i].sql, document, table);
        struct bf_step *step = bf_flight_add(flight, BF_STATEMENT_MEASURE, texts[i]);
        step->new_group = true;
        if (i == EXPLAIN_MATCHING || i == EXPLAIN_RANGE)
            bf_step_range(step, document);
        if (i >= BF_COUNT(questions) && i != BINLOG)
            continue;
        bf_step_text(step, schema);
        bf_step_text(step, name);
    }
    free(schema);
    free(name);
    *ret_texts = texts;
    *ret_count = STEPS;
}

/* 1044, 1142, 1227: access denied, to a database, a table, for want of a right. */
static bool is_refused(const struct bf_answer *answer)
{
    static const char *const numbers[] = {"1044", "1142", "1227"};
    for (size_t i = 0; answer->outcome == BF_OUTCOME_ERROR && i < BF_COUNT(numbers); i++)
        if (!strcmp(answer->sqlstate, numbers[i]))
            return true;
    return false;
}

/* What is known stays so unless this one knows better; of what is not known an answer's reason counts more than an error. */
static void take(const struct bf_answer *answer, size_t number, struct bf_facts *facts)
{
    struct bf_facts found = {0};
    const char *right = is_refused(answer) ? questions[number].right : NULL;

    bf_measure_read(answer, questions[number].facts, questions[number].count, &found);
    for (size_t i = 0; i < questions[number].count; i++) {
        enum bf_fact_name name = questions[number].facts[i];
        const struct bf_fact *fact = &found.of[name], *before = &facts->of[name];
        bool says_why = !before->detail || (answer->outcome == BF_OUTCOME_OK && fact->detail);
        if (fact->known) {
            bf_facts_set(facts, name, fact->value, fact->detail);
        } else if (!before->known && says_why) {
            BF_AUTO_STRING char *refused = right ? bf_format("the account may not see it: %s", right) : NULL;
            bf_facts_unknown(facts, name, refused ? refused : fact->detail);
        }
    }
    bf_facts_clear(&found);
}

/* 1109: there is no such table. */
static void read_disk(const struct bf_answer *answer, size_t number, struct bf_facts *facts)
{
    take(answer, number, facts);
    if (answer->outcome == BF_OUTCOME_ERROR && strcmp(answer->sqlstate, "1109") == 0)
        bf_facts_unknown(facts, BF_FACT_DISK_FREE, "the server does not tell how much disk is free; MariaDB does with its plugin DISKS");
}

static const enum bf_fact_name newest_facts[] = {BF_FACT_NEWEST};

void bf_mysql_read_measure(const struct bf_document *document, const struct bf_answer *answers, size_t count,
                           struct bf_facts *facts)
{
    for (size_t i = 0; i < count && i < STEPS; i++) {
        if (i == EXPLAIN_MATCHING) {
            bf_mysql_read_rows(document, &answers[i], BF_FACT_MATCHING, facts);
            bf_mysql_read_guess(document, &answers[i], facts);
        } else if (i == EXPLAIN_RANGE) {
            if (bf_document_has_range(document)) /* else all rows are walked, which the table's own estimate tells */
                bf_mysql_read_rows(document, &answers[i], BF_FACT_RANGE_ROWS, facts);
        } else if (i == EXPLAIN_BOUNDARY)
            bf_mysql_read_boundary(&answers[i], facts);
        else if (i == NEWEST)
            bf_measure_read(&answers[i], newest_facts, BF_COUNT(newest_facts), facts);
        else if (i == BINLOG)
            bf_mysql_read_binlog(document, &answers[i], facts);
        else if (questions[i].facts == disk_facts)
            read_disk(&answers[i], i, facts);
        else
            take(&answers[i], i, facts);
    }
}
