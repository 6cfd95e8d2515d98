/* The undo journal of the simulated server, and what is looked at when a job goes back. What a row holds is how often the job
 * changed it (n) and what the applications wrote into the column (touched): the image of a change is both. */
#include <stdio.h>

#include "allocate.h"
#include "server.h"

int64_t sim_slice(const struct bf_step *step, size_t index)
{
    int64_t slice = sim_number(step, index);
    return slice < 0 ? SIM_BACK : slice;
}

void sim_journal_append(struct sim_server *server, const struct sim_change *changes, int count)
{
    for (int i = 0; i < count; i++) {
        if (server->journal_count == server->journal_room) {
            server->journal_room = server->journal_room ? 2 * server->journal_room : 64;
            server->journal = bf_reallocate(server->journal, (size_t)server->journal_room * sizeof *server->journal);
        }
        server->journal[server->journal_count++] = changes[i];
    }
}

void sim_keep(struct sim_server_session *session, int slice, int64_t seq, int row)
{
    struct sim *sim = session->sim;
    int place = 1;
    for (int i = 0; i < session->kept_count; i++)
        place += session->kept[i].seq == seq;
    struct sim_change change = {.slice = slice, .seq = seq, .place = place, .row = row, .touched = sim->server.rows[row].touched};
    if (sim->sabotage == SABOTAGE_JOURNAL_LOOSE)
        sim_journal_append(&sim->server, &change, 1);
    else
        session->kept[session->kept_count++] = change;
}

/* Is the entry of `change` before (slice, seq, part)? */
static bool before(const struct sim_change *change, int64_t slice, int64_t seq, int64_t part)
{
    return change->slice != slice ? change->slice < slice : change->seq != seq ? change->seq < seq : change->part < part;
}

static void look_back(struct sim_server *server, const struct bf_step *step, struct bf_answer *answer)
{
    const struct sim_change *found = NULL;
    int64_t rows = 0;
    for (int i = 0; i < server->journal_count; i++) {
        const struct sim_change *it = &server->journal[i];
        if (before(it, sim_number(step, 0), sim_number(step, 1), sim_number(step, 2)) &&
            (!found || before(found, it->slice, it->seq, it->part)))
            found = it;
    }
    for (int i = 0; found && i < server->journal_count; i++)
        rows += server->journal[i].slice == found->slice && server->journal[i].seq == found->seq;
    if (!found)
        return;
    sim_answer_row(answer, 1, 4);
    sim_put(answer, 0, found->slice);
    sim_put(answer, 1, found->seq);
    sim_put(answer, 2, found->part);
    sim_put(answer, 3, rows);
}

static bool wanted(const struct sim_change *change, const struct bf_step *step)
{
    return change->slice == sim_number(step, 1) && change->seq == sim_number(step, 2) && change->part == sim_number(step, 3) &&
           change->place >= sim_number(step, 4) && change->place <= sim_number(step, 5);
}

/* What is looked at is locked, as the UPDATE comes to it. */
static enum sim_result restore(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim *sim = session->sim;
    struct sim_server *server = &sim->server;
    int64_t looked_at = 0, conflicts = 0;
    bool leave = step->statement == BF_STATEMENT_LEAVE;
    for (int i = 0; i < server->journal_count && !leave; i++) {
        struct sim_row *row = &server->rows[server->journal[i].row];
        if (!wanted(&server->journal[i], step))
            continue;
        if (row->locked_by && row->locked_by != session)
            return SIM_WAIT;
        row->locked_by = session;
        if (server->journal[i].row == server->stuck && row->touched == server->journal[i].touched) {
            sim_error(answer, BF_CLASS_DATA, "a trigger says no");
            return SIM_DONE;
        }
    }
    if (sim->faults && sim_chance(sim, 2)) {
        sim_error(answer, BF_CLASS_SERIALIZATION, "could not serialize access");
        return SIM_DONE;
    }
    session->is_batch = true;
    for (int i = 0; i < server->journal_count; i++) {
        const struct sim_change *change = &server->journal[i];
        const struct sim_row *row = &server->rows[change->row];
        if (!wanted(change, step))
            continue;
        looked_at++;
        bool same = row->touched == change->touched && row->n + session->changes[change->row] > 0;
        if (!leave && (same || sim->sabotage == SABOTAGE_BACK_BLIND)) {
            session->changes[change->row]--;
            session->overwrote |= !same;
        } else {
            session->conflicts[change->row]++;
            conflicts++;
        }
    }
    sim_answer_row(answer, 1, 5);
    sim_put(answer, 0, looked_at);
    sim_put(answer, 1, conflicts);
    sim_put(answer, 2, conflicts); /* no row is ever deleted here, and nothing alters one */
    return SIM_DONE;
}

