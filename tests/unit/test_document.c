#include "document_case.h"

#include <string.h>

#include "allocate.h"
#include "buffer.h"

/* ---- what is taken ---- */

static void the_same_work_is_the_same_wherever_it_runs(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        bool same;
    } others[] = {
        {"\"target\":\"staging\",\"owner\":\"b\",\"pace\":{\"nice\":2},\"key\":[\"id\"]", true},
        {"\"target\":\"staging\"", false},
        {"\"target\":\"staging\",\"key\":[\"uid\"]", false},
        {"\"target\":\"staging\",\"key\":[\"id\"],\"where\":\"n > 3\"", false},
        {"\"target\":\"staging\",\"key\":[\"id\"],\"range\":{\"after\":[\"7\"]}", false},
        {"\"target\":\"staging\",\"key\":[\"id\"],\"remaining\":\"n IS NULL\"", false},
    };
    struct bf_document *one =
        parse_good("{\"name\":\"a\",\"target\":\"shop\",\"table\":\"orders\",\"set\":{\"n\":\"1\"},"
                   "\"undo\":\"none\",\"key\":[\"id\"]}");
    for (size_t i = 0; i < BF_COUNT(others); i++) {
        BF_AUTO_STRING char *text =
            bf_format("{\"name\":\"a\",\"table\":\"orders\",\"set\":{\"n\":\"1\"},\"undo\":\"none\",%s}", others[i].fields);
        struct bf_document *other = parse_good(text);
        if (bf_document_same_work(one, other) != others[i].same)
            fail_msg("%s is taken for the opposite", others[i].fields);
        bf_document_free(other);
    }
    bf_document_free(one);
}

static void the_smallest_document_gets_every_default(void **state)
{
    (void)state;
    struct bf_document *document = parse_good("{" SMALLEST "}");
    assert_string_equal(document->name, "a");
    assert_string_equal(document->target, "shop");
    assert_string_equal(document->table, "orders");
    assert_int_equal(document->set_count, 1);
    assert_string_equal(document->set[0].name, "n");
    assert_string_equal(document->set[0].value, "1");
    assert_int_equal(document->key_count, 0);
    assert_int_equal(document->after_count, 0);
    assert_int_equal(document->through_count, 0);
    assert_null(document->where);
    assert_int_equal(document->undo, BF_UNDO_NONE);
    assert_int_equal(document->pace.batch_time, 250);
    assert_int_equal(document->pace.batch_rows_start, 500);
    assert_int_equal(document->pace.batch_rows_min, 10);
    assert_int_equal(document->pace.batch_rows_max, 50000);
    assert_true(document->pace.nice >= 0.5 && document->pace.nice <= 0.5);
    assert_int_equal(document->limits.yield_after, 200);
    assert_int_equal(document->limits.lock_timeout, 1000);
    assert_int_equal(document->limits.statement_timeout, 10000);
    assert_null(document->owner);
    assert_null(document->description);
    assert_int_equal(document->label_count, 0);
    assert_false(document->again);
    bf_document_free(document);
    bf_document_free(NULL);
}

