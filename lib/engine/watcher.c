/* Who waits for us? While a batch runs, or a plan tries one, a second session for each target looks every 100 ms: first how
 * many sessions wait for a lock at all, and only when there are any, whether it is ours. A batch that another session has
 * waited for longer than `yield_after` is cancelled by us, whatever it has cost; nobody else's session is ever touched. Whoever
 * is seen to wait at all makes the batches shorter (lib/pace/size.h).
 *
 * Who cannot look must not assume that nobody waits: after BLIND without a look, batches are kept under `yield_after`. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "duration.h"
#include "internal.h"
#include "measuring.h"

enum {
    PERIOD = 100,           /* milliseconds between looks */
    SOON = 5,
    IDLE_PERIOD = 1000,     /* while no batch runs */
    IDLE_AFTER = 2000,      /* milliseconds without a batch */
    CONNECT_TIMEOUT = 5000,
    TIMEOUT = 2000,         /* of its statements: it waits for nobody */
    RECONNECT = 1000,
    BLIND = 5000,           /* P5 */
    LOOKS_MOST = 256,       /* sessions in one look */
    LEARN_EVERY = 250,      /* milliseconds */
    MUCH_SHORTER = 4        /* people are told */
};

struct bf_watcher {
    struct bf_watcher *next;
    struct bf_engine *engine;
    const struct bf_target *target;
    struct bf_timer *timer;
    struct bf_session *session; /* NULL: none */
    bool connected, looking;
    struct bf_flight flight;
    char asked[LOOKS_MOST][BF_SESSION_NAME]; /* whose session each step of WATCHED is about */
    int64_t session_since; /* monotonic milliseconds: when it was begun, or given up */
    int64_t batch_at;      /* monotonic milliseconds: when a batch was last sent */
    int64_t blind_since;   /* monotonic milliseconds: a look was needed and did not come; 0: it sees */
    int64_t looked_at;     /* monotonic milliseconds: when the look under way was sent */
    int64_t closely_at;    /* monotonic milliseconds: when it was last asked for whom they wait */
    int64_t due;           /* milliseconds until the next look, when a waiter was seen */
};

static int64_t now(const struct bf_watcher *watcher)
{
    return watcher->engine->world->monotonic(watcher->engine->world->context);
}

/* Whoever of us may be in somebody's way: one of the two. The sessions of plans share their name. */
struct ours {
    struct bf_walk *walk;
    struct bf_submission *submission;
};

static const char *name_of(const struct ours *ours, char text[BF_SESSION_NAME])
{
    if (ours->walk)
        return bf_walk_session(ours->walk, text);
    snprintf(text, BF_SESSION_NAME, "plan");
    return text;
}

static bool has_session(const struct ours *ours)
{
    return ours->walk ? ours->walk->session != NULL : ours->submission->session != NULL;
}

