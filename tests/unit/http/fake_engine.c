#include "fake_engine.h"

#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "dialect.h"

struct fake fake;

struct waiting {
    bf_ordered *ordered;
    bf_store_events *read;
    void *argument;
};

static struct waiting waiting[64];
static size_t waiting_count;

/* A session that says after one turn of the loop what fake.connect_class says. */
struct bf_session {
    uv_timer_t timer;
    bf_connected *connected; /* NULL: was told */
    void *argument;
    struct bf_flight *flight;
    bf_flight_done *done;
};

/* SERVER is all that is asked. */
static void answer_flight(struct bf_session *session)
{
    char *values[] = {NULL, NULL, fake.replica ? (char *)"f" : (char *)"t", (char *)"15.4", NULL, NULL,
                      fake.replica ? (char *)"t" : (char *)"f"};
    struct bf_answer answer = {.rows = 1, .columns = BF_COUNT(values), .values = values};
    session->done(session->argument, session, session->flight, &answer, false);
}

static void on_session_timer(uv_timer_t *timer)
{
    struct bf_session *session = timer->data;
    bf_connected *connected = session->connected;
    session->connected = NULL;
    if (connected)
        connected(session->argument, session, fake.connect_class, "canned words");
    else
        answer_flight(session);
}

static void execute(struct bf_session *session, struct bf_flight *flight, bf_flight_done *done, void *argument)
{
    session->flight = flight;
    session->done = done;
    session->argument = argument;
    uv_timer_start(&session->timer, on_session_timer, 0, 0);
}

static struct bf_session *connect_session(void *context, const struct bf_session_options *options,
                                          bf_connected *connected, void *argument)
{
    struct bf_session *session = BF_NEW(struct bf_session);
    (void)context;
    (void)options;
    fake.connects++;
    uv_timer_init(fake.loop, &session->timer);
    session->timer.data = session;
    session->connected = connected;
    session->argument = argument;
    if (!fake.connect_never) uv_timer_start(&session->timer, on_session_timer, 0, 0);
    return session;
}

static void on_session_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_session(struct bf_session *session)
{
    uv_close((uv_handle_t *)&session->timer, on_session_closed);
}

static const char *common(enum bf_statement statement)
{
    return statement == BF_STATEMENT_SERVER ? "SELECT" : NULL;
}

static const struct bf_dialect dialect = {.name = "postgresql", .common = common};
static struct bf_database database = {
    .dialect = &dialect, .connect = connect_session, .execute = execute, .close = close_session};
static const struct bf_target targets[] = {
    {.name = (char *)"shop", .database = &database, .max_jobs = 2, .require_approval = BF_APPROVAL_ALL},
    {.name = (char *)"legacy", .database = &database, .max_jobs = 1},
};

static void add_job(const char *id, const char *name, const char *target, enum bf_state state)
{
    struct bf_job *job = &fake.jobs[fake.job_count++];
    struct bf_document *document = BF_NEW(struct bf_document);
    document->name = bf_copy_string(name);
    document->target = bf_copy_string(target);
    document->table = bf_copy_string("public.orders");
    document->canonical = bf_format("{\"name\":\"%s\",\"set\":{\"status\":\"'archived'\"}}", name);
    memcpy(job->record.id, id, BF_ULID_TEXT);
    job->record.document = document;
    job->record.state = state;
    job->record.created_at = 1790000000000;
    job->record.progress.rows_estimated = -1;
    job->rate = -1;
}

