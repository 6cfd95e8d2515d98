/* Plans: every rule of risk turned on and left off, the estimate, and the card. */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "card.h"
#include "quantity.h"

/* A case that nothing is to be said of: a table of two million rows, in every way harmless. */
struct harmless {
    struct bf_document document;
    struct bf_facts facts;
    struct bf_estimate estimate;
    struct bf_thresholds thresholds;
    struct bf_risk_case risk;
};

static const double measured[BF_FACT_COUNT] = {
    [BF_FACT_ROWS] = 2e6,         [BF_FACT_TABLE_BYTES] = 2e8,    [BF_FACT_MATCHING] = 1e6,      [BF_FACT_WRITE_RATE] = 12,
    [BF_FACT_REPLICAS] = 1,       [BF_FACT_FILL] = 90,            [BF_FACT_DISK_FREE] = 1e12,    [BF_FACT_TRIAL_BATCHES] = 3,
    [BF_FACT_TRIAL_ROWS] = 3000,  [BF_FACT_TRIAL_CHANGED] = 1500, [BF_FACT_TRIAL_SECONDS] = 0.03, [BF_FACT_TRIAL_LOG] = 600000,
    [BF_FACT_KEY_USED] = 1,       [BF_FACT_PROVEN] = 1,         [BF_FACT_TRIAL_ROW_TIME] = 10, [BF_FACT_TRIAL_ROW_LOG] = 2e8,
};

static void begin(struct harmless *harmless)
{
    *harmless = (struct harmless){
        .document = {.name = "fill", .target = "shop", .table = "orders", .set_count = 1, .undo = BF_UNDO_JOURNAL,
                     .remaining = "n IS NULL", .check_count = {[BF_CHECK_BEFORE] = 1},
                     .pace = {.batch_time = 250, .batch_rows_min = 10, .batch_rows_max = 50000, .nice = 0.5,
                              .max_rows_per_second = BF_NO_LIMIT, .max_log_bytes_per_second = BF_NO_LIMIT}},
        .thresholds = bf_thresholds_default};
    harmless->document.set[0] = (struct bf_pair){"n", "1"};
    for (enum bf_fact_name name = 0; name < BF_FACT_COUNT; name++)
        bf_facts_set(&harmless->facts, name, measured[name], NULL);
    bf_facts_unknown(&harmless->facts, BF_FACT_MATCHING_EXACT, NULL);
    bf_facts_unknown(&harmless->facts, BF_FACT_NEWEST, NULL);
    bf_facts_unknown(&harmless->facts, BF_FACT_RANGE_ROWS, NULL);
    harmless->risk = (struct bf_risk_case){.document = &harmless->document, .facts = &harmless->facts, .rehearsed = true,
                                           .estimate = &harmless->estimate, .thresholds = &harmless->thresholds, .lag_limit = 1.5};
}

static void judge(struct harmless *harmless, struct bf_judgement *judgement)
{
    harmless->estimate = bf_estimate(&harmless->document, &harmless->facts);
    bf_judge(&harmless->risk, judgement);
}

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g is not %.12g", value, expected);
}

/* ---- what turns each rule on ---- */

#define FACT(function, fact, number, text)                                                                             \
    static void function(struct harmless *harmless)                                                                    \
    {                                                                                                                  \
        bf_facts_set(&harmless->facts, fact, number, text);                                                            \
    }
FACT(unproven, BF_FACT_PROVEN, 0, "column n")
FACT(foreign_key, BF_FACT_FOREIGN_KEYS, 1, "orders_customer_fkey")
FACT(unique_index, BF_FACT_UNIQUE_INDEXES, 1, "orders_n_key")
FACT(lagging, BF_FACT_REPLICATION_LAG, 2.5, "replica-2")
FACT(little_disk, BF_FACT_DISK_FREE, 1e6, NULL)
FACT(all_tables, BF_FACT_ALL_TABLES, 1, "everything")
FACT(multi_writer, BF_FACT_MULTI_WRITER, 1, "wsrep_on")
FACT(other_tool, BF_FACT_OTHER_TOOLS, 1, "_orders_gho")
FACT(reads_all, BF_FACT_KEY_USED, 0, "Seq Scan")
FACT(failed, BF_FACT_TRIAL_ERRORS, 1, "division by zero")
FACT(indexed, BF_FACT_INDEXES, 1, "orders_n_idx")
FACT(triggers, BF_FACT_TRIGGERS, 1, "orders_touch")
FACT(on_update, BF_FACT_ON_UPDATE, 1, "changed_at")
FACT(many_writes, BF_FACT_WRITE_RATE, 900, NULL)
FACT(waiting, BF_FACT_LOCK_WAITS, 3, NULL)
FACT(conflicts, BF_FACT_TRIAL_CONFLICTS, 1, NULL)
FACT(slow, BF_FACT_TRIAL_ROW_TIME, 20000, NULL)
FACT(uncovered, BF_FACT_UNCOVERED, 1, "n")
FACT(key_written, BF_FACT_KEY_WRITERS, 1, "orders_customer_fkey")
FACT(old, BF_FACT_OLDEST_TRANSACTION, 4000, "session 7")
FACT(no_vacuum, BF_FACT_VACUUM_OFF, 1, NULL)
FACT(wraparound, BF_FACT_FREEZE_AGE, 95, NULL)
FACT(statements, BF_FACT_STATEMENT_LOG, 1, NULL)
FACT(slots, BF_FACT_LOGICAL_SLOTS, 1, "cdc")

