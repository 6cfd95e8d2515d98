/* The way back by an inverse that the author states, on the simulated server: what is written once the way back has begun is
 * n - 1, wherever the job had come. Applied twice, or to a row that the job did not change, it would be seen at once. */
#include <stdio.h>

#include "server.h"

bool sim_inverts(const struct sim_server *server)
{
    return server->sim->has_inverse && server->checkpoints[SIM_BACK].exists;
}

/* Is the row behind the position of the way back? */
static bool back_passed(const struct sim_server *server, int row)
{
    long long key;
    int slice;
    if (sscanf(server->checkpoints[SIM_BACK].place, "[\"%d\",\"%lld\"]", &slice, &key) != 2)
        return false;
    int own = sim_slice_of(server, row);
    return own < slice || (own == slice && server->rows[row].key <= key);
}

/* A row that the job changed is as it was as soon as the way back has passed it, and not before; every other one always. */
void sim_check_inverse(struct sim *sim)
{
    const struct sim_server *server = &sim->server;
    for (int i = 0; i < server->row_count; i++) {
        const struct sim_row *row = &server->rows[i];
        const struct sim_checkpoint *forward = &server->checkpoints[sim_slice_of(server, i)];
        bool passed = forward->has_position && row->key <= forward->position, restored = back_passed(server, i) && !row->back_aside;
        int expected = row->match && passed && !row->aside && !row->bad && !restored ? 1 : 0;
        bool good = sim->has_remaining ? row->n == 0 || (row->n == 1 && !restored) : row->n == expected;
        if (!good || row->back_aside < 0 || row->back_aside > 1)
            sim_violation(sim, "row %lld is at %d on the way back by the inverse, expected %d (set aside %d times, then %d times)",
                          (long long)row->key, row->n, expected, row->aside, row->back_aside);
    }
}
