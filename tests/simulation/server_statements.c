/* What each statement does in the simulated server: its contract in lib/sql/flight.h, and the locks that come with it. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "server.h"

const char *sim_parameter(const struct bf_step *step, size_t index)
{
    return index < step->parameter_count ? step->parameters[index] : NULL;
}

int64_t sim_number(const struct bf_step *step, size_t index)
{
    const char *text = sim_parameter(step, index);
    return text ? strtoll(text, NULL, 10) : 0;
}

/* A key alone ("17") or as JSON (["17"]). */
bool sim_key(const struct bf_step *step, size_t index, int64_t *ret_key)
{
    const char *text = sim_parameter(step, index);
    if (!text)
        return false;
    *ret_key = strtoll(text + strspn(text, "[\""), NULL, 10);
    return true;
}

void sim_answer_row(struct bf_answer *answer, size_t rows, size_t columns)
{
    answer->rows = rows;
    answer->columns = columns;
    answer->values = bf_allocate(rows * columns * sizeof *answer->values);
}

static void row(struct bf_answer *answer, size_t columns)
{
    sim_answer_row(answer, 1, columns);
}

void sim_put(struct bf_answer *answer, size_t place, int64_t value)
{
    answer->values[place] = bf_format("%lld", (long long)value);
}

static void put(struct bf_answer *answer, size_t column, int64_t value)
{
    sim_put(answer, column, value);
}

static void put_key(struct bf_answer *answer, size_t column, int64_t value)
{
    answer->values[column] = bf_format("[\"%lld\"]", (long long)value);
}

static void put_text(struct bf_answer *answer, size_t column, const char *text)
{
    answer->values[column] = bf_copy_string(text);
}

void sim_put_clock(struct bf_answer *answer, size_t column, int64_t now)
{
    answer->values[column] = bf_format("%lld.%06lld", (long long)(now / 1000000), (long long)(now % 1000000));
}

int64_t sim_duration(struct sim_server_session *session, const struct bf_step *step)
{
    struct sim *sim = session->sim;
    if (step->statement == BF_STATEMENT_UPDATE || step->statement == BF_STATEMENT_REDO_ASIDE ||
        step->statement == BF_STATEMENT_RESTORE) {
        if ((sim->faults || (sim->calm && sim->seed % 4 != 0)) && sim_chance(sim, 4))
            return sim_between(sim, 100000, 2500000);
        return sim_between(sim, 200, 5000);
    }
    if (step->statement == BF_STATEMENT_COMMIT && sim->faults && sim_chance(sim, 4))
        return sim_between(sim, 5000, 500000);
    return sim_between(sim, 20, 200);
}

/* Takes the lock on the checkpoint's row, as an UPDATE does; its own version begins as the newest committed one. */
enum sim_result sim_lock_checkpoint(struct sim_server_session *session, int64_t slice)
{
    struct sim_server *server = &session->sim->server;
    if (server->checkpoint_locked_by[slice] && server->checkpoint_locked_by[slice] != session)
        return SIM_WAIT;
    server->checkpoint_locked_by[slice] = session;
    if (!session->writes[slice])
        session->checkpoints[slice] = server->checkpoints[slice];
    return SIM_DONE;
}

const struct sim_checkpoint *sim_visible(const struct sim_server_session *session, int64_t slice)
{
    return session->writes[slice] ? &session->checkpoints[slice] : &session->sim->server.checkpoints[slice];
}

/* A statement outside a transaction commits itself. */
static void autocommit(struct sim_server_session *session)
{
    if (!session->open)
        sim_session_commit(session);
}

static enum sim_result peek(const struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    const struct sim_checkpoint *checkpoint = sim_visible(session, sim_slice(step, 1));
    if (!checkpoint->exists)
        return SIM_DONE;
    row(answer, 4);
    put_text(answer, 0, checkpoint->owner);
    put(answer, 1, checkpoint->epoch);
    put(answer, 2, checkpoint->seq);
    put(answer, 3, (session->sim->now - checkpoint->updated_at) / 1000000);
    return SIM_DONE;
}

