#include "risk.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "allocate.h"
#include "buffer.h"
#include "duration.h"
#include "quantity.h"

const struct bf_thresholds bf_thresholds_default = {
#define X(member, name, value, unit, says) .member = value,
    BF_RISK_THRESHOLDS(X)
#undef X
};

static const struct {
    const char *name;
    size_t offset;
    enum bf_unit unit;
} thresholds_table[] = {
#define X(member, name, value, unit, says) {name, offsetof(struct bf_thresholds, member), BF_UNIT_##unit},
    BF_RISK_THRESHOLDS(X)
#undef X
};

char *bf_threshold_set(struct bf_thresholds *thresholds, const char *name, const char *value)
{
    for (size_t i = 0; i < BF_COUNT(thresholds_table); i++) {
        void *threshold = (char *)thresholds + thresholds_table[i].offset;
        double number;
        int64_t milliseconds;
        char *end;
        if (strcmp(thresholds_table[i].name, name) != 0)
            continue;
        if (thresholds_table[i].unit == BF_UNIT_SECONDS) {
            if (!bf_duration_parse(value, &milliseconds))
                return bf_format("\"%s\" is not a duration; write it like \"8h\"", value);
            number = (double)milliseconds / 1000;
        } else {
            number = strtod(value, &end);
            if (end == value || *end || !(number >= 0 && number <= 1e15) || value[strspn(value, "0123456789.")])
                return bf_format("\"%s\" is not a number from 0 to 10^15", value);
        }
        memcpy(threshold, &number, sizeof number);
        return NULL;
    }
    struct bf_buffer names = {0};
    for (size_t i = 0; i < BF_COUNT(thresholds_table); i++)
        bf_buffer_format(&names, "%s%s", i ? ", " : "", thresholds_table[i].name);
    BF_AUTO_STRING char *known = bf_buffer_take(&names);
    return bf_format("there is no threshold %s; there are %s", name, known);
}

char *bf_thresholds_text(const struct bf_thresholds *thresholds)
{
    struct bf_buffer text = {0};
    for (size_t i = 0; i < BF_COUNT(thresholds_table); i++) {
        double number;
        memcpy(&number, (const char *)thresholds + thresholds_table[i].offset, sizeof number);
        bf_buffer_format(&text, "%s%s = %g", i ? ", " : "", thresholds_table[i].name, number);
    }
    return bf_buffer_take(&text);
}

static const char *const risk_names[] = {"GREEN", "YELLOW", "RED"};
static const char *const approval_names[] = {"none", "red", "yellow", "all"};

const char *bf_risk_name(enum bf_risk risk)
{
    return risk_names[risk];
}

bool bf_risk_by_name(const char *name, enum bf_risk *ret_risk)
{
    for (size_t i = 0; name && i < BF_COUNT(risk_names); i++)
        if (strcmp(name, risk_names[i]) == 0) {
            *ret_risk = (enum bf_risk)i;
            return true;
        }
    return false;
}

const char *bf_approval_name(enum bf_approval approval)
{
    return approval_names[approval];
}

bool bf_approval_by_name(const char *name, enum bf_approval *ret_approval)
{
    for (size_t i = 0; i < BF_COUNT(approval_names); i++)
        if (strcmp(name, approval_names[i]) == 0) {
            *ret_approval = (enum bf_approval)i;
            return true;
        }
    return false;
}

bool bf_approval_needed(enum bf_approval approval, enum bf_risk risk)
{
    return (int)approval + (int)risk >= (int)BF_APPROVAL_ALL && approval != BF_APPROVAL_NONE;
}

/* ---- what the author wrote ---- */

bool bf_predicate_is_volatile(const char *predicate)
{
    static const char *const words[] = {
        "clock_timestamp", "curdate",         "current_date", "current_time", "current_timestamp",   "curtime",
        "gen_random_uuid", "localtime",       "localtimestamp", "nextval",    "now",                 "rand",
        "random",          "statement_timestamp", "sysdate",  "timeofday",    "transaction_timestamp", "unix_timestamp",
        "utc_timestamp",   "uuid"};
    for (const char *at = predicate; at && *at;) {
        size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$");
        if (*at == '\'' || *at == '"' || *at == '`') {
            const char *end = strchr(at + 1, *at);
            at = end ? end + 1 : at + strlen(at);
            continue;
        }
        bool ours = at > predicate && at[-1] == ':'; /* :started_at is the same for the whole job */
        for (size_t i = 0; i < BF_COUNT(words) && !ours; i++)
            if (length == strlen(words[i]) && strncasecmp(at, words[i], length) == 0)
                return true;
        at += length ? length : 1;
    }
    return false;
}

/* ---- what a rule asks ---- */

