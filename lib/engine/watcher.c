/* Who waits for us? While a batch runs, a second session for each target looks every 100 ms: first how many sessions wait
 * for a lock at all, and only when there are any, whether it is ours. A batch that another session has waited for longer
 * than `yield_after` is cancelled by us, whatever it has cost; nobody else's session is ever touched. Short batches are
 * over before anybody could have waited so long: they cost no look.
 *
 * Who cannot look must not assume that nobody waits: after BLIND without a look, batches are kept under `yield_after`. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "internal.h"

enum {
    PERIOD = 100,           /* milliseconds between looks */
    SOON = 5,
    IDLE_PERIOD = 1000,     /* while no batch runs */
    IDLE_AFTER = 2000,      /* milliseconds without a batch */
    CONNECT_TIMEOUT = 5000,
    TIMEOUT = 2000,         /* of its statements: it waits for nobody */
    RECONNECT = 1000,
    BLIND = 5000            /* P5 */
};

struct bf_watcher {
    struct bf_watcher *next;
    struct bf_engine *engine;
    const struct bf_target *target;
    struct bf_timer *timer;
    struct bf_session *session; /* NULL: none */
    bool connected, looking;
    struct bf_flight flight;
    struct {
        char job[BF_ULID_TEXT];
        size_t slice;
    } asked[BF_STEPS_MAX]; /* whose session each step of WATCHED is about */
    int64_t session_since; /* monotonic milliseconds: when it was begun, or given up */
    int64_t batch_at;      /* monotonic milliseconds: when a batch was last sent */
    int64_t blind_since;   /* monotonic milliseconds: a look was needed and did not come; 0: it sees */
    int64_t due;           /* milliseconds until the next look, when a waiter was seen */
};

static int64_t now(const struct bf_watcher *watcher)
{
    return watcher->engine->world->monotonic(watcher->engine->world->context);
}

/* Does what is under way hold locks that somebody may want, and may it be cancelled? */
static bool watched(const struct bf_walk *walk)
{
    if (!walk->flight_under_way || walk->locks.yielding)
        return false;
    switch (walk->phase) {
    case BF_PHASE_BATCHING:
    case BF_PHASE_BISECTING:
    case BF_PHASE_TAKING_ASIDE:
    case BF_PHASE_WAITING_ASIDE:
    case BF_PHASE_BOUNDING:
    case BF_PHASE_COUNTING:
    case BF_PHASE_PROBING:
    case BF_PHASE_CAPPING:
        return true;
    default:
        return false;
    }
}

static int64_t yield_after(const struct bf_job *job)
{
    return job->record.document->limits.yield_after;
}

/* Nobody can have waited for longer than the batch runs. */
static bool needs_look(const struct bf_watcher *watcher, const struct bf_walk *walk)
{
    return watched(walk) && now(watcher) - walk->flight_sent >= yield_after(walk->job) / 2;
}

/* The walks on the watcher's target, one after the other; NULL: begin, or there are no more. */
static struct bf_walk *next_walk(const struct bf_watcher *watcher, const struct bf_walk *walk)
{
    struct bf_job *job = walk ? walk->job : watcher->engine->working;
    size_t slice = walk ? bf_walk_index(walk) + 1 : 0;
    for (; job; job = job->next_working, slice = 0)
        if (job->target == watcher->target && slice < bf_job_walks(job))
            return bf_job_walk(job, slice);
    return NULL;
}

static void yield(struct bf_walk *walk, const char *text)
{
    struct bf_job *job = walk->job;
    walk->locks.yielding = true;
    snprintf(walk->locks.waiter, sizeof walk->locks.waiter, "%s", text);
    job->record.progress.yields++;
    job->target->database->cancel(walk->session);
}

static void close_session(struct bf_watcher *watcher)
{
    if (watcher->session)
        watcher->target->database->close(watcher->session);
    watcher->session = NULL;
    watcher->connected = watcher->looking = false;
    watcher->session_since = now(watcher);
}

