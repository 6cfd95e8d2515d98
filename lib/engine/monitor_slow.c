/* What costs more than a sample, and changes slowly: further steps of the sample's flight, every few seconds, and the more
 * rarely the more they cost. Each step is a group of its own: what one cannot tell keeps the others from nothing. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "monitor.h"

enum {
    EVERY = 5000,       /* milliseconds */
    EVERY_MOST = 60000,
    SOON = 1000,        /* a rate needs a second value */
    IDLE_TIMES = 50,    /* so many times as long as they took nothing of it is asked again */
    TABLES_MAX = 56     /* of jobs that run; there are places for these and the others */
};

static const char dead_prefix[] = "dead_tuples:";

static int64_t now_of(const struct bf_monitor *monitor)
{
    return monitor->engine->world->monotonic(monitor->engine->world->context);
}

/* ---- asking ---- */

static const struct bf_table *table_of(const struct bf_monitor *monitor, const struct bf_job *job)
{
    return job->target == monitor->target && !bf_walk_over(job) ? job->walk.table : NULL;
}

static void name_table(const struct bf_table *table, char name[BF_SIGNAL_NAME])
{
    snprintf(name, BF_SIGNAL_NAME, "%s%.*s", dead_prefix, BF_SIGNAL_NAME - 20, table->display);
}

static size_t tables_known(const struct bf_monitor *monitor)
{
    size_t tables = 0;
    for (size_t i = 0; i < monitor->slow_count; i++)
        tables += monitor->slow[i].kind == BF_SIGNAL_DEAD_TUPLES;
    return tables;
}

/* A job has come whose table nobody looked at yet. */
static bool has_new_table(const struct bf_monitor *monitor)
{
    char name[BF_SIGNAL_NAME];
    if (tables_known(monitor) >= TABLES_MAX)
        return false;
    for (const struct bf_job *job = monitor->engine->working; job; job = job->next_working) {
        const struct bf_table *table = table_of(monitor, job);
        if (!table)
            continue;
        name_table(table, name);
        if (!bf_monitor_signal_called(monitor, name))
            return true;
    }
    return false;
}

static bool is_asked(const struct bf_flight *flight, const char *reference)
{
    for (size_t i = 0; i < flight->count; i++)
        if (flight->steps[i].statement == BF_STATEMENT_SAMPLE_TABLE &&
            strcmp(flight->steps[i].parameters[0], reference) == 0)
            return true;
    return false;
}

static int tables_asked(const struct bf_flight *flight)
{
    int tables = 0;
    for (size_t i = 0; i < flight->count; i++)
        tables += flight->steps[i].statement == BF_STATEMENT_SAMPLE_TABLE;
    return tables;
}

/* Those of jobs that have a limit for it, or of the others. */
static void ask_tables(const struct bf_monitor *monitor, struct bf_flight *flight, const char *sql, bool limited)
{
    for (const struct bf_job *job = monitor->engine->working; job; job = job->next_working) {
        const struct bf_table *table = table_of(monitor, job);
        bool has_limit = bf_document_limit(job->record.document, BF_SIGNAL_DEAD_TUPLES) > 0;
        if (!table || has_limit != limited || is_asked(flight, table->reference) || tables_asked(flight) == TABLES_MAX)
            continue;
        struct bf_step *step = bf_flight_add(flight, BF_STATEMENT_SAMPLE_TABLE, sql);
        step->new_group = true;
        bf_step_text(step, table->reference);
    }
}

static void ask(struct bf_flight *flight, const struct bf_dialect *dialect, enum bf_statement statement)
{
    const char *sql = dialect->common(statement);
    if (sql)
        bf_flight_add(flight, statement, sql)->new_group = true;
}

void bf_monitor_ask_slow(struct bf_monitor *monitor, struct bf_flight *flight)
{
    const struct bf_dialect *dialect = monitor->target->database->dialect;
    const char *table = dialect->common(BF_STATEMENT_SAMPLE_TABLE);
    int64_t now = now_of(monitor);
    if (now < monitor->slow_due && !(table && has_new_table(monitor)))
        return;
    monitor->slow_due = now + EVERY; /* also when nothing comes of it */
    ask(flight, dialect, BF_STATEMENT_SAMPLE_SLOW);
    if (monitor->may_count_archive)
        ask(flight, dialect, BF_STATEMENT_SAMPLE_ARCHIVE);
    ask(flight, dialect, BF_STATEMENT_SAMPLE_FLOW);
    for (int pass = 0; table && pass < 2; pass++)
        ask_tables(monitor, flight, table, pass == 0);
}

/* ---- answers ---- */

static void forget(struct bf_monitor *monitor, enum bf_signal_kind kind)
{
    size_t kept = 0;
    for (size_t i = 0; i < monitor->slow_count; i++)
        if (monitor->slow[i].kind != kind)
            monitor->slow[kept++] = monitor->slow[i];
    monitor->slow_count = kept;
}

/* value under 0: our account may not see it, `missing` says what it would need. */
static struct bf_signal *add(struct bf_monitor *monitor, enum bf_signal_kind kind, const char *name, double value,
                             const char *missing)
{
    if (monitor->slow_count == BF_COUNT(monitor->slow))
        return NULL;
    struct bf_signal *signal = &monitor->slow[monitor->slow_count++];
    *signal = (struct bf_signal){.kind = kind, .sampled_at = value < 0 ? BF_SIGNAL_NEVER : now_of(monitor)};
    signal->value = value < 0 ? 0 : value;
    snprintf(signal->name, sizeof signal->name, "%s", name);
    snprintf(signal->text, sizeof signal->text, "%s", value < 0 && missing ? missing : "");
    return signal;
}

