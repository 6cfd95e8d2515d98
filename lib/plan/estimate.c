#include "estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"

enum {
    LAST_PASS_TIMES = 8,    /* a pass that changes nothing reads that many times faster than one that writes */
    JOURNAL_ROW_BYTES = 60, /* key, pass, header and both images of one narrow column; a further column costs half as much */
    STEADY = 2 * BF_SIZE_HISTORY, /* so many batches of one size, and the others will be as large */
    GROWTH_MOST = 1000      /* batches that are looked at one by one: from a row on, growing by half, the largest is reached sooner */
};
static const double BEGIN_AND_END = 0.3; /* seconds: connecting, registering, verifying */
static const double BATCH_TIME = 0.005;  /* seconds: what the trial does not have: the checkpoint, the commit */
/* Of what a warm row cost in the trial, where rows come to a page at different times and no index holds what they change: those that
 * left it first have made room, so the new versions of the others stay there and no index is written (HOT). Jobs along random and
 * composite keys of tests/bench/estimate cost 0.3 to 0.5 of that, in log and in time. */
static const double HOT_SHARE = 0.4;

/* What will be scanned, as the server estimates it: the rows of the range, or of the table, and no fewer than were counted. */
static double rows_of(const struct bf_facts *facts)
{
    const struct bf_fact *rows = &facts->of[facts->of[BF_FACT_RANGE_ROWS].known ? BF_FACT_RANGE_ROWS : BF_FACT_ROWS];
    const struct bf_fact *exact = &facts->of[BF_FACT_MATCHING_EXACT];
    if (!rows->known)
        return -1;
    return exact->known ? fmax(rows->value, exact->value) : rows->value;
}

/* Of the rows with the last keys those that are asked for; -1: not known, or they are no part of what is scanned. */
static double share_of_newest(const struct bf_facts *facts)
{
    const struct bf_fact *newest = &facts->of[BF_FACT_NEWEST];
    double of = newest->detail && strncmp(newest->detail, "of ", 3) == 0 ? strtod(newest->detail + 3, NULL) : 0;
    if (!newest->known || of <= 0 || facts->of[BF_FACT_RANGE_ROWS].known)
        return -1;
    return fmin(1, newest->value / of);
}

/* By what was seen of the rows at both ends: the batches that were tried, and the newest ones. -1: nothing was. */
static double share_seen(const struct bf_facts *facts)
{
    const struct bf_fact *tried = &facts->of[BF_FACT_TRIAL_ROWS], *changed = &facts->of[BF_FACT_TRIAL_CHANGED];
    double first = tried->known && changed->known && tried->value > 0 ? changed->value / tried->value : -1;
    double last = share_of_newest(facts);
    return first >= 0 && last >= 0 ? (first + last) / 2 : fmax(first, last);
}

/* Of the rows that are scanned those that are changed: as they were counted, as the server estimates them, or, where it would only
 * guess, as they were seen. */
static double share_of(const struct bf_facts *facts, double rows)
{
    const struct bf_fact *exact = &facts->of[BF_FACT_MATCHING_EXACT], *estimated = &facts->of[BF_FACT_MATCHING];
    double matching = exact->known ? exact->value : estimated->known ? estimated->value : -1, seen = share_seen(facts);
    bool guessed = !exact->known && seen > 0 && (matching >= rows || bf_fact_over(facts, BF_FACT_MATCHING_GUESSED, 0));
    if (matching >= 0 && rows > 0 && !guessed)
        return fmin(1, matching / rows);
    return seen;
}

static double of_a_million(const struct bf_facts *facts, enum bf_fact_name name, double otherwise)
{
    return facts->of[name].known ? facts->of[name].value / BF_FACT_MILLION : otherwise;
}

/* The rows that touch a page for the first time, and pay for it: it is read, and where the log holds images of whole pages it gets
 * one. Rows in the order of the table do so to the end; those that come to it from everywhere have soon seen all pages. How many
 * a row touches first is told by the images of the trial; more than there are pages cannot be touched. */
