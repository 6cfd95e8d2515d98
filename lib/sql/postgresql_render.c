/* Every statement of one job on one table.
 *
 * A set of legs is joined by UNION ALL in key order. Where rows are counted off in key order (BOUNDARY, CAP) each leg
 * is ordered and limited by itself and the whole is read leg by leg, so that no more rows are touched than asked for;
 * one ORDER BY over all would sort legs whose leading columns are fixed. Should the server ever read the legs in
 * another order, a boundary would be another key after low: a batch of another size, never a missed row. */
#include "postgresql_dialect.h"

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

void bf_postgresql_where(struct bf_buffer *buffer, const struct bf_document *document)
{
    bf_author_where(buffer, &bf_postgresql_grammar, document);
}

static void where(const struct render *render, struct bf_buffer *buffer)
{
    bf_postgresql_where(buffer, render->document);
}

void bf_postgresql_set(struct bf_buffer *buffer, const struct bf_document *document)
{
    bf_author_set(buffer, &bf_postgresql_grammar, document);
}

/* SELECT 1 FROM t WHERE <leg> [AND (where)] UNION ALL ... */
static void all_legs(const struct render *render, struct bf_buffer *buffer, const struct bf_range *range,
                     const char *extra, bool with_where)
{
    size_t legs = bf_leg_count(range->split, render->table->key_count);
    for (size_t leg = 0; leg < legs; leg++) {
        bf_buffer_format(buffer, "%sSELECT 1 FROM %s WHERE ", leg ? " UNION ALL " : "", render->table->reference);
        bf_range_leg(buffer, &bf_postgresql_grammar, range, leg);
        bf_buffer_text(buffer, extra);
        if (with_where)
            where(render, buffer);
    }
}

static void ordered(const struct render *render, struct bf_buffer *buffer, size_t prefix, size_t limit)
{
    bf_buffer_text(buffer, " ORDER BY ");
    bf_postgresql_key_list(buffer, render->table, prefix, "", "");
    bf_buffer_format(buffer, " LIMIT $%zu::text::bigint + 1)", limit);
}

/* The first key column in which low and the found key k differ. */
static void split_of(const struct render *render, struct bf_buffer *buffer, size_t low)
{
    const struct bf_table *table = render->table;
    if (table->key_count > 1)
        bf_buffer_text(buffer, "CASE");
    for (size_t i = 0; i + 1 < table->key_count; i++) {
        bf_buffer_text(buffer, " WHEN k.");
        bf_postgresql_quote(buffer, table->key[i].name);
        bf_buffer_text(buffer, " <> ");
        bf_postgresql_key_parameter(buffer, table, i, low);
        bf_buffer_format(buffer, " THEN %zu", i + 1);
    }
    bf_buffer_format(buffer, table->key_count > 1 ? " ELSE %zu END" : "%zu", table->key_count);
}

static char *update(const struct render *render, size_t split, size_t leg)
{
    struct bf_buffer buffer = {0};
    const struct bf_document *document = render->document;
    struct bf_range range = {render->table, split, 1, render->table->key_count + 1};

    begin(render, &buffer);
    bf_buffer_format(&buffer, "UPDATE %s SET ", render->table->reference);
    bf_postgresql_set(&buffer, document);
    bf_buffer_text(&buffer, " WHERE ");
    bf_range_leg(&buffer, &bf_postgresql_grammar, &range, leg);
    where(render, &buffer);
    return bf_buffer_take(&buffer);
}

char *bf_postgresql_tried(const struct bf_document *document, const struct bf_table *table, size_t split, size_t leg)
{
    return update(&(struct render){.job = "plan", .document = document, .table = table}, split, leg);
}

static char *boundary(const struct render *render, size_t shape)
{
    struct bf_buffer buffer = {0};
    const struct bf_table *table = render->table;
    size_t n = table->key_count, count = 2 * n + 1;

    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT ");
    bf_postgresql_key_list(&buffer, table, 0, "k.", "");
    bf_buffer_text(&buffer, ", ");
    if (shape)
        split_of(render, &buffer, 1);
    else
        bf_buffer_text(&buffer, "0");
    bf_buffer_text(&buffer, " AS split, ");
    bf_range_beyond(&buffer, &bf_postgresql_grammar, table, "k.");
    bf_buffer_text(&buffer, ", extract(epoch FROM clock_timestamp()) AS clock, "
                           "CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') END "
                           "AS log, extract(epoch FROM clock_timestamp() - statement_timestamp()) AS took FROM (SELECT ");
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_text(&buffer, " FROM (");
    for (size_t leg = 0; leg < (shape ? n : 1); leg++) {
        bf_buffer_text(&buffer, leg ? " UNION ALL (SELECT " : "(SELECT ");
        bf_postgresql_key_list(&buffer, table, 0, "", "");
        bf_buffer_format(&buffer, " FROM %s", table->reference);
        if (shape) {
            bf_buffer_text(&buffer, " WHERE ");
            bf_range_after(&buffer, &bf_postgresql_grammar, table, n - 1 - leg, 1);
        }
        ordered(render, &buffer, shape ? n - 1 - leg : 0, count);
    }
    bf_buffer_format(&buffer, ") legs OFFSET $%zu::text::bigint LIMIT 1) k", count);
    return bf_buffer_take(&buffer);
}

