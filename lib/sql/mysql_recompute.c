/* What the expressions of `set` give over the old values of a sample of changes; the rule is in recompute.h. Nothing is written
 * for it, no temporary table either: a binary log of statements would carry that to the replicas. What an expression calls and
 * reads is found by its words; a call has to be one of a list, or a function of the database's that says it depends on its
 * arguments alone. */
#include "mysql_dialect.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "recompute.h"

/* Functions whose value depends on their arguments and on settings that each of our sessions has the same, and other words
 * before a parenthesis. None of them without arguments: UNIX_TIMESTAMP() asks for the time. */
static const char steady[] =
    " abs acos adddate addtime and as ascii asin atan atan2 between bin bin_to_uuid binary bit_count bit_length case cast ceil "
    "ceiling char char_length character_length coalesce collate concat concat_ws conv convert cos cot crc32 date date_add "
    "date_format date_sub datediff datetime day dayname dayofmonth dayofweek dayofyear decimal degrees distinct div else elt exp "
    "export_set extract field find_in_set float floor format from from_base64 from_days from_unixtime greatest hex hour if ifnull "
    "in inet6_aton inet6_ntoa inet_aton inet_ntoa insert instr interval is isnull json_array json_array_append json_contains "
    "json_extract json_insert json_keys json_length json_merge_patch json_object json_quote json_remove json_replace json_search "
    "json_set json_type json_unquote json_valid json_value last_day lcase least left length like ln locate log log10 log2 lower "
    "lpad ltrim make_set makedate maketime md5 microsecond mid minute mod month monthname nchar not nullif nvl nvl2 oct "
    "octet_length or ord period_add period_diff position pow power quarter quote radians regexp regexp_instr regexp_like "
    "regexp_replace regexp_substr repeat replace reverse right rlike round rpad rtrim sec_to_time second sha sha1 sha2 sign "
    "signed sin soundex space sqrt str_to_date strcmp subdate substr substring substring_index subtime tan then time "
    "time_format time_to_sec timediff timestamp timestampadd timestampdiff to_base64 to_days to_seconds trim truncate ucase "
    "unhex unix_timestamp unsigned upper using uuid_to_bin varchar week weekday weekofyear when year yearweek xor ";

/* Words that ask for the time, the session, a sequence or a table without a parenthesis. */
static const char asking[] =
    " current_date current_time current_timestamp current_user current_role localtime localtimestamp utc_date utc_time "
    "utc_timestamp next previous select table values with sysdate ";

static bool is_in(const char *list, const char *word, size_t length)
{
    BF_AUTO_STRING char *wanted = bf_format(" %.*s ", (int)length, word);
    for (char *p = wanted; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return strstr(list, wanted) != NULL;
}

struct word {
    char *text; /* owned */
    bool quoted, qualified; /* behind a dot */
    bool calls, empty;      /* a parenthesis follows; nothing is in it */
};

/* Words of an expression, read as each SQL mode may read it; some may be in it more than once. */
struct words {
    struct word *list; /* owned */
    size_t count, room;
};

static char *unquoted(const char *text, size_t length)
{
    struct bf_buffer buffer = {0};
    for (size_t i = 1; i + 1 < length; i++) {
        bf_buffer_append(&buffer, text + i, 1);
        i += text[i] == *text;
    }
    return bf_buffer_take(&buffer);
}

static void add_word(struct words *words, const char *expression, const char *text, size_t length)
{
    bool quoted = *text == '`' || *text == '"';
    const char *behind = text + length + strspn(text + length, " \t\r\n");
    if (words->count == words->room) {
        words->room = words->room ? 2 * words->room : 16;
        words->list = bf_reallocate(words->list, words->room * sizeof *words->list);
    }
    words->list[words->count++] = (struct word){.text = quoted ? unquoted(text, length) : bf_copy_bytes(text, length),
                                                .quoted = quoted,
                                                .qualified = text > expression && text[-1] == '.',
                                                .calls = *behind == '(',
                                                .empty = *behind == '(' && behind[1 + strspn(behind + 1, " \t\r\n")] == ')'};
}

static void read_words(const char *expression, const char *escapes, struct words *words)
{
    const char *text = expression;
    while (*text) {
        const char *next = text + 1;
        if (*text == '\'' || *text == '"' || *text == '`') {
            next = bf_mysql_skip_quoted(text, escapes);
            next = next ? next : text + strlen(text);
            if (*text != '\'')
                add_word(words, expression, text, (size_t)(next - text));
        } else if (bf_mysql_is_word(*text)) {
            while (bf_mysql_is_word(*next))
                next++;
            add_word(words, expression, text, (size_t)(next - text));
        }
        text = next;
    }
}

static struct words words_of(const char *expression)
{
    struct words words = {0};
    for (size_t i = 0; i < BF_MYSQL_ESCAPE_MODES; i++)
        read_words(expression, bf_mysql_escape_modes[i], &words);
    return words;
}

static void free_words(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->list[i].text);
    free(words->list);
}

