/* The hub: what all watchers are told is found out once. */
#include "stream.h"

#include <poll.h>
#include <string.h>

#include "allocate.h"
#include "server.h"
#include "state.h"

enum { EVENTS_AT_ONCE = 500 };

/* A job as it was last told of: enough to see whether something changed, without making the text. */
struct glance {
    const struct bf_job *job;
    uint64_t hash;
};

/* The newest events, on their way from the store; outlives the hub where it has to. */
struct newest_read {
    struct bf_http_hub *hub; /* NULL: it is gone */
};

struct bf_http_hub {
    struct bf_http *http;
    uv_timer_t timer;
    struct bf_watcher *watchers;
    int count;
    int64_t newest;         /* -1: not known yet */
    struct newest_read *read;
    struct glance *glances; /* in the engine's order */
    size_t glance_count;
    bool glanced;
    uint64_t looked_at;     /* the loop's time of the last look for peers that closed */
};

int64_t bf_hub_newest(const struct bf_http *http)
{
    return http->hub ? http->hub->newest : -1;
}

/* ---- events ---- */

static void read_newest(struct bf_http_hub *hub);

static void replay_all(struct bf_http_hub *hub)
{
    for (struct bf_watcher *each = hub->watchers; each; each = each->next) bf_watcher_replay(each);
}

/* An event of no job is about all targets, and for who sees them all. */
static bool sees(const struct bf_watcher *watcher, const char *target)
{
    const struct bf_identity identity = {.targets = watcher->targets};
    return !watcher->targets || (target && bf_identity_sees(&identity, target));
}

static const char *target_of(const struct bf_http_hub *hub, const char *id)
{
    const struct bf_job *job = NULL;
    if (!id[0] || bf_engine_find(hub->http->engine, id, false, &job, NULL) != BF_OK) return NULL;
    return bf_job_record(job)->document->target;
}

static void hand_out(struct bf_http_hub *hub, const struct bf_event *event)
{
    struct bf_buffer text = {0};
    const char *target = target_of(hub, event->job);
    bf_stream_write_event(&text, event);
    for (struct bf_watcher *each = hub->watchers; each; each = each->next) {
        if ((each->job[0] == '\0' || strcmp(each->job, event->job) == 0) && sees(each, target))
            bf_watcher_say_event(each, event->id, &text);
    }
    bf_buffer_clear(&text);
}

static void on_newest(void *argument, const struct bf_event *events, size_t count, const struct bf_error *error)
{
    struct newest_read *read = argument;
    struct bf_http_hub *hub = read->hub;
    free(read);
    if (!hub) return;
    hub->read = NULL;
    if (error && error->code != BF_OK) return; /* the next tick tries again */
    bool known = hub->newest >= 0;
    if (!known) hub->newest = count > 0 ? events[count - 1].id : 0;
    for (size_t i = 0; known && i < count; i++) {
        hub->newest = events[i].id;
        hand_out(hub, &events[i]);
    }
    replay_all(hub);
    if (known && count == EVENTS_AT_ONCE) read_newest(hub);
}

static void read_newest(struct bf_http_hub *hub)
{
    const struct bf_store *store = hub->http->store;
    if (hub->read) return;
    struct newest_read *read = BF_NEW(struct newest_read);
    read->hub = hub;
    hub->read = read;
    /* To the store 0 means the newest ones and -1 the first ones. */
    if (hub->newest < 0)
        store->read_events(store->context, NULL, 0, 1, on_newest, read);
    else
        store->read_events(store->context, NULL, hub->newest > 0 ? hub->newest : -1, EVENTS_AT_ONCE, on_newest, read);
}

/* ---- progress ---- */

static void mix(uint64_t *hash, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++) *hash = (*hash ^ byte[i]) * UINT64_C(1099511628211); /* FNV-1a */
}

/* Where the time goes counts on while nothing else of a job changes: what is at work is told of now and then anyway, and not
 * all of it at once. */
