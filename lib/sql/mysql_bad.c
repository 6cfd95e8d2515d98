/* Rows that the server refuses to change, on InnoDB: the quarantine. See postgresql_bad.c. Which row a batch's UPDATE stumbled
 * over no server tells, and a warning (a value that was cut) comes when the statement is over: so here, too, each try stands
 * behind a savepoint. A key may be longer than what an index holds, so a row is known by the digest of its key. */
#include "mysql_dialect.h"

#include "allocate.h"

/* Behind an INSERT into the quarantine: a pass may meet a row again that is there already, then the newest error is what counts. */
static void newest(struct bf_buffer *buffer, const char *slice, const char *seq, size_t error, const char *then)
{
    bf_buffer_format(buffer, " ON DUPLICATE KEY UPDATE slice = %s, seq = %s, error = ?%zu, `sqlstate` = ?%zu, found_at = NOW(6)?; "
                     "SET @backfilld_written = ROW_COUNT()?; %s", slice, seq, error, error + 1, then);
}

#define BAD_COLUMNS "(job, digest, slice, seq, `key`, error, `sqlstate`, found_at)"

/* A row that was there counts twice in ROW_COUNT(), a new one once. Another leg of the same try may have written some; before the
 * first one no row has such a number. */
char *bf_mysql_quarantine(const char *job, const struct bf_table *table, size_t split, size_t leg)
{
    struct bf_buffer buffer = {0};
    size_t n = table->key_count, id = 2 * n + 1;
    const struct bf_range range = {table, split, 1, n + 1};
    BF_AUTO_STRING char *slice = bf_format("?#%zu", id + 1), *seq = bf_format("?#%zu + backfilld_number", id + 2);
    BF_AUTO_STRING char *count = bf_format("(SELECT COUNT(*) FROM backfilld.bad_row WHERE job = ?%zu AND slice = %s AND seq >= ?#%zu)",
                                           id, slice, id + 2);
    BF_AUTO_STRING char *rows = bf_format("SET @backfilld_rows = %s - @backfilld_rows?; "
                                          "SELECT @backfilld_rows, 2 * @backfilld_rows - @backfilld_written", count);

    bf_buffer_format(&buffer, "/* backfilld %s */ SET @backfilld_rows = %s?; INSERT INTO backfilld.bad_row " BAD_COLUMNS
                     " SELECT ?%zu, SHA2(backfilld_key, 256), %s, %s, backfilld_key, ?%zu, ?%zu, NOW(6) FROM (SELECT ", job, leg ? count : "0",
                     id, slice, seq, id + 3, id + 4);
    bf_mysql_written(&buffer, table);
    bf_buffer_text(&buffer, " AS backfilld_key, ROW_NUMBER() OVER (ORDER BY ");
    bf_mysql_key_list(&buffer, table, 0, "", "");
    bf_buffer_format(&buffer, ") - 1 AS backfilld_number FROM %s WHERE ", table->reference);
    bf_range_leg(&buffer, &bf_mysql_grammar, &range, leg);
    bf_buffer_text(&buffer, ") backfilld_bad");
    newest(&buffer, slice, seq, id + 3, rows);
    return bf_buffer_take(&buffer);
}

#define OF_SLICE "job = ?1 AND slice = ?#2"
#define SEQ "(SELECT seq FROM backfilld.checkpoint WHERE " OF_SLICE ")"

/* Of what TAKE_ASIDE or WAIT_ASIDE has marked; the variables outlive them. */
char *bf_mysql_quarantine_aside(const char *job)
{
    struct bf_buffer buffer = {0};

    bf_buffer_format(&buffer, "/* backfilld %s */ SET @backfilld_now = " SEQ "?; SET @backfilld_key = (SELECT MAX(`key`) FROM "
                     "backfilld.aside WHERE " BF_MYSQL_TAKEN ")?; INSERT INTO backfilld.bad_row " BAD_COLUMNS " SELECT ?1, "
                     "SHA2(`key`, 256), ?#2, @backfilld_now, `key`, ?3, ?4, NOW(6) FROM backfilld.aside WHERE " BF_MYSQL_TAKEN, job);
    newest(&buffer, "?#2", "@backfilld_now", 3,
           "DELETE FROM backfilld.aside WHERE " BF_MYSQL_TAKEN "?; SET @backfilld_rows = ROW_COUNT()?; "
           "SELECT @backfilld_rows, 2 * @backfilld_rows - @backfilld_written, @backfilld_key");
    return bf_buffer_take(&buffer);
}

const char bf_mysql_count_bad[] = "SELECT COUNT(*) FROM backfilld.bad_row WHERE " OF_SLICE;

/* Their numbers lie behind those that a batch gives to the rows of its legs. */
#define OURS "EXISTS (SELECT 1 FROM backfilld.checkpoint WHERE " OF_SLICE " AND epoch = ?#3 AND owner = ?4)"
const char bf_mysql_retry_bad[] =
    "INSERT INTO backfilld.aside (job, slice, seq, number, `key`, set_aside_at) SELECT ?1, ?#2, " SEQ
    ", 1000000000000 + ROW_NUMBER() OVER (ORDER BY seq), `key`, NOW(6) FROM backfilld.bad_row WHERE " OF_SLICE " AND " OURS "?; "
    "DELETE FROM backfilld.bad_row WHERE " OF_SLICE " AND " OURS;

const char bf_mysql_bad_rows[] =
    "/* backfilld */ SELECT slice, seq, `key`, error, `sqlstate`, "
    "CONCAT(SUBSTRING(DATE_FORMAT(found_at, '%Y-%m-%dT%H:%i:%s.%f'), 1, 23), 'Z') FROM backfilld.bad_row WHERE job = ?1 "
    "AND (slice > ?#2 OR (slice = ?#2 AND seq > ?#3)) ORDER BY slice, seq LIMIT ?#4";

const char bf_mysql_drop_bad[] = "/* backfilld */ " BF_MYSQL_ASK_FIRST "DELETE FROM backfilld.bad_row WHERE job = ?1";
