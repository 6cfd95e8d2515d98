/* Plans: every rule of risk turned on and left off. */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "plan_case.h"

/* ---- what turns each rule on ---- */

#define FACT(function, fact, number, text)                                                                             \
    static void function(struct harmless *harmless)                                                                    \
    {                                                                                                                  \
        bf_facts_set(&harmless->facts, fact, number, text);                                                            \
    }
FACT(unproven, BF_FACT_PROVEN, 0, "column n")
static void untried(struct harmless *harmless) { bf_facts_unknown(&harmless->facts, BF_FACT_PROVEN, "no batch could be tried"); }
FACT(foreign_key, BF_FACT_FOREIGN_KEYS, 1, "orders_customer_fkey")
FACT(unique_index, BF_FACT_UNIQUE_INDEXES, 1, "orders_n_key")
FACT(lagging, BF_FACT_REPLICATION_LAG, 2.5, "replica-2")
FACT(stopped, BF_FACT_REPLICAS_STOPPED, 1, "db8:3306 (its SQL thread is stopped)")
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
FACT(waiting, BF_FACT_LOCK_WAITS, 3, "4711, 4712, 4713")
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
    {"replica_stopped", BF_RISK_RED, stopped, "does not replicate: db8:3306 (its SQL thread"},
    {"journal_disk", BF_RISK_RED, little_disk, "977 KiB"},
    {"publication_for_all_tables", BF_RISK_RED, all_tables, "everything"},
    {"multi_writer", BF_RISK_RED, multi_writer, "wsrep_on"},
    {"other_tool", BF_RISK_RED, other_tool, "_orders_gho"},
    {"full_scans", BF_RISK_RED, reads_all, "Seq Scan"},
    {"statement_binlog", BF_RISK_RED, statements, "binlog_format to ROW"},
    {"trial_failed", BF_RISK_RED, failed, "division by zero"},
    {"rollback_not_tried", BF_RISK_YELLOW, untried, "not tried: no batch could"},
    {"indexed_column", BF_RISK_YELLOW, indexed, "orders_n_idx"},
    {"triggers", BF_RISK_YELLOW, triggers, "orders_touch"},
    {"on_update_timestamp", BF_RISK_YELLOW, on_update, "changed_at"},
    {"large_table", BF_RISK_YELLOW, large, "20,000,000"},
    {"high_write_rate", BF_RISK_YELLOW, many_writes, "900 rows/s"},
    {"lock_contention", BF_RISK_YELLOW, waiting, "right now, 3 of them: 4711, 4712"},
    {"trial_conflicts", BF_RISK_YELLOW, conflicts, "1"},
    {"long_run", BF_RISK_YELLOW, slow, "longer than a shift: 1 d 12 h"},
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

/* A server sorts a few rows rather than read them by an index. */
static void test_a_few_rows_may_be_read_at_once(void **state)
{
    (void)state;
    struct bf_judgement judgement;
    struct harmless harmless;
    for (double rows = 10000; rows <= 10001; rows++) {
        begin(&harmless);
        reads_all(&harmless);
        bf_facts_set(&harmless.facts, BF_FACT_ROWS, rows, NULL);
        judge(&harmless, &judgement);
        assert_true((reason_of(&judgement, "full_scans") == NULL) == (rows <= 10000));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule_on_and_off),
        cmocka_unit_test(test_a_few_rows_may_be_read_at_once),
        cmocka_unit_test(test_new_rows_are_covered_by_whoever_writes_them),
        cmocka_unit_test(test_the_cases_are_all_rules),
        cmocka_unit_test(test_a_small_table_with_journal_is_green),
        cmocka_unit_test(test_mandatory_measurements),
        cmocka_unit_test(test_volatile_predicates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
