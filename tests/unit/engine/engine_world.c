#include "engine_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "dialect.h"

extern const struct bf_dialect sim_dialect; /* tests/simulation: statements are known by their kind */

/* ---- time ---- */

struct bf_timer {
    struct bf_timer *next;
    struct test_world *world;
    int64_t due; /* -1: not running */
    bf_timer_fired *fired;
    void *argument;
};

static int64_t monotonic(void *context)
{
    return ((struct test_world *)context)->monotonic;
}

static int64_t unix_time(void *context)
{
    return ((struct test_world *)context)->unix_time;
}

static void random_bytes(void *context, void *bytes, size_t length)
{
    memset(bytes, ++((struct test_world *)context)->chance, length);
}

static struct bf_timer *timer_new(void *context, bf_timer_fired *fired, void *argument)
{
    struct test_world *world = context;
    struct bf_timer *timer = BF_NEW(struct bf_timer);
    *timer = (struct bf_timer){.next = world->timers, .world = world, .due = -1, .fired = fired, .argument = argument};
    return world->timers = timer;
}

static void timer_start(struct bf_timer *timer, int64_t milliseconds)
{
    timer->due = timer->world->monotonic + milliseconds;
}

static void timer_stop(struct bf_timer *timer)
{
    timer->due = -1;
}

