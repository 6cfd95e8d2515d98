/* A server as the sizer sees one: rows cost time, more or less of it from batch to batch. Shared by the printed
 * simulator (size_sim.c) and the unit test that asserts what it prints (tests/unit/test_size.c). */
#ifndef BF_TESTS_SIZE_MODEL_H
#define BF_TESTS_SIZE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { SIZE_MODEL_BATCHES = 400 };

struct size_scenario {
    const char *name;
    double row_time;        /* microseconds for a scanned row */
    double later_row_time;  /* the same from batch `change_at` up to `back_at` */
    int change_at, back_at; /* 0: never */
    double fixed_time;      /* microseconds for a batch, however small */
    double noise;           /* 0.1: up to 10 % more or less */
    double outlier_chance, outlier_factor;
    double density;         /* share of the scanned rows that are changed */
    double later_density;   /* the same from batch `change_at` on; under 0: the same */
    double conflict_chance; /* per batch */
    double own_load;        /* how much dearer rows are after batches of full target time, as a factor on top of 1 */
};

struct size_run {
    int64_t target;                    /* microseconds */
    int64_t min, max;
    int64_t rows[SIZE_MODEL_BATCHES];  /* scanned in each batch */
    int64_t time[SIZE_MODEL_BATCHES];  /* microseconds */
    bool conflict[SIZE_MODEL_BATCHES]; /* taken back; its time is not counted */
    bool outlier[SIZE_MODEL_BATCHES];
};

extern const struct size_scenario size_scenarios[];
extern const int size_scenario_count;

/* One run of SIZE_MODEL_BATCHES batches at 250 ms, rows 500 / 10 / 50,000; the same seed is the same run. */
void size_model_run(const struct size_scenario *scenario, uint64_t seed, struct size_run *ret);
const struct size_scenario *size_scenario_by_name(const char *name); /* NULL: none */

/* What a run shows of its batches [from, to): conflicts are left out everywhere, outliers where it is said. */
struct size_view {
    int64_t median_time, least_rows, most_rows, median_rows;
    int outside; /* batches that are no outliers and are over 25 % from the target */
    int turns;   /* how often rows went down by over 10 % after having gone up by over 10 %, or the other way */
};
struct size_view size_model_view(const struct size_run *run, int from, int to);
/* The first batch from `from` on after which `length` batches in a row (outliers left out) are within 25 % of the
 * target; -1: none. */
int size_model_settled(const struct size_run *run, int from, int length);

#endif