static void on_connected(void *argument, struct bf_session *session, enum bf_error_class error_class, const char *text)
{
    (void)session, (void)text;
    struct bf_watcher *watcher = argument;
    if (error_class != BF_CLASS_NONE) {
        close_session(watcher);
        return;
    }
    watcher->connected = true;
    watcher->engine->world->timer_start(watcher->timer, 0);
}

static void look(struct bf_watcher *watcher, bool closely);

static void read_waits(struct bf_watcher *watcher, const struct bf_flight *flight, const struct bf_answer *answers)
{
    char text[BF_WHO_TEXT];
    for (size_t i = 0; i < flight->count; i++) {
        struct bf_job *job = bf_engine_by_id(watcher->engine, watcher->asked[i].job);
        const struct bf_answer *answer = &answers[i];
        if (!job || job->target != watcher->target || answer->outcome != BF_OUTCOME_OK)
            continue;
        struct bf_walk *walk = bf_job_walk(job, watcher->asked[i].slice);
        for (size_t row = 0; row < answer->rows; row++) {
            const char *who = bf_answer_value(answer, row, 2);
            int64_t waited = bf_answer_number(answer, row, 1), limit = yield_after(job);
            int64_t ran = now(watcher) - walk->flight_sent;
            if (waited > ran) /* a server may know the age of a statement only */
                waited = ran;
            if (!bf_answer_true(answer, row, 0)) {
                snprintf(walk->locks.holder, sizeof walk->locks.holder, "%s", who ? who : "a session");
            } else if (waited < limit) {
                int64_t due = limit - waited + 1;
                watcher->due = due < watcher->due ? due : watcher->due;
            } else if (watched(walk)) {
                snprintf(text, sizeof text, "%s waited %lld ms for our locks (limit %lld ms)", who ? who : "a session",
                         (long long)waited, (long long)limit);
                yield(walk, text);
            }
        }
    }
}

static void on_looked(void *argument, struct bf_session *session, struct bf_flight *flight,
                      const struct bf_answer *answers, bool lost)
{
    (void)session;
    struct bf_watcher *watcher = argument;
    watcher->looking = false;
    if (lost || answers[0].outcome != BF_OUTCOME_OK) {
        if (lost)
            close_session(watcher);
        return;
    }
    watcher->blind_since = 0;
    watcher->due = PERIOD;
    if (flight->steps[0].statement == BF_STATEMENT_WATCHED)
        read_waits(watcher, flight, answers);
    else if (bf_answer_number(&answers[0], 0, 0) > 0)
        look(watcher, true);
    if (!watcher->looking)
        watcher->engine->world->timer_start(watcher->timer, watcher->due < SOON ? SOON : watcher->due);
}

static void look(struct bf_watcher *watcher, bool closely)
{
    const struct bf_database *database = watcher->target->database;
    bf_flight_clear(&watcher->flight);
    if (!closely) {
        bf_flight_add(&watcher->flight, BF_STATEMENT_WATCH, database->dialect->common(BF_STATEMENT_WATCH));
    } else {
        for (struct bf_walk *walk = NULL; (walk = next_walk(watcher, walk)) && watcher->flight.count < BF_STEPS_MAX;) {
            char session[BF_SESSION_NAME];
            if (!needs_look(watcher, walk))
                continue;
            struct bf_step *step = bf_flight_add(&watcher->flight, BF_STATEMENT_WATCHED,
                                                 database->dialect->common(BF_STATEMENT_WATCHED));
            bf_step_text(step, bf_walk_session(walk, session));
            watcher->asked[watcher->flight.count - 1].slice = bf_walk_index(walk);
            memcpy(watcher->asked[watcher->flight.count - 1].job, walk->job->record.id, BF_ULID_TEXT);
        }
    }
    if (watcher->flight.count == 0)
        return; /* it is over already */
    watcher->looking = true;
    database->execute(watcher->session, &watcher->flight, on_looked, watcher);
}

