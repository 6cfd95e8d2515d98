#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "allocate.h"
#include "buffer.h"
#include "duration.h"
#include "identifier.h"
#include "result.h"

/* ---- result ---- */

static void codes_have_names_that_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < BF_CODE_COUNT; i++) {
        enum bf_code code = (enum bf_code)i;
        assert_int_equal(bf_code_by_name(bf_code_name(code)), code);
        assert_true(strlen(bf_code_title(code)) > 0);
        int status = bf_code_status(code);
        assert_true(status == 0 || (status >= 200 && status < 600));
    }
    assert_string_equal(bf_code_name(BF_WRONG_TYPE), "wrong_media_type");
    assert_int_equal(bf_code_status(BF_NAME_IN_USE), 409);
    assert_int_equal(bf_code_by_name("no_such_code"), BF_CODE_COUNT);
    assert_int_equal(bf_code_by_name(""), BF_CODE_COUNT);
    assert_int_equal(bf_code_by_name(NULL), BF_CODE_COUNT);
    assert_string_equal(bf_code_name(BF_CODE_COUNT), "unknown");
}

static void failing_sets_code_and_text(void **state)
{
    (void)state;
    struct bf_error error;
    assert_int_equal(bf_fail(&error, BF_TARGET_DOWN, "port %d", 5432), BF_TARGET_DOWN);
    assert_int_equal(error.code, BF_TARGET_DOWN);
    assert_string_equal(error.text, "port 5432");
    assert_int_equal(bf_fail(NULL, BF_BUSY, "%s", "unseen"), BF_BUSY);
    /* the error's own text as an argument */
    bf_fail(&error, BF_BUSY, "shop: %s", error.text);
    assert_string_equal(error.text, "shop: port 5432");
    assert_int_equal(bf_prefix(&error, "checkpoint"), BF_BUSY);
    assert_string_equal(error.text, "checkpoint: shop: port 5432");
}

/* For each width of a character and each place where the ceiling may fall inside it. */
static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x98"};
    for (size_t c = 0; c < BF_COUNT(characters); c++)
        for (size_t shift = 0; shift < 5; shift++) {
            struct bf_buffer buffer = {0};
            bf_buffer_append(&buffer, "xxxxx", shift);
            while (buffer.length < 2 * BF_ERROR_TEXT_MAX)
                bf_buffer_text(&buffer, characters[c]);
            struct bf_error error;
            bf_fail(&error, BF_INTERNAL, "%s", buffer.text);
            size_t length = strlen(error.text);
            assert_in_range(length, BF_ERROR_TEXT_MAX - 4, BF_ERROR_TEXT_MAX - 1);
            assert_int_equal((length - shift) % strlen(characters[c]), 0);
            assert_memory_equal(error.text, buffer.text, length);
            bf_buffer_clear(&buffer);
        }
}

/* ---- allocate ---- */

static void memory_is_zeroed_and_copies_end(void **state)
{
    (void)state;
    char *zeroed = bf_allocate(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeroed[i], 0);
    zeroed = bf_reallocate(zeroed, 200);
    zeroed[199] = 'x';
    free(zeroed);
    void *nothing = bf_allocate(0);
    assert_non_null(nothing);
    free(nothing);
    assert_null(bf_copy_string(NULL));
    BF_AUTO_STRING char *copy = bf_copy_bytes("abcdef", 3);
    assert_string_equal(copy, "abc");
    BF_AUTO_STRING char *empty = bf_copy_bytes(NULL, 0);
    assert_string_equal(empty, "");
    BF_AUTO_STRING char *formatted = bf_format("%s-%d", copy, 7);
    assert_string_equal(formatted, "abc-7");
}

static void out_of_memory_ends_the_process_with_a_line(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    volatile size_t size = SIZE_MAX / 2; /* volatile, or the compiler warns that it is too large, as it should be */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        void *memory = bf_allocate(size);
        _exit(memory ? 0 : 1); /* neither may be reached */
    }
    close(ends[1]);
    char said[4096];
    size_t length = 0;
    for (ssize_t got; length < sizeof said - 1 && (got = read(ends[0], said + length, sizeof said - 1 - length)) > 0;)
        length += (size_t)got;
    said[length] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    /* A sanitizer's own allocator ends the process before ours can. */
    if (strstr(said, "Sanitizer")) {
        assert_non_null(strstr(said, "allocation-size-too-big"));
        return;
    }
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "backfilld: out of memory\n"));
}

/* ---- buffer ---- */

