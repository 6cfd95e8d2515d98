/* The parts of the dialect of MySQL and MariaDB, known to each other, and the grammar of its texts, known to the adapter
 * too. Pure.
 *
 * A text is a template, because these servers take several statements in one round trip but parameters in one statement
 * only:
 *   ?3    parameter 3 as a literal string, or NULL         ?#3   as a bare number        ?+3   as that number plus one
 *   ?s3   as a signed integer, ?u3 an unsigned one: the bare number, or a CAST of what is none
 *   ?<1   the database of parameter 1, a table's name as the author wrote it, or NULL; ?>1   the table's own name
 *   ?;    ends one of several statements of one step       ??    a question mark (in what the author wrote)
 *   ?{ ?} what stands between, with its parameters, as one literal string: a text to be prepared
 * A step's answer has the count of its first statement that gives no rows, and the rows of its last one that does. A
 * QUERY is no template: it is one statement, sent as it is.
 *
 * Keys travel as text; binary ones as hexadecimal digits. In shape 0 there is no low: its parameters keep their numbers,
 * are NULL and are not looked at. */
#ifndef BF_SQL_MYSQL_DIALECT_H
#define BF_SQL_MYSQL_DIALECT_H

#include "buffer.h"
#include "dialect.h"
#include "grammar.h"

/* mysql_template.c: what the adapter sends. */
/* Appends the text with its parameters; returns how many statements it is. */
size_t bf_mysql_expand(struct bf_buffer *buffer, const struct bf_step *step);
/* A literal string in which nothing ends it, whatever the server's SQL mode and character set. */
void bf_mysql_literal(struct bf_buffer *buffer, const char *text);
/* Appends what the author wrote, so that its question marks stay what they are. */
void bf_mysql_author(struct bf_buffer *buffer, const char *expression);
/* The same of a predicate, with :started_at replaced. */
void bf_mysql_author_predicate(struct bf_buffer *buffer, const char *predicate, int64_t started_at);
/* What a template without parameters says; it is empty afterwards. The caller frees the text. */
char *bf_mysql_plain(struct bf_buffer *template);
/* Appends five statements and `behind`: what stands in @backfilld_keys, between two templates without parameters, is
 * prepared and run; `behind` ("" or statements that end in ?;) comes right after that. Empties both. */
void bf_mysql_run_with_keys(struct bf_buffer *buffer, struct bf_buffer *before, struct bf_buffer *after, const char *behind);

/* mysql_key.c */
void bf_mysql_quote(struct bf_buffer *buffer, const char *name); /* `name` with inner quotes doubled */
enum bf_mysql_key_kind {
    BF_MYSQL_KEY_NONE, /* no key that a backfill walks by */
    BF_MYSQL_KEY_INTEGER, BF_MYSQL_KEY_DECIMAL, BF_MYSQL_KEY_STRING, BF_MYSQL_KEY_BINARY, BF_MYSQL_KEY_CAST
};
enum bf_mysql_key_kind bf_mysql_key_kind(const char *type); /* of a type as in bf_column.type */
/* `a`, `b` of the key, `prefix` before each, `suffix` behind each, beginning with column number `first`. */
void bf_mysql_key_list(struct bf_buffer *buffer, const struct bf_table *table, size_t first, const char *prefix,
                       const char *suffix);
/* The same, as it travels. */
void bf_mysql_key_output(struct bf_buffer *buffer, const struct bf_table *table, const char *prefix);
/* The same as texts of the server's making, which no type of a variable or union changes. */
void bf_mysql_key_text(struct bf_buffer *buffer, const struct bf_table *table, const char *prefix);
/* What makes a value of that key column of a literal between the two. */
void bf_mysql_key_value(struct bf_buffer *before, struct bf_buffer *behind, const struct bf_table *table, size_t column);
/* Parameter number first_parameter + column, as a value of that key column. */
void bf_mysql_key_parameter(struct bf_buffer *buffer, const struct bf_table *table, size_t column,
                            size_t first_parameter);