static void connect(struct bf_watcher *watcher)
{
    static const struct bf_session_options options = {.application_name = "backfilld watcher",
                                                      .lock_timeout = TIMEOUT,
                                                      .statement_timeout = TIMEOUT,
                                                      .connect_timeout = CONNECT_TIMEOUT};
    const struct bf_database *database = watcher->target->database;
    if (watcher->session_since && now(watcher) - watcher->session_since < RECONNECT)
        return;
    watcher->session_since = now(watcher);
    watcher->session = database->connect(database->context, &options, on_connected, watcher);
}

/* Nobody looks: what runs longer than anybody should have to wait is taken back, and the next one is smaller. One that
 * cannot be smaller has to be run. */
static void play_safe(struct bf_watcher *watcher)
{
    for (struct bf_walk *walk = NULL; (walk = next_walk(watcher, walk)) != NULL;)
        if (needs_look(watcher, walk) && now(watcher) - walk->flight_sent >= yield_after(walk->job) &&
            walk->size.rows > walk->size.min)
            yield(walk, "whether somebody waits for our locks cannot be seen: batches stay shorter than limits.yield_after");
}

static void on_timer(void *argument)
{
    struct bf_watcher *watcher = argument;
    bool needed = false;
    for (struct bf_walk *walk = NULL; !needed && (walk = next_walk(watcher, walk)) != NULL;)
        needed = needs_look(watcher, walk);
    if (needed && !watcher->blind_since)
        watcher->blind_since = now(watcher);
    if (needed && now(watcher) - watcher->blind_since >= BLIND) {
        if (watcher->looking) /* it does not answer */
            close_session(watcher);
        play_safe(watcher);
    }
    if (needed && !watcher->session)
        connect(watcher);
    else if (needed && watcher->connected && !watcher->looking)
        look(watcher, false);
    bool idle = now(watcher) - watcher->batch_at > IDLE_AFTER && !needed;
    watcher->engine->world->timer_start(watcher->timer, idle ? IDLE_PERIOD : PERIOD);
}

static struct bf_watcher *find(const struct bf_job *job)
{
    struct bf_watcher *watcher = job->engine->watchers;
    while (watcher && watcher->target != job->target)
        watcher = watcher->next;
    return watcher;
}

void bf_watcher_batch_sent(struct bf_walk *walk)
{
    struct bf_job *job = walk->job;
    struct bf_engine *engine = job->engine;
    struct bf_watcher *watcher = find(job);
    if (!job->target->database->dialect->common(BF_STATEMENT_WATCH))
        return;
    if (!watcher) {
        watcher = BF_NEW(struct bf_watcher);
        watcher->engine = engine;
        watcher->target = job->target;
        watcher->timer = engine->world->timer_new(engine->world->context, on_timer, watcher);
        watcher->next = engine->watchers;
        engine->watchers = watcher;
    }
    bool idle = !watcher->batch_at || now(watcher) - watcher->batch_at > IDLE_AFTER;
    watcher->batch_at = now(watcher);
    if (idle && !watcher->looking)
        engine->world->timer_start(watcher->timer, PERIOD);
}

static void drop(struct bf_watcher *watcher)
{
    if (watcher->session)
        watcher->target->database->close(watcher->session);
    watcher->engine->world->timer_free(watcher->timer);
    bf_flight_clear(&watcher->flight);
    free(watcher);
}

void bf_watcher_left(struct bf_walk *left)
{
    struct bf_watcher *watcher = find(left->job);
    if (!watcher)
        return;
    for (const struct bf_walk *walk = NULL; (walk = next_walk(watcher, walk)) != NULL;)
        if (walk != left && walk->session)
            return;
    struct bf_watcher **at = &left->job->engine->watchers;
    while (*at != watcher)
        at = &(*at)->next;
    *at = watcher->next;
    drop(watcher);
}

void bf_watchers_drop(struct bf_engine *engine)
{
    for (struct bf_watcher *watcher = engine->watchers, *next; watcher; watcher = next) {
        next = watcher->next;
        drop(watcher);
    }
    engine->watchers = NULL;
}
