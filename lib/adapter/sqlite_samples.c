/* The series of jobs as rows of the store. */
#include "sqlite_samples.h"

#include "allocate.h"
#include "sqlite_rows.h"

void bf_samples_free(struct bf_sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(samples[i].signals);
    free(samples);
}

static bool add_sample(sqlite3_stmt *statement, const char *job, int step, const struct bf_sample *sample)
{
    int place = 0;

    sqlite3_bind_text(statement, ++place, job, -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, ++place, step);
    sqlite3_bind_int64(statement, ++place, sample->at);
    sqlite3_bind_int64(statement, ++place, sample->batch_rows);
    sqlite3_bind_text(statement, ++place, sample->signals, -1, SQLITE_STATIC);
#define X(name) sqlite3_bind_int64(statement, ++place, sample->name);
    BF_SAMPLE_COUNTS(X)
#undef X
    return bf_rows_run(statement);
}

bool bf_rows_add_samples(struct bf_rows *rows, const char *job, int step, const struct bf_sample *samples, size_t count,
                         int keep)
{
    for (size_t i = 0; i < count; i++)
        if (!add_sample(rows->add_sample, job, step, &samples[i]))
            return false;
    if (count == 0)
        return true;
    sqlite3_bind_text(rows->trim_samples, 1, job, -1, SQLITE_STATIC);
    sqlite3_bind_int(rows->trim_samples, 2, step);
    sqlite3_bind_int64(rows->trim_samples, 3, samples[count - 1].at - (int64_t)step * (keep - 1));
    return bf_rows_run(rows->trim_samples);
}

static void read_sample(sqlite3_stmt *statement, struct bf_sample *sample)
{
    int column = 0;

    sample->at = sqlite3_column_int64(statement, column++);
    sample->batch_rows = sqlite3_column_int64(statement, column++);
    sample->signals = bf_copy_string((const char *)sqlite3_column_text(statement, column++));
#define X(name) sample->name = sqlite3_column_int64(statement, column++);
    BF_SAMPLE_COUNTS(X)
#undef X
}

bool bf_rows_samples(struct bf_rows *rows, const char *job, int step, int64_t since, size_t limit,
                     struct bf_sample **ret_samples, size_t *ret_count)
{
    sqlite3_stmt *statement = since == 0 ? rows->last_samples : rows->first_samples;
    struct bf_sample *samples = bf_allocate((limit + 1) * sizeof *samples);
    size_t count = 0;
    int result;

    sqlite3_bind_text(statement, 1, job, -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, step);
    sqlite3_bind_int64(statement, 3, since);
    sqlite3_bind_int64(statement, 4, (int64_t)limit);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW && count < limit)
        read_sample(statement, &samples[count++]);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (result != SQLITE_DONE) {
        bf_samples_free(samples, count);
        return false;
    }
    for (size_t i = 0; since == 0 && i < count / 2; i++) {
        struct bf_sample sample = samples[i];
        samples[i] = samples[count - 1 - i];
        samples[count - 1 - i] = sample;
    }
    *ret_samples = samples;
    *ret_count = count;
    return true;
}
