/* What is remembered of alerts and webhooks: kept over a restart, replaced under its name, and alerts forgotten when nobody heard
 * of them for long. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "store_case.h"

struct marks {
    struct bf_mark list[8];
    size_t count;
};

static void on_mark(void *argument, const struct bf_mark *mark)
{
    struct marks *marks = argument;
    assert_true(marks->count < BF_COUNT(marks->list));
    marks->list[marks->count++] = *mark;
}

static void put(struct fixture *fixture, enum bf_mark_kind kind, const char *name, const char *more, int64_t number)
{
    struct bf_mark mark = {.kind = kind, .number = number};
    snprintf(mark.name, sizeof mark.name, "%s", name);
    snprintf(mark.more, sizeof mark.more, "%s", more);
    fixture->store->save_mark(fixture->store->context, &mark, NULL, NULL);
}

static struct marks load_marks(struct fixture *fixture)
{
    struct marks marks = {.count = 0};
    struct bf_error error;
    close_store(fixture);
    open_store(fixture);
    assert_int_equal(fixture->store->load_marks(fixture->store->context, on_mark, &marks, &error), BF_OK);
    return marks;
}

static void they_are_kept(void **state)
{
    struct fixture *fixture = *state;
    open_store(fixture);
    put(fixture, BF_MARK_WEBHOOK, "shop", "", 7);
    put(fixture, BF_MARK_ALERT, "f", "2026-11-21T02:40:00Z", 1000);
    put(fixture, BF_MARK_ALERT, "f", "2026-11-22T02:40:00Z", 2000);
    put(fixture, BF_MARK_WEBHOOK, "shop", "", 9);
    struct marks marks = load_marks(fixture);
    assert_int_equal(marks.count, 3);
    assert_int_equal(marks.list[0].kind, BF_MARK_ALERT);
    assert_string_equal(marks.list[0].name, "f");
    assert_string_equal(marks.list[0].more, "2026-11-21T02:40:00Z");
    assert_int_equal(marks.list[1].number, 2000);
    assert_int_equal(marks.list[2].kind, BF_MARK_WEBHOOK);
    assert_string_equal(marks.list[2].name, "shop");
    assert_int_equal(marks.list[2].number, 9);
    close_store(fixture);
}

static void old_alerts_go(void **state)
{
    struct fixture *fixture = *state;
    open_store(fixture);
    put(fixture, BF_MARK_ALERT, "old", "x", 1000);
    put(fixture, BF_MARK_ALERT, "new", "x", 1000 + BF_ALERTS_KEPT);
    assert_int_equal(load_marks(fixture).count, 2);
    put(fixture, BF_MARK_ALERT, "newer", "x", 1001 + BF_ALERTS_KEPT);
    struct marks marks = load_marks(fixture);
    assert_int_equal(marks.count, 2);
    assert_string_equal(marks.list[0].name, "new");
    close_store(fixture);
}

static void of_the_audit_log_only_the_newest_stays(void **state)
{
    struct fixture *fixture = *state;
    open_store(fixture);
    put(fixture, BF_MARK_AUDIT, "aa", "", 1);
    put(fixture, BF_MARK_AUDIT, "bb", "", 2);
    struct marks marks = load_marks(fixture);
    assert_int_equal(marks.count, 1);
    assert_int_equal(marks.list[0].kind, BF_MARK_AUDIT);
    assert_string_equal(marks.list[0].name, "bb");
    assert_int_equal(marks.list[0].number, 2);
    close_store(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(they_are_kept), TEST(old_alerts_go), TEST(of_the_audit_log_only_the_newest_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
