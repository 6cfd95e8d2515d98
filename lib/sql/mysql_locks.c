/* Rows that others hold, on InnoDB. A transaction of ours that waits for a lock while it holds rows makes deadlocks,
 * and their victim is who has changed less: the application (P6). So nothing is waited for while rows are held:
 *
 *   quick      MariaDB: the UPDATE with a lock timeout of zero. MySQL knows none under a second: LOCK first, NOWAIT
 *   otherwise  SET_ASIDE locks what is free (SKIP LOCKED) and notes its keys; the keys of what else is in the range are
 *              written down, in the same transaction; then the UPDATE of the rest, which SET_ASIDE has prepared
 *
 * MySQL: the UPDATE of the range meets the held rows on its way, but in READ COMMITTED the scan of a clustered index
 * shows the last committed version of a row that is locked, and lets go of it when the UPDATE does not want it
 * ("semi-consistent read"). Of another index no server does that, so a walk by a key that is not the primary one is made
 * smaller instead.
 *
 * MariaDB asks for a lock and takes the wish back, for that read and for SKIP LOCKED; whoever looks for a deadlock in
 * between finds one, and on a busy machine that may be long. With a lock timeout of zero it asks for no lock that it would not get
 * at once. So there the UPDATE has that, and goes to the free rows alone: one by one, or where the key is a number in stretches
 * (mysql_stretch.c). What reads a range to its end touches the row behind it. What skips has it, too (begin_skipping).
 *
 * What is set aside is found again by its key, which is written down as JSON. UPDATE ... JOIN would assign columns in
 * another way than UPDATE, so the keys go into the text of a statement; as hexadecimal digits, whatever they hold. */
#include "mysql_dialect.h"

#include <string.h>

#include "allocate.h"

enum {
    LIST_MAX = 16 * 1024 * 1024, /* bytes of keys; a list that does not fit is an error, never a shorter list */
    LEG_ROWS = 1000000000        /* numbers of the rows set aside by one leg */
};

void bf_mysql_written(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, "CAST(JSON_ARRAY(");
    bf_mysql_key_text(buffer, table, "");
    bf_buffer_text(buffer, ") AS CHAR) COLLATE utf8mb4_bin");
}

char *bf_mysql_spared(const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    bf_mysql_written(&buffer, table);
    bf_buffer_format(&buffer, " IN (SELECT CONVERT(`key` USING utf8mb4) COLLATE utf8mb4_bin FROM backfilld.aside WHERE job = '%s' "
                     "AND slice >= 0 UNION ALL SELECT CONVERT(`key` USING utf8mb4) COLLATE utf8mb4_bin FROM backfilld.bad_row "
                     "WHERE job = '%s')", job, job);
    return bf_buffer_take(&buffer);
}

/* Arguments of a CONCAT that makes the text of a value of the key column, of an expression that gives it as it travels. */
static void value_text(struct bf_buffer *buffer, const struct bf_table *table, size_t column, const char *before,
                       const char *expression)
{
    struct bf_buffer head = {0}, tail = {0};
    bf_buffer_text(&head, before);
    bf_mysql_key_value(&head, &tail, table, column);
    BF_AUTO_STRING char *type = bf_buffer_take(&tail);
    BF_AUTO_STRING char *begun = bf_buffer_take(&head), *from = bf_format("%s_utf8mb4 X'", begun);
    BF_AUTO_STRING char *to = bf_format("'%s", type);
    bf_mysql_literal(buffer, from);
    bf_buffer_format(buffer, ", HEX(%s), ", expression);
    bf_mysql_literal(buffer, to);
}

/* An expression that gives the column as it travels. The caller frees it. */
static char *travelling(const struct bf_table *table, size_t column)
{
    struct bf_buffer buffer = {0};
    bool binary = bf_mysql_key_kind(table->key[column].type) == BF_MYSQL_KEY_BINARY;
    bf_buffer_text(&buffer, binary ? "HEX(" : "CAST(");
    bf_mysql_quote(&buffer, table->key[column].name);
    bf_buffer_text(&buffer, binary ? ")" : " AS CHAR)");
    return bf_buffer_take(&buffer);
}

