/* Rows that the simulated server refuses to change, its quarantine and its savepoints; and what has to hold of them: every
 * other row is changed exactly once, these are in quarantine exactly once when they are passed, and none is lost. */
#include <stdio.h>

#include "allocate.h"
#include "server.h"

/* ---- what is refused ---- */

/* One alone, neighbours, the first and the last one, everything, or here and there. */
void sim_poison(struct sim *sim)
{
    static const char *const limits[] = {"0", "1000", "\"30%\"", "1000"};
    struct sim_server *server = &sim->server;
    int rows = server->row_count;
    sim->bad_rows = limits[sim->seed / 11 % 4];
    if (!rows || sim->seed % 11)
        return;
    int first = (int)sim_between(sim, 0, rows - 1), shape = (int)sim_between(sim, 0, 4);
    server->deferred = sim_chance(sim, 30);
    for (int i = 0; i < rows; i++) {
        bool poison = shape == 0   ? i == first
                      : shape == 1 ? i >= first && i < first + 7
                      : shape == 2 ? i == 0 || i == rows - 1
                      : shape == 3 ? true
                                   : sim_chance(sim, 15);
        server->rows[i].poison = server->rows[i].was_poison = poison;
        server->rows[i].match |= poison;
    }
}

bool sim_poisoned(const struct sim *sim)
{
    for (int i = 0; i < sim->server.row_count; i++)
        if (sim->server.rows[i].was_poison)
            return true;
    return false;
}

void sim_repair(struct sim *sim, int percent)
{
    sim->server.repairs++;
    if (sim_inverts(&sim->server) && sim->server.stuck >= 0) {
        sim->server.was_stuck = sim->server.stuck;
        sim->server.stuck = -1;
    }
    for (int i = 0; i < sim->server.row_count; i++)
        if (sim_chance(sim, percent))
            sim->server.rows[i].poison = false;
}

bool sim_retries(const struct sim *sim, const struct bf_job *job)
{
    const struct bf_record *record = bf_job_record(job);
    return record->state == BF_STATE_COMPLETED && record->direction == BF_DIRECTION_FORWARD && record->progress.rows_bad > 0 &&
           sim->server.repairs < 3 && !sim->server.lost_the_end;
}

int sim_bad_rows(const struct sim_server *server)
{
    int count = 0;
    for (int i = 0; i < server->row_count; i++)
        count += server->rows[i].bad;
    return count;
}

bool sim_refuses(struct sim_server_session *session, int row)
{
    const struct sim_server *server = &session->sim->server;
    if (sim_inverts(server))
        return row == server->stuck;
    if (!server->rows[row].poison)
        return false;
    if (server->deferred)
        session->violates = true;
    return !server->deferred;
}

/* ---- statements ---- */

static void save(struct sim_server_session *session)
{
    free(session->saved);
    session->saved = NULL;
    struct sim_server_session *copy = BF_NEW(struct sim_server_session);
    *copy = *session;
    session->saved = copy;
}

/* What the transaction did since; locks stay. */
static void back_to(struct sim_server_session *session, struct bf_answer *answer)
{
    const struct sim_server_session *saved = session->saved;
    if (!saved) {
        sim_error(answer, BF_CLASS_TERMINAL, "savepoint does not exist");
        return;
    }
    session->failed = false;
    session->is_batch = saved->is_batch;
    session->sifted = saved->sifted;
    session->violates = saved->violates;
    session->kept_count = saved->kept_count;
    session->lock_wait = saved->lock_wait;
    memcpy(session->writes, saved->writes, sizeof session->writes);
    memcpy(session->checkpoints, saved->checkpoints, sizeof session->checkpoints);
    memcpy(session->changes, saved->changes, sizeof session->changes);
    memcpy(session->aside, saved->aside, sizeof session->aside);
    memcpy(session->back_aside, saved->back_aside, sizeof session->back_aside);
    memcpy(session->bad, saved->bad, sizeof session->bad);
    memcpy(session->taken, saved->taken, sizeof session->taken);
    memcpy(session->passed_over, saved->passed_over, sizeof session->passed_over);
}

static void release(struct sim_server_session *session, struct bf_answer *answer)
{
    if (!session->saved)
        sim_error(answer, BF_CLASS_TERMINAL, "savepoint does not exist");
    free(session->saved);
    session->saved = NULL;
}

/* True: it was not there. */
static bool keep(struct sim_server_session *session, int row)
{
    if (session->sim->server.rows[row].bad + session->bad[row] > 0)
        return false;
    if (session->sim->sabotage != SABOTAGE_BAD_UNWRITTEN)
        session->bad[row]++;
    return true;
}

static void quarantine(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    const struct sim_server *server = &session->sim->server;
    int64_t low = INT64_MIN, high = 0, rows = 0, fresh = 0;
    sim_key(step, 0, &low);
    sim_key(step, 1, &high);
    for (int i = 0; i < server->row_count; i++) {
        if (server->rows[i].key <= low || server->rows[i].key > high || !server->rows[i].visible)
            continue;
        rows++;
        fresh += keep(session, i);
    }
    sim_answer_row(answer, 1, 2);
    sim_put(answer, 0, rows);
    sim_put(answer, 1, fresh);
}

