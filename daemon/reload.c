#include "reload.h"

#include <stdlib.h>

#include "allocate.h"

struct loading {
    uv_work_t work;
    char *path;
    struct bf_config *config;
    struct bf_faults faults;
    bf_config_loaded *loaded;
    void *argument;
};

static void on_work(uv_work_t *work)
{
    struct loading *loading = work->data;

    bf_config_load(loading->path, &loading->config, &loading->faults);
}

static void on_worked(uv_work_t *work, int status)
{
    struct loading *loading = work->data;

    (void)status; /* it is never cancelled */
    loading->loaded(loading->argument, loading->config, &loading->faults);
    bf_faults_clear(&loading->faults);
    free(loading->path);
    free(loading);
}

void bf_config_load_later(uv_loop_t *loop, const char *path, bf_config_loaded *loaded, void *argument)
{
    struct loading *loading = BF_NEW(struct loading);

    loading->path = bf_copy_string(path);
    loading->loaded = loaded;
    loading->argument = argument;
    loading->work.data = loading;
    if (uv_queue_work(loop, &loading->work, on_work, on_worked) != 0)
        abort(); /* only for a work function that is NULL */
}
