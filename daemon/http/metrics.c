/* GET /metrics: Prometheus' text format, from one table of families. Labels are job, target and words of closed sets, so
 * that their number is bounded by that of the jobs; jobs that ended long ago are left out. */
#include "server.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "allocate.h"
#include "audit.h"
#include "duration.h"
#include "state.h"

enum { SHOWN_AFTER_END = 3600 * 1000 /* milliseconds; a failed job stays */ };

/* One job in the list, with what its lines need. */
struct shown {
    const struct bf_job *job;
    const struct bf_record *record;
    struct bf_meter meter;
    bool past; /* it is there for its undo journal alone */
};

struct page {
    struct bf_buffer text;
    const char *family;
};

static void write_label(struct page *page, const char *name, const char *value)
{
    bf_buffer_format(&page->text, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\n')
            bf_buffer_text(&page->text, "\\n");
        else if (*value == '"' || *value == '\\')
            bf_buffer_format(&page->text, "\\%c", *value);
        else
            bf_buffer_append(&page->text, value, 1);
    }
    bf_buffer_text(&page->text, "\"");
}

/* One line of a job; `suffix` and a label more may be NULL. */
static void write_line(struct page *page, const struct shown *shown, const char *suffix, const char *label,
                       const char *value, double number)
{
    bf_buffer_format(&page->text, "%s%s{", page->family, suffix ? suffix : "");
    write_label(page, "job", shown->record->document->name);
    bf_buffer_text(&page->text, ",");
    write_label(page, "target", shown->record->document->target);
    if (label) {
        bf_buffer_text(&page->text, ",");
        write_label(page, label, value);
    }
    bf_buffer_format(&page->text, "} %.15g\n", number);
}

static void write_number(struct page *page, const struct shown *shown, double number)
{
    write_line(page, shown, NULL, NULL, NULL, number);
}

/* ---- one function for each family ---- */

static void write_rows_scanned(struct page *page, const struct shown *shown)
{
    write_number(page, shown, (double)shown->meter.rows_scanned);
}

static void write_rows_changed(struct page *page, const struct shown *shown)
{
    write_number(page, shown, (double)shown->meter.rows_changed);
}

static void write_rows_set_aside(struct page *page, const struct shown *shown)
{
    write_number(page, shown, (double)shown->meter.rows_set_aside);
}

static void write_rows_bad(struct page *page, const struct shown *shown)
{
    write_number(page, shown, (double)shown->meter.rows_bad);
}

static void write_yields(struct page *page, const struct shown *shown)
{
    write_number(page, shown, (double)shown->meter.yields);
}

static void write_batch_rows(struct page *page, const struct shown *shown)
{
    write_number(page, shown, (double)shown->record->progress.batch_rows);
}

static void write_batch_seconds(struct page *page, const struct shown *shown)
{
    int64_t sum = 0;
    for (size_t i = 0; i < BF_BATCH_BOUNDS; i++) {
        char bound[32];
        sum += shown->meter.batch_times[i];
        snprintf(bound, sizeof bound, "%g", (double)bf_batch_bound(i) / 1000);
        write_line(page, shown, "_bucket", "le", bound, (double)sum);
    }
    write_line(page, shown, "_bucket", "le", "+Inf", (double)shown->meter.batches);
    write_line(page, shown, "_sum", NULL, NULL, (double)shown->meter.batch_time / 1e6);
    write_line(page, shown, "_count", NULL, NULL, (double)shown->meter.batches);
}

static void write_sleep_seconds(struct page *page, const struct shown *shown)
{
    write_number(page, shown, (double)shown->meter.spent[BF_ACTIVITY_SLEEPING] / 1000);
}

static void write_hold_seconds(struct page *page, const struct shown *shown)
{
    for (int code = 0; code < BF_CODE_COUNT; code++)
        if (shown->meter.waited[code] > 0)
            write_line(page, shown, NULL, "reason", code == BF_OK ? "unknown" : bf_code_name((enum bf_code)code),
                       (double)shown->meter.waited[code] / 1000);
}