/* The same with the column's collation, for comparisons in which no column takes part. */
void bf_mysql_key_collated(struct bf_buffer *buffer, const struct bf_table *table, size_t column,
                           size_t first_parameter);

/* mysql_grammar.c */
extern const struct bf_grammar bf_mysql_grammar;

const char *bf_mysql_common(enum bf_statement statement);
/* The statements on the control schema, without the comment at their head; NULL for those about the table. */
const char *bf_mysql_control_statement(enum bf_statement statement);
extern const char *const bf_mysql_schema_ddl[];
enum { BF_MYSQL_SCHEMA_VERSION = 6 };

/* What makes one server this one, until the row in backfilld.meta says it for all that replicate from it. Whoever asks has
 * to get the same: a job may be planned by one account before another makes that row. */
#define BF_MYSQL_SERVER_IDENTITY \
    "SHA2(CONCAT_WS('/', @@hostname, @@port, @@datadir, @@server_id /*!80000 , @@server_uuid */), 256)"

/* Of a row of rights: our account has it. */
#define BF_MYSQL_GRANTEE "GRANTEE = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')"

/* Without PROCESS an account sees its own connections alone: what it does not see is not measured, and never zero. */
#define BF_MYSQL_SEES                                                                                                  \
    "EXISTS (SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'PROCESS' AND " BF_MYSQL_GRANTEE ")"

/* Has the account this right by itself, on all tables, on those of the database, or on the table? Which rights a role brings is
 * not told. `schema` and `table` are expressions. */
#define BF_MYSQL_MAY_ALL(right, schema)                                                                                \
    "EXISTS (SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE " BF_MYSQL_GRANTEE " AND PRIVILEGE_TYPE = '" right "') OR "   \
    "EXISTS (SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES WHERE " BF_MYSQL_GRANTEE " AND PRIVILEGE_TYPE = '" right "' "     \
    "AND " schema " LIKE TABLE_SCHEMA)"
#define BF_MYSQL_MAY(right, schema, table)                                                                             \
    BF_MYSQL_MAY_ALL(right, schema) " OR EXISTS (SELECT 1 FROM information_schema.TABLE_PRIVILEGES WHERE " BF_MYSQL_GRANTEE " "   \
    "AND PRIVILEGE_TYPE = '" right "' AND TABLE_SCHEMA = " schema " AND TABLE_NAME = " table ")"

/* Raises error 1242 when it is computed: what turns "no row" into an error of the server's own (P1). */
#define BF_MYSQL_RAISE "(SELECT 1 UNION SELECT 2)"
enum { BF_MYSQL_RAISED = 1242 };

/* Each session holds one of so many locks by name ("backfilld <job> <number>", "backfilld <job>/1 <number>" of another slice),
 * by which it is found when its daemon is gone: enough for its lives in quick succession. */
enum { BF_MYSQL_LOCK_COUNT = 8 };
#define BF_MYSQL_LOCK_NUMBERS                                                                                         \
    "(WITH RECURSIVE n (number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM n WHERE number < 7) SELECT number FROM n) numbers"
/* What the error means, by which of the `count` statements of the step raised it. */
enum bf_error_class bf_mysql_raised(enum bf_statement step, size_t statement, size_t count);
/* Is it that the server warned while rows were changed? */
bool bf_mysql_warned(enum bf_statement step, size_t statement, size_t count);

/* Newer servers have words where older ones have 0 and 1. An account with every right writes to a demoted primary all
 * the same, and what it writes there is lost: so whatever writes asks first, and a batch asks again before COMMIT. */
#define BF_MYSQL_WRITABLE "CAST(@@global.read_only AS CHAR) IN ('0', 'OFF')"
#define BF_MYSQL_ASK_FIRST "SELECT IF(" BF_MYSQL_WRITABLE ", 1, " BF_MYSQL_RAISE ")?; "