static double first_touches(const struct bf_facts *facts, double rows)
{
    const struct bf_fact *table = &facts->of[BF_FACT_TABLE_BYTES], *indexes = &facts->of[BF_FACT_INDEX_BYTES];
    double cold = of_a_million(facts, BF_FACT_TRIAL_ROW_LOG, 0), warm = of_a_million(facts, BF_FACT_TRIAL_WARM_LOG, cold);
    if (cold <= warm || !table->known)
        return rows;
    return fmin(rows, (table->value + (indexes->known ? indexes->value : 0)) / (cold - warm));
}

/* Of a row on the average, of a fact that was measured for rows that touch their pages first, and for others. */
static double mixed(const struct bf_facts *facts, enum bf_fact_name first, enum bf_fact_name warm, double rows, double otherwise)
{
    double cold_row = of_a_million(facts, first, otherwise), warm_row = of_a_million(facts, warm, cold_row);
    if (rows <= 0 || cold_row <= warm_row)
        return cold_row;
    double touching = first_touches(facts, rows) / rows;
    if (touching < 0.5 && bf_fact_over(facts, BF_FACT_HOT, 0))
        warm_row *= HOT_SHARE;
    return warm_row + (cold_row - warm_row) * touching;
}

bool bf_estimate_is_by_reading(const struct bf_facts *facts, const struct bf_estimate *estimate)
{
    const struct bf_fact *tried = &facts->of[BF_FACT_TRIAL_ROWS], *changed = &facts->of[BF_FACT_TRIAL_CHANGED];
    return tried->known && tried->value > 0 && changed->known && changed->value <= 0 && estimate->changed >= 1;
}

/* What one batch costs, and what each of its rows adds to that; seconds. Where none of the rows that were tried was to be changed,
 * as at the begin of a table whose first part is done, a changed one is taken to cost as many times more as a pass that changes
 * nothing is faster. False: nothing was tried. */
static bool costs_of(const struct bf_document *document, const struct bf_facts *facts, const struct bf_costs *costs,
                     const struct bf_estimate *estimate, double all, double *ret_own, double *ret_row)
{
    const struct bf_fact *rows = &facts->of[BF_FACT_TRIAL_ROWS], *seconds = &facts->of[BF_FACT_TRIAL_SECONDS];
    const struct bf_fact *own = &facts->of[BF_FACT_TRIAL_BATCH_TIME];
    if (!rows->known || !seconds->known || rows->value <= 0 || seconds->value <= 0)
        return false;
    double times = document->undo == BF_UNDO_JOURNAL ? costs->journal_time : 1;
    *ret_row = times * mixed(facts, BF_FACT_TRIAL_ROW_TIME, BF_FACT_TRIAL_WARM_TIME, all, seconds->value / rows->value);
    *ret_own = times * (BATCH_TIME + (own->known ? own->value : 0));
    if (bf_estimate_is_by_reading(facts, estimate))
        *ret_row *= 1 + LAST_PASS_TIMES * estimate->changed / all;
    if (costs->log_rate > 0 && estimate->log_bytes > 0)
        *ret_row += estimate->log_bytes / all / costs->log_rate;
    return true;
}

static int64_t at_most(int64_t rows, int64_t cap)
{
    return rows < cap ? rows : cap;
}

/* One pass over so many rows, as the pace will walk it: its batches grow from the first one on, until they take as long as
 * they are to take or have as many rows as they may, and it sleeps behind each. */
static double seconds_of_pass(const struct bf_document *document, double rows, double share, double own, double row)
{
    const struct bf_pace *pace = &document->pace;
    struct bf_size size;
    double seconds = 0;
    int64_t cap = pace->max_rows_per_second; /* a batch has no more than a second of it */
    bf_size_start(&size, pace->batch_time, at_most(pace->batch_rows_start, cap), at_most(pace->batch_rows_min, cap),
                  at_most(pace->batch_rows_max, cap));
    for (int batch = 0, same = 0; rows > 0; batch++) {
        int64_t before = size.rows;
        double scanned = fmin(rows, (double)before), time = own + scanned * row;
        double times = same == STEADY || batch == GROWTH_MOST ? rows / scanned : 1;
        seconds += times * time * (1 + (share > 0 ? pace->nice : 0));
        rows -= times * scanned;
        bf_size_batch(&size, (int64_t)scanned, (int64_t)(scanned * share), (int64_t)(time * 1e6));
        same = size.rows == before ? same + 1 : 0;
    }
    return seconds;
}

