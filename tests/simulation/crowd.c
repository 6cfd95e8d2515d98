/* Many jobs and a hundred clients who order at random, on a target that never lets anybody in: what the scheduler and the
 * table of orders promise has to hold at every step, and every order has to be answered once.
 *
 *   crowd [--seeds N] [--from SEED] */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "sim.h"

enum { JOBS = 16, TABLES = 5, TARGETS = 2, CLIENTS = 100, ORDER_TIME = 3000000, REST = 30000000 /* microseconds */ };

struct crowd {
    struct sim sim;
    struct bf_engine *engine;
    struct bf_world world;
    struct bf_store store;
    struct bf_database database;
    struct bf_target targets[TARGETS];
    int64_t store_free_at; /* microseconds: writes come one after the other */
    char ids[JOBS][BF_ULID_TEXT];
};

struct order {
    struct crowd *crowd;
    bool answered;
};

void sim_violation(struct sim *sim, const char *format, ...)
{
    if (sim->violation[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sim->violation, sizeof sim->violation, format, arguments);
    va_end(arguments);
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    (void)sim, (void)format;
}

void sim_check_commit(struct sim *sim, bool batch, const char *application)
{
    (void)batch;
    sim_violation(sim, "%s committed something, and nobody can be in", application);
}

/* ---- the world ---- */

struct bf_timer {
    struct sim *sim;
    struct sim_event *event;
    bf_timer_fired *fired;
    void *argument;
};

static int64_t monotonic(void *context)
{
    return ((struct crowd *)context)->sim.now / 1000;
}

static int64_t unix_time(void *context)
{
    return 1700000000000 + monotonic(context);
}

static void random_bytes(void *context, void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)sim_random(&((struct crowd *)context)->sim);
}

static struct bf_timer *timer_new(void *context, bf_timer_fired *fired, void *argument)
{
    struct bf_timer *timer = BF_NEW(struct bf_timer);
    *timer = (struct bf_timer){.sim = &((struct crowd *)context)->sim, .fired = fired, .argument = argument};
    return timer;
}

static void timer_run(void *argument)
{
    struct bf_timer *timer = argument;
    timer->event = NULL;
    timer->fired(timer->argument);
}

static void timer_stop(struct bf_timer *timer)
{
    sim_cancel(timer->event);
    timer->event = NULL;
}

static void timer_start(struct bf_timer *timer, int64_t milliseconds)
{
    timer_stop(timer);
    timer->event = sim_at(timer->sim, milliseconds * 1000 + 10, timer_run, timer);
}

static void timer_free(struct bf_timer *timer)
{
    if (timer)
        timer_stop(timer);
    free(timer);
}

static bool owner_gone(void *context, const char *owner)
{
    (void)context, (void)owner;
    return true;
}

/* ---- a database that lets nobody in ---- */

struct bf_session {
    struct crowd *crowd;
    struct sim_event *connecting;
    bf_connected *connected;
    void *argument;
};

static void turned_away(void *argument)
{
    static const enum bf_error_class classes[] = {BF_CLASS_UNREACHABLE, BF_CLASS_UNREACHABLE, BF_CLASS_LOGIN,
                                                  BF_CLASS_NOT_PRIMARY, BF_CLASS_PROXY};
    struct bf_session *session = argument;
    session->connecting = NULL;
    session->connected(session->argument, session,
                       classes[sim_between(&session->crowd->sim, 0, BF_COUNT(classes) - 1)], "nobody is let in");
}

static struct bf_session *connect_session(void *context, const struct bf_session_options *options,
                                          bf_connected *connected, void *argument)
{
    struct bf_session *session = BF_NEW(struct bf_session);
    (void)options;
    *session = (struct bf_session){.crowd = context, .connected = connected, .argument = argument};
    session->connecting = sim_at(&session->crowd->sim, sim_between(&session->crowd->sim, 100, 200000), turned_away, session);
    return session;
}

