/* Submitting, listing and showing jobs, events, targets, health. */
#include "http_case.h"

static struct reply get(const char *target)
{
    return ask(&server, "GET", target, "", NULL);
}

static struct reply post(const char *target, const char *body)
{
    return ask(&server, "POST", target, JSON_BODY, body);
}

static json_int_t number(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void test_submitted(void **state)
{
    (void)state;
    struct reply reply = post("/v1/jobs", "{\"name\": \"orders\"}");
    char *location BF_AUTO_STRING = reply_header(&reply, "Location");
    assert_int_equal(reply.status, 201);
    assert_string_equal(location, "/v1/jobs/" FAKE_RUNNING);
    assert_string_equal(reply_text(&reply, "id"), FAKE_RUNNING);
    assert_string_equal(fake.body, "{\"name\": \"orders\"}");
    assert_string_equal(fake.actor, "operator");
    assert_false(fake.dry_run);
    reply_clear(&reply);
}

static void test_dry_run(void **state)
{
    (void)state;
    struct reply reply = post("/v1/jobs?dry_run=true", "{}");
    assert_int_equal(reply.status, 200);
    assert_true(fake.dry_run);
    assert_string_equal(reply_text(&reply, "risk"), "yellow");
    assert_true(json_is_array(json_object_get(reply.json, "findings")));
    reply_clear(&reply);
    reply = post("/v1/jobs?dry_run=false", "{}");
    assert_int_equal(reply.status, 201);
    assert_false(fake.dry_run);
    reply_clear(&reply);
}

static void test_refused_with_complaints(void **state)
{
    struct bf_complaints complaints = {0};
    (void)state;
    bf_complain(&complaints, BF_INVALID, "/set", "is missing");
    bf_complain(&complaints, BF_UNSUPPORTED, "/pace/slices", "is not built yet");
    fake.outcome =
        (struct bf_outcome_of_order){.code = BF_INVALID, .complaints = &complaints, .text = "2 things are wrong"};
    static const char *const targets[] = {"/v1/jobs", "/v1/jobs?dry_run=true"};
    for (size_t i = 0; i < BF_COUNT(targets); i++) {
        struct reply reply = post(targets[i], "{}");
        assert_int_equal(reply.status, 422);
        assert_string_equal(reply_code(&reply), "invalid");
        json_t *errors = json_object_get(reply.json, "errors");
        assert_int_equal(json_array_size(errors), 2);
        json_t *second = json_array_get(errors, 1);
        assert_string_equal(json_string_value(json_object_get(second, "pointer")), "/pace/slices");
        assert_string_equal(json_string_value(json_object_get(second, "code")), "unsupported");
        reply_clear(&reply);
    }
    bf_complaints_clear(&complaints);
}

static void test_refusals(void **state)
{
    static const struct {
        enum bf_code code;
        int status;
    } cases[] = {
        {BF_NOT_JSON, 400},           {BF_NAME_IN_USE, 409},    {BF_ALREADY_DONE, 422}, {BF_TARGET_DOWN, 503},
        {BF_STOPPING, 503},           {BF_STORE_FAILED, 503},   {BF_BUSY, 503},         {BF_INTERNAL, 500},
        {BF_SERVER_UNREACHABLE, 503}, {BF_SCHEMA_MISSING, 422}, {BF_TOO_LARGE, 413},
    };
    (void)state;
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        fake.outcome = (struct bf_outcome_of_order){.code = cases[i].code, .text = "because \"of\" \xff this"};
        struct reply reply = post("/v1/jobs", "{}");
        char *retry BF_AUTO_STRING = reply_header(&reply, "Retry-After");
        assert_int_equal(reply.status, cases[i].status);
        assert_string_equal(reply_code(&reply), bf_code_name(cases[i].code));
        assert_string_equal(reply_text(&reply, "detail"), "because \"of\" ? this");
        assert_true((retry != NULL) == (cases[i].status == 503));
        reply_clear(&reply);
    }
}

