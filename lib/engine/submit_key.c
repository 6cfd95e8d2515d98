/* Idempotency-Key: who repeats a request, because no answer came, means one job. The key is stored with the job. */
#include <stdio.h>
#include <string.h>

#include "allocate.h"
#include "submission.h"

static void mismatch(const char *of, bf_ordered *done, void *argument)
{
    char text[256];
    snprintf(text, sizeof text, "this Idempotency-Key came with another document before (%s); a new document needs a new key",
             of);
    struct bf_outcome_of_order outcome = {.code = BF_IDEMPOTENCY_MISMATCH, .durable = true, .text = text};
    done(argument, &outcome);
}

static bool of_job(const struct bf_engine *engine, const char *key, const char *actor,
                   const struct bf_document *document, bf_ordered *done, void *argument)
{
    int64_t now = engine->world->unix_time(engine->world->context);
    for (const struct bf_job *job = engine->newest; job; job = job->older) {
        const struct bf_record *record = &job->record;
        if (!record->idempotency_key || strcmp(record->idempotency_key, key) != 0 || !record->submitter ||
            strcmp(record->submitter, actor) != 0 || now - record->created_at > BF_KEY_KEPT)
            continue;
        struct bf_outcome_of_order outcome = {.code = BF_OK, .already = true, .durable = true, .job = job, .text = ""};
        if (strcmp(record->document->canonical, document->canonical) == 0)
            done(argument, &outcome);
        else
            mismatch(record->id, done, argument);
        return true;
    }
    return false;
}

bool bf_key_used(struct bf_engine *engine, const char *key, const char *actor, const struct bf_document *document,
                 bf_ordered *done, void *argument)
{
    for (struct bf_submission *other = engine->submissions; other; other = other->next) {
        if (!other->key || strcmp(other->key, key) != 0 || strcmp(other->actor, actor) != 0)
            continue;
        if (strcmp(other->canonical, document->canonical) != 0) {
            mismatch("which is being checked", done, argument);
            return true;
        }
        struct bf_follower **end = &other->followers;
        while (*end)
            end = &(*end)->next;
        *end = BF_NEW(struct bf_follower);
        **end = (struct bf_follower){.done = done, .argument = argument};
        return true;
    }
    return of_job(engine, key, actor, document, done, argument);
}