static void read_checkpoint(const struct sim_server_session *session, int64_t slice, const struct sim_checkpoint *checkpoint,
                            struct bf_answer *answer)
{
    int slices = 0;
    if (!checkpoint->exists)
        return;
    row(answer, BF_CHECKPOINT_COLUMNS);
    put(answer, BF_CHECKPOINT_EPOCH, checkpoint->epoch);
    put(answer, BF_CHECKPOINT_SEQ, checkpoint->seq);
    put(answer, BF_CHECKPOINT_PASS, checkpoint->pass);
    put(answer, BF_CHECKPOINT_PASS_ROWS_CHANGED, checkpoint->pass_changed);
    if (checkpoint->found_before >= 0)
        put(answer, BF_CHECKPOINT_PASS_FOUND_BEFORE, checkpoint->found_before);
    if (slice == SIM_BACK && *checkpoint->place)
        put_text(answer, BF_CHECKPOINT_POSITION, checkpoint->place);
    else if (checkpoint->has_position)
        put_key(answer, BF_CHECKPOINT_POSITION, checkpoint->position);
    if (checkpoint->has_low)
        put_key(answer, BF_CHECKPOINT_LOW, checkpoint->low);
    put(answer, BF_CHECKPOINT_SPLIT, checkpoint->split);
    if (checkpoint->has_through)
        put_key(answer, BF_CHECKPOINT_THROUGH, checkpoint->through);
    put(answer, BF_CHECKPOINT_ROWS_SCANNED, checkpoint->scanned);
    put(answer, BF_CHECKPOINT_ROWS_CHANGED, checkpoint->changed);
    put_text(answer, BF_CHECKPOINT_COUNTED, checkpoint->counted ? "t" : "f");
    put(answer, BF_CHECKPOINT_BATCHES, checkpoint->batches);
    put(answer, BF_CHECKPOINT_BATCH_ROWS, checkpoint->batch_rows);
    put_text(answer, BF_CHECKPOINT_DONE, checkpoint->done ? "t" : "f");
    put_text(answer, BF_CHECKPOINT_IDENTITY, "sim");
    put_text(answer, BF_CHECKPOINT_DEFINITION, "definition");
    put(answer, BF_CHECKPOINT_TRANSACTION, checkpoint->transaction);
    if (checkpoint->has_after)
        put_key(answer, BF_CHECKPOINT_AFTER, checkpoint->after);
    for (int i = 0; i < SIM_SLICES; i++)
        slices += sim_visible(session, i)->exists;
    if (slice != SIM_BACK && sim_visible(session, SIM_BACK)->exists && session->sim->sabotage != SABOTAGE_TURN_OPEN)
        slices = 0;
    put(answer, BF_CHECKPOINT_SLICES, slices);
}

static enum sim_result raise_epoch(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    int64_t slice = sim_slice(step, 1);
    if (sim_lock_checkpoint(session, slice) == SIM_WAIT)
        return SIM_WAIT;
    struct sim_checkpoint *checkpoint = &session->checkpoints[slice];
    bool silent = session->sim->now - checkpoint->updated_at > 30 * 1000000;
    const char *expected = sim_parameter(step, 3);
    bool closed = slice != SIM_BACK && session->sim->sabotage != SABOTAGE_TURN_OPEN && sim_visible(session, SIM_BACK)->exists;
    if (closed || !checkpoint->exists || (*checkpoint->owner && strcmp(checkpoint->owner, expected ? expected : "") != 0 && !silent) ||
        checkpoint->epoch != sim_number(step, 4) || (sim_parameter(step, 5) && sim_number(step, 5) != checkpoint->seq))
        return SIM_DONE;
    checkpoint->epoch++;
    snprintf(checkpoint->owner, sizeof checkpoint->owner, "%s", sim_parameter(step, 2));
    checkpoint->updated_at = session->sim->now;
    session->writes[slice] = true;
    answer->affected = 1;
    return SIM_DONE;
}

static void take_position(struct sim_checkpoint *checkpoint, int64_t slice, const struct bf_step *step)
{
    const char *place = sim_parameter(step, 4);
    if (slice == SIM_BACK)
        snprintf(checkpoint->place, sizeof checkpoint->place, "%s", place ? place : "");
    else
        checkpoint->has_position = sim_key(step, 4, &checkpoint->position);
}

