/* What happens to the simulated server and its network: cuts, restarts, fail-overs. */
#include "server.h"

#include "allocate.h"

void sim_cut_sessions(struct sim *sim)
{
    for (struct sim_server_session *session = sim->server.sessions, *next; session; session = next) {
        next = session->next;
        struct bf_session *client = session->client;
        if (!client)
            continue;
        switch (sim_between(sim, 0, 2)) {
        case 0: /* only the client hears of it; the server runs what it has */
            if (client->delivery) {
                sim_cancel(client->delivery);
                size_t count = client->underway->flight.count;
                sim_deliver(client, (size_t)sim_between(sim, 0, (int64_t)count));
                if (client->server != session)
                    break; /* it ended meanwhile */
            }
            session->client = NULL;
            sim_client_lost(client, session->first, BF_CLASS_LOST);
            session->client_closed = true;
            if (!session->first)
                sim_session_end(session, BF_CLASS_LOST);
            break;
        case 1: /* nobody hears of it: answers never come */
            session->answers_vanish = true;
            client->unreachable = true;
            sim_cancel(client->answer);
            if (client->answer) {
                client->answer = NULL;
                sim_free_answers(client->answers, client->flight->count);
                client->answers = NULL;
            }
            break;
        default: /* both hear of it */
            sim_session_end(session, BF_CLASS_LOST);
            break;
        }
    }
}

static void end_all(struct sim *sim, enum bf_error_class error_class)
{
    while (sim->server.sessions)
        sim_session_end(sim->server.sessions, error_class);
}

static void is_up(void *argument)
{
    ((struct sim *)argument)->server.writable = true;
}

void sim_server_end_sessions(struct sim *sim)
{
    end_all(sim, BF_CLASS_ENDED);
}

void sim_server_restart(struct sim *sim)
{
    end_all(sim, BF_CLASS_ENDED);
    sim->server.started++;
    sim->server.writable = false;
    sim_at(sim, sim_between(sim, 100000, 3000000), is_up, sim);
}

void sim_server_fail_over(struct sim *sim, int lost_commits)
{
    struct sim_server *server = &sim->server;
    end_all(sim, BF_CLASS_LOST);
    server->started++;
    for (int slice = 0; slice <= SIM_BACK; slice += SIM_BACK)
        server->lost_the_end |= lost_commits && server->checkpoints[slice].done && !*server->checkpoints[slice].owner;
    for (; lost_commits && server->log_count; lost_commits--) {
        const struct sim_commit *commit = &server->log[--server->log_count];
        memcpy(server->checkpoints, commit->before, sizeof server->checkpoints);
        server->schema = commit->control_before_schema;
        for (int i = 0; i < server->row_count; i++) {
            server->rows[i].n -= commit->changed[i];
            server->rows[i].aside -= commit->aside[i];
            server->rows[i].back_aside -= commit->back_aside[i];
            server->rows[i].conflicts -= commit->conflicts[i];
            server->rows[i].bad -= commit->bad[i];
        }
        server->journal_count = commit->journal_count;
    }
    server->writable = false;
    sim_at(sim, sim_between(sim, 100000, 3000000), is_up, sim);
}

void sim_server_free(struct sim *sim)
{
    end_all(sim, BF_CLASS_LOST);
    sim_applications_end(sim);
    free(sim->server.log);
    free(sim->server.journal);
    sim_forget_known(&sim->server);
}