static void write_retries(struct page *page, const struct shown *shown)
{
    for (int code = 0; code < BF_CODE_COUNT; code++)
        if (shown->meter.retries[code] > 0)
            write_line(page, shown, NULL, "class", bf_code_name((enum bf_code)code), (double)shown->meter.retries[code]);
}

static void write_state(struct page *page, const struct shown *shown)
{
    write_line(page, shown, NULL, "state", bf_state_name(shown->record->state), 1);
}

static void write_stuck(struct page *page, const struct shown *shown)
{
    write_number(page, shown, bf_job_stuck(shown->job) ? 1 : 0);
}

static void write_break_glass(struct page *page, const struct shown *shown)
{
    write_number(page, shown, shown->record->break_glass ? 1 : 0);
}

static void write_progress_ratio(struct page *page, const struct shown *shown)
{
    double fraction = bf_record_fraction(shown->record);
    if (fraction >= 0) write_number(page, shown, fraction);
}

static void write_eta_seconds(struct page *page, const struct shown *shown)
{
    int64_t eta = bf_record_eta(shown->record, bf_job_rate(shown->job));
    if (eta >= 0) write_number(page, shown, (double)eta);
}

static void write_checkpoint_age(struct page *page, const struct shown *shown)
{
    if (shown->meter.checkpoint_age >= 0) write_number(page, shown, (double)shown->meter.checkpoint_age / 1000);
}

static void write_rows_restored(struct page *page, const struct shown *shown)
{
    if (shown->record->direction == BF_DIRECTION_BACK) write_number(page, shown, (double)shown->meter.rows_restored);
}

static void write_conflicts(struct page *page, const struct shown *shown)
{
    for (enum bf_conflict_kind kind = 0; kind < BF_CONFLICT_KIND_COUNT; kind++)
        if (shown->record->direction == BF_DIRECTION_BACK)
            write_line(page, shown, NULL, "kind", bf_conflict_kind_name(kind), (double)shown->meter.conflicts[kind]);
}

static void write_undo_bytes(struct page *page, const struct shown *shown)
{
    const struct bf_way_back *back = &shown->record->back;
    if (shown->record->document->undo == BF_UNDO_JOURNAL && !back->dropped && back->bytes >= 0)
        write_number(page, shown, (double)back->bytes);
}

static void write_undo_until(struct page *page, const struct shown *shown)
{
    int64_t until = bf_job_undo_until(shown->job);
    if (until > 0) write_number(page, shown, (double)until / 1000);
}

static const struct family {
    const char *name, *type, *help;
    void (*write)(struct page *page, const struct shown *shown);
    bool of_journal; /* as long as it is kept, for jobs that are not shown any more, too */
} families[] = {
    {"backfilld_rows_scanned_total", "counter", "Rows looked at, since the daemon started.", write_rows_scanned, false},
    {"backfilld_rows_changed_total", "counter", "Rows changed, since the daemon started.", write_rows_changed, false},
    {"backfilld_rows_set_aside_total", "counter", "Rows that others had locked and that were left for later.",
     write_rows_set_aside, false},
    {"backfilld_rows_bad_total", "counter", "Rows that the server refused to change and that went into quarantine.", write_rows_bad,
     false},
    {"backfilld_yields_total", "counter", "How often the job gave way to a session that waited for it.", write_yields, false},
    {"backfilld_batch_rows", "gauge", "Rows that the next batch is to scan.", write_batch_rows, false},
    {"backfilld_batch_seconds", "histogram", "How long batches took, by the server's clock.", write_batch_seconds, false},
    {"backfilld_sleep_seconds_total", "counter", "Time slept between batches.", write_sleep_seconds, false},
    {"backfilld_hold_seconds_total", "counter", "Time in which the job held or backed off, by reason.", write_hold_seconds, false},
    {"backfilld_retries_total", "counter", "How often the job backed off to try again, by reason.", write_retries, false},
    {"backfilld_state", "gauge", "1 for the state that the job is in.", write_state, false},
    {"backfilld_stuck", "gauge", "1 while nothing moved for longer than limits.stuck_after.", write_stuck, false},
    {"backfilld_break_glass", "gauge", "1 if it was approved by one person alone where two have to.", write_break_glass, false},
    {"backfilld_progress_ratio", "gauge", "How much is done, 0 to 1; absent while unknown.", write_progress_ratio, false},
    {"backfilld_eta_seconds", "gauge", "Time until the end at the present rate; absent while unknown.", write_eta_seconds, false},
    {"backfilld_checkpoint_age_seconds", "gauge", "Time since the checkpoint was last written; absent unless at work.",
     write_checkpoint_age, false},
    {"backfilld_rows_restored_total", "counter", "Changes that a rollback took back, since the daemon started.",
     write_rows_restored, false},
    {"backfilld_conflicts_total", "counter", "Changes that a rollback left alone, by kind, since the daemon started.",
     write_conflicts, false},
    {"backfilld_undo_bytes", "gauge", "Size of the undo journal when it was last looked at; absent without one.",
     write_undo_bytes, true},
    {"backfilld_undo_until_timestamp_seconds", "gauge", "When the undo journal of an ended job is dropped, unix time.",
     write_undo_until, true},
};