static void timer_free(struct bf_timer *timer)
{
    if (!timer)
        return;
    for (struct bf_timer **at = &timer->world->timers; *at; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    free(timer);
}

static bool owner_gone(void *context, const char *owner)
{
    (void)context, (void)owner;
    return true;
}

static bool fire_one(struct test_world *world)
{
    for (struct bf_timer *timer = world->timers; timer; timer = timer->next)
        if (timer->due >= 0 && timer->due <= world->monotonic) {
            timer->due = -1;
            timer->fired(timer->argument);
            return true;
        }
    return false;
}

/* ---- the server ---- */

struct bf_session {
    struct bf_session *next;
    struct test_world *world;
    bf_connected *connected; /* to be told; NULL: was told */
    struct bf_flight *flight;
    bf_flight_done *done;
    void *argument, *flight_argument;
};

static struct bf_session *connect_session(void *context, const struct bf_session_options *options,
                                          bf_connected *connected, void *argument)
{
    struct test_world *world = context;
    struct bf_session *session = BF_NEW(struct bf_session);
    (void)options;
    *session = (struct bf_session){.next = world->sessions, .world = world, .connected = connected, .argument = argument};
    world->connects++;
    return world->sessions = session;
}

static bool counts(const struct bf_step *step)
{
    return step->statement == BF_STATEMENT_MEASURE && strcmp(step->sql, "count") == 0;
}

static void execute(struct bf_session *session, struct bf_flight *flight, bf_flight_done *done, void *argument)
{
    session->flight = flight;
    session->done = done;
    session->flight_argument = argument;
    for (size_t i = 0; i < flight->count; i++)
        session->world->counting |= counts(&flight->steps[i]);
}

static void cancel(struct bf_session *session)
{
    session->world->cancels++;
}

static void close_session(struct bf_session *session)
{
    for (struct bf_session **at = &session->world->sessions; *at; at = &(*at)->next)
        if (*at == session) {
            *at = session->next;
            break;
        }
    free(session);
}

static void answer_flight(struct bf_session *session)
{
    struct bf_answer answers[BF_STEPS_MAX] = {{0}};
    char *columns[BF_CHECKPOINT_COLUMNS] = {0}, *no_writes = (char *)(uintptr_t)"0";
    char *fits = (char *)(uintptr_t)"t"; /* a bound is a value of the key's type, and the range is not empty */
    char *counted[3] = {(char *)(uintptr_t)"rows_matching_exact", (char *)(uintptr_t)"77", NULL};
    columns[BF_CHECKPOINT_POSITION] = (char *)(uintptr_t)session->world->position;
    struct bf_flight *flight = session->flight;
    for (size_t i = 0; i < flight->count; i++)
        if (flight->steps[i].statement == BF_STATEMENT_READ_CHECKPOINT && session->world->position)
            answers[i] = (struct bf_answer){.rows = 1, .columns = BF_CHECKPOINT_COLUMNS, .values = columns};
        else if (flight->steps[i].statement == BF_STATEMENT_WRITES)
            answers[i] = (struct bf_answer){.rows = 1, .columns = 1, .values = &no_writes};
        else if (flight->steps[i].statement == BF_STATEMENT_CHECK)
            answers[i] = (struct bf_answer){.rows = 1, .columns = 1, .values = &fits};
        else if (counts(&flight->steps[i]))
            answers[i] = (struct bf_answer){.rows = 1, .columns = 3, .values = counted};
        else if (flight->steps[i].statement == BF_STATEMENT_MEASURE && session->world->unmeasured)
            answers[i] = (struct bf_answer){.outcome = BF_OUTCOME_ERROR};
    session->flight = NULL;
    session->done(session->flight_argument, session, flight, answers, false);
}

static bool serve_one(struct test_world *world)
{
    if (world->server_silent)
        return false;
    for (struct bf_session *session = world->sessions; session; session = session->next) {
        if (session->connected) {
            bf_connected *connected = session->connected;
            session->connected = NULL;
            connected(session->argument, session,
                      world->server_refuses ? BF_CLASS_UNREACHABLE : world->pooled ? BF_CLASS_PROXY : BF_CLASS_NONE, "nobody is let in");
            return true;
        }
        if (session->flight) {
            answer_flight(session);
            return true;
        }
    }
    return false;
}

/* ---- the whole ---- */

struct test_world *world_new(void)
{
    static const char *const names[TARGETS] = {"shop", "legacy"};
    struct test_world *world = BF_NEW(struct test_world);
    world->unix_time = 1790000000000;
    world->monotonic = 1000;
    world->world = (struct bf_world){.context = world, .monotonic = monotonic, .unix_time = unix_time,
                                     .random = random_bytes, .timer_new = timer_new, .timer_start = timer_start,
                                     .timer_stop = timer_stop, .timer_free = timer_free, .owner = "us",
                                     .owner_gone = owner_gone};
    world_open_store(world);
    world->database = (struct bf_database){.context = world, .dialect = &sim_dialect, .connect = connect_session,
                                           .execute = execute, .cancel = cancel, .close = close_session};
    for (int i = 0; i < TARGETS; i++)
        world->targets[i] = (struct bf_target){.name = (char *)(uintptr_t)names[i], .database = &world->database, .max_jobs = 4};
    return world;
}

void world_start(struct test_world *world)
{
    struct bf_error error;
    world->engine = bf_engine_new(&(struct bf_engine_options){.world = &world->world, .store = &world->store,
                                                              .targets = world->targets, .target_count = TARGETS,
                                                              .sources = world->sources});
    assert_int_equal(bf_engine_start(world->engine, &error), BF_OK);
}

void world_crash(struct test_world *world)
{
    bf_engine_free(world->engine);
    world->engine = NULL;
    while (world_write_one(world, true))
        ;
    assert_null(world->timers);
    assert_null(world->sessions);
}

bool world_step(struct test_world *world)
{
    return fire_one(world) || (!world->store_waits && world_write_one(world, world->store_fails)) || serve_one(world);
}

void world_run(struct test_world *world)
{
    for (int steps = 0; steps < 10000; steps++)
        if (!world_step(world))
            return;
    fail_msg("something spins");
}

void world_pass(struct test_world *world, int64_t milliseconds)
{
    int64_t end = world->monotonic + milliseconds;
    world_run(world);
    while (world->monotonic < end) {
        int64_t next = end;
        for (const struct bf_timer *timer = world->timers; timer; timer = timer->next)
            if (timer->due >= 0 && timer->due < next)
                next = timer->due;
        world->unix_time += next - world->monotonic;
        world->monotonic = next;
        world_run(world);
    }
}

void world_free(struct test_world *world)
{
    if (world->engine)
        world_crash(world);
    for (int i = 0; i < world->job_count; i++)
        if (world->jobs[i].there)
            bf_record_clear(&world->jobs[i].record);
    for (int i = 0; i < world->latch_count; i++)
        bf_latch_clear(&world->latches[i]);
    free(world);
}

const char *world_job(struct test_world *world, const char *name, const char *target, enum bf_state state,
                      const char *more)
{
    struct bf_complaints complaints = {0};
    struct bf_error error = {0};
    bool back = world->journal && (state == BF_STATE_ROLLING_BACK || state == BF_STATE_ROLLED_BACK);
    struct bf_record record = {.state = state, .created_at = world->unix_time, .updated_at = world->unix_time,
                               .started = world->journal, .progress.rows_bad = world->rows_bad,
                               .direction = back ? BF_DIRECTION_BACK : BF_DIRECTION_FORWARD};
    char *json BF_AUTO_STRING = bf_format("{\"name\":\"%s\",\"target\":\"%s\",\"table\":\"%s\",\"set\":{\"n\":\"1\"},"
                                          "\"undo\":\"%s\"%s}", name, target, name, world->journal ? "journal" : "none", more);
    snprintf(record.id, sizeof record.id, "01JD00000000000000000000%02d", world->job_count);
    if (bf_document_parse(json, strlen(json), NULL, &record.document, &complaints, &error) != BF_OK)
        fail_msg("%s: %s", json, complaints.count ? complaints.list[0].detail : error.text);
    record.submitter = bf_copy_string("ann");
    record.plan = bf_format("{\"table\":\"%s\"}", name);
    if (state == BF_STATE_PAUSED || state == BF_STATE_PAUSING)
        record.reason = (struct bf_reason){.code = BF_OPERATOR, .text = "paused by ann", .since = 1};
    if (bf_state_final(state))
        record.ended_at = world->unix_time;
    world_put(world, &record);
    return world->jobs[world->job_count - 1].record.id;
}

struct bf_record *world_stored(struct test_world *world, const char *name)
{
    for (int i = world->job_count - 1; i >= 0; i--)
        if (world->jobs[i].there && strcmp(world->jobs[i].record.document->name, name) == 0)
            return &world->jobs[i].record;
    return NULL;
}

const struct bf_job *world_find(struct test_world *world, const char *name)
{
    const struct bf_job *job = NULL;
    struct bf_error error;
    return bf_engine_find(world->engine, name, false, &job, &error) == BF_OK ? job : NULL;
}

enum bf_state world_state(struct test_world *world, const char *name)
{
    const struct bf_job *job = world_find(world, name);
    assert_non_null(job);
    return bf_job_record(job)->state;
}

const struct bf_event *world_event(struct test_world *world, const char *name, const char *type)
{
    const struct bf_record *record = name ? world_stored(world, name) : NULL;
    for (int i = world->event_count - 1; i >= 0; i--)
        if (strcmp(world->events[i].job, record ? record->id : "") == 0 &&
            (!type || strcmp(world->events[i].type, type) == 0))
            return &world->events[i];
    return NULL;
}

/* ---- orders ---- */

void on_answer(void *argument, const struct bf_outcome_of_order *outcome)
{
    struct heard *heard = argument;
    heard->times++;
    heard->code = outcome->code;
    heard->already = outcome->already;
    heard->durable = outcome->durable;
    if (outcome->job)
        memcpy(heard->id, bf_job_record(outcome->job)->id, sizeof heard->id);
    if (outcome->complaints)
        snprintf(heard->pointer, sizeof heard->pointer, "%s", outcome->complaints->list[0].pointer);
    snprintf(heard->text, sizeof heard->text, "%s", outcome->text);
}

static const char *id_of(struct test_world *world, const char *name)
{
    const struct bf_job *job = world_find(world, name);
    assert_non_null(job);
    return bf_job_record(job)->id;
}

struct heard order(struct test_world *world, const char *name, enum bf_order what)
{
    struct heard heard = {0};
    bf_engine_order(world->engine, id_of(world, name), what, "ann", "a word", NULL, on_answer, &heard);
    world_run(world);
    assert_int_equal(heard.times, 1);
    return heard;
}

struct heard pause_for(struct test_world *world, const char *name, int64_t milliseconds)
{
    struct heard heard = {0};
    bf_engine_pause_for(world->engine, id_of(world, name), milliseconds, "ann", NULL, on_answer, &heard);
    world_run(world);
    assert_int_equal(heard.times, 1);
    return heard;
}

struct heard tune(struct test_world *world, const char *name, const char *change, const char *if_match)
{
    struct heard heard = {0};
    bf_engine_tune(world->engine, id_of(world, name), change, strlen(change), if_match, "bob", true, on_answer, &heard);
    world_run(world);
    assert_int_equal(heard.times, 1);
    return heard;
}