static enum sim_result turn(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim *sim = session->sim;
    int64_t taken = 0;
    for (int slice = 0; slice < SIM_SLICES; slice++)
        if (sim->server.checkpoints[slice].exists && sim_lock_checkpoint(session, slice) == SIM_WAIT)
            return SIM_WAIT;
    bool ours = session->checkpoints[0].exists && session->checkpoints[0].epoch == sim_number(step, 1);
    for (int slice = 0; ours && slice < SIM_SLICES; slice++) {
        struct sim_checkpoint *checkpoint = &session->checkpoints[slice];
        if (!sim->server.checkpoints[slice].exists)
            continue;
        checkpoint->epoch += sim->sabotage != SABOTAGE_TURN_OPEN;
        checkpoint->owner[0] = '\0';
        checkpoint->updated_at = sim->now;
        session->writes[slice] = true;
        taken++;
    }
    if (ours && !sim_visible(session, SIM_BACK)->exists && sim_lock_checkpoint(session, SIM_BACK) == SIM_DONE) {
        session->checkpoints[SIM_BACK] = (struct sim_checkpoint){.exists = true, .counted = true, .pass = 1, .found_before = -1,
                                                                 .updated_at = sim->now, .batch_rows = sim_number(step, 2)};
        session->writes[SIM_BACK] = true;
        for (int i = 0; i < sim->server.row_count; i++)
            session->aside[i] = *sim_parameter(step, 3) == 't' ? 0 : (int8_t)-sim->server.rows[i].aside;
    }
    sim_answer_row(answer, 1, 1);
    sim_put(answer, 0, taken);
    sim_session_commit(session); /* it stands alone */
    return SIM_DONE;
}

/* Each change raises n by one: a row that no application wrote into since holds as many as the journal has of it. */
static void recompute(struct sim_server *server, const struct bf_step *step, struct bf_answer *answer)
{
    int64_t looked_at = 0, since = 0, different = 0;
    for (int i = 0; i < server->journal_count && looked_at < sim_number(step, 0); i++, looked_at++) {
        int changes = 0;
        for (int k = 0; k < server->journal_count; k++)
            changes += server->journal[k].row == server->journal[i].row;
        if (server->rows[server->journal[i].row].touched != server->journal[i].touched)
            since++;
        else
            different += server->rows[server->journal[i].row].n != changes;
    }
    sim_answer_row(answer, 1, 4);
    sim_put(answer, 0, looked_at);
    sim_put(answer, 1, since);
    sim_put(answer, 2, different);
}

enum sim_result sim_journal_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim_server *server = &session->sim->server;
    int64_t count = 0;
    switch (step->statement) {
    case BF_STATEMENT_TURN_BACK: return turn(session, step, answer);
    case BF_STATEMENT_LOOK_BACK: look_back(server, step, answer); break;
    case BF_STATEMENT_RECOMPUTE_FACTS: break;
    case BF_STATEMENT_RECOMPUTE: recompute(server, step, answer); break;
    case BF_STATEMENT_RESTORE:
    case BF_STATEMENT_LEAVE: return restore(session, step, answer);
    case BF_STATEMENT_COUNT_CONFLICTS:
        for (int i = 0; i < server->row_count; i++)
            count += server->rows[i].conflicts;
        sim_answer_row(answer, 1, 1);
        sim_put(answer, 0, count);
        break;
    default:
        sim_answer_row(answer, 1, 2);
        sim_put(answer, 0, server->journal_count);
        sim_put(answer, 1, 1000 * server->journal_count);
        break;
    }
    return SIM_DONE;
}

