/* What a sample says: signals, and the replicas' views for lib/pace/replica.h. */
#include <stdio.h>
#include <string.h>

#include "monitor.h"

struct sample {
    struct bf_monitor *monitor;
    const struct bf_answer *answer, *log;
    int64_t now;
    struct bf_watched_view views[BF_WATCHED_MAX];
    size_t view_count;
};

static void add(struct sample *sample, enum bf_signal_kind kind, const char *prefix, const char *name, double value)
{
    struct bf_monitor *monitor = sample->monitor;
    if (monitor->signal_count == BF_SIGNALS_MAX)
        return; /* shown only: those that limits are for come first */
    struct bf_signal *signal = &monitor->signals[monitor->signal_count++];
    *signal = (struct bf_signal){.kind = kind, .value = value, .sampled_at = sample->now};
    snprintf(signal->name, sizeof signal->name, "%s%.*s", prefix, BF_SIGNAL_NAME - 20, name);
}

/* NULL is what our account may not see: never zero, and who has a limit for it holds. */
static void add_number(struct sample *sample, size_t row, enum bf_signal_kind kind, const char *prefix, const char *name)
{
    struct bf_monitor *monitor = sample->monitor;
    double value = bf_answer_real(sample->answer, row, BF_SAMPLE_NUMBER, -1);
    const char *text = bf_answer_value(sample->answer, row, BF_SAMPLE_TEXT);
    size_t count = monitor->signal_count;
    add(sample, kind, prefix, name, value);
    if (monitor->signal_count == count)
        return;
    struct bf_signal *signal = &monitor->signals[count];
    if (value < 0) {
        signal->value = 0;
        signal->sampled_at = BF_SIGNAL_NEVER;
        text = monitor->target->database->dialect->watch_right;
    }
    snprintf(signal->text, sizeof signal->text, "%s", text ? text : "");
}

static void read_server(struct sample *sample, size_t row)
{
    struct bf_monitor *monitor = sample->monitor;
    double position = sample->log ? bf_answer_real(sample->log, 0, 0, -1)
                                  : bf_answer_real(sample->answer, row, BF_SAMPLE_POSITION, -1);
    const char *user = bf_answer_value(sample->answer, row, BF_SAMPLE_NAME);
    const char *server = bf_answer_value(sample->answer, row, BF_SAMPLE_TEXT);
    bool set_back = position < monitor->position; /* another server, or one that was started anew */
    if (set_back && !monitor->heart.asks)
        bf_watched_forget_positions(&monitor->replicas);
    if (!set_back && monitor->position >= 0 && monitor->sampled_at != BF_SIGNAL_NEVER && sample->now > monitor->sampled_at)
        add(sample, BF_SIGNAL_LOG_RATE, "log_rate", "",
            (position - monitor->position) * 1000 / (double)(sample->now - monitor->sampled_at));
    monitor->position = position;
    snprintf(monitor->log_trouble, sizeof monitor->log_trouble, "%s",
             position >= 0 || !sample->log ? "" : sample->log->message ? sample->log->message : "the server does not count it");
    monitor->sees = bf_answer_true(sample->answer, row, BF_SAMPLE_FLAG);
    snprintf(monitor->user, sizeof monitor->user, "%s", user ? user : "");
    if (monitor->heart.asks)
        bf_heart_sampled(monitor, server ? server : "");
}

/* Two replicas may have been given one name: what tells them apart goes with it. */
static bool name_is_taken(const struct bf_answer *answer, size_t row, const char *name)
{
    for (size_t i = 0; i < answer->rows; i++) {
        const char *other = bf_answer_value(answer, i, BF_SAMPLE_NAME);
        if (i != row && other && strcmp(other, name) == 0 &&
            bf_sample_row_by_name(bf_answer_value(answer, i, BF_SAMPLE_WHAT)) == BF_SAMPLE_ROW_REPLICA)
            return true;
    }
    return false;
}

