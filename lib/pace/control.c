#include "control.h"

#include <math.h>

/* From half of a limit on it sleeps longer, at the limit eight times the batch's own time. */
static const double pressure_from = 0.5, pressure_slope = 16;
/* Each hold lengthens the sleeps by once the batch's own time, fifty seconds without one take that back (pace-sim: 1.26 x
 * the rows of a slow replica at 0.73 x the lag). */
static const double patience_step = 1, patience_lost = 0.02, patience_most = 16;

/* Of its limit a replica is kept behind by a tenth, and never by more than three tenths of a second. */
static const double replay_share = 0.1, replay_most = 0.3;
static const double replay_sleep_most = 1e6; /* microseconds: two samples */

/* How long `amount` takes at `per_second`, without the time that it took already; microseconds. */
static double left_of(int64_t amount, int64_t per_second, int64_t taken)
{
    return per_second >= BF_NO_LIMIT || amount <= 0 ? 0 : (double)amount / (double)per_second * 1e6 - (double)taken;
}

int64_t bf_control_sleep(double nice, double pressure, const struct bf_batch *batch, int64_t max_rows_per_second,
                         int64_t max_log_bytes_per_second)
{
    const double longest = 86400e6;
    double steep = pressure_slope * (pressure - pressure_from);
    double sleep = (double)bf_sleep(steep > nice ? steep : nice, batch->time, batch->changed);
    double rows = left_of(batch->changed, max_rows_per_second, batch->time);
    double log = left_of(batch->log_bytes, max_log_bytes_per_second, batch->time);
    sleep = rows > sleep ? rows : sleep;
    sleep = log > sleep ? log : sleep;
    return (int64_t)(sleep < longest ? sleep : longest);
}

/* Seconds by which a replica is kept behind: so little that nobody notices, so much that it always has something to do. */
static double kept_behind(const struct bf_replay *replay)
{
    double behind = replay->limit * replay_share;
    return behind < replay_most ? behind : replay_most;
}

/* Microseconds until the slowest replica will have replayed all but what it is kept behind by, if it goes on as it did. A
 * sample corrects what is believed, so nothing is slept off for longer than it takes to get one. */
static double replay_sleep(const struct bf_control_input *input, const char **ret_name)
{
    double longest = 0;
    for (size_t i = 0; i < input->replay_count && input->batch.log_end > 0 && input->batch.changed > 0; i++) {
        const struct bf_replay *replay = &input->replays[i];
        double behind = (input->batch.log_end - replay->position) / replay->rate - (double)(input->now - replay->at) / 1000;
        double sleep = (behind - kept_behind(replay)) * 1e6;
        if (sleep > longest)
            *ret_name = replay->name;
        longest = sleep > longest ? sleep : longest;
    }
    return longest < replay_sleep_most ? longest : replay_sleep_most;
}

/* Bytes of log that a batch may write: what a replica replays in the time that a batch may take, shared by those that run side by
 * side. */
static double log_of(const struct bf_control_input *input, int slices)
{
    double most = HUGE_VAL;
    for (size_t i = 0; i < input->replay_count; i++) {
        double seconds = (double)input->size->aim / 1e6, behind = kept_behind(&input->replays[i]);
        double log = input->replays[i].rate * (behind < seconds ? behind : seconds) / (slices > 1 ? slices : 1);
        most = log < most ? log : most;
    }
    return most;
}

/* Rows whose log fits into what the cap allows in a second, for a batch that has to be slept off for a minute would come at once and
 * in one piece; and into what the replicas follow, but no fewer than the document wants for that. */
