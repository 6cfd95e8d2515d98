/* The series in the store: read from either end, added up where a span comes in two parts, trimmed, forgotten. */
#include <string.h>

#include "allocate.h"
#include "store_case.h"

enum { STEP = BF_SAMPLE_MIDDLE, KEEP = 5 };

struct points {
    struct bf_sample list[20];
    size_t count;
    bool there;
};

static void on_samples(void *argument, const struct bf_sample *samples, size_t count, const struct bf_error *error)
{
    struct points *points = argument;
    assert_int_equal(error->code, BF_OK);
    assert_true(count <= 20);
    if (count > 0)
        memcpy(points->list, samples, count * sizeof *samples);
    points->count = count;
    points->there = true;
}

static struct points read_points(struct fixture *fixture, const char *job, int64_t since, size_t limit)
{
    struct points points = {.there = false};
    fixture->store->read_samples(fixture->store->context, job, STEP, since, limit, on_samples, &points);
    while (!points.there)
        uv_run(&fixture->loop, UV_RUN_ONCE);
    return points;
}

static void add_points(struct fixture *fixture, const char *job, int from, int count)
{
    struct bf_sample samples[20];
    for (int i = 0; i < count; i++)
        samples[i] = (struct bf_sample){.at = (int64_t)STEP * (from + i), .rows_scanned = 100, .rows_changed = 10, .batches = 2,
                                        .batch_time = 5000, .batch_rows = from + i, .slept = 7, .held = 3};
    fixture->store->save_samples(fixture->store->context, job, STEP, samples, (size_t)count, KEEP);
}

static void points_are_read_from_either_end(void **state)
{
    struct fixture *fixture = *state;
    open_store(fixture);
    add_points(fixture, ULID("01"), 1, 4);
    add_points(fixture, ULID("02"), 100, 1);
    struct points points = read_points(fixture, ULID("01"), 0, 2);
    assert_int_equal(points.count, 2);
    assert_int_equal(points.list[0].at, 3 * STEP);
    assert_int_equal(points.list[1].at, 4 * STEP);
    points = read_points(fixture, ULID("01"), STEP + 1, 2);
    assert_int_equal(points.count, 2);
    assert_int_equal(points.list[0].at, 2 * STEP);
    assert_int_equal(points.list[1].rows_scanned, 100);
    assert_int_equal(points.list[1].batch_rows, 3);
    close_store(fixture);
    open_store(fixture); /* and after a restart */
    assert_int_equal(read_points(fixture, ULID("02"), 0, 20).count, 1);
    assert_int_equal(read_points(fixture, ULID("03"), 0, 20).count, 0);
    close_store(fixture);
}

static void two_parts_of_a_span_are_one_point(void **state)
{
    struct fixture *fixture = *state;
    open_store(fixture);
    add_points(fixture, ULID("01"), 7, 1);
    add_points(fixture, ULID("01"), 7, 1);
    struct points points = read_points(fixture, ULID("01"), 0, 20);
    assert_int_equal(points.count, 1);
    assert_int_equal(points.list[0].rows_scanned, 200);
    assert_int_equal(points.list[0].batches, 4);
    assert_int_equal(points.list[0].slept, 14);
    assert_int_equal(points.list[0].held, 6);
    assert_int_equal(points.list[0].batch_rows, 7);
    close_store(fixture);
}

static void only_so_many_are_kept(void **state)
{
    struct fixture *fixture = *state;
    open_store(fixture);
    for (int i = 1; i <= 30; i++)
        add_points(fixture, ULID("01"), i, 1);
    struct points points = read_points(fixture, ULID("01"), 0, 20);
    assert_int_equal(points.count, KEEP);
    assert_int_equal(points.list[0].at, 26 * STEP);
    fixture->store->forget(fixture->store->context, ULID("01"), NULL, NULL);
    assert_int_equal(read_points(fixture, ULID("01"), 0, 20).count, 0);
    close_store(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(points_are_read_from_either_end),
        TEST(two_parts_of_a_span_are_one_point),
        TEST(only_so_many_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