static void buffers_grow(void **state)
{
    (void)state;
    struct bf_buffer buffer = {0};
    struct bf_buffer wanted = {0};
    for (int i = 0; i < 1000; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d,", i);
        bf_buffer_text(&wanted, number);
        bf_buffer_format(&buffer, "%d%s", i, ",");
    }
    assert_int_equal(buffer.length, 10 * 2 + 90 * 3 + 900 * 4);
    assert_string_equal(buffer.text, wanted.text);
    assert_false(buffer.overflow);
    BF_AUTO_STRING char *taken = bf_buffer_take(&buffer);
    assert_string_equal(taken, wanted.text);
    assert_int_equal(buffer.length, 0);
    BF_AUTO_STRING char *nothing = bf_buffer_take(&buffer);
    assert_string_equal(nothing, "");
    bf_buffer_append(&buffer, "a\0b", 3);
    assert_int_equal(buffer.length, 3);
    assert_memory_equal(buffer.text, "a\0b", 4);
    bf_buffer_clear(&buffer);
    assert_null(buffer.text);
    bf_buffer_clear(&wanted);
}

static void buffers_have_a_ceiling(void **state)
{
    (void)state;
    struct bf_buffer buffer = {.ceiling = 10};
    bf_buffer_text(&buffer, "12345");
    bf_buffer_format(&buffer, "%s", "67890");
    assert_false(buffer.overflow);
    bf_buffer_text(&buffer, "");
    assert_false(buffer.overflow);
    bf_buffer_text(&buffer, "x");
    assert_true(buffer.overflow);
    assert_string_equal(buffer.text, "1234567890");
    bf_buffer_clear(&buffer);
    assert_false(buffer.overflow);
    bf_buffer_format(&buffer, "%s", "12345678901");
    assert_true(buffer.overflow);
    bf_buffer_text(&buffer, "1"); /* would fit, but then the text had a hole */
    BF_AUTO_STRING char *taken = bf_buffer_take(&buffer);
    assert_string_equal(taken, "");
    assert_true(buffer.overflow);
    bf_buffer_clear(&buffer);

    struct bf_buffer unnamed = {0};
    BF_AUTO_STRING char *megabyte = bf_allocate(1024 * 1024 + 1);
    memset(megabyte, 'm', 1024 * 1024);
    for (int i = 0; i < 16; i++)
        bf_buffer_text(&unnamed, megabyte);
    assert_false(unnamed.overflow);
    bf_buffer_text(&unnamed, "m");
    assert_true(unnamed.overflow);
    assert_int_equal(unnamed.length, BF_BUFFER_CEILING);
    bf_buffer_clear(&unnamed);
}

/* ---- duration ---- */

static void durations_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t milliseconds; /* -1: refused */
    } cases[] = {
        {"0ms", 0},
        {"0s", 0},
        {"250ms", 250},
        {"1.5s", 1500},
        {"0.001s", 1},
        {"1.000000000000s", 1000},
        {"10m", 600000},
        {"1.5m", 90000},
        {"8h", 28800000},
        {"7d", 604800000},
        {"0.1d", 8640000},
        {"36525d", INT64_C(3155760000000)},
        {"3155760000000ms", INT64_C(3155760000000)},
        {"000250ms", 250},
        {"3155760000001ms", -1},
        {"36525.1d", -1},
        {"9223372036854775807d", -1},
        {"9223372036854775808ms", -1},
        {"99999999999999999999999999999999s", -1},
        {"0.5ms", -1},
        {"0.0001s", -1},
        {"0.99999999999s", -1},
        {"", -1},
        {"0", -1},
        {"250", -1},
        {"ms", -1},
        {".5s", -1},
        {"5.s", -1},
        {"1.5.5s", -1},
        {"-1s", -1},
        {"+1s", -1},
        {" 1s", -1},
        {"1 s", -1},
        {"1s ", -1},
        {"1S", -1},
        {"1e3s", -1},
        {"0x10s", -1},
        {"1sec", -1},
        {"1w", -1},
        {"1h30m", -1},
        {"infs", -1},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        int64_t milliseconds = 77;
        bool good = bf_duration_parse(cases[i].text, &milliseconds);
        if (good != (cases[i].milliseconds >= 0) || milliseconds != (good ? cases[i].milliseconds : 77))
            fail_msg("\"%s\": %s, %lld", cases[i].text, good ? "taken" : "refused", (long long)milliseconds);
    }
    int64_t untouched = 77;
    assert_false(bf_duration_parse(NULL, &untouched));
    assert_int_equal(untouched, 77);
}