static void execute(struct bf_session *session, struct bf_flight *flight, bf_flight_done *done, void *argument)
{
    (void)flight, (void)done, (void)argument;
    sim_violation(&session->crowd->sim, "something is sent by a session that was turned away");
}

static void cancel(struct bf_session *session)
{
    (void)session;
}

static void close_session(struct bf_session *session)
{
    sim_cancel(session->connecting);
    free(session);
}

/* ---- a store that fails at times ---- */

struct write {
    struct crowd *crowd;
    bf_stored *stored;
    void *argument;
};

static void written(void *argument)
{
    struct write *write = argument;
    struct bf_error error = {.code = BF_OK};
    if (sim_chance(&write->crowd->sim, 5))
        bf_fail(&error, BF_STORE_FAILED, "the simulated disk is full");
    if (write->stored)
        write->stored(write->argument, &error);
    free(write);
}

static void write_later(struct crowd *crowd, bf_stored *stored, void *argument)
{
    struct write *write = BF_NEW(struct write);
    *write = (struct write){crowd, stored, argument};
    int64_t begin = crowd->store_free_at > crowd->sim.now ? crowd->store_free_at : crowd->sim.now;
    crowd->store_free_at = begin + sim_between(&crowd->sim, 100, 10000);
    sim_at(&crowd->sim, crowd->store_free_at - crowd->sim.now, written, write);
}

static void save(void *context, const struct bf_record *record, const struct bf_event *events, size_t count,
                 bf_stored *stored, void *argument)
{
    (void)record, (void)events, (void)count;
    write_later(context, stored, argument);
}

static void save_latch(void *context, const struct bf_latch *latch, bool on, const struct bf_event *events, size_t count,
                       bf_stored *stored, void *argument)
{
    (void)latch, (void)on, (void)events, (void)count;
    write_later(context, stored, argument);
}

static enum bf_code load_latches(void *context, bf_store_loaded_latch *loaded, void *argument, struct bf_error *error)
{
    (void)context, (void)loaded, (void)argument, (void)error;
    return BF_OK;
}

static enum bf_code load_ignored(void *context, bf_store_loaded_ignored *loaded, void *argument, struct bf_error *error)
{
    (void)context, (void)loaded, (void)argument, (void)error;
    return BF_OK;
}

static enum bf_code load_marks(void *context, bf_store_loaded_mark *loaded, void *argument, struct bf_error *error)
{
    (void)context, (void)loaded, (void)argument, (void)error;
    return BF_OK;
}

static enum bf_code load(void *context, bf_store_loaded *loaded, void *argument, struct bf_error *error)
{
    static const enum bf_state states[] = {BF_STATE_AWAITING_APPROVAL, BF_STATE_QUEUED, BF_STATE_QUEUED, BF_STATE_PAUSED,
                                           BF_STATE_FAILED, BF_STATE_COMPLETED, BF_STATE_ABORTED};
    struct crowd *crowd = context;
    for (int i = 0; i < JOBS; i++) {
        char json[256];
        struct bf_complaints complaints = {0};
        struct bf_record record = {.state = states[sim_between(&crowd->sim, 0, BF_COUNT(states) - 1)],
                                   .created_at = i + 1};
        uint8_t random[10] = {(uint8_t)i};
        bf_ulid_format(i + 1, random, record.id);
        memcpy(crowd->ids[i], record.id, sizeof record.id);
        int table = (int)sim_between(&crowd->sim, 0, TABLES - 1);
        snprintf(json, sizeof json,
                 "{\"name\":\"job-%d\",\"target\":\"target-%d\",\"table\":\"t%d\",\"set\":{\"n\":\"1\"},\"undo\":\"none\","
                 "\"labels\":{\"third\":\"%d\"}}",
                 i, table % TARGETS, table, i % 3);
        enum bf_code code = bf_document_parse(json, strlen(json), NULL, &record.document, &complaints, error);
        if (code != BF_OK)
            return bf_fail(error, code, "the crowd's document is bad: %s",
                           complaints.count ? complaints.list[0].detail : error->text);
        record.plan = bf_format("{\"table\":\"public.t%d\"}", table);
        loaded(argument, &record);
    }
    return BF_OK;
}