static void everything_that_is_built_is_read(void **state)
{
    (void)state;
    struct bf_document *document = parse_good(
        "{\"name\":\"orders-archive-2020\",\"target\":\"Shop_1.eu\",\"table\":\"public.\\\"Orders\\\"\","
        "\"key\":[\"tenant\",\"id\"],\"range\":{\"after\":[\"\",\"-5\"],\"through\":[\"z\",\"5000000\"]},"
        "\"set\":{\"status\":\"'archived'\",\"Gr\\u00f6\\u00dfe\":\"now()\"},\"where\":\"status <> 'archived'\","
        "\"undo\":\"none\",\"pace\":{\"batch_time\":\"1.5s\",\"batch_rows\":{\"start\":50,\"min\":5,\"max\":5000},"
        "\"nice\":2},\"limits\":{\"lock_timeout\":\"200ms\",\"statement_timeout\":\"1m\"},"
        "\"owner\":\"team-orders\",\"labels\":{\"campaign\":\"gdpr-2026\",\"k\":\"v\"},\"description\":\"why\\nand where\","
        "\"again\":true}");
    assert_string_equal(document->table, "public.\"Orders\"");
    assert_string_equal(document->target, "Shop_1.eu");
    assert_int_equal(document->key_count, 2);
    assert_string_equal(document->key[1], "id");
    assert_int_equal(document->after_count, 2);
    assert_string_equal(document->after[0], "");
    assert_string_equal(document->after[1], "-5");
    assert_string_equal(document->through[1], "5000000");
    assert_int_equal(document->set_count, 2);
    assert_string_equal(document->set[0].name, "Gr\xC3\xB6\xC3\x9F" "e");
    assert_string_equal(document->set[1].value, "'archived'");
    assert_string_equal(document->where, "status <> 'archived'");
    assert_int_equal(document->pace.batch_time, 1500);
    assert_int_equal(document->pace.batch_rows_start, 50);
    assert_int_equal(document->pace.batch_rows_min, 5);
    assert_int_equal(document->pace.batch_rows_max, 5000);
    assert_true(document->pace.nice >= 2 && document->pace.nice <= 2);
    assert_int_equal(document->limits.lock_timeout, 200);
    assert_int_equal(document->limits.statement_timeout, 60000);
    assert_string_equal(document->owner, "team-orders");
    assert_int_equal(document->label_count, 2);
    assert_string_equal(document->labels[0].name, "campaign");
    assert_string_equal(document->labels[0].value, "gdpr-2026");
    assert_string_equal(document->description, "why\nand where");
    assert_true(document->again);
    bf_document_free(document);
}

/* ---- equality ---- */

static void assert_hashes(const char *left, const char *right, bool same)
{
    struct bf_document *one = parse_good(left), *other = parse_good(right);
    if ((strcmp(one->hash, other->hash) == 0) != same)
        fail_msg("%s hash:\n%s\n%s", same ? "not the same" : "the same", one->canonical, other->canonical);
    assert_int_equal(strlen(one->hash), 64);
    bf_document_free(one);
    bf_document_free(other);
}

static void equal_documents_are_one_text(void **state)
{
    (void)state;
    struct bf_document *document = parse_good(" {\"undo\" : \"none\",\n\"table\":\"\\u006frders\",\"target\":\"shop\","
                                              "\"set\":{\"n\":\"1\"}, \"name\":\"a\", \"pace\": {\"nice\": 0.10}} ");
    assert_string_equal(document->canonical,
                        "{\"name\":\"a\",\"pace\":{\"nice\":0.10000000000000001},\"set\":{\"n\":\"1\"},"
                        "\"table\":\"orders\",\"target\":\"shop\",\"undo\":\"none\"}");
    /* The canonical text is a document, and its own canonical text. */
    struct bf_document *again = parse_good(document->canonical);
    assert_string_equal(again->canonical, document->canonical);
    assert_string_equal(again->hash, document->hash);
    bf_document_free(again);
    bf_document_free(document);

    assert_hashes("{" SMALLEST "}", "{" SMALLEST ",\"again\":true}", true);
    assert_hashes("{" SMALLEST ",\"again\":false}", "{" SMALLEST ",\"again\":true}", true);
    assert_hashes("{" SMALLEST "}", "{" SMALLEST ",\"owner\":\"x\"}", false);
    assert_hashes("{" SMALLEST ",\"where\":\"a = 1\"}", "{" SMALLEST ",\"where\":\"a = 2\"}", false);
    assert_hashes("{" SMALLEST ",\"pace\":{\"nice\":0.1}}", "{" SMALLEST ",\"pace\":{\"nice\":0.10000000000000002}}",
                  false);
}