/* Not one of the server's own that are known: what the database says of it counts. */
static bool is_asked_about(const struct word *word)
{
    return word->calls && (word->qualified || word->quoted || !is_in(steady, word->text, strlen(word->text)));
}

/* ---- what the server is asked first ---- */

#define SCHEMA "COALESCE(?<1, DATABASE())"

static void ask_about(struct bf_buffer *buffer, const char *expression)
{
    struct words words = words_of(expression ? expression : "");
    for (size_t i = 0; i < words.count; i++) {
        if (!is_asked_about(&words.list[i]))
            continue;
        bf_buffer_text(buffer, " UNION ALL SELECT 'unsure', ");
        bf_mysql_literal(buffer, words.list[i].text);
        bf_buffer_text(buffer, " FROM (SELECT COUNT(*) AS known, COUNT(IF(IS_DETERMINISTIC = 'YES' AND SQL_DATA_ACCESS IN ('NO SQL', "
                               "'CONTAINS SQL'), 1, NULL)) AS steady FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION' "
                               "AND ROUTINE_NAME = ");
        bf_mysql_literal(buffer, words.list[i].text);
        bf_buffer_text(buffer, ") f WHERE known = 0 OR steady < known");
    }
    free_words(&words);
}

char *bf_mysql_recompute_facts(const char *job, const struct bf_document *document)
{
    struct bf_buffer buffer = {0};
    bf_buffer_format(&buffer, "/* backfilld %s */ SELECT IF(COALESCE(GENERATION_EXPRESSION, '') = '', 'column', 'generated') AS what, "
                     "COLUMN_NAME AS name FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = " SCHEMA " AND TABLE_NAME = ?>1 ", job);
    bf_buffer_text(&buffer, "UNION ALL SELECT 'trigger', TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = " SCHEMA
                            " AND EVENT_OBJECT_TABLE = ?>1 AND EVENT_MANIPULATION = 'UPDATE' "
                            "UNION ALL SELECT 'trigger', '' FROM (SELECT 1) one WHERE NOT (" BF_MYSQL_MAY("TRIGGER", SCHEMA, "?>1") ")");
    for (size_t i = 0; i < document->set_count; i++)
        ask_about(&buffer, document->set[i].value);
    ask_about(&buffer, document->where);
    ask_about(&buffer, document->remaining);
    return bf_buffer_take(&buffer);
}

/* ---- one column ---- */

static bool mentions(const struct words *words, const char *name)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcasecmp(words->list[i].text, name) == 0)
            return true;
    return false;
}

/* NULL: it can be told. Owned. Without facts each function that the database may have of its own may ask for anything. */
static char *why_not(const struct words *words, const struct bf_answer *facts)
{
    for (size_t i = 0; i < words->count; i++) {
        const struct word *word = &words->list[i];
        if (!word->quoted && !word->qualified && is_in(asking, word->text, strlen(word->text)))
            return bf_format("has the word %s", word->text);
        bool unsure = is_asked_about(word) && (!facts || bf_recompute_fact(facts, BF_RECOMPUTE_UNSURE, word->text, strcasecmp));
        if (unsure || (word->calls && word->empty))
            return bf_format("calls %s(), which may ask for more than its arguments", word->text);
        if (facts && bf_recompute_fact(facts, BF_RECOMPUTE_GENERATED, word->text, strcasecmp))
            return bf_format("reads %s, which the server computes", word->text);
    }
    return NULL;
}