/* ---- what has to hold ---- */

static bool active(enum bf_state state)
{
    return state == BF_STATE_RUNNING || state == BF_STATE_VERIFYING || state == BF_STATE_PAUSING ||
           state == BF_STATE_ABORTING;
}

/* Why another job has to wait for this one; or NULL. */
static const char *in_the_way(const struct bf_record *job, const struct bf_record *other)
{
    bool same_target = strcmp(job->document->target, other->document->target) == 0;
    return same_target && strcmp(job->document->table, other->document->table) == 0 ? "table" : NULL;
}

static int count_active(const struct crowd *crowd, const char *target)
{
    int count = 0;
    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(crowd->engine, job)) != NULL;)
        if (active(bf_job_record(job)->state) && strcmp(bf_job_record(job)->document->target, target) == 0)
            count++;
    return count;
}

static bool latched(const struct crowd *crowd, const struct bf_record *record)
{
    const struct bf_latch *latch;
    for (size_t i = 0; (latch = bf_engine_latch(crowd->engine, i)) != NULL; i++)
        if (bf_latch_covers(latch, record->document))
            return true;
    return false;
}

static void on_event(void *argument, const struct bf_record *record, const struct bf_event *event)
{
    struct crowd *crowd = argument;
    if (strcmp(event->type, "state") != 0)
        return;
    if (strcmp(event->to, "running") == 0 && strcmp(event->from, "queued") == 0 && latched(crowd, record))
        sim_violation(&crowd->sim, "%s starts although pause-all is on", record->document->name);
    if (!bf_move_sentence(bf_state_by_name(event->from), bf_state_by_name(event->to)))
        sim_violation(&crowd->sim, "%s moved from %s to %s", record->document->name, event->from, event->to);
}

static void check_step(struct crowd *crowd)
{
    for (int i = 0; i < TARGETS; i++)
        if (count_active(crowd, crowd->targets[i].name) > crowd->targets[i].max_jobs)
            sim_violation(&crowd->sim, "more than max_jobs are at work on %s", crowd->targets[i].name);
    for (const struct bf_job *one = NULL; (one = bf_engine_next_job(crowd->engine, one)) != NULL;)
        for (const struct bf_job *two = one; (two = bf_engine_next_job(crowd->engine, two)) != NULL;)
            if (active(bf_job_record(one)->state) && active(bf_job_record(two)->state) &&
                in_the_way(bf_job_record(one), bf_job_record(two)))
                sim_violation(&crowd->sim, "%s and %s work on one table", bf_job_record(one)->document->name,
                              bf_job_record(two)->document->name);
}

