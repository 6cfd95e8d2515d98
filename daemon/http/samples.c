/* GET /v1/jobs/{job}/samples: the series of one job. */
#include "server.h"

#include <string.h>
#include <sys/time.h>

#include "allocate.h"
#include "sampler.h"

static const struct {
    const char *name;
    int step;
    int64_t reach; /* milliseconds */
} steps[] = {
    {"1s", BF_SAMPLE_FINE, (int64_t)BF_SAMPLE_FINE * BF_SAMPLES_FINE},
    {"10s", BF_SAMPLE_MIDDLE, (int64_t)BF_SAMPLE_MIDDLE * BF_SAMPLES_MIDDLE},
    {"1m", BF_SAMPLE_COARSE, (int64_t)BF_SAMPLE_COARSE * BF_SAMPLES_COARSE},
};

struct asked {
    struct bf_http_wait *wait;
    int step;
    size_t limit;
    bool since;
};

static json_t *sample_view(const struct bf_sample *sample)
{
    json_t *view = json_object();
    json_object_set_new(view, "at", bf_json_time(sample->at));
    json_object_set_new(view, "rows_scanned", json_integer(sample->rows_scanned));
    json_object_set_new(view, "rows_changed", json_integer(sample->rows_changed));
    json_object_set_new(view, "batches", json_integer(sample->batches));
    json_object_set_new(view, "batch_rows", json_integer(sample->batch_rows));
    double seconds = sample->batches > 0 ? (double)sample->batch_time / 1e6 / (double)sample->batches : -1;
    json_object_set_new(view, "batch_seconds", seconds < 0 ? json_null() : json_real(seconds));
    json_object_set_new(view, "sleep_seconds", json_real((double)sample->slept / 1000));
    json_object_set_new(view, "hold_seconds", json_real((double)sample->held / 1000));
    json_t *signals = sample->signals ? json_loads(sample->signals, 0, NULL) : NULL, *shown = json_object(), *pair;
    const char *name;
    json_object_foreach(signals, name, pair)
        json_object_set_new(shown, name, json_pack("{s:O, s:O}", "value", json_array_get(pair, 0), "limit",
                                                   json_array_get(pair, 1)));
    json_decref(signals);
    json_object_set_new(view, "signals", shown);
    return view;
}

static void samples_read(void *argument, const struct bf_sample *samples, size_t count, const struct bf_error *error)
{
    struct asked asked = *(struct asked *)argument;
    free(argument);
    struct bf_http_request *request = bf_http_wait_end(asked.wait);
    if (!request) return;
    if (error->code != BF_OK) {
        bf_http_problem(request, BF_STORE_FAILED, "the samples cannot be read: %s", error->text);
        return;
    }
    json_t *list = json_array(), *body = json_object();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, sample_view(&samples[i]));
    bool more = asked.since && count == asked.limit;
    json_object_set_new(body, "step_seconds", json_integer(asked.step / 1000));
    json_object_set_new(body, "samples", list);
    json_object_set_new(body, "next", more ? bf_json_time(samples[count - 1].at + asked.step) : json_null());
    bf_http_answer(request, 200, body);
}

/* The finest step whose points are kept for long enough. */
static int step_for(int64_t since)
{
    struct timeval time;
    gettimeofday(&time, NULL);
    int64_t age = since == 0 ? 0 : (int64_t)time.tv_sec * 1000 - since;
    size_t i = 0;
    while (i + 1 < BF_COUNT(steps) && age > steps[i].reach) i++;
    return steps[i].step;
}

void bf_handle_samples(struct bf_http_request *request)
{
    const struct bf_job *job = bf_http_job(request, false);
    if (!job) return;
    const char *name = bf_http_parameter(request, "step");
    int64_t since = bf_http_time(request, "since");
    int step = step_for(since);
    for (size_t i = 0; name && i < BF_COUNT(steps); i++)
        if (strcmp(steps[i].name, name) == 0) step = steps[i].step;
    struct asked *asked = BF_NEW(struct asked);
    *asked = (struct asked){bf_http_wait_begin(request), step, (size_t)bf_http_number(request, "limit"), since != 0};
    bf_sampler_read(request->http->sampler, bf_job_record(job)->id, step, since, asked->limit, samples_read, asked);
}
