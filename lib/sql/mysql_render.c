/* Every statement of one job on one table. The table's reference brings FORCE INDEX with it: a batch is a range of the
 * key, whatever the optimizer thinks of the rest.
 *
 * Legs are joined by UNION ALL in key order, each ordered and limited by itself: see postgresql_render.c. Should the
 * server ever read them in another order, a boundary would be another key after low: a batch of another size, never a
 * missed row. */
#include "mysql_dialect.h"

#include <string.h>

#include "allocate.h"

struct render {
    const char *job;
    const struct bf_document *document;
    const struct bf_table *table;
};

static void begin(const struct render *render, struct bf_buffer *buffer)
{
    bf_buffer_format(buffer, "/* backfilld %s */ ", render->job);
}

void bf_mysql_where(struct bf_buffer *buffer, const struct bf_document *document)
{
    bf_author_where(buffer, &bf_mysql_grammar, document);
}

static void where(const struct render *render, struct bf_buffer *buffer)
{
    bf_mysql_where(buffer, render->document);
}

void bf_mysql_set(struct bf_buffer *buffer, const struct bf_document *document)
{
    bf_author_set(buffer, &bf_mysql_grammar, document);
}

char *bf_mysql_without_index(const char *reference)
{
    static const char force[] = " FORCE INDEX (";
    const char *end = NULL;
    for (const char *at = strstr(reference, force); at; at = strstr(at + 1, force))
        end = at;
    return end ? bf_format("%.*s", (int)(end - reference), reference) : bf_copy_string(reference);
}

/* The first key column in which low and the found key k differ. */
static void split_of(const struct render *render, struct bf_buffer *buffer, size_t low)
{
    const struct bf_table *table = render->table;
    if (table->key_count > 1)
        bf_buffer_text(buffer, "CASE");
    for (size_t i = 0; i + 1 < table->key_count; i++) {
        bf_buffer_text(buffer, " WHEN k.");
        bf_mysql_quote(buffer, table->key[i].name);
        bf_buffer_text(buffer, " <> ");
        bf_mysql_key_parameter(buffer, table, i, low);
        bf_buffer_format(buffer, " THEN %zu", i + 1);
    }
    bf_buffer_format(buffer, table->key_count > 1 ? " ELSE %zu END" : "%zu", table->key_count);
}

/* How many rows the batch changed is counted leg by leg, and set down by the last leg in the same transaction. A
 * warning (a value that was cut, a text that was no number) is an error. Statements 0 to 3 of the step. */
#define COUNT_CHANGED                                                                                                 \
    "?; SET @backfilld_changed = @backfilld_changed + ROW_COUNT() + IF(@@warning_count = 0, 0, " BF_MYSQL_RAISE ")"

static void change(const struct render *render, struct bf_buffer *buffer, size_t split, size_t leg, bool of_kept)
{
    struct bf_range range = {render->table, split, 1, render->table->key_count + 1};

    bf_buffer_format(buffer, BF_MYSQL_NO_WAIT "UPDATE %s SET ", render->table->reference);
    bf_mysql_set(buffer, render->document);
    bf_buffer_text(buffer, " WHERE ");
    bf_range_leg(buffer, &bf_mysql_grammar, &range, leg);
    if (of_kept)
        bf_mysql_kept_only(buffer, render->job, render->table, leg);
    else
        where(render, buffer);
}

static char *update(const struct render *render, size_t split, size_t leg)
{
    struct bf_buffer buffer = {0};
    begin(render, &buffer);
    change(render, &buffer, split, leg, false);
    return bf_buffer_take(&buffer);
}

/* The same between what a journal keeps of the rows before and after it (mysql_journal.c). MariaDB takes no NOWAIT in a block
 * (lib/adapter/mysql_block.c). */
static char *update_kept(const struct render *render, size_t split, size_t leg, bool block)
{
    struct bf_buffer buffer = {0};
    bool counted = bf_mysql_keeps_all(render->document);
    struct bf_range range = {render->table, split, 1, render->table->key_count + 1};
    BF_AUTO_STRING char *own = bf_format("?#%zu", range.high + render->table->key_count + 2);

    begin(render, &buffer);
    bf_buffer_text(&buffer, block ? BF_MYSQL_NO_WAIT : "");
    bf_mysql_keep_before(&buffer, render->job, render->table, leg, own, NULL);
    bf_range_leg(&buffer, &bf_mysql_grammar, &range, leg);
    where(render, &buffer);
    bf_buffer_format(&buffer, " FOR UPDATE %s?; " BF_MYSQL_KEPT ", @backfilld_batch = %s?; ",
                     block ? "/*!80000 NOWAIT */" : "NOWAIT", own);
    change(render, &buffer, split, leg, !counted);
    bf_buffer_text(&buffer, "?; ");
    bf_buffer_text(&buffer, counted ? bf_mysql_found_kept : BF_MYSQL_NO_WARNING);
    if (!bf_document_selects(render->document)) {
        bf_mysql_keep_range(&buffer, render->job, render->table, leg, own);
        bf_range_leg(&buffer, &bf_mysql_grammar, &range, leg);
    } else {
        bf_mysql_keep_after(&buffer, render->job, render->table, leg);
    }
    return bf_buffer_take(&buffer);
}

