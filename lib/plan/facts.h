/* What was measured before a job starts. A plan knows a number, or it knows that it does not know it: nothing here has a
 * default. Pure. */
#ifndef BF_PLAN_FACTS_H
#define BF_PLAN_FACTS_H

#include <stdbool.h>
#include <stddef.h>

enum bf_unit { BF_UNIT_ROWS, BF_UNIT_BYTES, BF_UNIT_ROWS_PER_SECOND, BF_UNIT_SECONDS, BF_UNIT_COUNT, BF_UNIT_FLAG,
               BF_UNIT_PERCENT };

/* Facts that count by the million rows. */
enum { BF_FACT_MILLION = 1000000 };

/* What a fact is to a plan: without a mandatory one it is refused, without a wanted one it has a reason to be YELLOW; what is
 * only looked for where the engine has it (optional) is missing without a word. */
enum bf_need { BF_MANDATORY, BF_WANTED, BF_OPTIONAL };

/* X(CONSTANT, name, unit, need, what it is) */
#define BF_FACTS(X)                                                                                                    \
    X(ROWS, rows, ROWS, MANDATORY, "rows of the table, as the server estimates them")                                  \
    X(WRITE_RATE, write_rate, ROWS_PER_SECOND, MANDATORY, "rows of the table that others write per second")            \
    X(LOCK_WAITS, lock_contention, COUNT, MANDATORY, "sessions that wait for a lock of the table")                     \
    X(REPLICAS, replicas, COUNT, MANDATORY, "replicas that are heeded")                                                \
    X(TABLE_BYTES, table_bytes, BYTES, WANTED, "bytes of the table without its indexes")                               \
    X(INDEX_BYTES, index_bytes, BYTES, OPTIONAL, "bytes of the table's indexes")                                       \
    X(RANGE_ROWS, rows_in_range, ROWS, OPTIONAL, "rows between the ends of `range`, as the server estimates them")     \
    X(MATCHING, rows_matching, ROWS, WANTED, "rows that `where` asks for, as the server estimates them")               \
    X(MATCHING_GUESSED, rows_matching_guessed, FLAG, OPTIONAL, "the server has no statistics of what `where` looks at, and guesses") \
    X(MATCHING_EXACT, rows_matching_exact, ROWS, OPTIONAL, "rows that `where` asks for, counted")                      \
    X(REPLICATION_LAG, replication_lag, SECONDS, WANTED, "lag of the replica that is furthest behind")                 \
    X(REPLICAS_STOPPED, replicas_stopped, COUNT, OPTIONAL, "replicas that do not replicate, as they say themselves")  \
    X(NEWEST, newest_matching, ROWS, OPTIONAL, "of the hundred rows with the last keys, those that `where` asks for")  \
    X(TRIGGERS, triggers, COUNT, WANTED, "triggers that an update fires")                                              \
    X(INSERT_TRIGGERS, insert_triggers, COUNT, OPTIONAL, "triggers that may change a new row")                         \
    X(KEY_WRITERS, key_writers, COUNT, OPTIONAL, "signs that others change columns of the key: keys, statements")      \
    X(FOREIGN_KEYS, foreign_keys, COUNT, WANTED, "foreign keys, to or from, over a column of `set`")                   \
    X(UNIQUE_INDEXES, unique_indexes, COUNT, WANTED, "unique indexes over a column of `set`")                          \
    X(INDEXES, indexes, COUNT, WANTED, "other indexes over a column of `set`")                                         \
    X(HOT, hot_possible, FLAG, OPTIONAL, "a changed row may stay in its page, because no index holds a column of `set` (HOT)") \
    X(FILL, fillfactor, PERCENT, OPTIONAL, "share of a page that inserts fill; room for updates within the page")      \
    X(PUBLICATIONS, publications, COUNT, OPTIONAL, "publications that the table is in")                                \
    X(ALL_TABLES, publications_for_all_tables, COUNT, OPTIONAL, "publications FOR ALL TABLES")                         \
    X(LOGICAL_SLOTS, logical_slots, COUNT, OPTIONAL, "logical replication slots")                                      \
    X(OLDEST_TRANSACTION, oldest_transaction, SECONDS, WANTED, "age of the oldest transaction of others")              \
    X(VACUUM_OFF, autovacuum_off, FLAG, OPTIONAL, "autovacuum does not look after the table")                          \
    X(FREEZE_AGE, freeze_age, PERCENT, OPTIONAL, "age of the table as a share of autovacuum_freeze_max_age")           \
    X(STATEMENT_LOG, statement_binlog, FLAG, OPTIONAL, "the binary log holds statements, not rows")                    \
    X(ON_UPDATE, on_update_columns, COUNT, OPTIONAL, "columns that an update sets to the time by themselves")          \
    X(OTHER_TOOLS, other_tools, COUNT, WANTED, "signs that gh-ost, pt-online-schema-change or pg_repack is at the table") \
    X(MULTI_WRITER, multi_writer, FLAG, OPTIONAL, "the server is one of a cluster that writes on several nodes")       \
    X(UNCOVERED, columns_without_default, COUNT, WANTED, "columns of `set` that new rows get no default for")          \
    X(DISK_FREE, disk_free, BYTES, OPTIONAL, "bytes that are free for the database")                                   \
    X(TRIAL_BATCHES, trial_batches, COUNT, WANTED, "batches that were tried and rolled back")                          \
    X(TRIAL_ROWS, trial_rows, ROWS, WANTED, "rows that these scanned")                                                 \
    X(TRIAL_CHANGED, trial_changed, ROWS, WANTED, "rows that these changed")                                           \
    X(TRIAL_SECONDS, trial_seconds, SECONDS, WANTED, "time that these took on the server")                             \
    X(TRIAL_BATCH_TIME, trial_batch_seconds, SECONDS, OPTIONAL, "of that, for each batch, however few rows it has")    \
    X(TRIAL_ROW_TIME, trial_million_seconds, SECONDS, OPTIONAL, "of that, for a million rows more")                    \
    X(TRIAL_WARM_TIME, trial_warm_million_seconds, SECONDS, OPTIONAL, "for a million rows of pages that were touched just before") \
    X(TRIAL_LOG, trial_log_bytes, BYTES, OPTIONAL, "bytes that these added to the server's log")                       \
    X(TRIAL_ROW_LOG, trial_million_log_bytes, BYTES, OPTIONAL, "of that, for a million rows, as the largest batch had it") \
    X(TRIAL_WARM_LOG, trial_warm_million_log_bytes, BYTES, OPTIONAL, "the same of pages that were touched just before") \
    X(BINLOG_ROW, binlog_row_bytes, BYTES, OPTIONAL, "bytes that a changed row takes in the binary log, by a row's length and binlog_row_image") \
    X(TRIAL_CONFLICTS, trial_conflicts, COUNT, WANTED, "of these that met a row which others had locked, or waited for") \
    X(TRIAL_ERRORS, trial_errors, COUNT, OPTIONAL, "of these that the server refused")                                 \
    X(KEY_USED, boundary_by_key, FLAG, WANTED, "the end of a batch is found through the key's index")                  \
    X(PROVEN, rollback_proven, FLAG, OPTIONAL, "the rows of the trial came back byte for byte")                        \
    X(JOURNAL_ROW, journal_row_bytes, BYTES, OPTIONAL, "bytes that the undo journal takes for a row as those of the trial are")