/* Splits "shop.orders", `shop`.`orders` or "orders" at the dot; false when it is no name. *ret_schema is NULL where
 * there is none. The caller frees both. */
bool bf_mysql_table_name(const char *text, char **ret_schema, char **ret_name);
void bf_mysql_check_expressions(const struct bf_document *document, struct bf_complaints *complaints);
/* Why a text is not one expression by itself; NULL when it is. */
const char *bf_mysql_expression_fault(const char *expression);

/* In which quotes a backslash takes the next character's meaning away, by the server's SQL mode. */
enum { BF_MYSQL_ESCAPE_MODES = 3 };
extern const char *const bf_mysql_escape_modes[BF_MYSQL_ESCAPE_MODES];
/* The end of the quoted text that begins at `text`, behind its quote; NULL when it is not closed. */
const char *bf_mysql_skip_quoted(const char *text, const char *escapes);
bool bf_mysql_is_word(char character);

/* The predicate with :started_at replaced; the caller frees it. */
char *bf_mysql_predicate(const char *predicate, int64_t started_at);
const char *bf_mysql_predicate_fault(const char *predicate);
void bf_mysql_check_query(const char *sql, const char *pointer, struct bf_complaints *complaints);
/* Why a text is not one query that only reads; NULL when it is. */
const char *bf_mysql_query_fault(const char *query);
char *bf_mysql_trial(const struct bf_document *document, const struct bf_table *table);
/* A table's reference without the FORCE INDEX of the key: which index is used is the server's choice. The caller frees it. */

/* mysql_render.c */
void bf_mysql_set(struct bf_buffer *buffer, const struct bf_document *document);   /* bf_author_set */
char *bf_mysql_spared(const char *job, const struct bf_table *table); /* as bf_dialect.spared */
void bf_mysql_where(struct bf_buffer *buffer, const struct bf_document *document); /* bf_author_where */
char *bf_mysql_tried(const struct bf_document *document, const struct bf_table *table, size_t split, size_t leg);
char *bf_mysql_without_index(const char *reference); /* the table's name alone; the caller frees it */
/* How many rows the statement before changed. It is -1 where nobody was there any more to be told, and what stands behind would
 * be carried out all the same: so it is an error, and nothing of it stays. */
#define BF_MYSQL_CHANGED "IF(ROW_COUNT() < 0, " BF_MYSQL_RAISE ", ROW_COUNT())"
/* Where a journal is kept: behind its statement before the UPDATE, which counts the rows that are about to be changed; and
 * behind the UPDATE. In a block of MariaDB (lib/adapter/mysql_block.c) each assignment is a statement of its own, and only the
 * first one knows the count of the statement before. */
#define BF_MYSQL_KEPT                                                                                                 \
    "SET @backfilld_kept = ROW_COUNT(), @backfilld_changed = @backfilld_changed + " BF_MYSQL_CHANGED ", @backfilld_place = 0"
#define BF_MYSQL_COUNT_KEPT BF_MYSQL_KEPT "?; "
#define BF_MYSQL_NO_WARNING "SET @backfilld_warned = IF(@@warning_count = 0, 0, " BF_MYSQL_RAISE ")?; "
/* Behind the last UPDATE of a transaction: sets down in the checkpoint how many rows it changed (%s: the job). */
#define BF_MYSQL_STORE_CHANGED                                                                                        \
    "?; UPDATE backfilld.checkpoint SET rows_changed = rows_changed + @backfilld_changed, rows_changed_counted = 1 "  \
    "WHERE job = '%s' AND slice = @backfilld_slice?; "                                                                \
    "SELECT IF(ROW_COUNT() = 1 AND " BF_MYSQL_WRITABLE ", 1, " BF_MYSQL_RAISE ")"