/* An expression that makes the text of a row, (7, X'00'), or of a predicate, (`a` = 7 AND `b` = X'00'), of the key that is
 * written down in `key`. */
static void point(struct bf_buffer *buffer, const struct bf_table *table, bool row)
{
    bf_buffer_text(buffer, "CONCAT('('");
    for (size_t i = 0; i < table->key_count; i++) {
        struct bf_buffer head = {0};
        bf_buffer_text(&head, !i ? "" : row ? ", " : " AND ");
        if (!row) {
            bf_mysql_quote(&head, table->key[i].name);
            bf_buffer_text(&head, " = ");
        }
        BF_AUTO_STRING char *before = bf_mysql_plain(&head);
        BF_AUTO_STRING char *part = bf_format("JSON_UNQUOTE(JSON_EXTRACT(`key`, '$[%zu]'))", i);
        bf_buffer_text(buffer, ", ");
        value_text(buffer, table, i, before, part);
    }
    bf_buffer_text(buffer, ", ')')");
}

/* Arguments of a CONCAT that makes the text of the value that the row itself has. */
static void own_value(struct bf_buffer *buffer, const struct bf_table *table, size_t column)
{
    BF_AUTO_STRING char *text = travelling(table, column);
    if (bf_mysql_key_kind(table->key[column].type) == BF_MYSQL_KEY_INTEGER)
        bf_buffer_text(buffer, text); /* digits are digits */
    else
        value_text(buffer, table, column, "", text);
}

#define LIST_LIMIT "SET SESSION group_concat_max_len = %d"
#define WHOLE_LIST "SELECT IF(@@warning_count = 0, 1, " BF_MYSQL_RAISE ")"

/* ---- a batch ---- */

/* MySQL alone: the rows that the UPDATE of the leg is about to change. */
char *bf_mysql_lock(const char *job, const struct bf_document *document, const struct bf_table *table, size_t split,
                    size_t leg)
{
    struct bf_buffer buffer = {0};
    const struct bf_range range = {table, split, 1, table->key_count + 1};

    bf_buffer_format(&buffer, "/* backfilld %s */ SELECT COUNT(*) FROM %s WHERE ", job, table->reference);
    bf_range_leg(&buffer, &bf_mysql_grammar, &range, leg);
    bf_mysql_where(&buffer, document);
    bf_buffer_text(&buffer, " FOR UPDATE NOWAIT");
    return bf_buffer_take(&buffer);
}

/* What varies in the leg: the last column alone, or the key. */
static bool last_alone(const struct bf_range *range, size_t leg)
{
    return bf_range_leg_prefix(range, leg) + 1 == range->table->key_count;
}

/* The rows of a leg that are changed: those that are not held, or each free one by its key, or most of the free ones in stretches
 * and then the last of each (mysql_stretch.c). */
enum rest { ALL_BUT_HELD, EACH_FREE, MOST_FREE, LAST_FREE };

/* Does the server have the choice of the last three? */
static bool has_stretches(const struct bf_range *range, size_t leg)
{
    return last_alone(range, leg) && bf_mysql_has_stretches(range->table);
}

/* As a part of a text: " AND [NOT ]((key) IN (what is in the variable))"; NULL when that is NULL. Without its parentheses a server
 * with HIGH_NOT_PRECEDENCE would ask which keys are zero. */
static void those(struct bf_buffer *buffer, const struct bf_range *range, bool alone, const char *not, const char *variable)
{
    bf_buffer_format(buffer, "CONCAT(?{ AND %s((", not);
    bf_mysql_key_list(buffer, range->table, alone ? range->table->key_count - 1 : 0, "", "");
    bf_buffer_format(buffer, ") IN (?}, %s, '))')", variable);
}

/* What the stretches say, which has to be whole, or where there are none the other expression. */
static void if_stretches(struct bf_buffer *buffer, const struct bf_table *table, void say(struct bf_buffer *, const struct bf_table *),
                         const char *otherwise)
{
    bf_buffer_text(buffer, "IF(@backfilld_stretches IS NOT NULL, COALESCE(");
    say(buffer, table);
    bf_buffer_format(buffer, ", " BF_MYSQL_RAISE "), %s)", otherwise);
}

