/* Pace and limits of the document: what of a job can be changed, and what a target has a say in. */
#include <string.h>

#include "allocate.h"
#include "document_reader.h"
#include "share.h"
#include "slices.h"

/* ---- how fast ---- */

static void read_batch_time(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->document->pace.batch_time);
}

static void read_start(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->start_said = true;
    bf_read_integer(reader, pointer, value, &reader->document->pace.batch_rows_start);
}

static void read_min(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    reader->min_said = true;
    bf_read_integer(reader, pointer, value, &reader->document->pace.batch_rows_min);
}

static void read_max(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_integer(reader, pointer, value, &reader->document->pace.batch_rows_max);
}

void bf_pace_give_way(struct bf_pace *pace, bool start_said, bool min_said)
{
    if (!start_said && pace->batch_rows_start > pace->batch_rows_max)
        pace->batch_rows_start = pace->batch_rows_max;
    if (!start_said && min_said && pace->batch_rows_start < pace->batch_rows_min)
        pace->batch_rows_start = pace->batch_rows_min;
    if (!min_said && pace->batch_rows_min > pace->batch_rows_start)
        pace->batch_rows_min = pace->batch_rows_start;
}

static void read_batch_rows(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    struct bf_pace *pace = &reader->document->pace;
    size_t complaints = reader->complaints->total;
    bf_read_object(reader, pointer, value);
    if (reader->complaints->total != complaints)
        return;
    bf_pace_give_way(pace, reader->start_said, reader->min_said);
    if (pace->batch_rows_min > pace->batch_rows_start || pace->batch_rows_start > pace->batch_rows_max)
        bf_reader_invalid(reader, pointer, "wants min <= start <= max, and they are %lld, %lld, %lld",
                          (long long)pace->batch_rows_min, (long long)pace->batch_rows_start,
                          (long long)pace->batch_rows_max);
}

static void read_nice(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    const struct bf_field *field = reader->field;
    double number = json_number_value(value);
    if (!json_is_number(value))
        bf_reader_invalid(reader, pointer, "must be a number, not %s", bf_json_type(value));
    else if (!(number >= (double)field->min && number <= (double)field->max))
        bf_reader_invalid(reader, pointer, "must be from %lld to %lld: sleep as a multiple of the batch's own time",
                          (long long)field->min, (long long)field->max);
    else
        reader->document->pace.nice = number;
}

static void read_slices(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_integer(reader, pointer, value, &reader->document->pace.slices);
}

static void read_yield_after(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->document->limits.yield_after);
}

static void read_stuck_after(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->document->limits.stuck_after);
}

static void read_lock_timeout(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->document->limits.lock_timeout);
}

static void read_statement_timeout(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->document->limits.statement_timeout);
}

static void read_max_rows(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_integer(reader, pointer, value, &reader->document->pace.max_rows_per_second);
}

static void read_max_log_bytes(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_size(reader, pointer, value, &reader->document->pace.max_log_bytes_per_second);
}

static void read_replication_lag(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->document->limits.replication_lag);
}

static void read_active_sessions(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_integer(reader, pointer, value, &reader->document->limits.active_sessions);
}

static void read_blocked_sessions(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_integer(reader, pointer, value, &reader->document->limits.blocked_sessions);
}

static void read_log_rate(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_size(reader, pointer, value, &reader->document->limits.log_rate);
}

static void read_archive_backlog(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_size(reader, pointer, value, &reader->document->limits.archive_backlog);
}

static void read_slot_retained(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_size(reader, pointer, value, &reader->document->limits.slot_retained);
}

static void read_autovacuum(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_integer(reader, pointer, value, &reader->document->limits.autovacuum);
}

static void read_dead_tuples(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_integer(reader, pointer, value, &reader->document->limits.dead_tuples);
}

static void read_oldest_snapshot(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_duration(reader, pointer, value, &reader->document->limits.oldest_snapshot);
}

static void read_history_list(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    bf_read_integer(reader, pointer, value, &reader->document->limits.history_list);
}

