/* What happens to a job from outside: people, faults, and the applications that hold row locks. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "sim.h"

enum {
    CLIENTS = 100,             /* of a storm: one order each */
    DRAIN_PATIENCE = 5000000,  /* microseconds; then what still runs is cancelled, as the daemon does */
    DRAIN_LIMIT = 4000000,     /* microseconds for a drain while nothing is wrong: the slowest batch, and a lock */
    CANCEL_LIMIT = 1000000
};

static void answered(void *argument, const struct bf_outcome_of_order *outcome)
{
    struct sim *sim = argument;
    sim->orders_answered++;
    sim_trace(sim, "answer: %s %s", bf_code_name(outcome->code), outcome->text);
}

static void order(struct sim *sim, struct sim_daemon *daemon, enum bf_order what)
{
    const struct bf_job *job = sim_job(daemon);
    if (!job || sim->over || daemon->draining) /* HTTP is closed first */
        return;
    sim->orders_sent++;
    const char *confirm = what == BF_ORDER_APPROVE ? bf_job_record(job)->document->name : NULL;
    bf_engine_order(daemon->engine, bf_job_record(job)->id, what, "somebody", NULL, confirm, answered, sim);
}

static void submit(struct sim *sim, struct sim_daemon *daemon)
{
    /* What goes wrong pauses some jobs by itself; somebody resumes them. */
    static const char triggers[] = "\"triggers\":[{\"name\":\"errors\",\"signal\":\"error_rate\",\"above\":0.3,\"every\":\"200ms\","
                                   "\"for\":\"200ms\"},{\"name\":\"slow\",\"signal\":\"batch_time\",\"above\":0.05,\"every\":\"200ms\"}],";
    char json[1024];
    uint64_t shape = sim->seed * 0x9e3779b97f4a7c15u;
    sim->has_where = shape >> 60 & 1;
    sim->slices = 1 + (int)(shape >> 56 & 3);
    sim->orders_sent++;
    const char *undo = sim->has_journal                     ? "\"journal\""
                       : !sim->has_inverse                  ? "\"none\""
                       : sim->has_where                     ? "{\"set\":{\"n\":\"n - 1\"},\"where\":\"match\"}"
                                                            : "{\"set\":{\"n\":\"n - 1\"}}";
    snprintf(json, sizeof json,
             "{\"name\":\"job\",\"target\":\"sim\",\"table\":\"rows\",\"set\":{\"n\":\"n + 1\"},\"undo\":%s,%s%s%s"
             "\"pace\":{\"batch_time\":\"20ms\",\"batch_rows\":{\"start\":%d,\"min\":1,\"max\":%d},\"nice\":%s,\"slices\":%d},"
             "\"limits\":{\"lock_timeout\":\"300ms\",\"statement_timeout\":\"2s\",\"bad_rows\":%s}}",
             undo, sim->has_where ? "\"where\":\"match\"," : "", sim->has_remaining ? "\"remaining\":\"n = 0\"," : "",
             (shape >> 32 & 3) == 0 ? triggers : "", 1 + (int)(shape >> 40 & 3), 4 + (int)(shape >> 44 & 7),
             shape >> 50 & 1 ? "0" : "5", sim->slices, sim->bad_rows);
    bf_engine_submit(daemon->engine, json, strlen(json), NULL, "somebody", false, answered, sim);
}

static void adopt(struct sim *sim, struct sim_daemon *daemon)
{
    sim->orders_sent++;
    bf_engine_adopt(daemon->engine, "sim", sim->server.known.id, "job", "somebody", "the store was lost", answered, sim);
}

