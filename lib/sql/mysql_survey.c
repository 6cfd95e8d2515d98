/* What the table is: the catalogue statements that describe it, and what a job cannot run on. The key is chosen in
 * mysql_index.c. */
#include "mysql_survey.h"

#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "identifier.h"

#define OF_TABLE "TABLE_SCHEMA = COALESCE(?1, DATABASE()) AND TABLE_NAME = ?2"

/* The rights to make a journal and to drop it. Which rights a role brings is not told. */
#define MAY_KEEP                                                                                                       \
    "COALESCE(CURRENT_ROLE(), 'NONE') <> 'NONE' OR (SELECT COUNT(DISTINCT PRIVILEGE_TYPE) FROM ("                      \
    "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE " BF_MYSQL_GRANTEE " UNION ALL "              \
    "SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE " BF_MYSQL_GRANTEE                          \
    " AND 'backfilld' LIKE TABLE_SCHEMA) granted WHERE PRIVILEGE_TYPE IN ('CREATE', 'DROP')) = 2"

static const char survey_table[] =
    "/* backfilld */ SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, COALESCE(ENGINE, ''), TABLE_ROWS, "
    "DATA_LENGTH + INDEX_LENGTH, CREATE_OPTIONS LIKE '%partitioned%', CURRENT_USER(), " MAY_KEEP
    " FROM information_schema.TABLES WHERE " OF_TABLE;

static const char survey_columns[] =
    "/* backfilld */ SELECT ORDINAL_POSITION, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE = 'NO', "
    "IF(DATA_TYPE IN ('char', 'varchar'), COLLATION_NAME, NULL), COALESCE(GENERATION_EXPRESSION, '') <> '', "
    "FIND_IN_SET('select', PRIVILEGES) > 0, FIND_IN_SET('update', PRIVILEGES) > 0, "
    "CONCAT(' CHARACTER SET ', CHARACTER_SET_NAME, ' COLLATE ', COLLATION_NAME), CHARACTER_OCTET_LENGTH, "
    "LOWER(EXTRA) LIKE '%on update current_timestamp%' "
    "FROM information_schema.COLUMNS WHERE " OF_TABLE " ORDER BY ORDINAL_POSITION";

/* Text in a versioned comment is read by MySQL alone, or by MariaDB alone: they name these columns differently. */
static const char survey_indexes[] =
    "/* backfilld */ SELECT s.INDEX_NAME, (SELECT COUNT(*) FROM information_schema.STATISTICS o "
    "WHERE o.TABLE_SCHEMA = s.TABLE_SCHEMA AND o.TABLE_NAME = s.TABLE_NAME AND o.INDEX_NAME = s.INDEX_NAME), "
    "s.COLUMN_NAME, COALESCE(s.COLLATION, 'A') = 'D', s.SUB_PART IS NULL, "
    "1 /*!80013 AND s.IS_VISIBLE = 'YES' *//*M!100600 AND s.IGNORED = 'NO' */, s.INDEX_TYPE = 'BTREE' "
    "FROM information_schema.STATISTICS s WHERE s.TABLE_SCHEMA = COALESCE(?1, DATABASE()) AND s.TABLE_NAME = ?2 "
    "AND s.NON_UNIQUE = 0 ORDER BY s.INDEX_NAME <> 'PRIMARY', s.INDEX_NAME, s.SEQ_IN_INDEX";

/* Names of tables have case on most systems. */
static const char survey_similar[] =
    "/* backfilld */ SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES "
    "WHERE LOWER(TABLE_NAME) = LOWER(?2) ORDER BY TABLE_SCHEMA = COALESCE(?1, DATABASE()) DESC LIMIT 1";

void bf_mysql_survey(const struct bf_document *document, struct bf_flight *flight)
{
    static const char *const texts[BF_MYSQL_SURVEY_COUNT] = {
        [BF_MYSQL_TABLE] = survey_table,
        [BF_MYSQL_COLUMNS] = survey_columns,
        [BF_MYSQL_INDEXES] = survey_indexes,
        [BF_MYSQL_SIMILAR] = survey_similar,
    };
    char *schema = NULL, *name = NULL;

    bf_mysql_table_name(document->table, &schema, &name); /* looked at by check_expressions */
    for (size_t i = 0; i < BF_MYSQL_SURVEY_COUNT; i++) {
        struct bf_step *step = bf_flight_add(flight, BF_STATEMENT_SURVEY, texts[i]);
        step->new_group = true;
        bf_step_text(step, schema);
        bf_step_text(step, name ? name : "");
    }
    free(schema);
    free(name);
}