static void read_flow_control(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    double number = json_number_value(value);
    if (!json_is_number(value))
        bf_reader_invalid(reader, pointer, "must be a number, not %s", bf_json_type(value));
    else if (!(number > 0 && number <= (double)reader->field->max))
        bf_reader_invalid(reader, pointer, "must be over 0 and at most %lld: a share, at which nothing is written any more",
                          (long long)reader->field->max);
    else
        reader->document->limits.flow_control = number;
}

static void read_bad_rows(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    const char *text = json_string_value(value);
    int64_t *rows = &reader->document->limits.bad_rows;
    bool share = text || json_is_real(value);
    if (share && !(text ? bf_share_parse(text, rows) : bf_share_of_number(json_real_value(value), rows)))
        bf_reader_invalid(reader, pointer,
                          "must be a whole number, or a share of the rows over 0%% and under 100%% such as \"0.1%%\" or 0.001");
    else if (!share)
        bf_read_integer(reader, pointer, value, &reader->document->limits.bad_rows);
}

/* ---- windows ---- */

static void read_days(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    if (!bf_check_list(reader, pointer, value, "days"))
        return;
    reader->window->days = 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        BF_AUTO_STRING char *at = bf_format("%s/%zu", pointer, i);
        const char *name = json_string_value(json_array_get(value, i));
        int day = name ? bf_day_by_name(name) : -1;
        if (day < 0)
            bf_reader_invalid(reader, at, "must be one of \"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"");
        else if (reader->window->days >> day & 1)
            bf_reader_invalid(reader, at, "the day is in the list already");
        else
            reader->window->days |= 1u << day;
    }
}

static void read_minute(struct bf_reader *reader, const char *pointer, const json_t *value, int last, int *ret)
{
    const char *text = json_string_value(value);
    int minute = text ? bf_day_minute(text) : -1;
    if (minute < 0 || minute > last)
        bf_reader_invalid(reader, pointer, "must be a time of the day such as \"22:00\"");
    else
        *ret = minute;
}

static void read_from(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_minute(reader, pointer, value, BF_DAY_MINUTES - 1, &reader->window->from);
}

static void read_to(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    read_minute(reader, pointer, value, BF_DAY_MINUTES, &reader->window->to);
}

/* Whether there is such a zone the engine asks the world. */
static void read_zone(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    BF_AUTO_STRING char *zone = bf_read_line(reader, pointer, value, (size_t)reader->field->max);
    if (zone)
        memcpy(reader->window->zone, zone, strlen(zone) + 1);
}

static void read_windows(struct bf_reader *reader, const char *pointer, const json_t *value)
{
    struct bf_pace *pace = &reader->document->pace;
    if (!bf_check_list(reader, pointer, value, "windows"))
        return;
    pace->window_count = 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        BF_AUTO_STRING char *at = bf_format("%s/%zu", pointer, i);
        const json_t *entry = json_array_get(value, i);
        if (!bf_check_object(reader, at, entry))
            continue;
        size_t complaints = reader->complaints->total;
        reader->window = &pace->windows[pace->window_count++];
        *reader->window = (struct bf_window){.days = BF_EVERY_DAY, .from = -1, .to = -1, .zone = "UTC"};
        bf_read_entry(reader, &bf_window_section, at, entry);
        if (complaints == reader->complaints->total && reader->window->from == reader->window->to)
            bf_reader_invalid(reader, at, "`from` and `to` are the same; the whole day is \"00:00\" to \"24:00\"");
    }
}

/* ---- the tables ---- */

enum {
    ROWS_MAX = 1000000,
    WORKERS_MAX = 1000,
    SECOND = 1000,
    HOUR = 3600 * SECOND
};
#define BYTES_MAX (INT64_C(1) << 50)
#define TUPLES_MAX INT64_C(1000000000000)
#define RATE_MAX INT64_C(1000000000000)
#define LOG_MAX INT64_C(1000000000000)

#define AT(member) .place = offsetof(struct bf_document, member)
#define SECTION(at, list) {.pointer = at, .fields = list, .count = BF_COUNT(list)}

