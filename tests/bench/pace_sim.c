/* pace-sim: what the controller does with a primary, its replicas and an application, as a table: rows a second, the
 * share of its time that the job writes, sleeps and holds, and the lag of the replicas that it heeds; beside it the same
 * loop without a brake. pace-sim [NAME] prints all scenarios, or one. */
#include <stdio.h>

#include "pace_model.h"

static void print_line(const struct pace_scenario *scenario)
{
    struct pace_run run, loop;
    pace_model_run(scenario, true, &run);
    pace_model_run(scenario, false, &loop);
    printf("%-24s %9.0f %8d %3.0f %3.0f %3.0f %6.2f %6.2f %6.2f %5d %6.1f |%9.0f %7.2f %7.2f %5.2f\n", scenario->name,
           run.rows_per_second, run.batches, run.writing * 100, run.sleeping * 100, run.holding * 100, run.lag_p50,
           run.lag_p99, run.lag_most, run.leaks, run.gone_on < 0 ? 0 : run.gone_on, loop.rows_per_second, loop.lag_p99,
           loop.lag_most, loop.rows_per_second > 0 ? run.rows_per_second / loop.rows_per_second : 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !pace_scenario_by_name(argv[1])) {
        fprintf(stderr, "pace-sim: no scenario \"%s\"; without a name all are shown\n", argv[1]);
        return 2;
    }
    printf("batch_time 250 ms, nice 0.5, replication_lag 1.5 s; lag in seconds; leaks: batches begun while the newest "
           "sample was over the limit; again: seconds from recovery to the next batch\n"
           "%-24s %9s %8s %3s %3s %3s %6s %6s %6s %5s %6s |%9s %7s %7s %5s\n", "", "rows/s", "batches", "w%", "s%", "h%",
           "p50", "p99", "most", "leaks", "again", "no brake", "p99", "most", "ratio");
    if (argc > 1) {
        print_line(pace_scenario_by_name(argv[1]));
        return 0;
    }
    for (int i = 0; i < pace_scenario_count; i++)
        print_line(&pace_scenarios[i]);
    return 0;
}
