/* What is asked about ranges of keys in the simulated server: where they end, how many rows they have. */
#include "server.h"

#include "allocate.h"

static void put_text(struct bf_answer *answer, size_t column, const char *text)
{
    answer->values[column] = bf_copy_string(text);
}

/* Rows of (low, high]: all or those that match, of any writer (-1) or of one. */
static int64_t count_rows(const struct sim_server *server, int64_t low, int64_t high, bool matching, int64_t writer)
{
    int64_t count = 0;
    for (int i = 0; i < server->row_count; i++) {
        const struct sim_row *it = &server->rows[i];
        if (it->key > low && it->key <= high && it->visible &&
            (writer >= 0 ? it->writer == writer && (it->n > 0 || sim_inverts(server)) : !matching || sim_row_matches(server, it)))
            count++;
    }
    return count;
}

/* The n-th (from 0) row behind low; a row index, -1: there is none. */
static int nth_row(const struct sim_server *server, int64_t low, int64_t n, bool matching)
{
    for (int i = 0; i < server->row_count; i++)
        if (server->rows[i].key > low && server->rows[i].visible && (!matching || sim_row_matches(server, &server->rows[i])) &&
            n-- == 0)
            return i;
    return -1;
}

void sim_boundary(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    const struct sim_server *server = &session->sim->server;
    int64_t low = INT64_MIN, through = INT64_MAX;
    bool has_low = sim_key(step, 0, &low);
    sim_key(step, 1, &through);
    int found = nth_row(server, low, sim_number(step, 2), false);
    if (found < 0)
        return;
    sim_answer_row(answer, 1, 4);
    sim_put(answer, 0, server->rows[found].key);
    sim_put(answer, 1, has_low ? 1 : 0);
    put_text(answer, 2, server->rows[found].key >= through ? "t" : "f");
    sim_put_clock(answer, 3, session->sim->now);
}

static void keys(const struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    const struct sim_server *server = &session->sim->server;
    int64_t low = INT64_MIN, through = INT64_MAX, wanted = sim_number(step, 2);
    int rows[SIM_ROWS_MAX];
    size_t count = 0;
    sim_key(step, 0, &low);
    sim_key(step, 1, &through);
    for (int found; (int64_t)count < wanted && (found = nth_row(server, low, (int64_t)count, false)) >= 0; count++)
        rows[count] = found;
    sim_answer_row(answer, count, 3);
    for (size_t i = 0; i < count; i++) {
        sim_put(answer, 3 * i, server->rows[rows[i]].key);
        sim_put(answer, 3 * i + 1, 1);
        put_text(answer, 3 * i + 2, server->rows[rows[i]].key >= through ? "t" : "f");
    }
}

void sim_look(struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    const struct sim_server *server = &session->sim->server;
    size_t first = step->statement == BF_STATEMENT_RECOUNT ? 1 : 0;
    int64_t low = INT64_MIN, high = INT64_MAX;
    bool has_low = sim_key(step, first, &low);
    sim_key(step, first + 1, &high);
    int found;
    switch (step->statement) {
    case BF_STATEMENT_KEYS: keys(session, step, answer); break;
    case BF_STATEMENT_SPLIT:
        sim_answer_row(answer, 1, 2);
        sim_put(answer, 0, has_low ? 1 : 0);
        put_text(answer, 1, high <= low ? "t" : "f");
        break;
    case BF_STATEMENT_COUNT:
        sim_answer_row(answer, 1, 1);
        sim_put(answer, 0, count_rows(server, low, high, false, -1));
        break;
    case BF_STATEMENT_PROBE: {
        int64_t count = count_rows(server, low, high, true, -1), limit = sim_number(step, 2);
        sim_answer_row(answer, 1, 1);
        sim_put(answer, 0, count < limit ? count : limit);
        break;
    }
    case BF_STATEMENT_CAP:
        found = nth_row(server, low, sim_number(step, 2), true);
        if (found < 0 || server->rows[found].key > high)
            break;
        sim_answer_row(answer, 1, 2);
        sim_put(answer, 0, server->rows[found].key);
        sim_put(answer, 1, has_low ? 1 : 0);
        break;
    case BF_STATEMENT_RECOUNT:
        sim_answer_row(answer, 1, 1);
        sim_put(answer, 0, count_rows(server, low, high, true, sim_number(step, 0)));
        break;
    case BF_STATEMENT_END:
        for (int i = server->row_count - 1; i >= 0; i--)
            if (server->rows[i].visible) {
                sim_answer_row(answer, 1, 1);
                sim_put(answer, 0, server->rows[i].key);
                break;
            }
        break;
    default:
        break;
    }
}

/* The exact ones. */
void sim_quantiles(const struct sim_server_session *session, const struct bf_step *step, struct bf_answer *answer)
{
    const struct sim_server *server = &session->sim->server;
    int64_t after = INT64_MIN, through = 0, count = 0, slices = sim_number(step, 2), least = sim_number(step, 3);
    int rows[SIM_ROWS_MAX];
    sim_key(step, 0, &after);
    sim_key(step, 1, &through);
    for (int i = 0; i < server->row_count; i++)
        if (server->rows[i].visible && server->rows[i].key > after && server->rows[i].key <= through)
            rows[count++] = i;
    slices = count / least < slices ? count / least : slices;
    if (slices < 2)
        return;
    sim_answer_row(answer, (size_t)slices - 1, 1);
    for (int64_t i = 1; i < slices; i++)
        sim_put(answer, (size_t)i - 1, server->rows[rows[count * i / slices - 1]].key);
}