static void canonical_text_keeps_again(void **state)
{
    (void)state;
    struct bf_document *document = parse_good("{" SMALLEST ",\"again\":true}");
    assert_non_null(strstr(document->canonical, "\"again\":true"));
    char hash[BF_HASH_TEXT];
    assert_string_not_equal(bf_hash(document->canonical, strlen(document->canonical), hash), document->hash);
    bf_document_free(document);
}

/* MySQL assigns one column after the other, so a restart must not change which comes first. */
static void set_has_one_order(void **state)
{
    (void)state;
    static const char *const written[] = {"{\"b\":\"a\",\"a\":\"a + 1\"}", "{\"a\":\"a + 1\",\"b\":\"a\"}"};
    for (size_t i = 0; i < BF_COUNT(written); i++) {
        BF_AUTO_STRING char *json = bf_format("{\"name\":\"a\",\"target\":\"shop\",\"table\":\"orders\",\"set\":%s}", written[i]);
        struct bf_document *first = parse_good(json), *again = parse_good(first->canonical);
        assert_string_equal(first->set[0].name, "a");
        assert_string_equal(again->set[0].name, "a");
        assert_string_equal(first->set[1].name, "b");
        bf_document_free(first);
        bf_document_free(again);
    }
}

static void a_target_from_outside_stands_in(void **state)
{
    (void)state;
    static const char *const written[] = {"\"target\":\"shop\",", "\"target\":7,", ""};
    struct bf_document *document, *shop;
    shop = parse_good("{" SMALLEST "}");
    for (size_t i = 0; i < BF_COUNT(written); i++) {
        BF_AUTO_STRING char *json =
            bf_format("{%s\"name\":\"a\",\"table\":\"orders\",\"set\":{\"n\":\"1\"},\"undo\":\"none\"}", written[i]);
        assert_int_equal(parse_bytes(json, strlen(json), "other", &document), BF_OK);
        assert_string_equal(document->target, "other");
        assert_non_null(strstr(document->canonical, "\"target\":\"other\""));
        assert_string_not_equal(document->hash, shop->hash);
        bf_document_free(document);
    }
    bf_document_free(shop);
    static const char *const bad[] = {"", "a b", "\xFF", "../x"};
    for (size_t i = 0; i < BF_COUNT(bad); i++) {
        assert_int_equal(parse_bytes("{" SMALLEST "}", strlen("{" SMALLEST "}"), bad[i], &document), BF_INVALID);
        assert_string_equal(complaints.list[0].pointer, "/target");
    }
    assert_int_equal(parse_bytes("[]", 2, "other", &document), BF_INVALID);
}

/* ---- what is no JSON ---- */

static void assert_not_json(const char *json, size_t length, const char *part)
{
    struct bf_document *document;
    enum bf_code code = parse_bytes(json, length, NULL, &document);
    if (code != BF_NOT_JSON || complaints.total != 0 || error.code != BF_NOT_JSON || !strstr(error.text, part))
        fail_msg("%.60s: %s, %s", json ? json : "no bytes", bf_code_name(code), error.text);
}

static void what_is_no_json_is_said_with_its_place(void **state)
{
    (void)state;
#define NOT_JSON(text, part) assert_not_json(text, sizeof(text) - 1, part)
    NOT_JSON("", "empty");
    NOT_JSON("   ", "line 1");
    NOT_JSON("{", "line 1, column 1");
    NOT_JSON("{\n  \"name\": oops}", "line 2");
    NOT_JSON("{" SMALLEST "} x", "end of file expected");
    NOT_JSON("{" SMALLEST ",\n\n\"name\":\"b\"}", "line 3");
    NOT_JSON("{" SMALLEST ",\n\n\"name\":\"b\"}", "duplicate object key");
    NOT_JSON("{" SMALLEST ",\"pace\":{\"nice\":1,\"nice\":2}}", "duplicate object key");
    NOT_JSON("{\"name\":\"\xC3\"}", "");
    NOT_JSON("{\"name\":\"\xED\xA0\x80\"}", "");    /* a surrogate in UTF-8 */
    NOT_JSON("{\"name\":\"\\ud800\"}", "");         /* half a pair */
    NOT_JSON("{\"name\":\"a\\u0000b\"}", "\\u0000");
    NOT_JSON("{\"name\":\"a\0b\"}", "");
    NOT_JSON("{\"name\":\"a\tb\"}", "");
    NOT_JSON("{\"pace\":{\"nice\":NaN}}", "");
    NOT_JSON("{'name':'a'}", "");
    NOT_JSON("\xEF\xBB\xBF{}", "");
#undef NOT_JSON
    assert_not_json(NULL, 0, "empty");
}

