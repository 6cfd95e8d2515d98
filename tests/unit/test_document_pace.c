/* What a document says of pressures: limits that may be none, caps, windows, signals of its own, and what it takes on;
 * and what a target and a later change do with them. */
#include "document_case.h"

#include <string.h>

#include "allocate.h"
#include "ledger.h"
#include "rules.h"
#include "share.h"

static struct bf_document *document_of(const char *fields)
{
    BF_AUTO_STRING char *json = bf_format("{" SMALLEST ",%s}", fields);
    return parse_good(json);
}

static void bad_rows(void **state)
{
    (void)state;
    static const char *const wrong[] = {"\"1\"", "\"0%\"", "\"100%\"", "\"1.5e1%\"", "\".5%\"", "\"5. %\"", "\"-1%\"", "\"0.00000001%\"",
                                        "-1", "1.5", "1.0", "0.0", "-0.5", "1e-10", "null", "true"};
    static const struct {
        const char *value, *text;
        int64_t of, rows;
    } right[] = {{"0", "0", 1000, 0}, {"7", "7", 3, 7}, {"\"0.1%\"", "0.1%", 10000000, 10000}, {"\"99.9999999%\"", "99.9999999%", 1000, 999},
                 {"\"0.0000001%\"", "1e-07%", 1000000000, 1}, {"\"50%\"", "50%", 3, 1},
                 {"0.001", "0.1%", 10000000, 10000}, {"1e-9", "1e-07%", 1000000000, 1}, {"0.07", "7%", 100, 7}};
    struct bf_document *document = document_of("\"again\":false");
    assert_int_equal(document->limits.bad_rows, 0);
    bf_document_free(document);
    for (size_t i = 0; i < BF_COUNT(right); i++) {
        char text[BF_SHARE_TEXT];
        BF_AUTO_STRING char *field = bf_format("\"limits\":{\"bad_rows\":%s}", right[i].value);
        document = document_of(field);
        assert_int_equal(bf_count_or_share(document->limits.bad_rows, right[i].of), right[i].rows);
        assert_string_equal(bf_share_format(document->limits.bad_rows, text), right[i].text);
        bf_document_free(document);
    }
    for (size_t i = 0; i < BF_COUNT(wrong); i++) {
        BF_AUTO_STRING char *field = bf_format("\"limits\":{\"bad_rows\":%s}", wrong[i]);
        invalid(field, "/limits/bad_rows", "must be");
    }
}