/* How much of the time since the last look writes were stopped. */
static void take_paused(struct bf_monitor *monitor, double seconds)
{
    int64_t now = now_of(monitor);
    if (monitor->paused_at != BF_SIGNAL_NEVER && now > monitor->paused_at && seconds >= monitor->paused)
        add(monitor, BF_SIGNAL_FLOW_CONTROL, bf_signal_kind_name(BF_SIGNAL_FLOW_CONTROL),
            (seconds - monitor->paused) * 1000 / (double)(now - monitor->paused_at), NULL);
    else
        monitor->slow_due = now + SOON;
    monitor->paused = seconds;
    monitor->paused_at = now;
}

static void take_row(struct bf_monitor *monitor, const struct bf_answer *answer, size_t row)
{
    const char *right = monitor->target->database->dialect->watch_right, *text = bf_answer_value(answer, row, BF_SAMPLE_TEXT);
    double value = bf_answer_real(answer, row, BF_SAMPLE_NUMBER, -1);
    struct bf_signal *signal = NULL;
    bool may;
    switch (bf_sample_row_by_name(bf_answer_value(answer, row, BF_SAMPLE_WHAT))) {
    case BF_SAMPLE_ROW_ARCHIVE:
        forget(monitor, BF_SIGNAL_ARCHIVE_BACKLOG); /* what is counted comes behind what is estimated */
        signal = add(monitor, BF_SIGNAL_ARCHIVE_BACKLOG, bf_signal_kind_name(BF_SIGNAL_ARCHIVE_BACKLOG), value, right);
        may = bf_answer_true(answer, row, BF_SAMPLE_FLAG);
        if (may && !monitor->may_count_archive)
            monitor->slow_due = 0;
        monitor->may_count_archive = may;
        break;
    case BF_SAMPLE_ROW_SNAPSHOT:
        signal = add(monitor, BF_SIGNAL_OLDEST_SNAPSHOT, bf_signal_kind_name(BF_SIGNAL_OLDEST_SNAPSHOT), value, right);
        break;
    case BF_SAMPLE_ROW_FLOW:
        signal = add(monitor, BF_SIGNAL_FLOW_CONTROL, bf_signal_kind_name(BF_SIGNAL_FLOW_CONTROL), value, NULL);
        break;
    case BF_SAMPLE_ROW_PAUSED: take_paused(monitor, bf_answer_real(answer, row, BF_SAMPLE_SECONDS, 0)); break;
    default: break; /* of a dialect that knows more than we do */
    }
    if (signal && text && value >= 0)
        snprintf(signal->text, sizeof signal->text, "%s", text);
}

static void take_table(struct bf_monitor *monitor, const char *reference, const struct bf_answer *answer)
{
    char name[BF_SIGNAL_NAME];
    for (const struct bf_job *job = monitor->engine->working; job; job = job->next_working) {
        const struct bf_table *table = table_of(monitor, job);
        if (!table || strcmp(table->reference, reference) != 0)
            continue;
        name_table(table, name);
        add(monitor, BF_SIGNAL_DEAD_TUPLES, name, bf_answer_real(answer, 0, BF_SAMPLE_NUMBER, -1), NULL);
        return;
    }
}

static bool is_slow(enum bf_statement statement)
{
    return statement == BF_STATEMENT_SAMPLE_SLOW || statement == BF_STATEMENT_SAMPLE_ARCHIVE ||
           statement == BF_STATEMENT_SAMPLE_FLOW || statement == BF_STATEMENT_SAMPLE_TABLE;
}

static void take(struct bf_monitor *monitor, const struct bf_step *step, const struct bf_answer *answer)
{
    bool good = answer->outcome == BF_OUTCOME_OK;
    if (step->statement == BF_STATEMENT_SAMPLE_TABLE) {
        take_table(monitor, step->parameters[0], answer);
        return;
    }
    if (step->statement == BF_STATEMENT_SAMPLE_SLOW && good) {
        forget(monitor, BF_SIGNAL_ARCHIVE_BACKLOG);
        forget(monitor, BF_SIGNAL_OLDEST_SNAPSHOT);
    }
    if (step->statement == BF_STATEMENT_SAMPLE_FLOW && (good || !bf_error_passes(answer->error_class))) {
        forget(monitor, BF_SIGNAL_FLOW_CONTROL);
        if (!good)
            add(monitor, BF_SIGNAL_FLOW_CONTROL, bf_signal_kind_name(BF_SIGNAL_FLOW_CONTROL), -1,
                monitor->target->database->dialect->flow_right);
    }
    for (size_t row = 0; good && row < answer->rows; row++)
        take_row(monitor, answer, row);
}

void bf_monitor_take_slow(struct bf_monitor *monitor, const struct bf_line *line, const struct bf_answer *answers)
{
    const struct bf_flight *flight = &line->flight;
    int64_t now = now_of(monitor), every = (now - line->since) * IDLE_TIMES;
    bool taken = false;
    for (size_t i = 0; i < flight->count; i++)
        taken |= is_slow(flight->steps[i].statement);
    if (!taken)
        return;
    every = every < EVERY ? EVERY : every > EVERY_MOST ? EVERY_MOST : every;
    monitor->slow_due = now + every;
    forget(monitor, BF_SIGNAL_DEAD_TUPLES); /* those of jobs that ended are not asked for any more */
    for (size_t i = 0; i < flight->count; i++)
        if (is_slow(flight->steps[i].statement))
            take(monitor, &flight->steps[i], &answers[i]);
    for (size_t i = 0; i < monitor->slow_count; i++)
        monitor->slow[i].every = every;
    monitor->slow_at = now;
}