static void depth_and_size_have_limits(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    BF_AUTO_STRING char *deep = bf_allocate(DEPTH + 1);
    memset(deep, '[', DEPTH);
    assert_not_json(deep, DEPTH, "depth");
    BF_AUTO_STRING char *large = bf_allocate(BF_DOCUMENT_MAX + 2);
    memset(large, ' ', BF_DOCUMENT_MAX + 1);
    memcpy(large, "{" SMALLEST "}", strlen("{" SMALLEST "}"));
    struct bf_document *document;
    assert_int_equal(parse_bytes(large, BF_DOCUMENT_MAX, NULL, &document), BF_OK);
    bf_document_free(document);
    assert_int_equal(parse_bytes(large, BF_DOCUMENT_MAX + 1, NULL, &document), BF_TOO_LARGE);
    assert_int_equal(error.code, BF_TOO_LARGE);
    assert_int_equal(complaints.total, 0);
}

static void a_document_is_an_object(void **state)
{
    (void)state;
    assert_complaint("[]", BF_INVALID, "", "an object, not a list");
    assert_complaint("\"x\"", BF_INVALID, "", "not a string");
    assert_complaint("42", BF_INVALID, "", "not a number");
    assert_complaint("null", BF_INVALID, "", "not null");
}

static void numbers_too_large_to_be_read_are_out_of_bounds(void **state)
{
    (void)state;
    struct bf_document *document;
    invalid("\"pace\":{\"slices\":99999999999999999999}", "/pace/slices", "must be from 1 to 16");
    invalid("\"pace\":{\"max_rows_per_second\":-99999999999999999999 }", "/pace/max_rows_per_second", "must be from 1");
    invalid("\"pace\":{\"nice\":1e999}", "/pace/nice", "from 0 to 100");
    invalid("\"verify_sample\":9223372036854775808", "/verify_sample", "must be from 0");
    invalid("\"signals\":[{\"name\":\"q\",\"sql\":\"SELECT 1\",\"limit\":100000000000000000000}]", "", "too large");
    const char *two = "{" SMALLEST ",\"pace\":{\"slices\":99999999999999999999,\"nice\":-123456789e400}}";
    assert_int_equal(parse_bytes(two, strlen(two), NULL, &document), BF_INVALID);
    assert_int_equal(complaints.total, 2);
    struct bf_buffer many = {0};
    for (int i = 0; i < 17; i++)
        bf_buffer_format(&many, "%s99999999999999999999", i ? "," : "[");
    bf_buffer_text(&many, "]");
    assert_int_equal(parse_bytes(many.text, many.length, NULL, &document), BF_NOT_JSON);
    bf_buffer_clear(&many);
}

/* ---- complaints ---- */