static void limits_and_caps(void **state)
{
    (void)state;
    struct bf_document *document = document_of("\"again\":false");
    assert_int_equal(document->limits.replication_lag, 1500);
    assert_true(document->limits.active_sessions == BF_NO_LIMIT);
    assert_true(document->pace.max_rows_per_second == BF_NO_LIMIT);
    assert_true(document->pace.max_log_bytes_per_second == BF_NO_LIMIT);
    assert_int_equal(document->pace.window_count, 0);
    bf_document_free(document);
    document = document_of("\"limits\":{\"replication_lag\":\"10s\",\"active_sessions\":50},"
                           "\"pace\":{\"max_rows_per_second\":1000,\"max_log_bytes_per_second\":\"8MiB\"}");
    assert_int_equal(document->limits.replication_lag, 10000);
    assert_int_equal(document->limits.active_sessions, 50);
    assert_int_equal(document->pace.max_rows_per_second, 1000);
    assert_int_equal(document->pace.max_log_bytes_per_second, 8 << 20);
    bf_document_free(document);
    document = document_of("\"limits\":{\"active_sessions\":null},\"pace\":{\"max_rows_per_second\":null,"
                           "\"max_log_bytes_per_second\":4096}");
    assert_true(document->limits.active_sessions == BF_NO_LIMIT);
    assert_int_equal(document->pace.max_log_bytes_per_second, 4096);
    bf_document_free(document);
    invalid("\"limits\":{\"replication_lag\":null}", "/limits/replication_lag", "not null");
    invalid("\"limits\":{\"replication_lag\":\"1ms\"}", "/limits/replication_lag", "from 10 ms");
    document = document_of("\"limits\":{\"blocked_sessions\":3,\"log_rate\":\"8MiB\",\"archive_backlog\":\"1GiB\",\"slot_retained\":"
                           "\"20GiB\",\"autovacuum\":1,\"dead_tuples\":1000000,\"oldest_snapshot\":\"30m\",\"history_list\":"
                           "100000,\"flow_control\":0.1}");
    const struct bf_limits *limits = &document->limits;
    assert_int_equal(limits->blocked_sessions, 3);
    assert_int_equal(limits->log_rate, 8 << 20);
    assert_int_equal(limits->archive_backlog, 1 << 30);
    assert_int_equal(limits->slot_retained, INT64_C(20) << 30);
    assert_int_equal(limits->autovacuum, 1);
    assert_int_equal(limits->dead_tuples, 1000000);
    assert_int_equal(limits->oldest_snapshot, 1800000);
    assert_int_equal(limits->history_list, 100000);
    assert_true(limits->flow_control > 0.099 && limits->flow_control < 0.101);
    bf_document_free(document);
    document = document_of("\"limits\":{\"flow_control\":null,\"slot_retained\":null}");
    assert_true(document->limits.flow_control >= (double)BF_NO_LIMIT);
    assert_true(document->limits.slot_retained == BF_NO_LIMIT);
    bf_document_free(document);
    invalid("\"limits\":{\"flow_control\":0}", "/limits/flow_control", "over 0 and at most 1");
    invalid("\"limits\":{\"flow_control\":1.5}", "/limits/flow_control", "over 0 and at most 1");
    invalid("\"limits\":{\"flow_control\":\"10%\"}", "/limits/flow_control", "must be a number");
    invalid("\"limits\":{\"oldest_snapshot\":\"999ms\"}", "/limits/oldest_snapshot", "from 1");
    invalid("\"limits\":{\"slot_retained\":\"1000B\"}", "/limits/slot_retained", "from 1024 to");
    invalid("\"limits\":{\"autovacuum\":0}", "/limits/autovacuum", "from 1 to");
    invalid("\"limits\":{\"active_sessions\":0}", "/limits/active_sessions", "from 1 to");
    invalid("\"pace\":{\"max_rows_per_second\":0}", "/pace/max_rows_per_second", "from 1 to");
    invalid("\"pace\":{\"max_rows_per_second\":\"5\"}", "/pace/max_rows_per_second", "must be a whole number");
    invalid("\"pace\":{\"max_log_bytes_per_second\":\"8MB\"}", "/pace/max_log_bytes_per_second", "is not a size");
    invalid("\"pace\":{\"max_log_bytes_per_second\":1023}", "/pace/max_log_bytes_per_second", "from 1024 to");
    invalid("\"pace\":{\"max_log_bytes_per_second\":1.5}", "/pace/max_log_bytes_per_second", "must be a size");
}