static void test_job_shown(void **state)
{
    (void)state;
    struct reply reply = get("/v1/jobs/" FAKE_RUNNING);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply_text(&reply, "name"), "orders");
    assert_string_equal(reply_text(&reply, "target"), "shop");
    assert_string_equal(reply_text(&reply, "table"), "public.orders");
    assert_string_equal(reply_text(&reply, "state"), "running");
    assert_string_equal(reply_text(&reply, "direction"), "forward");
    assert_string_equal(reply_text(&reply, "activity"), "backing_off");
    assert_string_equal(reply_text(&reply, "created_at"), "2026-09-21T14:13:20.000Z");
    assert_true(json_is_null(json_object_get(reply.json, "ended_at")));
    assert_true(json_is_null(json_object_get(reply.json, "owner")));
    json_t *reason = json_object_get(reply.json, "reason");
    assert_string_equal(json_string_value(json_object_get(reason, "code")), "lock_conflict");
    assert_string_equal(json_string_value(json_object_get(reason, "since")), "2026-09-21T14:13:20.123Z");
    assert_true(json_is_null(json_object_get(reason, "until")));
    json_t *document = json_object_get(reply.json, "document");
    assert_string_equal(json_string_value(json_object_get(json_object_get(document, "set"), "status")), "'archived'");
    json_t *labels = json_object_get(reply.json, "labels");
    assert_string_equal(json_string_value(json_object_get(labels, "campaign")), "gdpr:2026");
    json_t *plan = json_object_get(reply.json, "plan");
    assert_int_equal(number(plan, "rows"), 1000);
    assert_null(json_object_get(plan, "findings"));
    reply_clear(&reply);
}

static void test_progress_shown(void **state)
{
    static const char *const numbers[] = {"rows_bad", "rows_set_aside", "batches", "batch_rows", "pass", "resumed"};
    (void)state;
    struct reply reply = get("/v1/jobs/" FAKE_RUNNING);
    json_t *progress = json_object_get(reply.json, "progress");
    assert_int_equal(number(progress, "rows_scanned"), 500);
    assert_int_equal(number(progress, "rows_changed"), 400);
    assert_int_equal(number(progress, "rows_estimated"), 1000);
    assert_int_equal(number(progress, "round_trips"), 77);
    for (size_t i = 0; i < BF_COUNT(numbers); i++) assert_int_equal(number(progress, numbers[i]), 0);
    assert_true(json_real_value(json_object_get(progress, "fraction")) > 0.4);
    assert_true(json_real_value(json_object_get(progress, "rate")) > 1234);
    assert_true(json_is_object(json_object_get(progress, "seconds")));
    json_t *position = json_array_get(json_object_get(progress, "positions"), 0);
    assert_true(json_is_null(json_object_get(position, "after")));
    assert_string_equal(json_string_value(json_array_get(json_object_get(position, "position"), 0)), "500");
    assert_string_equal(json_string_value(json_array_get(json_object_get(position, "through"), 0)), "1000");
    assert_true(json_is_false(json_object_get(position, "done")));
    reply_clear(&reply);

    reply = get("/v1/jobs/" FAKE_QUEUED);
    progress = json_object_get(reply.json, "progress");
    assert_true(json_is_null(json_object_get(progress, "rows_estimated")));
    assert_true(json_is_null(json_object_get(progress, "rate")));
    assert_true(json_is_null(json_object_get(progress, "eta_seconds")));
    assert_int_equal(json_array_size(json_object_get(progress, "positions")), 0);
    assert_true(json_is_null(json_object_get(reply.json, "activity")));
    assert_true(json_is_null(json_object_get(reply.json, "reason")));
    assert_true(json_is_null(json_object_get(reply.json, "plan")));
    reply_clear(&reply);
}

