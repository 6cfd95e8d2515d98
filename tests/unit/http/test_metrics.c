/* GET /metrics over an engine of canned jobs: every family once, its lines together, labels escaped, one series for each
 * name. */
#include "http_case.h"

#include <time.h>

static void assert_has(const struct reply *reply, const char *line)
{
    char *whole BF_AUTO_STRING = bf_format("\n%s\n", line);
    if (!strstr(reply->body, whole)) fail_msg("missing: %s\nin:\n%s", line, reply->body);
}

static void test_a_job_at_work(void **state)
{
    (void)state;
    struct bf_meter *meter = &fake.jobs[0].meter;
    *meter = (struct bf_meter){.batches = 3, .batch_time = 330000, .rows_scanned = 300, .rows_changed = 200,
                               .rows_set_aside = 4, .rows_bad = 3, .yields = 6, .checkpoint_age = 1500};
    meter->batch_times[0] = 2; /* up to 5 ms */
    meter->batch_times[6] = 1; /* up to 500 ms */
    meter->spent[BF_ACTIVITY_SLEEPING] = 2500;
    meter->waited[BF_LOCK_CONFLICT] = 4000;
    meter->retries[BF_LOCK_CONFLICT] = 5;
    struct reply reply = ask(&server, "GET", "/metrics", "", NULL);
    assert_int_equal(reply.status, 200);
    char *type BF_AUTO_STRING = reply_header(&reply, "Content-Type");
    assert_string_equal(type, "text/plain; version=0.0.4; charset=utf-8");
#define JOB "{job=\"orders\",target=\"shop\"} "
#define WITH(label) "{job=\"orders\",target=\"shop\"," label "} "
    assert_has(&reply, "backfilld_batch_seconds_bucket" WITH("le=\"0.005\"") "2");
    assert_has(&reply, "backfilld_batch_seconds_bucket" WITH("le=\"0.5\"") "3");
    assert_has(&reply, "backfilld_batch_seconds_bucket" WITH("le=\"+Inf\"") "3");
    assert_has(&reply, "backfilld_batch_seconds_sum" JOB "0.33");
    assert_has(&reply, "backfilld_batch_seconds_count" JOB "3");
    assert_has(&reply, "backfilld_rows_scanned_total" JOB "300");
    assert_has(&reply, "backfilld_rows_changed_total" JOB "200");
    assert_has(&reply, "backfilld_sleep_seconds_total" JOB "2.5");
    assert_has(&reply, "backfilld_rows_set_aside_total" JOB "4");
    assert_has(&reply, "backfilld_rows_bad_total" JOB "3");
    assert_has(&reply, "backfilld_yields_total" JOB "6");
    assert_has(&reply, "backfilld_hold_seconds_total" WITH("reason=\"lock_conflict\"") "4");
    assert_has(&reply, "backfilld_retries_total" WITH("class=\"lock_conflict\"") "5");
    assert_has(&reply, "backfilld_state" WITH("state=\"running\"") "1");
    assert_has(&reply, "backfilld_progress_ratio" JOB "0.5");
    assert_has(&reply, "backfilld_checkpoint_age_seconds" JOB "1.5");
    assert_has(&reply, "backfilld_store_writable 1");
    assert_has(&reply, "backfilld_signal_value{target=\"shop\",signal=\"lag:replica-2\"} 0.25");
    assert_has(&reply, "backfilld_signal_limit{target=\"shop\",signal=\"signal:queue\"} 10");
    assert_null(strstr(reply.body, "backfilld_signal_value{target=\"shop\",signal=\"signal:queue\"}")); /* not measured */
    assert_has(&reply, "backfilld_replica_lag_seconds{target=\"shop\",replica=\"replica-2\"} 0.25");
    assert_int_equal(count_of(reply.body, "# TYPE backfilld_"), count_of(reply.body, "# HELP backfilld_"));
    assert_int_equal(count_of(reply.body, "# TYPE backfilld_batch_seconds histogram"), 1);
    reply_clear(&reply);
}

