#include "job_files.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "job_files_inside.h"
#include "log.h"

enum {
    MINUTE = 60 * 1000,
    SECOND = 1000,
    AT_ONCE = 4 /* files that are being read or submitted */
};

struct scan {
    uv_work_t work;
    struct bf_job_files *files;
    char *directory, *trouble;
    char **names;
    size_t count, more;
};

const char *bf_job_file_state_name(enum bf_job_file_state state)
{
    static const char *const names[] = {
#define X(constant, name, meaning) #name,
        BF_JOB_FILE_STATES(X)
#undef X
    };
    return names[state];
}

/* ---- life ---- */

static void on_timer(uv_timer_t *timer);

struct bf_job_files *bf_job_files_new(const struct bf_job_files_options *options)
{
    struct bf_job_files *files = BF_NEW(struct bf_job_files);

    files->options = *options;
    if (files->options.retry_time == 0)
        files->options.retry_time = MINUTE;
    if (files->options.write_time == 0)
        files->options.write_time = SECOND;
    uv_timer_init(options->loop, &files->timer);
    files->timer.data = files;
    files->timer_open = true;
    files->complete = true; /* there is no directory yet */
    return files;
}

static void free_file(struct bf_file *file)
{
    bf_file_forget_words(file);
    bf_read_file_clear(&file->read);
    free(file->name);
    free(file);
}

/* When nothing of it is with the loop or the engine any more. */
void bf_job_files_free_when_idle(struct bf_job_files *files)
{
    if (!files->closed || files->scanning || files->under_way > 0 || files->timer_open)
        return;
    for (size_t i = 0; i < files->count; i++)
        free_file(files->list[i]);
    free(files->list);
    free(files->directory);
    free(files->wanted);
    free(files->trouble);
    free(files);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct bf_job_files *files = handle->data;

    files->timer_open = false;
    bf_job_files_free_when_idle(files);
}

void bf_job_files_free(struct bf_job_files *files)
{
    if (!files)
        return;
    files->closed = true;
    uv_close((uv_handle_t *)&files->timer, on_timer_closed);
}

/* ---- reading ---- */

static void on_read_work(uv_work_t *work)
{
    struct bf_file *file = work->data;

    bf_read_file(file->files->directory, file->name, &file->read);
}

static void on_read(uv_work_t *work, int status)
{
    struct bf_file *file = work->data;
    struct bf_job_files *files = file->files;

    (void)status; /* it is never cancelled */
    files->under_way--;
    if (files->closed) {
        bf_job_files_free_when_idle(files);
        return;
    }
    bf_file_understand(file);
    bf_job_files_pump(files);
}

static void begin_read(struct bf_file *file)
{
    struct bf_job_files *files = file->files;

    bf_read_file_clear(&file->read);
    file->behind = NULL;
    file->phase = BF_FILE_READING;
    file->work.data = file;
    files->under_way++;
    if (uv_queue_work(files->options.loop, &file->work, on_read_work, on_read) != 0)
        abort(); /* only for a work function that is NULL */
}

/* ---- the directory ---- */

/* The file of that name, taken out of the list; or a new one. */
static struct bf_file *take_file(struct bf_job_files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->list[i] && strcmp(files->list[i]->name, name) == 0) {
            struct bf_file *file = files->list[i];
            files->list[i] = NULL;
            return file;
        }
    struct bf_file *file = BF_NEW(struct bf_file);
    file->files = files;
    file->name = bf_copy_string(name);
    return file;
}

static void take_names(struct bf_job_files *files, char **names, size_t count)
{
    struct bf_file **list = bf_allocate(count * sizeof *list + 1);

    for (size_t i = 0; i < count; i++) {
        list[i] = take_file(files, names[i]);
        list[i]->phase = BF_FILE_TO_READ;
        list[i]->behind = NULL;
        list[i]->tries = 0;
        free(names[i]);
    }
    free(names);
    for (size_t i = 0; i < files->count; i++)
        if (files->list[i])
            free_file(files->list[i]);
    free(files->list);
    files->list = list;
    files->count = count;
}

static void on_scan_work(uv_work_t *work)
{
    struct scan *scan = work->data;

    bf_list_directory(scan->directory, BF_JOB_FILES_MAX, &scan->names, &scan->count, &scan->more, &scan->trouble);
}

