/* A primary, its replicas and an application, as the controller sees them: the batches of one job cost time and log, the
 * replicas apply that log at a rate of their own, and the monitor samples twice a second. Everything that decides is
 * lib/pace itself. Shared by the printed simulator (pace_sim.c) and the unit test that asserts what it prints. */
#ifndef BF_TESTS_PACE_MODEL_H
#define BF_TESTS_PACE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { PACE_MODEL_REPLICAS = 2 };

struct pace_scenario {
    const char *name;
    double row_time;      /* microseconds of an idle server for a scanned row */
    double row_bytes;     /* of log for a changed row */
    double density;       /* share of the scanned rows that are changed */
    double load;          /* of the application: share of the server that it keeps busy */
    double later_load;    /* the same from `change_at` to `back_at`; under 0: the same */
    int wave;             /* seconds: load and later_load take turns, so long each; 0: they do not */
    double load_bytes;    /* of log that the application writes in a second when it keeps the server busy */
    double apply[PACE_MODEL_REPLICAS];       /* bytes of log that a replica applies in a second; 0: there is none */
    double later_apply[PACE_MODEL_REPLICAS]; /* the same from `change_at` to `back_at`; under 0: the same */
    double behind[PACE_MODEL_REPLICAS];      /* seconds that a replica is behind at the beginning */
    double delay;           /* seconds for which the replicas leave log alone, on purpose */
    int change_at, back_at; /* seconds */
    int seconds;            /* how long it runs */
    int64_t max_rows_per_second, max_log_bytes_per_second; /* 0: no cap */
};

struct pace_run {
    double rows_per_second;       /* scanned */
    double log_bytes_per_second;  /* written by the job */
    double lag_p50, lag_p99, lag_most; /* seconds, of the replicas that are heeded */
    double writing, sleeping, holding; /* shares of the time */
    int batches;
    int leaks;                    /* batches begun after a sample that was over the limit */
    int set_aside;                /* replicas */
    double gone_on;               /* seconds from `back_at` until the next batch began; under 0: it never did */
};

extern const struct pace_scenario pace_scenarios[];
extern const int pace_scenario_count;

/* `paced`: false is the loop without any brake that one would write by hand. */
void pace_model_run(const struct pace_scenario *scenario, bool paced, struct pace_run *ret);
const struct pace_scenario *pace_scenario_by_name(const char *name); /* NULL: none */

#endif
