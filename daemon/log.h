/* The daemon's log: one line per event on stderr, which begins with the time and the level. Where stderr is systemd's
 * journal a line is an entry there, with fields of its own (JOB, JOB_ID, TARGET, ACTOR), so that `journalctl JOB=orders-archive`
 * shows what became of a job; where the journal takes none, a line on its stream that begins with the level ("<6>").
 * Control characters are escaped, so that no text from a job or a server can forge a line. Callers never pass secrets. */
#ifndef BF_DAEMON_LOG_H
#define BF_DAEMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct bf_buffer;
struct bf_event;
struct bf_record;

/* The numbers of syslog (RFC 5424, section 6.2.1), which is what the journal reads. */
enum bf_level { BF_LEVEL_ERROR = 3, BF_LEVEL_WARNING = 4, BF_LEVEL_NOTICE = 5, BF_LEVEL_INFO = 6 };

enum { BF_LOG_LINE_MAX = 4096 }; /* bytes; longer lines are cut */

/* True when stderr is the journal's own stream (JOURNAL_STREAM, see systemd.exec(5)). */
bool bf_log_to_journal(void);
/* Decides the form once, at the start. */
void bf_log_open(void);
/* `job` is the job's name and comes first; NULL: the line is about the daemon. */
void bf_log(enum bf_level level, const char *job, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The line of a target: "target shop: ". */
void bf_log_target(enum bf_level level, const char *target, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The line of one event of a job: "orders-archive: running -> paused: why (who)"; what the daemon did names nobody. `record` NULL:
 * it is of no job. */
void bf_log_event(const struct bf_record *record, const struct bf_event *event);

/* Builds the line, with its line feed, at the end of `line`; pure. `unix_milliseconds` counts where `journal` is false. */
void bf_log_line(struct bf_buffer *line, bool journal, int64_t unix_milliseconds, enum bf_level level,
                 const char *job, const char *text);

#endif