/* ---- targets ---- */

static void write_of_target(struct page *page, const char *target, const char *label, const char *value, double number)
{
    if (!isfinite(number)) return;
    bf_buffer_format(&page->text, "%s{", page->family);
    write_label(page, "target", target);
    bf_buffer_text(&page->text, ",");
    write_label(page, label, value);
    bf_buffer_format(&page->text, "} %.15g\n", number);
}

/* Two jobs may call a query the same; two lines with the same labels are an error. */
static bool was_there(const struct bf_signal *list, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(list[i].name, list[at].name) == 0) return true;
    return false;
}

static void write_signals(struct page *page, const struct bf_engine *engine, bool limits)
{
    enum { SIGNALS_MAX = BF_WATCHED_MAX + 2 * BF_SIGNALS_MAX };
    struct bf_signal *list = bf_allocate(SIGNALS_MAX * sizeof *list);
    const struct bf_target *target;
    for (size_t i = 0; (target = bf_engine_target(engine, i)); i++) {
        size_t count = bf_engine_signals(engine, target->name, list, SIGNALS_MAX);
        for (size_t k = 0; k < count; k++) {
            if (was_there(list, k)) continue;
            bool known = limits ? list[k].limit > 0 : list[k].sampled_at != BF_SIGNAL_NEVER;
            if (known) write_of_target(page, target->name, "signal", list[k].name, limits ? list[k].limit : list[k].value);
        }
    }
    free(list);
}

static void write_replicas(struct page *page, const struct bf_engine *engine)
{
    struct bf_seen_replica list[BF_WATCHED_MAX];
    const struct bf_target *target;
    for (size_t i = 0; (target = bf_engine_target(engine, i)); i++) {
        size_t count = bf_engine_replicas(engine, target->name, list, BF_WATCHED_MAX);
        for (size_t k = 0; k < count; k++) {
            const struct bf_watched *replica = list[k].replica;
            if (list[k].age >= 0) write_of_target(page, target->name, "replica", replica->name, replica->lag);
        }
    }
}

/* ---- the page ---- */

static bool is_shown(const struct bf_record *record, int64_t now)
{
    return !bf_state_final(record->state) || record->state == BF_STATE_FAILED ||
           now - record->ended_at < SHOWN_AFTER_END;
}

static bool has_journal(const struct bf_job *job)
{
    return bf_job_undo_until(job) > 0;
}

/* By name, the newest of each name first. */
static int by_name(const void *a, const void *b)
{
    const struct shown *one = a, *other = b;
    int order = strcmp(one->record->document->name, other->record->document->name);
    return order != 0 ? order : strcmp(other->record->id, one->record->id);
}