/* A look that locks what is free, from here to where the value that it notes is written; `value` follows, FROM, and end_skipping.
 * Where MariaDB did not get a lock it keeps that in mind, and takes the whole transaction back at the end of a SELECT (error 1180),
 * unless the statement writes behind it: here into the checkpoint, whose row FENCE has locked, and which stays as it is. */
static void begin_skipping(struct bf_buffer *buffer, const char *job, const struct bf_table *table)
{
    if (table->locks_first)
        bf_buffer_text(buffer, "SELECT ");
    else
        bf_buffer_format(buffer, BF_MYSQL_NO_WAIT "INSERT INTO backfilld.checkpoint (job, slice, batch_rows, identity, definition, "
                         "updated_at, pass_found_before) SELECT '%s', @backfilld_slice, 0, '', '', NOW(6), ", job);
}

static void end_skipping(struct bf_buffer *buffer, const struct bf_table *table)
{
    bf_buffer_text(buffer, " FOR UPDATE SKIP LOCKED");
    if (!table->locks_first)
        bf_buffer_text(buffer, " ON DUPLICATE KEY UPDATE backfilld.checkpoint.slice = backfilld.checkpoint.slice");
}

/* The value: what goes into a variable. The caller frees it. */
static char *noted(const struct bf_table *table, const char *variable, const char *expression)
{
    return table->locks_first ? bf_format("%s INTO %s", expression, variable) : bf_format("LENGTH(%s := %s)", variable, expression);
}

/* Behind what is asked of the free rows: they are locked. */
static void of_free(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_range *range, size_t leg)
{
    bf_range_leg(buffer, &bf_mysql_grammar, range, leg);
    bf_mysql_where(buffer, document);
    end_skipping(buffer, range->table);
    bf_buffer_text(buffer, "?; SET @backfilld_warned = ");
}

/* The free rows of the leg, which are locked: in @backfilld_stretches, or where that is NULL their keys in @backfilld_free. A
 * warning is about a row (what the author wrote), or the list was cut: then it is as long as it may be. */
static void lock_free(struct bf_buffer *buffer, const char *job, const struct bf_document *document, const struct bf_range *range,
                      size_t leg)
{
    size_t n = range->table->key_count, first = last_alone(range, leg) ? n - 1 : 0;
    bool stretches = has_stretches(range, leg), single = first + 1 == n;
    if (stretches) {
        begin_skipping(buffer, job, range->table);
        bf_mysql_stretch_scan(buffer, range->table);
        bf_buffer_format(buffer, " FROM %s WHERE ", range->table->reference);
        of_free(buffer, document, range, leg);
        bf_buffer_text(buffer, "@@warning_count, @backfilld_stretches = ");
        bf_mysql_stretch_list(buffer, range->table);
        bf_buffer_text(buffer, "?; ");
    }
    struct bf_buffer list = {0};
    bf_buffer_format(&list, "GROUP_CONCAT(CONCAT('%s'", single ? "" : "(");
    for (size_t i = first; i < n; i++) {
        bf_buffer_text(&list, i > first ? ", ', ', " : ", ");
        own_value(&list, range->table, i);
    }
    bf_buffer_text(&list, single ? "))" : ", ')'))");
    BF_AUTO_STRING char *keys = bf_buffer_take(&list), *value = noted(range->table, "@backfilld_free", keys);
    begin_skipping(buffer, job, range->table);
    bf_buffer_format(buffer, "%s FROM %s WHERE %s", value, range->table->reference,
                     stretches ? "@backfilld_stretches IS NULL AND " : "");
    of_free(buffer, document, range, leg);
    bf_buffer_format(buffer, "%s@@warning_count?; SELECT IF(@backfilld_warned = 0 OR COALESCE(LENGTH(@backfilld_free), 0) >= %d, 1, "
                     BF_MYSQL_RAISE ")?; SELECT IF(@backfilld_warned = 0, 1, " BF_MYSQL_RAISE ")",
                     stretches ? "@backfilld_warned + " : "", LIST_MAX);
}