void fake_begin(void)
{
    fake = (struct fake){0};
    waiting_count = 0;
    fake_replica_order[0] = '\0';
    add_job(FAKE_RUNNING, "orders", "shop", BF_STATE_RUNNING);
    add_job(FAKE_QUEUED, "orders", "shop", BF_STATE_QUEUED);
    add_job(FAKE_COMPLETED, "users", "legacy", BF_STATE_COMPLETED);

    struct bf_job *running = &fake.jobs[0];
    running->activity = BF_ACTIVITY_BACKING_OFF;
    running->rate = 1234.5;
    running->flights = 77;
    running->reason = (struct bf_reason){.code = BF_LOCK_CONFLICT, .since = 1790000000123};
    snprintf(running->reason.text, sizeof running->reason.text, "rows are locked by session 4711");
    running->record.started = true;
    running->record.progress.rows_scanned = 500;
    running->record.progress.rows_changed = 400;
    running->record.progress.rows_estimated = 1000;
    running->record.progress.through = bf_copy_string("[\"1000\"]");
    running->record.progress.position = bf_copy_string("[\"500\"]");
    running->record.plan = bf_copy_string("{\"risk\":\"yellow\",\"rows\":1000,\"findings\":[{\"text\":\"x\"}],"
                                         "\"card\":\"MIGRATION   orders\\nRISK        YELLOW\\n\"}");
    running->record.document->label_count = 1;
    running->record.document->labels[0].name = bf_copy_string("campaign");
    running->record.document->labels[0].value = bf_copy_string("gdpr:2026");

    fake.outcome = (struct bf_outcome_of_order){.code = BF_OK, .durable = true, .job = running, .text = ""};
    fake.events[0] = (struct bf_event){.id = 7, .at = 1790000000000, .type = "state", .from = "queued", .to = "running",
                                       .actor = "daemon", .text = "the job's turn has come"};
    fake.events[1] = (struct bf_event){.id = 8, .at = 1790000000001, .type = "note", .actor = "operator",
                                       .text = "ho\xff"};
    memcpy(fake.events[0].job, FAKE_RUNNING, BF_ULID_TEXT);
    memcpy(fake.events[1].job, FAKE_RUNNING, BF_ULID_TEXT);
}

static void call_back(const struct waiting *entry)
{
    if (entry->ordered)
        entry->ordered(entry->argument, &fake.outcome);
    else
        entry->read(entry->argument, fake.events, fake.store_error.code == BF_OK ? BF_COUNT(fake.events) : 0,
                    &fake.store_error);
}

static void enqueue(struct waiting entry)
{
    fake.calls++;
    if (fake.mode == FAKE_INSIDE)
        call_back(&entry);
    else
        waiting[waiting_count++] = entry;
}

size_t fake_waiting(void)
{
    return waiting_count;
}

void fake_finish(void)
{
    for (size_t i = 0; i < waiting_count; i++) call_back(&waiting[i]);
    waiting_count = 0;
}

static void forget_asked(void)
{
    bf_free_string(&fake.body);
    bf_free_string(&fake.words);
    bf_free_string(&fake.confirm);
    bf_free_string(&fake.plan);
    bf_free_string(&fake.actor);
    bf_free_string(&fake.found);
    bf_free_string(&fake.key);
    bf_free_string(&fake.if_match);
    bf_free_string(&fake.name);
    bf_latch_clear(&fake.scope);
    fake.pause_for = 0;
}

void fake_end(void)
{
    fake_finish();
    for (size_t i = 0; i < fake.job_count; i++) bf_record_clear(&fake.jobs[i].record);
    forget_asked();
}

void bf_engine_submit(struct bf_engine *engine, const char *json, size_t length, const char *target_override,
                      const char *actor, bool dry_run, bf_ordered *done, void *argument)
{
    (void)engine;
    (void)target_override;
    forget_asked();
    fake.body = bf_copy_bytes(json, length);
    fake.body_length = length;
    fake.actor = bf_copy_string(actor);
    fake.dry_run = dry_run;
    enqueue((struct waiting){.ordered = done, .argument = argument});
}

void bf_engine_order(struct bf_engine *engine, const char *job_id, enum bf_order order, const char *actor,
                     const char *reason, const char *confirm, bf_ordered *done, void *argument)
{
    (void)engine;
    forget_asked();
    snprintf(fake.job, sizeof fake.job, "%s", job_id);
    fake.order = order;
    fake.actor = bf_copy_string(actor);
    fake.words = bf_copy_string(reason);
    fake.confirm = bf_copy_string(confirm);
    enqueue((struct waiting){.ordered = done, .argument = argument});
}

void bf_engine_approve(struct bf_engine *engine, const char *job_id, const char *actor, const struct bf_approving *said,
                       bf_ordered *done, void *argument)
{
    bf_engine_order(engine, job_id, BF_ORDER_APPROVE, actor, said->comment, said->confirm, done, argument);
    fake.plan = bf_copy_string(said->plan);
    fake.break_glass = said->break_glass;
}

char *bf_job_plan(const struct bf_job *job)
{
    return bf_copy_string(job->record.plan);
}

void bf_engine_submit_once(struct bf_engine *engine, const char *json, size_t length, const char *actor, const char *key,
                           bf_ordered *done, void *argument)
{
    bf_engine_submit(engine, json, length, NULL, actor, false, done, argument);
    fake.key = bf_copy_string(key);
}

void bf_engine_pause_for(struct bf_engine *engine, const char *job_id, int64_t pause_for, const char *actor,
                         const char *reason, bf_ordered *done, void *argument)
{
    bf_engine_order(engine, job_id, BF_ORDER_PAUSE, actor, reason, NULL, done, argument);
    fake.pause_for = pause_for;
}