static void read_replica(struct sample *sample, size_t row, char names[][BF_REPLICA_NAME])
{
    const struct bf_answer *answer = sample->answer;
    sample->monitor->walsenders = true;
    if (sample->view_count == BF_WATCHED_MAX) {
        sample->monitor->without_place++;
        return;
    }
    const char *name = bf_answer_value(answer, row, BF_SAMPLE_NAME);
    const char *address = bf_answer_value(answer, row, BF_SAMPLE_TEXT);
    char *text = names[sample->view_count];
    if (name && address && name_is_taken(answer, row, name))
        snprintf(text, BF_REPLICA_NAME, "%.30s@%.30s", name, address);
    else
        snprintf(text, BF_REPLICA_NAME, "%s", name ? name : "unknown");
    sample->views[sample->view_count++] = (struct bf_watched_view){
        .name = text,
        .address = address,
        .position = bf_answer_real(answer, row, BF_SAMPLE_POSITION, -1),
        .lag = bf_answer_real(answer, row, BF_SAMPLE_SECONDS, -1),
        .reply = bf_answer_value(answer, row, BF_SAMPLE_REPLY),
        .synchronous = bf_answer_true(answer, row, BF_SAMPLE_FLAG)};
}

static void read_row(struct sample *sample, size_t row, char names[][BF_REPLICA_NAME])
{
    const struct bf_answer *answer = sample->answer;
    const char *name = bf_answer_value(answer, row, BF_SAMPLE_NAME);
    switch (bf_sample_row_by_name(bf_answer_value(answer, row, BF_SAMPLE_WHAT))) {
    case BF_SAMPLE_ROW_SERVER: read_server(sample, row); break;
    case BF_SAMPLE_ROW_REPLICA: read_replica(sample, row, names); break;
    case BF_SAMPLE_ROW_ACTIVE: add_number(sample, row, BF_SIGNAL_ACTIVE_SESSIONS, "active_sessions", ""); break;
    case BF_SAMPLE_ROW_BLOCKED: add_number(sample, row, BF_SIGNAL_BLOCKED_SESSIONS, "blocked_sessions", ""); break;
    case BF_SAMPLE_ROW_SLOT: add_number(sample, row, BF_SIGNAL_SLOT_RETAINED, "slot:", name ? name : ""); break;
    case BF_SAMPLE_ROW_SNAPSHOT: add_number(sample, row, BF_SIGNAL_OLDEST_SNAPSHOT, "oldest_snapshot", ""); break;
    case BF_SAMPLE_ROW_VACUUM: add_number(sample, row, BF_SIGNAL_AUTOVACUUM, "autovacuum:", name ? name : ""); break;
    case BF_SAMPLE_ROW_HISTORY: add_number(sample, row, BF_SIGNAL_HISTORY_LIST, "history_list", ""); break;
    case BF_SAMPLE_ROW_ARCHIVE: /* of monitor_slow.c */
    case BF_SAMPLE_ROW_DEAD:
    case BF_SAMPLE_ROW_FLOW:
    case BF_SAMPLE_ROW_PAUSED:
    case BF_SAMPLE_ROW_KINDS: break; /* of a dialect that knows more than we do */
    }
}

void bf_monitor_take_sample(struct bf_monitor *monitor, const struct bf_answer *answer, const struct bf_answer *log)
{
    const struct bf_world *world = monitor->engine->world;
    char names[BF_WATCHED_MAX][BF_REPLICA_NAME];
    struct sample sample = {.monitor = monitor, .answer = answer, .log = log, .now = world->monotonic(world->context)};
    monitor->signal_count = 0;
    monitor->walsenders = false;
    monitor->without_place = 0;
    for (size_t row = 0; row < answer->rows; row++)
        read_row(&sample, row, names);
    if (!monitor->target->watch_replicas)
        monitor->replicas.count = sample.view_count = 0;
    if (!monitor->sees) /* who streams is seen, and not how far they are */
        sample.view_count = 0;
    if (!monitor->heart.asks)
        monitor->without_place +=
            bf_watched_sample(&monitor->replicas, sample.now, monitor->position, sample.views, sample.view_count);
    monitor->sampled_at = sample.now;
}