/* The predicate of the leg but for the rows that are not changed, to the end of a text that is prepared; without a document that
 * of its range. */
static void rest(struct bf_buffer *buffer, const struct bf_document *document, const struct bf_range *range, size_t leg,
                 enum rest which)
{
    bf_range_leg(buffer, &bf_mysql_grammar, range, leg);
    if (document)
        bf_mysql_where(buffer, document);
    bf_buffer_text(buffer, "?}, ");
    struct bf_buffer listed = {0};
    bf_buffer_text(&listed, "COALESCE(");
    if (which == ALL_BUT_HELD)
        those(&listed, range, false, "NOT ", "@backfilld_keys");
    else if (which == MOST_FREE)
        bf_buffer_text(&listed, "NULL");
    else
        those(&listed, range, last_alone(range, leg), "", "@backfilld_free");
    /* no text is no held row, or one that is longer than the server's limit of a text: then those are not to be changed, too */
    bf_buffer_text(&listed, which == ALL_BUT_HELD ? ", IF(@backfilld_keys IS NULL, '', " BF_MYSQL_RAISE "))" : ", ' AND FALSE')");
    BF_AUTO_STRING char *list = bf_buffer_take(&listed);
    if (which == MOST_FREE)
        if_stretches(buffer, range->table, bf_mysql_stretch_most, list);
    else if (which == LAST_FREE)
        if_stretches(buffer, range->table, bf_mysql_stretch_lasts, list);
    else
        bf_buffer_text(buffer, list);
    bf_buffer_text(buffer, ", ?{");
}

/* MariaDB: what goes by a list of keys reads no row but those, however many they are. By default the list that is too heavy is looked up
 * by fewer columns of the key, or not at all, and rows are met that others hold. */
#define BY_KEYS "optimizer_max_sel_arg_weight = 0"

/* An UPDATE, as backfilld_<name>_<leg>, and what a journal keeps before it, as backfilld_kept_<name>_<leg>. */
static void prepare(struct bf_buffer *buffer, const char *job, const struct bf_document *document, const struct bf_range *range,
                    size_t leg, enum rest which)
{
    const char *name = which == MOST_FREE ? "most" : "rest";
    if (document->undo == BF_UNDO_JOURNAL) {
        bf_buffer_format(buffer, "?; SET @backfilld_sql = CONCAT(?{/* backfilld %s */ %s", job,
                         which == ALL_BUT_HELD ? "" : "SET STATEMENT " BY_KEYS " FOR ");
        BF_AUTO_STRING char *most = bf_format("@backfilld_most_%zu", leg);
        bf_mysql_keep_before(buffer, job, range->table, leg, "@backfilld_batch", which == LAST_FREE ? most : NULL);
        rest(buffer, document, range, leg, which);
        /* the held rows stand in the range, and are set aside; the others are locked by now */
        bf_buffer_format(buffer, " FOR UPDATE SKIP LOCKED?})?; PREPARE backfilld_kept_%s_%zu FROM @backfilld_sql", name, leg);
    }
    bf_buffer_format(buffer, "?; SET @backfilld_sql = CONCAT(?{/* backfilld %s */ %sUPDATE %s SET ", job,
                     which == ALL_BUT_HELD ? "" : "SET STATEMENT innodb_lock_wait_timeout = 0, " BY_KEYS " FOR ", range->table->reference);
    bf_mysql_set(buffer, document);
    bf_buffer_text(buffer, " WHERE ");
    bool kept = document->undo == BF_UNDO_JOURNAL;
    rest(buffer, kept ? NULL : document, range, leg, which);
    if (kept)
        bf_mysql_kept_only(buffer, job, range->table, leg);
    bf_buffer_format(buffer, "?})?; PREPARE backfilld_%s_%zu FROM @backfilld_sql", name, leg);
}