static bool no_undo(const struct bf_risk_case *of)
{
    return of->document->undo == BF_UNDO_NONE;
}

static bool inverse_by_author(const struct bf_risk_case *of)
{
    return of->document->undo == BF_UNDO_INVERSE;
}

static bool rollback_not_proven(const struct bf_risk_case *of)
{
    const struct bf_fact *proven = &of->facts->of[BF_FACT_PROVEN];
    return of->document->undo != BF_UNDO_NONE && proven->known && proven->value == 0;
}

/* Some reasons count only where nobody can simply look at every row afterwards. */
static bool small_table(const struct bf_risk_case *of)
{
    const struct bf_fact *rows = &of->facts->of[BF_FACT_ROWS];
    return rows->known && rows->value <= of->thresholds->small;
}

/* On so few rows that all of them can be looked at it is no reason. */
static bool rollback_not_tried(const struct bf_risk_case *of)
{
    const struct bf_fact *proven = &of->facts->of[BF_FACT_PROVEN];
    return of->document->undo != BF_UNDO_NONE && !proven->known && proven->detail && !small_table(of);
}

static bool replica_lagging(const struct bf_risk_case *of)
{
    return bf_fact_over(of->facts, BF_FACT_REPLICATION_LAG, of->lag_limit);
}

static bool journal_too_large(const struct bf_risk_case *of)
{
    const struct bf_fact *disk = &of->facts->of[BF_FACT_DISK_FREE];
    return disk->known && of->estimate->journal_bytes > disk->value * of->thresholds->journal_share / 100;
}

static bool large_table(const struct bf_risk_case *of)
{
    return bf_fact_over(of->facts, BF_FACT_ROWS, of->thresholds->rows);
}

static bool takes_long(const struct bf_risk_case *of)
{
    return of->estimate->known && of->estimate->high > of->thresholds->duration;
}

/* So few rows any server rather reads at once and sorts, whatever index there is. */
enum { FEW_ROWS = 10000 };

static bool boundary_reads_the_table(const struct bf_risk_case *of)
{
    const struct bf_fact *used = &of->facts->of[BF_FACT_KEY_USED], *rows = &of->facts->of[BF_FACT_ROWS];
    return used->known && used->value == 0 && !(rows->known && rows->value <= FEW_ROWS);
}

static bool volatile_predicate(const struct bf_risk_case *of)
{
    return of->volatile_predicate;
}

static bool late_rows(const struct bf_risk_case *of)
{
    return !of->document->remaining && !small_table(of);
}

static bool no_backup_check(const struct bf_risk_case *of)
{
    return of->document->check_count[BF_CHECK_BEFORE] == 0 && !small_table(of);
}

static bool not_rehearsed(const struct bf_risk_case *of)
{
    return !of->rehearsed && !small_table(of);
}

static bool new_rows_uncovered(const struct bf_risk_case *of)
{
    const struct bf_fact *newest = &of->facts->of[BF_FACT_NEWEST];
    bool written = newest->known && newest->value == 0; /* by whoever inserts them */
    return bf_fact_over(of->facts, BF_FACT_UNCOVERED, 0) && !bf_fact_over(of->facts, BF_FACT_INSERT_TRIGGERS, 0) && !written &&
           !small_table(of);
}

static bool no_canary(const struct bf_risk_case *of)
{
    return of->document->canary_rows == 0 && large_table(of);
}

/* ---- the table ---- */

/* A rule holds when `holds` says so; without one, when its fact is over a threshold, or over zero where there is none. The
 * sentence takes the fact's value and its detail, as far as it asks for them ("%v", "%d"). */
struct rule {
    const char *code;
    enum bf_risk risk;
    bool (*holds)(const struct bf_risk_case *of);
    unsigned fact; /* enum bf_fact_name, or one of those below */
    size_t threshold; /* OVER(one of struct bf_thresholds), or ANY */
    const char *says;
};

#define OVER(member) (offsetof(struct bf_thresholds, member) + 1)
#define ANY 0
enum { NO_NUMBER = BF_FACT_COUNT, LONGEST /* seconds: the upper end of the estimate */ };

