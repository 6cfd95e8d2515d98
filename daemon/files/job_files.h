/* jobs.d: a directory of job documents (docs/interface.md, section 6). Every *.json in it is submitted once, at start and
 * when bf_job_files_scan is called. What counts is the content: the same canonical document is the same job, whatever the
 * file is called and however often it is seen, also after restarts, for the jobs remember it. Everything else about a
 * file is only reported: in the log, once, and by bf_job_files_next. Directory and files are read on the thread pool. */
#ifndef BF_JOB_FILES_H
#define BF_JOB_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "engine.h"

/* X(CONSTANT, name, meaning) */
#define BF_JOB_FILE_STATES(X)                                                                        \
    X(WAITING, waiting, "tried again by itself: the reason says why")                                \
    X(SUBMITTED, submitted, "it is a job")                                                           \
    X(FAULTY, faulty, "refused; the complaints say why")                                             \
    X(CHANGED, changed, "the name of its job is in use by another document, which it does not touch") \
    X(SKIPPED, skipped, "not looked into; the reason says why")

enum bf_job_file_state {
#define X(constant, name, meaning) BF_JOB_FILE_##constant,
    BF_JOB_FILE_STATES(X)
#undef X
        BF_JOB_FILE_STATE_COUNT
};
const char *bf_job_file_state_name(enum bf_job_file_state state);

enum { BF_JOB_FILES_MAX = 1000 }; /* names that are looked at, in the order of the alphabet */

/* What can be seen of one; valid until the loop runs again. */
struct bf_job_file {
    const char *name;
    enum bf_job_file_state state;
    char job[BF_ULID_TEXT];  /* SUBMITTED, CHANGED: whose document it is, or who has the name; else "" */
    enum bf_code code;       /* BF_OK: there is no reason */
    const char *text;        /* "" where there is no reason */
    const struct bf_complaints *complaints; /* NULL: none */
};

struct bf_job_files;

struct bf_job_files_options {
    uv_loop_t *loop;
    struct bf_engine *engine;
    /* Milliseconds; 0: a minute, and a second. */
    int64_t retry_time; /* until a file is tried again whose target is not reachable */
    int64_t write_time; /* until a file is read again that is not JSON yet; after 5 times it is faulty */
};

struct bf_job_files *bf_job_files_new(const struct bf_job_files_options *options);
/* Reads the directory and looks at every file in it; NULL: there is none any more. One scan at a time, another call
 * meanwhile is remembered. */
void bf_job_files_scan(struct bf_job_files *files, const char *directory);
/* Its document stands in a file, or may do so (the files were not all looked at yet): the job must not be forgotten. */
bool bf_job_files_hold(const struct bf_job_files *files, const struct bf_record *record);
/* No callback does anything any more; what is under way is freed when it ends. Before the engine is freed. NULL is fine. */
void bf_job_files_free(struct bf_job_files *files);

const char *bf_job_files_directory(const struct bf_job_files *files); /* NULL: none */
const char *bf_job_files_trouble(const struct bf_job_files *files);   /* why it cannot be read; NULL: it can */
/* By name; *position is 0 at first. False: there is no more. */
bool bf_job_files_next(const struct bf_job_files *files, size_t *position, struct bf_job_file *ret_file);

#endif