static void take_scan(struct bf_job_files *files, struct scan *scan)
{
    if (scan->trouble) {
        /* What is known of its files stays: a disk that comes late is no reason to forget them. */
        if (!files->trouble || strcmp(files->trouble, scan->trouble) != 0)
            bf_log(BF_LEVEL_ERROR, NULL, "job files: %s", scan->trouble);
        free(files->trouble);
        files->trouble = scan->trouble;
        return;
    }
    free(files->trouble);
    files->trouble = NULL;
    if (scan->more > 0) {
        files->trouble = bf_format("%s has %zu files more than the %d that are looked at", files->directory, scan->more,
                                   BF_JOB_FILES_MAX);
        bf_log(BF_LEVEL_ERROR, NULL, "job files: %s", files->trouble);
    }
    files->round++;
    take_names(files, scan->names, scan->count);
}

static void on_scanned(uv_work_t *work, int status)
{
    struct scan *scan = work->data;
    struct bf_job_files *files = scan->files;

    (void)status; /* it is never cancelled */
    files->scanning = false;
    if (files->closed || files->scan_again) {
        for (size_t i = 0; i < scan->count; i++)
            free(scan->names[i]);
        free(scan->names);
        free(scan->trouble);
    } else {
        take_scan(files, scan);
    }
    free(scan->directory);
    free(scan);
    if (files->closed)
        bf_job_files_free_when_idle(files);
    else
        bf_job_files_pump(files);
}

static void begin_scan(struct bf_job_files *files)
{
    files->scan_again = false;
    free(files->directory);
    files->directory = bf_copy_string(files->wanted);
    if (!files->directory) {
        take_names(files, NULL, 0);
        free(files->trouble);
        files->trouble = NULL;
        files->complete = true;
        return;
    }
    struct scan *scan = BF_NEW(struct scan);
    scan->files = files;
    scan->directory = bf_copy_string(files->directory);
    scan->work.data = scan;
    files->scanning = true;
    if (uv_queue_work(files->options.loop, &scan->work, on_scan_work, on_scanned) != 0)
        abort(); /* only for a work function that is NULL */
}

void bf_job_files_pump(struct bf_job_files *files)
{
    uint64_t next = UINT64_MAX, now;
    bool all = true;

    uv_update_time(files->options.loop);
    now = uv_now(files->options.loop);
    if (files->scanning)
        return;
    if (files->scan_again) {
        if (files->under_way == 0)
            begin_scan(files); /* else its last callback comes here */
        return;
    }
    for (size_t i = 0; i < files->count; i++) {
        struct bf_file *file = files->list[i];
        bool blocked = file->behind && file->behind->phase != BF_FILE_SETTLED;

        if (file->phase == BF_FILE_TO_READ && !blocked && files->under_way < AT_ONCE)
            begin_read(file);
        if (file->phase != BF_FILE_SETTLED)
            all = false;
        else if (file->state == BF_JOB_FILE_WAITING && file->again_at < next)
            next = file->again_at;
    }
    if (!all)
        return;
    if (!files->trouble)
        files->complete = true;
    if (next != UINT64_MAX)
        uv_timer_start(&files->timer, on_timer, next > now ? next - now : 0, 0);
    else
        uv_timer_stop(&files->timer);
}

/* Those that wait have their turn again. */
static void on_timer(uv_timer_t *timer)
{
    struct bf_job_files *files = timer->data;
    uint64_t now = uv_now(files->options.loop);

    files->round++;
    for (size_t i = 0; i < files->count; i++) {
        struct bf_file *file = files->list[i];
        if (file->phase == BF_FILE_SETTLED && file->state == BF_JOB_FILE_WAITING && file->again_at <= now)
            file->phase = BF_FILE_TO_READ;
    }
    bf_job_files_pump(files);
}

void bf_job_files_scan(struct bf_job_files *files, const char *directory)
{
    if (!directory != !files->wanted || (directory && strcmp(directory, files->wanted) != 0))
        files->complete = !directory;
    free(files->wanted);
    files->wanted = bf_copy_string(directory);
    files->scan_again = true;
    bf_job_files_pump(files);
}

/* ---- what can be seen ---- */

bool bf_job_files_hold(const struct bf_job_files *files, const struct bf_record *record)
{
    if (!files->complete)
        return true;
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->list[i]->job, record->id) == 0)
            return true;
    return false;
}

const char *bf_job_files_directory(const struct bf_job_files *files)
{
    return files->directory;
}

const char *bf_job_files_trouble(const struct bf_job_files *files)
{
    return files->trouble;
}

bool bf_job_files_next(const struct bf_job_files *files, size_t *position, struct bf_job_file *ret_file)
{
    if (*position >= files->count)
        return false;
    const struct bf_file *file = files->list[(*position)++];
    *ret_file = (struct bf_job_file){.name = file->name,
                                     .state = file->state,
                                     .code = file->code,
                                     .text = file->text ? file->text : "",
                                     .complaints = file->complaints};
    memcpy(ret_file->job, file->job, sizeof file->job);
    return true;
}