/* Everybody is silent: who still waits has a reason. */
static void check_rest(struct crowd *crowd)
{
    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(crowd->engine, job)) != NULL;) {
        const struct bf_record *record = bf_job_record(job);
        if (record->state == BF_STATE_PAUSING || record->state == BF_STATE_ABORTING)
            sim_violation(&crowd->sim, "%s is still %s", record->document->name, bf_state_name(record->state));
        if (record->state == BF_STATE_PAUSED && record->reason.code == BF_PAUSE_ALL && !latched(crowd, record))
            sim_violation(&crowd->sim, "%s stays paused by a pause-all that is over", record->document->name);
        if (record->state == BF_STATE_PAUSED && record->reason.until &&
            record->reason.until < crowd->world.unix_time(crowd) - 10000 && !latched(crowd, record))
            sim_violation(&crowd->sim, "%s stays paused although its pause is over", record->document->name);
        if (active(record->state) && record->state != BF_STATE_PAUSING && record->state != BF_STATE_ABORTING &&
            latched(crowd, record))
            sim_violation(&crowd->sim, "%s is %s although pause-all is on", record->document->name,
                          bf_state_name(record->state));
        if (record->state != BF_STATE_QUEUED)
            continue;
        if (latched(crowd, record)) {
            if (bf_job_reason(job).code != BF_PAUSE_ALL)
                sim_violation(&crowd->sim, "%s waits for pause-all and says %s", record->document->name,
                              bf_code_name(bf_job_reason(job).code));
            continue;
        }
        bool blocked = count_active(crowd, record->document->target) >=
                       crowd->targets[record->document->target[strlen("target-")] - '0'].max_jobs;
        for (const struct bf_job *other = NULL; (other = bf_engine_next_job(crowd->engine, other)) != NULL;)
            blocked = blocked || (active(bf_job_record(other)->state) && in_the_way(record, bf_job_record(other)));
        if (!blocked)
            sim_violation(&crowd->sim, "%s waits, and nothing is in its way", record->document->name);
        enum bf_code code = bf_job_reason(job).code;
        if (code != BF_MAX_JOBS && code != BF_TABLE_BUSY)
            sim_violation(&crowd->sim, "%s waits and does not say why: %s", record->document->name, bf_code_name(code));
    }
}

/* ---- a run ---- */

static void answered(void *argument, const struct bf_outcome_of_order *outcome)
{
    struct order *order = argument;
    (void)outcome;
    if (order->answered)
        sim_violation(&order->crowd->sim, "an order was answered twice");
    order->answered = true;
}

static void answered_latch(void *argument, const struct bf_outcome_of_latch *outcome)
{
    (void)outcome;
    answered(argument, NULL);
}

/* One of three scopes, which overlap. */
static void send_latch(struct order *order)
{
    char *const names[] = {(char[]){""}, (char[]){"target-0"}, (char[]){"third"}};
    struct crowd *crowd = order->crowd;
    int kind = (int)sim_between(&crowd->sim, BF_LATCH_ALL, BF_LATCH_LABEL);
    struct bf_latch scope = {.kind = (enum bf_latch_kind)kind, .name = names[kind],
                             .value = kind == BF_LATCH_LABEL ? (char[]){"0"} : names[0]};
    bool on = sim_chance(&crowd->sim, 45);
    (on ? bf_engine_pause_all : bf_engine_resume_all)(crowd->engine, &scope, "client", answered_latch, order);
}

static void send(void *argument)
{
    static const enum bf_order orders[] = {BF_ORDER_APPROVE, BF_ORDER_RESUME, BF_ORDER_RESUME, BF_ORDER_PAUSE,
                                           BF_ORDER_PAUSE, BF_ORDER_ROLLBACK, BF_ORDER_ABORT};
    struct order *order = argument;
    struct crowd *crowd = order->crowd;
    if (!crowd->engine)
        return;
    const char *id = crowd->ids[sim_between(&crowd->sim, 0, JOBS - 1)];
    int which = (int)sim_between(&crowd->sim, 1, 100);
    if (which <= 15) {
        send_latch(order);
        return;
    }
    if (which <= 25) {
        bf_engine_pause_for(crowd->engine, id, sim_between(&crowd->sim, 1000, 4000), "client", NULL, answered, order);
        return;
    }
    if (which <= 35) {
        char change[64];
        snprintf(change, sizeof change, "{\"pace\":{\"nice\":%d}}", (int)sim_between(&crowd->sim, -1, 3));
        bf_engine_tune(crowd->engine, id, change, strlen(change), sim_chance(&crowd->sim, 20) ? "\"0-0\"" : NULL, "client",
                       true, answered, order);
        return;
    }
    bf_engine_order(crowd->engine, id,
                    orders[sim_between(&crowd->sim, 0, sim_chance(&crowd->sim, 30) ? BF_COUNT(orders) - 1 : 4)], "client",
                    sim_chance(&crowd->sim, 50) ? "a reason" : NULL, NULL, answered, order);
}