/* mysql_image.c: what a journal keeps of a row. Its columns are `key_id` and, by `what`, `before_n` or `after_n`; `row` and `kept`
 * stand before the names of the table's columns and the journal's ("t.", "b."). */
/* The type of a column in a journal that keeps so many; octets: of a string, at most. The caller frees it. */
char *bf_mysql_kept_type(const char *type, const char *charset, int64_t octets, size_t columns);
size_t bf_mysql_image_count(const struct bf_table *table); /* columns of `set`, and stamps */
void bf_mysql_image_name(struct bf_buffer *buffer, const char *what, const struct bf_column *column, size_t number);
void bf_mysql_image_key(struct bf_buffer *buffer, const struct bf_table *table, const char *kept); /* with a comma before each */
void bf_mysql_image_list(struct bf_buffer *buffer, const struct bf_table *table, const char *what, const char *kept);
void bf_mysql_image_values(struct bf_buffer *buffer, const struct bf_table *table, const char *row);
void bf_mysql_image_columns(struct bf_buffer *buffer, const struct bf_table *table, const char *what); /* of a CREATE TABLE */
void bf_mysql_image_join(struct bf_buffer *buffer, const struct bf_table *table, const char *row, const char *kept);
/* Is the value of one column, or of all in `set`, the one that is kept, byte for byte? Never NULL. */
void bf_mysql_image_same(struct bf_buffer *buffer, const struct bf_table *table, size_t number, const char *row, const char *what,
                         const char *kept);
void bf_mysql_image_all_same(struct bf_buffer *buffer, const struct bf_table *table, const char *what, const char *kept);
char *bf_mysql_aliased(const char *reference); /* the reference, under the name t; the caller frees it */

/* mysql_journal.c: the undo journal; the caller frees the texts. */
enum bf_mysql_image { BF_MYSQL_BEFORE, BF_MYSQL_AFTER };
void bf_mysql_journal_name(struct bf_buffer *buffer, const char *job, enum bf_mysql_image image);
char *bf_mysql_make_journal(const char *job, const struct bf_table *table);
/* What stands around a change, for a batch whose fence came before: what matches is written down (a predicate on the table
 * follows, and FOR UPDATE), the UPDATE is of nothing else (behind its WHERE), what the rows hold afterwards. `number`: an
 * expression; from the UPDATE on it is that in @backfilld_batch. */
/* `behind`: how many rows of the part have their places already, NULL: none. */
void bf_mysql_keep_before(struct bf_buffer *buffer, const char *job, const struct bf_table *table, size_t part, const char *number,
                          const char *behind);
void bf_mysql_kept_only(struct bf_buffer *buffer, const char *job, const struct bf_table *table, size_t part);
void bf_mysql_keep_after(struct bf_buffer *buffer, const char *job, const struct bf_table *table, size_t part);
/* In place of the last two, where bf_mysql_keeps_all() says that what matched once does so again. Behind the UPDATE: did it find as
 * many rows as were kept? In a session that counts what is found. Then, of a document that changes every row, what the rows of
 * the range hold; a predicate follows. */
bool bf_mysql_keeps_all(const struct bf_document *document);
extern const char bf_mysql_found_kept[];
void bf_mysql_keep_range(struct bf_buffer *buffer, const char *job, const struct bf_table *table, size_t part, const char *number);
char *bf_mysql_journal(enum bf_statement statement, const char *job); /* as bf_dialect.journal */

/* mysql_recompute.c: RECOMPUTE_FACTS, and as bf_dialect.recompute. mysql_recompute_same.c: never NULL. */
char *bf_mysql_recompute_facts(const char *job, const struct bf_document *document);
bool bf_mysql_is_steady(const char *predicate); /* it asks for nothing but the row's own columns; NULL is none */
void bf_mysql_recompute(const char *job, const struct bf_document *document, const struct bf_table *table,
                        const struct bf_answer *facts, size_t column, struct bf_recompute *ret_recompute);