static void everything_wrong_is_said_at_once(void **state)
{
    (void)state;
    struct bf_document *document;
    const char *json = "{\"name\":\"-\",\"set\":{\"a/b~c\":7},\"pace\":{\"batch_rows\":{\"max\":0},\"slices\":17},"
                       "\"limits\":{\"bad_rows\":-4},\"wehre\":\"x\"}";
    assert_int_equal(parse_bytes(json, strlen(json), NULL, &document), BF_INVALID);
    static const char *const pointers[] = {"/target", "/table", "/name", "/set/a~1b~0c",
                                           "/pace/batch_rows/max", "/pace/slices", "/limits/bad_rows", "/wehre"};
    assert_int_equal(complaints.total, BF_COUNT(pointers));
    for (size_t i = 0; i < BF_COUNT(pointers); i++) {
        size_t k = 0;
        while (k < complaints.count && strcmp(complaints.list[k].pointer, pointers[i]) != 0)
            k++;
        if (k == complaints.count)
            fail_msg("no complaint at %s", pointers[i]);
        assert_int_equal(complaints.list[k].code, BF_INVALID);
    }
    assert_non_null(strstr(error.text, "(and 7 more)"));
}

static void complaints_are_kept_up_to_a_number(void **state)
{
    (void)state;
    struct bf_buffer json = {0};
    bf_buffer_text(&json, "{" SMALLEST);
    for (int i = 0; i < 120; i++)
        bf_buffer_format(&json, ",\"unknown%d\":1", i);
    bf_buffer_text(&json, "}");
    struct bf_document *document;
    assert_int_equal(parse_bytes(json.text, json.length, NULL, &document), BF_INVALID);
    assert_int_equal(complaints.count, BF_COMPLAINTS_MAX);
    assert_int_equal(complaints.total, 120);
    bf_buffer_clear(&json);
    assert_int_equal(bf_complaints_code(&complaints), BF_INVALID);
    bf_complaints_clear(&complaints);
    assert_int_equal(bf_complaints_code(&complaints), BF_OK);
    bf_complain(&complaints, BF_UNSUPPORTED, "/a", "%s", "x");
    assert_int_equal(bf_complaints_code(&complaints), BF_UNSUPPORTED);
    bf_complain(&complaints, BF_INVALID, "/b", "%d", 7);
    assert_int_equal(bf_complaints_code(&complaints), BF_INVALID);
    assert_string_equal(complaints.list[1].detail, "7");
}

static void unknown_fields_come_with_a_guess(void **state)
{
    (void)state;
    invalid("\"wehre\":\"x\"", "/wehre", "unknown field; did you mean `where`?");
    invalid("\"were\":\"x\"", "/were", "`where`");
    invalid("\"tabel\":\"x\"", "/tabel", "`table`");
    invalid("\"label\":{}", "/label", "`labels`");
    invalid("\"pace\":{\"batchtime\":\"1s\"}", "/pace/batchtime", "`batch_time`");
    invalid("\"limits\":{\"statment_timeout\":\"1s\"}", "/limits/statment_timeout", "`statement_timeout`");
    invalid("\"range\":{\"trough\":[\"1\"]}", "/range/trough", "`through`");
    invalid("\"batch_time\":\"1s\"", "/batch_time", "its place is /pace/batch_time");
    invalid("\"pace\":{\"lock_timeout\":\"1s\"}", "/pace/lock_timeout", "its place is /limits/lock_timeout");
    invalid("\"pace\":{\"batch_rows\":{\"nice\":1}}", "/pace/batch_rows/nice", "its place is /pace/nice");
    invalid("\"colour\":1", "/colour", "unknown field");
    assert_null(strstr(complaints.list[0].detail, "mean"));
    invalid("\"x\":1", "/x", "unknown field");
    assert_null(strstr(complaints.list[0].detail, "mean"));
    invalid("\"\":1", "/", "unknown field");
    invalid("\"a/b~c\":1", "/a~1b~0c", "unknown field");
    invalid("\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\":1",
            "/abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", "unknown field");
}

static void nothing_is_irreversible_by_silence(void **state)
{
    (void)state;
    BF_AUTO_STRING char *silent = with("undo", NULL), *said = with("undo", "\"journal\"");
    const char *const texts[] = {silent, said};
    for (size_t i = 0; i < BF_COUNT(texts); i++) {
        struct bf_document *document = parse_good(texts[i]);
        assert_int_equal(document->undo, BF_UNDO_JOURNAL);
        bf_document_free(document);
    }
    own_invalid("undo", "\"None\"", "/undo", "must be \"journal\", \"none\", or an inverse");
    own_invalid("undo", "null", "/undo", "not null");
    own_invalid("undo", "false", "/undo", "not false");
}