/* Every half second: what an operator who wants the job to end would do. */
void sim_supervise(void *argument)
{
    struct sim *sim = argument;
    struct sim_daemon *daemon = &sim->daemons[0];
    const struct bf_job *job = sim_job(daemon);
    if (daemon->engine && !job && !daemon->draining && sim_adoptable(sim)) {
        adopt(sim, daemon);
    } else if (daemon->engine && !job) {
        submit(sim, daemon);
    } else if (job) {
        enum bf_state state = bf_job_record(job)->state;
        const struct bf_job *other = sim_job(&sim->daemons[1]);
        bool elsewhere = other && (bf_job_record(other)->state == BF_STATE_RUNNING ||
                                   bf_job_record(other)->state == BF_STATE_ROLLING_BACK);
        if (state == BF_STATE_PAUSED && !elsewhere && sim_chance(sim, sim->faults ? 20 : 100)) {
            snprintf(sim->server.goal, sizeof sim->server.goal, "run");
            order(sim, daemon, BF_ORDER_RESUME);
        } else if (state == BF_STATE_FAILED && bf_job_record(job)->reason.code == BF_DATA_ERROR) {
            sim_trace(sim, "somebody repairs the rows");
            sim_repair(sim, 100);
            order(sim, daemon, bf_job_record(job)->direction == BF_DIRECTION_BACK ? BF_ORDER_ROLLBACK
                               : sim_chance(sim, 50)                               ? BF_ORDER_RESUME
                                                                                   : BF_ORDER_RETRY);
        } else if (sim_retries(sim, job) && !elsewhere && sim_chance(sim, 60)) {
            sim_trace(sim, "somebody repairs rows, and has them tried once more");
            sim_repair(sim, sim->server.repairs < 2 ? 50 : 100);
            order(sim, daemon, BF_ORDER_RETRY);
        } else if (sim_goes_back(job) && !elsewhere && sim_chance(sim, sim->faults ? 40 : 100)) {
            sim_trace(sim, "somebody orders a rollback");
            order(sim, daemon, BF_ORDER_ROLLBACK);
        } else if (state == BF_STATE_AWAITING_APPROVAL) {
            order(sim, daemon, BF_ORDER_APPROVE);
        }
    }
    sim_at(sim, 500000, sim_supervise, sim);
}

/* ---- a stop of the daemon in order ---- */

static void drained(void *argument)
{
    struct sim_daemon *daemon = argument;
    daemon->drained = true;
}

static void drain_look(void *argument)
{
    struct sim_daemon *daemon = argument;
    struct sim *sim = daemon->sim;
    if (!daemon->engine || !daemon->draining)
        return; /* killed meanwhile */
    int64_t taken = sim->now - daemon->drain_since;
    if (daemon->drained) {
        sim_trace(sim, "daemon %d has drained", daemon->process);
        for (int slice = 0; slice < SIM_SLICES; slice++)
            if (sim->calm && sim->server.checkpoints[slice].exists &&
                strcmp(sim->server.checkpoints[slice].owner, daemon->owner) == 0)
                sim_violation(sim, "the daemon has drained and still owns the checkpoint of slice %d", slice);
        sim_daemon_end(daemon);
        sim_at(sim, sim_between(sim, 1000, 500000), sim_daemon_start, daemon);
        return;
    }
    if (sim->calm && taken > (daemon->drain_cancel ? CANCEL_LIMIT : DRAIN_LIMIT))
        sim_violation(sim, "the drain takes %lld ms", (long long)taken / 1000);
    if (taken > 2 * DRAIN_PATIENCE) {
        sim_daemon_kill(daemon);
        sim_at(sim, 1000, sim_daemon_start, daemon);
        return;
    }
    if (taken > DRAIN_PATIENCE && !daemon->drain_cancel) {
        daemon->drain_cancel = true;
        bf_engine_drain(daemon->engine, true, drained, daemon);
    }
    sim_at(sim, 5000, drain_look, daemon);
}

static void drain(void *argument)
{
    struct sim_daemon *daemon = argument;
    struct sim *sim = daemon->sim;
    if (!daemon->engine || daemon->draining || sim->over)
        return;
    daemon->draining = true;
    daemon->drained = false;
    daemon->drain_since = sim->now;
    daemon->drain_cancel = sim_chance(sim, 50);
    sim_trace(sim, "daemon %d drains%s", daemon->process, daemon->drain_cancel ? ", cancelling" : "");
    bf_engine_drain(daemon->engine, daemon->drain_cancel, drained, daemon);
    sim_at(sim, 5000, drain_look, daemon);
}

