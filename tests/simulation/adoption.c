/* What the server knows of a job, for a daemon that adopts it. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "dialect.h"
#include "server.h"

static void keep(char **to, const char *text)
{
    free(*to);
    *to = bf_copy_string(text);
}

void sim_register_job(struct sim_server_session *session, const struct bf_step *step)
{
    struct sim_known_job *known = &session->sim->server.known;
    session->makes_job = true;
    keep(&known->id, sim_parameter(step, 0));
    keep(&known->document, sim_parameter(step, 2));
    keep(&known->hash, sim_parameter(step, 3));
    keep(&known->plan, sim_parameter(step, 4));
    keep(&known->record, NULL);
}

void sim_forget_known(struct sim_server *server)
{
    char **const texts[] = {&server->known.id, &server->known.document, &server->known.hash, &server->known.plan, &server->known.record};
    for (size_t i = 0; i < BF_COUNT(texts); i++)
        bf_free_string(texts[i]);
}

/* Only the owner's word counts, as with the job's state. */
static void keep_record(struct sim_server *server, const struct bf_step *step)
{
    const struct sim_checkpoint *lead = &server->checkpoints[server->checkpoints[SIM_BACK].exists ? SIM_BACK : 0];
    if (lead->epoch == sim_number(step, 1) && strcmp(lead->owner, sim_parameter(step, 2)) == 0)
        keep(&server->known.record, sim_parameter(step, 3));
}

static void foreign_job(const struct sim *sim, struct bf_answer *answer)
{
    const struct sim_server *server = &sim->server;
    const struct sim_known_job *known = &server->known;
    int64_t conflicts = 0;
    for (int i = 0; i < server->row_count; i++)
        conflicts += server->rows[i].conflicts;
    sim_answer_row(answer, 1, BF_ADOPTED_COLUMNS);
    answer->values[BF_ADOPTED_NAME] = bf_copy_string("job");
    answer->values[BF_ADOPTED_DOCUMENT] = bf_copy_string(known->document);
    answer->values[BF_ADOPTED_HASH] = bf_copy_string(known->hash);
    answer->values[BF_ADOPTED_PLAN] = bf_copy_string(known->plan);
    answer->values[BF_ADOPTED_STATE] = bf_copy_string(server->job_state);
    sim_put(answer, BF_ADOPTED_CREATED, 1);
    sim_put(answer, BF_ADOPTED_STARTED, 1);
    answer->values[BF_ADOPTED_JOURNAL] = bf_copy_string(sim->has_journal ? "t" : "f");
    sim_put(answer, BF_ADOPTED_CONFLICTS, conflicts);
    answer->values[BF_ADOPTED_RECORD] = bf_copy_string(known->record);
}

static void put_key(struct bf_answer *answer, size_t place, bool there, int64_t key)
{
    if (there)
        answer->values[place] = bf_format("[\"%lld\"]", (long long)key);
}

static void put_slice(const struct sim_server *server, struct bf_answer *answer, size_t row, int place)
{
    const struct sim_checkpoint *checkpoint = &server->checkpoints[place];
    size_t at = row * BF_ADOPTED_SLICE_COLUMNS;
    int aside = 0, bad = 0;
    for (int i = 0; place != SIM_BACK && i < server->row_count; i++)
        if (sim_slice_of(server, i) == place) {
            aside += server->rows[i].aside;
            bad += server->rows[i].bad;
        }
    sim_put(answer, at + BF_ADOPTED_SLICE, place == SIM_BACK ? -1 : place);
    put_key(answer, at + BF_ADOPTED_AFTER, checkpoint->has_after, checkpoint->after);
    put_key(answer, at + BF_ADOPTED_THROUGH, checkpoint->has_through, checkpoint->through);
    put_key(answer, at + BF_ADOPTED_POSITION, checkpoint->has_position, checkpoint->position);
    sim_put(answer, at + BF_ADOPTED_SCANNED, checkpoint->scanned);
    sim_put(answer, at + BF_ADOPTED_CHANGED, checkpoint->changed);
    sim_put(answer, at + BF_ADOPTED_BATCHES, checkpoint->batches);
    sim_put(answer, at + BF_ADOPTED_BATCH_ROWS, checkpoint->batch_rows);
    sim_put(answer, at + BF_ADOPTED_PASS, checkpoint->pass);
    answer->values[at + BF_ADOPTED_DONE] = bf_copy_string(checkpoint->done ? "t" : "f");
    answer->values[at + BF_ADOPTED_IDENTITY] = bf_copy_string("sim");
    answer->values[at + BF_ADOPTED_OWNER] = bf_copy_string(checkpoint->owner);
    sim_put(answer, at + BF_ADOPTED_SILENT, (server->sim->now - checkpoint->updated_at) / 1000000);
    sim_put(answer, at + BF_ADOPTED_ASIDE, aside);
    sim_put(answer, at + BF_ADOPTED_BAD, bad);
}

static void foreign_slices(const struct sim_server *server, struct bf_answer *answer)
{
    size_t count = 0;
    for (int i = 0; i < SIM_CHECKPOINTS; i++)
        count += server->checkpoints[i].exists;
    sim_answer_row(answer, count, BF_ADOPTED_SLICE_COLUMNS);
    size_t row = 0;
    if (server->checkpoints[SIM_BACK].exists)
        put_slice(server, answer, row++, SIM_BACK);
    for (int slice = 0; slice < SIM_SLICES; slice++)
        if (server->checkpoints[slice].exists)
            put_slice(server, answer, row++, slice);
}

void sim_adoption_statement(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    struct sim_server *server = &session->sim->server;
    bool known = server->job_there && server->known.id && strcmp(server->known.id, sim_parameter(step, 0)) == 0;
    if (step->statement == BF_STATEMENT_KEEP_RECORD)
        keep_record(server, step);
    else if (known && step->statement == BF_STATEMENT_FOREIGN_JOB)
        foreign_job(session->sim, answer);
    else if (known && step->statement == BF_STATEMENT_FOREIGN_SLICES)
        foreign_slices(server, answer);
}

bool sim_adoptable(const struct sim *sim)
{
    return sim->server.job_there && sim->server.checkpoints[0].exists;
}
