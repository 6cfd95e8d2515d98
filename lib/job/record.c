#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bf_record_forget_approval(struct bf_record *record)
{
    char **const texts[] = {&record->approver, &record->break_glass, &record->approved_plan, &record->approved_risk, &record->approved_bounds};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(*texts[i]);
        *texts[i] = NULL;
    }
}

void bf_record_clear(struct bf_record *record)
{
    bf_document_free(record->document);
    free(record->progress.after);
    free(record->progress.through);
    free(record->progress.position);
    free(record->progress.slices);
    free(record->progress.ledger);
    free(record->plan);
    free(record->submitter);
    bf_record_forget_approval(record);
    free(record->idempotency_key);
    *record = (struct bf_record){0};
}

/* The time of the last change is part of it: a change that was never stored and is forgotten by a crash must not share
 * its tag with the change that comes instead. */
char *bf_record_etag(const struct bf_record *record, char text[BF_ETAG_TEXT])
{
    snprintf(text, BF_ETAG_TEXT, "\"%" PRId64 "-%" PRIx64 "\"", record->version, (uint64_t)record->updated_at);
    return text;
}

bool bf_etag_matches(const char *if_match, const char *etag)
{
    size_t length = strlen(etag);
    for (const char *at = if_match + strspn(if_match, " \t,"); *at; at += strspn(at, " \t,")) {
        if (*at == '*')
            return at[1 + strspn(at + 1, " \t")] == '\0';
        bool weak = strncmp(at, "W/", 2) == 0;
        if (weak)
            at += 2;
        if (*at != '"' || !strchr(at + 1, '"'))
            return false;
        size_t tag = (size_t)(strchr(at + 1, '"') + 1 - at);
        if (!weak && tag == length && memcmp(at, etag, length) == 0)
            return true;
        at += tag;
    }
    return false;
}

/* Changes that are looked at on the way back are counted, so that these two are no estimates. */
static struct bf_progress way_back(const struct bf_record *record)
{
    return (struct bf_progress){.rows_scanned = record->back.seen, .rows_estimated = record->back.rows};
}

double bf_record_fraction(const struct bf_record *record)
{
    struct bf_progress back = way_back(record);
    if (record->direction == BF_DIRECTION_FORWARD)
        return bf_progress_fraction(&record->progress, record->state);
    return record->state == BF_STATE_ROLLED_BACK ? 1 : bf_progress_fraction(&back, record->state);
}

int64_t bf_record_eta(const struct bf_record *record, double rate)
{
    struct bf_progress back = way_back(record);
    if (record->direction == BF_DIRECTION_FORWARD)
        return bf_progress_eta(&record->progress, record->state, rate);
    return record->state == BF_STATE_ROLLED_BACK ? 0 : bf_progress_eta(&back, record->state, rate);
}

/* The estimate is one, and rows come and go meanwhile: what is counted may pass it, what is shown may not. */
double bf_progress_fraction(const struct bf_progress *progress, enum bf_state state)
{
    const double nearly = 0.999;
    if (state == BF_STATE_COMPLETED)
        return 1;
    if (progress->done)
        return nearly;
    if (progress->rows_estimated < 0)
        return -1;
    if (progress->rows_scanned <= 0)
        return 0;
    if (progress->rows_estimated == 0)
        return nearly;
    double fraction = (double)progress->rows_scanned / (double)progress->rows_estimated;
    return fraction < nearly ? fraction : nearly;
}

int64_t bf_progress_eta(const struct bf_progress *progress, enum bf_state state, double rate)
{
    const double longest = 100.0 * 366 * 86400; /* seconds; more is no forecast */
    if (state == BF_STATE_COMPLETED)
        return 0;
    if (state != BF_STATE_RUNNING && state != BF_STATE_VERIFYING && state != BF_STATE_ROLLING_BACK)
        return -1;
    if (progress->done)
        return 0;
    /* Past the estimate and not at the end: how much is left is not known any more. */
    if (progress->rows_estimated <= progress->rows_scanned || !(rate > 0))
        return -1;
    double seconds = (double)(progress->rows_estimated - progress->rows_scanned) / rate;
    return seconds < longest ? (int64_t)seconds + 1 : -1;
}