/* ---- a configuration that changes ---- */

static void target_back(void *argument)
{
    struct sim_daemon *daemon = argument;
    const struct bf_target *target = daemon->twin_now ? &daemon->twin : &daemon->target;
    if (!daemon->engine)
        return;
    sim_trace(daemon->sim, "the target is in the configuration of daemon %d", daemon->process);
    bf_engine_set_targets(daemon->engine, &target, 1);
}

static void reconfigure(struct sim_daemon *daemon)
{
    struct sim *sim = daemon->sim;
    if (!daemon->engine)
        return;
    daemon->twin_now = !daemon->twin_now;
    if (sim_chance(sim, 50)) {
        target_back(daemon);
        return;
    }
    sim_trace(sim, "the target is gone from the configuration of daemon %d", daemon->process);
    bf_engine_set_targets(daemon->engine, NULL, 0);
    sim_at(sim, sim_between(sim, 1000, 2000000), target_back, daemon);
}

void sim_lose_store(void *argument)
{
    struct sim *sim = argument;
    struct sim_daemon *daemon = &sim->daemons[0];
    if (!sim->faults || sim->over || sim->daemons[1].disk || !sim_adoptable(sim))
        return;
    sim_trace(sim, "the state store is lost");
    sim_daemon_kill(daemon);
    sim_disk_free(daemon->disk);
    daemon->disk = sim_disk_new(sim);
    sim_at(sim, sim_between(sim, 1000, 3000000), sim_daemon_start, daemon);
}

/* Somebody sets the clock of the wall, forward or back, by a second or by a year. */
void sim_set_clock(void *argument)
{
    struct sim *sim = argument;
    const int64_t far[] = {1000, 3600000, INT64_C(400) * 86400000};
    int64_t most = far[sim_between(sim, 0, 2)];
    sim->clock_set = sim_between(sim, -most, most);
    sim_trace(sim, "the clock is set by %lld ms", (long long)sim->clock_set);
}

void sim_fault(void *argument)
{
    struct sim *sim = argument;
    struct sim_daemon *daemon = &sim->daemons[0], *second = &sim->daemons[1];
    if (!sim->faults || sim->over)
        return;
    switch (sim_between(sim, 0, 20)) {
    case 0: case 1: case 2: case 3:
        if (second->disk && sim_chance(sim, 50))
            daemon = second;
        sim_daemon_kill(daemon);
        sim_at(sim, sim_chance(sim, 70) ? sim_between(sim, 1000, 100000) : sim_between(sim, 100000, 5000000), sim_daemon_start,
               daemon);
        break;
    case 4: case 5: case 6:
        sim_trace(sim, "the network is cut");
        sim_cut_sessions(sim);
        break;
    case 7:
        sim_trace(sim, "fail-over");
        sim_server_fail_over(sim, (int)sim_between(sim, 0, 4));
        break;
    case 8:
        sim_trace(sim, "the server restarts");
        sim_server_restart(sim);
        break;
    case 9:
        sim_trace(sim, "sessions are ended");
        sim_server_end_sessions(sim);
        break;
    case 10: case 11: case 12:
        if (sim_poisoned(sim) && sim_chance(sim, 50)) {
            sim_trace(sim, "somebody repairs rows, and has them tried once more");
            sim_repair(sim, 20);
            order(sim, daemon, BF_ORDER_RETRY);
            break;
        }
        sim_trace(sim, "somebody says pause");
        order(sim, daemon, BF_ORDER_PAUSE);
        break;
    case 13:
        sim_trace(sim, "backfilld.control says pause");
        snprintf(sim->server.goal, sizeof sim->server.goal, "pause");
        break;
    case 14:
        if (sim_chance(sim, 50)) {
            sim_trace(sim, "somebody says rollback");
            order(sim, daemon, BF_ORDER_ROLLBACK);
            break;
        }
        if (!sim_chance(sim, 30))
            break;
        sim_trace(sim, "somebody says abort");
        order(sim, daemon, BF_ORDER_ABORT);
        break;
    case 15: case 16:
        drain(daemon);
        break;
    case 17: case 18: case 19:
        reconfigure(daemon);
        break;
    default:
        if (second->disk || !sim_chance(sim, 30))
            break;
        sim_trace(sim, "a second daemon with a copy of the store");
        second->disk = sim_disk_copy(daemon->disk);
        sim_daemon_start(second);
        break;
    }
}