static void no_undo(struct harmless *harmless) { harmless->document.undo = BF_UNDO_NONE; }
static void inverse(struct harmless *harmless) { harmless->document.undo = BF_UNDO_INVERSE; }
static void by_the_clock(struct harmless *harmless) { harmless->risk.volatile_predicate = true; }
static void one_pass(struct harmless *harmless) { harmless->document.remaining = NULL; }
static void unrehearsed(struct harmless *harmless) { harmless->risk.rehearsed = false; }
static void no_check(struct harmless *harmless) { harmless->document.check_count[BF_CHECK_BEFORE] = 0; }
static void no_lag(struct harmless *harmless) { bf_facts_unknown(&harmless->facts, BF_FACT_REPLICATION_LAG, "no right to see it"); }

static void large(struct harmless *harmless)
{
    bf_facts_set(&harmless->facts, BF_FACT_ROWS, 2e7, NULL);
    harmless->document.canary_rows = 1000;
}

static void large_without_canary(struct harmless *harmless)
{
    bf_facts_set(&harmless->facts, BF_FACT_ROWS, 2e7, NULL);
    harmless->thresholds.rows = 1e7;
}

static const struct {
    const char *code;
    enum bf_risk risk;
    void (*turn_on)(struct harmless *harmless);
    const char *part; /* of the sentence */
} cases[] = {
    {"no_undo", BF_RISK_RED, no_undo, "no way back"},
    {"rollback_not_proven", BF_RISK_RED, unproven, "column n"},
    {"foreign_key_column", BF_RISK_RED, foreign_key, "orders_customer_fkey"},
    {"unique_key_column", BF_RISK_RED, unique_index, "orders_n_key"},
    {"replica_lagging", BF_RISK_RED, lagging, "2.5 s behind, more than the job's limit: replica-2"},
    {"journal_disk", BF_RISK_RED, little_disk, "977 KiB"},
    {"publication_for_all_tables", BF_RISK_RED, all_tables, "everything"},
    {"multi_writer", BF_RISK_RED, multi_writer, "wsrep_on"},
    {"other_tool", BF_RISK_RED, other_tool, "_orders_gho"},
    {"full_scans", BF_RISK_RED, reads_all, "Seq Scan"},
    {"trial_failed", BF_RISK_RED, failed, "division by zero"},
    {"indexed_column", BF_RISK_YELLOW, indexed, "orders_n_idx"},
    {"triggers", BF_RISK_YELLOW, triggers, "orders_touch"},
    {"on_update_timestamp", BF_RISK_YELLOW, on_update, "changed_at"},
    {"large_table", BF_RISK_YELLOW, large, "20,000,000"},
    {"high_write_rate", BF_RISK_YELLOW, many_writes, "900 rows/s"},
    {"lock_contention", BF_RISK_YELLOW, waiting, "3"},
    {"trial_conflicts", BF_RISK_YELLOW, conflicts, "1"},
    {"long_run", BF_RISK_YELLOW, slow, "longer"},
    {"volatile_predicate", BF_RISK_YELLOW, by_the_clock, "time"},
    {"late_rows", BF_RISK_YELLOW, one_pass, "`remaining`"},
    {"new_rows_uncovered", BF_RISK_YELLOW, uncovered, ": n"},
    {"key_written", BF_RISK_YELLOW, key_written, "twice or not at all: orders_customer_fkey"},
    {"inverse_by_author", BF_RISK_YELLOW, inverse, "author"},
    {"not_rehearsed", BF_RISK_YELLOW, unrehearsed, "another target"},
    {"no_backup_check", BF_RISK_YELLOW, no_check, "backup"},
    {"no_canary", BF_RISK_YELLOW, large_without_canary, "canary"},
    {"old_transaction", BF_RISK_YELLOW, old, "1 h 06 min: session 7"},
    {"autovacuum_off", BF_RISK_YELLOW, no_vacuum, "dead rows"},
    {"near_wraparound", BF_RISK_YELLOW, wraparound, "95 %"},
    {"statement_binlog", BF_RISK_YELLOW, statements, "replicas"},
    {"logical_slots", BF_RISK_YELLOW, slots, "cdc"},
    {"unmeasured", BF_RISK_YELLOW, no_lag, "replication_lag is not measured: no right to see it"},
};