char *bf_mysql_tried(const struct bf_document *document, const struct bf_table *table, size_t split, size_t leg)
{
    return update(&(struct render){.job = "plan", .document = document, .table = table}, split, leg);
}

/* Behind the UPDATE of a leg; frees its text. */
static char *counted(const struct render *render, size_t split, size_t leg, char *text)
{
    struct bf_buffer buffer = {0};
    bf_buffer_text(&buffer, text);
    free(text);
    if (render->document->undo != BF_UNDO_JOURNAL)
        bf_buffer_text(&buffer, COUNT_CHANGED);
    if (leg + 1 == bf_leg_count(split, render->table->key_count))
        bf_buffer_format(&buffer, BF_MYSQL_STORE_CHANGED, render->job);
    return bf_buffer_take(&buffer);
}

static char *attempt(const struct render *render, size_t split, size_t leg)
{
    bool journal = render->document->undo == BF_UNDO_JOURNAL;
    BF_AUTO_STRING char *text = journal ? update_kept(render, split, leg, true) : update(render, split, leg);
    return bf_format("%s%s", text, journal ? "?; SELECT @backfilld_kept, 0"
                                           : "?; SET @backfilld_tried = ROW_COUNT() + IF(@@warning_count = 0, 0, " BF_MYSQL_RAISE
                                             ")?; SELECT @backfilld_tried, 0");
}

/* k: the n-th row from the start, after low in the last column (both of a boundary), or of a range (cap). `count` is the
 * number of the parameter n - 1. */
struct pick {
    const struct bf_range *range; /* NULL: everything after low, or from the start */
    size_t shape, legs, count;
};

static void pick_leg(const struct render *render, struct bf_buffer *buffer, const struct pick *pick, size_t leg)
{
    size_t n = render->table->key_count, fixed = 0;

    bf_buffer_text(buffer, "SELECT ");
    bf_mysql_key_list(buffer, render->table, 0, "", "");
    bf_buffer_format(buffer, " FROM %s", render->table->reference);
    if (pick->range) {
        fixed = bf_range_leg_prefix(pick->range, leg);
        bf_buffer_text(buffer, " WHERE ");
        bf_range_leg(buffer, &bf_mysql_grammar, pick->range, leg);
        where(render, buffer);
    } else if (pick->shape) {
        fixed = n - 1 - leg;
        bf_buffer_text(buffer, " WHERE ");
        bf_range_after(buffer, &bf_mysql_grammar, render->table, fixed, 1);
    }
    bf_buffer_text(buffer, " ORDER BY ");
    bf_mysql_key_list(buffer, render->table, fixed, "", "");
}

static void pick_row(const struct render *render, struct bf_buffer *buffer, const struct pick *pick)
{
    bf_buffer_text(buffer, " FROM (");
    if (pick->legs == 1) {
        pick_leg(render, buffer, pick, 0);
    } else {
        for (size_t leg = 0; leg < pick->legs; leg++) {
            bf_buffer_text(buffer, leg ? " UNION ALL (" : "(");
            pick_leg(render, buffer, pick, leg);
            bf_buffer_format(buffer, " LIMIT ?+%zu)", pick->count);
        }
    }
    bf_buffer_format(buffer, " LIMIT ?#%zu, 1) k", pick->count);
}

/* Of the row with the columns `prefix`...: is it at the end of the range, and what time is it. */
static void beyond_and_clock(const struct render *render, struct bf_buffer *buffer, const char *prefix)
{
    bf_range_beyond(buffer, &bf_mysql_grammar, render->table, prefix);
    bf_buffer_text(buffer, ", UNIX_TIMESTAMP(NOW(6)) AS clock");
}

static void variables(struct bf_buffer *buffer, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bf_buffer_format(buffer, "%s@backfilld_%zu", i ? ", " : "", i + 1);
}