static void quarantine_aside(struct sim_server_session *session, struct bf_answer *answer)
{
    const struct sim_server *server = &session->sim->server;
    int64_t rows = 0, fresh = 0, key = 0;
    session->is_batch = true;
    for (int i = 0; i < server->row_count; i++) {
        if (!session->taken[i])
            continue;
        session->taken[i] = false;
        *(sim_inverts(server) ? &session->back_aside[i] : &session->aside[i]) -= 1;
        rows++;
        key = server->rows[i].key;
        fresh += keep(session, i);
    }
    sim_answer_row(answer, 1, 3);
    sim_put(answer, 0, rows);
    sim_put(answer, 1, fresh);
    answer->values[2] = bf_format("[\"%lld\"]", (long long)key);
}

static bool is_bad(const struct sim_server_session *session, const struct bf_step *step, int row)
{
    const struct sim_server *server = &session->sim->server;
    return server->rows[row].bad + session->bad[row] > 0 && sim_slice_of(server, row) == sim_number(step, 1);
}

static void retry(struct sim_server_session *session, const struct bf_step *step)
{
    const struct sim_server *server = &session->sim->server;
    const struct sim_checkpoint *checkpoint = sim_visible(session, sim_slice(step, 1));
    if (checkpoint->epoch != sim_number(step, 2) || strcmp(checkpoint->owner, sim_parameter(step, 3)) != 0)
        return;
    for (int i = 0; i < server->row_count; i++) {
        if (!is_bad(session, step, i) || sim_is_aside(session, step, i))
            continue;
        if (session->sim->sabotage != SABOTAGE_RETRY_KEPT)
            session->bad[i]--;
        session->aside[i]++;
    }
}

enum sim_result sim_bad_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    int64_t count = 0;
    switch (step->statement) {
    case BF_STATEMENT_SAVEPOINT: save(session); break;
    case BF_STATEMENT_BACK_TO: back_to(session, answer); break;
    case BF_STATEMENT_RELEASE: release(session, answer); break;
    case BF_STATEMENT_QUARANTINE: quarantine(session, step, answer); break;
    case BF_STATEMENT_QUARANTINE_ASIDE: quarantine_aside(session, answer); break;
    case BF_STATEMENT_RETRY_BAD: retry(session, step); break;
    case BF_STATEMENT_CONSTRAINTS:
        if (session->violates)
            sim_error(answer, BF_CLASS_DATA, "a deferred constraint says no");
        break;
    default:
        for (int i = 0; i < session->sim->server.row_count; i++)
            count += is_bad(session, step, i);
        sim_answer_row(answer, 1, 1);
        sim_put(answer, 0, count);
        break;
    }
    return SIM_DONE;
}

/* ---- what has to hold ---- */

/* A job that fails because of a row names it, and has passed everything before it and nothing behind. */
void sim_check_failed(struct sim *sim, const struct bf_record *record)
{
    const struct sim_server *server = &sim->server;
    long long key;
    if (record->reason.code != BF_DATA_ERROR)
        return;
    if (sscanf(record->reason.text, "row [\"%lld\"]", &key) != 1) {
        sim_violation(sim, "a row cannot be changed, and it is not named: %s", record->reason.text);
        return;
    }
    for (int i = 0; i < server->row_count; i++) {
        const struct sim_row *row = &server->rows[i];
        if (row->key != key)
            continue;
        const struct sim_checkpoint *checkpoint = &server->checkpoints[sim_slice_of(server, i)];
        if (!row->was_poison || row->n || row->bad)
            sim_violation(sim, "the job failed because of row %lld, which is none that is refused, or is done", key);
        if (checkpoint->has_position && checkpoint->position >= key && !row->aside && !sim->has_remaining)
            sim_violation(sim, "the checkpoint passed the row %lld that cannot be changed", key);
    }
}

/* A way back by the inverse that fails because of a row names it, and has not passed it. Somebody may have put the row right since
 * it was met: another daemon had named it before. */
void sim_check_back_failed(struct sim *sim, const struct bf_record *record)
{
    const struct sim_server *server = &sim->server;
    long long key, position;
    int slice, stuck = server->stuck >= 0 ? server->stuck : server->was_stuck;
    if (record->reason.code != BF_DATA_ERROR)
        return;
    if (sscanf(record->reason.text, "row [\"%lld\"]", &key) != 1 || stuck < 0 || server->rows[stuck].key != key)
        sim_violation(sim, "a row is refused on the way back, and it is not named: %s", record->reason.text);
    else if (server->stuck >= 0 && sscanf(server->checkpoints[SIM_BACK].place, "[\"%d\",\"%lld\"]", &slice, &position) == 2 &&
             slice == sim_slice_of(server, server->stuck) && position >= key && !server->rows[server->stuck].back_aside)
        sim_violation(sim, "the way back passed the row %lld that is refused", key);
}

void sim_check_bad(struct sim *sim)
{
    const struct sim_server *server = &sim->server;
    for (int i = 0; i < server->row_count; i++) {
        const struct sim_row *row = &server->rows[i];
        if (row->bad < 0 || row->bad > 1)
            sim_violation(sim, "row %lld is %d times in quarantine", (long long)row->key, row->bad);
        else if (row->bad && !row->was_poison)
            sim_violation(sim, "row %lld is in quarantine, and nobody refuses it", (long long)row->key);
        else if (row->n && row->poison && row->conflicts == 0 && !server->checkpoints[SIM_BACK].exists)
            sim_violation(sim, "row %lld was changed, which is refused", (long long)row->key);
        else if (row->bad && row->n && !sim->has_remaining)
            sim_violation(sim, "row %lld is in quarantine and was changed", (long long)row->key);
    }
}
