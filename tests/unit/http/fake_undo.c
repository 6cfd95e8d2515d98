/* The way back at the engine of canned answers: what was asked last is remembered as one line. */
#include "fake_engine.h"

#include <stdio.h>
#include <string.h>

char fake_undo[256];

void bf_engine_look_back(struct bf_engine *engine, const char *job_id, bf_undo_answered *answered, void *argument)
{
    (void)engine;
    snprintf(fake_undo, sizeof fake_undo, "look back %s", job_id);
    answered(argument, &(struct bf_undo_answer){.code = fake.outcome.code, .text = "canned words", .rows = 400, .bytes = 8192,
                                                .sampled = 200, .changed = 3, .deleted = 1, .seconds = -1});
}

void bf_engine_conflicts(struct bf_engine *engine, const char *job_id, const struct bf_conflict_place *after, int64_t limit,
                         bf_undo_answered *answered, void *argument)
{
    (void)engine;
    static const struct bf_conflict list[] = {
        {{2, 17, 0, 4}, "[\"7\",\"b\"]", "changed", NULL, NULL, "2026-11-21T02:40:00.000Z"},
        {{2, 18, 1, 1}, "[\"9\",\"\"]", "deleted", NULL, NULL, "2026-11-21T02:40:00.000Z"},
    };
    int length = snprintf(fake_undo, sizeof fake_undo, "conflicts %s limit %lld", job_id, (long long)limit);
    if (after)
        snprintf(fake_undo + length, sizeof fake_undo - (size_t)length, " after %lld %lld %lld %lld", (long long)after->slice,
                 (long long)after->seq, (long long)after->part, (long long)after->place);
    answered(argument, &(struct bf_undo_answer){.code = BF_OK, .text = "", .list = list, .count = 2, .more = !after});
}

void bf_engine_bad_rows(struct bf_engine *engine, const char *job_id, const struct bf_conflict_place *after, int64_t limit,
                        bf_undo_answered *answered, void *argument)
{
    (void)engine;
    static const struct bf_conflict list[] = {
        {{.slice = 0, .seq = 17}, "[\"7\",\"b\"]", NULL, "value too long", "22001", "2026-11-21T02:40:00.000Z"},
        {{.slice = 2, .seq = 3}, "[\"9\",\"\"]", NULL, "no such parent", "23503", "2026-11-21T02:40:00.000Z"},
    };
    int length = snprintf(fake_undo, sizeof fake_undo, "bad rows %s limit %lld", job_id, (long long)limit);
    if (after)
        snprintf(fake_undo + length, sizeof fake_undo - (size_t)length, " after %lld %lld", (long long)after->slice,
                 (long long)after->seq);
    answered(argument, &(struct bf_undo_answer){.code = fake.outcome.code, .text = "canned words", .list = list, .count = 2, .more = !after});
}

void bf_engine_forget(struct bf_engine *engine, const char *job_id, const char *confirm, const char *actor, bf_ordered *done,
                      void *argument)
{
    snprintf(fake_undo, sizeof fake_undo, "forget %s %s", job_id, confirm ? confirm : "-");
    bf_engine_order(engine, job_id, BF_ORDER_COUNT, actor, NULL, confirm, done, argument);
}

int64_t bf_job_undo_until(const struct bf_job *job)
{
    return job->undo_until;
}

void bf_engine_ask_foreign(const struct bf_engine *engine, const struct bf_target *target, const struct bf_answer *server,
                           struct bf_flight *flight)
{
    (void)engine, (void)target, (void)server;
    bf_flight_add(flight, BF_STATEMENT_FOREIGN_JOBS, "foreign jobs");
}

bool bf_engine_knows(const struct bf_engine *engine, const char *job_id)
{
    (void)engine;
    return strcmp(job_id, FAKE_COMPLETED) == 0;
}

bool bf_engine_owner_may_live(const struct bf_engine *engine, const char *owner, double silent)
{
    (void)engine;
    return owner && *owner && silent < 30;
}

void bf_engine_adopt(struct bf_engine *engine, const char *target, const char *job_id, const char *confirm, const char *actor,
                     const char *reason, bf_ordered *done, void *argument)
{
    snprintf(fake_undo, sizeof fake_undo, "adopt %s from %s, %s, %s", job_id, target, confirm ? confirm : "-", reason ? reason : "-");
    bf_engine_order(engine, job_id, BF_ORDER_COUNT, actor, reason, confirm, done, argument);
}
