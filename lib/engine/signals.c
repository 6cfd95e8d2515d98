#include "signals.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"

static const char slot_prefix[] = "slot:", vacuum_prefix[] = "autovacuum:", dead_prefix[] = "dead_tuples:",
                  query_prefix[] = "signal:";

#define AT(member) .at = offsetof(struct bf_limits, member)

/* What the documents call its limit is the name of the kind. */
static const struct {
    size_t at;            /* of its limit; flow_control is a double, the others are whole numbers */
    double unit;          /* of the limit, in that of the signal */
    enum bf_sample_row row; /* that brings it */
    enum bf_code code;
    const char *subject;  /* %s: of what */
} kinds[BF_SIGNAL_KIND_COUNT] = {
    [BF_SIGNAL_REPLICATION_LAG] = {AT(replication_lag), 0.001, BF_SAMPLE_ROW_REPLICA, BF_REPLICATION_LAG, "%s"},
    [BF_SIGNAL_ACTIVE_SESSIONS] = {AT(active_sessions), 1, BF_SAMPLE_ROW_ACTIVE, BF_ACTIVE_SESSIONS,
                                   "the number of active sessions"},
    [BF_SIGNAL_BLOCKED_SESSIONS] = {AT(blocked_sessions), 1, BF_SAMPLE_ROW_BLOCKED, BF_BLOCKED_SESSIONS,
                                    "the number of sessions that wait for our locks"},
    [BF_SIGNAL_LOG_RATE] = {AT(log_rate), 1, BF_SAMPLE_ROW_SERVER, BF_LOG_RATE, "the log that the server writes"},
    [BF_SIGNAL_ARCHIVE_BACKLOG] = {AT(archive_backlog), 1, BF_SAMPLE_ROW_ARCHIVE, BF_ARCHIVE_BACKLOG,
                                   "the log that waits for the archiver"},
    [BF_SIGNAL_SLOT_RETAINED] = {AT(slot_retained), 1, BF_SAMPLE_ROW_SLOT, BF_SLOT_RETAINED, "the log kept by slot %s"},
    [BF_SIGNAL_AUTOVACUUM] = {AT(autovacuum), 1, BF_SAMPLE_ROW_VACUUM, BF_AUTOVACUUM,
                              "the number of autovacuum workers on %s"},
    [BF_SIGNAL_DEAD_TUPLES] = {AT(dead_tuples), 1, BF_SAMPLE_ROW_DEAD, BF_DEAD_TUPLES, "the number of dead tuples of %s"},
    [BF_SIGNAL_OLDEST_SNAPSHOT] = {AT(oldest_snapshot), 0.001, BF_SAMPLE_ROW_SNAPSHOT, BF_OLDEST_SNAPSHOT,
                                   "the age of the oldest snapshot"},
    [BF_SIGNAL_HISTORY_LIST] = {AT(history_list), 1, BF_SAMPLE_ROW_HISTORY, BF_HISTORY_LIST,
                                "the length of InnoDB's history list"},
    [BF_SIGNAL_FLOW_CONTROL] = {AT(flow_control), 1, BF_SAMPLE_ROW_FLOW, BF_FLOW_CONTROL, "the cluster's flow control"},
    [BF_SIGNAL_QUERY] = {0, 0, BF_SAMPLE_ROW_KINDS, BF_SIGNAL, "signal %s"},
};

double bf_document_limit(const struct bf_document *document, enum bf_signal_kind kind)
{
    const char *at = (const char *)&document->limits + kinds[kind].at;
    double number;
    int64_t whole;
    if (kind == BF_SIGNAL_QUERY)
        return 0;
    memcpy(&number, at, sizeof number);
    memcpy(&whole, at, sizeof whole);
    if (kind != BF_SIGNAL_FLOW_CONTROL)
        number = (double)whole;
    return number < (double)BF_NO_LIMIT ? number * kinds[kind].unit : 0;
}

static bool is_of_table(const struct bf_job *job, const struct bf_signal *signal, const char *prefix)
{
    return job->table && strcmp(signal->name + strlen(prefix), job->table) == 0;
}

double bf_job_limit(const struct bf_job *job, const struct bf_signal *signal)
{
    const struct bf_document *document = job->record.document;
    switch (signal->kind) {
    case BF_SIGNAL_AUTOVACUUM:
        return is_of_table(job, signal, vacuum_prefix) ? bf_document_limit(document, signal->kind) : 0;
    case BF_SIGNAL_DEAD_TUPLES:
        return is_of_table(job, signal, dead_prefix) ? bf_document_limit(document, signal->kind) : 0;
    case BF_SIGNAL_QUERY: /* two jobs may call theirs the same */
        for (size_t i = 0; i < document->query_count; i++)
            if (strcmp(signal->name + strlen(query_prefix), document->queries[i].name) == 0 &&
                signal->limit >= document->queries[i].limit && signal->limit <= document->queries[i].limit)
                return signal->limit;
        return 0;
    default:
        return bf_document_limit(document, signal->kind);
    }
}

bool bf_signal_is_measured(const struct bf_target *target, enum bf_signal_kind kind)
{
    return kind == BF_SIGNAL_QUERY || target->database->dialect->measures >> kinds[kind].row & 1;
}

