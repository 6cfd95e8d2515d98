/* One point of a job's series: what happened in a span of time. Plain data; pure. */
#ifndef BF_JOB_SAMPLE_H
#define BF_JOB_SAMPLE_H

#include <stdint.h>

#include "identifier.h"

/* Milliseconds of one point, and how many points of it are kept for each job: ten minutes, a day, a month. */
enum { BF_SAMPLE_FINE = 1000, BF_SAMPLE_MIDDLE = 10000, BF_SAMPLE_COARSE = 60000 };
enum { BF_SAMPLES_FINE = 600, BF_SAMPLES_MIDDLE = 8640, BF_SAMPLES_COARSE = 44640 };

struct bf_sample {
    int64_t at;           /* unix milliseconds: its span begins here, at a multiple of its step */
    int64_t rows_scanned, rows_changed;
    int64_t batches;
    int64_t batch_time;   /* microseconds of all of them */
    int64_t batch_rows;   /* that the next batch was to scan, at the end of the span */
    int64_t slept, held;  /* milliseconds; held: backing off too */
    char *signals;        /* JSON: {"lag:replica-2": [worst value, limit]}; NULL: none has a limit. Owned where it says so */
};

#endif