static enum sim_result fence(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    int64_t slice = sim_slice(step, 1);
    if (sim_lock_checkpoint(session, slice) == SIM_WAIT)
        return SIM_WAIT;
    struct sim_server *server = &session->sim->server;
    struct sim_checkpoint *checkpoint = &session->checkpoints[slice];
    bool ours = checkpoint->exists && checkpoint->epoch == sim_number(step, 2) && checkpoint->seq == sim_number(step, 3) &&
                strcmp(server->goal, "run") == 0;
    if (!ours && session->sim->sabotage != SABOTAGE_FENCE_SILENT) {
        sim_error(answer, BF_CLASS_FENCE, "division by zero");
        return SIM_DONE;
    }
    if (ours) {
        checkpoint->seq += sim_number(step, 12);
        take_position(checkpoint, slice, step);
        checkpoint->has_low = sim_key(step, 5, &checkpoint->low);
        checkpoint->split = sim_number(step, 6);
        checkpoint->scanned = sim_number(step, 7);
        checkpoint->changed = sim_number(step, 8);
        checkpoint->batches = sim_number(step, 9);
        checkpoint->batch_rows = sim_number(step, 10);
        checkpoint->counted = false;
        checkpoint->updated_at = session->sim->now;
        checkpoint->transaction = session->transaction;
        session->writes[slice] = true;
    }
    if (session->sim->sabotage != SABOTAGE_WAIT_HOLDING)
        session->lock_wait = sim_number(step, 11) * 1000;
    row(answer, 1);
    sim_put_clock(answer, 0, session->sim->now);
    autocommit(session); /* only a sabotaged fence stands outside the transaction */
    return SIM_DONE;
}

bool sim_row_matches(const struct sim_server *server, const struct sim_row *row)
{
    bool passed_over = row->aside > 0 || row->bad > 0;
    if (sim_inverts(server) && server->sim->has_remaining)
        return row->visible && row->match && row->n > 0;
    if (sim_inverts(server))
        return row->visible && row->match && (!passed_over || server->sim->sabotage == SABOTAGE_SPARE_NOTHING);
    return row->visible && row->match && (!server->sim->has_remaining || row->n == 0);
}

static enum sim_result flush(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    int64_t slice = sim_slice(step, 1);
    if (sim_lock_checkpoint(session, slice) == SIM_WAIT)
        return SIM_WAIT;
    struct sim_checkpoint *checkpoint = &session->checkpoints[slice];
    if (checkpoint->exists && checkpoint->epoch == sim_number(step, 2) && checkpoint->seq == sim_number(step, 3)) {
        checkpoint->seq++;
        take_position(checkpoint, slice, step);
        checkpoint->has_low = sim_key(step, 5, &checkpoint->low);
        checkpoint->split = sim_number(step, 6);
        checkpoint->scanned = sim_number(step, 7);
        checkpoint->changed = sim_number(step, 8);
        checkpoint->batches = sim_number(step, 9);
        checkpoint->batch_rows = sim_number(step, 10);
        checkpoint->counted = true;
        checkpoint->done = sim_parameter(step, 11)[0] == 't';
        if (sim_parameter(step, 12)[0] == 't')
            checkpoint->owner[0] = '\0';
        checkpoint->updated_at = session->sim->now;
        session->writes[slice] = true;
        answer->affected = 1;
    }
    autocommit(session);
    return SIM_DONE;
}

static enum sim_result next_pass(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    int64_t slice = sim_slice(step, 1);
    if (sim_lock_checkpoint(session, slice) == SIM_WAIT)
        return SIM_WAIT;
    struct sim_checkpoint *checkpoint = &session->checkpoints[slice];
    if (checkpoint->exists && checkpoint->epoch == sim_number(step, 2) && checkpoint->seq == sim_number(step, 3)) {
        checkpoint->seq++;
        checkpoint->pass++;
        checkpoint->has_position = checkpoint->has_low = checkpoint->done = false;
        checkpoint->has_through = sim_key(step, 4, &checkpoint->through);
        checkpoint->found_before = checkpoint->changed - checkpoint->pass_changed;
        checkpoint->pass_changed = checkpoint->changed;
        checkpoint->updated_at = session->sim->now;
        session->writes[slice] = true;
        session->sim->server.late_until = session->sim->server.horizon;
        answer->affected = 1;
    }
    autocommit(session);
    return SIM_DONE;
}