static char *cap(const struct render *render, size_t split)
{
    struct bf_buffer buffer = {0};
    const struct bf_table *table = render->table;
    size_t n = table->key_count;
    struct bf_range range = {table, split, 1, n + 1};
    size_t count = range.high + n, legs = bf_leg_count(split, n);

    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT ");
    bf_postgresql_key_list(&buffer, table, 0, "k.", "");
    bf_buffer_text(&buffer, ", ");
    if (split)
        split_of(render, &buffer, 1);
    else
        bf_buffer_text(&buffer, "0");
    bf_buffer_text(&buffer, " AS split FROM (SELECT ");
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_text(&buffer, " FROM (");
    for (size_t leg = 0; leg < legs; leg++) {
        bf_buffer_text(&buffer, leg ? " UNION ALL (SELECT " : "(SELECT ");
        bf_postgresql_key_list(&buffer, table, 0, "", "");
        bf_buffer_format(&buffer, " FROM %s WHERE ", table->reference);
        bf_range_leg(&buffer, &bf_postgresql_grammar, &range, leg);
        where(render, &buffer);
        ordered(render, &buffer, bf_range_leg_prefix(&range, leg), count);
    }
    bf_buffer_format(&buffer, ") legs OFFSET $%zu::text::bigint LIMIT 1) k", count);
    return bf_buffer_take(&buffer);
}

/* The rows of the range whose newest version was written by that transaction. xmin has 32 bits, a transaction's number
 * 64; a row that someone else has changed since is not counted, for nothing tells that it was ours. */