static void test_slices(void **state)
{
    (void)state;
    struct bf_job *job = &fake.jobs[0];
    job->slice_count = 2;
    job->slices[0] = (struct bf_slice){.through = (char[]){"[\"400\"]"}, .position = (char[]){"[\"400\"]"}, .done = true};
    job->slices[1] = (struct bf_slice){.after = (char[]){"[\"400\"]"}, .through = (char[]){"[\"1000\"]"}};
    struct reply reply = get("/v1/jobs/" FAKE_RUNNING);
    json_t *positions = json_object_get(json_object_get(reply.json, "progress"), "positions");
    assert_int_equal(json_array_size(positions), 2);
    BF_AUTO_STRING char *text = json_dumps(positions, JSON_COMPACT);
    assert_string_equal(text, "[{\"after\":null,\"through\":[\"400\"],\"position\":[\"400\"],\"done\":true},"
                              "{\"after\":[\"400\"],\"through\":[\"1000\"],\"position\":null,\"done\":false}]");
    job->slice_count = 0;
    reply_clear(&reply);
}

static void test_plan(void **state)
{
    (void)state;
    struct reply reply = get("/v1/jobs/" FAKE_RUNNING "/plan");
    assert_int_equal(reply.status, 200);
    assert_int_equal(json_array_size(json_object_get(reply.json, "findings")), 1);
    reply_clear(&reply);
    reply = get("/v1/jobs/" FAKE_QUEUED "/plan");
    assert_int_equal(reply.status, 404);
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/jobs/orders/plan", "Accept: text/plain\r\n", NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "MIGRATION   orders\nRISK        YELLOW\n");
    reply_clear(&reply);
    reply = ask(&server, "GET", "/v1/jobs/orders/plan", "Accept: text/plain, */*\r\n", NULL);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
}

/* The ids' last letters of a list, newest first, and whether there is more. */
static void check_list(const char *query, const char *letters, const char *next)
{
    char *target BF_AUTO_STRING = bf_format("/v1/jobs?%s", query);
    struct reply reply = get(target);
    if (reply.status != 200) fail_msg("%s answers %d: %s", target, reply.status, reply.body);
    json_t *jobs = json_object_get(reply.json, "jobs"), *job;
    size_t i;
    if (json_array_size(jobs) != strlen(letters)) fail_msg("%s: %s", target, reply.body);
    json_array_foreach(jobs, i, job) assert_int_equal(json_string_value(json_object_get(job, "id"))[25], letters[i]);
    if (next)
        assert_string_equal(reply_text(&reply, "next"), next);
    else
        assert_true(json_is_null(json_object_get(reply.json, "next")));
    reply_clear(&reply);
}

static void test_list(void **state)
{
    static const char *const refused[] = {
        "limit=0",  "limit=501", "limit=-1", "limit=", "limit=1e2",  "limit=99999999999999999999",
        "state=on", "label=x",   "after=x",  "after=", "target=a&target=b",
    };
    (void)state;
    check_list("", "CBA", NULL);
    check_list("state=queued", "B", NULL);
    check_list("state=queued&state=running", "CB", NULL);
    check_list("target=legacy", "A", NULL);
    check_list("target=none", "", NULL);
    check_list("name=orders", "CB", NULL);
    check_list("name=orders&state=running", "C", NULL);
    check_list("label=campaign:gdpr:2026", "C", NULL);
    check_list("label=campaign:gdpr:2026&label=x:y", "", NULL);
    check_list("label=campaign:gdpr", "", NULL);
    check_list("limit=3", "CBA", NULL);
    check_list("limit=2", "CB", FAKE_QUEUED);
    check_list("limit=2&after=" FAKE_QUEUED, "A", NULL);
    check_list("limit=1&name=orders", "C", FAKE_RUNNING);
    check_list("limit=1&name=orders&after=" FAKE_RUNNING, "B", NULL);
    /* jobs that are not on record any more */
    check_list("after=01JD5Z00000000000000000009", "", NULL);
    check_list("after=01JD5Z0000000000000000000Z", "CBA", NULL);
    for (size_t i = 0; i < BF_COUNT(refused); i++) {
        char *target BF_AUTO_STRING = bf_format("/v1/jobs?%s", refused[i]);
        struct reply reply = get(target);
        if (reply.status != 400) fail_msg("%s answers %d", target, reply.status);
        reply_clear(&reply);
    }
}

