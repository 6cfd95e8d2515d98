/* The inside of jobs.d; for the files of this folder only. A file is read, then understood: it settles at once, or is
 * submitted and settles by the engine's answer. What waits is read again when its time has come. */
#ifndef BF_JOB_FILES_INSIDE_H
#define BF_JOB_FILES_INSIDE_H

#include "job_files.h"
#include "job_files_read.h"

struct bf_file {
    struct bf_job_files *files;
    char *name;
    enum bf_file_phase { BF_FILE_TO_READ, BF_FILE_READING, BF_FILE_SUBMITTING, BF_FILE_SETTLED } phase;
    uv_work_t work;
    struct bf_read_file read;     /* its content is there until it has settled */
    const struct bf_file *behind; /* the same document, on its way to become a job; NULL: none */
    int tries;                    /* since the scan: how often it was not JSON */
    uint64_t again_at;            /* WAITING: the loop's time */
    uint64_t round;               /* in which it settled */
    enum bf_job_file_state state;
    char job[BF_ULID_TEXT];
    enum bf_code code;
    char *text;                   /* owned; NULL: none */
    struct bf_complaints *complaints; /* owned; NULL: none */
    bool told;                    /* the log knows its state */
};

struct bf_job_files {
    struct bf_job_files_options options;
    char *directory;       /* owned; NULL: none. Threads read it: changed only when nothing is under way */
    char *wanted;          /* owned; what it is from the next scan on */
    char *trouble;         /* owned */
    struct bf_file **list; /* owned, by name */
    size_t count;
    size_t under_way;      /* files that are being read or submitted */
    bool scanning;
    bool scan_again;
    bool complete;         /* every file of the directory was looked at once */
    bool closed;
    bool timer_open;
    uint64_t round;
    uv_timer_t timer;
};

/* job_files_settle.c: what becomes of a file that was read */
void bf_file_understand(struct bf_file *file);
void bf_file_forget_words(struct bf_file *file); /* frees what was said of it */

/* job_files.c */
void bf_job_files_pump(struct bf_job_files *files); /* begins what can be begun */
void bf_job_files_free_when_idle(struct bf_job_files *files);

#endif
