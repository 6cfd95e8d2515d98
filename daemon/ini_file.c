#include "ini_file.h"

#include <ctype.h>
#include <ini.h>
#include <stdbool.h>
#include <string.h>

struct reader {
    const char *next, *end;
    int line;
    bool unanswered; /* the line has content, and inih has not made a value of it so far */
    const struct bf_ini_handler *handler;
    void *argument;
};

static void finish_line(struct reader *reader)
{
    if (reader->unanswered)
        reader->handler->fault(reader->argument, reader->line,
                               "is neither \"[section]\" nor \"key = value\" nor a comment (; or #)");
    reader->unanswered = false;
}

/* `line` begins with "[". What may follow the "]" is white space or a comment. */
static void read_section(struct reader *reader, const char *line)
{
    char name[BF_INI_LINE_MAX];
    const char *close = strchr(line, ']');

    if (!close) {
        reader->handler->fault(reader->argument, reader->line, "the section's closing \"]\" is missing");
        return;
    }
    const char *rest = close + 1 + strspn(close + 1, " \t\r\n");
    if (*rest && *rest != ';' && *rest != '#')
        reader->handler->fault(reader->argument, reader->line, "nothing but a comment may follow \"[section]\"");
    memcpy(name, line + 1, (size_t)(close - line - 1));
    name[close - line - 1] = '\0';
    reader->handler->section(reader->argument, reader->line, name);
}

/* What inih calls instead of fgets: hands out the next line and sees the section lines on the way. */
static char *read_line(char *buffer, int size, void *argument)
{
    struct reader *reader = argument;

    finish_line(reader);
    if (reader->next == reader->end)
        return NULL;
    const char *feed = memchr(reader->next, '\n', (size_t)(reader->end - reader->next));
    const char *after = feed ? feed + 1 : reader->end;
    size_t length = (size_t)(after - reader->next);
    const char *from = reader->next;

    reader->next = after;
    reader->line++;
    buffer[0] = '\0';
    if (length + 1 > (size_t)size || length + 1 > BF_INI_LINE_MAX) {
        reader->handler->fault(reader->argument, reader->line, "the line is too long (limit 4094 bytes)");
        return buffer;
    }
    if (memchr(from, '\0', length)) {
        reader->handler->fault(reader->argument, reader->line, "the line contains a NUL byte");
        return buffer;
    }
    memcpy(buffer, from, length);
    buffer[length] = '\0';
    const char *content = buffer;
    if (reader->line == 1 && strncmp(content, "\xef\xbb\xbf", 3) == 0)
        content += 3; /* a byte order mark, which inih skips too */
    content += strspn(content, " \t\r\n\f\v");
    if (*content == '[')
        read_section(reader, content);
    else
        reader->unanswered = *content && *content != ';' && *content != '#';
    return buffer;
}

static int take_value(void *argument, const char *section, const char *key, const char *value)
{
    struct reader *reader = argument;

    (void)section; /* cut at 50 bytes by inih; the handler already has the whole name */
    reader->unanswered = false;
    reader->handler->value(reader->argument, reader->line, key, value);
    return 1;
}

void bf_ini_parse(const char *text, size_t length, const struct bf_ini_handler *handler, void *argument)
{
    struct reader reader = {.next = text, .end = text + length, .handler = handler, .argument = argument};

    ini_max_line = BF_INI_LINE_MAX;
    ini_allow_multiline = false; /* an indented "key = value" is a setting, not more of the one above */
    ini_parse_stream(read_line, &reader, take_value, &reader);
    finish_line(&reader);
}
