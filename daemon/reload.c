#include "reload.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "log.h"

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

static bool same_source(const struct bf_source_settings *one, const struct bf_source_settings *other)
{
    const char *token = one->token_file ? one->token_file : "", *other_token = other->token_file ? other->token_file : "";

    return strcmp(one->name, other->name) == 0 && strcmp(one->url, other->url) == 0 && strcmp(token, other_token) == 0 &&
           one->type == other->type && one->timeout == other->timeout;
}

/* How many of `list` are not in `others` as they are; each is said. */
static size_t say_sources(const struct bf_config *list, const struct bf_config *others, const char *what)
{
    size_t changes = 0;

    for (size_t i = 0; i < list->source_count; i++) {
        size_t k = 0;
        while (k < others->source_count && !same_source(&list->sources[i], &others->sources[k]))
            k++;
        if (k < others->source_count)
            continue;
        changes++;
        bf_log(BF_LEVEL_NOTICE, NULL, "source %s: %s", list->sources[i].name, what);
    }
    return changes;
}

size_t bf_sources_changes(const struct bf_config *before, const struct bf_config *now)
{
    return say_sources(before, now, "not configured so any more") + say_sources(now, before, "configured");
}