static void horizon(struct sim_server_session *session, struct bf_answer *answer)
{
    struct sim_server *server = &session->sim->server;
    int64_t newest = session->transaction, oldest = newest;
    for (int i = 0; i < server->row_count; i++)
        if (server->rows[i].inserting && server->rows[i].inserter < oldest)
            oldest = server->rows[i].inserter;
    if (server->horizon_pass != server->checkpoints[0].pass) {
        server->horizon_pass = server->checkpoints[0].pass;
        server->horizon = newest;
    }
    row(answer, 2);
    put(answer, 0, newest);
    put(answer, 1, session->sim->sabotage == SABOTAGE_NO_HORIZON ? newest : oldest);
}

static void register_checkpoint(struct sim_server_session *session, const struct bf_step *step)
{
    int64_t slice = sim_number(step, 1), after = 0;
    bool has_after = sim_key(step, 2, &after);
    const struct sim_checkpoint *before = slice ? sim_visible(session, slice - 1) : NULL;
    struct sim_checkpoint *checkpoint = &session->checkpoints[slice];
    if (checkpoint->exists || (before && !(before->exists && before->has_through && before->through == after)))
        return;
    *checkpoint = (struct sim_checkpoint){.exists = true, .counted = true, .pass = 1, .has_after = has_after, .after = after,
                                          .found_before = -1, .updated_at = session->sim->now};
    checkpoint->has_through = sim_key(step, 3, &checkpoint->through);
    checkpoint->batch_rows = sim_number(step, 6);
    session->writes[slice] = true;
}

/* Only the owner's word counts; who let go speaks for as long as nobody else has taken it up. */
static void job_state(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim_server *server = &session->sim->server;
    const struct sim_checkpoint *lead = &server->checkpoints[server->checkpoints[SIM_BACK].exists ? SIM_BACK : 0];
    if (lead->epoch != sim_number(step, 2) || strcmp(lead->owner, sim_parameter(step, 3)) != 0)
        return;
    snprintf(server->job_state, sizeof server->job_state, "%s", sim_parameter(step, 1));
    answer->affected = 1;
}

static void end_lost_sessions(struct sim_server_session *session, struct bf_answer *answer)
{
    int64_t ended = 0;
    for (struct sim_server_session *other = session->sim->server.sessions, *next; other; other = next) {
        next = other->next;
        if (other != session && strcmp(other->application, session->application) == 0) {
            sim_session_end(other, BF_CLASS_ENDED);
            ended++;
        }
    }
    row(answer, 1);
    put(answer, 0, ended);
}

static void commit(struct sim_server_session *session, struct bf_answer *answer)
{
    if (session->violates && !session->failed) {
        sim_error(answer, BF_CLASS_DATA, "a deferred constraint says no");
        sim_session_roll_back(session);
        return;
    }
    if (session->failed || (session->sim->faults && session->is_batch && sim_chance(session->sim, 1))) {
        answer->rolled_back = true; /* a failed transaction; or a deferred trigger that says no */
        sim_session_roll_back(session);
    } else {
        sim_session_commit(session);
    }
}

static enum sim_result touch(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    int64_t slice = sim_slice(step, 1);
    if (sim_lock_checkpoint(session, slice) == SIM_WAIT)
        return SIM_WAIT;
    if (session->checkpoints[slice].epoch == sim_number(step, 2)) {
        session->checkpoints[slice].updated_at = session->sim->now;
        session->writes[slice] = true;
        answer->affected = 1;
    }
    autocommit(session);
    return SIM_DONE;
}

static void server_row(struct sim_server_session *session, struct bf_answer *answer)
{
    const struct sim_server *server = &session->sim->server;
    row(answer, 5);
    put_text(answer, 0, "sim");
    put(answer, 1, server->started);
    put_text(answer, 2, server->writable ? "t" : "f");
    put_text(answer, 3, session->sim->seed % 2 ? "locks first" : "simulated");
    if (server->schema)
        put_text(answer, 4, "1");
}

static void control(const struct sim_server *server, struct bf_answer *answer)
{
    row(answer, 2);
    put_text(answer, 0, server->goal);
    put_text(answer, 1, "job");
}