static void sizes_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes; /* -1: refused */
    } cases[] = {
        {"0B", 0},
        {"100B", 100},
        {"512KiB", 524288},
        {"8MiB", 8388608},
        {"1.5MiB", 1572864},
        {"1GiB", 1073741824},
        {"2TiB", INT64_C(2199023255552)},
        {"4611686018427387904B", INT64_C(1) << 62},
        {"4194304TiB", INT64_C(1) << 62},
        {"4611686018427387905B", -1},
        {"4194304.5TiB", -1},
        {"9999999999999TiB", -1},
        {"0.999999999TiB", -1},
        {"0.5B", -1},
        {"8MB", -1},
        {"8M", -1},
        {"8", -1},
        {"8mib", -1},
        {"-8B", -1},
        {"", -1},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        int64_t bytes = 77;
        bool good = bf_size_parse(cases[i].text, &bytes);
        if (good != (cases[i].bytes >= 0) || bytes != (good ? cases[i].bytes : 77))
            fail_msg("\"%s\": %s, %lld", cases[i].text, good ? "taken" : "refused", (long long)bytes);
    }
}

static void times_are_rfc_3339(void **state)
{
    (void)state;
    static const struct {
        int64_t milliseconds;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(1795248000123), "2026-11-21T08:00:00.123Z"},
        {INT64_C(4107542399999), "2100-02-28T23:59:59.999Z"},
        {INT64_C(4107542400000), "2100-03-01T00:00:00.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {INT64_C(-62167219200000), "0000-01-01T00:00:00.000Z"},
    };
    char text[BF_TIME_TEXT];
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        assert_string_equal(bf_time_format(cases[i].milliseconds, text), cases[i].text);
        int64_t back = 77;
        assert_true(bf_time_parse(cases[i].text, &back));
        assert_int_equal(back, cases[i].milliseconds);
    }
    assert_string_equal(bf_time_format(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
    assert_string_equal(bf_time_format(INT64_MIN, text), "0000-01-01T00:00:00.000Z");
}

/* Against the C library, on a walk over all years that both know, leap days and centuries included. */
static void times_agree_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t seconds = INT64_C(-62167219200); seconds < INT64_C(253402300800); seconds += 86400 * 17 + 3607) {
        time_t time = (time_t)seconds;
        struct tm parts;
        char wanted[64], text[BF_TIME_TEXT];
        gmtime_r(&time, &parts);
        snprintf(wanted, sizeof wanted, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1,
                 parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, (int)(seconds & 511));
        int64_t milliseconds = seconds * 1000 + (seconds & 511), back;
        assert_string_equal(bf_time_format(milliseconds, text), wanted);
        assert_true(bf_time_parse(text, &back));
        assert_int_equal(back, milliseconds);
    }
}

static void times_are_parsed_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t milliseconds;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T18:30:00-05:30", 0},
        {"1970-01-01T00:00:00.5Z", 500},
        {"1970-01-01T00:00:00.123999999Z", 123},
        {"1996-12-19T16:39:57-08:00", INT64_C(851042397000)},
        {"1990-12-31T23:59:60Z", INT64_C(662688000000)},      /* both from RFC 3339 section 5.8 */
        {"1990-12-31T15:59:60-08:00", INT64_C(662688000000)},
        {"1970-01-01T00:00:00-00:00", 0},
    };
    static const char *const bad[] = {
        "", "1970", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01 00:00:00Z", "1970-01-01T00:00Z",
        "1970-1-01T00:00:00Z", "1970-00-01T00:00:00Z", "1970-13-01T00:00:00Z", "1970-01-00T00:00:00Z",
        "1970-01-32T00:00:00Z", "1970-04-31T00:00:00Z", "1970-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
        "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:61Z", "1970-01-01T12:00:60Z",
        "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00,5Z", "1970-01-01T00:00:00Zx", "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+01", "1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00+01:00 ", "-1970-01-01T00:00:00Z", "+1970-01-01T00:00:00Z", "19700-01-01T00:00:00Z",
    };
    int64_t milliseconds;
    for (size_t i = 0; i < BF_COUNT(good); i++) {
        if (!bf_time_parse(good[i].text, &milliseconds))
            fail_msg("\"%s\" was refused", good[i].text);
        assert_int_equal(milliseconds, good[i].milliseconds);
    }
    for (size_t i = 0; i < BF_COUNT(bad); i++) {
        milliseconds = 77;
        if (bf_time_parse(bad[i], &milliseconds))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(milliseconds, 77);
    }
    assert_false(bf_time_parse(NULL, &milliseconds));
    assert_true(bf_time_parse("2000-02-29T00:00:00Z", &milliseconds));
}