void bf_engine_tune(struct bf_engine *engine, const char *job_id, const char *change, size_t length, const char *if_match,
                    const char *actor, bool approver, bf_ordered *done, void *argument)
{
    fake.approver = approver;
    bf_engine_order(engine, job_id, BF_ORDER_TUNE, actor, NULL, NULL, done, argument);
    fake.body = bf_copy_bytes(change, length);
    fake.if_match = bf_copy_string(if_match);
}

void bf_engine_clone(struct bf_engine *engine, const char *job_id, const char *name, bool from_position,
                     const char *actor, const char *key, bf_ordered *done, void *argument)
{
    bf_engine_order(engine, job_id, BF_ORDER_COUNT, actor, NULL, NULL, done, argument);
    fake.name = bf_copy_string(name);
    fake.from_position = from_position;
    fake.key = bf_copy_string(key);
}

static void latch(const struct bf_latch *scope, const char *actor, bool resumed, bf_latched *done, void *argument)
{
    forget_asked();
    fake.calls++;
    bf_latch_copy(&fake.scope, scope);
    fake.actor = bf_copy_string(actor);
    fake.resumed = resumed;
    const struct bf_job *jobs[] = {&fake.jobs[1], &fake.jobs[0]};
    struct bf_outcome_of_latch outcome = {.code = fake.latch_code, .durable = fake.outcome.durable, .jobs = jobs,
                                          .count = BF_COUNT(jobs), .text = "canned"};
    done(argument, &outcome);
}

void bf_engine_pause_all(struct bf_engine *engine, const struct bf_latch *scope, const char *actor, bf_latched *done,
                         void *argument)
{
    (void)engine;
    latch(scope, actor, false, done, argument);
}

void bf_engine_resume_all(struct bf_engine *engine, const struct bf_latch *scope, const char *actor, bf_latched *done,
                          void *argument)
{
    (void)engine;
    latch(scope, actor, true, done, argument);
}

const struct bf_latch *bf_engine_latch(const struct bf_engine *engine, size_t index)
{
    (void)engine;
    return index < fake.latch_count ? &fake.latches[index] : NULL;
}

const struct bf_job *bf_engine_next_job(const struct bf_engine *engine, const struct bf_job *job)
{
    (void)engine;
    const struct bf_job *next = job ? job + 1 : fake.jobs;
    return next < fake.jobs + fake.job_count ? next : NULL;
}

enum bf_code bf_engine_find(const struct bf_engine *engine, const char *id_or_name, bool changing,
                            const struct bf_job **ret_job, struct bf_error *error)
{
    (void)engine;
    bf_free_string(&fake.found);
    fake.found = bf_copy_string(id_or_name);
    fake.changing = changing;
    if (fake.find != BF_OK) return bf_fail(error, fake.find, "canned: %s", id_or_name);
    for (size_t i = 0; i < fake.job_count; i++) {
        struct bf_job *job = &fake.jobs[i];
        if (strcmp(job->record.id, id_or_name) != 0 && strcmp(job->record.document->name, id_or_name) != 0) continue;
        *ret_job = job;
        return BF_OK;
    }
    return bf_fail(error, BF_NOT_FOUND, "there is no job %s", id_or_name);
}

const struct bf_target *bf_engine_target(const struct bf_engine *engine, size_t index)
{
    (void)engine;
    return index < BF_COUNT(targets) ? &targets[index] : NULL;
}

const char *bf_engine_store_trouble(const struct bf_engine *engine)
{
    (void)engine;
    return NULL;
}

const struct bf_record *bf_job_record(const struct bf_job *job)
{
    return &job->record;
}

enum bf_activity bf_job_activity(const struct bf_job *job)
{
    return job->activity;
}

struct bf_reason bf_job_reason(const struct bf_job *job)
{
    return job->reason;
}

bool bf_job_stuck(const struct bf_job *job)
{
    return job->stuck;
}

double bf_job_rate(const struct bf_job *job)
{
    return job->rate;
}

void bf_job_meter(const struct bf_job *job, struct bf_meter *ret_meter)
{
    *ret_meter = job->meter;
}

size_t bf_job_slices(const struct bf_job *job)
{
    return job->slice_count ? job->slice_count : 1;
}

const struct bf_slice *bf_job_slice(const struct bf_job *job, size_t index)
{
    return &job->slices[index];
}

int64_t bf_job_flights(const struct bf_job *job)
{
    return job->flights;
}

char fake_replica_order[128];