static void test_events(void **state)
{
    (void)state;
    struct reply reply = get("/v1/jobs/orders/events?after=6&limit=2");
    assert_int_equal(reply.status, 200);
    assert_string_equal(fake.event_job, FAKE_RUNNING);
    assert_int_equal(fake.event_after, 6);
    assert_int_equal(fake.event_limit, 2);
    json_t *events = json_object_get(reply.json, "events"), *first = json_array_get(events, 0);
    assert_int_equal(json_array_size(events), 2);
    assert_int_equal(number(first, "id"), 7);
    assert_string_equal(json_string_value(json_object_get(first, "from")), "queued");
    assert_string_equal(json_string_value(json_object_get(first, "at")), "2026-09-21T14:13:20.000Z");
    assert_true(json_is_null(json_object_get(json_array_get(events, 1), "to")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(events, 1), "text")), "ho?");
    reply_clear(&reply);

    reply = get("/v1/events");
    assert_int_equal(reply.status, 200);
    assert_string_equal(fake.event_job, "");
    assert_int_equal(fake.event_after, 0);
    assert_int_equal(fake.event_limit, 100);
    reply_clear(&reply);
    reply = get("/v1/events?after=0");
    assert_int_equal(fake.event_after, -1);
    reply_clear(&reply);
    reply = get("/v1/jobs/none/events");
    assert_int_equal(reply.status, 404);
    reply_clear(&reply);
    bf_fail(&fake.store_error, BF_STORE_FAILED, "disk full");
    reply = get("/v1/events");
    assert_int_equal(reply.status, 503);
    assert_string_equal(reply_code(&reply), "store_failed");
    reply_clear(&reply);
}

static void test_targets(void **state)
{
    (void)state;
    struct reply reply = get("/v1/targets");
    json_t *targets = json_object_get(reply.json, "targets"), *shop = json_array_get(targets, 0);
    assert_int_equal(reply.status, 200);
    assert_int_equal(json_array_size(targets), 2);
    assert_string_equal(json_string_value(json_object_get(shop, "name")), "shop");
    assert_string_equal(json_string_value(json_object_get(shop, "engine")), "postgresql");
    assert_int_equal(number(shop, "max_jobs"), 2);
    assert_int_equal(number(shop, "running"), 1);
    assert_int_equal(number(shop, "queued"), 1);
    reply_clear(&reply);
    reply = get("/v1/targets/legacy");
    assert_int_equal(reply.status, 200);
    assert_int_equal(number(reply.json, "running"), 0);
    assert_string_equal(reply_text(&reply, "require_approval"), "none");
    assert_string_equal(reply_text(&reply, "reachability"), "reachable");
    assert_string_equal(reply_text(&reply, "version"), "15.4");
    assert_string_equal(reply_text(&reply, "role"), "primary");
    assert_true(json_is_null(json_object_get(reply.json, "trouble")));
    reply_clear(&reply);
    assert_int_equal(fake.connects, 2); /* both were asked once */
}

static void test_target_unreachable(void **state)
{
    (void)state;
    fake.connect_class = BF_CLASS_UNREACHABLE;
    struct reply reply = get("/v1/targets/shop");
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply_text(&reply, "reachability"), "unreachable");
    assert_string_equal(reply_text(&reply, "trouble"), "canned words");
    assert_true(json_is_null(json_object_get(reply.json, "role")));
    reply_clear(&reply);
}

