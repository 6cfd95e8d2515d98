/* What the statements that lock rows, and those about who waits, do in the simulated server. */
#include "server.h"

#include "allocate.h"

int sim_slice_of(const struct sim_server *server, int row)
{
    int slice = 0;
    while (slice + 1 < SIM_SLICES && server->checkpoints[slice + 1].exists &&
           server->rows[row].key > server->checkpoints[slice + 1].after)
        slice++;
    return slice;
}

bool sim_holds_rows(const struct sim_server_session *session)
{
    const struct sim_server *server = &session->sim->server;
    for (int i = 0; i < server->row_count; i++)
        if (server->rows[i].locked_by == session)
            return true;
    return false;
}

bool sim_is_aside(const struct sim_server_session *session, const struct bf_step *step, int row)
{
    const struct sim_server *server = &session->sim->server;
    if (sim_number(step, 1) < 0)
        return server->rows[row].back_aside + session->back_aside[row] > 0;
    return server->rows[row].aside + session->aside[row] > 0 && sim_slice_of(server, row) == sim_number(step, 1);
}

/* The list on which this transaction sets rows aside. */
static int8_t *list_of(struct sim_server_session *session)
{
    return sim_inverts(&session->sim->server) ? session->back_aside : session->aside;
}

static bool held_by_others(const struct sim_server_session *session, int row)
{
    const struct sim_server_session *holder = session->sim->server.rows[row].locked_by;
    return holder && holder != session;
}

/* Rows are locked one after the other, as the statement comes to them. Behind SET_ASIDE all of them are. */
static enum sim_result update(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim_server *server = &session->sim->server;
    int64_t low = INT64_MIN, high = 0;
    sim_key(step, 0, &low);
    sim_key(step, 1, &high);
    for (int i = 0; i < server->row_count; i++) {
        struct sim_row *it = &server->rows[i];
        if (it->key <= low || it->key > high || !sim_row_matches(server, it) || session->passed_over[i])
            continue;
        if (it->locked_by && it->locked_by != session)
            return SIM_WAIT;
        it->locked_by = session;
    }
    bool back = sim_inverts(server);
    for (int i = 0; i < server->row_count; i++)
        if (server->rows[i].key > low && server->rows[i].key <= high && sim_row_matches(server, &server->rows[i]) &&
            !session->passed_over[i] && sim_refuses(session, i)) {
            sim_error(answer, BF_CLASS_DATA, "value too long");
            return SIM_DONE;
        }
    if (session->sim->faults && sim_chance(session->sim, 2)) {
        sim_error(answer, BF_CLASS_SERIALIZATION, "could not serialize access");
        return SIM_DONE;
    }
    bool journal = session->sim->has_journal, behind_set_aside = session->sifted;
    int64_t changed = 0, missed = 0;
    session->is_batch = true;
    for (int i = 0; i < server->row_count; i++) {
        struct sim_row *it = &server->rows[i];
        if (it->key <= low || it->key > high || !sim_row_matches(server, it) || session->passed_over[i])
            continue;
        if (journal && behind_set_aside && session->sim->faults && sim_chance(session->sim, 2)) { /* another version by now */
            session->passed_over[i] = true;
            session->aside[i] = 1;
            server->set_aside++;
            missed++;
            continue;
        }
        session->changes[i] = (int8_t)(session->changes[i] + (back ? -1 : 1));
        changed++;
        if (journal)
            sim_keep(session, (int)sim_number(step, 3), sim_number(step, 4), i);
    }
    answer->affected = changed;
    if (journal) {
        sim_answer_row(answer, 1, 2);
        sim_put(answer, 0, changed);
        sim_put(answer, 1, missed);
    }
    return SIM_DONE;
}

/* All of them, or an error at once. */
static void lock(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim_server *server = &session->sim->server;
    int64_t low = INT64_MIN, high = 0;
    sim_key(step, 0, &low);
    sim_key(step, 1, &high);
    for (int i = 0; i < server->row_count; i++) {
        struct sim_row *row = &server->rows[i];
        if (row->key <= low || row->key > high || !sim_row_matches(server, row))
            continue;
        if (held_by_others(session, i)) {
            sim_error(answer, BF_CLASS_LOCK, "somebody else holds a row");
            return;
        }
        row->locked_by = session;
    }
}