static int64_t beat_of(const struct bf_job *job, uint64_t now)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    mix(&hash, bf_job_record(job)->id, BF_ULID_TEXT);
    return bf_job_activity(job) != BF_ACTIVITY_IDLE ? (int64_t)((now + hash % BF_STREAM_BEAT) / BF_STREAM_BEAT) : 0;
}

static uint64_t look_at(const struct bf_job *job, uint64_t loop_now)
{
    const struct bf_record *record = bf_job_record(job);
    const struct bf_progress *progress = &record->progress;
    const struct bf_way_back *back = &record->back;
    struct bf_reason reason = bf_job_reason(job);
    double rate = bf_job_rate(job);
    int64_t numbers[] = {(int64_t)record->state,   (int64_t)bf_job_activity(job), (int64_t)reason.code,
                         reason.since,             reason.until,                  record->version,
                         progress->rows_scanned,   progress->rows_changed,        progress->rows_estimated,
                         progress->batches,        progress->batch_rows,          progress->pass,
                         progress->resumed,        progress->rows_set_aside,      progress->yields,
                         (int64_t)rate,            (int64_t)record->direction,    record->ended_at,
                         back->rows,               back->bytes,                   back->seen,
                         back->conflicts,          back->batches,                 back->dropped,
                         progress->rows_bad,       beat_of(job, loop_now)};
    uint64_t hash = UINT64_C(14695981039346656037);
    mix(&hash, record->id, sizeof record->id);
    mix(&hash, numbers, sizeof numbers);
    mix(&hash, reason.text, strlen(reason.text));
    return hash;
}

static void write_progress(struct bf_buffer *buffer, const struct bf_job *job)
{
    json_t *view = bf_job_progress_view(job);
    char *text = json_dumps(view, BF_HTTP_JSON);
    json_decref(view);
    bf_buffer_format(buffer, "event: progress\ndata: %s\n\n", text ? text : "{}");
    free(text);
}

/* Who watches one job, or those of some targets, is told by its part; who watches all, by one text for all, `whole`. */
static bool takes_parts(const struct bf_watcher *watcher)
{
    return watcher->job[0] || watcher->targets;
}

static void tell_one(struct bf_http_hub *hub, const struct bf_job *job, const struct bf_buffer *part)
{
    const struct bf_record *record = bf_job_record(job);
    for (struct bf_watcher *each = hub->watchers; each; each = each->next)
        if (each->job[0] ? strcmp(each->job, record->id) == 0 : each->targets && sees(each, record->document->target))
            bf_watcher_say_progress(each, part);
}

static void tell_all(struct bf_http_hub *hub, const struct bf_buffer *whole)
{
    static const struct bf_buffer nothing;
    for (struct bf_watcher *each = hub->watchers; each; each = each->next)
        bf_watcher_say_progress(each, takes_parts(each) ? &nothing : whole);
}

static void tell_progress(struct bf_http_hub *hub)
{
    struct glance *now = NULL;
    size_t count = 0, capacity = 0, at = 0;
    struct bf_buffer whole = {0};
    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(hub->http->engine, job)); count++) {
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            now = bf_reallocate(now, capacity * sizeof *now);
        }
        now[count] = (struct glance){job, look_at(job, uv_now(hub->http->loop))};
        /* Both lists have the same order: what is new stands in front, what was forgotten is passed by. */
        size_t found = at;
        while (found < hub->glance_count && hub->glances[found].job != job) found++;
        bool known = found < hub->glance_count;
        if (known) at = found + 1;
        if (!hub->glanced || (known && hub->glances[found].hash == now[count].hash)) continue;
        struct bf_buffer part = {0};
        write_progress(&part, job);
        tell_one(hub, job, &part);
        bf_buffer_append(&whole, part.text, part.length);
        bf_buffer_clear(&part);
    }
    free(hub->glances);
    hub->glances = now;
    hub->glance_count = count;
    hub->glanced = true;
    tell_all(hub, &whole);
    bf_buffer_clear(&whole);
}

