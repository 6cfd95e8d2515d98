#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
/* Where in the code a line comes from is of no use in the journal: all come from here. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
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

/* What a line is about, and who did it; each may be NULL. */
struct about {
    const char *job, *id, *target, *actor;
};

/* One entry with fields; false: the journal does not take it. (Where its socket is not even there, libsystemd says nothing.) */
static bool send_entry(enum bf_level level, const struct about *about, const char *message, size_t length)
{
    const struct {
        const char *name, *value;
        size_t length;
    } fields[] = {{"MESSAGE", message, length},
                  {"JOB", about->job, about->job ? strlen(about->job) : 0},
                  {"JOB_ID", about->id, about->id ? strlen(about->id) : 0},
                  {"TARGET", about->target, about->target ? strlen(about->target) : 0},
                  {"ACTOR", about->actor, about->actor ? strlen(about->actor) : 0}};
    char priority[] = "PRIORITY=6";
    struct bf_buffer texts[BF_COUNT(fields)] = {0};
    struct iovec parts[BF_COUNT(fields) + 1];
    int count = 0;

    priority[sizeof priority - 2] = (char)('0' + (int)level);
    parts[count++] = (struct iovec){.iov_base = priority, .iov_len = sizeof priority - 1};
    for (size_t i = 0; i < BF_COUNT(fields); i++) {
        if (!fields[i].value)
            continue;
        bf_buffer_format(&texts[i], "%s=", fields[i].name);
        bf_buffer_append(&texts[i], fields[i].value, fields[i].length);
        parts[count++] = (struct iovec){.iov_base = texts[i].text, .iov_len = texts[i].length};
    }
    bool sent = sd_journal_sendv(parts, count) == 0;
    for (size_t i = 0; i < BF_COUNT(texts); i++)
        bf_buffer_clear(&texts[i]);
    return sent;
}

static void write_line(enum bf_level level, const struct about *about, const char *text)
{
    struct bf_buffer line = {0};
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    bf_log_line(&line, journal, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, level, about->job, text);
    /* An entry is the line without its level, "<6>", and its line feed. */
    if (!journal || !send_entry(level, about, line.text + 3, line.length - 4)) {
        /* One write for one line; where it cannot be written there is nobody left to tell. */
        ssize_t written = write(STDERR_FILENO, line.text, line.length);
        (void)written;
    }
    bf_buffer_clear(&line);
}

void bf_log(enum bf_level level, const char *job, const char *format, ...)
{
    char text[BF_LOG_LINE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_line(level, &(struct about){.job = job}, text);
}

void bf_log_target(enum bf_level level, const char *target, const char *format, ...)
{
    char text[BF_LOG_LINE_MAX];
    va_list arguments;
    int length = snprintf(text, sizeof text, "target %s: ", target); /* names are short, see bf_value_section_name */

    va_start(arguments, format);
    vsnprintf(text + length, sizeof text - (size_t)length, format, arguments);
    va_end(arguments);
    write_line(level, &(struct about){.target = target}, text);
}

void bf_log_event(const struct bf_record *record, const struct bf_event *event)
{
    struct about about = {0};
    bool ours = !event->actor[0] || strcmp(event->actor, "daemon") == 0;
    bool failed = strcmp(event->to, bf_state_name(BF_STATE_FAILED)) == 0, loud = strcmp(event->type, "break_glass") == 0;
    char text[BF_LOG_LINE_MAX];

    if (record)
        about = (struct about){.job = record->document ? record->document->name : record->id,
                               .id = record->id,
                               .target = record->document ? record->document->target : NULL};
    about.actor = event->actor[0] ? event->actor : NULL;
    const char *who = ours ? "" : event->actor, *open = ours ? "" : " (", *close = ours ? "" : ")";
    if (event->to[0])
        snprintf(text, sizeof text, "%s%s%s: %s%s%s%s", event->from, event->from[0] ? " -> " : "", event->to, event->text, open, who,
                 close);
    else
        snprintf(text, sizeof text, "%s: %s%s%s%s", event->type, event->text, open, who, close);
    write_line(failed ? BF_LEVEL_ERROR : loud ? BF_LEVEL_WARNING : BF_LEVEL_INFO, &about, text);
}
