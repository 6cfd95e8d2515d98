#include "unit.h"

#include <string.h>

#include "allocate.h"
#include "message.h"

/* Every message as "event=data;". */
static void take(void *argument, const char *event, const char *data)
{
    bf_buffer_format(argument, "%s=%s;", event, data);
}

/* What is read of a text that comes in pieces of so many bytes. Owned. */
static char *read_in_pieces(const char *text, size_t piece)
{
    struct bf_buffer taken = {0};
    struct bf_message_reader reader = {.take = take, .argument = &taken};
    for (size_t at = 0, length = strlen(text); at < length; at += piece)
        assert_true(bf_message_read(&reader, text + at, length - at < piece ? length - at : piece));
    bf_message_clear(&reader);
    return bf_buffer_take(&taken);
}

static void test_messages(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"retry: 2000\n\n", ""},
        {":\n\n: a comment\n\n", ""},
        {"id: 7\nevent: event\ndata: {\"id\":7}\n\n", "event={\"id\":7};"},
        {"event: progress\r\ndata: {}\r\n\r\nevent: reset\r\ndata: 1\r\n\r\n", "progress={};reset=1;"},
        {"event: progress\rdata: {}\r\rdata: 1\r\r", "progress={};message=1;"},
        {"data: one\ndata: two\n\n", "message=one\ntwo;"},
        {"data\n\ndata\ndata\n\n", "message=;message=\n;"},
        {"data:no blank\n\ndata:  two blanks\n\n", "message=no blank;message= two blanks;"},
        {"event: unheard\n\ndata: x\n\n", "message=x;"},     /* without data there is no message, and its name is gone */
        {"event: one\nevent:\ndata: x\n\n", "message=x;"},
        {"data: a:b: c\n\n", "message=a:b: c;"},
        {"other: 1\ndata: x\nevents: y\n\n", "message=x;"},
        {"data: it is cut off\n", ""},
        {"\xef\xbb\xbf" "data: x\n\n\xef\xbb\xbf" "data: y\n\n", "message=x;"}, /* the mark of the byte order, once */
        {"data: gr\xc3\xb6\xc3\x9f" "e\n\n", "message=gr\xc3\xb6\xc3\x9f" "e;"},
    };
    for (size_t i = 0; i < BF_COUNT(cases); i++) {
        for (size_t piece = 1; piece <= strlen(cases[i].text); piece++) {
            char *taken BF_AUTO_STRING = read_in_pieces(cases[i].text, piece);
            assert_string_equal(taken, cases[i].expected);
        }
    }
}

static void test_too_much(void **state)
{
    (void)state;
    struct bf_buffer taken = {0};
    struct bf_message_reader reader = {.take = take, .argument = &taken};
    char *block = bf_allocate(BF_MESSAGE_MAX / 4);
    memset(block, 'x', BF_MESSAGE_MAX / 4);
    assert_true(bf_message_read(&reader, "data: ", 6));
    for (int i = 0; i < 3; i++)
        assert_true(bf_message_read(&reader, block, BF_MESSAGE_MAX / 4));
    assert_false(bf_message_read(&reader, block, BF_MESSAGE_MAX / 4));
    bf_message_clear(&reader);
    for (int i = 0; i < 4; i++) { /* many lines of one message are no more welcome */
        assert_true(bf_message_read(&reader, "data:", 5));
        assert_true(bf_message_read(&reader, block, BF_MESSAGE_MAX / 4 - 1));
        assert_true(bf_message_read(&reader, "\n", 1));
    }
    assert_true(bf_message_read(&reader, "data:", 5));
    assert_false(bf_message_read(&reader, "y\n", 2));
    bf_message_clear(&reader);
    assert_true(bf_message_read(&reader, "data: y\n\n", 9));
    assert_string_equal(taken.text, "message=y;");
    bf_message_clear(&reader);
    bf_buffer_clear(&taken);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_messages), cmocka_unit_test(test_too_much)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