enum bf_fact_name {
#define X(constant, name, unit, need, says) BF_FACT_##constant,
    BF_FACTS(X)
#undef X
        BF_FACT_COUNT
};

struct bf_fact {
    bool known;
    double value;
    char *detail; /* owned; names of what was counted, or why it is not known; NULL: nothing to say */
};

struct bf_facts {
    struct bf_fact of[BF_FACT_COUNT];
};

void bf_facts_set(struct bf_facts *facts, enum bf_fact_name name, double value, const char *detail); /* detail is copied */
void bf_facts_unknown(struct bf_facts *facts, enum bf_fact_name name, const char *why);               /* why is copied */
void bf_facts_clear(struct bf_facts *facts);

static inline bool bf_fact_over(const struct bf_facts *facts, enum bf_fact_name name, double limit)
{
    return facts->of[name].known && facts->of[name].value > limit;
}

const char *bf_fact_text(enum bf_fact_name name); /* "write_rate" */
enum bf_need bf_fact_need(enum bf_fact_name name);
bool bf_fact_by_text(const char *text, enum bf_fact_name *ret_name); /* false: there is no such fact */
/* For people, with its unit: "1,200 rows", "3.5 GiB", "yes". Owned by the caller. */
char *bf_fact_format(enum bf_fact_name name, double value);

#endif