static const struct bf_risk_reason *reason_of(const struct bf_judgement *judgement, const char *code)
{
    for (size_t i = 0; i < judgement->count; i++)
        if (strcmp(judgement->reasons[i].code, code) == 0)
            return &judgement->reasons[i];
    return NULL;
}

static void test_each_rule_on_and_off(void **state)
{
    (void)state;
    struct bf_judgement judgement;
    struct harmless harmless;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        begin(&harmless);
        judge(&harmless, &judgement);
        if (judgement.count)
            fail_msg("the harmless case: %s: %s", judgement.reasons[0].code, judgement.reasons[0].text);
        assert_int_equal(judgement.risk, BF_RISK_GREEN);
        cases[i].turn_on(&harmless);
        judge(&harmless, &judgement);
        const struct bf_risk_reason *reason = reason_of(&judgement, cases[i].code);
        if (!reason)
            fail_msg("%s is not said", cases[i].code);
        if (!strstr(reason->text, cases[i].part))
            fail_msg("%s says \"%s\", not \"%s\"", cases[i].code, reason->text, cases[i].part);
        assert_int_equal(reason->risk, cases[i].risk);
        assert_int_equal(judgement.risk, cases[i].risk);
        bf_judgement_clear(&judgement);
        bf_facts_clear(&harmless.facts);
    }
}

static void test_new_rows_are_covered_by_whoever_writes_them(void **state)
{
    (void)state;
    static const struct {
        double newest, triggers; /* newest under 0: not known */
        bool said;
    } wanted[] = {{-1, 0, true}, {7, 0, true}, {0, 0, false}, {7, 1, false}};
    for (size_t i = 0; i < BF_COUNT(wanted); i++) {
        struct harmless harmless;
        struct bf_judgement judgement;
        begin(&harmless);
        uncovered(&harmless);
        if (wanted[i].newest >= 0)
            bf_facts_set(&harmless.facts, BF_FACT_NEWEST, wanted[i].newest, NULL);
        bf_facts_set(&harmless.facts, BF_FACT_INSERT_TRIGGERS, wanted[i].triggers, NULL);
        judge(&harmless, &judgement);
        assert_int_equal(reason_of(&judgement, "new_rows_uncovered") != NULL, wanted[i].said);
        bf_judgement_clear(&judgement);
        bf_facts_clear(&harmless.facts);
    }
}

static void test_the_cases_are_all_rules(void **state)
{
    (void)state;
    BF_AUTO_STRING char *text = bf_risk_rules_text();
    size_t rules = 0, known = 0;
    for (const char *at = text; (at = strstr(at, "\n| `")); at++)
        rules++;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        char row[64];
        snprintf(row, sizeof row, "| `%s` | %s |", cases[i].code, bf_risk_name(cases[i].risk));
        known += strstr(text, row) != NULL;
    }
    assert_int_equal(known, rules);
}

static void test_a_small_table_with_journal_is_green(void **state)
{
    (void)state;
    struct harmless harmless;
    struct bf_judgement judgement;
    begin(&harmless);
    one_pass(&harmless), unrehearsed(&harmless), no_check(&harmless), uncovered(&harmless);
    bf_facts_set(&harmless.facts, BF_FACT_ROWS, 5000, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING, 5000, NULL);
    judge(&harmless, &judgement);
    assert_int_equal(judgement.risk, BF_RISK_GREEN);
    bf_judgement_clear(&judgement);
    bf_facts_clear(&harmless.facts);
}