/* Most of the rest, counted. In the journal the leg's last rows have their places behind these, and other legs' come between. */
static void change_most(struct bf_buffer *buffer, const struct bf_document *document, size_t leg)
{
    bool journal = document->undo == BF_UNDO_JOURNAL;
    BF_AUTO_STRING char *count = bf_format("@backfilld_most_%zu = ROW_COUNT(), @backfilld_changed = @backfilld_changed + "
                                           BF_MYSQL_CHANGED, leg);
    if (journal)
        bf_buffer_format(buffer, "?; EXECUTE backfilld_kept_most_%zu?; SET %s, @backfilld_place = 0", leg, count);
    bf_buffer_format(buffer, "?; EXECUTE backfilld_most_%zu?; SET %s%s@backfilld_warned = IF(@@warning_count = 0, 0, " BF_MYSQL_RAISE ")",
                     leg, journal ? "" : count, journal ? "" : ", ");
}

char *bf_mysql_set_aside(const char *job, const struct bf_document *document, const struct bf_table *table, size_t split,
                         size_t leg)
{
    struct bf_buffer buffer = {0};
    size_t n = table->key_count;
    const struct bf_range range = {table, split, 1, n + 1};
    bool alone = last_alone(&range, leg), one_by_one = !table->locks_first, stretches = has_stretches(&range, leg);
    long long first = (long long)leg * LEG_ROWS;
    BF_AUTO_STRING char *own = bf_format("job = ?%zu AND slice = ?#%zu AND seq = ?#%zu AND number > %lld", 2 * n + 1,
                                         2 * n + 2, 2 * n + 3, first);

    bf_buffer_format(&buffer, "/* backfilld %s */ " LIST_LIMIT "%s?; ", job, LIST_MAX,
                     stretches ? ", @backfilld_key = NULL, @backfilld_breaks = 0" : "");
    lock_free(&buffer, job, document, &range, leg);
    bf_buffer_format(&buffer, "?; SET @backfilld_sql = CONCAT(?{/* backfilld %s */ INSERT INTO backfilld.aside (job, slice, "
                     "seq, number, `key`, set_aside_at) SELECT ?%zu, ?#%zu, ?#%zu, %lld + ROW_NUMBER() OVER (), held, "
                     "NOW(6) FROM (SELECT ", job, 2 * n + 1, 2 * n + 2, 2 * n + 3, first);
    bf_mysql_written(&buffer, table);
    bf_buffer_format(&buffer, " AS held FROM %s WHERE ", table->reference);
    bf_range_leg(&buffer, &bf_mysql_grammar, &range, leg);
    bf_mysql_where(&buffer, document);
    bf_buffer_text(&buffer, "?}, ");
    struct bf_buffer listed = {0};
    bf_buffer_text(&listed, "COALESCE(");
    those(&listed, &range, alone, "NOT ", "@backfilld_free");
    bf_buffer_text(&listed, ", '')");
    BF_AUTO_STRING char *list = bf_buffer_take(&listed);
    if (stretches)
        if_stretches(&buffer, table, bf_mysql_stretch_holes, list);
    else
        bf_buffer_text(&buffer, list);
    bf_buffer_text(&buffer, ", ?{) backfilld_held?})?; PREPARE backfilld_keyed FROM @backfilld_sql?; EXECUTE backfilld_keyed");
    if (!one_by_one) {
        bf_buffer_text(&buffer, "?; SELECT GROUP_CONCAT(");
        point(&buffer, table, true);
        bf_buffer_format(&buffer, ") INTO @backfilld_keys FROM backfilld.aside WHERE %s?; " WHOLE_LIST, own);
    }
    prepare(&buffer, job, document, &range, leg, stretches ? LAST_FREE : one_by_one ? EACH_FREE : ALL_BUT_HELD);
    if (stretches) {
        prepare(&buffer, job, document, &range, leg, MOST_FREE);
        change_most(&buffer, document, leg);
    }
    BF_AUTO_STRING char *most = stretches ? bf_format(", @backfilld_most_%zu", leg) : NULL;
    bf_buffer_format(&buffer, "?; SELECT COUNT(*)%s FROM backfilld.aside WHERE %s", most ? most : "", own);
    return bf_buffer_take(&buffer);
}