void bf_mysql_recompute_same(struct bf_buffer *buffer, const char *type);

/* mysql_back.c: the way back; the caller frees the texts. */
void bf_mysql_same_entry(struct bf_buffer *buffer, const struct bf_table *table); /* the change a is the one that b is */
char *bf_mysql_restore(const char *job, const struct bf_table *table);
char *bf_mysql_leave(const char *job, const struct bf_table *table);
char *bf_mysql_compare_journal(const char *job, const struct bf_table *table);

/* mysql_proof.c: as bf_dialect.prove */
char *bf_mysql_prove(const struct bf_document *document, const struct bf_table *table, enum bf_proof part, size_t split, size_t leg);

/* mysql_bad.c: the quarantine; the caller frees the texts of the functions, COUNT_BAD and RETRY_BAD have no comment at their
 * head. */
char *bf_mysql_quarantine(const char *job, const struct bf_table *table, size_t split, size_t leg);
char *bf_mysql_quarantine_aside(const char *job);
extern const char bf_mysql_count_bad[], bf_mysql_retry_bad[], bf_mysql_bad_rows[], bf_mysql_drop_bad[];

/* mysql_foreign.c: KEEP_RECORD has no comment at its head. */
extern const char bf_mysql_foreign_jobs[], bf_mysql_foreign_job[], bf_mysql_foreign_slices[], bf_mysql_keep_record[];

/* mysql_locks.c */
/* Of the rows set aside: those that TAKE_ASIDE or WAIT_ASIDE looked at in this transaction, and those of them that it marked; the
 * variables outlive the statement. */
#define BF_MYSQL_BEHIND "(seq > @backfilld_seq OR (seq = @backfilld_seq AND number > @backfilld_number))"
#define BF_MYSQL_PICKED                                                                                               \
    "job = ?1 AND slice = ?#2 AND " BF_MYSQL_BEHIND                                                                   \
    " AND (seq < @backfilld_last_seq OR (seq = @backfilld_last_seq AND number <= @backfilld_last))"
#define BF_MYSQL_TAKEN BF_MYSQL_PICKED " AND FIND_IN_SET(CONCAT(seq, '.', number), @backfilld_taken) > 0"
/* A key as it is written down; the same text for the same key only, whatever the connection's collation. */
void bf_mysql_written(struct bf_buffer *buffer, const struct bf_table *table);
/* Of an UPDATE: on MariaDB it waits for no lock at all. */
#define BF_MYSQL_NO_WAIT "/*M! SET STATEMENT innodb_lock_wait_timeout = 0 FOR */ "
char *bf_mysql_lock(const char *job, const struct bf_document *document, const struct bf_table *table, size_t split,
                    size_t leg);
char *bf_mysql_set_aside(const char *job, const struct bf_document *document, const struct bf_table *table, size_t split,
                         size_t leg);
/* The UPDATE of the leg, but for what SET_ASIDE has set aside just now; it runs what that has prepared. */
char *bf_mysql_update_rest(const char *job, const struct bf_document *document, const struct bf_table *table, size_t leg);
/* mysql_stretch.c: expressions; the scan is the value that a look notes, needs @backfilld_key = NULL and @backfilld_breaks = 0, and
 * leaves @backfilld_stretches and @backfilld_rows; the list is what @backfilld_stretches is to become. */
bool bf_mysql_has_stretches(const struct bf_table *table);
void bf_mysql_stretch_scan(struct bf_buffer *buffer, const struct bf_table *table);
void bf_mysql_stretch_list(struct bf_buffer *buffer, const struct bf_table *table);
void bf_mysql_stretch_holes(struct bf_buffer *buffer, const struct bf_table *table);
void bf_mysql_stretch_most(struct bf_buffer *buffer, const struct bf_table *table);
void bf_mysql_stretch_lasts(struct bf_buffer *buffer, const struct bf_table *table);

