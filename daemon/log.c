#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "allocate.h"
#include "buffer.h"
#include "duration.h"
#include "record.h"

static bool journal;

bool bf_log_to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;

    /* The variable is inherited by children whose stderr went elsewhere: only the very same stream counts. */
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &status) == 0 &&
           status.st_dev == (dev_t)device && status.st_ino == (ino_t)inode;
}

void bf_log_open(void)
{
    journal = bf_log_to_journal();
}

static const char *level_name(enum bf_level level)
{
    switch (level) {
    case BF_LEVEL_ERROR:
        return "error";
    case BF_LEVEL_WARNING:
        return "warning";
    case BF_LEVEL_NOTICE:
        return "notice";
    case BF_LEVEL_INFO:
        break;
    }
    return "info";
}

/* C0, DEL and, in UTF-8, C1 (U+0080 to U+009F, which some terminals obey). */
static void append_escaped(struct bf_buffer *line, const char *text)
{
    for (const unsigned char *byte = (const unsigned char *)text; *byte; byte++) {
        if (*byte == '\n')
            bf_buffer_text(line, "\\n");
        else if (*byte == '\t')
            bf_buffer_text(line, "\\t");
        else if (*byte < 0x20 || *byte == 0x7f)
            bf_buffer_format(line, "\\x%02x", *byte);
        else if (*byte == 0xc2 && byte[1] >= 0x80 && byte[1] <= 0x9f)
            bf_buffer_format(line, "\\u%04x", *++byte);
        else
            bf_buffer_append(line, (const char *)byte, 1);
    }
}

void bf_log_line(struct bf_buffer *line, bool to_journal, int64_t unix_milliseconds, enum bf_level level,
                 const char *job, const char *text)
{
    char at[BF_TIME_TEXT];

    if (to_journal)
        bf_buffer_format(line, "<%d>", (int)level);
    else
        bf_buffer_format(line, "%s %s: ", bf_time_format(unix_milliseconds, at), level_name(level));
    if (job) {
        append_escaped(line, job);
        bf_buffer_text(line, ": ");
    }
    append_escaped(line, text);
    bf_buffer_text(line, "\n");
}

void bf_log(enum bf_level level, const char *job, const char *format, ...)
{
    char text[BF_LOG_LINE_MAX];
    struct bf_buffer line = {0};
    struct timespec now;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    clock_gettime(CLOCK_REALTIME, &now);
    bf_log_line(&line, journal, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, level, job, text);
    /* One write for one line; where it cannot be written there is nobody left to tell. */
    ssize_t written = write(STDERR_FILENO, line.text, line.length);
    (void)written;
    bf_buffer_clear(&line);
}

void bf_log_event(const struct bf_record *record, const struct bf_event *event)
{
    const char *name = !record ? NULL : record->document ? record->document->name : record->id;
    bool failed = strcmp(event->to, bf_state_name(BF_STATE_FAILED)) == 0;

    if (event->to[0])
        bf_log(failed ? BF_LEVEL_ERROR : BF_LEVEL_INFO, name, "%s%s%s: %s", event->from,
               event->from[0] ? " -> " : "", event->to, event->text);
    else
        bf_log(BF_LEVEL_INFO, name, "%s: %s", event->type, event->text);
}
