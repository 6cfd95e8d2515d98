/* Runs whole jobs in the simulated world, one a seed, and looks after every commit on the server whether each row was
 * changed exactly once and the checkpoint is where the rows are.
 *
 *   simulate [--seeds N] [--from SEED] [--calm] [--sabotage NAME] [--verbose]
 *
 * --calm: without faults, but with pauses, restarts in order and applications that hold row locks; then stops are in
 * effect within a second and a batch is one round trip.
 *
 * Without --sabotage: exit 0 when all seeds hold; a seed that fails prints how to replay it. With --sabotage a protocol
 * is broken on purpose: exit 0 when that is found. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "allocate.h"
#include "sim.h"

enum {
    FAULT_TIME = 20 * 1000000,   /* microseconds with faults */
    PATIENCE = 900 * 1000000,    /* microseconds without, until a job that is not over counts as stuck */
    SPINNING = 100,
    STOP_LIMIT = 1000000,        /* microseconds from the order to its effect, when nothing is wrong */
    OTHER_FLIGHTS = 14           /* round trips of a job that are no batches */
};

void sim_violation(struct sim *sim, const char *format, ...)
{
    if (sim->violation[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sim->violation, sizeof sim->violation, format, arguments);
    va_end(arguments);
    sim_trace(sim, "VIOLATION: %s", sim->violation);
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    if (!sim->verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%10.6f  ", (double)sim->now / 1e6);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

const struct bf_job *sim_job(const struct sim_daemon *daemon)
{
    return daemon->engine ? bf_engine_next_job(daemon->engine, NULL) : NULL;
}

/* The invariant of P1: a row is changed exactly once when the checkpoint has passed it, and not at all before. */
static void check_rows(struct sim *sim)
{
    const struct sim_server *server = &sim->server;
    for (int i = 0; i < server->row_count; i++) {
        const struct sim_row *row = &server->rows[i];
        if (sim->has_remaining) { /* later passes come back: once is enough, and no more than once */
            if (row->n > 1 || (row->n == 1 && (!row->match || !row->visible)))
                sim_violation(sim, "row %lld was changed %d times", (long long)row->key, row->n);
            continue;
        }
        const struct sim_checkpoint *checkpoint = &server->checkpoints[sim_slice_of(server, i)];
        bool passed = checkpoint->has_position && row->key <= checkpoint->position;
        int expected = row->match && passed && !row->aside && !row->bad ? 1 : 0;
        if (row->n != expected || row->aside < 0 || row->aside > 1)
            sim_violation(sim, "row %lld was changed %d times, expected %d (set aside %d times, position %lld)",
                          (long long)row->key, row->n, expected, row->aside,
                          (long long)(checkpoint->has_position ? checkpoint->position : -1));
    }
}

void sim_check_commit(struct sim *sim, bool batch, const char *application)
{
    sim_check_slices(sim);
    sim_check_bad(sim);
    if (sim_inverts(&sim->server))
        sim_check_inverse(sim);
    else if (sim->server.checkpoints[SIM_BACK].exists)
        sim_check_journal(sim);
    else if (sim->sabotage != SABOTAGE_FENCE_LAST || !batch)
        check_rows(sim);
    else
        for (int i = 0; i < sim->server.row_count; i++)
            if (sim->server.rows[i].n > 1)
                sim_violation(sim, "row %lld was changed twice", (long long)sim->server.rows[i].key);
    const struct bf_job *job = sim_job(&sim->daemons[0]);
    if (!batch || !job || sim->daemons[1].disk)
        return;
    enum bf_state state = bf_job_record(job)->state;
    if (bf_job_record(job)->reason.code == BF_ADOPTED) /* what its former owner sent may still be under way */
        return;
    if (state == BF_STATE_PAUSED || state == BF_STATE_ABORTED)
        sim_violation(sim, "a batch of %s was committed while the job was %s", application, bf_state_name(state));
}

/* Every event of a daemon: a state may only follow another as the table of moves has it, and a daemon that is alone can
 * never find another one. */
static void on_event(void *argument, const struct bf_record *record, const struct bf_event *event)
{
    struct sim *sim = argument;
    if (strcmp(event->type, "epoch") == 0 && record->epoch > sim->server.highest_epoch)
        sim_violation(sim, "a daemon took the job up at epoch %lld, which was never committed", (long long)record->epoch);
    if (strcmp(event->type, "state") != 0)
        return;
    if (event->from[0] && !bf_move_sentence(bf_state_by_name(event->from), bf_state_by_name(event->to)))
        sim_violation(sim, "the job moved from %s to %s", event->from, event->to);
    enum bf_state to = bf_state_by_name(event->to);
    if (to == BF_STATE_FAILED && record->direction == BF_DIRECTION_FORWARD)
        sim_check_failed(sim, record);
    else if (to == BF_STATE_FAILED && sim->has_inverse)
        sim_check_back_failed(sim, record);
    if (to == BF_STATE_PAUSING || to == BF_STATE_ABORTING) {
        if (!sim->stop_since)
            sim->stop_since = sim->now;
    } else {
        if (sim->calm && sim->stop_since && sim->now - sim->stop_since > STOP_LIMIT)
            sim_violation(sim, "the stop took %lld ms", (long long)(sim->now - sim->stop_since) / 1000);
        sim->stop_since = 0;
    }
    /* A boot between the raise and its way into the store leaves an epoch that nobody remembers: then a person is asked. */
    bool forgotten = sim->rebooted && record->epoch < sim->server.checkpoints[0].epoch;
    const struct bf_job *job = sim_job(&sim->daemons[0]);
    for (int slice = 1; job && slice < (int)bf_job_slices(job); slice++)
        forgotten |= sim->rebooted && bf_job_slice(job, (size_t)slice)->epoch < sim->server.checkpoints[slice].epoch;
    if (to == BF_STATE_PAUSING && record->reason.code == BF_FENCED && !sim->daemons[1].disk && !forgotten)
        sim_violation(sim, "fenced without a second daemon: %s", record->reason.text);
}

/* ---- the world of one daemon ---- */

struct bf_timer {
    struct sim *sim;
    struct sim_event *event;
    bf_timer_fired *fired;
    void *argument;
    int64_t wait; /* milliseconds */
    int in_a_row; /* how often it fired after a wait of 1 ms */
};

static int64_t monotonic(void *context)
{
    return ((struct sim_daemon *)context)->sim->now / 1000;
}

static int64_t unix_time(void *context)
{
    const struct sim *sim = ((struct sim_daemon *)context)->sim;
    return 1700000000000 + sim->clock_set + sim->now / 1000;
}

static void random_bytes(void *context, void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)sim_random(((struct sim_daemon *)context)->sim);
}

static struct bf_timer *timer_new(void *context, bf_timer_fired *fired, void *argument)
{
    struct bf_timer *timer = BF_NEW(struct bf_timer);
    *timer = (struct bf_timer){.sim = ((struct sim_daemon *)context)->sim, .fired = fired, .argument = argument};
    return timer;
}

static void timer_run(void *argument)
{
    struct bf_timer *timer = argument;
    struct sim *sim = timer->sim;
    timer->event = NULL;
    timer->in_a_row = timer->wait == 1 ? timer->in_a_row + 1 : 0;
    if (timer->in_a_row == SPINNING)
        sim_violation(sim, "a timer fired %d times in a row after 1 ms each: something spins", SPINNING);
    timer->fired(timer->argument);
}

static void timer_stop(struct bf_timer *timer)
{
    if (!timer)
        return;
    sim_cancel(timer->event);
    timer->event = NULL;
}

static void timer_start(struct bf_timer *timer, int64_t milliseconds)
{
    timer_stop(timer);
    timer->wait = milliseconds;
    timer->event = sim_at(timer->sim, milliseconds * 1000 + 10, timer_run, timer);
}

static void timer_free(struct bf_timer *timer)
{
    timer_stop(timer);
    free(timer);
}

static bool owner_gone(void *context, const char *owner)
{
    struct sim *sim = ((struct sim_daemon *)context)->sim;
    if (sim->rebooted)
        return false; /* another boot: nothing can be proven of its processes */
    for (int i = 0; i < SIM_DAEMONS; i++)
        if (sim->daemons[i].engine && strcmp(sim->daemons[i].owner, owner) == 0)
            return false;
    return true;
}

void sim_daemon_start(void *argument)
{
    struct sim_daemon *daemon = argument;
    struct sim *sim = daemon->sim;
    if (daemon->engine)
        return;
    daemon->process = ++sim->processes;
    snprintf(daemon->owner, sizeof daemon->owner, "machine/boot/1/%d/0", daemon->process);
    daemon->world = (struct bf_world){.context = daemon, .monotonic = monotonic, .unix_time = unix_time,
                                      .random = random_bytes, .timer_new = timer_new, .timer_start = timer_start,
                                      .timer_stop = timer_stop, .timer_free = timer_free, .owner = daemon->owner,
                                      .owner_gone = owner_gone};
    sim_replicas_forget(sim);
    daemon->target = (struct bf_target){.name = "sim", .database = sim_database(sim), .max_jobs = 1,
                                        .require_approval = (sim->seed & 1) != 0,
                                        .watch_replicas = sim->replicas.watched};
    sim_replicas_name(sim, &daemon->target);
    daemon->twin = daemon->target;
    daemon->twin_now = false;
    struct bf_engine_options options = {.world = &daemon->world, .store = sim_disk_store(daemon->disk),
                                        .targets = &daemon->target, .target_count = 1,
                                        .event = on_event, .argument = sim};
    daemon->engine = bf_engine_new(&options);
    struct bf_error error;
    sim_trace(sim, "daemon %d starts", daemon->process);
    if (bf_engine_start(daemon->engine, &error) != BF_OK)
        sim_violation(sim, "the daemon does not start: %s", error.text);
}

/* Orders under way are not answered any more. */
static void forget_orders(struct sim *sim)
{
    sim->orders_sent = sim->orders_answered = 0;
    sim->stop_since = 0;
}

void sim_daemon_kill(struct sim_daemon *daemon)
{
    if (!daemon->engine)
        return;
    sim_trace(daemon->sim, "daemon %d is killed", daemon->process);
    bf_engine_free(daemon->engine);
    daemon->engine = NULL;
    daemon->draining = false;
    sim_disk_crash(daemon->disk);
    forget_orders(daemon->sim);
}

void sim_daemon_end(struct sim_daemon *daemon)
{
    bf_engine_free(daemon->engine);
    daemon->engine = NULL;
    daemon->draining = false;
    sim_disk_close(daemon->disk);
    forget_orders(daemon->sim);
}

static void faults_end(void *argument)
{
    struct sim *sim = argument;
    sim->faults = false;
    sim_trace(sim, "no more faults");
    snprintf(sim->server.goal, sizeof sim->server.goal, "run");
}

/* ---- one seed ---- */

static void make_rows(struct sim *sim)
{
    struct sim_server *server = &sim->server;
    int64_t key = 0;
    bool sparse = sim_chance(sim, 30);
    server->row_count = sim_chance(sim, 5) ? (int)sim_between(sim, 0, 1) : (int)sim_between(sim, 2, SIM_ROWS_MAX);
    for (int i = 0; i < server->row_count; i++) {
        key += sim_between(sim, 1, 9);
        server->rows[i] = (struct sim_row){.key = key, .match = !sparse || sim_chance(sim, 15), .writer = -1, .sim = sim,
                                            .visible = true};
    }
    sim_poison(sim);
    server->log = bf_allocate(SIM_LOG_MAX * sizeof *server->log);
    server->writable = true;
    snprintf(server->goal, sizeof server->goal, "run");
}

static bool over(struct sim *sim)
{
    for (int i = 0; i < SIM_DAEMONS; i++) {
        const struct bf_job *job = sim_job(&sim->daemons[i]);
        /* A data error is repaired, then the job goes on. */
        if (job && bf_state_final(bf_job_record(job)->state) && bf_job_record(job)->reason.code != BF_DATA_ERROR &&
            !sim_goes_back(job) && !sim_retries(sim, job))
            return true;
    }
    return false;
}

/* Nobody gives orders, nothing is locked, every batch is dense: then a batch is one round trip. */
static bool quiet(const struct sim *sim)
{
    return !sim->has_remaining && sim->calm && sim->seed % 4 == 0 && sim->seed % 11 != 0 && !sim->has_where;
}

static void check_end(struct sim *sim)
{
    for (int i = 0; i < SIM_DAEMONS; i++) {
        const struct bf_job *job = sim_job(&sim->daemons[i]);
        if (!job)
            continue;
        const struct bf_record *record = bf_job_record(job);
        sim_trace(sim, "daemon %d ends with the job %s: %s", sim->daemons[i].process, bf_state_name(record->state),
                  record->reason.text);
        if (record->state == BF_STATE_FAILED && record->reason.code != BF_CHECKPOINT_LOST &&
            record->reason.code != BF_REMAINING_NOT_SHRINKING && /* rows do come late here */
            record->reason.code != BF_DATA_ERROR) /* that one was looked at when it came */
            sim_violation(sim, "the job failed: %s", record->reason.text);
        if (record->state == BF_STATE_ROLLED_BACK && !sim->server.lost_the_end)
            sim_check_rolled_back(sim);
        /* Another daemon may have taken back what this one knows to be completed. */
        if (record->state != BF_STATE_COMPLETED || sim->server.lost_the_end || sim->server.checkpoints[SIM_BACK].exists)
            continue;
        if (sim->daemons[1].disk && strcmp(sim->server.job_state, "completed") != 0)
            continue; /* the other one took it up again */
        if (strcmp(sim->server.job_state, "completed") != 0)
            sim_violation(sim, "the job is completed, and the target's own record says %s", sim->server.job_state);
        int64_t others = OTHER_FLIGHTS * (int64_t)bf_job_slices(job) + (sim->slices > 1);
        if (quiet(sim) && bf_job_flights(job) > record->progress.batches + others)
            sim_violation(sim, "%lld round trips for %lld batches", (long long)bf_job_flights(job),
                          (long long)record->progress.batches);
        if (!sim->daemons[1].disk && record->progress.rows_bad != sim_bad_rows(&sim->server))
            sim_violation(sim, "the job is completed with %lld bad rows, and %d are in quarantine",
                          (long long)record->progress.rows_bad, sim_bad_rows(&sim->server));
        for (int r = 0; r < sim->server.row_count; r++) {
            const struct sim_row *row = &sim->server.rows[r];
            /* A row that was inserted after the last pass began may be met or not. */
            bool late = sim->has_remaining && (row->inserter >= sim->server.late_until || !row->visible);
            /* One that was repaired may be changed by a further pass: it stands in quarantine until it is tried once more. */
            bool repaired = sim->has_remaining && row->bad && row->was_poison && !row->poison && row->n <= 1;
            if (!late && !repaired && row->n != (row->match && !row->bad ? 1 : 0))
                sim_violation(sim, "the job is completed and row %lld was changed %d times", (long long)row->key, row->n);
        }
    }
}

struct totals {
    int64_t seeds, batches, completed, rolled_back, conflicts, set_aside, yields;
};

/* What is going to happen. */
static void make_day(struct sim *sim)
{
    if (sim->seed % 17 == 0)
        for (int64_t count = sim_between(sim, 1, 8); count; count--)
            sim_at(sim, sim_between(sim, 0, 1500000), sim_set_clock, sim);
    if (sim->calm && sim->seed % 4 == 0)
        return;
    if (sim->seed % 5 == 0)
        sim_storm(sim);
    sim_applications(sim);
    if (sim->calm) {
        sim_calm_day(sim);
        return;
    }
    /* Most jobs are over in a second or two of virtual time: most faults come early. */
    for (int64_t count = sim_between(sim, 0, 14); count; count--)
        sim_at(sim, sim_between(sim, 0, sim_chance(sim, 70) ? 1500000 : FAULT_TIME), sim_fault, sim);
    if (sim->seed % 13 == 0)
        for (int64_t losses = sim_between(sim, 1, 2); losses; losses--)
            sim_at(sim, sim_between(sim, 0, 2000000), sim_lose_store, sim);
    sim_at(sim, FAULT_TIME, faults_end, sim);
}

static bool simulate(uint64_t seed, enum sabotage sabotage, bool calm, bool verbose, struct totals *totals,
                     char violation[256])
{
    struct sim *sim = BF_NEW(struct sim);
    sim->seed = seed;
    sim->state = seed * 0x2545f4914f6cdd1du + 1;
    sim->sabotage = sabotage;
    sim->verbose = verbose;
    sim->calm = calm;
    sim->faults = !calm;
    sim->server.sim = sim;
    sim->rebooted = seed % 7 == 0 && !calm;
    make_rows(sim);
    sim->has_journal = seed % 2 == 0;
    sim->has_inverse = seed % 4 == 1;
    sim->server.was_stuck = -1;
    sim->server.stuck = seed % 12 <= 1 && sim->server.row_count ? (int)sim_between(sim, 0, sim->server.row_count - 1) : -1;
    sim_late_rows(sim);
    sim_replicas_begin(sim, !(calm && seed % 4 == 0));
    sim->daemons[0].sim = sim->daemons[1].sim = sim;
    sim->daemons[0].disk = sim_disk_new(sim);
    sim_daemon_start(&sim->daemons[0]);
    sim_supervise(sim);
    make_day(sim);
    while (!sim->violation[0] && !over(sim) && sim_step(sim))
        if (sim->now > FAULT_TIME + (int64_t)PATIENCE)
            sim_violation(sim, "the job is not over after %lld s without faults", (long long)(PATIENCE / 1000000));
    sim->over = true;
    for (int64_t end = sim->now + 100000; !sim->violation[0] && sim->now < end && sim_step(sim);)
        ; /* answers that are still under way */
    if (sim->orders_answered != sim->orders_sent && sim->daemons[0].engine && !sim->daemons[1].disk)
        sim_violation(sim, "of %d orders %d were answered", sim->orders_sent, sim->orders_answered);
    check_end(sim);
    totals->seeds++;
    totals->batches += sim->server.batch_commits;
    totals->set_aside += sim->server.set_aside;
    memcpy(violation, sim->violation, sizeof sim->violation);
    bool good = !sim->violation[0];
    for (int i = 0; i < SIM_DAEMONS; i++) {
        const struct bf_job *job = sim_job(&sim->daemons[i]);
        if (job && bf_job_record(job)->state == BF_STATE_COMPLETED)
            totals->completed++;
        if (job && bf_job_record(job)->state == BF_STATE_ROLLED_BACK) {
            totals->rolled_back++;
            totals->conflicts += bf_job_record(job)->back.conflicts;
        }
        totals->yields += job ? bf_job_record(job)->progress.yields : 0;
        bf_engine_free(sim->daemons[i].engine);
        sim_disk_free(sim->daemons[i].disk);
    }
    sim_server_free(sim);
    sim_replicas_free(sim);
    sim_queue_free(sim);
    free(sim);
    return good;
}

static const char *const sabotage_names[] = {
#define X(constant, name, wrong) #name,
    SABOTAGES(X)
#undef X
};

static int usage(const char *text)
{
    fprintf(stderr, "simulate: %s\nusage: simulate [--seeds N] [--from SEED] [--calm] [--sabotage NAME] [--verbose]\n", text);
    return 2;
}

int main(int count, char **arguments)
{
    static const struct option options[] = {{"seeds", 1, NULL, 'n'}, {"from", 1, NULL, 'f'},
                                            {"sabotage", 1, NULL, 's'}, {"verbose", 0, NULL, 'v'},
                                            {"calm", 0, NULL, 'c'}, {0}};
    uint64_t seeds = 10000, from = 1;
    enum sabotage sabotage = SABOTAGE_NONE;
    bool verbose = false, calm = false;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        switch (option) {
        case 'n': seeds = strtoull(optarg, NULL, 10); break;
        case 'f': from = strtoull(optarg, NULL, 10); break;
        case 'v': verbose = true; break;
        case 'c': calm = true; break;
        case 's':
            for (sabotage = 0; sabotage < SABOTAGE_COUNT && strcmp(sabotage_names[sabotage], optarg) != 0; sabotage++)
                ;
            if (sabotage == SABOTAGE_COUNT)
                return usage("there is no sabotage of that name");
            break;
        default: return usage("unknown option");
        }
    }
    struct totals totals = {0};
    struct timespec start, end;
    char violation[256];
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint64_t seed = from; seed < from + seeds; seed++)
        if (!simulate(seed, sabotage, calm, verbose, &totals, violation)) {
            printf("seed %llu: %s\nreplay: simulate --seeds 1 --from %llu%s%s%s --verbose\n", (unsigned long long)seed,
                   violation, (unsigned long long)seed, calm ? " --calm" : "", sabotage ? " --sabotage " : "",
                   sabotage ? sabotage_names[sabotage] : "");
            return sabotage ? 0 : 1;
        }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    printf("%lld seeds, %lld batches committed, %lld rows set aside, %lld yields, %lld jobs completed, %lld rolled back with %lld "
           "conflicts, no violation; %.1f s, "
           "%.0f seeds a minute\n",
           (long long)totals.seeds, (long long)totals.batches, (long long)totals.set_aside, (long long)totals.yields,
           (long long)totals.completed, (long long)totals.rolled_back, (long long)totals.conflicts, seconds, (double)totals.seeds / seconds * 60);
    if (sabotage)
        printf("the sabotage %s was not found\n", sabotage_names[sabotage]);
    return sabotage ? 1 : 0;
}