static void go_on(struct crowd *crowd, int64_t until)
{
    while (!crowd->sim.violation[0] && crowd->sim.now < until && sim_step(&crowd->sim))
        check_step(crowd);
}

static void nothing(void *argument)
{
    (void)argument;
}

static bool run(uint64_t seed, char violation[256])
{
    struct crowd *crowd = BF_NEW(struct crowd);
    crowd->sim.seed = seed;
    crowd->sim.state = seed * 0x2545f4914f6cdd1du + 1;
    crowd->world = (struct bf_world){.context = crowd, .monotonic = monotonic, .unix_time = unix_time,
                                     .random = random_bytes, .timer_new = timer_new, .timer_start = timer_start,
                                     .timer_stop = timer_stop, .timer_free = timer_free, .owner = "crowd",
                                     .owner_gone = owner_gone};
    crowd->store = (struct bf_store){.context = crowd, .load = load, .save = save, .load_latches = load_latches,
                                     .save_latch = save_latch, .load_ignored = load_ignored, .load_marks = load_marks};
    crowd->database = (struct bf_database){.context = crowd, .dialect = sim_database(&crowd->sim)->dialect,
                                           .connect = connect_session, .execute = execute, .cancel = cancel,
                                           .close = close_session};
    for (int i = 0; i < TARGETS; i++)
        crowd->targets[i] = (struct bf_target){.name = i ? "target-1" : "target-0", .database = &crowd->database,
                                               .max_jobs = (int)sim_between(&crowd->sim, 1, 3)};
    crowd->engine = bf_engine_new(&(struct bf_engine_options){.world = &crowd->world, .store = &crowd->store,
                                                              .targets = crowd->targets, .target_count = TARGETS,
                                                              .event = on_event, .argument = crowd});
    struct bf_error error;
    if (bf_engine_start(crowd->engine, &error) != BF_OK)
        sim_violation(&crowd->sim, "the engine does not start: %s", error.text);
    struct order *orders = bf_allocate(CLIENTS * sizeof *orders);
    for (int i = 0; i < CLIENTS; i++) {
        orders[i].crowd = crowd;
        sim_at(&crowd->sim, sim_between(&crowd->sim, 0, ORDER_TIME), send, &orders[i]);
    }
    /* While nothing else happens, time still has to pass. */
    sim_at(&crowd->sim, ORDER_TIME + REST, nothing, NULL);
    go_on(crowd, ORDER_TIME + REST);
    check_rest(crowd);
    for (int i = 0; i < CLIENTS; i++)
        if (!orders[i].answered)
            sim_violation(&crowd->sim, "an order was never answered");
    memcpy(violation, crowd->sim.violation, sizeof crowd->sim.violation);
    bf_engine_free(crowd->engine);
    crowd->engine = NULL;
    while (sim_step(&crowd->sim)) /* writes that are under way outlive the engine */
        ;
    sim_queue_free(&crowd->sim);
    free(orders);
    free(crowd);
    return !violation[0];
}

int main(int count, char **arguments)
{
    static const struct option options[] = {{"seeds", 1, NULL, 'n'}, {"from", 1, NULL, 'f'}, {0}};
    uint64_t seeds = 2000, from = 1;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option != 'n' && option != 'f')
            return 2;
        *(option == 'n' ? &seeds : &from) = strtoull(optarg, NULL, 10);
    }
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        char violation[256];
        if (!run(seed, violation)) {
            printf("seed %llu: %s\nreplay: crowd --seeds 1 --from %llu\n", (unsigned long long)seed, violation,
                   (unsigned long long)seed);
            return 1;
        }
    }
    printf("%llu seeds, no violation\n", (unsigned long long)seeds);
    return 0;
}
