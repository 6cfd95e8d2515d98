/* What is looked at every few seconds: answers of servers that no test has at hand (Galera), rights that are missing, steps
 * that fail alone, and what costs much. */
#include <string.h>

#include "allocate.h"
#include "engine_world.h"
#include "monitor.h"
#include "signals.h"

static const char *text_of(enum bf_statement statement)
{
    switch (statement) {
    case BF_STATEMENT_SAMPLE:
    case BF_STATEMENT_SAMPLE_SLOW:
    case BF_STATEMENT_SAMPLE_ARCHIVE:
    case BF_STATEMENT_SAMPLE_FLOW:
        return "SELECT";
    default:
        return NULL;
    }
}

static const struct bf_dialect dialect = {.common = text_of, .watch_right = "pg_monitor", .flow_right = "SELECT ON it"};

struct monitored {
    struct test_world *world;
    struct bf_database database;
    struct bf_target target;
    struct bf_engine engine;
    struct bf_monitor monitor;
    struct bf_line line;
    struct bf_answer answers[4];
    char *values[4][BF_SAMPLE_COLUMNS];
};

static struct monitored *monitored_new(void)
{
    struct monitored *made = BF_NEW(struct monitored);
    made->world = world_new();
    made->database.dialect = &dialect;
    made->target.database = &made->database;
    made->engine.world = &made->world->world;
    made->monitor.engine = &made->engine;
    made->monitor.target = &made->target;
    made->monitor.slow_at = made->monitor.paused_at = BF_SIGNAL_NEVER;
    made->line.monitor = &made->monitor;
    return made;
}

static void monitored_free(struct monitored *made)
{
    bf_flight_clear(&made->line.flight);
    world_free(made->world);
    free(made);
}

/* As a flight begins: what is asked behind the sample? */
static const struct bf_flight *ask(struct monitored *made)
{
    struct bf_flight *flight = &made->line.flight;
    bf_flight_clear(flight);
    memset(made->values, 0, sizeof made->values);
    memset(made->answers, 0, sizeof made->answers);
    bf_flight_add(flight, BF_STATEMENT_SAMPLE, "SELECT");
    bf_monitor_ask_slow(&made->monitor, flight);
    made->line.since = made->world->monotonic;
    return flight;
}

static size_t step_of(const struct monitored *made, enum bf_statement statement)
{
    for (size_t i = 0; i < made->line.flight.count; i++)
        if (made->line.flight.steps[i].statement == statement)
            return i;
    fail_msg("%s was not asked", bf_statement_name(statement));
    return 0;
}

static char **answer_row(struct monitored *made, enum bf_statement statement, const char *what)
{
    size_t step = step_of(made, statement);
    made->answers[step].rows = 1;
    made->answers[step].columns = BF_SAMPLE_COLUMNS;
    made->answers[step].values = made->values[step];
    made->values[step][BF_SAMPLE_WHAT] = (char *)what;
    return made->values[step];
}

static void take(struct monitored *made)
{
    bf_monitor_take_slow(&made->monitor, &made->line, made->answers);
}

static const struct bf_signal *flow(const struct monitored *made)
{
    return bf_monitor_signal_called(&made->monitor, "flow_control");
}

static void galera_counts_for_how_long_it_stopped(void **state)
{
    (void)state;
    struct monitored *made = monitored_new();
    assert_int_equal(ask(made)->count, 3);
    answer_row(made, BF_STATEMENT_SAMPLE_FLOW, "paused")[BF_SAMPLE_SECONDS] = "40";
    take(made);
    assert_null(flow(made)); /* since when it is so nobody knows */
    made->world->monotonic += 1000;
    assert_int_equal(ask(made)->count, 3); /* soon again: a rate needs two values */
    answer_row(made, BF_STATEMENT_SAMPLE_FLOW, "paused")[BF_SAMPLE_SECONDS] = "40.25";
    take(made);
    assert_true(flow(made)->value > 0.24 && flow(made)->value < 0.26);
    assert_int_equal(flow(made)->sampled_at, made->world->monotonic);
    made->world->monotonic += 4999;
    assert_int_equal(ask(made)->count, 1); /* the sample alone */
    made->world->monotonic += 1;
    ask(made);
    answer_row(made, BF_STATEMENT_SAMPLE_FLOW, "paused")[BF_SAMPLE_SECONDS] = "0"; /* it was restarted */
    take(made);
    assert_null(flow(made));
    monitored_free(made);
}

static void who_may_not_look_is_told_what_is_missing(void **state)
{
    (void)state;
    struct monitored *made = monitored_new();
    ask(made);
    answer_row(made, BF_STATEMENT_SAMPLE_SLOW, "snapshot"); /* NULL */
    size_t denied = step_of(made, BF_STATEMENT_SAMPLE_FLOW);
    made->answers[denied].outcome = BF_OUTCOME_ERROR;
    made->answers[denied].error_class = BF_CLASS_TERMINAL;
    take(made);
    assert_int_equal(flow(made)->sampled_at, BF_SIGNAL_NEVER);
    assert_string_equal(flow(made)->text, "SELECT ON it");
    const struct bf_signal *snapshot = bf_monitor_signal_called(&made->monitor, "oldest_snapshot");
    assert_int_equal(snapshot->sampled_at, BF_SIGNAL_NEVER);
    assert_string_equal(snapshot->text, "pg_monitor");
    monitored_free(made);
}