static void test_mandatory_measurements(void **state)
{
    (void)state;
    struct harmless harmless;
    struct bf_judgement judgement;
    begin(&harmless);
    for (enum bf_fact_name name = 0; name < BF_FACT_COUNT; name++)
        bf_facts_unknown(&harmless.facts, name, NULL);
    judge(&harmless, &judgement);
    assert_int_equal(judgement.unmeasured_count, 4);
    assert_string_equal(bf_fact_text(judgement.unmeasured[0]), "rows");
    assert_string_equal(bf_fact_text(judgement.unmeasured[1]), "write_rate");
    assert_string_equal(bf_fact_text(judgement.unmeasured[2]), "lock_contention");
    assert_string_equal(bf_fact_text(judgement.unmeasured[3]), "replicas");
    assert_int_equal(judgement.risk, BF_RISK_YELLOW);
    assert_false(harmless.estimate.known);
    bf_judgement_clear(&judgement);
    enum bf_fact_name name;
    assert_true(bf_fact_by_text("write_rate", &name));
    assert_int_equal(name, BF_FACT_WRITE_RATE);
    assert_false(bf_fact_by_text("write_rates", &name));
    bf_facts_set(&harmless.facts, BF_FACT_ROWS, NAN, NULL); /* what is no number is not known */
    assert_false(harmless.facts.of[BF_FACT_ROWS].known);
    bf_facts_clear(&harmless.facts);
}

static void test_estimate(void **state)
{
    (void)state;
    struct harmless harmless;
    begin(&harmless);
    harmless.document.remaining = NULL;
    struct bf_estimate estimate = bf_estimate(&harmless.document, &harmless.facts);
    /* 10 us a row and 5 ms a batch, which has 24,500 rows; 1.3 times that with a journal, 1.5 times with nice 0.5; and half a
     * second around it all */
    double expected = 1 / (1e-5 + 0.005 / 24500) / 1.3 / 1.5;
    assert_true(estimate.known);
    assert_near(estimate.rate, expected, 1e-3);
    assert_near(sqrt(estimate.low * estimate.high), 2e6 / expected + 0.5, 1e-3);
    assert_near(estimate.high / estimate.low, BF_ESTIMATE_SPREAD, 1e-9);
    assert_near(estimate.changed, 1e6, 1e-3);
    assert_near(estimate.log_bytes, 200 * 2e6, 1e-3);
    assert_true(estimate.journal_bytes > 0);
    bf_facts_set(&harmless.facts, BF_FACT_JOURNAL_ROW, 90, NULL);
    assert_near(bf_estimate(&harmless.document, &harmless.facts).journal_bytes, 90 * 1e6, 1e-3);
    harmless.document.undo = BF_UNDO_NONE;
    /* where the batches tell both apart: 2 us a row and 15 ms a batch, of which the half have to be changed: 100,000 rows */
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_ROW_TIME, 2, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_BATCH_TIME, 0.015, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_TRIAL_ROW_LOG, 3e8, NULL);
    estimate = bf_estimate(&harmless.document, &harmless.facts);
    assert_near(estimate.rate, 1 / (2e-6 + 0.02 / 100000) / 1.5, 1e-3);
    assert_near(estimate.log_bytes, 300 * 2e6, 1e-3);
    bf_facts_set(&harmless.facts, BF_FACT_RANGE_ROWS, 2e5, NULL); /* a tenth of the table, in which the tenth matches */
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING, 1e5, NULL);
    assert_near(bf_estimate(&harmless.document, &harmless.facts).log_bytes, estimate.log_bytes / 10, 1e-3);
    assert_near(bf_estimate(&harmless.document, &harmless.facts).changed, 1e5, 1e-3);
    bf_facts_unknown(&harmless.facts, BF_FACT_RANGE_ROWS, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING, 1e6, NULL);
    /* and where they do not, as in a plan of a former release: what all of them took */
    bf_facts_unknown(&harmless.facts, BF_FACT_TRIAL_ROW_TIME, NULL);
    bf_facts_unknown(&harmless.facts, BF_FACT_TRIAL_BATCH_TIME, NULL);
    bf_facts_unknown(&harmless.facts, BF_FACT_TRIAL_ROW_LOG, NULL);
    assert_near(bf_estimate(&harmless.document, &harmless.facts).rate, 1 / (1e-5 + 0.005 / 24500) / 1.5, 1e-3);
    harmless.document.pace.max_rows_per_second = 1000;
    estimate = bf_estimate(&harmless.document, &harmless.facts);
    assert_near(estimate.rate, 1000, 1e-9);
    assert_near(estimate.journal_bytes, 0, 0);
    harmless.document.pace.max_log_bytes_per_second = 20000;
    assert_near(bf_estimate(&harmless.document, &harmless.facts).rate, 100, 1e-9);
    bf_facts_clear(&harmless.facts);
}

