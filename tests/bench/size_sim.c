/* size-sim: what the sizer does on servers of different kinds, as a table.
 * size-sim [SEED] prints one line per scenario; size-sim SEED NAME prints every batch of one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "size_model.h"

static void print_batches(const struct size_run *run)
{
    printf("batch   rows     ms\n");
    for (int i = 0; i < SIZE_MODEL_BATCHES; i++)
        printf("%5d %6" PRId64 " %6" PRId64 "%s%s\n", i, run->rows[i], run->time[i] / 1000,
               run->conflict[i] ? " conflict" : "", run->outlier[i] ? " outlier" : "");
}

static void print_line(const struct size_scenario *scenario, const struct size_run *run)
{
    struct size_view view = size_model_view(run, SIZE_MODEL_BATCHES / 2, SIZE_MODEL_BATCHES);
    printf("%-27s", scenario->name);
    static const int marks[] = {0, 5, 10, 20, 40, 99, 101, 103, 110, 150, 199, 210, 220, 399};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        printf(" %6" PRId64, run->rows[marks[i]]);
    printf(" | %7d %5" PRId64 " %6" PRId64 " %6" PRId64 " %6" PRId64 " %7d %5d\n", size_model_settled(run, 0, 20),
           view.median_time / 1000, view.least_rows, view.median_rows, view.most_rows, view.outside, view.turns);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    struct size_run run;
    if (argc > 2) {
        const struct size_scenario *scenario = size_scenario_by_name(argv[2]);
        if (!scenario) {
            fprintf(stderr, "size-sim: no scenario \"%s\"; without a name all are shown\n", argv[2]);
            return 2;
        }
        size_model_run(scenario, seed, &run);
        print_batches(&run);
        return 0;
    }
    printf("target 250 ms, rows 500 / 10 / 50000, seed %" PRIu64 ": rows of batch ... | second half of the run\n", seed);
    printf("%-27s      0      5     10     20     40     99    101    103    110    150    199    210    220    399"
           " | settled    ms  least median   most outside turns\n",
           "");
    for (int i = 0; i < size_scenario_count; i++) {
        size_model_run(&size_scenarios[i], seed, &run);
        print_line(&size_scenarios[i], &run);
    }
    return 0;
}