static void complain_missing(const struct bf_document *document, const struct bf_answer *similar,
                             struct bf_complaints *complaints)
{
    const char *name = bf_answer_value(similar, 0, 0);
    if (name)
        bf_complain(complaints, BF_INVALID, "/table", "there is no table %s, but there is %s; names are exact here, upper and lower case too",
                    document->table, name);
    else
        bf_complain(complaints, BF_INVALID, "/table",
                    "there is no table %s that the account can see (a temporary table is seen by its own session alone); "
                    "name its database too",
                    document->table);
}

/* What kind of thing it is; false when no job can run on it. */
static bool check_kind(const struct bf_answer *table, struct bf_complaints *complaints)
{
    static const char *const own[] = {"mysql", "information_schema", "performance_schema", "sys", "backfilld"};
    const char *schema = bf_answer_value(table, 0, BF_MYSQL_TABLE_SCHEMA);
    const char *name = bf_answer_value(table, 0, BF_MYSQL_TABLE_NAME);
    const char *type = bf_answer_value(table, 0, BF_MYSQL_TABLE_TYPE);
    const char *engine = bf_answer_value(table, 0, BF_MYSQL_TABLE_ENGINE);
    size_t before = complaints->total;

    for (size_t i = 0; i < BF_COUNT(own); i++)
        if (!strcasecmp(schema, own[i]))
            bf_complain(complaints, BF_INVALID, "/table", "%s.%s belongs to the server or to backfilld itself", schema,
                        name);
    if (strstr(type, "VIEW"))
        bf_complain(complaints, BF_INVALID, "/table", "%s.%s is a view; a backfill runs on a table", schema, name);
    else if (strcmp(type, "BASE TABLE"))
        bf_complain(complaints, BF_INVALID, "/table", "%s.%s is a %s, which has not been tested; it is refused", schema,
                    name, type);
    else if (strcasecmp(engine, "InnoDB"))
        bf_complain(complaints, BF_INVALID, "/table",
                    "%s.%s uses the engine %s; only InnoDB keeps rows and checkpoint in one transaction", schema, name,
                    *engine ? engine : "of none (it is broken)");
    return complaints->total == before;
}

size_t bf_mysql_find_column(const struct bf_answer *columns, const char *name)
{
    for (size_t row = 0; row < columns->rows; row++)
        if (!strcasecmp(bf_answer_value(columns, row, BF_MYSQL_COLUMN_NAME), name))
            return row;
    return columns->rows;
}

static void check_set(const struct bf_document *document, const struct bf_answer *columns,
                      const struct bf_table *table, struct bf_complaints *complaints)
{
    for (size_t i = 0; i < document->set_count; i++) {
        const char *name = document->set[i].name;
        BF_AUTO_STRING char *pointer = bf_set_pointer(name);
        size_t row = bf_mysql_find_column(columns, name);

        if (row == columns->rows) {
            bf_complain(complaints, BF_INVALID, pointer, "the table has no column %s", name);
            continue;
        }
        if (bf_answer_true(columns, row, BF_MYSQL_COLUMN_GENERATED))
            bf_complain(complaints, BF_INVALID, pointer, "column %s is generated, the server computes it", name);
        if (!bf_answer_true(columns, row, BF_MYSQL_COLUMN_UPDATE))
            bf_complain(complaints, BF_INVALID, pointer, "the account may not UPDATE column %s; GRANT it", name);
        for (size_t k = 0; k < table->key_count; k++)
            if (!strcasecmp(table->key[k].name, name))
                bf_complain(complaints, BF_INVALID, pointer,
                            "column %s is part of the key by which the backfill walks; it cannot be written", name);
        for (size_t other = 0; other < i; other++)
            if (!strcasecmp(document->set[other].name, name))
                bf_complain(complaints, BF_INVALID, pointer, "column %s is set twice: names of columns have no case here",
                            name);
    }
}