static bool is_one_of(const struct bf_column *columns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(columns[i].name, name) == 0)
            return true;
    return false;
}

/* A column that the expression may read and the journal does not keep; `set` and key are in the order of the table. */
static bool reads_others(const struct words *words, const struct bf_table *table, const struct bf_answer *facts)
{
    for (size_t row = 0; row < facts->rows; row++) {
        const char *name = bf_answer_value(facts, row, 1);
        if (strcmp(bf_answer_value(facts, row, 0), "column") == 0 && mentions(words, name) &&
            !is_one_of(table->set, table->set_count, name) && !is_one_of(table->key, table->key_count, name))
            return true;
    }
    return false;
}

/* Where a predicate gave another answer at the second look, a journal that a former release began may have a row that was kept and
 * then not changed. */
static bool predicate_is_steady(const char *predicate, const struct bf_answer *facts)
{
    struct words words = words_of(predicate ? predicate : "");
    BF_AUTO_STRING char *why = why_not(&words, facts);
    free_words(&words);
    return !why;
}

bool bf_mysql_is_steady(const char *predicate)
{
    return predicate_is_steady(predicate, NULL);
}

/* MariaDB has no type of JSON: by a constraint of the table it tells that a column is one, and the journal has no such constraint.
 * So json_array(column) puts a document into the array, and of the journal's column a text. */
static bool takes_for_json(const struct words *words, const struct bf_table *table, size_t column)
{
    if (table->locks_first || strncmp(table->set[column].type, "longtext", 8) != 0)
        return false;
    for (size_t i = 0; i < words->count; i++)
        if (words->list[i].calls && strncasecmp(words->list[i].text, "json_", 5) == 0)
            return true;
    return false;
}

static const char *doubt_of(const struct words *words, const struct bf_document *document, const struct bf_table *table,
                            const struct bf_answer *facts, size_t column)
{
    const char *trigger = bf_recompute_first(facts, BF_RECOMPUTE_TRIGGER);
    if (!predicate_is_steady(document->where, facts) || !predicate_is_steady(document->remaining, facts))
        return "a predicate may not have held any more when the row's turn came";
    if (trigger)
        return *trigger ? "triggers on UPDATE may have made it"
                        : "triggers may have made it, which the account may not see: GRANT TRIGGER on the table";
    if (reads_others(words, table, facts))
        return "it reads columns that the journal does not keep, and nobody can tell whether these were changed since";
    for (size_t i = 0; i < table->set_count; i++)
        if (i != column && mentions(words, table->set[i].name))
            return "it reads another column of `set`, and which of them is assigned first depends on the server's mode";
    if (takes_for_json(words, table, column))
        return "it may read a column of JSON, which the journal keeps as a text";
    return strncmp(table->set[column].type, "set(", 4) == 0 ? "a SET is stored in another form than it is written in" : NULL;
}

/* The row as it was before this column was assigned, as far as the expression reads it: the servers assign one column after the
 * other. Its name is the table's own. */
static void old_row(struct bf_buffer *buffer, const struct bf_table *table, const struct bf_answer *facts, const struct words *words,
                    size_t column)
{
    for (size_t i = 0; i < table->set_count; i++) {
        bf_buffer_text(buffer, i < column ? ", a." : ", b.");
        bf_mysql_image_name(buffer, i < column ? "after" : "before", &table->set[i], i);
        bf_buffer_text(buffer, " AS ");
        bf_mysql_quote(buffer, table->set[i].name);
    }
    for (size_t row = 0; row < facts->rows; row++) {
        const char *name = bf_answer_value(facts, row, 1);
        if (strcmp(bf_answer_value(facts, row, 0), "column") != 0 || !mentions(words, name) ||
            is_one_of(table->set, table->set_count, name))
            continue;
        bf_buffer_text(buffer, ", t.");
        bf_mysql_quote(buffer, name);
    }
}