static double journal_row(const struct bf_document *document, const struct bf_facts *facts)
{
    const struct bf_fact *row = &facts->of[BF_FACT_JOURNAL_ROW];
    return row->known && row->value > 0 ? row->value : JOURNAL_ROW_BYTES + (double)(document->set_count - 1) * JOURNAL_ROW_BYTES / 2;
}

/* Where the log holds whole rows (binary log), a change has a length that is known; else the trial has measured it. */
static double log_bytes(const struct bf_document *document, const struct bf_facts *facts, const struct bf_costs *costs,
                        const struct bf_estimate *estimate, double rows)
{
    const struct bf_fact *row = &facts->of[BF_FACT_BINLOG_ROW];
    const struct bf_fact *log = &facts->of[BF_FACT_TRIAL_LOG], *tried = &facts->of[BF_FACT_TRIAL_ROWS];
    const struct bf_fact *changed = &facts->of[BF_FACT_TRIAL_CHANGED];
    bool journal = document->undo == BF_UNDO_JOURNAL;
    if (row->known && row->value <= 0) /* there is none */
        return 0;
    if (row->known)
        return estimate->changed < 0 ? -1 : estimate->changed * (row->value + (journal ? journal_row(document, facts) : 0));
    double per_row = mixed(facts, BF_FACT_TRIAL_ROW_LOG, BF_FACT_TRIAL_WARM_LOG, rows,
                           log->known && tried->value > 0 ? log->value / tried->value : -1);
    if (per_row < 0 || row->detail || bf_estimate_is_by_reading(facts, estimate))
        return -1;
    if (estimate->changed >= 0 && changed->known && changed->value > 0) /* what is only read leaves none */
        rows = estimate->changed * tried->value / changed->value;
    return per_row * rows * (journal ? costs->journal_log : 1);
}

/* Seconds that a cap on so many a second takes for all of them; no cap takes none. */
static double capped(double all, int64_t cap)
{
    return cap == BF_NO_LIMIT || all <= 0 ? 0 : all / (double)cap;
}

struct bf_estimate bf_estimate(const struct bf_document *document, const struct bf_facts *facts, const struct bf_costs *costs)
{
    struct bf_estimate estimate = {.open = 1, .changed = -1, .log_bytes = -1, .journal_bytes = -1};
    double all = rows_of(facts);
    bool journal = document->undo == BF_UNDO_JOURNAL;
    double own, row;
    if (!journal)
        estimate.journal_bytes = 0;
    if (all < 0)
        return estimate;
    double share = all > 0 ? share_of(facts, all) : 0;
    if (share >= 0)
        estimate.changed = share > 0 ? fmax(1, round(share * all)) : 0;
    if (journal && estimate.changed >= 0)
        estimate.journal_bytes = estimate.changed * journal_row(document, facts);
    estimate.log_bytes = log_bytes(document, facts, costs, &estimate, all);
    if (!costs_of(document, facts, costs, &estimate, all, &own, &row)) {
        estimate.log_bytes = -1;
        return estimate;
    }
    /* Side by side, but on the same processors and disks: two are to be worth 1.3 of one at least (tests/bench/slices). */
    double slices = sqrt((double)(document->pace.slices > 1 ? document->pace.slices : 1));
    double taken = seconds_of_pass(document, all, share < 0 ? 1 : share, own, row) / slices;
    taken = fmax(taken, capped(share < 0 ? all : estimate.changed, document->pace.max_rows_per_second));
    taken = fmax(taken, capped(estimate.log_bytes, document->pace.max_log_bytes_per_second));
    estimate.rate = taken > 0 ? all / taken : 0;
    if (document->remaining) /* the last pass reads everything, changes nothing and does not sleep */
        taken += all * row / LAST_PASS_TIMES / slices;
    taken += BEGIN_AND_END;
    estimate.open = bf_windows_share(document->pace.windows, document->pace.window_count);
    estimate.known = true;
    estimate.low = taken / sqrt(BF_ESTIMATE_SPREAD);
    estimate.high = taken * sqrt(BF_ESTIMATE_SPREAD);
    return estimate;
}