static bool in_set(const struct bf_document *document, const char *name)
{
    for (size_t i = 0; i < document->set_count; i++)
        if (!strcasecmp(document->set[i].name, name))
            return true;
    return false;
}

static bool is_stamp(const struct bf_document *document, const struct bf_answer *columns, size_t row)
{
    return bf_answer_true(columns, row, BF_MYSQL_COLUMN_STAMPED) &&
           !in_set(document, bf_answer_value(columns, row, BF_MYSQL_COLUMN_NAME));
}

static bool may(const struct bf_answer *columns, size_t row, int right)
{
    return bf_answer_true(columns, row, (size_t)right);
}

/* A journal has to be made, the old values are read, and a stamp that is put back is written. */
static void check_journal(const struct bf_document *document, const struct bf_answer *found, const struct bf_answer *columns,
                          struct bf_complaints *complaints)
{
    if (document->undo != BF_UNDO_JOURNAL)
        return;
    if (!bf_answer_true(found, 0, BF_MYSQL_TABLE_MAY_KEEP))
        bf_complain(complaints, BF_UNSUPPORTED, "/undo",
                    "the account may not make and drop the undo journal; GRANT CREATE, DROP ON backfilld.* to it (\"none\" says "
                    "that the job cannot be undone)");
    for (size_t row = 0; row < columns->rows; row++) {
        const char *name = bf_answer_value(columns, row, BF_MYSQL_COLUMN_NAME);
        if (in_set(document, name)) {
            BF_AUTO_STRING char *pointer = bf_set_pointer(name);
            if (!may(columns, row, BF_MYSQL_COLUMN_SELECT))
                bf_complain(complaints, BF_INVALID, pointer, "the account may not SELECT column %s, whose old value the undo "
                            "journal keeps; GRANT it", name);
        } else if (is_stamp(document, columns, row) &&
                   !(may(columns, row, BF_MYSQL_COLUMN_SELECT) && may(columns, row, BF_MYSQL_COLUMN_UPDATE))) {
            bf_complain(complaints, BF_INVALID, "/undo", "each change sets column %s to the time (ON UPDATE), and the account may "
                        "not put it back; GRANT SELECT and UPDATE on it", name);
        }
    }
}

static struct bf_column kept_column(const struct bf_answer *columns, size_t row, size_t count)
{
    const char *type = bf_answer_value(columns, row, BF_MYSQL_COLUMN_TYPE);
    return (struct bf_column){
        .name = bf_copy_string(bf_answer_value(columns, row, BF_MYSQL_COLUMN_NAME)),
        .type = bf_copy_string(type),
        .declared = bf_mysql_kept_type(type, bf_answer_value(columns, row, BF_MYSQL_COLUMN_CHARSET),
                                       bf_answer_number(columns, row, BF_MYSQL_COLUMN_OCTETS), count)};
}

/* The columns of `set`, and behind them the stamps. */
static void take_set(const struct bf_document *document, const struct bf_answer *columns, struct bf_table *table)
{
    table->set_count = document->set_count;
    for (size_t row = 0; row < columns->rows; row++)
        table->stamp_count += is_stamp(document, columns, row);
    size_t count = table->set_count + table->stamp_count, next = table->set_count;
    table->set = bf_allocate(count * sizeof *table->set);
    for (size_t i = 0; i < document->set_count; i++)
        table->set[i] = kept_column(columns, bf_mysql_find_column(columns, document->set[i].name), count);
    for (size_t row = 0; row < columns->rows; row++)
        if (is_stamp(document, columns, row))
            table->set[next++] = kept_column(columns, row, count);
}

/* What must not change under a running job. There is no number of a table that a replica shares: its name, and what it
 * has. Types without their length, which may grow at any time. */
