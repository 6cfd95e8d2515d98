/* What is said to others of an event, in both forms. */
#include "unit.h"

#include <jansson.h>
#include <string.h>

#include "allocate.h"
#include "record.h"
#include "webhooks.h"

static const char json[] = "{\"name\":\"orders\",\"target\":\"shop\",\"table\":\"public.orders\",\"set\":{\"n\":\"1\"},\"undo\":\"none\","
                           "\"owner\":\"team-orders\",\"labels\":{\"campaign\":\"gdpr\"}}";

static struct bf_record record_of(void)
{
    struct bf_record record = {.id = "01JD0000000000000000000001", .state = BF_STATE_PAUSED};
    struct bf_complaints complaints = {0};
    struct bf_error error;
    assert_int_equal(bf_document_parse(json, sizeof json - 1, NULL, &record.document, &complaints, &error), BF_OK);
    return record;
}

static const struct bf_event event = {.id = 7, .job = "01JD0000000000000000000001", .at = 1700000000123, .type = "state", .from = "running",
                                      .to = "pausing", .actor = "trigger:errors", .text = "stops: a < b & c > d <!channel>"};

static json_t *said(enum bf_webhook_format format, const char *address, int64_t lost)
{
    struct bf_record record = record_of();
    char *text BF_AUTO_STRING = bf_webhook_message(format, &record, &event, address, lost);
    json_t *message = json_loads(text, 0, NULL);
    assert_non_null(message);
    bf_record_clear(&record);
    return message;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void event_and_job(void **state)
{
    (void)state;
    json_t *message = said(BF_WEBHOOK_JSON, "https://b.example", 3);
    const json_t *told = json_object_get(message, "event"), *job = json_object_get(message, "job");
    assert_string_equal(text_of(message, "text"), "job orders on shop: running → pausing: stops: a < b & c > d <!channel> "
                                                  "https://b.example/#/jobs/01JD0000000000000000000001");
    assert_string_equal(text_of(message, "link"), "https://b.example/#/jobs/01JD0000000000000000000001");
    assert_int_equal(json_integer_value(json_object_get(message, "lost")), 3);
    assert_int_equal(json_integer_value(json_object_get(told, "id")), 7);
    assert_string_equal(text_of(told, "at"), "2023-11-14T22:13:20.123Z");
    assert_string_equal(text_of(told, "to"), "pausing");
    assert_string_equal(text_of(told, "actor"), "trigger:errors");
    assert_string_equal(text_of(job, "name"), "orders");
    assert_string_equal(text_of(job, "state"), "paused");
    assert_string_equal(text_of(job, "owner"), "team-orders");
    assert_string_equal(text_of(json_object_get(job, "labels"), "campaign"), "gdpr");
    json_decref(message);
    message = said(BF_WEBHOOK_JSON, NULL, 0); /* a daemon that listens on a unix socket */
    assert_true(json_is_null(json_object_get(message, "link")));
    json_decref(message);
}

static void slack_takes_a_text_that_calls_nobody(void **state)
{
    (void)state;
    json_t *message = said(BF_WEBHOOK_SLACK, "https://b.example", 2);
    assert_int_equal(json_object_size(message), 1);
    assert_string_equal(text_of(message, "text"), "job orders on shop: running → pausing: stops: a &lt; b &amp; c &gt; d &lt;!channel&gt; "
                                                  "<https://b.example/#/jobs/01JD0000000000000000000001|orders> (2 messages before "
                                                  "this one were lost)");
    json_decref(message);
}

static void of_what_others_are_told(void **state)
{
    (void)state;
    static const char *const yes[] = {"state", "trigger", "alert", "stuck"}, *const no[] = {"note", "retry", "epoch", "hold", "tune"};
    for (size_t i = 0; i < BF_COUNT(yes); i++) {
        struct bf_event one = {.id = 1};
        memcpy(one.type, yes[i], strlen(yes[i]));
        assert_true(bf_webhook_tells(&one));
    }
    for (size_t i = 0; i < BF_COUNT(no); i++) {
        struct bf_event one = {.id = 1};
        memcpy(one.type, no[i], strlen(no[i]));
        assert_false(bf_webhook_tells(&one));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(event_and_job), cmocka_unit_test(slack_takes_a_text_that_calls_nobody),
                                       cmocka_unit_test(of_what_others_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