/* The row among those that share all but the last column with low, where it nearly always is. MariaDB reads every leg of
 * a union to its own limit, however soon the union has enough, so there the legs are opened only when it is not here.
 * MySQL stops by itself, and skips this. */
static void boundary_near(const struct render *render, struct bf_buffer *buffer)
{
    size_t n = render->table->key_count;
    const struct pick near = {NULL, 1, 1, 2 * n + 1};

    bf_buffer_text(buffer, "SET @backfilld_1 = NULL?; SELECT ");
    bf_mysql_key_text(buffer, render->table, "k.");
    bf_buffer_format(buffer, ", %zu, ", n);
    beyond_and_clock(render, buffer, "k.");
    bf_buffer_text(buffer, " INTO ");
    variables(buffer, n + 3);
    pick_row(render, buffer, &near);
    bf_buffer_text(buffer, " /*!80000 WHERE FALSE */?; SELECT ");
    variables(buffer, n + 3);
    bf_buffer_text(buffer, " FROM DUAL WHERE @backfilld_1 IS NOT NULL?; ");
}

/* Every leg, as a union of its own: within a SELECT the servers would write it down first. The adapter keeps the row of
 * boundary_near where this has none. */
static char *boundary_of_legs(const struct render *render)
{
    struct bf_buffer buffer = {0};
    const struct bf_table *table = render->table;
    size_t n = table->key_count, count = 2 * n + 1;

    begin(render, &buffer);
    boundary_near(render, &buffer);
    for (size_t leg = 0; leg < n; leg++) {
        size_t fixed = n - 1 - leg;
        bf_buffer_text(&buffer, leg ? " UNION ALL (SELECT " : "(SELECT ");
        bf_mysql_key_output(&buffer, table, "");
        bf_buffer_format(&buffer, ", %zu AS split, ", fixed + 1);
        beyond_and_clock(render, &buffer, "");
        bf_buffer_format(&buffer, " FROM %s WHERE ", table->reference);
        bf_range_after(&buffer, &bf_mysql_grammar, table, fixed, 1);
        bf_buffer_text(&buffer, " AND @backfilld_1 IS NULL ORDER BY ");
        bf_mysql_key_list(&buffer, table, fixed, "", "");
        bf_buffer_format(&buffer, " LIMIT ?+%zu)", count);
    }
    bf_buffer_format(&buffer, " LIMIT ?#%zu, 1", count);
    return bf_buffer_take(&buffer);
}

/* shape 1 of a key of one column, or the first rows of the table */
static char *boundary(const struct render *render, size_t shape)
{
    struct bf_buffer buffer = {0};
    size_t n = render->table->key_count;
    const struct pick pick = {NULL, shape, 1, 2 * n + 1};

    if (shape && n > 1)
        return boundary_of_legs(render);
    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT ");
    bf_mysql_key_output(&buffer, render->table, "k.");
    bf_buffer_format(&buffer, ", %d AS split, ", shape ? 1 : 0);
    beyond_and_clock(render, &buffer, "k.");
    pick_row(render, &buffer, &pick);
    return bf_buffer_take(&buffer);
}

static char *cap(const struct render *render, size_t split)
{
    struct bf_buffer buffer = {0};
    size_t n = render->table->key_count;
    const struct bf_range range = {render->table, split, 1, n + 1};
    const struct pick pick = {&range, split, bf_leg_count(split, n), range.high + n};

    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT ");
    bf_mysql_key_output(&buffer, render->table, "k.");
    bf_buffer_text(&buffer, ", ");
    if (split)
        split_of(render, &buffer, 1);
    else
        bf_buffer_text(&buffer, "0");
    bf_buffer_text(&buffer, " AS split");
    pick_row(render, &buffer, &pick);
    return bf_buffer_take(&buffer);
}

/* The sum of the rows of each leg; with `limit` (the number of a parameter) those that match where, of each leg no
 * more than so many. */
static char *count(const struct render *render, size_t split, size_t limit)
{
    struct bf_buffer buffer = {0};
    size_t n = render->table->key_count;
    const struct bf_range range = {render->table, split, 1, n + 1};

    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT ");
    for (size_t leg = 0; leg < bf_leg_count(split, n); leg++) {
        bf_buffer_format(&buffer, "%s(SELECT COUNT(*) FROM %s%s WHERE ", leg ? " + " : "",
                         limit ? "(SELECT 1 FROM " : "", render->table->reference);
        bf_range_leg(&buffer, &bf_mysql_grammar, &range, leg);
        if (limit) {
            where(render, &buffer);
            bf_buffer_format(&buffer, " LIMIT ?#%zu) matching", limit);
        }
        bf_buffer_text(&buffer, ")");
    }
    return bf_buffer_take(&buffer);
}

