#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "allocate.h"
#include "window.h"

static struct bf_zone *read_zone(const char *name)
{
    char path[128];
    unsigned char *bytes = bf_allocate(BF_ZONE_FILE_MAX);
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t length = fread(bytes, 1, BF_ZONE_FILE_MAX, file);
    fclose(file);
    struct bf_zone *zone = bf_zone_parse(bytes, length);
    assert_non_null(zone);
    for (size_t cut = 0; cut < length; cut += 7) /* a file that ends early is none, or one without its footer */
        bf_zone_free(bf_zone_parse(bytes, cut));
    free(bytes);
    return zone;
}

/* The C library reads the same files. */
static void offsets_are_those_of_the_c_library(void **state)
{
    (void)state;
    static const char *const names[] = {"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
                                        "America/Sao_Paulo", "Pacific/Auckland", "Africa/Casablanca"};
    for (size_t i = 0; i < BF_COUNT(names); i++) {
        struct bf_zone *zone = read_zone(names[i]);
        setenv("TZ", names[i], 1);
        tzset();
        for (int64_t at = INT64_C(-500000000); at < INT64_C(4000000000); at += 86400 * 3 + 4001) {
            struct tm local;
            time_t moment = (time_t)at;
            localtime_r(&moment, &local);
            if (bf_zone_offset(zone, at) != local.tm_gmtoff)
                fail_msg("%s at %lld: %d, not %ld", names[i], (long long)at, bf_zone_offset(zone, at), local.tm_gmtoff);
        }
        bf_zone_free(zone);
    }
    setenv("TZ", "UTC", 1);
    assert_null(bf_zone_parse((const unsigned char *)"TZif2", 5));
    assert_null(bf_zone_parse((const unsigned char *)"no zone at all, and long enough to hold a header", 47));
}

static bool lookup(void *argument, const char *name, int64_t unix_seconds, int32_t *ret_offset)
{
    struct bf_zone *zone = argument;
    if (strcmp(name, "Nowhere") == 0)
        return false;
    *ret_offset = strcmp(name, "UTC") == 0 ? 0 : bf_zone_offset(zone, unix_seconds);
    return true;
}

static int64_t at(const char *text)
{
    struct tm time = {0};
    assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &time));
    return (int64_t)timegm(&time) * 1000;
}

static void windows_open_and_close(void **state)
{
    (void)state;
    struct bf_zone *berlin = read_zone("Europe/Berlin");
    struct bf_window nights = {.days = 0x03, .from = 22 * 60, .to = 6 * 60, .zone = "Europe/Berlin"}; /* mon, tue */
    static const struct {
        const char *at;
        bool open;
    } cases[] = {
        {"2026-11-23 20:59:59", false}, /* Monday 21:59:59 in Berlin */
        {"2026-11-23 21:00:00", true},  {"2026-11-24 04:59:59", true},  {"2026-11-24 05:00:00", false},
        {"2026-11-24 21:30:00", true},  {"2026-11-25 04:30:00", true},  {"2026-11-25 21:30:00", false},
        {"2026-11-23 02:00:00", false}, /* the night of Sunday */
        {"2026-07-20 20:00:00", true},  /* Monday 22:00 in summer */
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++)
        if (bf_windows_open(&nights, 1, lookup, berlin, at(cases[i].at)) != cases[i].open)
            fail_msg("at %s it is %s", cases[i].at, cases[i].open ? "closed" : "open");
    assert_true(bf_windows_next(&nights, 1, lookup, berlin, at("2026-11-25 05:00:00")) == at("2026-11-30 21:00:00"));
    assert_true(bf_windows_next(&nights, 1, lookup, berlin, at("2026-11-23 12:34:56")) == at("2026-11-23 21:00:00"));
    struct bf_window day = {.days = BF_EVERY_DAY, .from = 0, .to = BF_DAY_MINUTES, .zone = "UTC"};
    assert_true(bf_windows_open(&day, 1, lookup, berlin, at("2026-11-23 23:59:59")));
    struct bf_window nowhere = {.days = BF_EVERY_DAY, .from = 0, .to = BF_DAY_MINUTES, .zone = "Nowhere"};
    assert_false(bf_windows_open(&nowhere, 1, lookup, berlin, at("2026-11-23 12:00:00")));
    assert_true(bf_windows_next(&nowhere, 1, lookup, berlin, at("2026-11-23 12:00:00")) == 0);
    assert_true(bf_windows_open(NULL, 0, lookup, berlin, 0));
    struct bf_window both[] = {nights, {.days = 1 << 4, .from = 600, .to = 660, .zone = "UTC"}};
    assert_true(bf_windows_open(both, 2, lookup, berlin, at("2026-11-27 10:30:00")));
    bf_zone_free(berlin);
}

static void words_are_read(void **state)
{
    (void)state;
    assert_int_equal(bf_day_by_name("mon"), 0);
    assert_int_equal(bf_day_by_name("sun"), 6);
    assert_int_equal(bf_day_by_name("Sunday"), -1);
    assert_int_equal(bf_day_minute("00:00"), 0);
    assert_int_equal(bf_day_minute("23:59"), 1439);
    assert_int_equal(bf_day_minute("24:00"), 1440);
    static const char *const bad[] = {"24:01", "7:00", "07:60", "07-00", "07:0", "", "07:000", "ab:cd"};
    for (size_t i = 0; i < BF_COUNT(bad); i++)
        assert_int_equal(bf_day_minute(bad[i]), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_those_of_the_c_library),
        cmocka_unit_test(windows_open_and_close),
        cmocka_unit_test(words_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