/* ---- what has to hold ---- */

bool sim_goes_back(const struct bf_job *job)
{
    const struct bf_record *record = bf_job_record(job);
    bool ended = record->state == BF_STATE_COMPLETED || record->state == BF_STATE_ABORTED ||
                 (record->state == BF_STATE_FAILED && record->reason.code != BF_CHECKPOINT_LOST);
    return record->document->undo != BF_UNDO_NONE && record->started && ended;
}

bool sim_change_passed(const struct sim_server *server, const struct sim_change *change)
{
    long long slice, seq, part, left;
    const char *place = server->checkpoints[SIM_BACK].place;
    if (sscanf(place, "[\"%lld\",\"%lld\",\"%lld\",\"%lld\"]", &slice, &seq, &part, &left) != 4)
        return false;
    if (change->slice == slice && change->seq == seq && change->part == part)
        return change->place > left;
    return !before(change, slice, seq, part);
}

/* Together the slices are the whole range, and none begins elsewhere than where the one before it ends. */
void sim_check_slices(struct sim *sim)
{
    const struct sim_checkpoint *checkpoints = sim->server.checkpoints;
    for (int slice = 1; slice < SIM_SLICES; slice++)
        if (checkpoints[slice].exists &&
            (!checkpoints[slice - 1].exists || checkpoints[slice - 1].through != checkpoints[slice].after ||
             checkpoints[slice - 1].pass != checkpoints[slice].pass))
            sim_violation(sim, "slice %d does not go on where slice %d ends", slice, slice - 1);
}

/* A change that the position has passed was taken back, or is a conflict; one that it has not passed stands. And a conflict
 * is only what somebody touched since, or what the server refuses. */
void sim_check_journal(struct sim *sim)
{
    const struct sim_server *server = &sim->server;
    for (int r = 0; r < server->row_count; r++) {
        const struct sim_row *row = &server->rows[r];
        int changes = 0, passed = 0, touched = -1;
        for (int i = 0; i < server->journal_count; i++) {
            if (server->journal[i].row != r)
                continue;
            changes++;
            passed += sim_change_passed(server, &server->journal[i]);
            touched = server->journal[i].touched;
        }
        if (row->n != changes - (passed - row->conflicts))
            sim_violation(sim, "row %lld was changed %d times, %d of them are passed on the way back with %d conflicts, and it is "
                          "at %d", (long long)row->key, changes, passed, row->conflicts, row->n);
        else if (row->conflicts && touched == row->touched && r != server->stuck)
            sim_violation(sim, "row %lld is a conflict, and nobody touched it", (long long)row->key);
        else if (row->conflicts > passed || row->n < 0)
            sim_violation(sim, "row %lld has %d conflicts and %d changes that are passed", (long long)row->key, row->conflicts, passed);
    }
}

void sim_check_rolled_back(struct sim *sim)
{
    const struct sim_server *server = &sim->server;
    if (!sim->daemons[1].disk && strcmp(server->job_state, "rolled_back") != 0)
        sim_violation(sim, "the job is rolled back, and the target's own record says %s", server->job_state);
    for (int i = 0; i < server->journal_count; i++) {
        const struct sim_change *change = &server->journal[i];
        const struct sim_row *row = &server->rows[change->row];
        if (!sim_change_passed(server, change))
            sim_violation(sim, "the job is rolled back and a change of row %lld was not looked at", (long long)row->key);
    }
    for (int i = 0; i < server->row_count; i++)
        if (server->rows[i].n != 0 && server->rows[i].conflicts == 0)
            sim_violation(sim, "the job is rolled back, row %lld is no conflict, and it is not as it was", (long long)server->rows[i].key);
}