char *bf_mysql_update_rest(const char *job, const struct bf_document *document, const struct bf_table *table, size_t leg)
{
    struct bf_buffer buffer = {0};
    bf_buffer_format(&buffer, "/* backfilld %s */ ", job);
    if (document->undo == BF_UNDO_JOURNAL)
        bf_buffer_format(&buffer, "EXECUTE backfilld_kept_rest_%zu?; " BF_MYSQL_COUNT_KEPT, leg);
    bf_buffer_format(&buffer, "EXECUTE backfilld_rest_%zu", leg);
    if (document->undo == BF_UNDO_JOURNAL) {
        bf_buffer_text(&buffer, "?; " BF_MYSQL_NO_WARNING);
        bf_mysql_keep_after(&buffer, job, table, leg);
    }
    return bf_buffer_take(&buffer);
}

/* ---- what was set aside ---- */

#define OF_JOB "job = ?1 AND slice = ?#2"
#define PICK_LAST(rows)                                                                                               \
    "?; SET @backfilld_last_seq = NULL, @backfilld_last = NULL?; "                                                    \
    "SELECT seq, number INTO @backfilld_last_seq, @backfilld_last FROM (SELECT seq, number FROM backfilld.aside "     \
    "WHERE " OF_JOB " AND " BF_MYSQL_BEHIND " ORDER BY seq, number LIMIT " rows ") picked ORDER BY seq DESC, number DESC LIMIT 1"

/* The predicate of all that is picked, or of those of them that `which` says, and how many they are. A list of numbers is
 * searched, where each row would go through the alternatives one by one. */
static void keys(struct bf_buffer *buffer, const struct bf_table *table, const char *which)
{
    bool listed = table->key_count == 1 && bf_mysql_key_kind(table->key[0].type) == BF_MYSQL_KEY_INTEGER;
    bf_buffer_text(buffer, "?; SELECT ");
    if (listed) {
        bf_buffer_text(buffer, "CONCAT(?{");
        bf_mysql_key_list(buffer, table, 0, "", "");
        bf_buffer_text(buffer, " IN (?}, ");
    }
    bf_buffer_text(buffer, "GROUP_CONCAT(");
    point(buffer, table, listed);
    bf_buffer_format(buffer, " SEPARATOR '%s')%s, GROUP_CONCAT(CONCAT(seq, '.', number)), COUNT(*) INTO @backfilld_keys, "
                     "@backfilld_taken, @backfilld_marked FROM backfilld.aside WHERE " BF_MYSQL_PICKED "%s?; " WHOLE_LIST,
                     listed ? ", " : " OR ", listed ? ", ')')" : "", which);
}

/* The picked rows that are there, as an expression that lists their keys. The caller frees it. */
static char *there(const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    bf_buffer_text(&buffer, "COALESCE(GROUP_CONCAT(");
    bf_mysql_written(&buffer, table);
    bf_buffer_text(&buffer, " SEPARATOR ''), '')");
    return bf_buffer_take(&buffer);
}

/* The same into a variable. */
static void look(struct bf_buffer *buffer, const char *job, const struct bf_table *table, const char *variable,
                 const char *how)
{
    struct bf_buffer head = {0}, tail = {0};
    BF_AUTO_STRING char *list = there(table);
    bf_buffer_format(&head, "/* backfilld %s */ SELECT %s INTO %s FROM %s WHERE (", job, list, variable, table->reference);
    bf_buffer_format(&tail, ")%s", how);
    bf_mysql_run_with_keys(buffer, &head, &tail, "");
}

/* Those that are free, into @backfilld_free. */
static void look_for_free(struct bf_buffer *buffer, const char *job, const struct bf_table *table)
{
    struct bf_buffer head = {0}, tail = {0};
    BF_AUTO_STRING char *list = there(table), *value = noted(table, "@backfilld_free", list);
    bf_buffer_format(&head, "/* backfilld %s */ ", job);
    begin_skipping(&head, job, table);
    bf_buffer_format(&head, "%s FROM %s WHERE (", value, table->reference);
    bf_buffer_text(&tail, ")");
    end_skipping(&tail, table);
    bf_mysql_run_with_keys(buffer, &head, &tail, "");
}