static void durations_are_written_for_people(void **state)
{
    (void)state;
    static const struct {
        int64_t milliseconds;
        const char *text;
    } cases[] = {
        {0, "0 ms"},
        {850, "850 ms"},
        {999, "999 ms"},
        {1000, "1.0 s"},
        {4250, "4.2 s"},
        {59999, "59.9 s"},
        {60000, "1 min 00 s"},
        {192000, "3 min 12 s"},
        {3599999, "59 min 59 s"},
        {3600000, "1 h 00 min"},
        {50520000, "14 h 02 min"},
        {86399999, "23 h 59 min"},
        {86400000, "1 d 00 h"},
        {617400000, "7 d 03 h"},
        {-850, "-850 ms"},
        {INT64_MAX, "106751991167 d 07 h"},
        {INT64_MIN, "-106751991167 d 07 h"},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        char text[BF_DURATION_TEXT];
        assert_string_equal(bf_duration_format(cases[i].milliseconds, text), cases[i].text);
    }
}

/* ---- identifier ---- */

static void ulids_are_as_specified(void **state)
{
    (void)state;
    static const uint8_t zeros[10] = {0};
    static const uint8_t ones[10] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    static const uint8_t rising[10] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0x01, 0x23};
    char text[BF_ULID_TEXT], next[BF_ULID_TEXT];
    assert_string_equal(bf_ulid_format(0, zeros, text), "00000000000000000000000000");
    assert_string_equal(bf_ulid_format((INT64_C(1) << 48) - 1, ones, text), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
    assert_string_equal(bf_ulid_format(INT64_MAX, ones, next), text); /* held at the ends */
    assert_string_equal(bf_ulid_format(-1, zeros, next), "00000000000000000000000000");
    /* The time of the example in the specification; the random part by hand, five bits a character. */
    assert_string_equal(bf_ulid_format(INT64_C(1469918176385), rising, text), "01ARYZ6S4104HMASW9NF6YY093");
    assert_true(bf_ulid_valid(text));
    /* Texts sort as times do. */
    assert_true(strcmp(bf_ulid_format(999, ones, text), bf_ulid_format(1000, zeros, next)) < 0);
}

static void ulids_are_checked(void **state)
{
    (void)state;
    assert_true(bf_ulid_valid("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
    assert_true(bf_ulid_valid("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"));
    static const char *const bad[] = {
        "",
        "01ARZ3NDEKTSV4RRFFQ69G5FA",
        "01ARZ3NDEKTSV4RRFFQ69G5FAVX",
        "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "01ARZ3NDEKTSV4RRFFQ69G5FAU",
        "01ARZ3NDEKTSV4RRFFQ69G5FAI",
        "01arz3ndektsv4rrffq69g5fav",
        "orders-archive-2020-and-so",
        "01ARZ3NDEKTSV4RRFFQ69G5FA\xC3",
    };
    for (size_t i = 0; i < BF_COUNT(bad); i++)
        assert_false(bf_ulid_valid(bad[i]));
    assert_false(bf_ulid_valid(NULL));
}

static void hashes_are_sha_256(void **state)
{
    (void)state;
    char text[BF_HASH_TEXT];
    /* FIPS 180-2, appendix B, and the empty text */
    assert_string_equal(bf_hash("abc", 3, text), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(bf_hash(NULL, 0, text), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(bf_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, text),
                        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_string_not_equal(bf_hash("a\0b", 3, text), bf_hash("a", 1, (char[BF_HASH_TEXT]){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_names_that_round_trip),
        cmocka_unit_test(failing_sets_code_and_text),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(memory_is_zeroed_and_copies_end),
        cmocka_unit_test(out_of_memory_ends_the_process_with_a_line),
        cmocka_unit_test(buffers_grow),
        cmocka_unit_test(buffers_have_a_ceiling),
        cmocka_unit_test(durations_are_exact),
        cmocka_unit_test(sizes_are_exact),
        cmocka_unit_test(times_are_rfc_3339),
        cmocka_unit_test(times_agree_with_the_c_library),
        cmocka_unit_test(times_are_parsed_strictly),
        cmocka_unit_test(durations_are_written_for_people),
        cmocka_unit_test(ulids_are_as_specified),
        cmocka_unit_test(ulids_are_checked),
        cmocka_unit_test(hashes_are_sha_256),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