static void test_volatile_predicates(void **state)
{
    (void)state;
    static const struct {
        const char *predicate;
        bool is_volatile;
    } predicates[] = {
        {NULL, false},
        {"", false},
        {"n IS NULL AND note = 'now()'", false},
        {"known > 3 OR now_or_never = 1 OR rand5 = 2", false},
        {"\"now\" > 3 AND `random` = 1", false},
        {"created < :started_at", false},
        {"created < :now", false},
        {"created < now()", true},
        {"a = 'it''s' AND NOW() > created", true},
        {"day=CURRENT_DATE", true},
        {"random()<0.5", true},
        {"note = 'open", false},
    };
    for (size_t i = 0; i < BF_COUNT(predicates); i++)
        if (bf_predicate_is_volatile(predicates[i].predicate) != predicates[i].is_volatile)
            fail_msg("\"%s\" is taken for the opposite", predicates[i].predicate);
}

static void test_windows_are_a_share_of_the_week(void **state)
{
    (void)state;
    const struct bf_window windows[] = {{.days = 1, .from = 22 * 60, .to = 6 * 60}, {.days = 2, .from = 5 * 60, .to = 7 * 60}};
    assert_near(bf_windows_share(windows, 0), 1, 0);
    assert_near(bf_windows_share(windows, 1), 8.0 / 168, 1e-9);
    assert_near(bf_windows_share(windows, 2), 9.0 / 168, 1e-9); /* they share an hour */
    assert_near(bf_windows_share(&(struct bf_window){.days = BF_EVERY_DAY, .to = 1440}, 1), 1, 1e-9);
}

static void test_quantities(void **state)
{
    (void)state;
    static const struct {
        char *(*function)(double);
        double value;
        const char *text;
    } wanted[] = {
        {bf_quantity_count, 0, "0"}, {bf_quantity_count, 0.42, "0.4"}, {bf_quantity_count, 7, "7"}, {bf_quantity_count, 12.4, "12"},
        {bf_quantity_count, 1234567, "1,234,567"}, {bf_quantity_count, -1234, "-1,234"}, {bf_quantity_count, NAN, "?"},
        {bf_quantity_bytes, 512, "512 B"}, {bf_quantity_bytes, 1536, "1.5 KiB"}, {bf_quantity_bytes, 1023.99 * 1024, "1.0 MiB"},
        {bf_quantity_bytes, 250.0 * 1024 * 1024, "250 MiB"},
    };
    for (size_t i = 0; i < BF_COUNT(wanted); i++) {
        BF_AUTO_STRING char *text = wanted[i].function(wanted[i].value);
        assert_string_equal(text, wanted[i].text);
    }
}

static void test_card(void **state)
{
    (void)state;
    struct harmless harmless;
    struct bf_judgement judgement;
    begin(&harmless);
    no_undo(&harmless), triggers(&harmless);
    harmless.document.description = "why it is done,\nand where the runbook is, told at such a length that it does not fit into one "
                                    "line of the card by far \x1b[31m";
    bf_facts_unknown(&harmless.facts, BF_FACT_WRITE_RATE, "no right to see it");
    judge(&harmless, &judgement);
    const struct bf_card card = {.document = &harmless.document, .facts = &harmless.facts, .estimate = &harmless.estimate,
                                 .judgement = &judgement, .table = "public.orders", .engine = "postgresql", .server_version = "15.5",
                                 .statement = "UPDATE orders SET n = (1)", .keep_undo = 7 * 86400000LL};
    BF_AUTO_STRING char *text = bf_card_text(&card);
    static const char *const parts[] = {"MIGRATION   fill on shop (postgresql 15.5)\n", "RISK        RED\n", "YELLOW - triggers: an update",
                                        "TABLE SIZE  public.orders: 2,000,000 rows", "WRITE QPS   not measured", "REFUSED without",
                                        "PHASES      1. ", "point of no return is the first batch", "--confirm fill", "REHEARSAL", "OWNER",
                                        "HANDOFF"};
    for (size_t i = 0; i < BF_COUNT(parts); i++)
        if (!strstr(text, parts[i]))
            fail_msg("the card does not say \"%s\":\n%s", parts[i], text);
    assert_null(strchr(text, '\x1b'));
    assert_true(text[strlen(text) - 1] == '\n');
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= BF_CARD_COLUMNS);
    bf_judgement_clear(&judgement);
    bf_facts_clear(&harmless.facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule_on_and_off),
        cmocka_unit_test(test_new_rows_are_covered_by_whoever_writes_them),
        cmocka_unit_test(test_the_cases_are_all_rules),
        cmocka_unit_test(test_a_small_table_with_journal_is_green),
        cmocka_unit_test(test_mandatory_measurements),
        cmocka_unit_test(test_estimate),
        cmocka_unit_test(test_volatile_predicates),
        cmocka_unit_test(test_windows_are_a_share_of_the_week),
        cmocka_unit_test(test_quantities),
        cmocka_unit_test(test_card),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