static const struct bf_field batch_rows_fields[] = {
    {"start", read_start, BF_FIELD_INTEGER, .min = 1, .max = ROWS_MAX, .standard = "500", AT(pace.batch_rows_start),
     .help = "Rows of the first batch. Where it is not given it gives way to min and max"},
    {"min", read_min, BF_FIELD_INTEGER, .min = 1, .max = ROWS_MAX, .standard = "10", AT(pace.batch_rows_min),
     .help = "No batch is made smaller than this. Where it is not given it gives way to start and max"},
    {"max", read_max, BF_FIELD_INTEGER, .min = 1, .max = ROWS_MAX, .standard = "50000", AT(pace.batch_rows_max),
     .help = "No batch is made larger than this. min <= start <= max"},
};
const struct bf_section bf_batch_rows_section = SECTION("/pace/batch_rows", batch_rows_fields);

static const struct bf_field window_fields[] = {
    {"days", read_days, BF_FIELD_LINES, .min = 1, .max = 7, .entry_max = 3,
     .help = "On which days it begins: \"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\". Without it: on each"},
    {"from", read_from, BF_FIELD_LINE, .required = true, .min = 5, .max = 5, .help = "When it begins, as in \"22:00\""},
    {"to", read_to, BF_FIELD_LINE, .required = true, .min = 5, .max = 5,
     .help = "When it ends, as in \"06:00\" or \"24:00\"; not over `from`: on the day after"},
    {"zone", read_zone, BF_FIELD_LINE, .min = 1, .max = BF_ZONE_NAME - 1,
     .help = "The time zone, as in \"Europe/Berlin\". Without it: UTC"},
};
const struct bf_section bf_window_section = SECTION("/pace/window/*", window_fields);

static const struct bf_field pace_fields[] = {
    {"batch_time", read_batch_time, BF_FIELD_DURATION, .min = 1, .max = 60 * SECOND, .standard = "\"250ms\"", AT(pace.batch_time),
     .help = "How long a batch should take on the server; the number of rows follows"},
    {"batch_rows", read_batch_rows, BF_FIELD_SECTION, .section = &bf_batch_rows_section,
     .help = "The bounds within which the number of rows follows"},
    {"nice", read_nice, BF_FIELD_NUMBER, .min = 0, .max = 100, .standard = "0.5", AT(pace.nice),
     .help = "How long to sleep after a batch, as a multiple of the batch's own time"},
    {"slices", read_slices, BF_FIELD_INTEGER, .min = 1, .max = BF_SLICES_MAX, .standard = "1", AT(pace.slices),
     .help = "Into how many contiguous parts the key range is cut that run side by side. It is cut once, when the job first "
             "starts, and no part is smaller than the first batch; later this says how many of them may run at once"},
    {"max_rows_per_second", read_max_rows, BF_FIELD_INTEGER, .nullable = true, .min = 1, .max = RATE_MAX,
     .standard = "null", AT(pace.max_rows_per_second), .help = "A ceiling for the rows that are changed in a second"},
    {"max_log_bytes_per_second", read_max_log_bytes, BF_FIELD_SIZE, .nullable = true, .min = 1024, .max = LOG_MAX,
     .standard = "null", AT(pace.max_log_bytes_per_second),
     .help = "A ceiling for the bytes of log that are written in a second"},
    {"window", read_windows, BF_FIELD_SECTIONS, .min = 1, .max = BF_WINDOWS_MAX, .section = &bf_window_section,
     .help = "When the job may write: in any of these windows of the week. Without it: always"},
};
const struct bf_section bf_pace_section = SECTION("/pace", pace_fields);

