#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "job_files_inside.h"
#include "log.h"

enum { NOT_JSON_TRIES = 5 /* before what is not JSON is taken for what it is */ };

void bf_file_forget_words(struct bf_file *file)
{
    free(file->text);
    file->text = NULL;
    if (file->complaints)
        bf_complaints_clear(file->complaints);
    free(file->complaints);
    file->complaints = NULL;
    file->code = BF_OK;
    file->job[0] = '\0';
}

static void settle(struct bf_file *file, enum bf_job_file_state state, const char *job, enum bf_code code, const char *text,
                   const struct bf_complaints *complaints)
{
    static const enum bf_level levels[] = {[BF_JOB_FILE_WAITING] = BF_LEVEL_WARNING, [BF_JOB_FILE_SUBMITTED] = BF_LEVEL_INFO,
                                           [BF_JOB_FILE_FAULTY] = BF_LEVEL_ERROR, [BF_JOB_FILE_CHANGED] = BF_LEVEL_WARNING,
                                           [BF_JOB_FILE_SKIPPED] = BF_LEVEL_NOTICE};
    BF_AUTO_STRING char *before = bf_copy_string(file->text);
    BF_AUTO_STRING char *now = bf_copy_string(text);
    bool same = file->told && file->state == state && strcmp(before ? before : "", now ? now : "") == 0 &&
                strcmp(file->job, job ? job : "") == 0;

    bf_file_forget_words(file);
    free(file->read.content);
    file->read.content = NULL;
    file->phase = BF_FILE_SETTLED;
    file->round = file->files->round;
    file->state = state;
    file->code = code;
    file->text = bf_copy_string(now);
    snprintf(file->job, sizeof file->job, "%s", job ? job : "");
    if (complaints && complaints->count > 0) {
        file->complaints = BF_NEW(struct bf_complaints);
        for (size_t i = 0; i < complaints->count; i++)
            bf_complain(file->complaints, complaints->list[i].code, complaints->list[i].pointer, "%s",
                        complaints->list[i].detail);
        file->complaints->total = complaints->total;
    }
    file->told = true;
    if (same)
        return;
    for (size_t i = 0; file->complaints && i < file->complaints->count; i++)
        bf_log(levels[state], NULL, "job file %s: %s: %s", file->name, file->complaints->list[i].pointer,
               file->complaints->list[i].detail);
    bf_log(levels[state], NULL, "job file %s: %s%s%s%s%s", file->name, bf_job_file_state_name(state), *file->job ? ": job " : "",
           file->job, file->text ? ": " : "", file->text ? file->text : "");
}

static void wait_with(struct bf_file *file, int64_t milliseconds, enum bf_code code, const char *text)
{
    settle(file, BF_JOB_FILE_WAITING, NULL, code, text, NULL);
    file->again_at = uv_now(file->files->options.loop) + (uint64_t)milliseconds;
}

/* The job that this very document became, whoever submitted it. */
static const struct bf_job *same_document(const struct bf_job_files *files, const char *canonical)
{
    for (const struct bf_job *job = NULL; (job = bf_engine_next_job(files->options.engine, job));)
        if (strcmp(bf_job_record(job)->document->canonical, canonical) == 0)
            return job;
    return NULL;
}

static void on_submitted(void *argument, const struct bf_outcome_of_order *outcome)
{
    struct bf_file *file = argument;
    struct bf_job_files *files = file->files;
    const struct bf_job *holder = NULL;
    const char *text = outcome->text && *outcome->text ? outcome->text : NULL;

    files->under_way--;
    if (files->closed) {
        bf_job_files_free_when_idle(files);
        return;
    }
    switch (outcome->code) {
    case BF_OK:
        settle(file, BF_JOB_FILE_SUBMITTED, bf_job_record(outcome->job)->id, BF_OK, NULL, NULL);
        break;
    case BF_STOPPING:
        file->phase = BF_FILE_SETTLED; /* the next start looks at it */
        return;
    case BF_TARGET_DOWN:
    case BF_STORE_FAILED:
    case BF_BUSY:
        wait_with(file, files->options.retry_time, outcome->code, text);
        break;
    case BF_NAME_IN_USE:
        if (bf_engine_find(files->options.engine, file->read.name ? file->read.name : "", false, &holder, NULL) != BF_OK)
            holder = NULL;
        settle(file, BF_JOB_FILE_CHANGED, holder ? bf_job_record(holder)->id : NULL, outcome->code, text, NULL);
        break;
    case BF_ALREADY_DONE:
        settle(file, BF_JOB_FILE_SKIPPED, NULL, outcome->code, text, NULL);
        break;
    default:
        settle(file, BF_JOB_FILE_FAULTY, NULL, outcome->code, text, outcome->complaints);
        break;
    }
    bf_job_files_pump(files);
}

/* Its target was asked in this round, and did not answer: the others of that target need not ask again. */
static const struct bf_file *known_down(const struct bf_file *file)
{
    const struct bf_job_files *files = file->files;

    for (size_t i = 0; i < files->count && file->read.target; i++) {
        const struct bf_file *other = files->list[i];
        if (other->phase == BF_FILE_SETTLED && other->round == files->round && other->state == BF_JOB_FILE_WAITING &&
            other->code == BF_TARGET_DOWN && other->read.target && strcmp(other->read.target, file->read.target) == 0)
            return other;
    }
    return NULL;
}

static const struct bf_file *on_its_way(const struct bf_file *file)
{
    const struct bf_job_files *files = file->files;

    for (size_t i = 0; i < files->count; i++)
        if (files->list[i]->phase == BF_FILE_SUBMITTING && strcmp(files->list[i]->read.canonical, file->read.canonical) == 0)
            return files->list[i];
    return NULL;
}

void bf_file_understand(struct bf_file *file)
{
    struct bf_job_files *files = file->files;
    const struct bf_read_file *read = &file->read;

    if (read->code == BF_NOT_JSON && ++file->tries <= NOT_JSON_TRIES) {
        /* Perhaps somebody is still writing it. */
        wait_with(file, files->options.write_time, BF_NOT_JSON, read->text);
        return;
    }
    if (read->code != BF_OK) {
        settle(file, read->code == BF_NOT_JSON ? BF_JOB_FILE_FAULTY : BF_JOB_FILE_SKIPPED, NULL, read->code, read->text, NULL);
        return;
    }
    const struct bf_job *job = same_document(files, read->canonical);
    if (job) {
        settle(file, BF_JOB_FILE_SUBMITTED, bf_job_record(job)->id, BF_OK, NULL, NULL);
        return;
    }
    const struct bf_file *other = on_its_way(file);
    if (other) {
        file->phase = BF_FILE_TO_READ;
        file->behind = other;
        return;
    }
    other = known_down(file);
    if (other) {
        wait_with(file, files->options.retry_time, BF_TARGET_DOWN, other->text);
        return;
    }
    file->phase = BF_FILE_SUBMITTING;
    files->under_way++;
    bf_engine_submit(files->options.engine, read->content, read->length, NULL, "jobs.d", false, on_submitted, file);
}
