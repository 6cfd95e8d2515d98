/* A reader of server-sent events (text/event-stream, as the HTML standard describes it) that come in pieces. Pure. */
#ifndef BF_CLIENT_MESSAGE_H
#define BF_CLIENT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

/* Called for each message; both texts are the reader's. `event` is "message" where the stream names none. */
typedef void bf_message_take(void *argument, const char *event, const char *data);

struct bf_message_reader {
    bf_message_take *take;
    void *argument;
    /* from here on its own: begin with zeroes */
    struct bf_buffer line;  /* that has not ended yet */
    struct bf_buffer event, data;
    bool begun;             /* a byte order mark may stand in front of the first line only */
    bool returned;          /* the last byte was a carriage return: a line feed behind it ends no further line */
};

enum { BF_MESSAGE_MAX = 4 * 1024 * 1024 }; /* bytes of one line, and of the data of one message */

/* False: more than BF_MESSAGE_MAX in one piece, nothing sensible can follow. */
bool bf_message_read(struct bf_message_reader *reader, const char *bytes, size_t length);
/* Forgets what is half-read; the reader can be used for another stream. */
void bf_message_clear(struct bf_message_reader *reader);

#endif
