/* The plan as a page for people. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "allocate.h"
#include "card.h"
#include "plan_case.h"
#include "quantity.h"

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
    harmless.document.undo = BF_UNDO_NONE;
    bf_facts_set(&harmless.facts, BF_FACT_TRIGGERS, 1, "orders_touch");
    harmless.document.description = "why it is done,\nand where the runbook is, told at such a length that it does not fit into one "
                                    "line of the card by far \x1b[31m";
    bf_facts_unknown(&harmless.facts, BF_FACT_WRITE_RATE, "no right to see it");
    harmless.document.checks[BF_CHECK_BEFORE][0].name = "backup is fresh";
    harmless.document.triggers[0] = (struct bf_document_trigger){.name = "errors", .signal = "error_rate", .limited = true,
                                                                 .limit = 0.01, .hold = 30000, .then = BF_ORDER_PAUSE};
    harmless.document.triggers[1] = (struct bf_document_trigger){.name = "till", .sql = "SELECT 1", .limited = true, .below = true,
                                                                 .relative = true, .limit = 2, .then = BF_ORDER_ROLLBACK};
    harmless.document.trigger_count = 2;
    harmless.document.canary_rows = 12000;
    harmless.document.pace.windows[0] = (struct bf_window){.days = 5, .from = 1320, .to = 360, .zone = "Europe/Berlin"};
    harmless.document.pace.windows[1] = (struct bf_window){.days = BF_EVERY_DAY, .to = 1440, .zone = "UTC"};
    harmless.document.pace.window_count = 2;
    judge(&harmless, &judgement);
    const struct bf_card card = {.document = &harmless.document, .facts = &harmless.facts, .estimate = &harmless.estimate,
                                 .judgement = &judgement, .table = "public.orders", .engine = "postgresql", .server_version = "15.5",
                                 .statement = "UPDATE orders SET n = (1)", .keep_undo = 7 * 86400000LL};
    BF_AUTO_STRING char *text = bf_card_text(&card);
    static const char *const parts[] = {"MIGRATION   fill on shop: PostgreSQL 15.5\n", "RISK        RED\n", "YELLOW - triggers: an update",
                                        "TABLE SIZE  public.orders: 2,000,000 rows", "WRITE QPS   not measured", "REFUSED without",
                                        "PHASES      1. ", "point of no return is the first batch", "--confirm fill", "REHEARSAL", "OWNER",
                                        "RUNBOOK     1. pre-check: backfillctl targets; before the first batch: \"backup is fresh\"\n",
                                        "4. rollback triggers, which stop it by themselves:\n               - errors: error_rate above 0.01 "
                                        "for 30.0 s, then pause\n               - till: its SQL below 2 x its baseline, then rollback\n",
                                        "post-verify: no checks\n", "canary: 12,000 rows, then a person looks and says backfillctl resume fill\n",
                                        "batches of 10 to 50,000 rows, at first 500, aimed at 250 ms",
                                        "rows to change: about 1,000,000\n", "with SQL: UPDATE backfilld.control SET goal = 'pause' WHERE name = "
                                        "'fill'\n", "WINDOW      mon, wed 22:00 to 06:00 Europe/Berlin\n            every day "
                                        "00:00 to 24:00 UTC\n", "HANDOFF"};
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

static void assert_says(const struct bf_card *card, const char *part, bool says)
{
    BF_AUTO_STRING char *text = bf_card_text(card);
    if ((strstr(text, part) != NULL) != says)
        fail_msg("the card %s \"%s\":\n%s", says ? "does not say" : "says", part, text);
}

/* What nobody measured is said, and not as if it had stopped anything where somebody took it on. */
static void test_what_is_not_known_is_said(void **state)
{
    (void)state;
    struct harmless harmless;
    struct bf_judgement judgement;
    begin(&harmless);
    bf_facts_unknown(&harmless.facts, BF_FACT_WRITE_RATE, "track_counts is off");
    bf_facts_unknown(&harmless.facts, BF_FACT_DISK_FREE, "the server does not tell");
    bf_facts_unknown(&harmless.facts, BF_FACT_TRIAL_LOG, NULL);
    bf_facts_unknown(&harmless.facts, BF_FACT_TRIAL_ROW_LOG, NULL);
    judge(&harmless, &judgement);
    const struct bf_card card = {.document = &harmless.document, .facts = &harmless.facts, .estimate = &harmless.estimate,
                                 .judgement = &judgement, .table = "shop.orders", .engine = "mysql",
                                 .server_version = "10.11.19-MariaDB-0+deb12u1-log"};
    assert_says(&card, "fill on shop: MariaDB 10.11.19-MariaDB-0+deb12u1-log\n", true);
    assert_says(&card, "REFUSED without a measurement of write_rate\n", true);
    assert_says(&card, "accepted by the document", false);
    assert_says(&card, "how much log it writes is not known; leaves 1,000,000 old row versions\n", true);
    assert_says(&card, "disk for the undo journal: 57.2 MiB; free: not measured: the server does not tell\n", true);
    harmless.document.accept[BF_ACCEPT_NO_REPLICAS] = harmless.document.accept[BF_ACCEPT_WRITE_RATE] = true;
    assert_says(&card, "accepted by the document: no_replicas, write_rate\n", true);
    assert_says(&card, "REFUSED", false);
    assert_says(&card, "tried: every row came back byte for byte\n", true);
    bf_facts_unknown(&harmless.facts, BF_FACT_PROVEN, "no batch could be tried");
    assert_says(&card, "every row came back", false);
    assert_says(&card, "not tried: no batch could be tried\n", true);
    bf_facts_set(&harmless.facts, BF_FACT_ROWS, 1, NULL);
    bf_facts_set(&harmless.facts, BF_FACT_MATCHING, 1, NULL);
    harmless.estimate = bf_estimate(&harmless.document, &harmless.facts, &costs);
    assert_says(&card, "shop.orders: 1 row, ", true);
    assert_says(&card, "leaves 1 old row version\n", true);
    bf_facts_set(&harmless.facts, BF_FACT_ROWS, 0, NULL);
    harmless.estimate = bf_estimate(&harmless.document, &harmless.facts, &costs);
    assert_says(&card, "shop.orders: 0 rows, 191 MiB; rows to change: about 0\n", true);
    assert_says(&card, "JOB ", false);
    struct bf_card stored = card;
    stored.hash = "0f772b22";
    stored.job = "01M813VDNPSTH0Y7B8MFH93QCE";
    assert_says(&stored, "PLAN        0f772b22\nJOB         01M813VDNPSTH0Y7B8MFH93QCE\n", true);
    bf_facts_set(&harmless.facts, BF_FACT_REPLICAS, 0, "replicas = none");
    assert_says(&card, "not measured by others; replicas: none\n", true);
    bf_judgement_clear(&judgement);
    bf_facts_clear(&harmless.facts);
}

