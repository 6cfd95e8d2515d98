#include "status.h"

#include <stddef.h>

#include "allocate.h"
#include "buffer.h"
#include "engine.h"

/* In this order: what writes comes first. Final states are not told. */
static const struct {
    enum bf_state state;
    const char *words;
} told[] = {
    {BF_STATE_RUNNING, "running"},   {BF_STATE_ROLLING_BACK, "rolling back"}, {BF_STATE_VERIFYING, "verifying"},
    {BF_STATE_PAUSING, "pausing"},   {BF_STATE_ABORTING, "aborting"},         {BF_STATE_PLANNING, "planning"},
    {BF_STATE_QUEUED, "queued"},     {BF_STATE_PAUSED, "paused"},             {BF_STATE_AWAITING_APPROVAL, "waiting for approval"},
};

/* Jobs that work and just now do not: how many, and why, where all of them have one reason. */
struct waiting {
    size_t count;
    enum bf_code code; /* of the first */
    bool mixed;
};

static void add_waiting(struct waiting *waiting, const struct bf_job *job)
{
    enum bf_code code = bf_job_reason(job).code;

    if (waiting->count++ == 0)
        waiting->code = code;
    waiting->mixed = waiting->mixed || code != waiting->code;
}

static void append_waiting(struct bf_buffer *text, const struct waiting *waiting, const char *words)
{
    if (waiting->count == 0)
        return;
    bf_buffer_format(text, "; %zu %s", waiting->count, words);
    if (!waiting->mixed && waiting->code != BF_OK)
        bf_buffer_format(text, " (%s)", bf_code_name(waiting->code));
}

char *bf_status_text(const struct bf_engine *engine, size_t faults)
{
    size_t counts[BF_STATE_COUNT] = {0};
    struct waiting holding = {0}, backing_off = {0};
    struct bf_buffer text = {0};

    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(engine, job));) {
        counts[bf_job_record(job)->state]++;
        if (bf_job_activity(job) == BF_ACTIVITY_HOLDING)
            add_waiting(&holding, job);
        else if (bf_job_activity(job) == BF_ACTIVITY_BACKING_OFF)
            add_waiting(&backing_off, job);
    }
    for (size_t i = 0; i < BF_COUNT(told); i++)
        if (counts[told[i].state] > 0)
            bf_buffer_format(&text, "%s%zu %s", text.length > 0 ? ", " : "jobs: ", counts[told[i].state], told[i].words);
    append_waiting(&text, &holding, "holding");
    append_waiting(&text, &backing_off, "backing off");
    if (text.length == 0)
        bf_buffer_text(&text, "no unfinished job");
    if (faults > 0)
        bf_buffer_format(&text, "; the configuration has %zu %s and was not taken over", faults, faults == 1 ? "fault" : "faults");
    return bf_buffer_take(&text);
}