static struct shown *list_shown(const struct bf_engine *engine, size_t *ret_count)
{
    struct timeval time;
    gettimeofday(&time, NULL);
    int64_t now = (int64_t)time.tv_sec * 1000 + time.tv_usec / 1000;
    size_t count = 0, kept = 0, capacity = 0;
    struct shown *list = NULL;
    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(engine, job));) {
        bool past = !is_shown(bf_job_record(job), now);
        if (past && !has_journal(job)) continue;
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 32;
            list = bf_reallocate(list, capacity * sizeof *list);
        }
        list[count++] = (struct shown){.job = job, .record = bf_job_record(job), .past = past};
    }
    if (count > 0) qsort(list, count, sizeof *list, by_name);
    /* Two series with the same labels are an error: of several jobs of one name the newest is the one that is meant. */
    for (size_t i = 0; i < count; i++) {
        bool same = kept > 0 && strcmp(list[kept - 1].record->document->name, list[i].record->document->name) == 0;
        if (!same) list[kept++] = list[i];
    }
    for (size_t i = 0; i < kept; i++) bf_job_meter(list[i].job, &list[i].meter);
    *ret_count = kept;
    return list;
}

static void begin_family(struct page *page, const char *name, const char *type, const char *help)
{
    page->family = name;
    bf_buffer_format(&page->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_daemon(struct page *page, const struct bf_http *http)
{
    begin_family(page, "backfilld_loop_lag_seconds", "histogram", "How late the daemon's loop comes to what is due.");
    int64_t sum = 0;
    for (int i = 0; i < BF_LOOP_LAG_BOUNDS; i++) {
        sum += http->lag.counts[i];
        bf_buffer_format(&page->text, "%s_bucket{le=\"%g\"} %" PRId64 "\n", page->family, bf_loop_lag_bounds[i], sum);
    }
    bf_buffer_format(&page->text, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n%s_sum %.9g\n%s_count %" PRId64 "\n", page->family,
                     http->lag.looks, page->family, http->lag.sum, page->family, http->lag.looks);
    begin_family(page, "backfilld_store_writable", "gauge", "1 while the state store takes writes, as far as is known.");
    bf_buffer_format(&page->text, "%s %d\n", page->family, bf_engine_store_trouble(http->engine) ? 0 : 1);
    begin_family(page, "backfilld_audit_writable", "gauge", "1 while the audit log takes records, as far as is known.");
    if (http->audit) bf_buffer_format(&page->text, "%s %d\n", page->family, bf_audit_trouble(http->audit) ? 0 : 1);
    begin_family(page, "backfilld_certificate_until_timestamp_seconds", "gauge", "When the certificate of https ends, in unix time.");
    if (http->listen.tls)
        bf_buffer_format(&page->text, "%s %" PRId64 "\n", page->family, bf_tls_until(http->listen.tls));
    begin_family(page, "backfilld_build_info", "gauge", "1; the version is its label.");
    bf_buffer_format(&page->text, "%s{version=\"%s\"} 1\n", page->family, BF_VERSION);
}

void bf_handle_metrics(struct bf_http_request *request)
{
    struct page page = {0};
    size_t count;
    struct shown *list = list_shown(request->http->engine, &count);
    for (size_t f = 0; f < BF_COUNT(families); f++) {
        begin_family(&page, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < count; i++)
            if (!list[i].past || families[f].of_journal) families[f].write(&page, &list[i]);
    }
    const struct bf_engine *engine = request->http->engine;
    begin_family(&page, "backfilld_signal_value", "gauge", "A measured pressure on the target, in the unit of its kind.");
    write_signals(&page, engine, false);
    begin_family(&page, "backfilld_signal_limit", "gauge", "The value from which nothing is written, where there is one.");
    write_signals(&page, engine, true);
    begin_family(&page, "backfilld_replica_lag_seconds", "gauge",
                 "How far behind a replica is; absent while it cannot be read.");
    write_replicas(&page, engine);
    write_daemon(&page, request->http);
    free(list);
    if (page.text.overflow) {
        bf_buffer_clear(&page.text);
        bf_http_problem(request, BF_INTERNAL, "there are too many jobs for one page of metrics");
        return;
    }
    bf_http_answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", bf_buffer_take(&page.text));
}
