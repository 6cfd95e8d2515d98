/* The columns of a sample, once; for the files of the store only. X(column, field) */
#ifndef BF_ADAPTER_SQLITE_SAMPLES_H
#define BF_ADAPTER_SQLITE_SAMPLES_H

#define BF_SAMPLE_COUNTS(X) \
    X(rows_scanned)         \
    X(rows_changed)         \
    X(batches)              \
    X(batch_time)           \
    X(slept)                \
    X(held)

#define BF_SAMPLE_NAME(name) ", " #name
#define BF_SAMPLE_PLACE(name) ", ?"
#define BF_SAMPLE_SUM(name) ", " #name " = " #name " + excluded." #name
#define BF_SAMPLE_COLUMNS "at, batch_rows, signals" BF_SAMPLE_COUNTS(BF_SAMPLE_NAME)
#define BF_SAMPLE_ADD                                                                                                   \
    "INSERT INTO sample (job, step, " BF_SAMPLE_COLUMNS ") VALUES (?, ?, ?, ?, ?" BF_SAMPLE_COUNTS(BF_SAMPLE_PLACE) ") "   \
    "ON CONFLICT (job, step, at) DO UPDATE SET batch_rows = excluded.batch_rows, "  \
    "signals = coalesce(excluded.signals, signals)" BF_SAMPLE_COUNTS(BF_SAMPLE_SUM)

#endif