static void what_fails_alone_leaves_what_was_known(void **state)
{
    (void)state;
    struct monitored *made = monitored_new();
    ask(made);
    answer_row(made, BF_STATEMENT_SAMPLE_SLOW, "snapshot")[BF_SAMPLE_NUMBER] = "3";
    answer_row(made, BF_STATEMENT_SAMPLE_FLOW, "flow")[BF_SAMPLE_NUMBER] = "0.5";
    take(made);
    int64_t then = made->world->monotonic;
    made->world->monotonic += 5000;
    ask(made);
    size_t failed = step_of(made, BF_STATEMENT_SAMPLE_SLOW);
    made->answers[failed].outcome = BF_OUTCOME_ERROR;
    made->answers[failed].error_class = BF_CLASS_LOCK;
    answer_row(made, BF_STATEMENT_SAMPLE_FLOW, "flow")[BF_SAMPLE_NUMBER] = "0.75";
    take(made);
    assert_int_equal(bf_monitor_signal_called(&made->monitor, "oldest_snapshot")->sampled_at, then); /* and grows old */
    assert_true(flow(made)->value > 0.7);
    monitored_free(made);
}

static void what_is_counted_stands_over_what_is_estimated(void **state)
{
    (void)state;
    struct monitored *made = monitored_new();
    ask(made);
    char **row = answer_row(made, BF_STATEMENT_SAMPLE_SLOW, "archive");
    row[BF_SAMPLE_NUMBER] = "100";
    row[BF_SAMPLE_FLAG] = "t";
    take(made);
    assert_int_equal((int)bf_monitor_signal_called(&made->monitor, "archive_backlog")->value, 100);
    assert_int_equal(ask(made)->count, 4); /* at once, now that it is known that it may be counted */
    row = answer_row(made, BF_STATEMENT_SAMPLE_SLOW, "archive");
    row[BF_SAMPLE_NUMBER] = "100";
    row[BF_SAMPLE_FLAG] = "t";
    row = answer_row(made, BF_STATEMENT_SAMPLE_ARCHIVE, "archive");
    row[BF_SAMPLE_NUMBER] = "300";
    row[BF_SAMPLE_FLAG] = "t";
    take(made);
    assert_int_equal((int)bf_monitor_signal_called(&made->monitor, "archive_backlog")->value, 300);
    assert_int_equal(made->monitor.slow_count, 1);
    monitored_free(made);
}

static void what_takes_long_is_asked_more_rarely(void **state)
{
    (void)state;
    struct monitored *made = monitored_new();
    ask(made);
    answer_row(made, BF_STATEMENT_SAMPLE_SLOW, "snapshot")[BF_SAMPLE_NUMBER] = "3";
    made->world->monotonic += 400;
    take(made);
    const struct bf_signal *snapshot = bf_monitor_signal_called(&made->monitor, "oldest_snapshot");
    assert_int_equal(snapshot->every, 20000);
    made->world->monotonic += 19999;
    assert_int_equal(ask(made)->count, 1);
    /* It is old when it should have come, not before. */
    assert_false(bf_signal_is_stale(snapshot, snapshot->sampled_at + 25000));
    assert_true(bf_signal_is_stale(snapshot, snapshot->sampled_at + 25001));
    made->world->monotonic += 1;
    assert_true(ask(made)->count > 1);
    monitored_free(made);
}

static void amounts_for_people(void **state)
{
    (void)state;
    static const struct {
        enum bf_signal_kind kind;
        double value;
        const char *text;
    } cases[] = {{BF_SIGNAL_SLOT_RETAINED, 1023, "1023 B"},          {BF_SIGNAL_SLOT_RETAINED, 5.25 * (1 << 30), "5.25 GiB"},
                 {BF_SIGNAL_LOG_RATE, 2 << 20, "2 MiB/s"},           {BF_SIGNAL_OLDEST_SNAPSHOT, 31.25, "31.25 s"},
                 {BF_SIGNAL_DEAD_TUPLES, 123456, "123456"},          {BF_SIGNAL_FLOW_CONTROL, 0.1, "0.1"}};
    char text[BF_AMOUNT_TEXT], subject[BF_SUBJECT_TEXT], label[BF_SIGNAL_NAME];
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        struct bf_signal signal = {.kind = cases[i].kind};
        bf_signal_amount(&signal, cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
    struct bf_signal slot = {.kind = BF_SIGNAL_SLOT_RETAINED, .name = "slot_retained", .text = "old"};
    bf_signal_subject(&slot, subject);
    bf_signal_label(&slot, label);
    assert_string_equal(subject, "the log kept by slot old");
    assert_string_equal(label, "slot:old");
    struct bf_signal query = {.kind = BF_SIGNAL_QUERY, .name = "signal:queue"};
    bf_signal_subject(&query, subject);
    assert_string_equal(subject, "signal queue");
    struct bf_signal dead = {.kind = BF_SIGNAL_DEAD_TUPLES, .name = "dead_tuples:public.orders"};
    bf_signal_subject(&dead, subject);
    assert_string_equal(subject, "the number of dead tuples of public.orders");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(galera_counts_for_how_long_it_stopped),
                                       cmocka_unit_test(who_may_not_look_is_told_what_is_missing),
                                       cmocka_unit_test(what_fails_alone_leaves_what_was_known),
                                       cmocka_unit_test(what_is_counted_stands_over_what_is_estimated),
                                       cmocka_unit_test(what_takes_long_is_asked_more_rarely),
                                       cmocka_unit_test(amounts_for_people)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