static void an_inverse_is_a_document_of_its_own(void **state)
{
    (void)state;
    BF_AUTO_STRING char *text = with("undo", "{\"set\":{\"n\":\"n - 1\",\"m\":\"NULL\"},\"where\":\"n > 0\"}");
    BF_AUTO_STRING char *other = with("undo", "{\"set\":{\"n\":\"n - 1\",\"m\":\"NULL\"}}");
    struct bf_document *document = parse_good(text), *without = parse_good(other);
    assert_int_equal(document->undo, BF_UNDO_INVERSE);
    assert_int_equal(document->inverse->set_count, 2);
    assert_string_equal(document->inverse->where, "n > 0");
    assert_string_equal(document->inverse->table, document->table);
    assert_int_equal(document->inverse->undo, BF_UNDO_NONE);
    assert_null(without->inverse->where);
    assert_false(bf_document_same_work(document, without));
    assert_true(bf_document_same_work(document, document));
    bf_document_free(document);
    bf_document_free(without);
    own_invalid("undo", "{\"where\":\"n > 0\"}", "/undo", "`set` is required");
    own_invalid("undo", "{\"set\":{\"n\":\"\"}}", "/undo/set/n", "must not be empty");
    own_invalid("undo", "{\"set\":{\"n\":\"0\"},\"where\":\" \"}", "/undo/where", "must not be empty");
    own_invalid("undo", "{\"set\":{\"n\":\"0\"},\"wehre\":\"n\"}", "/undo/wehre", "did you mean `where`?");
    own_invalid("undo", "{\"set\":{\"n\":\"0\"}},\"alerts\":\"rollback\"", "/alerts", "only a person rolls back by it");
    own_invalid("undo", "{\"set\":{\"id\":\"0\"}},\"key\":[\"id\"]", "/undo/set/id", "a key column cannot be written");
}

static void required_fields_are_required(void **state)
{
    (void)state;
    static const char *const names[] = {"name", "target", "table", "set"};
    for (size_t i = 0; i < BF_COUNT(names); i++) {
        BF_AUTO_STRING char *pointer = bf_format("/%s", names[i]);
        own_invalid(names[i], NULL, pointer, "is required");
        own_invalid(names[i], "null", pointer, "not null");
        own_invalid(names[i], "7", pointer, "not a number");
        own_invalid(names[i], "[\"x\"]", pointer, "not a list");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_document_gets_every_default),
        cmocka_unit_test(everything_that_is_built_is_read),
        cmocka_unit_test(the_same_work_is_the_same_wherever_it_runs),
        cmocka_unit_test(equal_documents_are_one_text),
        cmocka_unit_test(canonical_text_keeps_again),
        cmocka_unit_test(set_has_one_order),
        cmocka_unit_test(a_target_from_outside_stands_in),
        cmocka_unit_test(what_is_no_json_is_said_with_its_place),
        cmocka_unit_test(depth_and_size_have_limits),
        cmocka_unit_test(a_document_is_an_object),
        cmocka_unit_test(numbers_too_large_to_be_read_are_out_of_bounds),
        cmocka_unit_test(everything_wrong_is_said_at_once),
        cmocka_unit_test(complaints_are_kept_up_to_a_number),
        cmocka_unit_test(unknown_fields_come_with_a_guess),
        cmocka_unit_test(nothing_is_irreversible_by_silence),
        cmocka_unit_test(an_inverse_is_a_document_of_its_own),
        cmocka_unit_test(required_fields_are_required),
    };
    return cmocka_run_group_tests_name("document", tests, NULL, clean_up);
}