static const struct rule rules[] = {
    {"no_undo", BF_RISK_RED, no_undo, NO_NUMBER, ANY, "there is no way back: the document says \"undo\": \"none\""},
    {"rollback_not_proven", BF_RISK_RED, rollback_not_proven, BF_FACT_PROVEN, ANY,
     "rows of the trial did not come back as they were: %d"},
    {"foreign_key_column", BF_RISK_RED, NULL, BF_FACT_FOREIGN_KEYS, ANY, "`set` changes a column of a foreign key: %d"},
    {"unique_key_column", BF_RISK_RED, NULL, BF_FACT_UNIQUE_INDEXES, ANY, "`set` changes a column of a unique key: %d"},
    {"replica_lagging", BF_RISK_RED, replica_lagging, BF_FACT_REPLICATION_LAG, ANY,
     "a replica is already %v behind, more than the job's limit: %d"},
    {"replica_stopped", BF_RISK_RED, NULL, BF_FACT_REPLICAS_STOPPED, ANY, "a replica does not replicate: %d"},
    {"journal_disk", BF_RISK_RED, journal_too_large, BF_FACT_DISK_FREE, ANY,
     "the undo journal would take too much of the %v of free disk"},
    {"publication_for_all_tables", BF_RISK_RED, NULL, BF_FACT_ALL_TABLES, ANY,
     "a publication FOR ALL TABLES would send our own tables to its subscribers: %d"},
    {"multi_writer", BF_RISK_RED, NULL, BF_FACT_MULTI_WRITER, ANY,
     "the server is part of a cluster that writes on several nodes: %d"},
    {"other_tool", BF_RISK_RED, NULL, BF_FACT_OTHER_TOOLS, ANY, "another tool is at work on the table: %d"},
    {"full_scans", BF_RISK_RED, boundary_reads_the_table, BF_FACT_KEY_USED, ANY,
     "the end of a batch is not found through the key's index: %d"},
    {"statement_binlog", BF_RISK_RED, NULL, BF_FACT_STATEMENT_LOG, ANY,
     "the binary log holds statements, and with that the server refuses every batch: set binlog_format to ROW or MIXED"},
    {"trial_failed", BF_RISK_RED, NULL, BF_FACT_TRIAL_ERRORS, ANY, "the server refused a batch of the trial: %d"},
    {"rollback_not_tried", BF_RISK_YELLOW, rollback_not_tried, BF_FACT_PROVEN, ANY, "whether rows come back was not tried: %d"},
    {"indexed_column", BF_RISK_YELLOW, NULL, BF_FACT_INDEXES, ANY,
     "`set` changes a column of an index, which every row writes anew: %d"},
    {"triggers", BF_RISK_YELLOW, NULL, BF_FACT_TRIGGERS, ANY, "an update fires triggers: %d"},
    {"on_update_timestamp", BF_RISK_YELLOW, NULL, BF_FACT_ON_UPDATE, ANY,
     "an update sets these columns to the time by itself: %d"},
    {"large_table", BF_RISK_YELLOW, NULL, BF_FACT_ROWS, OVER(rows), "the table has %v rows"},
    {"high_write_rate", BF_RISK_YELLOW, NULL, BF_FACT_WRITE_RATE, OVER(write_rate), "others write %v of this table"},
    {"lock_contention", BF_RISK_YELLOW, NULL, BF_FACT_LOCK_WAITS, ANY, "sessions wait for locks of the table right now, %v of them: %d"},
    {"trial_conflicts", BF_RISK_YELLOW, NULL, BF_FACT_TRIAL_CONFLICTS, ANY,
     "batches of the trial met rows that others had locked, or waited for: %v"},
    {"long_run", BF_RISK_YELLOW, takes_long, LONGEST, ANY, "it may take longer than a shift: %v"},
    {"volatile_predicate", BF_RISK_YELLOW, volatile_predicate, NO_NUMBER, ANY,
     "a predicate asks for the time or for chance, so it means another set of rows in every batch"},
    {"late_rows", BF_RISK_YELLOW, late_rows, NO_NUMBER, ANY,
     "rows that come late are not looked for: there is no `remaining`"},
    {"new_rows_uncovered", BF_RISK_YELLOW, new_rows_uncovered, BF_FACT_UNCOVERED, ANY,
     "new rows get no value, by a default, a trigger or who inserts them, for: %d"},
    {"key_written", BF_RISK_YELLOW, NULL, BF_FACT_KEY_WRITERS, ANY,
     "others change columns of the key, and a row whose key changes may be met twice or not at all: %d"},
    {"inverse_by_author", BF_RISK_YELLOW, inverse_by_author, NO_NUMBER, ANY,
     "the way back is the author's own statement, which does not see what others wrote meanwhile"},
    {"not_rehearsed", BF_RISK_YELLOW, not_rehearsed, NO_NUMBER, ANY,
     "the same document has not run to its end on another target"},
    {"no_backup_check", BF_RISK_YELLOW, no_backup_check, NO_NUMBER, ANY,
     "no check before the start says that there is a backup"},
    {"no_canary", BF_RISK_YELLOW, no_canary, NO_NUMBER, ANY, "a large table without a canary"},
    {"old_transaction", BF_RISK_YELLOW, NULL, BF_FACT_OLDEST_TRANSACTION, OVER(oldest_transaction),
     "a transaction has been open for %v: %d"},
    {"autovacuum_off", BF_RISK_YELLOW, NULL, BF_FACT_VACUUM_OFF, ANY,
     "autovacuum does not clean the table: dead rows will stay"},
    {"near_wraparound", BF_RISK_YELLOW, NULL, BF_FACT_FREEZE_AGE, OVER(freeze_age),
     "the table is at %v of autovacuum_freeze_max_age: a vacuum against wraparound may come in the midst of it"},
    {"logical_slots", BF_RISK_YELLOW, NULL, BF_FACT_LOGICAL_SLOTS, ANY,
     "logical replication slots decode every changed row: %d"},
};

