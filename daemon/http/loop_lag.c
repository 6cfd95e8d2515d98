#include "loop_lag.h"

#include <stddef.h>

const double bf_loop_lag_bounds[BF_LOOP_LAG_BOUNDS] = {0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1};

static void on_timer(uv_timer_t *timer)
{
    struct bf_loop_lag *lag = (struct bf_loop_lag *)((char *)timer - offsetof(struct bf_loop_lag, timer));
    uint64_t now = uv_hrtime();
    double late = now > lag->due ? (double)(now - lag->due) / 1e9 : 0;
    int class = 0;
    while (class < BF_LOOP_LAG_BOUNDS && late > bf_loop_lag_bounds[class]) class++;
    lag->counts[class]++;
    lag->looks++;
    lag->sum += late;
    /* Not from when it fired: libuv counts in whole milliseconds of the loop's own time, which began this turn. */
    lag->due = now + BF_LOOP_LAG_LOOK * UINT64_C(1000000);
    uv_update_time(timer->loop);
    uv_timer_start(timer, on_timer, BF_LOOP_LAG_LOOK, 0);
}

void bf_loop_lag_start(uv_loop_t *loop, struct bf_loop_lag *lag)
{
    uv_timer_init(loop, &lag->timer);
    uv_unref((uv_handle_t *)&lag->timer); /* it keeps no loop alive */
    uv_update_time(loop);
    lag->due = uv_hrtime() + BF_LOOP_LAG_LOOK * UINT64_C(1000000);
    uv_timer_start(&lag->timer, on_timer, BF_LOOP_LAG_LOOK, 0);
}