static char *definition(const struct bf_document *document, const struct bf_answer *columns,
                        const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    char hash[BF_HASH_TEXT];

    bf_buffer_format(&buffer, "table %s\n", table->display);
    for (size_t i = 0; i < table->key_count; i++)
        bf_buffer_format(&buffer, "key %s %s %s\n", table->key[i].name, table->key[i].type,
                         table->key[i].collation ? table->key[i].collation : "");
    /* In the table's order: that of the document is not the same after a restart. */
    for (size_t row = 0; row < columns->rows; row++) {
        const char *name = bf_answer_value(columns, row, BF_MYSQL_COLUMN_NAME);
        const char *type = bf_answer_value(columns, row, BF_MYSQL_COLUMN_TYPE);
        for (size_t i = 0; i < document->set_count; i++)
            if (!strcasecmp(document->set[i].name, name))
                bf_buffer_format(&buffer, "set %s %.*s\n", name, (int)strcspn(type, "( "), type);
        if (document->undo == BF_UNDO_JOURNAL && is_stamp(document, columns, row)) /* the journal has a column for it */
            bf_buffer_format(&buffer, "stamp %s\n", name);
    }
    BF_AUTO_STRING char *text = bf_buffer_take(&buffer);
    return bf_copy_string(bf_hash(text, strlen(text), hash));
}

/* FORCE INDEX makes a scan of the table the last resort for a batch. */
static char *reference(const struct bf_answer *answer, const char *index)
{
    struct bf_buffer buffer = {0};
    bf_mysql_quote(&buffer, bf_answer_value(answer, 0, BF_MYSQL_TABLE_SCHEMA));
    bf_buffer_text(&buffer, ".");
    bf_mysql_quote(&buffer, bf_answer_value(answer, 0, BF_MYSQL_TABLE_NAME));
    bf_buffer_text(&buffer, " FORCE INDEX (");
    bf_mysql_quote(&buffer, index);
    bf_buffer_text(&buffer, ")");
    return bf_buffer_take(&buffer);
}

static int64_t number_or_unknown(const struct bf_answer *answer, size_t column)
{
    return bf_answer_value(answer, 0, column) ? bf_answer_number(answer, 0, column) : -1;
}

struct bf_table *bf_mysql_read_survey(const struct bf_document *document, const struct bf_answer *server,
                                      const struct bf_answer *answers, size_t count,
                                      struct bf_complaints *complaints)
{
    const struct bf_answer *found = &answers[BF_MYSQL_TABLE], *columns = &answers[BF_MYSQL_COLUMNS];
    size_t before = complaints->total;

    if (count < BF_MYSQL_SURVEY_COUNT) {
        bf_complain(complaints, BF_INVALID, "/table", "the server did not describe the table");
        return NULL;
    }
    for (size_t i = 0; i < BF_MYSQL_SURVEY_COUNT; i++)
        if (answers[i].outcome != BF_OUTCOME_OK) {
            bf_complain(complaints, BF_INVALID, "/table", "the server could not describe the table: %s",
                        answers[i].message ? answers[i].message : "no answer");
            return NULL;
        }
    if (found->rows == 0) {
        complain_missing(document, &answers[BF_MYSQL_SIMILAR], complaints);
        return NULL;
    }
    if (!check_kind(found, complaints))
        return NULL;

    struct bf_table *table = BF_NEW(struct bf_table);
    table->display = bf_format("%s.%s", bf_answer_value(found, 0, BF_MYSQL_TABLE_SCHEMA),
                               bf_answer_value(found, 0, BF_MYSQL_TABLE_NAME));
    table->target_identity = bf_copy_string(bf_answer_value(server, 0, 0));
    table->rows_estimated = number_or_unknown(found, BF_MYSQL_TABLE_ROWS);
    table->bytes = number_or_unknown(found, BF_MYSQL_TABLE_BYTES);
    table->partitioned = bf_answer_true(found, 0, BF_MYSQL_TABLE_PARTITIONED);
    const char *index = bf_mysql_choose_key(document, columns, &answers[BF_MYSQL_INDEXES], table, complaints);
    check_set(document, columns, table, complaints);
    check_journal(document, found, columns, complaints);
    if (table->key_count) {
        bf_author_check_range(document, table, complaints);
    }
    if (complaints->total > before) {
        bf_table_free(table);
        return NULL;
    }
    table->reference = reference(found, index);
    table->clustered = !strcmp(index, "PRIMARY");
    table->locks_first = !strstr(bf_answer_value(server, 0, BF_SERVER_VERSION), "MariaDB");
    table->definition = definition(document, columns, table);
    take_set(document, columns, table);
    return table;
}