static char *split(const struct render *render, size_t shape)
{
    struct bf_buffer buffer = {0};
    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT ");
    bf_range_split(&buffer, &bf_mysql_grammar, render->table, shape);
    return bf_buffer_take(&buffer);
}

static char *end(const struct render *render)
{
    struct bf_buffer buffer = {0};
    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT ");
    bf_mysql_key_output(&buffer, render->table, "");
    bf_buffer_format(&buffer, " FROM %s ORDER BY ", render->table->reference);
    bf_mysql_key_list(&buffer, render->table, 0, "", " DESC");
    bf_buffer_text(&buffer, " LIMIT 1");
    return bf_buffer_take(&buffer);
}

static void render_journal(const struct render *render, struct bf_statements *statements)
{
    static const enum bf_statement without_table[] = {BF_STATEMENT_LOOK_BACK, BF_STATEMENT_JOURNAL_SIZE};
    char **text = statements->text;

    text[BF_STATEMENT_MAKE_JOURNAL] = bf_mysql_make_journal(render->job, render->table);
    text[BF_STATEMENT_RESTORE] = bf_mysql_restore(render->job, render->table);
    text[BF_STATEMENT_LEAVE] = bf_mysql_leave(render->job, render->table);
    text[BF_STATEMENT_COMPARE_JOURNAL] = bf_mysql_compare_journal(render->job, render->table);
    text[BF_STATEMENT_RECOMPUTE_FACTS] = bf_mysql_recompute_facts(render->job, render->document);
    for (size_t i = 0; i < BF_COUNT(without_table); i++)
        text[without_table[i]] = bf_mysql_journal(without_table[i], render->job);
}

/* RECOUNT has no text: the transaction itself sets down how many rows it changed. */
struct bf_statements *bf_mysql_render(const char *job, const struct bf_document *document,
                                      const struct bf_table *table)
{
    const struct render render = {job, document, table};
    struct bf_statements *statements = BF_NEW(struct bf_statements);
    size_t n = table->key_count;
    bool journal = document->undo == BF_UNDO_JOURNAL;

    statements->key_count = n;
    for (enum bf_statement statement = 0; statement < BF_STATEMENT_KINDS; statement++) {
        const char *text = bf_mysql_control_statement(statement);
        if (text)
            statements->text[statement] = bf_format("/* backfilld %s */ %s", job, text);
    }
    statements->text[BF_STATEMENT_END] = end(&render);
    statements->text[BF_STATEMENT_TAKE_ASIDE] = bf_mysql_take_aside(job, table);
    statements->text[BF_STATEMENT_WAIT_ASIDE] = bf_mysql_wait_aside(job, table);
    statements->text[BF_STATEMENT_REDO_ASIDE] = bf_mysql_redo_aside(job, document, table);
    if (journal)
        render_journal(&render, statements);
    statements->text[BF_STATEMENT_KEYS] = bf_range_keys(&bf_mysql_grammar, job, table);
    statements->text[BF_STATEMENT_QUARANTINE_ASIDE] = bf_mysql_quarantine_aside(job);
    for (size_t shape = 0; shape < 2; shape++) {
        statements->boundary[shape] = boundary(&render, shape);
        statements->split[shape] = split(&render, shape);
    }
    statements->text[BF_STATEMENT_QUANTILES] = bf_mysql_quantiles(job, table, statements->split[1]);
    for (size_t shape = 0; shape <= n; shape++) {
        for (size_t leg = 0; leg < bf_leg_count(shape, n); leg++) {
            statements->quarantine[shape][leg] = bf_mysql_quarantine(job, table, shape, leg);
            statements->update[shape][leg] =
                counted(&render, shape, leg, journal ? update_kept(&render, shape, leg, false) : update(&render, shape, leg));
            statements->attempt[shape][leg] = attempt(&render, shape, leg);
            if (table->locks_first && !journal)
                statements->lock[shape][leg] = bf_mysql_lock(job, document, table, shape, leg);
            if (!table->clustered)
                continue; /* see mysql_locks.c */
            statements->update_rest[shape][leg] = counted(&render, shape, leg, bf_mysql_update_rest(job, document, table, leg));
            statements->set_aside[shape][leg] = bf_mysql_set_aside(job, document, table, shape, leg);
        }
        statements->count[shape] = count(&render, shape, 0);
        statements->probe[shape] = count(&render, shape, 2 * n + 1);
        statements->cap[shape] = cap(&render, shape);
    }
    return statements;
}