static void windows(void **state)
{
    (void)state;
    struct bf_document *document =
        document_of("\"pace\":{\"window\":[{\"days\":[\"mon\",\"sun\"],\"from\":\"22:00\",\"to\":\"06:00\",\"zone\":"
                    "\"Europe/Berlin\"},{\"from\":\"00:00\",\"to\":\"24:00\"}]}");
    const struct bf_window *window = document->pace.windows;
    assert_int_equal(document->pace.window_count, 2);
    assert_int_equal(window[0].days, 0x41);
    assert_int_equal(window[0].from, 1320);
    assert_int_equal(window[0].to, 360);
    assert_string_equal(window[0].zone, "Europe/Berlin");
    assert_int_equal(window[1].days, BF_EVERY_DAY);
    assert_int_equal(window[1].to, 1440);
    assert_string_equal(window[1].zone, "UTC");
    bf_document_free(document);
#define WINDOW(fields) "\"pace\":{\"window\":[{" fields "}]}"
    invalid(WINDOW("\"to\":\"06:00\""), "/pace/window/0", "`from` is required");
    invalid(WINDOW("\"from\":\"24:00\",\"to\":\"06:00\""), "/pace/window/0/from", "a time of the day");
    invalid(WINDOW("\"from\":\"6:00\",\"to\":\"07:00\""), "/pace/window/0/from", "a time of the day");
    invalid(WINDOW("\"from\":\"06:00\",\"to\":\"06:00\""), "/pace/window/0", "are the same");
    invalid(WINDOW("\"from\":\"06:00\",\"to\":\"07:00\",\"days\":[]"), "/pace/window/0/days", "must not be empty");
    invalid(WINDOW("\"from\":\"06:00\",\"to\":\"07:00\",\"days\":[\"Mon\"]"), "/pace/window/0/days/0", "must be one of");
    invalid(WINDOW("\"from\":\"06:00\",\"to\":\"07:00\",\"days\":[\"mon\",\"mon\"]"), "/pace/window/0/days/1", "already");
    invalid(WINDOW("\"from\":\"06:00\",\"to\":\"07:00\",\"zones\":\"UTC\""), "/pace/window/0/zones", "`zone`");
    invalid("\"pace\":{\"window\":{}}", "/pace/window", "must be a list");
    invalid("\"pace\":{\"window\":[]}", "/pace/window", "must not be empty");
}

static void own_signals(void **state)
{
    (void)state;
    struct bf_document *document =
        document_of("\"signals\":[{\"name\":\"queue\",\"sql\":\"SELECT 1\",\"limit\":10},"
                    "{\"name\":\"b\",\"sql\":\"SELECT 2\",\"limit\":0.5}],\"accept\":[\"no_replicas\"]");
    assert_int_equal(document->query_count, 2);
    assert_string_equal(document->queries[0].name, "queue");
    assert_string_equal(document->queries[1].sql, "SELECT 2");
    assert_true(document->queries[1].limit == 0.5);
    assert_true(document->accept[BF_ACCEPT_NO_REPLICAS]);
    bf_document_free(document);
#define SIGNAL(fields) "\"signals\":[{\"name\":\"a\",\"sql\":\"SELECT 1\"" fields "}]"
    invalid(SIGNAL(""), "/signals/0", "`limit` is required");
    invalid(SIGNAL(",\"limit\":0"), "/signals/0/limit", "over 0");
    invalid(SIGNAL(",\"limit\":\"5\""), "/signals/0/limit", "must be a number, not a string");
    invalid(SIGNAL(",\"limit\":5,\"every\":\"1s\""), "/signals/0/every", "unknown field");
    invalid("\"signals\":[{\"name\":\"A\",\"sql\":\"SELECT 1\",\"limit\":1}]", "/signals/0/name", "1 to 63");
    invalid("\"signals\":[{\"name\":\"a\",\"sql\":\"S\",\"limit\":1},{\"name\":\"a\",\"sql\":\"S\",\"limit\":1}]",
            "/signals/1/name", "already");
    invalid("\"accept\":[\"lag\"]", "/accept/0", "no_replicas|rows|write_rate");
    invalid("\"accept\":\"no_replicas\"", "/accept", "must be a list");
    invalid("\"accept\":[]", "/accept", "must not be empty");
}

static const struct bf_rules *rules_of(void *argument, const char *target)
{
    (void)target;
    return argument;
}