/* ---- watchers ---- */

static bool has_left(const struct bf_watcher *watcher)
{
    /* What it still sent (the last word of TLS, too) does not matter: it said that it is at its end. */
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(watcher->request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd look = {.fd = info->connect_fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) > 0;
}

static void look_after(struct bf_http_hub *hub)
{
    static const char comment[] = ":\n\n";
    uint64_t now = uv_now(hub->http->loop);
    bool look = now - hub->looked_at >= BF_STREAM_LOOK;
    if (look) hub->looked_at = now;
    for (struct bf_watcher *each = hub->watchers; each; each = each->next) {
        if (each->gone) continue;
        if (each->until && (int64_t)now >= each->until) {
            bf_watcher_drop(each);
            continue;
        }
        /* In ticks, not by the clock: while the loop stands still nobody can take anything. */
        each->untaken = bf_watcher_pending(each) > 0 ? each->untaken + 1 : 0;
        if (each->untaken * (uint64_t)BF_STREAM_TICK > hub->http->stalled)
            bf_watcher_drop(each);
        else if (look && has_left(each))
            bf_watcher_drop(each);
        else if (now - each->said_at >= BF_STREAM_COMMENT)
            bf_watcher_say(each, comment, strlen(comment));
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct bf_http_hub *hub = timer->data;
    look_after(hub);
    tell_progress(hub);
    replay_all(hub);
    read_newest(hub);
}

void bf_hub_join(struct bf_watcher *watcher)
{
    struct bf_http *http = watcher->http;
    struct bf_http_hub *hub = http->hub;
    if (!hub) {
        hub = http->hub = BF_NEW(struct bf_http_hub);
        hub->http = http;
        hub->newest = -1;
        uv_timer_init(http->loop, &hub->timer);
        hub->timer.data = hub;
        uv_timer_start(&hub->timer, on_tick, BF_STREAM_TICK, BF_STREAM_TICK);
    }
    watcher->next = hub->watchers;
    if (watcher->next) watcher->next->previous = watcher;
    hub->watchers = watcher;
    http->watcher_count = ++hub->count;
    if (!hub->glanced) tell_progress(hub); /* from now on, what changes is told */
    if (hub->newest < 0)
        read_newest(hub);
    else
        bf_watcher_replay(watcher);
}

static void on_closed(uv_handle_t *handle)
{
    struct bf_http_hub *hub = handle->data;
    free(hub->glances);
    free(hub);
}

void bf_hub_leave(struct bf_watcher *watcher)
{
    struct bf_http *http = watcher->http;
    struct bf_http_hub *hub = http->hub;
    if (watcher->next) watcher->next->previous = watcher->previous;
    if (watcher->previous)
        watcher->previous->next = watcher->next;
    else
        hub->watchers = watcher->next;
    http->watcher_count = --hub->count;
    if (hub->count > 0) return;
    http->hub = NULL;
    if (hub->read) hub->read->hub = NULL;
    uv_close((uv_handle_t *)&hub->timer, on_closed);
}

void bf_hub_identities_changed(struct bf_http *http)
{
    for (struct bf_watcher *each = http->hub ? http->hub->watchers : NULL; each; each = each->next)
        if (each->shown) bf_watcher_drop(each);
}

void bf_hub_session_ended(struct bf_http *http, int64_t until)
{
    for (struct bf_watcher *each = http->hub ? http->hub->watchers : NULL; each; each = each->next)
        if (each->until == until) bf_watcher_drop(each);
}

void bf_hub_stop(struct bf_http *http)
{
    if (!http->hub) return;
    for (struct bf_watcher *each = http->hub->watchers; each; each = each->next) {
        each->stopping = true;
        if (!each->suspended) continue;
        each->suspended = false;
        MHD_resume_connection(each->request->connection);
    }
}