enum sim_result sim_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim_server *server = &session->sim->server;
    if (session->failed && step->statement != BF_STATEMENT_ROLLBACK && step->statement != BF_STATEMENT_COMMIT &&
        step->statement != BF_STATEMENT_BACK_TO) {
        sim_error(answer, BF_CLASS_TERMINAL, "current transaction is aborted");
        return SIM_DONE;
    }
    bool reads_schema = step->statement >= BF_STATEMENT_FIND_DONE && step->statement <= BF_STATEMENT_READ_CONTROL;
    if (!server->schema && reads_schema && step->statement != BF_STATEMENT_QUERY) {
        sim_error(answer, BF_CLASS_DEFINITION, "relation does not exist");
        return SIM_DONE;
    }
    switch (step->statement) {
    case BF_STATEMENT_BEGIN:
        session->open = true;
        session->transaction = ++server->transactions;
        break;
    case BF_STATEMENT_COMMIT: commit(session, answer); break;
    case BF_STATEMENT_ROLLBACK: sim_session_roll_back(session); break;
    case BF_STATEMENT_SERVER: server_row(session, answer); break;
    case BF_STATEMENT_SCHEMA: session->makes_schema = true; break;
    case BF_STATEMENT_REGISTER_JOB: sim_register_job(session, step); break;
    case BF_STATEMENT_KEEP_RECORD ... BF_STATEMENT_FOREIGN_SLICES: sim_adoption_statement(session, step, answer); break;
    case BF_STATEMENT_REGISTER_CHECKPOINT:
        if (sim_lock_checkpoint(session, sim_slice(step, 1)) == SIM_WAIT)
            return SIM_WAIT;
        register_checkpoint(session, step);
        break;
    case BF_STATEMENT_QUANTILES: sim_quantiles(session, step, answer); break;
    case BF_STATEMENT_PEEK_OWNER: return peek(session, step, answer);
    case BF_STATEMENT_RAISE_EPOCH:
        if (!session->waiting)
            session->read_before = server->checkpoints[sim_slice(step, 1)];
        return raise_epoch(session, step, answer);
    case BF_STATEMENT_READ_CHECKPOINT: {
        int64_t slice = sim_slice(step, 1);
        if (sim_number(step, 1) >= SIM_SLICES) /* a way back asks for as many as there may be */
            break;
        struct sim_checkpoint checkpoint = *sim_visible(session, slice);
        if (session->sim->sabotage == SABOTAGE_READ_BEFORE_RAISE && session->open) {
            checkpoint = session->read_before;
            checkpoint.epoch = sim_visible(session, slice)->epoch;
            checkpoint.seq = sim_visible(session, slice)->seq;
        }
        read_checkpoint(session, slice, &checkpoint, answer);
        break;
    }
    case BF_STATEMENT_HORIZON: horizon(session, answer); break;
    case BF_STATEMENT_NEXT_PASS: return next_pass(session, step, answer);
    case BF_STATEMENT_READ_CONTROL: control(server, answer); break;
    case BF_STATEMENT_FENCE: return fence(session, step, answer);
    case BF_STATEMENT_BOUNDARY: sim_boundary(session, step, answer); break;
    case BF_STATEMENT_WRITES:
        row(answer, 2);
        put(answer, 0, server->batch_commits);
        break;
    case BF_STATEMENT_MARK:
        session->lock_wait = sim_number(step, 0) * 1000;
        row(answer, 2);
        sim_put_clock(answer, 0, session->sim->now);
        break;
    case BF_STATEMENT_FLUSH: return flush(session, step, answer);
    case BF_STATEMENT_TOUCH:
        return touch(session, step, answer);
    case BF_STATEMENT_JOB_STATE: job_state(session, step, answer); break;
    case BF_STATEMENT_END_LOST_SESSIONS: end_lost_sessions(session, answer); break;
    case BF_STATEMENT_SAVEPOINT ... BF_STATEMENT_RETRY_BAD: return sim_bad_statement(session, step, answer);
    case BF_STATEMENT_TURN_BACK:
    case BF_STATEMENT_LOOK_BACK:
    case BF_STATEMENT_RESTORE:
    case BF_STATEMENT_LEAVE:
    case BF_STATEMENT_COUNT_CONFLICTS:
    case BF_STATEMENT_RECOMPUTE_FACTS:
    case BF_STATEMENT_RECOMPUTE:
    case BF_STATEMENT_JOURNAL_SIZE: return sim_journal_statement(session, step, answer);
    case BF_STATEMENT_LOCK ... BF_STATEMENT_REDO_ASIDE:
    case BF_STATEMENT_WATCH:
    case BF_STATEMENT_WATCHED: return sim_lock_statement(session, step, answer);
    default: sim_look(session, step, answer); break;
    }
    return SIM_DONE;
}