static void targets_and_changes(void **state)
{
    (void)state;
    static const char json[] = "{" SMALLEST ",\"limits\":{\"active_sessions\":5}}";
    struct bf_rules rules = {0};
    struct bf_document *document = NULL, *changed = NULL;
    struct bf_complaints list = {0};
    struct bf_error fault;
    assert_null(bf_rules_add_default(&rules, "limits.replication_lag", "1s", 1));
    assert_null(bf_rules_add_ceiling(&rules, "replication_lag", "5s", 2));
    assert_null(bf_rules_add_ceiling(&rules, "max_rows_per_second", "1000", 3));
    assert_null(bf_rules_add_default(&rules, "pace.max_log_bytes_per_second", "2MiB", 4));
    assert_int_equal(bf_document_parse_for(json, strlen(json), NULL, rules_of, &rules, &document, &list, &fault), BF_OK);
    assert_int_equal(document->limits.replication_lag, 1000);
    assert_int_equal(document->pace.max_rows_per_second, 1000); /* no limit gives way to the ceiling */
    assert_int_equal(document->pace.max_log_bytes_per_second, 2 << 20);
    bf_document_settle(document);
    assert_non_null(strstr(document->current, "\"max_rows_per_second\":1000"));

    static const char change[] = "{\"pace\":{\"max_rows_per_second\":null,\"window\":[{\"from\":\"01:00\",\"to\":\"02:00\"}]},"
                                 "\"limits\":{\"replication_lag\":\"6s\",\"active_sessions\":null}}";
    assert_int_equal(bf_document_merge(document, change, strlen(change), rules_of, &rules, &changed, &list, &fault), BF_OK);
    BF_AUTO_STRING char *difference = bf_document_difference(document, changed);
    assert_non_null(strstr(difference, "limits.active_sessions 5 -> null"));
    assert_non_null(strstr(difference, "pace.window none -> [{\"from\":\"01:00\",\"to\":\"02:00\"}]"));
    assert_non_null(strstr(difference, "limits.replication_lag \"1000ms\" -> \"6s\""));
    bf_rules_check(&rules, "shop", changed, &list);
    assert_int_equal(list.count, 1); /* null brought the default back, which gives way; what is written does not */
    assert_string_equal(list.list[0].pointer, "/limits/replication_lag");
    bf_document_take(document, changed);
    assert_int_equal(document->pace.window_count, 1);
    assert_true(document->limits.active_sessions == BF_NO_LIMIT);
    bf_complaints_clear(&list);
    bf_document_free(document);
    bf_rules_clear(&rules);
}

static void the_ledger_keeps_the_most_of_it(void **state)
{
    (void)state;
    struct bf_ledger ledger = {0}, again = {0};
    bf_ledger_add(&ledger, "batching", NULL, 100);
    bf_ledger_add(&ledger, "holding", "lag:replica-2", 40);
    bf_ledger_add(&ledger, "batching", NULL, 20);
    BF_AUTO_STRING char *text = bf_ledger_json(&ledger);
    assert_string_equal(text, "{\"batching\":120,\"holding/lag:replica-2\":40}");
    bf_ledger_add(&again, "batching", "bad_rows", 5);
    bf_ledger_add(&again, "batching", NULL, 6);
    bf_ledger_add(&again, "batching_not", NULL, 7);
    assert_int_equal(bf_ledger_time(&again, "batching"), 11);
    assert_int_equal(bf_ledger_time(&again, "sleeping"), 0);
    for (int i = 0; i < 100; i++) {
        BF_AUTO_STRING char *reason = bf_format("lag:replica-%d", i);
        bf_ledger_add(&ledger, "holding", reason, 1);
    }
    bf_ledger_add(&ledger, "sleeping", NULL, 7);
    int64_t total = 0;
    for (size_t i = 0; i < ledger.count; i++)
        total += ledger.list[i].time;
    assert_int_equal(total, 120 + 40 + 100 + 7);
    assert_true(ledger.count < BF_LEDGER_MAX);
    BF_AUTO_STRING char *full = bf_ledger_json(&ledger);
    bf_ledger_read(&again, full);
    assert_int_equal(again.count, ledger.count);
    assert_int_equal(again.list[0].time, 120);
    bf_ledger_read(&again, NULL);
    assert_int_equal(again.count, 0);
    bf_ledger_read(&again, "[1]");
    assert_int_equal(again.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_and_caps),
        cmocka_unit_test(windows),
        cmocka_unit_test(bad_rows),
        cmocka_unit_test(own_signals),
        cmocka_unit_test(targets_and_changes),
        cmocka_unit_test(the_ledger_keeps_the_most_of_it),
    };
    return cmocka_run_group_tests_name("document_pace", tests, NULL, clean_up);
}