/* Up to ?#1 changes of some entries, from anywhere in them. */
static void sample(struct bf_buffer *buffer, const char *job, const struct bf_table *table)
{
    bf_buffer_text(buffer, "(SELECT b.* FROM (SELECT slice, seq, part FROM ");
    bf_mysql_journal_name(buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_format(buffer, " GROUP BY slice, seq, part ORDER BY CRC32(seq), part LIMIT %d) e STRAIGHT_JOIN ", BF_RECOMPUTE_ENTRIES);
    bf_mysql_journal_name(buffer, job, BF_MYSQL_BEFORE);
    bf_buffer_text(buffer, " b ON b.slice = e.slice AND b.seq = e.seq AND b.part = e.part ORDER BY CRC32(CONCAT_WS('/', b.seq, b.place)) "
                           "LIMIT ?#1) b STRAIGHT_JOIN ");
    bf_mysql_journal_name(buffer, job, BF_MYSQL_AFTER);
    bf_buffer_text(buffer, " a ON ");
    bf_mysql_same_entry(buffer, table);
    BF_AUTO_STRING char *row = bf_mysql_aliased(table->reference);
    bf_buffer_format(buffer, " LEFT JOIN %s ON ", row);
    bf_mysql_image_join(buffer, table, "t.", "b.");
}

static char *statement(const char *job, const struct bf_document *document, const struct bf_table *table,
                       const struct bf_answer *facts, const struct words *words, size_t column)
{
    struct bf_buffer buffer = {0};
    char *schema = NULL, *name = NULL;
    bf_mysql_table_name(document->table, &schema, &name);
    bf_buffer_format(&buffer, "/* backfilld %s */ SELECT COUNT(*), COUNT(IF(backfilld_kept, NULL, 1)), COUNT(IF(backfilld_kept AND NOT "
                     "(", job);
    bf_mysql_recompute_same(&buffer, table->set[column].type);
    bf_buffer_text(&buffer, "), 1, NULL)), REPLACE(SUBSTRING_INDEX(GROUP_CONCAT(IF(backfilld_kept AND NOT (");
    bf_mysql_recompute_same(&buffer, table->set[column].type);
    bf_buffer_format(&buffer, "), backfilld_key, NULL) SEPARATOR 0x0A), CHAR(10), %d), CHAR(10), ', ') FROM (SELECT backfilld_key, "
                     "backfilld_kept, backfilld_after, (", BF_RECOMPUTE_KEYS);
    bf_mysql_author(&buffer, document->set[column].value);
    bf_buffer_text(&buffer, ") AS backfilld_new FROM (SELECT CAST(JSON_ARRAY(");
    bf_mysql_key_text(&buffer, table, "t.");
    bf_buffer_text(&buffer, ") AS CHAR) AS backfilld_key, t.");
    bf_mysql_quote(&buffer, table->key[0].name);
    bf_buffer_text(&buffer, " IS NOT NULL AND ");
    bf_mysql_image_all_same(&buffer, table, "after", "a.");
    bf_buffer_text(&buffer, " AS backfilld_kept, a.");
    bf_mysql_image_name(&buffer, "after", &table->set[column], column);
    bf_buffer_text(&buffer, " AS backfilld_after");
    old_row(&buffer, table, facts, words, column);
    bf_buffer_text(&buffer, " FROM ");
    sample(&buffer, job, table);
    bf_buffer_text(&buffer, " LIMIT 18446744073709551615) "); /* keeps it a table of its own, whatever the optimizer likes */
    bf_mysql_quote(&buffer, name ? name : "");
    bf_buffer_text(&buffer, ") backfilld_looked");
    free(schema);
    free(name);
    return bf_buffer_take(&buffer);
}

void bf_mysql_recompute(const char *job, const struct bf_document *document, const struct bf_table *table,
                        const struct bf_answer *facts, size_t column, struct bf_recompute *ret_recompute)
{
    struct words words = words_of(document->set[column].value);
    *ret_recompute = (struct bf_recompute){.untold = why_not(&words, facts)};
    if (!ret_recompute->untold) {
        ret_recompute->sql = statement(job, document, table, facts, &words, column);
        ret_recompute->doubt = doubt_of(&words, document, table, facts, column);
    }
    free_words(&words);
}