/* Does what is under way hold locks that somebody may want, and may it be cancelled? */
static bool watched(const struct ours *ours)
{
    const struct bf_walk *walk = ours->walk;
    if (ours->submission)
        return bf_measuring_holds(ours->submission);
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

static const struct bf_document *document_of(const struct ours *ours)
{
    return ours->walk ? ours->walk->job->record.document : ours->submission->document;
}

static int64_t yield_after(const struct ours *ours)
{
    return document_of(ours)->limits.yield_after;
}

/* Milliseconds since what is under way was sent. */
static int64_t ran(const struct bf_watcher *watcher, const struct ours *ours)
{
    return now(watcher) - (ours->walk ? ours->walk->flight_sent : ours->submission->measuring->sent_at);
}

/* Nobody can have waited for longer than the batch runs: only of such a one somebody has to see whether it has to yield. */
static bool needs_look(const struct bf_watcher *watcher, const struct ours *ours)
{
    return watched(ours) && ran(watcher, ours) >= yield_after(ours) / 2;
}

/* Those on the watcher's target, one after the other, from an empty one on: the walks, then the submissions. False: there are no
 * more. */
static bool next(const struct bf_watcher *watcher, struct ours *ours)
{
    const struct bf_walk *walk = ours->walk;
    struct bf_submission *submission = ours->submission;
    if (!submission) {
        struct bf_job *job = walk ? walk->job : watcher->engine->working;
        size_t slice = walk ? bf_walk_index(walk) + 1 : 0;
        for (; job; job = job->next_working, slice = 0)
            if (job->target == watcher->target && slice < bf_job_walks(job)) {
                ours->walk = bf_job_walk(job, slice);
                return true;
            }
    }
    submission = submission ? submission->next : watcher->engine->submissions;
    while (submission && submission->target != watcher->target)
        submission = submission->next;
    *ours = (struct ours){.submission = submission};
    return submission != NULL;
}

static void yield(const struct ours *ours, const char *text)
{
    struct bf_walk *walk = ours->walk;
    if (!walk) {
        bf_measuring_yield(ours->submission);
        return;
    }
    walk->locks.yielding = true;
    snprintf(walk->locks.waiter, sizeof walk->locks.waiter, "%s", text);
    walk->job->record.progress.yields++;
    walk->job->target->database->cancel(walk->session);
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

/* One row of WATCHED: who waits for that one of us, or whom that one waits for. */
static void read_wait(struct bf_watcher *watcher, const struct ours *ours, const struct bf_answer *answer, size_t row)
{
    char text[BF_WHO_TEXT];
    const char *who = bf_answer_value(answer, row, 2);
    int64_t waited = bf_answer_number(answer, row, 1), limit = yield_after(ours);
    if (!bf_answer_true(answer, row, 0)) {
        if (ours->walk)
            snprintf(ours->walk->locks.holder, sizeof ours->walk->locks.holder, "%s", who ? who : "a session");
        return;
    }
    if (!watched(ours))
        return;
    if (waited > ran(watcher, ours)) /* a server may know the age of a statement only */
        waited = ran(watcher, ours);
    if (waited < limit) {
        int64_t due = limit - waited + 1;
        watcher->due = due < watcher->due ? due : watcher->due;
        return;
    }
    snprintf(text, sizeof text, "%s waited %lld ms for our locks (limit %lld ms)", who ? who : "a session", (long long)waited,
             (long long)limit);
    yield(ours, text);
}

/* A batch that runs since before the look began: does somebody wait for it? */
static void learn(const struct bf_watcher *watcher, const struct ours *ours, bool waited)
{
    struct bf_walk *walk = ours->walk;
    if (!walk || walk->phase != BF_PHASE_BATCHING || !walk->flight_under_way || walk->flight_sent >= watcher->looked_at)
        return;
    bf_size_looked(&walk->size, waited);
    if (walk->locks.said_short || walk->size.aim > walk->size.target_time / MUCH_SHORTER)
        return;
    char aim[BF_DURATION_TEXT], target[BF_DURATION_TEXT];
    walk->locks.said_short = true;
    bf_job_note(walk->job, "note", "others wait for rows that batches hold: batches aim at %s instead of pace.batch_time (%s), until "
                "nobody is seen to wait any more", bf_duration_format(walk->size.aim / 1000, aim),
                bf_duration_format(walk->size.target_time / 1000, target));
}

static void nobody_waits(const struct bf_watcher *watcher)
{
    for (struct ours ours = {0}; next(watcher, &ours);)
        learn(watcher, &ours, false);
}

/* For one that sleeps nobody can wait. */
static void nobody_can_wait(const struct bf_watcher *watcher)
{
    for (struct ours ours = {0}; next(watcher, &ours);)
        if (ours.walk && ours.walk->phase == BF_PHASE_SLEEPING)
            bf_size_looked(&ours.walk->size, false);
}

/* Whom they wait for is a costly question: it is asked as often as it takes to yield in time, else now and then, to learn. */
static bool looks_closely(const struct bf_watcher *watcher)
{
    for (struct ours ours = {0}; next(watcher, &ours);)
        if (needs_look(watcher, &ours))
            return true;
    return now(watcher) - watcher->closely_at >= LEARN_EVERY;
}

static void read_waits(struct bf_watcher *watcher, const struct bf_flight *flight, const struct bf_answer *answers)
{
    char name[BF_SESSION_NAME];
    for (size_t i = 0; i < flight->count; i++)
        for (struct ours ours = {0}; answers[i].outcome == BF_OUTCOME_OK && next(watcher, &ours);)
            if (strcmp(name_of(&ours, name), watcher->asked[i]) == 0) {
                bool waited = false;
                for (size_t row = 0; row < answers[i].rows; row++)
                    waited = waited || bf_answer_true(&answers[i], row, 0);
                learn(watcher, &ours, waited);
                for (size_t row = 0; row < answers[i].rows; row++)
                    read_wait(watcher, &ours, &answers[i], row);
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
    else if (bf_answer_number(&answers[0], 0, 0) <= 0)
        nobody_waits(watcher);
    else if (looks_closely(watcher))
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
        for (struct ours ours = {0}; watcher->flight.count < LOOKS_MOST && next(watcher, &ours);) {
            if (!watched(&ours))
                continue;
            char *name = watcher->asked[watcher->flight.count];
            struct bf_step *step = bf_flight_add(&watcher->flight, BF_STATEMENT_WATCHED,
                                                 database->dialect->common(BF_STATEMENT_WATCHED));
            bf_step_text(step, name_of(&ours, name));
            bf_step_text(step, document_of(&ours)->table);
        }
    }
    if (watcher->flight.count == 0)
        return; /* it is over already */
    watcher->looking = true;
    watcher->looked_at = now(watcher);
    if (closely)
        watcher->closely_at = watcher->looked_at;
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
    for (struct ours ours = {0}; next(watcher, &ours);)
        if (needs_look(watcher, &ours) && ran(watcher, &ours) >= yield_after(&ours) &&
            (!ours.walk || ours.walk->size.rows > ours.walk->size.min))
            yield(&ours, "whether somebody waits for our locks cannot be seen: batches stay shorter than limits.yield_after");
}

static void on_timer(void *argument)
{
    struct bf_watcher *watcher = argument;
    bool needed = false, some = false;
    for (struct ours ours = {0}; !needed && next(watcher, &ours);) {
        needed = needs_look(watcher, &ours);
        some = some || watched(&ours);
    }
    nobody_can_wait(watcher);
    if (needed && !watcher->blind_since)
        watcher->blind_since = now(watcher);
    if (needed && now(watcher) - watcher->blind_since >= BLIND) {
        if (watcher->looking) /* it does not answer */
            close_session(watcher);
        play_safe(watcher);
    }
    if (some && !watcher->session)
        connect(watcher);
    else if (some && watcher->connected && !watcher->looking)
        look(watcher, false);
    bool idle = now(watcher) - watcher->batch_at > IDLE_AFTER && !some;
    watcher->engine->world->timer_start(watcher->timer, idle ? IDLE_PERIOD : PERIOD);
}

static struct bf_watcher *find(const struct bf_engine *engine, const struct bf_target *target)
{
    struct bf_watcher *watcher = engine->watchers;
    while (watcher && watcher->target != target)
        watcher = watcher->next;
    return watcher;
}

void bf_watcher_batch_sent(struct bf_engine *engine, const struct bf_target *target)
{
    struct bf_watcher *watcher = find(engine, target);
    if (!target->database->dialect->common(BF_STATEMENT_WATCH))
        return;
    if (!watcher) {
        watcher = BF_NEW(struct bf_watcher);
        watcher->engine = engine;
        watcher->target = target;
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

void bf_watcher_left(struct bf_engine *engine, const struct bf_target *target)
{
    struct bf_watcher *watcher = find(engine, target);
    if (!watcher)
        return;
    for (struct ours ours = {0}; next(watcher, &ours);)
        if (has_session(&ours))
            return;
    struct bf_watcher **at = &engine->watchers;
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