/* ---- a storm, and a day on which nothing is wrong ---- */

static void somebody_orders(void *argument)
{
    struct sim *sim = argument;
    int dice = (int)sim_between(sim, 1, 100);
    if (sim->daemons[0].engine)
        order(sim, &sim->daemons[0], dice <= 45   ? BF_ORDER_PAUSE
                                     : dice <= 90 ? BF_ORDER_RESUME
                                     : dice <= 97 ? BF_ORDER_APPROVE
                                     : dice <= 99 ? BF_ORDER_ROLLBACK
                                                  : BF_ORDER_ABORT);
}

void sim_storm(struct sim *sim)
{
    for (int client = 0; client < CLIENTS; client++)
        sim_at(sim, sim_between(sim, 0, 1000000), somebody_orders, sim);
}

static void application_locks(void *argument)
{
    struct sim *sim = argument;
    int rows = sim->server.row_count;
    if (rows == 0 || sim->over)
        return;
    int first = (int)sim_between(sim, 0, rows - 1), second = sim_chance(sim, 50) ? (int)sim_between(sim, 0, rows - 1) : -1;
    sim_server_lock_rows(sim, first, second == first ? -1 : second,
                         sim_chance(sim, 50) ? sim_between(sim, 1000, 30000) : sim_between(sim, 1000, 1500000));
}

void sim_applications(struct sim *sim)
{
    for (int64_t count = sim_chance(sim, 30) ? sim_between(sim, 10, 60) : sim_between(sim, 0, 4); count; count--)
        sim_at(sim, sim_between(sim, 0, 800000), application_locks, sim);
}

static void pause_it(void *argument)
{
    struct sim *sim = argument;
    order(sim, &sim->daemons[0], sim_chance(sim, 5) ? BF_ORDER_ABORT : BF_ORDER_PAUSE);
}

void sim_calm_day(struct sim *sim)
{
    for (int64_t count = sim_between(sim, 1, 4); count; count--)
        sim_at(sim, sim_between(sim, 0, 1500000), pause_it, sim);
    if (sim_chance(sim, 40))
        sim_at(sim, sim_between(sim, 0, 800000), drain, &sim->daemons[0]);
}

/* ---- rows that come late ---- */

static void commit_late(void *argument)
{
    struct sim_row *row = argument;
    row->inserting = false;
    row->visible = true;
}

static void begin_late(void *argument)
{
    struct sim_row *row = argument;
    struct sim *sim = row->sim;
    row->inserter = ++sim->server.transactions;
    row->inserting = true;
    sim_at(sim, sim_chance(sim, 30) ? sim_between(sim, 1000, 4000000) : sim_between(sim, 100, 100000), commit_late, row);
}

void sim_late_rows(struct sim *sim)
{
    sim->has_remaining = sim->seed % 3 == 0;
    if (!sim->has_remaining)
        return;
    for (int i = 0; i < sim->server.row_count; i++)
        if (!sim->server.rows[i].poison && sim_chance(sim, 15)) {
            sim->server.rows[i].visible = false;
            sim->server.rows[i].inserter = INT64_MAX; /* not yet begun */
            sim_at(sim, sim_between(sim, 0, 600000), begin_late, &sim->server.rows[i]);
        }
}