char *bf_mysql_take_aside(const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};

    bf_buffer_format(&buffer, "/* backfilld %s */ " LIST_LIMIT ", @backfilld_seq = ?#3, @backfilld_number = "
                     "CAST(CONCAT('0', ?4) AS SIGNED)" PICK_LAST("?#5"), job, LIST_MAX);
    keys(&buffer, table, "");
    look_for_free(&buffer, job, table);
    look(&buffer, job, table, "@backfilld_there", "");
    keys(&buffer, table, " AND (LOCATE(CAST(`key` AS BINARY), CAST(@backfilld_free AS BINARY)) > 0 OR "
                         "LOCATE(CAST(`key` AS BINARY), CAST(@backfilld_there AS BINARY)) = 0)"); /* by bytes: it is a long text */
    bf_buffer_text(&buffer, "?; SELECT @backfilld_marked, @backfilld_last_seq, @backfilld_last FROM DUAL "
                            "WHERE @backfilld_last_seq IS NOT NULL");
    return bf_buffer_take(&buffer);
}

/* The first one is waited for: that may take as long as the session's lock timeout, for nothing else is held. */
char *bf_mysql_wait_aside(const char *job, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};

    bf_buffer_format(&buffer, "/* backfilld %s */ " LIST_LIMIT ", @backfilld_seq = -1, @backfilld_number = 0" PICK_LAST("1"),
                     job, LIST_MAX);
    keys(&buffer, table, "");
    look(&buffer, job, table, "@backfilld_free", " FOR UPDATE");
    bf_buffer_text(&buffer, "?; SELECT @backfilld_marked");
    return bf_buffer_take(&buffer);
}

/* The UPDATE of what is taken, as far as it still is to be changed; `behind`: statements that follow it. */
static void change_taken(struct bf_buffer *buffer, const char *job, const struct bf_document *document,
                         const struct bf_table *table, const char *behind)
{
    struct bf_buffer head = {0}, tail = {0};
    bf_buffer_format(&head, "/* backfilld %s */ " BF_MYSQL_NO_WAIT "UPDATE %s SET ", job, table->reference);
    bf_mysql_set(&head, document);
    bf_buffer_text(&head, " WHERE (");
    bf_buffer_text(&tail, ")");
    if (document->undo == BF_UNDO_JOURNAL)
        bf_mysql_kept_only(&tail, job, table, 0);
    else
        bf_mysql_where(&tail, document);
    bf_mysql_run_with_keys(buffer, &head, &tail, behind);
}

/* The same between what a journal keeps of the rows before and after it. */
static void change_taken_kept(struct bf_buffer *buffer, const char *job, const struct bf_document *document,
                              const struct bf_table *table)
{
    struct bf_buffer head = {0}, tail = {0};
    bf_buffer_format(&head, "/* backfilld %s */ ", job);
    bf_mysql_keep_before(&head, job, table, 0, "@backfilld_batch", NULL);
    bf_buffer_text(&head, "(");
    bf_buffer_text(&tail, ")");
    bf_mysql_where(&tail, document);
    bf_buffer_text(&tail, " FOR UPDATE NOWAIT");
    bf_mysql_run_with_keys(buffer, &head, &tail, BF_MYSQL_COUNT_KEPT);
    change_taken(buffer, job, document, table, BF_MYSQL_NO_WARNING);
    bf_buffer_text(buffer, "?; ");
    bf_mysql_keep_after(buffer, job, table, 0);
}

/* What is taken is changed, struck off, and counted, in this transaction. */
char *bf_mysql_redo_aside(const char *job, const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};

    bf_buffer_format(&buffer, "/* backfilld %s */ SET @backfilld_changed = 0", job);
    if (document->undo == BF_UNDO_JOURNAL)
        change_taken_kept(&buffer, job, document, table);
    else
        change_taken(&buffer, job, document, table,
                     "SET @backfilld_changed = ROW_COUNT() + IF(@@warning_count = 0, 0, " BF_MYSQL_RAISE ")?; ");
    bf_buffer_format(&buffer,
                     "?; DELETE FROM backfilld.aside WHERE " BF_MYSQL_TAKEN "?; SET @backfilld_struck = ROW_COUNT()"
                     BF_MYSQL_STORE_CHANGED "?; SELECT @backfilld_changed, @backfilld_struck", job);
    return bf_buffer_take(&buffer);
}