static void set_aside(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim_server *server = &session->sim->server;
    int64_t low = INT64_MIN, high = 0;
    sim_key(step, 0, &low);
    sim_key(step, 1, &high);
    session->is_batch = session->sifted = true;
    for (int i = 0; i < server->row_count; i++) {
        struct sim_row *row = &server->rows[i];
        if (row->key <= low || row->key > high || !sim_row_matches(server, row))
            continue;
        if (!held_by_others(session, i)) {
            if (*sim_parameter(step, 5) == 't')
                row->locked_by = session;
            continue;
        }
        session->passed_over[i] = true;
        list_of(session)[i] = session->sim->sabotage != SABOTAGE_ASIDE_UNWRITTEN;
        server->set_aside++;
        answer->affected++;
    }
}

/* Those behind the key that nobody holds any more are marked. */
static void take(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim_server *server = &session->sim->server;
    int64_t behind = INT64_MIN, rows = sim_number(step, 4), marked = 0;
    int last = -1;
    if (*sim_parameter(step, 3))
        behind = sim_number(step, 3);
    for (int i = 0; i < server->row_count && rows; i++) {
        if (server->rows[i].key <= behind || !sim_is_aside(session, step, i))
            continue;
        rows--;
        last = i;
        if (held_by_others(session, i))
            continue;
        server->rows[i].locked_by = session;
        session->taken[i] = true;
        marked++;
    }
    if (last < 0)
        return;
    sim_answer_row(answer, 1, 3);
    sim_put(answer, 0, marked);
    sim_put(answer, 1, 1);
    sim_put(answer, 2, server->rows[last].key);
}

static enum sim_result wait_for_first(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim_server *server = &session->sim->server;
    int first = 0;
    while (first < server->row_count && !sim_is_aside(session, step, first))
        first++;
    if (first < server->row_count) {
        if (held_by_others(session, first))
            return SIM_WAIT;
        server->rows[first].locked_by = session;
        session->taken[first] = true;
    }
    session->lock_wait = sim_number(step, 2) * 1000;
    sim_answer_row(answer, 1, 1);
    sim_put(answer, 0, first < server->row_count);
    return SIM_DONE;
}

static void redo(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim_server *server = &session->sim->server;
    int64_t changed = 0, struck = 0, slice = sim_slice(step, 1);
    bool back = slice == SIM_BACK;
    for (int i = 0; i < server->row_count; i++)
        if (session->taken[i] && sim_row_matches(server, &server->rows[i]) && sim_refuses(session, i)) {
            sim_error(answer, BF_CLASS_DATA, "value too long");
            return;
        }
    session->is_batch = true;
    for (int i = 0; i < server->row_count; i++) {
        if (!session->taken[i])
            continue;
        session->taken[i] = false;
        list_of(session)[i] = session->sim->sabotage == SABOTAGE_ASIDE_KEPT ? 0 : -1;
        struck++;
        if (!sim_row_matches(server, &server->rows[i]))
            continue;
        session->changes[i] = (int8_t)(session->changes[i] + (back ? -1 : 1));
        changed++;
        if (session->sim->has_journal)
            sim_keep(session, (int)slice, session->checkpoints[slice].seq, i);
    }
    session->checkpoints[slice].changed += changed;
    session->checkpoints[slice].counted = true;
    sim_answer_row(answer, 1, 2);
    sim_put(answer, 0, changed);
    sim_put(answer, 1, struck);
}

static void watched(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    BF_AUTO_STRING char *name = bf_format("backfilld %s", sim_parameter(step, 0));
    int64_t microseconds = sim_application_waits(session->sim, name);
    if (microseconds < 0)
        return;
    sim_answer_row(answer, 1, 3);
    answer->values[0] = bf_copy_string("t");
    sim_put(answer, 1, microseconds / 1000);
    answer->values[2] = bf_copy_string("an application");
}

enum sim_result sim_lock_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim *sim = session->sim;
    int64_t count = 0;
    switch (step->statement) {
    case BF_STATEMENT_UPDATE: return update(session, step, answer);
    case BF_STATEMENT_LOCK: lock(session, step, answer); break;
    case BF_STATEMENT_SET_ASIDE: set_aside(session, step, answer); break;
    case BF_STATEMENT_TAKE_ASIDE: take(session, step, answer); break;
    case BF_STATEMENT_WAIT_ASIDE: return wait_for_first(session, step, answer);
    case BF_STATEMENT_REDO_ASIDE: redo(session, step, answer); break;
    case BF_STATEMENT_WATCHED: watched(session, step, answer); break;
    case BF_STATEMENT_WATCH:
        sim_answer_row(answer, 1, 1);
        sim_put(answer, 0, sim->sabotage == SABOTAGE_BLIND ? 0 : sim_applications_waiting(sim));
        break;
    default:
        for (int i = 0; i < sim->server.row_count; i++)
            count += sim_is_aside(session, step, i);
        sim_answer_row(answer, 1, 1);
        sim_put(answer, 0, count);
        break;
    }
    return SIM_DONE;
}