static void test_target_read_only(void **state)
{
    (void)state;
    fake.replica = true;
    struct reply reply = get("/v1/targets/shop");
    assert_string_equal(reply_text(&reply, "role"), "replica");
    reply_clear(&reply);
}

/* Not in the configuration any more: shown for as long as a job that is not over, or a latch, names it. */
static void test_target_gone(void **state)
{
    (void)state;
    free(fake.jobs[1].record.document->target);
    fake.jobs[1].record.document->target = bf_copy_string("archive"); /* the queued one */
    free(fake.jobs[2].record.document->target);
    fake.jobs[2].record.document->target = bf_copy_string("ended"); /* the completed one */
    fake.latches[0] = (struct bf_latch){
        .kind = BF_LATCH_TARGET, .name = (char *)"held", .value = (char *)"", .actor = (char *)"ann"};
    fake.latch_count = 1;
    struct reply reply = get("/v1/targets");
    json_t *targets = json_object_get(reply.json, "targets"), *archive = json_array_get(targets, 2);
    assert_int_equal(json_array_size(targets), 4);
    assert_string_equal(json_string_value(json_object_get(archive, "name")), "archive");
    assert_string_equal(json_string_value(json_object_get(archive, "reachability")), "gone");
    assert_true(json_is_null(json_object_get(archive, "engine")));
    assert_int_equal(number(archive, "queued"), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(targets, 3), "name")), "held");
    reply_clear(&reply);
    reply = get("/v1/targets/archive");
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    reply = get("/v1/targets/ended");
    assert_int_equal(reply.status, 404);
    reply_clear(&reply);
}

static void test_health(void **state)
{
    (void)state;
    bf_fail(&fake.store_error, BF_STORE_FAILED, "disk full");
    struct reply reply = get("/healthz");
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    reply = get("/readyz");
    assert_int_equal(reply.status, 503);
    reply_clear(&reply);
    assert_int_equal(fake.connects, 0);
    fake.store_error.code = BF_OK;
    /* both targets are asked once, however often we are */
    for (int i = 0; i < 5; i++) {
        reply = get("/readyz");
        assert_int_equal(reply.status, 200);
        assert_int_equal(json_array_size(json_object_get(reply.json, "targets")), 2);
        reply_clear(&reply);
    }
    assert_int_equal(fake.connects, 2);
}

static void test_target_down(void **state)
{
    (void)state;
    fake.connect_class = BF_CLASS_UNREACHABLE;
    struct reply reply = get("/readyz");
    assert_int_equal(reply.status, 503);
    assert_string_equal(reply_code(&reply), "target_down");
    assert_string_equal(reply_text(&reply, "detail"), "target shop: canned words");
    reply_clear(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_submitted, begin, end),
        cmocka_unit_test_setup_teardown(test_dry_run, begin, end),
        cmocka_unit_test_setup_teardown(test_refused_with_complaints, begin, end),
        cmocka_unit_test_setup_teardown(test_refusals, begin, end),
        cmocka_unit_test_setup_teardown(test_job_shown, begin, end),
        cmocka_unit_test_setup_teardown(test_progress_shown, begin, end),
        cmocka_unit_test_setup_teardown(test_slices, begin, end),
        cmocka_unit_test_setup_teardown(test_plan, begin, end),
        cmocka_unit_test_setup_teardown(test_list, begin, end),
        cmocka_unit_test_setup_teardown(test_events, begin, end),
        cmocka_unit_test_setup_teardown(test_targets, begin, end),
        cmocka_unit_test_setup_teardown(test_target_unreachable, begin, end),
        cmocka_unit_test_setup_teardown(test_target_read_only, begin, end),
        cmocka_unit_test_setup_teardown(test_target_gone, begin, end),
        cmocka_unit_test_setup_teardown(test_health, begin, end),
        cmocka_unit_test_setup_teardown(test_target_down, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