static void test_what_came_of_it_stands_beside_the_estimate(void **state)
{
    (void)state;
    struct harmless harmless;
    struct bf_judgement judgement;
    begin(&harmless);
    judge(&harmless, &judgement);
    struct bf_took took = {.work = 60, .whole = 90, .scanned = 2e6, .changed = 1e6, .log_bytes = 3e8, .journal_bytes = 4e7, .dead = 1234,
                           .compared = true, .held = true};
    const struct bf_card card = {.document = &harmless.document, .facts = &harmless.facts, .estimate = &harmless.estimate,
                                 .judgement = &judgement, .table = "public.orders", .engine = "postgresql", .took = &took};
    BF_AUTO_STRING char *text = bf_card_text(&card);
    static const char *const parts[] = {"TOOK        1 min 00 s of work, 1 min 30 s from start", ", which held\n",
                                        "286 MiB of log, by what the server wrote while batches ran (estimated: 420 MiB)",
                                        "38.1 MiB of undo journal (estimated: 57.2 MiB)", "1,234 old row versions were in the table at the end"};
    for (size_t i = 0; i < BF_COUNT(parts); i++)
        if (!strstr(text, parts[i]))
            fail_msg("the card does not say \"%s\":\n%s", parts[i], text);
    struct bf_card over = card;
    over.undo_until = INT64_C(1790000000000);
    BF_AUTO_STRING char *until = bf_card_text(&over);
    if (!strstr(until, "ROLLBACK    backfillctl rollback fill; journal (38.1 MiB) kept until 2026-09-21 14:13 UTC: "))
        fail_msg("until when there is a way back is not said:\n%s", until);
    over.undo_dropped = true;
    BF_AUTO_STRING char *dropped = bf_card_text(&over);
    assert_non_null(strstr(dropped, "ROLLBACK    none any more: the undo journal was dropped\n"));
    took.log_bytes = took.journal_bytes = took.dead = -1; /* what is not known is not said */
    BF_AUTO_STRING char *less = bf_card_text(&card);
    assert_null(strstr(less, "while batches ran"));
    assert_null(strstr(less, "of undo journal ("));
    assert_null(strstr(less, "old row versions were"));
    bf_judgement_clear(&judgement);
    bf_facts_clear(&harmless.facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantities),
        cmocka_unit_test(test_card),
        cmocka_unit_test(test_what_is_not_known_is_said),
        cmocka_unit_test(test_what_came_of_it_stands_beside_the_estimate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