static bool holds(const struct rule *rule, const struct bf_risk_case *of)
{
    double limit = 0;
    if (rule->holds)
        return rule->holds(of);
    if (rule->threshold)
        memcpy(&limit, (const char *)of->thresholds + rule->threshold - 1, sizeof limit);
    return bf_fact_over(of->facts, rule->fact, limit);
}

static char *number_text(const struct rule *rule, double value)
{
    char duration[BF_DURATION_TEXT];
    return rule->fact == LONGEST ? bf_copy_string(bf_duration_format((int64_t)(value * 1000), duration)) : bf_fact_format(rule->fact, value);
}

static char *sentence(const struct rule *rule, const struct bf_fact *fact, double number)
{
    struct bf_buffer text = {0};
    for (const char *at = rule->says; *at; at++) {
        if (at[0] == '%' && at[1] == 'v') {
            BF_AUTO_STRING char *value = number_text(rule, number);
            bf_buffer_text(&text, value);
            at++;
        } else if (at[0] == '%' && at[1] == 'd') {
            bf_buffer_text(&text, fact->detail ? fact->detail : "");
            at++;
        } else {
            bf_buffer_append(&text, at, 1);
        }
    }
    char *whole = bf_buffer_take(&text);
    size_t length = strlen(whole); /* a sentence that ends in a list has nothing to end in without it */
    if (length > 2 && strcmp(whole + length - 2, ": ") == 0)
        whole[length - 2] = '\0';
    return whole;
}

static void add(struct bf_judgement *judgement, struct bf_risk_reason reason)
{
    if (judgement->count == BF_RISK_REASONS_MAX) {
        free(reason.text);
        return;
    }
    judgement->reasons[judgement->count++] = reason;
    if (reason.risk > judgement->risk)
        judgement->risk = reason.risk;
}

static void add_unmeasured(struct bf_judgement *judgement, const struct bf_facts *facts)
{
    for (enum bf_fact_name name = 0; name < BF_FACT_COUNT; name++) {
        const struct bf_fact *fact = &facts->of[name];
        if (fact->known || bf_fact_need(name) == BF_OPTIONAL)
            continue;
        if (bf_fact_need(name) == BF_MANDATORY)
            judgement->unmeasured[judgement->unmeasured_count++] = name;
        char *text = bf_format("%s is not measured%s%s", bf_fact_text(name), fact->detail ? ": " : "",
                               fact->detail ? fact->detail : "");
        add(judgement, (struct bf_risk_reason){.code = "unmeasured", .risk = BF_RISK_YELLOW, .text = text});
    }
}

void bf_judge(const struct bf_risk_case *of, struct bf_judgement *ret_judgement)
{
    *ret_judgement = (struct bf_judgement){.risk = BF_RISK_GREEN};
    for (size_t i = 0; i < BF_COUNT(rules); i++) {
        const struct rule *rule = &rules[i];
        if (!holds(rule, of))
            continue;
        static const struct bf_fact nothing;
        const struct bf_fact *fact = rule->fact < BF_FACT_COUNT ? &of->facts->of[rule->fact] : &nothing;
        double number = rule->fact == LONGEST ? of->estimate->high : fact->value;
        add(ret_judgement, (struct bf_risk_reason){.code = rule->code, .risk = rule->risk, .numbered = rule->fact != NO_NUMBER,
                                                   .value = number, .text = sentence(rule, fact, number)});
    }
    add_unmeasured(ret_judgement, of->facts);
}

void bf_judgement_clear(struct bf_judgement *judgement)
{
    for (size_t i = 0; i < judgement->count; i++)
        free(judgement->reasons[i].text);
    *judgement = (struct bf_judgement){0};
}

char *bf_risk_rules_text(void)
{
    struct bf_buffer text = {0};
    bf_buffer_text(&text, "| reason | class | what it says |\n|---|---|---|\n");
    for (size_t i = 0; i < BF_COUNT(rules); i++)
        bf_buffer_format(&text, "| `%s` | %s | %s |\n", rules[i].code, bf_risk_name(rules[i].risk), rules[i].says);
    return bf_buffer_take(&text);
}