/* One replica, two signals. */
void bf_job_seconds(const struct bf_job *job, struct bf_ledger *ret_ledger)
{
    (void)job;
    *ret_ledger = (struct bf_ledger){0};
    bf_ledger_add(ret_ledger, "batching", NULL, 1500);
    bf_ledger_add(ret_ledger, "holding", "lag:replica-2", 250);
}

size_t bf_engine_replicas(const struct bf_engine *engine, const char *target, struct bf_seen_replica *list, size_t max)
{
    static const struct bf_watched replica = {.name = "replica-2", .lag = 0.25, .bytes = 300};
    (void)engine, (void)target, (void)max;
    list[0] = (struct bf_seen_replica){.replica = &replica, .state = "heeded", .reason = "", .age = 0.5};
    return 1;
}

double bf_job_limit(const struct bf_job *job, const struct bf_signal *signal)
{
    (void)job;
    return signal->limit;
}

size_t bf_engine_signals(const struct bf_engine *engine, const char *target, struct bf_signal *list, size_t max)
{
    (void)engine, (void)target, (void)max;
    list[0] = (struct bf_signal){.kind = BF_SIGNAL_REPLICATION_LAG, .name = "lag:replica-2", .value = 0.25, .limit = 1.5,
                                 .sampled_at = 500};
    list[1] = (struct bf_signal){.kind = BF_SIGNAL_QUERY, .name = "signal:queue", .limit = 10,
                                 .sampled_at = BF_SIGNAL_NEVER};
    list[2] = (struct bf_signal){.kind = BF_SIGNAL_QUERY, .name = "signal:queue", .limit = 20, .sampled_at = 100};
    return fake.same_signal ? 3 : 2;
}

bool bf_engine_watches(const struct bf_engine *engine, const char *target, const char **ret_trouble)
{
    (void)engine, (void)target;
    *ret_trouble = "";
    return true;
}

static enum bf_code replica_order(const char *what, const char *replica, int64_t time, const char *reason,
                                  struct bf_error *error)
{
    if (strcmp(replica, "replica-2") != 0 && strcmp(replica, "r1") != 0)
        return bf_fail(error, BF_NOT_FOUND, "no replica of that name");
    snprintf(fake_replica_order, sizeof fake_replica_order, "%s %s %lld %s", what, replica, (long long)time,
             reason ? reason : "-");
    return BF_OK;
}

enum bf_code bf_engine_ignore_replica(struct bf_engine *engine, const char *target, const char *replica, int64_t ignore_for,
                                      const char *actor, const char *reason, struct bf_error *error)
{
    (void)engine, (void)target, (void)actor;
    return replica_order("ignore", replica, ignore_for, reason, error);
}

enum bf_code bf_engine_heed_replica(struct bf_engine *engine, const char *target, const char *replica, const char *actor,
                                    const char *reason, struct bf_error *error)
{
    (void)engine, (void)target, (void)actor;
    return replica_order("heed", replica, 0, reason, error);
}

/* As the store's contract says. */
static void read_log(const char *job, int64_t after, size_t limit, bf_store_events *read, void *argument)
{
    struct bf_event *found = bf_allocate((limit + 1) * sizeof *found);
    size_t count = 0;
    for (size_t i = 0; i < fake.log_count; i++) {
        const struct bf_event *event = &fake.log[after == 0 ? fake.log_count - 1 - i : i];
        if ((job && strcmp(job, event->job) != 0) || (after != 0 && event->id <= after) || count == limit) continue;
        found[count++] = *event;
    }
    for (size_t i = 0; after == 0 && i < count / 2; i++) {
        struct bf_event other = found[i];
        found[i] = found[count - 1 - i];
        found[count - 1 - i] = other;
    }
    read(argument, found, count, &fake.store_error);
    free(found);
}

static void read_events(void *context, const char *job, int64_t after, size_t limit, bf_store_events *read,
                        void *argument)
{
    (void)context;
    snprintf(fake.event_job, sizeof fake.event_job, "%s", job ? job : "");
    fake.event_after = after;
    fake.event_limit = limit;
    if (fake.log) {
        fake.calls++;
        read_log(job, after, limit, read, argument);
        return;
    }
    enqueue((struct waiting){.read = read, .argument = argument});
}

static void save_samples(void *context, const char *job, int step, const struct bf_sample *samples, size_t count, int keep)
{
    (void)context, (void)job, (void)step, (void)samples, (void)count, (void)keep;
}

const struct bf_store fake_store = {.read_events = read_events, .read_events_on = fake_read_events_on, .save_samples = save_samples};