enum bf_code bf_signal_code(enum bf_signal_kind kind)
{
    return kinds[kind].code;
}

/* ---- values ---- */

static const struct bf_signal *worst_slot(const struct bf_monitor *monitor)
{
    const struct bf_signal *worst = NULL;
    for (size_t i = 0; i < monitor->signal_count; i++) {
        const struct bf_signal *slot = &monitor->signals[i];
        if (slot->kind == BF_SIGNAL_SLOT_RETAINED && (!worst || slot->value > worst->value))
            worst = slot;
    }
    return worst;
}

/* There is nothing of it, as far as our account sees. */
static void measured_as_none(const struct bf_monitor *monitor, bool seen, struct bf_signal *signal)
{
    signal->value = 0;
    signal->sampled_at = seen ? monitor->sampled_at : BF_SIGNAL_NEVER;
    if (!seen && monitor->sampled_at != BF_SIGNAL_NEVER && monitor->target)
        snprintf(signal->text, sizeof signal->text, "%s", monitor->target->database->dialect->watch_right);
}

static void name_of_table(const struct bf_job *job, const char *prefix, struct bf_signal *signal)
{
    snprintf(signal->name, sizeof signal->name, "%s%.*s", prefix, BF_SIGNAL_NAME - 20, job->table ? job->table : "");
}

void bf_signal_measure(const struct bf_job *job, const struct bf_monitor *monitor, enum bf_signal_kind kind,
                       struct bf_signal *ret_signal)
{
    struct bf_signal signal = {.kind = kind, .limit = bf_document_limit(job->record.document, kind),
                               .sampled_at = BF_SIGNAL_NEVER};
    const struct bf_signal *measured = NULL;
    snprintf(signal.name, sizeof signal.name, "%s", bf_signal_kind_name(kind));
    switch (kind) {
    case BF_SIGNAL_SLOT_RETAINED: /* one gate for all of them: slots come and go */
        measured = worst_slot(monitor);
        if (!measured)
            measured_as_none(monitor, true, &signal);
        break;
    case BF_SIGNAL_AUTOVACUUM:
        name_of_table(job, vacuum_prefix, &signal);
        measured = bf_monitor_signal_called(monitor, signal.name);
        if (!measured)
            measured_as_none(monitor, monitor->sees, &signal);
        break;
    case BF_SIGNAL_DEAD_TUPLES:
        name_of_table(job, dead_prefix, &signal);
        measured = bf_monitor_signal_called(monitor, signal.name);
        break;
    case BF_SIGNAL_ARCHIVE_BACKLOG: /* not every server archives, nor is each a cluster's: what is not there holds nobody */
    case BF_SIGNAL_FLOW_CONTROL:
        measured = bf_monitor_signal_called(monitor, signal.name);
        if (!measured && monitor->slow_at != BF_SIGNAL_NEVER)
            measured_as_none(monitor, true, &signal);
        break;
    default:
        measured = bf_monitor_signal_called(monitor, signal.name);
        break;
    }
    if (measured) {
        signal.value = measured->value;
        signal.sampled_at = measured->sampled_at;
        signal.every = measured->every;
        snprintf(signal.text, sizeof signal.text, "%s", kind == BF_SIGNAL_SLOT_RETAINED ? measured->name + strlen(slot_prefix)
                                                                                        : measured->text);
    }
    *ret_signal = signal;
}

/* ---- texts ---- */

void bf_signal_label(const struct bf_signal *signal, char label[BF_SIGNAL_NAME])
{
    if (signal->kind == BF_SIGNAL_SLOT_RETAINED && signal->text[0])
        snprintf(label, BF_SIGNAL_NAME, "%s%.60s", slot_prefix, signal->text);
    else
        snprintf(label, BF_SIGNAL_NAME, "%s", signal->name);
}

void bf_signal_subject(const struct bf_signal *signal, char subject[BF_SUBJECT_TEXT])
{
    char label[BF_SIGNAL_NAME];
    bf_signal_label(signal, label);
    const char *colon = strchr(label, ':'), *form = kinds[signal->kind].subject, *place = strstr(form, "%s");
    int before = place ? (int)(place - form) : (int)strlen(form);
    snprintf(subject, BF_SUBJECT_TEXT, "%.*s%s", before, form, !place ? "" : colon ? colon + 1 : label);
}

void bf_signal_amount(const struct bf_signal *signal, double value, char amount[BF_AMOUNT_TEXT])
{
    static const char *const sizes[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    const char *unit = bf_signal_unit(signal->kind);
    bool bytes = strncmp(unit, "bytes", 5) == 0;
    size_t size = 0;
    for (; bytes && value >= 1024 && size + 1 < BF_COUNT(sizes); size++)
        value /= 1024;
    if (bytes)
        snprintf(amount, BF_AMOUNT_TEXT, "%.4g %s%s", value, sizes[size], unit + strlen("bytes"));
    else if (strcmp(unit, "s") == 0)
        snprintf(amount, BF_AMOUNT_TEXT, "%.4g s", value);
    else
        snprintf(amount, BF_AMOUNT_TEXT, "%.6g", value);
}