/* Of two jobs of one name the newest is shown; what ended long ago is not shown at all, unless it failed. */
static void test_which_jobs(void **state)
{
    (void)state;
    struct reply reply = ask(&server, "GET", "/metrics", "", NULL);
    assert_int_equal(count_of(reply.body, "backfilld_state{"), 1);
    reply_clear(&reply);
    fake.jobs[2].record.ended_at = (int64_t)time(NULL) * 1000 - 60000;
    reply = ask(&server, "GET", "/metrics", "", NULL);
    assert_int_equal(count_of(reply.body, "backfilld_state{"), 2);
    assert_has(&reply, "backfilld_state{job=\"users\",target=\"legacy\",state=\"completed\"} 1");
    assert_has(&reply, "backfilld_progress_ratio{job=\"users\",target=\"legacy\"} 1");
    reply_clear(&reply);
    fake.jobs[2].record.ended_at = 1000;
    fake.jobs[2].record.state = BF_STATE_FAILED;
    reply = ask(&server, "GET", "/metrics", "", NULL);
    assert_has(&reply, "backfilld_state{job=\"users\",target=\"legacy\",state=\"failed\"} 1");
    reply_clear(&reply);
}

/* As long as its journal is kept an old job is there with what is to be said of that, and nothing else. */
static void test_a_way_back(void **state)
{
    (void)state;
    struct bf_job *job = &fake.jobs[2];
    job->record.ended_at = 1000;
    job->undo_until = 2500500;
    job->record.back.bytes = 8192;
    job->record.document->undo = BF_UNDO_JOURNAL;
    struct reply reply = ask(&server, "GET", "/metrics", "", NULL);
#define USERS "{job=\"users\",target=\"legacy\"} "
    assert_has(&reply, "backfilld_undo_until_timestamp_seconds" USERS "2500.5");
    assert_has(&reply, "backfilld_undo_bytes" USERS "8192");
    assert_null(strstr(reply.body, "backfilld_state{job=\"users\""));
    assert_null(strstr(reply.body, "backfilld_rows_restored_total" USERS));
    reply_clear(&reply);
    job->record.ended_at = (int64_t)time(NULL) * 1000 - 60000;
    job->record.direction = BF_DIRECTION_BACK;
    job->meter.rows_restored = 5;
    job->meter.conflicts[BF_CONFLICT_DELETED] = 2;
    reply = ask(&server, "GET", "/metrics", "", NULL);
    assert_has(&reply, "backfilld_rows_restored_total" USERS "5");
    assert_has(&reply, "backfilld_conflicts_total{job=\"users\",target=\"legacy\",kind=\"deleted\"} 2");
    assert_has(&reply, "backfilld_conflicts_total{job=\"users\",target=\"legacy\",kind=\"refused\"} 0");
    reply_clear(&reply);
}

static void test_a_series_stands_once(void **state)
{
    (void)state;
    fake.same_signal = true;
    struct reply reply = ask(&server, "GET", "/metrics", "", NULL);
    assert_int_equal(count_of(reply.body, "backfilld_signal_limit{target=\"shop\",signal=\"signal:queue\"}"), 1);
    reply_clear(&reply);
}

static void test_labels_are_escaped(void **state)
{
    (void)state;
    free(fake.jobs[0].record.document->target);
    fake.jobs[0].record.document->target = bf_copy_string("a\"b\\c\nd");
    struct reply reply = ask(&server, "GET", "/metrics", "", NULL);
    assert_has(&reply, "backfilld_state{job=\"orders\",target=\"a\\\"b\\\\c\\nd\",state=\"running\"} 1");
    reply_clear(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_job_at_work, begin, end),
        cmocka_unit_test_setup_teardown(test_which_jobs, begin, end),
        cmocka_unit_test_setup_teardown(test_a_way_back, begin, end),
        cmocka_unit_test_setup_teardown(test_a_series_stands_once, begin, end),
        cmocka_unit_test_setup_teardown(test_labels_are_escaped, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
