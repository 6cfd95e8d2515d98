#include "estimate.h"

#include <math.h>

#include "size.h"

enum {
    LAST_PASS_TIMES = 8,   /* a pass that changes nothing reads that many times faster than one that writes */
    JOURNAL_ROW_BYTES = 60 /* key, pass, header and both images of one narrow column; a further column costs half as much */
};
static const double BEGIN_AND_END = 0.5;  /* seconds: connecting, registering, verifying */
static const double BATCH_TIME = 0.005;   /* seconds: what the trial does not have: the next boundary, the checkpoint, the commit */
static const double JOURNAL_TIME = 1.3;   /* times what a batch takes without a journal: tests/bench/undo */

static double share_of(const struct bf_facts *facts, double rows)
{
    const struct bf_fact *exact = &facts->of[BF_FACT_MATCHING_EXACT], *guessed = &facts->of[BF_FACT_MATCHING];
    double matching = exact->known ? exact->value : guessed->known ? guessed->value : -1;
    const struct bf_fact *tried = &facts->of[BF_FACT_TRIAL_ROWS], *changed = &facts->of[BF_FACT_TRIAL_CHANGED];
    if (matching >= 0 && rows > 0)
        return fmin(1, matching / rows);
    return tried->known && changed->known && tried->value > 0 ? changed->value / tried->value : -1;
}

static double lower(double rate, int64_t cap)
{
    return cap != BF_NO_LIMIT && (double)cap < rate ? (double)cap : rate;
}

static double of_a_million(const struct bf_facts *facts, enum bf_fact_name name, double otherwise)
{
    return facts->of[name].known ? facts->of[name].value / BF_FACT_MILLION : otherwise;
}

/* Rows a second while a batch is under way: each costs its own time and its share of what a batch costs besides, which is the
 * less the more rows the pace puts into one. 0: nothing was tried. */
static double working_rate(const struct bf_document *document, const struct bf_facts *facts, double share)
{
    const struct bf_fact *rows = &facts->of[BF_FACT_TRIAL_ROWS], *seconds = &facts->of[BF_FACT_TRIAL_SECONDS];
    if (!rows->known || !seconds->known || rows->value <= 0 || seconds->value <= 0)
        return 0;
    double row = of_a_million(facts, BF_FACT_TRIAL_ROW_TIME, seconds->value / rows->value);
    double own = BATCH_TIME + (facts->of[BF_FACT_TRIAL_BATCH_TIME].known ? facts->of[BF_FACT_TRIAL_BATCH_TIME].value : 0);
    double most = (double)document->pace.batch_rows_max;
    if (share >= 0)
        most *= share * BF_SIZE_SPARSE > 1 ? 1 / share : BF_SIZE_SPARSE;
    double aim = (double)document->pace.batch_time / 1000 - own;
    double in_batch = row > 0 && aim / row < most ? aim / row : most;
    return 1 / (row + own / fmax(in_batch, (double)document->pace.batch_rows_min));
}

static double journal_row(const struct bf_document *document, const struct bf_facts *facts)
{
    const struct bf_fact *row = &facts->of[BF_FACT_JOURNAL_ROW];
    return row->known && row->value > 0 ? row->value : JOURNAL_ROW_BYTES + (double)(document->set_count - 1) * JOURNAL_ROW_BYTES / 2;
}

struct bf_estimate bf_estimate(const struct bf_document *document, const struct bf_facts *facts)
{
    struct bf_estimate estimate = {.open = 1, .changed = -1, .log_bytes = -1, .journal_bytes = -1};
    const struct bf_fact *rows = &facts->of[facts->of[BF_FACT_RANGE_ROWS].known ? BF_FACT_RANGE_ROWS : BF_FACT_ROWS];
    const struct bf_fact *tried = &facts->of[BF_FACT_TRIAL_ROWS];
    const struct bf_fact *log = &facts->of[BF_FACT_TRIAL_LOG];
    bool journal = document->undo == BF_UNDO_JOURNAL;
    if (!journal)
        estimate.journal_bytes = 0;
    if (!rows->known)
        return estimate;
    double share = share_of(facts, rows->value);
    if (share >= 0)
        estimate.changed = share * rows->value;
    if (journal && estimate.changed >= 0)
        estimate.journal_bytes = estimate.changed * journal_row(document, facts);
    double rate = working_rate(document, facts, share);
    if (rate <= 0)
        return estimate;
    double log_per_row = of_a_million(facts, BF_FACT_TRIAL_ROW_LOG, log->known ? log->value / tried->value : -1);
    if (log_per_row >= 0)
        estimate.log_bytes = log_per_row * rows->value;
    estimate.rate = lower(rate / (journal ? JOURNAL_TIME : 1) / (1 + document->pace.nice), document->pace.max_rows_per_second);
    if (log_per_row > 0 && document->pace.max_log_bytes_per_second != BF_NO_LIMIT)
        estimate.rate = fmin(estimate.rate, (double)document->pace.max_log_bytes_per_second / log_per_row);
    double taken = BEGIN_AND_END + rows->value / estimate.rate * (document->remaining ? 1 + 1.0 / LAST_PASS_TIMES : 1);
    estimate.open = bf_windows_share(document->pace.windows, document->pace.window_count);
    estimate.known = true;
    estimate.low = taken / sqrt(BF_ESTIMATE_SPREAD);
    estimate.high = taken * sqrt(BF_ESTIMATE_SPREAD);
    return estimate;
}