static char *recount(const struct render *render, size_t split)
{
    struct bf_buffer buffer = {0};
    size_t n = render->table->key_count;
    struct bf_range range = {render->table, split, 2, n + 2};

    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT count(*) FROM (");
    all_legs(render, &buffer, &range, " AND xmin = ($1::text::bigint & 4294967295)::text::xid", false);
    bf_buffer_text(&buffer, ") legs");
    return bf_buffer_take(&buffer);
}

static char *count(const struct render *render, size_t split)
{
    struct bf_buffer buffer = {0};
    struct bf_range range = {render->table, split, 1, render->table->key_count + 1};

    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT count(*) FROM (");
    all_legs(render, &buffer, &range, "", false);
    bf_buffer_text(&buffer, ") legs");
    return bf_buffer_take(&buffer);
}

static char *probe(const struct render *render, size_t split)
{
    struct bf_buffer buffer = {0};
    size_t n = render->table->key_count;
    struct bf_range range = {render->table, split, 1, n + 1};

    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT count(*) FROM (SELECT 1 FROM (");
    all_legs(render, &buffer, &range, "", true);
    bf_buffer_format(&buffer, ") legs LIMIT $%zu::text::bigint) matching", range.high + n);
    return bf_buffer_take(&buffer);
}

static char *split(const struct render *render, size_t shape)
{
    struct bf_buffer buffer = {0};
    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT ");
    bf_range_split(&buffer, &bf_postgresql_grammar, render->table, shape);
    return bf_buffer_take(&buffer);
}

static char *end(const struct render *render)
{
    struct bf_buffer buffer = {0};
    begin(render, &buffer);
    bf_buffer_text(&buffer, "SELECT ");
    bf_postgresql_key_list(&buffer, render->table, 0, "", "");
    bf_buffer_format(&buffer, " FROM %s ORDER BY ", render->table->reference);
    bf_postgresql_key_list(&buffer, render->table, 0, "", " DESC");
    bf_buffer_text(&buffer, " LIMIT 1");
    return bf_buffer_take(&buffer);
}

enum { TRIAL_ROWS = 100 };

char *bf_postgresql_trial(const struct bf_document *document, const struct bf_table *table)
{
    struct bf_buffer buffer = {0};
    const struct render render = {"plan", document, table};
    BF_AUTO_STRING char *remaining = bf_postgresql_predicate(document->remaining, document->started_at);

    begin(&render, &buffer);
    bf_buffer_format(&buffer, "WITH changed AS (UPDATE %s SET ", table->reference);
    bf_postgresql_set(&buffer, document);
    bf_buffer_text(&buffer, " WHERE (");
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_text(&buffer, ") IN (SELECT ");
    bf_postgresql_key_list(&buffer, table, 0, "", "");
    bf_buffer_format(&buffer, " FROM %s WHERE true", table->reference);
    where(&render, &buffer);
    bf_buffer_format(&buffer, " LIMIT %d) RETURNING (%s) IS TRUE AS still) "
                     "SELECT count(*), count(*) FILTER (WHERE still) FROM changed", TRIAL_ROWS, remaining);
    return bf_buffer_take(&buffer);
}

static void render_journal(const struct render *render, struct bf_statements *statements)
{
    static const enum bf_statement without_table[] = {BF_STATEMENT_LOOK_BACK, BF_STATEMENT_JOURNAL_SIZE};
    char **text = statements->text;

    text[BF_STATEMENT_MAKE_JOURNAL] = bf_postgresql_make_journal(render->job, render->document, render->table);
    text[BF_STATEMENT_STORE_JOURNAL] = bf_postgresql_store_journal(render->job, render->document, render->table);
    text[BF_STATEMENT_RESTORE] = bf_postgresql_restore(render->job, render->document, render->table);
    text[BF_STATEMENT_LEAVE] = bf_postgresql_leave(render->job, render->document, render->table);
    text[BF_STATEMENT_COMPARE_JOURNAL] = bf_postgresql_compare_journal(render->job, render->document, render->table);
    text[BF_STATEMENT_RECOMPUTE_FACTS] = bf_postgresql_recompute_facts(render->job, render->document);
    for (size_t i = 0; i < BF_COUNT(without_table); i++)
        text[without_table[i]] = bf_postgresql_journal(without_table[i], render->job);
}

struct bf_statements *bf_postgresql_render(const char *job, const struct bf_document *document,
                                           const struct bf_table *table)
{
    const struct render render = {job, document, table};
    struct bf_statements *statements = BF_NEW(struct bf_statements);

    statements->key_count = table->key_count;
    for (enum bf_statement statement = 0; statement < BF_STATEMENT_KINDS; statement++) {
        const char *text = bf_postgresql_control_statement(statement);
        if (text)
            statements->text[statement] = bf_format("/* backfilld %s */ %s", job, text);
    }
    statements->text[BF_STATEMENT_END] = end(&render);
    statements->text[BF_STATEMENT_QUANTILES] = bf_postgresql_quantiles(job, table);
    statements->text[BF_STATEMENT_TAKE_ASIDE] = bf_postgresql_take_aside(job, table);
    statements->text[BF_STATEMENT_WAIT_ASIDE] = bf_postgresql_wait_aside(job, table);
    statements->text[BF_STATEMENT_KEYS] = bf_range_keys(&bf_postgresql_grammar, job, table);
    statements->text[BF_STATEMENT_QUARANTINE_ASIDE] = bf_postgresql_quarantine_aside(job);
    bool journal = document->undo == BF_UNDO_JOURNAL;
    statements->text[BF_STATEMENT_REDO_ASIDE] = journal ? bf_postgresql_journal_redo(job, document, table)
                                                        : bf_postgresql_redo_aside(job, document, table);
    if (journal)
        render_journal(&render, statements);
    for (size_t shape = 0; shape < 2; shape++) {
        statements->boundary[shape] = boundary(&render, shape);
        statements->split[shape] = split(&render, shape);
    }
    for (size_t shape = 0; shape <= table->key_count; shape++) {
        for (size_t leg = 0; leg < bf_leg_count(shape, table->key_count); leg++) {
            statements->update[shape][leg] = journal ? bf_postgresql_journal_update(job, document, table, shape, leg)
                                                     : update(&render, shape, leg);
            statements->update_rest[shape][leg] =
                journal ? bf_postgresql_journal_rest(job, document, table, shape, leg)
                        : bf_postgresql_update_rest(statements->update[shape][leg], table);
            statements->quarantine[shape][leg] = bf_postgresql_quarantine(job, table, shape, leg);
            statements->set_aside[shape][leg] = bf_postgresql_set_aside(job, document, table, shape, leg);
        }
        statements->recount[shape] = recount(&render, shape);
        statements->count[shape] = count(&render, shape);
        statements->probe[shape] = probe(&render, shape);
        statements->cap[shape] = cap(&render, shape);
    }
    return statements;
}