static int64_t rows_of(const struct bf_control_input *input, struct bf_control_memory *memory, int64_t log_bytes_per_second,
                       int slices)
{
    int64_t rows = input->size->rows;
    const struct bf_batch *batch = &input->batch;
    bool known = batch->log_bytes > 0 && batch->scanned > 0;
    if (known)
        memory->row_log = (double)batch->log_bytes / (double)batch->scanned;
    if (memory->row_log <= 0)
        return rows;
    double fit = log_of(input, slices) / memory->row_log;
    if (fit < (double)rows)
        rows = fit > (double)input->size->min ? (int64_t)fit : input->size->min;
    double capped = (double)log_bytes_per_second / memory->row_log;
    if (known && log_bytes_per_second < BF_NO_LIMIT && capped < (double)rows)
        rows = (int64_t)capped;
    return rows < 1 ? 1 : rows;
}

/* Running into a limit again and again, and waiting for it to clear, is slower for both sides than going at the pace that
 * the slowest replica can follow: each hold makes the sleeps longer, time without one makes them shorter again. */
static void learn(struct bf_control_memory *memory, bool over, int64_t now)
{
    memory->patience -= (double)(now - memory->learnt_at) / 1000 * patience_lost;
    memory->learnt_at = now;
    if (memory->patience < 0)
        memory->patience = 0;
    if (over && !memory->over)
        memory->patience += patience_step;
    if (memory->patience > patience_most)
        memory->patience = patience_most;
    memory->over = over;
}

/* What each of them may have of a rate. */
static int64_t share(int64_t per_second, int slices)
{
    if (per_second >= BF_NO_LIMIT || slices <= 1)
        return per_second;
    return per_second > slices ? per_second / slices : 1;
}

struct bf_control bf_control_decide(const struct bf_control_input *input, struct bf_control_memory *memory)
{
    static const enum bf_control_cause causes[] = {[BF_GATE_OPEN] = BF_GO, [BF_GATE_OVER] = BF_HOLD_OVER,
                                                   [BF_GATE_STALE] = BF_HOLD_STALE, [BF_GATE_UNKNOWN] = BF_HOLD_UNKNOWN};
    struct bf_control control = {.cause = BF_GO};
    double worst = -1;
    for (size_t i = 0; i < input->signal_count && i < BF_SIGNALS_MAX; i++) {
        const struct bf_signal *signal = &input->signals[i];
        if (!(signal->limit > 0))
            continue;
        enum bf_gate_state state = bf_gate_pass(&memory->gates, signal, input->now);
        double share = signal->sampled_at == BF_SIGNAL_NEVER ? 0 : signal->value / signal->limit;
        if (share > control.pressure)
            control.pressure = share;
        if (state == BF_GATE_OPEN)
            continue;
        control.holding |= UINT64_C(1) << i;
        /* What is known to be over says more than what is not known. */
        double weight = state == BF_GATE_OVER ? share + 2 : state == BF_GATE_STALE ? 1 : 0;
        if (weight > worst) {
            worst = weight;
            control.signal = i;
            control.cause = causes[state];
        }
    }
    bool holds = control.cause == BF_HOLD_OVER || control.cause == BF_HOLD_STALE; /* none comes back before it is over */
    if (!input->window_open)
        control.cause = BF_HOLD_WINDOW;
    control.slices = bf_crew_size(&memory->crew, input->slices > 1 ? input->slices : 1, holds ? 1 : control.pressure,
                                  input->now);
    int64_t log_bytes = share(input->max_log_bytes_per_second, control.slices);
    control.rows = rows_of(input, memory, log_bytes, control.slices);
    learn(memory, control.cause == BF_HOLD_OVER, input->now);
    /* Who is over a limit, or cannot see, holds, and says why, instead of sleeping at first for eight times a batch that may have
     * been long, or for ever: what cannot be seen may be infinite. */
    double nice = input->nice > memory->patience ? input->nice : memory->patience;
    control.sleep = bf_control_sleep(holds ? 0 : nice, holds ? 0 : control.pressure, &input->batch,
                                     share(input->max_rows_per_second, control.slices), log_bytes);
    const char *slowest = NULL;
    double replay = holds ? 0 : replay_sleep(input, &slowest);
    if (replay > (double)control.sleep) {
        control.sleep = (int64_t)replay;
        control.slept_for = slowest;
    }
    return control;
}