/* mysql_locks.c */
char *bf_mysql_take_aside(const char *job, const struct bf_table *table);
char *bf_mysql_wait_aside(const char *job, const struct bf_table *table);
char *bf_mysql_redo_aside(const char *job, const struct bf_document *document, const struct bf_table *table);

/* mysql_watch.c */
extern const char bf_mysql_watch[], bf_mysql_watched[];

struct bf_statements *bf_mysql_render(const char *job, const struct bf_document *document,
                                      const struct bf_table *table);
void bf_mysql_survey(const struct bf_document *document, struct bf_flight *flight);
struct bf_table *bf_mysql_read_survey(const struct bf_document *document, const struct bf_answer *server,
                                      const struct bf_answer *answers, size_t count,
                                      struct bf_complaints *complaints);

extern const char bf_mysql_sample[], bf_mysql_sample_slow[], bf_mysql_sample_flow[];

/* mysql_replica.c */
extern const char bf_mysql_log_end[]; /* without the comment at its head */
extern const char bf_mysql_replica_hosts[], bf_mysql_log_readers[];
extern const char bf_mysql_replayed[], bf_mysql_beat[], bf_mysql_read_beat[], bf_mysql_replica_server[], bf_mysql_replica_status[],
    bf_mysql_log_written[];
bool bf_mysql_read_beat_answer(const struct bf_answer *answer, struct bf_beat_seen *ret_seen);
void bf_mysql_read_replication(const struct bf_answer *answer, struct bf_replication *ret_replication, char *words, size_t size);

/* mysql_slices.c. QUANTILES is several texts: the kind of each key column, then by BF_MYSQL_PART behind it the first row,
 * EXPLAIN of all rows, the comparison of two keys, and for each key column an EXPLAIN of (low, high] and the last row
 * that is not over high, by that column alone. The caller frees it. */
#define BF_MYSQL_PART "\x1f"
enum {
    BF_MYSQL_CUT_INTEGER = 'i', BF_MYSQL_CUT_DECIMAL = 'd', BF_MYSQL_CUT_TIME = 't', BF_MYSQL_CUT_HEX = 'h',
    BF_MYSQL_CUT_TEXT = 's', BF_MYSQL_CUT_NONE = '-', BF_MYSQL_CUT_MAX = 256
};
char *bf_mysql_quantiles(const char *job, const struct bf_table *table, const char *compare);
/* Some value from low on and under high, about in the middle, as the key's texts are; false: there is none. Where the server
 * has another order than the bytes it may be none of these, and the next attempt (from 0 on) is another one. */
bool bf_mysql_between(char kind, const char *low, const char *high, int attempt, char text[BF_MYSQL_CUT_MAX]);

/* mysql_binlog.c */
char *bf_mysql_binlog(const struct bf_table *table); /* a MEASURE of ?1, the table's database, and ?2, its name; owned */
void bf_mysql_read_binlog(const struct bf_document *document, const struct bf_answer *answer, struct bf_facts *facts);

/* mysql_measure.c */
extern const char bf_mysql_writes[], bf_mysql_mark[];
/* Of EXPLAIN: the rows; whether they are a guess, where the server has told whether it has histograms; is the key's index used? */
void bf_mysql_read_rows(const struct bf_document *document, const struct bf_answer *answer, enum bf_fact_name fact,
                        struct bf_facts *facts);
void bf_mysql_read_guess(const struct bf_document *document, const struct bf_answer *answer, struct bf_facts *facts);
void bf_mysql_read_boundary(const struct bf_answer *answer, struct bf_facts *facts);
char *bf_mysql_counted(const struct bf_document *document, const struct bf_table *table);
void bf_mysql_measure(const struct bf_document *document, const struct bf_table *table, struct bf_flight *flight,
                      char **ret_texts[], size_t *ret_count);
void bf_mysql_read_measure(const struct bf_document *document, const struct bf_answer *answers, size_t count,
                           struct bf_facts *facts);

#endif
