#include "message.h"

#include <string.h>

static const char *text_of(const struct bf_buffer *buffer)
{
    return buffer->text ? buffer->text : "";
}

static void end_message(struct bf_message_reader *reader)
{
    if (reader->data.length > 0) { /* without data there is no message */
        reader->data.text[--reader->data.length] = '\0'; /* the last line's end */
        reader->take(reader->argument, reader->event.length > 0 ? reader->event.text : "message", reader->data.text);
    }
    bf_buffer_clear(&reader->event);
    bf_buffer_clear(&reader->data);
}

/* `id` and `retry` are passed over: the data of our events hold the id, and when to come back is decided elsewhere. */
static void end_line(struct bf_message_reader *reader)
{
    const char *line = text_of(&reader->line);
    if (!reader->begun && strncmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3;
    reader->begun = true;
    size_t name = strcspn(line, ":");
    const char *value = line + name + (line[name] == ':' ? 1 : 0);
    if (*value == ' ')
        value++;
    if (line[0] == '\0') {
        end_message(reader);
    } else if (name == strlen("event") && strncmp(line, "event", name) == 0) {
        bf_buffer_clear(&reader->event);
        bf_buffer_text(&reader->event, value);
    } else if (name == strlen("data") && strncmp(line, "data", name) == 0) {
        bf_buffer_text(&reader->data, value);
        bf_buffer_text(&reader->data, "\n");
    }
    bf_buffer_clear(&reader->line);
}

bool bf_message_read(struct bf_message_reader *reader, const char *bytes, size_t length)
{
    const char *end = bytes + length;
    reader->line.ceiling = reader->data.ceiling = BF_MESSAGE_MAX;
    while (bytes < end) {
        bool second = reader->returned && *bytes == '\n'; /* half of the line's end that came before */
        size_t part = 0;
        reader->returned = false;
        while (bytes + part < end && bytes[part] != '\n' && bytes[part] != '\r')
            part++;
        bf_buffer_append(&reader->line, bytes, part);
        bytes += part;
        if (bytes < end) {
            reader->returned = *bytes++ == '\r';
            if (!second)
                end_line(reader);
        }
        if (reader->line.overflow || reader->data.overflow)
            return false;
    }
    return true;
}

void bf_message_clear(struct bf_message_reader *reader)
{
    bf_buffer_clear(&reader->line);
    bf_buffer_clear(&reader->event);
    bf_buffer_clear(&reader->data);
    reader->begun = reader->returned = false;
}