static const struct bf_field limits_fields[] = {
    {"replication_lag", read_replication_lag, BF_FIELD_DURATION, .min = 10, .max = 24 * HOUR, .standard = "\"1500ms\"",
     AT(limits.replication_lag), .help = "From which replication lag on nothing is written"},
    {"yield_after", read_yield_after, BF_FIELD_DURATION, .min = 1, .max = HOUR, .standard = "\"200ms\"", AT(limits.yield_after),
     .help = "How long another session may wait for our locks before the batch gives way: it is taken back, halved, and tried "
             "again later"},
    {"stuck_after", read_stuck_after, BF_FIELD_DURATION, .min = SECOND, .max = 7 * 24 * HOUR, .standard = "\"10m\"",
     AT(limits.stuck_after),
     .help = "After so long without a row, while it holds or backs off, the job says that it is stuck: in its reason, in a "
             "metric, and to the target's webhook"},
    {"lock_timeout", read_lock_timeout, BF_FIELD_DURATION, .min = 1, .max = HOUR, .standard = "\"1s\"", AT(limits.lock_timeout),
     .help = "How long a batch may wait for a lock before it is taken back and tried again"},
    {"statement_timeout", read_statement_timeout, BF_FIELD_DURATION, .min = 1, .max = 24 * HOUR,
     .standard = "\"10s\"", AT(limits.statement_timeout),
     .help = "How long a batch may run before it is taken back and tried again with fewer rows. Not under "
             "pace.batch_time"},
    {"active_sessions", read_active_sessions, BF_FIELD_INTEGER, .nullable = true, .min = 1, .max = ROWS_MAX,
     .standard = "null", AT(limits.active_sessions),
     .help = "From how many active sessions on, without our own, nothing is written"},
    {"blocked_sessions", read_blocked_sessions, BF_FIELD_INTEGER, .nullable = true, .min = 1, .max = ROWS_MAX,
     .standard = "null", AT(limits.blocked_sessions),
     .help = "From how many sessions that wait for locks of ours on nothing is written"},
    {"log_rate", read_log_rate, BF_FIELD_SIZE, .nullable = true, .min = 1024, .max = LOG_MAX, .standard = "null",
     AT(limits.log_rate), .help = "From how many bytes of log that the server writes in a second on, whoever makes it write, "
                                  "nothing is written"},
    {"archive_backlog", read_archive_backlog, BF_FIELD_SIZE, .nullable = true, .min = 1024, .max = BYTES_MAX,
     .standard = "null", AT(limits.archive_backlog),
     .help = "From how many bytes of log that wait for the archiver on nothing is written"},
    {"slot_retained", read_slot_retained, BF_FIELD_SIZE, .nullable = true, .min = 1024, .max = BYTES_MAX,
     .standard = "null", AT(limits.slot_retained),
     .help = "From how many bytes of log on that a replication slot keeps, in use or not, nothing is written: a forgotten "
             "slot fills the disk"},
    {"autovacuum", read_autovacuum, BF_FIELD_INTEGER, .nullable = true, .min = 1, .max = WORKERS_MAX, .standard = "null",
     AT(limits.autovacuum),
     .help = "From how many autovacuum workers on the job's table (each of its partitions counts) on nothing is written"},
    {"dead_tuples", read_dead_tuples, BF_FIELD_INTEGER, .nullable = true, .min = 1, .max = TUPLES_MAX, .standard = "null",
     AT(limits.dead_tuples),
     .help = "From how many dead tuples of the job's table on nothing is written until it was vacuumed"},
    {"oldest_snapshot", read_oldest_snapshot, BF_FIELD_DURATION, .nullable = true, .min = SECOND, .max = INT64_C(30) * 24 * HOUR,
     .standard = "null", AT(limits.oldest_snapshot),
     .help = "From which age of the oldest snapshot (InnoDB: transaction) of others on nothing is written, because what a "
             "batch leaves behind cannot be cleared away"},
    {"history_list", read_history_list, BF_FIELD_INTEGER, .nullable = true, .min = 1, .max = TUPLES_MAX, .standard = "null",
     AT(limits.history_list),
     .help = "From how many transactions on that InnoDB has not purged nothing is written"},
    {"flow_control", read_flow_control, BF_FIELD_NUMBER, .nullable = true, .min = 0, .max = 1, .standard = "null",
     AT(limits.flow_control),
     .help = "From which share on nothing is written: of the time that Galera's flow control stops all writes, or of the "
             "queue that group replication lets a member have. Over 0"},
    {"bad_rows", read_bad_rows, BF_FIELD_COUNT_OR_SHARE, .min = 0, .max = RATE_MAX, .standard = "0", AT(limits.bad_rows),
     .help = "How many rows that the server refuses to change are put into quarantine before the job fails: a number, or a share "
             "of the rows that it has to look at"},
};
const struct bf_section bf_limits_section = SECTION("/limits", limits_fields);
